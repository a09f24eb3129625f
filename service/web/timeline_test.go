package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	check "minitwit/service/htmlcheck"
)

func (s *site) mustAdd(t testing.TB, author, text string) {
	t.Helper()
	if err := s.AddMessage(t.Context(), author, text); err != nil {
		t.Fatal(err)
	}
}

func TestPublicTimelineShowsMessages(t *testing.T) {
	t.Parallel()
	s := newSite(t, "Roger Histand")
	s.mustAdd(t, "Roger Histand", "older")
	s.mustAdd(t, "Roger Histand", "newer")
	s.browser(t).get("/public?unknown=1").wantPage(t, "GET /public", http.StatusOK,
		check.In("title", check.IsText("Public Timeline | MiniTwit")),
		check.In("h1", check.IsText("Public Timeline")),
		check.Count("ul.messages > li", 2),
		check.NotIn(".flashes"), check.NotIn(".pager"), check.NotIn("textarea"),
		check.In("ul.messages > li:first-child",
			check.In("a.author", check.IsText("Roger Histand"), check.HasAttr("href", "^/Roger%20Histand$")),
			check.In(".text", check.IsText("newer")),
			check.In("time", check.IsText("2026-11-23 @ 08:16"), check.HasAttr("datetime", `^2026-11-23T08:16:00Z$`)),
		))
}

func TestHomeShowsOwnAndFollowedMessages(t *testing.T) {
	t.Parallel()
	s := newSite(t, "me", "friend", "stranger")
	for _, author := range []string{"me", "friend", "stranger"} {
		s.mustAdd(t, author, "by "+author)
	}
	b := s.signedIn(t, "me")
	b.post("/friend/follow")
	b.get("/friend") // takes the flash
	b.get("/").wantPage(t, "GET /", http.StatusOK,
		check.In("h1", check.IsText("My Timeline")),
		check.Count("ul.messages > li", 2),
		check.In("ul.messages > li:first-child .text", check.IsText("by friend")),
		check.In("form[action='/add_message'][method=post]",
			check.In("label", check.IsText("What's on your mind me?")),
			check.In("textarea[name=text]"),
			check.In(".actions input[type=submit]", check.HasAttr("value", "^Share$"))),
		check.In("nav[aria-label=Site] [aria-current=page]", check.IsText("my timeline")),
		check.In("form[action='/logout'] button", check.HasText(`^sign out \[me\]$`)))
}

func TestSignedOutHomeLeadsToPublic(t *testing.T) {
	t.Parallel()
	newSite(t).browser(t).get("/").wantRedirect(t, "GET /", http.StatusFound, "/public")
}

func TestUserTimelineSaysHowTheVisitorStandsToTheUser(t *testing.T) {
	t.Parallel()
	s := newSite(t, "me", "friend", "stranger")
	b := s.signedIn(t, "me")
	b.post("/friend/follow")
	b.get("/friend")
	cases := []struct {
		name   string
		reader *browser
		want   check.Checker
	}{
		{"me", b, check.All(check.In(".followstatus", check.HasText("^This is you!$")), check.NotIn(".followstatus form"))},
		{"friend", b, check.All(
			check.In(".followstatus p", check.IsText("You are currently following this user.")),
			check.In(".followstatus form.actions[method=post]", check.HasAttr("action", "^/friend/unfollow$")))},
		{"stranger", b, check.All(
			check.In(".followstatus p", check.IsText("You are not yet following this user.")),
			check.In(".followstatus form.actions[method=post]", check.HasAttr("action", "^/stranger/follow$")))},
		{"friend", s.browser(t), check.NotIn(".followstatus")},
	}
	for _, tc := range cases {
		tc.reader.get("/"+tc.name).wantPage(t, "GET /"+tc.name, http.StatusOK, tc.want,
			check.In("h1", check.IsText(tc.name+"'s Timeline")),
			check.In("title", check.IsText(tc.name+"'s Timeline | MiniTwit")),
			check.In(".empty", check.IsText("There's no message so far.")),
			check.NotIn("textarea"))
	}
}

func TestUnknownUserIsNotFound(t *testing.T) {
	t.Parallel()
	newSite(t).browser(t).get("/nobody").wantPage(t, "GET /nobody", http.StatusNotFound,
		check.In("h1", check.IsText("Page not found")), check.In("main", check.HasText("There is no user of that name")))
}

