package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// verbScale sets how many replicas services have. The next deploy keeps it, where
// place.env does not say otherwise.
func (d *deployment) verbScale(ctx context.Context, f flags) error {
	wanted, err := parseScale(f.rest)
	if err != nil {
		return failure{exitUsage, "scale", err}
	}
	return d.change(ctx, "scale "+strings.Join(f.rest, " "), func(ctx context.Context) error {
		// Only in memory; place.env is not written. render takes these before what runs, so the
		// connections are reckoned for the new numbers.
		for name, n := range wanted {
			if d.before.services[name].Spec.Mode.Replicated == nil {
				return failure{exitUsage, "scale", fmt.Errorf("%s has no service %q with replicas; it has %s", d.place.name, name, strings.Join(d.before.names(), ", "))}
			}
			setting := strings.ToUpper(name) + "_REPLICAS"
			if kept := d.place.settings[setting]; kept != "" {
				d.say.note("place.env says %s=%s, and the next deploy will set that again", setting, kept)
			}
			d.place.settings[setting] = strconv.FormatUint(n, 10)
		}
		if err := d.render(ctx); err != nil {
			return err
		}
		if err := d.endRehearsal(ctx); err != nil { // of a client that died
			return err
		}
		// The job also refuses more connections than the database allows.
		err := d.tidied(ctx, "connections", func(ctx context.Context) error { return d.phase(ctx, "connections", d.schema) })
		if err != nil {
			return err
		}
		return d.respec(ctx, "scale", func(name string, spec *swarm.ServiceSpec) bool {
			n, ok := wanted[name]
			if ok {
				spec.Mode.Replicated.Replicas = &n
			}
			return ok
		})
	})
}

// mostReplicas keeps a slip of the finger from becoming a thousand containers.
const mostReplicas = 50

// parseScale reads words such as api=5; whether there is such a service, verbScale finds.
func parseScale(words []string) (map[string]uint64, error) {
	wanted := map[string]uint64{}
	for _, w := range words {
		name, text, _ := strings.Cut(w, "=")
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n < 1 || n > mostReplicas || name == "" {
			return nil, fmt.Errorf("%q is not SERVICE=N, N from 1 to %d", w, mostReplicas)
		}
		wanted[name] = n
	}
	if len(wanted) == 0 {
		return nil, errors.New("which service, and how many? As api=5")
	}
	return wanted, nil
}

// verbRestart starts all tasks of services anew, one after the other, as an update does.
func (d *deployment) verbRestart(ctx context.Context, f flags) error {
	return d.change(ctx, "restart", func(ctx context.Context) error {
		for _, name := range f.rest {
			if !slices.Contains(d.before.names(), name) {
				return failure{exitUsage, "restart", fmt.Errorf("%s has no service %q; it has %s", d.place.name, name, strings.Join(d.before.names(), ", "))}
			}
		}
		return d.respec(ctx, "restart", func(name string, spec *swarm.ServiceSpec) bool {
			// A counter: Swarm replaces all tasks where it has changed.
			spec.TaskTemplate.ForceUpdate++
			return len(f.rest) == 0 || slices.Contains(f.rest, name)
		})
	})
}

// closedSetting makes a replica turn everybody away.
const closedSetting = "MAINTENANCE=true"

// verbMaintenance closes a place for its users, or opens it. The API is updated like the
// UI, one replica after the other. Only what runs is changed: the next deploy renders the files
// again and so opens the place. A service without the variable, such as the edge, is left alone.
func (d *deployment) verbMaintenance(ctx context.Context, f flags) error {
	if len(f.rest) != 1 || f.rest[0] != "on" && f.rest[0] != "off" {
		return failure{exitUsage, "maintenance", errors.New("on or off?")}
	}
	setting := map[string]string{"on": closedSetting, "off": "MAINTENANCE=false"}[f.rest[0]]
	return d.change(ctx, "maintenance "+f.rest[0], func(ctx context.Context) error {
		if !slices.ContainsFunc(d.before.names(), func(name string) bool { return maintained(d.before.services[name].Spec) >= 0 }) {
			return failure{exitRefused, "maintenance", errors.New("what runs was deployed without MAINTENANCE: deploy it with this stack.yml first")}
		}
		return d.respec(ctx, "maintenance", func(_ string, spec *swarm.ServiceSpec) bool {
			at := maintained(*spec)
			if at < 0 || spec.TaskTemplate.ContainerSpec.Env[at] == setting {
				return false
			}
			spec.TaskTemplate.ContainerSpec.Env[at] = setting
			return true
		})
	})
}

