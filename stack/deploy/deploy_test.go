package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
)

func TestCtrlCIsTheReasonOnlyWhereItCameFirst(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	d, why := &deployment{}, errors.New("500")
	f := d.blamed(ctx, exitUndone, "soak", caught{"Swarm", why})
	if interrupt(); f.code != exitUndone || f.caught != "Swarm" || !errors.Is(f, why) {
		t.Errorf("before it: %d, %v", f.code, f)
	}
	if f := d.blamed(ctx, exitRefused, "preflight", why); f.code != exitInterrupted || f.caught != "Ctrl-C" {
		t.Errorf("after it: %d, %v", f.code, f)
	}
	if got := d.blamed(ctx, exitUndone, "soak", why).kept().Error(); got != "Ctrl-C: interrupted; what ran before runs" {
		t.Errorf("once it has gone back: %s", got)
	}
	if f := d.blamed(ctx, exitUndone, "rehearsal", nil); f.err != nil {
		t.Errorf("what went well has failed: %v", f)
	}
	lost, end := context.WithCancelCause(t.Context())
	end(errLost)
	if f := d.blamed(lost, exitUndone, "soak", why); f.code != exitUndone {
		t.Errorf("a lost lock is told as Ctrl-C: %v", f)
	}
}

func TestADryRunIsRefusedWhereNobodyHeedsIt(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"deploy production --dry-run":           "",
		"promote staging production --dry-run":  "",
		"restart production --json":             "",
		"restart production --dry-run":          "restart has no --dry-run",
		"maintenance production on --dry-run":   "maintenance has no --dry-run",
		"deploy production --dry-run --json v2": "one of them",
	} {
		_, err := parseFlags(strings.Fields(words))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", words, err, want)
		}
	}
}

func TestSuperfluousWordsAreRefused(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]bool{
		"deploy production v1": true, "deploy production v1 v2": false, "rollback production v1 v2": false, "releases production v1": false,
		"check production v1": false, "promote staging production v1": true, "promote staging production v1 v2": false, "restart production api web": true,
	} {
		if _, err := parseFlags(strings.Fields(words)); (err == nil) != want {
			t.Errorf("%s: %v", words, err)
		}
	}
}

// told is what a played manager was told to do.
type told struct {
	removed []string
	updated []swarm.ServiceSpec
}

// played is a manager that knows one lock, and notes what it is asked to change. What is called
// lost is not there any more.
func played(t *testing.T, holder string) (d *deployment, got *told) {
	t.Helper()
	got = &told{}
	answer := func(w http.ResponseWriter, what any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(what)
	}
	manager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/lost"):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"message":"service lost not found"}`)
		case r.Method == http.MethodDelete:
			got.removed = append(got.removed, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		case strings.HasSuffix(r.URL.Path, "/update"):
			var spec swarm.ServiceSpec
			_ = json.NewDecoder(r.Body).Decode(&spec)
			got.updated = append(got.updated, spec)
			answer(w, struct{}{})
		case strings.Contains(r.URL.Path, "/services/"):
			answer(w, swarm.Service{ID: "2"})
		case strings.HasSuffix(r.URL.Path, "/configs"):
			lock := swarm.Config{ID: "1"}
			lock.Spec.Name, lock.Spec.Labels = "s_deploy_lock", map[string]string{"minitwit.holder": holder}
			answer(w, []swarm.Config{lock})
		case strings.HasSuffix(r.URL.Path, "/info"):
			answer(w, system.Info{SystemTime: time.Now().Format(time.RFC3339Nano)})
		}
	}))
	t.Cleanup(manager.Close)
	m, err := openManagers([]string{strings.Replace(manager.URL, "http", "tcp", 1)})
	if err != nil {
		t.Fatal(err)
	}
	return &deployment{
		swarm: m, say: &progress{out: io.Discard},
		lock: &lock{swarm: m, name: "s_deploy_lock", who: map[string]string{"minitwit.holder": "me"}, lost: func(error) {}},
	}, got
}

