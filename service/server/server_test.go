package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"minitwit/service/minitwit"
	"minitwit/service/session"
	"minitwit/service/simapi"
	"minitwit/service/web"
)

func newWeb(t testing.TB) *web.Web {
	t.Helper()
	sessions, err := session.New(strings.Repeat("k", 32), "", false)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := web.New(web.Options{Sessions: sessions, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// Whoever could register the name of a page would have a timeline that nobody
// can reach.
func TestNoUserCanBeNamedLikeAPage(t *testing.T) {
	t.Parallel()
	e := echo.New()
	webRoutes(e, newWeb(t))
	for _, route := range e.Routes() {
		first, _, _ := strings.Cut(strings.TrimPrefix(route.Path, "/"), "/")
		if first != "" && !strings.HasPrefix(first, ":") && !minitwit.IsReserved(first) {
			t.Errorf("route %s: the name %q is not reserved", route.Path, first)
		}
	}
}

func TestErrorsBecomeStatusesAndKeepTheirSecrets(t *testing.T) {
	t.Parallel()
	secret := errors.New("pq: secret")
	for _, c := range []struct {
		err    error
		status int
		text   string
	}{
		{minitwit.ErrNameTaken, 400, "The username is already taken"},
		{fmt.Errorf("op: %w", minitwit.ErrUserNotFound), 404, "There is no user of that name"},
		{minitwit.Errorf(minitwit.CodeUnauthenticated, "sign in"), 401, "sign in"},
		{minitwit.ErrNotAuthorized, 403, "not authorized"},
		{minitwit.Errorf(minitwit.CodeTooLarge, "too large"), 413, "too large"},
		{minitwit.Errorf(minitwit.CodeTooMany, "too many"), 429, "too many"},
		{minitwit.Unavailable(secret), 503, "try again"},
		{&minitwit.Error{Code: minitwit.CodeInternal, Message: "secret"}, 500, "on our side"},
		{secret, 500, "on our side"},
		{echo.ErrNotFound, 404, "Not Found"},
		{echo.ErrMethodNotAllowed, 405, "Method Not Allowed"},
		{echo.NewHTTPError(500, "secret"), 500, "on our side"},
	} {
		status, text := describe(c.err)
		if status != c.status || !strings.Contains(text, c.text) || strings.Contains(text, "secret") {
			t.Errorf("describe(%v) = %d %q, want %d with %q", c.err, status, text, c.status, c.text)
		}
	}
}

// stranger is a connection of somebody else's.
type stranger struct {
	net.Conn
	address string
	closed  bool
}

func (s *stranger) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(s.address)} }
func (s *stranger) Close() error         { s.closed = true; return nil }

// A crowd must not fill the memory, nor keep the health check out.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	told := limitConnections()
	comes := func(address string) bool {
		c := &stranger{address: address}
		told(c, http.StateNew)
		return !c.closed
	}
	for i := range maxConnections {
		if !comes("192.0.2.1") {
			t.Fatalf("connection %d is refused", i+1)
		}
	}
	if comes("192.0.2.1") {
		t.Error("one more than there may be is taken")
	}
	if !comes("127.0.0.1") {
		t.Error("the health check is refused")
	}
	for range 3 {
		told(&stranger{}, http.StateClosed)
	}
	if !comes("192.0.2.1") {
		t.Error("what has ended still counts")
	}
}

// A node's mesh may not have heard that this replica leaves, and sends on.
func TestADrainGoesOnWhileConnectionsCome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		comes time.Duration // one each half second, for so long
		drain time.Duration
		most  time.Duration
		want  time.Duration
		still bool // they come at the end
	}{
		{"nobody comes", 0, 8 * time.Second, 40 * time.Second, 8 * time.Second, false},
		{"the last comes early", 2 * time.Second, 8 * time.Second, 40 * time.Second, 9500 * time.Millisecond, false},
		{"they come for longer", 20 * time.Second, 8 * time.Second, 40 * time.Second, 27500 * time.Millisecond, false},
		{"they come for ever", time.Hour, 8 * time.Second, 40 * time.Second, 40 * time.Second, true},
		{"as long as it was told and no longer", time.Hour, 8 * time.Second, 0, 8 * time.Second, false},
		{"not at all", time.Hour, 0, 0, 0, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				surface := &Surface{}
				told := surface.noting(limitConnections())
				began := time.Now()
				var log bytes.Buffer
				var gone atomic.Bool
				var client sync.WaitGroup
				client.Go(func() {
					for time.Since(began) < c.comes && !gone.Load() {
						told(&stranger{address: "192.0.2.1"}, http.StateNew)
						time.Sleep(time.Second / 2)
					}
				})
				s := &Server{Options: Options{Surfaces: []*Surface{surface}, Drain: c.drain, DrainMost: c.most, Log: zerolog.New(&log)}, health: &health{}}
				s.drain()
				if took := time.Since(began); took != c.want {
					t.Errorf("it drained for %v, want %v", took, c.want)
				}
				if still := strings.Contains(log.String(), "still come"); still != c.still {
					t.Errorf("it says %q", &log)
				}
				gone.Store(true)
				client.Wait()
			})
		})
	}
}

