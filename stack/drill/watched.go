package main

import (
	"context"
	"errors"
	"time"

	"minitwit/service/wait"
)

// watched are drills of those who watch (--pages). They say little of how the product
// heals, and are part of no other form.
var watched = []drill{
	{name: "old-system", what: "what was dead for five days: one process, a bug of the UI ends it", apart: true, quiet: true, prepare: deployOld, make: killOld, restore: deployNew},
	{name: "api-dead", what: "no replica of the API lives", apart: true, make: killed("api"), restore: scaledTo(stackName+"_api", 3)},
	{name: "web-dead", what: "no replica of the UI lives", apart: true, make: killed("web"), restore: scaledTo(stackName+"_web", 3)},
	{name: "sink-rejects", what: "the first way to on-call is refused, and the API is gone", apart: true, make: inTurn(do("oncall", "refuse"), killed("api")), restore: inTurn(do("oncall", "accept"), scaledTo(stackName+"_api", 3))},
	{name: "errors", what: "the database refuses four messages of ten, which is answered 500", apart: true, make: lasting("messages are refused", do("db", "errors")), restore: databaseReturned},
	{name: "slow", what: "the database takes 3 s for a message", apart: true, make: lasting("messages take longer", do("db", "slow")), restore: databaseReturned},
	{name: "certificate", what: "the certificate of the public name lasts two days", apart: true, make: lasting("it is replaced", do("certificate", "2")), restore: do("certificate", "90")},
	{name: "monitoring-dead", what: "both Prometheus end", apart: true, make: scaled("monitoring_prometheus", 0), restore: scaledTo("monitoring_prometheus", 2)},
	{name: "alertmanager-dead", what: "both Alertmanagers end", apart: true, make: scaled("monitoring_alertmanager", 0), restore: scaledTo("monitoring_alertmanager", 2)},
	{name: "prometheus-dead", what: "one of the two Prometheus ends", apart: true, make: scaled("monitoring_prometheus", 1), restore: scaledTo("monitoring_prometheus", 2)},
	{name: "one-alertmanager", what: "one of the two Alertmanagers ends", apart: true, make: scaled("monitoring_alertmanager", 1), restore: scaledTo("monitoring_alertmanager", 2)},
	{name: "crash-loop", what: "one replica of the API is killed whenever it runs", apart: true, make: killAgain},
	{name: "replica-missing", what: "one replica of the API has no node to run on", apart: true, make: lasting("n3 may not run the API, nor another node two of it", noThirdNode), restore: anyNode},
	{name: "database-full", what: "somebody else uses up the database's connections", apart: true, make: lasting("the connections are taken", do("db", "full")), restore: databaseReturned},
	{name: "latest-stuck", what: "requests arrive and latest stays", apart: true, make: lasting("its table is locked", do("db", "stuck")), restore: databaseReturned},
	{name: "simulator-silent", what: "the simulator stops", apart: true, make: silence},
	{name: "disk-filling", what: "a twenty-fifth of a node's disk is left", apart: true, make: lasting("n3 gets a large file", fillDisk), restore: emptyDisk},
	{name: "clock-off", what: "a node's clock is half a minute ahead", apart: true, make: lasting("the clock of n3 is set", clockAhead), restore: clockBack},
	{name: "backup-old", what: "the last backup is two days old", apart: true, make: lasting("the job's file says so", backupAt("2 days ago")), restore: backupAt("now")},
	{name: "ordinary-load", what: "a quarter of an hour without a fault, with two rolling updates", apart: true, make: ordinaryLoad},
}

// watchedRate is how many requests a second emulated nodes bear beside those who watch.
const watchedRate = 2

// withCalls is `all --pages`: each drill that wakes somebody, those that the Swarm heals by
// itself, and ordinary life; what leaves the nodes least as they were comes last.
func withCalls() (drills []drill) {
	for _, name := range []string{
		"api-dead", "web-dead", "sink-rejects", "db-down-60s", "kill-task", "errors", "slow", "monitoring-dead", "alertmanager-dead",
		"crash-loop", "replica-missing", "database-full", "latest-stuck", "simulator-silent", "certificate", "disk-filling", "clock-off", "backup-old",
		"prometheus-dead", "one-alertmanager", "ordinary-load", "bad-image", "kill-node", "old-system", "quorum-lost",
	} {
		d, _ := find(name)
		drills = append(drills, d)
	}
	return drills
}

