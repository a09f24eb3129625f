package server

import (
	"context"
	"database/sql"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
)

// Build says which release this is.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Built   string `json:"built"`
	Go      string `json:"go"`
}

// NewRegistry makes a registry that reports on the process and its build.
func NewRegistry(b Build) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "minitwit_build_info", Help: "1; the labels say which release this is.",
		ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "goversion": b.Go},
	})
	info.Set(1)
	reg.MustRegister(info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// ForSurface gives a registerer that labels everything with the surface.
func ForSurface(reg prometheus.Registerer, surface string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"surface": surface}, reg)
}

// RegisterPool reports on a surface's pool of database connections.
func RegisterPool(reg prometheus.Registerer, db *sql.DB, name string) {
	reg.MustRegister(collectors.NewDBStatsCollector(db, name))
}

// RegisterDatabase reports at each scrape whether the database answers through a
// surface's pool: what its users feel, a pool that is used up included.
func RegisterDatabase(reg prometheus.Registerer, ping func(context.Context) error) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "minitwit_database_up", Help: "1 if the database answers this replica through the pool that its requests use.",
	}, func() float64 {
		if ping(context.Background()) != nil {
			return 0
		}
		return 1
	}))
}

// RegisterConnections reports how many database connections are planned and, once
// the func that it gives has been told, how many are allowed: no sample says more
// than a zero while nobody knows.
func RegisterConnections(reg prometheus.Registerer, planned int) func(allowed int) {
	set := func(name, help string, value int) {
		gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		gauge.Set(float64(value))
		reg.MustRegister(gauge)
	}
	set("minitwit_database_connections_planned", "Connections that all replicas together may open: DATABASE_CONNECTIONS.", planned)
	return func(allowed int) {
		set("minitwit_database_connections_allowed", "Connections that the database allowed our role when this process started.", allowed)
	}
}

// RegisterLogLines gives a hook that counts what a logger writes: whoever collects the
// lines can be held against it. They are in the file of the container, so that it is by
// its id, which is the container's host name, that the two figures are compared.
func RegisterLogLines(reg prometheus.Registerer, service, slot, container string) zerolog.Hook {
	lines := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "minitwit_log_lines_total", Help: "Lines written to the log.",
		ConstLabels: prometheus.Labels{"service": service, "slot": slot, "container": container},
	})
	reg.MustRegister(lines)
	return zerolog.HookFunc(func(*zerolog.Event, zerolog.Level, string) { lines.Inc() })
}

// red are the metrics of a surface's requests: rate, errors, duration. They are also
// in a registry of their own, which can be read without what asks the database.
type red struct {
	own      *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	panics   prometheus.Counter
}

func newRED(reg prometheus.Registerer) red {
	m := red{
		own: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minitwit_http_requests_total", Help: "Requests answered, by route pattern, method and status.",
		}, []string{"route", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "minitwit_http_request_duration_seconds", Help: "Time to answer, by route pattern and method.",
			// 0.3 s is the simulator's patience.
			Buckets: []float64{.002, .005, .01, .02, .05, .1, .2, .3, .5, 1, 2.5, 5},
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "minitwit_http_requests_in_flight", Help: "Requests in work.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "minitwit_panics_recovered_total", Help: "Requests that ended in a panic and were answered 500.",
		}),
	}
	for _, r := range []prometheus.Registerer{reg, m.own} {
		r.MustRegister(m.requests, m.duration, m.inFlight, m.panics)
	}
	return m
}

// probeAgent is how blackbox names itself (monitoring/blackbox/blackbox.yml). It asks as often as
// many people do, and what they feel is to be seen: it has a route of its own. Whoever else takes
// the name hides nothing but their own requests, from the alerts and not from /metrics.
const probeAgent = "minitwit-probe"

// middleware counts, but not what asks for the path alive: health checks do, many times a second
// where an edge stands in front, and would hide that a few users get errors.
func (m red) middleware(alive string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc { return m.counted(alive, next) }
}

func (m red) counted(alive string, next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		m.inFlight.Inc()
		defer m.inFlight.Dec()
		start := time.Now()
		err := next(c)
		if err != nil {
			// Writes the answer, so that its status is known here and, further out,
			// to the access log.
			c.Error(err)
		}
		if c.Request().URL.Path == alive {
			return err
		}
		route, method := routeLabel(c.Path()), methodLabel(c.Request().Method)
		if c.Request().UserAgent() == probeAgent {
			route = "probe"
		}
		m.requests.WithLabelValues(route, method, strconv.Itoa(c.Response().Status)).Inc()
		m.duration.WithLabelValues(route, method).Observe(time.Since(start).Seconds())
		return err
	}
}

// routeLabel gives the pattern of the route, never the address that was asked
// for: whoever asks would decide how many series there are.
func routeLabel(pattern string) string {
	if pattern == "" {
		return "none"
	}
	return pattern
}

// methodLabel gives one of the methods that we know, since clients may invent
// others.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// latestCollector reports the simulator's progress as the database has it, so
// that every replica tells the same.
type latestCollector struct {
	read       func(context.Context) (int64, float64, error)
	value, age *prometheus.Desc
}

// RegisterLatest reports the value and the age of latest, in seconds, at each scrape.
func RegisterLatest(reg prometheus.Registerer, read func(context.Context) (value int64, age float64, err error)) {
	reg.MustRegister(&latestCollector{
		read:  read,
		value: prometheus.NewDesc("minitwit_latest", "Number of the simulator's last action, -1 before the first.", nil, nil),
		age:   prometheus.NewDesc("minitwit_latest_age_seconds", "Time since the simulator's last action.", nil, nil),
	})
}

// Describe implements prometheus.Collector.
func (l *latestCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- l.value
	ch <- l.age
}

// Collect implements prometheus.Collector. While the database is away there
// are no samples rather than old ones.
func (l *latestCollector) Collect(ch chan<- prometheus.Metric) {
	value, age, err := l.read(context.Background())
	if err != nil {
		return
	}
	ch <- prometheus.MustNewConstMetric(l.value, prometheus.GaugeValue, float64(value))
	// An update that began after the question may be in its answer.
	ch <- prometheus.MustNewConstMetric(l.age, prometheus.GaugeValue, max(0, age))
}
