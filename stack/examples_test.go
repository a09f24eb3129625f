package stack

import (
	"strings"
	"testing"
)

const rollback = `  rollback_config:
    parallelism: 1
    order: start-first
    delay: 5s
    monitor: 25s
    failure_action: pause
    max_failure_ratio: 0
`

// stackExamples break one rule each: the second text takes the place of the first in
// stack.yml, and lint must then say the third. Where that is empty, the schema
// itself refuses.
var stackExamples = []struct{ old, broken, want string }{
	{`version: "3.12"`, `version: "3.13"`, "version: 3.13"},
	{"  image: ${IMAGE:?", "  image: minitwit:latest # ${IMAGE:?", "image: not by digest"},
	{"  read_only: true\n", "", "more rights"},
	{"  read_only: true\n", "  read_only: true\n  security_opt: [no-new-privileges]\n", "security_opt: Swarm ignores"},
	{"  read_only: true\n", "  read_only: true\n  privileged: true\n", "privileged: Swarm ignores"},
	{"  read_only: true\n", "  read_only: true\n  build: .\n", "build: Swarm ignores"},
	{"  read_only: true\n", "  read_only: true\n  restart: always\n", "restart: Swarm ignores"},
	{"  read_only: true\n", "  read_only: true\n  container_name: x\n", "container_name: "},
	{"  cap_drop: [ALL]\n", "", "more rights"},
	{`user: "65532:65532"`, `user: "0"`, "more rights"},
	{"  stop_grace_period: 30s", "  stop_grace_period: 25s", "stop_grace_period"},
	{"  stop_grace_period: 30s\n", "", "stop_grace_period"},
	{"test: [CMD, /minitwit, healthcheck]", "disable: true", "healthcheck: missing"},
	{"    start_interval: 1s\n", "", "start_interval"},
	{"  mode: replicated\n", "  mode: bogus\n", "deploy.mode"},
	{"test: [CMD, /minitwit, healthcheck]", "test: [CMD, curl, localhost:9100/readyz]", "healthcheck: asks the database"},
	{"test: [CMD, /minitwit, healthcheck]", "test: [CMD, /minitwit, healthcheck, /readyz]", "healthcheck: asks the database"},
	{"test: [CMD, /minitwit, healthcheck]", "test: [CMD, curl, -f, localhost:9100/livez]", "not the program's own"},
	{"test: [CMD, /minitwit, healthcheck]", "test: /minitwit healthcheck", "not the program's own"},
	{"    interval: 5s\n", "", "update_config.monitor"},
	{"    interval: 5s\n", "    interval: 10s\n", "update_config.monitor"},
	{"    retries: 3\n", "    retries: 5\n", "update_config.monitor"},
	{"      replicas: ${API_REPLICAS:-3}\n", "", "fewer than two"},
	{"      replicas: ${API_REPLICAS:-3}\n", "      replicas: 1\n", "fewer than two"},
	{"condition: any, delay", "condition: on-failure, delay", "restart_policy: not any"},
	{"condition: any, delay", "condition: any, max_attempts: 3, delay", "max_attempts"},
	{"failure_action: rollback", "failure_action: explode", "update_config: does not roll back"},
	{"failure_action: pause", "failure_action: explode", "rollback_config"},
	{"    order: start-first\n    delay: 5s\n    # Longer", "    order: stop-first\n    delay: 5s\n    # Longer", "update_config: does not roll back"},
	{rollback, "", "rollback_config"},
	{"  rollback_config:\n", "  x-rollback: # gone\n", ""},
	{"    monitor: 25s\n    failure_action: rollback", "    monitor: 15s\n    failure_action: rollback", "monitor"},
	{"    monitor: 25s\n    failure_action: pause", "    monitor: 5s\n    failure_action: pause", "monitor"},
	{"    limits: {cpus: \"1.0\", memory: 192M}\n", "", "deploy.resources"},
	{"    reservations: {cpus: \"0.1\", memory: 64M}\n", "", "deploy.resources"},
	{"limits: {cpus: \"1.0\", memory: 192M}", "limits: {memory: 192M}", "limits.cpus"},
	{"    delay: 5s\n    # Longer", "    delay: 25s\n    # Longer", "update_config.monitor"},
	{"GOMEMLIMIT: 150MiB", "GOMEMLIMIT: 192MiB", "GOMEMLIMIT"},
	{"  GOMEMLIMIT: 150MiB\n", "", "GOMEMLIMIT"},
	{"  DATABASE_CONNECTIONS: ${DATABASE_CONNECTIONS:-54}\n", "", "DATABASE_CONNECTIONS: 0, but 54"},
	{"    command: [serve, --only, web]\n", "", "DATABASE_CONNECTIONS: 54, but 84"},
	{"DATABASE_CONNECTIONS:-54", "DATABASE_CONNECTIONS:-53", "DATABASE_CONNECTIONS: 53, but 54"},
	{"replicas: ${API_REPLICAS:-3}", "replicas: ${API_REPLICAS:-4}", "DATABASE_CONNECTIONS: 54, but 64"},
	{"  DATABASE_POOL: ${DATABASE_POOL:-4}\n", "", "DATABASE_CONNECTIONS: 54, but 102"},
	{"    preferences: [", "    max_replicas_per_node: 1\n    preferences: [", "max_replicas_per_node"},
	{"protocol: tcp, mode: ingress", "protocol: tcp, mode: host", "host mode"},
	{"protocol: tcp, mode: ingress", "protocol: tcp, mode: bogus", "neither in ingress"},
	{"{target: 5001, published", "{target: 9100, published", "ops port"},
	{"driver: json-file", "driver: loki", "logging"},
	{`options: {max-size: 10m, max-file: "3", `, "options: {", "logging: unbounded"},
	{`, labels: "com.docker.swarm.service.name,com.docker.swarm.task.name"}`, "}", "logging: nothing in the file"},
	{"  DRAIN: 8s\n", "  DRAIN: 8s\n  SESSION_KEY: hunter2hunter2hunter2hunter2hunter2\n", "in the clear"},
	{"_${SESSION_KEY_SHA:?the first 12 hex digits of the file's sha256}", "", "secret session_key: its name"},
	{"\nsecrets:\n", "\nconfigs:\n  proxy: {name: minitwit_proxy, file: /dev/null}\n\nsecrets:\n", "config proxy: its name"},
	{"\nsecrets:\n", "\nconfigs:\n  proxy: {file: /dev/null}\n\nsecrets:\n", "config proxy: its name"},
	{"  api:\n", "  api:\n    depends_on: [web]\n", "depends_on"},
}

func TestEachRuleOfTheStackCanFail(t *testing.T) {
	t.Parallel()
	good := stackYML(t)
	var all strings.Builder
	for _, c := range stackExamples {
		if !strings.Contains(good, c.old) {
			t.Errorf("stack.yml does not hold %q: the example breaks nothing", c.old)
			continue
		}
		config, dicts, err := parse(place(), strings.Replace(good, c.old, c.broken, 1))
		if (err != nil) != (c.want == "") {
			t.Errorf("%q for %q: %v", c.broken, c.old, err)
		}
		if err != nil {
			continue
		}
		found := strings.Join(lint(config, dicts), "\n")
		if !strings.Contains(found, c.want) {
			t.Errorf("%q for %q: lint finds %q, want %q", c.broken, c.old, found, c.want)
		}
		all.WriteString(found)
	}
	for _, rule := range serviceRules {
		if !strings.Contains(all.String(), rule.reason) {
			t.Errorf("no example breaks the rule %q", rule.reason)
		}
	}
}
