package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"
)

// Run plays the scenario and verifies what was stored. The report holds in
// every case for what was sent; the error is nil only if all of it was right.
func Run(ctx context.Context, opts Options) (Report, error) {
	opts, bases, err := opts.withDefaults()
	if err != nil {
		return Report{}, fmt.Errorf("simulate: %w", err)
	}
	reader := &reader{client: newClient(bases, opts.Credentials, opts.KeepAlive == 0, 0), patience: opts.patience}
	defer reader.client.transport.CloseIdleConnections()
	suffix, err := chooseSuffix(ctx, opts, reader)
	if err != nil {
		return Report{}, fmt.Errorf("simulate: %w", err)
	}
	p, err := newPlayer(opts, suffix)
	if err != nil {
		return Report{}, fmt.Errorf("simulate: %w", err)
	}
	// From here on there is something to report, whatever happens.
	stop := startProgress(opts, len(p.steps), p.collector.counts)
	p.play(ctx, bases)
	report := p.collector.report(time.Since(p.start))
	stop()
	report.Suffix, report.Interrupted = suffix, ctx.Err() != nil
	if !opts.SkipVerify && !report.Interrupted {
		fmt.Fprintln(opts.Progress, "reading back what was stored…")
		report.Verification = verify(ctx, reader, p.model, p.latest)
	}
	return report, report.Err()
}

// player plays one plan. Its workers share nothing but its parts, each of
// which has its own lock.
type player struct {
	opts      Options
	steps     []step
	requests  []request // built before the clock starts
	schedule  *schedule
	model     *model
	latest    *latest
	collector *collector
	start     time.Time
}

func newPlayer(opts Options, suffix string) (*player, error) {
	p := &player{
		opts: opts, steps: plan(opts, suffix),
		model: newModel(), latest: newLatest(), collector: newCollector(),
	}
	if opts.Known {
		p.model.know(p.steps)
	}
	p.schedule = newSchedule(p.steps)
	p.requests = make([]request, len(p.steps))
	for i, s := range p.steps {
		var err error
		if p.requests[i], err = requestFor(s); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// play returns when all steps are done or, after ctx is, all that were begun.
func (p *player) play(ctx context.Context, bases []*url.URL) {
	p.start = time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, p.schedule.stop)
	go func() {
		select {
		// Where it is nil this waits for ctx alone.
		case <-p.opts.Enough:
			cancel()
		case <-ctx.Done():
		}
	}()
	var workers sync.WaitGroup
	for w := range p.opts.Workers {
		workers.Go(func() {
			kept, fresh := newClient(bases, p.opts.Credentials, false, w), newClient(bases, p.opts.Credentials, true, w)
			defer kept.transport.CloseIdleConnections()
			p.work(ctx, kept, fresh)
		})
	}
	workers.Wait()
}

// work does steps until there are none or ctx ends. A step that was taken and
// not begun by then stays undone: the schedule has stopped too.
func (p *player) work(ctx context.Context, kept, fresh *client) {
	for {
		i, ok := p.schedule.take()
		if !ok || sleep(ctx, p.steps[i].due-time.Since(p.start)) != nil {
			return
		}
		c := fresh
		if p.opts.keeps(i) {
			c = kept
		}
		p.perform(ctx, c, i)
		p.schedule.done(i)
	}
}

// perform sends a step, again if it may, and notes how it ended. What is under
// way when ctx ends may still finish: it is over soon, and would otherwise be
// neither acknowledged nor failed.
func (p *player) perform(ctx context.Context, c *client, i int) {
	r := result{op: p.steps[i].op, due: p.steps[i].due, openLoop: p.opts.Rate > 0, began: time.Since(p.start)}
	for {
		v, got := p.attempt(context.WithoutCancel(ctx), c, i, r.retries == 0)
		r.kind, r.status, r.err = v.kind, got.status, got.err
		if !v.again || r.retries >= p.opts.Retries || sleep(ctx, backoff(r.retries, got.retryAfter)) != nil {
			break
		}
		r.retries++
	}
	r.ended = time.Since(p.start)
	p.collector.add(r)
	if p.opts.Observe != nil {
		p.opts.Observe(Outcome{Began: p.start.Add(r.began), Ended: p.start.Add(r.ended), Kind: r.kind, Status: r.status, Err: r.err, Read: r.op.reads()})
	}
}

// Outcome is how one request ended, after all its attempts.
type Outcome struct {
	Began, Ended time.Time
	Kind         Kind
	Status       int   // of the last attempt, 0 without an answer
	Err          error // why the last attempt has none
	Read         bool
}

// keeps tells whether a step goes over a kept connection. By the step and not by
// the worker: which workers are busy is chance.
func (o Options) keeps(step int) bool {
	const of = 100
	return float64(step*37%of) < o.KeepAlive*of // 37: spread, and without a common factor
}

// attempt sends a step once. What to expect is asked anew each time, since an
// attempt without an answer makes two answers right for the next.
func (p *player) attempt(ctx context.Context, c *client, i int, first bool) (verdict, answer) {
	s := p.steps[i]
	want := p.model.expect(s)
	began := p.latest.begin()
	got := c.do(ctx, p.opts.Timeout, p.requests[i])
	v := judge(want, s.op, got)
	if !s.op.reads() {
		p.latest.end(s.action.ID, began, v)
		p.model.note(s, first, v, got.status)
	}
	return v, got
}

// maxRetryAfter bounds how long a server may make us wait.
const maxRetryAfter = 2 * time.Second

// backoff doubles from 50 ms to 1 s, or is what the server asks for, and adds
// up to half of it by chance so that workers do not return all at once.
func backoff(retries int, asked time.Duration) time.Duration {
	wait := min(time.Second, 50*time.Millisecond<<min(retries, 5))
	if asked > 0 {
		wait = min(asked, maxRetryAfter)
	}
	return wait + time.Duration(rand.Int64N(int64(wait/2))) //nolint:gosec // no secret hangs on it
}

var errInterrupted = errors.New("interrupted")

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errInterrupted
	}
}
