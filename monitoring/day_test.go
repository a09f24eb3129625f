package monitoring_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A simulated day, scraped every 5 s as in prometheus.yml. To save time the rules are evaluated
// every 30 s only: that a probe which fails once pages nobody is for the tests of its rule.
const (
	look  = 5 // seconds
	day   = 24 * 3600 / look
	every = 40 / look // between two replicas of a rolling update
)

// updates are when a new release of both services is deployed.
var updates = []int{day / 3, 2 * day / 3}

// simulated collects series in promtool's notation.
type simulated struct{ strings.Builder }

func (s *simulated) series(values, format string, args ...any) {
	fmt.Fprintf(s, "      - {series: '%s', values: '%s'}\n", fmt.Sprintf(format, args...), values)
}

// steady has one value all day; growing gets as much more at each look.
func steady(value float64) string { return fmt.Sprintf("%gx%d", value, day) }

func growing(from, more float64) string { return fmt.Sprintf("%g%+gx%d", from, more, day) }

// alive is only there from one look to another, and starts from 0.
func alive(from, to int, more float64) string {
	values := fmt.Sprintf("0+%gx%d", more, to-from-1)
	if from > 0 {
		values = fmt.Sprintf("_x%d %s", from, values)
	}
	if to < day {
		values += " stale"
	}
	return values
}

// stairs is the time of the last of what happens every so many seconds.
func stairs(seconds int) string {
	var values []string
	for at := 0; at < day*look; at += seconds {
		values = append(values, fmt.Sprintf("%dx%d", at, seconds/look-1))
	}
	return strings.Join(values, " ")
}

// atUpdates is a value that each update changes.
func atUpdates(values ...float64) string {
	return fmt.Sprintf("%gx%d %gx%d %gx%d", values[0], updates[0]-1, values[1], updates[1]-updates[0]-1, values[2], day-updates[1])
}

// replicas are replaced by each update, the new one first: each has its own address, and
// counts from 0.
func (s *simulated) replicas(service, slow string, wrong float64) {
	for generation := range len(updates) + 1 {
		for slot := 1; slot <= 3; slot++ {
			from, to := 0, day
			if generation > 0 {
				from = updates[generation-1] + slot*every
			}
			if generation < len(updates) {
				to = updates[generation] + slot*every + 30/look
			}
			of := fmt.Sprintf(`job="%s",instance="%s.%d.%d"`, service, service, slot, generation)
			s.series(strings.Replace(alive(from, to, 0), "0+0", "1+0", 1), "up{%s}", of)
			s.series(strings.Replace(alive(from, to, 0), "0+0", "1+0", 1), "minitwit_database_up{%s}", of)
			s.series(strings.Replace(alive(from, to, 0), "0+0", "1+0", 1), `minitwit_build_info{%s,version="%d",commit="c%d"}`, of, generation, generation)
			s.series(strings.Replace(alive(from, to, 0), "0+0", "60000000+0", 1), "process_resident_memory_bytes{%s}", of)
			s.series(strings.Replace(alive(from, to, 0), "0+0", "157286400+0", 1), "go_gc_gomemlimit_bytes{%s}", of)
			const requests = 3 * look
			route := fmt.Sprintf(`%s,surface="%s",route="/msgs/:username"`, of, service)
			s.series(alive(from, to, requests), `minitwit_http_requests_total{%s,code="200"}`, route)
			s.series(alive(from, to, requests*wrong), `minitwit_http_requests_total{%s,code="500"}`, route)
			s.series(alive(from, to, requests*(1+wrong)), "minitwit_http_request_duration_seconds_count{%s}", route)
			s.series(alive(from, to, requests*(1+wrong)*0.9998), `minitwit_http_request_duration_seconds_bucket{%s,le="%s"}`, route, slow)
			s.series(alive(from, to, 0), `minitwit_panics_recovered_total{%s,surface="%s"}`, of, service)
			s.series(alive(from, to, 0.01), `go_sql_wait_duration_seconds_total{%s,db_name="%s"}`, of, service)
			container := fmt.Sprintf("%012x", generation*100+slot*10+len(service))
			s.series(alive(from, to, requests), `minitwit_log_lines_total{%s,service="minitwit_%s",slot="%d",container="%s"}`, of, service, slot, container)
			s.series(alive(from, to, requests), `syslogng_input_events_total{node="n%d",filename="/var/lib/docker/containers/%s/%s0-json.log"}`, slot, container, container)
		}
	}
	s.series(steady(3), `swarm_service_replicas_desired{service="%s"}`, service)
	s.series(atUpdates(3, 6, 9), `swarm_service_task_starts_total{service="%s"}`, service)
	s.series(steady(0), `swarm_service_task_failures_total{service="%s"}`, service)
	s.series(atUpdates(0, float64(updates[0]*look), float64(updates[1]*look)), `swarm_service_deployed_timestamp_seconds{service="%s"}`, service)
	s.series(steady(1), `swarm_service_update_state{service="%s",state="completed"}`, service)
	s.series(steady(3), `swarm_service_tasks{service="%s",digest="d"}`, service)
}

