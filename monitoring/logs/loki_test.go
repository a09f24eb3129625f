package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeStore answers as Loki does, whatever it is asked. The real one is asked by
// ./scripts/run.sh logs-test.
type fakeStore struct {
	*httptest.Server
	mu    sync.Mutex
	lines []string // JSON of [nanoseconds, line]
	asked []url.Values
	token string
}

func newFakeStore(t *testing.T) *fakeStore {
	t.Helper()
	f := &fakeStore{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked, f.token = append(f.asked, r.URL.Query()), r.Header.Get("Authorization")
		if r.URL.Path != "/prefix/loki/api/v1/query_range" {
			http.Error(w, "no \x1bsuch page", http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"streams","result":[
			{"stream":{"service":"minitwit_api","level":"fatal","task":"minitwit_api.3.x1","container_id":"c"},"values":[%s]}]}}`,
			strings.Join(f.lines, ","))
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeStore) add(at time.Time, line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, fmt.Sprintf("[%q,%q]", strconv.FormatInt(at.UnixNano(), 10), line))
}

func (f *fakeStore) env(name string) string {
	return map[string]string{"LOKI_URL": f.URL + "/prefix/"}[name]
}

func TestTheStoreIsAskedForWhatIsWanted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		ql   string
	}{
		{nil, `{service=~".+"}`},
		{[]string{"web", "a.i"}, `{service=~"(.+_)?(web|a\\.i)"}`},
		{[]string{"-request", "r1"}, `{service=~".+"} | request_id="r1"`},
		{[]string{"-errors", "api"}, `{service=~"(.+_)?(api)", level=~"error|fatal|panic"}`},
	} {
		f := newFakeStore(t)
		if err := run(t.Context(), append([]string{"-since", "10m", "-lines", "7"}, c.args...), f.env, &strings.Builder{}); err != nil {
			t.Fatal(err)
		}
		asked := f.asked[0]
		if got := asked.Get("query"); got != c.ql {
			t.Errorf("%q asks %s, want %s", c.args, got, c.ql)
		}
		start, _ := strconv.ParseInt(asked.Get("start"), 10, 64)
		end, _ := strconv.ParseInt(asked.Get("end"), 10, 64)
		if time.Duration(end-start) != 10*time.Minute || asked.Get("limit") != "7" || asked.Get("direction") != "backward" {
			t.Errorf("%q asks for %v", c.args, asked)
		}
	}
}

func TestTheLinesOfTheStoreAreShownInOrder(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	now := time.Now()
	f.add(now, `{"level":"info","service":"minitwit_web","slot":"1","message":"third"}`)
	f.add(now.Add(-time.Second), `panic: second`)
	f.add(now.Add(-time.Second), `panic: second`) // it was read twice
	f.add(now.Add(-2*time.Second), `first`)
	var out strings.Builder
	if err := run(t.Context(), []string{"-lines", "3"}, f.env, &out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line)[2:], " "))
	}
	want := "minitwit_api.3 fatal first, minitwit_api.3 fatal panic: second, minitwit_web.1 info third"
	if strings.Join(got, ", ") != want {
		t.Errorf("shown %q, want %s", got, want)
	}
}

func TestWhatComesLaterIsShownOnce(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	now := time.Now()
	f.add(now, "first")
	from, err := newSource("", f.env)
	if err != nil {
		t.Fatal(err)
	}
	// Fewer lines, and of less time, than what comes later is looked for in.
	q := query{since: 10 * time.Second, lines: 1, follow: true}
	f.add(now.Add(-2*time.Second), "not wanted, there are newer ones")
	f.add(now.Add(-30*time.Second), "not wanted, too old")
	if found, err := from.find(t.Context(), q); err != nil || len(found) != 2 {
		t.Fatalf("found %v, %v, want what is new enough", found, err)
	}
	start, _ := strconv.ParseInt(f.asked[0].Get("start"), 10, 64)
	if end, _ := strconv.ParseInt(f.asked[0].Get("end"), 10, 64); time.Duration(end-start) != late || f.asked[0].Get("limit") != "5000" {
		t.Errorf("find asks for %v, want as much as news will look back on", f.asked[0])
	}
	f.add(now.Add(time.Second), "third")
	f.add(now.Add(-time.Second), "second, late")
	found, err := from.news(t.Context(), q)
	if err != nil || len(found) != 2 {
		t.Errorf("news are %v, %v; want two", found, err)
	}
	if found, err := from.news(t.Context(), q); err != nil || len(found) != 0 {
		t.Errorf("news are %v, %v; want none", found, err)
	}
}

func TestATokenIsReadFromAFileAndSent(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string {
		if name == "LOKI_TOKEN_FILE" {
			return file
		}
		return f.env(name)
	}
	if err := run(t.Context(), nil, env, &strings.Builder{}); err != nil || f.token != "Bearer hunter2" {
		t.Errorf("sent %q, %v", f.token, err)
	}
}

func TestWhatGoesWrongIsSaidWithoutSecrets(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.add(time.Now(), "x")
	for address, want := range map[string]string{
		"":                                 "LOKI_URL is not",
		"loki:3100":                        "LOKI_URL is not",
		"ftp://ada:hunter2@x":              "LOKI_URL is not",
		"http://ada:hunter2@127.0.0.1:1":   "connection refused",
		f.URL + "/elsewhere?token=hunter2": "404",
	} {
		env := func(name string) string { return map[string]string{"LOKI_URL": address}[name] }
		err := run(t.Context(), nil, env, &strings.Builder{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("with %s: %v, want %q", address, err, want)
		}
	}
}
