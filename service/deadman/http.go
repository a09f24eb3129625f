package deadman

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxBody is far above what Alertmanager sends for all alerts at once.
const maxBody = 1 << 20

// metrics are what the switch tells of itself. That it is away they cannot tell: Alertmanager
// does, which then cannot deliver (the alert NotificationsFailing).
type metrics struct {
	last, alive prometheus.Gauge
	pages       *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	factory := promauto.With(reg)
	m := metrics{
		last: factory.NewGauge(prometheus.GaugeOpts{
			Name: "minitwit_deadman_last_heartbeat_timestamp_seconds", Help: "When the last heartbeat came; 0 before the first.",
		}),
		alive: factory.NewGauge(prometheus.GaugeOpts{
			Name: "minitwit_deadman_alive", Help: "1 unless the heartbeat has stopped.",
		}),
		pages: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "minitwit_deadman_pages_total",
			Help: "Pages delivered, refused (wrong for the pager) and dropped (too many waited), and attempts that failed and are repeated.",
		}, []string{"result"}),
	}
	// Alive until a timeout has passed without a first heartbeat.
	m.alive.Set(1)
	// From 0 on: of a counter that appears with 1, Prometheus sees no increase.
	for _, result := range []string{"delivered", "refused", "dropped", "failed"} {
		m.pages.WithLabelValues(result)
	}
	return m
}

// Run serves and pages until ctx ends, then gives the pages that wait a last attempt each, until
// one fails. It gives an error only if it cannot serve.
func (s *Switch) Run(ctx context.Context, l net.Listener, g prometheus.Gatherer) error {
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	// Deferred calls run backwards: cancel comes before the wait, however Serve ended.
	defer working.Wait()
	defer cancel()
	working.Go(func() { s.work(ctx) })
	server := &http.Server{Handler: s.Handler(g), ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// work looks at the heartbeat once a second, and delivers pages.
func (s *Switch) work(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	for _, q := range s.queues {
		working.Go(func() { q.run(ctx) })
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.check()
		}
	}
}

// Handler gives the switch's addresses. Only the two that senders post to ask for the token:
// keep the others inside.
func (s *Switch) Handler(g prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /heartbeat", s.receive(func(m message) (int, string) {
		from, ok := m.heartbeat()
		if !ok {
			return http.StatusBadRequest, ""
		}
		s.beat(from)
		// The beat counts all the same. That we cannot page, Alertmanager has to tell: its alert
		// NotificationsFailing comes of this.
		if why := s.failing(); why != "" {
			return http.StatusServiceUnavailable, why
		}
		return http.StatusOK, ""
	}))
	mux.HandleFunc("POST /notify", s.receive(func(m message) (int, string) {
		if !s.notice(m.page()) {
			return http.StatusServiceUnavailable, "" // Alertmanager tries again
		}
		return http.StatusOK, ""
	}))
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("GET /livez", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
	return mux
}

// receive answers with the status that take gives to a message and why, or with what was wrong
// with the message itself. What is not answered with OK is logged with its sender: it may be an
// Alertmanager with a wrong token or place.
func (s *Switch) receive(take func(message) (status int, why string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var why string
		m, status := s.read(w, r)
		if status == http.StatusOK {
			status, why = take(m)
		}
		if status != http.StatusOK {
			why = cmp.Or(why, http.StatusText(status))
			s.Log.Warn().Str("path", r.URL.Path).Str("from", r.RemoteAddr).Int("status", status).Str("why", why).Msg("message not answered with OK")
			http.Error(w, why, status) // Alertmanager logs it
		}
	}
}

// read gives the message of a sender who knows the token and speaks for our place:
// the lab's heartbeat must not keep production alive.
func (s *Switch) read(w http.ResponseWriter, r *http.Request) (m message, status int) {
	// Digests, so that the time to compare does not tell a length.
	given := sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
	want := sha256.Sum256([]byte(s.Token))
	if s.Token != "" && subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		return m, http.StatusUnauthorized
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&m)
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		return m, http.StatusRequestEntityTooLarge
	case err != nil || m.Version != "4" || m.GroupKey == "" || len(m.Alerts) == 0:
		return m, http.StatusBadRequest
	// Alertmanager groups by place, so all alerts of a message share that label.
	case m.CommonLabels["place"] != s.Place:
		return m, http.StatusForbidden
	}
	return m, http.StatusOK
}

// status tells what the switch knows.
func (s *Switch) status(w http.ResponseWriter, _ *http.Request) {
	type heartbeat struct {
		sender
		Last time.Time `json:"last"`
	}
	// mu, then (in list) the journal's lock: the same order as where pages are sent.
	s.mu.Lock()
	answer := struct {
		Place      string      `json:"place"`
		Alive      bool        `json:"alive"`
		Last       time.Time   `json:"last"` // or the start
		Heartbeats []heartbeat `json:"heartbeats"`
		Held       []Page      `json:"held"`
		Pages      []delivery  `json:"pages"` // the last ones, the newest at the end
	}{s.Place, !s.dead, s.last, []heartbeat{}, []Page{}, s.journal.list()}
	for from, at := range s.senders {
		answer.Heartbeats = append(answer.Heartbeats, heartbeat{from, at})
	}
	for _, h := range s.held {
		answer.Held = append(answer.Held, h.page)
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
