package deadman

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// PagerDuty's words for an incident's begin and end.
const (
	trigger = "trigger"
	resolve = "resolve"
)

// Page is what somebody is told. Pages of one key belong to one incident. One may
// arrive twice: when only its acknowledgement was lost.
type Page struct {
	Event string    `json:"event"` // trigger or resolve
	Key   string    `json:"key"`
	Place string    `json:"place"`
	Title string    `json:"title"`
	Text  string    `json:"text"`
	Time  time.Time `json:"time"`
}

// Pager is one way to page.
type Pager struct {
	name string // for the log: its URL may be a secret
	url  string
	body func(Page) any
}

// Webhook posts each Page as JSON.
func Webhook(url string) Pager {
	return Pager{name: "webhook", url: url, body: func(p Page) any { return p }}
}

// PagerDuty speaks its Events API v2. The severity is always critical: tickets do not come
// this way.
func PagerDuty(url, routingKey string) Pager {
	return Pager{name: "pagerduty", url: url, body: func(p Page) any {
		return map[string]any{
			"routing_key": routingKey, "event_action": p.Event, "dedup_key": p.Key,
			"payload": map[string]any{
				"summary": p.Title, "source": p.Place, "severity": "critical", "timestamp": p.Time,
				"custom_details": map[string]string{"text": p.Text},
			},
		}
	}}
}

// queue brings pages to one pager, in their order. Each pager has its own, so that
// one that is away does not hold up the other.
type queue struct {
	Pager
	pages   chan Page
	client  *http.Client
	result  *prometheus.CounterVec
	journal *journal
	log     zerolog.Logger

	mu    sync.Mutex
	fails time.Time // since when it has taken no page that it was given; zero if it took the last
}

const (
	// maxPages wait for one pager, and more are dropped; maxBackoff is the longest pause between
	// two attempts.
	maxPages   = 256
	maxBackoff = 30 * time.Second
	// maxFailing is how long a pager may fail before Alertmanager is told.
	maxFailing = 5 * time.Minute
)

var (
	errFull    = errors.New("too many pages wait")
	errStopped = errors.New("stopped before it was delivered")
)

func (s *Switch) newQueue(p Pager) *queue {
	return &queue{
		Pager: p, pages: make(chan Page, maxPages), result: s.metrics.pages, journal: s.journal,
		client: &http.Client{
			Transport: s.Transport, Timeout: 10 * time.Second,
			CheckRedirect: withThePage,
		},
		log: s.Log.With().Str("pager", p.name).Logger(),
	}
}

// withThePage follows a redirect that takes the page along (307, 308). After any other the request is
// a GET without it, whose 200 would be no delivery.
func withThePage(req *http.Request, via []*http.Request) error {
	if req.Method == http.MethodPost && len(via) < 10 {
		return nil
	}
	return http.ErrUseLastResponse
}

// send puts a page into all queues and reports whether one had room.
func (s *Switch) send(p Page) (taken bool) {
	s.journal.add(p, s.queues)
	for _, q := range s.queues {
		select {
		case q.pages <- p:
			taken = true
		default:
			q.tell(zerolog.ErrorLevel, "dropped", p, 0, errFull)
		}
	}
	return taken
}

// run delivers until ctx ends; then it gives each page that waits one attempt, until
// one fails.
func (q *queue) run(ctx context.Context) {
	for {
		select {
		case p := <-q.pages:
			q.deliver(ctx, p)
		case <-ctx.Done():
			for len(q.pages) > 0 && q.deliver(ctx, <-q.pages) {
			}
			return
		}
	}
}

// deliver tries until the page is taken or can never be: a page that is lost is
// the worst, but one that no attempt can bring holds up those behind it. It gives
// up only once ctx has ended, and reports false.
func (q *queue) deliver(ctx context.Context, p Page) bool {
	for wait := time.Second; ; wait = min(2*wait, maxBackoff) {
		status, err := q.post(context.WithoutCancel(ctx), p)
		switch {
		case err == nil && status < 300:
			q.tell(zerolog.InfoLevel, "delivered", p, status, nil)
			return true
		case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity:
			q.tell(zerolog.ErrorLevel, "refused", p, status, nil)
			return true
		}
		q.tell(zerolog.WarnLevel, "failed", p, status, err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			q.tell(zerolog.ErrorLevel, "dropped", p, 0, errStopped)
			return false
		}
	}
}

func (q *queue) post(ctx context.Context, p Page) (status int, err error) {
	body, err := json.Marshal(q.body(p))
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.url, bytes.NewReader(body))
	if err != nil {
		// Not err: it quotes the URL, which may be a secret.
		return 0, errors.New("the pager's URL is wrong")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := q.client.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		return 0, u.Err // without the address, which may be a secret
	}
	return resp.StatusCode, resp.Body.Close()
}

// failing names a pager that has failed for too long, or nothing.
func (s *Switch) failing() string {
	for _, q := range s.queues {
		if since := q.failsSince(); !since.IsZero() && time.Since(since) > maxFailing {
			return fmt.Sprintf("%s has taken no page since %s", q.name, since.UTC().Format(timeFormat))
		}
	}
	return ""
}

func (q *queue) failsSince() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fails
}

// mark remembers since when the pager fails. A refused page counts, too: nobody heard of it,
// and PagerDuty refuses whatever comes with a key that it does not know.
func (q *queue) mark(result string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case result == "delivered":
		q.fails = time.Time{}
	case q.fails.IsZero():
		q.fails = time.Now()
	}
}

// tell counts what became of a page, or of an attempt, logs it and writes it down.
func (q *queue) tell(level zerolog.Level, result string, p Page, status int, err error) {
	q.mark(result)
	q.result.WithLabelValues(result).Inc()
	q.journal.note(p, q.name, result, status, err)
	q.log.WithLevel(level).Str("event", p.Event).Str("key", p.Key).Str("title", p.Title).
		Int("status", status).Int("waiting", len(q.pages)).Err(err).Msg("page " + result)
}
