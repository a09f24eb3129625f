// Package scripts has only tests: they run the one door, run.sh, as people do.
package scripts

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestHelpListsWhatIsDispatched(t *testing.T) {
	t.Parallel()
	listed := append(verbs(t), "help")
	var defined []string
	for _, file := range glob(t, "lib/*.sh") {
		for _, match := range regexp.MustCompile(`(?m)^cmd_(\w+)\(\)`).FindAllStringSubmatch(read(t, file), -1) {
			defined = append(defined, strings.ReplaceAll(match[1], "_", "-"))
		}
	}
	defined = append(defined, "help")
	slices.Sort(listed)
	slices.Sort(defined)
	if !slices.Equal(listed, defined) {
		t.Errorf("help lists %v, the families define %v", listed, defined)
	}
}

func TestHelpIsTheDefault(t *testing.T) {
	t.Parallel()
	want := runIn(t, "..", "help")
	if want.code != 0 || want.stderr != "" {
		t.Fatalf("help: exit %d, standard error %q", want.code, want.stderr)
	}
	for _, args := range [][]string{nil, {"-h"}, {"--help"}} {
		if got := runIn(t, "..", args...); got != want {
			t.Errorf("run.sh %q = %+v, want the help", args, got)
		}
	}
}

func TestEachVerbHasHelp(t *testing.T) {
	t.Parallel()
	for _, verb := range append(verbs(t), "setup_local_app", "eslint") {
		for _, args := range [][]string{{verb, "-h"}, {verb, "--help"}} {
			got := runIn(t, "..", args...)
			if got.code != 0 || !strings.HasPrefix(got.stdout, "usage: ./scripts/run.sh ") {
				t.Errorf("run.sh %q = %+v, want a usage and exit 0", args, got)
			}
		}
	}
}

func TestMisuseIsOneLineAndExitTwo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"bogus"},
		{""},
		{"up", "--bogus"},
		{"up", "--web-port"},
		{"up", "--web-port", "0"},
		{"up", "--web-port=65536"},
		{"up", "--web-port=5000", "--api-port=5000"},
		{"app", "--demo"},
		{"down", "now"},
		{"status", "--yaml"},
		{"db", "drop"},
		{"db", "up", "now"},
		{"build", "all"},
		{"test", "everything"},
		{"lint", "all"},
		{"fuzz", "--time", "long"},
		{"logs", "cache"},
		{"logs", "--lines", "many"},
		{"logs", "--lines"},
		{"logs", "--request", "a b"},
		{"logs", "--since", "yesterday"},
		{"logs", "--loki", "ftp://loki"},
		{"logs", "--loki", "http://loki", "a{b"},
		{"logs", "--bogus"},
		{"logs-test", "quick"},
		{"clean", "--all"},
		{"drill"},
	} {
		got := runIn(t, "..", args...)
		if got.code != 2 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("run.sh %q = %+v, want one line on standard error and exit 2", args, got)
		}
	}
}

func TestUpNamesWhoHoldsThePort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	got := runIn(t, clone(t), "up", "--api-port", port)
	want := fmt.Sprintf("port %s is taken by .*; choose another with --api-port N", port)
	// Port 5000, the UI's, may be taken as well where this runs.
	want += "|port 5000 is taken by"
	if got.code != 1 || !regexp.MustCompile(want).MatchString(got.stderr) {
		t.Errorf("up on a taken port = %+v, want exit 1 and %q", got, want)
	}
}

// A number may belong to another program after a crash or a reboot.
func TestDownKillsOnlyWhatIsOurs(t *testing.T) {
	t.Parallel()
	stranger := exec.Command("sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stranger.Wait() }()
	dir := clone(t)
	file := filepath.Join(dir, ".local/run/web")
	write(t, file, fmt.Sprintf("pid=%d\nid=of-an-earlier-process\nport=1\nops=1\n", stranger.Process.Pid))

	if got := runIn(t, dir, "down"); got.code != 0 {
		t.Errorf("down = %+v, want exit 0", got)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("down left %s (%v)", file, err)
	}
	// What down had ended may not have been waited for yet. How it ended tells who did it: down
	// begins with SIGTERM.
	_ = stranger.Process.Kill()
	if err := <-ended; err == nil || err.Error() != "signal: killed" {
		t.Errorf("down has ended a process that is not ours: %v", err)
	}
}

func TestStatusOfNothing(t *testing.T) {
	t.Parallel()
	got := runIn(t, clone(t), "status", "--json")
	stopped := `{"state":"stopped","pid":null,"port":null}`
	want := fmt.Sprintf(`{"web":%[1]s,"api":%[1]s,"db":%[1]s}`+"\n", stopped)
	if got.code != 3 || got.stdout != want {
		t.Errorf("status = %+v, want exit 3 and %s", got, want)
	}
}

func TestVersionsCompareAsNumbers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		have, want string
		ok         bool
	}{
		{"1.26.8", "1.26.8", true},
		{"1.26.10", "1.26.8", true},
		{"1.27", "1.26.8", true},
		{"2.0", "1.26.8", true},
		{"1.26.7", "1.26.8", false},
		{"1.9.9", "1.26.8", false},
		{"1.27rc1", "1.26.8", true},
		{"1.26.8-custom", "1.26.8", true},
	} {
		err := exec.Command("bash", "-c", `. lib/build.sh; at_least "$1" "$2"`, "bash", test.have, test.want).Run()
		if (err == nil) != test.ok {
			t.Errorf("at_least %s %s: %v, want %t", test.have, test.want, err, test.ok)
		}
	}
}

// The demo is played in order: who acts must be there by then.
func TestDemoScenarioHangsTogether(t *testing.T) {
	t.Parallel()
	known, count := map[string]bool{}, map[string]int{}
	for i, line := range strings.Split(strings.TrimSpace(read(t, "demo.tsv")), "\n") {
		f := strings.Split(line, "\t")
		fields := map[string]int{"register": 7, "tweet": 6, "follow": 6}
		if len(f) < 5 || len(f) != fields[f[3]] || f[0] != strconv.Itoa(i+1) {
			t.Fatalf("line %d is malformed: %q", i+1, line)
		}
		count[f[3]]++
		switch f[3] {
		case "register":
			known[f[4]] = true
		case "follow":
			if !known[f[5]] {
				t.Errorf("line %d: %s is not there yet", i+1, f[5])
			}
		}
		if !known[f[4]] {
			t.Errorf("line %d: %s is not there yet", i+1, f[4])
		}
	}
	if count["register"] != 12 || count["tweet"] < 70 || count["follow"] < 30 {
		t.Errorf("the demo has %v, want a small community", count)
	}
}

type result struct {
	code           int
	stdout, stderr string
}

// runIn runs the run.sh of a clone.
func runIn(t *testing.T, dir string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "scripts/run.sh"), args...)
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// clone copies the scripts elsewhere, so that a test may act there without
// touching what runs in this clone.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range append(glob(t, "lib/*"), "run.sh") {
		write(t, filepath.Join(dir, "scripts", file), read(t, file))
	}
	return dir
}

// verbs lists the verbs that help prints, without help itself.
func verbs(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, match := range regexp.MustCompile(`(?m)^  ([\w-]+) `).FindAllStringSubmatch(runIn(t, "..", "help").stdout, -1) {
		if match[1] != "help" {
			found = append(found, match[1])
		}
	}
	if len(found) < 10 {
		t.Fatalf("help lists only %v", found)
	}
	return found
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// write makes an executable file and its folders.
func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	// Nothing may be forked while the file is open: the child would have it open as well, and the
	// kernel runs no file that somebody may still write to (golang/go#22315).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