// oldOverlay makes one process of both services, and oldWebPort lets the one that is empty
// leave its port to the other.
const (
	oldOverlay = "stack/lab/old-system.yml"
	oldWebPort = "WEB_PORT=5099"
)

// deployOld replaces the stack by the old system, which still lives.
func deployOld(ctx context.Context, r *run) error {
	return errors.Join(
		r.lab.do(ctx, "docker", "service", "rm", stackName+"_api", stackName+"_web"), // a port has one service at a time
		r.lab.deploy(ctx, r.images.faults, []string{oldWebPort}, oldOverlay),
		r.oldRuns(ctx, true),
	)
}

// killOld deploys the bug. Whoever first looks at a page ends the process, and that is
// the fault: here it is one of the probes.
func killOld(ctx context.Context, r *run) error {
	if err := r.lab.deploy(ctx, r.images.faults, []string{oldWebPort, "FAULT_API=crash"}, oldOverlay); err != nil {
		return err
	}
	if err := r.oldRuns(ctx, false); err != nil {
		return err
	}
	if err := r.strike("a page view has ended the only process", func() error { return nil }); err != nil {
		return err
	}
	r.awaitPage(ctx)
	r.mended = time.Now()
	r.say("the stack of today in its place")
	if err := deployNew(ctx, r); err != nil {
		return err
	}
	return r.recovered(ctx, "three replicas of each", nil)
}

// oldRuns waits until the old system runs or, with false, until its process has ended.
func (r *run) oldRuns(ctx context.Context, yes bool) error {
	_, err := r.cluster.await(ctx, "the old system's state", func(s snapshot) bool {
		if !yes {
			return len(s.running("api")) == 0 // at once: its end is the fault
		}
		return len(s.running("api")) > 0 && !s.updating("api")
	})
	return err
}

// deployNew is the mend, and the restore of a drill that did not come so far.
func deployNew(ctx context.Context, r *run) error {
	s, err := r.cluster.view(ctx)
	if err == nil && s.strong() && len(s.tasks["web"]) == len(nodeNames) {
		return nil
	}
	err = errors.Join(err,
		r.lab.do(ctx, "docker", "service", "rm", stackName+"_api", stackName+"_web"),
		r.lab.deploy(ctx, r.images.current, []string{"WEB_REPLICAS=0"}))
	// The UI only then: while six replicas started at once, an emulated manager said nothing for
	// 75 s, and on-call was told of a lost quorum.
	_, awaitErr := r.cluster.await(ctx, "the API of today", snapshot.strong)
	return errors.Join(err, awaitErr, deployRelease(ctx, r))
}

// inTurn does one after the other, unless that has failed.
func inTurn(first, then func(context.Context, *run) error) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		if err := first(ctx, r); err != nil {
			return err
		}
		return then(ctx, r)
	}
}

// ordinaryLoad goes on for a quarter of an hour, and updates both services after a quarter and
// after half of it.
func ordinaryLoad(ctx context.Context, r *run) error {
	const length = 15 * time.Minute
	_ = r.strike("nothing happens", func() error { return nil })
	for _, at := range []time.Duration{length / 4, length / 2} {
		if err := pass(ctx, r.fault.Add(at)); err != nil {
			return err
		}
		if err := rollingUpdate(ctx, r); err != nil {
			return err
		}
		// The next update has to take the release that does not run now.
		var err error
		if r.before, err = r.cluster.view(ctx); err != nil {
			return err
		}
	}
	return pass(ctx, r.fault.Add(length))
}

// pass lets time pass.
func pass(ctx context.Context, to time.Time) error {
	return wait.Until(ctx, time.Until(to)+time.Minute, "the time", func() bool { return time.Now().After(to) })
}
