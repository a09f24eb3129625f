package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
)

func TestRequestsFromOtherSitesPagesAreRefused(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	newMember(t, a, "ben")
	newMember(t, a, "carl")
	v := newMember(t, a, "anna")
	v.get("/carl/follow")
	foreign := [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}}
	for _, test := range []struct {
		method, path string
		form         url.Values
	}{
		{"GET", "/ben/follow", nil},
		{"GET", "/carl/unfollow", nil},
		{"GET", "/logout", nil},
		{"POST", "/ben/follow", nil},
		{"POST", "/carl/unfollow", nil},
		{"POST", "/logout", nil},
		{"POST", "/add_message", url.Values{"text": {"forged"}}},
		{"POST", "/login", credentials("ben", "secret of ben")},
		{"POST", "/register", registration("forged")},
	} {
		for _, header := range foreign {
			if test.method == http.MethodGet && header[0] == "Origin" {
				continue // browsers send none with a link
			}
			if p := v.do(test.method, test.path, test.form, header...); p.status != http.StatusForbidden {
				t.Errorf("%s %s with %s = %d, want 403", test.method, test.path, header, p.status)
			}
		}
	}
	home := v.get("/")
	if home.signedInAs() != "anna" || len(v.get("/public").messages()) != 0 || v.get("/forged").status != http.StatusNotFound {
		t.Error("a refused request has been carried out")
	}
	for name, want := range map[string]string{"ben": "/ben/follow", "carl": "/carl/unfollow"} {
		if got := v.get("/"+name).attr(".followstatus form", "action"); got != want {
			t.Errorf("the button on the page of %s leads to %s: a refused request has been carried out", name, got)
		}
	}
}

func TestRequestsOfOurOwnPagesAndOfOldClientsPass(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	newMember(t, a, "ben")
	v := newMember(t, a, "anna")
	for _, header := range [][]string{{}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for path, want := range map[string]string{"/ben/follow": "now following", "/ben/unfollow": "no longer following"} {
				p := v.do(method, path, nil, header...)
				if want = `You are ` + want + ` "ben"`; p.flash() != want {
					t.Errorf("%s %s with %q = %d %q, want %q", method, path, header, p.status, p.flash(), want)
				}
			}
		}
	}
	p := v.post("/add_message", url.Values{"text": {"mine"}}, "Origin", a.web)
	if !slices.Equal(p.messages(), []string{"mine"}) {
		t.Errorf("add_message with our own Origin = %d %q", p.status, p.messages())
	}
	// A link on another site may lead here, signed in.
	if p := v.get("/", "Sec-Fetch-Site", "cross-site"); p.signedInAs() != "anna" {
		t.Errorf("a link from elsewhere leads to %d as %q", p.status, p.signedInAs())
	}
}
