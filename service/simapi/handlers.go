package simapi

import (
	"encoding/json"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

// Register answers POST /register. A key that is missing is an empty text, of which the
// domain says what the old system said.
func (a *API) Register() echo.HandlerFunc {
	type request struct{ Username, Email, Pwd string }
	return a.open(func(c echo.Context) (any, error) {
		var r request
		if err := decode(c, &r); err != nil {
			return nil, err
		}
		return nil, a.accounts.Register(c.Request().Context(),
			minitwit.Registration{Name: r.Username, Email: r.Email, Password: r.Pwd})
	})
}

// message is an entry of a list as the simulator reads it. PubDate is in seconds since 1970.
type message struct {
	Content string `json:"content"`
	PubDate int64  `json:"pub_date"`
	User    string `json:"user"`
}

// maxListBytes bounds a list as JSON. A hundred of the simulator's longest messages fit, and
// MAX_IN_FLIGHT lists into the memory of a replica, since slow readers may hold them all.
const maxListBytes = 1 << 20

// listed ends a list early rather than let it grow over maxListBytes, but never before the first
// message.
func listed(messages []minitwit.Message) (json.RawMessage, error) {
	list := make([]message, 0, len(messages)) // never nil, which would be null
	size := 0
	for i, m := range messages {
		// As JSON a text may become six times as long: cut first what would be too much anyway.
		if size += len(m.Text); size > maxListBytes && i > 0 {
			break
		}
		list = append(list, message{Content: m.Text, PubDate: m.PubDate, User: m.Author})
	}
	content, err := json.Marshal(list)
	for err == nil && len(content) > maxListBytes && len(list) > 1 {
		list = list[:max(1, len(list)*maxListBytes/len(content))]
		content, err = json.Marshal(list)
	}
	return content, err
}

// Messages answers GET /msgs.
func (a *API) Messages() echo.HandlerFunc {
	return a.authorized(func(c echo.Context) (any, error) {
		messages, err := a.store.PublicMessages(c.Request().Context(), limit(c))
		if err != nil {
			return nil, err
		}
		return listed(messages)
	})
}

// UserMessages answers GET /msgs/<user>. Who has said nothing has an empty list; an unknown
// user is a 404.
func (a *API) UserMessages() echo.HandlerFunc {
	return a.authorized(func(c echo.Context) (any, error) {
		name, err := username(c)
		if err != nil {
			return nil, err
		}
		messages, err := a.store.UserMessages(c.Request().Context(), name, limit(c))
		if err != nil {
			return nil, err
		}
		return listed(messages)
	})
}

// AddMessage answers POST /msgs/<user>.
func (a *API) AddMessage() echo.HandlerFunc {
	type request struct{ Content *string } // nil: the key is missing; empty is a message
	return a.authorized(func(c echo.Context) (any, error) {
		name, err := username(c)
		if err != nil {
			return nil, err
		}
		var r request
		if err := decode(c, &r); err != nil {
			return nil, err
		}
		if r.Content == nil {
			return nil, minitwit.Errorf(minitwit.CodeInvalid, `The body needs the key "content"`)
		}
		// Not CheckPost: that is for people in the UI.
		if err := minitwit.CheckContent(*r.Content); err != nil {
			return nil, err
		}
		return nil, a.store.AddMessage(c.Request().Context(), name, *r.Content)
	})
}

type followsBody struct {
	Follows []string `json:"follows"`
}

// Follows answers GET /fllws/<user>: whom the user follows, not who follows the user.
func (a *API) Follows() echo.HandlerFunc {
	return a.authorized(func(c echo.Context) (any, error) {
		name, err := username(c)
		if err != nil {
			return nil, err
		}
		names, err := a.store.Follows(c.Request().Context(), name, limit(c))
		return followsBody{names}, err
	})
}

// ChangeFollow answers POST /fllws/<user>: 204 also where nothing changes. Of both keys,
// "follow" counts, as it did in the old system.
func (a *API) ChangeFollow() echo.HandlerFunc {
	type request struct{ Follow, Unfollow *string }
	return a.authorized(func(c echo.Context) (any, error) {
		name, err := username(c)
		if err != nil {
			return nil, err
		}
		var r request
		if err := decode(c, &r); err != nil {
			return nil, err
		}
		change, whom := a.store.Follow, r.Follow
		if whom == nil {
			change, whom = a.store.Unfollow, r.Unfollow
		}
		if whom == nil {
			return nil, minitwit.Errorf(minitwit.CodeInvalid, `The body needs the key "follow" or "unfollow"`)
		}
		if err := minitwit.CheckText("username", *whom); err != nil {
			return nil, err
		}
		return nil, change(c.Request().Context(), name, *whom)
	})
}
