package status

import (
	"context"
	"time"

	"minitwit/service/postgres"
)

const (
	// every is the time between two heartbeats, and between two samples of the traffic.
	every = 5 * time.Second
	// beatTimeout bounds a heartbeat, the wait for a connection included: where requests
	// have used up the pool it gives up, and does not stand in their way.
	beatTimeout = 300 * time.Millisecond
)

// Run writes the heartbeats and takes samples until ctx ends. From the moment that
// draining is closed it says that it drains, and so does its last word.
func (p *Page) Run(ctx context.Context, draining <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	h := heart{page: p, self: p.o.Self}
	for {
		h.beat(ctx)
		select {
		case <-tick.C:
		case <-draining:
			h.self.Draining = true
			draining = nil // closed, it would be ready for ever
		case <-ctx.Done():
			h.self.Draining = true
			h.beat(ctx)
			return
		}
	}
}

// heart is what Run keeps from one beat to the next.
type heart struct {
	page    *Page
	self    postgres.Replica
	swept   bool // the rows of those long gone are removed
	failing bool
}

// beat takes a sample and writes one heartbeat. That it fails is worth one line in the
// log and nothing else: what is wrong with the database, requests and /readyz tell.
func (h *heart) beat(ctx context.Context) {
	// The last one comes after the end of ctx.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatTimeout)
	defer cancel()
	store := h.page.o.Store
	h.page.history.keep()
	h.self.Age = time.Since(h.page.started).Seconds()
	h.self.InFlight = h.page.history.inFlight()
	err := store.Beat(ctx, h.self)
	if err == nil && !h.swept {
		h.swept = store.ForgetReplicas(ctx) == nil
	}
	if err != nil && !h.failing {
		h.page.o.Log.Warn().Err(err).Msg("no heartbeat: /status of the other replicas calls this one silent")
	}
	h.failing = err != nil
}
