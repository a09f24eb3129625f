package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// prober asks what users and the simulator ask, and changes nothing.
type prober struct {
	client      *http.Client
	credentials string // of the simulator, user:password
}

// probePatience is how long one request may take; what is slow within it is for worse to judge.
// probePause lies between two questions: no release gets more than ten a second.
const (
	probePatience = 5 * time.Second
	probePause    = 100 * time.Millisecond
)

// newProber takes credentials as user:password. It follows no redirect: none is a right answer.
func newProber(credentials string) prober {
	// A connection for each request, so that the mesh may lead each to another replica.
	transport := &http.Transport{DisableKeepAlives: true}
	return prober{
		client: &http.Client{
			Transport: transport, Timeout: probePatience,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		credentials: credentials,
	}
}

// question is a request and what its answer has to be like. surface is api or web: it gives the
// port, and the credentials go to the API only. Without right every 200 is right.
type question struct {
	surface, path string
	right         func(body []byte) error
}

// questions are all reads: whatever a rehearsal wrote, users would see. reached takes the first
// two for one of each surface.
var questions = []question{
	{"api", "/latest", latestShape},
	{"web", "/public", pageShape},
	{"api", "/msgs?no=20", messagesShape},
	{"web", "/static/style.css", nil},
}

func latestShape(body []byte) error {
	var got struct {
		Latest *int `json:"latest"`
	}
	if err := json.Unmarshal(body, &got); err != nil || got.Latest == nil {
		return errors.New(`is not {"latest": N}`)
	}
	return nil
}

// messagesShape takes an empty list, too: a new place has no messages.
func messagesShape(body []byte) error {
	var got []struct {
		Content *string `json:"content"`
		PubDate *int64  `json:"pub_date"`
		User    *string `json:"user"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return errors.New("is not a list of messages")
	}
	for _, m := range got {
		if m.Content == nil || m.PubDate == nil || m.User == nil {
			return errors.New("has a message without content, pub_date or user")
		}
	}
	return nil
}

func pageShape(body []byte) error {
	if text := strings.ToLower(string(body)); !strings.Contains(text, "<title>") || !strings.Contains(text, "</html>") {
		return errors.New("is not a whole page")
	}
	return nil
}

// once asks once. Its error names the request and what was wrong with the answer.
func (p prober) once(ctx context.Context, base string, q question) (time.Duration, error) {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+q.path, nil)
	if err != nil {
		return 0, err
	}
	if user, password, ok := strings.Cut(p.credentials, ":"); ok && q.surface == "api" {
		req.SetBasicAuth(user, password)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return time.Since(began), err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	took := time.Since(began)
	switch {
	case err != nil:
		return took, fmt.Errorf("GET %s%s: %w", base, q.path, err)
	case resp.StatusCode != http.StatusOK:
		return took, fmt.Errorf("GET %s%s: %s", base, q.path, resp.Status)
	case q.right != nil && q.right(body) != nil:
		return took, fmt.Errorf("GET %s%s: the answer %w: %.80q", base, q.path, q.right(body), body)
	}
	return took, nil
}

// figures are what a release has answered with. A request that failed is counted, but has no
// time in took: worse compares those of right answers.
type figures struct {
	asked, failed int
	why           error                      // the newest failure
	took          map[string][]time.Duration // by path
}

// answersError is an error of what a surface answers. withLog learns from it whose log to show.
type answersError struct {
	surface string
	error
}

func (b answersError) Unwrap() error { return b.error }

func (f *figures) add(q question, took time.Duration, err error) {
	if f.took == nil {
		f.took = map[string][]time.Duration{}
	}
	f.asked++
	if err != nil {
		f.failed, f.why = f.failed+1, answersError{q.surface, err}
		return
	}
	f.took[q.path] = append(f.took[q.path], took)
}

func median(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// enough is how many answers of a path make a median worth comparing.
const enough = 8

// worse tells in what way a release answers worse than the one before it did at the same
// time and by the same way; no measurement is exact, so a little worse is as good. Without
// one before it, each answer has to come within the second.
func worse(fresh, old figures) error {
	// A single failure is never enough: one may fail while all is well.
	if allowed := 0.02 + ratio(old); ratio(fresh) > allowed && fresh.failed > 1 {
		return fmt.Errorf("%d of %d requests failed (of the release before: %d of %d); the last one: %w",
			fresh.failed, fresh.asked, old.failed, old.asked, fresh.why)
	}
	for _, q := range questions {
		now, before := fresh.took[q.path], old.took[q.path]
		if len(now) < enough {
			continue
		}
		limit := time.Second
		if len(before) >= enough {
			limit = 2*median(before) + 100*time.Millisecond
		}
		if got := median(now); got > limit {
			return answersError{q.surface, fmt.Errorf("GET %s takes %v; the release before: %v, allowed %v", q.path,
				got.Round(time.Millisecond), median(before).Round(time.Millisecond), limit.Round(time.Millisecond))}
		}
	}
	return nil
}

// unanswered tells which question had no right answer at all: of what was never answered,
// nothing can be worse.
func unanswered(fresh figures) error {
	for _, q := range questions {
		switch {
		case len(fresh.took[q.path]) > 0:
		case fresh.why == nil:
			return fmt.Errorf("GET %s was never asked: SOAK_SECONDS is too short for answers this slow", q.path)
		default:
			return fmt.Errorf("GET %s was never answered rightly: %w", q.path, fresh.why)
		}
	}
	return nil
}

func ratio(f figures) float64 {
	if f.asked == 0 {
		return 0
	}
	return float64(f.failed) / float64(f.asked)
}
