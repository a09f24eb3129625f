package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// stale is how long ago the last rule may have been evaluated. Ours are every 5 s.
const stale = 2 * time.Minute

// heartbeat is the severity of what always fires.
const heartbeat = "heartbeat"

// rulesAnswer is Prometheus' answer to /api/v1/rules, as far as it is used here. Of
// /api/v1/alerts it has all, and tells too whether they are looked at at all.
type rulesAnswer struct {
	Data struct {
		Groups []struct {
			Rules []promRule
		}
	}
}

// promRule is the rule of an alert. Alerts are those of it that are pending or firing, one
// for each set of labels; LastEvaluation is zero before the first.
type promRule struct {
	Name           string
	Labels         map[string]string
	Health         string // ok, unknown (not evaluated yet) or err
	LastError      string
	LastEvaluation time.Time
	Alerts         []promAlert
}

// promAlert is one that is pending or firing. ActiveAt is when its expression began to hold:
// it fires later than that, by the rule's `for`.
type promAlert struct {
	Labels, Annotations map[string]string
	State               string // pending or firing
	ActiveAt            time.Time
}

// askPrometheus asks all of them. Each knows all alerts: one that only one of them has
// counts.
func (d *doctor) askPrometheus(ctx context.Context) []check {
	if len(d.prometheus) == 0 {
		return []check{{Case: "prometheus", Aim: "answers", State: notAsked, Found: "give --prometheus URL, or PROMETHEUS_URL"}}
	}
	found := make([][]check, len(d.prometheus))
	var asked sync.WaitGroup
	for i, server := range d.prometheus {
		asked.Go(func() { found[i] = d.askOnePrometheus(ctx, server) })
	}
	asked.Wait()
	return merged(slices.Concat(found...))
}

// merged leaves of each case the one that is worst, or else oldest.
func merged(all []check) (one []check) {
	settle(all)
	seen := map[string]bool{}
	for _, c := range all {
		if !seen[c.Case] {
			one = append(one, c)
		}
		seen[c.Case] = true
	}
	return one
}

func (d *doctor) askOnePrometheus(ctx context.Context, server *url.URL) (found []check) {
	var answer rulesAnswer
	itself := check{Case: "prometheus " + server.Redacted(), Aim: "evaluates its rules, the heartbeat among them"}
	if err := getJSON(ctx, server, "/api/v1/rules?type=alert", &answer); err != nil {
		itself.State, itself.Found, itself.Runbook = notKnown, err.Error(), d.runbooks.of("PrometheusMissing", "")
		return []check{itself}
	}
	var rules []promRule
	for _, group := range answer.Data.Groups {
		rules = append(rules, group.Rules...)
	}
	for _, r := range rules {
		for _, a := range r.Alerts {
			if a.Labels["severity"] != heartbeat {
				found = append(found, d.alert(a))
			}
		}
		if r.Health == "err" {
			found = append(found, check{
				Case: "rule " + r.Name, Aim: "can be evaluated", State: broken, Runbook: d.runbooks.of("RuleEvaluationFails", ""),
				Found: "an alert that cannot fire: " + line(r.LastError),
			})
		}
	}
	// That it answers is not enough: silence counts only of one that looks.
	itself.State, itself.Found = judgeRules(rules, time.Now())
	if itself.State != fine {
		itself.Runbook = d.runbooks.of("Watchdog", "")
	}
	return append(found, itself)
}

// judgeRules says whether silence means anything: only of a Prometheus that evaluates
// alerts, and whose heartbeat fires.
func judgeRules(rules []promRule, now time.Time) (state, string) {
	// Of all rules the newest: some are evaluated once a minute on purpose.
	var last time.Time
	beats := false
	for _, r := range rules {
		if r.LastEvaluation.After(last) {
			last = r.LastEvaluation
		}
		beats = beats || r.Labels["severity"] == heartbeat &&
			slices.ContainsFunc(r.Alerts, func(a promAlert) bool { return a.State == "firing" })
	}
	switch {
	case len(rules) == 0:
		return notKnown, "answers and has no alerts: it would say nothing of any fault"
	case last.IsZero():
		return notKnown, "answers and has not evaluated its alerts yet"
	case now.Sub(last) > stale:
		return notKnown, "answers and has evaluated nothing for " + span(now.Sub(last))
	case !beats:
		return broken, "evaluates alerts, but its heartbeat does not fire: nobody would be told"
	}
	return fine, fmt.Sprintf("evaluates alerts (%d), the heartbeat fires", len(rules))
}

// alert makes a check of one that fires or will.
func (d *doctor) alert(a promAlert) check {
	labels := maps.Clone(a.Labels)
	name, severity := labels["alertname"], labels["severity"]
	delete(labels, "alertname")
	c := check{
		Case: "alert " + name, Aim: "does not fire", State: page, Found: a.Annotations["summary"],
		Labels: labels, Since: &a.ActiveAt, Runbook: d.runbooks.of(name, a.Annotations["runbook_url"]),
	}
	// All labels, and in order: the same alert of two Prometheus has to be one case.
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if key != "severity" {
			c.Case += " " + key + "=" + labels[key]
		}
	}
	if strings.TrimSpace(c.Found) == "" {
		c.Found = a.Annotations["description"]
	}
	// As Alertmanager's routes have it, an alert of an unknown severity is a page.
	switch {
	case a.State == "pending":
		c.State = pending
	case severity == string(ticket):
		c.State = ticket
	}
	return c
}
