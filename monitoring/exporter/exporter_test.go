package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/rs/zerolog"

	"minitwit/monitoring/exporter/manager"
)

// engine answers as a manager of a Swarm of three did, after a rolling update of
// both services and a second one that was rolled back (testdata, of Engine 26.1).
type engine struct {
	*httptest.Server

	mu     sync.Mutex
	lists  manager.Lists
	asked  []string // paths
	answer http.HandlerFunc
}

func startEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{}
	e.answer = e.list
	read(t, "services", &e.lists.Services)
	read(t, "tasks", &e.lists.Tasks)
	read(t, "nodes", &e.lists.Nodes)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		e.asked = append(e.asked, r.Method+" "+r.URL.Path)
		answer := e.answer
		e.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

func read(t *testing.T, list string, into any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", list+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		t.Fatal(err)
	}
}

func (e *engine) list(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	const ofStack = `{"label":{"com.docker.stack.namespace=minitwit":true}}`
	switch path, filters := r.URL.Path, r.URL.Query().Get("filters"); {
	case path == "/v1.44/services" && filters == ofStack:
		_ = json.NewEncoder(w).Encode(e.lists.Services)
	case path == "/v1.44/tasks" && filters == ofStack:
		_ = json.NewEncoder(w).Encode(e.lists.Tasks)
	case path == "/v1.44/nodes" && filters == "":
		_ = json.NewEncoder(w).Encode(e.lists.Nodes)
	default:
		http.Error(w, `{"message":"not what a manager is asked for"}`, http.StatusNotFound)
	}
}

// change is what happens in the Swarm between two scrapes.
func (e *engine) change(happens func(*manager.Lists)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	happens(&e.lists)
}

func (e *engine) become(answer http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func (e *engine) requests() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(slices.Values(e.asked))
}

// leaderless is what an engine says while the managers have no majority.
func leaderless(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, `{"message":"rpc error: code = Unknown desc = The swarm does not have a leader."}`)
}

