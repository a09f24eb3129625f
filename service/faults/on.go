//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// known holds each fault and what it does. Where a fault has a last word, it is
// this text.
var known = map[string]string{
	"panic":     "drill: panic: each page view of the web UI panics",
	"crash":     "drill: crash: each page view of the web UI ends the process",
	"exit":      "drill: exit: the process ends at its start",
	"unhealthy": "drill: unhealthy: /livez says no whatever happens",
	"late":      "drill: late: the process ends 5 s after it was first found healthy",
	"hang":      "drill: hang: no request of a surface is ever answered",
	"leak":      "drill: leak: 8 MB of memory are lost each second",
	"errors":    "drill: errors: each tenth request of a surface panics",
	"slow":      "drill: slow: each request of a surface takes 400 ms longer",
	"fail":      "drill: fail: each request of a surface panics",
	"shape":     "drill: shape: each request of a surface gets the answer of another program",
	"deaf":      "drill: deaf: SIGTERM is ignored",
	"column":    "drill: column: messages are read with a column that no migration makes",
}

// fault is the one that is asked for; "" is none.
func fault() string { return os.Getenv("MINITWIT_FAULT") }

// Start begins what a fault does by itself, and may refuse the start. A drill
// with a fault that is misspelt would prove nothing.
func Start(log zerolog.Logger) error {
	text, ok := known[fault()]
	switch {
	case fault() == "":
		return nil
	case !ok:
		names := slices.Sorted(maps.Keys(known))
		return fmt.Errorf("MINITWIT_FAULT is %q, not one of: %s", fault(), strings.Join(names, ", "))
	case fault() == "exit":
		return errors.New(text)
	case fault() == "leak":
		go leak()
	case fault() == "deaf":
		signal.Ignore(syscall.SIGTERM)
	}
	log.Warn().Msg(text)
	return nil
}

// leak keeps what it takes until the kernel ends the process. A page that was
// never written to would cost nothing.
func leak() {
	var kept [][]byte
	for range time.Tick(time.Second / 8) {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += os.Getpagesize() {
			block[i] = 1
		}
		kept = append(kept, block)
		runtime.KeepAlive(kept)
	}
}

var requests atomic.Uint64

// Request is what every request of a surface meets, by the pattern of its route. What it
// gives, if anything, is the answer.
func Request(ctx context.Context, route string) (answer string) {
	isPage := route == "/public" || route == "/" || route == "/:username"
	switch {
	case fault() == "panic" && isPage:
		panic(known["panic"])
	case fault() == "crash" && isPage:
		go panic(known["crash"]) // where no recover of ours can reach it
	case fault() == "errors" && requests.Add(1)%10 == 0:
		panic(known["errors"])
	case fault() == "fail":
		panic(known["fail"])
	case fault() == "shape":
		return `{"newest": "another program's"}`
	case fault() == "hang":
		select {}
	case fault() == "slow":
		select {
		case <-time.After(400 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return ""
}

// Query is what every query for rows meets.
func Query(text string) string {
	if fault() == "column" {
		return strings.Replace(text, "m.text,", "m.text, m.language,", 1)
	}
	return text
}

// Alive stands between /livez and its answer.
func Alive(check func(context.Context) error) func(context.Context) error {
	var first sync.Once
	return func(ctx context.Context) error {
		if fault() == "unhealthy" {
			return errors.New(known["unhealthy"])
		}
		err := check(ctx)
		if err == nil && fault() == "late" {
			first.Do(func() { time.AfterFunc(5*time.Second, end) })
		}
		return err
	}
}

// end is a death that says why and leaves everything else as it was.
func end() {
	fmt.Fprintln(os.Stderr, known["late"])
	os.Exit(1)
}
