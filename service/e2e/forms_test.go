package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	check "minitwit/service/htmlcheck"
)

func TestTheRegisterFormSaysWhatIsWrongInTheOldOrder(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	newMember(t, a, "taken")
	v := newVisitor(t, a)
	const (
		noName = "You have to enter a username"
		noMail = "You have to enter a valid email address"
		noWord = "You have to enter a password"
		differ = "The two passwords do not match"
		taken  = "The username is already taken"
	)
	for _, test := range []struct{ name, email, password, repeated, want string }{
		{"", "", "", "", noName},
		{"", "a@b", "p", "p", noName},
		{" ", "a@b", "p", "p", noName},
		{"taken", "", "", "x", noMail},
		{"taken", "no at", "", "x", noMail},
		{"taken", "a@b", "", "x", noWord},
		{"new", "a@b", "", "", noWord},
		{"taken", "a@b", "p", "x", differ},
		{"new", "a@b", "p", "", differ},
		{"new", "a@b", "p", "P", differ},
		{"taken", "a@b", "p", "p", taken},
		{`<b>"new"</b>`, `<i>"&`, "p", "p", noMail},
	} {
		p := v.post("/register", url.Values{
			"username": {test.name}, "email": {test.email}, "password": {test.password}, "password2": {test.repeated},
		})
		if got := p.formError(); got != test.want || p.status != http.StatusOK || p.path != "/register" {
			t.Errorf("%+v is answered %d at %s with the error %q", test, p.status, p.path, got)
		}
		if name, email := p.attr("#username", "value"), p.attr("#email", "value"); name != test.name || email != test.email {
			t.Errorf("%+v: the form comes back with %q and %q", test, name, email)
		}
		if p.attr("#password", "value") != "" || p.attr("#password2", "value") != "" {
			t.Errorf("%+v: the form comes back with a password", test)
		}
	}
	if p := v.get("/new"); p.status != http.StatusNotFound {
		t.Errorf("a refused registration has made a user: GET /new = %d", p.status)
	}
}

func TestTheLoginFormSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	newMember(t, a, "anna")
	v := newVisitor(t, a)
	for _, test := range []struct{ name, password, want string }{
		{"", "", "Invalid username"},
		{"nobody", "secret of anna", "Invalid username"},
		{"Anna", "secret of anna", "Invalid username"},
		{"<b>", "x", "Invalid username"},
		{"anna", "", "Invalid password"},
		{"anna", "secret of Anna", "Invalid password"},
		{"anna", "secret of anna ", "Invalid password"},
	} {
		p := v.post("/login", credentials(test.name, test.password))
		if got := p.formError(); got != test.want || p.status != http.StatusOK || p.path != "/login" || p.signedInAs() != "" {
			t.Errorf("%+v is answered %d at %s with the error %q", test, p.status, p.path, got)
		}
		if p.attr("#username", "value") != test.name || p.attr("#password", "value") != "" {
			t.Errorf("%+v: the name has to stay in the form and the password must not", test)
		}
	}
}

func TestFlashesAreExactlyThoseOfTheOldSystem(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	newMember(t, a, "ben")
	v := newVisitor(t, a)
	for _, step := range []struct {
		path string
		form url.Values // nil: GET
		want string     // as it stands in the HTML
		end  string     // where the redirects lead
	}{
		{"/register", registration("anna"), "You were successfully registered and can login now", "/login"},
		{"/login", credentials("anna", "secret of anna"), "You were logged in", "/"},
		{"/add_message", url.Values{"text": {"hello"}}, "Your message was recorded", "/"},
		{"/ben/follow", nil, "You are now following &#34;ben&#34;", "/ben"},
		{"/ben/unfollow", nil, "You are no longer following &#34;ben&#34;", "/ben"},
		{"/ben/follow", url.Values{}, "You are now following &#34;ben&#34;", "/ben"},
		{"/ben/unfollow", url.Values{}, "You are no longer following &#34;ben&#34;", "/ben"},
		{"/logout", nil, "You were logged out", "/public"},
	} {
		method := http.MethodGet
		if step.form != nil {
			method = http.MethodPost
		}
		p := v.do(method, step.path, step.form)
		if p.status != http.StatusOK || p.path != step.end {
			t.Errorf("%s %s leads to %d %s, want 200 %s", method, step.path, p.status, p.path, step.end)
		}
		if want := `<ul class="flashes"><li>` + step.want + `</li></ul>`; !strings.Contains(p.body, want) {
			t.Errorf("%s %s shows %q, want exactly %s", method, step.path, p.flash(), want)
		}
		if again := v.get(p.path); again.flash() != "" {
			t.Errorf("%s shows the flash %q a second time", p.path, again.flash())
		}
	}
}

func TestThePageOfTheRegisterFormIsWhatOldScriptedBrowsersExpect(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	v := newVisitor(t, a)
	for _, p := range []page{v.get("/register"), v.post("/register", url.Values{"username": {"x"}}), v.post("/login", url.Values{})} {
		if err := check.All(check.Accessible(), check.NoInline(), check.In(".actions", check.Count("input[type=submit]", 1)))(p.doc); err != nil {
			t.Errorf("%s: %v", p.path, err)
		}
	}
	p := v.get("/register")
	if err := check.All(
		check.In("input[name=email]", check.HasAttr("type", "^email$")),
		check.Count("input[type=password]", 2),
		check.In("form[method=post] .actions > input[type=submit]"),
	)(p.doc); err != nil {
		t.Error(err)
	}
	order := inputNames(p)
	if want := []string{"username", "email", "password", "password2", ""}; !slices.Equal(order, want) {
		t.Errorf("the inputs of the document are %q, want %q and nothing else", order, want)
	}
}

func TestEmptyMessagesAreIgnored(t *testing.T) {
	t.Parallel()
	v := newMember(t, serve(t, options{}), "anna")
	for _, form := range []url.Values{{}, {"text": {""}}, {"text": {" \n\t "}}, {"content": {"wrong field"}}} {
		p := v.post("/add_message", form)
		if p.status != http.StatusOK || p.path != "/" || p.flash() != "" || len(p.messages()) != 0 {
			t.Errorf("add_message %v leads to %d %s with %q and %d messages", form, p.status, p.path, p.flash(), len(p.messages()))
		}
	}
	const text = `<script>alert("x")</script> & 'more' 🐘`
	if p := v.share(text); !slices.Equal(p.messages(), []string{text}) {
		t.Errorf("the timeline shows %q, want %q", p.messages(), text)
	}
}
