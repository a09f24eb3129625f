package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

func (d *deployment) rehearsalStack() string { return d.place.stack() + "_rehearsal" }

// deployRehearsal deploys the schema's job or, with replicas, the understudies beside it, as
// one stack: the time of the record gives both the same network.
func (d *deployment) deployRehearsal(ctx context.Context, replicas bool) error {
	text, err := d.stack.rehearsal(d.image, strconv.FormatInt(d.record.At.Unix(), 36), replicas)
	if err != nil {
		return err
	}
	file := filepath.Join(d.work, "rehearsal.yml")
	text = []byte(strings.ReplaceAll(string(text), "$", "$$")) // it has been filled in already
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	return patiently(ctx, func() error { return d.stackDeploy(ctx, d.rehearsalStack(), file) })
}

// schema runs the image's own migrations, once on each node.
func (d *deployment) schema(ctx context.Context) error {
	if err := d.deployRehearsal(ctx, false); err != nil {
		return err
	}
	w := newWatcher(d.swarm, d.rehearsalStack(), d.place, d.say)
	_, err := w.until(ctx, "the schema's job", func(v view) (bool, error) {
		if name, t, failed := v.failure(nil); failed {
			return false, d.explain(ctx, v, name, t)
		}
		return v.jobDone("schema"), nil
	})
	if err == nil {
		// By now the nodes have the image, whose label can be read.
		d.record.Version = cmp.Or(d.version, d.labelled(ctx), d.record.Version)
	}
	return err
}

// labelled gives the version that the image was built as, where an engine that has it can
// be asked.
func (d *deployment) labelled(ctx context.Context) string {
	got, err := ask(ctx, d.swarm, func(ctx context.Context, c *client.Client) (client.ImageInspectResult, error) {
		return c.ImageInspect(ctx, d.image)
	})
	if err != nil || got.Config == nil {
		return ""
	}
	version := got.Config.Labels["org.opencontainers.image.version"]
	if version == "unknown" { // what the Dockerfile writes where nobody said
		return ""
	}
	return version
}

// understudies runs one replica of each service beside the real ones, and compares how
// they answer.
func (d *deployment) understudies(ctx context.Context) error {
	w := newWatcher(d.swarm, d.rehearsalStack(), d.place, d.say)
	if _, err := w.first(ctx); err != nil { // the schema's job is told already
		return err
	}
	if err := d.deployRehearsal(ctx, true); err != nil {
		return err
	}
	v, err := w.until(ctx, "the rehearsal", func(v view) (bool, error) {
		if name, t, failed := v.failure(nil); failed {
			return false, d.explain(ctx, v, name, t)
		}
		return v.services["api"].settledOn(d.image) && v.services["web"].settledOn(d.image), nil
	})
	if err != nil {
		return err
	}
	bases := d.bases(v, rehearsalOffset)
	if err := d.reached(ctx, w, nil, bases); err != nil {
		return err
	}
	var olds map[string][]string
	// One that turns everybody away is no measure.
	if len(d.before.services) > 0 && !d.before.closed() {
		olds = d.bases(v, 0)
	}
	fresh, err := d.compare(ctx, w, nil, bases, olds)
	if err != nil {
		return err
	}
	d.say.note("%d requests to the new release, %d failed; %d to the one that runs, %d failed", fresh.asked, fresh.failed, d.old.asked, d.old.failed)
	return d.farewell(ctx, w, v)
}

// reached waits until every node's new ports lead somewhere: gossip has to tell each
// node, which takes seconds. Any answer ends the waiting, a wrong one too: those are for
// compare to count.
func (d *deployment) reached(ctx context.Context, w *watcher, known map[string]bool, bases map[string][]string) error {
	ctx, cancel := context.WithTimeout(ctx, d.place.seconds("ROOM_SECONDS"))
	defer cancel()
	for _, q := range questions[:2] { // one of each surface
		for _, base := range bases[q.surface] {
			for {
				_, err := d.probing.once(ctx, base, q)
				if !refused(err) {
					break
				}
				if failed := d.noFailure(ctx, w, known); failed != nil { // a question may have ended it
					return failed
				}
				select {
				case <-ctx.Done():
					return fmt.Errorf("%s: nobody answers there: %w", base, err)
				case <-time.After(probePause):
				}
			}
		}
	}
	return nil
}

