package simapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

func requestOf(e *echo.Echo, method, target, body string) echo.Context {
	return e.NewContext(httptest.NewRequest(method, target, strings.NewReader(body)), httptest.NewRecorder())
}

func TestLimitBringsAnyTextIntoRange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 100, "0": 0, "1": 1, "100": 100, "1000": 1000, "1001": 1000, "-1": 100, "abc": 100, "1.5": 100, "1e3": 100,
		"99999999999999999999": 1000, "-99999999999999999999": 100, "%00": 100, "+7": 7, "0x10": 100,
	} {
		target := "/msgs?no=" + strings.ReplaceAll(text, "+", "%2B")
		if got := limit(requestOf(echo.New(), "GET", target, "")); got != want {
			t.Errorf("limit of no=%q is %d, want %d", text, got, want)
		}
	}
}

// A thousand of the longest messages would take more memory than a replica has.
func TestALongListEndsEarly(t *testing.T) {
	t.Parallel()
	of := func(n int, text string, size int) []minitwit.Message {
		return slices.Repeat([]minitwit.Message{{Text: strings.Repeat(text, size), Author: "Ada"}}, n)
	}
	for _, test := range []struct {
		what     string
		messages []minitwit.Message
		want     int
	}{
		{"none", nil, 0},
		{"100 of the simulator's longest", of(100, "x", 10_118), 100},
		{"1,000 of 900 bytes", of(1000, "x", 900), 1000},
		{"1,000 of the longest that the API takes", of(1000, "x", minitwit.MaxContentBytes), 63},
		{"1,000 of the longest as JSON", of(1000, "<", minitwit.MaxContentBytes), 10},
		{"the first alone over the bound", of(2, "x", 2*maxListBytes), 1},
	} {
		text, err := listed(test.messages)
		var list []message
		if err = errors.Join(err, json.Unmarshal(text, &list)); err != nil || len(list) != test.want || list == nil {
			t.Errorf("%s: %d in the list, %v; want %d", test.what, len(list), err, test.want)
		}
	}
}

// Whatever comes is either understood, as valid UTF-8, or the client's fault.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		`{"content":"hello"}`, `{"content":null}`, `{"content":7}`, `[]`, `null`, ``, `{"content":"\ud800"}`, "\xff", `{"a":`,
		`{"content":"a\u0000b"}`, `{"Content":"x","content":"y"}`,
	} {
		f.Add(body)
	}
	e := echo.New()
	f.Fuzz(func(t *testing.T, body string) {
		var r struct{ Content *string }
		err := decode(requestOf(e, "POST", "/msgs/x", body), &r)
		if err != nil && minitwit.CodeOf(err) != minitwit.CodeInvalid {
			t.Errorf("decode(%q) = %v, want nil or CodeInvalid", body, err)
		}
		if err == nil && r.Content != nil && !utf8.ValidString(*r.Content) {
			t.Errorf("decode(%q) gives %q", body, *r.Content)
		}
	})
}

// FuzzUsername holds that any path gives a usable name or CodeInvalid.
func FuzzUsername(f *testing.F) {
	for _, path := range []string{"Roger%20Histand", "a%2Fb", "%00", "%ff", "%", "%zz", "..", "a%252Fb"} {
		f.Add(path)
	}
	var name string
	var err error
	e := echo.New()
	e.GET("/msgs/:username", func(c echo.Context) error {
		name, err = username(c)
		return nil
	})
	f.Fuzz(func(t *testing.T, path string) {
		req, reqErr := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/msgs/"+path, nil)
		if reqErr != nil {
			return // no client could send it
		}
		name, err = "", nil
		e.ServeHTTP(httptest.NewRecorder(), req)
		if err == nil && (!utf8.ValidString(name) || strings.Contains(name, "\x00")) {
			t.Errorf("username of %q is %q", path, name)
		}
		if err != nil && minitwit.CodeOf(err) != minitwit.CodeInvalid {
			t.Errorf("username of %q = %v, want CodeInvalid", path, err)
		}
	})
}

// gate is a database whose writes end when they are let through.
type gate struct {
	mu      sync.Mutex
	written []int64
	pass    chan error
}

func (g *gate) write(_ context.Context, v int64) error {
	err := <-g.pass
	g.mu.Lock()
	defer g.mu.Unlock()
	g.written = append(g.written, v)
	return err
}

func TestOneUpdateServesAllThatWait(t *testing.T) {
	t.Parallel()
	g := &gate{pass: make(chan error)}
	l := NewLatest(nil, g.write)
	first := l.record("1")
	g.pass <- nil
	if err := first(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The next update is under way; three more requests come meanwhile.
	waits := []func(context.Context) error{l.record("2"), nil, nil, nil}
	for l.hasWaiting() { // until the update of 2 has been taken up
		runtime.Gosched()
	}
	waits[1], waits[2], waits[3] = l.record("3"), l.record("4"), l.record("5")
	g.pass <- nil
	g.pass <- nil
	for _, wait := range waits {
		if err := wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.written) != 3 || g.written[2] != 5 {
		t.Errorf("written is %v, want 1, 2 and one update for 3 to 5 that stores 5", g.written)
	}
}

func (l *Latest) hasWaiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next != nil
}

func TestAFailedUpdateIsToldToAllThatWait(t *testing.T) {
	t.Parallel()
	g := &gate{pass: make(chan error)}
	l := NewLatest(nil, g.write)
	wait := l.record("7")
	g.pass <- errors.New("away")
	if err := wait(t.Context()); err == nil {
		t.Error("the update failed and nobody was told")
	}
	wait = l.record("8")
	g.pass <- nil
	if err := wait(t.Context()); err != nil {
		t.Errorf("the next update: %v", err)
	}
}

// The client is told to come again: the update goes on, and fails nobody.
func TestWhoCannotWaitForLatestIsToldToTryAgain(t *testing.T) {
	t.Parallel()
	g := &gate{pass: make(chan error)}
	wait := NewLatest(nil, g.write).record("9")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := minitwit.CodeOf(wait(ctx)); got != minitwit.CodeUnavailable {
		t.Errorf("code %q, want %q", got, minitwit.CodeUnavailable)
	}
	g.pass <- nil
}

func TestWhatIsNoIntegerIsNotRecorded(t *testing.T) {
	t.Parallel()
	l := NewLatest(nil, func(_ context.Context, v int64) error {
		t.Errorf("%d was recorded", v)
		return nil
	})
	for _, text := range []string{"", "x", "1.5", "0x1", "99999999999999999999", " 1", "1 "} {
		if err := l.record(text)(t.Context()); err != nil {
			t.Errorf("record(%q) = %v", text, err)
		}
	}
}
