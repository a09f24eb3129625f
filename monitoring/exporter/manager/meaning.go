package manager

import (
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// Replicas gives the tasks of a service that run, are healthy and should run, and how
// many should: the replicas, or the nodes of a global service. There is no such number
// for a job, whose tasks should end.
func Replicas(service swarm.Service, tasks []swarm.Task) (running []swarm.Task, desired int, ok bool) {
	places := map[string]bool{}
	for _, t := range tasks {
		if t.ServiceID != service.ID {
			continue
		}
		// Ready: to be started when the restart's delay is over.
		if t.DesiredState == swarm.TaskStateReady || t.DesiredState == swarm.TaskStateRunning {
			places[t.NodeID] = true
		}
		// A task is running once it is healthy. One that is being stopped, or whose
		// node is lost, still says running, but should not.
		if t.Status.State == swarm.TaskStateRunning && t.DesiredState == swarm.TaskStateRunning {
			running = append(running, t)
		}
	}
	switch mode := service.Spec.Mode; {
	case mode.Replicated != nil && mode.Replicated.Replicas != nil:
		return running, int(*mode.Replicated.Replicas), true //nolint:gosec // no Swarm has so many
	case mode.Global != nil:
		// The manager's own count (status=true) is of tasks that should run: too many
		// where an update starts the new one first, too few while one waits to be ready.
		return running, len(places), true
	}
	return running, 0, false
}

// Digest gives the first 12 digits of the digest of what a task or a service runs, or
// "unknown" if its image is not named by digest.
func Digest(spec *swarm.ContainerSpec) string {
	if spec == nil {
		return "unknown"
	}
	_, hex, ok := strings.Cut(spec.Image, "@sha256:")
	if !ok || len(hex) < 12 {
		return "unknown"
	}
	return hex[:12]
}

// NoUpdate is the state of a service whose tasks were not replaced since somebody changed it.
const NoUpdate swarm.UpdateState = "none"

// Update is how the last update of a service stands.
type Update struct {
	State    swarm.UpdateState
	Started  time.Time // zero where the manager does not say
	Changed  time.Time // when somebody last deployed, scaled or restarted the service; Swarm's own rollback is no change
	Deployed bool      // that change brought the image that it runs
	Message  string    // the manager's
}

// LastUpdate says how the last update of a service stands.
func LastUpdate(service swarm.Service) Update {
	// Who changes a service takes the status away, and where a task has to be replaced the
	// update begins within a second. Without one, nothing has moved UpdatedAt since. With one
	// that is not so: an update's own steps move it, too.
	u := Update{State: NoUpdate, Changed: service.UpdatedAt, Deployed: deployed(service)}
	status := service.UpdateStatus
	if status == nil {
		return u
	}
	u.Message = status.Message
	if status.State != "" {
		u.State = status.State
	}
	if status.StartedAt != nil {
		u.Started, u.Changed = *status.StartedAt, *status.StartedAt
	}
	return u
}

// deployed says whether the last change of a service was of its image. A scale and a restart
// leave that as it is, and so does a deploy of the same image with other settings. A service has
// no previous spec when it is new, and when the Swarm itself has rolled it back.
func deployed(service swarm.Service) bool {
	before := service.PreviousSpec
	return before == nil || image(*before) != image(service.Spec)
}

// image is what the tasks of a service run, "" if they are no containers.
func image(spec swarm.ServiceSpec) string {
	if c := spec.TaskTemplate.ContainerSpec; c != nil {
		return c.Image
	}
	return ""
}

// ByHost gives the nodes by name. One that was lost and has joined again is in the list
// twice, until somebody removes the old entry: the new one counts.
func ByHost(all []swarm.Node) map[string]swarm.Node {
	latest := map[string]swarm.Node{}
	for _, n := range all {
		host := n.Description.Hostname
		if before, ok := latest[host]; !ok || n.CreatedAt.After(before.CreatedAt) {
			latest[host] = n
		}
	}
	return latest
}

// Reachable says whether the other managers reach this one.
func Reachable(n swarm.Node) bool {
	return n.ManagerStatus != nil && n.ManagerStatus.Reachability == swarm.ReachabilityReachable
}

// Leads says whether this node leads.
func Leads(n swarm.Node) bool { return n.ManagerStatus != nil && n.ManagerStatus.Leader }

// Managers counts the entries of managers by node, and those that the others reach. One that was
// lost and has joined again before its old entry was removed is two for the Swarm's majority.
func Managers(all []swarm.Node) (entries, reached map[string]int) {
	entries, reached = map[string]int{}, map[string]int{}
	for _, n := range all {
		if n.Spec.Role != swarm.NodeRoleManager {
			continue
		}
		// By the role that it should have: one that is away may have no status.
		entries[n.Description.Hostname]++
		if Reachable(n) {
			reached[n.Description.Hostname]++
		}
	}
	return entries, reached
}
