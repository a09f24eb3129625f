package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"minitwit/service/wait"

	"github.com/moby/moby/api/types/swarm"
)

const (
	ordinaryLength = time.Hour
	updateDelay    = 5 * time.Second // between two replicas, as in stack.yml
)

// spend lets an hour pass in a calm installation, with two rolling updates, and judges what
// arrived.
func (w *world) spend(ctx context.Context, f fault, progress io.Writer) result {
	r := result{Case: f.name, Aim: "no page", Slack: w.slack}
	if err := w.renew(ctx); err != nil {
		r.Missed = []string{fmt.Sprintf("before it: %v", err)}
		return r
	}
	began := time.Now()
	for part := range 4 {
		if part == 1 || part == 2 {
			fmt.Fprintf(progress, "    %5.0f s  updating both services\n", time.Since(began).Seconds())
			if err := w.update(ctx); err != nil {
				r.Missed = append(r.Missed, err.Error())
			}
		}
		pass(ctx, time.Until(began.Add(time.Duration(part+1)*ordinaryLength/4)))
		fmt.Fprintf(progress, "    %5.0f s  notices so far: %d\n", time.Since(began).Seconds(), len(w.sink.since(began)))
	}
	r.judge(f, w.sink.since(began))
	r.OK = len(r.Missed) == 0
	return r
}

// update replaces the replicas of both services one after another. The mesh knows first,
// as Swarm's does; that a new one would have started before is left out, so that this is
// an update under which there is less strength than there is in truth.
func (w *world) update(ctx context.Context) error {
	limit := w.slack.of(time.Minute)
	for _, service := range services {
		w.manager.update(service, swarm.UpdateStateUpdating)
		for _, r := range w.replicas.of(service) {
			// Before it is told to end, so that its end is no failure of a task.
			w.replicas.retire(r)
			r.process.signal(syscall.SIGTERM)
			if err := errors.Join(
				wait.Until(ctx, limit, "the end of "+r.process.name, func() bool { return !r.process.up() }),
				wait.Until(ctx, limit, "another "+r.process.name, func() bool { return w.replicas.serves(r) }),
			); err != nil {
				return err
			}
			pass(ctx, updateDelay)
		}
		w.manager.update(service, swarm.UpdateStateCompleted)
	}
	return nil
}

// pass lets time pass, unless ctx ends.
func pass(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
