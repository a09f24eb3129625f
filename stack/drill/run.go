package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"minitwit/service/wait"
)

// Limits of waiting. The lab is emulated: they are wide, and what they bound is
// measured.
const (
	patience    = 10 * time.Minute // with the Swarm
	warmUpLimit = 2 * time.Minute
	// tail is how long the load goes on after the recovery: what fails only then
	// belongs to the fault as well.
	tail = 10 * time.Second
	// fewest is how many requests a drill sends, if its aim does not ask for more.
	fewest = 1000
)

// run is one drill under way.
type run struct {
	*bench
	drill    drill
	victim   string   // the node that will be hurt, if one is
	spare    []string // the nodes whose ports the load uses; nil: all
	load     *load
	before   snapshot  // the steady state
	warm     time.Time // when the load was steady
	fault    time.Time
	mended   time.Time // when the cause was taken away, where that is part of the drill
	detect   *seconds
	strength *seconds
	start    seconds
	deploy   deployed // where the drill deploys by the verb
}

// bench is what all drills share: the lab, and how they are to be made.
type bench struct {
	lab       lab
	cluster   *cluster
	images    images
	load      options
	sent      int  // how many requests a drill sends at least; 0: as its aim asks
	edge      bool // the edge tier stands because we brought it up
	commit    string
	out       io.Writer // progress
	telephone telephone // of on-call; "" where nobody watches
}

// drill is one fault and how it is made. Its function calls r.strike when the
// fault begins and returns when all is as before. With --pages restore is called twice; it is
// also called where nothing was begun.
type drill struct {
	name    string
	what    string
	apart   bool // not part of all
	quiet   bool // no page views from the start: the drill itself begins with them
	edge    bool // through the edge tier's ports instead of the mesh's
	retries int  // of a client
	make    func(context.Context, *run) error
	// prepare, if set, comes before the load; restore after it, also when the drill failed.
	prepare, restore func(context.Context, *run) error
}

func (d drill) via() string {
	if d.edge {
		return "edge"
	}
	return "mesh"
}

func (r *run) say(format string, args ...any) {
	at := ""
	if !r.fault.IsZero() {
		at = fmt.Sprintf("%5.1f s  ", time.Since(r.fault).Seconds())
	}
	fmt.Fprintf(r.out, "    %s%s\n", at, fmt.Sprintf(format, args...))
}

// front brings the edge tier up, or takes away what it brought: its checks are much
// for three emulated nodes.
func (b *bench) front(ctx context.Context, wanted bool) error {
	if wanted == b.edge {
		return nil
	}
	b.edge = wanted
	if wanted {
		fmt.Fprintln(b.out, "==> bringing up the edge tier")
		return b.lab.do(ctx, "edge", "up")
	}
	return b.lab.do(ctx, "edge", "down")
}

// perform runs a drill from a steady state to a steady state.
func (b *bench) perform(ctx context.Context, d drill) result {
	began := time.Now()
	r := &run{bench: b, drill: d}
	fmt.Fprintf(b.out, "==> %s: %s\n", d.name, d.what)
	res, err := r.measured(ctx)
	// After Ctrl-C, too: nobody else would give a node its power back.
	if d.restore != nil {
		err = errors.Join(err, d.restore(context.WithoutCancel(ctx), r))
	}
	if err != nil {
		res.Error = err.Error()
	}
	res.Case, res.Commit, res.At, res.Took = d.name, b.commit, now(), since(began, time.Now())
	res.Detect, res.Strength, res.Start = r.detect, r.strength, r.start
	res.deployed, res.What = r.deploy, d.what
	res.Via, res.Retries, res.Rate, res.Watched = d.via(), d.retries, b.load.rate, b.telephone != ""
	if res.Watched {
		// aim{} asks only that no write was lost and that the drill came to its end.
		c := calls[d.name]
		res.heard = c.judge(b.telephone.since(r.fault), r.fault, r.mended)
		res.Aim, res.Missed = c.String(), append(c.missed(res.heard), aim{}.missed(res)...)
	} else {
		a := aimOf(d.name).orSent(b.sent)
		res.Aim, res.Missed = a.String(), a.missed(res)
	}
	res.OK = len(res.Missed) == 0
	return res
}

