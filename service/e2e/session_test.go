package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"minitwit/service/dbtest"
	"minitwit/service/wait"
)

func TestSignedOutVisitors(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	newMember(t, a, "anna")
	v := newVisitor(t, a)
	if p := v.get("/"); p.status != http.StatusOK || p.path != "/public" {
		t.Errorf("GET / leads to %d %s, want /public", p.status, p.path)
	}
	for _, test := range []struct{ method, path string }{
		{"GET", "/anna/follow"},
		{"GET", "/anna/unfollow"},
		{"POST", "/anna/follow"},
		{"POST", "/anna/unfollow"},
		{"POST", "/add_message"},
	} {
		if p := v.do(test.method, test.path, url.Values{"text": {"forged"}}); p.status != http.StatusUnauthorized {
			t.Errorf("%s %s signed out = %d, want 401", test.method, test.path, p.status)
		}
	}
	if p := v.get("/public"); len(p.messages()) != 0 {
		t.Errorf("somebody signed out has written %q", p.messages())
	}
	if p := v.get("/logout"); p.path != "/public" || p.status != http.StatusOK {
		t.Errorf("GET /logout signed out leads to %d %s", p.status, p.path)
	}
}

func TestSignedInVisitorsAreLedAwayFromTheForms(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	v := newMember(t, a, "anna")
	for _, test := range []struct {
		path string
		form url.Values
	}{{"/login", credentials("anna", "x")}, {"/register", registration("other")}} {
		for _, p := range []page{v.get(test.path), v.post(test.path, test.form)} {
			if p.path != "/" || p.signedInAs() != "anna" {
				t.Errorf("%s leads to %s as %q, want / as anna", test.path, p.path, p.signedInAs())
			}
		}
	}
	if p := v.get("/nobody/follow"); p.status != http.StatusNotFound {
		t.Errorf("following somebody unknown = %d, want 404", p.status)
	}
	if p := v.get("/add_message"); p.status != http.StatusMethodNotAllowed {
		t.Errorf("GET /add_message = %d, want 405", p.status)
	}
}

func TestSigningOutEndsTheSession(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	newMember(t, a, "anna")
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		v := newVisitor(t, a)
		if !v.signIn("anna", "secret of anna") {
			t.Fatal("cannot sign in")
		}
		if p := v.do(method, "/logout", nil); p.path != "/public" || p.signedInAs() != "" {
			t.Errorf("%s /logout leads to %s as %q", method, p.path, p.signedInAs())
		}
		if p := v.share("too late"); p.status != http.StatusUnauthorized {
			t.Errorf("add_message after %s /logout = %d, want 401", method, p.status)
		}
	}
}

// Somebody who leaves a shared computer cannot wait for it.
func TestSigningOutNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	db, fail, mend := silence(t, dbtest.URL(t))
	a := start(t, options{db: db, env: []string{asInProduction}})
	newMember(t, a, "anna")
	v := newVisitor(t, a)
	if !v.signIn("anna", "secret of anna") {
		t.Fatal("cannot sign in")
	}
	fail()
	if p := v.do(http.MethodPost, "/logout", nil); p.path != "/public" {
		t.Errorf("POST /logout leads to %s, %d", p.path, p.status)
	}
	mend()
	wait.For(t, deadline, "the visitor to be signed out", func() bool { return v.share("too late").status == http.StatusUnauthorized })
}

func TestASessionIsGoodOnEveryReplicaAndAfterARestart(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	onlyWeb := options{db: db, args: []string{"--only", "web"}}
	first, second := serve(t, onlyWeb), serve(t, onlyWeb)
	v := newMember(t, first, "anna")
	if p := v.at(second).share("on the second"); p.signedInAs() != "anna" || p.flash() != "Your message was recorded" {
		t.Errorf("the second replica sees %q and shows the flash %q", p.signedInAs(), p.flash())
	}
	first.terminate()
	if p := v.at(serve(t, onlyWeb)).get("/"); p.signedInAs() != "anna" || len(p.messages()) != 1 {
		t.Errorf("after a restart the visitor is %q with %q", p.signedInAs(), p.messages())
	}
}

func TestSessionsOutliveARotationOfTheKeyOnce(t *testing.T) {
	t.Parallel()
	const (
		first  = "the first key, 32 characters or more"
		second = "the second key, 32 characters or more"
	)
	db := dbtest.URL(t)
	with := func(key, previous string) *app {
		return serve(t, options{db: db, args: []string{"--only", "web"}, env: []string{"SESSION_KEY=" + key, "SESSION_KEY_PREVIOUS=" + previous}})
	}
	before, during, after := with(first, ""), with(second, first), with(second, "")
	anna := newMember(t, before, "anna")
	if p := anna.at(during).get("/"); p.signedInAs() != "anna" {
		t.Error("the rotation of the key has signed anna out")
	}
	ben := newMember(t, during, "ben")
	if p := ben.at(after).get("/"); p.signedInAs() != "ben" {
		t.Error("a session begun during the rotation is over after it")
	}
	if p := anna.at(after).get("/"); p.path != "/public" || p.signedInAs() != "" {
		t.Errorf("a session under a key that is gone still holds: %q at %s", p.signedInAs(), p.path)
	}
}

func TestCookiesThatWeDidNotWriteMeanSignedOut(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	a := serve(t, options{db: db})
	v := newMember(t, a, "anna")
	base, err := url.Parse(a.web)
	if err != nil {
		t.Fatal(err)
	}
	good := ""
	for _, cookie := range v.client.Jar.Cookies(base) {
		if cookie.Name == "minitwit_session" {
			good = cookie.Value
		}
	}
	for _, value := range []string{
		"", "x", good[:len(good)-1], good[1:], good + "A", good[:20] + "AAAA" + good[24:], strings.ToLower(good),
		strings.Repeat("A", len(good)), strings.Repeat("A", 10_000), "eyJ1c2VyX2lkIjoxfQ.ZLhxyQ.7hPjGzj0vrQ9", "1", "%00", "é",
	} {
		stranger := newVisitor(t, a)
		p := stranger.get("/", "Cookie", "minitwit_session="+value+"; minitwit_flash="+value)
		if p.status != http.StatusOK || p.path != "/public" || p.signedInAs() != "" || p.flash() != "" {
			t.Errorf("the cookie %.40q leads to %d %s as %q with %q", value, p.status, p.path, p.signedInAs(), p.flash())
		}
	}
	if p := newVisitor(t, a).get("/anna", "Cookie", "minitwit_session="+good); p.signedInAs() != "anna" {
		t.Error("the test's own way to send the cookie does not work")
	}
	execute(t, db, "UPDATE users SET session_epoch = session_epoch + 1")
	if p := v.get("/"); p.path != "/public" {
		t.Errorf("a revoked session still leads to %s", p.path)
	}
}

func TestCookiesAreKeptFromScriptsAndOtherSites(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	for _, secure := range []string{"false", "true"} {
		a := serve(t, options{db: db, env: []string{"COOKIE_SECURE=" + secure}})
		v := newVisitor(t, a)
		v.post("/register", registration("anna"))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.web+"/login",
			strings.NewReader(credentials("anna", "secret of anna").Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if len(resp.Cookies()) != 2 {
			t.Errorf("login sets %d cookies, want the session and the flash", len(resp.Cookies()))
		}
		for _, c := range resp.Cookies() {
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure != (secure == "true") {
				t.Errorf("with COOKIE_SECURE=%s the cookie is %s", secure, c.Raw)
			}
		}
	}
}
