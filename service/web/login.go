package web

import (
	"errors"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
	"minitwit/service/session"
)

// fieldError is what is wrong with a form, and the name of the input that it is about: the
// page marks that one for screen readers. The zero value says that nothing is wrong.
type fieldError struct {
	Field, Message string
}

// loginPage keeps the name that was typed, and never the password.
type loginPage struct {
	basePage
	Username string
	Error    fieldError
}

// LoginForm asks who the visitor is.
func (w *Web) LoginForm(c echo.Context) error {
	if visitorOf(c).User != nil {
		return redirect(c, "/")
	}
	return w.renderLogin(c, &loginPage{})
}

// Login signs the visitor in. A wrong name or password is answered with the form, status 200;
// too many attempts and an absent database with an error page that says when to retry.
func (w *Web) Login(c echo.Context) error {
	if visitorOf(c).User != nil {
		return redirect(c, "/")
	}
	f := readForm(c.Request())
	name, password := f.text("username", "username"), f.text("password", "password")
	if f.err != nil {
		return f.err
	}
	user, err := w.accounts.Login(c.Request().Context(), name, password)
	switch {
	case errors.Is(err, minitwit.ErrInvalidPassword):
		return w.renderLogin(c, &loginPage{Username: name, Error: fieldError{"password", message(err)}})
	case minitwit.CodeOf(err) == minitwit.CodeInvalid:
		return w.renderLogin(c, &loginPage{Username: name, Error: fieldError{"username", message(err)}})
	case err != nil:
		return err
	}
	// The epoch goes along: when the user's rises, all sessions of before are over.
	if err := w.sessions.Save(c.Response(), session.Session{UserID: user.ID, Epoch: user.SessionEpoch}); err != nil {
		return err
	}
	return w.redirectWith(c, "You were logged in", "/")
}

// Logout signs the visitor out in this browser; sessions in others go on. By GET it serves
// old clients, hence the look at where the request comes from.
func (w *Web) Logout(c echo.Context) error {
	if err := refuseForeign(c); err != nil {
		return err
	}
	w.sessions.Clear(c.Response())
	return w.redirectWith(c, "You were logged out", "/public")
}

func (w *Web) renderLogin(c echo.Context, p *loginPage) error {
	p.Title = "Sign In"
	return w.render(c, "login", p)
}

// message gives the part of err that is meant for people, "" if there is none.
func message(err error) string {
	if e, ok := errors.AsType[*minitwit.Error](err); ok {
		return e.Message
	}
	return ""
}
