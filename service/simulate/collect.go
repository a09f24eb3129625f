package simulate

import (
	"slices"
	"strconv"
	"sync"
	"time"
)

// collector gathers how the requests of a run ended. All times are counted
// from the run's start.
type collector struct {
	mu       sync.Mutex
	byOp     [ops]tally
	statuses map[string]int // wrong ones, by step and status
	sent     int
	failed   int

	lastOK        time.Duration // when the last success ended
	longestGap    time.Duration // between two successes, or start, success, end
	failing       bool
	failingSince  time.Duration // when the first request of this failing stretch began
	failingUntil  time.Duration // when its last one ended
	longestOutage time.Duration
}

// tally is one row of the report.
type tally struct {
	kinds   [kinds]int
	retries int
	millis  []float32 // of all, answered or not: leaving out timeouts would flatter
}

func newCollector() *collector { return &collector{statuses: map[string]int{}} }

// result is how one step ended, after all its attempts.
type result struct {
	op       op
	kind     Kind
	status   int
	err      error
	retries  int
	began    time.Duration // when the first attempt was sent
	due      time.Duration // when it should have been; latency counts from here
	ended    time.Duration
	openLoop bool
}

// add counts a step. In an open loop, where Rate says when to send, latency counts from when
// the step was due: else the wait for a free worker would not show.
func (c *collector) add(r result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.byOp[r.op]
	t.kinds[r.kind]++
	t.retries += r.retries
	from := r.began
	if r.openLoop {
		from = r.due
	}
	t.millis = append(t.millis, float32(r.ended-from)/float32(time.Millisecond))
	c.sent++
	if r.kind == WrongStatus {
		c.statuses[r.op.String()+" "+strconv.Itoa(r.status)]++
	}
	if r.kind != OK {
		c.failed++
		c.failure(r.began, r.ended)
		return
	}
	c.success(r.ended)
}

// failure lengthens the stretch in which all fails. With several workers the
// ends come in order, the beginnings do not.
func (c *collector) failure(began, ended time.Duration) {
	if !c.failing {
		c.failing, c.failingSince, c.failingUntil = true, began, ended
	}
	c.failingSince = min(c.failingSince, began)
	c.failingUntil = max(c.failingUntil, ended)
	c.longestOutage = max(c.longestOutage, c.failingUntil-c.failingSince)
}

func (c *collector) success(ended time.Duration) {
	c.failing = false
	c.longestGap = max(c.longestGap, ended-c.lastOK)
	c.lastOK = max(c.lastOK, ended)
}

// counts gives the figures that progress shows.
func (c *collector) counts() (sent, failed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, c.failed
}

// report makes the figures of a run that took so long.
func (c *collector) report(took time.Duration) Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	// LongestGap goes up to the end: after an outage that lasts there is no success.
	r := Report{
		Sent: c.sent, Failed: c.failed, Duration: took, Statuses: c.statuses,
		LongestOutage: c.longestOutage, LongestGap: max(c.longestGap, took-c.lastOK),
		Errors: map[string]int{},
	}
	var all []float32
	for o, t := range c.byOp {
		if len(t.millis) == 0 {
			continue
		}
		all = append(all, t.millis...)
		r.Rows = append(r.Rows, row(op(o).String(), t))
		for k := Consequence; k < kinds; k++ {
			if t.kinds[k] > 0 {
				r.Errors[k.String()] += t.kinds[k]
			}
		}
		r.Retried += t.retries
	}
	r.Latency = latencyOf(all)
	return r
}

func row(name string, t tally) Row {
	return Row{Name: name, Sent: len(t.millis), Retried: t.retries, Kinds: t.kinds, Latency: latencyOf(t.millis)}
}

// Latency holds percentiles in milliseconds.
type Latency struct{ P50, P95, P99, Max float64 }

// latencyOf computes exact percentiles (nearest rank) and sorts the samples.
func latencyOf(millis []float32) Latency {
	if len(millis) == 0 {
		return Latency{}
	}
	slices.Sort(millis)
	rank := func(percent int) float64 {
		return float64(millis[(len(millis)*percent+99)/100-1])
	}
	return Latency{P50: rank(50), P95: rank(95), P99: rank(99), Max: rank(100)}
}
