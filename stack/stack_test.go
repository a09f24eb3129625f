package stack

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minitwit/service/config"
)

// place is an environment in which stack.yml and every overlay are complete.
func place() map[string]string {
	env := map[string]string{"IMAGE": "registry.example/minitwit@sha256:" + strings.Repeat("a", 64)}
	for _, name := range []string{"DATABASE_URL", "PASSWORD_KEY", "SESSION_KEY", "SESSION_KEY_PREVIOUS"} {
		env[name+"_FILE"], env[name+"_SHA"] = "/dev/null", "0123456789ab"
	}
	env["EDGE_IMAGE"], env["HAPROXY_CFG_SHA"] = "registry.example/haproxy@sha256:"+strings.Repeat("b", 64), "0123456789ab"
	return env
}

func stackYML(t *testing.T) string {
	t.Helper()
	content, err := readFile("../stack.yml")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func overlay(t *testing.T, name string) string {
	t.Helper()
	content, err := readFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestTheStackKeepsEveryRuleInEveryPlace(t *testing.T) {
	t.Parallel()
	overlays, err := filepath.Glob("*.yml")
	if err != nil || len(overlays) == 0 {
		t.Fatalf("overlays: %v, %v", overlays, err)
	}
	for _, overlay := range append(overlays, "") {
		files := []string{stackYML(t)}
		if overlay != "" {
			content, err := readFile(overlay)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, content)
		}
		config, dicts, err := parse(place(), files...)
		if err != nil {
			t.Errorf("with %q: %v", overlay, err)
			continue
		}
		if found := lint(config, dicts); len(found) > 0 {
			t.Errorf("with %q:\n%s", overlay, strings.Join(found, "\n"))
		}
	}
}

func TestWhatAPlaceMustSetIsAskedFor(t *testing.T) {
	t.Parallel()
	for name := range place() {
		env := place()
		delete(env, name)
		if _, _, err := parse(env, stackYML(t), overlay(t, "edge.yml")); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v, want an error that asks for it", name, err)
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
		{"    preferences: [", "    max_replicas_per_node: 1\n    preferences: [", "max_replicas_per_node"},
		{"published: 5001, protocol: tcp, mode: ingress", "published: 5001, protocol: tcp, mode: host", "host mode"},
		{"published: 5001, protocol: tcp, mode: ingress", "published: 5001, protocol: tcp, mode: bogus", "host mode"},
		{"{target: 5001, published: 5001", "{target: 9100, published: 9100", "ops port"},
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
