package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"minitwit/monitoring/grafana"
	"minitwit/service/wait"
)

const theAgent = "no logs are collected here; logs-test asks a real agent"

// elsewhere are the metrics that there are none of here, and why.
var elsewhere = map[string]string{
	"pg_stat_replication_pg_wal_lsn_diff": "the drill's database has no standby",
	"syslogng_filtered_events_total":      theAgent,
	"syslogng_input_events_total":         theAgent,
	"syslogng_output_events_total":        theAgent,
	"syslogng_output_unreachable":         theAgent,
	"syslogng_parsed_events_total":        "no logs are collected here",
}

// A graph that stays empty says "all is well" to whoever looks at it, and an alert on a
// metric that does not exist never fires: nothing but a running installation can tell.
func TestDashboardsAndRulesAskForWhatThereIs(t *testing.T) {
	w := startInstallation(t)
	began := time.Now()
	t.Run("queries", func(t *testing.T) { everyQueryHasAnAnswer(t, w) })
	t.Run("metrics", func(t *testing.T) { everyMetricExists(t, w, began) })
}

func everyQueryHasAnAnswer(t *testing.T, w *world) {
	t.Helper()
	dashboards, err := grafana.Load("../grafana")
	if err != nil {
		t.Fatal(err)
	}
	var asked []grafana.Query
	for _, d := range dashboards {
		asked = append(asked, d.Queries()...)
	}
	// One by one: while the first has no answer yet, most others have none either.
	left := asked
	err = wait.Until(t.Context(), 3*time.Minute, "answers to all queries", func() bool {
		for len(left) > 0 && w.answers(t, left[0]) {
			left = left[1:]
		}
		return len(left) == 0
	})
	for _, q := range left {
		if !w.answers(t, q) {
			t.Errorf("%v: nothing answers %s\n%s", err, q.Name, q.Expr)
		}
	}
	t.Logf("asked %d queries", len(asked))
}

// answers tells whether there is a value that a panel could show now.
func (w *world) answers(t *testing.T, q grafana.Query) bool {
	t.Helper()
	var answer struct {
		Status, Error string
		Data          struct{ Result []struct{ Value [2]any } }
	}
	if err := w.prometheus(t.Context(), "query", url.Values{"query": {q.Expr}}, &answer); err != nil {
		return false // it is still starting
	}
	if answer.Status == "error" {
		t.Fatalf("%s: %s\n%s", q.Name, answer.Error, q.Expr)
	}
	return slices.ContainsFunc(answer.Data.Result, func(sample struct{ Value [2]any }) bool { return sample.Value[1] != "NaN" })
}

func (w *world) prometheus(ctx context.Context, question string, with url.Values, answer any) error {
	return ask(ctx, "http://"+w.addr["prometheus.1"]+"/api/v1/"+question+"?"+with.Encode(), answer)
}

// What was there before the start is not looked at: it is the past that we invented.
func everyMetricExists(t *testing.T, w *world, began time.Time) {
	t.Helper()
	var names struct{ Data []string }
	since := url.Values{"start": {strconv.FormatInt(began.Unix(), 10)}}
	named := namedMetrics(t)
	// Each query has its answer by now, and rules may still name what comes a look later.
	err := wait.Until(t.Context(), 3*time.Minute, "all metrics", func() bool {
		return w.prometheus(t.Context(), "label/__name__/values", since, &names) == nil && complete(named, names.Data)
	})
	if err != nil {
		t.Log(err) // below is told which
	}
	missing := maps.Clone(elsewhere)
	for name, where := range named {
		there := slices.Contains(names.Data, name)
		switch _, listed := missing[name]; {
		case there && listed:
			t.Errorf("%s exists: take it from the list", name)
		case !there && !listed:
			t.Errorf("there is no metric %s, which %s names", name, where)
		}
		delete(missing, name)
	}
	for name := range missing {
		t.Errorf("%s is listed as missing, and nothing names it", name)
	}
	if len(named) < 50 {
		t.Errorf("only %d metrics are named: is this test blind?", len(named))
	}
	t.Logf("%d metrics are named, %d of them are not here", len(named), len(elsewhere))
}

// complete tells whether all that are named are there, but for those that are elsewhere.
func complete(named map[string]string, there []string) bool {
	for name := range named {
		if _, listed := elsewhere[name]; !listed && !slices.Contains(there, name) {
			return false
		}
	}
	return true
}

// startInstallation starts all of it, with TLS, a past of some days, a rollback and some
// failed requests that are over: what never went wrong has no figures either.
func startInstallation(t *testing.T) *world {
	t.Helper()
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWorld(t.Context(), repo, t.TempDir(), build(t))
	t.Cleanup(w.close)
	if err != nil {
		t.Fatal(err)
	}
	var watching sync.WaitGroup
	watching.Go(func() { w.replicas.watch(t.Context()) })
	t.Cleanup(watching.Wait)
	if err := wait.Until(t.Context(), 3*time.Minute, "healthy replicas", w.healthy); err != nil {
		t.Fatal(err)
	}
	writePast(t, filepath.Join(w.dir, "prometheus.1"))
	for _, do := range []func(context.Context, *world) error{
		func(ctx context.Context, w *world) error { return w.startLoad(ctx, 1) },
		update(swarm.UpdateStateRollbackCompleted),
		stopDatabase, awaitFailure, startDatabase, serveTLS(30 * 24 * time.Hour),
		func(context.Context, *world) error { return w.startWatchers() },
	} {
		if err := do(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(w.load.stop)
	return w
}

// awaitFailure looks at a page until it is a 5xx.
func awaitFailure(ctx context.Context, w *world) error {
	return wait.Until(ctx, 30*time.Second, "an error", func() bool {
		resp, err := http.Get("http://" + w.mesh["web"].address("n1") + "/public")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode >= http.StatusInternalServerError
	})
}

// build gives the programs of this repository.
func build(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	bin := map[string]string{}
	for name, of := range map[string]string{"minitwit": "minitwit/service", "swarm-exporter": "minitwit/monitoring/exporter"} {
		bin[name] = filepath.Join(dir, name)
		cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", bin[name], of)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	return bin
}

// writePast gives a Prometheus four days of requests without a bad one. The long windows
// of the error budget have no figure before a quarter of them has been seen.
func writePast(t *testing.T, data string) {
	t.Helper()
	const step, days = 2 * time.Minute, 4
	// Older than Prometheus looks back for a present value.
	end := time.Now().Add(-6 * time.Minute)
	var text strings.Builder
	for metric, value := range map[string]int{"minitwit:slo_requests:rate1m": 10, "minitwit:slo_bad:rate1m": 0} {
		fmt.Fprintf(&text, "# TYPE %s gauge\n", metric)
		for _, surface := range services {
			for at := end.AddDate(0, 0, -days); at.Before(end); at = at.Add(step) {
				fmt.Fprintf(&text, "%s{surface=%q} %d %d\n", metric, surface, value, at.Unix())
			}
		}
	}
	text.WriteString("# EOF\n")
	file := filepath.Join(t.TempDir(), "past.txt")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "promtool", "tsdb", "create-blocks-from", "openmetrics", file, data).CombinedOutput()
	if err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
}
