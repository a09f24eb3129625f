package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"minitwit/service/faults"
	"minitwit/service/minitwit"
)

// Limits of a request. A client that exceeds one is told so or cut off.
const (
	maxBodyBytes   = 64 << 10 // anybody may send one, and MAX_IN_FLIGHT of them have to fit into memory
	maxHeaderBytes = 32 << 10
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	bodyTimeout    = 3 * time.Second // while it is read, the request has a place among those in work
	writeTimeout   = 15 * time.Second
	idleTimeout    = 60 * time.Second
	workTimeout    = 5 * time.Second // of a handler, the body included; each query has its own, shorter
)

// Refusals are logged as events of their own, but not more of them than that: who
// guesses passwords must not fill the log. The metrics count them all.
const (
	refusalBurst  = 10
	refusalPeriod = 10 * time.Second
)

// requestID names the request in the answer, in the log and on error pages. A
// caller's own id is kept if it is a harmless one.
func requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !harmless(id) {
			id = rand.Text()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		return next(c)
	}
}

func harmless(id string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return id != "" && len(id) <= 64 && strings.Trim(id, allowed) == ""
}

// accessLog writes one line a request and is where errors are logged: those of
// ours as errors, what passes by itself as warnings. The metrics, further in,
// have had them answered already. What is logged meanwhile, by the logger of the
// request's context, has the same request id.
func accessLog(log zerolog.Logger) echo.MiddlewareFunc {
	refused := log.Sample(&zerolog.BurstSampler{Burst: refusalBurst, Period: refusalPeriod})
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			id := c.Response().Header().Get(echo.HeaderXRequestID)
			withLogger(c, log.With().Str("request_id", id).Logger())
			err := next(c)
			status := c.Response().Status
			if status == http.StatusUnauthorized || status == http.StatusForbidden {
				refused.Warn().
					Str("event", "unauthorized").
					Str("request_id", id).
					Str("method", clip(c.Request().Method, longestMethod)).
					Str("route", c.Path()).
					Int("status", status).
					Msg("refused")
			}
			// What a status below 500 has to say is the client's affair, unless the
			// answer had begun when the error came: then only the log can tell.
			if expected, _ := describe(err); err != nil && expected == status && status < http.StatusInternalServerError {
				err = nil
			}
			log.WithLevel(levelOf(status, c.Path())).
				Err(clipped(err)).
				Str("request_id", id).
				Str("method", clip(c.Request().Method, longestMethod)).
				Str("route", c.Path()).
				Str("uri", shown(c.Request().URL)).
				Int("status", status).
				Int64("bytes", c.Response().Size).
				Dur("ms", time.Since(start)).
				Msg("request")
			return nil
		}
	}
}

func levelOf(status int, route string) zerolog.Level {
	switch {
	case status == http.StatusServiceUnavailable:
		return zerolog.WarnLevel
	case status >= http.StatusInternalServerError:
		return zerolog.ErrorLevel
	case route == "/static/*" || route == "/openapi.yaml":
		return zerolog.DebugLevel // also what /livez asks, every few seconds
	}
	return zerolog.InfoLevel
}

// withLogger gives a logger to all that is done for the request.
func withLogger(c echo.Context, log zerolog.Logger) {
	c.SetRequest(c.Request().WithContext(log.WithContext(c.Request().Context())))
}

// shownParameters are those of our own; what they hold is no secret.
var shownParameters = []string{"latest", "no", "before", "after"}

// shown gives an address as the log may have it. A query that is not ours may hold
// a password, such as that of a form sent by GET.
func shown(u *url.URL) string {
	uri, query, ours := u.EscapedPath(), u.Query(), url.Values{}
	for _, name := range shownParameters {
		if query.Has(name) {
			ours[name] = query[name]
		}
	}
	switch {
	case len(ours) < len(query), len(query) == 0 && u.RawQuery != "":
		uri += "?" + ours.Encode() + "…"
	case len(ours) > 0:
		uri += "?" + ours.Encode()
	}
	return clip(uri, 300)
}

// clip keeps one request from filling the log.
func clip(text string, longest int) string {
	if len(text) > longest {
		return text[:longest] + "…"
	}
	return text
}

