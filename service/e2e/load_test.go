package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// load posts messages, each with another text, until it is told to stop, and remembers
// what was answered. Each worker has a user of its own: of one user no more than a
// thousand messages can be read back.
type load struct {
	t       testing.TB
	api     *apiClient // holds each answer against the API's description
	workers int
	end     func() // returns when the last answer has come

	mu    sync.Mutex
	sent  int
	acked []string
	calls []call
}

// call is one request of a load.
type call struct {
	at, end time.Time
	err     error // none, or what was not a 204
}

// loadUser is who posts under load for that worker.
func loadUser(worker int) string { return fmt.Sprint("Ada Lovelace ", worker) }

// startLoad begins a load of so many workers. It ends with the test, if not before.
func startLoad(t testing.TB, api *apiClient, workers int, pause time.Duration) *load {
	t.Helper()
	l := &load{t: t, api: api, workers: workers}
	stop := make(chan struct{})
	var done sync.WaitGroup
	l.end = sync.OnceFunc(func() { close(stop); done.Wait() })
	t.Cleanup(l.end)
	for worker := range workers {
		api.register(loadUser(worker))
	}
	for worker := range workers {
		done.Go(func() { l.work(loadUser(worker), pause, stop) })
	}
	return l
}

func (l *load) work(user string, pause time.Duration, stop <-chan struct{}) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			l.post(user)
		}
	}
}

func (l *load) post(user string) {
	l.mu.Lock()
	l.sent++
	text, path := fmt.Sprintf("message %d", l.sent), fmt.Sprintf("%s?latest=%d", url.PathEscape(user), l.sent)
	l.mu.Unlock()
	c := call{at: time.Now()}
	a, err := l.api.try(request{method: "POST", path: "/msgs/" + path, body: `{"content":"` + text + `"}`})
	c.end, c.err = time.Now(), err
	if err == nil && a.status != http.StatusNoContent {
		c.err = fmt.Errorf("%d %s", a.status, a.body)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
	if c.err == nil {
		l.acked = append(l.acked, text)
	}
}

// finish stops the load and gives its requests in order.
func (l *load) finish() []call {
	l.end()
	slices.SortFunc(l.calls, func(a, b call) int { return a.at.Compare(b.at) })
	return l.calls
}

// acknowledged counts the requests answered 204 since a moment.
func (l *load) acknowledged(since time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, c := range l.calls {
		if c.err == nil && c.end.After(since) {
			n++
		}
	}
	return n
}

// failed gives the requests that did not succeed.
func failed(calls []call) (bad []call) {
	for _, c := range calls {
		if c.err != nil {
			bad = append(bad, c)
		}
	}
	return bad
}

// slowest gives the longest time a request took.
func slowest(calls []call) (longest time.Duration) {
	for _, c := range calls {
		longest = max(longest, c.end.Sub(c.at))
	}
	return longest
}

// verify demands that all that was acknowledged is stored, each once.
func (l *load) verify(api string) {
	l.t.Helper()
	count := map[string]int{}
	for worker := range l.workers {
		for _, text := range readBack(l.t, api, loadUser(worker)) {
			count[text]++
		}
	}
	for _, text := range l.acked {
		if count[text] == 0 {
			l.t.Errorf("%q was acknowledged and is lost", text)
		}
	}
	for text, n := range count {
		if n > 1 {
			l.t.Errorf("%q was sent once and is stored %d times", text, n)
		}
	}
}

// readBack gives the texts of all messages of a user.
func readBack(t testing.TB, api, user string) (texts []string) {
	t.Helper()
	const most = 1000
	a := newSimulator().must(t, "GET", fmt.Sprintf("%s/msgs/%s?no=%d", api, url.PathEscape(user), most), "")
	var stored []apiMessage
	if err := json.Unmarshal([]byte(a.body), &stored); err != nil {
		t.Fatalf("read back: %v: %d %s", err, a.status, a.body)
	}
	if len(stored) == most {
		t.Fatal("more was stored than can be read back: shorten the load")
	}
	for _, m := range stored {
		texts = append(texts, m.Content)
	}
	return texts
}

// newConnections is a client that opens a connection for each request, as the
// course's simulator does.
func newConnections() *http.Client {
	return &http.Client{Timeout: deadline, Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}
}
