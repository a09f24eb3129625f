package main

import "github.com/moby/moby/api/types/swarm"

// stage is how far a service's update is.
type stage int

const (
	underway stage = iota
	finished       // all tasks are of the new release, and Swarm calls the update completed
	goneBack       // Swarm has rolled it back
	halted         // Swarm has stopped in the middle and does nothing more
)

// judge tells how far the update of a service is that was old before it. That Swarm says
// "completed" is not enough: it says so of the update before, too, and of a rollback that
// docker stack deploy reports as success (docker/cli#6752). So the image has to be the
// wanted one, the update another than before, and every task as the service says.
func judge(old, now service, image string) (stage, string) {
	u := now.UpdateStatus
	// Then it speaks of an update before this one.
	if sameUpdate(old.UpdateStatus, u) {
		u = nil
	}
	if u != nil {
		switch u.State {
		case swarm.UpdateStateRollbackCompleted:
			return goneBack, u.Message
		case swarm.UpdateStatePaused, swarm.UpdateStateRollbackPaused:
			return halted, u.Message
		case swarm.UpdateStateUpdating, swarm.UpdateStateRollbackStarted:
			return underway, ""
		}
	}
	// Completed, or without a status, as a service that is new or only has more replicas: the
	// tasks decide.
	if now.image() != image || !now.settled() {
		return underway, ""
	}
	return finished, ""
}

// sameUpdate goes by the begin of an update, since updates have no other name.
func sameUpdate(a, b *swarm.UpdateStatus) bool {
	return a != nil && b != nil && a.StartedAt != nil && b.StartedAt != nil && a.StartedAt.Equal(*b.StartedAt)
}

// failure finds the newest task that is over, should run, and was not known before. With a nil
// map all count.
func (v view) failure(known map[string]bool) (name string, newest swarm.Task, found bool) {
	for _, service := range v.names() {
		for _, t := range v.services[service].tasks {
			if over(t) && !known[t.ID] && (!found || t.Status.Timestamp.After(newest.Status.Timestamp)) {
				name, newest, found = service, t, true
			}
		}
	}
	return name, newest, found
}

// only leaves one service.
func (v view) only(name string) view {
	v.services = map[string]service{name: v.services[name]}
	return v
}

// troubled are the tasks that are over, though they should run.
func (v view) troubled() map[string]bool {
	ids := map[string]bool{}
	for _, s := range v.services {
		for _, t := range s.tasks {
			if over(t) {
				ids[t.ID] = true
			}
		}
	}
	return ids
}

// known are all tasks of a moment.
func (v view) known() map[string]bool {
	ids := map[string]bool{}
	for _, s := range v.services {
		for _, t := range s.tasks {
			ids[t.ID] = true
		}
	}
	return ids
}

// failureOf is failure among the tasks of one image.
func (v view) failureOf(image string, known map[string]bool) (string, swarm.Task, bool) {
	others := map[string]bool{}
	for _, s := range v.services {
		for _, t := range s.tasks {
			if t.Spec.ContainerSpec == nil || t.Spec.ContainerSpec.Image != image {
				others[t.ID] = true
			}
		}
	}
	for id := range known {
		others[id] = true
	}
	return v.failure(others)
}
