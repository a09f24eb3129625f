package main

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

func TestALineIsReadAsItsWriterMeantIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, service, level, request, at string }{
		{
			`{"level":"warn","service":"minitwit_api","slot":"2","request_id":"r1","time":"2026-01-02T03:04:05Z","message":"refused"}`,
			"minitwit_api.2", "warn", "r1", "2026-01-02T03:04:05Z",
		},
		{`{"service":"minitwit","message":"without a slot or level"}`, "minitwit", "unknown", "", ""},
		{`2026-01-02 03:04:05 ERR request error="pq: gone" request_id=r2 status=500`, "file", "error", "r2", "local"},
		{`2026-01-02 03:04:05.678 UTC [123] minitwit ERROR:  relation does not exist`, "file", "error", "", "2026-01-02T03:04:05.678Z"},
		{`2026-01-02 03:04:05.678 UTC [123]  LOG:  ready`, "file", "info", "", "2026-01-02T03:04:05.678Z"},
		{`panic: runtime error: index out of range`, "file", "fatal", "", ""},
		{`fatal error: all goroutines are asleep`, "file", "fatal", "", ""},
		{`	panic: is not at the beginning`, "file", "unknown", "", ""},
		{`null`, "file", "unknown", "", ""},
		{`17`, "file", "unknown", "", ""},
	} {
		e := parse(c.line, "file", time.Time{})
		at := ""
		if !e.time.IsZero() {
			at = e.time.UTC().Format(time.RFC3339Nano)
		}
		if c.at == "local" {
			c.at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local).UTC().Format(time.RFC3339Nano)
		}
		if e.service != c.service || e.level != c.level || e.request != c.request || at != c.at || e.raw != c.line {
			t.Errorf("parse(%q) = %+v, want service %s, level %s, request %s, at %s", c.line, e, c.service, c.level, c.request, c.at)
		}
	}
}

// The store's time has nanoseconds, the line's own has seconds.
func TestTheTimeOfTheStoreCounts(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	for _, line := range []string{`{"time":"2026-01-02T03:04:04Z"}`, "2026-01-02 03:04:04 INF x"} {
		if e := parse(line, "", at); !e.time.Equal(at) {
			t.Errorf("parse(%q) is of %v, want %v", line, e.time, at)
		}
	}
}

func printed(t *testing.T, raw bool, lines ...string) string {
	t.Helper()
	var out strings.Builder
	var found []entry
	for _, line := range lines {
		found = append(found, parse(line, "minitwit_web.1", time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)))
	}
	if err := (printer{out: bufio.NewWriter(&out), raw: raw}).print(found); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestALineForPeople(t *testing.T) {
	t.Parallel()
	const (
		request = `{"level":"info","service":"minitwit_api","slot":"3","node":"n1","version":"1.2","request_id":"r1","status":200,` +
			`"uri":"/a b","error":"","ids":[1,2],"message":"request"}`
		panicked = `{"level":"error","stack":"goroutine 1\n\tmain.go:3\n","message":"panic"}`
	)
	got := printed(t, false, request, panicked, "not JSON")
	want := `2026-01-02 03:04:05.678Z  minitwit_api.3    info     request  error=""  ids=[1,2]  node=n1  request_id=r1  status=200  uri="/a b"
2026-01-02 03:04:05.678Z  minitwit_web.1    error    panic
    goroutine 1
    	main.go:3
2026-01-02 03:04:05.678Z  minitwit_web.1    unknown  not JSON
`
	if got != want {
		t.Errorf("printed\n%swant\n%s", got, want)
	}
	if got := printed(t, true, request, "not JSON"); got != request+"\nnot JSON\n" {
		t.Errorf("the lines as they are: %s", got)
	}
}

// A client chooses addresses and names, and somebody looks at them in a terminal.
func TestALineCannotTalkToTheTerminal(t *testing.T) {
	t.Parallel()
	got := printed(t, false,
		`{"message":"a\u001b[2Jb\nc","uri":"/\u001b[2J","agent":"x\u001b y","\u001bname":"\u009b","list":["\u009b\u007f"],"stack":"s\u001b[2J\r"}`,
		"plain \x1b[2J\rtext")
	for _, r := range got {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			t.Errorf("%q holds %q", got, r)
		}
	}
	if lines := strings.Count(got, "\n"); lines != 3 {
		t.Errorf("%q has %d lines, want 3", got, lines)
	}
}