func hung(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// exporterOf makes an exporter that asks at each scrape.
func exporterOf(t *testing.T, e *engine) *collector {
	t.Helper()
	return exporterAt(t, e.Listener.Addr().String())
}

func exporterAt(t *testing.T, address string) *collector {
	t.Helper()
	m, err := manager.New("tcp://"+address, "minitwit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	c := newCollector(m, zerolog.New(t.Output()))
	c.fresh = 0
	return c
}

// scrape gives the exposition, as Prometheus gets it.
func scrape(t *testing.T, c *collector) string {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	rec := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("%d: %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// expect says which of the samples whose lines hold a text there should be.
func expect(t *testing.T, c *collector, holds string, want ...string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(scrape(t, c)) {
		if !strings.HasPrefix(line, "#") && strings.Contains(line, holds) {
			got = append(got, strings.TrimSpace(line))
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

func expectCounts(t *testing.T, c *collector, starts, failures int) {
	t.Helper()
	expect(t, c, `_total{service="api"}`,
		fmt.Sprintf(`swarm_service_task_starts_total{service="api"} %d`, starts),
		fmt.Sprintf(`swarm_service_task_failures_total{service="api"} %d`, failures))
}

func TestTheWholeExposition(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	got := scrape(t, exporterOf(t, e))
	const golden = "testdata/metrics.txt"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("metrics (-want +got; UPDATE_GOLDEN=1 writes them anew):\n%s", diff)
	}
	problems, err := promlint.New(strings.NewReader(got)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
	asked := []string{"GET /v1.44/nodes", "GET /v1.44/services", "GET /v1.44/tasks"}
	if diff := cmp.Diff(asked, e.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// recent gives the last task of the service api that is made to run in slot 1.
func recent(l *manager.Lists) *swarm.Task {
	for i := range slices.Backward(l.Tasks) {
		if t := &l.Tasks[i]; t.ServiceID == l.Services[0].ID && t.Slot == 1 && t.DesiredState == swarm.TaskStateRunning {
			return t
		}
	}
	return nil
}

// replace is a restart: the task fails, and another one comes.
func replace(l *manager.Lists, id string) {
	old := recent(l)
	next := *old
	old.Status.State, old.DesiredState = swarm.TaskStateFailed, swarm.TaskStateShutdown
	next.ID, next.Status.State = id, swarm.TaskStateStarting
	l.Tasks = append(l.Tasks, next)
}

func TestWhatWasThereBeforeIsNotCounted(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	expectCounts(t, c, 0, 0)
	expectCounts(t, c, 0, 0)
}

func TestATaskIsCountedOnce(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	expectCounts(t, c, 0, 0)
	e.change(func(l *manager.Lists) { replace(l, "new") })
	expectCounts(t, c, 1, 1)
	expect(t, c, `running{service="api"}`, `swarm_service_replicas_running{service="api"} 2`)
	e.change(func(l *manager.Lists) { recent(l).Status.State = swarm.TaskStateRunning })
	expectCounts(t, c, 1, 1)
	expect(t, c, `running{service="api"}`, `swarm_service_replicas_running{service="api"} 3`)
	e.change(func(l *manager.Lists) { recent(l).Status.State = swarm.TaskStateRejected })
	expectCounts(t, c, 1, 2)
	expectCounts(t, c, 1, 2)
}

// Between two scrapes a task may come and die, and Swarm forgets all but the last
// few of a slot.
func TestACrashLoopCountsEachStart(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	expectCounts(t, c, 0, 0)
	const perScrape, scrapes, history = 2, 10, 5
	for n := range scrapes {
		e.change(func(l *manager.Lists) {
			for i := range perScrape {
				replace(l, fmt.Sprint("task", n, "-", i))
			}
			if len(l.Tasks) > 16+history {
				l.Tasks = slices.Delete(l.Tasks, 16, len(l.Tasks)-history)
			}
		})
		expectCounts(t, c, perScrape*(n+1), perScrape*(n+1))
	}
	if n := len(c.counts.failed); n > 16+history {
		t.Errorf("%d tasks are remembered of %d that are there", n, 16+history)
	}
}

func TestCountersNeverFall(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	expectCounts(t, c, 0, 0)
	e.change(func(l *manager.Lists) { replace(l, "new") })
	expectCounts(t, c, 1, 1)
	e.change(func(l *manager.Lists) {
		l.Tasks = slices.DeleteFunc(l.Tasks, func(t swarm.Task) bool { return t.DesiredState == swarm.TaskStateShutdown })
	})
	expectCounts(t, c, 1, 1)
}

// A service that is made anew has the same name, and its own counters.
func TestAServiceThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	expectCounts(t, c, 0, 0)
	e.change(func(l *manager.Lists) { replace(l, "new") })
	expectCounts(t, c, 1, 1)
	var api swarm.Service
	e.change(func(l *manager.Lists) {
		api = l.Services[0]
		l.Services = l.Services[1:]
	})
	expect(t, c, `service="api"`)
	e.change(func(l *manager.Lists) {
		task := swarm.Task{ID: "first", ServiceID: "again", DesiredState: swarm.TaskStateRunning}
		api.ID = "again"
		l.Services, l.Tasks = append(l.Services, api), append(l.Tasks, task)
	})
	expectCounts(t, c, 1, 0)
}

func TestWithoutAManagerNothingIsKnown(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]http.HandlerFunc{
		"no leader": leaderless,
		"hung":      hung,
		"broken":    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"no JSON":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[{") },
		"nothing":   func(http.ResponseWriter, *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startEngine(t)
			c := exporterOf(t, e)
			expectCounts(t, c, 0, 0)
			c.patience = 200 * time.Millisecond
			e.become(away)
			expect(t, c, "", "swarm_up 0")
			// One list of the three is not enough.
			e.become(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/nodes") {
					away(w, r)
					return
				}
				e.list(w, r)
			})
			expect(t, c, "", "swarm_up 0")
			// What happened meanwhile is counted when the manager is back.
			e.change(func(l *manager.Lists) { replace(l, "new") })
			expect(t, c, "", "swarm_up 0")
			c.patience = patience
			e.become(e.list)
			expect(t, c, "swarm_up", "swarm_up 1")
			expectCounts(t, c, 1, 1)
		})
	}
}

// An exporter that starts while there is no manager does not count what it first
// sees, either.
func TestAnExporterMayStartBeforeTheManager(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	e.become(leaderless)
	expect(t, c, "", "swarm_up 0")
	e.become(e.list)
	expectCounts(t, c, 0, 0)
}

func TestASlowManagerIsGivenUpInTime(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	e.become(hung)
	c := exporterOf(t, e)
	c.fresh = time.Minute // also for a scrape that comes late to the other's answer
	began := time.Now()
	var scrapes sync.WaitGroup
	for range 2 {
		scrapes.Go(func() { expect(t, c, "", "swarm_up 0") })
	}
	scrapes.Wait()
	// One wait for both.
	if took := time.Since(began); took < patience || took >= 2*patience {
		t.Errorf("two scrapes took %v, want once %v", took, patience)
	}
	if patience >= 4*time.Second {
		t.Errorf("a manager is waited for for %v, and Prometheus gives a scrape 4 s", patience)
	}
	// The lists wait for one connection: whether a second one still gets it is chance.
	if n := len(e.requests()); n < 1 || n > 3 {
		t.Errorf("%d requests, want those of one question at most", n)
	}
}

func TestScrapesAtOnceAskOnce(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	c.fresh = time.Hour
	var scrapes sync.WaitGroup
	for range 8 {
		scrapes.Go(func() { expect(t, c, "swarm_up", "swarm_up 1") })
	}
	scrapes.Wait()
	expect(t, c, "swarm_up", "swarm_up 1")
	if n := len(e.requests()); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	c.fresh = 0
	expect(t, c, "swarm_up", "swarm_up 1")
	if n := len(e.requests()); n != 6 {
		t.Errorf("%d requests once the answer was old, want 6", n)
	}
	if fresh := newCollector(nil, zerolog.Nop()).fresh; fresh != time.Second {
		t.Errorf("an answer is good for %v, want 1s", fresh)
	}
}
