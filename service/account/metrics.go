package account

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"minitwit/service/minitwit"
)

// metrics are those of one Service. Main's registerer adds the label surface, so that UI and
// API stay apart. Waiting counts logins and Strengthen alike.
type metrics struct {
	registrations prometheus.Counter
	logins        *prometheus.CounterVec
	waiting       prometheus.Gauge
	hashing       prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, digests func(context.Context) (int64, error)) metrics {
	m := metrics{
		registrations: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "minitwit_registrations_total", Help: "Users registered by this process.",
		}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minitwit_logins_total", Help: "Attempts to sign in, by result.",
		}, []string{"result"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "minitwit_password_hash_queue", Help: "Password hashings that wait for a core.",
		}),
		hashing: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "minitwit_password_hash_seconds", Help: "Duration of password hashings, without their wait.",
			// In seconds: a bcrypt of cost 10 takes about 0.09.
			Buckets: []float64{.01, .05, .1, .2, .5, 1, 2},
		}),
	}
	// Asked of the database at each scrape. The index of waiting digests and the limit of 1,000
	// keep that cheap.
	reg.MustRegister(m.registrations, m.logins, m.waiting, m.hashing, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "minitwit_password_digests_waiting", Help: "Users whose password still awaits its bcrypt, on all replicas, up to 1,000.",
	}, func() float64 {
		// A scrape brings no context; the store's own time limit ends the question.
		n, err := digests(context.Background())
		if err != nil {
			return math.NaN() // the database is away: there is no figure
		}
		return float64(n)
	}))
	return m
}

// timeHashing starts a watch; the function that it gives stops it.
func (m metrics) timeHashing() (stop func()) {
	start := time.Now()
	return func() { m.hashing.Observe(time.Since(start).Seconds()) }
}

// loginResult names how a login ended, for the metric's label and as the reason of the event
// login_failed. The set is fixed, as a label's must be. "error" is no refusal but a failure
// of ours or of the database, which the access log reports.
func loginResult(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, minitwit.ErrInvalidUsername):
		return "unknown_user"
	case errors.Is(err, minitwit.ErrInvalidPassword):
		return "wrong_password"
	case minitwit.CodeOf(err) == minitwit.CodeTooMany:
		return "throttled"
	}
	return "error"
}
