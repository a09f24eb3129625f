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
	"strconv"
	"strings"
	"time"
)

// loki asks a Loki, or a Grafana that passes on what is asked.
type loki struct {
	url, token string
	client     *http.Client
	seen       map[string]time.Time // what was given already, of the last `late`
}

// late is how long a line may take from its writer to Loki and still be shown by news.
const late = time.Minute

// atOnce is the most that Loki gives for one question, unless it is told otherwise.
const atOnce = 5000

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

func (l *loki) find(ctx context.Context, q query) ([]entry, error) {
	now := time.Now()
	return l.ask(ctx, q, now.Add(-q.since), now, min(q.lines, atOnce))
}

// news asks for the last minute again and again: lines come late, and out of order.
func (l *loki) news(ctx context.Context, q query) ([]entry, error) {
	now := time.Now()
	for key, at := range l.seen {
		if now.Sub(at) > 2*late {
			delete(l.seen, key)
		}
	}
	return l.ask(ctx, q, now.Add(-late), now, atOnce)
}

// ask gives lines that it has not given before, as long as they are not old.
func (l *loki) ask(ctx context.Context, q query, from, to time.Time, limit int) ([]entry, error) {
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
	if i := strings.LastIndexByte(s.Labels["task"], '.'); i > 0 {
		service = s.Labels["task"][:i]
	}
	e := parse(line, service, at)
	if e.level == "unknown" && s.Labels["level"] != "" {
		e.level = s.Labels["level"]
	}
	return e
}

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
	if q.request != "" {
		ql += " | request_id=" + strconv.Quote(q.request)
	}
	return ql
}
