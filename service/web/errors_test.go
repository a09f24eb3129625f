package web

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	check "minitwit/service/htmlcheck"
	"minitwit/service/minitwit"
)

func newContext(t testing.TB) echo.Context {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	return echo.New().NewContext(r, httptest.NewRecorder())
}

func recorded(c echo.Context) *httptest.ResponseRecorder {
	return c.Response().Writer.(*httptest.ResponseRecorder)
}

func TestErrorPagesSayWhatToDo(t *testing.T) {
	t.Parallel()
	w := newPages(t)
	cases := []struct {
		status            int
		message, retry    string
		title, wantInMain string
	}{
		{400, "The form could not be read", "", "That did not work", "The form could not be read.*go back"},
		{401, "", "", "Please sign in", "Sign in.*Error 401"},
		{403, "", "", "Not allowed", "use its button"},
		{404, "There is no <user>", "", "Page not found", "There is no <user>.*spelling"},
		{405, "", "", "Not this way", "start from one of the pages"},
		{413, "", "", "Too large", "shorten"},
		{429, "", "90", "Too many attempts", "try again in 90 seconds"},
		{429, "", "301", "Too many attempts", "try again in 6 minutes"},
		{500, "", "", "Something went wrong", "our mistake"},
		{503, "", "1", "Back in a moment", "try again in a second"},
		{503, "", "soon", "Back in a moment", "try again in a moment"},
		{418, "", "", "Something went wrong", "Error 418"},
	}
	for _, tc := range cases {
		c := newContext(t)
		c.Response().Header().Set("X-Request-Id", "request-17")
		c.Response().Header().Set("Retry-After", tc.retry)
		if err := w.RenderError(c, tc.status, tc.message); err != nil {
			t.Errorf("RenderError(%d): %v", tc.status, err)
		}
		if got := recorded(c).Code; got != tc.status {
			t.Errorf("RenderError(%d) answers %d", tc.status, got)
		}
		err := check.Run(recorded(c).Body, check.Accessible(), check.NoInline(),
			check.In("h1", check.IsText(tc.title)), check.In("main", check.HasText("(?s)"+tc.wantInMain)),
			check.In("code", check.IsText("request-17")))
		if err != nil {
			t.Errorf("RenderError(%d, %q): %v", tc.status, tc.message, err)
		}
	}
}

// Of a 503 nobody knows whether it was stored, unless nothing is while MiniTwit is maintained.
func TestWhoPostedIsToldToLookFirst(t *testing.T) {
	t.Parallel()
	w := newPages(t)
	for message, want := range map[string]string{
		minitwit.Unavailable(nil).Message: "look first", minitwit.ErrMaintenance.Message: "try again in 2 minutes",
	} {
		c := newContext(t)
		c.Request().Method = http.MethodPost
		c.Response().Header().Set("Retry-After", "120")
		if err := w.RenderError(c, http.StatusServiceUnavailable, message); err != nil {
			t.Fatal(err)
		}
		if err := check.Run(recorded(c).Body, check.In("main", check.HasText(want))); err != nil {
			t.Errorf("%q: %v", message, err)
		}
	}
}

func TestErrorPageOfOurFaultTellsNothing(t *testing.T) {
	t.Parallel()
	c := newContext(t)
	if err := newPages(t).RenderError(c, http.StatusInternalServerError, `pq: relation "users"`); err != nil {
		t.Fatal(err)
	}
	if body := recorded(c).Body.String(); strings.Contains(body, "relation") {
		t.Errorf("the page of a 500 shows its cause:\n%s", body)
	}
}

func TestErrorPageSurvivesItsTemplate(t *testing.T) {
	t.Parallel()
	w := newPages(t)
	w.pages["error"] = template.Must(template.New("layout").Parse(`half a page {{.NoSuchField}}`))
	c := newContext(t)
	if err := w.RenderError(c, http.StatusNotFound, ""); err == nil {
		t.Error("RenderError with a broken template = nil, want the error for the log")
	}
	if got := recorded(c).Code; got != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", got)
	}
	err := check.Run(recorded(c).Body, check.Accessible(), check.In("h1", check.IsText("Something went wrong")))
	if err != nil {
		t.Errorf("the last resort: %v", err)
	}
}

func TestErrorAfterTheAnswerChangesNothing(t *testing.T) {
	t.Parallel()
	c := newContext(t)
	if err := c.String(http.StatusOK, "done"); err != nil {
		t.Fatal(err)
	}
	if err := newPages(t).RenderError(c, http.StatusInternalServerError, ""); err != nil {
		t.Fatal(err)
	}
	if got := recorded(c).Body.String(); got != "done" {
		t.Errorf("body %q, want %q", got, "done")
	}
}
