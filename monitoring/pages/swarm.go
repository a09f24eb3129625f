package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// manager answers as a Swarm manager would, from what the supervisor of the replicas
// knows. A real one takes part in the same drills on the lab. It knows one stack, and gives
// whole lists, whatever filters it is asked with.
type manager struct {
	replicas *replicas
	began    time.Time

	// Taken before the lock of replicas, and that before the lock of a process.
	mu         sync.Mutex
	updates    map[string]swarm.UpdateStatus // by service
	down       map[string]bool               // nodes
	leaderless bool
}

// change does something to what it will answer.
func (m *manager) change(do func(*manager)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do(m)
}

// update lets it tell of an update of a service, which begins with it.
func (m *manager) update(service string, state swarm.UpdateState) {
	m.change(func(m *manager) {
		if m.updates == nil {
			m.updates = map[string]swarm.UpdateStatus{}
		}
		now := time.Now()
		m.updates[service] = swarm.UpdateStatus{State: state, StartedAt: &now, CompletedAt: &now}
	})
}

var versioned = regexp.MustCompile(`^/v[0-9.]+`)

func (m *manager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	// The version that monitoring/exporter/manager speaks.
	w.Header().Set("Api-Version", "1.44")
	w.Header().Set("Content-Type", "application/json")
	path := versioned.ReplaceAllString(r.URL.Path, "")
	answer := map[string]func() any{
		"/services": func() any { return m.services() },
		"/tasks":    func() any { return m.tasks() },
		"/nodes":    func() any { return m.nodes() },
	}[path]
	switch {
	case path == "/_ping":
		_, _ = w.Write([]byte("OK"))
	case answer == nil:
		w.WriteHeader(http.StatusNotFound)
	case m.leaderless:
		// The text is an engine's: the doctor goes by it.
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"message":"rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online."}`))
	default:
		_ = json.NewEncoder(w).Encode(answer())
	}
}

func (m *manager) services() (list []swarm.Service) {
	for _, name := range services {
		three := uint64(3)
		s := swarm.Service{ID: "service-" + name}
		s.CreatedAt, s.UpdatedAt = m.began, m.began
		s.Spec.Name = "minitwit_" + name
		s.Spec.Labels = map[string]string{"com.docker.stack.namespace": "minitwit"}
		s.Spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &three}
		s.Spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: image}
		s.ServiceStatus = &swarm.ServiceStatus{DesiredTasks: three, RunningTasks: uint64(len(m.replicas.targets(name, false)))}
		if last, ok := m.updates[name]; ok {
			s.UpdateStatus, s.UpdatedAt = &last, *last.StartedAt
		}
		list = append(list, s)
	}
	return list
}

// image is the same for all, and stays: of an update only its state is played.
const image = "registry.example/minitwit@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// tasks are the present one of each slot and the one before.
func (m *manager) tasks() (list []swarm.Task) {
	m.replicas.mu.Lock()
	defer m.replicas.mu.Unlock()
	for _, r := range m.replicas.all {
		if r.slot == 0 {
			continue
		}
		starts := r.process.started()
		state := swarm.TaskStateStarting
		switch {
		case r.healthy:
			state = swarm.TaskStateRunning
		case !r.process.up():
			state = r.end(starts)
		}
		list = append(list, task(r, starts, state, swarm.TaskStateRunning))
		if starts > 1 {
			list = append(list, task(r, starts-1, r.end(starts-1), swarm.TaskStateShutdown))
		}
	}
	return list
}

// end is how one of its starts ended; r.mu of the replicas is held.
func (r *replica) end(start int) swarm.TaskState {
	if r.retired[start] {
		return swarm.TaskStateShutdown
	}
	return swarm.TaskStateFailed
}

// task has another ID for each start, since Swarm never restarts a task but makes a new one.
func task(r *replica, start int, state, desired swarm.TaskState) swarm.Task {
	t := swarm.Task{
		ID: fmt.Sprintf("task-%s-%d-%d", r.service, r.slot, start), ServiceID: "service-" + r.service,
		Slot: r.slot, NodeID: "node-" + r.node, DesiredState: desired,
	}
	t.Spec.ContainerSpec = &swarm.ContainerSpec{Image: image}
	t.Status.State = state
	t.Labels = map[string]string{}
	return t
}

func (m *manager) nodes() (list []swarm.Node) {
	for i, name := range nodes {
		n := swarm.Node{ID: "node-" + name}
		n.Description.Hostname = name
		n.Spec.Role, n.Spec.Availability = swarm.NodeRoleManager, swarm.NodeAvailabilityActive
		n.Status.State = swarm.NodeStateReady
		// n1 leads all the time: no fault takes it away.
		n.ManagerStatus = &swarm.ManagerStatus{Leader: i == 0, Reachability: swarm.ReachabilityReachable}
		if m.down[name] {
			n.Status.State = swarm.NodeStateDown
			n.ManagerStatus.Reachability = swarm.ReachabilityUnreachable
		}
		list = append(list, n)
	}
	return list
}
