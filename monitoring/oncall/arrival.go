package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"
)

// judge asks everybody what became of the page; nil if they do not answer. It is final
// when the page has arrived everywhere, or is held back.
func (p *pageTest) judge(ctx context.Context, servers []*url.URL) (found []check, final bool) {
	// Each was given the page, so any of them knows it. Which one sends it is theirs to agree
	// on, so what they count is added up.
	alerts, err := askAlerts(ctx, servers[0])
	if err != nil {
		return nil, false
	}
	after, err := askCounters(ctx, servers)
	if err != nil {
		return nil, false
	}
	i := slices.IndexFunc(alerts, func(a alertIn) bool { return a.Labels["id"] == p.sent.Labels["id"] })
	if i < 0 {
		return nil, false
	}
	ours := alerts[i]
	// Waiting would not help.
	if held := ours.held(); held != "" {
		return []check{{Case: "page", Aim: p.aim(), State: broken, Found: held}}, true
	}
	for _, server := range p.switches {
		found = append(found, p.askSwitch(ctx, server)...)
	}
	ways := p.ways(ours, alerts, after)
	if len(ways) == 0 {
		return []check{{Case: "page", Aim: p.aim(), State: broken, Found: "its receiver has no channel: nobody is told"}}, true
	}
	// All channels of a receiver are served at the same time: where one has the page, the
	// others were given it, and what has failed since then would be seen.
	proven := slices.ContainsFunc(found, func(c check) bool { return c.State == fine }) || slices.ContainsFunc(ways, way.arrived)
	for _, w := range ways {
		found = append(found, p.judgeWay(w, proven))
	}
	for j := range found {
		p.date(&found[j])
	}
	return found, !slices.ContainsFunc(found, func(c check) bool { return c.State != fine })
}

// held says why nobody is told of an alert, "" if somebody is.
func (a alertIn) held() string {
	switch {
	case a.Status.State != "suppressed":
		return ""
	case len(a.Status.SilencedBy) > 0:
		return "a silence holds it back: amtool silence query; " + strings.Join(a.Status.SilencedBy, ", ")
	case len(a.Status.InhibitedBy) > 0:
		return "another alert inhibits it"
	}
	return "it is held back, as at this hour"
}

// way is one kind of channel of a receiver, and what was counted since the page was sent.
type way struct {
	receiver, kind string
	channels       float64 // how many of the kind
	tally
	others []string // receivers that send by the same kind now, and count with it
}

// ways are those that the page goes.
func (p *pageTest) ways(ours alertIn, alerts []alertIn, after counters) (all []way) {
	for _, r := range ours.Receivers {
		for _, kind := range slices.Sorted(maps.Keys(p.channels[r.Name])) {
			w := way{receiver: r.Name, kind: kind, channels: float64(p.channels[r.Name][kind]), tally: after.since(p.before, r.Name, kind)}
			if !w.named {
				w.others = p.sharers(r.Name, kind, alerts)
			}
			all = append(all, w)
		}
	}
	return all
}

// sharers are the other receivers that send by the same kind of channel now: the
// heartbeat's, above all.
func (p *pageTest) sharers(receiver, kind string, alerts []alertIn) (names []string) {
	for _, a := range alerts {
		for _, r := range a.Receivers {
			if r.Name != receiver && p.channels[r.Name][kind] > 0 {
				names = append(names, r.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// arrived says whether the counters prove it by themselves. A page of a real fault at the
// same moment would deceive them; then somebody is awake anyway.
func (w way) arrived() bool { return w.taken() >= w.channels && len(w.others) == 0 }

// well says that what was sent was taken, ours or another's.
func (w way) well() bool { return w.taken() >= w.channels && w.refused == 0 && w.underWay() < 1 }

// judgeWay says whether the page got through. Proven is that it was sent at all.
func (p *pageTest) judgeWay(w way, proven bool) check {
	c := check{Case: w.receiver + "/" + w.kind, Aim: p.aim(), State: broken, Runbook: p.runbooks.of("NotificationsFailing", "")}
	// What has arrived comes first: attempts that failed before it did no harm.
	switch {
	case w.arrived(), w.well() && proven:
		c.State, c.Found, c.Runbook = fine, "arrived", ""
	case w.refused > 0:
		c.Found = fmt.Sprintf("attempts that failed: %.0f", w.refused)
		if w.givenUp > 0 {
			c.Found += ", and it was given up"
		}
		if len(w.reasons) > 0 {
			c.Found += " (" + strings.Join(w.reasons, ", ") + ")"
		}
		c.Found += "; docker service logs --since 5m monitoring_alertmanager says why"
	case w.well():
		c.State = notKnown
		c.Found = fmt.Sprintf("nothing failed, but receiver %s counts with it: --deadman URL would tell", strings.Join(w.others, ", "))
	case w.underWay() >= 1:
		c.Found = "it was sent, and no answer came"
	default:
		c.Found = "nothing was sent"
	}
	return c
}

// date writes down when the page was first seen to have arrived.
func (p *pageTest) date(c *check) {
	if c.State != fine {
		return
	}
	if _, known := p.arrived[c.Case]; !known {
		// The first time counts, not the one at which the last channel was there.
		p.arrived[c.Case] = math.Round(10*time.Since(p.from).Seconds()) / 10
	}
	seconds := p.arrived[c.Case]
	c.After = &seconds
	c.Found = fmt.Sprintf("%s after %.1f s", c.Found, seconds)
}

// askSwitch asks a dead man's switch whether it has the page, and whether those that it
// pages took it.
func (p *pageTest) askSwitch(ctx context.Context, server *url.URL) []check {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name := "deadman " + server.Redacted()
	itself := check{Case: name, Aim: p.aim(), State: broken, Found: "it did not get the page", Runbook: p.runbooks.of("NotificationsFailing", "")}
	var status struct {
		Pages []struct {
			Event, Text string
			Pagers      map[string]string
		}
	}
	if err := getJSON(ctx, server, "/status", &status); err != nil {
		itself.State, itself.Found = notKnown, err.Error()
		return []check{itself}
	}
	// By the text, since the switch makes a page of a whole group of alerts.
	for _, got := range status.Pages {
		if got.Event != "trigger" || !strings.Contains(got.Text, p.sent.Labels["id"]) {
			continue
		}
		itself.State, itself.Found, itself.Runbook = fine, "arrived", ""
		checks := []check{itself}
		for _, pager := range slices.Sorted(maps.Keys(got.Pagers)) {
			c := check{Case: name + "/" + pager, Aim: p.aim(), State: broken, Found: got.Pagers[pager]}
			if c.Found == "delivered" {
				c.State, c.Found = fine, "arrived"
			}
			checks = append(checks, c)
		}
		return checks
	}
	return []check{itself}
}
