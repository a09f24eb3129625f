package simulate

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// findings are all columns in which a lie may show.
type findings struct {
	Errors       map[string]int
	Statuses     map[string]int
	Lost         Lost
	Twice        int
	TwiceByRetry int
	NeverSent    int
	LatestWrong  bool
}

func findingsOf(r Report) findings {
	v := r.Verification
	return findings{r.Errors, r.Statuses, v.Lost, v.Twice, v.TwiceByRetry, v.NeverSent, v.LatestWrong}
}

// TestLiesShowInTheirColumn is what makes the tool trustworthy: each lie is
// told once, and must be seen as what it is and nothing else.
func TestLiesShowInTheirColumn(t *testing.T) {
	t.Parallel()
	none := map[string]int{}
	for _, tc := range []struct {
		name string
		lie  func(f *fakeServer) func(http.ResponseWriter, call) bool
		set  func(*Options)
		want findings
	}{
		{
			name: "acknowledges a message and drops it", lie: instead(2, nothing, 204),
			want: findings{Errors: none, Statuses: none, Lost: Lost{Messages: 1}},
		},
		{
			name: "acknowledges a follow and drops it", lie: instead(3, nothing, 204),
			want: findings{Errors: none, Statuses: none, Lost: Lost{Follows: 1}},
		},
		{
			name: "acknowledges an unfollow and drops it", lie: instead(6, nothing, 204),
			want: findings{Errors: none, Statuses: none, Lost: Lost{Unfollows: 1}},
		},
		{
			name: "forgets a user and their message",
			lie: onID(7, func(f *fakeServer, _ http.ResponseWriter, _ call) bool {
				delete(f.users, "Cy")
				return false
			}),
			want: findings{Errors: none, Statuses: none, Lost: Lost{Registrations: 1, Messages: 1}},
		},
		{
			name: "stores a message twice",
			lie:  instead(2, func(f *fakeServer, c call) { f.store(c); f.store(c) }, 204),
			want: findings{Errors: none, Statuses: none, Twice: 1},
		},
		{
			name: "lists a follow twice",
			lie:  instead(3, func(f *fakeServer, _ call) { f.follows["Ada B"] = []string{"Cy", "Cy"} }, 204),
			want: findings{Errors: none, Statuses: none, Twice: 1},
		},
		{
			name: "makes up a message, a follow and a user",
			lie: onID(7, func(f *fakeServer, _ http.ResponseWriter, _ call) bool {
				f.store(call{user: "Cy", body: map[string]string{"content": "made up"}})
				f.follows["Cy"] = append(f.follows["Cy"], "Cy")
				f.users["Nobody"] = true
				return false
			}),
			set: func(o *Options) {
				o.Actions = slices.Insert(o.Actions, 7, Action{ID: 70, Command: Tweet, User: "Nobody", Text: "x"})
			},
			want: findings{Errors: none, Statuses: none, NeverSent: 3},
		},
		{
			name: "answers 200 instead of 204", lie: instead(2, (*fakeServer).store, 200),
			want: findings{Errors: map[string]int{"status": 1}, Statuses: map[string]int{"tweet 200": 1}},
		},
		{
			name: "answers 500 to what it stored", lie: instead(2, (*fakeServer).store, 500),
			want: findings{Errors: map[string]int{"status": 1}, Statuses: map[string]int{"tweet 500": 1}},
		},
		{
			name: "answers 204 to what is 404", lie: instead(7, nothing, 204),
			set:  func(o *Options) { o.Actions[7].User = "Nobody" },
			want: findings{Errors: map[string]int{"status": 1}, Statuses: map[string]int{"tweet 204": 1}},
		},
		{
			name: "answers 404 with a page",
			lie: onID(7, func(_ *fakeServer, w http.ResponseWriter, _ call) bool {
				http.Error(w, "<h1>Not found</h1>", http.StatusNotFound)
				return true
			}),
			set:  func(o *Options) { o.Actions[7].User = "Nobody" },
			want: findings{Errors: map[string]int{"body": 1}, Statuses: none},
		},
		{
			name: "has a body after 204", lie: onID(2, bodyAfter204),
			want: findings{Errors: map[string]int{"body": 1}, Statuses: none, Lost: Lost{Messages: 1}},
		},
		{
			name: "closes the connection", lie: onID(2, hangUp),
			want: findings{Errors: map[string]int{"reset": 1}, Statuses: none},
		},
		{
			name: "closes the connection after it stored",
			lie: onID(2, func(f *fakeServer, w http.ResponseWriter, c call) bool {
				f.store(c)
				return hangUp(f, w, c)
			}),
			want: findings{Errors: map[string]int{"reset": 1}, Statuses: none},
		},
		{
			name: "closes the connection, and the client tries again",
			lie: onID(2, func(f *fakeServer, w http.ResponseWriter, c call) bool {
				f.store(c)
				return hangUp(f, w, c)
			}),
			set:  func(o *Options) { o.Retries = 1 },
			want: findings{Errors: none, Statuses: none, TwiceByRetry: 1},
		},
		{
			name: "is away for a moment, and the client tries again", lie: instead(3, nothing, 503),
			set:  func(o *Options) { o.Retries = 1 },
			want: findings{Errors: none, Statuses: none},
		},
		{
			name: "loses a registration without a word", lie: onID(1, hangUp),
			want: findings{Errors: map[string]int{"reset": 1, "consequence": 4}, Statuses: none},
		},
		{
			name: "forgets latest",
			lie: onID(7, func(f *fakeServer, w http.ResponseWriter, c call) bool {
				f.store(c)
				f.latest = 3
				w.WriteHeader(http.StatusNoContent)
				return true
			}),
			want: findings{Errors: none, Statuses: none, LatestWrong: true},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server, url := newFakeServer(t)
			server.lie = once(tc.lie(server))
			opts := quick(t, url, small)
			if tc.set != nil {
				tc.set(&opts)
			}
			report, err := Run(context.Background(), opts)
			if diff := cmp.Diff(tc.want, findingsOf(report)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			clean := tc.want.Twice+tc.want.NeverSent+tc.want.Lost.Total()+len(tc.want.Errors) == 0 && !tc.want.LatestWrong
			if (err == nil) != clean {
				t.Errorf("Run: error %v, though the findings are %+v", err, tc.want)
			}
		})
	}
}

