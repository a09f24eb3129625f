//go:build logs

package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"minitwit/service/freeport"

	"go.yaml.in/yaml/v3"
)

// What ./scripts/run.sh logs-test hands over: Loki, a Debian with syslog-ng, the product.
var (
	lokiBinary     = os.Getenv("LOKI_BINARY")
	agentTree      = os.Getenv("SYSLOG_NG_TREE")
	minitwitBinary = os.Getenv("MINITWIT_BINARY")
)

// line is one that a container has written.
type line struct {
	at   time.Time
	text string
}

// container writes as Docker's json-file driver does.
type container struct {
	folder, id string
	attrs      map[string]string

	mu    sync.Mutex
	file  *os.File
	lines []line
}

// newContainer makes one of a task of a service; attrs are what the option labels of the
// logging driver asks for.
func (w *world) newContainer(service, slot string) *container {
	w.t.Helper()
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	c := &container{id: hex.EncodeToString(id), attrs: map[string]string{
		"com.docker.swarm.service.name": service,
		"com.docker.swarm.task.name":    service + "." + slot + "." + strings.ToLower(rand.Text()[:25]),
	}}
	c.folder = filepath.Join(w.dir, "containers", c.id)
	must(w.t, os.Mkdir(c.folder, 0o710))
	must(w.t, c.open())
	w.containers = append(w.containers, c)
	return c
}

func (c *container) path() string { return filepath.Join(c.folder, c.id+"-json.log") }

func (c *container) open() (err error) {
	c.file, err = os.OpenFile(c.path(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	return err
}

func (c *container) write(text string) error { return c.writeAt(time.Now(), text+"\n") }

// writeAt writes log as it is: without a newline at the end it is a piece of a long line.
func (c *container) writeAt(at time.Time, log string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	encoded, err := json.Marshal(struct {
		Log    string            `json:"log"`
		Stream string            `json:"stream"`
		Attrs  map[string]string `json:"attrs"`
		Time   string            `json:"time"`
	}{log, "stderr", c.attrs, at.UTC().Format(time.RFC3339Nano)})
	if err != nil {
		return err
	}
	c.lines = append(c.lines, line{at, strings.TrimSuffix(log, "\n")})
	_, err = c.file.Write(append(encoded, '\n'))
	return err
}

// rotate does what the driver does at max-size, with max-file 3.
func (c *container) rotate() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := os.Rename(c.path()+".1", c.path()+".2")
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, c.file.Close(), os.Rename(c.path(), c.path()+".1"), c.open())
}

// written gives the lines so far.
func (c *container) written() []line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

// world is all that a line passes through.
type world struct {
	t          *testing.T
	dir        string
	began      time.Time
	containers []*container
	replicas   []*replica
	loki       *program
	lokiURL    string
	agent      *program
	stack      loggingYML
}

