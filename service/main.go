// Command minitwit is the whole service in one binary: it serves the web UI and
// the simulator API, migrates the database, checks health, hides messages, plays
// the simulator, and watches from within (canary) and from outside (deadman).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Set by the linker: -X main.version=….
var (
	version = "dev"
	commit  = "unknown"
	built   = "unknown"
)

// stdio is what a command may touch of the process it runs in.
type stdio struct {
	Out, Err io.Writer
	Env      []string
}

// command is one verb of the binary. Its run gets a context that ends with
// SIGINT or SIGTERM.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, std stdio) error
}

func commands() []command {
	return []command{
		{"serve", "serve the web UI and the simulator API", serveCommand},
		{"migrate", "bring the database's schema up to date, or show where it is", migrateCommand},
		{"healthcheck", "ask the server on this machine whether it is alive", healthcheckCommand},
		{"flag", "hide messages from all lists, or show them again", flagCommand},
		{"simulate", "play the simulator against the API and verify what was stored", simulateCommand},
		{"canary", "write a message through the API and read it back through the UI, for monitoring", canaryCommand},
		{"deadman", "page when monitoring's heartbeat stops: the dead man's switch outside the Swarm", deadmanCommand},
		{"version", "say which release this is", versionCommand},
	}
}

// errUsage says that the command line is wrong; what is wrong has been said.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], stdio{Out: os.Stdout, Err: os.Stderr, Env: os.Environ()})
	os.Exit(exitCode(err))
}

// exitCode gives 0, 2 for a wrong command line and 1 for any other failure. That one it
// prints: commands return their errors and do not.
func exitCode(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(os.Stderr, "minitwit:", err)
	return 1
}

func run(ctx context.Context, args []string, std stdio) error {
	if len(args) == 0 {
		usage(std.Err)
		return errUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		usage(std.Out)
		return nil
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], std)
		}
	}
	fmt.Fprintf(std.Err, "minitwit: there is no command %q\n\n", args[0])
	usage(std.Err)
	return errUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "minitwit, a microblog for a simulator and for people\n\nusage: minitwit COMMAND [-h]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-12s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nSettings are environment variables; minitwit serve -h lists them.\n")
}

// newFlags makes a flag set whose help begins with a synopsis and a text.
func newFlags(std stdio, synopsis, text string) *flag.FlagSet {
	flags := flag.NewFlagSet("minitwit", flag.ContinueOnError)
	flags.SetOutput(std.Err)
	flags.Usage = func() {
		fmt.Fprintf(std.Err, "usage: minitwit %s\n\n%s\n", synopsis, strings.TrimSpace(text))
		fmt.Fprintln(std.Err)
		flags.PrintDefaults()
	}
	return flags
}

// parse reads flags; the flag package has said what is wrong with them.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	return nil
}

// parseNoArguments is parse for commands that take flags alone.
func parseNoArguments(flags *flag.FlagSet, args []string) error {
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(flags.Output(), "minitwit: unexpected argument %q\n", flags.Arg(0))
		return errUsage
	}
	return nil
}
