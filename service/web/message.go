package web

import (
	"strings"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

// AddMessage publishes what the visitor wrote. Without any text it does
// nothing, as a slip of the finger on "Share" is no error.
func (w *Web) AddMessage(c echo.Context) error {
	user, err := signedIn(c)
	if err != nil {
		return err
	}
	f := readForm(c.Request())
	text := f.text("text", "message")
	if f.err != nil {
		return f.err
	}
	if strings.TrimSpace(text) == "" {
		return redirect(c, "/")
	}
	// The form's maxlength keeps browsers from getting here.
	if err := minitwit.CheckPost(text); err != nil {
		return err
	}
	// As it was typed, blanks at its ends included.
	if err := w.store.AddMessage(c.Request().Context(), user.Name, text); err != nil {
		return err
	}
	return w.redirectWith(c, "Your message was recorded", "/")
}
