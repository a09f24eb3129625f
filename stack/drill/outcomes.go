package main

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"minitwit/service/wait"
)

// interrupt is Ctrl-C in the operator's terminal.
func interrupt(_ context.Context, v *verb) error {
	// To the whole group of processes, as a terminal sends it.
	return syscall.Kill(-v.cmd.Process.Pid, syscall.SIGINT)
}

// outcomes are the ways in which a deploy can end, one of each, and the verbs that change what runs. The order matters: each begins
// with what the one before has left. same needs the release of ok, and Ctrl-C meets a deploy
// only where the other release runs.
var outcomes = []attempt{
	{name: "ok", what: "a good release", image: nextImage, runs: "new"},
	{name: "same", what: "the same again: nothing to do", image: nextImage, runs: "old"},
	{name: "back", what: "the release before, again", image: currentImage, runs: "new"},
	{name: "swarm", what: "good in its rehearsal, and dead in its place: Swarm rolls back", image: faultyImage, set: fault(onlyReal("api", "exit"), onlyReal("web", "exit")), exit: 1, caught: "Swarm", runs: "old"},
	{name: "one-of-two", what: "only the UI is dead in its place", image: faultyImage, set: fault(onlyReal("web", "exit")), exit: 1, caught: "Swarm", runs: "old"},
	{name: "soak", what: "healthy in its place, and every answer of the UI wrong", image: faultyImage, set: fault(onlyReal("web", "shape")), exit: 1, caught: "soak", runs: "old"},
	{name: "no-room", what: "no node has the memory that it reserves", image: nextImage, set: []string{"OVERLAYS=stack/lab.yml stack/lab/no-room.yml"}, exit: 1, caught: "schema", runs: "old"},
	{name: "registry", what: "the registry is away, and no node has the image", image: absentImage, exit: 1, caught: "schema", runs: "old", before: do("registry", "stop"), after: do("registry", "start")},
	{name: "manager", what: "the manager that is asked dies in the rollout", image: nextImage, runs: "new", at: "rollout", before: asked, hit: killAsked, after: returned("start")},
	{name: "interrupt-schema", what: "Ctrl-C in the schema's job", image: currentImage, exit: 130, caught: "Ctrl-C", runs: "old", at: "schema", hit: interrupt},
	{name: "interrupt-rehearsal", what: "Ctrl-C in the rehearsal", image: currentImage, exit: 130, caught: "Ctrl-C", runs: "old", at: "rehearsal", hit: interrupt},
	{name: "interrupt-rollout", what: "Ctrl-C in the rollout", image: currentImage, exit: 130, caught: "Ctrl-C", runs: "old", at: "rollout", hit: interrupt},
	{name: "interrupt-soak", what: "Ctrl-C in the soak", image: currentImage, exit: 130, caught: "Ctrl-C", runs: "old", at: "soak", hit: interrupt},
	{name: "locked", what: "somebody else deploys", image: currentImage, exit: 4, caught: "lock", runs: "old", before: lockHeld(0), after: lockFreed},
	{name: "stale", what: "somebody's client died a minute ago", image: currentImage, runs: "new", before: lockHeld(70 * time.Second), after: lockFreed},
	{name: "scale", what: "`scale`: two more replicas of the API", words: []string{"scale", "lab", "api=5"}, runs: "old", after: scaledBack},
	{name: "restart", what: "`restart`: all replicas anew", words: []string{"restart", "lab"}, runs: "old"},
	{name: "old-cli", what: "the docker CLI is too old", image: currentImage, set: []string{"DOCKER=STATE/old-docker"}, exit: 3, caught: "preflight", before: oldCLI},
}

// asked makes the manager that a deploy asks first the victim: the first of the place's.
// Clients of its ports are not counted.
func asked(_ context.Context, r *run) error {
	r.victim, r.spare = nodeNames[0], nodeNames[1:]
	return nil
}

func killAsked(ctx context.Context, v *verb) error {
	v.run.cluster.alive = v.run.spare
	return v.run.lab.do(ctx, "kill", v.run.victim)
}

// lockName is what stack/deploy calls it.
const lockName = stackName + "_deploy_lock"

// lockHeld makes a lock as another client does, and lets it grow old. stack/deploy takes over
// one that is older than a minute.
func lockHeld(age time.Duration) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		file := filepath.Join(r.lab.state, "lock")
		if err := os.WriteFile(file, []byte("held\n"), 0o600); err != nil {
			return err
		}
		err := r.lab.do(ctx, "docker", "config", "create", "--label", "minitwit.by=anna@example", "--label", "minitwit.since=now",
			"--label", "minitwit.what=another", lockName, file)
		if err != nil {
			return err
		}
		made := time.Now()
		return wait.Until(ctx, age+time.Minute, "the lock's age", func() bool { return time.Since(made) >= age })
	}
}

// lockFreed removes it where the deploy has not.
func lockFreed(ctx context.Context, r *run) error {
	_ = r.lab.do(ctx, "docker", "config", "rm", lockName)
	return nil
}

// oldCLI is one that says that it is Debian 12's.
func oldCLI(_ context.Context, r *run) error {
	return os.WriteFile(filepath.Join(r.lab.state, "old-docker"), []byte("#!/bin/sh\necho 20.10.24+dfsg1\n"), 0o700) //nolint:gosec // a program
}
