package main

import (
	"context"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// detected waits until the Swarm acts on the fault. The time is no more exact than the looks of
// await.
func (r *run) detected(ctx context.Context, what string, holds func(snapshot) bool) error {
	_, err := r.cluster.await(ctx, what, holds)
	if err == nil {
		d := since(r.fault, time.Now())
		r.detect = &d
		r.say("detected: %s", what)
	}
	return err
}

// recovered waits for full strength, and for more if asked. The time counts from the mend where
// there was one; of several calls the last one stays.
func (r *run) recovered(ctx context.Context, what string, also func(snapshot) bool) error {
	s, err := r.cluster.await(ctx, what, func(s snapshot) bool {
		return s.strong() && (also == nil || also(s))
	})
	if err != nil {
		return err
	}
	from := r.fault
	if !r.mended.IsZero() {
		from = r.mended
	}
	d := since(from, time.Now())
	r.strength, r.start = &d, r.slowestStart(s)
	r.say("at full strength: %s", what)
	return nil
}

// slowestStart gives how long the slowest replica that was not there before took
// from being made to being healthy: pulling, starting, the first good check.
func (r *run) slowestStart(s snapshot) (slowest seconds) {
	for name := range s.services {
		for _, t := range s.running(name) {
			if !slices.ContainsFunc(r.before.tasks[name], func(old swarm.Task) bool { return old.ID == t.ID }) {
				slowest = max(slowest, since(t.CreatedAt, t.Status.Timestamp))
			}
		}
	}
	return slowest
}

// replaced counts the replicas that were there before and are gone. Where no manager says, that
// is an error: an aim may be that there are none.
func (r *run) replaced(ctx context.Context) (n int, err error) {
	s, err := r.cluster.view(ctx)
	if err != nil {
		return 0, err
	}
	for name, tasks := range r.before.tasks {
		for _, old := range tasks {
			if !slices.ContainsFunc(s.tasks[name], func(t swarm.Task) bool { return t.ID == old.ID }) {
				n++
			}
		}
	}
	return n, nil
}
