package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"minitwit/service/dbtest"
	"minitwit/service/wait"
)

func TestAPersonsWayThroughTheSite(t *testing.T) {
	t.Parallel()
	for _, l := range []look{{width: 360}, {width: 1280}, {width: 360, noScript: true}, {width: 1280, noScript: true}} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			a := serve(t, options{})
			newMember(t, a, "ben").share("by ben")
			b := newTab(t, a, l)

			b.visit("/")
			b.click(`nav a[href="/register"]`)
			b.typeIn("#username", "anna")
			b.typeIn("#email", "anna@example.org")
			b.typeIn("#password", "secret")
			b.typeIn("#password2", "secret")
			b.click(".actions input")
			b.show("/login", "You were successfully registered and can login now")

			b.typeIn("#username", "anna")
			b.typeIn("#password", "secret"+kb.Tab)
			b.click(".actions input")
			b.show("/", "You were logged in")

			b.typeIn("#text", "by anna")
			b.click(".actions input")
			b.show("/", "Your message was recorded")
			if got := b.text("ul.messages > li:first-child .text"); got != "by anna" {
				t.Errorf("the home timeline begins with %q", got)
			}

			b.click(`nav a[href="/public"]`)
			b.click(`ul.messages a.author[href="/ben"]`)
			b.click(".followstatus button")
			b.show("/ben", `You are now following "ben"`)
			b.click(`nav a[href="/"]`)
			if got := b.count("ul.messages > li"); got != 2 {
				t.Errorf("the home timeline has %d messages, want mine and ben's", got)
			}
			b.visit("/ben")
			b.click(".followstatus button")
			b.show("/ben", `You are no longer following "ben"`)

			b.click(`nav form[action="/logout"] button`)
			b.show("/public", "You were logged out")
			b.visit("/")
			if b.path() != "/public" || b.count("form") != 0 {
				t.Errorf("signed out, / leads to %s", b.path())
			}
		})
	}
}

// The course's test finds inputs by their order, presses Return in the fifth
// and reads the first element of the class "flashes".
func TestTheCoursesScriptedBrowserCanRegister(t *testing.T) {
	t.Parallel()
	for _, l := range []look{{width: 1280}, {width: 1280, noScript: true}} {
		a := serve(t, options{})
		b := newTab(t, a, l)
		b.visit("/register")
		b.do(chromedp.WaitVisible(chromedp.CSS(".actions")))
		inputs := run(b, chromedp.Nodes(chromedp.CSSAll("input")))
		if len(inputs) < 5 {
			t.Fatalf("/register has %d inputs, want 5", len(inputs))
		}
		for i, text := range []string{"Me", "me@some.where", "secure123", "secure123"} {
			b.do(chromedp.KeyEventNode(inputs[i], text))
		}
		b.leave(chromedp.KeyEventNode(inputs[4], kb.Enter))
		got := run(b, chromedp.Evaluate[string](`document.getElementsByClassName("flashes")[0].innerText`))
		if want := "You were successfully registered and can login now"; got != want {
			t.Errorf("the first element of the class flashes says %q, want %q", got, want)
		}
		if !newVisitor(t, a).signIn("Me", "secure123") {
			t.Error("who has registered cannot sign in")
		}
	}
}

func TestLoadMoreAppendsAPageAndMovesTheFocusThere(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	a := serve(t, options{db: db})
	newMember(t, a, "anna")
	fill(t, db, 75)
	b := newTab(t, a, look{width: 360})
	b.visit("/public")
	const button = ".pager button"
	for _, want := range []int{60, 75} {
		before := b.count("ul.messages > li")
		b.do(chromedp.Click(chromedp.CSS(button)))
		wait.For(t, deadline, fmt.Sprintf("%d messages", want), func() bool { return b.count("ul.messages > li") == want })
		wait.For(t, deadline, "focus on the first new message", func() bool {
			return run(b, chromedp.Evaluate[int](`[...document.querySelectorAll("ul.messages > li")].indexOf(document.activeElement)`)) == before
		})
		if got, want := b.text("ul.messages > li:focus .text"), fmt.Sprintf("message %d", 75-before); got != want {
			t.Errorf("the focus is on %q, want %q", got, want)
		}
		if got, want := run(b, chromedp.TextContent(chromedp.CSS("body > [role=status]"))), fmt.Sprintf("%d more messages", want-before); got != want {
			t.Errorf("%q is announced, want %q", got, want)
		}
		if !strings.HasPrefix(b.path(), "/public?before=") {
			t.Errorf("the address is %s, which does not lead back here", b.path())
		}
		b.fits()
	}
	b.do(chromedp.WaitNotPresent(chromedp.CSS(button)))
	for i := range 75 {
		got := b.text(fmt.Sprintf("ul.messages > li:nth-child(%d) .text", i+1))
		if want := fmt.Sprintf("message %d", 75-i); i%15 == 0 && got != want {
			t.Errorf("message %d of the list is %q, want %q", i+1, got, want)
		}
	}
}

