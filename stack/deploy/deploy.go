package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moby/moby/client"
)

// deployment is one deploy, from its preflight to its record. The preflight fills in before, past,
// stack and env. before is what restore goes back to, so nothing may change it.
type deployment struct {
	place   place
	swarm   *managers
	say     *progress
	work    string // a folder for files of this deploy
	image   string
	version string // its name, where it has one
	by      string
	dryRun  bool
	quick   bool // a change of what runs, or back to what ran here before: no rehearsal, and no waiting for nodes
	stack   rendered
	env     []string
	before  view
	past    []keptRecord // of the stack, the newest first
	probing prober
	old     figures         // how the release before answered, while the new one was rehearsed
	guard   context.Context // ends where the lock is lost, and by nothing else
	lock    *lock
	record  record
}

// failure ends a deploy. Its code is the process's.
type failure struct {
	code   int
	caught string // what noticed it
	err    error
}

func (f failure) Error() string { return f.caught + ": " + f.err.Error() }
func (f failure) Unwrap() error { return f.err }

// The exit codes of a deploy; docs/deploy.md explains them.
const (
	exitOK          = 0
	exitUndone      = 1 // the release failed; what ran before runs
	exitUsage       = 2
	exitRefused     = 3 // nothing was begun
	exitLocked      = 4
	exitUnknown     = 5 // what runs now is not what it should be: somebody has to look
	exitInterrupted = 130
)

// deploy brings the image to the place, or leaves what was there. It returns a failure,
// or nil.
func (d *deployment) deploy(ctx context.Context, out io.Writer) error {
	d.image = familiar(d.image)
	d.record = record{Place: d.place.called(), Back: d.quick, Image: d.image, By: d.by, At: time.Now(), Seconds: map[string]float64{}}
	if err := d.phase(ctx, "preflight", d.preflight); err != nil {
		return d.blamed(ctx, exitRefused, "preflight", err)
	}
	d.say.note("%d nodes ready, %d services, image %s", len(d.before.workers()), len(d.stack.images()), short(d.image))
	d.nameOrphans()
	// Neither of the two answers that follow changes anything, so they need no lock.
	last, nothing, err := d.nothingToDo()
	if err != nil {
		return d.blamed(ctx, exitRefused, "preflight", err)
	}
	if d.dryRun {
		return d.showChanges(ctx, last, nothing, out)
	}
	d.nameSecrets(last)
	if nothing {
		d.say.step("nothing to do: %s runs %s already", d.place.name, short(d.image))
		d.record.Result = "unchanged"
		return nil
	}
	return d.withLock(ctx, "deploy "+short(d.image), func(ctx context.Context) error {
		// Another deploy may have ended in between.
		if err := d.preflight(ctx); err != nil {
			return d.blamed(ctx, exitRefused, "preflight", err)
		}
		return d.finish(ctx, d.locked(ctx))
	})
}

// withLock does something while nobody else changes the place. It frees the lock also
// after Ctrl-C.
func (d *deployment) withLock(ctx context.Context, what string, do func(context.Context) error) error {
	// What has to be undone is undone after Ctrl-C, too, but not where the lock is lost: then
	// it is another's business.
	guard, lost := context.WithCancelCause(context.WithoutCancel(ctx))
	defer lost(nil)
	held, err := takeLock(ctx, d.swarm, d.place.stack(), d.by, what, lost)
	if err != nil {
		var other heldError
		if errors.As(err, &other) {
			return failure{exitLocked, "lock", err}
		}
		return d.blamed(ctx, exitRefused, "lock", err)
	}
	d.guard, d.lock = guard, held
	// Under guard, so that it is renewed also while an interrupted deploy is undone.
	go held.keep(guard)
	ctx, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(guard, func() { cancel(context.Cause(guard)) })()
	failed := do(ctx)
	// Whoever has the lock now changes what runs: its state is not known here, and there is
	// nothing to release.
	if errors.Is(context.Cause(guard), errLost) {
		return failure{exitUnknown, "lock", errLost}
	}
	ctx, end := context.WithTimeout(guard, time.Minute)
	defer end()
	if err := held.release(ctx); err != nil {
		d.say.note("the lock could not be freed, in a minute it frees itself: %v", err)
	}
	return failed
}

// alter is tell for what changes the place: only where the lock is still this client's.
func (d *deployment) alter(ctx context.Context, what func(context.Context, *client.Client) error) error {
	if _, err := d.lock.check(ctx); err != nil {
		return err
	}
	return tell(ctx, d.swarm, what)
}

