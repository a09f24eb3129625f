package main

import (
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

const oldImage, newImage = "r/minitwit@sha256:aa", "r/minitwit@sha256:bb"

// serviceOf has two replicas, whose tasks run the images that are given.
func serviceOf(image string, update *swarm.UpdateStatus, tasks ...string) service {
	two := uint64(2)
	s := service{Service: swarm.Service{UpdateStatus: update}}
	s.Spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: image}
	s.Spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &two}
	for _, i := range tasks {
		t := swarm.Task{DesiredState: swarm.TaskStateRunning}
		t.Spec.ContainerSpec = &swarm.ContainerSpec{Image: i}
		t.Status.State = swarm.TaskStateRunning
		s.tasks = append(s.tasks, t)
	}
	return s
}

func updated(state swarm.UpdateState, at int) *swarm.UpdateStatus {
	began := time.Unix(int64(at), 0)
	return &swarm.UpdateStatus{State: state, StartedAt: &began, Message: "said so"}
}

func TestJudgeBelievesOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	old := serviceOf(oldImage, updated(swarm.UpdateStateCompleted, 1), oldImage, oldImage)
	starting := serviceOf(newImage, nil, newImage, newImage)
	starting.tasks[1].Status.State = swarm.TaskStateStarting
	for name, c := range map[string]struct {
		now  service
		want stage
	}{
		"nothing has begun, and the update before was completed": {old, underway},
		"accepted, and no task is new yet":                       {serviceOf(newImage, nil, oldImage, oldImage), underway},
		"in the middle":                                          {serviceOf(newImage, updated(swarm.UpdateStateUpdating, 2), newImage, oldImage), underway},
		"all new, but Swarm still watches them":                  {serviceOf(newImage, updated(swarm.UpdateStateUpdating, 2), newImage, newImage), underway},
		"one replica is missing":                                 {serviceOf(newImage, updated(swarm.UpdateStateCompleted, 2), newImage), underway},
		"one has not started":                                    {starting, underway},
		"done":                                                   {serviceOf(newImage, updated(swarm.UpdateStateCompleted, 2), newImage, newImage), finished},
		"made for the first time":                                {serviceOf(newImage, nil, newImage, newImage), finished},
		"on the way back":                                        {serviceOf(oldImage, updated(swarm.UpdateStateRollbackStarted, 2), newImage, oldImage), underway},
		"back, which docker stack deploy calls success":          {serviceOf(oldImage, updated(swarm.UpdateStateRollbackCompleted, 2), oldImage, oldImage), goneBack},
		"stopped":           {serviceOf(newImage, updated(swarm.UpdateStatePaused, 2), newImage, oldImage), halted},
		"could not go back": {serviceOf(oldImage, updated(swarm.UpdateStateRollbackPaused, 2), newImage, oldImage), halted},
	} {
		if got, _ := judge(old, c.now, newImage); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestJudgeIsNotFooledByTheRollbackBefore(t *testing.T) {
	t.Parallel()
	status := updated(swarm.UpdateStateRollbackCompleted, 1)
	old := serviceOf(oldImage, status, oldImage, oldImage)
	if got, _ := judge(old, serviceOf(newImage, status, newImage, newImage), newImage); got != finished {
		t.Errorf("%v, want finished: the rollback is of the deploy before", got)
	}
}

func TestOnlyNewFailuresOfTheReleaseCount(t *testing.T) {
	t.Parallel()
	s := serviceOf(newImage, nil, oldImage, newImage, newImage)
	for i, id := range []string{"of the old image", "known", "new"} {
		s.tasks[i].ID = id
		s.tasks[i].Status = swarm.TaskStatus{State: swarm.TaskStateFailed, Err: "exit (1)", Timestamp: time.Unix(int64(9-i), 0)}
	}
	v := view{services: map[string]service{"api": s}}
	if name, task, found := v.failureOf(newImage, map[string]bool{"known": true}); !found || name != "api" || task.ID != "new" {
		t.Errorf("found %v: %s %q", found, name, task.ID)
	}
	if _, _, found := v.failureOf(newImage, v.known()); found {
		t.Error("a failure of before counts")
	}
}

// What Swarm gave up is explained by a task of its own, though another service's failed later.
func TestAServiceIsExplainedByItsOwnTasks(t *testing.T) {
	t.Parallel()
	v := view{services: map[string]service{}}
	for i, name := range []string{"api", "web"} {
		s := serviceOf(newImage, nil, newImage)
		s.tasks[0].ID = name
		s.tasks[0].Status = swarm.TaskStatus{State: swarm.TaskStateFailed, Err: "exit (1)", Timestamp: time.Unix(int64(i), 0)}
		v.services[name] = s
	}
	if _, task, found := v.only("api").failure(nil); !found || task.ID != "api" {
		t.Errorf("api is explained by %q (%v)", task.ID, found)
	}
	if name, _, _ := v.failure(nil); name != "web" {
		t.Errorf("the newest failure of all is of %q", name)
	}
}

// So ends one that never becomes healthy and heeds SIGTERM.
func TestAReplicaThatIsCompleteHasFailed(t *testing.T) {
	t.Parallel()
	s := serviceOf(newImage, nil, newImage)
	s.tasks[0].Status.State = swarm.TaskStateComplete
	v := view{services: map[string]service{"api": s}}
	if _, _, found := v.failureOf(newImage, nil); !found {
		t.Error("a replica that has ended by itself is no failure")
	}
	s.tasks[0].JobIteration = &swarm.Version{}
	if _, _, found := v.failureOf(newImage, nil); found {
		t.Error("the task of a job that is complete is a failure")
	}
}

// docker stack deploy may fail in the middle, of what runs the same image as before, too.
func TestSwarmHasTakenAReleaseOnlyWithEachServiceOfIt(t *testing.T) {
	t.Parallel()
	at := func(image string, version uint64, settings ...string) service {
		s := serviceOf(image, nil)
		s.Version.Index, s.Spec.TaskTemplate.ContainerSpec.Env = version, settings
		return s
	}
	both := map[string]string{"api": newImage, "web": newImage}
	before := view{services: map[string]service{"api": at(newImage, 1), "web": at(newImage, 2)}}
	for name, c := range map[string]struct {
		now  view
		want bool
	}{
		"none, though the images are the wanted ones": {before, false},
		"one of two":             {view{services: map[string]service{"api": at(newImage, 3, "A=1"), "web": at(newImage, 2)}}, false},
		"one is not there yet":   {view{services: map[string]service{"api": at(newImage, 3, "A=1")}}, false},
		"another image":          {view{services: map[string]service{"api": at(newImage, 3, "A=1"), "web": at(oldImage, 4, "A=1")}}, false},
		"one as a leader has it": {view{services: map[string]service{"api": at(newImage, 3, "A=1"), "web": at(newImage, 4)}}, false},
		"both":                   {view{services: map[string]service{"api": at(newImage, 3, "A=1"), "web": at(newImage, 4, "A=1")}}, true},
	} {
		if got := c.now.given(before, both, newImage); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if now := before; !now.given(view{}, both, newImage) {
		t.Error("of a first deploy there is nothing to compare with")
	}
}

// Else a second deploy of the same would call that nothing to do.
func TestAChangeByHandIsSeenInTheSpecs(t *testing.T) {
	t.Parallel()
	of := func(edit func(*swarm.ServiceSpec)) string {
		s := serviceOf(newImage, nil)
		edit(&s.Spec)
		return view{services: map[string]service{"api": s}}.specsOf(map[string]string{"api": newImage})["api"]
	}
	deployed := of(func(*swarm.ServiceSpec) {})
	if restarted := of(func(s *swarm.ServiceSpec) { s.TaskTemplate.ForceUpdate++ }); restarted != deployed || deployed == "" {
		t.Errorf("restarted %q, deployed %q", restarted, deployed)
	}
	if changed := of(func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"A=1"} }); changed == deployed {
		t.Error("another setting is not seen")
	}
}

