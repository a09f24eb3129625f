package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// entry is one line of log. Its time is zero where nobody knows it, its request "" where it
// is of none; fields are nil unless it is JSON; raw is the line as it was written.
type entry struct {
	time    time.Time
	service string // and the slot, as api.2, where it is known
	level   string // trace, debug, info, warn, error, fatal, panic or unknown
	message string
	request string
	fields  map[string]any // the others
	raw     string
}

// shownElsewhere are fields of a line that have a column of their own, or that are of
// no interest in a list.
var shownElsewhere = []string{"time", "level", "message", "service", "slot", "version"}

// parse reads a line of our programs: JSON or, on a laptop, what people read. A time that is
// given is the store's and counts rather than the line's own, which has seconds only.
func parse(line, service string, at time.Time) entry {
	e := entry{time: at, service: service, level: "unknown", message: line, raw: line}
	if json.Unmarshal([]byte(line), &e.fields) == nil && e.fields != nil {
		e.structured()
	} else {
		e.plain()
	}
	return e
}

// structured takes from the fields what has a column.
func (e *entry) structured() {
	text := func(name string) string { s, _ := e.fields[name].(string); return s }
	e.message, e.request = text("message"), text("request_id")
	if level := text("level"); level != "" {
		e.level = level
	}
	// Outside of a Swarm there is no slot.
	if name := text("service"); name != "" {
		e.service = strings.TrimSuffix(name+"."+text("slot"), ".")
	}
	if at, err := time.Parse(time.RFC3339, text("time")); err == nil && e.time.IsZero() {
		e.time = at
	}
	for _, name := range shownElsewhere {
		delete(e.fields, name)
	}
}

// written is how our programs write for people, and stored how PostgreSQL writes, by the
// log_line_prefix of scripts/lib/db.sh. asked finds the request of a line for people. dying
// are the last words of a Go program, as monitoring/syslog-ng knows them, too.
var (
	written = regexp.MustCompile(`^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (TRC|DBG|INF|WRN|ERR|FTL|PNC) (.*)`)
	stored  = regexp.MustCompile(`^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \w+) \[\d+\][^:]*?\b([A-Z]+\d?):  `)
	asked   = regexp.MustCompile(`\brequest_id=(\S+)`)
	dying   = regexp.MustCompile(`^(panic|fatal error): `)
)

// levels are zerolog's words for people, then PostgreSQL's, as JSON calls them. Another word,
// such as NOTICE, leaves the level unknown.
var levels = map[string]string{
	"TRC": "trace", "DBG": "debug", "INF": "info", "WRN": "warn", "ERR": "error", "FTL": "fatal", "PNC": "panic",
	"LOG": "info", "WARNING": "warn", "ERROR": "error", "FATAL": "fatal", "PANIC": "panic",
}

// plain reads a line that is not JSON as far as it is known.
func (e *entry) plain() {
	if m := written.FindStringSubmatch(e.raw); m != nil {
		// For people it is the local time, and does not say so.
		e.setTime(time.ParseInLocation(time.DateTime, m[1], time.Local))
		e.level, e.message = levels[m[2]], m[3]
		if id := asked.FindStringSubmatch(m[3]); id != nil {
			e.request = id[1]
		}
	} else if m := stored.FindStringSubmatch(e.raw); m != nil {
		e.setTime(time.Parse("2006-01-02 15:04:05.000 MST", m[1]))
		e.message = strings.TrimSpace(e.raw[len(m[1]):])
		if level := levels[m[2]]; level != "" {
			e.level = level
		}
	} else if dying.MatchString(e.raw) {
		e.level = "fatal"
	}
}

// setTime does not replace the store's time.
func (e *entry) setTime(at time.Time, err error) {
	if err == nil && e.time.IsZero() {
		e.time = at
	}
}

// severe are the levels that --errors asks for.
var severe = []string{"error", "fatal", "panic"}

// printer writes lines for people, or as they are.
type printer struct {
	out *bufio.Writer
	raw bool
}

// print writes and flushes: an error of any line is kept by the buffer until then.
func (p printer) print(found []entry) error {
	for _, e := range found {
		if p.raw {
			fmt.Fprintln(p.out, e.raw)
			continue
		}
		fmt.Fprintf(p.out, "%s  %-16s  %-7s  %s%s\n", e.time.UTC().Format("2006-01-02 15:04:05.000Z"),
			e.service, e.level, harmless(e.message), e.rest())
		if stack, ok := e.fields["stack"].(string); ok {
			for line := range strings.Lines(stack) {
				fmt.Fprintln(p.out, "   ", harmless(strings.TrimRight(line, "\n")))
			}
		}
	}
	return p.out.Flush()
}

// rest gives the fields as name=value, but for the stack, which has lines of its own.
func (e entry) rest() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(e.fields)) {
		if name != "stack" {
			b.WriteString("  " + harmless(name) + "=" + value(e.fields[name]))
		}
	}
	return b.String()
}

// value quotes what is empty or holds a space or a quote, so that one field can be told from
// the next.
func value(v any) string {
	if s, ok := v.(string); ok {
		if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '"' }) {
			return harmless(s)
		}
		return strconv.Quote(s)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return strconv.Quote(err.Error())
	}
	return harmless(string(text))
}

// harmless keeps what a client has put into the log from telling a terminal what to do.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\t' {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
