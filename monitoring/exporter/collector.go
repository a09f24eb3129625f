package main

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/monitoring/exporter/manager"
)

// patience is how long a manager may take: less than a scrape interval. Prometheus gives a
// scrape 4 s, and a manager that hangs has to be swarm_up 0 by then: without an answer
// nobody could tell whether it or the exporter is what hangs.
const patience = 3 * time.Second

// collector asks a manager when it is scraped. Two Prometheus scrape it: whoever
// comes while another waits, or shortly after, gets the same answer.
type collector struct {
	manager  *manager.Manager
	log      zerolog.Logger
	patience time.Duration
	fresh    time.Duration // how long an answer is good for

	// Held while the manager is asked, so that a second scrape waits for the first one's answer.
	mu      sync.Mutex
	asked   time.Time // when the last answer came
	last    []prometheus.Metric
	failing bool
	counts  counts
}

// newCollector makes one whose answers are good for a second: enough for two Prometheus at
// once, and too short for either to get the same one twice, 5 s later.
func newCollector(m *manager.Manager, log zerolog.Logger) *collector {
	return &collector{manager: m, log: log, patience: patience, fresh: time.Second}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.metrics() {
		ch <- m
	}
}

// metrics gives what is known. Where the manager does not answer that is nothing,
// rather than what was true some time ago.
func (c *collector) metrics() []prometheus.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.asked) < c.fresh {
		return c.last
	}
	// A collector is not told when its scrape ends: patience alone limits this.
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	all, err := c.manager.Ask(ctx)
	c.report(err)
	var s samples
	if err != nil {
		// counts stays as it is, and the next list tells what happened meanwhile.
		s.add(up, 0)
	} else {
		s.add(up, 1)
		s.services(all, c.manager.Stack(), &c.counts)
		s.nodes(all.Nodes)
	}
	// From the answer on, not the question: a scrape that waited for a slow manager must not
	// ask it once more.
	c.last, c.asked = s, time.Now()
	return c.last
}

// report logs a failure once, not at each scrape, and its end.
func (c *collector) report(err error) {
	switch {
	case err != nil && !c.failing:
		c.log.Warn().Err(err).Msg("the manager does not answer")
	case err == nil && c.failing:
		c.log.Info().Msg("the manager answers again")
	}
	c.failing = err != nil
}
