package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"minitwit/service/session"
)

const (
	secretA = "a secret text of at least 32 characters: A"
	secretB = "a secret text of at least 32 characters: B"
)

func newCodec(t testing.TB, current, previous string) *session.Codec {
	t.Helper()
	c, err := session.New(current, previous, true)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return c
}

// issue gives the one cookie that write sets.
func issue(t testing.TB, write func(http.ResponseWriter) error) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	if err := write(w); err != nil {
		t.Fatalf("write cookie: %v", err)
	}
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("response sets %d cookies, want 1: %v", len(cookies), cookies)
	}
	return cookies[0]
}

func request(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func sessionCookie(t testing.TB, c *session.Codec, s session.Session) *http.Cookie {
	t.Helper()
	return issue(t, func(w http.ResponseWriter) error { return c.Save(w, s) })
}

func TestSavedSessionIsLoadedByAnyReplica(t *testing.T) {
	t.Parallel()
	want := session.Session{UserID: 7, Epoch: 3}
	cookie := sessionCookie(t, newCodec(t, secretA, ""), want)
	got, ok := newCodec(t, secretA, "").Load(request(cookie))
	if !ok || got != want {
		t.Errorf("Load = %v, %v; want %v, true", got, ok, want)
	}
}

func TestSessionCookieIsProtected(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		c, err := session.New(secretA, "", secure)
		if err != nil {
			t.Fatal(err)
		}
		got := sessionCookie(t, c, session.Session{UserID: 1})
		want := &http.Cookie{
			Name: got.Name, Value: got.Value, Raw: got.Raw,
			Path: "/", MaxAge: 30 * 24 * 60 * 60, HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("cookie of New(…, secure %v) differs (-want +got):\n%s", secure, diff)
		}
	}
}

func TestSecretsCanBeRotated(t *testing.T) {
	t.Parallel()
	s := session.Session{UserID: 7, Epoch: 1}
	before, during, after := newCodec(t, secretA, ""), newCodec(t, secretB, secretA), newCodec(t, secretB, "")
	cases := []struct {
		name           string
		writer, reader *session.Codec
		want           bool
	}{
		{"an old cookie is read while both secrets are known", before, during, true},
		{"a new cookie is written with the current secret", during, after, true},
		{"an old cookie is refused once its secret is gone", before, after, false},
		{"a new cookie is refused by who does not know its secret", during, before, false},
	}
	for _, tc := range cases {
		_, ok := tc.reader.Load(request(sessionCookie(t, tc.writer, s)))
		if ok != tc.want {
			t.Errorf("%s: Load = %v, want %v", tc.name, ok, tc.want)
		}
	}
}

func TestTamperedSessionIsSignedOut(t *testing.T) {
	t.Parallel()
	c := newCodec(t, secretA, secretB)
	cookie := sessionCookie(t, c, session.Session{UserID: 7, Epoch: 1})
	for i, b := range []byte(cookie.Value) {
		for _, other := range []byte("AB-_=09z") {
			if other == b {
				continue
			}
			forged := *cookie
			forged.Value = cookie.Value[:i] + string(other) + cookie.Value[i+1:]
			if s, ok := c.Load(request(&forged)); ok {
				t.Errorf("Load(cookie with byte %d %q → %q) = %v, want signed out", i, b, other, s)
			}
		}
		short := *cookie
		short.Value = cookie.Value[:i]
		if s, ok := c.Load(request(&short)); ok {
			t.Errorf("Load(cookie cut after %d bytes) = %v, want signed out", i, s)
		}
	}
}

func TestSessionExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // its clock jumps
		c := newCodec(t, secretA, "")
		cookie := sessionCookie(t, c, session.Session{UserID: 7})
		<-time.After(session.MaxAge)
		if _, ok := c.Load(request(cookie)); !ok {
			t.Errorf("Load after %v = signed out, want the session", session.MaxAge)
		}
		<-time.After(time.Second)
		if _, ok := c.Load(request(cookie)); ok {
			t.Errorf("Load a second after %v = a session, want signed out", session.MaxAge)
		}
	})
}

func TestClearDeletesTheCookie(t *testing.T) {
	t.Parallel()
	c := newCodec(t, secretA, "")
	w := httptest.NewRecorder()
	if err := c.Save(w, session.Session{UserID: 7}); err != nil {
		t.Fatal(err)
	}
	c.Clear(w)
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || cookies[0].MaxAge >= 0 || cookies[0].Path != "/" {
		t.Errorf("after Save and Clear the response sets %v, want one cookie that deletes", cookies)
	}
}

func TestFlashCookieIsNoSession(t *testing.T) {
	t.Parallel()
	c := newCodec(t, secretA, "")
	flash := issue(t, func(w http.ResponseWriter) error { return c.AddFlash(w, request(), `{"u":1,"e":0}`) })
	signedIn := sessionCookie(t, c, session.Session{UserID: 7})
	signedIn.Value = flash.Value
	if s, ok := c.Load(request(signedIn)); ok {
		t.Errorf("Load(flash cookie under the session's name) = %v, want signed out", s)
	}
}

func TestWeakSecretsAreRefusedAndNotShown(t *testing.T) {
	t.Parallel()
	const weak = "31 characters are not enough..."
	for _, secrets := range [][2]string{{"", ""}, {weak, ""}, {secretA, weak}, {strings.Repeat("é", 31), ""}} {
		_, err := session.New(secrets[0], secrets[1], true)
		if err == nil {
			t.Errorf("New(%q, %q) = nil error, want one", secrets[0], secrets[1])
		} else if strings.Contains(err.Error(), weak) {
			t.Errorf("New(%q, %q) shows the secret: %v", secrets[0], secrets[1], err)
		}
	}
}

// FuzzLoad holds that no value but one that we wrote signs anybody in.
func FuzzLoad(f *testing.F) {
	c := newCodec(f, secretA, secretB)
	// No seed is made under c's own keys: the fuzzer's processes share the seeds,
	// and would find their way back to a genuine cookie.
	foreign := sessionCookie(f, newCodec(f, strings.Repeat("x", 32), ""), session.Session{UserID: 7})
	for _, seed := range []string{"", "|", "MTIzfGFifGNk", foreign.Value, foreign.Value + "=", foreign.Value[1:]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := request()
		r.Header.Set("Cookie", foreign.Name+"="+value+"; minitwit_flash="+value)
		if s, ok := c.Load(r); ok {
			t.Errorf("Load(%q) = %v, want signed out", value, s)
		}
		if texts := c.TakeFlashes(httptest.NewRecorder(), r); texts != nil {
			t.Errorf("TakeFlashes(%q) = %q, want none", value, texts)
		}
	})
}