// surroundings are what does not change with a release.
func (s *simulated) surroundings() {
	s.series(steady(0.4), "minitwit_latest_age_seconds")
	for n := 1; n <= 3; n++ {
		for _, metric := range []string{"swarm_node_ready", "swarm_node_active", "swarm_node_manager", "swarm_node_reachable"} {
			s.series(steady(1), `%s{node="n%d"}`, metric, n)
		}
		for _, service := range []string{"api", "web"} {
			s.series(steady(1), `swarm_service_node_tasks{service="%s",node="n%d"}`, service, n)
		}
		s.series(steady(1), `up{job="node",node="n%d"}`, n)
		s.series(growing(0.2, look), `node_time_seconds{node="n%d"}`, n)
		s.series(growing(6e10, -1e5), `node_filesystem_avail_bytes{node="n%d",fstype="ext4"}`, n)
		s.series(steady(1e11), `node_filesystem_size_bytes{node="n%d",fstype="ext4"}`, n)
		s.series(stairs(10), `node_textfile_mtime_seconds{node="n%d",file="/f/syslog-ng.prom"}`, n)
		s.series(steady(0), `syslogng_output_events_total{node="n%d",result="dropped"}`, n)
		s.series(steady(0), `syslogng_parsed_events_total{node="n%d",id="p_docker",result="discarded"}`, n)
		s.series(steady(0), `syslogng_filtered_events_total{node="n%d",id="f_crash",result="matched"}`, n)
		s.series(steady(0), `syslogng_output_unreachable{node="n%d"}`, n)
		s.series(steady(1), `up{job="probe",node="n%d"}`, n)
		// Each node's port fails once an hour, at its own time.
		hourly := strings.Repeat(fmt.Sprintf("1x%d 0 1x%d ", n*100-1, 3600/look-n*100-2), 24)
		s.series(hourly, `probe_success{job="probe",probe="latest",surface="api",node="n%d"}`, n)
		s.series(hourly, `probe_success{job="probe",probe="public",surface="web",node="n%d"}`, n)
		s.series(steady(1), `probe_success{job="probe",probe="page",surface="api",node="n%d"}`, n)
	}
	s.series(steady(60*24*3600), `probe_ssl_earliest_cert_expiry{job="probe",probe="certificate",surface="web",node="public"}`)
	s.series(steady(1), `probe_success{job="probe",probe="certificate",surface="web",node="public"}`)
	for _, job := range []string{"swarm", "postgres", "canary", "blackbox", "loki"} {
		s.series(steady(1), `up{job="%s"}`, job)
	}
	for _, n := range []string{"a", "b"} {
		s.series(steady(1), `up{job="prometheus",instance="%s"}`, n)
		s.series(steady(1), `up{job="alertmanager",instance="%s"}`, n)
		s.series(steady(0), `prometheus_notifications_dropped_total{instance="%s"}`, n)
		s.series(steady(2), `prometheus_notifications_alertmanagers_discovered{instance="%s"}`, n)
		s.series(steady(0), `prometheus_rule_evaluation_failures_total{instance="%s"}`, n)
		s.series(steady(0), `alertmanager_notifications_failed_total{instance="%s",integration="webhook"}`, n)
	}
	s.series(steady(1), "swarm_up")
	s.series(steady(1), "pg_up")
	s.series(steady(40), `pg_stat_activity_count{instance="p"}`)
	s.series(steady(100), "pg_settings_max_connections")
	s.series(steady(3), "pg_settings_superuser_reserved_connections")
	s.series(steady(3*3600), "minitwit_backup_last_success_timestamp_seconds")
	s.series(stairs(60), "minitwit_canary_last_success_timestamp_seconds")
}

// A day of load with two rolling updates, one wrong answer in five thousand, and a probe
// of each port that fails once an hour. With one in twenty the first hour has to be
// noticed, or the silence of the day would prove nothing.
func TestAnOrdinaryDayWakesNobody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		wrong float64
		until int
		quiet bool
	}{{"an ordinary day", 0.0002, day - 1, true}, {"an hour of a bad day", 0.06, day / 24, false}} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			var s simulated
			rules, err := filepath.Abs("prometheus/rules")
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&s, "rule_files: ['%s/*.yml']\nevaluation_interval: 30s\ntests:\n  - interval: %ds\n    input_series:\n", rules, look)
			s.replicas("api", "0.3", c.wrong)
			s.replicas("web", "1", c.wrong)
			s.surroundings()
			fmt.Fprintf(&s, "    promql_expr_test:\n      - {expr: 'max by (alertname, severity) (max_over_time(ALERTS{alertstate=\"firing\",alertname!=\"Watchdog\"}[1d]))', eval_time: %ds}\n", c.until*look)
			file := filepath.Join(t.TempDir(), "day.yml")
			if err := os.WriteFile(file, []byte(s.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := promtool(t.Context(), ".", "test", "rules", file)
			if (err == nil) != c.quiet {
				t.Errorf("%v\n%s", err, out)
			}
			if !c.quiet && !strings.Contains(out, `alertname="ErrorRatioHigh"`) {
				t.Errorf("it failed for another reason:\n%s", out)
			}
		})
	}
}
