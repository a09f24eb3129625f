package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestDeploysAreOnesThatCanBeToldFromOthers(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, d := range everything() {
		if seen[d.name] || d.what == "" || d.make == nil {
			t.Errorf("%s is there twice, or is not complete", d.name)
		}
		seen[d.name] = true
	}
	if len(museum) < 12 || len(outcomes) < 12 {
		t.Errorf("%d bad releases, %d outcomes, want 12 or more of each", len(museum), len(outcomes))
	}
	for _, a := range museum {
		if a.exit == 0 || a.caught == "" || a.runs != "old" {
			t.Errorf("%s would be let through", a.name)
		}
	}
	for _, d := range []string{"release-exits", "release-leaks"} {
		if got := aimOf(d).missed(result{figures: figures{Sent: 2000, Failed: 1}}); strings.Join(got, "") != "1 failed" {
			t.Errorf("%s with a failed request misses %q", d, got)
		}
	}
}

func TestADeployThatEndsOtherwiseIsTold(t *testing.T) {
	t.Parallel()
	a := attempt{exit: 1, caught: "soak", runs: "old"}
	for want, d := range map[string]deployed{
		"":                                       {Exit: most(1), Caught: "soak", Safe: "old", Message: "why"},
		"exit 0, want 1":                         {Exit: most(0), Caught: "soak", Safe: "old", Message: "why"},
		`caught by "Swarm", want "soak"`:         {Exit: most(1), Caught: "Swarm", Safe: "old", Message: "why"},
		"the new release runs, want the old one": {Exit: most(1), Caught: "soak", Safe: "new", Message: "why"},
		"it did not say why":                     {Exit: most(1), Caught: "soak", Safe: "old"},
	} {
		got := errors.Join(a.differs(d)...)
		if want == "" && got != nil || want != "" && (got == nil || got.Error() != want) {
			t.Errorf("got %v, want %q", got, want)
		}
	}
}

func TestTheTableOfDeploysHoldsOnlyDeploys(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ten := seconds(10)
	writeDeploys(&out, []result{
		{Case: "kill-task"},
		{Case: "release-tag", What: "a tag", Strength: &ten, figures: figures{Sent: 1000}, deployed: deployed{Exit: most(3), Caught: "preflight", Message: "a|b"}},
	})
	want := "| release | caught by | safe after | failed of sent | exit | what it said |\n" +
		"|---------|-----------|------------|----------------|------|--------------|\n" +
		"| a tag   | preflight | 10 s       | 0 of 1000      | 3    | a\\|b         |\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	if writeDeploys(&out, []result{{Case: "kill-task"}}); out.Len() > 0 {
		t.Errorf("a table of nothing:\n%s", out.String())
	}
}
