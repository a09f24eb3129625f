package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/connhelper"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// managers are the engines of a Swarm. Any of them speaks for it; the one that answered
// last is asked first. mu guards order: the lock is renewed beside the deploy. engines does not
// change once it is made.
type managers struct {
	mu      sync.Mutex
	order   []string
	engines map[string]*client.Client
}

// answerWithin is how long one manager may take.
const answerWithin = 10 * time.Second

// openManagers connects to nobody: a manager that is away shows when it is asked.
func openManagers(hosts []string) (*managers, error) {
	m := &managers{order: slices.Clone(hosts), engines: map[string]*client.Client{}}
	for _, host := range hosts {
		options := []client.Opt{client.FromEnv, client.WithHost(host)}
		helper, err := connhelper.GetConnectionHelper(host)
		if err == nil && helper != nil { // ssh://
			options = []client.Opt{client.WithHost(helper.Host), client.WithDialContext(helper.Dialer)}
		}
		engine, newErr := client.New(options...)
		if err = errors.Join(err, newErr); err != nil {
			return nil, fmt.Errorf("manager %s: %w", host, err)
		}
		m.engines[host] = engine
	}
	return m, nil
}

// hosts gives the managers in the order in which they are asked.
func (m *managers) hosts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.order)
}

// answered makes a manager the first that is asked.
func (m *managers) answered(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(m.order), func(h string) bool { return h == host })
	m.order = append([]string{host}, others...)
}

// ask asks one manager after the other until one answers. A request whose answer is lost goes
// to the next one as well, so each must bear to be made twice.
func ask[T any](ctx context.Context, m *managers, what func(context.Context, *client.Client) (T, error)) (T, error) {
	var none T
	var failed []error
	for _, host := range m.hosts() {
		limited, cancel := context.WithTimeout(ctx, answerWithin)
		answer, err := what(limited, m.engines[host])
		cancel()
		if err == nil {
			m.answered(host)
			return answer, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", host, err))
		if ctx.Err() != nil {
			return none, context.Cause(ctx)
		}
	}
	return none, errors.Join(failed...)
}

// tell is ask where the answer is no matter.
func tell(ctx context.Context, m *managers, what func(context.Context, *client.Client) error) error {
	_, err := ask(ctx, m, func(ctx context.Context, c *client.Client) (struct{}, error) { return struct{}{}, what(ctx, c) })
	return err
}

// service is one of a stack, with its tasks, also those that have ended.
type service struct {
	swarm.Service
	tasks []swarm.Task
}

// view is what a manager said of a stack at one moment.
type view struct {
	nodes    map[string]swarm.Node // by ID
	services map[string]service    // by name, without the stack's
}

// look gives the services of a stack, their tasks as far as Swarm remembers them, and all nodes.
func (m *managers) look(ctx context.Context, stack string) (view, error) {
	return ask(ctx, m, func(ctx context.Context, c *client.Client) (view, error) {
		v := view{nodes: map[string]swarm.Node{}, services: map[string]service{}}
		nodes, err := c.NodeList(ctx, client.NodeListOptions{})
		if err != nil {
			return v, err
		}
		for _, n := range nodes.Items {
			v.nodes[n.ID] = n
		}
		ours := client.Filters{}.Add("label", stackLabel+"="+stack)
		services, err := c.ServiceList(ctx, client.ServiceListOptions{Filters: ours})
		if err != nil {
			return v, err
		}
		tasks, err := c.TaskList(ctx, client.TaskListOptions{Filters: ours})
		for _, s := range services.Items {
			mine := service{Service: s}
			for _, t := range tasks.Items {
				if t.ServiceID == s.ID {
					mine.tasks = append(mine.tasks, t)
				}
			}
			v.services[strings.TrimPrefix(s.Spec.Name, stack+"_")] = mine
		}
		return v, err
	})
}

// stackLabel is what `docker stack` marks its things with.
const stackLabel = "com.docker.stack.namespace"

func (v view) names() []string { return slices.Sorted(maps.Keys(v.services)) }

func (v view) node(t swarm.Task) string {
	if n, ok := v.nodes[t.NodeID]; ok {
		return n.Description.Hostname
	}
	return "no node"
}

// workers are the nodes that get tasks.
func (v view) workers() (ready []swarm.Node) {
	for _, id := range slices.Sorted(maps.Keys(v.nodes)) {
		n := v.nodes[id]
		if n.Status.State == swarm.NodeStateReady && n.Spec.Availability == swarm.NodeAvailabilityActive {
			ready = append(ready, n)
		}
	}
	return ready
}

func (s service) image() string {
	if c := s.Spec.TaskTemplate.ContainerSpec; c != nil {
		return c.Image
	}
	return ""
}

// replicas gives how many there shall be; 0 for what has no fixed number.
func (s service) replicas() uint64 {
	if r := s.Spec.Mode.Replicated; r != nil && r.Replicas != nil {
		return *r.Replicas
	}
	return 0
}

// settled tells whether all tasks that shall run do, each as the service says now.
func (s service) settled() bool {
	var wanted, running uint64
	for _, t := range s.tasks {
		// This one has ended, or drains.
		if t.DesiredState != swarm.TaskStateRunning {
			continue
		}
		wanted++
		if t.Status.State == swarm.TaskStateRunning && s.made(t) {
			running++
		}
	}
	// It has no number to reach, but without any task it has not begun.
	if s.Spec.Mode.Replicated == nil {
		return running > 0 && running == wanted
	}
	return running == wanted && running == s.replicas()
}

// made tells whether a task is as the service says now. Placement and networks are left
// out: Swarm does not replace a task for the one, and writes the other in another form.
func (s service) made(t swarm.Task) bool {
	a, b := t.Spec, s.Spec.TaskTemplate
	return reflect.DeepEqual(a.ContainerSpec, b.ContainerSpec) && reflect.DeepEqual(a.Resources, b.Resources) &&
		reflect.DeepEqual(a.LogDriver, b.LogDriver) && reflect.DeepEqual(a.RestartPolicy, b.RestartPolicy) && a.ForceUpdate == b.ForceUpdate
}

// address is where a node is. A leader may know of itself only that it listens everywhere
// (moby#35437); what the other managers call it is right then.
func address(n swarm.Node) string {
	if ip := net.ParseIP(n.Status.Addr); ip != nil && !ip.IsUnspecified() && !ip.IsLoopback() || n.ManagerStatus == nil {
		return n.Status.Addr
	}
	host, _, err := net.SplitHostPort(n.ManagerStatus.Addr)
	if err != nil {
		return n.Status.Addr
	}
	return host
}

// over tells whether a task has ended that should go on: it has failed, or it is complete, which
// only a job's may be. A node asks a task to end that is unhealthy while it starts; where it does
// so with exit code 0, Swarm calls it complete, says no word of an error, and starts another one
// for ever. What is asked to end by an update is shut down, not complete.
func over(t swarm.Task) bool {
	return trouble(t) != "" || t.Status.State == swarm.TaskStateComplete && t.JobIteration == nil
}

// trouble gives what ended a task, or nothing if it has not failed.
func trouble(t swarm.Task) string {
	switch t.Status.State {
	case swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateOrphaned:
	default:
		return ""
	}
	if t.Status.Err != "" {
		return t.Status.Err
	}
	return t.Status.Message
}
