package simulate

import (
	"container/heap"
	"sync"
)

// schedule hands out the steps of a plan to several workers so that every
// answer is still determined by the file's order:
//
//   - the steps of one acting user follow one another, reads included;
//   - a step that names a target waits for the registration of that name that
//     comes before it in the file, and a registration waits for the earlier
//     steps that name its user as target.
//
// Everything else may overtake. There can be no deadlock: a step waits only
// for earlier ones, so the earliest unfinished step waits for nothing; it is
// either in some worker's hands or the top of the ready heap, and a worker
// that asks for work waits only while that heap is empty.
type schedule struct {
	mu      sync.Mutex
	changed *sync.Cond
	ready   intHeap // steps that wait for nothing, earliest first
	waits   []int   // how many steps each one still waits for
	next    [][]int // the steps that wait for each one
	left    int     // steps that are not done
	stopped bool
}

func newSchedule(steps []step) *schedule {
	s := &schedule{waits: make([]int, len(steps)), next: make([][]int, len(steps)), left: len(steps)}
	s.changed = sync.NewCond(&s.mu)
	l := linker{s: s, chain: map[string]int{}, registration: map[string]int{}, mentions: map[string][]int{}}
	for i, st := range steps {
		l.link(i, st)
		if s.waits[i] == 0 {
			s.ready = append(s.ready, i) // ascending, so it is a heap
		}
	}
	return s
}

// linker finds what each step waits for, in one pass over the plan.
type linker struct {
	s            *schedule
	chain        map[string]int   // a user's last step so far
	registration map[string]int   // a name's last registration so far
	mentions     map[string][]int // steps with the name as target, since then
}

func (l *linker) link(i int, st step) {
	user := st.action.User
	if before, ok := l.chain[user]; ok {
		l.wait(i, before)
	}
	l.chain[user] = i
	switch st.op {
	case opRegister:
		for _, m := range l.mentions[user] {
			l.wait(i, m)
		}
		delete(l.mentions, user)
		l.registration[user] = i
	case opFollow, opUnfollow:
		target := st.action.Target
		if r, ok := l.registration[target]; ok {
			l.wait(i, r)
		}
		l.mentions[target] = append(l.mentions[target], i)
	}
}

func (l *linker) wait(i, before int) {
	l.s.waits[i]++
	l.s.next[before] = append(l.s.next[before], i)
}

// take gives the earliest step that may be done now, and waits for one if
// need be. It says no when there will be none any more.
func (s *schedule) take() (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) == 0 && s.left > 0 && !s.stopped {
		s.changed.Wait()
	}
	if len(s.ready) == 0 || s.stopped {
		return 0, false
	}
	return heap.Pop(&s.ready).(int), true //nolint:forcetypeassert // the heap holds ints only
}

// done says that a step which take gave has been answered, for good or ill.
func (s *schedule) done(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left--
	for _, n := range s.next[i] {
		s.waits[n]--
		if s.waits[n] == 0 {
			heap.Push(&s.ready, n)
			s.changed.Signal()
		}
	}
	if s.left == 0 {
		s.changed.Broadcast()
	}
}

// stop makes take say no from now on.
func (s *schedule) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.changed.Broadcast()
}

// intHeap is a heap.Interface with the smallest number first.
type intHeap []int

func (h intHeap) Len() int           { return len(h) }
func (h intHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h intHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *intHeap) Push(x any)        { *h = append(*h, x.(int)) } //nolint:forcetypeassert // ints only
func (h *intHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
