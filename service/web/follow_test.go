package web_test

import (
	"net/http"
	"testing"

	check "minitwit/service/htmlcheck"
)

func TestFollowingNeedsSomebodySignedInAndSomebodyToFollow(t *testing.T) {
	t.Parallel()
	s := newSite(t, "me", "friend")
	for _, action := range []string{"follow", "unfollow"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			what := method + " " + action
			s.browser(t).do(method, "/friend/"+action, nil, "").wantPage(t, what+" signed out", http.StatusUnauthorized,
				check.In("main a[href='/login']"))
			s.signedIn(t, "me").do(method, "/nobody/"+action, nil, "").
				wantPage(t, what+" of nobody", http.StatusNotFound)
		}
	}
}

func TestFollowByGetServesOldClients(t *testing.T) {
	t.Parallel()
	b := newSite(t, "me", "friend").signedIn(t, "me")
	b.get("/friend/follow").wantRedirect(t, "follow", http.StatusFound, "/friend")
	b.get("/friend").wantPage(t, "after follow", http.StatusOK, hasFlash(`You are now following "friend"`))
	b.get("/friend/unfollow").wantRedirect(t, "unfollow", http.StatusFound, "/friend")
	b.get("/friend").wantPage(t, "after unfollow", http.StatusOK, hasFlash(`You are no longer following "friend"`))
}

func TestAnotherSiteCannotActForTheVisitor(t *testing.T) {
	t.Parallel()
	cases := []struct {
		site string
		want int
	}{
		{"", http.StatusFound},
		{"same-origin", http.StatusFound},
		{"none", http.StatusFound},
		{"same-site", http.StatusForbidden},
		{"cross-site", http.StatusForbidden},
	}
	s := newSite(t, "me", "friend")
	for _, tc := range cases {
		for _, path := range []string{"/friend/follow", "/friend/unfollow", "/logout"} {
			b := s.signedIn(t, "me")
			if tc.site != "" {
				b.header.Set("Sec-Fetch-Site", tc.site)
			}
			if got := b.get(path).status; got != tc.want {
				t.Errorf("GET %s with Sec-Fetch-Site %q = %d, want %d", path, tc.site, got, tc.want)
			}
		}
	}
}
