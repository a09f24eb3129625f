package status

import (
	"cmp"
	"fmt"
	"slices"

	"minitwit/service/postgres"
)

const (
	// silentAfter so many seconds without a heartbeat: three of them.
	silentAfter = 15.
	// mostGone of those that are silent or have stopped are shown, so that a crash loop
	// does not push the living off the screen.
	mostGone = 6
)

// What a replica's heartbeats say of it.
const (
	alive    = "OK"
	draining = "draining"
	silent   = "silent"
	stopped  = "stopped" // silent after a drain: it went in order
)

// lifeOf goes by the database's clock and by the last word: who drained before falling silent
// has stopped in order.
func lifeOf(r postgres.Replica) string {
	switch gone := r.Silent > silentAfter; {
	case gone && r.Draining:
		return stopped
	case gone:
		return silent
	case r.Draining:
		return draining
	}
	return alive
}

// replicaTable lists those that are there and the last of those that are gone. Self is the ID
// of the replica that answers.
func replicaTable(self string, found answer[[]postgres.Replica]) Replicas {
	t := Replicas{Section: Section{State: OK}, List: []Replica{}, Versions: map[string]int{}}
	if found.err != nil {
		t.say(Unknown, "the database does not say: "+reason(found.err))
		return t
	}
	for _, r := range found.value { // those seen last come first
		row := Replica{Replica: r, Life: lifeOf(r), Self: r.ID == self}
		if row.there() {
			t.Versions[r.Version]++
		}
		t.List = append(t.List, row)
	}
	slices.SortStableFunc(t.List, byPlace)
	t.judge()
	t.shorten()
	return t
}

// shorten leaves out what went first, once all of it was judged.
func (t *Replicas) shorten() {
	there := slices.IndexFunc(t.List, func(r Replica) bool { return !r.there() })
	if most := there + mostGone; there >= 0 && len(t.List) > most {
		t.NotShown = len(t.List) - most
		t.List = t.List[:most]
	}
}

// there: it was seen lately.
func (r Replica) there() bool { return r.Life == alive || r.Life == draining }

// byPlace sorts those that are there by service and slot, the older one first, and the
// others after them as they went.
func byPlace(a, b Replica) int {
	switch {
	case a.there() != b.there():
		if a.there() {
			return -1
		}
		return 1
	case !a.there():
		return 0
	}
	// Slots are numbers, written out: the shorter one is the smaller.
	return cmp.Or(cmp.Compare(a.Service, b.Service), len(a.Slot)-len(b.Slot), cmp.Compare(a.Slot, b.Slot), cmp.Compare(b.Age, a.Age))
}

func (t *Replicas) judge() {
	if len(t.Versions) > 1 {
		t.say(Warning, fmt.Sprintf("%d versions run: an update is under way, or has stopped half-way", len(t.Versions)))
	}
	said := map[string]bool{} // a place that crashes again and again is one
	for _, r := range t.List {
		if place := r.Service + " " + cmp.Or(r.Slot, r.Host); r.Life == silent && !t.replaced(r) && !said[place] {
			said[place] = true
			t.say(Warning, place+" is silent: it died, hangs, or does not reach the database")
		}
	}
}

// replaced says whether another replica is there in the place of one that is gone.
func (t *Replicas) replaced(gone Replica) bool {
	return slices.ContainsFunc(t.List, func(r Replica) bool {
		return r.there() && r.Service == gone.Service && r.Slot == gone.Slot
	})
}
