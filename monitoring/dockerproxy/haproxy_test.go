package dockerproxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"minitwit/service/freeport"

	"github.com/moby/moby/client"
)

// proxy is a real HAProxy with the real configuration, in which only the port and
// the socket are replaced, before an engine that says yes to everything.
type proxy struct {
	addr, socket string
	engine       *http.Server
	log          *syncBuffer

	mu   sync.Mutex
	seen []string
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, r.Method+" "+r.RequestURI)
	p.mu.Unlock()
	w.Header().Set("Api-Version", "1.44")
	_, _ = io.WriteString(w, "[]")
}

// reached gives what the engine was asked since the last time.
func (p *proxy) reached() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := p.seen
	p.seen = nil
	return seen
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	// Not t.TempDir: a socket's path has 107 characters at most.
	dir, err := os.MkdirTemp("", "docker")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &proxy{addr: freeport.For(t), socket: filepath.Join(dir, "docker.sock"), log: &syncBuffer{}}
	p.startEngine(t)
	config, err := os.ReadFile("haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("bind :2375", "bind "+p.addr, "/var/run/docker.sock", p.socket)
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(here.Replace(string(config))), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t, file)
	p.await(t, "HAProxy listens", func() bool {
		conn, err := net.Dial("tcp", p.addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return p
}

func (p *proxy) startEngine(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	p.engine = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func(engine *http.Server) { _ = engine.Serve(listener) }(p.engine)
	t.Cleanup(func() { _ = p.engine.Close() })
}

func (p *proxy) run(t *testing.T, file string) {
	t.Helper()
	haproxy := exec.CommandContext(t.Context(), haproxyProgram(t), "-db", "-f", file)
	haproxy.Stdout, haproxy.Stderr = p.log, p.log
	if err := haproxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = haproxy.Process.Kill()
		_ = haproxy.Wait()
		if t.Failed() {
			t.Logf("HAProxy says:\n%s", p.log)
		}
	})
}

// haproxyProgram finds it where Debian puts it, which is not on everybody's path.
func haproxyProgram(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no haproxy: apt-get install haproxy, or ./scripts/run.sh test unit")
	return ""
}

func (p *proxy) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not so within 20 s: %s", what)
		}
	}
}

// send writes a request as it is, since Go's client would put it right, and gives
// the answer's status: 0 where the connection was closed without one.
func (p *proxy) send(t *testing.T, request string) int {
	t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ") // an answer to HEAD has no body
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func head(line string, headers ...string) string {
	return line + "\r\n" + strings.Join(append([]string{"Host: dockerproxy"}, headers...), "\r\n") + "\r\n\r\n"
}

func TestHAProxyTakesItsConfiguration(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), haproxyProgram(t), "-c", "-f", "haproxy.cfg").CombinedOutput()
	if err != nil || strings.Contains(string(out), "WARNING") {
		t.Errorf("haproxy -c: %v\n%s", err, out)
	}
}

func TestReadersGetTheirLists(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	for _, name := range []string{"services", "tasks", "nodes"} {
		for _, path := range []string{"/" + name, "/v1.44/" + name, "/v1.100/" + name + `?filters=%7B%22label%22%3A%5B%22a%2Fb%22%5D%7D&status=true`} {
			for _, method := range []string{"GET", "HEAD"} {
				status := p.send(t, head(method+" "+path+" HTTP/1.1"))
				seen := fmt.Sprint(p.reached())
				if want := fmt.Sprintf("[%s %s]", method, path); status != 200 || seen != want {
					t.Errorf("%s %s: %d, the engine saw %s", method, path, status, seen)
				}
			}
		}
	}
	if p.log.String() != "" {
		t.Error("what is usual was logged")
	}
}

// A client as the exporter has it, with its own way to ask.
func TestTheEnginesOwnClientGetsThrough(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	cli, err := client.New(client.WithHost("tcp://"+p.addr), client.WithAPIVersion("1.44"))
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	ours := make(client.Filters).Add("label", "com.docker.stack.namespace=minitwit")
	if _, err := cli.ServiceList(t.Context(), client.ServiceListOptions{Filters: ours}); err != nil {
		t.Error(err)
	}
	if _, err := cli.NodeList(t.Context(), client.NodeListOptions{}); err != nil {
		t.Error(err)
	}
	_, err = cli.ServiceRemove(t.Context(), "x", client.ServiceRemoveOptions{})
	if err == nil || strings.Contains(fmt.Sprint(p.reached()), "DELETE") {
		t.Errorf("removed a service: %v", err)
	}
}