func TestLoadMoreFallsBackToThePlainPage(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	a := serve(t, options{db: db})
	newMember(t, a, "anna")
	fill(t, db, 40)
	b := newTab(t, a, look{width: 360})
	b.visit("/public")
	b.do(chromedp.Evaluate[chromedp.Void](`window.fetch = () => Promise.reject(new Error("no network"))`))
	b.click(".pager button")
	if got := b.count("ul.messages > li"); got != 10 || !strings.HasPrefix(b.path(), "/public?before=") {
		t.Errorf("%s has %d messages, want the 10 older ones", b.path(), got)
	}
}

func TestTimesAreRelativeForTheEyeAndExactInTheTitle(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	a := serve(t, options{db: db})
	newMember(t, a, "anna")
	for _, test := range []struct{ age, want string }{
		{"0", "now"}, {"60", "1 minute ago"}, {"3*60", "3 minutes ago"}, {"2*3600", "2 hours ago"}, {"86400+60", "yesterday"}, {"400*86400", "last year"},
	} {
		execute(t, db, `DELETE FROM messages; INSERT INTO messages (author_id, text, pub_date)
			SELECT id, 'x', floor(extract(epoch FROM now())) - (`+test.age+`) FROM users`)
		for _, noScript := range []bool{false, true} {
			b := newTab(t, a, look{width: 360, noScript: noScript})
			b.visit("/public")
			exact := newVisitor(t, a).get("/public").texts("time")[0]
			title, text := run(b, chromedp.JavascriptAttribute[string](chromedp.CSS("time"), "title")), b.text("time")
			switch {
			case noScript && (text != exact || title != ""):
				t.Errorf("without script the time is %q with the title %q, want %q", text, title, exact)
			case !noScript && (title != exact+" UTC" || text != test.want && test.age != "0"):
				t.Errorf("a message %s s old is %q with the title %q, want %q", test.age, text, title, test.want)
			case !noScript && test.age == "0" && text != "now" && !strings.HasSuffix(text, "ago"):
				t.Errorf("a new message is %q", text)
			}
		}
	}
}

func TestControlAndReturnSharesTheMessage(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	newMember(t, a, "anna")
	b := newTab(t, a, look{width: 1280})
	b.signIn("anna")
	b.typeIn("#text", "first line"+kb.Enter+"second line")
	b.leave(chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	if got := newVisitor(t, a).get("/anna").messages(); len(got) != 1 || strings.ReplaceAll(got[0], "\r", "") != "first line\nsecond line" {
		t.Errorf("the message is %q, want two lines", got)
	}
}

// Who clicks twice, or holds the keys down, means one message.
func TestAMessageIsSentOnce(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	newMember(t, a, "anna")
	b := newTab(t, a, look{width: 1280})
	b.signIn("anna")
	b.typeIn("#text", "hello")
	// The window hears last of what is sent: whether the page refused it. Here nothing leaves it.
	b.do(chromedp.Evaluate[chromedp.Void](`window.refused = [];
		addEventListener("submit", (event) => { refused.push(event.defaultPrevented); event.preventDefault(); })`))
	share := chromedp.Click(chromedp.CSS(".composer input"))
	b.do(chromedp.Evaluate[chromedp.Void](`document.getElementById("text").dispatchEvent(
		new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, repeat: true }))`))
	b.do(chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)), share, share)
	b.do(chromedp.Evaluate[chromedp.Void](`dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))`), share)
	if got, want := run(b, chromedp.Evaluate[string]("refused.join()")), "false,true,true,false"; got != want {
		t.Errorf("keys held down, the keys, two clicks, and one more after coming back: refused are %s, want %s", got, want)
	}
}

// With it, screen readers read what is wrong: role=alert alone is not reliable where it was
// there when the page came.
func TestTheFocusIsOnTheInputThatIsWrong(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	for _, noScript := range []bool{false, true} {
		b := newTab(t, a, look{width: 360, noScript: noScript})
		for path, id := range map[string]string{"/login": "username", "/register": "email"} {
			b.visit(path)
			b.typeIn("#username", "nobody")
			b.click(".actions input")
			wait.For(t, deadline, "the focus on "+id, func() bool {
				return run(b, chromedp.Evaluate[string]("document.activeElement.id")) == id
			})
		}
	}
}
