package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"minitwit/service/faults"
)

// Bounds of the health checks. aliveTimeout is for one surface, and less than the 3 s for
// which the healthcheck waits: it then hears which surface is silent.
const (
	aliveTimeout = 2 * time.Second
	readyFor     = time.Second // how long an answer of the database is believed
)

// health answers two different questions. Alive: does this process serve?
// Swarm kills what says no, so the database must have no part in it. Ready:
// would a request succeed?
type health struct {
	surfaces []*Surface
	check    func(context.Context) error
	draining atomic.Bool
	client   *http.Client

	mu      sync.Mutex
	checked time.Time
	last    error
}

func newHealth(surfaces []*Surface, check func(context.Context) error) *health {
	return &health{
		surfaces: surfaces,
		check:    check,
		client: &http.Client{
			Timeout: aliveTimeout,
			// A new connection each time: that the listener accepts is half
			// of what is asked.
			Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil},
		},
	}
}

// alive asks each surface, through its listener, for something that needs no
// database. Any answer will do: one that is overloaded is alive.
func (h *health) alive(ctx context.Context) error {
	// Not asked any more: a surface closes its listener before its last requests have ended, and
	// Swarm would kill them.
	if h.draining.Load() {
		return nil
	}
	for _, s := range h.surfaces {
		if err := h.ask(ctx, s); err != nil {
			return fmt.Errorf("the %s surface does not answer: %w", s.name, err)
		}
	}
	return nil
}

func (h *health) ask(ctx context.Context, s *Surface) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+loopback(s.Addr())+s.alive, nil)
	if err != nil {
		return err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// loopback gives an address to reach our own listener by.
func loopback(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && (ip == nil || ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr.String()
}

// ready gives the reason why requests would fail now, or nil. However many ask, the database
// is asked once a second at most.
func (h *health) ready(ctx context.Context) error {
	if h.draining.Load() {
		return errors.New("draining")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.checked) > readyFor {
		// Not the asker's context: one that hangs up must not decide the answer
		// for those who ask within the next second.
		h.last = h.check(context.WithoutCancel(ctx))
		h.checked = time.Now()
	}
	return h.last
}

// opsHandler is the ops port, whole. It is never published: it shows what
// strangers should not see.
func opsHandler(h *health, metrics prometheus.Gatherer, build Build, status http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /livez", probe(faults.Alive(h.alive)))
	mux.Handle("GET /readyz", probe(h.ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.Handle("GET /status", status)
	mux.Handle("GET /status.css", status)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(build)
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// probe answers 200, or 503 with the reason as text: the ops port is never published.
func probe(check func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := check(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
}
