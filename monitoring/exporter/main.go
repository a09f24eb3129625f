// Command swarm-exporter tells Prometheus what the engine's own metrics leave out
// (moby#43013): how many tasks of each service should run and do, how updates end,
// and how the nodes are. It asks a manager at each scrape, and keeps the answer
// for a second.
//
// It changes nothing. Its counters begin at zero with each start: what happened before it,
// or while it was away, is in none of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"minitwit/monitoring/exporter/manager"
)

// Set by the linker: -X main.version=….
var (
	version = "dev"
	commit  = "unknown"
)

// errUsage says that the command line is wrong; what is wrong has been said.
var errUsage = errors.New("usage")

// settings are what the flags say, or else the environment. docker is an address as
// DOCKER_HOST has it; healthcheck asks the exporter that runs instead of starting one.
type settings struct {
	listen, docker, stack string
	healthcheck           bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Getenv, os.Stderr), os.Stderr))
}

// exitCode prints an error, unless the flags have said it already: 2 is a wrong command line,
// 1 everything else that fails.
func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(stderr, "swarm-exporter:", err)
	return 1
}

// run serves until ctx ends. It does not wait for a manager: without one /metrics has
// swarm_up 0, which is an alert.
func run(ctx context.Context, args []string, env func(string) string, stderr io.Writer) error {
	set, err := parse(args, env, stderr)
	if err != nil {
		return err
	}
	if set.healthcheck {
		return healthcheck(ctx, set.listen)
	}
	log := zerolog.New(stderr).With().Timestamp().Logger()
	asked, err := manager.New(set.docker, set.stack)
	if err != nil {
		return err
	}
	defer func() { _ = asked.Close() }()
	listener, err := net.Listen("tcp", set.listen)
	if err != nil {
		return err
	}
	log.Info().Str("version", version).Str("commit", commit).Stringer("addr", listener.Addr()).
		Str("docker", set.docker).Str("stack", set.stack).Msg("listens")
	return serve(ctx, listener, newRegistry(newCollector(asked, log)), log)
}

// parse gives flag.ErrHelp for -h and errUsage for what is wrong, after it was printed.
func parse(args []string, env func(string) string, stderr io.Writer) (settings, error) {
	or := func(name, otherwise string) string {
		if value := env(name); value != "" {
			return value
		}
		return otherwise
	}
	var set settings
	flags := flag.NewFlagSet("swarm-exporter", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&set.listen, "listen", or("LISTEN_ADDR", ":9101"), "where /metrics and /livez are served; never publish it (LISTEN_ADDR)")
	flags.StringVar(&set.docker, "docker", or("DOCKER_HOST", "tcp://dockerproxy:2375"), "the API of a manager (DOCKER_HOST)")
	flags.StringVar(&set.stack, "stack", or("STACK", "minitwit"), "the stack whose services are reported (STACK)")
	flags.BoolVar(&set.healthcheck, "healthcheck", false, "ask the exporter on this machine whether it is alive, and exit 0 if it is")
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: swarm-exporter [flags]\n\n"+
			"Serves what a Swarm manager says of one stack as metrics, until SIGTERM.\n"+
			"Flags go before environment variables, whose names stand in brackets.\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return set, err
	} else if err != nil {
		return set, errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "swarm-exporter: unexpected argument %q\n", flags.Arg(0))
		return set, errUsage
	}
	return set, nil
}

// healthcheck asks this process alone. The manager has no part in it: Swarm kills
// what is unhealthy, and that would help no manager. It is run in the container of the
// process that it asks, which so has the same settings, listen among them.
func healthcheck(ctx context.Context, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens on all addresses
	}
	// Less than the 5 s of the check in stack/monitoring.yml: what is wrong is still printed.
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/livez", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("not alive: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("not alive: %s", resp.Status)
	}
	return errors.Join(err, resp.Body.Close())
}
