//go:build !faults

package server

import "github.com/labstack/echo/v4"

// faults does nothing in a release. A binary built with the tag "faults" can be
// made to fail on purpose: drills need that, production must not have it.
func faults(next echo.HandlerFunc) echo.HandlerFunc { return next }
