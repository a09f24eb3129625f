package main

import (
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/prometheus/client_golang/prometheus"
)

// descs are all that there are; each describes itself here when it is made.
var descs []*prometheus.Desc

func describe(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc(name, help, labels, nil)
	descs = append(descs, d)
	return d
}

var (
	up = describe("swarm_up", "1 if a manager answered; if not, there is nothing else of Swarm.")

	desired       = describe("swarm_service_replicas_desired", "Tasks that should run: the replicas, or the nodes of a global service.", "service")
	running       = describe("swarm_service_replicas_running", "Tasks that run, are healthy and should run.", "service")
	starts        = describe("swarm_service_task_starts_total", "Tasks made since the exporter's start.", "service")
	failures      = describe("swarm_service_task_failures_total", "Tasks failed or rejected since the exporter's start.", "service")
	updateState   = describe("swarm_service_update_state", "1 for the state of the last update, 0 for the others.", "service", "state")
	updateStarted = describe("swarm_service_update_started_timestamp_seconds", "When the last update began.", "service")
	deployed      = describe("swarm_service_deployed_timestamp_seconds", "When somebody last deployed the service; Swarm's own rollback is no deployment.", "service")
	tasksByDigest = describe("swarm_service_tasks", "Running tasks, by the first 12 digits of their image's digest.", "service", "digest")
	tasksByNode   = describe("swarm_service_node_tasks", "Running tasks on a node that has any.", "service", "node")

	nodeReady     = describe("swarm_node_ready", "1 if the node is connected and well.", "node")
	nodeActive    = describe("swarm_node_active", "1 if the node may get tasks; 0 if paused or drained.", "node")
	nodeManager   = describe("swarm_node_manager", "1 if the node should be a manager.", "node")
	nodeReachable = describe("swarm_node_reachable", "1 if the managers reach this one.", "node")
	nodeLeader    = describe("swarm_node_leader", "1 if this manager leads.", "node")
)

// updateStates are the states of an update, and that there was none.
var updateStates = []swarm.UpdateState{
	"none", swarm.UpdateStateUpdating, swarm.UpdateStatePaused, swarm.UpdateStateCompleted,
	swarm.UpdateStateRollbackStarted, swarm.UpdateStateRollbackPaused, swarm.UpdateStateRollbackCompleted,
}

// samples is what one scrape gets.
type samples []prometheus.Metric

func (s *samples) add(d *prometheus.Desc, value float64, labels ...string) {
	*s = append(*s, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...))
}

func (s *samples) addCount(d *prometheus.Desc, value float64, labels ...string) {
	*s = append(*s, prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...))
}

func (s *samples) addTime(d *prometheus.Desc, at time.Time, labels ...string) {
	s.add(d, float64(at.UnixMilli())/1000, labels...)
}

// services reports on each service of the stack. Names that begin with the stack's
// still differ without it.
func (s *samples) services(all lists, stack string, c *counts) {
	names := map[string]string{} // by ID
	for _, service := range all.services {
		if name, ok := strings.CutPrefix(service.Spec.Name, stack+"_"); ok {
			names[service.ID] = name
		}
	}
	c.see(names, all.tasks)
	hosts := map[string]string{}
	for _, n := range all.nodes {
		hosts[n.ID] = n.Description.Hostname
	}
	for _, service := range all.services {
		name, ok := names[service.ID]
		if !ok {
			continue
		}
		s.tasks(name, service, all.tasks, hosts)
		s.update(name, service)
		s.addCount(starts, c.services[service.ID].starts, name)
		s.addCount(failures, c.services[service.ID].failures, name)
	}
}

// tasks reports on those that are there, and on how many should be.
func (s *samples) tasks(name string, service swarm.Service, tasks []swarm.Task, hosts map[string]string) {
	total, places := 0.0, map[string]bool{}
	digests, nodes := map[string]float64{}, map[string]float64{}
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
		if t.Status.State != swarm.TaskStateRunning || t.DesiredState != swarm.TaskStateRunning {
			continue
		}
		total++
		digests[digest(t)]++
		if host, ok := hosts[t.NodeID]; ok {
			nodes[host]++
		}
	}
	for d, n := range digests {
		s.add(tasksByDigest, n, name, d)
	}
	for host, n := range nodes {
		s.add(tasksByNode, n, name, host)
	}
	switch mode := service.Spec.Mode; {
	case mode.Replicated != nil && mode.Replicated.Replicas != nil:
		s.add(desired, float64(*mode.Replicated.Replicas), name)
	case mode.Global != nil:
		// The manager's own count (status=true) is of tasks that should run: too many
		// where an update starts the new one first, too few while one waits to be ready.
		s.add(desired, float64(len(places)), name)
	default:
		return // a job: its tasks should end
	}
	s.add(running, total, name)
}

func digest(t swarm.Task) string {
	if t.Spec.ContainerSpec == nil {
		return "unknown"
	}
	_, hex, ok := strings.Cut(t.Spec.ContainerSpec.Image, "@sha256:")
	if !ok || len(hex) < 12 {
		return "unknown"
	}
	return hex[:12]
}

func (s *samples) update(name string, service swarm.Service) {
	// Who deploys takes the status away, and where a task has to be replaced the update
	// begins within a second. Without one, the deployment was the last change of the
	// service. With one it was not: an update's own steps move UpdatedAt, too.
	state, at := updateStates[0], service.UpdatedAt
	if status := service.UpdateStatus; status != nil {
		if status.State != "" {
			state = status.State
		}
		if status.StartedAt != nil {
			at = *status.StartedAt
			s.addTime(updateStarted, at, name)
		}
	}
	s.addTime(deployed, at, name)
	for _, each := range updateStates {
		s.add(updateState, is(each == state), name, string(each))
	}
}

// nodes reports on each node by its name. One that was lost and has joined again is
// in the list twice, until somebody removes the old entry: the new one counts.
func (s *samples) nodes(all []swarm.Node) {
	latest := map[string]swarm.Node{}
	for _, n := range all {
		host := n.Description.Hostname
		if before, ok := latest[host]; !ok || n.CreatedAt.After(before.CreatedAt) {
			latest[host] = n
		}
	}
	for host, n := range latest {
		s.add(nodeReady, is(n.Status.State == swarm.NodeStateReady), host)
		s.add(nodeActive, is(n.Spec.Availability == swarm.NodeAvailabilityActive), host)
		manages := n.Spec.Role == swarm.NodeRoleManager
		s.add(nodeManager, is(manages), host)
		if !manages {
			continue
		}
		status := n.ManagerStatus
		s.add(nodeReachable, is(status != nil && status.Reachability == swarm.ReachabilityReachable), host)
		s.add(nodeLeader, is(status != nil && status.Leader), host)
	}
}

func is(so bool) float64 {
	if so {
		return 1
	}
	return 0
}