func TestAJobIsDoneOnTheNodesThatGetIt(t *testing.T) {
	t.Parallel()
	task := func(node string, state swarm.TaskState) swarm.Task {
		return swarm.Task{NodeID: node, Status: swarm.TaskStatus{State: state}}
	}
	for name, c := range map[string]struct {
		tasks []swarm.Task
		want  bool
	}{
		"not begun":                           {nil, false},
		"under way":                           {[]swarm.Task{task("a", swarm.TaskStateComplete), task("b", swarm.TaskStateRunning)}, false},
		"on both":                             {[]swarm.Task{task("a", swarm.TaskStateComplete), task("b", swarm.TaskStateComplete)}, true},
		"tried again":                         {[]swarm.Task{task("a", swarm.TaskStateShutdown), task("a", swarm.TaskStateComplete)}, true},
		"on a node that a constraint leaves":  {[]swarm.Task{task("b", swarm.TaskStateComplete)}, true},
		"on a node that is gone and no other": {[]swarm.Task{task("c", swarm.TaskStateComplete)}, false},
	} {
		v := view{nodes: map[string]swarm.Node{}, services: map[string]service{"schema": {tasks: c.tasks}}}
		for _, id := range []string{"a", "b", "c"} {
			n := swarm.Node{ID: id}
			n.Spec.Availability, n.Status.State = swarm.NodeAvailabilityActive, swarm.NodeStateReady
			if id == "c" {
				n.Status.State = swarm.NodeStateDown
			}
			v.nodes[id] = n
		}
		if got := v.jobDone("schema"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMaintenanceIsSeenInWhatRuns(t *testing.T) {
	t.Parallel()
	s := serviceOf(newImage, nil, newImage)
	v := view{services: map[string]service{"api": s, "edge": {}}}
	s.Spec.TaskTemplate.ContainerSpec.Env = []string{"DRAIN=8s", "MAINTENANCE=false"}
	if v.closed() {
		t.Error("a place that is open is closed")
	}
	s.Spec.TaskTemplate.ContainerSpec.Env[1] = closedSetting
	if !v.closed() {
		t.Error("a closed place is open, and a deploy would have nothing to do")
	}
}

func TestSettledMeansEveryTaskAsTheServiceSays(t *testing.T) {
	t.Parallel()
	restarted := serviceOf(newImage, nil, newImage, newImage)
	restarted.Spec.TaskTemplate.ForceUpdate++
	limited := serviceOf(newImage, nil, newImage, newImage)
	limited.Spec.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 1}}
	leaving := serviceOf(newImage, nil, newImage, newImage, oldImage)
	leaving.tasks[2].DesiredState = swarm.TaskStateShutdown
	everywhere := serviceOf(newImage, nil)
	everywhere.Spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
	for name, c := range map[string]struct {
		of   service
		want bool
	}{
		"all there": {serviceOf(newImage, nil, newImage, newImage), true},
		"all there, and an old one on its way out": {leaving, true},
		"one too many":                       {serviceOf(newImage, nil, newImage, newImage, newImage), false},
		"a restart that has not begun":       {restarted, false},
		"other limits that are not in force": {limited, false},
		"on every node, and on none yet":     {everywhere, false},
	} {
		if got := c.of.settled(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestAddressIsOneThatOthersCanReach(t *testing.T) {
	t.Parallel()
	for own, want := range map[string]string{"10.0.0.1": "10.0.0.1", "0.0.0.0": "10.0.0.7", "127.0.0.1": "10.0.0.7", "": "10.0.0.7"} {
		n := swarm.Node{Status: swarm.NodeStatus{Addr: own}, ManagerStatus: &swarm.ManagerStatus{Addr: "10.0.0.7:2377"}}
		if got := address(n); got != want {
			t.Errorf("a leader that calls itself %q: %q, want %q", own, got, want)
		}
	}
	if got := address(swarm.Node{Status: swarm.NodeStatus{Addr: "10.0.0.2"}}); got != "10.0.0.2" {
		t.Errorf("a worker: %q", got)
	}
}

func TestAReplicaHasToEndByItself(t *testing.T) {
	t.Parallel()
	task := func(state swarm.TaskState, code int) swarm.Task {
		return swarm.Task{Status: swarm.TaskStatus{State: state, ContainerStatus: &swarm.ContainerStatus{ExitCode: code}}}
	}
	if ended, err := endedWell("api", task(swarm.TaskStateRunning, 0)); ended || err != nil {
		t.Errorf("one that runs: %v, %v", ended, err)
	}
	if ended, err := endedWell("api", task(swarm.TaskStateShutdown, 0)); !ended || err != nil {
		t.Errorf("one that has ended: %v, %v", ended, err)
	}
	if _, err := endedWell("api", task(swarm.TaskStateShutdown, 137)); err == nil {
		t.Error("one that was killed passes")
	}
}

func TestSwarmsWordsAreExplained(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"assigned node no longer meets constraints": "memory",
		"task: non-zero exit (137)":                 "killed",
		"some other words":                          "",
	} {
		got := meaning(words)
		if !strings.HasPrefix(got, words) || !strings.Contains(got, want) || want == "" && got != words {
			t.Errorf("%q is explained as %q, want %q in it", words, got, want)
		}
	}
}
