package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	"minitwit/monitoring/exporter/manager"
)

// nodes says which are away, and whether the managers can lose another one. A machine that joined
// anew is one node, and as many managers as it has entries.
func (d *doctor) nodes(list []swarm.Node) []check {
	byHost := manager.ByHost(list)
	entries, reached := manager.Managers(list)
	all := check{Case: "nodes", Aim: "all ready", State: fine}
	var odd, unreached []string
	leader, ready, managers := "", 0, 0
	for _, host := range slices.Sorted(maps.Keys(byHost)) {
		n := byHost[host]
		if n.Status.State == swarm.NodeStateReady {
			ready++
		} else {
			all.State, all.Runbook = broken, d.runbooks.of("NodeDown", "")
			// A node is changed when it is declared down, and hardly ever afterwards.
			if all.Since == nil || n.UpdatedAt.Before(*all.Since) {
				all.Since = dated(n.UpdatedAt)
			}
			odd = append(odd, strings.TrimSpace(fmt.Sprintf("%s is %s %s", host, n.Status.State, n.Status.Message)))
		}
		// Somebody's decision, and no fault; but one that is easily forgotten.
		if n.Spec.Availability != swarm.NodeAvailabilityActive {
			odd = append(odd, fmt.Sprintf("%s is on %s", host, n.Spec.Availability))
		}
		managers += entries[host]
		for range entries[host] - reached[host] {
			unreached = append(unreached, host)
		}
		if manager.Leads(n) {
			leader = host
		}
	}
	all.Found = strings.Join(append([]string{fmt.Sprintf("%d of %d ready", ready, len(byHost))}, odd...), ", ")
	return []check{all, d.managersCheck(managers, leader, unreached)}
}

// managersCheck speaks of managers that answer, so there is a quorum: whoever is not
// reached is one that cannot be lost any more.
func (d *doctor) managersCheck(managers int, leader string, unreached []string) check {
	c := check{
		Case: "managers", Aim: "all reachable, one leads", State: fine,
		Found: fmt.Sprintf("%d of %d reachable, %s leads", managers-len(unreached), managers, cmp.Or(leader, "nobody")),
	}
	switch {
	case leader == "":
		c.State, c.Runbook = broken, d.runbooks.of("QuorumLost", "")
	case len(unreached) > 0:
		c.State, c.Runbook = broken, d.runbooks.of("QuorumAtRisk", "")
		c.Found += "; not reached: " + strings.Join(unreached, ", ")
	}
	return c
}
