//go:build faults

package server

import (
	"os"

	"github.com/labstack/echo/v4"
)

// faults fails on purpose, as MINITWIT_FAULT says: "panic" panics on each page
// of the web UI.
func faults(next echo.HandlerFunc) echo.HandlerFunc {
	fault := os.Getenv("MINITWIT_FAULT")
	return func(c echo.Context) error {
		isPage := c.Path() == "/public" || c.Path() == "/" || c.Path() == "/:username"
		if fault == "panic" && isPage {
			panic("drill: a bug in the web UI")
		}
		return next(c)
	}
}
