package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestScheduleKeepsTheOrderThatMatters plays random plans with many workers
// and checks, for each two steps of which the later depends on the earlier,
// that they did not overlap. That the bubble ends shows there is no deadlock.
func TestScheduleKeepsTheOrderThatMatters(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		steps := randomSteps(seed, 120)
		workers := 1 + int(seed%17)
		synctest.Test(t, func(t *testing.T) {
			began, ended := playSteps(steps, workers)
			for later := range steps {
				for earlier := range later {
					if depends(steps[later], steps[earlier]) && ended[earlier] > began[later] {
						t.Fatalf("seed %d, %d workers: step %d %v began before step %d %v had ended",
							seed, workers, later, steps[later].action, earlier, steps[earlier].action)
					}
				}
			}
		})
	}
}

// depends is the rule, spelled out once more without any index.
func depends(later, earlier step) bool {
	a, b := later.action, earlier.action
	return a.User == b.User ||
		b.Command == Register && a.Target == b.User ||
		a.Command == Register && b.Target == a.User
}

// randomSteps has so few names that almost everything is entangled.
func randomSteps(seed uint64, n int) []step {
	r := newRandom(seed)
	steps := make([]step, n)
	for i := range steps {
		a := Action{ID: int64(i), User: fmt.Sprint("u", r.below(6))}
		a.Command = pick(r, []Command{Register, Tweet, Follow, Unfollow})
		if a.Command == Follow || a.Command == Unfollow {
			a.Target = fmt.Sprint("u", r.below(6))
		}
		steps[i] = step{op: opOf(a.Command), action: a}
	}
	return steps
}

// playSteps gives when, on a common clock, each step began and ended.
func playSteps(steps []step, workers int) (began, ended []int) {
	began, ended = make([]int, len(steps)), make([]int, len(steps))
	s := newSchedule(steps)
	var mu sync.Mutex
	clock := 0
	tick := func(at *int) {
		mu.Lock()
		defer mu.Unlock()
		clock++
		*at = clock
	}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i, ok := s.take(); ok; i, ok = s.take() {
				tick(&began[i])
				_ = sleep(context.Background(), time.Duration(rand.Int64N(100))) // on the bubble's clock
				tick(&ended[i])
				s.done(i)
			}
		})
	}
	all.Wait()
	return began, ended
}

func TestOneWorkerKeepsTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	steps := randomSteps(5, 500)
	s := newSchedule(steps)
	var got []int
	for i, ok := s.take(); ok; i, ok = s.take() {
		got = append(got, i)
		s.done(i)
	}
	if len(got) != len(steps) || !slices.IsSorted(got) {
		t.Errorf("order = %v, want all %d in turn", got, len(steps))
	}
}

func TestUnrelatedStepsDoNotWait(t *testing.T) {
	t.Parallel()
	s := newSchedule([]step{
		{op: opRegister, action: Action{User: "a"}},
		{op: opTweet, action: Action{User: "a"}},
		{op: opRegister, action: Action{User: "b"}},
		{op: opFollow, action: Action{User: "c", Target: "b"}},
		{op: opTweet, action: Action{User: "d"}},
	})
	var ready []int
	for len(s.ready) > 0 {
		i, _ := s.take()
		ready = append(ready, i)
	}
	if diff := cmp.Diff([]int{0, 2, 4}, ready); diff != "" {
		t.Errorf("ready at once (-want +got):\n%s", diff)
	}
}

func TestStopEndsTheWait(t *testing.T) {
	t.Parallel()
	s := newSchedule(randomSteps(1, 2))
	for len(s.ready) > 0 {
		_, _ = s.take() // and never done, so that whatever is left waits
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for _, ok := s.take(); ok; _, ok = s.take() {
				t.Log("took one more")
			}
		})
	}
	s.stop()
	all.Wait()
}
