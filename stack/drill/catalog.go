package main

import (
	"fmt"
	"slices"
)

// catalog is all drills, in the order in which `all` makes them, such that one often
// leaves the replicas as the next wants them.
var catalog = []drill{
	{name: "rolling-update", what: "a new release of both services", make: rollingUpdate},
	{name: "bad-image", what: "a release that exits at once", make: faulty("exit")},
	{name: "kill-task", what: "SIGKILL to one replica of the API", make: killTask},
	{name: "kill-node", what: "a node loses its power", prepare: follower, make: killNode, restore: returned("start")},
	{name: "secret-rotate", what: "another session key, another password of the database", make: rotateSecrets},
	{name: "cut-node", what: "a node loses its network and goes on", prepare: follower, make: cutNode, restore: returned("mend")},
	{name: "ui-crash-loop", what: "every page view ends a replica of the UI", quiet: true, prepare: deployCrashing, make: crashLoop, restore: deployRelease},
	{name: "kill-leader", what: "the leader of the Swarm loses its power", prepare: leading, make: killNode, restore: returned("start")},
	{name: "hang-task", what: "SIGSTOP to one replica of the API", make: hangTask},
	{name: "oom-task", what: "one replica of the API runs out of memory", make: oomTask},
	{name: "scale", what: "3 → 6 → 3 replicas of the API", make: scale, restore: scaledBack},
	{name: "bad-health", what: "a release that starts and is never healthy", make: faulty("unhealthy")},
	{name: "bad-late", what: "a release that is healthy and dies after 5 s", make: faulty("late")},
	{name: "bad-arch", what: "a release for another processor", make: foreignArchitecture},
	{name: "absent-digest", what: "a release that no registry has", make: absentDigest},
	{name: "return-node", what: "a drained node returns, and the replicas are spread anew", prepare: drained, make: returnNode, restore: undrained},
	{name: "drain-node", what: "a node is taken out of service", prepare: drainable, make: drainNode, restore: undrained},
	{name: "db-restart", what: "the database restarts", make: dbRestart, restore: databaseReturned},
	{name: "db-blackhole", what: "the database falls silent for 20 s", make: dbBlackhole, restore: databaseReturned},
	{name: "db-down-60s", what: "the database is away for a minute", make: dbDown, restore: databaseReturned},
	{name: "registry-down", what: "a node dies while the registry is away", prepare: follower, make: registryDown, restore: registryReturned},
	{name: "quorum-lost", what: "two of three managers die; the third is made a Swarm of its own", prepare: firstAlone, make: loseQuorum, restore: quorumReturned},
	{name: "ten-deploys", what: "ten deploys by the verb, one after the other", apart: true, make: tenDeploys},
}

// smoke is the short form, which has to mean the same on every machine. A client tries once
// more: on slowly emulated nodes the mesh may keep the address of a replica that is gone
// (moby/moby#33790), and the edge may not repeat a write that was in work when its replica
// died. The node dies behind the edge tier: through the mesh that costs requests whatever we
// do (docs/adr/0007), the more of them the slower a node notices.
func smoke() (drills []drill) {
	for _, name := range []string{"rolling-update", "bad-image", "kill-node"} {
		d, _ := find(name)
		d.edge, d.retries = name == "kill-node", 1
		drills = append(drills, d)
	}
	return drills
}

// everything is the catalog, and after it those of who watches, and the deploys by the verb.
func everything() []drill {
	return slices.Concat(catalog, watched, drillsOf("release", museum), drillsOf("outcome", outcomes))
}

// find gives the drill of that name.
func find(name string) (drill, error) {
	all := everything()
	at := slices.IndexFunc(all, func(d drill) bool { return d.name == name })
	if at < 0 {
		return drill{}, fmt.Errorf("there is no drill %q; --list lists them", name)
	}
	return all[at], nil
}
