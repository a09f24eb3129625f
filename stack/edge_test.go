package stack

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/cli/cli/compose/types"
)

// theEdge gives the edge tier's service as the engine would get it.
func theEdge(t *testing.T) (types.ServiceConfig, *types.Config) {
	t.Helper()
	config, _, err := parse(place(), stackYML(t), fileOf(t, "edge.yml"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(config.Services, func(s types.ServiceConfig) bool { return s.Name == "edge" })
	return config.Services[i], config
}

// A port of a node is held by one task at a time: with start-first the new one
// would wait for it for ever.
func TestTheEdgeCanBeReplaced(t *testing.T) {
	t.Parallel()
	s, _ := theEdge(t)
	if s.Deploy.Mode != "global" || s.Deploy.UpdateConfig.Order != "stop-first" || s.Deploy.RollbackConfig.Order != "stop-first" {
		t.Errorf("mode %q, update %q, rollback %q; want global and stop-first",
			s.Deploy.Mode, s.Deploy.UpdateConfig.Order, s.Deploy.RollbackConfig.Order)
	}
	for _, p := range s.Ports {
		if p.Mode != "host" || p.Target < 1024 || p.Target == 9100 {
			t.Errorf("port %+v: want host mode, no right to low ports, and 9100 unpublished", p)
		}
	}
	if s.StopSignal != "SIGUSR1" {
		t.Errorf("stop_signal is %q: HAProxy breaks off what is in work on any other than SIGUSR1", s.StopSignal)
	}
	stop := haproxySetting(t, "hard-stop-after")
	if duration(s.StopGracePeriod) <= stop {
		t.Errorf("Swarm kills after %v, HAProxy stops by itself after %v", duration(s.StopGracePeriod), stop)
	}
}

// The tests that run HAProxy allow for a busy machine. So here is what nobody could tell by
// their times: the simulator waits 0.3 s, and a task that leaves is known for 2 s before.
func TestTheEdgesLimitsAreShortEnough(t *testing.T) {
	t.Parallel()
	limit := func(name string) time.Duration { return haproxySetting(t, name) }
	for what, c := range map[string]struct{ takes, most time.Duration }{
		"a second try after a dead node":    {2 * limit("timeout connect"), 300 * time.Millisecond},
		"a second try after a hung replica": {2 * limit("http-request set-timeout server"), 300 * time.Millisecond},
		"to find a hung replica":            {limit("check inter") + limit("fastinter") + 2*limit("timeout check"), 1300 * time.Millisecond},
		"to follow Docker's names":          {limit("timeout resolve") + limit("hold valid") + limit("hold obsolete"), 2 * time.Second},
	} {
		if c.takes > c.most {
			t.Errorf("%s: %v, want %v at most", what, c.takes, c.most)
		}
	}
}

// What a rule asks of our program, it must not ask of a proxy on every node, and
// the other way round.
func TestTheEdgeKeepsTheRulesInItsOwnWay(t *testing.T) {
	t.Parallel()
	good := fileOf(t, "edge.yml")
	for _, c := range []struct{ old, broken, want string }{
		{"order: stop-first", "order: start-first", "a port in host mode can never be started first"},
		{"mode: host", "mode: ingress", "edge: deploy.update_config: does not roll back"},
		{"mode: global", "mode: replicated\n      replicas: 3", "a port in host mode can never be started first"},
		{"stop_grace_period: 30s", "stop_grace_period: 9s", "edge: stop_grace_period"},
		{"    stop_grace_period: 30s\n", "", "edge: stop_grace_period"},
		{"127.0.0.1/9100", "web/9100/readyz", "edge: healthcheck: asks the database"},
		{"failure_action: rollback", "failure_action: pause", "edge: deploy.update_config: does not roll back"},
		{"_${HAPROXY_CFG_SHA:?the first 12 hex digits of the sha256 of stack/edge/haproxy.cfg}", "", "config haproxy_cfg: its name"},
		{`cpus: "1.0", `, "", "edge: deploy.resources.limits.cpus"},
	} {
		broken := strings.ReplaceAll(good, c.old, c.broken)
		if broken == good {
			t.Errorf("edge.yml does not hold %q", c.old)
		}
		config, dicts, err := parse(place(), stackYML(t), broken)
		if err != nil {
			t.Errorf("%q for %q: %v", c.broken, c.old, err)
			continue
		}
		if found := strings.Join(lint(config, dicts), "\n"); !strings.Contains(found, c.want) {
			t.Errorf("%q for %q: lint finds %q, want %q", c.broken, c.old, found, c.want)
		}
	}
}

// The edge runs the configuration that the tests have tried, and knows the
// services by the names and ports that stack.yml gives them.
func TestTheEdgeKnowsTheStack(t *testing.T) {
	t.Parallel()
	s, config := theEdge(t)
	if file := config.Configs["haproxy_cfg"].File; !strings.HasSuffix(file, "stack/edge/haproxy.cfg") {
		t.Errorf("the configuration is %q", file)
	}
	target := s.Configs[0].Target
	if !slices.Contains(s.Entrypoint, target) {
		t.Errorf("%q does not read %s", s.Entrypoint, target)
	}
	text := edgeConfig(t)
	for _, want := range []string{"tasks.api:5001", "tasks.web:5000", "bind :5001", "bind :5000", "bind :9100"} {
		if !strings.Contains(text, want) {
			t.Errorf("haproxy.cfg does not hold %q", want)
		}
	}
}

// HAProxy needs two files for each connection, and ends at its start where it
// cannot have them. A node whose engine was not given more has the kernel's 4096.
func TestTheEdgeStartsWithTheKernelsOwnLimitOfFiles(t *testing.T) {
	t.Parallel()
	_, after, _ := strings.Cut(edgeConfig(t), "\tmaxconn ")
	connections, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil || 2*connections+200 > 4096 {
		t.Errorf("maxconn is %d (%v): too many for 4096 files", connections, err)
	}
}

func edgeConfig(t *testing.T) string {
	t.Helper()
	return fileOf(t, "edge/haproxy.cfg")
}

// haproxySetting reads a time from haproxy.cfg; of one that the environment may replace, what
// it is by itself.
func haproxySetting(t *testing.T, name string) time.Duration {
	t.Helper()
	found := regexp.MustCompile(`[\t ]` + name + ` (?:"\$\{\w+-)?(\w+)`).FindStringSubmatch(edgeConfig(t))
	if found == nil {
		t.Fatalf("haproxy.cfg sets no %s", name)
	}
	d, err := time.ParseDuration(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return d
}
