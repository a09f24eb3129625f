package status

import (
	"cmp"
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// observed gives a registry with a histogram, and what observes in it: on the route that is
// named, or "" for two in turn.
func observed() (*prometheus.Registry, func(route string, times int, seconds float64)) {
	reg := prometheus.NewRegistry()
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "minitwit_http_request_duration_seconds", Buckets: []float64{.1, .2, .5, 1},
	}, []string{"route"})
	reg.MustRegister(h)
	return reg, func(route string, times int, seconds float64) {
		for i := range times {
			h.WithLabelValues(cmp.Or(route, []string{"/a", "/b"}[i%2])).Observe(seconds)
		}
	}
}

func TestQuantilesAreThoseOfPrometheus(t *testing.T) {
	t.Parallel()
	reg, observe := observed()
	observe("", 1000, 4) // before the window
	then := read(reg)
	observe("", 50, .05)
	observe("", 30, .15)
	observe("", 15, .4)
	observe("", 4, .9)
	observe("", 1, 3)
	c := read(reg).since(then)
	if c.total != 100 {
		t.Fatalf("%v requests within the window, want 100", c.total)
	}
	// As histogram_quantile: linear within a bucket, the last bound beyond it.
	for q, want := range map[float64]float64{.25: .05, .5: .1, .9: .4, .95: .5, .97: .75, .99: 1, .999: 1} {
		if got := c.quantile(q); math.Abs(got-want) > 1e-9 {
			t.Errorf("quantile(%v) = %v, want %v", q, got, want)
		}
	}
}

func TestTheHistoryIsBounded(t *testing.T) {
	t.Parallel()
	reg, observe := observed()
	h := newHistory([]Surface{{"api", reg}}, nil)
	observe("", 10, .05)
	for range 2 * kept {
		h.keep()
	}
	then, now := h.span()
	if len(h.samples) != kept || then.surfaces[0].total != 10 || now.surfaces[0].since(then.surfaces[0]).total != 0 {
		t.Errorf("%d samples, the oldest with %v requests; want %d and 10", len(h.samples), then.surfaces[0].total, kept)
	}
}

// What blackbox asks would be most of it, where few people come.
func TestProbesAreNoRequestsOfUsers(t *testing.T) {
	t.Parallel()
	reg, observe := observed()
	answers := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "minitwit_http_requests_total"}, []string{"method", "route", "code"})
	reg.MustRegister(answers)
	answers.WithLabelValues("GET", "/public", "500").Inc()
	answers.WithLabelValues("GET", "probe", "500").Add(40)
	observe("/public", 3, .05)
	observe("probe", 40, .05)
	if c := read(reg); c.answered("5") != 1 || c.total != 3 {
		t.Errorf("%v errors of %v timed, want 1 of 3", c.answered("5"), c.total)
	}
}
