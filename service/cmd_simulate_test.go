package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"minitwit/service/simulate"
)

// oneUser is a server that is right for a scenario of one registration.
func oneUser(t *testing.T, registerStatus int) string {
	t.Helper()
	var known atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/register":
			known.Store(true)
			w.WriteHeader(registerStatus)
		case r.URL.Path == "/latest":
			fmt.Fprint(w, `{"latest":0}`)
		case !known.Load():
			w.WriteHeader(http.StatusNotFound)
		case strings.HasPrefix(r.URL.Path, "/fllws/"):
			fmt.Fprint(w, `{"follows":[]}`)
		default:
			fmt.Fprint(w, `[]`)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func runSimulate(args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	err = simulateCommand(context.Background(), args, stdio{Out: &out, Err: &errOut})
	return out.String(), errOut.String(), err
}

func TestSimulateReports(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status int
		ok     bool
	}{{204, true}, {500, false}} {
		args := []string{"--url", oneUser(t, tc.status), "--limit", "1", "--timeout", "20s"}
		out, _, err := runSimulate(args...)
		if (err == nil) != tc.ok || !strings.Contains(out, "register") || strings.Contains(out, "\x1b") {
			t.Errorf("register answered %d: simulate %q = %v and\n%s", tc.status, args, err, out)
		}
		args[1] = oneUser(t, tc.status)
		out, progress, err := runSimulate(append(args, "--json")...)
		var report struct {
			Case string
			OK   bool
			Sent int
		}
		if json.Unmarshal([]byte(out), &report) != nil || report.Case != "simulate" || report.OK != tc.ok || report.Sent != 1 {
			t.Errorf("register answered %d: simulate --json = %v and %q", tc.status, err, out)
		}
		if !strings.Contains(progress, "1 of 1 sent") {
			t.Errorf("register answered %d: progress = %q", tc.status, progress)
		}
	}
}

func TestSimulateRefusesBadUsage(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "none.tsv")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"more"}, `unexpected argument "more"`},
		{[]string{"--nonsense"}, "not defined"},
		{[]string{"--speed", "fast"}, `"fast" is neither max nor a factor`},
		{[]string{"--speed", "0"}, `"0" is neither`},
		{[]string{"--speed", "NaN"}, `"NaN" is neither`},
		{[]string{"--speed", "2", "--rate", "2"}, "exclude each other"},
		{[]string{"--limit", "-1"}, "--limit -1 is negative"},
		{[]string{"--scenario", missing}, "no such file"},
		{[]string{"--generate", missing, "--actions", "1"}, "is outside"},
		{[]string{"--url", "ftp://x"}, "not the URL"},
	} {
		if _, said, err := runSimulate(tc.args...); err == nil || !strings.Contains(err.Error()+said, tc.want) {
			t.Errorf("simulate %q = %v %s, want an error with %q", tc.args, err, said, tc.want)
		}
	}
}

func TestSimulateHelps(t *testing.T) {
	t.Parallel()
	out, help, err := runSimulate("-h")
	if !errors.Is(err, flag.ErrHelp) || out != "" {
		t.Errorf("simulate -h = %v and writes %q to standard output", err, out)
	}
	for _, want := range []string{"-keep-alive", "-mix-reads", "minitwit simulate --rate"} {
		if !strings.Contains(help, want) {
			t.Errorf("help without %q:\n%s", want, help)
		}
	}
}

func TestSimulateGeneratesWhatItPlays(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"s.tsv", "s.tsv.gz"} {
		file := filepath.Join(t.TempDir(), name)
		if _, _, err := runSimulate("--generate", file, "--actions", "300"); err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := simulate.Generate(&want, simulate.GenerateOptions{Seed: simulate.DefaultSeed, Actions: 300}); err != nil {
			t.Fatal(err)
		}
		actions, err := loadScenario(file, 0)
		if err != nil || len(actions) != strings.Count(want.String(), "\n") {
			t.Errorf("loadScenario(%s) = %d actions, %v", name, len(actions), err)
		}
		out, _, err := runSimulate("--generate", "-", "--actions", "300")
		if err != nil || out != want.String() {
			t.Errorf("simulate --generate - differs from Generate: %v", err)
		}
	}
}

func TestColoursAreForTerminalsThatWantThem(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		env  []string
		want bool
	}{
		{nil, false},
		{[]string{"NO_COLOR=1"}, true},
		{[]string{"NO_COLOR="}, false},
		{[]string{"TERM=dumb"}, true},
		{[]string{"TERM=xterm", "MY_NO_COLOR=1"}, false},
	} {
		if got := noColour(tc.env); got != tc.want {
			t.Errorf("noColour(%q) = %v, want %v", tc.env, got, tc.want)
		}
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(file) || isTerminal(&bytes.Buffer{}) {
		t.Error("a file or a buffer is taken for a terminal")
	}
}