// locked does all that changes something.
func (d *deployment) locked(ctx context.Context) error {
	if d.quick {
		// Of a client that died; whoever goes back does not wait for it.
		short, cancel := context.WithTimeout(ctx, 20*time.Second)
		if err := d.endRehearsal(short); err != nil {
			d.say.note("%v", err)
		}
		cancel()
	} else {
		// Whatever came of the rehearsal, it goes before the rollout: the database's
		// connections are planned for the update alone. No service was touched yet, so nothing
		// has to be restored.
		if err := d.tidied(ctx, "rehearsal", d.rehearse); err != nil {
			return err
		}
	}
	for _, p := range []struct {
		name string
		do   func(context.Context) error
	}{{"rollout", d.rollout}, {"soak", d.soak}} {
		if err := d.phase(ctx, p.name, p.do); err != nil {
			return d.restored(d.blamed(ctx, exitUndone, p.name, err), err)
		}
	}
	return nil
}

// restored brings back what ran before and gives the failure, which is told first: going back
// takes minutes. err is what came up; the failure may speak of Ctrl-C instead.
func (d *deployment) restored(f failure, err error) error {
	reason, _, _ := strings.Cut(f.Error(), "\n")
	d.say.note("%s", reason)
	if undo := d.undo("restore", d.restore); undo != nil {
		return failure{exitUnknown, f.caught, fmt.Errorf("%w\nand what ran before could not be restored: %w", err, undo)}
	}
	return f.kept()
}

// tidied does what leaves a rehearsal behind, and removes that whatever came of it.
func (d *deployment) tidied(ctx context.Context, name string, do func(context.Context) error) error {
	f := d.blamed(ctx, exitUndone, name, do(ctx))
	f.err = errors.Join(f.err, d.undo("tidying", d.endRehearsal))
	if f.err == nil {
		return nil
	}
	return f.kept()
}

// kept adds to Ctrl-C what came of it, once that is so.
func (f failure) kept() failure {
	if f.code == exitInterrupted {
		f.err = fmt.Errorf("%w; what ran before runs", f.err)
	}
	return f
}

// undo is a phase that Ctrl-C does not end. It needs guard, so it is only for what runs within
// withLock.
func (d *deployment) undo(name string, do func(context.Context) error) error {
	return d.phase(d.guard, name, do)
}

// rehearse brings up the schema, then tries the release beside the one that runs. The schema
// can go first, because any release runs on that of the one after it (CONTRIBUTING.md).
func (d *deployment) rehearse(ctx context.Context) error {
	if err := d.endRehearsal(ctx); err != nil { // of a client that died
		return caught{"schema", err}
	}
	if err := d.phase(ctx, "schema", d.schema); err != nil {
		return caught{"schema", err}
	}
	return d.phase(ctx, "rehearsal", d.understudies)
}

// caught is an error with what noticed it. It wins over the name of the phase in which it came
// up (caughtBy).
type caught struct {
	what string
	error
}

func (c caught) Unwrap() error { return c.error }

func caughtBy(err error, fallback string) string {
	var c caught
	if errors.As(err, &c) {
		return c.what
	}
	return fallback
}

// blamed makes a failure of an error as soon as it comes up. Ctrl-C is the reason only where it
// came before: a call that was broken off says nothing of the release, but one that failed does,
// though somebody is impatient while it is undone. A lost lock ends ctx as well, and has an exit
// code of its own. Without an error nothing has failed.
func (d *deployment) blamed(ctx context.Context, code int, phase string, err error) failure {
	if err != nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), errLost) {
		return failure{exitInterrupted, "Ctrl-C", errors.New("interrupted")}
	}
	return failure{code, caughtBy(err, phase), err}
}

// phase does one part, says so, and keeps its time. The seconds are in the record under this
// name, and the drills wait for it on standard error.
func (d *deployment) phase(ctx context.Context, name string, do func(context.Context) error) error {
	d.say.step("%s", name)
	began := time.Now()
	err := do(ctx)
	d.record.Seconds[name] = time.Since(began).Seconds()
	return err
}

// finish writes the record down, also after Ctrl-C, and tidies up after success.
func (d *deployment) finish(ctx context.Context, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	// What another client does by now would be taken for this one's success.
	if _, err := d.lock.check(ctx); errors.Is(err, errLost) {
		return failure{exitUnknown, "lock", errLost}
	}
	r := &d.record
	r.Result = resultOK
	if text, err := d.stack.fingerprint(); err == nil {
		r.Stack = string(text)
	}
	if failed == nil {
		// Where nobody answers, the next deploy of the same finds something to do.
		if v, err := d.swarm.look(ctx, d.place.stack()); err == nil {
			r.Specs = v.specsOf(d.stack.images())
		}
	}
	r.blame(failed)
	if err := r.keep(ctx, d.swarm, d.place.stack()); err != nil {
		d.say.note("the record could not be written: %v", err)
	}
	if failed == nil {
		if err := d.prune(ctx); err != nil {
			d.say.note("old secrets and configs could not be removed: %v", err)
		}
		d.say.step("%s runs %s", d.place.name, short(d.image))
	}
	return failed
}