// maintained tells which of a service's variables closes it, -1 where none does.
func maintained(spec swarm.ServiceSpec) int {
	if spec.TaskTemplate.ContainerSpec == nil {
		return -1
	}
	return slices.IndexFunc(spec.TaskTemplate.ContainerSpec.Env, func(e string) bool { return strings.HasPrefix(e, "MAINTENANCE=") })
}

// change does something to a stack that runs, with the lock and the checks of a deploy. The
// lock says what to others, and its first word is what caught a failure.
func (d *deployment) change(ctx context.Context, what string, do func(context.Context) error) error {
	// Never written down, since releases lists deploys; --json prints it. Its time also names
	// the network of the job by which scale counts connections.
	d.record = record{Place: d.place.called(), By: d.by, At: time.Now(), Seconds: map[string]float64{}}
	d.quick = true
	return d.withLock(ctx, what, func(ctx context.Context) error {
		// Not before: whoever had the lock may have changed what runs.
		if err := d.lookBefore(ctx); err != nil {
			return d.blamed(ctx, exitRefused, "preflight", err)
		}
		err := do(ctx)
		if err == nil {
			d.record.Result = resultOK
			d.say.step("%s: %s, done", d.place.name, what)
			return nil
		}
		if errors.As(err, new(failure)) {
			return err
		}
		return d.blamed(ctx, exitUndone, strings.Fields(what)[0], err)
	})
}

// lookBefore sets what runs, and refuses what forbids a change of it.
func (d *deployment) lookBefore(ctx context.Context) error {
	v, err := d.swarm.look(ctx, d.place.stack())
	if err != nil {
		return fmt.Errorf("no manager answers: %w", err)
	}
	if len(v.services) == 0 {
		return fmt.Errorf("nothing runs in %s; deploy it first", d.place.name)
	}
	d.before, d.image = v, v.services["api"].image()
	d.record.Image = d.image
	return errors.Join(d.fit(v), d.checkOwner(ctx))
}

// respec changes the specs of services and follows the Swarm until it has done it; where
// that fails, all of them go back. edit gets a copy of each service's spec, under the name
// without the stack's, and tells whether it has changed it.
func (d *deployment) respec(ctx context.Context, name string, edit func(string, *swarm.ServiceSpec) bool) error {
	return d.phase(ctx, name, func(ctx context.Context) error {
		err := d.respecAndFollow(ctx, edit)
		if err == nil {
			return nil
		}
		return d.restored(d.blamed(ctx, exitUndone, name, err), err)
	})
}

func (d *deployment) respecAndFollow(ctx context.Context, edit func(string, *swarm.ServiceSpec) bool) error {
	changed := map[string]bool{}
	for _, name := range d.before.names() {
		spec, err := copySpec(d.before.services[name].Spec)
		if err != nil {
			return err
		}
		if !edit(name, &spec) {
			continue
		}
		if err := d.respecService(ctx, d.place.stack()+"_"+name, spec); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		changed[name] = true
	}
	// finished wants images, which a change leaves as they are.
	images := map[string]string{}
	for name := range changed {
		images[name] = d.before.services[name].image()
	}
	w := newWatcher(d.swarm, d.place.stack(), d.place, d.say)
	w.skip(d.before)
	_, err := w.until(ctx, "the change", func(v view) (bool, error) { return d.finished(ctx, v, images) })
	return err
}

// copySpec: the API's types are full of pointers, and before must stay as it was.
func copySpec(spec swarm.ServiceSpec) (out swarm.ServiceSpec, err error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(text, &out)
}
