package main

import (
	"cmp"

	"github.com/moby/moby/api/types/swarm"
)

// counts turns lists of tasks into counters. Swarm never restarts a task: it makes
// a new one, with a new address. So neither a counter nor a start time of the
// program itself can tell of a crash loop, and task IDs can.
//
// It remembers the tasks of the last list alone. Swarm keeps only so many dead ones
// of each slot, so that is little.
type counts struct {
	began    bool            // what was there before does not count
	failed   map[string]bool // by ID, for each task of the last list: none fails twice
	services map[string]*count
}

// count is of one service, by whose ID it is kept: a service that is removed and
// made again begins at zero.
type count struct {
	starts, failures float64
}

// see counts what is new in a list of tasks, for the services with these IDs.
func (c *counts) see(ids map[string]string, tasks []swarm.Task) {
	services := make(map[string]*count, len(ids))
	for id := range ids {
		services[id] = cmp.Or(c.services[id], &count{})
	}
	now := make(map[string]bool, len(tasks))
	for _, t := range tasks {
		service := services[t.ServiceID]
		if service == nil {
			continue
		}
		counted, known := c.failed[t.ID]
		failed := t.Status.State == swarm.TaskStateFailed || t.Status.State == swarm.TaskStateRejected
		now[t.ID] = failed
		if !c.began {
			continue
		}
		if !known {
			service.starts++
		}
		if failed && !counted {
			service.failures++
		}
	}
	c.services, c.failed, c.began = services, now, true
}
