package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/service/deadman"
	"minitwit/service/freeport"
	"minitwit/service/wait"
)

// sink is PagerDuty, or whoever else takes pages. It answers each path with a status of
// its own, 200 unless told otherwise.
type sink struct {
	*httptest.Server
	mu     sync.Mutex
	status map[string]int
	bodies map[string]string
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{status: map[string]int{}, bodies: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		if status := s.status[r.URL.Path]; status != 0 {
			http.Error(w, "no", status)
			return
		}
		s.bodies[r.URL.Path] += string(body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) body(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bodies[path]
}

// startSwitch runs a dead man's switch that pages to the sink's /phone.
func startSwitch(t *testing.T, s *sink) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	d := deadman.New(deadman.Options{
		Place: "lab", Timeout: time.Minute, Confirm: 30 * time.Second, Settle: time.Minute,
		Pagers: []deadman.Pager{deadman.Webhook(s.URL + "/phone")}, Registerer: registry, Log: zerolog.Nop(),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx, l, registry) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the switch ends with %v", err)
		}
	})
	return "http://" + l.Addr().String()
}

// startAlertmanager runs a real one with the routes of every place, in a hurry, and with
// these receivers. Its heartbeat beats.
func startAlertmanager(t *testing.T, receivers string) (address string) {
	t.Helper()
	routes, err := os.ReadFile("../alertmanager/alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	texts, err := os.ReadFile("../alertmanager/minitwit.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	dir, addr := t.TempDir(), freeport.For(t)
	put(t, dir, "minitwit.tmpl", string(texts))
	hasty := strings.NewReplacer("group_wait: 7s", "group_wait: 1s", "group_interval: 30s", "group_interval: 2s").Replace(string(routes))
	start(t, "prometheus-alertmanager", "--config.file="+put(t, dir, "alertmanager.yml", hasty+receivers), "--storage.path="+dir+"/data",
		"--web.listen-address="+addr, "--cluster.listen-address=")
	address = "http://" + addr
	wait.For(t, 20*time.Second, "Alertmanager is ready", func() bool {
		_, err := get(t.Context(), parsed(t, address), "/-/ready")
		return err == nil
	})
	return address
}

// beat is what Prometheus sends all the time.
func beat(t *testing.T, address string) {
	t.Helper()
	err := postJSON(t.Context(), parsed(t, address), "/api/v2/alerts", []alertOut{{
		Labels: map[string]string{"alertname": "Watchdog", "severity": heartbeat, "place": "lab"},
		Annotations: map[string]string{
			"runbook_url": "https://runbooks.example/Watchdog.md", "dashboard_url": "https://grafana.example/d/monitoring",
		},
		StartsAt: time.Now(), EndsAt: time.Now().Add(time.Hour),
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// receivers are those of production in small: the page goes to PagerDuty and to the switch.
func receivers(s *sink, dead string) string {
	return strings.NewReplacer("SINK", s.URL, "SWITCH", dead).Replace(`
receivers:
  - name: page
    pagerduty_configs: [{routing_key: key, url: SINK/pagerduty, send_resolved: false}]
    webhook_configs: [{url: SWITCH/notify, send_resolved: true}]
  - {name: ticket}
  - {name: heartbeat, webhook_configs: [{url: SWITCH/heartbeat, send_resolved: false}]}
`)
}

func TestAPageArrivesByEveryChannel(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	dead := startSwitch(t, s)
	alertmanager := startAlertmanager(t, receivers(s, dead))
	beat(t, alertmanager)
	env := []string{"USER=anna", "ALERTMANAGER_URL=" + alertmanager, "DEADMAN_URL=" + dead}
	got := oncall(t, env, "page-test", "--json", "--runbooks", "../runbooks", "--timeout", "30s")
	all := got.checks(t)
	if got.code != exitFine || !strings.HasPrefix(got.err, `==> sending lab a page that says "TEST by anna@`) {
		t.Errorf("%+v", got)
	}
	for _, name := range []string{"page/pagerduty", "page/webhook", "deadman " + dead, "deadman " + dead + "/webhook"} {
		expect(t, all, name, fine, "arrived after ", "")
	}
	for _, c := range all {
		if c.Aim == "" || !c.OK || strings.HasPrefix(c.Found, "arrived") && (c.After == nil || *c.After < 0.9 || *c.After > 30) {
			t.Errorf("%+v", c)
		}
	}
	// What on-call reads: a test, whose, and where more is told.
	for _, path := range []string{"/pagerduty", "/phone"} {
		for _, want := range []string{"TEST by anna@", ": nothing is wrong", "https://runbooks.example/README.md", "Nothing has to be done"} {
			if !strings.Contains(s.body(path), want) {
				t.Errorf("%s got nothing with %q:\n%s", path, want, s.body(path))
			}
		}
	}
	// It was taken back; the switch holds the all-clear as it does of any page.
	alerts, err := askAlerts(t.Context(), parsed(t, alertmanager))
	if err != nil || len(alerts) != 1 {
		t.Errorf("after the test there are %+v, %v; want the heartbeat alone", alerts, err)
	}
	wait.For(t, 20*time.Second, "the switch holds the all-clear", func() bool {
		body, err := get(t.Context(), parsed(t, dead), "/status")
		return err == nil && strings.Contains(string(body), `"title":"[RESOLVED] lab: TEST by anna@`)
	})
}

func TestAReceiverThatRefusesIsNamed(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	s.status["/pagerduty"] = http.StatusBadRequest
	s.status["/phone"] = http.StatusServiceUnavailable
	dead := startSwitch(t, s)
	alertmanager := startAlertmanager(t, receivers(s, dead))
	beat(t, alertmanager)
	got := oncall(t, nil, "page-test", "--alertmanager", alertmanager, "--deadman", dead, "--runbooks", "../runbooks", "--timeout", "15s", "--json")
	all := got.checks(t)
	if got.code != exitBroken || all[len(all)-1].OK {
		t.Errorf("%+v", got)
	}
	expect(t, all, "page/pagerduty", broken, "attempts that failed: ", "NotificationsFailing")
	expect(t, all, "page/webhook", fine, "arrived after ", "")
	expect(t, all, "deadman "+dead, fine, "arrived after ", "")
	expect(t, all, "deadman "+dead+"/webhook", broken, "failed: Service Unavailable", "")
	// People read the same.
	got = oncall(t, nil, "page-test", "--alertmanager", alertmanager, "--deadman", dead, "--timeout", "3s")
	if got.code != exitBroken || !strings.HasPrefix(got.out, "NOT PROVEN THAT A PAGE GETS THROUGH: ") {
		t.Errorf("%+v", got)
	}
}

// The end comes while a question is under way: that says nothing of whoever was asked.
func TestALookThatTheEndCutsShortDoesNotCount(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	s.status["/pagerduty"] = http.StatusBadRequest
	dead := startSwitch(t, s)
	alertmanager := startAlertmanager(t, receivers(s, dead))
	beat(t, alertmanager)
	ctx, end := context.WithCancel(t.Context())
	// The switch as it is, until it has said that the page was delivered.
	var said atomic.Bool
	onward := httputil.NewSingleHostReverseProxy(parsed(t, dead))
	onward.ModifyResponse = func(resp *http.Response) error {
		body, err := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		said.Store(bytes.Contains(body, []byte("delivered")))
		return err
	}
	hanging := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if said.Load() {
			end()
			<-r.Context().Done()
			return
		}
		onward.ServeHTTP(w, r)
	}))
	t.Cleanup(hanging.Close)
	var out, err bytes.Buffer
	code := run(ctx, []string{"page-test", "--alertmanager", alertmanager, "--deadman", hanging.URL, "--json"}, stdio{&out, &err, nil})
	got := told{code, out.String(), err.String()}
	expect(t, got.checks(t), "deadman "+hanging.URL, fine, "arrived after ", "")
	if got.code != exitBroken {
		t.Errorf("%+v", got)
	}
}

// One that is only slow, or away for a moment, is tried again.
func TestAReceiverThatIsAwayIsStillTried(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	s.status["/pagerduty"] = http.StatusServiceUnavailable
	dead := startSwitch(t, s)
	alertmanager := startAlertmanager(t, receivers(s, dead))
	beat(t, alertmanager)
	result := make(chan told, 1)
	go func() {
		result <- oncall(t, nil, "page-test", "--alertmanager", alertmanager, "--deadman", dead, "--timeout", "30s", "--json")
	}()
	wait.For(t, 20*time.Second, "an attempt has failed", func() bool {
		c, err := askCounters(t.Context(), urls{parsed(t, alertmanager)})
		return err == nil && c.since(nil, "page", "pagerduty").refused > 0
	})
	s.mu.Lock()
	delete(s.status, "/pagerduty")
	s.mu.Unlock()
	got := <-result
	expect(t, got.checks(t), "page/pagerduty", fine, "arrived after ", "")
	if got.code != exitFine {
		t.Errorf("%+v", got)
	}
}

func TestAPageThatIsHeldBackDidNotArrive(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	alertmanager := startAlertmanager(t, receivers(s, s.URL))
	beat(t, alertmanager)
	err := postJSON(t.Context(), parsed(t, alertmanager), "/api/v2/silences", map[string]any{
		"matchers": []map[string]any{{"name": "alertname", "value": ".+", "isRegex": true}},
		"startsAt": time.Now(), "endsAt": time.Now().Add(time.Hour), "createdBy": "anna", "comment": "too much",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := oncall(t, nil, "page-test", "--alertmanager", alertmanager, "--timeout", "20s", "--json")
	expect(t, got.checks(t), "page", broken, "a silence holds it back", "")
	if got.code != exitBroken || s.body("/pagerduty") != "" {
		t.Errorf("%+v", got)
	}
}

// The heartbeat goes by webhook, too, and Alertmanager counts them together: that a
// webhook was served does not say that it was the page's.
func TestTheHeartbeatIsNotTakenForThePage(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	alertmanager := startAlertmanager(t, strings.ReplaceAll(`
receivers:
  - {name: page, webhook_configs: [{url: SINK/page}]}
  - {name: ticket, webhook_configs: [{url: SINK/ticket}]}
  - {name: heartbeat, webhook_configs: [{url: SINK/heartbeat}]}
`, "SINK", s.URL))
	beat(t, alertmanager)
	got := oncall(t, nil, "page-test", "--alertmanager", alertmanager, "--runbooks", "../runbooks", "--timeout", "15s", "--json")
	expect(t, got.checks(t), "page/webhook", notKnown, "receiver heartbeat counts with it", "NotificationsFailing")
	if got.code != exitBroken {
		t.Errorf("%+v", got)
	}
}

func TestAnAlertmanagerThatIsAwayIsSaid(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	dead := startSwitch(t, s)
	alertmanager := startAlertmanager(t, receivers(s, dead))
	away := "http://anna:hunter2@" + freeport.For(t)
	got := oncall(t, nil, "page-test", "--alertmanager", alertmanager, "--runbooks", "../runbooks", "--timeout", "4s", "--json")
	expect(t, got.checks(t), "page", broken, "no heartbeat, which would say what place it is", "NotificationsFailing")
	if got.code != exitBroken {
		t.Errorf("%+v", got)
	}
	beat(t, alertmanager)
	// The other one takes the page, and so it arrives: yet not all is well.
	got = oncall(t, []string{"DEADMAN_URL=" + dead}, "page-test", "--alertmanager", away+","+alertmanager, "--runbooks", "../runbooks",
		"--timeout", "20s", "--json")
	expect(t, got.checks(t), "alertmanager "+strings.Replace(away, "hunter2", "xxxxx", 1), broken, "connection refused", "AlertmanagerMissing")
	expect(t, got.checks(t), "page/pagerduty", fine, "arrived after ", "")
	if got.code != exitBroken || strings.Contains(got.out+got.err, "hunter2") {
		t.Errorf("%+v", got)
	}
	got = oncall(t, nil, "page-test", "--alertmanager", away, "--deadman", "http://"+freeport.For(t))
	if got.code != exitBroken || !strings.HasPrefix(got.out, "NOT PROVEN THAT A PAGE GETS THROUGH: 1 of 1 ") {
		t.Errorf("none is there: %+v", got)
	}
}

func TestCountersThatNameReceiversAreReadApart(t *testing.T) {
	t.Parallel()
	text := func(page, heartbeat string) string {
		return `# HELP alertmanager_notifications_total The total number of attempted notifications.
alertmanager_notifications_total{integration="webhook",receiver_name="page"} ` + page + `
alertmanager_notifications_total{integration="webhook",receiver_name="heartbeat"} ` + heartbeat + `
alertmanager_notification_requests_total{integration="webhook",receiver_name="page"} ` + page + `
alertmanager_notification_requests_total{integration="webhook",receiver_name="heartbeat"} ` + heartbeat + `
alertmanager_notifications_failed_total{integration="webhook",receiver_name="page",reason="clientError"} ` + page + `
alertmanager_notifications_failed_total{integration="email",receiver_name="page",reason="other"} 7
alertmanager_alerts{state="active"} 1
`
	}
	server := func(body string) urls {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		t.Cleanup(s.Close)
		return urls{parsed(t, s.URL)}
	}
	before, err := askCounters(t.Context(), append(server(text("1", "5")), server(text("2", "5"))...))
	if err != nil {
		t.Fatal(err)
	}
	after, err := askCounters(t.Context(), append(server(text("4", "9")), server(text("2", "9"))...))
	if err != nil {
		t.Fatal(err)
	}
	want := tally{begun: 3, tried: 3, givenUp: 3, reasons: []string{"clientError"}, named: true}
	if diff := cmp.Diff(want, after.since(before, "page", "webhook"), cmp.AllowUnexported(tally{})); diff != "" {
		t.Errorf("of the page (-want +got):\n%s", diff)
	}
}
