package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	check "minitwit/service/htmlcheck"
)

func TestRegisterThenLogin(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	b.post("/register", "username", "me", "email", "a@b", "password", " p ", "password2", " p ").
		wantRedirect(t, "register", http.StatusSeeOther, "/login")
	b.get("/login").wantPage(t, "after register", http.StatusOK,
		hasFlash("You were successfully registered and can login now"))
	b.post("/login", "username", "me", "password", " p ").wantRedirect(t, "login", http.StatusSeeOther, "/")
}

// Old scripted browsers fill in the inputs of the document by their number.
func TestRegisterHasItsFiveInputsFirst(t *testing.T) {
	t.Parallel()
	page := newSite(t).browser(t).get("/register")
	page.wantPage(t, "GET /register", http.StatusOK,
		check.In("h1", check.IsText("Sign Up")), check.Count(".actions", 1), check.Count("input", 5),
		check.In(".actions input[type=submit]", check.HasAttr("value", "^Sign Up$")))
	var got []string
	for _, input := range queryAll(t, page.body, "input") {
		name, _ := check.Attr(input, "name")
		kind, _ := check.Attr(input, "type")
		autocomplete, _ := check.Attr(input, "autocomplete")
		got = append(got, name+" "+kind+" "+autocomplete)
	}
	want := []string{
		"username text username", "email email email",
		"password password new-password", "password2 password new-password", " submit ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("inputs of /register differ (-want +got):\n%s", diff)
	}
}

func TestRegisterErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t, "taken")
	long := strings.Repeat("x", 256)
	cases := []struct{ name, email, password, password2, want, field string }{
		{"", "", "", "", "You have to enter a username", "username"},
		{"new", "", "", "", "You have to enter a valid email address", "email"},
		{"new", "nope", "", "x", "You have to enter a valid email address", "email"},
		{"new", "a@b", "", "x", "You have to enter a password", "password"},
		{"new", "a@b", "x", "y", "The two passwords do not match", "password2"},
		{"taken", "a@b", "x", "y", "The two passwords do not match", "password2"},
		{"taken", "a@b", "x", "x", "The username is already taken", "username"},
		{"Login", "a@b", "x", "x", `The username "Login" is reserved`, "username"},
		{long, "a@b", "x", "x", "The username is longer than", "username"},
		{"new", "a@" + long, "x", "x", "The e-mail address is longer than", "email"},
	}
	for _, tc := range cases {
		a := s.browser(t).post("/register",
			"username", tc.name, "email", tc.email, "password", tc.password, "password2", tc.password2)
		a.wantPage(t, "register "+tc.name+" "+tc.email, http.StatusOK,
			check.In("[role=alert]", check.HasText("^Error: "+regexp.QuoteMeta(tc.want))),
			check.Count("[aria-invalid=true]", 1),
			check.In("input#"+tc.field, check.HasAttr("aria-invalid", "true"), check.HasAttr("autofocus", "")),
			check.In("input[name=username]", check.HasAttr("value", "^"+tc.name+"$")),
			check.In("input[name=email]", check.HasAttr("value", "^"+tc.email+"$")),
			check.NotIn("input[type=password][value]"))
	}
}
