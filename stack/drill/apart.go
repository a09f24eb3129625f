package main

import (
	"context"
	"errors"
	"time"
)

// Drills of those who watch (--pages). They say little of how the product heals.

// oldOverlay makes one process of both services, and oldWebPort lets the one that is empty
// leave its port to the other.
const (
	oldOverlay = "stack/lab/old-system.yml"
	oldWebPort = "WEB_PORT=5099"
)

// deployOld replaces the stack by the old system, which still lives.
func deployOld(ctx context.Context, r *run) error {
	return errors.Join(
		r.lab.do(ctx, "docker", "service", "rm", stackName+"_api", stackName+"_web"), // a port has one service at a time
		r.lab.deploy(ctx, r.images.faults, []string{oldWebPort}, oldOverlay),
		r.oldRuns(ctx, true),
	)
}

// killOld deploys the bug. Whoever first looks at a page ends the process, and that is
// the fault: here it is one of the probes.
func killOld(ctx context.Context, r *run) error {
	if err := r.lab.deploy(ctx, r.images.faults, []string{oldWebPort, "FAULT_API=crash"}, oldOverlay); err != nil {
		return err
	}
	if err := r.oldRuns(ctx, false); err != nil {
		return err
	}
	if err := r.strike("a page view has ended the only process", func() error { return nil }); err != nil {
		return err
	}
	r.awaitPage(ctx)
	r.say("the stack of today in its place")
	if err := deployNew(ctx, r); err != nil {
		return err
	}
	return r.recovered(ctx, "three replicas of each", nil)
}

func (r *run) oldRuns(ctx context.Context, yes bool) error {
	_, err := r.cluster.await(ctx, "the old system's state", func(s snapshot) bool {
		if !yes {
			return len(s.running("api")) == 0 // at once: its end is the fault
		}
		return len(s.running("api")) > 0 && !s.updating("api")
	})
	return err
}

// deployNew is the mend, and the restore of a drill that did not come so far.
func deployNew(ctx context.Context, r *run) error {
	s, err := r.cluster.look(ctx)
	if err == nil && s.strong() && len(s.tasks["web"]) == len(nodeNames) {
		return nil
	}
	return errors.Join(err, r.lab.do(ctx, "docker", "service", "rm", stackName+"_api", stackName+"_web"), deployRelease(ctx, r))
}

// ordinaryHour goes on for an hour, and updates both services after a quarter and after
// half of it.
func ordinaryHour(ctx context.Context, r *run) error {
	const hour = time.Hour
	_ = r.strike("nothing happens", func() error { return nil })
	for _, at := range []time.Duration{hour / 4, hour / 2} {
		if err := r.until(ctx, at); err != nil {
			return err
		}
		if err := rollingUpdate(ctx, r); err != nil {
			return err
		}
		r.before, _ = r.cluster.look(ctx)
	}
	return r.until(ctx, hour)
}

// until waits for a time after the drill's begin.
func (r *run) until(ctx context.Context, at time.Duration) error {
	return until(ctx, at+time.Minute, "the time", func() bool { return time.Since(r.fault) >= at })
}
