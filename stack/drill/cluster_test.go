package main

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// updated is a Swarm whose API was updated at some time, by a clock of its own.
func updated(state swarm.UpdateState, at time.Time) snapshot {
	return snapshot{services: map[string]swarm.Service{"api": {UpdateStatus: &swarm.UpdateStatus{State: state, StartedAt: &at}}}}
}

// The nodes' clocks may be behind ours, or behind that of the last leader.
func TestAnUpdateIsAnotherByItsOwnTime(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(-time.Hour)
	before := updated(swarm.UpdateStateCompleted, at)
	for name, c := range map[string]struct {
		now, before snapshot
		want        bool
	}{
		"the same":             {updated(swarm.UpdateStateCompleted, at), before, false},
		"another, later":       {updated(swarm.UpdateStateCompleted, at.Add(time.Minute)), before, true},
		"another, by a clock":  {updated(swarm.UpdateStateCompleted, at.Add(-time.Minute)), before, true},
		"the first":            {updated(swarm.UpdateStateCompleted, at), snapshot{}, true},
		"another, not yet":     {updated(swarm.UpdateStateUpdating, at.Add(time.Minute)), before, false},
		"another, rolled back": {updated(swarm.UpdateStateRollbackCompleted, at.Add(time.Minute)), before, false},
		"none":                 {snapshot{}, snapshot{}, false},
	} {
		if got := c.now.ended("api", swarm.UpdateStateCompleted, c.before); got != c.want {
			t.Errorf("%s: ended = %v, want %v", name, got, c.want)
		}
	}
}

// A drill may end before it has chosen a node, as where the lab is not in order.
func TestNoNodeIsBroughtBackThatWasNotTaken(t *testing.T) {
	t.Parallel()
	for name, restore := range map[string]func(context.Context, *run) error{
		"start": returned("start"), "mend": returned("mend"), "undrained": undrained,
	} {
		// Whoever asks the lab hears a refusal, and whoever asks an engine that is nil panics.
		if err := restore(t.Context(), &run{bench: &bench{lab: lab{script: "false", log: io.Discard}, cluster: &cluster{alive: nodeNames}}}); err != nil {
			t.Errorf("%s: %v, want nothing done", name, err)
		}
	}
}
