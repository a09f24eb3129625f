package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// notice is what arrived where on-call's telephone would be: a line of the file that
// `lab pages` shows.
type notice struct {
	At       time.Time         `json:"at"`
	From     string            `json:"from"` // page, ticket, or deadman
	Resolved bool              `json:"resolved"`
	Alert    string            `json:"alert"`
	Labels   map[string]string `json:"labels"`
}

// name says which alert it is, and about what.
func (n notice) name() string {
	for _, label := range []string{"surface", "service", "node"} {
		if v := n.Labels[label]; v != "" {
			return n.Alert + " " + v
		}
	}
	return n.Alert
}

// call is what on-call should hear of a drill: nothing, if nothing is wanted.
type call struct {
	want []string // alerts, any of which is right
	may  []string // that may come as well; any other is a wrong one
	aim  seconds  // from the fault until it arrives
}

// Consequences that whoever is woken may be told of too.
var (
	burn     = []string{"ErrorBudgetFastBurn", "ErrorRatioHigh", "AnswersSlow", "CanaryFailing", "EndpointFlaky"}
	nodeGone = call{want: []string{"NodeDown"}, may: append([]string{"QuorumAtRisk", "ReplicasBelowQuorum", "EndpointDown"}, burn...), aim: 120}
	rollback = call{want: []string{"DeployRolledBack"}, may: []string{"CrashLooping"}, aim: 240} // the update itself takes most of it
)

// calls are those of the drills after which somebody has to do something. What the Swarm
// heals by itself wakes nobody.
var calls = map[string]call{
	"bad-image": rollback, "bad-health": rollback, "bad-late": rollback, "bad-arch": rollback, "absent-digest": rollback,
	"kill-node": nodeGone, "kill-leader": nodeGone, "cut-node": nodeGone, "registry-down": nodeGone,
	"ui-crash-loop": {want: []string{"EndpointDown", "CrashLooping", "ReplicasBelowQuorum"}, may: burn, aim: 60},
	"old-system":    {want: []string{"EndpointDown"}, may: append([]string{"ReplicasBelowQuorum", "SimulatorSilent"}, burn...), aim: 30},
	"db-down-60s":   {want: []string{"DatabaseDown"}, may: append([]string{"EndpointDown"}, burn...), aim: 60},
	"db-blackhole":  {may: append([]string{"DatabaseDown", "EndpointDown"}, burn...)},
	"hang-task":     {may: burn},
	"quorum-lost":   {want: []string{"QuorumLost"}, may: append([]string{"NodeDown", "QuorumAtRisk", "DeadMan"}, burn...), aim: 120},
}

// heard is what on-call heard of a drill.
type heard struct {
	Page     string   `json:"page,omitempty"` // the first right one
	After    *seconds `json:"page_s,omitempty"`
	Also     []string `json:"also,omitempty"`
	Wrong    []string `json:"wrong_pages,omitempty"`
	AllClear *seconds `json:"all_clear_s,omitempty"` // the last, from the fault
}

// telephone is the file in which the lab keeps what arrived. "" where nobody watches.
type telephone string

func (t telephone) since(at time.Time) (found []notice) {
	f, err := os.Open(string(t)) //nolint:gosec // our own file
	if err != nil {
		return nil // nothing has arrived yet
	}
	defer f.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var n notice
		if json.Unmarshal(lines.Bytes(), &n) == nil && n.At.After(at) {
			found = append(found, n)
		}
	}
	return found
}

// open gives what on-call was told of and not told the end of.
func (t telephone) open() (names []string) {
	state := map[string]bool{}
	for _, n := range t.since(time.Time{}) {
		if n.From != "ticket" {
			state[n.name()] = !n.Resolved
		}
	}
	for name, still := range state {
		if still {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// calmLimit is how long an alert may last after its cause: CrashLooping looks back ten
// minutes before it believes that there is peace.
const calmLimit = 15 * time.Minute

// watched waits until on-call has heard the end of everything, where somebody watches.
// The load goes on meanwhile: that there is none is a reason to be told.
func (r *run) watched(ctx context.Context) error {
	if r.telephone == "" || len(r.telephone.open()) == 0 {
		return nil
	}
	r.say("waiting for the all-clear: %s", strings.Join(r.telephone.open(), ", "))
	if err := until(ctx, calmLimit, "the all-clear", func() bool { return len(r.telephone.open()) == 0 }); err != nil {
		return fmt.Errorf("%w: %s", err, strings.Join(r.telephone.open(), ", "))
	}
	r.warm = time.Now()
	return nil
}

// awaitPage waits for the page that the fault is worth, before it is undone.
func (r *run) awaitPage(ctx context.Context) {
	c := calls[r.drill.name]
	if r.telephone == "" || len(c.want) == 0 {
		return
	}
	limit := time.Until(r.fault.Add(time.Duration(2*c.aim) * time.Second))
	_ = until(ctx, max(limit, time.Second), "a page", func() bool {
		return slices.ContainsFunc(r.telephone.since(r.fault), func(n notice) bool {
			return n.From != "ticket" && slices.Contains(c.want, n.Alert)
		})
	})
}

// judge sorts what was heard.
func (c call) judge(got []notice, fault time.Time) (h heard) {
	for _, n := range got {
		at := since(fault, n.At)
		switch {
		case n.From == "ticket":
		case n.Resolved:
			h.AllClear = &at
		case slices.Contains(c.want, n.Alert):
			if h.Page == "" {
				h.Page, h.After = n.name(), &at
			}
		case slices.Contains(c.may, n.Alert):
			h.Also = append(h.Also, n.name())
		default:
			h.Wrong = append(h.Wrong, fmt.Sprintf("%s after %g s", n.name(), float64(at)))
		}
	}
	slices.Sort(h.Also)
	h.Also = slices.Compact(h.Also)
	return h
}

// missed gives what on-call heard in vain, too late or not at all.
func (c call) missed(h heard) (missed []string) {
	for _, wrong := range h.Wrong {
		missed = append(missed, "wrong page: "+wrong)
	}
	switch {
	case len(c.want) == 0:
	case h.After == nil:
		missed = append(missed, "no page")
	case *h.After > c.aim:
		missed = append(missed, fmt.Sprintf("page after %g s", float64(*h.After)))
	}
	return missed
}

// writeCalls writes what on-call heard as Markdown.
func writeCalls(w io.Writer, results []result) {
	fmt.Fprintln(w, "| fault | page | after | also | held against the aim |\n|---|---|---|---|---|")
	for _, r := range results {
		page, after := r.Page, "–"
		if r.After != nil {
			after = fmt.Sprintf("%g s", float64(*r.After))
		}
		verdict := "ok"
		if missed := calls[r.Case].missed(r.heard); len(missed) > 0 {
			verdict = "MISSED: " + strings.Join(missed, "; ")
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", r.name(), page, after, strings.Join(r.Also, ", "), verdict)
	}
}

func telephoneOf(state string) telephone { return telephone(filepath.Join(state, "pages.jsonl")) }
