package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"minitwit/service/wait"
)

// result is one fault: a line of --json.
type result struct {
	Case          string   `json:"case"`
	OK            bool     `json:"ok"`
	Aim           string   `json:"aim"`
	Slack         slack    `json:"slack"`          // above 1 it is no measure of how soon a page comes
	Page          string   `json:"page"`           // the first right one, with what it is about
	Seconds       *float64 `json:"page_s"`         // from the fault to its arrival; null: it did not come
	Others        []string `json:"also,omitempty"` // came with it, and may
	Wrong         []string `json:"wrong,omitempty"`
	FalseResolved []string `json:"false_resolved,omitempty"` // said to be over while it was not
	Resolved      *float64 `json:"resolved_s"`               // from the mend to the all-clear; null: none
	Missed        []string `json:"missed,omitempty"`
}

// slack is for slow machines: each aim and each limit is so many times as long. What was
// measured is shown as it is, and whatever is held against such an aim says so.
type slack float64

func (s slack) of(d time.Duration) time.Duration { return time.Duration(float64(s) * float64(d)) }

// said stands behind what slack was used for; nothing where there was none.
func (s slack) said() string {
	if s > 1 {
		return fmt.Sprintf(" (slack %g)", float64(s))
	}
	return ""
}

// Limits of waiting, and how long a fault stays after its page, to see what else comes.
// CrashLooping looks back ten minutes before it believes that there is peace.
const (
	resolveLimit = 12 * time.Minute
	linger       = 20 * time.Second
)

// perform makes a fault in a calm installation, and mends it. In this order: calm, the fault,
// its page, some time for others, the verdict on what came, the mend, the all-clear. What
// went wrong on the way is in Missed.
func (w *world) perform(ctx context.Context, f fault, progress io.Writer) result {
	f.aim = w.slack.of(f.aim)
	r := result{Case: f.name, Aim: fmt.Sprintf("%s within %v%s, no other page", strings.Join(f.want, " or "), f.aim, w.slack.said()), Slack: w.slack}
	miss := func(format string, args ...any) { r.Missed = append(r.Missed, fmt.Sprintf(format, args...)) }
	if err := w.renew(ctx); err != nil {
		miss("before the fault: %v", err)
		return r
	}
	struck := time.Now()
	if err := f.make(ctx, w); err != nil {
		// No return: mend has to undo what was made of it.
		miss("%v", err)
	}
	if first := w.awaitPage(ctx, f, struck); first == nil {
		miss("no page in %v", 2*f.aim)
	} else {
		at := first.At.Sub(struck).Seconds()
		r.Page, r.Seconds = first.name(), rounded(at)
		fmt.Fprintf(progress, "    %5.1f s  %s\n", at, first.Summary)
		if at > f.aim.Seconds() {
			miss("after %.1f s", at)
		}
		linger := time.Now().Add(linger)
		_ = wait.Until(ctx, time.Until(linger)+time.Second, "nothing", func() bool { return time.Now().After(linger) })
	}
	mended := time.Now()
	// Before the mend, since from then on an all-clear is true.
	r.judge(f, w.sink.since(struck))
	if err := f.mend(ctx, w); err != nil {
		miss("mend: %v", err)
	}
	if r.Seconds != nil && f.place() != "ticket" { // tickets are not in a hurry
		if err := wait.Until(ctx, w.slack.of(resolveLimit), "the all-clear", func() bool { return w.cleared(f, struck) }); err != nil {
			miss("%v", err)
		} else {
			r.Resolved = rounded(time.Since(mended).Seconds())
			fmt.Fprintf(progress, "    resolved %.1f s after the mend\n", *r.Resolved)
		}
	}
	r.OK = len(r.Missed) == 0
	return r
}

// place is where a fault's page arrives.
func (f fault) place() string {
	if f.from == "" {
		return "page"
	}
	return f.from
}

// awaitPage gives the first right page, nil if there is none within twice the aim: that one
// came late is something else than that none came.
func (w *world) awaitPage(ctx context.Context, f fault, struck time.Time) (first *notice) {
	_ = wait.Until(ctx, 2*f.aim, "a page", func() bool {
		for _, n := range w.sink.since(struck) {
			if n.From == f.place() && !n.Resolved && slices.Contains(f.want, n.Alert) {
				first = &n
				return true
			}
		}
		return false
	})
	return first
}

// judge sorts what arrived while the fault lasted.
func (r *result) judge(f fault, got []notice) {
	// A ticket is never a wrong page, whatever it is of: nobody gets up for it.
	for _, n := range got {
		right := slices.Contains(f.want, n.Alert)
		switch {
		case n.Resolved && (right || slices.Contains(f.also, n.Alert)):
			r.FalseResolved = append(r.FalseResolved, n.name())
		case n.Resolved || right, n.From == "ticket" && f.place() != "ticket":
		case slices.Contains(f.also, n.Alert):
			r.Others = append(r.Others, n.name())
		case n.From != "ticket":
			r.Wrong = append(r.Wrong, n.name())
		}
	}
	r.Others, r.Wrong = unique(r.Others), unique(r.Wrong)
	for _, wrong := range r.Wrong {
		r.Missed = append(r.Missed, "wrong page: "+wrong)
	}
	for _, early := range r.FalseResolved {
		r.Missed = append(r.Missed, "resolved too early: "+early)
	}
}

// cleared tells whether everything that was said to be wrong has been said to be over.
func (w *world) cleared(f fault, struck time.Time) bool {
	open := map[string]bool{}
	// They come in order, so that the last word on each counts.
	for _, n := range w.sink.since(struck) {
		if slices.Contains(f.want, n.Alert) {
			open[n.name()] = !n.Resolved
		}
	}
	for _, still := range open {
		if still {
			return false
		}
	}
	return true
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

func unique(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

// rounded cuts off what is below a tenth.
func rounded(s float64) *float64 {
	s = float64(int(s*10)) / 10
	return &s
}

// row gives the cells of the table.
func (r result) row() []string {
	optional := func(s *float64) string {
		if s == nil {
			return "–"
		}
		return fmt.Sprintf("%g s", *s)
	}
	verdict := "ok" + r.Slack.said()
	if !r.OK {
		verdict = "MISSED" + r.Slack.said() + ": " + strings.Join(r.Missed, "; ")
	}
	return []string{r.Case, r.Page, optional(r.Seconds), strings.Join(r.Others, ", "), optional(r.Resolved), verdict}
}

// writeTable writes results as Markdown, so that a document can hold what was printed.
func writeTable(w io.Writer, results []result) {
	fmt.Fprintln(w, "| fault | page | after | also | all-clear | held against the aim |\n|---|---|---|---|---|---|")
	for _, r := range results {
		fmt.Fprintf(w, "| %s |\n", strings.Join(r.row(), " | "))
	}
}
