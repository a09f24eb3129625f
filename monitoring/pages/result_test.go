package main

import "testing"

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
