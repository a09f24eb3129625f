package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"minitwit/service/wait"
)

// notice is what arrived where on-call's telephone would be: a line of the file that
// `lab pages` shows.
type notice struct {
	At       time.Time         `json:"at"`
	From     string            `json:"from"` // page, second, ticket, or deadman
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
	want []string                          // alerts, any of which is right
	may  []string                          // that may come as well; any other is a wrong one
	aim  seconds                           // from the fault until it arrives
	from string                            // ticket, which rings nobody, or second, where the first way refuses; else the telephone
	mend func(context.Context, *run) error // what on-call would do, where the drill's restore is not that
}

// Consequences that whoever is woken may be told of too.
var (
	burn = []string{"ErrorBudgetFastBurn", "ErrorRatioHigh", "AnswersSlow", "CanaryFailing", "EndpointFlaky"}
	// ReplicaMissing waits for two minutes, and a start on an emulated node may take longer.
	nodeGone = call{want: []string{"NodeDown"}, may: append([]string{"QuorumAtRisk", "ReplicasBelowQuorum", "ReplicaMissing", "EndpointDown"}, burn...), aim: 150}
	rollback = call{want: []string{"DeployRolledBack"}, may: []string{"CrashLooping"}, aim: 240, mend: rollingUpdate} // the update itself takes most of the aim
)

// calls are those of the drills after which somebody has to do something, and those whose
// fault may be told of though it heals by itself. What is left out wakes nobody.
// The lab's Prometheus looks every 15 s, not every 5, and its managers wait 45 s for a node,
// not 15: aims are that much wider, but where all replicas are dead, of which on-call has to
// hear as soon anywhere.
var calls = map[string]call{
	"bad-image": rollback, "bad-health": rollback, "bad-late": rollback, "bad-arch": rollback, "absent-digest": rollback,
	"kill-node": nodeGone, "kill-leader": nodeGone, "cut-node": nodeGone, "registry-down": nodeGone,
	"ui-crash-loop":     {want: []string{"EndpointDown", "CrashLooping", "ReplicasBelowQuorum"}, may: burn, aim: 60},
	"old-system":        {want: []string{"EndpointDown"}, may: append([]string{"ReplicasBelowQuorum", "SimulatorSilent"}, burn...), aim: 30},
	"api-dead":          {want: []string{"EndpointDown"}, may: append([]string{"SimulatorSilent"}, burn...), aim: 30},
	"web-dead":          {want: []string{"EndpointDown"}, may: burn, aim: 30},
	"sink-rejects":      {want: []string{"EndpointDown"}, may: append([]string{"NotificationsFailing", "SimulatorSilent"}, burn...), aim: 30, from: "second"},
	"errors":            {want: []string{"ErrorRatioHigh", "ErrorBudgetFastBurn"}, may: burn, aim: 150},
	"slow":              {want: []string{"AnswersSlow", "ErrorBudgetFastBurn"}, may: burn, aim: 150},
	"certificate":       {want: []string{"CertificateExpires"}, aim: 180},
	"monitoring-dead":   {want: []string{"DeadMan"}, aim: 150},
	"alertmanager-dead": {want: []string{"DeadMan"}, aim: 150},
	"db-down-60s":       {want: []string{"DatabaseDown"}, may: append([]string{"EndpointDown"}, burn...), aim: 60},
	"db-blackhole":      {may: append([]string{"DatabaseDown", "EndpointDown"}, burn...)},
	"hang-task":         {may: append([]string{"ReplicaMissing"}, burn...)},                                           // beside who watches, two checks may take 4 minutes
	"crash-loop":        {want: []string{"CrashLooping"}, may: append([]string{"ReplicaMissing"}, burn...), aim: 240}, // it waits for the fourth end
	"replica-missing":   {want: []string{"ReplicaMissing"}, may: burn, aim: 210},
	"database-full":     {want: []string{"DatabaseConnectionsExhausted"}, may: append([]string{"DatabaseDown"}, burn...), aim: 120},
	"latest-stuck":      {want: []string{"LatestStagnant"}, may: append([]string{"SimulatorSilent"}, burn...), aim: 150},
	"simulator-silent":  {want: []string{"SimulatorSilent"}, aim: 300},
	"disk-filling":      {want: []string{"DiskFillsSoon"}, aim: 150},
	"clock-off":         {want: []string{"ClockSkew"}, aim: 300, from: "ticket"},
	"backup-old":        {want: []string{"BackupTooOld"}, aim: 1200, from: "ticket"},
	"prometheus-dead":   {want: []string{"PrometheusMissing"}, aim: 480, from: "ticket"},
	"one-alertmanager":  {want: []string{"AlertmanagerMissing"}, aim: 480, from: "ticket"},
	"quorum-lost":       {want: []string{"QuorumLost"}, may: append([]string{"NodeDown", "DeadMan"}, nodeGone.may...), aim: 120, mend: watchAgain},
}

// watchAgain gives a new machine the label that went with the lost one.
func watchAgain(ctx context.Context, r *run) error {
	return r.lab.do(ctx, "docker", "node", "update", "--label-add", "monitoring=true", "n2")
}

// String writes the aim for people.
func (c call) String() string {
	if len(c.want) == 0 {
		return "no wrong page"
	}
	return fmt.Sprintf("%s within %g s, no wrong page, no all-clear before the end", strings.Join(c.want, " or "), float64(c.aim))
}

