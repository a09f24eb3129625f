package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func recordsOf(newestFirst ...record) (all []keptRecord) {
	for i, r := range newestFirst {
		r.At = time.Unix(int64(1000-i), 0)
		all = append(all, keptRecord{record: r, made: r.At})
	}
	return all
}

func TestRollbackLeadsBackAndNotForthAgain(t *testing.T) {
	t.Parallel()
	a, b, bad, c := record{Image: "a", Result: "ok"}, record{Image: "b", Result: "ok"}, record{Image: "x", Result: "undone"}, record{Image: "c", Result: "ok"}
	back := func(r record) record { r.Back = true; return r }
	for name, test := range map[string]struct {
		all        []keptRecord
		runs, want string
	}{
		"to the one before":              {recordsOf(b, a), "b", "a"},
		"over one that never ran":        {recordsOf(b, bad, a), "b", "a"},
		"from one that was set by hand":  {recordsOf(b, a), "z", "b"},
		"twice, to the one before that":  {recordsOf(back(b), c, b, a), "b", "a"},
		"never to what was rolled back":  {recordsOf(back(a), b, a), "a", ""},
		"again after it was deployed":    {recordsOf(a, c, b, a), "a", "c"},
		"where nothing else was":         {recordsOf(a), "a", ""},
		"over a repetition of what runs": {recordsOf(b, b, a), "b", "a"},
		"not to what came after it":      {recordsOf(back(a), c, b), "a", ""},
	} {
		if got, _ := before(test.all, test.runs); got.Image != test.want {
			t.Errorf("%s: %q, want %q", name, got.Image, test.want)
		}
	}
}

// A client that died, or somebody's docker service rollback, leaves two releases.
func TestHalfAReleaseIsTheNewerOne(t *testing.T) {
	t.Parallel()
	all := recordsOf(record{Image: "b", Result: "undone"}, record{Image: "b", Result: "ok"}, record{Image: "a", Result: "ok"})
	for _, c := range []struct{ api, web, want string }{
		{"a", "a", "a"}, {"a", "b", "b"}, {"b", "a", "b"}, {"b", "of no deploy", "of no deploy"}, {"b", "", "b"},
	} {
		v := view{services: map[string]service{"api": serviceOf(c.api, nil)}}
		if c.web != "" {
			v.services["web"] = serviceOf(c.web, nil)
		}
		if got := v.newest(all); got != c.want {
			t.Errorf("api %s, web %s: %s, want %s", c.api, c.web, got, c.want)
		}
	}
}

func TestARecordBlamesWhatCaughtIt(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{exitUndone: "undone", exitRefused: "refused", exitLocked: "refused", exitUnknown: "unknown", exitInterrupted: "interrupted"} {
		var r record
		r.blame(fmt.Errorf("around: %w", failure{code, "soak", errors.New("why")}))
		if r.Result != want || r.Caught != "soak" || r.Message != "why" {
			t.Errorf("exit %d: %+v", code, r)
		}
	}
	r := record{Result: "ok"}
	if r.blame(nil); r.Result != "ok" || r.Caught != "" {
		t.Errorf("a success: %+v", r)
	}
}

func TestAReleaseIsNamedByVersionDigestOrImage(t *testing.T) {
	t.Parallel()
	r := record{Version: "v2", Image: "minitwit@sha256:0123456789abcdef"}
	for name, want := range map[string]bool{
		"0123456789abcdef": true, "sha256:0123456789abcdef": true, "sha256:012345": true, "sha256:": false, "0123456789abcdef0": false,
		"v2": true, "012345": true, "docker.io/library/minitwit@sha256:0123456789abcdef": true,
		"v": false, "01234": false, "6789ab": false, "other@sha256:0123456789abcdef": false,
	} {
		if got := r.is(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestReleasesAreListedWithTheReason(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	all := recordsOf(record{Version: "v2", Image: "r/m@sha256:0123456789abcdef", By: "anna@x", Result: "undone", Caught: "soak", Message: "slow\nits log", Seconds: map[string]float64{"rollout": 61, "soak": 9}})
	if err := writeReleases(&out, all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"v2", "0123456789ab ", "undone", "70", "anna@x", "soak: slow\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestScaleTakesServicesAndSmallNumbers(t *testing.T) {
	t.Parallel()
	if got, err := parseScale([]string{"api=5", "web=1"}); err != nil || got["api"] != 5 || got["web"] != 1 {
		t.Errorf("%v, %v", got, err)
	}
	for _, wrong := range [][]string{nil, {"api"}, {"api="}, {"=3"}, {"api=0"}, {"api=-1"}, {"api=51"}, {"api=5", "web=x"}} {
		if got, err := parseScale(wrong); err == nil {
			t.Errorf("%q gives %v", wrong, got)
		}
	}
}
