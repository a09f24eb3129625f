package stack

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/cli/cli/compose/loader"
	"github.com/docker/cli/cli/compose/types"
)

// drain and slowest are what a task needs between SIGTERM and its end: DRAIN_MOST of
// stack.yml, then the server's own limit for requests in work.
const (
	drain   = 18 * time.Second
	slowest = 10 * time.Second
)

// parse reads stack files as `docker stack config` does: it is the same code.
func parse(env map[string]string, files ...string) (*types.Config, []map[string]any, error) {
	for _, content := range files {
		if wrong := hyphenated.FindString(content); wrong != "" {
			return nil, nil, fmt.Errorf("%s: the hyphen makes the text behind it a default", wrong)
		}
	}
	details := types.ConfigDetails{WorkingDir: ".", Environment: env}
	var dicts []map[string]any
	for _, content := range files {
		dict, err := loader.ParseYAML([]byte(content))
		if err != nil {
			return nil, nil, err
		}
		dicts = append(dicts, dict)
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: "stack.yml", Config: dict})
	}
	config, err := loader.Load(details)
	return config, dicts, err
}

// lint gives what the engine would accept and then ignore, or what would hurt on
// the first bad day.
func lint(config *types.Config, dicts []map[string]any) (found []string) {
	for _, p := range loader.GetUnsupportedProperties(dicts...) {
		found = append(found, p+": Swarm ignores it without a word")
	}
	for p, why := range loader.GetDeprecatedProperties(dicts...) {
		found = append(found, p+": "+why)
	}
	for _, s := range config.Services {
		for _, rule := range serviceRules {
			if rule.broken(s) {
				found = append(found, s.Name+": "+rule.reason)
			}
		}
	}
	for _, dict := range dicts {
		if version, _ := dict["version"].(string); version != fileFormat {
			found = append(found, fmt.Sprintf("version: %s; CLI 26 knows at most %s, and older ones lack start_interval", version, fileFormat))
		}
	}
	found = append(found, tooFewConnections(config.Services)...)
	for name, s := range config.Secrets {
		found = append(found, hashed("secret", name, s.Name, s.External.External)...)
	}
	for name, c := range config.Configs {
		found = append(found, hashed("config", name, c.Name, c.External.External)...)
	}
	slices.Sort(found)
	return found
}

// fileFormat is the only one that both the oldest client we support and start_interval allow.
const fileFormat = "3.12"

// hyphenated: the CLI looks for a default before it looks for an error, so the
// text behind :? must not hold a hyphen. What follows it would be the value of a
// variable that is not set, without a word.
var hyphenated = regexp.MustCompile(`\$\{\w+:?\?[^}]*-[^}]*\}`)

var hashedName = regexp.MustCompile(`[_-][0-9a-f]{12}$`)

// hashed: Swarm refuses to change a secret or config, so its name has to follow
// its content.
func hashed(kind, key, name string, external bool) []string {
	if external || hashedName.MatchString(name) {
		return nil
	}
	return []string{fmt.Sprintf("%s %s: its name does not end in the content's hash, so no deploy can ever change it", kind, key)}
}

// stackRule is one thing that a service must not do, and why.
type stackRule struct {
	reason string
	broken func(types.ServiceConfig) bool
}

var digest = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

