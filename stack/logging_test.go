package stack

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// logged is an environment in which stack/logging.yml is complete.
func logged() map[string]string {
	return map[string]string{
		"LOKI_IMAGE":      "registry.example/loki@sha256:" + strings.Repeat("c", 64),
		"SYSLOG_NG_IMAGE": "registry.example/syslog-ng@sha256:" + strings.Repeat("d", 64),
		"LOKI_YML_SHA":    "0123456789ab", "SYSLOG_NG_CONF_SHA": "0123456789ab",
	}
}

// There is one Loki: the agents keep the lines while it is away, and an alert misses it.
const oneLoki = "loki: deploy.replicas: fewer than two; the death of one is an outage"

func lintLogging(t *testing.T, content string) []string {
	t.Helper()
	config, dicts, err := parse(logged(), content)
	if err != nil {
		t.Fatal(err)
	}
	return lint(config, dicts)
}

func TestTheLoggingStackKeepsTheRules(t *testing.T) {
	t.Parallel()
	if found := lintLogging(t, fileOf(t, "logging.yml")); !slices.Equal(found, []string{oneLoki}) {
		t.Errorf("lint finds %q, want only that there is one Loki", found)
	}
}

func TestEachRuleOfTheLoggingStackCanFail(t *testing.T) {
	t.Parallel()
	good := fileOf(t, "logging.yml")
	for _, c := range []struct{ old, broken, want string }{
		{"/var/lib/docker/containers:/var/lib/docker/containers:ro", "/var/lib/docker/containers:/var/lib/docker/containers", "syslog-ng: user, read_only, cap_drop"},
		{"/var/lib/docker/containers:/var/lib/docker/containers:ro", "/etc:/etc:ro", "syslog-ng: user, read_only, cap_drop"},
		{"  cap_drop: [ALL]\n", "", "syslog-ng: user, read_only, cap_drop"},
		{"  read_only: true\n", "", "syslog-ng: user, read_only, cap_drop"},
		{`user: "10001:10001"`, `user: "0:0"`, "loki: user, read_only, cap_drop"},
		{"order: stop-first", "order: start-first", "loki: deploy.update_config"},
		{"order: stop-first", "order: start-first", "syslog-ng: deploy.update_config"},
		{"driver: json-file", "driver: loki", "logging: unbounded, or sent"},
		{`, labels: "com.docker.swarm.service.name,com.docker.swarm.task.name"`, "", "syslog-ng: logging: nothing in the file says"},
		{"_${LOKI_YML_SHA:?the first 12 hex digits of the sha256 of monitoring/loki/loki.yml}", "", "config loki_yml: its name"},
	} {
		broken := strings.ReplaceAll(good, c.old, c.broken)
		if broken == good {
			t.Errorf("logging.yml does not hold %q", c.old)
		}
		if found := strings.Join(lintLogging(t, broken), "\n"); !strings.Contains(found, c.want) {
			t.Errorf("%q for %q: lint finds %q, want %q", c.broken, c.old, found, c.want)
		}
	}
}

func TestWhatLoggingMustBeToldIsAskedForAndDescribed(t *testing.T) {
	t.Parallel()
	file, readme := fileOf(t, "logging.yml"), fileOf(t, "../monitoring/logs/README.md")
	for missing := range logged() {
		env := maps.Clone(logged())
		delete(env, missing)
		if _, _, err := parse(env, file); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v, want an error that asks for it", missing, err)
		}
	}
	for _, variable := range regexp.MustCompile(`\$\{(\w+)[:?-]`).FindAllStringSubmatch(file, -1) {
		if !strings.Contains(readme, variable[1]) {
			t.Errorf("monitoring/logs/README.md does not tell of %s", variable[1])
		}
	}
}

// The files that the tests have tried are those that run, where the programs look for them.
func TestTheLoggingStackRunsWhatIsTested(t *testing.T) {
	t.Parallel()
	config, _, err := parse(logged(), fileOf(t, "logging.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for service, file := range map[string]string{"loki": "monitoring/loki/loki.yml", "syslog-ng": "monitoring/syslog-ng/syslog-ng.conf"} {
		s := serviceOf(t, config, service)
		if len(s.Configs) != 1 || !strings.HasSuffix(config.Configs[s.Configs[0].Source].File, file) {
			t.Fatalf("%s has the configs %v", service, s.Configs)
		}
		if words := strings.Join(append(s.Entrypoint, s.Command...), " "); !strings.Contains(words, s.Configs[0].Target) {
			t.Errorf("%s runs %q, which does not read %s", service, words, s.Configs[0].Target)
		}
		if _, err := os.Stat("../" + file); err != nil {
			t.Error(err)
		}
	}
}

// Each line says which replica wrote it, and the moderator's tool writes into its log.
func TestTheReplicasAreToldWhoTheyAre(t *testing.T) {
	t.Parallel()
	config, _, err := parse(place(), stackYML(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range config.Services {
		for name, want := range map[string]string{
			"SERVICE_NAME": "{{.Service.Name}}", "TASK_SLOT": "{{.Task.Slot}}", "NODE_NAME": "{{.Node.Hostname}}", "EVENT_LOG": "/proc/1/fd/2",
		} {
			if got := s.Environment[name]; got == nil || *got != want {
				t.Errorf("%s: %s is %v, want %s", s.Name, name, got, want)
			}
		}
	}
}

// The agent finds a line's service by the labels that the stacks ask Docker for.
func TestTheAgentReadsTheLabelsOfTheStacks(t *testing.T) {
	t.Parallel()
	conf := fileOf(t, "../monitoring/syslog-ng/syslog-ng.conf")
	for label := range strings.SplitSeq(logLabels, ",") {
		if !strings.Contains(conf, "${.d.attrs."+label) {
			t.Errorf("syslog-ng.conf does not read %s", label)
		}
	}
}