func TestARequestIsCountedAsInWorkUntilItEnds(t *testing.T) {
	t.Parallel()
	m := newRED(prometheus.NewRegistry())
	var meanwhile float64
	handle := m.middleware("/alive")(func(echo.Context) error {
		meanwhile = inWork(t, m.own)
		return nil
	})
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", http.NoBody), httptest.NewRecorder())
	if err := handle(c); err != nil {
		t.Fatal(err)
	}
	if after := inWork(t, m.own); meanwhile != 1 || after != 0 {
		t.Errorf("%v in work meanwhile, %v after it; want 1 and 0", meanwhile, after)
	}
}

// Beside a few people's requests blackbox's would be most of them, and hide that theirs fail.
func TestProbesAreCountedApart(t *testing.T) {
	t.Parallel()
	m := newRED(prometheus.NewRegistry())
	handle := m.middleware("/alive")(func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	for _, agent := range []string{probeAgent, "curl/8"} {
		req := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		req.Header.Set("User-Agent", agent)
		c := echo.New().NewContext(req, httptest.NewRecorder())
		c.SetPath("/public")
		if err := handle(c); err != nil {
			t.Fatal(err)
		}
	}
	for _, route := range []string{"probe", "/public"} {
		if n := testutil.ToFloat64(m.requests.WithLabelValues(route, http.MethodGet, "200")); n != 1 {
			t.Errorf("%v requests of the route %s, want 1", n, route)
		}
	}
}

// Docker cuts a line at 16 KiB, and half a line is no JSON.
func TestThePanicOfADeepStackIsOneLine(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	handle := recoverPanic(zerolog.New(&log), func() {})(func(echo.Context) error {
		return &minitwit.PanicError{Value: strings.Repeat("deep ", 1000), Stack: bytes.Repeat([]byte("a frame\n\tof it\n"), 2000)}
	})
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", http.NoBody), httptest.NewRecorder())
	if err := handle(c); err == nil {
		t.Error("the panic is no error any more")
	}
	if n := log.Len(); n < 4<<10 || n > 16<<10 {
		t.Errorf("the line has %d bytes, want some of the stack and less than 16 KiB", n)
	}
}

func inWork(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "minitwit_http_requests_in_flight" {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("the metrics do not say how many requests are in work")
	return 0
}

func TestACallersRequestIDIsKeptIfItIsHarmless(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"abc-123_X": true, "": false, "a b": false, "a\nb": false, `"><script>`: false, strings.Repeat("a", 65): false,
	} {
		if got := harmless(id); got != want {
			t.Errorf("harmless(%q) = %v, want %v", id, got, want)
		}
	}
}

// fuzzSurface is the API without a database: no request of the fuzz test comes
// that far.
func fuzzSurface(reg *prometheus.Registry) *Surface {
	latest := simapi.NewLatest(
		func(context.Context) (int64, error) { return 0, nil },
		func(context.Context, int64) error { return nil })
	return NewAPI(simapi.New(nil, nil, latest, "u:p"), SurfaceOptions{
		Log: zerolog.Nop(), Registerer: ForSurface(reg, "api"), MaxInFlight: 10,
	})
}

// Whatever clients invent, the number of series is ours to decide.
func FuzzMetricLabels(f *testing.F) {
	for _, seed := range [][2]string{
		{"GET", "/latest"}, {"BREW", "/msgs/x"}, {"GET", "/msgs/a%2Fb/c"}, {"POST", "/register"}, {"GET", "/%ff"}, {"DELETE", "/msgs"},
	} {
		f.Add(seed[0], seed[1])
	}
	reg := prometheus.NewRegistry()
	surface := fuzzSurface(reg)
	known := map[string]bool{"none": true}
	for _, r := range surface.handler.Routes() {
		known[r.Path] = true
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://x/", nil)
		if err != nil {
			return // no client could send it
		}
		req.URL.Path, req.RequestURI = "/"+strings.TrimPrefix(path, "/"), path
		req.Body = http.NoBody
		surface.handler.ServeHTTP(httptest.NewRecorder(), req)
		checkLabels(t, reg, known)
	})
}

func checkLabels(t *testing.T, reg *prometheus.Registry, routes map[string]bool) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				v := label.GetValue()
				if label.GetName() == "route" && !routes[v] || label.GetName() == "method" && methodLabel(v) != v {
					t.Errorf("%s has the label %s=%q", family.GetName(), label.GetName(), v)
				}
			}
		}
	}
}
