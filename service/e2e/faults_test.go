package e2e

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"minitwit/service/wait"
)

// switches are all values of MINITWIT_FAULT. TestAPanicInTheUICostsOneRequest
// tries the first.
var switches = []string{"panic", "crash", "exit", "unhealthy", "late", "hang", "leak", "errors", "slow", "fail", "shape", "deaf", "column"}

// A release must hold nothing that can make it fail on purpose.
func TestTheReleaseHasNoFaultSwitch(t *testing.T) {
	t.Parallel()
	for binary, want := range map[string]bool{binaries.release: false, binaries.faults: true} {
		content, err := os.ReadFile(binary)
		must(t, err)
		for _, text := range append([]string{""}, switches...) {
			text = "drill: " + text
			if got := bytes.Contains(content, []byte(text)); got != want {
				t.Errorf("%s holds %q: %v, want %v", binary, text, got, want)
			}
		}
		if got := bytes.Contains(content, []byte("MINITWIT_FAULT")); got != want {
			t.Errorf("%s reads MINITWIT_FAULT: %v, want %v", binary, got, want)
		}
	}
}

// startWith runs the binary of drills with a fault.
func startWith(t *testing.T, fault string) *app {
	t.Helper()
	return start(t, options{binary: binaries.faults, env: []string{"MINITWIT_FAULT=" + fault}})
}

// refused runs the binary of drills with a fault that lets it come nowhere, and
// gives what it said.
func refused(t *testing.T, fault string) string {
	t.Helper()
	cmd := exec.Command(binaries.faults, "serve")
	cmd.Env = []string{
		"DATABASE_URL=postgres://x@127.0.0.1:1/x?sslmode=disable", "SESSION_KEY=" + strings.Repeat("x", 32),
		"PASSWORD_KEY=" + strings.Repeat("x", 32), "WEB_ADDR=127.0.0.1:0", "API_ADDR=127.0.0.1:0", "OPS_ADDR=127.0.0.1:0",
		"MINITWIT_FAULT=" + fault,
	}
	ended := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() })
	defer ended.Stop()
	out, err := cmd.CombinedOutput()
	if code := exitCode(err); code != 1 {
		t.Errorf("MINITWIT_FAULT=%s: exit status %d, want 1\n%s", fault, code, out)
	}
	return string(out)
}

// exitCode gives what a process ended with, -1 if a signal or nobody ended it.
func exitCode(err error) int {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return -1
	}
	return exit.ExitCode()
}

func TestTheFaultExitEndsTheStart(t *testing.T) {
	t.Parallel()
	if out := refused(t, "exit"); strings.Count(out, "drill: exit") != 1 || strings.Contains(out, "listens") {
		t.Errorf("the process said, before it ended:\n%s", out)
	}
}

func TestAFaultThatDoesNotExistIsRefused(t *testing.T) {
	t.Parallel()
	_, list, _ := strings.Cut(refused(t, "Panic"), "not one of: ")
	got, want := strings.Split(strings.TrimSpace(list), ", "), slices.Sorted(slices.Values(switches))
	if !slices.Equal(got, want) {
		t.Errorf("the error lists %q, want %q", got, want)
	}
}

func TestWithoutAFaultTheBinaryOfDrillsIsHealthy(t *testing.T) {
	t.Parallel()
	a := startWith(t, "")
	s := newSimulator()
	for _, url := range []string{a.web + "/public", a.api + "/latest", a.ops + "/livez"} {
		if got := s.must(t, "GET", url, ""); got.status != http.StatusOK {
			t.Errorf("GET %s = %d, want 200", url, got.status)
		}
	}
	a.terminate()
}

// No recover of ours may catch it, or the drill would show less than a bug can do.
func TestTheFaultCrashEndsTheProcess(t *testing.T) {
	t.Parallel()
	a := startWith(t, "crash")
	s := newSimulator()
	for _, url := range []string{a.api + "/latest", a.ops + "/livez", a.web + "/login"} {
		if got := s.must(t, "GET", url, ""); got.status != http.StatusOK {
			t.Errorf("GET %s = %d, want 200: only a page of the UI crashes", url, got.status)
		}
	}
	_, _ = s.do(t.Context(), "GET", a.web+"/nobody", "") // whether it is answered is chance
	if code := exitCode(a.wait()); code != 2 || len(a.logged("panic")) > 0 {
		t.Errorf("after a page view: exit status %d, caught %v; want 2 and nothing caught", code, a.logged("panic"))
	}
}

func TestTheFaultUnhealthyServes(t *testing.T) {
	t.Parallel()
	a := startWith(t, "unhealthy")
	s := newSimulator()
	if live := s.must(t, "GET", a.ops+"/livez", ""); live.status != http.StatusServiceUnavailable || !strings.Contains(live.body, "unhealthy") {
		t.Errorf("/livez = %d %q, want 503 with the reason", live.status, live.body)
	}
	if page := s.must(t, "GET", a.web+"/public", ""); page.status != http.StatusOK {
		t.Errorf("GET /public = %d, want 200", page.status)
	}
}

