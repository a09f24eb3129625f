package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"minitwit/monitoring/exporter/manager"
	"minitwit/service/freeport"
)

// recorded are the lists of a Swarm of three, as a manager of Engine 26.1 gave them,
// after an update that was rolled back.
func recorded(t *testing.T) (l manager.Lists) {
	t.Helper()
	for name, into := range map[string]any{"services": &l.Services, "tasks": &l.Tasks, "nodes": &l.Nodes} {
		content, err := os.ReadFile("../exporter/testdata/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(content, into); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// whole is the same Swarm after a release that went well, an hour ago.
func whole(t *testing.T) manager.Lists {
	t.Helper()
	l := recorded(t)
	for i := range l.Services {
		began := time.Now().Add(-time.Hour - time.Duration(i)*time.Minute)
		l.Services[i].UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateCompleted, StartedAt: &began}
	}
	return l
}

// engine serves lists as a manager does, and gives its address.
func engine(t *testing.T, l manager.Lists) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		lists := map[string]any{"services": l.Services, "tasks": l.Tasks, "nodes": l.Nodes, "configs": records()}
		_ = json.NewEncoder(w).Encode(lists[path.Base(r.URL.Path)])
	})
}

// records are those of three deploys, as run.sh deploy keeps them.
func records() (all []swarm.Config) {
	for i, text := range []string{
		// Anna's clock is a day ahead; which is the last one, the managers know.
		`{"version":"v1","by":"anna@desk","at":"2026-01-03T03:04:05Z","result":"ok"}`,
		`{"version":"v2","by":"ben@desk","at":"2026-01-02T03:04:05Z","result":"undone","message":"api.1 on n2: unhealthy\n  the end of its log"}`,
		`{"version":"v0","by":"ben@desk","at":"2026-01-01T03:04:05Z","result":"ok"}`,
	} {
		made := swarm.Meta{CreatedAt: time.Unix([]int64{2, 3, 1}[i], 0)}
		all = append(all, swarm.Config{Meta: made, Spec: swarm.ConfigSpec{Data: []byte(text)}})
	}
	return all
}

// refusing answers as an engine that gives no lists.
func refusing(t *testing.T, message string) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		body, _ := json.Marshal(map[string]string{"message": message})
		_, _ = w.Write(body)
	})
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return "tcp://" + server.Listener.Addr().String()
}

func askSwarmOf(t *testing.T, managers ...string) []check {
	t.Helper()
	return askSwarmWithin(t, enough, managers...)
}

func askSwarmWithin(t *testing.T, limit time.Duration, managers ...string) []check {
	t.Helper()
	d := &doctor{managers: managers, stacks: words{"minitwit", "monitoring"}, runbooks: "../runbooks"}
	return d.askSwarm(withTimeout(t, limit))
}

func TestASwarmThatIsWhole(t *testing.T) {
	t.Parallel()
	got := askSwarmOf(t, engine(t, whole(t)))
	expect(t, got, "service minitwit_api", fine, "3/3 running, image f073b3d64c14, completed, begun ", "")
	expect(t, got, "service minitwit_web", fine, "3/3 running", "")
	expect(t, got, "nodes", fine, "3 of 3 ready", "")
	expect(t, got, "managers", fine, "3 of 3 reachable, n1 leads", "")
	expect(t, got, lastChange, fine, "minitwit_api was deployed, image f073b3d64c14", "")
	expect(t, got, lastDeploy, fine, "v2 by ben@desk failed and was undone: api.1 on n2: unhealthy", "")
	if len(got) != 6 {
		t.Errorf("%d lines: %+v", len(got), got)
	}
}

// task gives the first task of the service api that should run.
func task(l *manager.Lists) *swarm.Task {
	return &l.Tasks[slices.IndexFunc(l.Tasks, func(t swarm.Task) bool {
		return t.ServiceID == l.Services[0].ID && t.DesiredState == swarm.TaskStateRunning
	})]
}

func node(l *manager.Lists, host string) *swarm.Node {
	return &l.Nodes[slices.IndexFunc(l.Nodes, func(n swarm.Node) bool { return n.Description.Hostname == host })]
}

func fails(l *manager.Lists) {
	task(l).Status = swarm.TaskStatus{State: swarm.TaskStateFailed, Err: "task: non-zero exit (137)", Timestamp: time.Now()}
}

