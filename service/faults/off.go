//go:build !faults

package faults

import (
	"context"

	"github.com/rs/zerolog"
)

// Start begins what a fault does by itself, and may refuse the start.
func Start(zerolog.Logger) error { return nil }

// Request is what every request of a surface meets, by the pattern of its route. What it
// gives, if anything, is the answer.
func Request(context.Context, string) (answer string) { return "" }

// Query is what every query for rows meets.
func Query(text string) string { return text }

// Alive stands between /livez and its answer.
func Alive(check func(context.Context) error) func(context.Context) error { return check }
