package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"minitwit/service/dbtest"
)

// longName is the longest that may be registered, without a place to break.
var longName = strings.Repeat("Wolfeschlegelstein", 15)[:255]

// Every page fits every screen without a word on the console. With
// MINITWIT_SCREENSHOTS=folder its pictures can be looked at.
func TestEveryPageFitsEveryScreen(t *testing.T) {
	t.Parallel()
	empty := serve(t, options{})
	for _, l := range []look{{width: 320}, {width: 360}, {width: 360, dark: true}, {width: 1280}, {width: 1280, dark: true}, {width: 360, noScript: true}} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			nothing := newTab(t, empty, l)
			nothing.visit("/public")
			nothing.screenshot("public-empty")

			b := newTab(t, populated(t), l)
			for path, name := range map[string]string{"/public": "public", "/ben": "user", "/login": "login", "/register": "register"} {
				b.visit(path)
				b.screenshot(name)
			}
			b.visit("/nobody")
			b.expectProblem("404")
			b.screenshot("not-found")
			b.signedInPages()
		})
	}
}

func (b *tab) signedInPages() {
	b.t.Helper()
	b.visit("/register")
	b.typeIn("#username", "anna")
	b.typeIn("#email", "anna@example.org")
	b.typeIn("#password", "secret")
	b.typeIn("#password2", "secret")
	b.leave(chromedp.KeyEvent(kb.Enter))
	b.screenshot("register-error")
	b.visit("/login")
	b.do(chromedp.SetValue(chromedp.CSS("#username"), longName), chromedp.SetValue(chromedp.CSS("#password"), "secret of "+longName))
	b.click(".actions input")
	b.screenshot("home")
	b.visit("/ben")
	b.click(".followstatus button")
	b.screenshot("follow")
	b.click(".followstatus button")
	b.visit("/" + longName)
	b.screenshot("long-words")
	b.visit("/ben?before=1-1")
	b.screenshot("past-the-end")
}

// populated gives a site on which people have written all sorts of things.
func populated(t testing.TB) *app {
	t.Helper()
	db := dbtest.URL(t)
	a := serve(t, options{db: db})
	c := newAPI(t, a)
	c.register("ben", "anna", "Roger Histand", "Zoë 🐘", longName)
	fill(t, db, 8)
	for _, text := range []string{
		strings.Repeat("wordwithoutend", 40),
		"https://example.org/" + strings.Repeat("a/very/long/address/", 20),
		strings.Repeat("🐘🎉👩‍👩‍👧‍👦", 60),
		"مرحبا بالعالم 12:30 abc", "several\nlines\n\n    and some that are indented",
		"<b>not bold</b> &amp; <script>alert(1)</script>",
		"Two roads diverged in a yellow wood, and sorry I could not travel both and be one traveler, long I stood.",
	} {
		c.tweet(longName, text)
		c.tweet("Zoë 🐘", text)
	}
	c.tweet("Roger Histand", "Elementary, my dear fellow.")
	c.tweet("ben", "Hello!")
	return a
}
