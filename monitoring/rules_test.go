// Package monitoring_test holds Prometheus' configuration, its rules and their runbooks
// against what people and programs rely on. It runs promtool, and fails without it.
package monitoring_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// ruleFile is one of prometheus/rules, as far as we look at it or change it.
type ruleFile struct {
	Groups []struct {
		Name     string
		Interval string `yaml:",omitempty"`
		Rules    []*rule
	}
}

type rule struct {
	Alert         string            `yaml:",omitempty"`
	Record        string            `yaml:",omitempty"`
	Expr          string            `yaml:""`
	For           string            `yaml:",omitempty"`
	KeepFiringFor string            `yaml:"keep_firing_for,omitempty"`
	Labels        map[string]string `yaml:",omitempty"`
	Annotations   map[string]string `yaml:",omitempty"`
}

func (r *rule) name() string { return r.Alert + r.Record }

func (f *ruleFile) rules() (all []*rule) {
	for _, g := range f.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// testFile is one of prometheus/tests. The groups stay as they are.
type testFile struct {
	RuleFiles          []string         `yaml:"rule_files"`
	EvaluationInterval string           `yaml:"evaluation_interval"`
	GroupEvalOrder     []string         `yaml:"group_eval_order,omitempty"`
	Tests              []map[string]any `yaml:"tests"`
}

// files gives the contents of all that match, by their base names.
func files(t *testing.T, pattern string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v, %v", pattern, paths, err)
	}
	found := map[string]string{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(path)] = string(content)
	}
	return found
}

