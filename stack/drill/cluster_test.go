package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
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

// played is a manager of one service, the API. It has no answer to the first of all questions,
// and the first list of services that it gives is out of date at once.
type played struct {
	mu            sync.Mutex
	asked, listed int
	replicas      uint64
	tasks         []swarm.Task
}

func (p *played) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	refuse := func(why string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": why})
	}
	switch path.Base(r.URL.Path) {
	case "nodes":
		if p.asked++; p.asked == 1 {
			refuse("the swarm does not have a leader")
			return
		}
		_ = json.NewEncoder(w).Encode([]swarm.Node{})
	case "services":
		p.listed++
		s := swarm.Service{ID: "s", Spec: swarm.ServiceSpec{Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &p.replicas}}}}
		s.Spec.Name, s.Version.Index = stackName+"_api", uint64(min(p.listed, 2))
		_ = json.NewEncoder(w).Encode([]swarm.Service{s})
	case "tasks":
		_ = json.NewEncoder(w).Encode(p.tasks)
	case "update":
		var spec swarm.ServiceSpec
		if r.URL.Query().Get("version") != "2" || json.NewDecoder(r.Body).Decode(&spec) != nil {
			refuse("update out of sequence")
			return
		}
		p.replicas = *spec.Mode.Replicated.Replicas
		_, _ = io.WriteString(w, "{}")
	}
}

// runOn is a drill on one manager.
func runOn(t *testing.T, p *played) *run {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	engine, err := client.New(client.WithHost("tcp://" + server.Listener.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return &run{bench: &bench{cluster: &cluster{engines: map[string]*client.Client{"n1": engine}, alive: nodeNames[:1]}}}
}

func TestAChangeThatAnotherCameBeforeIsMadeAgain(t *testing.T) {
	t.Parallel()
	p := &played{replicas: 3}
	err := runOn(t, p).rescale(t.Context(), "api", 6)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || p.replicas != 6 || p.listed != 2 {
		t.Errorf("%v, %d replicas after %d lists; want 6 after 2", err, p.replicas, p.listed)
	}
}

// That nobody answers does not say that no replica was replaced.
func TestWhatIsNotSeenIsNotUnchanged(t *testing.T) {
	t.Parallel()
	r := runOn(t, &played{tasks: []swarm.Task{{ID: "kept", ServiceID: "s"}, {ID: "new", ServiceID: "s"}}})
	r.before.tasks = map[string][]swarm.Task{"api": {{ID: "kept"}, {ID: "gone"}}}
	if n, err := r.replaced(t.Context()); err != nil || n != 1 {
		t.Errorf("%d replaced, %v; want 1", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := r.replaced(ctx); err == nil {
		t.Errorf("%d replaced where nobody could say", n)
	}
}