// measured makes the fault under load and gives what clients saw of it.
func (r *run) measured(ctx context.Context) (res result, err error) {
	if err := r.steady(ctx); err != nil {
		return res, fmt.Errorf("before the drill: %w", err)
	}
	if r.drill.prepare != nil {
		if err := r.drill.prepare(ctx, r); err != nil {
			return res, fmt.Errorf("prepare: %w", err)
		}
	}
	// After prepare, whose changes belong to the steady state.
	if r.before, err = r.cluster.view(ctx); err != nil {
		return res, err
	}
	if err := r.warmUp(ctx); err != nil {
		return res, err
	}
	if err := r.allClear(ctx); err != nil {
		_, stopErr := r.load.stop()
		return res, errors.Join(err, stopErr)
	}
	r.warm = time.Now()
	err = r.drill.make(ctx, r)
	if err == nil {
		err = r.tail(ctx)
	}
	r.awaitPage(ctx)
	if r.telephone != "" && err == nil {
		err = r.over(ctx)
	}
	report, stopErr := r.load.stop()
	counted := r.counted()
	res.figures = measure(counted, r.fault)
	err = errors.Join(err, r.noteFailures(counted))
	res.Lost = report.Verification.Lost.Total()
	// Not of a drill that did not come to its end: there may be nobody to answer.
	if err == nil {
		res.Replaced, err = r.replaced(ctx)
	}
	r.say("%d of %d failed%s, %d acknowledged writes lost", res.Failed, res.Sent, reasons(res.Why), res.Lost)
	return res, errors.Join(err, stopErr)
}

// noteFailures adds what failed to a log, a line each: when it was sent, for how long it was
// waited, and why it failed.
func (r *run) noteFailures(samples []sample) error {
	log, err := r.lab.logFile("failures")
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "%s %s\n", now(), r.drill.name)
	for _, s := range samples {
		if s.failure != "" {
			took := s.ended.Sub(s.began).Seconds()
			fmt.Fprintf(log, "%s %.1f s %s: %s %s\n", s.began.UTC().Format(time.RFC3339Nano), took, s.surface, s.failure, s.detail)
		}
	}
	return log.Close()
}

// steady waits until the lab is as a drill expects it.
func (r *run) steady(ctx context.Context) error {
	_, err := r.cluster.await(ctx, "three ready nodes and all replicas", func(s snapshot) bool {
		return s.strong() && !slices.ContainsFunc(nodeNames, func(n string) bool { return !s.ready(n) })
	})
	return err
}

// warmUp starts the load and waits until it succeeds: all users are there, and
// for a while nothing has failed.
func (r *run) warmUp(ctx context.Context) error {
	opts := r.bench.load
	opts.retries = r.drill.retries
	if opts.apiPort, opts.webPort = meshAPIPort, meshWebPort; r.drill.edge {
		opts.apiPort, opts.webPort = edgeAPIPort, edgeWebPort
	}
	if r.spare != nil {
		opts.nodes = r.spare
	}
	opts.pages = !r.drill.quiet
	if err := registerUsers(ctx, urls(opts.nodes, opts.apiPort)[0]); err != nil {
		return err
	}
	r.load = startLoad(ctx, opts, fmt.Sprintf("%x", time.Now().Unix()))
	err := wait.Until(ctx, warmUpLimit, "a load without failures", func() bool {
		all := r.load.all()
		// As many in a row as five seconds bring.
		return succeeding(all) > int(opts.rate*5) && (!opts.pages || seen(all, "web"))
	})
	if err != nil {
		_, stopErr := r.load.stop()
		f := measure(r.load.all(), time.Now())
		return errors.Join(fmt.Errorf("%w: %d of %d failed%s, p99 %.0f ms", err, f.Failed, f.Sent, reasons(f.Why), f.P99), stopErr)
	}
	return nil
}

// succeeding counts the successes since the last failure.
func succeeding(all []sample) (n int) {
	for _, s := range slices.Backward(all) {
		if s.failure != "" {
			break
		}
		n++
	}
	return n
}

// seen tells whether a surface is among what was asked.
func seen(all []sample, surface string) bool {
	return slices.ContainsFunc(all, func(s sample) bool { return s.surface == surface && s.failure == "" })
}

// counted leaves out what was sent before the load was steady.
func (r *run) counted() []sample {
	return slices.DeleteFunc(r.load.all(), func(s sample) bool { return s.began.Before(r.warm) })
}

// tail keeps the load on for a while, and until enough was sent: what fails late is counted.
func (r *run) tail(ctx context.Context) error {
	enough := cmp.Or(aimOf(r.drill.name).orSent(r.sent).sent, fewest)
	// The number of requests is held against nothing then, and at watchedRate it takes long.
	if r.telephone != "" {
		enough = 0
	}
	from := time.Now()
	return wait.Until(ctx, patience, "the end of the load", func() bool {
		return time.Since(from) > tail && len(r.counted()) >= enough
	})
}

// strike notes that the fault begins now, and makes it. Whatever time the making takes is counted.
func (r *run) strike(what string, fault func() error) error {
	r.fault = time.Now()
	r.say("%s", what)
	return fault()
}
