package scripts

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Nothing but tail is needed for it.
func TestTheLocalLogsAreShownAsTheyAre(t *testing.T) {
	t.Parallel()
	dir := clone(t)
	if got := runIn(t, dir, "logs"); got.code != 1 || !strings.Contains(got.stderr, "there is no log yet") {
		t.Errorf("logs of nothing = %+v", got)
	}
	write(t, filepath.Join(dir, ".local/log/web.log"), "one\ntwo\nthree\n")
	if got := runIn(t, dir, "logs", "web", "--lines", "2"); got.code != 0 || got.stdout != "two\nthree\n" {
		t.Errorf("the last two lines = %+v", got)
	}
	write(t, filepath.Join(dir, ".local/log/api.log"), "four\n")
	if got := runIn(t, dir, "logs").stdout; !strings.Contains(got, "three\n") || !strings.Contains(got, "four\n") {
		t.Errorf("both logs = %q", got)
	}
}

// The program that filters needs nothing but Go's own library.
func TestLinesAreFoundByOneQuestion(t *testing.T) {
	t.Parallel()
	var asked atomic.Value
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Query().Get("query") + " " + r.URL.Query().Get("limit"))
		_, _ = w.Write([]byte(`{"data":{"result":[{"stream":{},"values":[["1","it is there"]]}]}}`))
	}))
	defer store.Close()
	dir := clone(t)
	write(t, filepath.Join(dir, "go.mod"), "module minitwit\n\ngo 1.26\n")
	for _, file := range glob(t, "../monitoring/logs/*.go") {
		if !strings.HasSuffix(file, "_test.go") {
			write(t, filepath.Join(dir, "monitoring/logs", filepath.Base(file)), read(t, file))
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--request", "r-1"}, `{service=~".+"} | request_id="r-1" 1000`},
		{[]string{"web", "--errors", "-n", "5"}, `{service=~"(.+_)?(web)", level=~"error|fatal|panic"} 5`},
	} {
		got := runIn(t, dir, append([]string{"logs", "--loki", store.URL, "--json"}, c.args...)...)
		if got.code != 0 || got.stdout != "it is there\n" || asked.Load() != c.want {
			t.Errorf("logs %q = %+v, asked %q, want %q", c.args, got, asked.Load(), c.want)
		}
	}
	write(t, filepath.Join(dir, ".local/log/web.log"), `{"level":"error","request_id":"r-1","time":"2999-01-01T00:00:00Z","message":"local"}`+"\n")
	if got := runIn(t, dir, "logs", "--request", "r-1"); got.code != 0 || !strings.Contains(got.stdout, "local  request_id=r-1\n") {
		t.Errorf("a local request = %+v", got)
	}
}
