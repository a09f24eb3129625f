package stack

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/cli/cli/compose/types"

	"minitwit/service/config"
)

// place is an environment in which stack.yml and every overlay are complete.
func place() map[string]string {
	env := map[string]string{"IMAGE": "registry.example/minitwit@sha256:" + strings.Repeat("a", 64)}
	env["COOKIE_SECURE"] = "true"
	for _, name := range []string{"DATABASE_URL", "PASSWORD_KEY", "PASSWORD_KEY_PREVIOUS", "SESSION_KEY", "SESSION_KEY_PREVIOUS", "SIMULATOR_CREDENTIALS", "DATABASE_CA"} {
		env[name+"_FILE"], env[name+"_SHA"] = "/dev/null", "0123456789ab"
	}
	env["EDGE_IMAGE"], env["HAPROXY_CFG_SHA"] = "registry.example/haproxy@sha256:"+strings.Repeat("b", 64), "0123456789ab"
	return env
}

// ownStacks are deployed by themselves; the other files here are overlays of stack.yml.
var ownStacks = []string{"logging.yml", "monitoring.yml"}

func stackYML(t *testing.T) string {
	t.Helper()
	return fileOf(t, "../stack.yml")
}

func fileOf(t *testing.T, path string) string {
	t.Helper()
	content, err := readFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// everywhere gives the files of each place, and of none.
func everywhere(t *testing.T) map[string][]string {
	t.Helper()
	overlays, err := filepath.Glob("*.yml")
	if err != nil || len(overlays) < 4 {
		t.Fatalf("overlays: %v, %v", overlays, err)
	}
	places := map[string][]string{"no place": {stackYML(t)}}
	for _, overlay := range overlays {
		if slices.Contains(ownStacks, overlay) {
			continue
		}
		places[overlay] = []string{stackYML(t), fileOf(t, overlay)}
	}
	return places
}

func TestTheStackKeepsEveryRuleInEveryPlace(t *testing.T) {
	t.Parallel()
	for name, files := range everywhere(t) {
		config, dicts, err := parse(place(), files...)
		if err != nil {
			t.Errorf("with %s: %v", name, err)
			continue
		}
		if found := lint(config, dicts); len(found) > 0 {
			t.Errorf("with %s:\n%s", name, strings.Join(found, "\n"))
		}
	}
}

var asked = regexp.MustCompile(`(?m)^[^#\n]*\$\{(\w+):?\?`)

// Each variable is asked for by its name, and nothing else is needed.
func TestWhatAPlaceMustSetIsAskedFor(t *testing.T) {
	t.Parallel()
	for name, files := range everywhere(t) {
		complete := map[string]string{}
		for _, variable := range asked.FindAllStringSubmatch(strings.Join(files, ""), -1) {
			complete[variable[1]] = place()[variable[1]]
		}
		if len(complete) < 9 {
			t.Errorf("with %s only %v are asked for", name, complete)
		}
		for missing := range complete {
			env := maps.Clone(complete)
			delete(env, missing)
			if _, _, err := parse(env, files...); err == nil || !strings.Contains(err.Error(), missing) {
				t.Errorf("with %s, without %s: %v, want an error that asks for it", name, missing, err)
			}
		}
		if _, _, err := parse(complete, files...); err != nil {
			t.Errorf("with %s and all that is asked for: %v", name, err)
		}
	}
}

// An operator reads the README, not the stack file.
func TestTheReadmeNamesEveryVariable(t *testing.T) {
	t.Parallel()
	readme, files := fileOf(t, "../README.md"), stackYML(t)+fileOf(t, "edge.yml")+fileOf(t, "database-ca.yml")
	for _, variable := range regexp.MustCompile(`\$\{(\w+)[:?-]`).FindAllStringSubmatch(files, -1) {
		if !strings.Contains(readme, variable[1]) {
			t.Errorf("the README does not tell of %s", variable[1])
		}
	}
}

// The command line tool takes what follows a hyphen for a default.
func TestAHyphenInAMessageIsRefused(t *testing.T) {
	t.Parallel()
	_, _, err := parse(place(), strings.Replace(stackYML(t), "the first 12 hex digits", "the 12-digit beginning", 1))
	if err == nil || !strings.Contains(err.Error(), "hyphen") {
		t.Errorf("a hyphen in a message: %v, want an error", err)
	}
}

// The stack's settings are the program's: each is known, and DRAIN_MOST is what the
// grace period was computed from.
func TestTheStackSetsWhatTheProgramKnows(t *testing.T) {
	t.Parallel()
	parsed, _, err := parse(place(), stackYML(t))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"GOMEMLIMIT": true}
	for _, name := range config.Names() {
		known[name], known[name+"_FILE"] = true, true
	}
	for _, s := range parsed.Services {
		for name := range s.Environment {
			if !known[name] {
				t.Errorf("%s: %s is no setting of the program", s.Name, name)
			}
		}
		if set, err := time.ParseDuration(*s.Environment["DRAIN_MOST"]); err != nil || set != drain {
			t.Errorf("%s: DRAIN_MOST is %v, the linter reckons with %v", s.Name, set, drain)
		}
	}
	// And every secret is one that the program would mask.
	var secrets []string
	for _, s := range config.Settings() {
		if s.Secret {
			secrets = append(secrets, s.Name)
		}
	}
	for _, name := range secrets {
		if !strings.Contains(strings.Join(secretSettings, " "), name) {
			t.Errorf("the linter does not know the secret %s", name)
		}
	}
}

