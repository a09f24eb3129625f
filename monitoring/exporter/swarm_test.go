package main

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"minitwit/monitoring/exporter/manager"
)

func TestTheStateOfAnUpdate(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	is := func(state string) {
		t.Helper()
		var want []string
		for _, each := range updateStates {
			value := " 0"
			if string(each) == state {
				value = " 1"
			}
			want = append(want, `swarm_service_update_state{service="api",state="`+string(each)+`"}`+value)
		}
		expect(t, c, `update_state{service="api"`, want...)
	}
	is("rollback_started")
	for _, state := range []swarm.UpdateState{"updating", "paused", "completed", "rollback_paused", "rollback_completed"} {
		e.change(func(l *manager.Lists) { l.Services[0].UpdateStatus.State = state })
		is(string(state))
	}
	// A state of an engine to come is none of those that we know, and no new series.
	e.change(func(l *manager.Lists) { l.Services[0].UpdateStatus.State = "postponed" })
	is("")
	e.change(func(l *manager.Lists) { l.Services[0].UpdateStatus.State = "" })
	is("none")
	e.change(func(l *manager.Lists) { l.Services[0].UpdateStatus = nil })
	is("none")
}

// Swarm changes a service at each step of an update. Only the first of them is somebody's.
func TestWhenAServiceWasChanged(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	began := time.Unix(1_800_000_000, 0)
	e.change(func(l *manager.Lists) {
		l.Services[0].UpdateStatus.StartedAt, l.Services[0].UpdatedAt = &began, began.Add(time.Hour)
	})
	expect(t, c, `timestamp_seconds{service="api"}`,
		`swarm_service_deployed_timestamp_seconds{service="api"} 1.8e+09`,
		`swarm_service_update_started_timestamp_seconds{service="api"} 1.8e+09`)
	e.change(func(l *manager.Lists) { l.Services[0].UpdateStatus = nil })
	expect(t, c, `timestamp_seconds{service="api"}`,
		`swarm_service_deployed_timestamp_seconds{service="api"} 1.8000036e+09`)
}

func TestOnlyTasksThatShouldRunAreReplicas(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	want := `swarm_service_replicas_running{service="api"} `
	expect(t, c, want, want+"3")
	// Not healthy yet; being stopped; on a node that is lost.
	e.change(func(l *manager.Lists) { recent(l).Status.State = swarm.TaskStateStarting })
	expect(t, c, want, want+"2")
	e.change(func(l *manager.Lists) {
		task := recent(l)
		task.Status.State, task.DesiredState = swarm.TaskStateRunning, swarm.TaskStateShutdown
	})
	expect(t, c, want, want+"2")
	expect(t, c, "swarm_service_node_tasks",
		`swarm_service_node_tasks{node="n2",service="api"} 1`, `swarm_service_node_tasks{node="n3",service="api"} 1`,
		`swarm_service_node_tasks{node="n2",service="web"} 2`, `swarm_service_node_tasks{node="n3",service="web"} 1`)
}

func TestTwoVersionsAtOnce(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	e.change(func(l *manager.Lists) {
		recent(l).Spec.ContainerSpec.Image = "registry.example/minitwit:v2@sha256:0123456789abcdef" + strings.Repeat("0", 48)
	})
	expect(t, c, `swarm_service_tasks{digest=`,
		`swarm_service_tasks{digest="0123456789ab",service="api"} 1`,
		`swarm_service_tasks{digest="f073b3d64c14",service="api"} 2`,
		`swarm_service_tasks{digest="f073b3d64c14",service="web"} 3`)
	for _, image := range []string{"minitwit:v2", "minitwit@sha256:0123", ""} {
		e.change(func(l *manager.Lists) { recent(l).Spec.ContainerSpec.Image = image })
		expect(t, c, `digest="unknown"`, `swarm_service_tasks{digest="unknown",service="api"} 1`)
	}
}

// global makes the service api a global one, with a task on each node.
func global(l *manager.Lists) {
	l.Services[0].Spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
}

func TestAGlobalServiceShouldRunOnEachNodeThatQualifies(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	e.change(global)
	replicas := func(desired, running string) {
		t.Helper()
		expect(t, c, `replicas_desired{service="api"}`, `swarm_service_replicas_desired{service="api"} `+desired)
		expect(t, c, `replicas_running{service="api"}`, `swarm_service_replicas_running{service="api"} `+running)
	}
	replicas("3", "3")
	// It failed, and the next one is to be started in two seconds.
	e.change(func(l *manager.Lists) {
		replace(l, "next")
		recent(l).DesiredState = swarm.TaskStateReady
	})
	replicas("3", "2")
	// An update starts the new one before the old one is stopped.
	e.change(func(l *manager.Lists) {
		next := &l.Tasks[len(l.Tasks)-1]
		next.Status.State, next.DesiredState = swarm.TaskStateRunning, swarm.TaskStateRunning
		second := *next
		second.ID = "second"
		l.Tasks = append(l.Tasks, second)
	})
	replicas("3", "4")
	// Drained: the node qualifies no more.
	e.change(func(l *manager.Lists) {
		for i := range l.Tasks {
			if l.Tasks[i].NodeID == recent(l).NodeID {
				l.Tasks[i].DesiredState = swarm.TaskStateShutdown
			}
		}
	})
	replicas("2", "2")
}

