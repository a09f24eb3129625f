package wait_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"minitwit/service/wait"
)

func TestUntilAsksAgainAndSaysWhatDidNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		third := func() bool { asked++; return asked == 3 }
		if err := wait.Until(t.Context(), time.Second, "the third", third); err != nil || asked != 3 {
			t.Errorf("asked %d times, %v; want 3 times and no error", asked, err)
		}
		began := time.Now()
		err := wait.Until(t.Context(), time.Minute, "peace", func() bool { return false })
		if err == nil || !strings.Contains(err.Error(), "peace") || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v; want an error after a minute that says what for", time.Since(began), err)
		}
	})
}

func TestUntilEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := wait.Until(ctx, time.Hour, "anything", func() bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}
