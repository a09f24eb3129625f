package main

import (
	"fmt"
	"slices"
	"time"
)

// notByRelease are alerts that no release causes, the one of which the Swarm itself has gone
// back already, and the one of a release under way: the verb refuses to go back from that.
var notByRelease = []string{"NodeDown", "QuorumLost", "QuorumAtRisk", "DeployRolledBack", "UpdateStuck"}

// blamed is how long after a change something may begin for the change to be named.
const blamed = 30 * time.Minute

// first says what to do first, "" if nothing is broken. The checks have to be settled.
func first(checks []check) string {
	c := deepest(checks)
	if c == nil {
		return ""
	}
	do := "look at " + c.Case
	switch {
	case c.Runbook != "" && c.State == notKnown:
		do = fmt.Sprintf("%s tells nothing: %s", c.Case, c.Runbook)
	case c.Runbook != "":
		do = "read " + c.Runbook
	case c.State == notKnown:
		do = fmt.Sprintf("ask %s from elsewhere: nothing is known of it here", c.Case)
	}
	i := slices.IndexFunc(checks, func(c check) bool { return c.Case == lastChange })
	if i < 0 || c.Since == nil || c.State == notKnown || slices.Contains(notByRelease, c.alert()) {
		return do
	}
	change := checks[i]
	if after := c.Since.Sub(*change.Since); after >= 0 && after <= blamed {
		do += fmt.Sprintf("; it began %s after the last change", span(after))
		if change.undo != "" {
			do += ": if users suffer, " + change.undo
		}
	}
	return do
}

// deepest gives the one that is most likely the cause of the others: of what pages, is
// seen broken or is about to page the deepest cause, or else the worst. Nil if all is well.
func deepest(checks []check) *check {
	if checks[0].OK { // they are in order
		return nil
	}
	c := &checks[0]
	for i := range checks {
		serious := slices.Contains([]state{page, broken, pending}, checks[i].State)
		if serious && c.State != notKnown && checks[i].rank() < c.rank() {
			c = &checks[i]
		}
	}
	return c
}
