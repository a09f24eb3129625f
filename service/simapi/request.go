package simapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

// Bounds of the "no" parameter: how many entries a list may have.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// limit reads "no". What is no number from 0 to maxLimit is brought there
// rather than refused.
func limit(c echo.Context) int {
	n, err := strconv.ParseInt(c.QueryParam("no"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || n < 0 {
		return defaultLimit
	}
	return int(min(n, maxLimit)) // out of range: n is the largest integer
}

// username reads the user of the path. Echo gives it still escaped when the
// path holds an escape that matters, such as %2F.
func username(c echo.Context) (string, error) {
	name := c.Param("username")
	if c.Request().URL.RawPath != "" {
		var err error
		if name, err = url.PathUnescape(name); err != nil {
			return "", minitwit.Errorf(minitwit.CodeInvalid, "The address is not correctly escaped")
		}
	}
	return name, minitwit.CheckText("username", name)
}

// decode reads a JSON object into v under any content type. Encoding/json would
// quietly replace invalid UTF-8; a client is better told.
func decode(c echo.Context, v any) error {
	body, err := io.ReadAll(c.Request().Body)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return minitwit.Errorf(minitwit.CodeTooLarge, "The body is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return &minitwit.Error{Code: minitwit.CodeInvalid, Message: "The body could not be read", Err: err}
	}
	if !utf8.Valid(body) {
		return minitwit.Errorf(minitwit.CodeInvalid, "The body is not valid UTF-8")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return &minitwit.Error{Code: minitwit.CodeInvalid, Message: "The body is not the JSON object that this address takes", Err: err}
	}
	return nil
}
