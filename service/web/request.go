package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

// maxFormMemoryBytes is more than the server lets through, so that no form is
// ever spooled to a file.
const maxFormMemoryBytes = 1 << 20

// pathUser gives the user name in the address. echo matches the escaped path
// where the two spellings differ, and the plain one elsewhere; unescaping the
// latter too would turn the name "100%25" into "100%".
func pathUser(c echo.Context) (string, error) {
	name := c.Param("username")
	if c.Request().URL.RawPath != "" {
		plain, err := url.PathUnescape(name)
		if err != nil {
			return "", minitwit.Errorf(minitwit.CodeInvalid, "The address is not well formed")
		}
		name = plain
	}
	return name, minitwit.CheckText("username", name)
}

// window gives the page of a list that the address asks for: ?before= or ?after= with a
// cursor, neither for the newest. Another text there is a CodeInvalid error.
func window(c echo.Context) (minitwit.Window, error) {
	before, err := minitwit.ParseCursor(c.QueryParam("before"))
	if err != nil {
		return minitwit.Window{}, err
	}
	after, err := minitwit.ParseCursor(c.QueryParam("after"))
	if err != nil {
		return minitwit.Window{}, err
	}
	return minitwit.Window{Before: before, After: after}, nil
}

// form is the posted form of a request and the first thing wrong with it.
type form struct {
	values url.Values
	err    error
}

// readForm reads what was posted, not the query of the address.
func readForm(r *http.Request) *form {
	// ParseForm first: ParseMultipartForm alone reports ErrNotMultipart for any
	// ordinary form and hides that its body could not be read.
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxFormMemoryBytes)
	}
	if errors.Is(err, http.ErrNotMultipart) {
		err = nil
	}
	return &form{values: r.PostForm, err: formError(err)}
}

func formError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &minitwit.Error{Code: minitwit.CodeTooLarge, Message: "That is more than we read at once", Err: err}
	}
	return &minitwit.Error{Code: minitwit.CodeInvalid, Message: "The form could not be read", Err: err}
}

// text gives a field, "" if it is missing. What names it in the error.
func (f *form) text(field, what string) string {
	value := f.values.Get(field)
	if f.err == nil {
		f.err = minitwit.CheckText(what, value)
	}
	return value
}

// refuseForeign refuses what another site made the browser ask for. Posts are
// checked by the server already; this is for the actions that stay reachable
// by GET for old clients, which send neither header. Browsers send the first
// only over HTTPS and to localhost; elsewhere the page they come from tells.
func refuseForeign(c echo.Context) error {
	r := c.Request()
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "same-origin", "none":
		return nil
	case "":
		from, err := url.Parse(r.Referer())
		if err == nil && (from.Host == "" || from.Host == r.Host) {
			return nil
		}
	}
	return minitwit.Errorf(minitwit.CodeForbidden, "Another site asked for this in your name, so it was not done")
}

// redirect sends the visitor on with a GET, whatever they came with.
func redirect(c echo.Context, to string) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	if c.Request().Method == http.MethodPost {
		return c.Redirect(http.StatusSeeOther, to)
	}
	return c.Redirect(http.StatusFound, to)
}

// redirectWith sends the visitor on, to a page that shows flash.
func (w *Web) redirectWith(c echo.Context, flash, to string) error {
	if err := w.sessions.AddFlash(c.Response(), c.Request(), flash); err != nil {
		return err
	}
	return redirect(c, to)
}
