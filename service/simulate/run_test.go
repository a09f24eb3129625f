package simulate

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// small is a scenario in which every kind of lie shows.
const small = `0	0	1	register	Ada B	a@x.dk	p'"]
1	5	2	register	Cy	c@x.dk	pw
2	5	3	tweet	Ada B	“first” 🙂
3	5	4	follow	Ada B	Cy
4	5	5	tweet	Cy	hello
5	5	6	follow	Cy	Ada B
6	5	7	unfollow	Cy	Ada B
7	5	8	tweet	Ada B	last
`

// quick are options for a scenario against one server, with a time-out that a
// busy machine does not reach.
func quick(t *testing.T, url, scenario string) Options {
	t.Helper()
	actions, err := Parse(strings.NewReader(scenario))
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		URLs: []string{url}, Actions: actions, Timeout: 20 * time.Second,
		patience: patience{
			timeout: 20 * time.Second, startFor: time.Millisecond,
			verifyFor: 100 * time.Millisecond, pause: time.Millisecond,
		},
	}
}

func TestAnHonestServerPasses(t *testing.T) {
	t.Parallel()
	scenario := string(generated(t, 11, 1500))
	for _, tc := range []struct {
		name string
		set  func(*Options)
	}{
		{"as the course's simulator", func(*Options) {}},
		{"kept alive by eight workers", func(o *Options) { o.Workers, o.KeepAlive = 8, 1 }},
		{"with reads", func(o *Options) { o.Workers, o.MixReads = 4, 0.5 }},
		{"at a rate", func(o *Options) { o.Workers, o.Rate = 4, 5000 }},
		{"at a speed", func(o *Options) { o.Workers, o.Speed = 2, 1e10 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server, url := newFakeServer(t)
			opts := quick(t, url, scenario)
			tc.set(&opts)
			report, err := Run(context.Background(), opts)
			if err != nil {
				t.Fatalf("Run: %v\n%+v", err, report)
			}
			got := survey(opts.Actions)
			if v := report.Verification; !v.Done || v.Messages != got["tweet by known"] || v.Users < got["register"] {
				t.Errorf("verification = %+v, want %d messages", v, got["tweet by known"])
			}
			if server.authless > 0 {
				t.Errorf("%d requests came without credentials", server.authless)
			}
			if opts.MixReads == 0.5 && report.Sent != 2*len(opts.Actions) {
				t.Errorf("sent %d requests with half reads, want %d", report.Sent, 2*len(opts.Actions))
			}
		})
	}
}

