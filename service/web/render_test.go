package web

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	check "minitwit/service/htmlcheck"
	"minitwit/service/minitwit"
)

// newPages gives a Web that renders but serves nobody.
func newPages(t testing.TB) *Web {
	t.Helper()
	w, err := New(Options{Version: "1.2.3"})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return w
}

// fullPages fills every field of every page with value, where people decide
// what stands there.
func fullPages(value string) map[string]page {
	frame := basePage{
		Title: value, Path: value, Flashes: []string{value, value},
		Visitor: visitor{Known: true, User: &minitwit.User{ID: 1, Name: value}},
	}
	list := messageList{
		Messages: []minitwit.Message{{ID: 1, Author: value, Text: value, PubDate: 1795421760}},
		Newer:    userURL(value) + "?after=2-2", Older: userURL(value) + "?before=1-1",
	}
	failed := fieldError{Field: "username", Message: value}
	return map[string]page{
		"timeline own":      &timelinePage{basePage: frame, messageList: list, Profile: &profile{Name: value, Own: true}},
		"timeline followed": &timelinePage{basePage: frame, messageList: list, Profile: &profile{Name: value, Followed: true}},
		"timeline stranger": &timelinePage{basePage: frame, messageList: list, Profile: &profile{Name: value}},
		"timeline home":     &timelinePage{basePage: frame, messageList: list, Composer: true},
		"timeline empty":    &timelinePage{basePage: frame, messageList: messageList{Newest: userURL(value)}},
		"login":             &loginPage{basePage: frame, Username: value, Error: failed},
		"register":          &registerPage{basePage: frame, Username: value, Email: value, Error: failed},
		"error": &errorPage{
			basePage: frame, Status: 401, Message: value, Help: value, Retry: value, RequestID: value, SignIn: true,
		},
	}
}

func TestEveryTemplateRendersWithNothingAndWithEverything(t *testing.T) {
	t.Parallel()
	w := newPages(t)
	for name, p := range emptyPages() {
		p.base().Title = "a title"
		wantGoodPage(t, w, name, p)
	}
	for name, p := range fullPages("a value") {
		wantGoodPage(t, w, name, p)
	}
}

func wantGoodPage(t *testing.T, w *Web, name string, p page, checkers ...check.Checker) {
	t.Helper()
	template, _, _ := strings.Cut(name, " ")
	body, err := w.execute(template, p)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	checkers = append(checkers, check.Accessible(), check.NoInline())
	if err := check.Run(bytes.NewReader(body), checkers...); err != nil {
		t.Errorf("%s: %v\n%s", name, err, body)
	}
}

func TestWhatPeopleEnterIsNeverMarkup(t *testing.T) {
	t.Parallel()
	w := newPages(t)
	for _, value := range []string{
		`<em>"'&`, `</title><em>`, `"><em>`, `'><em>`, `</textarea><em>`, `<!--<em>`, `&lt;em&gt;`, `javascript:alert(1)`, `--><em>`,
	} {
		for name, p := range fullPages(value) {
			wantGoodPage(t, w, name, p, check.NotIn("em"), check.Count("main", 1),
				check.In("title", check.IsText(value+" | MiniTwit")), check.In("h1", check.IsText(value)),
				check.In(".flashes li", check.IsText(value)), check.In(".who", check.IsText("["+value+"]")),
				check.Each("a.author", check.IsText(value)), check.Each(".text", check.IsText(value)))
		}
	}
}

func TestBrokenTemplateStopsTheStart(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]string{
		"syntax":  `{{define "main"}}{{if}}{{end}}`,
		"field":   `{{define "main"}}{{.NoSuchField}}{{end}}`,
		"context": `{{define "main"}}<a href="{{if .Title}}"{{end}}>{{end}}`,
	} {
		files := make(fstest.MapFS)
		for _, page := range slices.AppendSeq([]string{"layout", "messages"}, maps.Keys(emptyPages())) {
			body, err := fs.ReadFile(templateFiles, "templates/"+page+".tmpl")
			if err != nil {
				t.Fatal(err)
			}
			files["templates/"+page+".tmpl"] = &fstest.MapFile{Data: body}
		}
		files["templates/login.tmpl"] = &fstest.MapFile{Data: []byte(broken)}
		if _, err := parsePages(files); err == nil {
			t.Errorf("%s: parsePages with %q = nil error, want one", name, broken)
		}
	}
}

func TestTimelineStaysSmall(t *testing.T) {
	t.Parallel()
	const maxBytes = 64 << 10 // about 15 KB when compressed
	p := &timelinePage{}
	for i := range minitwit.PerPage {
		p.Messages = append(p.Messages, minitwit.Message{ID: int64(i), Author: "somebody", Text: strings.Repeat("word ", 60)})
	}
	body, err := newPages(t).execute("timeline", p)
	if err != nil || len(body) > maxBytes {
		t.Errorf("a full timeline has %d bytes (%v), want at most %d", len(body), err, maxBytes)
	}
}

// FuzzRenderMessage holds that a message is shown as its text, whatever it is.
func FuzzRenderMessage(f *testing.F) {
	for _, seed := range []string{
		"hello", `<em>"'&`, "</p><script>alert(1)</script>", "a\r\nb\rc", "&amp;&#60;&lt", "\ufeff\u202e\u2028", "{{.}}", "\n\n", "<!--", "\f\v\x1b",
	} {
		f.Add(seed)
	}
	w := newPages(f)
	text := cascadia.MustCompile("ul.messages > li .text")
	f.Fuzz(func(t *testing.T, input string) {
		if minitwit.CheckText("message", input) != nil {
			t.Skip("no store holds it")
		}
		p := &timelinePage{messageList: messageList{Messages: []minitwit.Message{{Author: "a", Text: input}}}}
		body, err := w.execute("timeline", p)
		if err != nil {
			t.Fatalf("render %q: %v", input, err)
		}
		doc, err := html.Parse(bytes.NewReader(body))
		if err != nil {
			t.Fatalf("parse page of %q: %v", input, err)
		}
		if err := onlyText(cascadia.QueryAll(doc, text), input); err != nil {
			t.Errorf("page of %q: %v", input, err)
		}
	})
}

func onlyText(found []*html.Node, input string) error {
	if len(found) != 1 {
		return fmt.Errorf("%d texts, want 1", len(found))
	}
	for child := range found[0].ChildNodes() {
		if child.Type != html.TextNode {
			return fmt.Errorf("a node <%s> of type %v among the text", child.Data, child.Type)
		}
	}
	// Reading HTML makes a line feed of every carriage return.
	want := strings.ReplaceAll(strings.ReplaceAll(input, "\r\n", "\n"), "\r", "\n")
	return check.IsText(want)(found[0])
}