// clipped is for an error that may hold what a client sent.
func clipped(err error) error {
	if err == nil || len(err.Error()) <= longestPanic {
		return err
	}
	return errors.New(clip(err.Error(), longestPanic))
}

// Together these keep the line below the 16 KiB at which Docker cuts it into pieces, none of which
// is JSON: nobody would find it by its request. net/http takes any word for a method.
const longestMethod, longestPanic, longestStack = 20, 1 << 10, 10 << 10

// recoverPanic turns a panic into an error: a bug costs one request a 500. It
// counts and logs those that the store has caught, too.
func recoverPanic(log zerolog.Logger, count func()) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := caught(next, c)
			if p, ok := errors.AsType[*minitwit.PanicError](err); ok {
				count()
				log.Error().
					Str("request_id", c.Response().Header().Get(echo.HeaderXRequestID)).
					Str("route", c.Path()).
					Str("panic", clip(fmt.Sprint(p.Value), longestPanic)).
					Str("stack", clip(string(p.Stack), longestStack)).
					Msg("panic")
			}
			return err
		}
	}
}

// caught lets http.ErrAbortHandler pass: by it a handler means to break the connection.
func caught(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		p := recover()
		if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this too
			panic(p)
		}
		if p != nil {
			err = &minitwit.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return next(c)
}

// closeWhenDraining asks every client to come back on another connection, which
// the mesh leads to another replica.
func closeWhenDraining(draining *atomic.Bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			// When the answer begins, not when the request comes: the drain may begin in between.
			c.Response().Before(func() {
				if draining.Load() {
					c.Response().Header().Set(echo.HeaderConnection, "close")
				}
			})
			return next(c)
		}
	}
}

// drill is where a binary made for drills fails on purpose. Further in, shed would
// answer for those who hang, and /livez would not notice them.
func drill(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if answer := faults.Request(c.Request().Context(), c.Path()); answer != "" {
			return c.JSONBlob(http.StatusOK, []byte(answer))
		}
		return next(c)
	}
}

// maintenanceSeconds is when clients shall come again.
const maintenanceSeconds = "120"

// closed refuses everything but what the page that says so is made of.
func closed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if strings.HasPrefix(c.Request().URL.Path, "/static/") {
			return next(c)
		}
		c.Response().Header().Set(echo.HeaderRetryAfter, maintenanceSeconds)
		return minitwit.ErrMaintenance
	}
}

// shed answers 503 at once when too many requests are in work: those would
// only wait in memory for a database that is already busy.
func shed(limit int) echo.MiddlewareFunc {
	slots := make(chan struct{}, limit)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
				return next(c)
			default:
				// Else net/http would read the rest of the request first. Another connection may
				// lead to another replica, too.
				c.Response().Header().Set(echo.HeaderConnection, "close")
				return minitwit.Unavailable(fmt.Errorf("%d requests are in work", limit))
			}
		}
	}
}

// bound limits the body and the time of the work. The work is not tied to the
// client's connection: the simulator hangs up after 0.3 s, and a registration
// that it has given up on is still better stored than lost.
func bound(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), workTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		if r.Body != http.NoBody {
			// That it cannot be set, on a connection of a test, harms nobody.
			_ = http.NewResponseController(c.Response().Writer).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		r.Body = http.MaxBytesReader(c.Response().Writer, r.Body, maxBodyBytes) // net/http's own: it closes the connection
		c.SetRequest(r)
		return next(c)
	}
}

// headers sets what every answer of a surface carries.
func headers(set map[string]string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			for name, value := range set {
				c.Response().Header().Set(name, value)
			}
			return next(c)
		}
	}
}

// sameOrigin refuses requests that change something and come from another
// site's page, by what browsers say of themselves (Sec-Fetch-Site, Origin).
// Clients that say nothing, old scripts and the simulator, are let through.
func sameOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c echo.Context) error {
		if protection.Check(c.Request()) != nil {
			return minitwit.Errorf(minitwit.CodeForbidden, "This request came from another site's page and was refused.")
		}
		return next(c)
	}
}
