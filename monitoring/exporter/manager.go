package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// stackLabel is what docker stack puts on everything that it makes.
const stackLabel = "com.docker.stack.namespace"

// apiVersion is that of the oldest engine that stack.yml allows, 25.0. It is not
// negotiated: while managers are upgraded one after another, the proxy leads to old
// and to new ones, and an engine refuses a version that it does not know yet.
// DOCKER_API_VERSION overrides it.
const apiVersion = "1.44"

// manager is the API of whichever manager answers: what followers are asked, they
// ask the leader.
type manager struct {
	*client.Client
	stack string
}

// lists is what a manager says at one time.
type lists struct {
	services []swarm.Service
	tasks    []swarm.Task
	nodes    []swarm.Node
}

func newManager(url, stack string) (*manager, error) {
	cli, err := client.New(client.WithHost(url), client.WithAPIVersion(apiVersion), client.WithAPIVersionFromEnv())
	if err != nil {
		return nil, err
	}
	return &manager{Client: cli, stack: stack}, nil
}

// ask gets all three lists, or none.
func (m *manager) ask(ctx context.Context) (lists, error) {
	var all lists
	var failed [3]error
	var asked sync.WaitGroup
	ours := make(client.Filters).Add("label", stackLabel+"="+m.stack)
	asked.Go(func() {
		got, err := m.ServiceList(ctx, client.ServiceListOptions{Filters: ours})
		all.services, failed[0] = got.Items, wrap("services", err)
	})
	asked.Go(func() {
		got, err := m.TaskList(ctx, client.TaskListOptions{Filters: ours})
		all.tasks, failed[1] = got.Items, wrap("tasks", err)
	})
	asked.Go(func() {
		got, err := m.NodeList(ctx, client.NodeListOptions{})
		all.nodes, failed[2] = got.Items, wrap("nodes", err)
	})
	asked.Wait()
	return all, errors.Join(failed[:]...)
}

func wrap(list string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", list, err)
	}
	return nil
}
