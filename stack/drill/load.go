package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"minitwit/service/simulate"
	"minitwit/service/wait"
)

// sample is how one request ended. Of one that was tried again it has the begin of the first
// try and the end of the last.
type sample struct {
	surface      string // "api" or "web"
	began, ended time.Time
	failure      string // "", or what went wrong, in the same words where it is the same
	detail       string // of which request, and all that is known
}

// load is a constant stream of requests to the published ports: the simulator's
// reads and writes, and page views of somebody who is signed in. mu guards samples, since many
// ask at once; report and err may be read after done. Closing enough ends all that sends.
type load struct {
	opts options

	mu      sync.Mutex
	samples []sample

	enough chan struct{}
	ending sync.Once
	done   sync.WaitGroup
	report simulate.Report
	err    error
}

// options of a load.
type options struct {
	nodes    []string // whose ports are used, in turn
	apiPort  int
	webPort  int
	rate     float64       // requests a second; a quarter of them are page views
	patience time.Duration // of a client
	retries  int           // of a client
	pages    bool
}

// The load: users who tweet, follow and unfollow.
const (
	loadUsers   = 24
	loadActions = 60_000 // more than any drill sends
	// loadWorkers can all wait for a dead node at once (26 requests a second, 2 s each),
	// and are few enough that kept connections do not lie idle for long.
	loadWorkers = 40
)

// user gives the name of one of them.
func user(i int) string { return fmt.Sprintf("Drill %c", 'A'+i%loadUsers) }

// scenario is a load without an end that a drill could see; its mark makes the
// texts those of one drill.
func scenario(mark string) []simulate.Action {
	actions := make([]simulate.Action, 0, loadActions)
	for i := range loadActions {
		// The targets are 1 to loadUsers-1 further on: nobody follows themselves.
		a := simulate.Action{ID: int64(i), User: user(i)}
		switch {
		case i%5 == 3:
			a.Command, a.Target = simulate.Follow, user(i+1+i/7%(loadUsers-1))
		case i%25 == 4:
			a.Command, a.Target = simulate.Unfollow, user(i+1+i/7%(loadUsers-1))
		default:
			a.Command, a.Text = simulate.Tweet, fmt.Sprintf("message %d of drill %s", i, mark)
		}
		actions = append(actions, a)
	}
	return actions
}

// registerUsers makes them, once for all drills: hashing a password takes an
// emulated node seconds. It is patient, since this is not what is measured.
func registerUsers(ctx context.Context, base string) error {
	patient := &http.Client{Timeout: 10 * time.Second}
	for i := range loadUsers {
		body := fmt.Sprintf(`{"username":%q,"email":"drill@example.org","pwd":"secret"}`, user(i))
		if err := wait.Until(ctx, warmUpLimit, "registration of "+user(i), func() bool {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/register", strings.NewReader(body))
			if err != nil {
				return false
			}
			resp, err := patient.Do(req)
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusBadRequest // there already
		}); err != nil {
			return err
		}
	}
	return nil
}

// startLoad begins to send. Every second request opens a connection of its own. Three quarters
// of the rate are the API's, half of those reads; page views are the rest.
func startLoad(ctx context.Context, o options, mark string) *load {
	l := &load{opts: o, enough: make(chan struct{})}
	opts := simulate.Options{
		URLs: urls(o.nodes, o.apiPort), Actions: scenario(mark), Known: true,
		Workers: loadWorkers, KeepAlive: 0.5, MixReads: 0.5,
		Rate: o.rate * 3 / 4, Timeout: o.patience, Retries: o.retries,
		Progress: io.Discard, Enough: l.enough,
		Observe: func(out simulate.Outcome) {
			s := sample{surface: "api", began: out.Began, ended: out.Ended}
			if out.Kind != simulate.OK {
				s.failure = fmt.Sprint(out.Kind, " ", out.Status)
				if out.Err != nil {
					s.detail = out.Err.Error()
				}
			}
			l.add(s)
		},
	}
	l.done.Go(func() { l.report, l.err = simulate.Run(ctx, opts) })
	if o.pages {
		l.startPages(ctx)
	}
	return l
}

func urls(nodes []string, port int) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, fmt.Sprintf("http://%s:%d", address(n), port))
	}
	return all
}

func (l *load) add(s sample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.samples = append(l.samples, s)
}

// all gives what was seen so far.
func (l *load) all() []sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]sample(nil), l.samples...)
}

// stop ends the load and gives what reading back found; called again, the same. With an error
// it is not known what was lost.
func (l *load) stop() (simulate.Report, error) {
	l.ending.Do(func() { close(l.enough) })
	l.done.Wait()
	if v := l.report.Verification; !v.Done {
		return l.report, fmt.Errorf("not verified: %s: %w", v.Problem, l.err)
	}
	return l.report, nil
}
