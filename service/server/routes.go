package server

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"minitwit/service/simapi"
	"minitwit/service/web"
)

// apiRoutes is the simulator API, whole.
func apiRoutes(e *echo.Echo, a *simapi.API) {
	// anybody
	e.GET("/latest", a.GetLatest)
	e.POST("/register", a.Register())
	e.GET("/openapi.yaml", a.OpenAPI)
	// the simulator
	e.GET("/msgs", a.Messages())
	e.GET("/msgs/:username", a.UserMessages())
	e.POST("/msgs/:username", a.AddMessage())
	e.GET("/fllws/:username", a.Follows())
	e.POST("/fllws/:username", a.ChangeFollow())
}

// webRoutes is the web UI, whole. A name that stands here as a first segment
// has to be among the domain's reserved ones; a test compares them.
func webRoutes(e *echo.Echo, w *web.Web) {
	// cookies alone: these need no database
	e.GET("/static/*", w.Static)
	e.GET("/logout", w.Logout) // for clients of the old system
	e.POST("/logout", w.Logout)
	// No echo.Group: with middleware it takes every other address and method, too.
	page := func(method, path string, h echo.HandlerFunc) { e.Add(method, path, h, w.Session) }
	// anybody
	page(http.MethodGet, "/public", w.Public)
	page(http.MethodGet, "/login", w.LoginForm)
	page(http.MethodPost, "/login", w.Login)
	page(http.MethodGet, "/register", w.RegisterForm)
	page(http.MethodPost, "/register", w.Register)
	page(http.MethodGet, "/:username", w.UserTimeline)
	// who is signed in; GET to follow is for clients of the old system
	page(http.MethodGet, "/", w.Home)
	page(http.MethodPost, "/add_message", w.AddMessage)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		page(method, "/:username/follow", w.Follow)
		page(method, "/:username/unfollow", w.Unfollow)
	}
	// without this it would be the timeline of a user "add_message"
	page(http.MethodGet, "/add_message", func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderAllow, http.MethodPost)
		return echo.ErrMethodNotAllowed
	})
}