// loggingYML is what we need of the stack: the very commands that the engine would run.
type loggingYML struct {
	Services map[string]struct {
		Entrypoint  []string
		Healthcheck struct{ Test []string }
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	for name, value := range map[string]string{"LOKI_BINARY": lokiBinary, "SYSLOG_NG_TREE": agentTree, "MINITWIT_BINARY": minitwitBinary} {
		if value == "" {
			t.Fatalf("%s is not set: ./scripts/run.sh logs-test does", name)
		}
	}
	w := &world{t: t, dir: t.TempDir(), began: time.Now()}
	for _, folder := range []string{"containers", "state", "figures", "loki"} {
		must(t, os.Mkdir(filepath.Join(w.dir, folder), 0o755))
	}
	content, err := os.ReadFile("../../stack/logging.yml")
	must(t, err)
	must(t, yaml.Unmarshal(content, &w.stack))
	w.makeLoki()
	w.makeAgent()
	return w
}

// makeLoki prepares Loki with the configuration of production, but for its folder and ports.
func (w *world) makeLoki() {
	content, err := os.ReadFile("../loki/loki.yml")
	must(w.t, err)
	config, port := string(content), freePort(w.t)
	for old, replaced := range map[string]string{
		" /loki": " " + w.dir + "/loki", "http_listen_port: 3100": "http_listen_address: 127.0.0.1\n  http_listen_port: " + port,
		"grpc_listen_port: 9096": "grpc_listen_address: 127.0.0.1\n  grpc_listen_port: " + freePort(w.t),
	} {
		if !strings.Contains(config, old) {
			w.t.Fatalf("loki.yml does not hold %q", old)
		}
		config = strings.ReplaceAll(config, old, replaced)
	}
	path := filepath.Join(w.dir, "loki.yml")
	must(w.t, os.WriteFile(path, []byte(config), 0o600))
	w.lokiURL = "http://127.0.0.1:" + port
	w.loki = &program{t: w.t, log: filepath.Join(w.dir, "loki.log"), argv: []string{lokiBinary, "-config.file=" + path}}
}

// inTree runs a command in the agent's Debian, with the folders that the stack gives it and
// no more rights: it may write nowhere else, and is root without capabilities.
const inTree = `tree=$1 dir=$2 conf=$3; shift 3
mount --bind "$tree" "$tree"
mount --bind "$dir/containers" "$tree/var/lib/docker/containers"
mount -o remount,bind,ro "$tree/var/lib/docker/containers"
mount --bind "$dir/state" "$tree/state"
mount --bind "$dir/figures" "$tree/figures"
mount --bind "$conf" "$tree/etc/syslog-ng/syslog-ng.conf"
mount --rbind /dev "$tree/dev"
mount -o remount,bind,ro "$tree"
exec chroot "$tree" setpriv --bounding-set=-all --inh-caps=-all -- "$@"`

// makeAgent prepares syslog-ng with the configuration and the command of production.
func (w *world) makeAgent() {
	config, err := filepath.Abs("../syslog-ng/syslog-ng.conf")
	must(w.t, err)
	argv := []string{"unshare", "--mount", "--propagation", "private", "bash", "-euc", inTree, "_", agentTree, w.dir, config}
	w.agent = &program{
		t: w.t, log: filepath.Join(w.dir, "agent.log"), argv: append(argv, w.stack.Services["syslog-ng"].Entrypoint...),
		env: []string{"NODE_NAME=n1", "LOKI_URL=" + w.lokiURL},
	}
}

func (w *world) startLoki() {
	w.t.Helper()
	w.loki.start()
	test := w.stack.Services["loki"].Healthcheck.Test
	if len(test) < 2 || test[1] != "/usr/bin/loki" {
		w.t.Fatalf("the health check of Loki is %q", test)
	}
	w.eventually(time.Minute, "Loki to be ready", func() error {
		out, err := exec.Command(lokiBinary, append(test[2:], "-health.url="+w.lokiURL+"/ready")...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
}

// check runs the health check of the agent, which leaves its figures in a file.
func (w *world) check() error {
	test := w.stack.Services["syslog-ng"].Healthcheck.Test
	if len(test) < 2 || test[0] != "CMD" {
		return fmt.Errorf("the health check is %q", test)
	}
	return w.besideAgent(test[1:]...)
}

// besideAgent runs a command where the agent runs, as docker exec does.
func (w *world) besideAgent(command ...string) error {
	argv := append([]string{"--target", strconv.Itoa(w.agent.pid()), "--mount", "--root", "--wd"}, command...)
	if out, err := exec.Command("nsenter", argv...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	return nil
}

// isConfined demands that the agent was tried with no more rights than the stack gives it.
func (w *world) isConfined() {
	w.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.agent.pid()))
	must(w.t, err)
	if !strings.Contains(string(status), "CapEff:\t0000000000000000\n") {
		w.t.Errorf("the agent has capabilities:\n%s", status)
	}
	for _, folder := range []string{"/", "/var/lib/docker/containers/"} {
		if w.besideAgent("touch", folder+"file") == nil {
			w.t.Errorf("the agent may write to %s", folder)
		}
	}
}

// figures gives the agent's figures as Prometheus would get them: by a node exporter.
func (w *world) figures() (string, error) {
	if err := w.check(); err != nil {
		return "", err
	}
	port := freePort(w.t)
	exporter := &program{t: w.t, log: filepath.Join(w.dir, "exporter.log"), argv: []string{
		"prometheus-node-exporter", "--web.listen-address=127.0.0.1:" + port, "--collector.disable-defaults",
		"--collector.textfile", "--collector.textfile.directory=" + filepath.Join(w.dir, "figures"),
	}}
	exporter.start()
	defer exporter.kill()
	var metrics []byte
	w.eventually(20*time.Second, "the node exporter to answer", func() error {
		resp, err := http.Get("http://127.0.0.1:" + port + "/metrics")
		if err != nil {
			return err
		}
		metrics, err = io.ReadAll(resp.Body)
		return errors.Join(err, closed(resp))
	})
	return string(metrics), nil
}

// replica is a process of the product whose output goes to a container's file.
type replica struct {
	*container
	url string
}

// startReplica serves the API as a task of the Swarm would.
func (w *world) startReplica(database, slot string) {
	w.t.Helper()
	r := &replica{container: w.newContainer("minitwit_api", slot)}
	cmd := exec.Command(minitwitBinary, "serve", "--only", "api")
	cmd.Env = []string{
		"DATABASE_URL=" + database, "PASSWORD_KEY=a password key for tests, not secret", "DRAIN=0s",
		"API_ADDR=127.0.0.1:0", "OPS_ADDR=127.0.0.1:0", "SERVICE_NAME=minitwit_api", "TASK_SLOT=" + slot, "NODE_NAME=n1",
	}
	stderr, err := cmd.StderrPipe()
	must(w.t, err)
	must(w.t, cmd.Start())
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			if err := r.write(lines.Text()); err != nil {
				w.t.Errorf("replica %s: %v", slot, err)
			}
			var said struct{ Surface, Addr string }
			if json.Unmarshal(lines.Bytes(), &said) == nil && said.Surface == "api" && said.Addr != "" {
				address <- said.Addr
			}
		}
	}()
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	select {
	case addr := <-address:
		r.url = "http://" + addr
	case <-time.After(20 * time.Second):
		w.t.Fatalf("replica %s does not listen: %v", slot, r.written())
	}
	w.replicas = append(w.replicas, r)
}

// ask makes a request with an id of ours.
func (r *replica) ask(id string) error {
	req, err := http.NewRequest(http.MethodGet, r.url+"/latest", nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Request-ID", id)
	resp, err := http.DefaultClient.Do(req)
	return errors.Join(err, closed(resp))
}

// load asks the replicas in turn, so often in a second, until the test ends.
func (w *world) load(perSecond int) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if err := w.replicas[n%len(w.replicas)].ask(fmt.Sprintf("load-%06d", n)); err != nil {
				w.t.Errorf("load: %v", err)
				return
			}
		}
	})
	w.t.Cleanup(func() { close(done); running.Wait(); tick.Stop() })
}

