// Package server brings the surfaces to the network: listeners, routes,
// middleware, health, metrics and the drain. It holds no business of its own,
// and only main imports it.
package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Options of a Server.
type Options struct {
	Surfaces  []*Surface // each has its listener
	Ops       net.Listener
	Ready     func(context.Context) error // nil error: the database fits
	Gatherer  prometheus.Gatherer
	Status    http.Handler // of /status and its style sheet
	Build     Build
	Drain     time.Duration
	DrainMost time.Duration // while connections still come; 0: Drain
	Log       zerolog.Logger
}

// Server serves the surfaces and the ops port until it is told to stop.
type Server struct {
	Options
	ops    *http.Server
	health *health
}

// shutdownTimeout bounds the wait for requests that are still in work after
// the drain. Their work ends before; who still reads its answer so slowly is
// cut off.
const shutdownTimeout = workTimeout + 5*time.Second

// New makes a Server; nothing is served before Run.
func New(o Options) *Server {
	s := &Server{Options: o, health: newHealth(o.Surfaces, o.Ready)}
	s.ops = &http.Server{
		Handler:           opsHandler(s.health, o.Gatherer, o.Build, o.Status),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
	}
	return s
}

// Run serves until ctx ends, then drains and stops. It returns nil after an
// orderly stop, and an error if a listener fails.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, len(s.Surfaces)+1)
	go func() { failed <- s.ops.Serve(s.Ops) }()
	s.Log.Info().Stringer("addr", s.Ops.Addr()).Msg("ops port listens")
	for _, surface := range s.Surfaces {
		go func() { failed <- surface.server.Serve(surface.listener) }()
		s.Log.Info().Str("surface", surface.name).Stringer("addr", surface.Addr()).Msg("surface listens")
	}
	select {
	case err := <-failed:
		return errors.Join(err, s.stop(context.WithoutCancel(ctx)))
	case <-ctx.Done():
	}
	s.drain()
	return s.stop(context.WithoutCancel(ctx))
}

// drain serves on for a while, closing each connection after its answer:
// clients that keep connections alive would otherwise meet a closed one just
// as they send. /livez stays 200 all the while, since Swarm kills what is
// unhealthy.
//
// It goes on until no connection has come for that long, up to DrainMost. The other nodes' mesh
// hears by gossip that this replica leaves, and a message may be lost: then they send here until
// it is gone, and whoever comes after the listener is closed is refused. A client that uses a port
// again within IPVS's time is sent here as well.
func (s *Server) drain() {
	s.health.draining.Store(true)
	for _, surface := range s.Surfaces {
		surface.draining.Store(true)
	}
	s.Log.Info().Dur("for_ms", s.Drain).Msg("draining") // now that it is so
	most := time.Now().Add(s.DrainMost)
	<-time.After(s.Drain)
	for {
		quiet := s.Drain - time.Since(s.lastArrival())
		more := min(quiet, time.Until(most))
		if more > 0 {
			<-time.After(more)
			continue
		}
		if quiet > 0 && s.DrainMost > s.Drain {
			s.Log.Info().Dur("most_ms", s.DrainMost).Msg("connections still come at the end of the drain")
		}
		return
	}
}

// lastArrival is when a connection last came to any surface.
func (s *Server) lastArrival() time.Time {
	var last int64
	for _, surface := range s.Surfaces {
		last = max(last, surface.arrived.Load())
	}
	return time.Unix(0, last)
}

// stop closes all surfaces at once: a slow reader of one takes no time from the other.
func (s *Server) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	failed := make([]error, len(s.Surfaces))
	var closing sync.WaitGroup
	for i, surface := range s.Surfaces {
		closing.Go(func() { failed[i] = s.shutdown(ctx, surface) })
	}
	closing.Wait()
	// Last, so that health and metrics can be asked until the end; nobody
	// waits for a profile.
	failed = append(failed, s.ops.Close())
	s.Log.Info().Msg("stopped")
	return errors.Join(failed...)
}

func (s *Server) shutdown(ctx context.Context, surface *Surface) error {
	err := surface.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.Log.Warn().Str("surface", surface.name).Msg("slow clients cut off")
		err = surface.server.Close()
	}
	return err
}
