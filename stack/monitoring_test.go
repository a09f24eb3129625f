package stack

import (
	"cmp"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// monitored is an environment in which stack/monitoring.yml is complete, in any place.
func monitored() map[string]string {
	env := map[string]string{
		"PLACE": "test", "RUNBOOKS_URL": "https://runbooks.example", "DASHBOARDS_URL": "https://dashboards.example",
		"CANARY_API": "http://api.example:5001", "CANARY_WEB": "https://web.example", "DOCKER_GID": "999",
		"POSTGRES_EXPORTER_URI": "database.example:5432/minitwit?sslmode=verify-full", "MONITORING_SHA": "0123456789ab",
	}
	for _, name := range []string{
		"SIMULATOR_CREDENTIALS", "POSTGRES_EXPORTER_PASSWORD", "PROBE_TARGETS", "NODE_TARGETS", "ALERTMANAGER_YML", "GRAFANA_ADMIN_PASSWORD", "GRAFANA_SECRET_KEY",
		"PAGERDUTY_KEY", "SLACK_PAGE_URL", "SLACK_TICKET_URL", "SMTP_PASSWORD", "DEADMAN_TOKEN",
	} {
		env[name+"_FILE"], env[name+"_SHA"] = "/dev/null", "0123456789ab"
	}
	for _, name := range []string{"LAB_PROMETHEUS_YML", "LAB_REQUESTS_YML", "LAB_SLO_YML", "LAB_CA"} {
		env[name] = "/dev/null"
	}
	for _, image := range []string{"IMAGE", "PROMETHEUS_IMAGE", "ALERTMANAGER_IMAGE", "BLACKBOX_IMAGE", "NODE_EXPORTER_IMAGE", "POSTGRES_EXPORTER_IMAGE", "HAPROXY_IMAGE", "GRAFANA_IMAGE"} {
		env[image] = "registry.example/some@sha256:" + strings.Repeat("a", 64)
	}
	return env
}

// monitoringOf gives the files that a place deploys to be watched: the common one, and its
// own if it has one.
func monitoringOf(t *testing.T, place string) []string {
	t.Helper()
	files := []string{fileOf(t, "monitoring.yml")}
	if own, err := readFile(filepath.Join(place, "monitoring.yml")); err == nil {
		files = append(files, own)
	}
	return files
}

// monitoredPlaces are those that say whom Alertmanager tells.
func monitoredPlaces(t *testing.T) (places []string) {
	t.Helper()
	files, err := filepath.Glob("../monitoring/alertmanager/places/*.yml")
	if err != nil || len(files) < 2 {
		t.Fatalf("places: %v, %v", files, err)
	}
	for _, file := range files {
		places = append(places, strings.TrimSuffix(filepath.Base(file), ".yml"))
	}
	return places
}

// alone are those of which there is one, and why that is enough: each keeps nothing,
// is started elsewhere when its node dies, and is missed by an alert meanwhile.
var alone = map[string]string{
	"grafana":           "it shows and does not watch",
	"canary":            "two would write twice, and each would find the other's message",
	"swarm-exporter":    "all managers say the same",
	"postgres-exporter": "each scrape costs the database's connections",
}

const tooFew = ": deploy.replicas: fewer than two"

func TestTheMonitoringStackKeepsTheRules(t *testing.T) {
	t.Parallel()
	config, dicts, err := parse(monitored(), monitoringOf(t, "production")...)
	if err != nil {
		t.Fatal(err)
	}
	found := lint(config, dicts)
	for service := range alone {
		i := slices.IndexFunc(found, func(f string) bool { return strings.HasPrefix(f, service+tooFew) })
		if i < 0 {
			t.Errorf("%s is not alone any more: take it off the list", service)
			continue
		}
		found = slices.Delete(found, i, i+1)
	}
	if len(found) > 0 {
		t.Error(strings.Join(found, "\n"))
	}
}

func TestWhatMonitoringMustBeToldIsAskedFor(t *testing.T) {
	t.Parallel()
	files, complete := monitoringOf(t, "production"), map[string]string{}
	for _, variable := range asked.FindAllStringSubmatch(strings.Join(files, ""), -1) {
		complete[variable[1]] = monitored()[variable[1]]
	}
	for missing := range complete {
		env := maps.Clone(complete)
		delete(env, missing)
		if _, _, err := parse(env, files...); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v, want an error that asks for it", missing, err)
		}
	}
	if _, _, err := parse(complete, files...); err != nil {
		t.Errorf("with all that is asked for: %v", err)
	}
	readme := fileOf(t, "../monitoring/README.md")
	for _, variable := range regexp.MustCompile(`\$\{(\w+)[:?-]`).FindAllStringSubmatch(strings.Join(files, ""), -1) {
		if !strings.Contains(readme, variable[1]) {
			t.Errorf("monitoring/README.md does not tell of %s", variable[1])
		}
	}
}

