package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"minitwit/service/wait"

	"github.com/moby/moby/client"
)

// firstAlone lets the load use the node that will be left, and sees to it that this one has
// replicas: it may have come back empty from the drill before.
func firstAlone(ctx context.Context, r *run) error {
	r.spare = nodeNames[:1]
	s, err := r.cluster.await(ctx, "full strength", snapshot.strong)
	if err != nil || each(func(name string) bool { return s.has(nodeNames[0], name) }) {
		return err
	}
	r.say("%s has not a replica of each: spreading them anew", nodeNames[0])
	return r.rebalance(ctx)
}

// loseQuorum ends two of three managers. The third one's replicas must serve on,
// although nothing can be scheduled any more; then it is made a Swarm of one, by
// the recovery that docs/operations.md describes, and two empty machines join it.
func loseQuorum(ctx context.Context, r *run) error {
	r.cluster.alive = r.spare
	err := r.strike("kill n2 and n3", func() error {
		return errors.Join(r.lab.do(ctx, "kill", "n2"), r.lab.do(ctx, "kill", "n3"))
	})
	if err != nil {
		return err
	}
	if err := r.noQuorum(ctx); err != nil {
		return err
	}
	// Without a quorum what runs has to go on: nothing failed for a while.
	const alone = 30 * time.Second
	if err := wait.Until(ctx, patience, "half a minute without a failure and without a quorum", func() bool {
		return time.Since(r.lastFailure()) > alone
	}); err != nil {
		return err
	}
	r.awaitPage(ctx)
	r.mended = time.Now()
	r.say("no quorum, and no failure for %v; making a Swarm of the one that is left", alone)
	if err := r.lab.do(ctx, "recover", "n1"); err != nil {
		return err
	}
	r.cluster.alive = nodeNames
	err = r.recovered(ctx, "a quorum of three, all replicas", func(s snapshot) bool {
		return !slices.ContainsFunc(nodeNames, func(n string) bool { return !s.ready(n) })
	})
	if err != nil {
		return err
	}
	if err := r.rebalance(ctx); err != nil {
		return err
	}
	// The survivor's ports have to lead to the new nodes too, once gossip has told it.
	var last error
	err = wait.Until(ctx, 3*time.Minute, "answers of all replicas on each node", func() bool {
		last = r.lab.do(ctx, "mesh")
		return last == nil
	})
	return errors.Join(err, last)
}

// noQuorum waits until n1, which lives, cannot list the nodes: for that it needs a leader.
func (r *run) noQuorum(ctx context.Context) error {
	err := wait.Until(ctx, patience, "the loss of the quorum", func() bool {
		_, err := r.cluster.engines["n1"].NodeList(ctx, client.NodeListOptions{})
		return err != nil
	})
	d := since(r.fault, time.Now())
	r.detect = &d
	return err
}

// lastFailure gives when the last failure ended, or the fault.
func (r *run) lastFailure() time.Time {
	last := r.fault
	for _, s := range r.load.all() {
		if s.failure != "" && s.ended.After(last) {
			last = s.ended
		}
	}
	return last
}

// quorumReturned can only wait: of a recovery that did not come to its end there is no way back.
func quorumReturned(ctx context.Context, r *run) error {
	r.cluster.alive = nodeNames
	_, err := r.cluster.await(ctx, "three managers", func(s snapshot) bool {
		return !slices.ContainsFunc(nodeNames, func(n string) bool { return !s.ready(n) })
	})
	if err != nil {
		return fmt.Errorf("%w; './scripts/run.sh lab down' and 'up' make a new one", err)
	}
	return nil
}
