package main

import (
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/prometheus/client_golang/prometheus"

	"minitwit/monitoring/exporter/manager"
)

// descs are all that there are; each describes itself here when it is made, which is before
// main begins. Afterwards it is only read.
var descs []*prometheus.Desc

// describe makes a description and adds it to descs. Rules and dashboards go by the name:
// go test ./monitoring/pages finds one that is no longer there.
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
	changed       = describe("swarm_service_deployed_timestamp_seconds", "When somebody last deployed, scaled or restarted the service; Swarm's own rollback is no change.", "service")
	tasksByDigest = describe("swarm_service_tasks", "Running tasks, by the first 12 digits of their image's digest.", "service", "digest")
	tasksByNode   = describe("swarm_service_node_tasks", "Running tasks on a node that has any.", "service", "node")

	nodeReady     = describe("swarm_node_ready", "1 if the node is connected and well.", "node")
	nodeActive    = describe("swarm_node_active", "1 if the node may get tasks; 0 if paused or drained.", "node")
	nodeManager   = describe("swarm_node_manager", "1 if the node should be a manager; more if it joined again and its old entries were not removed.", "node")
	nodeReachable = describe("swarm_node_reachable", "How many of the node's entries as a manager are reached.", "node")
	nodeLeader    = describe("swarm_node_leader", "1 if this manager leads.", "node")
)

// updateStates are the states of an update, and that there was none. Each is a series of its
// own, 1 or 0. A state that a later engine invents leaves all at 0.
var updateStates = []swarm.UpdateState{
	manager.NoUpdate, swarm.UpdateStateUpdating, swarm.UpdateStatePaused, swarm.UpdateStateCompleted,
	swarm.UpdateStateRollbackStarted, swarm.UpdateStateRollbackPaused, swarm.UpdateStateRollbackCompleted,
}

// samples is what one scrape gets. They are made anew each time: what is gone from the Swarm
// leaves no series behind.
type samples []prometheus.Metric

// add takes the labels in the order in which the description names them.
func (s *samples) add(d *prometheus.Desc, value float64, labels ...string) {
	*s = append(*s, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...))
}

func (s *samples) addCount(d *prometheus.Desc, value float64, labels ...string) {
	*s = append(*s, prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...))
}

// addTime gives seconds since 1970, to the millisecond.
func (s *samples) addTime(d *prometheus.Desc, at time.Time, labels ...string) {
	s.add(d, float64(at.UnixMilli())/1000, labels...)
}

// services reports on each service of the stack. Names that begin with the stack's
// still differ without it. A service whose name does not is left out, whatever its label
// says: anybody may put the stack's label on a service.
func (s *samples) services(all manager.Lists, stack string, c *counts) {
	names := map[string]string{} // by ID
	for _, service := range all.Services {
		if name, ok := strings.CutPrefix(service.Spec.Name, stack+"_"); ok {
			names[service.ID] = name
		}
	}
	// First, so that each of these services has its counters below.
	c.see(names, all.Tasks)
	hosts := map[string]string{}
	for _, n := range all.Nodes {
		hosts[n.ID] = n.Description.Hostname
	}
	for _, service := range all.Services {
		name, ok := names[service.ID]
		if !ok {
			continue
		}
		s.tasks(name, service, all.Tasks, hosts)
		s.update(name, service)
		s.addCount(starts, c.services[service.ID].starts, name)
		s.addCount(failures, c.services[service.ID].failures, name)
	}
}

// tasks reports on those that are there, and on how many should be.
func (s *samples) tasks(name string, service swarm.Service, tasks []swarm.Task, hosts map[string]string) {
	replicas, wanted, counted := manager.Replicas(service, tasks)
	digests, nodes := map[string]float64{}, map[string]float64{}
	for _, t := range replicas {
		digests[manager.Digest(t.Spec.ContainerSpec)]++
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
	// A job has neither: its tasks end, and none of them is missing.
	if counted {
		s.add(desired, float64(wanted), name)
		s.add(running, float64(len(replicas)), name)
	}
}

// update reports on the last update and change. A service that was never updated has no
// sample of when that began, rather than one of the year 1.
func (s *samples) update(name string, service swarm.Service) {
	last := manager.LastUpdate(service)
	if !last.Started.IsZero() {
		s.addTime(updateStarted, last.Started, name)
	}
	s.addTime(changed, last.Changed, name)
	for _, each := range updateStates {
		s.add(updateState, is(each == last.State), name, string(each))
	}
}

// nodes reports on each node by its name.
func (s *samples) nodes(all []swarm.Node) {
	managers, reached := manager.Managers(all)
	for host, n := range manager.ByHost(all) {
		s.add(nodeReady, is(n.Status.State == swarm.NodeStateReady), host)
		s.add(nodeActive, is(n.Spec.Availability == swarm.NodeAvailabilityActive), host)
		s.add(nodeManager, float64(managers[host]), host)
		if managers[host] > 0 {
			s.add(nodeReachable, float64(reached[host]), host)
			s.add(nodeLeader, is(manager.Leads(n)), host)
		}
	}
}

func is(so bool) float64 {
	if so {
		return 1
	}
	return 0
}
