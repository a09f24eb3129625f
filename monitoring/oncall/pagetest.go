package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"
)

const (
	// No inhibition names this alert, and Alertmanager groups by the name: neither another
	// alert nor its notice can swallow the page.
	pageTestName = "PageTest"
	// patience is how long one question may take.
	patience = 3 * time.Second
	// look is how often it looks whether the page has arrived.
	look = 250 * time.Millisecond
)

// pageTest is a page that says it is a test, and whom to ask whether it arrived. The place is
// its label of that name; where no option names it, compose takes it from the heartbeat.
// timeout is how long the page may take to arrive everywhere.
type pageTest struct {
	json          bool
	alertmanagers urls
	switches      urls // dead man's
	place         string
	timeout       time.Duration
	runbooks      runbooks
	by            string

	// What perform knows while it waits.
	sent     alertOut
	from     time.Time
	before   counters
	channels channels
	arrived  map[string]float64 // seconds, by case
}

// pageTestCommand sends a page and says where it arrived.
func pageTestCommand(ctx context.Context, args []string, std stdio) (int, error) {
	p := pageTest{by: who(std), arrived: map[string]float64{}}
	flags := newFlags("page-test")
	p.define(flags)
	if err := parse(flags, args); err != nil {
		return exitUnknown, err
	}
	if err := p.defaults(std); err != nil {
		return exitUnknown, err
	}
	checks, reached := p.reach(ctx)
	if len(reached) > 0 {
		checks = append(checks, p.perform(ctx, reached, std)...)
	}
	settle(checks)
	// What is not known fails it, too: a test that proves nothing has not passed.
	code := exitFine
	verdict := check{
		Case: "page-test", OK: true, Aim: p.aim(), State: fine,
		Found: "the page arrived by every channel; ask its owner whether the telephone rang",
	}
	if bad := len(checks) - count(checks, fine); bad > 0 {
		code, verdict.OK, verdict.State = exitBroken, false, broken
		verdict.Found = fmt.Sprintf("NOT PROVEN THAT A PAGE GETS THROUGH: %d of %d checks did not pass", bad, len(checks))
	}
	return code, report(std, p.json, checks, verdict)
}

func (p *pageTest) define(flags *flag.FlagSet) {
	flags.BoolVar(&p.json, "json", false, "")
	flags.Var(&p.alertmanagers, "alertmanager", "")
	flags.Var(&p.switches, "deadman", "")
	flags.StringVar(&p.place, "place", "", "")
	flags.DurationVar(&p.timeout, "timeout", time.Minute, "")
	flags.StringVar((*string)(&p.runbooks), "runbooks", shelf, "")
}

func (p *pageTest) defaults(std stdio) error {
	for _, from := range []struct {
		to   *urls
		name string
	}{{&p.alertmanagers, "ALERTMANAGER_URL"}, {&p.switches, "DEADMAN_URL"}} {
		if len(*from.to) > 0 {
			continue
		}
		if err := from.to.Set(std.getenv(from.name)); err != nil {
			return fmt.Errorf("%s: %w", from.name, err)
		}
	}
	// A stack's files call it so, too.
	p.place = cmp.Or(p.place, std.getenv("PLACE"))
	switch {
	case len(p.alertmanagers) == 0:
		return errors.New("give --alertmanager URL, or ALERTMANAGER_URL")
	case p.timeout <= 0:
		return errors.New("--timeout is not above 0")
	}
	return nil
}

// who names the person for whoever is woken.
func who(std stdio) string {
	name := cmp.Or(std.getenv("SUDO_USER"), std.getenv("USER"))
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	host, _ := os.Hostname()
	return fmt.Sprintf("%s@%s", cmp.Or(name, "somebody"), cmp.Or(host, "somewhere"))
}

func (p *pageTest) aim() string { return fmt.Sprintf("arrives within %v", p.timeout) }

// reach finds the Alertmanagers that answer, and what channels they have.
func (p *pageTest) reach(ctx context.Context) (checks []check, reached []*url.URL) {
	for _, server := range p.alertmanagers {
		asked, cancel := context.WithTimeout(ctx, patience)
		found, err := askChannels(asked, server)
		cancel()
		c := check{Case: "alertmanager " + server.Redacted(), Aim: "answers", State: fine, Found: "answers"}
		if err != nil {
			c.State, c.Found, c.Runbook = broken, err.Error(), p.runbooks.of("AlertmanagerMissing", "")
		} else {
			// They run one configuration: of whichever it was read does not matter.
			p.channels, reached = found, append(reached, server)
		}
		checks = append(checks, c)
	}
	return checks, reached
}

