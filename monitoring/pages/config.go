package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The drill uses the configuration that a Swarm gets, with nothing changed but where
// things are: names in Docker's DNS become addresses of this machine.

// prometheusConfig writes the file of one of the two Prometheus.
func (w *world) prometheusConfig(to string) error {
	cfg, err := readYAML(filepath.Join(w.repo, "monitoring/prometheus/prometheus.yml"))
	if err != nil {
		return err
	}
	jobs, _ := cfg["scrape_configs"].([]any)
	// Of each job all stays but who its targets are. tell writes their list, which is looked at
	// every second; a Swarm's DNS is asked every 5 s.
	for _, j := range jobs {
		job, _ := j.(map[string]any)
		for key := range job {
			if strings.HasSuffix(key, "_sd_configs") || key == "static_configs" {
				delete(job, key)
			}
		}
		name, _ := job["job_name"].(string)
		job["file_sd_configs"] = []any{map[string]any{"files": []any{w.targetsFile(name)}, "refresh_interval": "1s"}}
	}
	cfg["rule_files"] = []any{filepath.Join(w.repo, "monitoring/prometheus/rules/*.yml")}
	alerting, _ := cfg["alerting"].(map[string]any)
	alerting["alertmanagers"] = []any{map[string]any{"static_configs": []any{map[string]any{"targets": w.addresses("alertmanager")}}}}
	text, err := yaml.Marshal(cfg)
	if err != nil {
		return err
	}
	// The address stands in a relabelling: the list of targets holds what it is asked for.
	text = []byte(strings.ReplaceAll(string(text), "blackbox:9115", w.addr["blackbox.1"]))
	return os.WriteFile(to, text, 0o600)
}

// alertmanagerConfig writes the routes and inhibitions of every place, with the sink
// as the receiver of all.
func (w *world) alertmanagerConfig(to string) error {
	cfg, err := readYAML(filepath.Join(w.repo, "monitoring/alertmanager/alertmanager.yml"))
	if err != nil {
		return err
	}
	// Two ways for a page, as in production: sink-rejects closes the first.
	cfg["receivers"] = []any{
		receiver("page", true, "http://"+w.addr["sink"]+"/page", "http://"+w.addr["sink"]+"/second"),
		receiver("ticket", true, "http://"+w.addr["sink"]+"/ticket"),
		receiver("heartbeat", false, "http://"+w.addr["deadman"]+"/heartbeat"),
	}
	cfg["templates"] = []any{filepath.Join(w.repo, "monitoring/alertmanager/*.tmpl")}
	text, err := yaml.Marshal(cfg)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// receiver is one that is told in several ways, as on-call is in production.
func receiver(name string, resolved bool, urls ...string) map[string]any {
	var ways []any
	for _, url := range urls {
		ways = append(ways, map[string]any{"url": url, "send_resolved": resolved})
	}
	return map[string]any{"name": name, "webhook_configs": ways}
}

func readYAML(name string) (map[string]any, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var cfg map[string]any
	if err := yaml.Unmarshal(text, &cfg); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return cfg, nil
}

// group is an entry of a file of targets.
type group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels,omitempty"`
}

func (w *world) targetsFile(job string) string { return filepath.Join(w.dir, "targets-"+job+".json") }

// tell writes the targets of all jobs: the healthy replicas as Docker's DNS would
// name them, and everything else as it is. It is called when the health of a replica has
// changed, and by faults that add a target or take one away.
func (w *world) tell() error {
	w.telling.Lock()
	defer w.telling.Unlock()
	return w.writeTargets()
}

// tellOf tells of a site with a certificate, too, or of none any more.
func (w *world) tellOf(site string) error {
	w.telling.Lock()
	defer w.telling.Unlock()
	w.site = site
	return w.writeTargets()
}

// writeTargets needs telling.
func (w *world) writeTargets() error {
	all := map[string][]group{
		"api":          {{Targets: w.replicas.targets("api", true)}},
		"web":          {{Targets: w.replicas.targets("web", true)}},
		"canary":       {{Targets: w.addresses("canary")}},
		"swarm":        {{Targets: w.addresses("exporter")}},
		"postgres":     {{Targets: w.addresses("postgres")}},
		"prometheus":   {{Targets: w.addresses("prometheus")}},
		"alertmanager": {{Targets: w.addresses("alertmanager")}},
		"blackbox":     {{Targets: w.addresses("blackbox")}},
		"probe":        w.probes(),
	}
	// Under the names that the Swarm has for them, as in a place's node.yml.
	for i, node := range nodes {
		all["node"] = append(all["node"], group{[]string{w.addr[fmt.Sprintf("node.%d", i+1)]}, map[string]string{"node": node}})
	}
	for job, groups := range all {
		text, err := json.Marshal(groups)
		if err != nil {
			return err
		}
		if err := replaceFile(w.targetsFile(job), string(text)); err != nil {
			return err
		}
	}
	return nil
}

// replaceFile writes it whole or not at all: who reads it does so whenever it likes.
func replaceFile(name, text string) error {
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// probes are what blackbox asks, on each node's published port.
func (w *world) probes() (groups []group) {
	for _, node := range nodes {
		for _, p := range []struct{ surface, probe, path string }{
			{"api", "latest", "/latest"},
			// More bytes than one packet holds, as monitoring/blackbox/blackbox.yml asks for.
			{"api", "page", "/openapi.yaml"},
			{"web", "public", "/public"},
		} {
			groups = append(groups, group{
				[]string{"http://" + w.mesh[p.surface].address(node) + p.path},
				map[string]string{"surface": p.surface, "probe": p.probe, "node": node},
			})
		}
	}
	if w.site != "" {
		groups = append(groups, group{[]string{"https://" + w.site + "/"}, map[string]string{"surface": "web", "probe": "certificate", "node": "public"}})
	}
	return groups
}
