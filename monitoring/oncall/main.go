// Command oncall is what somebody on call asks first. "doctor" says on one screen what
// is broken, since when, what changed last and where the runbook is; "page-test" sends a
// page through the whole way and says where it arrived.
//
// It is no monitoring: it looks once, keeps nothing and mends nothing. People start it
// by ./scripts/run.sh doctor and page-test, which have the help.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Exit codes of both commands.
const (
	exitFine    = 0
	exitBroken  = 1
	exitUnknown = 2 // also of a wrong command line
)

// stdio is what a command may touch of the process it runs in.
type stdio struct {
	out, err io.Writer
	env      []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], stdio{os.Stdout, os.Stderr, os.Environ()})
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, std stdio) int {
	commands := map[string]func(context.Context, []string, stdio) (int, error){
		"doctor": doctorCommand, "page-test": pageTestCommand,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprintln(std.err, "oncall: there are the commands doctor and page-test; ./scripts/run.sh doctor -h says more")
		return exitUnknown
	}
	code, err := commands[args[0]](ctx, args[1:], std)
	if err != nil {
		fmt.Fprintf(std.err, "%s: %v\n", args[0], err)
	}
	return code
}

// newFlags makes a set that says nothing by itself: the script has the help.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

func parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		return fmt.Errorf("%w; ./scripts/run.sh %s -h lists the options", err, flags.Name())
	}
	return nil
}

// getenv gives a variable of the environment, "" if it is not set. Of several with one name
// the last counts, as in os/exec.
func (s stdio) getenv(name string) string {
	for _, v := range slices.Backward(s.env) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// words are values of an option that may be repeated, or list several by commas.
type words []string

func (w *words) String() string { return strings.Join(*w, ",") }

func (w *words) Set(list string) error {
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word != "" {
			*w = append(*w, word)
		}
	}
	return nil
}

// urls are such values that are addresses of servers.
type urls []*url.URL

func (u *urls) String() string { return strconv.Itoa(len(*u)) } // one may hold a password

func (u *urls) Set(list string) error {
	var all words
	_ = all.Set(list)
	for _, word := range all {
		parsed, err := parseURL(word)
		if err != nil {
			return err
		}
		// get appends a path that begins with one.
		parsed.Path = strings.TrimRight(parsed.Path, "/")
		*u = append(*u, parsed)
	}
	return nil
}

// parseURL does not repeat the text in its error: it may hold a password.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("that is no http:// or https:// URL")
	}
	return u, nil
}

// writeJSON writes objects, one a line.
func writeJSON[T any](w io.Writer, objects ...T) error {
	to := json.NewEncoder(w)
	to.SetEscapeHTML(false) // people read it, too
	for _, o := range objects {
		if err := to.Encode(o); err != nil {
			return err
		}
	}
	return nil
}

// colours says whether somebody looks at what is written, on a terminal that can:
// https://no-color.org.
func colours(std stdio) bool {
	file, ok := std.out.(*os.File)
	if !ok || std.getenv("NO_COLOR") != "" || std.getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
