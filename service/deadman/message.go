package deadman

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	timeFormat = "2006-01-02 15:04:05 MST"
	firing     = "firing"
)

// message is Alertmanager's webhook, version 4, as far as it is used here.
type message struct {
	Version      string            `json:"version"`
	GroupKey     string            `json:"groupKey"`
	Status       string            `json:"status"`
	CommonLabels map[string]string `json:"commonLabels"`
	ExternalURL  string            `json:"externalURL"`
	Alerts       []alert           `json:"alerts"`
}

type alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	GeneratorURL string            `json:"generatorURL"`
}

// sender is who sent a heartbeat, as far as it says: of two Prometheus that send
// the same alert, Alertmanager names the one that spoke last.
type sender struct {
	Alertmanager string `json:"alertmanager"`
	Prometheus   string `json:"prometheus"`
}

// heartbeat gives who sent a heartbeat, if it is one: Watchdog always fires.
func (m message) heartbeat() (sender, bool) {
	i := slices.IndexFunc(m.Alerts, func(a alert) bool { return a.Status == firing && a.Labels["alertname"] == "Watchdog" })
	if i < 0 {
		return sender{}, false
	}
	return sender{Alertmanager: origin(m.ExternalURL), Prometheus: origin(m.Alerts[i].GeneratorURL)}, true
}

// origin leaves out a URL's path, which holds a whole rule.
func origin(from string) string {
	u, err := url.Parse(from)
	if err != nil || len(u.Host) > 100 {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// page makes a page of a notice. Its key is the one under which Alertmanager files
// the group's incident at PagerDuty, so that both ways lead to one incident.
func (m message) page() Page {
	key := sha256.Sum256([]byte(m.GroupKey))
	// Alerts[0] is there: read refuses a message without alerts.
	p := Page{
		Event: resolve, Key: hex.EncodeToString(key[:]),
		Place: m.CommonLabels["place"], Time: time.Now(), Text: "Runbook: " + m.Alerts[0].Annotations["runbook_url"],
	}
	told, head := m.Alerts, "RESOLVED"
	if m.Status == firing {
		// In a group that fires, some alerts may have ended.
		told = slices.DeleteFunc(slices.Clone(told), func(a alert) bool { return a.Status != firing })
		p.Event, head = trigger, fmt.Sprintf("%s %d", strings.ToUpper(m.CommonLabels["severity"]), len(told))
	}
	var summaries []string
	for _, a := range told {
		// A title has one line.
		summary := strings.Join(strings.Fields(a.Annotations["summary"]), " ")
		summaries = append(summaries, summary)
		p.Text += fmt.Sprintf("\n\n%s\n%s\nsince %s", summary, a.Annotations["description"], a.StartsAt.UTC().Format(timeFormat))
	}
	p.Title = cut(fmt.Sprintf("[%s] %s: %s", head, p.Place, strings.Join(summaries, "; ")))
	return p
}

// cut shortens a title to what a locked phone shows.
func cut(title string) string {
	if runes := []rune(title); len(runes) > 80 {
		return string(runes[:79]) + "…"
	}
	return title
}
