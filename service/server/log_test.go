package server

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/service/simapi"
)

// What a client invents may be a secret in the wrong place.
func TestTheLogHasOnlyTheParametersThatWeKnow(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"/msgs":                                 "/msgs",
		"/msgs?no=5&latest=7":                   "/msgs?latest=7&no=5",
		"/public?before=3-4":                    "/public?before=3-4",
		"/login?username=ada&password=hunter2":  "/login?…",
		"/register?latest=7&pwd=hunter2":        "/register?latest=7…",
		"/public?;hunter2":                      "/public?…",
		"/public?after=%zz":                     "/public?…",
		"http://ada:hunter2@example.org/public": "/public",
		"/msgs/a%2Fb":                           "/msgs/a%2Fb",
		"/" + strings.Repeat("a", 400):          "/" + strings.Repeat("a", 299) + "…",
	} {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := shown(u); got != want {
			t.Errorf("shown(%q) = %q, want %q", raw, got, want)
		}
	}
}

// Docker cuts a line of more than 16 KiB into pieces, none of which is JSON.
func TestARequestIsOneLineWhateverItsMethod(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	surface := NewAPI(simapi.New(nil, nil, simapi.NewLatest(nil, nil), "u:p"), SurfaceOptions{
		Log: zerolog.New(&log), Registerer: prometheus.NewRegistry(), MaxInFlight: 10,
	})
	surface.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(strings.Repeat("M", 16<<10), "/msgs", http.NoBody))
	if want := `"method":"` + strings.Repeat("M", longestMethod) + `…"`; log.Len() > 1<<10 || !strings.Contains(log.String(), want) {
		t.Errorf("%d bytes of log, want some hundred, with %s:\n%.2000s", log.Len(), want, log.String())
	}
}

func TestWhatAnErrorRepeatsIsCut(t *testing.T) {
	t.Parallel()
	short := errors.New("away")
	if clipped(nil) != nil || clipped(short) != short { //nolint:errorlint // the very same
		t.Error("what is short does not stay as it is")
	}
	if got := len(clipped(errors.New(strings.Repeat("x", 16<<10))).Error()); got > longestPanic+len("…") {
		t.Errorf("%d bytes, want %d", got, longestPanic)
	}
}

func TestRefusalsAreEventsThatAreBounded(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	surface := NewAPI(simapi.New(nil, nil, simapi.NewLatest(nil, nil), "u:p"), SurfaceOptions{
		Log: zerolog.New(&log), Registerer: prometheus.NewRegistry(), MaxInFlight: 10,
	})
	const asked = 3 * refusalBurst
	for range asked {
		req := httptest.NewRequest(http.MethodGet, "/msgs", http.NoBody)
		req.Header.Set("X-Request-ID", "r1")
		surface.handler.ServeHTTP(httptest.NewRecorder(), req)
	}
	const event = `{"level":"warn","surface":"api","event":"unauthorized","request_id":"r1",` +
		`"method":"GET","route":"/msgs","status":403,"message":"refused"}`
	if n := strings.Count(log.String(), event+"\n"); n < refusalBurst || n > 2*refusalBurst {
		t.Errorf("%d lines %s of %d requests, want about %d\n%s", n, event, asked, refusalBurst, log.String())
	}
	if n := strings.Count(log.String(), `"message":"request"`); n != asked {
		t.Errorf("%d requests are logged, want all %d", n, asked)
	}
}

func TestEachLineIsCounted(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	log := zerolog.New(&bytes.Buffer{}).Level(zerolog.InfoLevel).Hook(RegisterLogLines(reg, "minitwit_api", "3", "0123456789ab"))
	log.Info().Msg("one")
	log.Debug().Msg("not written")
	child := log.With().Str("surface", "api").Logger()
	child.Error().Msg("two")
	families, err := reg.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("gathered %v, %v", families, err)
	}
	if got := families[0].GetMetric()[0].GetCounter().GetValue(); got != 2 {
		t.Errorf("counted %v lines, want 2", got)
	}
}
