package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"minitwit/service/minitwit"
)

// Outside the request's goroutine nobody else would recover.
func TestAPanicInTheStoreIsAnError(t *testing.T) {
	t.Parallel()
	_, err := within(t.Context(), time.Minute, func(context.Context) (int, error) { panic("a bug") })
	p, ok := errors.AsType[*minitwit.PanicError](err)
	if !ok || p.Value != "a bug" || !strings.Contains(string(p.Stack), "within_test.go") {
		t.Errorf("within = %v, want the panic and where it was", err)
	}
}

func TestWhatDoesNotEndIsGivenUp(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	defer close(end)
	_, err := within(t.Context(), time.Millisecond, func(context.Context) (int, error) { <-end; return 0, nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("within = %v, want context.DeadlineExceeded", err)
	}
}
