package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// notice is what arrived at on-call's end: an alert in a notification.
type notice struct {
	At       time.Time         `json:"at"`
	From     string            `json:"from"` // page, second, ticket, or deadman
	Resolved bool              `json:"resolved"`
	Alert    string            `json:"alert"`
	Labels   map[string]string `json:"labels,omitempty"`
	Summary  string            `json:"summary"`
}

// sink stands where on-call's telephone would.
type sink struct {
	mu      sync.Mutex
	got     []notice
	rejects bool      // whatever comes to /page
	gate    string    // a file; while it is there, too
	to      io.Writer // where each is written as well, if anywhere
}

func (s *sink) reject(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejects = yes
}

// refuses tells whether the first way to on-call is closed; s.mu is held.
func (s *sink) refuses() bool {
	_, err := os.Stat(s.gate) // there is no file of no name
	return s.rejects || err == nil
}

// ServeHTTP takes Alertmanager's webhooks, and the dead man's own pages. The path says by
// which way they come, as notice.From has it.
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
	if from == "page" && s.refuses() {
		// As for a key that was withdrawn. Alertmanager gives up at once; a 5xx it would try
		// again.
		w.WriteHeader(http.StatusForbidden)
		return
	}
	for _, a := range body.Alerts {
		s.add(notice{time.Now(), from, a.Status == "resolved", a.Labels["alertname"], a.Labels, a.Annotations["summary"]})
	}
	// No rule is called DeadMan: faults wait for the switch's own pages by this name.
	if len(body.Alerts) == 0 {
		s.add(notice{At: time.Now(), From: from, Resolved: body.Event == "resolve", Alert: "DeadMan", Summary: body.Title})
	}
}

// add keeps a notice; s.mu is held.
func (s *sink) add(n notice) {
	s.got = append(s.got, n)
	if s.to != nil {
		_ = json.NewEncoder(s.to).Encode(n) // a file of ours; whoever misses the line looks at the disk
	}
}

// listen takes notices at an address and adds them to a file, a line of JSON each, until
// the context ends. While there is a file called gate, it refuses those that come to /page.
func listen(ctx context.Context, address, file, gate string) error {
	to, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // each line was written
	server := &http.Server{Addr: address, Handler: &sink{to: to, gate: gate}, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
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