var serviceRules = []stackRule{
	{"image: not by digest; nodes may run different programs under one tag", func(s types.ServiceConfig) bool {
		return !digest.MatchString(s.Image)
	}},
	{"depends_on: accepted and ignored; the service has to wait by itself", func(s types.ServiceConfig) bool {
		return len(s.DependsOn) > 0
	}},
	{"healthcheck: missing; the mesh would send requests before the task can answer", func(s types.ServiceConfig) bool {
		return s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) == 0
	}},
	{"healthcheck: asks the database; when that is away, Swarm would kill every task", func(s types.ServiceConfig) bool {
		return s.HealthCheck != nil && asksTheDatabase.MatchString(strings.Join(s.HealthCheck.Test, " "))
	}},
	{"healthcheck: not the program's own; the image has neither a shell nor curl", func(s types.ServiceConfig) bool {
		own := []string{"CMD", "/minitwit", "healthcheck"}
		return ours(s) && s.HealthCheck != nil && !s.HealthCheck.Disable && !slices.Equal(s.HealthCheck.Test, own)
	}},
	{"healthcheck.start_interval: missing; the first look would come after a whole interval", func(s types.ServiceConfig) bool {
		return s.HealthCheck != nil && duration(s.HealthCheck.StartInterval) == 0
	}},
	{"deploy.mode: neither replicated nor global", func(s types.ServiceConfig) bool {
		return s.Deploy.Mode != "replicated" && s.Deploy.Mode != "global"
	}},
	{"deploy.replicas: fewer than two; the death of one is an outage", func(s types.ServiceConfig) bool {
		return s.Deploy.Mode != "global" && (s.Deploy.Replicas == nil || *s.Deploy.Replicas < 2)
	}},
	{"deploy.restart_policy: not any; a task that ends by itself stays away", func(s types.ServiceConfig) bool {
		return s.Deploy.RestartPolicy == nil || s.Deploy.RestartPolicy.Condition != "any"
	}},
	{"deploy.restart_policy.max_attempts: after so many the slot stays empty for ever", func(s types.ServiceConfig) bool {
		return s.Deploy.RestartPolicy != nil && s.Deploy.RestartPolicy.MaxAttempts != nil
	}},
	{"deploy.update_config: does not roll back on the first failure, one task at a time, in the order that loses no request", func(s types.ServiceConfig) bool {
		u := s.Deploy.UpdateConfig
		return incomplete(s, u) || u.FailureAction != "rollback"
	}},
	{"deploy.rollback_config: missing or incomplete; a rollback would lose requests", func(s types.ServiceConfig) bool {
		u := s.Deploy.RollbackConfig
		return incomplete(s, u) || !slices.Contains([]string{"pause", "continue"}, u.FailureAction)
	}},
	{"deploy.update_config.monitor: ends before an unhealthy task is found out, or within delay", func(s types.ServiceConfig) bool {
		return tooShort(s, s.Deploy.UpdateConfig) || tooShort(s, s.Deploy.RollbackConfig)
	}},
	{"stop_grace_period: shorter than the drain and the slowest request", func(s types.ServiceConfig) bool {
		return duration(s.StopGracePeriod) < leastGrace(s)
	}},
	{"deploy.resources: without a limit and a reservation of memory one task can starve a node", func(s types.ServiceConfig) bool {
		r := s.Deploy.Resources
		return r.Limits == nil || r.Limits.MemoryBytes == 0 || r.Reservations == nil || r.Reservations.MemoryBytes == 0
	}},
	{"deploy.resources.limits.cpus: missing; one task can slow down all others of its node", func(s types.ServiceConfig) bool {
		l := s.Deploy.Resources.Limits
		return l == nil || l.NanoCPUs == ""
	}},
	{"environment.GOMEMLIMIT: missing or not below the memory limit", func(s types.ServiceConfig) bool {
		if !ours(s) {
			return false
		}
		limit := s.Environment["GOMEMLIMIT"]
		var mib int64
		if limit != nil {
			_, _ = fmt.Sscanf(*limit, "%dMiB", &mib)
		}
		r := s.Deploy.Resources.Limits
		return mib == 0 || r == nil || mib<<20 >= int64(r.MemoryBytes)
	}},
	{"deploy.placement.max_replicas_per_node: start-first needs room for one task more", func(s types.ServiceConfig) bool {
		return s.Deploy.Placement.MaxReplicas > 0 && order(s) == "start-first"
	}},
	{"ports: neither in ingress nor in host mode", func(s types.ServiceConfig) bool {
		return slices.ContainsFunc(s.Ports, func(p types.ServicePortConfig) bool { return p.Mode != "ingress" && p.Mode != "host" })
	}},
	{"ports: a port in host mode can never be started first", func(s types.ServiceConfig) bool {
		return hostPorts(s) && (s.Deploy.Mode != "global" || startsFirst(s.Deploy.UpdateConfig) || startsFirst(s.Deploy.RollbackConfig))
	}},
	{"ports: the ops port is published", func(s types.ServiceConfig) bool {
		return slices.ContainsFunc(s.Ports, func(p types.ServicePortConfig) bool { return p.Target == 9100 })
	}},
	{"user, read_only, cap_drop: the task has more rights than it needs", func(s types.ServiceConfig) bool {
		return root(s) && !readsLogFiles(s) || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0
	}},
	{"logging: unbounded, or sent by a driver that blocks the service with its receiver", func(s types.ServiceConfig) bool {
		l := s.Logging
		return l == nil || !slices.Contains([]string{"json-file", "local"}, l.Driver) ||
			l.Options["max-size"] == "" || l.Options["max-file"] == ""
	}},
	{"logging: nothing in the file says whose it is, so its lines cannot be found in the store", func(s types.ServiceConfig) bool {
		return s.Logging != nil && s.Logging.Driver == "json-file" && s.Logging.Options["labels"] != logLabels
	}},
	{"environment: a secret in the clear, seen by docker inspect; give NAME_FILE", func(s types.ServiceConfig) bool {
		for name, value := range s.Environment {
			if value != nil && *value != "" && slices.Contains(secretSettings, name) {
				return true
			}
		}
		return false
	}},
}

