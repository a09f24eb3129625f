package web

import (
	"errors"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

const visitorKey = "minitwit visitor"

// visitor is who asks. The zero visitor is somebody of whom we do not know
// whether they are signed in: Session did not run, or failed.
type visitor struct {
	Known bool
	User  *minitwit.User // nil when signed out
}

// Session finds out who is signed in, for all handlers of pages. Without a
// cookie it asks nobody; Static does not need it.
func (w *Web) Session(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		v, err := w.loadVisitor(c)
		if err != nil {
			return err
		}
		c.Set(visitorKey, v)
		return next(c)
	}
}

// loadVisitor asks the database at each page: that is what lets a raised epoch end sessions
// at once. A store that fails signs nobody out.
func (w *Web) loadVisitor(c echo.Context) (visitor, error) {
	signedOut := visitor{Known: true}
	s, ok := w.sessions.Load(c.Request())
	if !ok {
		return signedOut, nil
	}
	user, err := w.store.SessionUser(c.Request().Context(), s.UserID, s.Epoch)
	if errors.Is(err, minitwit.ErrUserNotFound) {
		w.sessions.Clear(c.Response())
		return signedOut, nil
	}
	if err != nil {
		return visitor{}, err
	}
	return visitor{Known: true, User: &user}, nil
}

func visitorOf(c echo.Context) visitor {
	v, _ := c.Get(visitorKey).(visitor)
	return v
}

// signedIn gives the visitor's user to what only users may do.
func signedIn(c echo.Context) (minitwit.User, error) {
	if user := visitorOf(c).User; user != nil {
		return *user, nil
	}
	return minitwit.User{}, minitwit.Errorf(minitwit.CodeUnauthenticated, "You have to sign in to do that")
}
