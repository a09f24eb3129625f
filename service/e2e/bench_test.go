//go:build bench

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"minitwit/service/dbtest"
	"minitwit/service/freeport"
	"minitwit/service/simulate"
	"minitwit/service/wait"
)

// aims are what each figure is held against: at most this much.
var aims = map[string]struct {
	most float64
	unit string
}{
	"cpu-write":          {0.9, "ms of CPU a request, server and Postgres"},
	"cpu-write-1m":       {0.9, "ms of CPU a request, server and Postgres, with 1,000,000 messages"},
	"cpu-read-10k":       {1.3, "ms of CPU a request, server and Postgres"},
	"cpu-read-1m":        {1.3, "ms of CPU a request, server and Postgres"},
	"cpu-read-flat":      {1.15, "times as much with 1,000,000 messages as with 10,000"},
	"scenario-p99":       {30, "ms, one worker, a new connection each"},
	"scenario-errors":    {0, "errors and losses, one worker"},
	"scenario-errors-32": {0, "errors and losses, 32 workers"},
	"register-burst":     {300, "ms, the slowest of 50 registrations at once"},
	"start":              {300, "ms from exec to /livez 200"},
	"memory":             {60, "MB resident after the scenario"},
	"binary":             {20, "MB, and the image holds little else"},
	"latest-stale":       {0, "of 10,000 reads through another process"},
	"web-crashes":        {0, "API errors while web is killed every 5 s and panics on each page"},
	"outage-stop":        {2000, "ms from Postgres being back to the first success, after 20 s"},
	"outage-silent":      {2000, "ms from Postgres being back to the first success, after 20 s"},
}

// report holds a figure against its aim and writes it where the verb looks.
func report(t *testing.T, name string, figure float64) {
	t.Helper()
	aim, ok := aims[name]
	if !ok {
		t.Fatalf("%s has no aim", name)
	}
	if figure > aim.most {
		t.Errorf("%s: %.3g, aim at most %g %s", name, figure, aim.most, aim.unit)
	}
	line, err := json.Marshal(map[string]any{
		"case": name, "ok": figure <= aim.most, "aim": fmt.Sprintf("≤ %g %s", aim.most, aim.unit),
		"figure": float64(int(figure*1000+0.5)) / 1000,
	})
	must(t, err)
	f, err := os.OpenFile(os.Getenv("MINITWIT_BENCH"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	must(t, err)
	_, err = f.Write(append(line, '\n'))
	must(t, err)
	must(t, f.Close())
}

// durable is a cluster that waits for the disk, as production does.
func durable(t *testing.T) *dbtest.Cluster {
	t.Helper()
	cluster, err := dbtest.NewCluster("shared_buffers = '512MB'")
	must(t, err)
	t.Cleanup(func() { _ = cluster.Close() })
	return cluster
}

func startAPI(t *testing.T, cluster *dbtest.Cluster) *app {
	t.Helper()
	return start(t, options{db: cluster.URL("postgres"), args: []string{"--only", "api", "--migrate"}, env: []string{asInProduction}})
}

func play(t *testing.T, o simulate.Options) simulate.Report {
	t.Helper()
	var err error
	if o.Actions == nil {
		o.Actions, err = simulate.Builtin()
		must(t, err)
	}
	r, err := simulate.Run(t.Context(), o)
	if err != nil {
		t.Log(err)
	}
	return r
}

func wrongs(r simulate.Report) float64 {
	v := r.Verification
	return float64(r.Failed + v.Lost.Total() + v.Twice + v.NeverSent)
}

func TestBenchWrites(t *testing.T) {
	cluster := durable(t)
	a := startAPI(t, cluster)
	report(t, "cpu-write", writeCost(t, a, cluster))
}

// writeCost plays the scenario with 8 workers and gives the CPU of a write.
func writeCost(t *testing.T, a *app, cluster *dbtest.Cluster) (millis float64) {
	t.Helper()
	before := cpu(t, a, cluster)
	r := play(t, simulate.Options{URLs: []string{a.api}, Workers: 8, SkipVerify: true})
	spent := cpu(t, a, cluster) - before
	t.Logf("%d writes at %.0f/s, p99 %v", r.Sent, r.Rate(), r.Latency)
	return spent.Seconds() * 1000 / float64(r.Sent)
}

func TestBenchReads(t *testing.T) {
	cluster := durable(t)
	a := startAPI(t, cluster)
	store := dbtest.OpenPatient(t, cluster.URL("postgres"))
	fill := func(from, to int) {
		for _, q := range []string{
			`INSERT INTO users (username, email, pw_hash) SELECT 'user' || i, 'a@b', 'x' FROM generate_series(1, 200) AS i ON CONFLICT DO NOTHING`,
			fmt.Sprintf(`INSERT INTO messages (author_id, text, pub_date) SELECT (SELECT min(id) FROM users) + i %% 200,
				'When the tide turned, message ' || i || ' was already on its way home.', 1600000000 + i FROM generate_series(%d, %d) AS i`, from, to),
			`VACUUM ANALYZE`,
		} {
			_, err := store.DB().ExecContext(t.Context(), q)
			must(t, err)
		}
	}
	measure := func() float64 {
		const requests = 6000
		readMessages(t, a, 500) // warm
		before := cpu(t, a, cluster)
		readMessages(t, a, requests)
		return (cpu(t, a, cluster) - before).Seconds() * 1000 / requests
	}
	fill(1, 10_000)
	small := measure()
	fill(10_001, 1_000_000)
	large := measure()
	report(t, "cpu-read-10k", small)
	report(t, "cpu-read-1m", large)
	report(t, "cpu-read-flat", large/small)
	report(t, "cpu-write-1m", writeCost(t, a, cluster))
}

// readMessages gets /msgs?no=100 with 8 workers, a new connection each.
func readMessages(t *testing.T, a *app, requests int) {
	t.Helper()
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			s := newSimulator()
			for range requests / 8 {
				got, err := s.do(t.Context(), http.MethodGet, a.api+"/msgs?no=100", "")
				if err != nil || got.status != http.StatusOK {
					t.Errorf("GET /msgs = %d, %v", got.status, err)
				}
			}
		})
	}
	workers.Wait()
}

