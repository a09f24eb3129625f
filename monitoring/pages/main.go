// Command pages makes faults on a whole installation on this machine and says which
// page on-call got, how soon, and whether it was the right and the only one. The
// product, its database and everything that watches them are real; what only a Swarm
// has, its mesh and its manager, is played. Run it by ./scripts/run.sh drill pages.
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
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"minitwit/service/wait"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pages:", err)
	}
	if err != nil || !ok {
		os.Exit(1) //nolint:gocritic // the deferred stop only frees a signal
	}
}

// options are the command line. repo is the clone whose configuration is tried, bin the
// folder of the programs that scripts/lib/pages.sh has built.
type options struct {
	json, list, short bool
	repo, bin         string
	tries             int    // of a fault, as long as an aim is missed
	slack             slack  // for slow machines
	sink, to, gate    string // instead of faults: only take notices, write them to a file, and refuse them while there is another
	names             []string
}

// parse gives no help by itself: that is in scripts/lib/drill.sh.
func parse(args []string) (o options, err error) {
	set := flag.NewFlagSet("pages", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.BoolVar(&o.json, "json", false, "")
	set.BoolVar(&o.list, "list", false, "")
	set.BoolVar(&o.short, "short", false, "")
	set.StringVar(&o.repo, "repo", ".", "")
	set.StringVar(&o.bin, "bin", "bin", "")
	set.IntVar(&o.tries, "tries", 1, "")
	set.Float64Var((*float64)(&o.slack), "slack", 1, "")
	set.StringVar(&o.sink, "sink", "", "")
	set.StringVar(&o.to, "to", "", "")
	set.StringVar(&o.gate, "gate", "", "")
	for len(args) > 0 { // names and flags in any order
		if err := set.Parse(args); err != nil {
			return o, err
		}
		if args = set.Args(); len(args) > 0 {
			o.names, args = append(o.names, args[0]), args[1:]
		}
	}
	if o.slack < 1 {
		return o, errors.New("--slack is below 1")
	}
	if o.repo, err = filepath.Abs(o.repo); err == nil {
		o.bin, err = filepath.Abs(o.bin)
	}
	return o, err
}

// command writes results to out, what goes on to progress. It gives false without an error
// where an aim was missed. Unless all went well, the folder with all logs stays.
func command(ctx context.Context, args []string, out, progress io.Writer) (ok bool, err error) {
	o, err := parse(args)
	if err != nil {
		return false, err
	}
	if o.sink != "" {
		return true, listen(ctx, o.sink, o.to, o.gate)
	}
	chosen, err := choose(o)
	if err != nil || o.list {
		for _, f := range chosen {
			fmt.Fprintf(out, "  %-18s %s\n", f.name, f.what)
		}
		return err == nil, err
	}
	dir, err := os.MkdirTemp("", "minitwit-pages-")
	if err != nil {
		return false, err
	}
	results, err := drill(ctx, o, dir, chosen, out, progress)
	if err != nil {
		return false, fmt.Errorf("%w (logs: %s)", err, dir)
	}
	if !o.json {
		writeTable(out, results)
	}
	if ok = passed(results); !ok {
		fmt.Fprintln(progress, "    logs:", dir)
		return false, nil
	}
	return true, os.RemoveAll(dir)
}

// passed tells whether each fault's last try reached its aim.
func passed(results []result) bool {
	for i, r := range results {
		if again := i+1 < len(results) && results[i+1].Case == r.Case; !r.OK && !again {
			return false
		}
	}
	return true
}

// choose gives the faults of the names, or all that are part of every drill. --list also
// shows those that are made by their name only.
func choose(o options) (chosen []fault, err error) {
	for _, f := range faults {
		if len(o.names) == 0 && (!o.short || f.short) && (!f.apart || o.list) || slices.Contains(o.names, f.name) {
			chosen = append(chosen, f)
		}
	}
	for _, name := range o.names {
		if !slices.ContainsFunc(faults, func(f fault) bool { return f.name == name }) {
			err = errors.Join(err, fmt.Errorf("there is no fault %q; --list lists them", name))
		}
	}
	return chosen, err
}

// drill makes the faults one after another.
func drill(ctx context.Context, o options, dir string, chosen []fault, out, progress io.Writer) (results []result, err error) {
	bin := map[string]string{}
	for _, name := range []string{"minitwit", "faults", "swarm-exporter"} {
		bin[name] = filepath.Join(o.bin, name)
	}
	fmt.Fprintln(progress, "==> starting the installation")
	w, err := newWorld(ctx, o.repo, dir, bin)
	// Also after an error, when a part of it may run.
	defer w.close()
	if err != nil {
		return nil, err
	}
	w.slack = o.slack
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	// No replica is healthy before watch has asked it.
	go w.replicas.watch(watch)
	if err := wait.Until(ctx, w.slack.of(time.Minute), "healthy replicas", w.healthy); err != nil {
		return nil, err
	}
	if err := w.startLoad(ctx, 1); err != nil {
		return nil, err
	}
	// Whichever it is by then: simulator-silent ends the load and starts another one.
	defer func() { w.load.stop() }()
	for i, f := range chosen {
		fmt.Fprintf(progress, "[%d/%d] ==> %s: %s\n", i+1, len(chosen), f.name, f.what)
		tried, failed := w.try(ctx, o, f, out, progress)
		results, err = append(results, tried...), errors.Join(err, failed)
		if ctx.Err() != nil {
			return results, ctx.Err()
		}
	}
	return results, err
}

// try makes one fault, again after a miss where --tries allows it, and gives the result of each
// time. Its error is that a result could not be printed.
func (w *world) try(ctx context.Context, o options, f fault, out, progress io.Writer) (results []result, err error) {
	perform := w.perform
	if len(f.want) == 0 {
		perform = w.spend
	}
	for n := 1; ; n++ {
		r := perform(ctx, f, progress)
		// What was found until an interrupt says nothing of the fault.
		if ctx.Err() != nil {
			return results, err
		}
		results = append(results, r)
		if o.json {
			err = errors.Join(err, json.NewEncoder(out).Encode(r))
		} else {
			fmt.Fprintf(progress, "    %s\n", strings.Join(r.row(), " | "))
		}
		if r.OK || n >= o.tries {
			return results, err
		}
		fmt.Fprintf(progress, "    once more, try %d of %d\n", n+1, o.tries)
	}
}

// healthy tells whether every replica of the Swarm is; the old system does not run then.
func (w *world) healthy() bool {
	return len(w.replicas.targets("api", false)) == len(nodes) && len(w.replicas.targets("web", false)) == len(nodes)
}
