package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// restore brings all services back to what they were: those that Swarm has not rolled
// back by itself, too, since a release is one thing.
func (d *deployment) restore(ctx context.Context) error {
	if len(d.before.services) == 0 {
		return errors.New("there was nothing before; look at it, mend it and deploy again, or: docker stack rm " + d.place.stack())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 15*time.Minute, errors.New("not within 15 minutes"))
	defer cancel()
	w := newWatcher(d.swarm, d.place.stack(), d.place, d.say)
	w.skip(d.before)
	v, err := w.first(ctx)
	if err != nil {
		return err
	}
	if err := d.removeAdded(ctx, v); err != nil {
		return err
	}
	changed, err := d.sendBack(ctx, v)
	if err != nil {
		return err
	}
	_, err = w.until(ctx, "going back", func(v view) (bool, error) {
		all := true
		for name, old := range d.before.services {
			now, before := v.services[name], old
			if c, ok := changed[name]; ok {
				before = c
			}
			// A rollback that leads to the old image is what is wanted here.
			how, why := judge(before, now, old.image())
			if how == halted || how == goneBack && now.image() != old.image() {
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
func (d *deployment) sendBack(ctx context.Context, v view) (changed map[string]service, err error) {
	changed = map[string]service{}
	for _, name := range d.before.names() {
		now, old := v.services[name], d.before.services[name]
		if reflect.DeepEqual(now.Spec, old.Spec) {
			continue
		}
		d.say.note("%s goes back to %s", name, short(old.image()))
		if err := d.respecService(ctx, d.place.stack()+"_"+name, old.Spec); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		changed[name] = now
	}
	return changed, nil
}

// removeAdded removes the services that were not there before.
func (d *deployment) removeAdded(ctx context.Context, v view) error {
	for _, name := range v.names() {
		if _, was := d.before.services[name]; was {
			continue
		}
		d.say.note("%s goes: it was not there before", name)
		err := d.alter(ctx, func(ctx context.Context, c *client.Client) error {
			_, err := c.ServiceRemove(ctx, v.services[name].ID, client.ServiceRemoveOptions{})
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
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
