package web_test

import (
	"net/http"
	"testing"

	check "minitwit/service/htmlcheck"
	"minitwit/service/minitwit"
)

func TestLoginAndLogout(t *testing.T) {
	t.Parallel()
	b := newSite(t, "me").browser(t)
	b.post("/login", "username", "me", "password", "secret").wantRedirect(t, "login", http.StatusSeeOther, "/")
	b.get("/").wantPage(t, "after login", http.StatusOK, hasFlash("You were logged in"))
	b.get("/").wantPage(t, "the next page", http.StatusOK, check.NotIn(".flashes"))
	b.get("/logout").wantRedirect(t, "logout", http.StatusFound, "/public")
	b.get("/public").wantPage(t, "after logout", http.StatusOK, hasFlash("You were logged out"),
		check.In("nav a[href='/login']"), check.NotIn("form[action='/logout']"))
}

func TestLogoutByPost(t *testing.T) {
	t.Parallel()
	b := newSite(t, "me").signedIn(t, "me")
	b.post("/logout").wantRedirect(t, "POST /logout", http.StatusSeeOther, "/public")
	b.get("/").wantRedirect(t, "GET / after it", http.StatusFound, "/public")
}

func TestLoginErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t, "me")
	cases := []struct{ name, password, want, field string }{
		{"nobody", "secret", "Invalid username", "username"},
		{"", "", "Invalid username", "username"},
		{"me", "wrong", "Invalid password", "password"},
	}
	for _, tc := range cases {
		what := "login as " + tc.name + " with " + tc.password
		a := s.browser(t).post("/login", "username", tc.name, "password", tc.password)
		a.wantPage(t, what, http.StatusOK,
			check.In("[role=alert]", check.HasText("^Error: "+tc.want+"$")),
			check.Count("[aria-invalid=true]", 1),
			check.In("input#"+tc.field, check.HasAttr("aria-invalid", "true"), check.HasAttr("aria-describedby", "^error$"), check.HasAttr("autofocus", "")),
			check.In("input[name=username]", check.HasAttr("value", "^"+tc.name+"$")),
			check.NotIn("input[type=password][value]"))
	}
}

func TestLoginFormHelpsPasswordManagers(t *testing.T) {
	t.Parallel()
	newSite(t).browser(t).get("/login").wantPage(t, "GET /login", http.StatusOK,
		check.In("h1", check.IsText("Sign In")),
		check.In("input[name=username]", check.HasAttr("autocomplete", "^username$")),
		check.In("input[name=password]", check.HasAttr("autocomplete", "^current-password$")),
		check.In(".actions input[type=submit]", check.HasAttr("value", "^Sign In$")),
		check.NotIn("[role=alert]"), check.NotIn("[aria-invalid]"), check.NotIn("[autofocus]"))
}

func TestFailuresOfTheStoreAreNoFormErrors(t *testing.T) {
	t.Parallel()
	cases := []struct {
		fault error
		want  int
	}{
		{minitwit.Errorf(minitwit.CodeTooMany, "Too many attempts"), http.StatusTooManyRequests},
		{minitwit.Unavailable(http.ErrServerClosed), http.StatusServiceUnavailable},
		{http.ErrServerClosed, http.StatusInternalServerError},
	}
	for _, tc := range cases {
		s := newSite(t)
		s.breakDown(tc.fault)
		b := s.browser(t)
		b.post("/login", "username", "me", "password", "x").wantPage(t, "login", tc.want)
		b.post("/register", "username", "me", "email", "a@b", "password", "x", "password2", "x").
			wantPage(t, "register", tc.want)
		b.get("/public").wantPage(t, "public", tc.want)
		b.get("/me").wantPage(t, "user", tc.want)
	}
}

func TestWhoIsSignedInNeedsNoForm(t *testing.T) {
	t.Parallel()
	b := newSite(t, "me").signedIn(t, "me")
	for _, path := range []string{"/login", "/register"} {
		b.get(path).wantRedirect(t, "GET "+path, http.StatusFound, "/")
		b.post(path).wantRedirect(t, "POST "+path, http.StatusSeeOther, "/")
	}
}
