package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"minitwit/service/wait"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// follower chooses a node that does not lead: the death of a leader is a drill of
// its own.
func follower(ctx context.Context, r *run) error { return r.choose(ctx, false) }

// leading chooses the one that leads.
func leading(ctx context.Context, r *run) error { return r.choose(ctx, true) }

// drainable chooses a follower whose ports stay open: a drained node still leads
// requests to the replicas of the others.
func drainable(ctx context.Context, r *run) error {
	err := r.choose(ctx, false)
	r.spare = nil
	return err
}

// choose makes a node the victim. Clients of its ports are not counted: no design
// of the other nodes could help them.
func (r *run) choose(ctx context.Context, leads bool) error {
	s, err := r.cluster.await(ctx, "a leader", func(s snapshot) bool { return s.leader() != "" })
	for _, n := range nodeNames {
		// The last one that fits, if possible one with a replica: without one its end shows little.
		if (n == s.leader()) == leads && (r.victim == "" || s.has(n, "api")) {
			r.victim = n
		}
	}
	if err == nil && !s.has(r.victim, "api") {
		r.say("%s has no replica of the API: spreading them anew", r.victim)
		err = r.rebalance(ctx)
	}
	r.spare = slices.DeleteFunc(slices.Clone(nodeNames), func(n string) bool { return n == r.victim })
	return err
}

// changeNode changes what a node shall be.
func (r *run) changeNode(ctx context.Context, name string, change func(*swarm.NodeSpec)) error {
	return r.cluster.insist(ctx, "a change of "+name, func(s snapshot, engine *client.Client) error {
		node := s.nodes[name]
		change(&node.Spec)
		_, err := engine.NodeUpdate(ctx, node.ID, client.NodeUpdateOptions{Version: node.Version, Spec: node.Spec})
		return err
	})
}

