package main

import (
	"strings"
	"testing"
)

func TestEveryDrillHasAnAim(t *testing.T) {
	t.Parallel()
	if len(catalog) != len(aims) {
		t.Errorf("%d drills, %d aims", len(catalog), len(aims))
	}
	for _, d := range catalog {
		if a, ok := aims[d.name]; !ok || strings.Count(a.String(), ",") < 1 && a.sent == 0 {
			t.Errorf("%s has the aim %q", d.name, a)
		}
		if d.what == "" || d.make == nil {
			t.Errorf("%s is not complete", d.name)
		}
	}
	for _, d := range smoke() {
		if d.make == nil || d.edge != (d.name == "kill-node") || d.retries != 1 {
			t.Errorf("smoke has %q, through the edge: %v, with %d retries", d.name, d.edge, d.retries)
		}
	}
}

// Each part of an aim can be missed, and is named then.
func TestAnAimCanBeMissed(t *testing.T) {
	t.Parallel()
	sixty, thirty, five := seconds(60), seconds(30), seconds(5)
	good := result{figures: figures{Sent: 6000}, Strength: &five}
	for _, c := range []struct {
		drill string
		spoil func(*result)
		want  string
	}{
		{"rolling-update", func(r *result) { r.Failed = 1 }, "1 failed"},
		{"rolling-update", func(r *result) { r.Sent = 4999 }, "only 4999 sent"},
		{"rolling-update", func(r *result) { r.Lost = 1 }, "1 acknowledged writes lost"},
		{"kill-task", func(r *result) { r.Failed = 61 }, "1.0 % failed"},
		{"hang-task", func(r *result) { r.Last, r.Detect = 32, &thirty }, "32 s after the fault"},
		{"kill-node", func(r *result) { r.Last = 5.1 }, "5.1 s after the fault"},
		{"kill-node", func(r *result) { r.Failed, r.Last, r.Via = 1, 0.2, "edge" }, "1 failed"},
		{"kill-node", func(r *result) { r.Failed, r.Last, r.Retries = 1, 0.2, 1 }, "1 failed"},
		{"kill-node", func(r *result) { r.Strength, r.Start = &sixty, 0; *r.Strength = 60.1 }, "full strength"},
		{"ui-crash-loop", func(r *result) { r.Failed, r.APIFailed = 500, 1 }, "1 failed"},
		{"db-restart", func(r *result) { r.Replaced = 1 }, "1 replicas replaced"},
		{"scale", func(r *result) { r.Error = "not within 10m0s" }, "not within"},
	} {
		r := good
		if missed := aims[c.drill].missed(r); len(missed) != 0 {
			t.Errorf("%s: %+v misses %v, want nothing", c.drill, r.figures, missed)
		}
		c.spoil(&r)
		if missed := strings.Join(aims[c.drill].missed(r), "; "); !strings.Contains(missed, c.want) {
			t.Errorf("%s: misses %q, want %q", c.drill, missed, c.want)
		}
	}
}

// Failures of the UI are no failures of the API, and a start is forgiven to a node.
func TestAnAimForgivesWhatItDoesNotSpeakOf(t *testing.T) {
	t.Parallel()
	slow := seconds(90)
	for name, r := range map[string]result{
		"ui-crash-loop": {figures: figures{Sent: 6000, Failed: 900, WebFailed: 900}},
		"kill-node":     {figures: figures{Sent: 600, Failed: 20, Last: 4}, Strength: &slow, Start: 40},
	} {
		if missed := aims[name].missed(r); len(missed) != 0 {
			t.Errorf("%s misses %v, want nothing", name, missed)
		}
	}
}

func TestWhoAsksForFewerRequestsIsHeldAgainstThose(t *testing.T) {
	t.Parallel()
	r := result{figures: figures{Sent: 1500}}
	if missed := aims["rolling-update"].orSent(1500).missed(r); len(missed) > 0 {
		t.Errorf("missed %v", missed)
	}
	if missed := aims["rolling-update"].orSent(0).missed(r); len(missed) != 1 {
		t.Errorf("missed %v, want what the aim asks for", missed)
	}
	if a := aims["kill-node"].orSent(1500); a.sent != 0 {
		t.Errorf("an aim that asks for no number asks for %d", a.sent)
	}
}
