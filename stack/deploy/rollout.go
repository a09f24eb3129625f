package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"reflect"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// rollout gives the stack to the Swarm and follows each service until it runs the new
// release, or does not.
func (d *deployment) rollout(ctx context.Context) error {
	images := d.stack.images()
	w := newWatcher(d.swarm, d.place.stack(), d.place, d.say)
	w.skip(d.before)
	if err := d.relabel(ctx, images); err != nil {
		return err
	}
	err := patiently(ctx, func() error {
		err := d.stackDeploy(ctx, d.place.stack(), d.place.files()...)
		// A second time would take from Swarm what it can roll back to.
		if v, lookErr := d.swarm.look(ctx, d.place.stack()); err != nil && lookErr == nil && v.given(d.before, images, d.image) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = w.until(ctx, "the rollout", func(v view) (bool, error) {
		return d.finished(ctx, v, images)
	})
	return err
}

// imageLabel is where docker stack deploy notes which image it has deployed.
const imageLabel = "com.docker.stack.image"

// relabel mends that note where somebody has changed the image by hand since: docker stack deploy
// takes the wanted image for deployed already where the note names it, and keeps the one that runs.
func (d *deployment) relabel(ctx context.Context, images map[string]string) error {
	for name, image := range images {
		old, there := d.before.services[name]
		if !there || old.image() == image || familiar(old.Spec.Labels[imageLabel]) != image {
			continue
		}
		spec, err := copySpec(old.Spec)
		if err != nil {
			return err
		}
		spec.Labels[imageLabel] = old.image()
		if err := d.respecService(ctx, d.place.stack()+"_"+name, spec); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// finished tells whether all services that are named have been updated to their images; its
// error says which one will not be. What had failed before the deploy is not held against it.
func (d *deployment) finished(ctx context.Context, v view, images map[string]string) (bool, error) {
	all, known := true, d.before.known()
	for name, image := range images {
		now, there := v.services[name]
		if !there {
			return false, nil
		}
		how, why := judge(d.before.services[name], now, image)
		if how == goneBack || how == halted {
			return false, caught{"Swarm", d.reason(ctx, v, known, name, why)}
		}
		// Of what is new or only more, Swarm counts no failures.
		if how == underway && now.UpdateStatus == nil {
			if failed, t, found := v.failureOf(image, known); found {
				return false, d.explain(ctx, v, failed, t)
			}
		}
		all = all && how == finished
	}
	return all, nil
}

// given tells whether Swarm has taken all services, of these images. One of the release that is as it
// was may have been taken or not: its version tells nothing, since a new leader raises that of every
// service.
func (v view) given(before view, images map[string]string, release string) bool {
	for name, image := range images {
		now, there := v.services[name]
		old, was := before.services[name]
		if !there || now.image() != image || was && image == release && reflect.DeepEqual(now.Spec, old.Spec) {
			return false
		}
	}
	return true
}

// patiently tries something that may be done twice until it succeeds, for a minute, where what
// stands against it is passing.
func patiently(ctx context.Context, do func() error) error {
	end := time.Now().Add(time.Minute)
	for {
		err := do()
		if err == nil || time.Now().After(end) || !passing(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lookEvery):
		}
	}
}

// reason says why Swarm gave up a service: its newest failed task in the task's own
// words, since Swarm's own message names none.
func (d *deployment) reason(ctx context.Context, v view, known map[string]bool, name, why string) error {
	if _, t, found := v.only(name).failure(known); found {
		return fmt.Errorf("given up by Swarm: %w", d.explain(ctx, v, name, t))
	}
	return fmt.Errorf("given up by Swarm: %s: %s", name, why)
}

// soak asks the new release, in the old one's place, on each node, and watches that none
// of its tasks ends.
func (d *deployment) soak(ctx context.Context) error {
	w := newWatcher(d.swarm, d.place.stack(), d.place, d.say)
	v, err := w.first(ctx)
	if err != nil {
		return err
	}
	bases := d.bases(v, 0)
	if err := d.reached(ctx, w, v.troubled(), bases); err != nil { // the first release's ports are new
		return err
	}
	// The old release is gone: d.old holds how it answered beside the rehearsal. In a rollback
	// or a first deploy it is empty, and worse has a limit for that.
	fresh, err := d.compare(ctx, w, v.troubled(), bases, nil)
	if err != nil {
		return err
	}
	d.say.note("%d requests to each node's ports, %d failed", fresh.asked, fresh.failed)
	// Swarm itself may have gone back while the questions were asked.
	_, err = w.until(ctx, "the soak", func(v view) (bool, error) { return d.finished(ctx, v, d.stack.images()) })
	return err
}

// bases are where each surface answers: on every node that gets tasks. The ports are
// stack.yml's where the place has none of its own.
func (d *deployment) bases(v view, offset int) map[string][]string {
	ports := map[string]int{"api": d.place.number("API_PORT", 5001) + offset, "web": d.place.number("WEB_PORT", 5000) + offset}
	found := map[string][]string{}
	for surface, port := range ports {
		for _, n := range v.workers() {
			found[surface] = append(found[surface], "http://"+net.JoinHostPort(address(n), strconv.Itoa(port)))
		}
	}
	return found
}

// compare asks the new release and, where there is one, the old one in turn for as long as
// a soak lasts. It ends at once when a task fails. Both get each question in turn, so that a busy
// node or database slows both. A round of all questions goes to one node, the next round to the next.
func (d *deployment) compare(ctx context.Context, w *watcher, known map[string]bool, fresh, old map[string][]string) (figures, error) {
	var got figures
	if old != nil {
		d.old = figures{}
	}
	end, looked := time.Now().Add(d.place.seconds("SOAK_SECONDS")), time.Time{}
	for i := 0; time.Now().Before(end); i++ {
		q := questions[i%len(questions)]
		round := i / len(questions)
		for _, side := range []struct {
			bases map[string][]string
			into  *figures
		}{{fresh, &got}, {old, &d.old}} {
			if side.bases == nil || len(side.bases[q.surface]) == 0 {
				continue
			}
			took, err := d.probing.once(ctx, side.bases[q.surface][round%len(side.bases[q.surface])], q)
			if ctx.Err() != nil {
				return got, context.Cause(ctx)
			}
			side.into.add(q, took, err)
		}
		if time.Since(looked) > 2*lookEvery {
			looked = time.Now()
			if err := d.noFailure(ctx, w, known); err != nil {
				return got, err
			}
			if err := worse(got, d.old); err != nil {
				return got, d.withLog(ctx, w.stack, err)
			}
		}
		time.Sleep(probePause)
	}
	return got, d.withLog(ctx, w.stack, cmp.Or(worse(got, d.old), unanswered(got)))
}

// noFailure looks whether a task has failed that was not there before.
func (d *deployment) noFailure(ctx context.Context, w *watcher, known map[string]bool) error {
	v, err := d.swarm.look(ctx, w.stack)
	if err != nil {
		return nil //nolint:nilerr // a manager may be away for a moment; the next look tells
	}
	w.show(v)
	if name, t, failed := v.failureOf(d.image, known); failed {
		return d.explain(ctx, v, name, t)
	}
	return nil
}

// jobDone tells whether the job has ended well on every node that gets tasks of it. Which those
// are, its tasks say, since a constraint may leave nodes out; Swarm makes all of them before the
// first one can end.
func (v view) jobDone(name string) bool {
	ended := map[string]bool{} // by node; not there where it has no task
	for _, t := range v.services[name].tasks {
		ended[t.NodeID] = ended[t.NodeID] || t.Status.State == swarm.TaskStateComplete
	}
	some := false
	for _, n := range v.workers() {
		well, asked := ended[n.ID]
		if asked && !well {
			return false
		}
		some = some || asked
	}
	return some
}

// settledOn tells whether a service runs an image, all of it.
func (s service) settledOn(image string) bool { return s.image() == image && s.settled() }