// insist makes a change of what was just seen. The leader may be another by now, and the
// version too: then once more.
func (c *cluster) insist(ctx context.Context, what string, change func(snapshot, *client.Client) error) error {
	var last error
	err := wait.Until(ctx, patience, what, func() bool {
		var s snapshot
		if s, last = c.look(ctx); last == nil {
			last = c.ask(func(engine *client.Client) error { return change(s, engine) })
		}
		return last == nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

// ask gives the request to the managers in turn, until one takes it.
func (c *cluster) ask(request func(*client.Client) error) error {
	var failed []error
	for _, n := range c.alive {
		err := request(c.engines[n])
		if err == nil {
			return nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", n, err))
	}
	return errors.Join(failed...)
}

// killNode pulls the victim's plug.
func killNode(ctx context.Context, r *run) error { return r.lose(ctx, "kill") }

// cutNode takes its network away; the machine goes on.
func cutNode(ctx context.Context, r *run) error { return r.lose(ctx, "cut") }

func (r *run) lose(ctx context.Context, how string) error {
	// Before the fault, so that no look waits for a node that cannot answer.
	r.cluster.alive = r.spare
	if err := r.strike(how+" "+r.victim, func() error { return r.lab.do(ctx, how, r.victim) }); err != nil {
		return err
	}
	down := func(s snapshot) bool { return s.nodes[r.victim].Status.State == swarm.NodeStateDown }
	if err := r.detected(ctx, r.victim+" is down", down); err != nil {
		return err
	}
	return r.recovered(ctx, "all replicas on the other nodes", func(s snapshot) bool {
		return down(s) && s.empty(r.victim)
	})
}

// returned brings the victim back. It may stay empty: Swarm moves nothing to it.
func returned(how string) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		// Where the drill ended before it chose one, nothing is to be brought back.
		if r.victim == "" {
			return nil
		}
		err := r.lab.do(ctx, how, r.victim)
		r.cluster.alive = nodeNames
		if err != nil {
			return err
		}
		_, err = r.cluster.await(ctx, r.victim+" is back", func(s snapshot) bool { return s.ready(r.victim) && s.strong() })
		return err
	}
}

// registryDown ends the registry, then a node: what the others run in its place
// must come out of their own stores.
func registryDown(ctx context.Context, r *run) error {
	if err := r.lab.do(ctx, "registry", "stop"); err != nil {
		return err
	}
	return killNode(ctx, r)
}

func registryReturned(ctx context.Context, r *run) error {
	return errors.Join(r.lab.do(ctx, "registry", "start"), returned("start")(ctx, r))
}

// drainNode takes a node out of service, as before its maintenance.
func drainNode(ctx context.Context, r *run) error {
	err := r.strike("draining "+r.victim, func() error {
		return r.changeNode(ctx, r.victim, func(spec *swarm.NodeSpec) { spec.Availability = swarm.NodeAvailabilityDrain })
	})
	if err != nil {
		return err
	}
	return r.recovered(ctx, "all replicas on the other nodes", func(s snapshot) bool { return s.empty(r.victim) })
}

// empty tells whether nothing of ours shall run on a node.
func (s snapshot) empty(node string) bool {
	return each(func(name string) bool { return !s.has(node, name) })
}

// has tells whether a replica of the service shall run on the node.
func (s snapshot) has(node, service string) bool {
	return slices.ContainsFunc(s.tasks[service], func(t swarm.Task) bool { return s.nodeOf(t) == node })
}

func undrained(ctx context.Context, r *run) error {
	if r.victim == "" {
		return nil
	}
	return r.changeNode(ctx, r.victim, func(spec *swarm.NodeSpec) { spec.Availability = swarm.NodeAvailabilityActive })
}

// drained is where return-node begins.
func drained(ctx context.Context, r *run) error {
	if err := drainable(ctx, r); err != nil {
		return err
	}
	if err := r.changeNode(ctx, r.victim, func(spec *swarm.NodeSpec) { spec.Availability = swarm.NodeAvailabilityDrain }); err != nil {
		return err
	}
	_, err := r.cluster.await(ctx, r.victim+" is empty", func(s snapshot) bool { return s.strong() && s.empty(r.victim) })
	return err
}

// returnNode brings a node back into service. The Swarm moves nothing by itself.
func returnNode(ctx context.Context, r *run) error {
	if err := r.strike(r.victim+" returns", func() error { return undrained(ctx, r) }); err != nil {
		return err
	}
	return r.rebalance(ctx)
}

// rebalance gives each service a replica more for each node that has none, and then
// takes as many away: the Swarm starts where there are fewest, and ends one where
// there are most. An update would move all of them and still leave a node out now and
// then: an old one counts until the new one is healthy, so of three on three nodes the
// last may go anywhere.
func (r *run) rebalance(ctx context.Context) error {
	before, err := r.cluster.view(ctx)
	if err != nil {
		return err
	}
	// Both passes reckon from before, so that the second goes back to its numbers.
	for _, more := range []bool{true, false} {
		for _, name := range services {
			replicas := *before.services[name].Spec.Mode.Replicated.Replicas
			if more {
				replicas += before.without(name)
			}
			if err := r.rescale(ctx, name, replicas); err != nil {
				return err
			}
		}
		if _, err := r.cluster.await(ctx, "replicas to be spread", snapshot.strong); err != nil {
			return err
		}
	}
	// In a prepare there is nothing to measure yet.
	if r.fault.IsZero() {
		return nil
	}
	return r.recovered(ctx, "replicas on every node", snapshot.spread)
}

// without counts the nodes that could have a replica of the service and have none.
func (s snapshot) without(service string) (count uint64) {
	for _, n := range nodeNames {
		if s.ready(n) && !s.has(n, service) {
			count++
		}
	}
	return count
}

func (r *run) rescale(ctx context.Context, name string, replicas uint64) error {
	return r.changeService(ctx, name, func(spec *swarm.ServiceSpec) { spec.Mode.Replicated.Replicas = &replicas })
}

// changeService changes what a service shall be, by way of any manager.
func (r *run) changeService(ctx context.Context, name string, change func(*swarm.ServiceSpec)) error {
	return r.cluster.insist(ctx, "a change of "+name, func(s snapshot, engine *client.Client) error {
		svc := s.services[name]
		change(&svc.Spec)
		_, err := engine.ServiceUpdate(ctx, svc.ID, client.ServiceUpdateOptions{Version: svc.Version, Spec: svc.Spec})
		return err
	})
}

// scale doubles the API's replicas and halves them again.
func scale(ctx context.Context, r *run) error {
	for _, replicas := range []uint64{6, 3} {
		what := fmt.Sprintf("%d replicas of the API", replicas)
		err := r.strikeOnce(what, func() error {
			return r.rescale(ctx, "api", replicas)
		})
		if err != nil {
			return err
		}
		if err := r.recovered(ctx, what, nil); err != nil {
			return err
		}
	}
	return nil
}

func scaledBack(ctx context.Context, r *run) error {
	return r.rescale(ctx, "api", 3)
}
