package server

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

// statuses is the one place where kinds of failure become HTTP statuses.
var statuses = map[minitwit.Code]int{
	minitwit.CodeInvalid:         http.StatusBadRequest,
	minitwit.CodeUnauthenticated: http.StatusUnauthorized,
	minitwit.CodeForbidden:       http.StatusForbidden,
	minitwit.CodeNotFound:        http.StatusNotFound,
	minitwit.CodeTooLarge:        http.StatusRequestEntityTooLarge,
	minitwit.CodeTooMany:         http.StatusTooManyRequests,
	minitwit.CodeUnavailable:     http.StatusServiceUnavailable,
	minitwit.CodeMaintenance:     http.StatusServiceUnavailable,
}

// retryAfter says, in seconds, when trying again makes sense.
var retryAfter = map[int]string{
	http.StatusTooManyRequests:    "6", // a token of the login throttle
	http.StatusServiceUnavailable: "1",
}

// describe gives the status of an error and what its causer may read. Texts of
// errors that are not the domain's stay in the log.
func describe(err error) (status int, message string) {
	if e, ok := errors.AsType[*minitwit.Error](err); ok && statuses[e.Code] != 0 {
		return statuses[e.Code], e.Message
	}
	if e, ok := errors.AsType[*echo.HTTPError](err); ok && e.Code < http.StatusInternalServerError {
		return e.Code, http.StatusText(e.Code)
	}
	return http.StatusInternalServerError, "Something went wrong on our side. It has been logged."
}

// renderError writes an error answer in a surface's own form.
type renderError func(c echo.Context, status int, message string) error

// errorHandler answers every error that a handler or middleware returns. It
// does not log: the access log does, once, with the rest of the request.
func errorHandler(render renderError) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return // the status is sent; only the log can tell now
		}
		status, message := describe(err)
		if wait, ok := retryAfter[status]; ok && c.Response().Header().Get(echo.HeaderRetryAfter) == "" {
			c.Response().Header().Set(echo.HeaderRetryAfter, wait)
		}
		defer func() {
			if recover() != nil { // a bug in the error page itself
				_ = c.NoContent(http.StatusInternalServerError)
			}
		}()
		_ = render(c, status, message) // that the client has gone away is no error of ours
	}
}
