package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"minitwit/service/dbtest"
	"minitwit/service/wait"
)

// deadline is how long a test waits for what should take moments.
const deadline = 20 * time.Second

// asInProduction is how long a statement may take there: for tests of that bound.
const asInProduction = "DATABASE_TIMEOUT=900ms"

// app is one running minitwit process.
type app struct {
	t             testing.TB
	api, web, ops string // base URLs
	cmd           *exec.Cmd
	exited        chan struct{} // closed when the process has ended
	exitErr       error         // set before exited is closed

	mu  sync.Mutex
	log []map[string]any
}

// options of start; the zero value serves both surfaces of the release on a
// database of its own.
type options struct {
	binary   string   // default: the release
	args     []string // after "serve"
	surfaces int      // how many it will serve; default: 1 with args, 2 without
	env      []string
	db       string // URL; default: a fresh database
}

// start runs a server and waits until it listens. It ends with the test.
func start(t testing.TB, o options) *app {
	t.Helper()
	if o.binary == "" {
		o.binary = binaries.release
	}
	if o.db == "" {
		o.db = dbtest.URL(t)
	}
	a := &app{t: t, exited: make(chan struct{})}
	a.cmd = exec.Command(o.binary, append([]string{"serve"}, o.args...)...)
	a.cmd.Env = append([]string{
		"DATABASE_URL=" + o.db,
		"SESSION_KEY=a session key for tests, not secret",
		"PASSWORD_KEY=a password key for tests, not secret",
		"WEB_ADDR=127.0.0.1:0", "API_ADDR=127.0.0.1:0", "OPS_ADDR=127.0.0.1:0",
		"DRAIN=0s",
		"DATABASE_TIMEOUT=4s", // more than asInProduction: a busy machine may need it
	}, o.env...) // of two settings with one name the later one holds
	stderr, err := a.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan struct{})
	if o.surfaces == 0 {
		o.surfaces = 2 - min(1, len(o.args))
	}
	go a.readLog(stderr, listening, o.surfaces)
	t.Cleanup(a.kill)
	select {
	case <-listening:
	case <-a.exited:
		t.Fatalf("the server ended at its start: %v\n%v", a.exitErr, a.logged(""))
	case <-time.After(deadline):
		t.Fatalf("the server does not listen\n%v", a.logged(""))
	}
	return a
}

// readLog collects the log and learns the addresses from it.
func (a *app) readLog(stderr io.Reader, listening chan struct{}, surfaces int) {
	missing := surfaces + 1 // the ops port
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		entry := map[string]any{}
		if json.Unmarshal(lines.Bytes(), &entry) != nil {
			entry["message"] = lines.Text()
		}
		a.mu.Lock()
		a.log = append(a.log, entry)
		a.mu.Unlock()
		if addr, ok := entry["addr"].(string); ok {
			a.setAddress(entry["surface"], "http://"+addr)
			if missing--; missing == 0 {
				close(listening)
			}
		}
	}
	a.exitErr = a.cmd.Wait()
	close(a.exited)
}

func (a *app) setAddress(surface any, url string) {
	switch surface {
	case "api":
		a.api = url
	case "web":
		a.web = url
	default:
		a.ops = url
	}
}

// logged gives the log entries with that message, or all for "". Of a server that
// has not ended, the last lines may not have been read yet.
func (a *app) logged(message string) []map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []map[string]any
	for _, entry := range a.log {
		if message == "" || entry["message"] == message {
			found = append(found, entry)
		}
	}
	return found
}

// kill ends the process at once; a second time does nothing.
func (a *app) kill() {
	_ = a.cmd.Process.Kill()
	<-a.exited
}

// wait waits for the process to end by itself and gives its error.
func (a *app) wait() error {
	a.t.Helper()
	select {
	case <-a.exited:
		return a.exitErr
	case <-time.After(deadline):
		a.t.Fatal("the server does not end")
		return nil
	}
}

// signalTerm asks the process to stop in order.
func (a *app) signalTerm() {
	a.t.Helper()
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		a.t.Errorf("SIGTERM: %v", err)
	}
}

// terminate asks the process to stop in order and demands that it exits 0.
func (a *app) terminate() {
	a.t.Helper()
	a.terminateWhile(func() {})
}

// terminateWhile is terminate with something to do once the drain has begun.
func (a *app) terminateWhile(during func()) {
	a.t.Helper()
	a.signalTerm()
	wait.For(a.t, deadline, "the drain to begin", func() bool { return len(a.logged("draining")) > 0 })
	during()
	if err := a.wait(); err != nil {
		a.t.Errorf("after SIGTERM: %v, want exit 0", err)
	}
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// simulator makes requests as the course's simulator does: a connection each,
// JSON, basic authentication, its own patience unless another is given.
type simulator struct {
	client *http.Client
	anon   bool
}

func newSimulator() simulator {
	return simulator{client: &http.Client{
		Timeout:   deadline,
		Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil},
	}}
}

func (s simulator) do(ctx context.Context, method, url, body string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if !s.anon {
		req.SetBasicAuth("simulator", "super_safe!")
	}
	return fetch(s.client, req)
}

func fetch(client *http.Client, req *http.Request) (answer, error) {
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return answer{took: time.Since(start)}, err
	}
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body), time.Since(start)}, errors.Join(err, resp.Body.Close())
}

// must is do for a test that cannot go on without an answer.
func (s simulator) must(t testing.TB, method, url, body string) answer {
	t.Helper()
	a, err := s.do(t.Context(), method, url, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}
