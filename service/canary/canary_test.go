package canary

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"minitwit/service/wait"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
)

// surfaces are an API and a UI that fail as they are told; the real ones are asked in
// service/e2e.
type surfaces struct {
	mu             sync.Mutex
	said           string
	api, web       int // status to answer
	forgets, hangs bool
	asked          int
}

func (s *surfaces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	body, _ := io.ReadAll(r.Body)
	if s.hangs {
		<-r.Context().Done() // seen only once the body has been read
		return
	}
	if r.Method == http.MethodPost {
		if user, password, _ := r.BasicAuth(); user != "simulator" || password != "a:b" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if !s.forgets {
			s.said = string(body)
		}
		w.WriteHeader(s.api)
		return
	}
	w.WriteHeader(s.web)
	fmt.Fprint(w, "<li>", s.said, "</li>")
}

// enough is for a site that answers, on a busy machine.
const enough = 20 * time.Second

func TestTheCanaryReportsWhatAUserWouldFeel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*surfaces)
		want  float64
		err   string
	}{
		"all is well":          {func(*surfaces) {}, 1, ""},
		"the API fails":        {func(s *surfaces) { s.api = 500 }, 0, "write through the API: status 500"},
		"the UI fails":         {func(s *surfaces) { s.web = 500 }, 0, "read through the UI: status 500"},
		"the message is lost":  {func(s *surfaces) { s.forgets = true }, 0, "not on the page"},
		"nothing answers":      {func(s *surfaces) { s.hangs = true }, 0, "deadline exceeded"},
		"a wrong status of OK": {func(s *surfaces) { s.api = 200 }, 0, "status 200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &surfaces{api: http.StatusNoContent, web: http.StatusOK}
			c.spoil(s)
			site := httptest.NewServer(s)
			defer site.Close()
			reg := prometheus.NewRegistry()
			var log strings.Builder
			timeout := enough
			if s.hangs {
				timeout = time.Second
			}
			canary := New(Options{
				API: site.URL, Web: site.URL, Credentials: "simulator:a:b",
				Every: time.Minute, Timeout: timeout, Log: zerolog.New(&log),
			}, reg)
			took, err := canary.once(t.Context())
			canary.report(t.Context(), took, err)
			if got := testutil.ToFloat64(canary.success); got != c.want {
				t.Errorf("success = %v, want %v (%v)", got, c.want, err)
			}
			if last := testutil.ToFloat64(canary.last); (last > 0) != (c.want == 1) {
				t.Errorf("last success = %v", last)
			}
			if c.err == "" && err != nil || !strings.Contains(fmt.Sprint(err), c.err) || !strings.Contains(log.String(), c.err) {
				t.Errorf("error %v, log %q, want %q", err, log.String(), c.err)
			}
		})
	}
}

// A stop is no failure of the site.
func TestAStopIsNotReported(t *testing.T) {
	t.Parallel()
	s := &surfaces{api: http.StatusNoContent, web: http.StatusOK}
	site := httptest.NewServer(s)
	defer site.Close()
	canary := New(Options{API: site.URL, Web: site.URL, Credentials: "simulator:a:b", Every: time.Millisecond, Timeout: enough}, prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { canary.Run(ctx); close(done) }()
	wait.For(t, 10*time.Second, "more than ten requests", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.asked > 10
	})
	cancel()
	<-done
	if testutil.ToFloat64(canary.success) != 1 {
		t.Error("the stop was reported as a failure")
	}
}
