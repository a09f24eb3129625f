package stack

import (
	"maps"
	"path/filepath"
	"regexp"
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
	for _, name := range []string{"DATABASE_URL", "PASSWORD_KEY", "SESSION_KEY", "SESSION_KEY_PREVIOUS", "SIMULATOR_CREDENTIALS"} {
		env[name+"_FILE"], env[name+"_SHA"] = "/dev/null", "0123456789ab"
	}
	return env
}

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

// The command line tool takes what follows a hyphen for a default.
func TestAHyphenInAMessageIsRefused(t *testing.T) {
	t.Parallel()
	_, _, err := parse(place(), strings.Replace(stackYML(t), "the first 12 hex digits", "the 12-digit beginning", 1))
	if err == nil || !strings.Contains(err.Error(), "hyphen") {
		t.Errorf("a hyphen in a message: %v, want an error", err)
	}
}

// Each rule has an example that breaks it, alone.
func TestEachRuleOfTheStackCanFail(t *testing.T) {
	t.Parallel()
	const api = "  api:\n"
	good := stackYML(t)
	for _, c := range []struct{ old, broken, want string }{
		{"  image: ${IMAGE:?", "  image: minitwit:latest # ${IMAGE:?", "image: not by digest"},
		{"  read_only: true\n", "", "more rights"},
		{"  read_only: true\n", "  read_only: true\n  security_opt: [no-new-privileges]\n", "security_opt: Swarm ignores"},
		{"  read_only: true\n", "  read_only: true\n  privileged: true\n", "privileged: Swarm ignores"},
		{"  read_only: true\n", "  read_only: true\n  build: .\n", "build: Swarm ignores"},
		{"  read_only: true\n", "  read_only: true\n  restart: always\n", "restart: Swarm ignores"},
		{"  read_only: true\n", "  read_only: true\n  container_name: x\n", "container_name: "},
		{"  cap_drop: [ALL]\n", "", "more rights"},
		{`user: "65532:65532"`, `user: "0"`, "more rights"},
		{"  stop_grace_period: 30s", "  stop_grace_period: 10s", "stop_grace_period"},
		{"test: [CMD, /minitwit, healthcheck]", "disable: true", "healthcheck: missing"},
		{"    start_interval: 1s\n", "", "start_interval"},
		{"  mode: replicated\n", "  mode: bogus\n", "deploy.mode"},
		{"condition: any, delay", "condition: on-failure, delay", "restart_policy: not any"},
		{"condition: any, delay", "condition: any, max_attempts: 3, delay", "max_attempts"},
		{"failure_action: rollback", "failure_action: explode", "update_config: does not roll back"},
		{"failure_action: pause", "failure_action: explode", "rollback_config"},
		{"    order: start-first\n    delay: 5s\n    # Longer", "    order: stop-first\n    delay: 5s\n    # Longer", "update_config: does not roll back"},
		{"  rollback_config:\n", "  x-rollback: # gone\n", ""},
		{"    monitor: 25s\n    failure_action: rollback", "    monitor: 15s\n    failure_action: rollback", "monitor"},
		{"    monitor: 25s\n    failure_action: pause", "    monitor: 5s\n    failure_action: pause", "monitor"},
		{"    limits: {cpus: \"1.0\", memory: 192M}\n", "", "deploy.resources"},
		{"    reservations: {cpus: \"0.1\", memory: 64M}\n", "", "deploy.resources"},
		{"GOMEMLIMIT: 150MiB", "GOMEMLIMIT: 192MiB", "GOMEMLIMIT"},
		{"  DATABASE_CONNECTIONS: ${DATABASE_CONNECTIONS:-36}\n", "", "DATABASE_CONNECTIONS: 0, but 36"},
		{"DATABASE_CONNECTIONS:-36", "DATABASE_CONNECTIONS:-35", "DATABASE_CONNECTIONS: 35, but 36"},
		{"    <<: *deploy\n      replicas: 3", "    <<: *deploy\n      replicas: 4", "DATABASE_CONNECTIONS: 36, but 41"},
		{"  DATABASE_POOL: ${DATABASE_POOL:-4}\n", "", "DATABASE_CONNECTIONS: 36, but 68"},
		{"    preferences: [", "    max_replicas_per_node: 1\n    preferences: [", "max_replicas_per_node"},
		{"protocol: tcp, mode: ingress", "protocol: tcp, mode: host", "host mode"},
		{"protocol: tcp, mode: ingress", "protocol: tcp, mode: bogus", "host mode"},
		{"{target: 5001, published", "{target: 9100, published", "ops port"},
		{"driver: json-file", "driver: loki", "logging"},
		{`options: {max-size: 10m, max-file: "3"}`, "options: {}", "logging"},
		{"  DRAIN: 8s\n", "  DRAIN: 8s\n  SESSION_KEY: hunter2hunter2hunter2hunter2hunter2\n", "in the clear"},
		{"_${SESSION_KEY_SHA:?the first 12 hex digits of the file's sha256}", "", "secret session_key: its name"},
		{api, api + "    depends_on: [web]\n", "depends_on"},
	} {
		if !strings.Contains(good, c.old) {
			t.Errorf("stack.yml does not hold %q: the example breaks nothing", c.old)
			continue
		}
		config, dicts, err := parse(place(), strings.Replace(good, c.old, c.broken, 1))
		if c.want == "" { // the schema itself refuses it
			if err == nil {
				t.Errorf("%q for %q is accepted", c.broken, c.old)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q for %q: %v", c.broken, c.old, err)
			continue
		}
		if found := strings.Join(lint(config, dicts), "\n"); !strings.Contains(found, c.want) {
			t.Errorf("%q for %q: lint finds %q, want %q", c.broken, c.old, found, c.want)
		}
	}
}

// The stack's settings are the program's: each is known, and DRAIN is what the
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
		if set, err := time.ParseDuration(*s.Environment["DRAIN"]); err != nil || set != drain {
			t.Errorf("%s: DRAIN is %v, the linter reckons with %v", s.Name, set, drain)
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
	for service, want := range map[string]int{"api": 3, "web": 4} {
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
