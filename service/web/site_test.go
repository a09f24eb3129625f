package web_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	check "minitwit/service/htmlcheck"
	"minitwit/service/minitwit"
	"minitwit/service/session"
	"minitwit/service/web"
)

const testSecret = "a secret text of at least 32 characters"

// site is the pages behind a real router and a real listener.
type site struct {
	*memory
	url string
}

func newSite(t testing.TB, users ...string) *site {
	t.Helper()
	store := newMemory()
	for _, name := range users {
		r := minitwit.Registration{Name: name, Email: "a@example.org", Password: "secret"}
		if err := store.Register(context.Background(), r); err != nil {
			t.Fatalf("register %q: %v", name, err)
		}
	}
	sessions, err := session.New(testSecret, "", false)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := web.New(web.Options{Store: store, Accounts: store, Sessions: sessions, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(router(pages))
	t.Cleanup(server.Close)
	return &site{store, server.URL}
}

func router(w *web.Web) http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = errorHandler(w)
	e.Use(limitBody)
	e.GET("/static/*", w.Static)
	g := e.Group("", w.Session)
	g.GET("/", w.Home)
	g.GET("/public", w.Public)
	g.GET("/login", w.LoginForm)
	g.POST("/login", w.Login)
	g.GET("/register", w.RegisterForm)
	g.POST("/register", w.Register)
	g.GET("/logout", w.Logout)
	g.POST("/logout", w.Logout)
	g.POST("/add_message", w.AddMessage)
	g.GET("/:username", w.UserTimeline)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		g.Add(method, "/:username/follow", w.Follow)
		g.Add(method, "/:username/unfollow", w.Unfollow)
	}
	return e
}

func limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, 1<<16)
		return next(c)
	}
}

func errorHandler(w *web.Web) echo.HTTPErrorHandler {
	statuses := map[minitwit.Code]int{
		minitwit.CodeInvalid: 400, minitwit.CodeUnauthenticated: 401, minitwit.CodeForbidden: 403,
		minitwit.CodeNotFound: 404, minitwit.CodeTooLarge: 413, minitwit.CodeTooMany: 429,
		minitwit.CodeUnavailable: 503, minitwit.CodeInternal: 500,
	}
	return func(err error, c echo.Context) {
		status, message := statuses[minitwit.CodeOf(err)], err.Error()
		if routing, ok := errors.AsType[*echo.HTTPError](err); ok {
			status, message = routing.Code, ""
		}
		c.Response().Header().Set(echo.HeaderXRequestID, "request-17")
		if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
			c.Response().Header().Set(echo.HeaderRetryAfter, "5")
		}
		_ = w.RenderError(c, status, message)
	}
}

// browser keeps cookies and does not follow redirects unless told to.
type browser struct {
	t    testing.TB
	site *site
	http.Client
	header http.Header // sent with every request
}

func (s *site) browser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{t: t, site: s, Client: http.Client{Jar: jar, CheckRedirect: stay}, header: http.Header{}}
}

// signedIn gives a browser in which name has signed in.
func (s *site) signedIn(t testing.TB, name string) *browser {
	t.Helper()
	b := s.browser(t)
	if a := b.post("/login", "username", name, "password", "secret"); a.status != http.StatusSeeOther {
		t.Fatalf("login as %q = %v", name, a)
	}
	b.get("/") // takes the flash
	return b
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) do(method, path string, body io.Reader, contentType string) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.site.url+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for key, values := range b.header {
		r.Header[key] = values
	}
	r.Header.Set("Content-Type", contentType)
	response, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, path, nil, "")
}

// post sends a form of names and values in turn.
func (b *browser) post(path string, fields ...string) answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, path, strings.NewReader(form.Encode()), "application/x-www-form-urlencoded")
}

// wantPage checks the page, and what holds for every page.
func (a answer) wantPage(t testing.TB, what string, status int, checkers ...check.Checker) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: status %d, want %d", what, a.status, status)
	}
	if got := a.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("%s: Content-Type %q", what, got)
	}
	all := append([]check.Checker{check.Accessible(), check.NoInline()}, checkers...)
	if err := check.Run(bytes.NewBufferString(a.body), all...); err != nil {
		t.Errorf("%s: %v\n%s", what, err, a.body)
	}
}

func (a answer) wantRedirect(t testing.TB, what string, status int, to string) {
	t.Helper()
	if got := a.header.Get("Location"); a.status != status || got != to {
		t.Errorf("%s: status %d to %q, want %d to %q", what, a.status, got, status, to)
	}
}

// hasFlash wants a page with this flash alone, as old scripted browsers read it.
func hasFlash(text string) check.Checker {
	return check.All(
		check.Count(".flashes", 1),
		check.In(".flashes", check.IsText(text)),
		check.In("[role=status] > ul.flashes > li", check.IsText(text)),
	)
}