func TestNothingElseReachesTheEngine(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	for _, path := range []string{
		"/", "/v1.44", "/v1.44/", "/_ping", "/version", "/info", "/v1.44/info", "/networks", "/v1.44/networks", "/containers/json", "/v1.44/containers/json", "/v1.44/containers/x/attach/ws",
		"/containers/x/archive?path=/etc", "/containers/x/logs", "/exec/x/json", "/images/json", "/events", "/system/df",
		"/secrets", "/v1.44/secrets", "/configs", "/swarm", "/swarm/unlockkey", "/plugins", "/volumes", "/session", "/grpc", "/metrics", "/debug/pprof/",
		// Deeper, beside and above.
		"/services/x", "/services/x/logs", "/services/", "/tasks/x/logs", "/nodes/x", "/networks/x", "/info/", "/services;x",
		"/services/../secrets", "/services/../../v1.44/secrets", "/./services", "/../services", "//services", "//containers/json", "/v1.44//secrets",
		"/v1.44/../secrets", "/v1.44/v1.44/services", "/v1.44/services/v1.44/secrets", "/v1/services", "/v2.0/services", "/v1.44x/services", "/v1.1234/services",
		// Written otherwise.
		"/services/%2e%2e/secrets", "/services%2f..%2fsecrets", "/%73ervices", "/services%00", "/services%3f/../secrets", "/services%0a", "/Services",
		"/servicesx", "/xservices", "/services\\..\\secrets", "/secrets?/services", "/secrets#/services", "/secrets?x=/v1.44/services", "/secrets;/services",
		"http://dockerproxy/secrets", "http://dockerproxy//services", "http://services/containers/json", "services", "*",
	} {
		status := p.send(t, head("GET "+path+" HTTP/1.1"))
		if seen := p.reached(); len(seen) > 0 || status < 400 {
			t.Errorf("GET %s: %d, the engine saw %q", path, status, seen)
		}
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND", "X"} {
		for _, path := range []string{"/services", "/services/create", "/v1.44/nodes", "/containers/x/exec", "/containers/x/attach", "/_ping"} {
			status := p.send(t, head(method+" "+path+" HTTP/1.1"))
			if seen := p.reached(); len(seen) > 0 || status < 400 {
				t.Errorf("%s %s: %d, the engine saw %q", method, path, status, seen)
			}
		}
	}
	p.await(t, "what was refused is logged", func() bool { return strings.Contains(p.log.String(), "POST /services/create") })
}

// None of these may bring a second request behind the first, or another protocol.
func TestARequestIsARequestAlone(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	const hidden = "POST /services/create HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, request := range map[string]string{
		"upgrade":          head("GET /services HTTP/1.1", "Connection: Upgrade", "Upgrade: tcp"),
		"upgrade to h2c":   head("GET /services HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
		"websocket":        head("GET /v1.44/services HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
		"HTTP/2":           "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"a body":           head("GET /services HTTP/1.1", "Content-Length: 2") + "{}",
		"an empty body":    head("GET /services HTTP/1.1", "Content-Length: 0"),
		"a chunked body":   head("GET /services HTTP/1.1", "Transfer-Encoding: chunked") + "0\r\n\r\n",
		"two lengths":      head("GET /services HTTP/1.1", "Content-Length: 0", fmt.Sprintf("Content-Length: %d", len(hidden))) + hidden,
		"length and chunk": head("GET /services HTTP/1.1", fmt.Sprintf("Content-Length: %d", 5+len(hidden)), "Transfer-Encoding: chunked") + "0\r\n\r\n" + hidden,
		"a hidden length":  head("GET /services HTTP/1.1", fmt.Sprintf("Content-Length : %d", len(hidden))) + hidden,
		"a newline":        "GET /services HTTP/1.1\nX: y\n\n" + hidden,
		"HTTP/0.9":         "GET /secrets\r\n\r\n",
		"pipelined":        head("GET /services HTTP/1.1") + hidden,
	} {
		// Not one answer in another protocol than HTTP/1, either.
		if status := p.send(t, request); status == 0 {
			t.Errorf("%s: no answer", name)
		}
		for _, seen := range p.reached() {
			if seen != "GET /services" || name != "pipelined" && name != "a newline" {
				t.Errorf("%s: the engine saw %q", name, seen)
			}
		}
	}
}

func TestTheProxyLivesWithoutTheEngine(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	ask := func(path string) int { return p.send(t, head("GET "+path+" HTTP/1.1")) }
	if status := ask("/services"); status != 200 {
		t.Errorf("services: %d", status)
	}
	_ = p.engine.Close()
	if services, alive := ask("/services"), ask("/livez"); services != 503 || alive != 200 {
		t.Errorf("without the engine: services %d, want 503; /livez %d, want 200", services, alive)
	}
	_ = os.Remove(p.socket)
	p.startEngine(t)
	if status := ask("/services"); status != 200 {
		t.Errorf("services once the engine is back: %d", status)
	}
	if seen := fmt.Sprint(p.reached()); strings.Contains(seen, "livez") {
		t.Errorf("the engine was asked for the proxy's health: %s", seen)
	}
}
