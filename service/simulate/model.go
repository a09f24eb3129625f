package simulate

import (
	"net/http"
	"sync"
)

// model knows what the server has been told and what it acknowledged. From
// that follows what it must answer, and what must be stored.
//
// The schedule sees to it that all steps which decide whether a name exists
// are done, or not begun, when a step that depends on it is under way.
type model struct {
	mu    sync.Mutex
	names map[string]*name
}

// name is all that was done by, or as, one user.
type name struct {
	exists   bool // a registration was acknowledged
	maybe    bool // one was sent and not acknowledged
	tried    bool // one was tried
	messages []sent
	follows  map[string]*relation
}

// sent is one tweet with all its attempts.
type sent struct {
	text  string
	acked int // attempts that were acknowledged
	maybe int // attempts that may have been stored
}

// relation is what is known of one user's following another.
type relation struct {
	acked    bool // the state after the last acknowledged change
	wasSent  bool // a follow was sent that may have arrived
	maybeOn  bool // an unacknowledged follow
	maybeOff bool // an unacknowledged unfollow
}

// may tells whether the relation may be in the state. A request without an
// answer may still take effect after later ones that were answered: it is
// under way in the server for as long as that likes. So it allows its state
// for good, instead of until the next acknowledged change.
func (r *relation) may(on bool) bool {
	return r.acked == on || on && r.maybeOn || !on && r.maybeOff
}

func newModel() *model { return &model{names: map[string]*name{}} }

// name finds or makes a name's record; mu is held.
func (m *model) name(s string) *name {
	n := m.names[s]
	if n == nil {
		n = &name{follows: map[string]*relation{}}
		m.names[s] = n
	}
	return n
}

// know takes all who act, or are acted upon, for registered.
func (m *model) know(steps []step) {
	for _, s := range steps {
		m.name(s.action.User).exists = true
		if s.action.Target != "" {
			m.name(s.action.Target).exists = true
		}
	}
}

// expectation is which answers are right.
type expectation struct {
	done        bool // the success of its kind
	missing     bool // 404
	taken       bool // 400: the name exists already
	consequence bool // a 404 follows from a registration that was not acknowledged
}

func (e expectation) success(o op, status int) bool {
	if o.reads() {
		return e.done && status == http.StatusOK
	}
	return e.done && status == http.StatusNoContent
}

// expect says what the step may be answered now.
func (m *model) expect(s step) expectation {
	m.mu.Lock()
	defer m.mu.Unlock()
	user := m.name(s.action.User)
	switch s.op {
	case opLatest, opTimeline:
		return expectation{done: true}
	case opRegister:
		return expectation{done: !user.exists, taken: user.exists || user.maybe}
	case opFollow, opUnfollow:
		return expectUsers(user, m.name(s.action.Target))
	default:
		return expectUsers(user)
	}
}

// expectUsers is for requests that succeed if all these users exist.
func expectUsers(users ...*name) expectation {
	e := expectation{done: true}
	for _, u := range users {
		if u.exists {
			continue
		}
		e.missing = true
		e.done = e.done && u.maybe
		e.consequence = e.consequence || u.tried
	}
	return e
}

// note remembers what became of an attempt. Further attempts of one step
// belong to the first: they are not meant to be stored once more.
func (m *model) note(s step, first bool, v verdict, status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	user := m.name(s.action.User)
	if v.fate == surelyDone && s.op != opRegister {
		// Even if the registration was not acknowledged: it must have arrived.
		user.exists = true
	}
	switch s.op {
	case opRegister:
		user.tried = true
		// That the name is taken proves that an attempt without an answer arrived.
		user.exists = user.exists || v.fate == surelyDone || v.heard && v.fate == notDone && status == http.StatusBadRequest
		user.maybe = user.maybe || v.fate == maybeDone
	case opTweet:
		user.tweeted(s.action.Text, first, v.fate)
	case opFollow, opUnfollow:
		user.related(s.action.Target, s.op == opFollow, v.fate)
		target := m.name(s.action.Target)
		target.exists = target.exists || v.fate == surelyDone
	}
}

func (n *name) tweeted(text string, first bool, f fate) {
	if first {
		n.messages = append(n.messages, sent{text: text})
	}
	last := &n.messages[len(n.messages)-1]
	switch f {
	case surelyDone:
		last.acked++
	case maybeDone:
		last.maybe++
	}
}

func (n *name) related(target string, on bool, f fate) {
	r := n.follows[target]
	if r == nil {
		r = &relation{}
		n.follows[target] = r
	}
	if f == notDone {
		return
	}
	r.wasSent = r.wasSent || on
	switch {
	case f == surelyDone:
		r.acked = on
	case on:
		r.maybeOn = true
	default:
		r.maybeOff = true
	}
}
