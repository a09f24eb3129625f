package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"testing"

	"minitwit/service/dbtest"
	check "minitwit/service/htmlcheck"
)

func TestTimelinesShowThirtyMessagesAPage(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	a := serve(t, options{db: db})
	v := newMember(t, a, "anna")
	fill(t, db, 65)
	for _, start := range []string{"/public", "/anna", "/"} {
		var seen []string
		path := start
		for _, want := range []int{30, 30, 5} {
			p := v.get(path)
			if got := len(p.messages()); got != want {
				t.Errorf("%s has %d messages, want %d", path, got, want)
			}
			seen = append(seen, p.messages()...)
			path = p.attr("a[rel=next]", "href")
		}
		if path != "" {
			t.Errorf("the last page of %s leads on to %s", start, path)
		}
		for i, text := range seen {
			if want := fmt.Sprintf("message %d", 65-i); text != want {
				t.Errorf("message %d of %s is %q, want %q", i, start, text, want)
			}
		}
	}
	second := v.get(v.get("/public").attr("a[rel=next]", "href"))
	if back := v.get(second.attr("a[rel=prev]", "href")); !slices.Equal(back.messages(), v.get("/public").messages()) {
		t.Errorf("newer than the second page is %q, not the first", back.messages())
	}
}

func TestHomeShowsMineAndThoseOfWhomIFollow(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	anna, ben := newMember(t, a, "anna"), newMember(t, a, "ben")
	newMember(t, a, "carl").share("by carl")
	ben.share("by ben")
	anna.share("by anna")
	for _, step := range []struct {
		path string
		want []string
	}{
		{"/", []string{"by anna"}},
		{"/ben/follow", []string{"by anna", "by ben"}},
		{"/ben/follow", []string{"by anna", "by ben"}},
		{"/carl/follow", []string{"by anna", "by ben", "by carl"}},
		{"/ben/unfollow", []string{"by anna", "by carl"}},
		{"/ben/unfollow", []string{"by anna", "by carl"}},
	} {
		anna.get(step.path)
		if got := anna.get("/").messages(); !slices.Equal(got, step.want) {
			t.Errorf("after %s the home timeline is %q, want %q", step.path, got, step.want)
		}
	}
	if got := ben.get("/").messages(); !slices.Equal(got, []string{"by ben"}) {
		t.Errorf("ben, who follows nobody, sees %q at home", got)
	}
	for path, want := range map[string][]string{"/public": {"by anna", "by ben", "by carl"}, "/ben": {"by ben"}} {
		if got := newVisitor(t, a).get(path).messages(); !slices.Equal(got, want) {
			t.Errorf("%s shows a stranger %q, want %q", path, got, want)
		}
	}
}

func TestAUsersTimelineShowsTheFollowState(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	newMember(t, a, "ben")
	anna := newMember(t, a, "anna")
	expect := func(v *visitor, path string, checkers ...check.Checker) {
		t.Helper()
		if err := check.All(checkers...)(v.get(path).doc); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	expect(newVisitor(t, a), "/ben", check.NotIn(".followstatus"))
	expect(anna, "/anna", check.In(".followstatus", check.HasText("^This is you!$"), check.NotIn("form")))
	expect(anna, "/ben", check.In(".followstatus", check.HasText("You are not yet following this user"),
		check.In("form[method=post]", check.HasAttr("action", "^/ben/follow$"))))
	anna.get("/ben/follow")
	expect(anna, "/ben", check.In(".followstatus", check.HasText("You are currently following this user"),
		check.In("form[method=post]", check.HasAttr("action", "^/ben/unfollow$"))))
}

func TestPagesHaveTheStructureThatScriptsAndPeopleNeed(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	anna := newMember(t, a, "anna")
	anna.share("hello")
	stamp := regexp.MustCompile(`^\d{4}-\d{2}-\d{2} @ \d{2}:\d{2}$`)
	for _, v := range []*visitor{anna, newVisitor(t, a)} {
		for _, path := range []string{"/", "/public", "/anna", "/login", "/register", "/nobody", "/anna?before=1-1"} {
			p := v.get(path)
			if err := check.All(check.Accessible(), check.NoInline())(p.doc); err != nil {
				t.Errorf("%s (signed in as %q): %v", path, p.signedInAs(), err)
			}
			for _, text := range p.texts("time") {
				if !stamp.MatchString(text) {
					t.Errorf("%s has the time stamp %q", path, text)
				}
			}
		}
	}
	p := anna.get("/public")
	if len(p.texts("ul.messages > li time")) != 1 || p.attr("ul.messages a.author", "href") != "/anna" {
		t.Errorf("the message has no time or no link to its author: %s", p.body)
	}
}

func TestUnknownUsersHaveAPageThatSaysSo(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	for _, v := range []*visitor{newMember(t, a, "anna"), newVisitor(t, a)} {
		for _, path := range []string{"/nobody", "/Anna", "/anna%20", "/no/where", "/anna/followers", "/static/nothing.css", "/favicon.ico"} {
			if p := v.get(path); p.status != http.StatusNotFound || len(p.texts("h1")) != 1 {
				t.Errorf("GET %s as %q = %d with %q, want a 404 page", path, p.signedInAs(), p.status, p.texts("h1"))
			}
		}
	}
}

func TestNamesOfAnyCharactersWorkInTheAddressesOfThePages(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	anna := newMember(t, a, "anna")
	for _, name := range []string{"Roger Histand", "a/b", "50%", "100%25", "%2F", "what?", "c#", "a+b", `quo"te`, "<b>", "🐘", "...", "x/follow"} {
		newMember(t, a, name).share("by " + name)
		p := anna.get(anna.get("/public").attr("ul.messages a.author", "href"))
		if want := []string{"by " + name}; p.status != http.StatusOK || !slices.Equal(p.messages(), want) {
			t.Errorf("the link to %q leads to %d %s with %q", name, p.status, p.path, p.messages())
		}
		p = anna.post(p.attr(".followstatus form", "action"), url.Values{})
		if want := `You are now following "` + name + `"`; p.flash() != want || p.texts("h1")[0] != name+"'s Timeline" {
			t.Errorf("following %q leads to %q with the flash %q", name, p.texts("h1"), p.flash())
		}
	}
}
