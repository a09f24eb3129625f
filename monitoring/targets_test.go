package monitoring_test

import (
	"strings"
	"testing"
)

// targets are a group of a file that Prometheus takes them from.
type targets struct {
	Targets []string
	Labels  map[string]string
}

// exampleTargets gives one of the lists that those of a place are made from.
func exampleTargets(t *testing.T, file string) []targets {
	t.Helper()
	return *parsed[[]targets](t, "prometheus/targets/*.yml")[file]
}

// What an example leaves out no place will probe: each node and the public name, for both
// surfaces, by the probes of EndpointDown.
func TestTheExampleProbesAllWaysIn(t *testing.T) {
	t.Parallel()
	probed := map[string]string{}
	for _, g := range exampleTargets(t, "probe.yml") {
		probed[g.Labels["surface"]+" "+g.Labels["probe"]+" "+g.Labels["node"]] = strings.Join(g.Targets, " ")
	}
	want := map[string]string{
		"api latest public": "https://", "web public public": "https://", "web certificate public": "https://",
	}
	for _, g := range exampleTargets(t, "node.yml") {
		host, _, _ := strings.Cut(g.Targets[0], ":")
		want["api latest "+g.Labels["node"]] = "http://" + host + ":5001/latest"
		want["web public "+g.Labels["node"]] = "http://" + host + ":5000/public"
		want["api page "+g.Labels["node"]] = "http://" + host + ":5001/openapi.yaml"
	}
	for what, begin := range want {
		if !strings.HasPrefix(probed[what], begin) {
			t.Errorf("%s is probed at %q, want %s…", what, probed[what], begin)
		}
		delete(probed, what)
	}
	for what := range probed {
		t.Errorf("nobody needs the probe of %s", what)
	}
}

func TestExamplesOfTargetsAreWhereTheStackSays(t *testing.T) {
	t.Parallel()
	stack := files(t, "../stack/monitoring.yml")["monitoring.yml"]
	for name := range files(t, "prometheus/targets/*.yml") {
		if path := "as monitoring/prometheus/targets/" + name; !strings.Contains(stack, path) {
			t.Errorf("stack/monitoring.yml does not say %q", path)
		}
	}
}

// A probe is made by the module of its name.
func TestEachProbeIsAModuleOfBlackbox(t *testing.T) {
	t.Parallel()
	blackbox := files(t, "blackbox/*.yml")["blackbox.yml"]
	for _, g := range exampleTargets(t, "probe.yml") {
		if !strings.Contains(blackbox, "\n  "+g.Labels["probe"]+":\n") {
			t.Errorf("blackbox has no module %s", g.Labels["probe"])
		}
	}
}