func TestBenchScenario(t *testing.T) {
	a := start(t, options{db: durable(t).URL("postgres"), args: []string{"--migrate"}, surfaces: 2, env: []string{asInProduction}})
	one := play(t, simulate.Options{URLs: []string{a.api}})
	report(t, "scenario-errors", wrongs(one))
	report(t, "scenario-p99", one.Latency.P99)
	many := play(t, simulate.Options{URLs: []string{a.api}, Workers: 32})
	report(t, "scenario-errors-32", wrongs(many))
	report(t, "memory", residentMB(t, a.cmd.Process.Pid))
}

func TestBenchBurst(t *testing.T) {
	a := startAPI(t, durable(t))
	slowest := time.Duration(0)
	for round := range 5 {
		answers := burst(t, a, fmt.Sprint("round ", round))
		for i, got := range answers {
			slowest = max(slowest, got.took)
			if got.status != http.StatusNoContent {
				t.Errorf("registration %d = %d", i, got.status)
			}
		}
	}
	report(t, "register-burst", float64(slowest.Microseconds())/1000)
}

func TestBenchStart(t *testing.T) {
	db := dbtest.URL(t)
	ops := freeport.For(t)
	worst := time.Duration(0)
	for range 10 {
		cmd := exec.Command(binaries.release, "serve")
		cmd.Env = []string{
			"DATABASE_URL=" + db, "SESSION_KEY=" + strings.Repeat("x", 32), "PASSWORD_KEY=" + strings.Repeat("x", 32),
			"WEB_ADDR=127.0.0.1:0", "API_ADDR=127.0.0.1:0", "OPS_ADDR=" + ops, "DRAIN=0s",
		}
		began := time.Now()
		must(t, cmd.Start())
		wait.For(t, deadline, "/livez", func() bool {
			got, err := newSimulator().do(t.Context(), http.MethodGet, "http://"+ops+"/livez", "")
			return err == nil && got.status == http.StatusOK
		})
		worst = max(worst, time.Since(began))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	report(t, "start", float64(worst.Microseconds())/1000)
	info, err := os.Stat(binaries.release)
	must(t, err)
	report(t, "binary", float64(info.Size())/1e6)
}

func TestBenchLatest(t *testing.T) {
	db := durable(t).URL("postgres")
	first := start(t, options{db: db, args: []string{"--only", "api", "--migrate"}, env: []string{asInProduction}})
	second := start(t, options{db: db, args: []string{"--only", "api"}, env: []string{asInProduction}})
	s := newSimulator()
	s.must(t, "POST", first.api+"/register", `{"username":"ada","email":"a@b","pwd":"x"}`)
	stale := 0
	for i := range 10_000 {
		s.must(t, "GET", fmt.Sprintf("%s/msgs/ada?no=1&latest=%d", first.api, i), "")
		if got := s.must(t, "GET", second.api+"/latest", "").body; got != fmt.Sprintf(`{"latest":%d}`, i) {
			stale++
		}
	}
	report(t, "latest-stale", float64(stale))
}

func TestBenchWebCrashes(t *testing.T) {
	db := durable(t).URL("postgres")
	api := start(t, options{db: db, args: []string{"--only", "api", "--migrate"}, env: []string{asInProduction}})
	ctx, cancel := context.WithCancel(t.Context())
	var crashes sync.WaitGroup
	crashes.Go(func() {
		views := time.NewTicker(20 * time.Millisecond)
		defer views.Stop()
		for kill := time.NewTicker(5 * time.Second); ctx.Err() == nil; {
			web := start(t, options{binary: binaries.faults, db: db, args: []string{"--only", "web"}, env: []string{"MINITWIT_FAULT=panic"}})
			for alive := true; alive && ctx.Err() == nil; {
				if got := newSimulator().must(t, "GET", web.web+"/public", ""); got.status != http.StatusInternalServerError {
					t.Errorf("GET /public = %d, want the drill's 500", got.status)
				}
				select {
				case <-kill.C:
					alive = false
				case <-views.C:
				}
			}
			web.kill()
		}
	})
	r := play(t, simulate.Options{URLs: []string{api.api}})
	cancel()
	crashes.Wait()
	t.Logf("%d sent in %v", r.Sent, r.Duration)
	report(t, "web-crashes", wrongs(r))
}

func TestBenchOutages(t *testing.T) {
	outageLength, mostPatience, mostRecovery = 20*time.Second, 1500*time.Millisecond, 2*time.Second
	cluster := durable(t)
	a := start(t, options{db: cluster.URL("postgres"), args: []string{"--migrate"}, surfaces: 2, env: []string{asInProduction}})
	back := outage(t, a, func() { must(t, cluster.Stop("fast")) }, func() { must(t, cluster.Start()) })
	report(t, "outage-stop", float64(back.Milliseconds()))
	proxied, fail, mend := silence(t, dbtest.URL(t)) // another database: the first holds the same texts
	back = outage(t, start(t, options{db: proxied, env: []string{asInProduction}}), fail, mend)
	report(t, "outage-silent", float64(back.Milliseconds()))
}

// cpu is what a server and its Postgres have spent, ended backends included.
func cpu(t *testing.T, a *app, cluster *dbtest.Cluster) time.Duration {
	t.Helper()
	postmaster, err := cluster.PID()
	must(t, err)
	total := ticks(t, a.cmd.Process.Pid, false) + ticks(t, postmaster, true)
	children, err := filepath.Glob("/proc/[0-9]*/stat")
	must(t, err)
	for _, path := range children {
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		if fields := statFields(pid); len(fields) > 1 && fields[1] == strconv.Itoa(postmaster) {
			total += ticks(t, pid, false)
		}
	}
	return time.Duration(total) * 10 * time.Millisecond // USER_HZ is 100 on every Linux
}

func ticks(t *testing.T, pid int, withEnded bool) (sum int) {
	t.Helper()
	fields := statFields(pid)
	if len(fields) < 15 {
		return 0 // it has just ended; its parent has it now
	}
	last := 12
	if withEnded {
		last = 14
	}
	for _, f := range fields[11 : last+1] {
		n, err := strconv.Atoi(f)
		must(t, err)
		sum += n
	}
	return sum
}

// statFields gives /proc/PID/stat from the state on: proc(5) fields 3, 4, ….
func statFields(pid int) []string {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(content), ") ")
	return strings.Fields(after)
}

func residentMB(t *testing.T, pid int) float64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(f)
	must(t, err)
	_, after, _ := strings.Cut(string(content), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(after)[0])
	must(t, err)
	return float64(kb) / 1024
}
