package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/cli/cli/connhelper"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"minitwit/monitoring/exporter/manager"
)

// What an engine says that is not of a Swarm, and one that has lost its Swarm. These are
// texts for people and may change with an engine: one that is not recognised makes the Swarm
// not known, never ok.
const (
	saysNoSwarm  = "docker swarm init"
	saysNoLeader = "does not have a leader"
	saysNoQuorum = "does not have quorum"
)

// goBack takes a release of the product back. Not docker service rollback: that goes to what
// the service was before its last update, which may be a scale, and takes one service of two.
const goBack = "./scripts/run.sh rollback PLACE"

// askSwarm asks the managers, and takes what the first of them answers.
func (d *doctor) askSwarm(ctx context.Context) []check {
	itself := check{Case: "swarm", Aim: "has a leader"}
	if len(d.managers) == 0 {
		itself.State, itself.Found = notAsked, "not configured: give --docker HOST, or DOCKER_HOST, or come to a manager"
		return []check{itself}
	}
	a, err := d.askManagers(ctx)
	if err == nil {
		return append(d.swarm(a.Lists), a.release.check()...)
	}
	itself.State, itself.Found = notKnown, brief(err)
	switch text := err.Error(); {
	// A laptop has an engine, too. Of several that somebody named that is not said.
	case strings.Contains(text, saysNoSwarm) && len(d.managers) == 1:
		itself.State, itself.Found = notAsked, "not configured: this engine is in no Swarm"
	case strings.Contains(text, saysNoLeader), strings.Contains(text, saysNoQuorum):
		itself.State, itself.Runbook = broken, d.runbooks.of("QuorumLost", "")
		itself.Found = "no leader: what runs serves on, and nothing is restarted or deployed"
	}
	return []check{itself}
}

// answer is what a manager said.
type answer struct {
	manager.Lists
	release release // the newest
	err     error
}

// askManagers asks all of them at once: a manager that has lost its power does not even
// refuse, and would cost the whole deadline.
func (d *doctor) askManagers(ctx context.Context) (answer, error) {
	// Once one has answered the others are called off.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// With room for all: nobody waits for those that come too late.
	answers := make(chan answer, len(d.managers))
	for _, host := range d.managers {
		go func() {
			a := askManager(ctx, host, d.stacks[0])
			if a.err != nil {
				a.err = fmt.Errorf("%s: %w", host, a.err)
			}
			answers <- a
		}()
	}
	var failed []error
	for range d.managers {
		a := <-answers
		if a.err == nil {
			return a, nil
		}
		failed = append(failed, a.err)
	}
	return answer{}, errors.Join(failed...)
}

// askManager asks one about the services of all stacks; swarm picks some. The answer counts
// also where there is no record of the stack's last deploy.
func askManager(ctx context.Context, host, stack string) (a answer) {
	m, err := reach(host)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = m.Close() }()
	if a.Lists, a.err = m.Ask(ctx); a.err == nil {
		a.release = newestRelease(ctx, m, stack)
	} else if ctx.Err() != nil {
		a.err = errors.New("no answer in time")
	}
	return a
}

// reach prepares to ask the manager at an address as DOCKER_HOST has it, ssh:// included. The
// exporter has no such way: it asks the proxy, which lets it only look.
func reach(host string) (*manager.Manager, error) {
	helper, err := connhelper.GetConnectionHelper(host)
	if err != nil {
		return nil, err
	}
	if helper == nil {
		return manager.New(host, "")
	}
	return manager.Through("", client.WithHost(helper.Host), client.WithDialContext(helper.Dialer))
}

// beforeSSH is what the client puts before what ssh itself has said, if that is anything.
var beforeSSH = regexp.MustCompile(`error during connect: .*: stderr=(\S)`)

