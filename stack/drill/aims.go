package main

import (
	"fmt"
	"strings"
)

// aim is what a drill's figures are held against. What is left out is not asked.
type aim struct {
	sent      int     // at least so many requests, or the figure says little
	failed    *int    // at most so many of them
	api       bool    // failed and percent speak of the API alone
	percent   float64 // of all requests, at most
	last      seconds // no failure later than so long after the fault; none at all if sheltered
	strength  seconds // all replicas again after so long, plus what emulation adds: a start, and
	lag       seconds // how much later the lab's health checks find a hung process than those of stack.yml
	detection bool    // no failure after the fault was detected
	unchanged bool    // no replica was replaced
}

// aims is the one table of them.
var aims = map[string]aim{
	"rolling-update": {sent: 5000, failed: most(0)},
	"bad-image":      {sent: 5000, failed: most(0)},
	"bad-health":     {sent: 5000, failed: most(0)},
	"bad-late":       {sent: 5000, percent: 1},
	"bad-arch":       {sent: 5000, failed: most(0)},
	"absent-digest":  {sent: 5000, failed: most(0)},
	"kill-task":      {percent: 1, detection: true, strength: 60},
	"hang-task":      {percent: 1, detection: true, strength: 60, lag: 2*(20+15) - 3*(5+3)}, // interval and timeout
	"oom-task":       {percent: 1, strength: 60},
	"ui-crash-loop":  {sent: 2000, failed: most(0), api: true},
	"kill-node":      {last: 5, strength: 60},
	"cut-node":       {last: 5, strength: 60},
	"kill-leader":    {last: 5, strength: 60},
	"drain-node":     {sent: 5000, failed: most(0)},
	"return-node":    {sent: 5000, failed: most(0)},
	"registry-down":  {last: 5, strength: 60},
	"db-restart":     {strength: 5, unchanged: true},
	"db-blackhole":   {strength: 5, unchanged: true},
	"db-down-60s":    {strength: 5, unchanged: true},
	"scale":          {sent: 5000, failed: most(0)},
	"quorum-lost":    {strength: 60, lag: 45}, // the lag: two emulated machines start
	"secret-rotate":  {sent: 5000, failed: most(0)},
	"ten-deploys":    {sent: 5000, failed: most(0)},
}

// aimOf gives a drill's aim. Of a bad release, users shall see nothing. Whatever has none in
// the table is asked only to lose nothing and to come to its end.
func aimOf(name string) aim {
	if strings.HasPrefix(name, "release-") {
		return aim{sent: fewest, failed: most(0)}
	}
	return aims[name]
}

// orSent asks for fewer requests, or for more, than the aim does; 0 leaves it as it is.
func (a aim) orSent(asked int) aim {
	if asked > 0 && a.sent > 0 {
		a.sent = asked
	}
	return a
}

func most(n int) *int { return &n }

// String writes the aim for people.
func (a aim) String() string {
	parts := []string{"0 lost"}
	of := ""
	if a.api {
		of = " API"
	}
	if a.failed != nil {
		parts = append(parts, fmt.Sprintf("%d%s failed of ≥ %d", *a.failed, of, a.sent))
	}
	if a.percent > 0 {
		parts = append(parts, fmt.Sprintf("≤ %g %% failed", a.percent))
	}
	if a.last > 0 {
		parts = append(parts, fmt.Sprintf("none failed after %g s, none at all through the edge or with a retry", float64(a.last)))
	}
	if a.strength > 0 {
		parts = append(parts, fmt.Sprintf("full strength ≤ %g s + a start", float64(a.strength+a.lag)))
	}
	if a.detection {
		parts = append(parts, "none failed after its detection")
	}
	if a.unchanged {
		parts = append(parts, "no replica replaced")
	}
	return strings.Join(parts, ", ")
}

// missed gives what of the aim was not reached, nothing if all was.
func (a aim) missed(r result) (missed []string) {
	failed := r.Failed
	if a.api {
		failed = r.APIFailed
	}
	for _, m := range []struct {
		bad  bool
		what string
	}{
		{r.Lost > 0, fmt.Sprintf("%d acknowledged writes lost", r.Lost)},
		{r.Error != "", r.Error},
		{r.Sent < a.sent, fmt.Sprintf("only %d sent", r.Sent)},
		{a.failed != nil && failed > *value(a.failed), fmt.Sprintf("%d failed", failed)},
		{a.percent > 0 && float64(failed)*100 > a.percent*float64(r.Sent), fmt.Sprintf("%.1f %% failed", float64(failed)*100/float64(max(1, r.Sent)))},
		{a.last > 0 && r.Last > a.last, fmt.Sprintf("one failed %g s after the fault", float64(r.Last))},
		{a.strength > 0 && *value(r.Strength) > a.strength+a.lag+r.Start, fmt.Sprintf("full strength after %g s, a start takes %g s", float64(*value(r.Strength)), float64(r.Start))},
		{a.last > 0 && r.sheltered() && failed > 0, fmt.Sprintf("%d failed", failed)},
		{a.detection && r.Last > *value(r.Detect)+1, fmt.Sprintf("one failed %g s after the fault", float64(r.Last))}, // 1 s: a look at the Swarm takes its time
		{a.unchanged && r.Replaced > 0, fmt.Sprintf("%d replicas replaced", r.Replaced)},
	} {
		if m.bad {
			missed = append(missed, m.what)
		}
	}
	return missed
}

// sheltered tells whether something tries again where the mesh does not.
func (r result) sheltered() bool { return r.Via == "edge" || r.Retries > 0 }

// value is what a pointer points to, or zero.
func value[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}
