package status

import (
	"database/sql"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// window is how far back the figures of the traffic go.
const window = 5 * time.Minute

// Surface is one surface of this process and the metrics of its requests, the very
// ones that Prometheus scrapes.
type Surface struct {
	Name     string
	Requests prometheus.Gatherer
}

// Pool is a pool of database connections.
type Pool struct {
	Name string
	DB   *sql.DB
}

// history are samples of the last minutes. All that is counted only grows, so what
// happened within the window is the difference of two samples.
type history struct {
	surfaces []Surface
	pools    []Pool

	mu      sync.Mutex
	samples []sample // oldest first, at most kept
}

// kept samples have the window between the first and the last of them.
const kept = int(window/every) + 1

type sample struct {
	at       time.Time
	surfaces []counts      // in the order of history.surfaces
	pools    []sql.DBStats // in the order of history.pools
}

func newHistory(surfaces []Surface, pools []Pool) *history {
	h := &history{surfaces: surfaces, pools: pools}
	// From here on there is always a sample to compare with.
	h.keep()
	return h
}

func (h *history) take() sample {
	s := sample{at: time.Now()}
	for _, surface := range h.surfaces {
		s.surfaces = append(s.surfaces, read(surface.Requests))
	}
	for _, pool := range h.pools {
		s.pools = append(s.pools, pool.DB.Stats())
	}
	return s
}

// keep takes a sample and forgets the one that has become too old.
func (h *history) keep() {
	s := h.take()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.samples = append(h.samples, s)
	if len(h.samples) > kept {
		h.samples = slices.Delete(h.samples, 0, 1)
	}
}

// span gives the oldest sample, and one of this moment.
func (h *history) span() (then, now sample) {
	now = h.take()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.samples[0], now
}

// inFlight counts the requests in work, as of the last sample.
func (h *history) inFlight() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, c := range h.samples[len(h.samples)-1].surfaces {
		n += int(c.inFlight)
	}
	return n
}
