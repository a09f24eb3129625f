package stack

import (
	"strings"
	"testing"
)

// edge is a service that is not our program: a proxy on each node, which holds
// ports of the node itself.
const edge = `
version: "3.12"
services:
  edge:
    image: registry.example/haproxy@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    command: [haproxy, -W, -db, -f, /etc/haproxy/haproxy.cfg]
    user: "65532:65532"
    read_only: true
    cap_drop: [ALL]
    stop_grace_period: 10s
    healthcheck:
      test: [CMD, /healthcheck]
      interval: 2s
      timeout: 1s
      retries: 3
      start_interval: 1s
    logging:
      driver: json-file
      options: {max-size: 10m, max-file: "3"}
    configs:
      - {source: edge, target: /etc/haproxy/haproxy.cfg}
    ports:
      - {target: 8001, published: 8001, protocol: tcp, mode: host}
    deploy:
      mode: global
      restart_policy: {condition: any, delay: 2s}
      update_config: &update
        parallelism: 1
        order: stop-first
        delay: 5s
        monitor: 10s
        failure_action: rollback
        max_failure_ratio: 0
      rollback_config:
        <<: *update
        failure_action: pause
      resources:
        limits: {cpus: "1.0", memory: 128M}
        reservations: {memory: 32M}
configs:
  edge:
    name: minitwit_edge_0123456789ab
    file: /dev/null
`

// What a rule asks of our program, it must not ask of others, and the other way
// round.
func TestAProxyOnEveryNodeKeepsTheRulesInItsOwnWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, broken, want string }{
		{"", "", ""},
		{"order: stop-first", "order: start-first", "a port in host mode can never be started first"},
		{"mode: host", "mode: ingress", "edge: deploy.update_config: does not roll back"},
		{"mode: global", "mode: replicated\n      replicas: 3", "a port in host mode can never be started first"},
		{"stop_grace_period: 10s", "stop_grace_period: 9s", "edge: stop_grace_period"},
		{"    stop_grace_period: 10s\n", "", "edge: stop_grace_period"},
		{"[CMD, /healthcheck]", "[CMD, curl, web:9100/readyz]", "edge: healthcheck: asks the database"},
		{"failure_action: rollback", "failure_action: pause", "edge: deploy.update_config: does not roll back"},
		{"name: minitwit_edge_0123456789ab", "name: minitwit_edge", "config edge: its name"},
		{`cpus: "1.0", `, "", "edge: deploy.resources.limits.cpus"},
	} {
		text := strings.Replace(edge, c.old, c.broken, 1)
		config, dicts, err := parse(place(), stackYML(t), text)
		if err != nil {
			t.Errorf("%q for %q: %v", c.broken, c.old, err)
			continue
		}
		found := strings.Join(lint(config, dicts), "\n")
		if (found == "") != (c.want == "") || !strings.Contains(found, c.want) {
			t.Errorf("%q for %q: lint finds %q, want %q", c.broken, c.old, found, c.want)
		}
	}
}