// Drills deploy the lab's stack with faults, of one service or of none.
func TestAFaultReachesTheServiceThatItIsFor(t *testing.T) {
	t.Parallel()
	env := place()
	env["FAULT_WEB"] = "panic"
	files := []string{stackYML(t), fileOf(t, "lab.yml"), fileOf(t, "lab/faults.yml")}
	config, dicts, err := parse(env, files...)
	if err != nil {
		t.Fatal(err)
	}
	if found := lint(config, dicts); len(found) > 0 {
		t.Error(strings.Join(found, "\n"))
	}
	for _, s := range config.Services {
		want := map[string]string{"web": "panic"}[s.Name]
		if got := s.Environment["MINITWIT_FAULT"]; got == nil || *got != want {
			t.Errorf("%s: MINITWIT_FAULT is %v, want %q", s.Name, got, want)
		}
		if s.Environment["DRAIN"] == nil {
			t.Errorf("%s has lost its other settings", s.Name)
		}
	}
}

// What a place sets arrives, and what stack.yml sets stays.
func TestAPlaceSetsWhatItDiffersIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, service, name, want string }{
		{"local.yml", "web", "COOKIE_SECURE", "unset"},
		{"local.yml", "web", "DATABASE_POOL", "2"},
		{"local.yml", "api", "DATABASE_POOL", "2"},
		{"local.yml", "api", "DRAIN", "8s"},
		{"staging.yml", "web", "COOKIE_SECURE", "true"},
		{"staging.yml", "api", "DATABASE_POOL", "4"},
		{"production.yml", "web", "COOKIE_SECURE", "true"},
		{"production.yml", "web", "SESSION_KEY_FILE", "/run/secrets/session_key"},
		{"production.yml", "api", "SIMULATOR_CREDENTIALS_FILE", "/run/secrets/simulator_credentials"},
		{"production.yml", "web", "SIMULATOR_CREDENTIALS_FILE", "unset"},
	} {
		config, _, err := parse(place(), stackYML(t), fileOf(t, c.file))
		if err != nil {
			t.Fatal(err)
		}
		got := "unset"
		if value := serviceOf(t, config, c.service).Environment[c.name]; value != nil {
			got = *value
		}
		if got != c.want {
			t.Errorf("with %s, %s has %s=%s, want %s", c.file, c.service, c.name, got, c.want)
		}
	}
}

func TestProductionAddsASecretToTheOthers(t *testing.T) {
	t.Parallel()
	config, _, err := parse(place(), stackYML(t), fileOf(t, "production.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]int{"api": 4, "web": 5} {
		if got := serviceOf(t, config, service).Secrets; len(got) != want {
			t.Errorf("%s has the secrets %v, want %d", service, got, want)
		}
	}
}

// An overlay could only add a port, so that stack.yml asks.
func TestThePublishedPortsMayBeSet(t *testing.T) {
	t.Parallel()
	env := place()
	env["API_PORT"], env["WEB_PORT"] = "6001", "6000"
	config, _, err := parse(env, stackYML(t))
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]uint32{"api": 6001, "web": 6000} {
		if got := serviceOf(t, config, service).Ports; len(got) != 1 || got[0].Published != want || got[0].Target != want-1000 {
			t.Errorf("%s publishes %v, want %d", service, got, want)
		}
	}
}

func serviceOf(t *testing.T, config *types.Config, name string) types.ServiceConfig {
	t.Helper()
	for _, s := range config.Services {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no service %s", name)
	return types.ServiceConfig{}
}