// onID tells a lie when the action with that id comes.
func onID(id int, lie func(*fakeServer, http.ResponseWriter, call) bool) func(*fakeServer) func(http.ResponseWriter, call) bool {
	return func(f *fakeServer) func(http.ResponseWriter, call) bool {
		return func(w http.ResponseWriter, c call) bool {
			if c.id != id {
				return false
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.latest = id
			return lie(f, w, c)
		}
	}
}

// instead does something else for an action and answers with the status.
func instead(id int, do func(*fakeServer, call), status int) func(*fakeServer) func(http.ResponseWriter, call) bool {
	return onID(id, func(f *fakeServer, w http.ResponseWriter, c call) bool {
		do(f, c)
		w.WriteHeader(status)
		return true
	})
}

func nothing(*fakeServer, call) {}

func hangUp(_ *fakeServer, w http.ResponseWriter, _ call) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// bodyAfter204 acknowledges, drops, and sends bytes that net/http would hide.
func bodyAfter204(_ *fakeServer, w http.ResponseWriter, _ call) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	_, _ = conn.Write([]byte("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n\"\""))
	_ = conn.Close()
	return true
}

// TestHangingIsATimeout has a server that takes its time for one message, and
// stores it when nobody waits any more: neither lost nor made up.
func TestHangingIsATimeout(t *testing.T) {
	t.Parallel()
	server, url := newFakeServer(t)
	server.lie = func(_ http.ResponseWriter, r *http.Request, c call) bool {
		if c.id != 2 {
			return false
		}
		<-r.Context().Done() // the client gave up
		server.mu.Lock()
		defer server.mu.Unlock()
		server.store(c)
		return true
	}
	opts := quick(t, url, small)
	opts.Actions = opts.Actions[:3]
	opts.Timeout = 300 * time.Millisecond
	report, err := Run(context.Background(), opts)
	if err == nil || report.Errors["timeout"] == 0 {
		t.Errorf("Run = %v with errors %v, want a timeout", err, report.Errors)
	}
	if v := report.Verification; !v.Done || v.Lost.Total()+v.Twice+v.NeverSent > 0 {
		t.Errorf("verification = %+v, want nothing found", v)
	}
	if got := report.LongestOutage; got < opts.Timeout {
		t.Errorf("longest outage = %v, want at least the timeout, %v", got, opts.Timeout)
	}
}

// TestADeadServerIsRefused stops listening in the middle of a run.
func TestADeadServerIsRefused(t *testing.T) {
	t.Parallel()
	server, url := newFakeServer(t)
	opts := quick(t, url, small)
	opts.URLs = []string{url, "http://127.0.0.1:1"} // where nobody listens
	report, err := Run(context.Background(), opts)
	if err == nil || report.Errors["refused"] == 0 {
		t.Errorf("Run = %v with errors %v, want refused connections", err, report.Errors)
	}
	if v := report.Verification; !v.Done || v.Lost.Total()+v.Twice+v.NeverSent > 0 {
		t.Errorf("verification = %+v, want nothing found in %v", v, slices.Collect(maps.Keys(server.users)))
	}
}

// TestAnUnreadableServerIsNotVerified answers reads with something else.
func TestAnUnreadableServerIsNotVerified(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		route, body string
		status      int
		want        string
	}{
		{"GET msgs", `[]`, 500, "status 500"},
		{"GET msgs", `{"status":503}`, 503, "status 503"},
		{"GET msgs", `null`, 200, "read messages of"},
		{"GET msgs", `[{"content":"x","user":"Cy"}]`, 200, "read messages of"},
		{"GET msgs", `[{"content":"x","user":"Cy","pub_date":1},{"content":"x","user":"Cy","pub_date":2}]`, 200, "shape"},
		{"GET msgs", `[{"content":"x","user":"Cy","pub_date":"now"}]`, 200, "read messages of"},
		{"GET fllws", `{"follows":null}`, 200, "read follows of"},
		{"GET fllws", `["Cy"]`, 200, "read follows of"},
		{"GET latest", `{"latest":"7"}`, 200, "not verified"},
		{"GET latest", `{}`, 200, "shape"},
	} {
		server, url := newFakeServer(t)
		server.lie = func(w http.ResponseWriter, r *http.Request, c call) bool {
			if c.route != tc.route || r.URL.Query().Get("no") == "1" {
				return false
			}
			w.WriteHeader(tc.status)
			_, _ = w.Write([]byte(tc.body))
			return true
		}
		report, err := Run(context.Background(), quick(t, url, small))
		if err == nil || !strings.Contains(err.Error(), tc.want) || report.Verification.Done {
			t.Errorf("Run with %s answered %d %s = %v, want an error with %q", tc.route, tc.status, tc.body, err, tc.want)
		}
	}
}
