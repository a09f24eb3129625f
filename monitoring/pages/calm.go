package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// renew starts all that watches anew, with nothing of the past: one fault's long
// windows must not colour the next one's.
func (w *world) renew(ctx context.Context) error {
	for _, name := range watchers {
		w.programs[name].stop()
	}
	for _, name := range watchers {
		if err := os.RemoveAll(filepath.Join(w.dir, name)); err != nil {
			return err
		}
	}
	if err := w.startWatchers(); err != nil {
		return err
	}
	return until(ctx, "a calm installation", 3*time.Minute, func() bool { return w.calm(ctx) })
}

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

// calm tells whether both Prometheus have looked at everything for a while, and
// nothing is pending or firing but the watchdog.
func (w *world) calm(ctx context.Context) bool {
	for _, address := range w.addresses("prometheus") {
		var alerts struct {
			Data struct {
				Alerts []struct{ Labels map[string]string }
			}
		}
		var series struct {
			Data struct{ Result []struct{ Value [2]any } }
		}
		if ask(ctx, "http://"+address+"/api/v1/alerts", &alerts) != nil || len(alerts.Data.Alerts) != 1 {
			return false
		}
		// Two minutes of requests: shorter series make every rate a guess.
		if ask(ctx, "http://"+address+"/api/v1/query?query=count_over_time(sum(minitwit_http_requests_total)[1m:5s])>10", &series) != nil || len(series.Data.Result) == 0 {
			return false
		}
	}
	return true
}

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

// until asks until the condition holds.
func until(ctx context.Context, what string, limit time.Duration, holds func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s: not within %v", what, limit))
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
	return nil
}
