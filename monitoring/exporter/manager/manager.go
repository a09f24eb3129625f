// Package manager asks a manager of a Swarm what it knows, and says what its lists
// mean: which tasks count as replicas, when a service was changed, which of two
// entries is the node. It changes nothing and keeps nothing.
package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// StackLabel is what docker stack puts on everything that it makes.
const StackLabel = "com.docker.stack.namespace"

// apiVersion is that of the oldest engine that stack.yml allows, 25.0. It is not
// negotiated: while managers are upgraded one after another, the proxy leads to old
// and to new ones, and an engine refuses a version that it does not know yet.
// DOCKER_API_VERSION overrides it.
const apiVersion = "1.44"

// Manager is the API of whichever manager answers: what followers are asked, they
// ask the leader.
type Manager struct {
	*client.Client
	stack string
}

// Lists is what a manager says at one time. They are asked for side by side, not as one: a
// task may be of a service that the list of services has not yet, or no more.
type Lists struct {
	Services []swarm.Service
	Tasks    []swarm.Task
	Nodes    []swarm.Node
}

// New prepares to ask the manager at url about one stack, or about all services if
// stack is "". Where the url leads to several of them it stays with one as long as that one answers.
func New(url, stack string) (*Manager, error) {
	// One connection, that all lists are asked over: each of its own might go to another manager,
	// and one of three that refuses would spoil every answer. (DOCKER_CERT_PATH brings a client of
	// its own, without that.)
	one := &http.Client{CheckRedirect: client.CheckRedirect, Transport: &http.Transport{
		MaxConnsPerHost: 1, IdleConnTimeout: 30 * time.Second,
		// Without it the client's own copy is prepared for HTTP/2, and so for TLS, and it asks https://.
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}}
	return Through(stack, client.WithHTTPClient(one), client.WithTLSClientConfigFromEnv(), client.WithHost(url))
}

// Through is New for whoever has a way of its own to a manager.
func Through(stack string, way ...client.Opt) (*Manager, error) {
	cli, err := client.New(append(way, client.WithAPIVersion(apiVersion), client.WithAPIVersionFromEnv())...)
	if err != nil {
		return nil, err
	}
	return &Manager{Client: cli, stack: stack}, nil
}

// Stack is the one that is asked about.
func (m *Manager) Stack() string { return m.stack }

// Ask gets all three lists within ctx. Where one fails there is an error, which has all that
// failed, and what else came is not to be used.
func (m *Manager) Ask(ctx context.Context) (Lists, error) {
	var all Lists
	var failed [3]error
	var asked sync.WaitGroup
	var ours client.Filters
	if m.stack != "" {
		ours = make(client.Filters).Add("label", StackLabel+"="+m.stack)
	}
	asked.Go(func() {
		got, err := m.ServiceList(ctx, client.ServiceListOptions{Filters: ours})
		all.Services, failed[0] = got.Items, wrap("services", err)
	})
	asked.Go(func() {
		got, err := m.TaskList(ctx, client.TaskListOptions{Filters: ours})
		all.Tasks, failed[1] = got.Items, wrap("tasks", err)
	})
	asked.Go(func() {
		got, err := m.NodeList(ctx, client.NodeListOptions{})
		all.Nodes, failed[2] = got.Items, wrap("nodes", err)
	})
	asked.Wait()
	err := errors.Join(failed[:]...)
	if err != nil {
		// Who refuses leaves its connection open, and would be asked the next time, too: it may
		// be cut off from managers that are well.
		_ = m.Close()
	}
	return all, err
}

func wrap(list string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", list, err)
	}
	return nil
}
