package simulate

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress tells from time to time how far a run is.
type progress struct {
	w      io.Writer
	live   bool // a terminal: one line that changes
	total  int
	counts func() (sent, failed int)
	start  time.Time
}

// startProgress reports until the function it gives is called, which writes
// the last state and returns when nothing more will be written.
func startProgress(opts Options, total int, counts func() (sent, failed int)) (stop func()) {
	p := progress{w: opts.Progress, live: opts.Live, total: total, counts: counts, start: time.Now()}
	// A log wants few lines, a terminal one that moves.
	every := 10 * time.Second
	if p.live {
		every = 200 * time.Millisecond
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		p.run(time.NewTicker(every), quit)
	}()
	return func() {
		close(quit)
		<-done
	}
}

func (p progress) run(ticker *time.Ticker, quit <-chan struct{}) {
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.line("")
		case <-quit:
			p.line("\n")
			return
		}
	}
}

// line writes the present state. On a terminal it goes over the line before;
// end is what only its last state gets.
func (p progress) line(end string) {
	sent, failed := p.counts()
	text := fmt.Sprintf("%d of %d sent, %d failed, %.0f/s", sent, p.total, failed,
		float64(sent)/max(time.Since(p.start).Seconds(), 0.001))
	if p.live {
		const width = 30
		full := width * sent / max(p.total, 1)
		fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %s%s", strings.Repeat("█", full), strings.Repeat("░", width-full), text, end)
		return
	}
	fmt.Fprintln(p.w, text)
}