// perform sends the page, waits until it has arrived everywhere or the time is over, and
// takes it back in any case.
func (p *pageTest) perform(ctx context.Context, servers []*url.URL, std stdio) (checks []check) {
	failed := func(err error) check {
		return check{Case: "page", Aim: p.aim(), State: broken, Found: line(err.Error()), Runbook: p.runbooks.of("NotificationsFailing", "")}
	}
	if err := p.compose(ctx, servers); err != nil {
		return []check{failed(err)}
	}
	fmt.Fprintf(std.err, "==> sending %s a page that says %q\n", p.place, p.sent.Annotations["summary"])
	p.from = time.Now()
	defer func() {
		// Without ctx's end: after an interrupt the page has to be taken back, too. One that
		// ends now is resolved.
		p.sent.EndsAt = time.Now()
		if err := p.post(context.WithoutCancel(ctx), servers); err != nil {
			checks = append(checks, failed(fmt.Errorf("it was not taken back, and ends by itself: %w", err)))
		}
	}()
	// As Prometheus does, to all: they agree who tells.
	if err := p.post(ctx, servers); err != nil {
		return []check{failed(err)}
	}
	return p.await(ctx, servers)
}

// await looks again and again. What was seen last counts; a look that the end cuts short only if
// there was no other, since whoever was asked had no time to answer.
func (p *pageTest) await(ctx context.Context, servers []*url.URL) []check {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	tick := time.NewTicker(look)
	defer tick.Stop()
	var last []check
	for {
		found, final := p.judge(ctx, servers)
		if final {
			return found
		}
		// A look to which nobody answers does not undo what was seen before.
		if found != nil && (ctx.Err() == nil || last == nil) {
			last = found
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if last == nil {
				return []check{{Case: "page", Aim: p.aim(), State: notKnown, Found: "no Alertmanager said what became of it"}}
			}
			return last
		}
	}
}

// compose makes the page, and reads the counters before it. Where it belongs, and where
// its links lead, the heartbeat says.
func (p *pageTest) compose(ctx context.Context, servers []*url.URL) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	alerts, err := askAlerts(ctx, servers[0])
	if err != nil {
		return err
	}
	if p.before, err = askCounters(ctx, servers); err != nil {
		return err
	}
	var beat alertIn
	if i := slices.IndexFunc(alerts, func(a alertIn) bool { return a.Labels["severity"] == heartbeat }); i >= 0 {
		beat = alerts[i]
	}
	if p.place = cmp.Or(p.place, beat.Labels["place"]); p.place == "" {
		return errors.New("this Alertmanager has no heartbeat, which would say what place it is: give --place")
	}
	now := time.Now()
	// By the id it is told from a test of somebody else, and from one of before that has not
	// ended yet.
	p.sent = alertOut{
		Labels: map[string]string{"alertname": pageTestName, "severity": string(page), "place": p.place, "id": strings.ToLower(rand.Text()[:12])},
		Annotations: map[string]string{
			"summary":       "TEST by " + p.by + ": nothing is wrong",
			"runbook_url":   strings.Replace(beat.Annotations["runbook_url"], beat.Labels["alertname"]+".md", "README.md", 1),
			"dashboard_url": beat.Annotations["dashboard_url"],
		},
		// Should this program be killed, nobody takes the page back, and it ends all the same.
		StartsAt: now, EndsAt: now.Add(p.timeout + time.Minute),
	}
	p.sent.Annotations["description"] = fmt.Sprintf("%s looks whether pages arrive (./scripts/run.sh page-test). "+
		"Nothing has to be done: it ends by itself. Test %s.", p.by, p.sent.Labels["id"])
	return nil
}

// post sends the page as it is now to all of them, within patience for all together.
func (p *pageTest) post(ctx context.Context, servers []*url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var failed []error
	for _, server := range servers {
		failed = append(failed, postJSON(ctx, server, "/api/v2/alerts", []alertOut{p.sent}))
	}
	return errors.Join(failed...)
}
