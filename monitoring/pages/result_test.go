package main

import (
	"slices"
	"testing"
	"time"
)

func TestTheLastTryOfEachFaultCounts(t *testing.T) {
	t.Parallel()
	missed, fine, other := result{Case: "slow"}, result{Case: "slow", OK: true}, result{Case: "errors", OK: true}
	for _, c := range []struct {
		what    string
		results []result
		want    bool
	}{
		{"all reached their aims", []result{other, fine}, true},
		{"the second try did", []result{missed, fine, other}, true},
		{"neither did", []result{missed, missed}, false},
		{"the next fault's success is its own", []result{missed, other}, false},
	} {
		if got := passed(c.results); got != c.want {
			t.Errorf("%s: passed is %v", c.what, got)
		}
	}
}

// Nobody shall take the times of a slow machine for those that are promised.
func TestSlackIsSaid(t *testing.T) {
	t.Parallel()
	measured := 50.1
	for _, c := range []struct {
		of   result
		want string
	}{
		{result{OK: true, Slack: 1}, "ok"},
		{result{OK: true, Slack: 2.5}, "ok (slack 2.5)"},
		{result{Missed: []string{"after 50.1 s"}, Slack: 1}, "MISSED: after 50.1 s"},
		{result{Missed: []string{"after 50.1 s"}, Slack: 3}, "MISSED (slack 3): after 50.1 s"},
	} {
		c.of.Case, c.of.Page, c.of.Seconds = "api-dead", "EndpointDown api", &measured
		if got, want := c.of.row(), []string{"api-dead", "EndpointDown api", "50.1 s", "", "–", c.want}; !slices.Equal(got, want) {
			t.Errorf("the row is %q, want %q", got, want)
		}
	}
	if got := slack(3).of(atOnce); got != 90*time.Second {
		t.Errorf("30 s with slack 3 are %v", got)
	}
}

func TestSlackOnlyLengthens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want slack
		ok   bool
	}{
		{nil, 1, true},
		{[]string{"--short", "--slack", "3"}, 3, true},
		{[]string{"api-dead", "--slack=1.5"}, 1.5, true},
		{[]string{"--slack", "0.5"}, 0.5, false},
		{[]string{"--slack", "much"}, 1, false},
	} {
		if o, err := parse(c.args); (err == nil) != c.ok || c.ok && o.slack != c.want {
			t.Errorf("%q: slack %v, %v", c.args, o.slack, err)
		}
	}
}
