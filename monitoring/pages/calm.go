package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"minitwit/service/wait"
)

// renew starts all that watches anew, with nothing of the past: one fault's long
// windows must not colour the next one's.
func (w *world) renew(ctx context.Context) error {
	for _, name := range watchers {
		w.programs[name].stop()
	}
	for _, name := range watchers {
		// Their data; what they have logged lies beside it and stays.
		if err := os.RemoveAll(filepath.Join(w.dir, name)); err != nil {
			return err
		}
	}
	if err := w.startWatchers(); err != nil {
		return err
	}
	var why string
	if err := wait.Until(ctx, w.slack.of(3*time.Minute), "a calm installation", func() bool { why = w.unrest(ctx); return why == "" }); err != nil {
		return fmt.Errorf("%w: %s", err, why)
	}
	return nil
}

// startWatchers writes the lists of targets first, or the first looks would find none.
func (w *world) startWatchers() error {
	if err := w.tell(); err != nil {
		return err
	}
	for _, name := range watchers {
		if err := w.programs[name].start(); err != nil {
			return err
		}
	}
	return nil
}

// unrest tells what is not yet as in an ordinary hour, or nothing: every program that
// watches runs, both Prometheus have looked at everything for a while, and nothing is
// pending or firing but the watchdog.
func (w *world) unrest(ctx context.Context) string {
	for _, name := range watchers {
		if !w.programs[name].up() {
			return fmt.Sprintf("%s has ended; see %s.log", name, name)
		}
	}
	for _, address := range w.addresses("prometheus") {
		alerts, err := alertsOf(ctx, address)
		if err != nil {
			return err.Error()
		}
		if !slices.Equal(alerts, []string{"Watchdog"}) {
			return fmt.Sprintf("pending or firing: %v", alerts)
		}
		if !watchedForAMinute(ctx, address) {
			return "Prometheus has not yet seen a minute of requests"
		}
	}
	return ""
}

// alertsOf gives the names of the alerts that are pending or firing.
func alertsOf(ctx context.Context, prometheus string) (names []string, err error) {
	var got struct {
		Data struct {
			Alerts []struct{ Labels map[string]string }
		}
	}
	err = ask(ctx, "http://"+prometheus+"/api/v1/alerts", &got)
	for _, a := range got.Data.Alerts {
		names = append(names, a.Labels["alertname"])
	}
	return names, err
}

// watchedForAMinute: of shorter series every rate is a guess.
func watchedForAMinute(ctx context.Context, prometheus string) bool {
	var got struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	err := ask(ctx, "http://"+prometheus+"/api/v1/query?query=count_over_time(sum(minitwit_http_requests_total)[1m:5s])>10", &got)
	return err == nil && len(got.Data.Result) > 0
}

// ask decodes JSON whatever the status is: Prometheus says in the same form what was wrong.
func ask(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	return json.NewDecoder(resp.Body).Decode(into)
}