// brief says of each manager why it did not answer: all three lists fail for one reason.
func brief(err error) string {
	// The prefixes are those of manager.Ask.
	text := strings.NewReplacer("services: ", "", "Error response from daemon: ", "").Replace(beforeSSH.ReplaceAllString(err.Error(), "$1"))
	var reasons []string
	for reason := range strings.Lines(text) {
		if strings.HasPrefix(reason, "tasks: ") || strings.HasPrefix(reason, "nodes: ") {
			continue
		}
		if reason = line(reason); reason != "" && !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	return strings.Join(reasons, "; ")
}

// swarm says what the lists mean.
func (d *doctor) swarm(lists manager.Lists) (found []check) {
	services := slices.Clone(lists.Services)
	slices.SortFunc(services, func(a, b swarm.Service) int { return cmp.Compare(a.Spec.Name, b.Spec.Name) })
	for i, stack := range d.stacks {
		whole := 0
		for _, service := range services {
			if service.Spec.Labels[manager.StackLabel] != stack {
				continue
			}
			c := d.service(service, lists)
			// Of the first stack, the product's, each is shown with its image. The others
			// have a dozen services, which one line has to do for.
			if c.State != fine || i == 0 {
				found = append(found, c)
			} else {
				whole++
			}
		}
		// What watches may well go on where the product is gone.
		if i == 0 && len(found) == 0 {
			found = append(found, check{Case: "stack " + stack, Aim: "is deployed", State: broken, Found: "the Swarm has no service of it"})
		}
		if whole > 0 {
			found = append(found, check{
				Case: "stack " + stack, Aim: "all services whole", State: fine, Found: fmt.Sprintf("services that are whole: %d", whole),
			})
		}
	}
	found = append(found, d.nodes(lists.Nodes)...)
	return append(found, d.change(services)...)
}

// service says of one whether it is whole, and how it was last updated.
func (d *doctor) service(s swarm.Service, lists manager.Lists) check {
	running, desired, counted := manager.Replicas(s, lists.Tasks)
	update := manager.LastUpdate(s)
	c := check{Case: "service " + s.Spec.Name, Aim: "all replicas run, no update failed", State: fine}
	var said []string
	if counted {
		said = append(said, fmt.Sprintf("%d/%d running", len(running), desired))
	}
	// What an update did stays in the service until the next deployment: a release that was
	// rolled back is seen for as long as nobody has made another one.
	image := "image " + manager.Digest(s.Spec.TaskTemplate.ContainerSpec)
	switch {
	case stuck(update):
		c.State, c.Runbook, c.Since = broken, d.runbooks.of("UpdateStuck", ""), dated(update.Started)
		said = append(said, image, string(update.State)+" and does not end")
	case update.State == manager.NoUpdate:
		said = append(said, image, did(update)+" "+clock(update.Changed))
	case update.State == swarm.UpdateStatePaused, strings.HasPrefix(string(update.State), "rollback_"):
		c.State, c.Runbook, c.Since = broken, d.runbooks.of("DeployRolledBack", ""), dated(update.Started)
		said = append(said, image, strings.TrimSuffix(string(update.State)+": "+update.Message, ": "))
	default:
		said = append(said, image, fmt.Sprintf("%s, begun %s", update.State, clock(update.Started)))
	}
	failure := lastFailure(s, lists.Tasks)
	if counted && len(running) < desired {
		// Also during the seconds in which the Swarm replaces one: it is so, and goes away.
		c.State, c.Runbook = broken, d.runbooks.of(tooFew(len(running), desired), "")
		c.Since = nil // of the update
		if began := lastFailure(s, vacant(lists.Tasks, running)); began != nil && began.Status.Timestamp.After(update.Started) {
			c.Since = dated(began.Status.Timestamp)
		}
	}
	if failure != nil && c.State == broken {
		said = append(said, "last failure: "+failure.Status.Err)
	}
	c.Found = line(strings.Join(said, ", "))
	return c
}

// longest is what an update may take, and its rollback: some minutes. The rule UpdateStuck
// waits as long.
const longest = 15 * time.Minute

// stuck says whether an update goes on that cannot end: with start-first the replicas of before
// all run while the new one waits for room.
func stuck(u manager.Update) bool {
	goesOn := u.State == swarm.UpdateStateUpdating || u.State == swarm.UpdateStateRollbackStarted
	return goesOn && !u.Started.IsZero() && time.Since(u.Started) > longest
}

// tooFew names the alert for so many replicas. It draws the line where the rules do.
func tooFew(running, desired int) string {
	if 2*running < desired {
		return "ReplicasBelowQuorum"
	}
	return "ReplicaMissing"
}

// lastFailure gives the task that failed, or could not start, last: also one that waits
// because no node may take it says so as an error.
func lastFailure(s swarm.Service, tasks []swarm.Task) (last *swarm.Task) {
	for _, t := range tasks {
		if t.ServiceID == s.ID && t.Status.Err != "" && (last == nil || t.Status.Timestamp.After(last.Status.Timestamp)) {
			last = &t
		}
	}
	return last
}

// vacant leaves out the tasks of places in which one runs, of a slot or, where a service is global,
// of a node: what failed there has been replaced, and does not date what is missing now.
func vacant(tasks, running []swarm.Task) []swarm.Task {
	return slices.DeleteFunc(slices.Clone(tasks), func(t swarm.Task) bool {
		return slices.ContainsFunc(running, func(r swarm.Task) bool {
			return r.ServiceID == t.ServiceID && r.Slot == t.Slot && (t.Slot != 0 || r.NodeID == t.NodeID)
		})
	})
}

// did says what somebody did to a service last.
func did(u manager.Update) string {
	if u.Deployed {
		return "deployed"
	}
	return "changed"
}

// change gives what somebody deployed, scaled or restarted last. Most outages begin with that.
func (d *doctor) change(services []swarm.Service) []check {
	var newest swarm.Service
	var last manager.Update
	for _, s := range services {
		update := manager.LastUpdate(s)
		if slices.Contains(d.stacks, s.Spec.Labels[manager.StackLabel]) && update.Changed.After(last.Changed) {
			newest, last = s, update
		}
	}
	if last.Changed.IsZero() {
		return nil
	}
	c := check{Case: lastChange, Aim: "is known", State: fine, Since: &last.Changed, Labels: map[string]string{"service": newest.Spec.Name}}
	c.Found = fmt.Sprintf("%s was %s, image %s", newest.Spec.Name, did(last), manager.Digest(newest.Spec.TaskTemplate.ContainerSpec))
	if last.Deployed && newest.Spec.Labels[manager.StackLabel] == d.stacks[0] {
		c.undo = goBack
	}
	return []check{c}
}
