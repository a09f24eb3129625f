package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// stackName is the stack that the lab deploys.
const stackName = "minitwit"

// A condition is asked for every pollEvery, or less often, so that the looks take at most a
// fifth of the time: on a slow machine they were two thirds of what an emulated manager did.
const (
	pollEvery = 400 * time.Millisecond
	pollShare = 5
)

// cluster is the lab's Swarm, as its engines tell.
type cluster struct {
	engines map[string]*client.Client // by node name
	alive   []string                  // those that are asked: a dead one answers nothing, not even a refusal
}

// nodeNames are all nodes of the lab. Each is a manager.
var nodeNames = []string{"n1", "n2", "n3"}

// address is where a node is, and where it publishes ports.
func address(node string) string { return "10.77.0.1" + strings.TrimPrefix(node, "n") }

func openCluster() (*cluster, error) {
	c := &cluster{engines: map[string]*client.Client{}, alive: nodeNames}
	for _, n := range nodeNames {
		// The engine itself waits up to 10 s for the end of what it kills.
		engine, err := client.New(client.WithHost("tcp://"+address(n)+":2375"), client.WithTimeout(time.Minute))
		if err != nil {
			return nil, fmt.Errorf("engine of %s: %w", n, err)
		}
		c.engines[n] = engine
	}
	return c, nil
}

// snapshot is what one manager said at one moment. services and tasks go by the service's name
// without the stack's.
type snapshot struct {
	nodes    map[string]swarm.Node // by host name
	services map[string]swarm.Service
	tasks    map[string][]swarm.Task // by service, those that shall run
}

// look asks the first manager that answers. Which one is no matter: all of them
// ask the leader. So none answers while there is no leader.
func (c *cluster) look(ctx context.Context) (snapshot, error) {
	var failed []error
	for _, n := range c.alive {
		s, err := lookAt(ctx, c.engines[n])
		if err == nil {
			return s, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", n, err))
	}
	return snapshot{}, errors.Join(failed...)
}

func lookAt(ctx context.Context, engine *client.Client) (snapshot, error) {
	// Without a limit one look would hang on a node whose power or network is gone.
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	s := snapshot{nodes: map[string]swarm.Node{}, services: map[string]swarm.Service{}, tasks: map[string][]swarm.Task{}}
	nodes, err := engine.NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return s, err
	}
	for _, n := range nodes.Items {
		s.nodes[n.Description.Hostname] = n
	}
	ours := client.Filters{}.Add("label", "com.docker.stack.namespace="+stackName)
	services, err := engine.ServiceList(ctx, client.ServiceListOptions{Filters: ours})
	if err != nil {
		return s, err
	}
	for _, svc := range services.Items {
		s.services[strings.TrimPrefix(svc.Spec.Name, stackName+"_")] = svc
	}
	tasks, err := engine.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("desired-state", "running")})
	if err != nil {
		return s, err
	}
	for name, svc := range s.services {
		for _, t := range tasks.Items {
			if t.ServiceID == svc.ID {
				s.tasks[name] = append(s.tasks[name], t)
			}
		}
	}
	return s, nil
}

// nodeOf gives the name of a task's node.
func (s snapshot) nodeOf(t swarm.Task) string {
	for name, n := range s.nodes {
		if n.ID == t.NodeID {
			return name
		}
	}
	return ""
}

// ready tells whether a node counts: it answers, and takes part in the quorum.
func (s snapshot) ready(node string) bool {
	n := s.nodes[node]
	return n.Status.State == swarm.NodeStateReady && n.Spec.Availability == swarm.NodeAvailabilityActive &&
		n.ManagerStatus != nil && n.ManagerStatus.Reachability == swarm.ReachabilityReachable
}

// leader gives the name of the manager that leads, "" between two of them.
func (s snapshot) leader() string {
	for name, n := range s.nodes {
		if n.ManagerStatus != nil && n.ManagerStatus.Leader {
			return name
		}
	}
	return ""
}

// running gives the tasks of a service that run, on nodes that are there.
func (s snapshot) running(service string) []swarm.Task {
	return slices.DeleteFunc(slices.Clone(s.tasks[service]), func(t swarm.Task) bool {
		return t.Status.State != swarm.TaskStateRunning || s.nodes[s.nodeOf(t)].Status.State != swarm.NodeStateReady
	})
}

// strong tells whether all services have all their replicas and rest. A task too many is no
// strength either, nor is api or web that is missing. What runs on every node, as the edge
// does, is not asked.
func (s snapshot) strong() bool {
	for name, svc := range s.services {
		replicas := svc.Spec.Mode.Replicated
		if replicas == nil {
			continue
		}
		if want := *replicas.Replicas; uint64(len(s.running(name))) != want || uint64(len(s.tasks[name])) != want || s.updating(name) {
			return false
		}
	}
	return len(s.services) >= 2
}

func (s snapshot) updating(service string) bool {
	u := s.services[service].UpdateStatus
	return u != nil && (u.State == swarm.UpdateStateUpdating || u.State == swarm.UpdateStateRollbackStarted)
}

// spread tells whether no node has two replicas of one service while another has none.
func (s snapshot) spread() bool {
	for name := range s.services {
		on := map[string]int{}
		for _, t := range s.tasks[name] {
			on[s.nodeOf(t)]++
		}
		for _, n := range nodeNames {
			if len(s.tasks[name]) >= len(nodeNames) && on[n] == 0 {
				return false
			}
		}
	}
	return true
}

// image gives what a service shall run. The service has to be there, which strong tells.
func (s snapshot) image(service string) string {
	return s.services[service].Spec.TaskTemplate.ContainerSpec.Image
}

// ended tells whether an update has ended so that is another than the one before. Times
// are only compared with each other: the nodes' clocks are not ours.
func (s snapshot) ended(service string, state swarm.UpdateState, before snapshot) bool {
	u, old := s.services[service].UpdateStatus, before.services[service].UpdateStatus
	if u == nil || u.State != state || u.StartedAt == nil {
		return false
	}
	return old == nil || old.StartedAt == nil || !u.StartedAt.Equal(*old.StartedAt)
}

// container finds the container of a task, on the task's node.
func (c *cluster) container(ctx context.Context, s snapshot, t swarm.Task) (*client.Client, string, error) {
	if t.Status.ContainerStatus == nil || t.Status.ContainerStatus.ContainerID == "" {
		return nil, "", fmt.Errorf("task %s has no container", t.ID)
	}
	node := s.nodeOf(t)
	if _, err := c.engines[node].Ping(ctx, client.PingOptions{}); err != nil {
		return nil, "", fmt.Errorf("%s does not answer: %w", node, err)
	}
	return c.engines[node], t.Status.ContainerStatus.ContainerID, nil
}

// view is a look that is made again until a manager answers: an emulated one may need longer
// for its lists than a look lasts, and between two leaders none has any.
func (c *cluster) view(ctx context.Context) (snapshot, error) {
	return c.await(ctx, "a manager's answer", func(snapshot) bool { return true })
}

// await asks until the condition holds, or our patience ends. What the Swarm does
// not answer meanwhile is asked again: a leader may just have died.
func (c *cluster) await(ctx context.Context, what string, holds func(snapshot) bool) (snapshot, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s: not within %v", what, patience))
	defer cancel()
	for {
		began := time.Now()
		s, err := c.look(ctx)
		if err == nil && holds(s) {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return s, errors.Join(context.Cause(ctx), err)
		case <-time.After(max(pollEvery, (pollShare-1)*time.Since(began))):
		}
	}
}
