package alertmanager

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// ruleFile is what of a file of rules matters here.
type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Alert  string
			For    string
			Labels map[string]string
		}
	}
}

func ruleFiles(t *testing.T) (files []ruleFile) {
	t.Helper()
	paths, _ := filepath.Glob("../prometheus/rules/*.yml")
	for _, path := range paths {
		var file ruleFile
		if err := yaml.Unmarshal([]byte(read(t, path)), &file); err != nil {
			t.Fatal(path, err)
		}
		files = append(files, file)
	}
	return files
}

// Both Alertmanagers make up a notice group_wait after the first alert of its group came, and
// then each group_interval. Alerts come with each evaluation. If both fell together, one could
// take for ended what the other takes for firing, and on-call would be told both.
func TestNoNoticeIsMadeUpWhileAlertsArrive(t *testing.T) {
	t.Parallel()
	var config struct {
		Route struct {
			Wait     time.Duration `yaml:"group_wait"`
			Interval time.Duration `yaml:"group_interval"`
		}
	}
	var prometheus struct {
		Global struct {
			Evaluation time.Duration `yaml:"evaluation_interval"`
		}
	}
	err := errors.Join(yaml.Unmarshal([]byte(read(t, "alertmanager.yml")), &config),
		yaml.Unmarshal([]byte(read(t, "../prometheus/prometheus.yml")), &prometheus))
	if err != nil {
		t.Fatal(err)
	}
	const late = 2 * time.Second // how much later than another an alert may arrive
	every := prometheus.Global.Evaluation
	for _, notice := range []time.Duration{config.Route.Wait, config.Route.Wait + config.Route.Interval, config.Route.Wait + 2*config.Route.Interval} {
		if after := notice % every; after < late || after > every-late {
			t.Errorf("a notice %v after the first alert is made up %v after an evaluation, of which there is one each %v", notice, after, every)
		}
	}
}

// severities are the alerts of monitoring/prometheus/rules, by severity.
func severities(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, file := range ruleFiles(t) {
		for _, group := range file.Groups {
			for _, r := range group.Rules {
				severity := r.Labels["severity"] // recording rules have none
				found[severity] = append(found[severity], r.Alert)
			}
		}
	}
	delete(found, "")
	if len(found["page"]) < 20 || len(found["ticket"]) < 10 || len(found["heartbeat"]) != 1 {
		t.Fatalf("the rules have the severities %v", found)
	}
	return found
}

// ours gives a place of the repository, with values where it wants some.
func ours(t *testing.T, place string) string {
	t.Helper()
	return strings.ReplaceAll(read(t, "places/"+place+".yml"), "EDIT-ME", "minitwit.example")
}

func places(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("places/*.yml")
	if err != nil || len(files) < 2 {
		t.Fatalf("places are %q, %v", files, err)
	}
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".yml"))
	}
	return names
}

func TestAlertmanagerAcceptsEveryPlace(t *testing.T) {
	t.Parallel()
	for _, place := range places(t) {
		out, err := exec.Command(program(t, "amtool"), "check-config", assemble(t, ours(t, place))).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "3 receivers") {
			t.Errorf("%s: amtool check-config: %v\n%s", place, err, out)
		}
	}
}

func TestEveryAlertReachesTheReceiverOfItsSeverity(t *testing.T) {
	t.Parallel()
	for _, place := range places(t) {
		config := assemble(t, ours(t, place))
		for receiver, alerts := range severities(t) {
			for _, name := range alerts {
				route(t, config, receiver, "alertname="+name, "severity="+receiver, "place="+place)
			}
		}
		route(t, config, "page", "alertname=Unknown")
		route(t, config, "page", "alertname=Unknown", "severity=critical")
	}
}

func route(t *testing.T, config, receiver string, labels ...string) {
	t.Helper()
	args := append([]string{"config", "routes", "test", "--config.file=" + config, "--verify.receivers=" + receiver}, labels...)
	if out, err := exec.Command(program(t, "amtool"), args...).CombinedOutput(); err != nil {
		t.Errorf("%q does not reach %s: %v\n%s", labels, receiver, err, out)
	}
}

// What can be told from outside who holds a place's file: nothing.
func TestSecretsAreFiles(t *testing.T) {
	t.Parallel()
	for _, place := range places(t) {
		for line := range strings.Lines(read(t, "places/"+place+".yml")) {
			for _, word := range []string{"_key:", "_password:", "api_url:", "credentials:", "_token:", "hooks.slack.com"} {
				if strings.Contains(line, word) {
					t.Errorf("%s: %q may hold a secret", place, line)
				}
			}
			if strings.Contains(line, "_file:") && !strings.Contains(line, "_file: /run/secrets/") {
				t.Errorf("%s: %q is no secret of Docker's", place, line)
			}
		}
	}
}

func TestAPlaceIsAssembledOnlyWhenItIsComplete(t *testing.T) {
	t.Parallel()
	commented := filepath.Join(t.TempDir(), "commented.yml")
	write(t, commented, "# no EDIT-ME is left\n"+ours(t, "production"))
	for _, c := range []struct {
		args []string
		want string // of what is printed
		ok   bool
	}{
		{[]string{"lab"}, "http://deadman:9095/heartbeat", true},
		{[]string{commented}, "pagerduty_configs", true},
		{[]string{"production"}, "no values of your own", false},
		{[]string{"nowhere"}, "there is no", false},
		{nil, "usage: assemble.sh PLACE", false},
		{[]string{"--help"}, "usage: assemble.sh PLACE", true},
	} {
		out, err := exec.Command("./assemble.sh", c.args...).CombinedOutput()
		if (err == nil) != c.ok || !strings.Contains(string(out), c.want) {
			t.Errorf("assemble.sh %q: %v, want success %v and %q:\n%s", c.args, err, c.ok, c.want, out)
		}
	}
}

// An inhibition of an alert that does not exist silences nothing.
func TestInhibitionsNameAlertsThatExist(t *testing.T) {
	t.Parallel()
	found := severities(t)
	all := slices.Concat(found["page"], found["ticket"])
	for _, i := range inhibitions {
		for _, name := range append(i.targets, i.source) {
			if !slices.Contains(all, name) {
				t.Errorf("there is no alert %s", name)
			}
		}
	}
}
