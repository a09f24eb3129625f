package simulate

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// paint colours a text, or leaves it alone where colours are not wanted.
type paint bool

// code puts a text into an ANSI escape. Pad it before: the escape has no width on a terminal,
// but a format would count its characters.
func (p paint) code(code, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p paint) good(s string) string  { return p.code("32", s) }
func (p paint) bad(s string) string   { return p.code("1;31", s) }
func (p paint) faint(s string) string { return p.code("2", s) }

// count writes a number in a cell: what should be zero stands out if it is not.
func (p paint) count(n, width int) string {
	if n == 0 {
		return p.faint(fmt.Sprintf("%*s", width, "·"))
	}
	return p.bad(fmt.Sprintf("%*d", width, n))
}

// WriteTable writes the report for people, at most 100 columns wide. The error
// is what Run returned.
func (r Report) WriteTable(w io.Writer, colours bool, err error) error {
	p := paint(colours)
	var b strings.Builder
	fmt.Fprintf(&b, "%-15s %6s %6s %6s %5s %5s %5s %5s %5s %7s %7s %7s %7s\n",
		"request", "sent", "ok", "conseq", "tmout", "refus", "reset", "stat", "body", "p50 ms", "p95 ms", "p99 ms", "max ms")
	for _, row := range r.Rows {
		p.row(&b, row)
	}
	p.row(&b, r.totals())
	for _, line := range r.lines(p) {
		fmt.Fprintf(&b, "%-10s %s\n", line[0], line[1])
	}
	if err == nil {
		fmt.Fprintf(&b, "%-10s %s\n", "result", p.good("ok: "+Aim))
	} else {
		fmt.Fprintf(&b, "%-10s %s\n", "result", p.bad("not ok, aim: "+Aim))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// row has the kinds as columns, in their order: a new one needs a head in WriteTable.
func (p paint) row(b *strings.Builder, r Row) {
	fmt.Fprintf(b, "%-15s %6d %6d %s", r.Name, r.Sent, r.Kinds[OK], p.count(r.Kinds[Consequence], 6))
	for k := Timeout; k < kinds; k++ {
		fmt.Fprintf(b, " %s", p.count(r.Kinds[k], 5))
	}
	l := r.Latency
	fmt.Fprintf(b, " %7.1f %7.1f %7.1f %7.1f\n", l.P50, l.P95, l.P99, l.Max)
}

// totals is the sum of the rows. Latency is that of all requests: percentiles cannot be added.
func (r Report) totals() Row {
	all := Row{Name: "all", Sent: r.Sent, Latency: r.Latency}
	for _, row := range r.Rows {
		for k, n := range row.Kinds {
			all.Kinds[k] += n
		}
	}
	return all
}

// lines are what the table has no columns for.
func (r Report) lines(p paint) [][2]string {
	ms := time.Millisecond
	lines := [][2]string{
		{"time", fmt.Sprintf("%v, %.1f requests/s, %d retries", r.Duration.Round(ms), r.Rate(), r.Retried)},
		{"outage", fmt.Sprintf("every request failed for at most %v; at most %v between two successes",
			r.LongestOutage.Round(ms), r.LongestGap.Round(ms))},
	}
	if len(r.Statuses) > 0 {
		lines = append(lines, [2]string{"status", p.bad(listCounts(r.Statuses))})
	}
	return append(lines, r.Verification.lines(p)...)
}

// lines says nothing of what was lost unless all could be read back: half a comparison would
// look like a good one.
func (v Verification) lines(p paint) [][2]string {
	switch {
	case v.Problem != "":
		return [][2]string{{"verified", p.bad("no: " + v.Problem)}}
	case !v.Done:
		return [][2]string{{"verified", "no"}}
	}
	l := v.Lost
	latest := fmt.Sprintf("%d, right", v.Latest)
	if v.LatestWrong {
		latest = p.bad(fmt.Sprintf("%d, wrong", v.Latest))
	}
	lines := [][2]string{
		{"verified", fmt.Sprintf("%d names, %d messages, %d follows found", v.Users, v.Messages, v.Follows)},
		{"lost", fmt.Sprintf("%s registrations, %s messages, %s follows, %s unfollows",
			p.count(l.Registrations, 1), p.count(l.Messages, 1), p.count(l.Follows, 1), p.count(l.Unfollows, 1))},
		{"twice", fmt.Sprintf("%s beyond what was sent; %d by this client's retries", p.count(v.Twice, 1), v.TwiceByRetry)},
		{"never sent", p.count(v.NeverSent, 1)},
		{"latest", latest},
	}
	if v.NotReadable > 0 {
		lines = append(lines, [2]string{"unreadable", fmt.Sprintf(
			"%d messages are older than those that a user's list gives and cannot be verified", v.NotReadable)})
	}
	return lines
}
