package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// loki asks a Loki, or a Grafana that passes on what is asked. The token is "" for Loki
// itself, which asks nobody for one; Grafana's is that of a service account.
type loki struct {
	url, token string
	client     *http.Client
	seen       map[string]time.Time // what was given already, of the last `late`
}

// late is how long a line may take from its writer to Loki and still be shown by news.
const late = time.Minute

// atOnce is the most that Loki gives for one question, unless it is told otherwise, and so the
// most that --lines may ask for (scripts/lib/logs.sh).
const atOnce = 5000

// newLoki takes an address with a path, too: that of Grafana's proxy has one.
func newLoki(address, token string) (*loki, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("LOKI_URL is not an http:// or https:// URL") // it may hold a password
	}
	return &loki{
		url: strings.TrimSuffix(address, "/"), token: token,
		client: &http.Client{Timeout: 30 * time.Second}, seen: map[string]time.Time{},
	}, nil
}

// find asks for more than is wanted where news follows, which looks back on a minute: what was
// there already is no news.
func (l *loki) find(ctx context.Context, q query) ([]entry, error) {
	now := time.Now()
	if !q.follow {
		return l.ask(ctx, q, now.Add(-q.since), now, min(q.lines, atOnce))
	}
	found, err := l.ask(ctx, q, now.Add(-max(q.since, late)), now, atOnce)
	return slices.DeleteFunc(found, func(e entry) bool { return now.Sub(e.time) > q.since }), err
}

// news asks for the last minute again and again: lines come late, and out of order.
func (l *loki) news(ctx context.Context, q query) ([]entry, error) {
	now := time.Now()
	for key, at := range l.seen {
		// Twice as long as a question reaches back, so that nothing is given again.
		if now.Sub(at) > 2*late {
			delete(l.seen, key)
		}
	}
	return l.ask(ctx, q, now.Add(-late), now, atOnce)
}

// ask gives lines that it has not given before, as long as they are not old.
func (l *loki) ask(ctx context.Context, q query, from, to time.Time, limit int) ([]entry, error) {
	// Backward: where there are more than limit, it is the newest that are given.
	streams, err := l.get(ctx, url.Values{
		"query": {logQL(q)}, "limit": {strconv.Itoa(limit)}, "direction": {"backward"},
		"start": {strconv.FormatInt(from.UnixNano(), 10)}, "end": {strconv.FormatInt(to.UnixNano(), 10)},
	})
	if err != nil {
		return nil, err
	}
	var found []entry
	for _, s := range streams {
		for _, v := range s.Values {
			nanos, err := strconv.ParseInt(v[0], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("the store gives the time %q", v[0])
			}
			at := time.Unix(0, nanos)
			// What agrees in all three is one line that was read twice, as after the death of
			// an agent, or one that an earlier question has had.
			key := v[0] + s.Labels["container_id"] + v[1]
			if _, given := l.seen[key]; given {
				continue
			}
			l.seen[key] = at
			found = append(found, s.entry(at, v[1]))
		}
	}
	return found, nil
}

// stream is a part of Loki's answer: lines with the same labels and metadata.
type stream struct {
	Labels map[string]string `json:"stream"`
	Values [][2]string       `json:"values"` // nanoseconds since 1970, and the line
}

// entry reads a line; what it does not say itself is in the labels.
func (s stream) entry(at time.Time, line string) entry {
	service := s.Labels["service"]
	// A task is called SERVICE.SLOT.ID, and its id tells nobody anything.
	if i := strings.LastIndexByte(s.Labels["task"], '.'); i > 0 {
		service = s.Labels["task"][:i]
	}
	e := parse(line, service, at)
	if e.level == "unknown" && s.Labels["level"] != "" {
		e.level = s.Labels["level"]
	}
	return e
}

// get asks for lines. Its errors leave the address out, since it may hold a password.
func (l *loki) get(ctx context.Context, parameters url.Values) ([]stream, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/loki/api/v1/query_range?"+parameters.Encode(), nil)
	if err != nil {
		return nil, err
	}
	if l.token != "" {
		req.Header.Set("Authorization", "Bearer "+l.token)
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, errors.Unwrap(err) // without the URL
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		// 300 bytes of why: what stands in front of Loki may answer with a whole page.
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return nil, fmt.Errorf("the store answers %s: %s", resp.Status, harmless(strings.TrimSpace(string(said))))
	}
	var answer struct{ Data struct{ Result []stream } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("the answer of the store: %w", err)
	}
	return answer.Data.Result, nil
}

// logQL puts the question. The labels are those of monitoring/syslog-ng; a service is
// named with or without its stack.
func logQL(q query) string {
	// Not .*: Loki refuses a selector that an empty value would satisfy.
	services := ".+"
	if len(q.services) > 0 {
		names := make([]string, len(q.services))
		for i, name := range q.services {
			names[i] = regexp.QuoteMeta(name)
		}
		services = "(.+_)?(" + strings.Join(names, "|") + ")"
	}
	selector := "service=~" + strconv.Quote(services)
	if q.errors {
		selector += ", level=~" + strconv.Quote(strings.Join(severe, "|"))
	}
	ql := "{" + selector + "}"
	// Behind the selector, since it is metadata of the line and no label: each value of a
	// label is a stream of its own.
	if q.request != "" {
		ql += " | request_id=" + strconv.Quote(q.request)
	}
	return ql
}
