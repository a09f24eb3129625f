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

// load posts messages of one user, each with another text, until it is told to
// stop, and remembers what was answered.
type load struct {
	t    testing.TB
	api  *apiClient // holds each answer against the API's description
	stop chan struct{}
	done sync.WaitGroup

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

// loadUser is who posts under load.
const loadUser = "Ada Lovelace"

// startLoad begins a load of so many workers on one client.
func startLoad(t testing.TB, client *http.Client, api string, workers int, pause time.Duration) *load {
	t.Helper()
	l := &load{t: t, api: newAPIAt(t, api), stop: make(chan struct{})}
	l.api.http = client
	newSimulator().must(t, "POST", api+"/register", fmt.Sprintf(`{"username":%q,"email":"a@b","pwd":"x"}`, loadUser))
	for range workers {
		l.done.Go(func() { l.work(pause) })
	}
	return l
}

func (l *load) work(pause time.Duration) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
			l.post()
		}
	}
}

func (l *load) post() {
	l.mu.Lock()
	l.sent++
	text, path := fmt.Sprintf("message %d", l.sent), fmt.Sprintf("%s?latest=%d", url.PathEscape(loadUser), l.sent)
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
	close(l.stop)
	l.done.Wait()
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
	a := newSimulator().must(l.t, "GET", api+"/msgs/"+url.PathEscape(loadUser)+"?no=1000", "")
	var stored []struct{ Content string }
	if err := json.Unmarshal([]byte(a.body), &stored); err != nil {
		l.t.Fatalf("read back: %v: %d %s", err, a.status, a.body)
	}
	if len(stored) == 1000 {
		l.t.Fatal("more was stored than can be read back: shorten the load")
	}
	count := map[string]int{}
	for _, m := range stored {
		count[m.Content]++
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

// newConnections is a client that opens a connection for each request, as the
// course's simulator does.
func newConnections() *http.Client {
	return &http.Client{Timeout: deadline, Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}
}
