package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"minitwit/service/wait"
)

// lasting makes a fault that stays until on-call knows. The drill's restore takes it away: here
// already, since an all-clear before mended is a false one.
func lasting(what string, begin func(context.Context, *run) error) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		if err := r.strike(what, func() error { return begin(ctx, r) }); err != nil {
			return err
		}
		r.awaitPage(ctx)
		r.mended = time.Now()
		return r.drill.restore(ctx, r)
	}
}

// do calls a verb of the lab.
func do(args ...string) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error { return r.lab.do(ctx, args...) }
}

// placed changes what the API's service asks of its nodes; replicas that are where they may be stay.
func placed(args ...string) func(context.Context, *run) error {
	return do(slices.Concat([]string{"docker", "service", "update", "--quiet", "--detach"}, args, []string{stackName + "_api"})...)
}

// What lasting faults are made of and, as restore is called twice and also where nothing was
// begun, what is no harm once more. None of them is on a node where Prometheus runs.
var (
	// Stopped first: start-first would keep the old replica until the new one runs.
	noThirdNode = placed("--update-order", "stop-first", "--constraint-add", "node.hostname!=n3", "--replicas-max-per-node", "1")
	anyNode     = placed("--update-order", "start-first", "--constraint-rm", "node.hostname!=n3", "--replicas-max-per-node", "0")
	// Nothing is written: a file may have blocks that nobody has filled.
	fillDisk   = do("ssh", "n3", "fallocate -l $(df -B1 --output=avail,size / | awk 'NR == 2 {print $1 - int($2 / 25)}') /filler")
	emptyDisk  = do("ssh", "n3", "rm -f /filler")
	clockAhead = do("ssh", "n3", "date -s '30 seconds' >/dev/null && touch /run/ahead")
	clockBack  = do("ssh", "n3", "[ ! -e /run/ahead ] || { rm /run/ahead && date -s '30 seconds ago' >/dev/null; }")
)

// backupAt leaves what the job of a backup at that time would (monitoring/README.md).
func backupAt(when string) func(context.Context, *run) error {
	return do("ssh", "n1", "date -d '"+when+"' '+minitwit_backup_last_success_timestamp_seconds %s' >/var/lib/node_exporter/backup.prom")
}

// absent makes a lasting fault of tasks that are not there, and waits for all of them at its end.
func absent(what string, begin func(context.Context, *run) error) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		if err := lasting(what, begin)(ctx, r); err != nil {
			return err
		}
		return r.recovered(ctx, "all replicas", nil)
	}
}

// scaled takes some or all of a service's tasks away.
func scaled(service string, left int) func(context.Context, *run) error {
	return absent(fmt.Sprintf("scale %s to %d", service, left), scaledTo(service, left))
}

// killed takes all replicas of a service away, and kills them while they drain, when they would
// still answer. Killed first, they would be started anew until a manager has taken the scale.
func killed(name string) func(context.Context, *run) error {
	return absent("no more replicas of "+name+" wanted, and SIGKILL to each", func(ctx context.Context, r *run) error {
		if err := scaledTo(stackName+"_"+name, 0)(ctx, r); err != nil {
			return err
		}
		r.killAll(ctx, name)
		return nil
	})
}

// killAll ends the process of each replica, all at once. One that is gone already is no failure.
func (r *run) killAll(ctx context.Context, name string) {
	var all sync.WaitGroup
	for _, t := range r.before.running(name) {
		all.Go(func() {
			engine, id, err := r.cluster.container(ctx, r.before, t)
			if err == nil {
				err = kill(ctx, engine, id, "KILL")
			}
			if err != nil {
				r.say("replica %d of %s: %v", t.Slot, name, err)
			}
		})
	}
	all.Wait()
}

// scaledTo scales a service, once a manager takes it.
func scaledTo(service string, replicas int) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		var last error
		err := wait.Until(ctx, patience, "the managers to take it", func() bool {
			last = r.lab.do(ctx, "docker", "service", "scale", "--detach", fmt.Sprintf("%s=%d", service, replicas))
			return last == nil
		})
		return errors.Join(err, last)
	}
}

// killAgain kills one replica of the API whenever it runs, until on-call knows.
func killAgain(ctx context.Context, r *run) error {
	slot := r.before.tasks["api"][0].Slot
	_ = r.strike("SIGKILL to one replica, and to each that takes its place", func() error { return nil })
	_, err := r.cluster.await(ctx, "a page", func(s snapshot) bool {
		for _, t := range s.running("api") {
			if t.Slot != slot {
				continue
			}
			if engine, id, err := r.cluster.container(ctx, s, t); err == nil {
				_, _ = engine.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "KILL"}) // it may have ended by itself
			}
		}
		return r.called()
	})
	if err != nil {
		return err
	}
	r.mended = time.Now()
	return r.recovered(ctx, "all replicas", nil)
}

// silence ends the load, until on-call knows, and begins another.
func silence(ctx context.Context, r *run) error {
	var lost int
	if err := r.strike("nobody sends anything", func() error {
		report, err := r.load.stop()
		lost = report.Verification.Lost.Total()
		return err
	}); err != nil {
		return err
	}
	r.awaitPage(ctx)
	r.mended = time.Now()
	r.say("the load begins again")
	if err := r.warmUp(ctx); err != nil {
		return err
	}
	if lost > 0 {
		return fmt.Errorf("%d acknowledged writes lost before the silence", lost)
	}
	return nil
}