// Its tasks end, and that is no replica missing.
func TestAJobHasNoReplicas(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	e.change(func(l *manager.Lists) {
		l.Services[0].Spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{}}
	})
	expect(t, c, "swarm_service_replicas",
		`swarm_service_replicas_desired{service="web"} 3`, `swarm_service_replicas_running{service="web"} 3`)
	expectCounts(t, c, 0, 0)
}

// Someone may put the stack's label on a service of his own.
func TestAServiceWithoutTheStacksPrefixIsNotOfTheStack(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	e.change(func(l *manager.Lists) {
		stray := l.Services[0]
		stray.ID, stray.Spec.Name = "stray", "api"
		l.Services = append(l.Services, stray)
		l.Tasks = append(l.Tasks, swarm.Task{ID: "x", ServiceID: "stray"}, swarm.Task{ID: "y", ServiceID: "removed"})
	})
	expect(t, c, "swarm_service_replicas_desired",
		`swarm_service_replicas_desired{service="api"} 3`, `swarm_service_replicas_desired{service="web"} 3`)
}

func expectNode(t *testing.T, c *collector, want ...string) {
	t.Helper()
	const name = "n1"
	for i, w := range want {
		metric, value, _ := strings.Cut(w, " ")
		want[i] = "swarm_node_" + metric + `{node="` + name + `"} ` + value
	}
	expect(t, c, `{node="`+name+`"}`, want...)
}

func TestNodes(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	n1 := func(happens func(*swarm.Node)) {
		e.change(func(l *manager.Lists) {
			happens(&l.Nodes[slices.IndexFunc(l.Nodes, func(n swarm.Node) bool { return n.Description.Hostname == "n1" })])
		})
	}
	expectNode(t, c, "ready 1", "active 1", "manager 1", "reachable 1", "leader 1")
	n1(func(n *swarm.Node) { n.Status.State = swarm.NodeStateDown })
	expectNode(t, c, "ready 0", "active 1", "manager 1", "reachable 1", "leader 1")
	n1(func(n *swarm.Node) {
		n.ManagerStatus.Leader, n.ManagerStatus.Reachability = false, swarm.ReachabilityUnreachable
	})
	expectNode(t, c, "ready 0", "active 1", "manager 1", "reachable 0", "leader 0")
	expect(t, c, "swarm_node_leader", `swarm_node_leader{node="n1"} 0`, `swarm_node_leader{node="n2"} 0`, `swarm_node_leader{node="n3"} 0`)
	n1(func(n *swarm.Node) { n.Spec.Availability, n.ManagerStatus = swarm.NodeAvailabilityDrain, nil })
	expectNode(t, c, "ready 0", "active 0", "manager 1", "reachable 0", "leader 0")
	n1(func(n *swarm.Node) { n.Spec.Role, n.Status.State = swarm.NodeRoleWorker, swarm.NodeStateReady })
	expectNode(t, c, "ready 1", "active 0", "manager 0")
}

// A machine that was made anew joins under its old name, and its old entry stays
// until somebody removes it. Two samples of one name would fail the whole scrape.
func TestANodeThatJoinedAgainIsOne(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		e := startEngine(t)
		c := exporterOf(t, e)
		e.change(func(l *manager.Lists) {
			old := l.Nodes[0]
			old.ID, old.CreatedAt = "old", old.CreatedAt.Add(-time.Hour)
			old.Status.State, old.ManagerStatus = swarm.NodeStateDown, nil
			if first {
				l.Nodes = slices.Insert(l.Nodes, 0, old)
			} else {
				l.Nodes = append(l.Nodes, old)
			}
		})
		expect(t, c, "swarm_node_ready", `swarm_node_ready{node="n1"} 1`, `swarm_node_ready{node="n2"} 1`, `swarm_node_ready{node="n3"} 1`)
		// For the majority it is two until somebody removes the old entry.
		expect(t, c, "swarm_node_manager", `swarm_node_manager{node="n1"} 1`, `swarm_node_manager{node="n2"} 2`, `swarm_node_manager{node="n3"} 1`)
		expect(t, c, "swarm_node_reachable", `swarm_node_reachable{node="n1"} 1`, `swarm_node_reachable{node="n2"} 1`, `swarm_node_reachable{node="n3"} 1`)
	}
}

// A manager that is cut off from the others answers at once, and its connection stays open. The
// others, behind the same address, know better.
func TestAManagerThatRefusesIsLeftForAnother(t *testing.T) {
	t.Parallel()
	refusing, well := startEngine(t), startEngine(t)
	refusing.become(leaderless)
	c := exporterAt(t, inTurn(t, refusing, well, well))
	expect(t, c, "swarm_up", `swarm_up 0`)
	for range 3 {
		expect(t, c, "swarm_up", `swarm_up 1`)
	}
	if n := len(refusing.requests()); n != 3 {
		t.Errorf("who refuses was asked %d times, want its three lists once", n)
	}
}

// inTurn is an address that gives each connection to the next of engines, as Swarm's own for a
// service with several tasks.
func inTurn(t *testing.T, engines ...*engine) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for n := 0; ; n++ {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", engines[n%len(engines)].Listener.Addr().String())
			if err != nil {
				_ = from.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					_ = pair[0].Close()
				}()
			}
		}
	}()
	return l.Addr().String()
}
