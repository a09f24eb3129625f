package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"minitwit/service/session"
)

// carry adds texts one response after the other, as a browser would bring the
// cookie back, and gives what is then shown.
func carry(t testing.TB, c *session.Codec, texts ...string) []string {
	t.Helper()
	r := request()
	for _, text := range texts {
		r = request(issue(t, func(w http.ResponseWriter) error { return c.AddFlash(w, r, text) }))
	}
	return c.TakeFlashes(httptest.NewRecorder(), r)
}

func TestFlashesArriveInOrder(t *testing.T) {
	t.Parallel()
	want := []string{"You were logged in", `You are now following "<em>O'Neil & 😀"`, ""}
	if diff := cmp.Diff(want, carry(t, newCodec(t, secretA, ""), want...)); diff != "" {
		t.Errorf("flashes differ (-want +got):\n%s", diff)
	}
}

func TestTwoFlashesOfOneResponseBothArrive(t *testing.T) {
	t.Parallel()
	c := newCodec(t, secretA, "")
	want := []string{"one", "two"}
	cookie := issue(t, func(w http.ResponseWriter) error {
		if err := c.AddFlash(w, request(), want[0]); err != nil {
			return err
		}
		return c.AddFlash(w, request(), want[1])
	})
	if diff := cmp.Diff(want, c.TakeFlashes(httptest.NewRecorder(), request(cookie))); diff != "" {
		t.Errorf("flashes differ (-want +got):\n%s", diff)
	}
}

func TestTakenFlashesAreGone(t *testing.T) {
	t.Parallel()
	c := newCodec(t, secretA, "")
	r := request(issue(t, func(w http.ResponseWriter) error { return c.AddFlash(w, request(), "once") }))
	w := httptest.NewRecorder()
	c.TakeFlashes(w, r)
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || cookies[0].MaxAge >= 0 {
		t.Errorf("TakeFlashes sets %v, want one cookie that deletes", cookies)
	}
	if again := c.TakeFlashes(w, r); again != nil {
		t.Errorf("TakeFlashes a second time = %q, want none", again)
	}
}

func TestWithoutFlashTheResponseIsUntouched(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if texts := newCodec(t, secretA, "").TakeFlashes(w, request()); texts != nil || len(w.Header()) != 0 {
		t.Errorf("TakeFlashes(no cookie) = %q with headers %v, want nothing", texts, w.Header())
	}
}

func TestForgedFlashIsDroppedAndDeleted(t *testing.T) {
	t.Parallel()
	c := newCodec(t, secretA, "")
	cookie := issue(t, func(w http.ResponseWriter) error { return c.AddFlash(w, request(), "genuine") })
	for i := range cookie.Value {
		forged := *cookie
		forged.Value = cookie.Value[:i]
		w := httptest.NewRecorder()
		if texts := c.TakeFlashes(w, request(&forged)); texts != nil {
			t.Errorf("TakeFlashes(cookie cut after %d bytes) = %q, want none", i, texts)
		}
	}
}

func TestFlashCookieIsBounded(t *testing.T) {
	t.Parallel()
	c := newCodec(t, secretA, "")
	long := strings.Repeat("😀", 1000)
	cases := []struct {
		name  string
		texts []string
		want  []string
	}{
		{"one long text is cut", []string{long}, []string{long[:1280]}},
		{"what fits stays", []string{"old", long[:1000], "new"}, []string{"old", long[:1000], "new"}},
		{"the oldest give way", []string{"old", long[:1276], "newer"}, []string{"newer"}},
	}
	for _, tc := range cases {
		got := carry(t, c, tc.texts...)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		if all := strings.Join(got, ""); !utf8.ValidString(all) {
			t.Errorf("%s: %q is not valid UTF-8", tc.name, all)
		}
	}
	cookie := issue(t, func(w http.ResponseWriter) error { return c.AddFlash(w, request(), long) })
	if n := len(cookie.Raw); n > 2600 {
		t.Errorf("Set-Cookie of the longest flash has %d bytes, want at most 2600", n)
	}
}

func TestFlashExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // its clock jumps
		c := newCodec(t, secretA, "")
		cookie := issue(t, func(w http.ResponseWriter) error { return c.AddFlash(w, request(), "late") })
		<-time.After(time.Hour + time.Second)
		if texts := c.TakeFlashes(httptest.NewRecorder(), request(cookie)); texts != nil {
			t.Errorf("TakeFlashes after an hour = %q, want none", texts)
		}
	})
}