func TestRequestsAreThoseOfTheCoursesClient(t *testing.T) {
	t.Parallel()
	server, url := newFakeServer(t)
	got := make(chan string, 100)
	server.lie = func(_ http.ResponseWriter, r *http.Request, c call) bool {
		if r.Method == http.MethodPost {
			got <- strings.Join([]string{
				r.RequestURI, r.Header.Get("Content-Type"), r.Header.Get("Connection"), c.body["username"] + c.body["content"],
			}, " | ")
		}
		return false
	}
	opts := quick(t, url, small)
	opts.Actions = opts.Actions[:3]
	if _, err := Run(context.Background(), opts); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/register?latest=0 | application/json | close | Ada B",
		"/register?latest=1 | application/json | close | Cy",
		"/msgs/Ada%20B?latest=2 | application/json | close | “first” 🙂",
	}
	if diff := cmp.Diff(want, drain(got)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func drain(c chan string) []string {
	var all []string
	for len(c) > 0 {
		all = append(all, <-c)
	}
	return all
}

func TestKnownNamesGetASuffix(t *testing.T) {
	t.Parallel()
	_, url := newFakeServer(t)
	for _, want := range []string{"", " ~2", " ~3"} {
		var notices bytes.Buffer
		opts := quick(t, url, small)
		opts.Progress = &notices
		report, err := Run(context.Background(), opts)
		if err != nil || report.Suffix != want {
			t.Errorf("Run: suffix %q, error %v, want suffix %q", report.Suffix, err, want)
		}
		if got := strings.Contains(notices.String(), want+`"`); got != (want != "") {
			t.Errorf("notices %q tell of suffix %q: %v", notices.String(), want, got)
		}
	}
}

func TestServersAreUsedInTurn(t *testing.T) {
	t.Parallel()
	server, url := newFakeServer(t)
	hosts := make(chan string, 100)
	server.lie = func(_ http.ResponseWriter, r *http.Request, _ call) bool {
		if r.Method == http.MethodPost {
			hosts <- strings.Split(r.Host, ":")[0]
		}
		return false
	}
	opts := quick(t, url, small)
	opts.URLs = []string{url, strings.Replace(url, "127.0.0.1", "localhost", 1)}
	if _, err := Run(context.Background(), opts); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(drain(hosts), " ")
	if want := strings.TrimSpace(strings.Repeat("127.0.0.1 localhost ", 4)); got != want {
		t.Errorf("hosts = %s, want %s", got, want)
	}
}

func TestAnInterruptedRunReports(t *testing.T) {
	t.Parallel()
	server, url := newFakeServer(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	server.lie = func(_ http.ResponseWriter, _ *http.Request, c call) bool {
		if c.id == 3 {
			cancel()
		}
		return false
	}
	report, err := Run(ctx, quick(t, url, small))
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("Run = %v, want an error that says it was interrupted", err)
	}
	if report.Sent != 4 || report.Failed != 0 {
		t.Errorf("report: %d sent, %d failed, want the 4 that were begun, none failed", report.Sent, report.Failed)
	}
}

// A drill ends its load when the fault is over, and still wants to know what was stored.
func TestEnoughStopsSendingAndVerifies(t *testing.T) {
	t.Parallel()
	server, url := newFakeServer(t)
	enough := make(chan struct{})
	server.lie = func(_ http.ResponseWriter, _ *http.Request, c call) bool {
		if c.id == 3 {
			close(enough)
		}
		return false
	}
	opts := quick(t, url, small)
	opts.Speed, opts.Enough = 1, enough
	opts.Actions[4].DelayMillis = 60_000 // nothing but the stop ends the wait for it
	report, err := Run(context.Background(), opts)
	if err != nil || report.Interrupted || !report.Verification.Done {
		t.Errorf("Run = %+v, %v, want what was sent verified, without an error", report.Verification, err)
	}
	if report.Sent != 4 {
		t.Errorf("%d sent, want the 4 that were begun", report.Sent)
	}
}

func TestAnObserverSeesEachRequest(t *testing.T) {
	t.Parallel()
	server, url := newFakeServer(t)
	server.lie = func(w http.ResponseWriter, _ *http.Request, c call) bool {
		switch c.id {
		case 3:
			panic(http.ErrAbortHandler)
		case 4:
			refuse(w, http.StatusServiceUnavailable, "away")
		}
		return c.id == 4
	}
	seen := make(chan Outcome, 100)
	opts := quick(t, url, small)
	opts.MixReads, opts.Observe = 0.5, func(o Outcome) { seen <- o }
	report, _ := Run(context.Background(), opts)
	reads, failed, cut := 0, 0, 0
	for range report.Sent {
		o := <-seen
		if o.Read {
			reads++
		}
		if o.Kind != OK && o.Status == http.StatusServiceUnavailable && o.Ended.After(o.Began) {
			failed++
		}
		// Which of several servers did not answer is asked first.
		if o.Kind == Reset && o.Err != nil && strings.Contains(o.Err.Error(), strings.TrimPrefix(url, "http://")) {
			cut++
		}
	}
	if reads != 8 || failed != 1 || cut != 1 || len(seen) != 0 {
		t.Errorf("saw %d reads, %d failed, %d cut off, %d too many; want 8, 1, 1 and 0 of %d", reads, failed, cut, len(seen), report.Sent)
	}
}

func TestUsersWhoAreKnownNeedNoRegistration(t *testing.T) {
	t.Parallel()
	_, url := newFakeServer(t)
	opts := quick(t, url, small)
	if _, err := Run(context.Background(), opts); err != nil {
		t.Fatal(err)
	}
	opts.Actions, opts.Suffix = opts.Actions[5:], ""
	if report, err := Run(context.Background(), opts); err == nil {
		t.Errorf("users who are not known may act: %+v", report)
	}
	opts.Known = true
	report, _ := Run(context.Background(), opts)
	if report.Failed != 0 || report.Verification.Lost.Total() != 0 {
		t.Errorf("report = %+v, want nothing failed and nothing lost", report)
	}
}

func TestHalfTheRequestsGoOverKeptConnections(t *testing.T) {
	t.Parallel()
	server, url := newFakeServer(t)
	kept, closed := make(chan bool, 2000), make(chan bool, 2000)
	server.lie = func(_ http.ResponseWriter, r *http.Request, c call) bool {
		switch {
		case c.id < 0: // verification
		case r.Header.Get("Connection") == "close":
			closed <- true
		default:
			kept <- true
		}
		return false
	}
	opts := quick(t, url, string(generated(t, 11, 1500)))
	opts.Workers, opts.KeepAlive = 4, 0.5
	if _, err := Run(context.Background(), opts); err != nil {
		t.Fatal(err)
	}
	if k, c := len(kept), len(closed); k+c != len(opts.Actions) || max(k, c)-min(k, c) > 50 {
		t.Errorf("%d kept, %d closed, want half of each", k, c)
	}
}

// One that keeps connections stays with a server until that fails; one that opens
// a connection each time asks the next each time.
func TestAKeptConnectionStaysWithItsServer(t *testing.T) {
	t.Parallel()
	for keep, want := range map[float64]int{0: 2, 1: 1} {
		asked := make(map[string]bool)
		server, first := newFakeServer(t)
		second := httptest.NewServer(server)
		t.Cleanup(second.Close)
		server.lie = func(_ http.ResponseWriter, r *http.Request, c call) bool {
			if c.id >= 0 {
				asked[r.Host] = true
			}
			return false
		}
		opts := quick(t, first, string(generated(t, 11, 100)))
		opts.URLs, opts.KeepAlive = []string{first, second.URL}, keep
		if _, err := Run(context.Background(), opts); err != nil {
			t.Fatal(err)
		}
		if len(asked) != want {
			t.Errorf("keep-alive %v: %d servers were asked, want %d", keep, len(asked), want)
		}
	}
}

func TestRunRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		set  func(*Options)
		want string
	}{
		{func(o *Options) { o.Actions = nil }, "no actions"},
		{func(o *Options) { o.URLs = nil }, "no URL"},
		{func(o *Options) { o.URLs = []string{"localhost:5001"} }, "not the URL"},
		{func(o *Options) { o.Workers = -1 }, "-1 workers"},
		{func(o *Options) { o.Retries = -1 }, "-1 retries"},
		{func(o *Options) { o.MixReads = 1 }, "0 to 0.99"},
		{func(o *Options) { o.KeepAlive = 2 }, "give 0 to 1"},
		{func(o *Options) { o.Rate, o.Speed = 1, 1 }, "exclude each other"},
		{func(o *Options) { o.Rate = -1 }, "must not be negative"},
		{func(o *Options) { o.URLs = []string{"http://127.0.0.1:1"} }, "ask for the first user"},
	} {
		opts := quick(t, "http://127.0.0.1:1", small)
		tc.set(&opts)
		if _, err := Run(context.Background(), opts); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Run = %v, want an error with %q", err, tc.want)
		}
	}
}
