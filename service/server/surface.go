package server

import (
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/service/simapi"
	"minitwit/service/web"
)

// Surface is one of the two faces of the service: its handler, its listener and
// what /livez asks it.
type Surface struct {
	name     string
	requests prometheus.Gatherer
	handler  *echo.Echo
	alive    string // a path that needs no database
	draining atomic.Bool
	arrived  atomic.Int64 // when a connection last came, in nanoseconds since 1970

	listener net.Listener
	server   *http.Server
}

// SurfaceOptions are what both surfaces need.
type SurfaceOptions struct {
	Log         zerolog.Logger
	Registerer  prometheus.Registerer
	MaxInFlight int
	// Maintenance closes the surface: 503 with Retry-After to everything but /static/.
	Maintenance bool
}

// apiHeaders and webHeaders are on every answer of a surface, errors included.
func apiHeaders() map[string]string {
	return map[string]string{
		echo.HeaderXContentTypeOptions: "nosniff",
		"Cache-Control":                "no-store",
	}
}

func webHeaders() map[string]string {
	return map[string]string{
		echo.HeaderContentSecurityPolicy: "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
			"connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		echo.HeaderXContentTypeOptions: "nosniff",
		echo.HeaderXFrameOptions:       "DENY",
		echo.HeaderReferrerPolicy:      "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	}
}

// NewAPI makes the simulator's surface.
func NewAPI(a *simapi.API, o SurfaceOptions) *Surface {
	s := newSurface("api", "/openapi.yaml", apiHeaders(), simapi.RenderError, o)
	apiRoutes(s.handler, a)
	return s
}

// NewWeb makes the browsers' surface.
func NewWeb(w *web.Web, o SurfaceOptions) *Surface {
	s := newSurface("web", "/static/style.css", webHeaders(), w.RenderError, o)
	s.handler.Use(sameOrigin)
	webRoutes(s.handler, w)
	return s
}

func newSurface(name, alive string, always map[string]string, render renderError, o SurfaceOptions) *Surface {
	log := o.Log.With().Str("surface", name).Logger()
	s := &Surface{name: name, alive: alive, handler: echo.New()}
	s.handler.HTTPErrorHandler = errorHandler(render)
	// Unset, echo believes any client's X-Forwarded-For.
	s.handler.IPExtractor = echo.ExtractIPDirect()
	metrics := newRED(o.Registerer)
	s.requests = metrics.own
	// From the outside in. Everything is named, logged and counted, also what is
	// refused and what panics; a panic gives back its place among the requests
	// in work; no handler reads a request that is refused for want of one.
	s.handler.Use(
		requestID,
		headers(always),
		accessLog(log),
		metrics.middleware(alive),
		recoverPanic(log, metrics.panics.Inc),
		closeWhenDraining(&s.draining),
		drill,
		shed(o.MaxInFlight),
		bound,
	)
	if o.Maintenance {
		s.handler.Use(closed)
	}
	s.server = &http.Server{
		Handler:           headAsGet(s.handler),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         s.noting(limitConnections()),
		ErrorLog:          stdlog.New(log.With().Str("from", "net/http").Logger(), "", 0),
	}
	return s
}

// headAsGet answers HEAD like GET, for which echo has the routes; net/http
// leaves out the body.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.WithContext(r.Context()) // a copy: net/http has to remember what was asked
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// Listen takes the address. A taken port is an error here, before anything
// else starts.
func (s *Surface) Listen(addr string) (err error) {
	s.listener, err = net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%s surface: %w", s.name, err)
	}
	return nil
}

// Name is api or web.
func (s *Surface) Name() string { return s.name }

// Requests gives the metrics of the surface's requests and nothing else.
func (s *Surface) Requests() prometheus.Gatherer { return s.requests }

// Addr gives the address that Listen took.
func (s *Surface) Addr() net.Addr { return s.listener.Addr() }