// A secret that Alertmanager does not have is a way on which nobody is told anything.
func TestAlertmanagerHasTheSecretsOfItsPlace(t *testing.T) {
	t.Parallel()
	for _, place := range monitoredPlaces(t) {
		config, _, err := parse(monitored(), monitoringOf(t, place)...)
		if err != nil {
			t.Errorf("%s: %v", place, err)
			continue
		}
		alertmanager, has := serviceOf(t, config, "alertmanager"), map[string]bool{}
		for _, secret := range alertmanager.Secrets {
			has[cmp.Or(secret.Target, secret.Source)] = true
			if secret.UID != strings.Split(alertmanager.User, ":")[0] {
				t.Errorf("%s: the secret %s is of the user %s, and Alertmanager is %s", place, secret.Source, secret.UID, alertmanager.User)
			}
		}
		named := map[string]bool{}
		for _, found := range regexp.MustCompile(`/run/secrets/(\w+)`).FindAllStringSubmatch(fileOf(t, "../monitoring/alertmanager/places/"+place+".yml"), -1) {
			named[found[1]] = true
		}
		if !maps.Equal(has, named) {
			t.Errorf("%s: Alertmanager gets the secrets %v, and its configuration names %v", place, has, named)
		}
	}
}

// A canary that knows one node's address pages for that node's maintenance.
func TestTheCanaryIsToldOfNoSingleNode(t *testing.T) {
	t.Parallel()
	file, readme := fileOf(t, "monitoring.yml"), fileOf(t, "../monitoring/README.md")
	for _, variable := range []string{"CANARY_API", "CANARY_WEB"} {
		question := regexp.MustCompile(`\$\{` + variable + `:\?([^}]*)\}`).FindStringSubmatch(file)
		row := regexp.MustCompile("(?m)^.*`" + variable + "`.*$").FindString(readme)
		if len(question) != 2 || !strings.Contains(question[1], "public name") || !strings.Contains(row, "public name") {
			t.Errorf("%s: asked for by %q, and told of by %q", variable, question, row)
		}
	}
}

// While a Prometheus reads its log it is healthy, and sees nothing: an update must not go on
// to the other one. It may take its time.
func TestAPrometheusIsWaitedForUntilItWatches(t *testing.T) {
	t.Parallel()
	config, _, err := parse(monitored(), fileOf(t, "monitoring.yml"))
	if err != nil {
		t.Fatal(err)
	}
	check := serviceOf(t, config, "prometheus").HealthCheck
	if asked := check.Test[len(check.Test)-1]; !strings.HasSuffix(asked, "/-/ready") {
		t.Errorf("it is asked by %s, which does not say that it watches", asked)
	}
	if given := duration(check.StartPeriod); given < 10*time.Minute {
		t.Errorf("it is given %v to read its log", given)
	}
}

// Prometheus chooses the moment of each look by the name of its host: two that look at
// different moments do not agree when something has ended, and on-call gets both answers.
func TestBothPrometheusHaveOneName(t *testing.T) {
	t.Parallel()
	config, _, err := parse(monitored(), fileOf(t, "monitoring.yml"))
	if err != nil {
		t.Fatal(err)
	}
	prometheus := serviceOf(t, config, "prometheus")
	if name := prometheus.Hostname; name == "" || name == prometheus.Name || strings.Contains(name, "{{") {
		t.Errorf("the host's name is %q, want one for both, and not that of the service, which leads to either", name)
	}
}

// A rule file that the stack forgets is a set of alerts that nobody gets.
func TestTheMonitoringStackHasEveryRuleAndDashboard(t *testing.T) {
	t.Parallel()
	config, _, err := parse(monitored(), fileOf(t, "monitoring.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ service, files, below string }{
		{"prometheus", "../monitoring/prometheus/rules/*.yml", "/etc/prometheus/rules/"},
		{"grafana", "../monitoring/grafana/dashboards/*.json", "/etc/grafana/dashboards/"},
	} {
		files, err := filepath.Glob(c.files)
		if err != nil || len(files) < 5 {
			t.Fatalf("%s: %v, %v", c.files, files, err)
		}
		var mounted []string
		for _, one := range serviceOf(t, config, c.service).Configs {
			mounted = append(mounted, one.Target)
		}
		for _, file := range files {
			if !slices.Contains(mounted, c.below+filepath.Base(file)) {
				t.Errorf("%s does not get %s", c.service, file)
			}
		}
	}
}
