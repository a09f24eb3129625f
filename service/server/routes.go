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
	e.GET("/static/*", w.Static)
	pages := e.Group("", w.Session)
	// anybody
	pages.GET("/public", w.Public)
	pages.GET("/login", w.LoginForm)
	pages.POST("/login", w.Login)
	pages.GET("/register", w.RegisterForm)
	pages.POST("/register", w.Register)
	pages.GET("/:username", w.UserTimeline)
	// who is signed in; GET is for clients of the old system
	pages.GET("/", w.Home)
	pages.POST("/add_message", w.AddMessage)
	pages.GET("/logout", w.Logout)
	pages.POST("/logout", w.Logout)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		pages.Add(method, "/:username/follow", w.Follow)
		pages.Add(method, "/:username/unfollow", w.Unfollow)
	}
	// without this it would be the timeline of a user "add_message"
	pages.GET("/add_message", func(echo.Context) error { return echo.ErrMethodNotAllowed })
}
