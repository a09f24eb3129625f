package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

var services = []string{"api", "web"}

// each tells whether it holds of both services.
func each(holds func(service string) bool) bool { return holds(services[0]) && holds(services[1]) }

// rollingUpdate deploys another release of both services.
func rollingUpdate(ctx context.Context, r *run) error {
	// The one of two that does not run: the other would change nothing.
	image := r.images.next
	if r.before.image("api") == image {
		image = r.images.current
	}
	return r.update(ctx, "another release of both services", image, nil, services...)
}

// update deploys and waits until the services that it changes say that they have done it.
func (r *run) update(ctx context.Context, what, image string, env []string, changed ...string) error {
	before, err := r.cluster.view(ctx)
	if err != nil {
		return err
	}
	deploy := func() error { return r.lab.deploy(ctx, image, env) }
	if err := r.strikeOnce(what, deploy); err != nil {
		return err
	}
	return r.recovered(ctx, strings.Join(changed, " and ")+" updated", func(s snapshot) bool {
		return !slices.ContainsFunc(changed, func(name string) bool {
			return s.image(name) != image || !s.ended(name, swarm.UpdateStateCompleted, before)
		})
	})
}

// strikeOnce is strike, unless the drill's fault has begun already.
func (r *run) strikeOnce(what string, fault func() error) error {
	if r.fault.IsZero() {
		return r.strike(what, fault)
	}
	r.say("%s", what)
	return fault()
}

// faulty deploys the image that fails on purpose.
func faulty(fault string) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		return r.badRelease(ctx, r.images.faults, []string{"FAULT_API=" + fault, "FAULT_WEB=" + fault}, "stack/lab/faults.yml")
	}
}

// badRelease deploys what cannot work; the Swarm must go back by itself.
func (r *run) badRelease(ctx context.Context, image string, env []string, overlays ...string) error {
	err := r.strike("deploying it to both services", func() error { return r.lab.deploy(ctx, image, env, overlays...) })
	if err != nil {
		return err
	}
	back := func(name string, s snapshot) bool {
		// Both, since a look may come too late for the first.
		return s.ended(name, swarm.UpdateStateRollbackStarted, r.before) ||
			s.ended(name, swarm.UpdateStateRollbackCompleted, r.before)
	}
	if err := r.detected(ctx, "both services roll back", func(s snapshot) bool {
		return each(func(name string) bool { return back(name, s) })
	}); err != nil {
		return err
	}
	return r.recovered(ctx, "both are what they were before", func(s snapshot) bool {
		return each(func(name string) bool {
			return s.ended(name, swarm.UpdateStateRollbackCompleted, r.before) && s.image(name) == r.before.image(name)
		})
	})
}

// foreignArchitecture deploys a program for another processor.
func foreignArchitecture(ctx context.Context, r *run) error {
	return r.badRelease(ctx, r.images.foreign, nil)
}

// absentDigest deploys an image that no registry has.
func absentDigest(ctx context.Context, r *run) error {
	name, _, _ := strings.Cut(r.images.current, "@")
	return r.badRelease(ctx, name+"@sha256:"+strings.Repeat("0", 64), nil)
}

// rotateSecrets changes the session key and the database's password. The new key
// must be accepted everywhere before the first replica uses it, so that takes two
// updates; the password changes by going over to the other of two logins.
func rotateSecrets(ctx context.Context, r *run) error {
	file := func(name string) string { return filepath.Join(r.lab.state, name) }
	if err := r.lab.do(ctx, "db", "rotate"); err != nil {
		return err
	}
	if err := os.WriteFile(file("session.key.next"), []byte(fmt.Sprintf("%x-drill-session-key-%032d", time.Now().UnixNano(), os.Getpid())), 0o600); err != nil {
		return err
	}
	image := r.before.image("api")
	if err := r.update(ctx, "both keys accepted, and the database's other login used", image, []string{
		"SESSION_KEY_PREVIOUS_FILE=" + file("session.key.next"), "DATABASE_URL_FILE=" + file("database.url.next"),
	}, services...); err != nil {
		return err
	}
	if err := r.lab.do(ctx, "db", "rotated"); err != nil {
		return err
	}
	if err := r.update(ctx, "the new key used, the old one accepted", image, []string{
		"SESSION_KEY_FILE=" + file("session.key.next"), "SESSION_KEY_PREVIOUS_FILE=" + file("session.key"),
	}, "web"); err != nil {
		return err
	}
	// The lab deploys with this file from now on, as it did with the old one.
	return os.Rename(file("session.key.next"), file("session.key"))
}