// heard is what on-call heard of a drill. A nil After or AllClear says that none came.
type heard struct {
	Page     string   `json:"page,omitempty"` // the first right one
	After    *seconds `json:"page_s,omitempty"`
	Also     []string `json:"also,omitempty"`
	Wrong    []string `json:"wrong_pages,omitempty"`
	AllClear *seconds `json:"all_clear_s,omitempty"` // the last, from the fault
}

// telephone is the file in which the lab keeps what arrived. "" where nobody watches.
type telephone string

// since gives what has come after a moment. A line that cannot be read is passed over: another
// program writes the file meanwhile, and the next look reads it anew.
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

// echo is how long an all-clear must hold. One of the two Prometheus may see the end some
// looks after the other, and what it still says is then told once more (15 s after, seen in
// bad-image): that belongs to this fault, not to the next one.
const echo = time.Minute

// open gives what on-call was told of and not told the end of, or only just now. Once the
// dead man's switch says that somebody watches again, what was told before is told anew or
// is over: an Alertmanager that has just started knows no ends.
func (t telephone) open(now time.Time) (names []string) {
	state := map[string]bool{}
	for _, n := range t.since(time.Time{}) {
		if n.From == "ticket" {
			continue
		}
		if n.From == "deadman" && n.Resolved {
			clear(state)
		}
		state[n.name()] = !n.Resolved || now.Sub(n.At) < echo
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

// allClear waits until on-call has heard the end of everything, where somebody watches.
// The load goes on meanwhile: that there is none is a reason to be told.
func (r *run) allClear(ctx context.Context) error {
	if r.telephone == "" {
		return nil
	}
	open := r.telephone.open(time.Now())
	if len(open) == 0 {
		return nil
	}
	r.say("waiting for the all-clear, and that it holds: %s", strings.Join(open, ", "))
	err := wait.Until(ctx, calmLimit, "the all-clear", func() bool { open = r.telephone.open(time.Now()); return len(open) == 0 })
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.Join(open, ", "))
	}
	return nil
}

// over mends what the drill has left, and waits for the all-clear. perform calls restore once
// more, so a restore has to bear that.
func (r *run) over(ctx context.Context) error {
	var errs []error
	for _, mend := range []func(context.Context, *run) error{r.drill.restore, calls[r.drill.name].mend} {
		if mend != nil {
			errs = append(errs, mend(context.WithoutCancel(ctx), r))
		}
	}
	return errors.Join(append(errs, r.allClear(ctx))...)
}

// awaitPage waits for the page that the fault is worth, before it is undone. It waits for twice
// the aim, so that a late page is seen to be late. Whether one came is for judge to tell.
func (r *run) awaitPage(ctx context.Context) {
	limit := time.Until(r.fault.Add(time.Duration(2*calls[r.drill.name].aim) * time.Second))
	_ = wait.Until(ctx, max(limit, time.Second), "a page", r.called)
}

// called tells whether on-call has heard of the fault. Where nobody watches, or nothing is to
// be heard, there is nothing to wait for.
func (r *run) called() bool {
	c := calls[r.drill.name]
	return r.telephone == "" || len(c.want) == 0 || slices.ContainsFunc(r.telephone.since(r.fault), c.right)
}

// right tells whether a notice is the one that the fault is worth, by the way that it has to come.
func (c call) right(n notice) bool {
	telephone := n.From == "page" || n.From == "deadman"
	return slices.Contains(c.want, n.Alert) && (n.From == c.from || c.from == "" && telephone)
}

// elsewhere tells whether a notice says nothing of the fault: a ticket that is not asked for, or
// what came by the other of the two ways to on-call.
func (c call) elsewhere(n notice) bool {
	other := "second"
	if c.from == "second" {
		other = "page"
	}
	return n.From == other || n.From == "ticket" && !c.right(n)
}

// judge sorts what was heard. An all-clear before the mend, of what has fired since the
// fault, is a false one: a notification also repeats the end of what ended before. Without
// a moment of mending the drill cannot tell. What is told anew after its all-clear is wrong in
// any case: either of the two was.
func (c call) judge(got []notice, fault, mended time.Time) (h heard) {
	fired, ended := map[string]bool{}, map[string]bool{}
	for _, n := range got {
		if c.elsewhere(n) {
			continue
		}
		at := since(fault, n.At)
		again := !n.Resolved && ended[n.name()]
		fired[n.name()] = fired[n.name()] || !n.Resolved
		ended[n.name()] = n.Resolved && fired[n.name()]
		switch {
		case again:
			h.Wrong = append(h.Wrong, fmt.Sprintf("%s again after %g s", n.name(), float64(at)))
		case n.Resolved && fired[n.name()] && n.At.Before(mended) && slices.Contains(c.want, n.Alert):
			h.Wrong = append(h.Wrong, fmt.Sprintf("all-clear of %s after %g s", n.name(), float64(at)))
		case n.Resolved:
			h.AllClear = &at
		case c.right(n):
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
	optional := func(s *seconds) string {
		if s == nil {
			return "–"
		}
		return fmt.Sprintf("%g s", float64(*s))
	}
	rows := [][]string{{"fault", "page", "after", "also told of", "last all-clear", "held against the aim"}}
	for _, r := range results {
		verdict := "ok"
		if !r.OK {
			verdict = "MISSED: " + strings.Join(r.Missed, "; ")
		}
		rows = append(rows, []string{r.Case, cmp.Or(r.Page, "none"), optional(r.After), strings.Join(r.Also, ", "), optional(r.AllClear), verdict})
	}
	writeRows(w, rows)
}

func telephoneOf(state string) telephone { return telephone(filepath.Join(state, "pages.jsonl")) }
