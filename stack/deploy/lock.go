package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// The lock is a config of the Swarm: its managers agree on who has made it, and everybody
// who may deploy can see it. Its holder renews it, so that a client that died holds it for
// lockStale at most. Times are the manager's: clients' clocks do not matter. A few renewals may
// fail in between, as while the managers choose a leader.
const (
	lockRenew = 10 * time.Second
	lockStale = 60 * time.Second
)

// errLost is the cause with which a deploy ends that has lost its lock.
var errLost = errors.New("the lock was lost: this client did not answer for a minute, and another has taken it")

// heldError says who has the lock, and for what.
type heldError struct{ by, since, what string }

func (e heldError) Error() string {
	return fmt.Sprintf("%s is at work here since %s (%s); wait, or if that client has died, its lock is free %.0f s after it",
		e.by, e.since, e.what, lockStale.Seconds())
}

// lock is held from takeLock to release.
type lock struct {
	swarm *managers
	name  string
	who   map[string]string // the labels that name the holder
	lost  context.CancelCauseFunc
}

// takeLock makes the lock, or takes over one that nobody has renewed; lost is called where it is
// another's later on. It does not wait: where another client holds it, a heldError comes at once.
// The time in the label holder tells two clients of one person apart.
func takeLock(ctx context.Context, m *managers, stack, by, what string, lost context.CancelCauseFunc) (*lock, error) {
	l := &lock{swarm: m, name: stack + "_deploy_lock", lost: lost, who: map[string]string{
		"minitwit.by": by, "minitwit.since": time.Now().UTC().Format(time.RFC3339), "minitwit.what": what,
		"minitwit.holder": fmt.Sprintf("%s-%d", by, time.Now().UnixNano()),
	}}
	// A name is there once in a Swarm: of two who make it, one fails.
	err := tell(ctx, m, func(ctx context.Context, c *client.Client) error {
		_, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: l.spec(nil)})
		return err
	})
	if err == nil {
		return l, nil
	}
	return l, l.takeOver(ctx, err)
}

// spec is the lock as this client writes it. The time makes each renewal a change.
func (l *lock) spec(data []byte) swarm.ConfigSpec {
	labels := map[string]string{"minitwit.renewed": time.Now().UTC().Format(time.RFC3339Nano)}
	for k, v := range l.who {
		labels[k] = v
	}
	if data == nil {
		data = []byte("held\n")
	}
	return swarm.ConfigSpec{Annotations: swarm.Annotations{Name: l.name, Labels: labels}, Data: data}
}

// takeOver takes a lock that exists, if it is stale. The version makes sure that of two
// who try it one wins.
func (l *lock) takeOver(ctx context.Context, why error) error {
	found, err := l.find(ctx)
	if err != nil || found.config.ID == "" {
		return errors.Join(why, err)
	}
	labels := found.config.Spec.Labels
	held := heldError{labels["minitwit.by"], labels["minitwit.since"], labels["minitwit.what"]}
	switch {
	case l.holds(found): // it was made, and only the answer was lost
		return nil
	case found.age() < lockStale:
		return held
	}
	if err := l.write(ctx, found.config); err != nil {
		now, findErr := l.find(ctx)
		switch {
		case findErr == nil && l.holds(now): // it was written, and only the answer was lost
			return nil
		case findErr == nil && now.config.Version != found.config.Version: // somebody was faster
			return held
		}
		return err
	}
	return nil
}

// write renews the lock, or takes it over, unless somebody else has written since old was read.
// The data stay: of a config Swarm lets only the labels change (moby/moby#35048).
func (l *lock) write(ctx context.Context, old swarm.Config) error {
	return tell(ctx, l.swarm, func(ctx context.Context, c *client.Client) error {
		_, err := c.ConfigUpdate(ctx, old.ID, client.ConfigUpdateOptions{Version: old.Version, Spec: l.spec(old.Spec.Data)})
		return err
	})
}

// foundLock is a lock, and what the manager's clock said when it was looked at.
type foundLock struct {
	config swarm.Config // without an ID: there is none
	now    time.Time
}

// age is how long ago the lock was made or renewed, by the manager's clock.
func (f foundLock) age() time.Duration { return f.now.Sub(f.config.UpdatedAt) }

func (l *lock) holds(f foundLock) bool {
	return f.config.Spec.Labels["minitwit.holder"] == l.who["minitwit.holder"]
}

func (l *lock) find(ctx context.Context) (foundLock, error) {
	return ask(ctx, l.swarm, func(ctx context.Context, c *client.Client) (found foundLock, err error) {
		got, err := c.ConfigList(ctx, client.ConfigListOptions{Filters: client.Filters{}.Add("name", l.name)})
		if err != nil {
			return found, err
		}
		for _, config := range got.Items {
			if config.Spec.Name == l.name { // the filter takes a beginning for the whole
				found.config = config
			}
		}
		info, err := c.Info(ctx, client.InfoOptions{})
		if err != nil {
			return found, err
		}
		found.now, err = time.Parse(time.RFC3339Nano, info.Info.SystemTime)
		return found, err
	})
}

// check looks at the lock. It fails where that is another's now, or was, and ends the deploy with
// it. A lock that is gone counts as lost: another may have taken it and be done already. Whatever
// changes something asks it first, since a client that was cut off for a minute does not know.
func (l *lock) check(ctx context.Context) (foundLock, error) {
	found, err := l.find(ctx)
	if err == nil && !l.holds(found) {
		l.lost(errLost)
		return found, errLost
	}
	return found, err
}

// keep renews the lock until the context ends, or the lock is lost.
func (l *lock) keep(ctx context.Context) {
	ticker := time.NewTicker(lockRenew)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		found, err := l.check(ctx)
		switch {
		case errors.Is(err, errLost):
			return
		case err == nil:
			_ = l.write(ctx, found.config) // in ten seconds again
		}
		// Else no manager answers; the lock may well outlast that.
	}
}

// release removes the lock, if it is still this client's.
func (l *lock) release(ctx context.Context) error {
	found, err := l.find(ctx)
	if err != nil || !l.holds(found) {
		return err
	}
	return tell(ctx, l.swarm, func(ctx context.Context, c *client.Client) error {
		_, err := c.ConfigRemove(ctx, found.config.ID, client.ConfigRemoveOptions{})
		return err
	})
}
