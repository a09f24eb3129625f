package main

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// notice is what arrived at on-call's end: an alert in a notification.
type notice struct {
	At       time.Time
	From     string // page, second, ticket, or deadman
	Resolved bool
	Alert    string
	Labels   map[string]string
	Summary  string
}

// sink stands where on-call's telephone would.
type sink struct {
	mu      sync.Mutex
	got     []notice
	rejects bool // whatever comes to /page
}

func (s *sink) reject(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejects = yes
}

// ServeHTTP takes Alertmanager's webhooks, and the dead man's own pages.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Alerts []struct {
			Status      string            `json:"status"`
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"alerts"`
		Event string `json:"event"` // of the dead man
		Title string `json:"title"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	from := r.URL.Path[1:]
	if from == "page" && s.rejects {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	for _, a := range body.Alerts {
		s.got = append(s.got, notice{time.Now(), from, a.Status == "resolved", a.Labels["alertname"], a.Labels, a.Annotations["summary"]})
	}
	if len(body.Alerts) == 0 {
		s.got = append(s.got, notice{At: time.Now(), From: from, Resolved: body.Event == "resolve", Alert: "DeadMan", Summary: body.Title})
	}
}

// since gives what arrived after a moment.
func (s *sink) since(t time.Time) (found []notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.got {
		if n.At.After(t) {
			found = append(found, n)
		}
	}
	return found
}
