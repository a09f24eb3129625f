package alertmanager

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"minitwit/service/freeport"
	"minitwit/service/wait"
)

// labels of an alert; what no test names is of a page in production.
type labels = map[string]string

// alert is one of Alertmanager's API v2.
type alert struct {
	Labels      labels    `json:"labels"`
	Annotations labels    `json:"annotations"`
	StartsAt    time.Time `json:"startsAt"`
	EndsAt      time.Time `json:"endsAt"`
}

// newAlert gives an alert that fires from now on: for one that has fired longer than
// group_wait Alertmanager does not wait.
func newAlert(name string, more labels) alert {
	a := alert{
		Labels: labels{"alertname": name, "severity": "page", "place": "production"},
		Annotations: labels{
			"summary": name + " is so", "description": "it is 7 % & more than <5 %>",
			"runbook_url": "https://runbooks.example/" + name + ".md", "dashboard_url": "https://grafana.example/d/service",
		},
		StartsAt: time.Now(), EndsAt: time.Now().Add(time.Hour),
	}
	for k, v := range more {
		a.Labels[k] = v
	}
	return a
}

func (a alert) ended() alert {
	a.EndsAt = time.Now()
	return a
}

// notice is Alertmanager's webhook.
type notice struct {
	at       time.Time
	path     string
	Status   string
	GroupKey string
	Alerts   []alert
}

// sink takes whatever is sent to it.
type sink struct {
	*httptest.Server
	mu      sync.Mutex
	notices []notice
	bodies  map[string][]string
	auth    []string
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{bodies: make(map[string][]string)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	n := notice{at: time.Now(), path: r.URL.Path}
	_ = json.Unmarshal(body, &n)
	s.notices = append(s.notices, n)
	s.bodies[r.URL.Path] = append(s.bodies[r.URL.Path], string(body))
	s.auth = append(s.auth, r.Header.Get("Authorization"))
	fmt.Fprint(w, "ok") // as Slack does
}

// of gives the notices that came to a path, about an alert if it has a name.
func (s *sink) of(path, alertname string) (found []notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.notices {
		if n.path == path && (alertname == "" || slices.ContainsFunc(n.Alerts, func(a alert) bool { return a.Labels["alertname"] == alertname })) {
			found = append(found, n)
		}
	}
	return found
}

func (s *sink) body(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.bodies[path], "\n")
}

// toSink is a place where each receiver is a path of the sink.
func toSink(s *sink) string {
	return strings.ReplaceAll(`
receivers:
  - {name: page, webhook_configs: [{url: SINK/page, send_resolved: true}]}
  - {name: ticket, webhook_configs: [{url: SINK/ticket, send_resolved: true}]}
  - {name: heartbeat, webhook_configs: [{url: SINK/heartbeat, send_resolved: false}]}
`, "SINK", s.URL)
}

// hasty are shorter times for tests of what does not depend on them.
var hasty = []string{
	"group_wait: 7s", "group_wait: 1s", "group_wait: 1m", "group_wait: 1s",
	"group_interval: 30s", "group_interval: 2s",
}

// assemble makes a folder as Alertmanager gets it: its configuration, with some
// texts replaced by others, and the templates.
func assemble(t *testing.T, place string, replaced ...string) (config string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "place.yml")
	write(t, file, place)
	out, err := exec.Command("./assemble.sh", file).Output()
	// Go caches results by the files that the test itself reads, so it reads this one.
	if err != nil || string(out) != read(t, "alertmanager.yml")+place {
		t.Fatalf("assemble.sh: %v, and prints\n%s", err, out)
	}
	config = filepath.Join(dir, "alertmanager.yml")
	write(t, config, strings.NewReplacer(replaced...).Replace(string(out)))
	write(t, filepath.Join(dir, "minitwit.tmpl"), read(t, "minitwit.tmpl"))
	return config
}

// alertmanager is a real one that runs.
type alertmanager struct {
	url string
	cmd *exec.Cmd
}

// start runs Alertmanager; without args it is alone.
func start(t *testing.T, config string, args ...string) *alertmanager {
	t.Helper()
	addr := freeport.For(t)
	if len(args) == 0 {
		args = []string{"--cluster.listen-address="}
	}
	cmd := run(t, program(t, "prometheus-alertmanager", "alertmanager"), append(args, "--config.file="+config,
		"--storage.path="+t.TempDir(), "--web.listen-address="+addr, "--web.external-url=http://"+addr)...)
	a := &alertmanager{url: "http://" + addr, cmd: cmd}
	wait.For(t, 20*time.Second, "Alertmanager is ready", func() bool { return answers(a.url + "/-/ready") })
	return a
}

// run starts a program, which ends with the test.
func run(t *testing.T, path string, args ...string) *exec.Cmd {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(path), &log)
		}
	})
	return cmd
}

// program finds one by its names. A test without it would prove nothing, so it
// fails.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: apt-get install prometheus prometheus-alertmanager", names[0])
	return ""
}

func (a *alertmanager) post(t *testing.T, alerts ...alert) {
	t.Helper()
	body, err := json.Marshal(alerts)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(a.url+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(resp.Body)
		t.Fatalf("Alertmanager answers %d: %s", resp.StatusCode, answer)
	}
}

func answers(url string) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// get gives what a URL answers, nothing if it does not.
func get(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
