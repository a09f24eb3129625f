package alertmanager

import (
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/service/deadman"
	"minitwit/service/freeport"
	"minitwit/service/wait"
)

// Prometheus, Alertmanager and the switch together, in shorter times than ours.
// With one Prometheus of two nothing is lost; without both, Alertmanager says
// RESOLVED of an outage that goes on, and the switch says that it is none.
func TestAFalseAllClearIsCaughtByTheSwitch(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	l, url := listen(t)
	place := strings.NewReplacer("{url: "+s.URL+"/page, send_resolved: true}",
		"{url: "+s.URL+"/page, send_resolved: true}, {url: "+url+"/notify, send_resolved: true}",
		s.URL+"/heartbeat", url+"/heartbeat").Replace(toSink(s))
	a := start(t, assemble(t, place, append(slices.Clone(hasty), "group_interval: 10s", "group_interval: 4s", "repeat_interval: 9s", "repeat_interval: 2s")...))
	first, second := startPrometheus(t, a), startPrometheus(t, a)
	// Only now: Prometheus needs some seconds before it knows its Alertmanager.
	startSwitch(t, s, l)
	wait.For(t, time.Minute, "the page comes both ways", func() bool {
		return len(s.of("/page", "")) == 1 && strings.Contains(s.body("/switch"), "[PAGE 1] lab: api is down")
	})
	if n := senders(t, url); n == 0 {
		t.Error("the switch does not know who sent a heartbeat")
	}

	first()
	forgotten := time.Now().Add(14 * time.Second) // an alert that nobody repeats ends after 8 s, and is told 2 s later
	wait.For(t, time.Minute, "an alert of the first alone would have ended", func() bool { return time.Now().After(forgotten) })
	if n := len(s.of("/page", "")); n != 1 || strings.Contains(s.body("/switch"), "resolve") {
		t.Fatalf("with one Prometheus of two there are %d notices, and the switch said\n%s", n, s.body("/switch"))
	}

	second()
	wait.For(t, time.Minute, "Alertmanager says RESOLVED", func() bool {
		n := s.of("/page", "")
		return len(n) == 2 && n[1].Status == "resolved"
	})
	wait.For(t, 2*time.Minute, "the switch says that it is none", func() bool {
		return strings.Contains(s.body("/switch"), "monitoring is dead, no heartbeat for") &&
			strings.Contains(s.body("/switch"), "[NOT an all-clear: monitoring is dead] [RESOLVED] lab: api is down")
	})
	if strings.Contains(s.body("/switch"), `"event":"resolve"`) {
		t.Errorf("the switch gave an all-clear:\n%s", s.body("/switch"))
	}
}

// The switch's page and PagerDuty's own have to be one incident.
func TestTheSwitchFilesPagesUnderAlertmanagersKey(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	place := `
global: {pagerduty_url: SINK/pagerduty}
receivers:
  - {name: page, pagerduty_configs: [{routing_key: key}], webhook_configs: [{url: SWITCH/notify, send_resolved: true}]}
  - {name: ticket}
  - {name: heartbeat}
`
	l, url := listen(t)
	startSwitch(t, s, l)
	place = strings.NewReplacer("SINK", s.URL, "SWITCH", url).Replace(place)
	start(t, assemble(t, place, hasty...)).post(t, newAlert("EndpointDown", labels{"place": "lab"}))
	// Not any page: the switch has no heartbeat here, and may call monitoring dead before.
	wait.For(t, 30*time.Second, "a page both ways", func() bool {
		return s.body("/pagerduty") != "" && strings.Contains(s.body("/switch"), "EndpointDown is so")
	})
	_, key, _ := strings.Cut(s.body("/pagerduty"), `"dedup_key":"`)
	key, _, _ = strings.Cut(key, `"`)
	if !strings.Contains(s.body("/switch"), `"key":"`+key+`"`) {
		t.Errorf("Alertmanager's key is %s, the switch sends %s", key, s.body("/switch"))
	}
}

func listen(t *testing.T) (l net.Listener, url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, "http://" + l.Addr().String()
}

// startSwitch runs a dead man's switch that pages to the sink.
func startSwitch(t *testing.T, s *sink, l net.Listener) {
	t.Helper()
	registry := prometheus.NewRegistry()
	d := deadman.New(deadman.Options{
		Place: "lab", Timeout: 12 * time.Second, Confirm: 14 * time.Second, Settle: 20 * time.Second,
		Pagers: []deadman.Pager{deadman.Webhook(s.URL + "/switch")}, Registerer: registry, Log: zerolog.Nop(),
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
}

// senders tells how many sent a heartbeat.
func senders(t *testing.T, url string) int {
	t.Helper()
	var status struct{ Heartbeats []any }
	if err := json.Unmarshal([]byte(get(url+"/status")), &status); err != nil {
		t.Fatal(err)
	}
	return len(status.Heartbeats)
}

var sent = regexp.MustCompile(`(?m)^prometheus_notifications_sent_total\{.*\} [1-9]`)

// startPrometheus runs a real one whose alerts always fire; what it gives kills it. It may
// stand still for some seconds, as on a busy machine, and still repeat them in time.
func startPrometheus(t *testing.T, a *alertmanager) (kill func()) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "prometheus.yml"), `
global: {evaluation_interval: 2s, external_labels: {place: lab}}
rule_files: [rules.yml]
alerting: {alertmanagers: [{static_configs: [{targets: [`+strings.TrimPrefix(a.url, "http://")+`]}]}]}
`)
	write(t, filepath.Join(dir, "rules.yml"), `
groups:
  # An alert ends four intervals after nobody repeats it: the heartbeat outlives the page,
  # as it does by chance when the intervals are one.
  - name: heartbeat
    interval: 4s
    rules: [{alert: Watchdog, expr: vector(1), labels: {severity: heartbeat}}]
  - name: page
    rules:
      - {alert: EndpointDown, expr: vector(1), labels: {severity: page, surface: api}, annotations: {summary: api is down}}
`)
	addr := freeport.For(t)
	cmd := run(t, program(t, "prometheus"), "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--web.external-url=http://"+addr, "--rules.alert.resend-delay=1s")
	wait.For(t, time.Minute, "Prometheus has sent alerts", func() bool { return sent.MatchString(get("http://" + addr + "/metrics")) })
	return func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
}
