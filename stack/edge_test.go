package stack

import (
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
	config, _, err := parse(place(), stackYML(t), overlay(t, "edge.yml"))
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
	stop := setting(t, "hard-stop-after")
	if duration(s.StopGracePeriod) <= stop {
		t.Errorf("Swarm kills after %v, HAProxy stops by itself after %v", duration(s.StopGracePeriod), stop)
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
	return overlay(t, "edge/haproxy.cfg")
}

// setting reads a time from haproxy.cfg.
func setting(t *testing.T, name string) time.Duration {
	t.Helper()
	_, after, found := strings.Cut(edgeConfig(t), "\t"+name+" ")
	if !found {
		t.Fatalf("haproxy.cfg sets no %s", name)
	}
	d, err := time.ParseDuration(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return d
}