// odd are names that mean something else in an address or in HTML.
func odd() []string {
	return []string{
		"with space", "a/b", "a/follow", "100%", "100%25", "a+b", "what?", "#tag", "a&b=c", "semi;colon",
		`<em>"'&`, "😀", "Ærø", "...", `back\slash`, "//evil.example", "ünï/%2F?", "javascript:alert(1)",
	}
}

func TestLinksAndRedirectsReachUsersWithOddNames(t *testing.T) {
	t.Parallel()
	names := odd()
	s := newSite(t, append(names, "me")...)
	b := s.signedIn(t, "me")
	for _, name := range names {
		s.mustAdd(t, name, "by "+name)
		link := firstAttr(t, b.get("/public").body, "ul.messages a.author", "href")
		page := b.get(link)
		page.wantPage(t, link, http.StatusOK,
			check.In("h1", check.IsText(name+"'s Timeline")), check.In(".text", check.IsText("by "+name)))
		followed := b.post(firstAttr(t, page.body, ".followstatus form", "action"))
		followed.wantRedirect(t, "follow "+name, http.StatusSeeOther, link)
		page = b.get(followed.header.Get("Location"))
		page.wantPage(t, "after following "+name, http.StatusOK, hasFlash(`You are now following "`+name+`"`))
		b.post(firstAttr(t, page.body, ".followstatus form", "action"))
		b.get(link).wantPage(t, "after unfollowing "+name, http.StatusOK,
			hasFlash(`You are no longer following "`+name+`"`))
	}
}

func TestBadTextInAddressIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, "me")
	b := s.signedIn(t, "me")
	for _, path := range []string{
		"/%00", "/a%00b", "/%ff", "/a%2F%00", "/a%00/follow", "/public?before=x", "/public?after=1", "/me?before=-1-2",
		"/?after=99999999999999999999-1",
	} {
		b.get(path).wantPage(t, "GET "+path, http.StatusBadRequest, check.In("h1", check.IsText("That did not work")))
	}
}

func TestPagesFollowOneAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t, "100% me")
	for i := range 75 {
		s.mustAdd(t, "100% me", fmt.Sprintf("message %d", i))
	}
	b := s.signedIn(t, "100% me")
	for _, path := range []string{"/public", "/", "/100%25%20me"} {
		seen := []string{b.get(path).body}
		for range 2 {
			seen = append(seen, b.get(firstAttr(t, seen[len(seen)-1], ".pager a[rel=next]", "href")).body)
		}
		for i, want := range []struct{ messages, newer, older int }{{30, 0, 1}, {30, 1, 1}, {15, 1, 0}} {
			err := check.Run(strings.NewReader(seen[i]),
				check.Count("ul.messages > li", want.messages),
				check.In("ul.messages .text", check.IsText(fmt.Sprintf("message %d", 74-30*i))),
				check.Count(".pager a[rel=prev]", want.newer), check.Count(".pager a[rel=next]", want.older))
			if err != nil {
				t.Errorf("%s, page %d: %v", path, i+1, err)
			}
		}
		back := b.get(firstAttr(t, seen[2], ".pager a[rel=prev]", "href")).body
		if err := check.Run(strings.NewReader(back), check.In(".text", check.IsText("message 44"))); err != nil {
			t.Errorf("%s, back on page 2: %v", path, err)
		}
	}
}

func TestPageBeforeEverythingIsEmptyAndLeadsBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, "me")
	s.mustAdd(t, "me", "only")
	s.browser(t).get("/me?before=1-1").wantPage(t, "GET /me?before=1-1", http.StatusOK,
		check.NotIn("ul.messages"), check.In(".empty a", check.HasAttr("href", "^/me$")))
}

func TestOnlyWhatEverybodyMaySeeIsKeptByBrowsers(t *testing.T) {
	t.Parallel()
	s := newSite(t, "me")
	me, flashed := s.signedIn(t, "me"), s.browser(t)
	flashed.get("/logout")
	cases := []struct {
		name string
		got  answer
		want string
	}{
		{"signed out", s.browser(t).get("/public"), "no-cache"},
		{"signed in", me.get("/public"), "no-store"},
		{"with a flash", flashed.get("/public"), "no-store"},
		{"after the flash", flashed.get("/public"), "no-cache"},
		{"what was typed", s.browser(t).post("/login", "username", "x"), "no-store"},
		{"an error", s.browser(t).get("/nobody"), "no-store"},
		{"a redirect", s.browser(t).get("/"), "no-store"},
	}
	for _, tc := range cases {
		if got := tc.got.header.Get("Cache-Control"); got != tc.want {
			t.Errorf("%s: Cache-Control %q, want %q", tc.name, got, tc.want)
		}
	}
}
