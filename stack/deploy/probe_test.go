package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAProbeHoldsAnswersAgainstTheContract(t *testing.T) {
	t.Parallel()
	page := "<!doctype html><title>MiniTwit</title></html>"
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"latest":                  {"/latest", `{"latest": -1}`, 200, ""},
		"latest as a word":        {"/latest", `{"latest": "7"}`, 200, `is not {"latest": N}`},
		"latest under a name":     {"/latest", `{"newest": 7}`, 200, `is not {"latest": N}`},
		"no messages":             {"/msgs?no=20", `[]`, 200, ""},
		"a message":               {"/msgs?no=20", `[{"content":"a","pub_date":1,"user":"b"}]`, 200, ""},
		"a message of another":    {"/msgs?no=20", `[{"text":"a","pub_date":1,"user":"b"}]`, 200, "without content"},
		"messages in an object":   {"/msgs?no=20", `{"messages":[]}`, 200, "is not a list"},
		"a page":                  {"/public", page, 200, ""},
		"half a page":             {"/public", page[:30], 200, "is not a whole page"},
		"a page that is an error": {"/public", page, 500, "500 Internal Server Error"},
		"moved":                   {"/public", page, 302, "302 Found"},
		"no style":                {"/static/style.css", "", 404, "404 Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if user, password, _ := r.BasicAuth(); strings.HasPrefix(r.URL.Path, "/msgs") && user+":"+password != "simulator:s:cret" {
					t.Errorf("asked as %q", user)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			for _, q := range questions {
				if q.path != c.path {
					continue
				}
				_, err := newProber("simulator:s:cret").once(t.Context(), server.URL, q)
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("%v, want %q", err, c.want)
				}
			}
		})
	}
}

// answered makes figures of n answers that took that long, after failed ones.
func answered(n, failed int, took time.Duration) (f figures) {
	for range failed {
		f.add(questions[0], time.Second, errTest)
	}
	for range n {
		f.add(questions[0], took, nil)
	}
	return f
}

var errTest = http.ErrServerClosed

func TestWorseComparesWithTheReleaseBefore(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		fresh, old figures
		want       string
	}{
		"the same":                         {answered(20, 0, 5*ms), answered(20, 0, 5*ms), ""},
		"a little slower":                  {answered(20, 0, 90*ms), answered(20, 0, 20*ms), ""},
		"400 ms slower":                    {answered(20, 0, 405*ms), answered(20, 0, 5*ms), "takes 405ms; the release before: 5ms"},
		"slow, where the old one is slow":  {answered(20, 0, 700*ms), answered(20, 0, 500*ms), ""},
		"the first one":                    {answered(20, 0, 700*ms), figures{}, ""},
		"the first one, and slow":          {answered(20, 0, 1700*ms), figures{}, "allowed 1s"},
		"too few to tell":                  {answered(3, 0, 900*ms), answered(20, 0, 5*ms), ""},
		"one failed, as happens":           {answered(20, 1, 5*ms), answered(20, 0, 5*ms), ""},
		"some failed":                      {answered(20, 3, 5*ms), answered(20, 0, 5*ms), "3 of 23 requests failed"},
		"as many failed as of the old one": {answered(20, 3, 5*ms), answered(20, 3, 5*ms), ""},
		"all failed from the first one on": {answered(0, 2, 0), answered(2, 0, 5*ms), "2 of 2 requests failed"},
	} {
		err := worse(c.fresh, c.old)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if bad := new(answersError); c.want != "" && (!errors.As(err, bad) || bad.surface != "api") {
			t.Errorf("%s: %v does not say whose log to look at", name, err)
		}
	}
}

func TestAtLeastComparesVersionsByNumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		have, want string
		ok         bool
	}{
		{"26.1.5+dfsg1", "26.0.0", true},
		{"26.0.0", "26.0.0", true},
		{"25.0.9", "26.0.0", false},
		{"100.0.0", "26.0.0", true},
		{"20.10.24+dfsg1", "25.0.1", false},
		{"25.0.0-rc.1", "25.0.1", false},
		{"28", "26.0.0", true},
		{"", "1", false},
	} {
		if atLeast(c.have, c.want) != c.ok {
			t.Errorf("atLeast(%q, %q) is %v", c.have, c.want, !c.ok)
		}
	}
}

func TestWhatWasNeverAnsweredRightlyIsNotAsGood(t *testing.T) {
	t.Parallel()
	none := answered(0, 9, 0)
	if err := worse(none, none); err != nil {
		t.Fatalf("worse compares only: %v", err)
	}
	if unanswered(none) == nil {
		t.Error("a release that never answered passes where the old one did not either")
	}
	var all figures
	for _, q := range questions {
		all.add(q, time.Millisecond, nil)
	}
	if err := unanswered(all); err != nil {
		t.Error(err)
	}
}