// account says which of the lines that were written until then Loki does not list, and
// how often it lists any of that time. Lines of before the test are none that it takes.
func (w *world) account(until time.Time) (missing []line, written, listed int, err error) {
	want := map[string]line{}
	for _, c := range w.containers {
		for _, l := range c.written() {
			if l.at.After(w.began) && !l.at.After(until) {
				want[key(c.id[:12], l.at.UnixNano(), l.text)] = l
			}
		}
	}
	written = len(want)
	store, err := newLoki(w.lokiURL, "")
	if err != nil {
		return nil, 0, 0, err
	}
	for from := w.began; !from.After(until); from = from.Add(window) {
		streams, err := store.get(w.t.Context(), question(from))
		if err != nil {
			return nil, 0, 0, err
		}
		for _, s := range streams {
			for _, v := range s.Values {
				nanos, err := strconv.ParseInt(v[0], 10, 64)
				if err != nil {
					return nil, 0, 0, err
				}
				if nanos <= until.UnixNano() {
					listed++
				}
				delete(want, key(s.Labels["container_id"], nanos, v[1]))
			}
		}
	}
	missing = slices.SortedFunc(maps.Values(want), func(a, b line) int { return a.at.Compare(b.at) })
	return missing, written, listed, nil
}

// window is a time in which fewer lines come than Loki gives at once.
const window = 20 * time.Second

func question(from time.Time) url.Values {
	return url.Values{
		"query": {`{node="n1"}`}, "limit": {strconv.Itoa(atOnce)},
		"start": {strconv.FormatInt(from.UnixNano(), 10)}, "end": {strconv.FormatInt(from.Add(window).UnixNano(), 10)},
	}
}

func key(container string, nanos int64, text string) string {
	return fmt.Sprint(container, " ", nanos, " ", text)
}

// eventually asks until there is no error.
func (w *world) eventually(limit time.Duration, what string, ask func() error) time.Duration {
	w.t.Helper()
	began := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			w.t.Fatalf("waited %v for %s: %v\n%s\n%s", limit, what, err, w.loki.lastWords(), w.agent.lastWords())
		}
		<-tick.C
	}
}

// program is one of others: it is started, killed and started again.
type program struct {
	t    *testing.T
	argv []string
	env  []string
	log  string
	cmd  *exec.Cmd
}

func (p *program) start() {
	p.t.Helper()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(p.t, err)
	defer out.Close()
	p.cmd = exec.Command(p.argv[0], p.argv[1:]...)
	p.cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, p.env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(p.t, p.cmd.Start())
	p.t.Cleanup(p.kill)
}

func (p *program) pid() int { return p.cmd.Process.Pid }

// kill is SIGKILL: nothing is written or said any more.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// memory gives what it has in memory, in MB.
func (p *program) memory() int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes := 0
	_, _ = fmt.Sscan(rest, &kilobytes)
	return kilobytes / 1024
}

func (p *program) lastWords() string {
	content, _ := os.ReadFile(p.log)
	all := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-10):], []byte("\n")))
}

func closed(resp *http.Response) error {
	if resp == nil {
		return nil
	}
	return resp.Body.Close()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(freeport.For(t))
	must(t, err)
	return port
}
