// Package status is the page of the ops port for people on call, and for their scripts:
// how the replicas, the database, the simulator and this replica's requests are. For
// that each replica writes a heartbeat into the database. The package looks and reports;
// it decides nothing, and what machines watch is at /metrics.
package status

import (
	"context"
	"crypto/rand"
	"fmt"
	"html/template"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"minitwit/service/postgres"
)

const (
	patience = time.Second // for what the database has to say
	fresh    = time.Second // how long that is shown to others who ask
)

// Options are what a Page tells of, and where it looks.
type Options struct {
	Self     postgres.Replica // what does not change of it; New gives it an ID
	Build    Build
	Store    *postgres.Store // an existing pool: DATABASE_CONNECTIONS has none to spare for this
	Surfaces []Surface
	Pools    []Pool
	Links    []Link
	Log      zerolog.Logger
}

// Build says which release this is.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Built   string `json:"built"`
	Go      string `json:"go"`
}

// Link leads to what else is there to look at.
type Link struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Page is /status of one replica, and its heartbeat.
type Page struct {
	o       Options
	started time.Time
	history *history
	html    *template.Template

	mu     sync.Mutex
	looked time.Time // when last was made
	last   Snapshot
}

// New makes a Page. Its figures of traffic begin now.
func New(o Options) (*Page, error) {
	html, err := parseTemplate()
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	o.Self.ID = rand.Text()
	return &Page{o: o, started: time.Now(), history: newHistory(o.Surfaces, o.Pools), html: html}, nil
}

// snapshot gives how things are, or were within the last second: several who watch
// cost the database what one does.
func (p *Page) snapshot(ctx context.Context) Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.looked) > fresh {
		// Not the asker's context: others may get this answer, too.
		p.last = p.look(context.WithoutCancel(ctx))
		p.looked = time.Now()
	}
	return p.last
}

func (p *Page) look(ctx context.Context) Snapshot {
	then, now := p.history.span() // first: our own questions use connections, too
	a := p.ask(ctx)
	s := Snapshot{
		At:        now.at.UTC(),
		Self:      Self{p.o.Self.Service, p.o.Self.Slot, p.o.Self.Node, p.o.Self.Host},
		Release:   release(p.o.Build, a.schema),
		Replicas:  replicaTable(p.o.Self.ID, a.replicas),
		Database:  database(p.o.Pools, then, now, a.facts),
		Simulator: simulator(p.o.Surfaces, then, now, a.activity),
		Traffic:   traffic(p.o.Surfaces, then, now),
		Links:     p.o.Links,
	}
	s.State = worst(s.Release.State, s.Replicas.State, s.Database.State, s.Simulator.State, s.Traffic.State)
	return s
}

// answer is what came of a question.
type answer[T any] struct {
	value T
	err   error
}

func answered[T any](value T, err error) answer[T] { return answer[T]{value, err} }

// answers are all that the database says.
type answers struct {
	schema   answer[postgres.Schema]
	replicas answer[[]postgres.Replica]
	facts    answer[Facts]
	activity answer[postgres.Activity]
}

// ask asks two questions at a time: the pool is that of the requests, and the page must not
// take it whole. Those that a locked table holds up come second, where they hide no other.
// The store recovers from its panics.
func (p *Page) ask(ctx context.Context) (a answers) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var asking sync.WaitGroup
	asking.Go(func() {
		a.schema = answered(p.o.Store.Schema(ctx))
		a.replicas = answered(p.o.Store.Replicas(ctx))
	})
	asking.Go(func() {
		a.facts = answered(p.facts(ctx))
		a.activity = answered(p.o.Store.Activity(ctx))
	})
	asking.Wait()
	return a
}

func (p *Page) facts(ctx context.Context) (Facts, error) {
	start := time.Now()
	if err := p.o.Store.Ping(ctx); err != nil {
		return Facts{}, err
	}
	ping := time.Since(start)
	facts, err := p.o.Store.Facts(ctx)
	return Facts{PingMS: millis(ping), Facts: facts}, err
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
