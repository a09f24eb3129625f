package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// socket is where an engine listens on its own machine.
const socket = "/var/run/docker.sock"

// shelf is where the runbooks are in a clone.
const shelf = "monitoring/runbooks"

// doctor is who is asked, and how. The first of the stacks is the product's: its services
// are shown one by one, and its last deploy.
type doctor struct {
	json       bool
	prometheus urls
	managers   words
	stacks     words
	endpoints  endpoints
	timeout    time.Duration // for each source; all are asked at once
	runbooks   runbooks
	env        []string // where the database's address is
}

// source is somebody who is asked. It answers before its context ends, or says that
// nothing is known.
type source func(context.Context) []check

// doctorCommand looks at everything once and says what is wrong.
func doctorCommand(ctx context.Context, args []string, std stdio) (int, error) {
	d := doctor{env: std.env}
	flags := newFlags("doctor")
	d.define(flags)
	if err := parse(flags, args); err != nil {
		return exitUnknown, err
	}
	if err := d.defaults(std); err != nil {
		return exitUnknown, err
	}
	checks := d.examine(ctx)
	if ctx.Err() != nil {
		return exitUnknown, errors.New("interrupted")
	}
	settle(checks)
	return exitCode(checks), report(std, d.json, checks, check{
		Case: "doctor", OK: exitCode(checks) == exitFine, Aim: "nothing is broken, and whoever is asked answers",
		State: worst(checks), Found: headline(checks), First: first(checks),
	})
}

func (d *doctor) define(flags *flag.FlagSet) {
	flags.BoolVar(&d.json, "json", false, "")
	flags.Var(&d.prometheus, "prometheus", "")
	flags.Var(&d.managers, "docker", "")
	flags.Var(&d.stacks, "stack", "")
	flags.Var(&d.endpoints, "ask", "")
	flags.DurationVar(&d.timeout, "timeout", 3*time.Second, "")
	flags.StringVar((*string)(&d.runbooks), "runbooks", shelf, "")
}

// defaults are what the environment and this machine say, in this order, where no option
// does.
func (d *doctor) defaults(std stdio) error {
	if len(d.prometheus) == 0 {
		if err := d.prometheus.Set(std.getenv("PROMETHEUS_URL")); err != nil {
			return fmt.Errorf("PROMETHEUS_URL: %w", err)
		}
	}
	if len(d.managers) == 0 {
		_ = d.managers.Set(std.getenv("DOCKER_HOST"))
	}
	// On a manager nothing has to be given.
	if _, err := os.Stat(socket); err == nil && len(d.managers) == 0 {
		d.managers = words{"unix://" + socket}
	}
	if len(d.stacks) == 0 {
		d.stacks = words{"minitwit", "monitoring"}
	}
	if d.timeout <= 0 {
		return errors.New("--timeout is not above 0")
	}
	return nil
}

// examine asks all sources at once: somebody waits, and one that hangs must not hold up
// the others.
func (d *doctor) examine(ctx context.Context) []check {
	// What is well is shown in this order.
	sources := []source{d.askPrometheus, d.askSwarm, d.askDatabase, d.askEndpoints}
	found := make([][]check, len(sources))
	var asked sync.WaitGroup
	for i, ask := range sources {
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, d.timeout)
			defer cancel()
			found[i] = ask(ctx)
		})
	}
	asked.Wait()
	return slices.Concat(found...)
}

// worst is the state of all of it, in order.
func worst(checks []check) state {
	if exitCode(checks) == exitUnknown {
		return notKnown
	}
	return checks[0].State
}

// headline says all of it in one line.
func headline(checks []check) string {
	var wrong []string
	for _, s := range []struct {
		state
		words string
	}{
		{page, "firing as page"}, {broken, "seen broken"}, {ticket, "firing as ticket"}, {notKnown, "not known"}, {pending, "pending"},
	} {
		if n := count(checks, s.state); n > 0 {
			wrong = append(wrong, fmt.Sprintf("%d %s", n, s.words))
		}
	}
	// Only of what was asked and has answered it may be said that nothing is broken.
	head := "BROKEN"
	switch {
	case exitCode(checks) == exitUnknown:
		return "NOTHING IS KNOWN: nobody who was asked answers"
	case exitCode(checks) == exitFine:
		head = "nothing is broken"
	case count(checks, notKnown) > 0 && count(checks, page)+count(checks, broken)+count(checks, ticket) == 0:
		head = "NOT ALL IS KNOWN"
	}
	if unasked := count(checks, notAsked); unasked > 0 && head == "nothing is broken" {
		head += ", as far as was asked"
	}
	if len(wrong) == 0 {
		return head
	}
	return head + ": " + strings.Join(wrong, ", ")
}

// runbooks is the folder of them.
type runbooks string

// of gives where the runbook of an alert is: the file of this clone, which is there also
// when the site is not, or otherwise the URL that the alert has.
func (r runbooks) of(alert, url string) string {
	file := filepath.Join(string(r), alert+".md")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	return url
}
