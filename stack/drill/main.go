// Command drill makes faults on the lab's Swarm while clients use it, waits until
// it has healed, and says what the clients saw. It is no test of the program
// itself, and knows no other Swarm than the lab's: its faults are made by the verbs
// of ./scripts/run.sh lab. Run it by ./scripts/run.sh drill.
//
// Each drill of the catalog (catalog.go) goes from a steady state to a steady state (run.go).
// What came of it is a line of the history (result.go) and is held against an aim (aims.go) or,
// with --pages, against what on-call heard (oncall.go).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// The ports that a node publishes: the mesh's, and those of the edge tier.
const (
	meshAPIPort, meshWebPort = 5001, 5000
	edgeAPIPort, edgeWebPort = 6001, 6080
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1) //nolint:gocritic // the deferred stop only frees a signal
	}
	if !ok {
		os.Exit(1)
	}
}

// flags are the command line. What scripts/lib/drill.sh sets is not for people. rate is in requests
// a second; sent is 0 where the aims decide; tries counts the first one; compare is a commit.
type flags struct {
	json, fresh, edge, list, table, pages bool
	rate                                  float64
	patience                              time.Duration
	retries                               int
	sent, tries                           int
	compare                               string
	script, state, history, commit        string
	images                                images
}

func parseFlags(args []string) (flags, []string, error) {
	var f flags
	set := flag.NewFlagSet("drill", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.BoolVar(&f.json, "json", false, "")
	set.BoolVar(&f.fresh, "fresh", false, "")
	set.BoolVar(&f.edge, "edge", false, "")
	set.BoolVar(&f.pages, "pages", false, "")
	set.BoolVar(&f.list, "list", false, "")
	set.BoolVar(&f.table, "table", false, "")
	set.StringVar(&f.compare, "compare", "", "")
	set.Float64Var(&f.rate, "rate", 0, "")
	set.DurationVar(&f.patience, "patience", 2*time.Second, "")
	set.IntVar(&f.retries, "retry", 0, "")
	set.IntVar(&f.sent, "sent", 0, "")
	set.IntVar(&f.tries, "tries", 1, "")
	set.StringVar(&f.script, "script", "", "")
	set.StringVar(&f.state, "state", "", "")
	set.StringVar(&f.history, "history", "", "")
	set.StringVar(&f.commit, "commit", "", "")
	set.StringVar(&f.images.current, "image", "", "")
	set.StringVar(&f.images.next, "image-next", "", "")
	set.StringVar(&f.images.faults, "image-faults", "", "")
	set.StringVar(&f.images.foreign, "image-foreign", "", "")
	var names []string
	for len(args) > 0 { // names and flags in any order
		if err := set.Parse(args); err != nil {
			return f, nil, err
		}
		if args = set.Args(); len(args) > 0 {
			names, args = append(names, args[0]), args[1:]
		}
	}
	if f.rate == 0 {
		f.rate = 20
		if f.pages {
			f.rate = watchedRate
		}
	}
	return f, names, nil
}

// command makes the drills that are asked for; false if an aim was missed.
func command(ctx context.Context, args []string, out, progress io.Writer) (ok bool, err error) {
	f, names, err := parseFlags(args)
	if err != nil {
		return false, err
	}
	// What is only looked up needs no lab.
	if f.list {
		for _, d := range everything() {
			fmt.Fprintf(out, "  %-27s %s\n", d.name, d.what)
		}
		return true, nil
	}
	past, err := history(f.history).read()
	switch {
	case err != nil:
		return false, err
	case f.table:
		writeResults(out, newest(past, "", variants(past)))
		return true, nil
	case f.compare != "":
		writeTable(out, compared(past, f.compare, f.commit))
		return true, nil
	}
	drills, resume, err := choose(names, f)
	if err != nil {
		return false, err
	}
	b, err := newBench(f, progress)
	if err != nil {
		return false, err
	}
	results, err := b.all(ctx, drills, f, past, resume, out)
	if err != nil {
		return false, err
	}
	if !f.json {
		writeResults(out, results)
	}
	return passed(results), nil
}

// writeResults writes a table of each kind: what clients saw, what the verb said, what
// on-call heard.
func writeResults(w io.Writer, results []result) {
	var product, calls []result
	for _, r := range results {
		switch {
		case r.Watched:
			calls = append(calls, r)
		case r.Exit == nil:
			product = append(product, r)
		}
	}
	// A table of nothing still has its head.
	if len(product) > 0 || len(results) == 0 {
		writeTable(w, product)
	}
	writeDeploys(w, results)
	if len(calls) > 0 {
		writeCalls(w, calls)
	}
}

// passed tells whether each drill reached its aim in the end, and none lost a write.
func passed(results []result) bool {
	for i, r := range results {
		// A miss is forgiven where the next result is another try of the same.
		again := i+1 < len(results) && results[i+1].name() == r.name()
		if r.Lost > 0 || !r.OK && !again {
			return false
		}
	}
	return true
}

func newBench(f flags, progress io.Writer) (*bench, error) {
	cluster, err := openCluster()
	if err != nil {
		return nil, err
	}
	b := &bench{
		lab: lab{script: f.script, state: f.state, log: io.Discard}, cluster: cluster, images: f.images,
		load: options{nodes: nodeNames, rate: f.rate, patience: f.patience},
		sent: f.sent, commit: f.commit, out: progress,
	}
	if f.pages {
		b.telephone = telephoneOf(f.state)
	}
	return b, nil
}

// all makes the drills one after another, and writes down each as it ends. What Ctrl-C cut
// short is not written down. The edge tier goes in any case; what watches stays.
func (b *bench) all(ctx context.Context, drills []drill, f flags, past []result, resume bool, out io.Writer) (results []result, err error) {
	defer func() { err = errors.Join(err, b.front(context.WithoutCancel(ctx), false)) }()
	if f.pages {
		fmt.Fprintln(b.out, "==> bringing up what watches")
		if err := b.lab.do(ctx, "monitoring", "up"); err != nil {
			return nil, err
		}
	}
	for i, d := range drills {
		if before := done(past, d, f); resume && !f.fresh && before != nil {
			fmt.Fprintf(b.out, "==> %s: done at this commit already (--fresh makes it again)\n", d.name)
			results = append(results, *before)
			if f.json {
				if err := json.NewEncoder(out).Encode(before); err != nil {
					return results, err
				}
			}
			continue
		}
		fmt.Fprintf(b.out, "[%d/%d] ", i+1, len(drills))
		if err := b.front(ctx, d.edge); err != nil {
			return results, err
		}
		for try := 1; ; try++ {
			r := b.perform(ctx, d)
			if ctx.Err() != nil {
				return results, errors.New("interrupted; 'drill all' goes on where it was")
			}
			results = append(results, r)
			if err := b.note(r, f, out); err != nil {
				return results, err
			}
			// No further try makes good a lost write.
			if r.OK || r.Lost > 0 || try >= f.tries {
				break
			}
			fmt.Fprintf(b.out, "    once more, try %d of %d: ", try+1, f.tries)
		}
	}
	return results, nil
}

// note keeps and prints a result.
func (b *bench) note(r result, f flags, out io.Writer) error {
	if err := history(f.history).add(r); err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(out).Encode(r)
	}
	fmt.Fprintf(b.out, "    %s\n", strings.Join(r.row(), " | "))
	return nil
}
