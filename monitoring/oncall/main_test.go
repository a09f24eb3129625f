package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minitwit/service/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// Who answers has enough time for it, also on a busy machine. Only who never does is waited for
// in vain.
const (
	enough = 20 * time.Second
	inVain = time.Second
)

// told is what a command printed.
type told struct {
	code     int
	out, err string
}

// oncall runs a command as main does. The environment is empty but for env.
func oncall(t *testing.T, env []string, args ...string) told {
	t.Helper()
	var out, err bytes.Buffer
	code := run(t.Context(), args, stdio{&out, &err, env})
	return told{code, out.String(), err.String()}
}

// checks decodes what --json has printed.
func (p told) checks(t *testing.T) (all []check) {
	t.Helper()
	for line := range strings.Lines(p.out) {
		var c check
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatalf("%v in\n%s", err, p.out)
		}
		all = append(all, c)
	}
	return all
}

// expect fails unless there is a check of this case, in this state, that was found to be
// so and names the alert's runbook, "" for none.
func expect(t *testing.T, all []check, name string, s state, found, alert string) {
	t.Helper()
	for _, c := range all {
		if c.Case == name {
			runbook := ""
			if alert != "" {
				runbook = "../runbooks/" + alert + ".md"
			}
			if c.State != s || !strings.Contains(c.Found, found) || c.Runbook != runbook {
				t.Errorf("%s: %s, %q, runbook %q; want %s, %q, %q", name, c.State, c.Found, c.Runbook, s, found, runbook)
			}
			return
		}
	}
	t.Errorf("nothing is said of %q:\n%+v", name, all)
}

// start runs a program, which ends with the test. One that is missing is a failure: a
// test that is skipped looks like one that has passed.
func start(t *testing.T, args ...string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: apt-get install prometheus prometheus-alertmanager", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", args[0], &log)
		}
	})
}

// silent gives the address of one that takes connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// put writes a file into a folder and gives its path.
func put(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMisuseIsOneLineAndExitTwo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		nil,
		{"nurse"},
		{"doctor", "--bogus"},
		{"doctor", "now"},
		{"doctor", "--prometheus", "localhost:9090"},
		{"doctor", "--ask", "web=hunter2"},
		{"doctor", "--timeout", "0s"},
		{"page-test"},
		{"page-test", "--alertmanager", "hunter2"},
		{"page-test", "--alertmanager", "http://localhost:1", "--timeout", "-1s"},
	} {
		got := oncall(t, nil, args...)
		if got.code != exitUnknown || got.out != "" || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%q: %+v, want one line on standard error and exit 2", args, got)
		}
	}
	if got := oncall(t, []string{"PROMETHEUS_URL=no"}, "doctor"); got.code != exitUnknown || !strings.Contains(got.err, "PROMETHEUS_URL") {
		t.Errorf("a wrong PROMETHEUS_URL: %+v", got)
	}
}