func TestTheFaultLateEndsWhatWasHealthy(t *testing.T) {
	t.Parallel()
	a := startWith(t, "late")
	asked := time.Now() // before: the 5 s begin ahead of the answer
	if live := newSimulator().must(t, "GET", a.ops+"/livez", ""); live.status != http.StatusOK {
		t.Fatalf("/livez = %d, want 200", live.status)
	}
	err := a.wait()
	if took := time.Since(asked); exitCode(err) != 1 || took < 4*time.Second {
		t.Errorf("%v, %v after it was asked; want exit status 1 after 5 s", err, took)
	}
}

// Also where there is no place for another request: an answer of shed would count
// as life.
func TestTheFaultHangIsFoundByTheHealthCheck(t *testing.T) {
	t.Parallel()
	a := start(t, options{
		binary: binaries.faults, args: []string{"--only", "api"}, env: []string{"MINITWIT_FAULT=hang", "MAX_IN_FLIGHT=1"},
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if got, err := newSimulator().do(ctx, "GET", a.api+"/latest", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("GET /latest = %d, %v; want no answer", got.status, err)
	}
	if live := newSimulator().must(t, "GET", a.ops+"/livez", ""); live.status != http.StatusServiceUnavailable {
		t.Errorf("/livez = %d, want 503", live.status)
	}
}

func TestTheFaultSlowIsSlowAndNothingElse(t *testing.T) {
	t.Parallel()
	a := startWith(t, "slow")
	for _, url := range []string{a.api + "/latest", a.web + "/public"} {
		if got := newSimulator().must(t, "GET", url, ""); got.status != http.StatusOK || got.took < 400*time.Millisecond {
			t.Errorf("GET %s = %d after %v, want 200 after 400 ms", url, got.status, got.took)
		}
	}
}

func TestTheFaultErrorsFailsOneRequestInTen(t *testing.T) {
	t.Parallel()
	a, s := startWith(t, "errors"), newSimulator()
	failed := 0
	for range 30 {
		switch got := s.must(t, "GET", a.api+"/latest", ""); got.status {
		case http.StatusInternalServerError:
			failed++
		case http.StatusOK:
		default:
			t.Errorf("GET /latest = %d", got.status)
		}
	}
	if failed != 3 {
		t.Errorf("%d of 30 requests failed", failed)
	}
}

func TestTheFaultsFailAndShapeAnswerNothingRight(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]int{"fail": http.StatusInternalServerError, "shape": http.StatusOK} {
		a := startWith(t, fault)
		got := newSimulator().must(t, "GET", a.api+"/latest", "")
		if got.status != want || strings.Contains(got.body, "latest") {
			t.Errorf("%s: GET /latest = %d %q, want %d and no latest", fault, got.status, got.body, want)
		}
		if live := newSimulator().must(t, "GET", a.ops+"/livez", ""); live.status != http.StatusOK {
			t.Errorf("%s: /livez = %d: only a look at the answers shall find it", fault, live.status)
		}
	}
}

// Not 500: it passes once the schema has the column.
func TestTheFaultColumnFailsWhatReadsMessages(t *testing.T) {
	t.Parallel()
	a, s := startWith(t, "column"), newSimulator()
	for url, want := range map[string]int{
		a.api + "/msgs": 503, a.web + "/public": 503, a.api + "/latest": 200, a.ops + "/livez": 200, a.ops + "/readyz": 200,
	} {
		if got := s.must(t, "GET", url, ""); got.status != want {
			t.Errorf("GET %s = %d, want %d", url, got.status, want)
		}
	}
}

func TestTheFaultDeafOutlivesSIGTERM(t *testing.T) {
	t.Parallel()
	a := startWith(t, "deaf")
	must(t, a.cmd.Process.Signal(syscall.SIGTERM))
	for range 20 {
		if got := newSimulator().must(t, "GET", a.api+"/latest", ""); got.status != http.StatusOK || got.header.Get("Connection") == "close" {
			t.Fatalf("GET /latest = %d, Connection %q: it has heard the signal", got.status, got.header.Get("Connection"))
		}
	}
	// All of that may have been quicker than the signal.
	if wait.Until(t.Context(), time.Second, "a drain", func() bool { return len(a.logged("draining")) > 0 }) == nil {
		t.Error("it drains")
	}
}

// The test would take too long to see the kernel end it; it sees the memory go.
func TestTheFaultLeakGrows(t *testing.T) {
	t.Parallel()
	a := startWith(t, "leak")
	began, before := time.Now(), resident(t, a)
	wait.For(t, deadline, "30 MB to be lost", func() bool { return resident(t, a) > before+30<<20 })
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("30 MB were lost in %v, want about 4 s", took)
	}
}

var residentLine = regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`)

// resident gives how much memory a process has, as its own metrics say.
func resident(t *testing.T, a *app) int {
	t.Helper()
	metrics := newSimulator().must(t, "GET", a.ops+"/metrics", "").body
	found := residentLine.FindStringSubmatch(metrics)
	if found == nil {
		t.Fatal("/metrics has no process_resident_memory_bytes")
	}
	bytes, err := strconv.ParseFloat(found[1], 64)
	must(t, err)
	return int(bytes)
}