// refused tells whether there was no answer at all, not even a wrong one.
func refused(err error) bool {
	var network net.Error
	var failed *net.OpError
	return errors.As(err, &failed) || errors.As(err, &network)
}

// farewell lets the understudies be stopped as every replica is at the next deploy: one
// that does not end by itself would then be killed with requests in its hands.
func (d *deployment) farewell(ctx context.Context, w *watcher, v view) error {
	leaving := v.known()
	for _, name := range v.names() {
		spec, err := copySpec(v.services[name].Spec)
		if err != nil {
			return err
		}
		if spec.Mode.Replicated == nil { // the schema's job
			continue
		}
		spec.TaskTemplate.ForceUpdate++
		spec.UpdateConfig = &swarm.UpdateConfig{Parallelism: 1, Order: swarm.UpdateOrderStopFirst, FailureAction: swarm.UpdateFailureActionContinue}
		if err := d.respecService(ctx, d.rehearsalStack()+"_"+name, spec); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	// Only the tasks of now have to end well: what replaces them goes with the stack.
	_, err := w.until(ctx, "the rehearsal's end", func(v view) (bool, error) {
		all := true
		for _, name := range v.names() {
			for _, t := range v.services[name].tasks {
				if !leaving[t.ID] || v.services[name].Spec.Mode.Replicated == nil {
					continue
				}
				ended, err := endedWell(name, t)
				if err != nil {
					return false, err
				}
				all = all && ended
			}
		}
		return all, nil
	})
	return err
}

// endedWell tells whether a task that was asked to end has done so by itself.
func endedWell(name string, t swarm.Task) (bool, error) {
	switch t.Status.State {
	case swarm.TaskStateShutdown, swarm.TaskStateComplete, swarm.TaskStateFailed:
	default:
		return false, nil
	}
	if c := t.Status.ContainerStatus; c != nil && c.ExitCode != 0 {
		return false, fmt.Errorf("%s does not end when it is asked to: exit code %d. Swarm asks by SIGTERM and kills after stop_grace_period; "+
			"each deploy would cut off the requests that are under way", name, c.ExitCode)
	}
	return true, nil
}

// endRehearsal removes it, and waits until its networks are gone: a stack cannot be
// deployed while they go. Removing is repeated, since Swarm refuses it of a network with
// a task that has not ended yet.
func (d *deployment) endRehearsal(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 3*time.Minute, errors.New("the rehearsal does not go: docker stack rm "+d.rehearsalStack()))
	defer cancel()
	for {
		left, err := d.rehearsalLeft(ctx)
		if err == nil && !left {
			return nil
		}
		if err == nil {
			_, err = d.lock.check(ctx)
		}
		if err == nil {
			_, err = d.docker(ctx, "stack", "rm", d.rehearsalStack())
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(lookEvery):
		}
	}
}

// rehearsalLeft tells whether anything of it is there.
func (d *deployment) rehearsalLeft(ctx context.Context) (bool, error) {
	ours := client.Filters{}.Add("label", stackLabel+"="+d.rehearsalStack())
	return ask(ctx, d.swarm, func(ctx context.Context, c *client.Client) (bool, error) {
		services, err := c.ServiceList(ctx, client.ServiceListOptions{Filters: ours})
		if err != nil || len(services.Items) > 0 {
			return true, err
		}
		secrets, err := c.SecretList(ctx, client.SecretListOptions{Filters: ours})
		if err != nil || len(secrets.Items) > 0 {
			return true, err
		}
		networks, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: ours})
		return len(networks.Items) > 0, err
	})
}
