package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// The place that is played: three nodes, with a replica of each service on each.
var (
	nodes    = []string{"n1", "n2", "n3"}
	services = []string{"api", "web"}
)

// restartDelay is stack.yml's, of restart_policy.
const restartDelay = 2 * time.Second

// replica is one task's slot: a process that starts again when it ends.
type replica struct {
	service string
	node    string
	slot    int // 0: none of the Swarm's
	process *process
	addr    string // of the surface
	ops     string // of health and metrics
	healthy bool
	retired map[int]bool // of its starts: those that an update ended
}

// replicas are the product, three of each service, and what Swarm does for them: it
// asks for their health and leads to those that have it.
type replicas struct {
	// mu is for what changes of the replicas, such as healthy; the list itself is complete
	// before watch begins. told asks for targets, so it is called without mu.
	mu   sync.Mutex
	all  []*replica
	base []string // environment of each
	bin  string   // the program
	told func()   // after each change of who is healthy
}

// add makes a replica, without starting it.
func (r *replicas) add(service string, slot int, dir string) error {
	addresses, err := freeAddresses(2)
	if err != nil {
		return err
	}
	p := &process{
		name: fmt.Sprintf("%s.%d", service, slot), dir: dir, restart: restartDelay,
		argv: []string{r.bin, "serve", "--only", service},
		env: append([]string{
			// Of the two surfaces --only starts one.
			"OPS_ADDR=" + addresses[1], "API_ADDR=" + addresses[0], "WEB_ADDR=" + addresses[0],
		}, r.base...),
	}
	r.all = append(r.all, &replica{
		service: service, slot: slot, node: nodes[(slot-1)%len(nodes)], process: p, addr: addresses[0], ops: addresses[1],
	})
	return nil
}

// addAlone makes what the old system was: both surfaces in one process, and nothing
// that starts it again. It is not started.
func (r *replicas) addAlone(faults, dir string) (*process, error) {
	addresses, err := freeAddresses(3)
	if err != nil {
		return nil, err
	}
	p := &process{
		name: "alone", dir: dir, argv: []string{faults, "serve"},
		env: append([]string{
			"OPS_ADDR=" + addresses[0], "API_ADDR=" + addresses[1], "WEB_ADDR=" + addresses[2], "MINITWIT_FAULT=crash",
		}, r.base...),
	}
	for i, service := range services {
		r.all = append(r.all, &replica{service: service, node: nodes[0], process: p, addr: addresses[i+1], ops: addresses[0]})
	}
	return p, nil
}

// of gives the replicas of a service.
func (r *replicas) of(service string) (found []*replica) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all {
		if one.service == service && one.slot > 0 {
			found = append(found, one)
		}
	}
	return found
}

// targets are the surfaces' addresses of those that are healthy; the ops ports', if
// that is asked for. The old system is one of them while it is healthy.
func (r *replicas) targets(service string, ops bool) (addresses []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all {
		switch {
		case one.service != service || !one.healthy:
		case ops:
			addresses = append(addresses, one.ops)
		default:
			addresses = append(addresses, one.addr)
		}
	}
	return addresses
}

// watch asks each replica for its health, twice a second, until ctx ends. One that hangs is
// found out sooner than in a Swarm, where stack.yml's healthcheck asks every 5 s and believes
// the third failure. One that a busy machine holds up for a second or two stays.
func (r *replicas) watch(ctx context.Context) {
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		changed := false
		for _, one := range r.all {
			changed = r.examine(ctx, client, one) || changed
		}
		if changed {
			r.told()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (r *replicas) examine(ctx context.Context, client *http.Client, one *replica) (changed bool) {
	// Before it is asked: where it starts anew meanwhile, the answer counts for the start before.
	started := one.process.started()
	healthy := one.process.up()
	if healthy {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+one.ops+"/livez", nil)
		if err != nil {
			return false
		}
		resp, err := client.Do(req)
		if healthy = err == nil && resp.StatusCode == http.StatusOK; err == nil {
			_ = resp.Body.Close()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	healthy = healthy && !one.retired[started]
	changed = one.healthy != healthy
	one.healthy = healthy
	return changed
}

// retire takes a replica from the mesh until it has started anew.
func (r *replicas) retire(one *replica) {
	r.mu.Lock()
	if one.retired == nil {
		one.retired = map[int]bool{}
	}
	one.retired[one.process.started()], one.healthy = true, false
	r.mu.Unlock()
	r.told()
}

// serves tells whether the mesh leads to it.
func (r *replicas) serves(one *replica) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return one.healthy
}

// move lets the manager say that a replica is on another node.
func (r *replicas) move(one *replica, node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one.node = node
}

// each does something to all replicas that match. It holds no lock meanwhile: to stop a
// process takes its time.
func (r *replicas) each(match func(*replica) bool, do func(*replica)) {
	for _, one := range r.all {
		if match(one) {
			do(one)
		}
	}
}

func ofService(name string) func(*replica) bool {
	return func(r *replica) bool { return r.service == name && r.slot > 0 }
}

func ofTheSwarm(r *replica) bool { return r.slot > 0 }

func onNode(name string) func(*replica) bool { return func(r *replica) bool { return r.node == name } }