func TestWhatIsWrongInASwarm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what         string
		change       func(*manager.Lists)
		name         string
		state        state
		found, alert string
	}{
		{"a replica fails", fails, "service minitwit_api", broken, "2/3 running, image f073b3d64c14, completed, begun ", "ReplicaMissing"},
		{"and says why", fails, "service minitwit_api", broken, "last failure: task: non-zero exit (137)", "ReplicaMissing"},
		{"two replicas fail", func(l *manager.Lists) {
			task(l).DesiredState = swarm.TaskStateShutdown
			task(l).DesiredState = swarm.TaskStateShutdown
		}, "service minitwit_api", broken, "1/3 running", "ReplicasBelowQuorum"},
		{
			"rolled back", func(l *manager.Lists) { *l = recorded(t); begun(l, "rollback_started", time.Minute) },
			"service minitwit_api", broken, "rollback_started: update rolled back due to failure", "DeployRolledBack",
		},
		{
			"paused", func(l *manager.Lists) { l.Services[0].UpdateStatus.State = swarm.UpdateStatePaused },
			"service minitwit_api", broken, "image f073b3d64c14, paused", "DeployRolledBack",
		},
		{
			"updating", func(l *manager.Lists) { begun(l, "updating", 14*time.Minute) },
			"service minitwit_api", fine, "updating, begun ", "",
		},
		{
			"updating for nobody knows how long", func(l *manager.Lists) {
				begun(l, "updating", 0)
				l.Services[0].UpdateStatus.StartedAt = nil
			},
			"service minitwit_api", fine, "updating, begun nobody knows when", "",
		},
		{
			"updating for ever", noRoom,
			"service minitwit_api", broken, "3/3 running, image f073b3d64c14, updating and does not end", "UpdateStuck",
		},
		{"and says why", noRoom, "service minitwit_api", broken, ", last failure: no suitable node", "UpdateStuck"},
		{
			"rolling back for ever", func(l *manager.Lists) { begun(l, "rollback_started", 16*time.Minute) },
			"service minitwit_api", broken, "rollback_started and does not end", "UpdateStuck",
		},
		{
			"never updated", func(l *manager.Lists) { l.Services[0].UpdateStatus = nil },
			"service minitwit_api", fine, "deployed ", "",
		},
		{"a node is down", func(l *manager.Lists) {
			node(l, "n2").Status = swarm.NodeStatus{State: swarm.NodeStateDown, Message: "heartbeat failure"}
		}, "nodes", broken, "2 of 3 ready, n2 is down heartbeat failure", "NodeDown"},
		{
			"a node is drained", func(l *manager.Lists) { node(l, "n2").Spec.Availability = swarm.NodeAvailabilityDrain },
			"nodes", fine, "3 of 3 ready, n2 is on drain", "",
		},
		{"a manager is not reached", func(l *manager.Lists) {
			node(l, "n3").ManagerStatus.Reachability = swarm.ReachabilityUnreachable
		}, "managers", broken, "2 of 3 reachable, n1 leads; not reached: n3", "QuorumAtRisk"},
		// Three answer, and of four managers that is the least: the old entry has to go.
		{"a manager has joined again", func(l *manager.Lists) {
			old := *node(l, "n3")
			old.ID, old.CreatedAt, old.ManagerStatus = "old", old.CreatedAt.Add(-time.Hour), nil
			l.Nodes = append(l.Nodes, old)
		}, "managers", broken, "3 of 4 reachable, n1 leads; not reached: n3", "QuorumAtRisk"},
		{
			"nobody leads", func(l *manager.Lists) { node(l, "n1").ManagerStatus.Leader = false },
			"managers", broken, "nobody leads", "QuorumLost",
		},
		{
			"nothing is deployed", func(l *manager.Lists) { l.Services = nil },
			"stack minitwit", broken, "the Swarm has no service of it", "",
		},
		{"only what watches is deployed", func(l *manager.Lists) {
			l.Services = l.Services[:1]
			l.Services[0].Spec.Name, l.Services[0].Spec.Labels[manager.StackLabel] = "monitoring_prometheus", "monitoring"
		}, "stack minitwit", broken, "the Swarm has no service of it", ""},
		{"monitoring is whole", func(l *manager.Lists) {
			l.Services[1].Spec.Name, l.Services[1].Spec.Labels[manager.StackLabel] = "monitoring_prometheus", "monitoring"
		}, "stack monitoring", fine, "services that are whole: 1", ""},
		{"monitoring is not", func(l *manager.Lists) {
			l.Services[0].Spec.Name, l.Services[0].Spec.Labels[manager.StackLabel] = "monitoring_prometheus", "monitoring"
			task(l).Status.State = swarm.TaskStateStarting
		}, "service monitoring_prometheus", broken, "2/3 running", "ReplicaMissing"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			l := whole(t)
			c.change(&l)
			expect(t, askSwarmOf(t, engine(t, l)), c.name, c.state, c.found, c.alert)
		})
	}
}

