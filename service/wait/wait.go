// Package wait waits until a condition holds, with a limit and without sleeping for a time
// that was guessed. It is for tests and drills, no part of the product.
package wait

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// Until asks until the condition holds. After the limit its error says what did not come
// to be; if ctx ends before, it gives the context's cause.
func Until(ctx context.Context, limit time.Duration, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s: not within %v", what, limit))
	defer cancel()
	ticker := time.NewTicker(interval(limit))
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
	return nil
}

// interval is how often to ask: who waits longer is in less of a hurry, and what is asked
// may have other things to do.
func interval(limit time.Duration) time.Duration {
	return min(max(limit/200, 20*time.Millisecond), 200*time.Millisecond)
}

// For is Until in a test, which ends where the condition does not come to hold.
func For(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	if err := Until(t.Context(), limit, what, holds); err != nil {
		t.Fatal(err)
	}
}
