package e2e

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	check "minitwit/service/htmlcheck"
)

// visitor is an old scripted browser: it keeps cookies, follows redirects and
// sends neither a token nor Origin or Sec-Fetch headers.
type visitor struct {
	t      testing.TB
	base   string
	client *http.Client
}

func newVisitor(t testing.TB, a *app) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := newSimulator().client
	client.Jar = jar
	return &visitor{t: t, base: a.web, client: client}
}

// at gives the same browser, with its cookies, at another replica.
func (v *visitor) at(a *app) *visitor {
	return &visitor{t: v.t, base: a.web, client: v.client}
}

// page is what the visitor got in the end.
type page struct {
	answer
	path string // after redirects, with the query
	doc  *html.Node
}

func (v *visitor) get(path string, header ...string) page {
	v.t.Helper()
	return v.do(http.MethodGet, path, nil, header...)
}

func (v *visitor) post(path string, form url.Values, header ...string) page {
	v.t.Helper()
	return v.do(http.MethodPost, path, form, header...)
}

// do makes a request with more headers, given as name and value in turn.
func (v *visitor) do(method, path string, form url.Values, header ...string) page {
	v.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := *v.client
	p := page{path: path}
	client.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
		p.path = next.URL.RequestURI()
		return nil
	}
	if p.answer, err = fetch(&client, req); err != nil {
		v.t.Fatalf("%s %.80s: %v", method, path, err)
	}
	if p.doc, err = html.Parse(strings.NewReader(p.body)); err != nil {
		v.t.Fatalf("%s %.80s: %v", method, path, err)
	}
	return p
}

// texts gives the text of each element that the selector finds.
func (p page) texts(selector string) []string {
	texts := []string{}
	for _, n := range cascadia.QueryAll(p.doc, cascadia.MustCompile(selector)) {
		texts = append(texts, check.Text(n))
	}
	return texts
}

// attr gives an attribute of the first element that the selector finds.
func (p page) attr(selector, name string) string {
	n := cascadia.Query(p.doc, cascadia.MustCompile(selector))
	if n == nil {
		return ""
	}
	value, _ := check.Attr(n, name)
	return value
}

func (p page) messages() []string { return p.texts("ul.messages > li .text") }

// flash gives the one flash of the page, "" if there is none.
func (p page) flash() string { return strings.Join(p.texts(".flashes > li"), " | ") }

// formError gives the sentence that says what is wrong with the form.
func (p page) formError() string {
	return strings.TrimPrefix(strings.Join(p.texts(".error"), " | "), "Error: ")
}

// signedInAs gives the name that the page's header shows, "" when signed out.
func (p page) signedInAs() string {
	return strings.Trim(strings.Join(p.texts("header .who"), ""), "[]")
}

func registration(name string) url.Values {
	password := "secret of " + name
	return url.Values{"username": {name}, "email": {"a@example.org"}, "password": {password}, "password2": {password}}
}

func credentials(name, password string) url.Values {
	return url.Values{"username": {name}, "password": {password}}
}

// signIn tells whether the password is right.
func (v *visitor) signIn(name, password string) bool {
	v.t.Helper()
	return v.post("/login", credentials(name, password)).signedInAs() == name
}

// newMember registers a user and signs in.
func newMember(t testing.TB, a *app, name string) *visitor {
	t.Helper()
	v := newVisitor(t, a)
	if p := v.post("/register", registration(name)); p.path != "/login" {
		t.Fatalf("register %q: %d %s %s", name, p.status, p.path, p.formError())
	}
	if !v.signIn(name, "secret of "+name) {
		t.Fatalf("%q cannot sign in", name)
	}
	return v
}

func (v *visitor) share(text string) page {
	v.t.Helper()
	return v.post("/add_message", url.Values{"text": {text}})
}

// inputNames gives the names of all inputs in the order of the document.
func inputNames(p page) (names []string) {
	for _, n := range cascadia.QueryAll(p.doc, cascadia.MustCompile("input")) {
		name, _ := check.Attr(n, "name")
		names = append(names, name)
	}
	return names
}
