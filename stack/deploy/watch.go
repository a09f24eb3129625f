package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// lookEvery lies between two looks, each of which is three requests to one manager.
const lookEvery = time.Second

// atMost is how long anything is watched, whatever goes on meanwhile: tasks that start and
// fail again and again are no progress.
const atMost = 30 * time.Minute

// watcher follows the tasks of a stack: it shows what they do, and notices where nothing
// happens any more. room and stall are ROOM_SECONDS and STALL_SECONDS of the place. It is for
// one goroutine.
type watcher struct {
	swarm       *managers
	stack       string
	say         *progress
	room, stall time.Duration

	quiet   bool
	shown   map[string]string    // what was said of a task last
	pending map[string]time.Time // since when it has had no room
	moved   time.Time            // when anything changed last
}

func newWatcher(m *managers, stack string, p place, say *progress) *watcher {
	return &watcher{
		swarm: m, stack: stack, say: say, room: p.seconds("ROOM_SECONDS"), stall: p.seconds("STALL_SECONDS"),
		shown: map[string]string{}, pending: map[string]time.Time{},
	}
}

// until looks until done says so, or an error; it ends where no task has changed for too long.
// Managers that do not answer for a while are waited for: one may just have died.
func (w *watcher) until(ctx context.Context, what string, done func(view) (bool, error)) (view, error) {
	// Each wait has the whole of its patience, however long the one before took.
	w.moved = time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, atMost, fmt.Errorf("%s: not within %v", what, atMost))
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		v, err := w.swarm.look(ctx, w.stack)
		if err == nil {
			w.show(v)
			ok, failed := done(v)
			if ok || failed != nil {
				return v, failed
			}
			if text := w.noRoom(v); text != "" {
				return v, errors.New(text)
			}
		}
		if still := time.Since(w.moved); still > w.stall {
			return v, errors.Join(fmt.Errorf("%s: no task has changed for %.0f s", what, still.Seconds()), err)
		}
		select {
		case <-ctx.Done():
			return v, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// first looks until a manager answers, and takes what is there for said.
func (w *watcher) first(ctx context.Context) (view, error) {
	w.quiet = true
	defer func() { w.quiet = false }()
	return w.until(ctx, "an answer of a manager", func(view) (bool, error) { return true, nil })
}

// show says what has changed of the tasks since the last look.
func (w *watcher) show(v view) {
	for _, name := range v.names() {
		for _, t := range v.services[name].tasks {
			if text := stateOf(t); w.shown[t.ID] != text {
				w.shown[t.ID], w.moved = text, time.Now()
				if !w.quiet {
					w.say.task(nameOf(name, t)+" on "+v.node(t), text)
				}
			}
		}
	}
}

// nameOf is what people call a task; of a job that runs on each node there is one each.
func nameOf(service string, t swarm.Task) string {
	if t.Slot == 0 {
		return service
	}
	return fmt.Sprintf("%s.%d", service, t.Slot)
}

// skip takes what is there for said.
func (w *watcher) skip(v view) {
	for _, s := range v.services {
		for _, t := range s.tasks {
			w.shown[t.ID] = stateOf(t)
		}
	}
}

func stateOf(t swarm.Task) string {
	if why := trouble(t); why != "" {
		return string(t.Status.State) + ": " + why
	}
	return string(t.Status.State)
}

// noRoom finds a task that has waited too long for a node. Swarm waits for ever and calls
// nothing a failure.
func (w *watcher) noRoom(v view) string {
	for _, name := range v.names() {
		for _, t := range v.services[name].tasks {
			// A task of a job shall come to be complete, not to run.
			if t.Status.State != swarm.TaskStatePending || t.DesiredState != swarm.TaskStateRunning && t.DesiredState != swarm.TaskStateComplete {
				delete(w.pending, t.ID)
				continue
			}
			since, known := w.pending[t.ID]
			if !known {
				w.pending[t.ID] = time.Now()
			} else if waited := time.Since(since); waited > w.room {
				return fmt.Sprintf("no node has room for %s since %.0f s: %s", nameOf(name, t), waited.Seconds(), cmp.Or(t.Status.Err, t.Status.Message))
			}
		}
	}
	return ""
}
