package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"minitwit/service/freeport"
	"minitwit/service/wait"

	"github.com/google/go-cmp/cmp"
)

const watchdog = "      - {alert: Watchdog, expr: vector(1), labels: {severity: heartbeat}}\n"

// startPrometheus runs a real one with these alerts, and waits until each has been
// evaluated.
func startPrometheus(t *testing.T, rules string) (address string) {
	t.Helper()
	dir, addr := t.TempDir(), freeport.For(t)
	files := ""
	if rules != "" {
		files = "rule_files: [" + put(t, dir, "rules.yml", "groups:\n  - name: test\n    rules:\n"+rules) + "]\n"
	}
	start(t, "prometheus", "--config.file="+put(t, dir, "prometheus.yml", "global: {evaluation_interval: 1s}\n"+files),
		"--storage.tsdb.path="+dir+"/data", "--web.listen-address="+addr, "--log.level=warn")
	address = "http://" + addr
	wait.For(t, 30*time.Second, "its alerts are evaluated", func() bool {
		body, err := get(t.Context(), parsed(t, address), "/api/v1/rules?type=alert")
		return err == nil && !strings.Contains(string(body), `"health":"unknown"`)
	})
	return address
}

func parsed(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// asking gives a doctor who asks these Prometheus.
func asking(t *testing.T, addresses ...string) *doctor {
	t.Helper()
	d := &doctor{runbooks: "../runbooks"}
	for _, a := range addresses {
		if err := d.prometheus.Set(a); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func withTimeout(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// The second and third are evaluated with an error and before their time.
const outage = watchdog + `
      - {alert: PoolSaturated, expr: vector(1), labels: {severity: ticket, surface: web}, annotations: {summary: requests wait}}
      - {alert: ClockSkew, expr: '(label_replace(vector(1),"x","1","","") or vector(1)) * on() (label_replace(vector(1),"x","1","","") or vector(1))'}
      - {alert: ReplicaMissing, expr: vector(1), for: 1h, labels: {severity: page, service: api}, annotations: {summary: a replica of api is missing}}
      - {alert: EndpointDown, expr: vector(1), labels: {severity: page, surface: api}, annotations: {summary: api answers nobody}}
      - {alert: DatabaseDown, expr: vector(1), labels: {severity: page}, annotations: {summary: no replica reaches the database}}
      - {alert: OfSomebodyElse, expr: vector(1), annotations: {description: strange, runbook_url: 'https://example.org/x'}}
      - {alert: Quiet, expr: vector(1) == 0, labels: {severity: page}}
`

func TestWhatFiresIsToldWithItsRunbook(t *testing.T) {
	t.Parallel()
	began := time.Now()
	one, two := startPrometheus(t, outage), startPrometheus(t, outage)
	var got []string
	for _, c := range asking(t, one, two).askPrometheus(withTimeout(t, enough)) {
		got = append(got, strings.TrimSpace(fmt.Sprint(c.State, ": ", c.Case, ": ", line(c.Found)[:min(30, len(c.Found))], " ", c.Runbook)))
		if strings.HasPrefix(c.Case, "alert") && (c.Since.Before(began) || c.Since.After(time.Now())) {
			t.Errorf("%s began at %v", c.Case, c.Since)
		}
	}
	want := []string{
		"page: alert DatabaseDown: no replica reaches the databas ../runbooks/DatabaseDown.md",
		"page: alert EndpointDown surface=api: api answers nobody ../runbooks/EndpointDown.md",
		"page: alert OfSomebodyElse: strange https://example.org/x",
		"broken: rule ClockSkew: an alert that cannot fire: fou ../runbooks/RuleEvaluationFails.md",
		"ticket: alert PoolSaturated surface=web: requests wait ../runbooks/PoolSaturated.md",
		"pending: alert ReplicaMissing service=api: a replica of api is missing ../runbooks/ReplicaMissing.md",
		"ok: prometheus " + one + ": evaluates alerts (8), the hear",
		"ok: prometheus " + two + ": evaluates alerts (8), the hear",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("two Prometheus say (-want +got):\n%s", diff)
	}
}

func TestOneOfTwoPrometheusMayBeAway(t *testing.T) {
	t.Parallel()
	away := "http://anna:hunter2@" + freeport.For(t)
	d := asking(t, startPrometheus(t, outage), away+"/")
	got := d.askPrometheus(withTimeout(t, enough))
	expect(t, got, "alert DatabaseDown", page, "no replica reaches the database", "DatabaseDown")
	expect(t, got, "prometheus "+strings.Replace(away, "hunter2", "xxxxx", 1), notKnown, "connection refused", "PrometheusMissing")
	if strings.Contains(fmt.Sprintf("%+v", got), "hunter2") {
		t.Errorf("a password is shown: %+v", got)
	}
}

func TestSilenceOfAPrometheusIsNotHealth(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/500/api/v1/rules":
			http.Error(w, "out of order", http.StatusInternalServerError)
		case "/502/api/v1/rules":
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = w.Write([]byte("<html>"))
	}))
	t.Cleanup(page.Close)
	for _, c := range []struct {
		address      string
		state        state
		found, alert string
		limit        time.Duration
	}{
		{startPrometheus(t, ""), notKnown, "has no alerts", "Watchdog", enough},
		{startPrometheus(t, "      - {alert: Quiet, expr: vector(1) == 0}\n"), broken, "its heartbeat does not fire", "Watchdog", enough},
		{startPrometheus(t, watchdog), fine, "evaluates alerts (1)", "", enough},
		{"http://" + silent(t), notKnown, "no answer in time", "PrometheusMissing", inVain},
		{page.URL, notKnown, "not as it should", "PrometheusMissing", enough},
		{page.URL + "/500", notKnown, "answers 500: out of order", "PrometheusMissing", enough},
		{page.URL + "/502", notKnown, "answers 502: Bad Gateway", "PrometheusMissing", enough},
	} {
		got := asking(t, c.address).askPrometheus(withTimeout(t, c.limit))
		expect(t, got, "prometheus "+c.address, c.state, c.found, c.alert)
	}
}

func TestRulesThatNobodyEvaluatesSayNothing(t *testing.T) {
	t.Parallel()
	now := time.Now()
	rule := promRule{Labels: map[string]string{"severity": heartbeat}, Alerts: []promAlert{{State: "firing"}}}
	for _, c := range []struct {
		last time.Time
		want state
	}{{now.Add(-stale + time.Second), fine}, {now.Add(-stale - time.Second), notKnown}, {time.Time{}, notKnown}} {
		rule.LastEvaluation = c.last
		if got, found := judgeRules([]promRule{rule}, now); got != c.want {
			t.Errorf("last evaluated at %v: %s, %q; want %s", c.last, got, found, c.want)
		}
	}
	rule.LastEvaluation, rule.Alerts[0].State = now, "pending"
	if got, _ := judgeRules([]promRule{rule}, now); got != broken {
		t.Errorf("a heartbeat that is pending: %s", got)
	}
}