// logLabels are what Docker writes beside each line; monitoring/syslog-ng reads them.
const logLabels = "com.docker.swarm.service.name,com.docker.swarm.task.name"

func root(s types.ServiceConfig) bool {
	return s.User == "" || strings.HasPrefix(s.User, "0") || s.User == "root"
}

// readsLogFiles: the engine's files of the containers' output are root's alone. Root
// without capabilities can read them, and nothing else that is not root's.
func readsLogFiles(s types.ServiceConfig) bool {
	return slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
		return v.Source == "/var/lib/docker/containers" && v.ReadOnly
	})
}

// secretSettings are the settings that are given as files or not at all.
var secretSettings = []string{
	"DATABASE_URL", "DATABASE_PASSWORD", "SESSION_KEY", "SESSION_KEY_PREVIOUS",
	"PASSWORD_KEY", "PASSWORD_KEY_PREVIOUS", "SIMULATOR_CREDENTIALS",
}

var asksTheDatabase = regexp.MustCompile(`readyz|psql|pg_isready|DATABASE_URL`)

func incomplete(s types.ServiceConfig, u *types.UpdateConfig) bool {
	return u == nil || u.Parallelism == nil || *u.Parallelism != 1 || u.Order != order(s) ||
		u.Monitor == 0 || u.MaxFailureRatio != 0
}

// order: the new task first, except where the old one holds what the new one needs:
// a port of the node, or data.
func order(s types.ServiceConfig) string {
	if s.Deploy.Mode == "global" && hostPorts(s) || hasData(s) {
		return "stop-first"
	}
	return "start-first"
}

func hasData(s types.ServiceConfig) bool {
	return slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Type == "volume" })
}

func startsFirst(u *types.UpdateConfig) bool { return u != nil && u.Order == "start-first" }

func hostPorts(s types.ServiceConfig) bool {
	return slices.ContainsFunc(s.Ports, func(p types.ServicePortConfig) bool { return p.Mode == "host" })
}

// leastGrace: what is not our program drains as it likes, but has to have the time.
func leastGrace(s types.ServiceConfig) time.Duration {
	if ours(s) {
		return drain + slowest + 2*time.Second // for what comes after: the last heartbeat, the pools
	}
	return 10 * time.Second
}

// tooShort: a failure counts only within monitor, so that has to outlast what it
// takes to find a task unhealthy.
func tooShort(s types.ServiceConfig, u *types.UpdateConfig) bool {
	if u == nil || s.HealthCheck == nil || s.HealthCheck.Retries == nil || s.HealthCheck.Interval == nil {
		return true // by default it takes 3 × 30 s
	}
	foundOut := duration(s.HealthCheck.Interval) * time.Duration(*s.HealthCheck.Retries)
	monitor := time.Duration(u.Monitor)
	return monitor <= foundOut || monitor <= time.Duration(u.Delay)
}

func duration(d *types.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}

func readFile(path string) (string, error) {
	content, err := os.ReadFile(path)
	return string(content), err
}
