package web

import (
	"errors"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

// registerPage keeps what was typed, except for the passwords.
type registerPage struct {
	basePage
	Username, Email string
	Error           fieldError
}

// RegisterForm asks for what makes a user.
func (w *Web) RegisterForm(c echo.Context) error {
	if visitorOf(c).User != nil {
		return redirect(c, "/")
	}
	return w.renderRegister(c, &registerPage{})
}

// Register makes a user of the visitor, who is not signed in by that: the old system led to
// the login form, and so does this.
func (w *Web) Register(c echo.Context) error {
	if visitorOf(c).User != nil {
		return redirect(c, "/")
	}
	f := readForm(c.Request())
	r := minitwit.Registration{
		Name:     f.text("username", "username"),
		Email:    f.text("email", "e-mail address"),
		Password: f.text("password", "password"),
	}
	repeated := f.text("password2", "repeated password")
	if f.err != nil {
		return f.err
	}
	err := w.register(c, r, repeated)
	if minitwit.CodeOf(err) == minitwit.CodeInvalid {
		return w.renderRegister(c, &registerPage{
			Username: r.Name, Email: r.Email,
			Error: fieldError{Field: wrongField(r, err), Message: message(err)},
		})
	}
	if err != nil {
		return err
	}
	return w.redirectWith(c, "You were successfully registered and can login now", "/login")
}

// register checks in the old system's order: that the passwords agree comes
// after all else that can be seen in the form, and before the name being taken.
func (w *Web) register(c echo.Context, r minitwit.Registration, repeated string) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Password != repeated {
		return minitwit.ErrPasswordsDiffer
	}
	return w.accounts.Register(c.Request().Context(), r)
}

// wrongField finds the input that err is about. The domain says what is wrong,
// not where; one field at a time among good ones shows it.
func wrongField(r minitwit.Registration, err error) string {
	good := minitwit.Registration{Name: "a", Email: "a@b", Password: "a"}
	onlyEmail, onlyPassword := good, good
	onlyEmail.Email, onlyPassword.Password = r.Email, r.Password
	onlyName := good
	onlyName.Name = r.Name
	switch {
	case errors.Is(err, minitwit.ErrPasswordsDiffer):
		return "password2"
	case onlyName.Validate() != nil:
		return "username"
	case onlyEmail.Validate() != nil:
		return "email"
	case onlyPassword.Validate() != nil:
		return "password"
	}
	return "username" // the form is in order, so the name is taken
}

func (w *Web) renderRegister(c echo.Context, p *registerPage) error {
	p.Title = "Sign Up"
	return w.render(c, "register", p)
}
