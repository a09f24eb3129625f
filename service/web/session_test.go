package web_test

import (
	"net/http"
	"net/url"
	"testing"

	check "minitwit/service/htmlcheck"
	"minitwit/service/minitwit"
)

func TestEndedSessionIsSignedOutAndForgotten(t *testing.T) {
	t.Parallel()
	s := newSite(t, "me")
	b := s.signedIn(t, "me")
	s.endSessions("me")
	b.get("/").wantRedirect(t, "GET /", http.StatusFound, "/public")
	address, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	if cookies := b.Jar.Cookies(address); len(cookies) != 0 {
		t.Errorf("cookies after the session ended: %v, want none", cookies)
	}
}

func TestForgedSessionIsSignedOut(t *testing.T) {
	t.Parallel()
	b := newSite(t, "me").browser(t)
	b.header.Set("Cookie", "minitwit_session=MTIzfGFifGNk; minitwit_flash=x")
	b.get("/public").wantPage(t, "GET /public", http.StatusOK, check.In("nav a[href='/login']"), check.NotIn(".flashes"))
}

// With the store away nobody can tell whether the cookie still counts: the
// error page must not claim that the visitor is signed out.
func TestErrorOfTheStoreSignsNobodyOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, "me")
	b := s.signedIn(t, "me")
	s.breakDown(minitwit.Unavailable(http.ErrServerClosed))
	a := b.get("/public")
	a.wantPage(t, "while the store is away", http.StatusServiceUnavailable,
		check.NotIn("nav a[href='/login']"), check.NotIn("form[action='/logout']"))
	if cookies := a.header.Values("Set-Cookie"); len(cookies) != 0 {
		t.Errorf("while the store is away: Set-Cookie %q, want none", cookies)
	}
	s.breakDown(nil)
	b.get("/").wantPage(t, "when it is back", http.StatusOK, check.In("h1", check.IsText("My Timeline")))
}
