package alertmanager

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"minitwit/service/freeport"
	"minitwit/service/wait"
)

// A Prometheus that starts anew in the middle of an outage, with the flags of the stack and
// the alert that waits the least. Had it to wait for that time again, the alert would end
// meanwhile, and somebody would be told that all is well.
func TestARestartedPrometheusTakesUpWhatFired(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "prometheus.yml"), "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n")
	write(t, filepath.Join(dir, "rules.yml"), `
groups: [{name: page, rules: [{alert: Outage, expr: vector(1), for: `+shortestFor(t).String()+`}]}]
`)
	addr := freeport.For(t)
	args := append(ruleFlags(t), "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr)
	before := run(t, program(t, "prometheus"), args...)
	since := firesSince(t, addr)
	if err := before.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := before.Wait(); err != nil {
		t.Fatal(err)
	}
	restarted := time.Now()
	run(t, program(t, "prometheus"), args...)
	if again := firesSince(t, addr); again.After(restarted) {
		t.Errorf("it fired since %v, and after the restart since %v", since, again)
	}
}

// firesSince waits until the alert fires, and gives the moment from which on it was true.
func firesSince(t *testing.T, addr string) (since time.Time) {
	t.Helper()
	wait.For(t, 60*time.Second, "the alert fires", func() bool {
		var answer struct {
			Data struct {
				Alerts []struct {
					State    string
					ActiveAt time.Time
				}
			}
		}
		if json.Unmarshal([]byte(get("http://"+addr+"/api/v1/alerts")), &answer) != nil || len(answer.Data.Alerts) != 1 {
			return false
		}
		since = answer.Data.Alerts[0].ActiveAt
		return answer.Data.Alerts[0].State == "firing"
	})
	return since
}

// byDefault is a variable of a stack file that has a value where a place says nothing.
var byDefault = regexp.MustCompile(`\$\{\w+:-([^}]*)\}`)

// ruleFlags are what stack/monitoring.yml tells Prometheus about alerts.
func ruleFlags(t *testing.T) (flags []string) {
	t.Helper()
	var stack struct {
		Services struct{ Prometheus struct{ Command []string } }
	}
	text := byDefault.ReplaceAllString(read(t, "../../stack/monitoring.yml"), "$1")
	if err := yaml.Unmarshal([]byte(text), &stack); err != nil {
		t.Fatal(err)
	}
	for _, flag := range stack.Services.Prometheus.Command {
		if strings.HasPrefix(flag, "--rules.") {
			flags = append(flags, flag)
		}
	}
	if len(flags) == 0 {
		t.Fatal("stack/monitoring.yml says nothing about alerts")
	}
	return flags
}

// shortestFor is the least that an alert of ours waits, if it waits at all.
func shortestFor(t *testing.T) time.Duration {
	t.Helper()
	var all []time.Duration
	for _, file := range ruleFiles(t) {
		for _, group := range file.Groups {
			for _, r := range group.Rules {
				if d, err := time.ParseDuration(cmp.Or(r.For, "0s")); err != nil {
					t.Fatal(r.Alert, err)
				} else if d > 0 {
					all = append(all, d)
				}
			}
		}
	}
	return slices.Min(all)
}
