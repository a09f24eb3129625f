// Package deadman is the dead man's switch of a place's monitoring. It stands
// outside the Swarm and expects a heartbeat: the alert Watchdog, which always
// fires, sent by Alertmanager every ten seconds. When that stops it pages by
// itself, since nobody else can any more.
//
// It is also a second way for Alertmanager's pages, and the only one that says
// all-clear. Alertmanager sends RESOLVED too when Prometheus died in the middle of
// an outage: nobody repeats the alert, so it ends. The heartbeat ends with it, some
// seconds before or after. An all-clear is therefore held until the heartbeat has
// outlived it.
//
// It is no monitoring system: it has no rules and looks at nothing by itself. Its
// state is in memory only: after a restart it allows one timeout for a heartbeat,
// and has forgotten the all-clears that it held and the pages that waited; their
// incidents stay open until somebody closes them.
package deadman

import (
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Options of a Switch.
type Options struct {
	Place   string        // whose heartbeat counts
	Token   string        // what senders have to know; "" for nothing
	Timeout time.Duration // without a heartbeat for so long, monitoring is dead
	// Confirm is how long after a RESOLVED the heartbeat still has to beat. All alerts
	// of a dead Prometheus end within its resend delay and one beat: 20 s here. It is
	// longer than two beats: a pause of more than half of it is a beat that was missed.
	Confirm time.Duration
	// Settle is how long an alert has to fire again after monitoring came back.
	Settle     time.Duration
	Pagers     []Pager
	Transport  http.RoundTripper // nil is http.DefaultTransport
	Registerer prometheus.Registerer
	Log        zerolog.Logger
}

// Switch is a dead man's switch. Nothing is paged before Run.
type Switch struct {
	Options
	metrics metrics
	queues  []*queue
	journal *journal

	mu      sync.Mutex
	last    time.Time // the last heartbeat, or the start
	dead    bool
	due     time.Time            // when death is paged, or paged again
	senders map[sender]time.Time // when each last sent a heartbeat
	held    map[string]*allClear // by the incident's key
	settled time.Time            // no all-clear is believed before
}

// allClear is a RESOLVED that nobody was told of yet. The first heartbeat from a
// certain time on confirms it, if monitoring has settled by then.
type allClear struct {
	page Page
	from time.Time
}

const (
	// repeat is how often death is paged: not every receiver escalates.
	repeat     = time.Hour
	maxHeld    = 1000
	maxSenders = 50
)

// New makes a Switch.
func New(o Options) *Switch {
	now := time.Now()
	s := &Switch{
		Options: o, metrics: newMetrics(o.Registerer), journal: &journal{}, last: now, due: now.Add(o.Timeout),
		senders: make(map[sender]time.Time), held: make(map[string]*allClear),
	}
	for _, p := range o.Pagers {
		s.queues = append(s.queues, s.newQueue(p))
	}
	return s
}

// beat takes a heartbeat. After a pause all-clears get their time to be proved wrong;
// otherwise it may confirm them.
func (s *Switch) beat(from sender) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.dead {
		s.send(s.own(resolve, "RESOLVED", "monitoring is back after %s", now))
	}
	// Alertmanager forgets what nobody repeats within 20 s, long before the timeout is over.
	if s.dead || now.Sub(s.last) > s.Confirm/2 {
		s.settled = now.Add(s.Settle)
	}
	s.last, s.due = now, now.Add(s.Timeout)
	s.setDead(false)
	s.metrics.last.Set(float64(now.UnixMilli()) / 1000)
	maps.DeleteFunc(s.senders, func(_ sender, at time.Time) bool { return now.Sub(at) > time.Hour })
	if _, known := s.senders[from]; known || len(s.senders) < maxSenders {
		s.senders[from] = now
	}
	for key, h := range s.held {
		if !now.Before(h.from) && !now.Before(s.settled) && s.send(h.page) {
			delete(s.held, key)
		}
	}
}

// check pages when the heartbeat has stopped, and says of all that is held that it
// is no all-clear.
func (s *Switch) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Before(s.due) || !s.send(s.own(trigger, "PAGE", "monitoring is dead, no heartbeat for %s", now)) {
		return
	}
	s.due = now.Add(repeat)
	if !s.dead {
		s.setDead(true)
		for _, h := range s.held {
			s.deny(h.page)
		}
	}
}

// notice takes a notice: what fires is forwarded at once, what has ended is held.
// It reports whether there was room.
func (s *Switch) notice(p Page) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Event == trigger {
		delete(s.held, p.Key)
		return s.send(p)
	}
	if _, known := s.held[p.Key]; !known && len(s.held) >= maxHeld {
		return false
	}
	s.held[p.Key] = &allClear{page: p, from: p.Time.Add(s.Confirm)}
	if s.dead {
		s.deny(p)
	}
	return true
}

// deny says of a RESOLVED that it is none.
func (s *Switch) deny(p Page) {
	p.Event, p.Time = trigger, time.Now()
	p.Title = cut("[NOT an all-clear: monitoring is dead] " + p.Title)
	p.Text = fmt.Sprintf("NOT an all-clear: monitoring is dead, no heartbeat since %s. Alertmanager said RESOLVED, "+
		"as it also does when Prometheus is gone.\n\n%s", s.last.UTC().Format(timeFormat), p.Text)
	s.send(p)
}

// own is a page about monitoring itself.
func (s *Switch) own(event, head, what string, now time.Time) Page {
	what = fmt.Sprintf(what, now.Sub(s.last).Round(time.Second))
	return Page{
		Event: event, Key: "deadman/" + s.Place, Place: s.Place, Time: now,
		Title: cut(fmt.Sprintf("[%s] %s: %s", head, s.Place, what)),
		Text: fmt.Sprintf("%s.\nThe last heartbeat (or the switch's start) was at %s. While it is silent nothing else may "+
			"page, and a RESOLVED is no all-clear.", what, s.last.UTC().Format(timeFormat)),
	}
}

func (s *Switch) setDead(dead bool) {
	s.dead = dead
	s.metrics.alive.Set(map[bool]float64{false: 1}[dead])
}
