package web

import (
	"context"
	"fmt"

	"github.com/labstack/echo/v4"
)

// Follow makes the visitor follow the user of the address.
// Its sentence, like all flashes, is the old system's to the letter: old clients look for it.
func (w *Web) Follow(c echo.Context) error {
	return w.changeFollow(c, w.store.Follow, `You are now following "%s"`)
}

// Unfollow undoes Follow.
func (w *Web) Unfollow(c echo.Context) error {
	return w.changeFollow(c, w.store.Unfollow, `You are no longer following "%s"`)
}

// changeFollow asks first where the request comes from: the server's own check lets every GET
// pass, and old clients follow by GET. Change gives minitwit.ErrUserNotFound for an unknown
// name, and no error where nothing is to be changed.
func (w *Web) changeFollow(c echo.Context, change func(ctx context.Context, who, whom string) error, flash string) error {
	if err := refuseForeign(c); err != nil {
		return err
	}
	user, err := signedIn(c)
	if err != nil {
		return err
	}
	whom, err := pathUser(c)
	if err != nil {
		return err
	}
	if err := change(c.Request().Context(), user.Name, whom); err != nil {
		return err
	}
	return w.redirectWith(c, fmt.Sprintf(flash, whom), userURL(whom))
}
