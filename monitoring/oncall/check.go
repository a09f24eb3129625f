package main

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"time"
)

// state is what was found of something.
type state string

// The states, in the order in which somebody should look at them.
const (
	page     state = "page"      // an alert fires that gets somebody up
	broken   state = "broken"    // seen to be so, whether an alert fires or not
	notKnown state = "not known" // whoever should have told did not: that is never "ok"
	ticket   state = "ticket"    // an alert fires that can wait for a working day
	pending  state = "pending"   // an alert will fire, if it goes on
	fine     state = "ok"
	notAsked state = "not asked" // nobody said where it is
)

var states = []state{page, broken, notKnown, ticket, pending, fine, notAsked}

// check is one thing that was looked at: a line of the screen, an object of --json.
type check struct {
	Case    string            `json:"case"`
	OK      bool              `json:"ok"` // not page, broken, not known or ticket
	Aim     string            `json:"aim"`
	State   state             `json:"state"`
	Found   string            `json:"found"`
	Labels  map[string]string `json:"labels,omitempty"`
	Since   *time.Time        `json:"since,omitempty"`
	After   *float64          `json:"after_s,omitempty"` // of a page: how long its way took
	Runbook string            `json:"runbook,omitempty"` // a path in this clone, or a URL
	First   string            `json:"first,omitempty"`   // of the last one: what to do
	undo    string            // of the last change: what takes it back, "" where no verb does
}

// The cases of what changed last, and of how the last deploy by the verb ended.
const (
	lastChange = "last change"
	lastDeploy = "last deploy"
)

// causes are alerts that make others fire, the deepest first. Among alerts that page at
// the same time they are what to mend. Alertmanager's inhibitions say the same.
var causes = []string{"DatabaseDown", "QuorumLost", "NodeDown", "EndpointDown", "ReplicasBelowQuorum"}

// alert is the name of the alert that tells of the same, after which its runbook is named.
func (c check) alert() string { return strings.TrimSuffix(path.Base(c.Runbook), ".md") }

// calm is what nobody has to look at.
func (c check) calm() bool { return c.State == fine || c.State == notAsked }

// rank orders what is equally bad by what causes what.
func (c check) rank() int {
	if i := slices.Index(causes, c.alert()); i >= 0 {
		return i
	}
	return len(causes)
}

// began is when it began; what nobody dates comes last.
func (c check) began() time.Time {
	if c.Since == nil {
		return time.Unix(1<<40, 0)
	}
	return *c.Since
}

// settle orders checks, and says of each whether it is as it should be. Whoever judges all
// of them relies on that order: worst, first, merged and the screen.
func settle(checks []check) {
	for i := range checks {
		checks[i].OK = slices.Contains([]state{pending, fine, notAsked}, checks[i].State)
	}
	slices.SortStableFunc(checks, func(a, b check) int {
		order := cmp.Or(
			cmp.Compare(slices.Index(states, a.State), slices.Index(states, b.State)),
			cmp.Compare(a.rank(), b.rank()),
		)
		if order == 0 && !a.calm() { // of what is well each source knows its own order
			order = a.began().Compare(b.began())
		}
		return order
	})
}

// count tells how many checks are in a state.
func count(checks []check, s state) (n int) {
	for _, c := range checks {
		if c.State == s {
			n++
		}
	}
	return n
}

// exitCode speaks to scripts: it is 0 if nothing is broken, 2 if nobody has told anything.
// What nobody asked for is no fault: a laptop is in no Swarm.
func exitCode(checks []check) int {
	unheard := count(checks, notKnown) + count(checks, notAsked)
	switch {
	case unheard == len(checks):
		return exitUnknown
	case slices.ContainsFunc(checks, func(c check) bool { return !c.OK }):
		return exitBroken
	}
	return exitFine
}
