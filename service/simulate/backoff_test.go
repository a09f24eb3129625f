package simulate

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoffGrowsAndHonoursTheServer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		retries int
		asked   time.Duration
		least   time.Duration
	}{
		{0, 0, 50 * time.Millisecond},
		{1, 0, 100 * time.Millisecond},
		{4, 0, 800 * time.Millisecond},
		{9999, 0, time.Second},
		{0, time.Second, time.Second},
		{0, time.Hour, 2 * time.Second},
	} {
		got := backoff(tc.retries, tc.asked)
		if got < tc.least || got > tc.least*3/2 {
			t.Errorf("backoff(%d, %v) = %v, want %v to half as much more", tc.retries, tc.asked, got, tc.least)
		}
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := sleep(ctx, time.Hour); err == nil {
			t.Error("sleep(1 h) with a second's context slept to its end")
		}
		if err := sleep(context.Background(), time.Hour); err != nil {
			t.Errorf("sleep(1 h) = %v", err)
		}
	})
}

// TestRetriesAreBounded: a server that stays away is given up.
func TestRetriesAreBounded(t *testing.T) {
	t.Parallel()
	server, url := newFakeServer(t)
	server.lie = func(w http.ResponseWriter, _ *http.Request, c call) bool {
		if c.id == 2 {
			refuse(w, http.StatusServiceUnavailable, "away")
		}
		return c.id == 2
	}
	opts := quick(t, url, small)
	opts.Retries = 2
	report, err := Run(context.Background(), opts)
	if err == nil || report.Statuses["tweet 503"] != 1 || report.Retried != 2 {
		t.Errorf("Run = %v, statuses %v, %d retries; want one 503 after 2 retries", err, report.Statuses, report.Retried)
	}
}
