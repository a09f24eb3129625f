package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// logLines is how much of a failed task's log is shown.
const logLines = "8"

// explain says why a task has failed: Swarm's word, what its last healthcheck said where
// its engine can be asked, and the end of its log. It never gives nil, takes 30 s at most, and
// goes on where ctx has ended.
func (d *deployment) explain(ctx context.Context, v view, name string, t swarm.Task) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	text := fmt.Sprintf("%s on %s: %s", nameOf(name, t), v.node(t), meaning(cmp.Or(trouble(t), "it has ended with exit code 0, by itself or since it did not become healthy")))
	if said := d.lastCheck(ctx, t); said != "" {
		text += "\n  its last healthcheck said: " + said
	}
	if tail := d.tail(ctx, t.ID); tail != "" {
		text += "\n  the end of its log:\n    " + strings.ReplaceAll(tail, "\n", "\n    ")
	}
	return fmt.Errorf("%s", text)
}

// withLog adds the end of a replica's log to an error of what its surface answers. The error
// stays as it is if it is not of an answer, or no log can be had.
func (d *deployment) withLog(ctx context.Context, stack string, err error) error {
	var bad answersError
	if !errors.As(err, &bad) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	v, lookErr := d.swarm.look(ctx, stack)
	if lookErr != nil {
		return err
	}
	for _, t := range v.services[bad.surface].tasks {
		if t.Status.State != swarm.TaskStateRunning || t.Spec.ContainerSpec == nil || t.Spec.ContainerSpec.Image != d.image {
			continue
		}
		if tail := d.tail(ctx, t.ID); tail != "" {
			return fmt.Errorf("%w\n  the end of the log of %s:\n    %s", err, nameOf(bad.surface, t), strings.ReplaceAll(tail, "\n", "\n    "))
		}
	}
	return err
}

// meanings say what Swarm's words mean, where they are not clear by themselves. The first
// that fits counts.
var meanings = []struct{ words, plain string }{
	{"No such image", "no node can get this image: the registry does not have the digest, or cannot be reached, or this machine is not logged in to it"},
	{"manifest unknown", "the registry does not have this digest"},
	{"exec format error", "the image is for another processor"},
	{"no matching manifest", "the image is for another processor"},
	{"unhealthy container", "its healthcheck failed until Swarm ended it"},
	{"non-zero exit (137)", "killed: it took more memory than its limit, or somebody killed it"},
	{"non-zero exit (2)", "the program refused its settings, or panicked"},
	{"no longer meets constraints", "the node lacks what the service asks for: the memory or the processor that it reserves, or a label"},
	{"insufficient resources", "no node has the memory or the processor that it reserves"},
}

func meaning(words string) string {
	for _, m := range meanings {
		if strings.Contains(words, m.words) {
			return words + " (" + m.plain + ")"
		}
	}
	return words
}

// lastCheck gives what a task's last healthcheck has printed, "" where that cannot be had: only
// the engine of the task's own node knows, and of the engines only the managers' can be asked.
func (d *deployment) lastCheck(ctx context.Context, t swarm.Task) string {
	if t.Status.ContainerStatus == nil {
		return ""
	}
	for _, host := range d.swarm.hosts() {
		engine := d.swarm.engines[host]
		info, err := engine.Info(ctx, client.InfoOptions{})
		if err != nil || info.Info.Swarm.NodeID != t.NodeID {
			continue
		}
		got, err := engine.ContainerInspect(ctx, t.Status.ContainerStatus.ContainerID, client.ContainerInspectOptions{})
		if err != nil || got.Container.State == nil || got.Container.State.Health == nil {
			return ""
		}
		if log := got.Container.State.Health.Log; len(log) > 0 {
			return strings.TrimSpace(log[len(log)-1].Output)
		}
	}
	return ""
}

// tail gives the end of a task's log, by way of a manager. Nothing where there is none within
// 10 s: the reason is told without it.
func (d *deployment) tail(ctx context.Context, id string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	stream, err := d.swarm.engines[d.swarm.hosts()[0]].TaskLogs(ctx, id, client.TaskLogsOptions{ShowStdout: true, ShowStderr: true, Tail: logLines})
	if err != nil {
		return ""
	}
	defer stream.Close() //nolint:errcheck // it was read
	var text bytes.Buffer
	_, _ = stdcopy.StdCopy(&text, &text, stream) // what came until the end of our patience
	return strings.TrimSpace(text.String())
}
