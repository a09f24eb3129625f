package stack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"minitwit/service/freeport"

	"golang.org/x/net/dns/dnsmessage"
)

// patience is what a request may take on a busy machine. One that waits for a replica
// that never answers takes the 6 s of timeout server. That the limits are short enough for
// the simulator is asked in edge_test.go.
const patience = 5 * time.Second

// calm are limits that only a fault of the test's own making exceeds, not a busy machine:
// the replicas are this very process. Tests of a limit give their own.
var calm = []string{"READ_LIMIT=5s", "CHECK_LIMIT=5s"}

// edge is a real HAProxy with the real configuration, in which only addresses
// are replaced. Each has loopback addresses of its own.
type edge struct {
	api, ops string // host:port
	dns      *names
	replicas []*replica
	process  *os.Process
}

// replica stands for a task of the API. It answers as its mode says, to checks
// too, and counts the requests that are no checks.
type replica struct {
	addr     string
	listener net.Listener
	server   *http.Server
	answer   atomic.Pointer[http.HandlerFunc]

	mu   sync.Mutex
	seen map[string]int // by X-Id
	last http.Header
}

func (r *replica) count(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[id]
}

func (r *replica) total() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, times := range r.seen {
		n += times
	}
	return n
}

func (r *replica) become(h http.HandlerFunc) { r.answer.Store(&h) }

func (r *replica) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if !isCheck(req) {
		r.mu.Lock()
		r.seen[req.Header.Get("X-Id")]++
		r.last = req.Header.Clone()
		r.mu.Unlock()
	}
	(*r.answer.Load())(w, req)
}

func isCheck(r *http.Request) bool {
	return r.Method == http.MethodHead && r.URL.Path == "/openapi.yaml"
}

func healthy(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// hung is a stopped process: the kernel still accepts for it.
func hung(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// broken dies over each request, once that has reached it.
func broken(_ http.ResponseWriter, r *http.Request) {
	if !isCheck(r) {
		panic(http.ErrAbortHandler)
	}
}

// names is a DNS server that knows the tasks of the API, as Docker's does.
type names struct {
	net.PacketConn

	mu    sync.Mutex
	tasks []net.IP
}

func (n *names) set(replicas ...*replica) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tasks = nil
	for _, r := range replicas {
		host, _, _ := net.SplitHostPort(r.addr)
		n.tasks = append(n.tasks, net.ParseIP(host).To4())
	}
}

func (n *names) serve() {
	buf := make([]byte, 4096)
	for {
		size, from, err := n.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer, err := n.reply(buf[:size]); err == nil {
			_, _ = n.WriteTo(answer, from)
		}
	}
}

func (n *names) reply(query []byte) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	if q.Name.String() != "tasks.api." {
		m.RCode = dnsmessage.RCodeNameError
	} else if q.Type == dnsmessage.TypeA {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, i := range rand.Perm(len(n.tasks)) {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 600},
				Body:   &dnsmessage.AResource{A: [4]byte(n.tasks[i])},
			})
		}
	}
	return m.Pack()
}

