package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"minitwit/monitoring/grafana"
)

// namedMetrics gives the metrics that rules, the texts of their alerts and dashboards
// name, and where each is named.
func namedMetrics(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	add := func(where, expr string) {
		for _, name := range metrics(expr) {
			found[name] = where
		}
	}
	dashboards, err := grafana.Load("../grafana")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dashboards {
		for _, q := range d.Queries() {
			add(q.Name, q.Expr)
		}
	}
	paths, err := filepath.Glob("../prometheus/rules/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		addRules(t, path, add)
	}
	return found
}

// embedded are the queries in an alert's text.
var embedded = regexp.MustCompile(`(?:query|printf) "([^"]+\([^"]+)"`)

func addRules(t *testing.T, path string, add func(where, expr string)) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Record, Expr string
				Annotations         map[string]string
			}
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			where := filepath.Base(path) + ": " + r.Alert + r.Record
			add(where, r.Expr)
			add(where, r.Record)
			for _, query := range embedded.FindAllStringSubmatch(r.Annotations["description"], -1) {
				add(where, query[1])
			}
		}
	}
}

var (
	quoted  = regexp.MustCompile(`"[^"]*"|'[^']*'`)
	aside   = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	word    = regexp.MustCompile(`\b[a-zA-Z_:][\w:]*\s*\(?`)
	keyword = []string{"and", "or", "unless", "offset", "bool"}
)

// metrics gives the names of metrics in an expression: the words that stand in no string,
// selector, window or list of labels and are neither functions nor keywords.
func metrics(expr string) (names []string) {
	plain := aside.ReplaceAllString(quoted.ReplaceAllString(expr, ""), " ")
	for _, w := range word.FindAllString(plain, -1) {
		if w = strings.TrimSpace(w); !strings.HasSuffix(w, "(") && !slices.Contains(keyword, w) {
			names = append(names, w)
		}
	}
	return names
}

func TestMetricsAreFoundInAnExpression(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		`vector(1)`: nil,
		`sum by (job, le) (rate(a_total{code=~"5..",x!="b_total"}[5m])) > 1e9`:               {"a_total"},
		`label_replace(max(a:b:rate1m), "c", "$1", "d", "(.+)") or 0 * b`:                    {"a:b:rate1m", "b"},
		`a and on () b offset 15m unless on (node) group_left (c) d == bool 0`:               {"a", "b", "d"},
		"(\n  a\n  and b{c='d'} offset 2m\n)\nor absent(up{job=\"x\"}) / scalar(count(e))\n": {"a", "b", "up", "e"},
		`sum(rate(a[5m])) by (job)`: {"a"},
	} {
		if got := metrics(expr); !slices.Equal(got, want) {
			t.Errorf("metrics(%q) = %q, want %q", expr, got, want)
		}
	}
}
