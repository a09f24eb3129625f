package monitoring_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// killedShare is what the tests of the rules have to notice, at least.
const killedShare = 0.95

// TestAWrongRuleIsNoticed makes each rule wrong in every place, one at a time, and lets its
// tests run. A change that they do not notice is one that anybody may make by mistake.
func TestAWrongRuleIsNoticed(t *testing.T) {
	t.Parallel()
	var all []*trial
	for file, content := range ruleFiles(t) {
		all = append(all, trials(t, file, content)...)
	}
	run(t, all)

	killed, known := 0, maps.Clone(survivors)
	for _, m := range all {
		switch _, listed := known[m.name]; {
		case m.invalid != "":
			t.Errorf("%s is no rule at all: %s", m.name, m.invalid)
		case m.killed && listed:
			t.Errorf("%s is noticed: take it from the list of survivors", m.name)
		case m.killed:
			killed++
		case !listed:
			t.Errorf("nothing notices that %s\n%s", m.name, m.rule.Expr)
		}
		delete(known, m.name)
	}
	for name := range known {
		t.Errorf("%s is listed as a survivor, and there is no such mutant", name)
	}
	share := float64(killed) / float64(len(all))
	t.Logf("%d of %d mutants killed: %.1f %%; %d survive for a reason", killed, len(all), 100*share, len(survivors))
	if share < killedShare {
		t.Errorf("only %.1f %% of the mutants are noticed, want %.0f %%", 100*share, 100*killedShare)
	}
}

// trial is a mutant and how it fared.
type trial struct {
	mutant
	file    string // of rules
	content []byte // with the mutant in it
	tests   []testGroup
	killed  bool
	invalid string
}

// A testGroup is one group of a test file as a file of its own, so that the others need not
// run once it has noticed a mutant.
type testGroup struct {
	name    string
	content []byte
	likely  bool    // to notice
	cost    float64 // evaluations
}

func trials(t *testing.T, file string, f *ruleFile) (all []*trial) {
	t.Helper()
	for _, g := range f.Groups {
		for i, original := range g.Rules {
			prepared := testsOf(t, file, f, original)
			for _, m := range mutants(original) {
				g.Rules[i] = m.rule
				content, err := yaml.Marshal(f)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, &trial{mutant: m, file: file, content: content, tests: prepared})
			}
			g.Rules[i] = original
		}
	}
	return all
}

// testsOf gives the tests of a rule's file: first the groups that name the rule, or an alert
// that is made of it, since they are the likeliest to notice; and the quickest first.
func testsOf(t *testing.T, file string, f *ruleFile, r *rule) (ordered []testGroup) {
	t.Helper()
	names := dependents(f, r)
	for name, tf := range testFiles(t) {
		if !slices.Contains(tf.RuleFiles, "../rules/"+file) {
			continue
		}
		for i, group := range tf.Tests {
			alone := *tf
			alone.Tests = []map[string]any{group}
			content, err := yaml.Marshal(alone)
			if err != nil {
				t.Fatal(err)
			}
			likely := slices.ContainsFunc(names, func(n string) bool { return strings.Contains(string(content), n) })
			ordered = append(ordered, testGroup{fmt.Sprintf("%d-%s", i, name), content, likely, cost(t, tf, group)})
		}
	}
	if len(ordered) == 0 {
		t.Fatalf("no test for %s", file)
	}
	slices.SortFunc(ordered, func(a, b testGroup) int {
		switch {
		case a.likely && !b.likely:
			return -1
		case b.likely && !a.likely:
			return 1
		}
		return cmp.Compare(a.cost, b.cost)
	})
	return ordered
}

// cost is how often promtool evaluates the rules for a group: up to its last question.
func cost(t *testing.T, f *testFile, group map[string]any) float64 {
	t.Helper()
	duration := func(s string) time.Duration {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	var last time.Duration
	for _, kind := range []string{"promql_expr_test", "alert_rule_test"} {
		cases, _ := group[kind].([]any)
		for _, c := range cases {
			c, _ := c.(map[string]any)
			last = max(last, duration(fmt.Sprint(c["eval_time"])))
		}
	}
	return float64(last) / float64(duration(f.EvaluationInterval))
}

// dependents are the names of a rule and of all that is made of it.
func dependents(f *ruleFile, r *rule) []string {
	names := []string{r.name()}
	for i := 0; i < len(names); i++ {
		for _, other := range f.rules() {
			if !slices.Contains(names, other.name()) && slices.Contains(tokens(other.Expr), names[i]) {
				names = append(names, other.name())
			}
		}
	}
	return names
}

// run tries all of them, as many at a time as there are processors.
func run(t *testing.T, all []*trial) {
	t.Helper()
	queue := make(chan *trial)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		dir := t.TempDir()
		workers.Go(func() {
			for m := range queue {
				if err := m.try(t.Context(), dir); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, m := range all {
		queue <- m
	}
	close(queue)
	workers.Wait()
}

// try runs the tests until one of them fails.
func (m *trial) try(ctx context.Context, dir string) error {
	if err := write(dir, "rules/"+m.file, m.content); err != nil {
		return err
	}
	for _, group := range m.tests {
		if err := write(dir, "tests/"+group.name, group.content); err != nil {
			return err
		}
		out, err := promtool(ctx, dir, "test", "rules", "tests/"+group.name)
		if strings.Contains(out, "parse error") || err != nil && !strings.Contains(out, "FAILED") {
			m.invalid = out
		}
		if m.killed = err != nil; m.killed {
			break
		}
	}
	return nil
}

func write(dir, name string, content []byte) error {
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
