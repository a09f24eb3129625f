package status_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"minitwit/service/postgres"
	"minitwit/service/status"
	"minitwit/service/wait"
)

// deadline is how long a test waits for what should take seconds.
const deadline = 20 * time.Second

// options of a replica of the API, in that slot.
func options(store *postgres.Store, slot, version string) status.Options {
	return status.Options{
		Self:  postgres.Replica{Service: "api", Slot: slot, Node: "n" + slot, Host: "host" + slot, Version: version},
		Build: status.Build{Version: version, Commit: "abc", Built: "unknown", Go: "go1"},
		Store: store,
		Pools: []status.Pool{{Name: "api", DB: store.DB()}},
	}
}

func newPage(t *testing.T, o status.Options) *status.Page {
	t.Helper()
	page, err := status.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// replica is a page with its heartbeat.
type replica struct {
	*status.Page
	drain func()
	stop  func() // returns when the heartbeat has ended
}

func run(t *testing.T, o status.Options) replica {
	t.Helper()
	r := replica{Page: newPage(t, o)}
	ctx, cancel := context.WithCancel(t.Context())
	draining, ended := make(chan struct{}), make(chan struct{})
	go func() {
		r.Run(ctx, draining)
		close(ended)
	}()
	r.drain = func() { close(draining) }
	r.stop = func() { cancel(); <-ended }
	t.Cleanup(r.stop)
	return r
}

func get(t *testing.T, p *status.Page, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s = %d %s", path, w.Code, w.Body)
	}
	return w
}

// look reads the page as a script does.
func look(t *testing.T, p *status.Page) (s status.Snapshot) {
	t.Helper()
	if err := json.Unmarshal(get(t, p, "/status?format=json").Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// settles looks until there is no fault to find. At first there may be one: a busy machine makes
// the database slow, and the page says so. It asks the database anew each second.
func settles(t *testing.T, fault func() error) {
	t.Helper()
	var last error
	fits := func() bool {
		last = fault()
		return last == nil
	}
	if err := wait.Until(t.Context(), deadline, "the page as it has to be", fits); err != nil {
		t.Errorf("%v: %v", err, last)
	}
}

// lives gives what the page says of each replica, by slot.
func lives(t *testing.T, p *status.Page) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, r := range look(t, p).Replicas.List {
		found[r.Slot] = r.Life
	}
	return found
}

// age makes the last heartbeat of a slot older than it is.
func age(t *testing.T, s *postgres.Store, slot string, seconds int) {
	t.Helper()
	const q = `UPDATE replica_heartbeat SET seen_at = seen_at - make_interval(secs => $2) WHERE slot = $1`
	if _, err := s.DB().ExecContext(t.Context(), q, slot, seconds); err != nil {
		t.Fatal(err)
	}
}

// requests gives metrics such as a surface has, and what answers a request in them.
func requests() (status.Surface, func(route, code string, seconds float64)) {
	reg := prometheus.NewRegistry()
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "minitwit_http_requests_total"}, []string{"route", "method", "code"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "minitwit_http_request_duration_seconds", Buckets: []float64{.1, .3, 1},
	}, []string{"route", "method"})
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{Name: "minitwit_http_requests_in_flight"})
	reg.MustRegister(total, duration, inFlight)
	inFlight.Set(3)
	return status.Surface{Name: "api", Requests: reg}, func(route, code string, seconds float64) {
		total.WithLabelValues(route, "POST", code).Inc()
		duration.WithLabelValues(route, "POST").Observe(seconds)
	}
}
