package status

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"

	"minitwit/service/minitwit"
	"minitwit/service/postgres"
)

// When a section is not OK. Alerts have limits of their own, over longer times.
const (
	slowPing        = 100. // ms
	longTransaction = 60.  // s
	farBehind       = 30.  // s
	stagnant        = 120. // s, as of SimulatorSilent
	someErrors      = 1.   // percent
	manyErrors      = 5.   // percent, as of ErrorRatioHigh
)

// tooSlow is, in ms, when the simulator gives up, and when people notice.
var tooSlow = map[string]float64{"api": 300, "web": 1000}

// mostRefusals are shown, the most frequent ones.
const mostRefusals = 8

// reason is what an error means to who looks after the service: its cause, not what
// users are told.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if e, ok := errors.AsType[*minitwit.Error](err); ok && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// release is judged by the schema. A newer one is good: migrations only expand, so that the
// release before runs on it.
func release(b Build, schema answer[postgres.Schema]) Release {
	r := Release{Section: Section{State: OK}, Build: b}
	if schema.err != nil {
		r.say(Unknown, "the schema's version is not known: "+reason(schema.err))
		return r
	}
	r.Schema = &schema.value
	switch wanted, found := schema.value.Wanted, schema.value.Found; {
	case found < wanted:
		r.say(Critical, "the schema is behind: run migrate up")
	case found > wanted:
		r.say(OK, "the schema is a newer release's, which this one may use")
	}
	return r
}

// database begins with this process's pools, which are known also while the database does not
// answer, and may be the reason why.
func database(pools []Pool, then, now sample, facts answer[Facts]) Database {
	d := Database{Section: Section{State: OK}}
	for i, pool := range pools {
		stats, before := now.pools[i], then.pools[i]
		d.Pools = append(d.Pools, Load{
			Name: pool.Name, Max: stats.MaxOpenConnections, Open: stats.OpenConnections, InUse: stats.InUse,
			Waits: stats.WaitCount - before.WaitCount, WaitSeconds: (stats.WaitDuration - before.WaitDuration).Seconds(),
		})
		// The one connection for latest is meant to be in use.
		if stats.InUse >= stats.MaxOpenConnections && stats.MaxOpenConnections > 1 {
			d.say(Warning, "the pool "+pool.Name+" is used up")
		}
	}
	if facts.err != nil {
		d.say(Critical, "it does not answer: "+reason(facts.err))
		return d
	}
	d.Facts = &facts.value
	d.judge(facts.value)
	return d
}

func (d *Database) judge(f Facts) {
	if f.Standby {
		d.say(Critical, "a standby, which refuses to write")
	}
	if f.PingMS > slowPing {
		d.say(Warning, "it is slow to answer")
	}
	if f.LongestTransaction > longTransaction {
		d.say(Warning, "a transaction is open for long")
	}
	if f.ReplicationLag != nil && *f.ReplicationLag > farBehind {
		d.say(Warning, "replication is behind")
	}
}

// simulator puts together what all replicas did, as the database has it, and what this one
// refused. Without the API there is nothing to refuse here.
func simulator(surfaces []Surface, then, now sample, activity answer[postgres.Activity]) Simulator {
	s := Simulator{Section: Section{State: OK}, Errors: []Refusal{}}
	for i, surface := range surfaces {
		if surface.Name == "api" {
			s.HasAPI, s.Errors = true, refusals(now.surfaces[i].since(then.surfaces[i]))
		}
	}
	if activity.err != nil {
		s.say(Unknown, "the database does not say: "+reason(activity.err))
		return s
	}
	s.Activity = &activity.value
	switch {
	case s.Latest < 0:
		s.say(OK, "it has not begun")
	case s.Unchanged > stagnant:
		s.say(Warning, "it is silent, or what it sends is refused")
	}
	return s
}

// refusals lists the kinds of error answers, the most frequent ones first.
func refusals(c counts) []Refusal {
	found := []Refusal{}
	for k, n := range c.answers {
		// Texts of three digits compare as their numbers do.
		if k.code >= "400" {
			found = append(found, Refusal{k.method, k.route, k.code, int(n)})
		}
	}
	slices.SortFunc(found, func(a, b Refusal) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Code, b.Code), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Method, b.Method))
	})
	return found[:min(len(found), mostRefusals)]
}

// traffic is that of this replica alone. What fails is what is answered 5xx: a client's
// mistake is none of ours.
func traffic(surfaces []Surface, then, now sample) Traffic {
	// Right after the start both samples are of one moment.
	seconds := max(1, now.at.Sub(then.at).Seconds())
	t := Traffic{Section: Section{State: OK}, WindowSeconds: seconds, Surfaces: []Rate{}}
	for i, surface := range surfaces {
		c := now.surfaces[i].since(then.surfaces[i])
		r := Rate{Name: surface.Name, InFlight: int(c.inFlight), PerSecond: c.total / seconds}
		if c.total > 0 {
			r.ErrorPercent = 100 * c.answered("5") / c.total
			r.Latency = &Latency{P50: 1000 * c.quantile(.5), P95: 1000 * c.quantile(.95), P99: 1000 * c.quantile(.99)}
		}
		t.Surfaces = append(t.Surfaces, r)
		t.judge(r)
	}
	return t
}

func (t *Traffic) judge(r Rate) {
	if r.ErrorPercent > someErrors {
		state := Warning
		if r.ErrorPercent > manyErrors {
			state = Critical
		}
		t.say(state, percent(r.ErrorPercent)+" of the requests to "+r.Name+" fail")
	}
	if limit := tooSlow[r.Name]; r.Latency != nil && limit > 0 && r.Latency.P95 > limit {
		t.say(Warning, "more than 5 % of the answers of "+r.Name+" are slow")
	}
}

func percent(p float64) string { return strconv.FormatFloat(p, 'f', 1, 64) + " %" }
