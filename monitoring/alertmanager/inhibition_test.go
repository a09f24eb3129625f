package alertmanager

import (
	"fmt"
	"testing"
	"time"

	"minitwit/service/wait"
)

// inhibition is a cause and what it silences. The labels are the source's and, of
// each target, what has to fit; other is a target that does not.
type inhibition struct {
	source      string
	targets     []string
	from, to    labels
	other       labels
	otherTarget string
}

var inhibitions = []inhibition{
	{source: "DatabaseDown", targets: []string{
		"ErrorRatioHigh", "AnswersSlow", "ErrorBudgetFastBurn", "ErrorBudgetSlowBurn", "EndpointDown", "CanaryFailing", "SimulatorSilent",
		"LatestStagnant", "PoolSaturated",
	}, to: labels{"surface": "api"}, otherTarget: "DatabaseConnectionsExhausted"},
	{
		source: "EndpointDown", from: labels{"surface": "api"}, to: labels{"surface": "api"}, other: labels{"surface": "web"},
		targets: []string{"ErrorRatioHigh", "AnswersSlow", "ErrorBudgetFastBurn", "ErrorBudgetSlowBurn"},
	},
	{
		source: "EndpointDown", from: labels{"surface": "web"}, to: labels{"surface": "web"}, other: labels{"surface": "api"},
		targets: []string{"ErrorRatioHigh", "AnswersSlow", "ErrorBudgetFastBurn", "ErrorBudgetSlowBurn"},
	},
	{source: "DatabaseDown", targets: []string{"TargetDown"}, to: labels{"job": "postgres"}, other: labels{"job": "swarm"}},
	{
		source: "EndpointDown", from: labels{"surface": "api"}, targets: []string{"LatestStagnant", "SimulatorSilent"}, otherTarget: "CertificateExpires",
	},
	{
		source: "EndpointDown", from: labels{"surface": "api"}, to: labels{"service": "api"}, other: labels{"service": "web"},
		targets: []string{"ReplicasBelowQuorum", "ReplicaMissing", "CrashLooping"},
	},
	{
		source: "EndpointDown", from: labels{"surface": "web"}, to: labels{"service": "web"}, other: labels{"service": "api"},
		targets: []string{"ReplicasBelowQuorum", "ReplicaMissing", "CrashLooping"},
	},
	{source: "EndpointDown", from: labels{"surface": "web"}, targets: []string{"CanaryFailing"}, otherTarget: "SimulatorSilent"},
	{
		source: "NodeDown", from: labels{"node": "n1"}, to: labels{"service": "api"}, otherTarget: "ReplicaMissing",
		targets: []string{"TwoReplicasOnOneNode"},
	},
	{
		source: "NodeDown", from: labels{"node": "n1"}, to: labels{"job": "node", "node": "n1"}, other: labels{"job": "postgres"},
		targets: []string{"TargetDown"},
	},
	{
		source: "NodeDown", from: labels{"node": "n1"}, to: labels{"node": "n1"}, other: labels{"node": "n2"},
		targets: []string{"QuorumAtRisk"},
	},
	// Of two managers none may be lost, whichever: it names no node.
	{source: "NodeDown", from: labels{"node": "n1"}, to: labels{"node": "n1"}, other: labels{}, targets: []string{"QuorumAtRisk"}},
	{source: "QuorumLost", targets: []string{"QuorumAtRisk"}, otherTarget: "NodeDown"},
	{source: "QuorumLost", targets: []string{"TargetDown"}, to: labels{"job": "swarm"}, other: labels{"job": "postgres"}},
	{
		source: "ReplicasBelowQuorum", from: labels{"service": "api"}, to: labels{"service": "api"}, other: labels{"service": "web"},
		targets: []string{"ReplicaMissing"},
	},
}

// Every pair is tried in a place of its own, at once. Beside it stands the same
// target in a place without the source, and one that the source leaves alone.
func TestACauseSilencesItsConsequencesAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	a := start(t, assemble(t, toSink(s), hasty...))
	var alerts []alert
	told, silent := make(map[string]bool), make(map[string]bool)
	add := func(to map[string]bool, name, place string, with labels) {
		al := newAlert(name, with)
		al.Labels["place"] = place
		alerts = append(alerts, al)
		to[fmt.Sprint(al.Labels)] = true
	}
	for n, i := range inhibitions {
		for _, target := range i.targets {
			place := fmt.Sprintf("%d-%s", n, target)
			add(told, i.source, place, i.from)
			add(silent, target, place, i.to)
			add(told, target, place+"-elsewhere", i.to)
			if i.other != nil {
				add(told, target, place, i.other)
			} else {
				add(told, i.otherTarget, place, i.to)
			}
		}
	}
	a.post(t, alerts...)
	untold := ""
	t.Cleanup(func() {
		if untold != "" {
			t.Errorf("not told: %s", untold)
		}
	})
	wait.For(t, 20*time.Second, "all that is not silenced is told", func() bool {
		untold = missing(s, told)
		return untold == ""
	})
	// What is told later than this would have been in the first notices, or in those
	// of the next interval.
	a.post(t, newAlert("Last", labels{"place": "last"}))
	wait.For(t, 20*time.Second, "the last is told", func() bool { return len(s.of("/page", "Last")) > 0 })
	for _, n := range s.of("/page", "") {
		for _, al := range n.Alerts {
			if silent[fmt.Sprint(al.Labels)] {
				t.Errorf("told in spite of its cause: %v", al.Labels)
			}
		}
	}
}

// Who mends the first has acknowledged its incident, and would not hear of the second.
func TestTheSecondOfAKindRingsAnew(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	a := start(t, assemble(t, toSink(s), hasty...))
	for name, of := range map[string]string{
		"NodeDown": "node", "EndpointDown": "surface", "ReplicaMissing": "service", "NotificationsFailing": "integration",
	} {
		for i, which := range []string{"first", "second"} {
			a.post(t, newAlert(name, labels{of: which}))
			wait.For(t, 20*time.Second, name+" of the "+which+" is told", func() bool { return len(s.of("/page", name)) == i+1 })
		}
		told := s.of("/page", name)
		if told[0].GroupKey == told[1].GroupKey || len(told[1].Alerts) != 1 {
			t.Errorf("%s: the second is told of with %v, in the incident %s; the first was %s", name, told[1].Alerts, told[1].GroupKey, told[0].GroupKey)
		}
	}
}

// missing gives one of the alerts that were not told.
func missing(s *sink, alerts map[string]bool) string {
	told := make(map[string]bool)
	for _, n := range s.of("/page", "") {
		for _, al := range n.Alerts {
			told[fmt.Sprint(al.Labels)] = true
		}
	}
	for a := range alerts {
		if !told[a] {
			return a
		}
	}
	return ""
}
