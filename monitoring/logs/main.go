// Command logs finds lines of log: in Loki, where those of all replicas are, or in the
// files of a service that runs on this machine. It is what ./scripts/run.sh logs calls,
// and has its options from there, checked.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// query says which lines are wanted.
type query struct {
	services []string      // api, web, …; none: all
	request  string        // only of the request with this id; "": of all
	errors   bool          // only errors and worse
	since    time.Duration // not older than this
	lines    int           // the newest so many
	follow   bool          // and then what is added
}

// source is where lines come from.
type source interface {
	// find gives the lines that are there, the oldest first.
	find(ctx context.Context, q query) ([]entry, error)
	// news gives what has come since find, or since the last news.
	news(ctx context.Context, q query) ([]entry, error)
}

// pollEvery is how long a new line waits to be shown, at most.
const pollEvery = time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "logs:", err)
		os.Exit(1)
	}
}

// run asks the files of -local, or else the Loki of LOKI_URL. Whoever follows ends it by ctx,
// which is no error then.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	var q query
	flags := flag.NewFlagSet("logs", flag.ContinueOnError)
	flags.StringVar(&q.request, "request", "", "only the lines of the request with this `ID`")
	flags.BoolVar(&q.errors, "errors", false, "only errors and worse")
	flags.DurationVar(&q.since, "since", time.Hour, "not older than this")
	flags.IntVar(&q.lines, "lines", 1000, "the newest so many")
	flags.BoolVar(&q.follow, "follow", false, "then show what is added")
	raw := flags.Bool("json", false, "the lines as they were written")
	dir := flags.String("local", "", "read NAME.log in this `FOLDER`, instead of asking LOKI_URL")
	if err := flags.Parse(args); err != nil {
		return err
	}
	q.services = flags.Args()
	from, err := newSource(*dir, getenv)
	if err != nil {
		return err
	}
	return show(ctx, from, q, printer{out: bufio.NewWriter(stdout), raw: *raw})
}

// newSource reads a token from a file, so that it is in no list of processes.
func newSource(dir string, getenv func(string) string) (source, error) {
	if dir != "" {
		return &local{dir: dir}, nil
	}
	token := ""
	if path := getenv("LOKI_TOKEN_FILE"); path != "" {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("LOKI_TOKEN_FILE: %w", err)
		}
		token = strings.TrimSpace(string(content))
	}
	return newLoki(getenv("LOKI_URL"), token)
}

// show prints what is there and, to follow, what comes until ctx ends.
func show(ctx context.Context, from source, q query, p printer) error {
	found, err := from.find(ctx, q)
	if err != nil {
		return err
	}
	found = newest(found, q.lines)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := p.print(found); err != nil || !q.follow {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// An interrupt in the middle of a question is no failure of the source.
		if found, err = from.news(ctx, q); err != nil && ctx.Err() == nil {
			return err
		}
		// All of it: --lines is for what was there already.
		found = newest(found, len(found))
	}
}

// newest sorts lines by time and gives the last n of them. Lines of one moment stay in the
// order in which they came: what is written for people has seconds only.
func newest(found []entry, n int) []entry {
	slices.SortStableFunc(found, func(a, b entry) int { return a.time.Compare(b.time) })
	return found[max(0, len(found)-n):]
}