// undo is what is said of a Swarm's last change.
func undo(t *testing.T, l manager.Lists) string {
	t.Helper()
	got := askSwarmOf(t, engine(t, l))
	return got[slices.IndexFunc(got, func(c check) bool { return c.Case == lastChange })].undo
}

// What failed last week and was replaced then says nothing of a replica that is missing now.
func TestWhatHasBeenReplacedDatesNothing(t *testing.T) {
	t.Parallel()
	l := whole(t)
	missing := task(&l)
	missing.Status = swarm.TaskStatus{State: swarm.TaskStateFailed, Err: "now", Timestamp: time.Now().Add(-time.Minute)}
	other := *task(&l)
	for _, t := range l.Tasks {
		if t.ServiceID == missing.ServiceID && t.Slot != missing.Slot && t.DesiredState == swarm.TaskStateRunning {
			other = t
		}
	}
	other.ID, other.DesiredState = "replaced", swarm.TaskStateShutdown
	other.Status = swarm.TaskStatus{State: swarm.TaskStateFailed, Err: "replaced", Timestamp: time.Now()}
	l.Tasks = append(l.Tasks, other)
	for _, c := range askSwarmOf(t, engine(t, l)) {
		if c.Case == "service minitwit_api" && (c.Since == nil || time.Since(*c.Since) < time.Minute) {
			t.Errorf("since %v, want a minute ago: %s", c.Since, c.Found)
		}
	}
}

func TestAGlobalServiceHasAPlaceOnEachNode(t *testing.T) {
	t.Parallel()
	on := func(node string) swarm.Task { return swarm.Task{ServiceID: "edge", NodeID: node} }
	if got := vacant([]swarm.Task{on("n1"), on("n2")}, []swarm.Task{on("n1")}); len(got) != 1 || got[0].NodeID != "n2" {
		t.Errorf("vacant is %+v, want n2 alone", got)
	}
}

// The verb goes back with the product alone.
func TestWhatTakesTheLastChangeBack(t *testing.T) {
	t.Parallel()
	l := whole(t)
	if got := undo(t, l); got != goBack {
		t.Errorf("a release is taken back by %q", got)
	}
	l.Services[0].Spec.Name, l.Services[0].Spec.Labels[manager.StackLabel] = "monitoring_prometheus", "monitoring"
	if got := undo(t, l); got != "" {
		t.Errorf("a change of monitoring is taken back by %q", got)
	}
}

// begun makes an update of the service api stand so, begun some time ago.
func begun(l *manager.Lists, state swarm.UpdateState, ago time.Duration) {
	at, status := time.Now().Add(-ago), l.Services[0].UpdateStatus
	status.State, status.StartedAt = state, &at
}

// noRoom is an update whose first task waits for a node that may take it.
func noRoom(l *manager.Lists) {
	begun(l, swarm.UpdateStateUpdating, 16*time.Minute)
	l.Tasks = append(l.Tasks, swarm.Task{
		ServiceID: l.Services[0].ID, DesiredState: swarm.TaskStateRunning,
		Status: swarm.TaskStatus{State: swarm.TaskStatePending, Timestamp: time.Now(), Err: "no suitable node (insufficient resources on 3 nodes)"},
	})
}

// docker service scale leaves no update behind, docker service update --force one of the same image.
func TestAScaleIsNoDeploy(t *testing.T) {
	t.Parallel()
	l := whole(t)
	api := &l.Services[0]
	before := api.Spec
	api.PreviousSpec = &before
	expect(t, askSwarmOf(t, engine(t, l)), lastChange, fine, "minitwit_api was changed, image f073b3d64c14", "")
	api.UpdateStatus, api.UpdatedAt = nil, time.Now()
	got := askSwarmOf(t, engine(t, l))
	expect(t, got, lastChange, fine, "minitwit_api was changed, image f073b3d64c14", "")
	expect(t, got, "service minitwit_api", fine, "image f073b3d64c14, changed ", "")
	if back := undo(t, l); back != "" {
		t.Errorf("a scale is taken back by %q", back)
	}
	before.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "registry.example/minitwit:v1"}
	expect(t, askSwarmOf(t, engine(t, l)), lastChange, fine, "minitwit_api was deployed, image f073b3d64c14", "")
}

