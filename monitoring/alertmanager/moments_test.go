package alertmanager

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"minitwit/service/freeport"
	"minitwit/service/wait"
)

// Two Prometheus that look at different moments see an end at different moments, and on-call
// is told both. The moments come of the host's name, which is one here as it is in
// stack/monitoring.yml, and of the labels of our configuration.
func TestBothPrometheusLookAtTheSameMoments(t *testing.T) {
	t.Parallel()
	const every = 5 * time.Second
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	write(t, config, lookingAtNobody(t, every))
	var pair [2]string
	for i := range pair {
		pair[i] = freeport.For(t)
		// What Docker sets and is another for each container.
		run(t, program(t, "env"), fmt.Sprintf("HOSTNAME=%d", i), program(t, "prometheus"), "--config.file="+config, "--storage.tsdb.path="+t.TempDir(),
			"--web.listen-address="+pair[i], "--enable-feature=expand-external-labels")
	}
	wait.For(t, time.Minute, "they look at the same moments", func() bool {
		first, second := moments(pair[0]), moments(pair[1])
		return len(first) == 8 && maps.EqualFunc(first, second, func(a, b float64) bool {
			apart := math.Abs(math.Remainder(a-b, every.Seconds()))
			return apart < every.Seconds()/10
		})
	})
}

// lookingAtNobody has our external labels, and eight targets that do not answer, which makes
// a sample of `up` all the same: one pair of moments could be the same by chance.
func lookingAtNobody(t *testing.T, every time.Duration) string {
	t.Helper()
	var ours struct {
		Global struct {
			Labels map[string]string `yaml:"external_labels"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../prometheus/prometheus.yml")), &ours); err != nil {
		t.Fatal(err)
	}
	labels, err := json.Marshal(ours.Global.Labels)
	if err != nil || len(ours.Global.Labels) == 0 {
		t.Fatal(labels, err)
	}
	var targets []string
	for i := range 8 {
		targets = append(targets, fmt.Sprintf("127.0.0.1:%d", i+1))
	}
	named, _ := json.Marshal(targets)
	return fmt.Sprintf("global: {scrape_interval: %v, scrape_timeout: 1s, external_labels: %s}\n"+
		"scrape_configs: [{job_name: nobody, static_configs: [{targets: %s}]}]\n", every, labels, named)
}

// moments are when each target was looked at last, in Unix time.
func moments(addr string) map[string]float64 {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]json.Number
			}
		}
	}
	_ = json.Unmarshal([]byte(get("http://"+addr+"/api/v1/query?query="+url.QueryEscape("timestamp(up)"))), &answer)
	found := map[string]float64{}
	for _, one := range answer.Data.Result {
		found[one.Metric["instance"]], _ = one.Value[1].Float64()
	}
	return found
}
