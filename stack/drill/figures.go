package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// calm ends a stretch of failures: so long without one.
const calm = 2 * time.Second

// figures are what clients saw. P50 and P99 are of all requests, of those that failed as well.
// One that was tried again counts once, with all the time that it took.
type figures struct {
	Sent      int            `json:"sent"`
	Failed    int            `json:"failed"`
	APIFailed int            `json:"api_failed"`
	WebFailed int            `json:"web_failed"`
	Stretch   seconds        `json:"longest_stretch_s"` // with failures, the successes among them included
	Last      seconds        `json:"last_failure_s"`    // when it was sent, after the fault; 0 without one
	P50       float64        `json:"p50_ms"`
	P99       float64        `json:"p99_ms"`
	Late      int            `json:"over_300ms"` // answered right, but after the simulator would have given up
	Why       map[string]int `json:"failures,omitempty"`
	Timeline  [][2]int       `json:"timeline_10s"` // sent and failed in each ten seconds since the fault
}

// seconds are written with one digit behind the point: more would only pretend.
type seconds float64

// since is below 0 if to was earlier. It cuts and does not round.
func since(from, to time.Time) seconds {
	return seconds(float64(to.Sub(from).Milliseconds()/100) / 10)
}

// simulatorPatience is how long the course's simulator waits for an answer.
const simulatorPatience = 300 * time.Millisecond

// measure makes figures of samples. Last and Timeline are reckoned from the fault.
func measure(samples []sample, fault time.Time) figures {
	f := figures{Sent: len(samples), Why: map[string]int{}}
	var failed []sample
	var millis []float64
	for _, s := range samples {
		took := s.ended.Sub(s.began)
		millis = append(millis, float64(took.Microseconds())/1000)
		if s.failure != "" {
			failed = append(failed, s)
			f.Why[s.surface+": "+s.failure]++
		} else if took > simulatorPatience {
			f.Late++
		}
	}
	f.Failed = len(failed)
	for _, s := range failed {
		if s.surface == "web" {
			f.WebFailed++
		}
		f.Last = max(f.Last, since(fault, s.began))
	}
	f.Timeline = timeline(samples, fault)
	f.APIFailed = f.Failed - f.WebFailed
	f.Stretch = longestStretch(failed)
	f.P50, f.P99 = percentile(millis, 50), percentile(millis, 99)
	return f
}

// timeline counts what was sent, and what of it failed, in each ten seconds.
func timeline(samples []sample, fault time.Time) [][2]int {
	var line [][2]int
	for _, s := range samples {
		at := int(s.began.Sub(fault) / (10 * time.Second))
		if s.began.Before(fault) {
			continue
		}
		for len(line) <= at {
			line = append(line, [2]int{})
		}
		line[at][0]++
		if s.failure != "" {
			line[at][1]++
		}
	}
	return line
}

// longestStretch gives how long failures followed one another without a calm,
// from when the first was sent to when the last was given up. It leaves failed in the order in
// which it was sent.
func longestStretch(failed []sample) seconds {
	slices.SortFunc(failed, func(a, b sample) int { return a.began.Compare(b.began) })
	var longest seconds
	var from, to time.Time
	for _, s := range failed {
		if from.IsZero() || s.began.Sub(to) > calm {
			from, to = s.began, s.ended
		}
		if s.ended.After(to) {
			to = s.ended
		}
		longest = max(longest, since(from, to))
	}
	return longest
}

// percentile gives the nearest rank, 0 of nothing. It leaves values sorted.
func percentile(values []float64, percent int) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[(len(values)*percent+99)/100-1]
}

// reasons writes the commonest first, in brackets; nothing if nothing failed.
func reasons(why map[string]int) string {
	if len(why) == 0 {
		return ""
	}
	const most = 3
	var parts []string
	for _, key := range slices.SortedFunc(maps.Keys(why), func(a, b string) int { return cmp.Or(why[b]-why[a], cmp.Compare(a, b)) }) {
		parts = append(parts, fmt.Sprintf("%d %s", why[key], key))
	}
	return " (" + strings.Join(parts[:min(most, len(parts))], ", ") + ")"
}
