package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// doctorIn runs the verb doctor of a clone that cannot build, in which what was built
// before prints the database's file and its arguments.
func doctorIn(t *testing.T, dir string, env ...string) string {
	t.Helper()
	write(t, filepath.Join(dir, "bin/oncall"), "#!/bin/sh\necho \"${DATABASE_URL_FILE:-none}\" \"$@\"\n")
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "scripts/run.sh"), "doctor", "--json", "--timeout", "1s")
	var said strings.Builder
	cmd.Stderr = &said
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DATABASE_URL") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.Output()
	if err != nil || !strings.Contains(said.String(), "going on with the bin/oncall of before") {
		t.Errorf("%v\n%s", err, &said)
	}
	return strings.TrimSpace(string(out))
}

func TestDoctorAlsoAsksWhatUpHasStarted(t *testing.T) {
	t.Parallel()
	dir := clone(t)
	write(t, filepath.Join(dir, ".local/database.url"), "postgres://")
	if got, want := doctorIn(t, dir), "none doctor --json --timeout 1s"; got != want {
		t.Errorf("where nothing was started it runs %q, want %q", got, want)
	}
	write(t, filepath.Join(dir, ".local/run/web"), "pid=1\nport=5000\nops=20001\ndb=private\n")
	write(t, filepath.Join(dir, ".local/run/api"), "pid=1\nport=5001\nops=20002\ndb=private\n")
	ask := " doctor --ask api=http://127.0.0.1:20002/readyz --ask web=http://127.0.0.1:20001/readyz --json --timeout 1s"
	whole, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := doctorIn(t, dir), whole+"/.local/database.url"+ask; got != want {
		t.Errorf("beside web and api it runs\n%s\nwant\n%s", got, want)
	}
	if got, want := doctorIn(t, dir, "DATABASE_URL_FILE=/mine"), "/mine"+ask; got != want {
		t.Errorf("with a database of one's own it runs\n%s\nwant\n%s", got, want)
	}
}
