package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

// errorPage has "" for whatever there is nothing to say of.
type errorPage struct {
	basePage
	Status    int
	Message   string // what exactly went wrong, if it may be told
	Help      string // what to do about it
	Retry     string // when to try again, or what to do before
	RequestID string
	SignIn    bool
}

// RenderError answers with a page that says what went wrong and what to do. It
// needs neither the database nor the Session middleware. The request ID and,
// for 429 and 503, when to retry are taken from the response's headers. An
// error that it returns is for the log only: the answer has been given.
func (w *Web) RenderError(c echo.Context, status int, message string) error {
	if c.Response().Committed {
		return nil
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	p := newErrorPage(status, message)
	p.Path = c.Request().URL.Path
	p.Visitor = visitorOf(c)
	p.RequestID = c.Response().Header().Get(echo.HeaderXRequestID)
	p.Retry = retry(c, status, message)
	body, err := w.execute("error", p)
	if err != nil {
		return errors.Join(err, c.Blob(http.StatusInternalServerError, htmlType, w.lastResort))
	}
	return c.Blob(status, htmlType, body)
}

// renderLastResort makes the page for the day when templates fail.
func (w *Web) renderLastResort() ([]byte, error) {
	return w.execute("error", newErrorPage(http.StatusInternalServerError, ""))
}

func newErrorPage(status int, message string) *errorPage {
	title, help := explain(status)
	// A 503 as well, but here nothing is broken.
	if message == minitwit.ErrMaintenance.Message {
		title, help = "Under maintenance", "MiniTwit is being worked on. Whatever was confirmed to you is safe."
	}
	if status >= http.StatusInternalServerError {
		message = "" // what broke in here helps nobody out there
	}
	return &errorPage{
		basePage: basePage{Title: title},
		Status:   status,
		Message:  message,
		Help:     help,
		SignIn:   status == http.StatusUnauthorized,
	}
}

// explain gives a status a title and a sentence that helps.
func explain(status int) (title, help string) {
	switch status {
	case http.StatusBadRequest:
		return "That did not work", "Please go back, check the address or what you entered, and try again."
	case http.StatusUnauthorized:
		return "Please sign in", "This is for people who are signed in. Your session may have ended."
	case http.StatusForbidden:
		return "Not allowed", "If you meant to do this, open the page here and use its button."
	case http.StatusNotFound:
		return "Page not found", "Nothing is at this address. Please check its spelling: upper and lower case differ in user names."
	case http.StatusMethodNotAllowed:
		return "Not this way", "This address exists, but not for what was asked of it. Please start from one of the pages above."
	case http.StatusRequestEntityTooLarge:
		return "Too large", "Please shorten what you entered and send it again."
	case http.StatusTooManyRequests:
		return "Too many attempts", "To keep accounts safe we slow down after several attempts."
	case http.StatusServiceUnavailable:
		return "Back in a moment", "MiniTwit is busy or its database is away. Whatever was confirmed to you is safe."
	}
	return "Something went wrong", "This is our mistake, not yours, and it has been recorded. Please try again in a moment."
}

// retry says when to try again, "" if that makes no sense. What was posted may have been
// stored although no answer came: a second try might store it twice.
func retry(c echo.Context, status int, message string) string {
	unknown := status == http.StatusServiceUnavailable && c.Request().Method == http.MethodPost
	switch {
	case unknown && message != minitwit.ErrMaintenance.Message:
		return "What you sent may have been stored all the same. Please look first, before you send it again."
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return retrySentence(c.Response().Header().Get(echo.HeaderRetryAfter))
	}
	return ""
}

// retrySentence puts a Retry-After header of seconds into words.
func retrySentence(retryAfter string) string {
	seconds, err := strconv.Atoi(retryAfter)
	switch {
	case err != nil || seconds < 0:
		return "Please try again in a moment."
	case seconds < 2:
		return "Please try again in a second."
	case seconds < 120:
		return fmt.Sprintf("Please try again in %d seconds.", seconds)
	}
	return fmt.Sprintf("Please try again in %d minutes.", (seconds+59)/60)
}
