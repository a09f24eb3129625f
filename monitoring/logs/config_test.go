package main

import (
	"os"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// Loki takes what is as old as the one setting says only if it may also be as far behind its
// stream's newest line, which is half of the other. That one alone would keep each chunk in
// memory for as long.
func TestWhatLokiTakesMayBeAsLateAsItIsOld(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../loki/loki.yml")
	if err != nil {
		t.Fatal(err)
	}
	var loki struct {
		Ingester struct {
			Age         time.Duration `yaml:"max_chunk_age"`
			Period      time.Duration `yaml:"sync_period"`
			Utilization *float64      `yaml:"sync_min_utilization"`
		}
		Limits struct {
			Oldest time.Duration `yaml:"reject_old_samples_max_age"`
		} `yaml:"limits_config"`
	}
	if err := yaml.Unmarshal(content, &loki); err != nil {
		t.Fatal(err)
	}
	in := loki.Ingester
	if in.Age/2 < loki.Limits.Oldest || loki.Limits.Oldest == 0 {
		t.Errorf("lines may be %v old, but only %v behind their stream", loki.Limits.Oldest, in.Age/2)
	}
	if in.Period == 0 || in.Period > 2*time.Hour || in.Utilization == nil || *in.Utilization != 0 {
		t.Errorf("no chunk, however small, may wait in memory for more than two hours: %+v", in)
	}
}
