package web

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

// timelinePage serves all three timelines. Composer is whether it has the form for a message.
type timelinePage struct {
	basePage
	messageList
	Composer bool
	Profile  *profile // nil unless it is one user's timeline
}

// profile is how the visitor stands to the user whose timeline they see.
type profile struct {
	Name          string
	Own, Followed bool
}

// messageList is one page of a list and the ways to its neighbours, "" where
// there is none.
type messageList struct {
	Messages     []minitwit.Message
	Newer, Older string
	Newest       string // the way back from an empty page
}

// newMessageList links to the neighbours by the first and last message shown, not by a page's
// number: what is written meanwhile shifts nothing. An empty page has no message to go by,
// and leads back to the newest unless it is that.
func newMessageList(path string, win minitwit.Window, p minitwit.Page) messageList {
	list := messageList{Messages: p.Messages}
	if len(p.Messages) == 0 {
		if win != (minitwit.Window{}) {
			list.Newest = path
		}
		return list
	}
	if p.HasNewer {
		list.Newer = path + "?after=" + url.QueryEscape(p.Messages[0].Cursor().String())
	}
	if p.HasOlder {
		list.Older = path + "?before=" + url.QueryEscape(p.Messages[len(p.Messages)-1].Cursor().String())
	}
	return list
}

// Home shows what the visitor and those they follow wrote. Without a visitor
// there is nothing to show, so it leads to the public timeline.
func (w *Web) Home(c echo.Context) error {
	user := visitorOf(c).User
	if user == nil {
		return redirect(c, "/public")
	}
	win, err := window(c)
	if err != nil {
		return err
	}
	p, err := w.store.HomeTimeline(c.Request().Context(), user.ID, win)
	if err != nil {
		return err
	}
	return w.render(c, "timeline", &timelinePage{
		basePage:    basePage{Title: "My Timeline"},
		messageList: newMessageList("/", win, p),
		Composer:    true,
	})
}

// Public shows what everybody wrote.
func (w *Web) Public(c echo.Context) error {
	win, err := window(c)
	if err != nil {
		return err
	}
	p, err := w.store.PublicTimeline(c.Request().Context(), win)
	if err != nil {
		return err
	}
	return w.render(c, "timeline", &timelinePage{
		basePage:    basePage{Title: "Public Timeline"},
		messageList: newMessageList("/public", win, p),
	})
}

// UserTimeline shows what one user wrote, and whether the visitor follows them.
func (w *Web) UserTimeline(c echo.Context) error {
	name, err := pathUser(c)
	if err != nil {
		return err
	}
	win, err := window(c)
	if err != nil {
		return err
	}
	var viewerID int64 // no user has the ID 0
	if user := visitorOf(c).User; user != nil {
		viewerID = user.ID
	}
	user, p, err := w.store.UserTimeline(c.Request().Context(), name, viewerID, win)
	if err != nil {
		return err
	}
	return w.render(c, "timeline", &timelinePage{
		basePage:    basePage{Title: user.Name + "'s Timeline"},
		messageList: newMessageList(userURL(user.Name), win, p),
		Profile:     &profile{Name: user.Name, Own: user.ID == viewerID, Followed: user.Followed},
	})
}
