package main

import (
	"fmt"
	"io"
	"time"
)

// progress tells people what happens, on standard error. A step begins a part of the work, in
// bold where that is a terminal; a note says what comes of it, with the seconds since the
// begin. The drills read the steps (stack/drill).
type progress struct {
	out         io.Writer
	bold, plain string
	began       time.Time
}

func (p *progress) step(format string, args ...any) {
	fmt.Fprintf(p.out, "%s==> %s%s\n", p.bold, fmt.Sprintf(format, args...), p.plain)
}

func (p *progress) note(format string, args ...any) {
	fmt.Fprintf(p.out, "%8.1f s  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}

func (p *progress) task(name, state string) { p.note("%-22s %s", name, state) }