// startEdge starts an edge with three healthy replicas that it knows. Its limits are calm,
// unless others are given.
func startEdge(t *testing.T, limits ...string) *edge {
	t.Helper()
	subnet := fmt.Sprintf("127.%d.%d.", 1+rand.IntN(250), 1+rand.IntN(250))
	packets, err := net.ListenPacket("udp", subnet+"53:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{dns: &names{PacketConn: packets}}
	t.Cleanup(func() { _ = packets.Close() })
	go e.dns.serve()
	// All on the port that the first one gets.
	port := "0"
	for i := 1; i <= 3; i++ {
		r := startReplica(t, fmt.Sprintf("%s%d:%s", subnet, i, port))
		_, port, _ = net.SplitHostPort(r.addr)
		e.replicas = append(e.replicas, r)
	}
	e.dns.set(e.replicas...)
	e.api, e.ops = freePort(t, subnet+"100"), freePort(t, subnet+"101")
	e.run(t, slices.Concat(calm, limits), strings.NewReplacer(
		"127.0.0.11:53", packets.LocalAddr().String(),
		"tasks.api:5001", "tasks.api:"+port,
		"bind :5001", "bind "+e.api,
		"bind :5000", "bind "+freePort(t, subnet+"102"),
		"bind :9100", "bind "+e.ops,
	))
	e.await(t, "three replicas are up", func() bool { return e.up() == 3 })
	return e
}

func startReplica(t *testing.T, addr string) *replica {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{addr: listener.Addr().String(), listener: listener, seen: map[string]int{}}
	r.become(healthy)
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { _ = r.server.Serve(listener) }()
	t.Cleanup(func() { _ = r.server.Close() })
	return r
}

func freePort(t *testing.T, host string) string {
	t.Helper()
	address, err := freeport.On(host)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func (e *edge) run(t *testing.T, limits []string, here *strings.Replacer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(here.Replace(edgeConfig(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	haproxy := exec.CommandContext(t.Context(), haproxyProgram(t), "-db", "-f", file)
	haproxy.Env = append(os.Environ(), limits...) // of two of a name the last one counts
	haproxy.Stdout, haproxy.Stderr = &log, &log
	if err := haproxy.Start(); err != nil {
		t.Fatal(err)
	}
	e.process = haproxy.Process
	t.Cleanup(func() {
		_ = haproxy.Process.Kill()
		_ = haproxy.Wait()
		if t.Failed() {
			t.Logf("HAProxy says:\n%s", log.String())
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

// metric gives the lines of /metrics that begin with a prefix.
func (e *edge) metric(prefix string) (lines []string) {
	res, err := http.Get("http://" + e.ops + "/metrics")
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	content, _ := io.ReadAll(res.Body)
	for line := range strings.Lines(string(content)) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// up counts the replicas that the edge takes for healthy.
func (e *edge) up() (n int) {
	for _, line := range e.metric(`haproxy_server_status{proxy="api",`) {
		if strings.Contains(line, `state="UP"`) && strings.HasSuffix(line, " 1") {
			n++
		}
	}
	return n
}

// await asks until the condition holds, and says how long that took.
func (e *edge) await(t *testing.T, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	const limit = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not so within %v: %s", limit, what)
		}
	}
	return time.Since(began)
}

type reply struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// send makes one request on a connection of its own, as the simulator does.
func (e *edge) send(t *testing.T, method, id string) reply {
	t.Helper()
	return e.sendBy(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, method, id)
}

func (e *edge) sendBy(t *testing.T, client *http.Client, method, id string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+e.api+"/msgs/x?latest=1", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Id", id)
	req.Header.Set("X-Forwarded-For", "192.0.2.1")
	began := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return reply{body: err.Error(), took: time.Since(began)}
	}
	defer res.Body.Close()
	content, _ := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(content), time.Since(began)}
}

func (e *edge) seen(id string) (n int) {
	for _, r := range e.replicas {
		n += r.count(id)
	}
	return n
}

// unharmed sends requests one after another: each must be answered in time.
func (e *edge) unharmed(t *testing.T, method string, requests int) {
	t.Helper()
	for i := range requests {
		if got := e.send(t, method, fmt.Sprint(method, i)); got.status != http.StatusOK || got.took > patience {
			t.Errorf("%s %d: %d %q after %v, want 200 within %v", method, i, got.status, got.body, got.took, patience)
		}
	}
}

func TestTheEdgeTakesItsConfiguration(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), haproxyProgram(t), "-c", "-f", "edge/haproxy.cfg").CombinedOutput()
	if err != nil || strings.Contains(string(out), "WARNING") {
		t.Errorf("haproxy -c: %v\n%s", err, out)
	}
}

// The port refuses: the task is dead, and its node lives.
func TestADeadReplicaCostsNoRequest(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	_ = e.replicas[0].server.Close()
	e.unharmed(t, http.MethodPost, 60)
	e.unharmed(t, http.MethodGet, 60)
}

// Nothing comes back at all: the node is dead.
func TestADeadNodeCostsNoRequest(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	_ = e.replicas[0].server.Close()
	swallow(t, e.replicas[0].addr)
	e.unharmed(t, http.MethodPost, 60)
	e.unharmed(t, http.MethodGet, 60)
	e.await(t, "two replicas are up", func() bool { return e.up() == 2 })
}

// A node dies without a word: the connections to its replica look as they did.
func TestNothingIsSentOnAConnectionThatADeadNodeLeft(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	kept := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer kept.CloseIdleConnections()
	for i := range 9 {
		e.sendBy(t, kept, http.MethodPost, fmt.Sprint("before", i))
	}
	dead := e.replicas[0]
	if dead.total() == 0 {
		t.Fatal("the replica got nothing while it lived: there is no connection to it")
	}
	dead.become(hung)
	_ = dead.listener.Close()
	swallow(t, dead.addr)
	for i := range 9 {
		if got := e.sendBy(t, kept, http.MethodPost, fmt.Sprint("after", i)); got.status != http.StatusOK || got.took > patience {
			t.Errorf("write %d: %d %q after %v, want 200 within %v", i, got.status, got.body, got.took, patience)
		}
	}
}

// swallow makes a port of which the kernel drops each SYN: its queue is full, and
// nobody accepts.
func swallow(t *testing.T, addr string) {
	t.Helper()
	tcp, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		conn, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Fatalf("%s still accepts", addr)
}

func TestReadsAreRepeatedWhenAReplicaHangs(t *testing.T) {
	t.Parallel()
	// The second try has the same limit, and a healthy replica has to keep it.
	e := startEdge(t, "READ_LIMIT=1s", "CHECK_LIMIT=1500ms")
	e.replicas[0].become(hung)
	e.unharmed(t, http.MethodGet, 30)
	if e.replicas[0].total() == 0 {
		t.Error("none was sent to the replica that hangs: nothing was shown")
	}
}

func TestWritesAreNotRepeatedWhenAReplicaHangs(t *testing.T) {
	t.Parallel()
	e := startEdge(t, "CHECK_LIMIT=1500ms") // which a healthy replica has to keep
	bad := e.replicas[0]
	bad.become(hung)
	var writes sync.WaitGroup
	for i := range 9 {
		writes.Go(func() { e.send(t, http.MethodPost, strconv.Itoa(i)) })
	}
	took := e.await(t, "the replica is found out", func() bool { return e.up() == 2 })
	if took > 10*time.Second { // 3.7 s by these limits, and what a busy machine adds
		t.Errorf("the replica was found out after %v", took)
	}
	t.Logf("found out after %v", took)
	before := bad.total()
	e.unharmed(t, http.MethodPost, 30)
	if after := bad.total(); before == 0 || after != before {
		t.Errorf("the replica that hangs got %d writes, and %d once it was found out", before, after-before)
	}
	writes.Wait() // until the server's time limit
	for i := range 9 {
		if n := e.seen(strconv.Itoa(i)); n != 1 {
			t.Errorf("write %d arrived %d times", i, n)
		}
	}
	bad.become(healthy)
	e.await(t, "the replica is back", func() bool { return e.up() == 3 })
}

func TestAWriteThatReachedAReplicaIsNotRepeated(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	e.replicas[0].become(broken)
	lost := 0
	for i := range 9 {
		id := strconv.Itoa(i)
		got := e.send(t, http.MethodPost, id)
		if n := e.seen(id); n != 1 {
			t.Errorf("write %d arrived %d times", i, n)
		}
		if got.status != http.StatusOK {
			lost++
			if got.status != http.StatusBadGateway || !strings.Contains(got.body, `"status":502`) {
				t.Errorf("write %d: %d %q, want 502 in the simulator's shape", i, got.status, got.body)
			}
		}
	}
	if lost != e.replicas[0].total() || lost == 0 {
		t.Errorf("%d writes failed, %d reached the broken replica", lost, e.replicas[0].total())
	}
	e.unharmed(t, http.MethodGet, 9)
}

// What a replica says passes as it is, and what it hears of the client is true.
func TestAnOutageOfTheDatabasePassesThrough(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	for _, r := range e.replicas {
		r.become(func(w http.ResponseWriter, r *http.Request) {
			if !isCheck(r) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, "the database is away")
			}
		})
	}
	for i, method := range []string{http.MethodGet, http.MethodPost} {
		got := e.send(t, method, strconv.Itoa(i))
		if got.status != 503 || got.header.Get("Retry-After") != "7" || got.body != "the database is away" || e.seen(strconv.Itoa(i)) != 1 {
			t.Errorf("%s: %+v, asked %d times; want the replica's own 503, asked once", method, got, e.seen(strconv.Itoa(i)))
		}
	}
	for _, r := range e.replicas {
		if from := r.last.Values("X-Forwarded-For"); r.last != nil && (len(from) != 1 || from[0] == "192.0.2.1") {
			t.Errorf("X-Forwarded-For is %q, want the client's address alone", from)
		}
	}
	if up := e.up(); up != 3 {
		t.Errorf("%d replicas are up, want 3: the database is none of the edge's business", up)
	}
}

// Where all replicas are slow, a second try helps nobody.
func TestReadsAreNotRepeatedForLongWhenEverythingIsSlow(t *testing.T) {
	t.Parallel()
	// Long enough that each try has reached its replica before it is given up.
	e := startEdge(t, "READ_LIMIT=1s")
	for _, r := range e.replicas {
		r.become(func(w http.ResponseWriter, r *http.Request) {
			if isCheck(r) {
				return
			}
			select {
			case <-time.After(3 * time.Second):
			case <-r.Context().Done():
			}
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
	}
	// At once, so that they have failed well within the ten seconds that count.
	var reads sync.WaitGroup
	for i := range 9 {
		reads.Go(func() { e.send(t, http.MethodGet, strconv.Itoa(i)) })
	}
	reads.Wait()
	if n := e.seen("0"); n != 3 {
		t.Errorf("the first read was tried %d times, want 3", n)
	}
	got := e.send(t, http.MethodGet, "late")
	if n := e.seen("late"); n != 1 || got.status != 503 || got.header.Get("Retry-After") != "7" {
		t.Errorf("after some failures: %+v, tried %d times; want the replica's own 503, tried once", got, n)
	}
}

// A task leaves Docker's DNS before it is stopped, and a new one enters it when it
// is healthy.
func TestTheEdgeFollowsDockersNames(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	leaving := e.replicas[2]
	e.dns.set(e.replicas[:2]...)
	left := e.await(t, "the leaving replica is forgotten", func() bool { return e.up() == 2 })
	before := leaving.total()
	e.unharmed(t, http.MethodPost, 30)
	if n := leaving.total() - before; n != 0 {
		t.Errorf("%d requests went to a replica that was leaving", n)
	}
	e.dns.set(e.replicas...)
	came := e.await(t, "the new replica gets requests", func() bool {
		e.send(t, http.MethodGet, "new")
		return leaving.total() > before
	})
	t.Logf("left after %v, came after %v", left, came)
	if left > 10*time.Second || came > 10*time.Second { // within 2 s each, and what a busy machine adds
		t.Errorf("left after %v, came after %v, want 10 s at most", left, came)
	}
}

// Then the checks are rather wrong than all replicas.
func TestRequestsAreSentWhereAllChecksFail(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	for _, r := range e.replicas {
		r.become(func(w http.ResponseWriter, r *http.Request) {
			if isCheck(r) {
				panic(http.ErrAbortHandler)
			}
			healthy(w, r)
		})
	}
	e.await(t, "no replica is up", func() bool { return e.up() == 0 })
	e.unharmed(t, http.MethodPost, 9)
}

// An update replaces the edge of each node: who has a connection is told to close
// it by an answer, not by a reset.
func TestAClientOutlivesTheEndOfAnEdge(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	ask := func() error {
		res, err := client.Post("http://"+e.api+"/msgs/x", "application/json", strings.NewReader("{}"))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if err := e.process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	e.await(t, "the edge takes no new connections", func() bool {
		conn, err := net.Dial("tcp", e.api)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if err := ask(); err != nil {
		t.Errorf("a request on a connection from before: %v", err)
	}
}
