package status

import (
	"slices"
	"time"

	"minitwit/service/postgres"
)

// State is a traffic light in words.
type State string

// The states, from good to bad. Unknown is worse than a warning: it may hide anything.
const (
	OK       State = "OK"
	Warning  State = "WARNING"
	Unknown  State = "UNKNOWN"
	Critical State = "CRITICAL"
)

func worst(states ...State) State {
	order := []State{OK, Warning, Unknown, Critical}
	return slices.MaxFunc(states, func(a, b State) int { return slices.Index(order, a) - slices.Index(order, b) })
}

// Snapshot is the whole page. Its JSON is for scripts: names stay, new ones may come.
type Snapshot struct {
	At        time.Time `json:"at"`
	State     State     `json:"state"` // the worst of the sections
	Self      Self      `json:"self"`
	Release   Release   `json:"release"`
	Replicas  Replicas  `json:"replicas"`
	Database  Database  `json:"database"`
	Simulator Simulator `json:"simulator"`
	Traffic   Traffic   `json:"traffic"`
	Links     []Link    `json:"links,omitempty"`
}

// Self is the replica that answers.
type Self struct {
	Service string `json:"service"`
	Slot    string `json:"slot"`
	Node    string `json:"node"`
	Host    string `json:"host"`
}

// Section is what each part of the page begins with.
type Section struct {
	State State    `json:"state"`
	Notes []string `json:"notes,omitempty"` // why it is not OK, or what is to be known
}

// say adds a note, which makes the section as bad as that at least.
func (s *Section) say(state State, note string) {
	s.State = worst(s.State, state)
	s.Notes = append(s.Notes, note)
}

// Release tells which release this replica is, and whether the schema fits.
type Release struct {
	Section
	Build
	Schema *postgres.Schema `json:"schema,omitempty"` // nil: the database does not say
}

// Replicas are all that were seen within the last hour.
type Replicas struct {
	Section
	List     []Replica      `json:"list"`
	NotShown int            `json:"not_shown"` // more that are gone
	Versions map[string]int `json:"versions"`  // how many of those seen lately run each
}

// Replica is one of them, and how it is.
type Replica struct {
	postgres.Replica
	Life string `json:"life"` // OK, draining, silent, or stopped: silent after a drain
	Self bool   `json:"self"` // the one that answers
}

// Database is the database as this replica sees it.
type Database struct {
	Section
	*Facts        // nil: it does not answer
	Pools  []Load `json:"pools"`
}

// Facts are what the database says of itself, and how fast.
type Facts struct {
	PingMS float64 `json:"ping_ms"` // one round trip, the wait for a connection included
	postgres.Facts
}

// Load is how much of a pool is in use. Waits are those of the traffic's window.
type Load struct {
	Name        string  `json:"name"`
	Max         int     `json:"max"`
	Open        int     `json:"open"`
	InUse       int     `json:"in_use"`
	Waits       int64   `json:"waits"`
	WaitSeconds float64 `json:"wait_seconds"`
}

// Simulator tells how far the simulator is, as the database has it, and how this
// replica's API refused it within the traffic's window.
type Simulator struct {
	Section
	*postgres.Activity           // nil: the database does not say
	Errors             []Refusal `json:"errors"`
	HasAPI             bool      `json:"has_api"` // else there are no errors to tell of here
}

// Refusal is one kind of error answer.
type Refusal struct {
	Method string `json:"method"`
	Route  string `json:"route"`
	Code   string `json:"code"`
	Count  int    `json:"count"`
}

// Traffic are the requests of this replica within the last minutes.
type Traffic struct {
	Section
	WindowSeconds float64 `json:"window_seconds"`
	Surfaces      []Rate  `json:"surfaces"`
}

// Rate is rate, errors and duration of one surface.
type Rate struct {
	Name         string   `json:"name"`
	InFlight     int      `json:"in_flight"`
	PerSecond    float64  `json:"per_second"`
	ErrorPercent float64  `json:"error_percent"` // answered 5xx
	Latency      *Latency `json:"latency,omitempty"`
}

// Latency are percentiles; nil where there was no request.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
}
