package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// report writes what was found: for people, or as one object a line. The verdict is the last
// of the objects, and the first line of the screen.
func report(std stdio, asJSON bool, checks []check, verdict check) error {
	if asJSON {
		return writeJSON(std.out, append(checks, verdict)...)
	}
	return screen{std.out, colours(std)}.write(checks, verdict)
}

// screen is what people read.
type screen struct {
	io.Writer
	colours bool
}

// paint is a colour of a terminal.
type paint string

const (
	bold   paint = "\x1b[1m"
	red    paint = "\x1b[31m"
	yellow paint = "\x1b[33m"
	green  paint = "\x1b[32m"
)

var paints = map[state]paint{page: red, broken: red, notKnown: yellow, ticket: yellow, pending: yellow, fine: green}

func (s screen) paint(p paint, text string) string {
	if !s.colours || p == "" {
		return text
	}
	return string(p) + text + "\x1b[0m"
}

// height is how many lines there is room for: those of the smallest terminal.
const height = 25

// write writes the verdict, a line for each check, and what to do first. Where there are
// too many, those are left out that matter least of what is wrong.
func (s screen) write(checks []check, verdict check) error {
	i := slices.IndexFunc(checks, check.calm)
	if i < 0 {
		i = len(checks)
	}
	wrong, calm, left := checks[:i], checks[i:], 0
	// Two lines are the verdict and what to do first. However much is well, a third of the
	// screen is for what is wrong.
	if room := max(height-2-len(calm), height/3); len(wrong) > room {
		left = len(wrong) - room + 1
		wrong = wrong[:room-1]
	}
	wide := 0
	for _, c := range checks {
		wide = max(wide, len([]rune(c.Case)))
	}
	var b strings.Builder
	// Padded before it is painted: colours are bytes, too, and have no width.
	rows := func(checks []check) {
		for _, c := range checks {
			fmt.Fprintf(&b, "%s  %-*s  %s\n", s.paint(paints[c.State], fmt.Sprintf("%-9s", c.label())), wide, c.Case, c.text())
		}
	}
	fmt.Fprintf(&b, "%s  %s\n", s.paint(bold+paints[verdict.State], verdict.Found), time.Now().UTC().Format("2006-01-02 15:04:05 MST"))
	rows(wrong)
	if left > 0 {
		fmt.Fprintf(&b, "           and %d more, which --json names\n", left)
	}
	rows(calm)
	if verdict.First != "" {
		fmt.Fprintf(&b, "%s %s\n", s.paint(bold, "first:"), verdict.First)
	}
	_, err := io.WriteString(s, b.String())
	return err
}

// label is the state, loud where somebody has to do something.
func (c check) label() string {
	if c.OK {
		return string(c.State)
	}
	return strings.ToUpper(string(c.State))
}

// text is what was found, since when, and where the runbook is. A change and a deploy
// happened once; all else has been so since.
func (c check) text() string {
	text := c.Found
	switch {
	case c.Since == nil:
	case c.Case == lastChange || c.Case == lastDeploy:
		text += ", " + clock(*c.Since)
	default:
		text += ", since " + clock(*c.Since)
	}
	if c.Runbook != "" {
		text += " -> " + c.Runbook
	}
	return text
}

// dated is a time for a check, nil where nobody knows it.
func dated(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

// clock writes when something was, as logs have it, and how long ago that is: whoever was
// asleep just now does not subtract.
func clock(at time.Time) string {
	if at.IsZero() {
		return "nobody knows when"
	}
	past, layout := time.Since(at), "15:04:05"
	if past > 12*time.Hour {
		layout = "2006-01-02 15:04"
	}
	return fmt.Sprintf("%s (%s ago)", at.UTC().Format(layout), span(past))
}

// span writes a duration as people say it.
func span(d time.Duration) string {
	switch d = max(d, 0); { // another machine's clock may be ahead
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
