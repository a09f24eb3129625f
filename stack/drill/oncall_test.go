package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// said makes a notice so many seconds after the start.
func said(start time.Time, after float64, from, alert, node string, resolved bool) notice {
	n := notice{At: start.Add(time.Duration(after * float64(time.Second))), From: from, Alert: alert, Resolved: resolved}
	if node != "" {
		n.Labels = map[string]string{"node": node}
	}
	return n
}

func TestWhatOnCallHeardIsJudged(t *testing.T) {
	t.Parallel()
	start := time.Now()
	after := func(s seconds) *seconds { return &s }
	for _, c := range []struct {
		what, drill string
		mended      float64
		got         []notice
		want        heard
		missed      []string
	}{
		{
			what: "the right page, and a consequence", drill: "kill-node",
			got: []notice{
				said(start, 20, "page", "CanaryFailing", "", false), said(start, 71.5, "page", "NodeDown", "n3", false),
				said(start, 80, "page", "NodeDown", "n3", false), said(start, 90, "ticket", "TargetDown", "", false),
				said(start, 200, "page", "NodeDown", "n3", true),
			},
			want: heard{Page: "NodeDown n3", After: after(71.5), Also: []string{"CanaryFailing"}, AllClear: after(200)},
		},
		{
			what: "too late", drill: "db-down-60s", got: []notice{said(start, 61, "page", "DatabaseDown", "", false)},
			want: heard{Page: "DatabaseDown", After: after(61)}, missed: []string{"page after 61 s"},
		},
		{what: "not at all", drill: "quorum-lost", missed: []string{"no page"}},
		{
			what: "for something that heals by itself", drill: "rolling-update", got: []notice{said(start, 30, "page", "ReplicaMissing", "", false)},
			want: heard{Wrong: []string{"ReplicaMissing after 30 s"}}, missed: []string{"wrong page: ReplicaMissing after 30 s"},
		},
		{
			what: "an all-clear before the end", drill: "api-dead", mended: 90,
			got: []notice{
				said(start, 19, "page", "EndpointDown", "n1", true), // of the drill before
				said(start, 20, "page", "EndpointDown", "", false), said(start, 80, "page", "EndpointDown", "", true),
				said(start, 100, "page", "EndpointDown", "", true),
			},
			want:   heard{Page: "EndpointDown", After: after(20), Wrong: []string{"all-clear of EndpointDown after 80 s"}, AllClear: after(100)},
			missed: []string{"wrong page: all-clear of EndpointDown after 80 s"},
		},
		{
			what: "the same once more, after an all-clear", drill: "api-dead",
			got: []notice{
				said(start, 26, "page", "EndpointDown", "", false), said(start, 88, "page", "EndpointDown", "", true),
				said(start, 147, "page", "EndpointDown", "", false), said(start, 207, "page", "EndpointDown", "", true),
			},
			want:   heard{Page: "EndpointDown", After: after(26), Wrong: []string{"EndpointDown again after 147 s"}, AllClear: after(207)},
			missed: []string{"wrong page: EndpointDown again after 147 s"},
		},
		{
			what: "a ticket where one is right, by the way of tickets only", drill: "clock-off",
			got: []notice{
				said(start, 180, "ticket", "TargetDown", "", false), said(start, 185, "ticket", "ClockSkew", "n3", false),
				said(start, 190, "page", "ClockSkew", "n3", false),
			},
			want:   heard{Page: "ClockSkew n3", After: after(185), Wrong: []string{"ClockSkew n3 after 190 s"}},
			missed: []string{"wrong page: ClockSkew n3 after 190 s"},
		},
		{
			what: "a ticket where a page is wanted", drill: "kill-node", got: []notice{said(start, 20, "ticket", "NodeDown", "n3", false)},
			missed: []string{"no page"},
		},
		{
			what: "by the second way, while the first refuses", drill: "sink-rejects",
			got: []notice{
				said(start, 25, "second", "EndpointDown", "", false), said(start, 60, "page", "EndpointDown", "", false),
				said(start, 70, "second", "LatestStagnant", "", false), said(start, 90, "second", "EndpointDown", "", true),
				said(start, 90, "page", "EndpointDown", "", true),
			},
			want:   heard{Page: "EndpointDown", After: after(25), Wrong: []string{"LatestStagnant after 70 s"}, AllClear: after(90)},
			missed: []string{"wrong page: LatestStagnant after 70 s"},
		},
		{
			what: "each page comes by two ways, and is one", drill: "api-dead",
			got:  []notice{said(start, 25, "second", "EndpointDown", "", false), said(start, 26, "page", "EndpointDown", "", false)},
			want: heard{Page: "EndpointDown", After: after(26)},
		},
		{what: "silence is right where there is nothing to do", drill: "kill-task"},
	} {
		h := calls[c.drill].judge(c.got, start, start.Add(time.Duration(c.mended)*time.Second))
		if diff := cmp.Diff(c.want, h); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
		if diff := cmp.Diff(c.missed, calls[c.drill].missed(h)); diff != "" {
			t.Errorf("%s: missed (-want +got):\n%s", c.what, diff)
		}
	}
}

func TestOnCallHasNothingToDoOnceAllIsOver(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pages.jsonl")
	at := time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
	if open := telephone(file).open(at); open != nil {
		t.Errorf("before anything arrived there is %v to do", open)
	}
	text := `{"at":"2026-01-02T03:04:05Z","from":"page","resolved":false,"alert":"NodeDown","labels":{"node":"n1"}}
{"at":"2026-01-02T03:04:06Z","from":"page","resolved":false,"alert":"NodeDown","labels":{"node":"n2"}}
{"at":"2026-01-02T03:04:07Z","from":"ticket","resolved":false,"alert":"TargetDown"}
{"at":"2026-01-02T03:05:05Z","from":"page","resolved":true,"alert":"NodeDown","labels":{"node":"n1"}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ended := time.Date(2026, 1, 2, 3, 5, 5, 0, time.UTC)
	for after, want := range map[time.Duration][]string{
		echo:               {"NodeDown n2"},
		echo - time.Second: {"NodeDown n1", "NodeDown n2"}, // its all-clear may not hold
	} {
		if diff := cmp.Diff(want, telephone(file).open(ended.Add(after))); diff != "" {
			t.Errorf("%v after an all-clear (-want +got):\n%s", after, diff)
		}
	}
	again := text + `{"at":"2026-01-02T03:06:05Z","from":"deadman","resolved":true,"alert":"DeadMan"}
`
	if err := os.WriteFile(file, []byte(again), 0o600); err != nil {
		t.Fatal(err)
	}
	if open := telephone(file).open(ended.Add(time.Hour)); open != nil {
		t.Errorf("after who watches has begun anew there is still %v to do", open)
	}
	since := telephone(file).since(at)
	if len(since) != 3 {
		t.Errorf("after a moment came %v", since)
	}
}

func TestCallsBelongToDrills(t *testing.T) {
	t.Parallel()
	for name, c := range calls {
		if _, err := find(name); err != nil {
			t.Error(err)
		}
		if (len(c.want) > 0) != (c.aim > 0) || c.String() == "" {
			t.Errorf("%s: wants %v within %g s", name, c.want, float64(c.aim))
		}
	}
}
