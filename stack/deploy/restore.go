package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// restore brings all services back to what they were: those that Swarm has not rolled
// back by itself, too, since a release is one thing.
func (d *deployment) restore(ctx context.Context) error {
	if len(d.before.services) == 0 {
		return errors.New("there was nothing before; look at it, mend it and deploy again, or: docker stack rm " + d.place.stack())
	}
	w := newWatcher(d.swarm, d.place.stack(), d.place, d.say)
	w.skip(d.before)
	v, err := w.first(ctx)
	if err != nil {
		return err
	}
	// All is tried before anything is given up: half a way back leaves two releases.
	added := d.removeAdded(ctx, v)
	changed, err := d.sendBack(ctx, v)
	if err := errors.Join(added, err); err != nil {
		return err
	}
	_, err = w.until(ctx, "going back", func(v view) (bool, error) {
		all := true
		for name, old := range d.before.services {
			now, before := v.services[name], old
			c, sent := changed[name]
			if sent {
				before = c
			}
			how, why := judge(before, now, old.image())
			// Swarm's own way back from the release is what is wanted here; one from where this sent
			// it is not.
			if how == halted || how == goneBack && (sent || now.image() != old.image()) {
				return false, fmt.Errorf("%s: Swarm has stopped: %s", name, why)
			}
			all = all && now.image() == old.image() && now.settled() && how != underway
		}
		return all, nil
	})
	return err
}

// sendBack gives the services their specs of before, and gives those that had others, as they were:
// judge has to tell the update that goes back from the one that is there now.
func (d *deployment) sendBack(ctx context.Context, v view) (changed map[string]service, failed error) {
	changed = map[string]service{}
	for _, name := range d.before.names() {
		now, old := v.services[name], d.before.services[name]
		if reflect.DeepEqual(now.Spec, old.Spec) {
			continue
		}
		d.say.note("%s goes back to %s", name, short(old.image()))
		if err := d.respecService(ctx, d.place.stack()+"_"+name, old.Spec); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
			continue
		}
		changed[name] = now
	}
	return changed, failed
}

// removeAdded removes the services that were not there before.
func (d *deployment) removeAdded(ctx context.Context, v view) (failed error) {
	for _, name := range v.names() {
		if _, was := d.before.services[name]; was {
			continue
		}
		d.say.note("%s goes: it was not there before", name)
		err := patiently(ctx, func() error {
			return d.alter(ctx, func(ctx context.Context, c *client.Client) error {
				_, err := c.ServiceRemove(ctx, v.services[name].ID, client.ServiceRemoveOptions{})
				if cerrdefs.IsNotFound(err) { // the answer to the request before was lost
					return nil
				}
				return err
			})
		})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	return failed
}

// respecService gives a service another spec, whatever it has now. The version is read anew each
// time, so that it may be tried again. The registry's login stays the one that the service has.
func (d *deployment) respecService(ctx context.Context, name string, spec swarm.ServiceSpec) error {
	return patiently(ctx, func() error {
		return d.alter(ctx, func(ctx context.Context, c *client.Client) error {
			now, err := c.ServiceInspect(ctx, name, client.ServiceInspectOptions{})
			if err != nil {
				return err
			}
			_, err = c.ServiceUpdate(ctx, now.Service.ID, client.ServiceUpdateOptions{Version: now.Service.Version, Spec: spec, RegistryAuthFrom: swarm.RegistryAuthFromSpec})
			return err
		})
	})
}
