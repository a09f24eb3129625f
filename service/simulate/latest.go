package simulate

import "sync"

// latest knows which values GET /latest may give once a run is over: the id of
// a request after whose end no other request that was answered began. With one
// worker that is the last one answered, or a later one without an answer.
type latest struct {
	mu      sync.Mutex
	clock   int64           // counts starts and ends; real clocks may give two the same time
	ends    map[int64]int64 // when the last request with an id ended
	settled int64           // the latest start of a request that was answered
	heard   bool            // there was one
}

func newLatest() *latest { return &latest{ends: map[int64]int64{}} }

func (l *latest) begin() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	return l.clock
}

// end notes a request that began then and may have arrived; heard, if it was
// answered so that "latest" must have been set.
func (l *latest) end(id, began int64, v verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	if v.kind == Refused {
		return
	}
	l.ends[id] = l.clock
	if v.heard {
		l.heard = true
		l.settled = max(l.settled, began)
	}
}

// allows tells whether the value may be the latest. If nothing was answered
// anything may: it was there before.
func (l *latest) allows(id int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	end, ok := l.ends[id]
	return !l.heard || ok && end > l.settled
}