// parsed decodes them, and refuses what it does not know.
func parsed[T any](t *testing.T, pattern string) map[string]*T {
	t.Helper()
	found := map[string]*T{}
	for name, content := range files(t, pattern) {
		decoder := yaml.NewDecoder(strings.NewReader(content))
		decoder.KnownFields(true)
		found[name] = new(T)
		if err := decoder.Decode(found[name]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return found
}

func ruleFiles(t *testing.T) map[string]*ruleFile {
	t.Helper()
	return parsed[ruleFile](t, "prometheus/rules/*.yml")
}

func testFiles(t *testing.T) map[string]*testFile {
	t.Helper()
	return parsed[testFile](t, "prometheus/tests/*.yml")
}

func alerts(t *testing.T) map[string]*rule {
	t.Helper()
	found := map[string]*rule{}
	for _, f := range ruleFiles(t) {
		for _, r := range f.rules() {
			if r.Alert != "" {
				found[r.Alert] = r
			}
		}
	}
	return found
}

// promtool runs it in a directory. One that is missing is a failure: a check that is
// skipped looks like one that has passed.
func promtool(ctx context.Context, dir string, args ...string) (output string, err error) {
	cmd := exec.CommandContext(ctx, "promtool", args...)
	cmd.Dir = dir
	// Many run side by side, each for a moment: neither threads nor collections pay.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestPromtoolAcceptsTheConfigurationAndTheRules(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"},
		append([]string{"check", "rules"}, paths(t, "rules")...),
	} {
		if out, err := promtool(t.Context(), "prometheus", args...); err != nil {
			t.Errorf("promtool %s: %v\n%s", args, err, out)
		}
	}
}

// paths gives the files of a folder of prometheus/, as seen from there.
func paths(t *testing.T, folder string) (found []string) {
	t.Helper()
	for name := range files(t, "prometheus/"+folder+"/*.yml") {
		found = append(found, folder+"/"+name)
	}
	slices.Sort(found)
	return found
}

func TestTheRulesDoWhatTheirTestsSay(t *testing.T) {
	t.Parallel()
	for _, path := range paths(t, "tests") {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			if out, err := promtool(t.Context(), "prometheus", "test", "rules", path); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestEveryAlertHasWhatOnCallNeeds(t *testing.T) {
	t.Parallel()
	dashboards := regexp.MustCompile(`^{{ \$externalLabels\.dashboards }}/d/(service|swarm|database|simulator|monitoring)$`)
	for name, a := range alerts(t) {
		if !slices.Contains([]string{"page", "ticket", "heartbeat"}, a.Labels["severity"]) || len(a.Labels) != 1 {
			t.Errorf("%s has labels %v, want one severity", name, a.Labels)
		}
		if len(a.Annotations) != 4 || a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s has annotations %v", name, a.Annotations)
		}
		// A lock screen shows about as much, and the place comes before it.
		if plain := regexp.MustCompile(`{{.*?}}`).ReplaceAllString(a.Annotations["summary"], "12345"); len(plain) > 45 {
			t.Errorf("%s: the summary %q is too long for a lock screen", name, a.Annotations["summary"])
		}
		if want := "{{ $externalLabels.runbooks }}/" + name + ".md"; a.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %q, want %q", name, a.Annotations["runbook_url"], want)
		}
		if !dashboards.MatchString(a.Annotations["dashboard_url"]) {
			t.Errorf("%s: dashboard_url is %q", name, a.Annotations["dashboard_url"])
		}
	}
}

// A test that only asks for silence would pass for an alert that never fires.
func TestEveryAlertIsSeenToFireWithItsWords(t *testing.T) {
	t.Parallel()
	fired := map[string]bool{}
	for _, f := range testFiles(t) {
		for _, group := range f.Tests {
			cases, _ := group["alert_rule_test"].([]any)
			for _, c := range cases {
				c, _ := c.(map[string]any)
				expected, _ := c["exp_alerts"].([]any)
				name, _ := c["alertname"].(string)
				fired[name] = fired[name] || len(expected) > 0
			}
		}
	}
	for name := range alerts(t) {
		if !fired[name] {
			t.Errorf("no test expects %s to fire", name)
		}
	}
}

// prometheusYML is what the rules need of the configuration.
type prometheusYML struct {
	Global struct {
		ExternalLabels map[string]string `yaml:"external_labels"`
	}
	Alerting struct {
		AlertRelabelConfigs []struct{ Action, Regex string } `yaml:"alert_relabel_configs"`
	}
	ScrapeConfigs []struct {
		JobName string `yaml:"job_name"`
		DNS     []struct {
			RefreshInterval string `yaml:"refresh_interval"`
		} `yaml:"dns_sd_configs"`
	} `yaml:"scrape_configs"`
}

var configuration = sync.OnceValues(func() (c prometheusYML, err error) {
	content, err := os.ReadFile("prometheus/prometheus.yml")
	return c, errors.Join(err, yaml.Unmarshal(content, &c))
})

func TestEveryJobThatARuleNamesIsScraped(t *testing.T) {
	t.Parallel()
	config, err := configuration()
	if err != nil {
		t.Fatal(err)
	}
	jobs := map[string]bool{}
	for _, c := range config.ScrapeConfigs {
		jobs[c.JobName] = true
		for _, d := range c.DNS {
			if d.RefreshInterval != "5s" {
				t.Errorf("%s is looked up every %q: a new replica would be unseen for as long", c.JobName, d.RefreshInterval)
			}
		}
	}
	named := regexp.MustCompile(`job[!=~]+["']([^"']+)["']`)
	for file, content := range files(t, "prometheus/rules/*.yml") {
		for _, found := range named.FindAllStringSubmatch(content, -1) {
			for job := range strings.SplitSeq(found[1], "|") {
				if !jobs[job] {
					t.Errorf("%s names the job %q, which is not scraped", file, job)
				}
			}
		}
	}
}

// The others are for the annotations alone.
func TestOfTheExternalLabelsOnlyThePlaceIsAnAlerts(t *testing.T) {
	t.Parallel()
	config, err := configuration()
	if err != nil {
		t.Fatal(err)
	}
	dropped := config.Alerting.AlertRelabelConfigs
	if len(dropped) != 1 || dropped[0].Action != "labeldrop" {
		t.Fatalf("alert_relabel_configs are %v", dropped)
	}
	drop := regexp.MustCompile("^(?:" + dropped[0].Regex + ")$")
	for label := range config.Global.ExternalLabels {
		if drop.MatchString(label) == (label == "place") {
			t.Errorf("the external label %s: dropped %v", label, drop.MatchString(label))
		}
	}
}
