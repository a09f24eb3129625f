package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"minitwit/service/wait"
)

// onSwarm is what stack.yml tells a replica about itself.
var onSwarm = []string{"SERVICE_NAME=minitwit_web", "TASK_SLOT=2", "NODE_NAME=n3"}

// Lines of all replicas are read in one place.
func TestEveryLineOfTheLogSaysWhereItComesFrom(t *testing.T) {
	t.Parallel()
	a := start(t, options{env: onSwarm})
	s := newSimulator()
	s.must(t, "GET", a.api+"/latest", "")
	s.anon = true
	s.must(t, "GET", a.api+"/msgs", "")
	a.terminate()
	for _, line := range a.logged("") {
		for name, want := range map[string]string{"service": "minitwit_web", "slot": "2", "node": "n3", "version": "dev"} {
			if line[name] != want {
				t.Errorf("%s is %q, want %q: %v", name, line[name], want, line)
			}
		}
	}
	for _, message := range []string{"request", "refused"} {
		lines := a.logged(message)
		if len(lines) == 0 {
			t.Errorf("no line says %q", message)
		}
		for _, line := range lines {
			if id, _ := line["request_id"].(string); id == "" {
				t.Errorf("a line has no request id: %v", line)
			}
		}
	}
}

// Whatever is done for a request, its lines have its id, and the metric counts them all.
func TestTheLinesOfARequestAreFoundByItsID(t *testing.T) {
	t.Parallel()
	a := start(t, options{env: onSwarm})
	form := url.Values{"username": {"nobody"}, "password": {"hunter2"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.web+"/login", strings.NewReader(form.Encode()))
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Request-ID", "of-my-own")
	_, err = fetch(http.DefaultClient, req)
	must(t, err)
	var events []string
	wait.For(t, deadline, "both lines", func() bool {
		events = nil
		for _, line := range a.logged("") {
			if line["request_id"] == "of-my-own" {
				events = append(events, fmt.Sprint(line["message"], " ", line["event"], " ", line["reason"]))
			}
		}
		return len(events) == 2
	})
	if got := strings.Join(events, ", "); got != "refused login_failed unknown_user, request <nil> <nil>" {
		t.Errorf("the log has %s", got)
	}
	// A heartbeat that failed may have added one of its own.
	wait.For(t, deadline, "each line to be counted", func() bool { return linesCounted(t, a) == len(a.logged("")) })
}

func linesCounted(t *testing.T, a *app) (n int) {
	t.Helper()
	host, err := os.Hostname()
	must(t, err)
	name := fmt.Sprintf("\nminitwit_log_lines_total{container=%q,service=\"minitwit_web\",slot=\"2\"} ", host)
	_, rest, _ := strings.Cut(metricsOf(t, a), name)
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatalf("the metrics have no%s: %v", name, err)
	}
	return n
}

// Who guesses may fill the disk with what we say about it, or hide in it.
func TestGuessingDoesNotFloodTheLog(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	s := newSimulator()
	s.anon = true
	for range 50 {
		if got := s.must(t, "POST", a.api+"/msgs/ada", `{"content":"x"}`).status; got != http.StatusForbidden {
			t.Fatalf("a request without credentials: %d", got)
		}
		if err := login(a.web, "nobody", "hunter2"); err == nil {
			t.Fatal("nobody signed in")
		}
	}
	a.terminate()
	count := map[any]int{}
	for _, line := range a.logged("") {
		count[line["event"]]++
	}
	// Ten in ten seconds; on a slow machine this may take twenty.
	for _, event := range []string{"unauthorized", "login_failed"} {
		if n := count[event]; n < 10 || n > 30 {
			t.Errorf("%d events %q of 50, want some and not all", n, event)
		}
	}
	if count[nil] < 100 {
		t.Errorf("%d other lines: the requests themselves are all logged", count[nil])
	}
}

// What a moderator does on a replica is in its log, though docker exec has another output.
func TestHidingAMessageIsInTheLogOfTheReplica(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	a := start(t, options{env: onSwarm})
	if runtime.GOOS == "linux" {
		log = fmt.Sprintf("/proc/%d/fd/2", a.cmd.Process.Pid) // as /proc/1/fd/2 in a container
	}
	cmd := exec.Command(binaries.release, "flag", "7")
	for _, set := range a.cmd.Env {
		if strings.HasPrefix(set, "DATABASE_URL=") {
			cmd.Env = append(onSwarm, set, "EVENT_LOG="+log)
		}
	}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), `"event":"message_flagged"`) {
		t.Fatalf("flag of an unknown id: %v\n%s\nwant an error, and the event", err, out)
	}
	want := "map[event:message_flagged ids:[7] messages:0 node:n3 service:minitwit_web slot:2]"
	var got string
	wait.For(t, deadline, want, func() bool {
		lines := a.logged("flag")
		if runtime.GOOS != "linux" {
			lines = readLines(t, log)
		}
		if len(lines) == 0 {
			return false
		}
		got = fmt.Sprint(only(lines[0], "event", "ids", "messages", "node", "service", "slot"))
		return true
	})
	if got != want {
		t.Errorf("the log has %s, want %s", got, want)
	}
}

func TestAnEventThatCannotBeKeptIsSaid(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binaries.release, "flag", "7")
	cmd.Env = []string{"DATABASE_URL=" + start(t, options{}).database(), "EVENT_LOG=/nowhere/log"}
	out, _ := cmd.CombinedOutput()
	for _, want := range []string{"not in the log of the replica", `"event":"message_flagged"`, "0 of 1 messages hidden"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("flag says %s, want %q", out, want)
		}
	}
}

// database gives the URL that the server was started with.
func (a *app) database() string {
	for _, set := range a.cmd.Env {
		if url, ok := strings.CutPrefix(set, "DATABASE_URL="); ok {
			return url
		}
	}
	return ""
}

func readLines(t testing.TB, path string) (lines []map[string]any) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	decoder := json.NewDecoder(file)
	for {
		line := map[string]any{}
		if err := decoder.Decode(&line); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
}

func only(line map[string]any, names ...string) map[string]any {
	found := map[string]any{}
	for _, name := range names {
		found[name] = line[name]
	}
	return found
}