func TestSinceWhenANodeIsDown(t *testing.T) {
	t.Parallel()
	l := whole(t)
	for i, host := range []string{"n2", "n3"} {
		n := node(&l, host)
		n.Status.State, n.UpdatedAt = swarm.NodeStateDown, time.Unix(1_800_000_000+int64(i), 0)
	}
	got := askSwarmOf(t, engine(t, l))
	i := slices.IndexFunc(got, func(c check) bool { return c.Case == "nodes" })
	if since := got[i].Since; since == nil || since.Unix() != 1_800_000_000 {
		t.Errorf("the first of two is down since %v", since)
	}
}

func TestWithoutAManagerNothingIsKnownOfASwarm(t *testing.T) {
	t.Parallel()
	const worker = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state."
	const noSwarm = `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`
	for _, c := range []struct {
		what         string
		managers     []string
		state        state
		found, alert string
		limit        time.Duration
	}{
		{"nobody was named", nil, notAsked, "not configured", "", enough},
		{"no Swarm", []string{refusing(t, noSwarm)}, notAsked, "this engine is in no Swarm", "", enough},
		{"a worker", []string{refusing(t, worker)}, notKnown, "Worker nodes", "", enough},
		{"no leader", []string{refusing(t, "rpc error: code = Unknown desc = The swarm does not have a leader.")}, broken, "no leader", "QuorumLost", enough},
		{"hung", []string{"tcp://" + silent(t)}, notKnown, "no answer in time", "", inVain},
		{"away", []string{"tcp://" + freeport.For(t)}, notKnown, "connect", "", enough},
		{"no address", []string{"nowhere"}, notKnown, "nowhere", "", enough},
		{"no JSON", []string{serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[{") })}, notKnown, "unexpected", "", enough},
	} {
		got := askSwarmWithin(t, c.limit, c.managers...)
		if len(got) != 1 || strings.Contains(got[0].Found, "\n") {
			t.Errorf("%s: %+v", c.what, got)
		}
		expect(t, got, "swarm", c.state, c.found, c.alert)
	}
}

// sshIs makes ssh a script until the test ends, which so cannot run beside others.
func sshIs(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(put(t, dir, "ssh", script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// The keys for another engine's TLS are not there, and nobody asks for them.
func TestAManagerIsAskedOverSSH(t *testing.T) {
	address := strings.TrimPrefix(engine(t, whole(t)), "tcp://")
	sshIs(t, `#!/usr/bin/env bash
exec 2>/dev/null
[[ $* == '-l root '*' -- a docker system dial-stdio' ]] || exit 255
exec 3<>/dev/tcp/`+strings.Replace(address, ":", "/", 1)+`
cat <&3 &
cat >&3
kill $!
`)
	t.Setenv("DOCKER_CERT_PATH", t.TempDir())
	expect(t, askSwarmOf(t, "ssh://root@a"), "nodes", fine, "3 of 3 ready", "")
}

func TestWhySSHFailsIsSaidOnce(t *testing.T) {
	sshIs(t, `#!/bin/sh
read -r request
echo 'Warning: a is new' >&2
echo 'ssh: connect to host a port 22: Connection refused' >&2
exit 255
`)
	got := askSwarmOf(t, "ssh://root@a")
	const want = "ssh://root@a: Warning: a is new; ssh: connect to host a port 22: Connection refused"
	if len(got) != 1 || got[0].State != notKnown || got[0].Found != want {
		t.Errorf("%+v, want %q", got, want)
	}
	sshIs(t, "#!/bin/sh\nread -r request\nexit 255\n")
	expect(t, askSwarmOf(t, "ssh://root@a"), "swarm", notKnown, "error during connect", "")
	if got := askSwarmOf(t, "ssh://a/%zz"); len(got) != 1 || got[0].State != notKnown {
		t.Errorf("of a wrong address: %+v", got)
	}
}

func TestOneManagerOfSeveralSuffices(t *testing.T) {
	t.Parallel()
	const limit = time.Minute
	began := time.Now()
	got := askSwarmWithin(t, limit, "tcp://"+silent(t), "tcp://"+freeport.For(t), engine(t, whole(t)))
	expect(t, got, "nodes", fine, "3 of 3 ready", "")
	if took := time.Since(began); took > limit/2 {
		t.Errorf("it waited %v for one that does not answer", took)
	}
}
