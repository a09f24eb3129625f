package main

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// alertOut is an alert as Alertmanager's API v2 takes it.
type alertOut struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// alertIn is one as it gives it, with the receivers that it goes to.
type alertIn struct {
	Labels, Annotations map[string]string
	Receivers           []struct{ Name string }
	Status              struct {
		State                   string // suppressed: nobody is told
		SilencedBy, InhibitedBy []string
	}
}

// channels are how many ways of each kind (webhook, email …) a receiver has, by the
// receiver's name.
type channels map[string]map[string]int

// askChannels reads them from the configuration that Alertmanager runs with, which is not
// always the one of the file. Secrets are masked in it.
func askChannels(ctx context.Context, server *url.URL) (channels, error) {
	var status struct{ Config struct{ Original string } }
	if err := getJSON(ctx, server, "/api/v2/status", &status); err != nil {
		return nil, err
	}
	// Each kind has its own key, such as webhook_configs: all that end so, also those to come.
	var config struct{ Receivers []map[string]any }
	if err := yaml.Unmarshal([]byte(status.Config.Original), &config); err != nil {
		return nil, err
	}
	all := channels{}
	for _, receiver := range config.Receivers {
		kinds := map[string]int{}
		for key, value := range receiver {
			kind, is := strings.CutSuffix(key, "_configs")
			if ways, list := value.([]any); is && list {
				kinds[kind] = len(ways)
			}
		}
		name, _ := receiver["name"].(string)
		all[name] = kinds
	}
	return all, nil
}

// askAlerts gives all that it knows of, also those that nobody is told of.
func askAlerts(ctx context.Context, server *url.URL) (all []alertIn, err error) {
	return all, getJSON(ctx, server, "/api/v2/alerts", &all)
}

// counter is one of Alertmanager's about notifications.
type counter struct {
	name, kind string
	receiver   string // "" where it counts for all that use the kind
	reason     string // of what failed, where it says
}

// counters are the values of several Alertmanagers together.
type counters map[counter]float64

var (
	counterLine  = regexp.MustCompile(`^alertmanager_(notification\w*_total)\{(.*)\} (\S+)$`)
	counterLabel = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// askCounters adds up what all of them have counted.
func askCounters(ctx context.Context, servers []*url.URL) (counters, error) {
	all := counters{}
	for _, server := range servers {
		text, err := get(ctx, server, "/metrics")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			found := counterLine.FindStringSubmatch(strings.TrimSpace(line))
			if found == nil {
				continue
			}
			labels := map[string]string{}
			for _, label := range counterLabel.FindAllStringSubmatch(found[2], -1) {
				labels[label[1]] = label[2]
			}
			value, err := strconv.ParseFloat(found[3], 64)
			if err != nil {
				return nil, err
			}
			// It names receivers if it runs with the feature receiver-name-in-metrics.
			all[counter{found[1], labels["integration"], labels["receiver_name"], labels["reason"]}] += value
		}
	}
	return all, nil
}

// tally is what was added to the counters of one kind of channel.
type tally struct {
	begun   float64 // notifications
	tried   float64 // attempts that have ended, of which a notification may need some
	refused float64 // attempts that failed
	givenUp float64 // notifications, after all attempts
	reasons []string
	named   bool // of one receiver alone; else of all that use the kind
}

// taken are the notifications that arrived.
func (t tally) taken() float64 { return t.tried - t.refused }

// underWay are the notifications that have begun and not ended.
func (t tally) underWay() float64 { return t.begun - t.taken() - t.givenUp }

// since says what was added for a receiver's kind of channel.
func (c counters) since(before counters, receiver, kind string) (t tally) {
	for key, value := range c {
		if key.kind != kind || key.receiver != "" && key.receiver != receiver {
			continue
		}
		t.named = t.named || key.receiver != ""
		grown := value - before[key]
		// A notification is counted when it begins, an attempt when it has ended.
		switch key.name {
		case "notifications_total":
			t.begun += grown
		case "notification_requests_total":
			t.tried += grown
		case "notification_requests_failed_total":
			t.refused += grown
		case "notifications_failed_total":
			t.givenUp += grown
			if grown > 0 && key.reason != "" {
				t.reasons = append(t.reasons, key.reason)
			}
		}
	}
	slices.Sort(t.reasons)
	return t
}
