package main

import (
	"context"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// fault is something that goes wrong, and the page that has to come of it. make is called in
// a calm installation, mend after what came was judged, also where make has failed. mend has
// to undo all of it: the next fault begins in the same installation. aim is from the call of
// make to the page's arrival, for which twice that time is waited; with slack both are longer.
type fault struct {
	name, what string
	want       []string // alerts, any of which is right; none: it is no fault, and nobody may be called
	also       []string // alerts that may come with it; any other page is a wrong one
	from       string   // where it arrives: page (the default), second, ticket or deadman
	aim        time.Duration
	short      bool // part of the short form, which CI runs
	apart      bool // made by its name only
	make, mend func(context.Context, *world) error
}

// burn are what any lasting failure uses up as well.
var burn = []string{"ErrorBudgetFastBurn", "ErrorRatioHigh", "AnswersSlow", "CanaryFailing", "EndpointFlaky"}

// Aims of what users feel. Others allow for the time that their rule waits, and those of
// tickets for the minute that Alertmanager does (group_wait).
const (
	atOnce = 30 * time.Second // all replicas are dead
	soon   = 60 * time.Second // a user feels it
)

// faults are made in this order, also where they are named in another.
var faults = []fault{
	{
		name: "api-dead", what: "every replica of the API is gone", want: []string{"EndpointDown"}, short: true,
		also: append([]string{"ReplicasBelowQuorum", "CrashLooping", "SimulatorSilent"}, burn...), aim: atOnce,
		make: stop(ofService("api")), mend: start(ofService("api")),
	},
	{
		name: "web-dead", what: "every replica of the UI is gone, the API lives", want: []string{"EndpointDown"},
		also: append([]string{"ReplicasBelowQuorum", "CrashLooping"}, burn...), aim: atOnce,
		make: stop(ofService("web")), mend: start(ofService("web")),
	},
	{
		name: "replica-missing", what: "one replica of the API does not come back", want: []string{"ReplicaMissing"},
		aim: 150 * time.Second, make: stop(slot("api", 1)), mend: start(slot("api", 1)),
	},
	{
		name: "crash-loop", what: "one replica of the API ends every few seconds", want: []string{"CrashLooping"},
		also: []string{"ErrorBudgetFastBurn"}, aim: 2 * time.Minute, make: crashLoop, mend: calmDown,
	},
	{
		name: "ui-crash-bug", what: "every page view ends a replica of the UI", want: []string{"EndpointDown", "CrashLooping", "ReplicasBelowQuorum"},
		also: burn, aim: soon,
		make: withFault("web", "crash"), mend: withFault("web", ""),
	},
	{
		name: "five-days", what: "the old system: one process for both surfaces, a bug of the UI ends it, nothing starts it again",
		want: []string{"EndpointDown"}, also: append([]string{"ReplicasBelowQuorum", "CrashLooping", "SimulatorSilent"}, burn...), aim: atOnce,
		make: oldSystem, mend: newSystem,
	},
	{
		name: "errors", what: "a tenth of the API's requests is answered 500", want: []string{"ErrorRatioHigh", "ErrorBudgetFastBurn"},
		also: burn, aim: soon, make: withFault("api", "errors"), mend: withFault("api", ""),
	},
	{
		name: "slow", what: "every answer of the API takes 400 ms longer", want: []string{"AnswersSlow", "ErrorBudgetFastBurn"},
		also: burn, aim: soon, make: withFault("api", "slow"), mend: withFault("api", ""),
	},
	{
		name: "database-away", what: "the database is stopped", want: []string{"DatabaseDown"},
		also: append([]string{"EndpointDown"}, burn...), aim: soon, make: stopDatabase, mend: startDatabase,
	},
	{
		name: "database-full", what: "somebody else uses up the database's connections", want: []string{"DatabaseConnectionsExhausted"},
		also: append([]string{"DatabaseDown"}, burn...), aim: soon, make: fillDatabase, mend: endHelper,
	},
	{
		// The rule lets two minutes pass without an action, and fires after a third.
		name: "simulator-silent", what: "the simulator stops", want: []string{"SimulatorSilent"}, aim: 4 * time.Minute,
		make: func(_ context.Context, w *world) error { w.load.stop(); return nil },
		mend: func(_ context.Context, w *world) error {
			return w.startLoad(context.Background(), uint64(time.Now().Unix()))
		},
	},
	{
		name: "latest-stuck", what: "requests arrive and latest stays", want: []string{"LatestStagnant"}, aim: 8 * time.Minute,
		also: burn, make: lockTable("latest"), mend: endHelper,
	},
	{
		name: "rolled-back", what: "an update was rolled back", want: []string{"DeployRolledBack"}, aim: soon,
		make: update(swarm.UpdateStateRollbackCompleted), mend: update(swarm.UpdateStateCompleted),
	},
	{
		// Two of three managers are left, which is one too few to lose another.
		name: "node-lost", what: "a node is gone, its replicas and ports with it", want: []string{"NodeDown"}, aim: 2 * time.Minute,
		also: []string{"QuorumAtRisk"}, make: loseNode, mend: returnNode,
	},
	{
		// The rule waits 75 s, longer than an election.
		name: "quorum-lost", what: "the Swarm has no leader", want: []string{"QuorumLost"}, aim: 2 * time.Minute,
		make: leaderless(true), mend: leaderless(false),
	},
	{
		name: "disk-filling", what: "a twentieth of a node's disk is left", want: []string{"DiskFillsSoon"}, aim: 2 * time.Minute,
		make: played("node.2", "filesystem", nearlyFull), mend: unplayed("node.2"),
	},
	{
		name: "clock-off", what: "a node's clock is half a minute ahead", want: []string{"ClockSkew"}, from: "ticket", aim: 4 * time.Minute,
		make: played("node.2", "time", ahead), mend: unplayed("node.2"),
	},
	{
		name: "certificate", what: "the certificate lasts two days", want: []string{"CertificateExpires"}, aim: 2 * time.Minute,
		make: serveTLS(48 * time.Hour), mend: endTLS,
	},
	{
		name: "backup-old", what: "the last backup is two days old", want: []string{"BackupTooOld"}, from: "ticket", aim: 20 * time.Minute,
		make: func(_ context.Context, w *world) error { return w.writeBackupTime(time.Now().Add(-48 * time.Hour)) },
		mend: func(_ context.Context, w *world) error { return w.writeBackupTime(time.Now()) },
	},
	{
		name: "prometheus-dead", what: "one of the two Prometheus is dead", want: []string{"PrometheusMissing"}, from: "ticket", aim: 7 * time.Minute,
		make: kill("prometheus.1"), mend: revive("prometheus.1"),
	},
	{
		name: "one-alertmanager", what: "one of the two Alertmanagers is dead", want: []string{"AlertmanagerMissing"}, from: "ticket", aim: 8 * time.Minute,
		make: kill("alertmanager.1"), mend: revive("alertmanager.1"),
	},
	{
		// Whom it would have called is told by another way, of the outage and of the sink.
		name: "sink-rejects", what: "the first way to on-call is refused, and the API is gone", want: []string{"EndpointDown"}, from: "second",
		also: append([]string{"NotificationsFailing", "ReplicasBelowQuorum", "CrashLooping", "SimulatorSilent"}, burn...), aim: atOnce,
		make: rejecting(stop(ofService("api"))), mend: accepting(start(ofService("api"))),
	},
	{
		// The sink calls the switch's own pages DeadMan; no rule does. It waits 60 s for a beat.
		name: "monitoring-dead", what: "both Prometheus are dead", want: []string{"DeadMan"}, from: "deadman", aim: 90 * time.Second, short: true,
		make: kill("prometheus.1", "prometheus.2"), mend: revive("prometheus.1", "prometheus.2"),
	},
	{
		name: "alertmanager-dead", what: "both Alertmanagers are dead", want: []string{"DeadMan"}, from: "deadman", aim: 90 * time.Second,
		make: kill("alertmanager.1", "alertmanager.2"), mend: revive("alertmanager.1", "alertmanager.2"),
	},
	{name: "ordinary-hour", what: "none; both services are updated after a quarter of an hour and after half of it", apart: true},
}
