package main

import (
	"context"
	"errors"
	"slices"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// killTask ends the process of one replica without a word.
func killTask(ctx context.Context, r *run) error { return r.signalTask(ctx, "KILL") }

// hangTask stops the process of one replica: its port still takes connections.
func hangTask(ctx context.Context, r *run) error { return r.signalTask(ctx, "STOP") }

func (r *run) signalTask(ctx context.Context, signal string) error {
	return r.hurt(ctx, "SIG"+signal+" to one replica of the API", func(engine *client.Client, id string) error {
		return kill(ctx, engine, id, signal)
	})
}

func kill(ctx context.Context, engine *client.Client, id, signal string) error {
	_, err := engine.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: signal})
	return err
}

// oomTask takes a replica's memory away, so that the kernel ends it.
func oomTask(ctx context.Context, r *run) error {
	const least = 6 << 20 // the engine refuses less
	return r.hurt(ctx, "6 MB are left to one replica of the API", func(engine *client.Client, id string) error {
		_, err := engine.ContainerUpdate(ctx, id, client.ContainerUpdateOptions{
			Resources: &container.Resources{Memory: least, MemorySwap: least},
		})
		return err
	})
}

// hurt does something to one replica and waits for another in its place.
func (r *run) hurt(ctx context.Context, what string, harm func(*client.Client, string) error) error {
	victim := r.before.tasks["api"][0]
	engine, id, err := r.cluster.container(ctx, r.before, victim)
	if err != nil {
		return err
	}
	if err := r.strike(what, func() error { return harm(engine, id) }); err != nil {
		return err
	}
	gone := func(s snapshot) bool {
		return !slices.ContainsFunc(s.running("api"), func(t swarm.Task) bool { return t.ID == victim.ID })
	}
	// A hung process is waited for until the grace period ends. That it was found, and
	// gets no more requests, shows in its container's health.
	if err := r.detected(ctx, "the replica has failed", func(s snapshot) bool {
		return gone(s) || unhealthy(ctx, engine, id)
	}); err != nil {
		return err
	}
	return r.recovered(ctx, "another one in its place", gone)
}

// unhealthy tells whether the container's health check has found it so. An engine that does not
// answer has not.
func unhealthy(ctx context.Context, engine *client.Client, id string) bool {
	got, err := engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	return err == nil && got.Container.State != nil && got.Container.State.Health != nil &&
		got.Container.State.Health.Status == container.Unhealthy
}

// crashLoop is the outage that this system was built against: a bug in the UI ends
// its process, now at every page view. The release with the bug is already there;
// what begins is that people look.
func crashLoop(ctx context.Context, r *run) error {
	err := r.strike("people view pages, each view ends a replica of the UI", func() error {
		r.load.startPages(ctx)
		return nil
	})
	if err != nil {
		return err
	}
	weak := func(s snapshot) bool { return len(s.running("web")) < len(r.before.tasks["web"]) }
	if err := r.detected(ctx, "replicas of the UI have failed", weak); err != nil {
		return err
	}
	return nil // it does not recover; the API must not notice
}

// deployCrashing deploys the bug. As long as nobody views a page, all replicas are well.
func deployCrashing(ctx context.Context, r *run) error {
	image := r.images.faults
	if err := r.lab.deploy(ctx, image, []string{"FAULT_WEB=crash"}, "stack/lab/faults.yml"); err != nil {
		return err
	}
	_, err := r.cluster.await(ctx, "the release with the bug is deployed", func(s snapshot) bool {
		return s.strong() && each(func(name string) bool { return s.image(name) == image })
	})
	return err
}

func deployRelease(ctx context.Context, r *run) error {
	image := r.images.current
	err := r.lab.deploy(ctx, image, nil)
	_, awaitErr := r.cluster.await(ctx, "the good release is back", func(s snapshot) bool {
		return s.strong() && each(func(name string) bool { return s.image(name) == image })
	})
	return errors.Join(err, awaitErr)
}
