package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDeployMisuseIsOneLineAndExitTwo(t *testing.T) {
	t.Parallel()
	dir := clone(t)
	for _, args := range [][]string{
		{"deploy"},
		{"deploy", "--json"},
		{"deploy", "Up/There"},
		{"rollback"},
		{"releases"},
		{"scale"},
		{"restart", ".."},
		{"config"},
		{"config", "init"},
		{"config", "init", "../x"},
		{"config", "show", "x"},
	} {
		got := runIn(t, dir, args...)
		if got.code != 2 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("run.sh %q = %+v, want one line on standard error and exit 2", args, got)
		}
	}
}

// Keys that were made once are what sessions and passwords hang on.
func TestConfigInitMakesWhatAPlaceNeedsAndChangesNothingThatIsThere(t *testing.T) {
	dir, places := clone(t), filepath.Join(t.TempDir(), "places")
	t.Setenv("MINITWIT_PLACES", places)
	for _, file := range []string{"production.yml", "staging.yml"} {
		write(t, filepath.Join(dir, "stack", file), read(t, "../stack/"+file))
	}
	for _, place := range []string{"production", "staging", "elsewhere"} {
		if got := runIn(t, dir, "config", "init", place); got.code != 0 {
			t.Fatalf("config init %s = %+v", place, got)
		}
	}
	before := map[string]string{}
	for _, file := range []string{"production/password.key", "production/session.key", "production/database.url", "production/simulator.credentials", "production/place.env"} {
		info, err := os.Stat(filepath.Join(places, file))
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() < 20 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
		before[file] = read(t, filepath.Join(places, file))
	}
	if before["production/password.key"] == before["production/session.key"] {
		t.Error("two keys are the same")
	}
	for place, asked := range map[string]bool{"staging": true, "production": false, "elsewhere": false} {
		if got := strings.Contains(read(t, filepath.Join(places, place, "place.env")), "\nCOOKIE_SECURE=\n"); got != asked {
			t.Errorf("%s asks for COOKIE_SECURE: %v, want %v", place, got, asked)
		}
	}
	if !strings.Contains(read(t, filepath.Join(places, "elsewhere/place.env")), "\nOVERLAYS=stack/production.yml\n") {
		t.Error("a place without an overlay of its own is not like production")
	}
	if _, err := os.Stat(filepath.Join(places, "elsewhere/simulator.credentials")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(places, "staging/simulator.credentials")); err == nil {
		t.Error("staging got credentials that its stack does not ask for")
	}
	if got := runIn(t, dir, "config", "init", "production"); got.code != 0 {
		t.Errorf("a second time: %+v", got)
	}
	for file, content := range before {
		if read(t, filepath.Join(places, file)) != content {
			t.Errorf("a second init has changed %s", file)
		}
	}
}