// docker service update --image by hand leaves the label in which docker stack deploy believes.
func TestAReleaseThatWasUndoneByHandIsNotTakenForDeployed(t *testing.T) {
	t.Parallel()
	d, got := played(t, "me")
	by := func(label string) service {
		s := serviceOf(oldImage, nil)
		s.Spec.Labels = map[string]string{imageLabel: label}
		return s
	}
	d.before = view{services: map[string]service{"api": by("docker.io/" + newImage), "web": by(oldImage)}}
	if err := d.relabel(t.Context(), map[string]string{"api": newImage, "web": newImage}); err != nil {
		t.Fatal(err)
	}
	if len(got.updated) != 1 || got.updated[0].Labels[imageLabel] != oldImage || got.updated[0].TaskTemplate.ContainerSpec.Image != oldImage {
		t.Errorf("updated %+v, want the label of api alone", got.updated)
	}
	if d.before.services["api"].Spec.Labels[imageLabel] == oldImage {
		t.Error("what ran before has been changed")
	}
}

func TestAServiceThatWasNotThereBeforeGoesWithItsRelease(t *testing.T) {
	t.Parallel()
	d, got := played(t, "me")
	d.before = view{services: map[string]service{"api": {}}}
	now := view{services: map[string]service{
		"api": {}, "a": {Service: swarm.Service{ID: "lost"}}, "edge": {Service: swarm.Service{ID: "edge-id"}},
	}}
	if err := d.removeAdded(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if removed := strings.Join(got.removed, " "); removed != "edge-id" {
		t.Errorf("removed %q, want the edge alone", removed)
	}
}

// A client that was cut off for a minute does not know yet that another deploys.
func TestNothingIsChangedUnderAnothersLock(t *testing.T) {
	t.Parallel()
	d, got := played(t, "another")
	var lost error
	d.lock.lost = func(err error) { lost = err }
	now := view{services: map[string]service{"edge": {Service: swarm.Service{ID: "edge-id"}}}}
	if err := d.removeAdded(t.Context(), now); !errors.Is(err, errLost) || !errors.Is(lost, errLost) {
		t.Errorf("%v, and the deploy is told of %v", err, lost)
	}
	if len(got.removed) > 0 {
		t.Errorf("removed %q", got.removed)
	}
}

// What brings a place back is wanted just where a node is away.
func TestANodeThatIsAwayKeepsANewReleaseWaitingAndNothingElse(t *testing.T) {
	t.Parallel()
	v := view{nodes: map[string]swarm.Node{}}
	for name, state := range map[string]swarm.NodeState{"n1": swarm.NodeStateReady, "n2": swarm.NodeStateReady, "n3": swarm.NodeStateDown} {
		n := swarm.Node{ID: name, ManagerStatus: &swarm.ManagerStatus{Reachability: swarm.ReachabilityReachable}}
		n.Spec.Role, n.Spec.Availability, n.Status.State = swarm.NodeRoleManager, swarm.NodeAvailabilityActive, state
		n.Description.Hostname, n.Description.Engine.EngineVersion = name, engineNeeded
		v.nodes[name] = n
	}
	var said strings.Builder
	d := &deployment{say: &progress{out: &said}}
	if err := d.fit(v); err == nil || !strings.Contains(err.Error(), "docker node demote n3 && docker node rm --force n3") {
		t.Errorf("a new release: %v", err)
	}
	d.quick = true
	if err := d.fit(v); err != nil || !strings.Contains(said.String(), "node n3 is down") {
		t.Errorf("back to the one before: %v, and said was %q", err, said.String())
	}
	for id, n := range v.nodes {
		n.Status.State = swarm.NodeStateDown
		v.nodes[id] = n
	}
	if err := d.fit(v); err == nil {
		t.Error("without any node there is nothing to run on")
	}
}
