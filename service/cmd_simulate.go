package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"minitwit/service/config"
	"minitwit/service/simulate"
)

const simulateHelp = `
Plays a scenario of users' actions against the simulator API, as the course's
simulator does: one request after another, a new connection each, 0.3 s to answer. Then it reads
everything back and reports what was lost, stored twice, or never sent.

  minitwit simulate                                         the built-in scenario, as fast as answered
  minitwit simulate --url http://n1:5001 --url http://n2:5001 --workers 8
  minitwit simulate --rate 200 --workers 32 --limit 5000    200 requests a second, come what may
  minitwit simulate --speed 100000 --scenario FILE          a scenario of your own, a day in 0.9 s
  minitwit simulate --json 2>/dev/null                      one JSON object for a script
  minitwit simulate --generate FILE.gz --seed 7             make another scenario, send nothing

It exits with 0 only if every answer was right, nothing was lost, stored twice or made up, and
"latest" is right. It must be the only one that writes as its users meanwhile; run it again and
all names get a suffix.`

// simulateFlags are the command's flags as they were given. Speed is "max" or a factor; a
// limit of 0 means all actions.
type simulateFlags struct {
	opts     simulate.Options
	scenario string
	generate string
	speed    string
	make     simulate.GenerateOptions
	limit    int
	verify   bool
	json     bool
}

// simulateCommand plays a scenario, or makes one. Where a run ends badly the
// report is written all the same, and the error says why in one line.
func simulateCommand(ctx context.Context, args []string, std stdio) error {
	f, err := parseSimulateFlags(args, std)
	if err != nil {
		return err
	}
	if f.generate != "" {
		return generateScenario(f.generate, f.make, std.Out)
	}
	if f.opts.Actions, err = loadScenario(f.scenario, f.limit); err != nil {
		return err
	}
	// Standard output has the report and nothing else: --json promises a script one object.
	f.opts.Progress, f.opts.Live = std.Err, isTerminal(std.Err)
	report, err := simulate.Run(ctx, f.opts)
	if f.json {
		return errors.Join(report.WriteJSON(std.Out, err), err)
	}
	// Where nothing was sent there is no table to show; the error says why.
	if report.Sent > 0 {
		colours := isTerminal(std.Out) && !noColour(std.Env)
		return errors.Join(report.WriteTable(std.Out, colours, err), err)
	}
	return err
}

// parseSimulateFlags reads the flags, and the environment where --credentials is not given.
func parseSimulateFlags(args []string, std stdio) (*simulateFlags, error) {
	f := &simulateFlags{}
	flags := newFlags(std, "simulate [flags]", simulateHelp)
	f.define(flags)
	if err := parseNoArguments(flags, args); err != nil {
		return nil, err
	}
	f.opts.SkipVerify = !f.verify
	if len(f.opts.URLs) == 0 {
		f.opts.URLs = []string{"http://localhost:5001"}
	}
	if f.opts.Credentials == "" {
		cfg, err := config.Load(std.Env)
		if err != nil {
			return nil, err
		}
		f.opts.Credentials = cfg.Simulator
	}
	return f, f.setSpeed()
}

// define declares the flags. Workers and timeout have the defaults of simulate.Options, so
// that -h shows them.
func (f *simulateFlags) define(flags *flag.FlagSet) {
	o := &f.opts
	flags.Func("url", "`URL` of the simulator API, repeatable: they are used in turn (default http://localhost:5001)",
		func(s string) error {
			o.URLs = append(o.URLs, s)
			return nil
		})
	flags.StringVar(&f.scenario, "scenario", "", "play `FILE` (- is standard input) instead of the built-in scenario")
	flags.StringVar(&f.generate, "generate", "", "write a scenario to `FILE` (- is standard output, .gz is compressed) and stop")
	flags.Uint64Var(&f.make.Seed, "seed", simulate.DefaultSeed, "seed for --generate")
	flags.IntVar(&f.make.Actions, "actions", simulate.DefaultActions, "size for --generate")
	flags.StringVar(&f.speed, "speed", "max", "divide the scenario's delays by this `factor`; max leaves them out")
	flags.Float64Var(&o.Rate, "rate", 0, "send so many requests a second, answered or not; latency counts from when each was due")
	flags.IntVar(&o.Workers, "workers", 1, "requests under way at once; each user's stay in order")
	flags.DurationVar(&o.Timeout, "timeout", 300*time.Millisecond, "give up a request after this")
	flags.IntVar(&o.Retries, "retry", 0, "try again so often after connection errors, timeouts and 503; may store twice")
	flags.Float64Var(&o.KeepAlive, "keep-alive", 0, "this `fraction` of the requests go over kept connections; each of the others opens one")
	flags.IntVar(&f.limit, "limit", 0, "play only the first `N` actions")
	flags.Float64Var(&o.MixReads, "mix-reads", 0, "mix in reads until they are this `fraction` of all requests")
	flags.StringVar(&o.Suffix, "suffix", "", "append `TEXT` to all names; by default one is found if the names exist")
	flags.StringVar(&o.Credentials, "credentials", "", "`NAME:PASSWORD` for HTTP Basic, seen by whoever lists processes (default $SIMULATOR_CREDENTIALS, else the course's public ones)")
	flags.BoolVar(&f.verify, "verify", true, "read everything back afterwards")
	flags.BoolVar(&f.json, "json", false, "write one JSON object to standard output instead of the table")
}

// setSpeed reads "max" or a factor.
func (f *simulateFlags) setSpeed() error {
	if f.speed == "max" {
		return nil
	}
	factor, err := strconv.ParseFloat(f.speed, 64)
	// Not "factor <= 0": NaN would pass.
	if err != nil || !(factor > 0) || math.IsInf(factor, 1) {
		return fmt.Errorf("simulate: --speed %q is neither max nor a factor above 0", f.speed)
	}
	f.opts.Speed = factor
	return nil
}

// loadScenario reads what is to be played: a file, standard input, or what is
// built in.
func loadScenario(name string, limit int) (actions []simulate.Action, err error) {
	switch name {
	case "":
		actions, err = simulate.Builtin()
	case "-":
		actions, err = simulate.Parse(os.Stdin)
	default:
		actions, err = readScenario(name)
	}
	if err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	if limit < 0 {
		return nil, fmt.Errorf("simulate: --limit %d is negative", limit)
	}
	if limit > 0 && limit < len(actions) {
		actions = actions[:limit]
	}
	return actions, nil
}

// readScenario unpacks what ends in .gz, as generateScenario packs it.
func readScenario(name string) ([]simulate.Action, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	if !strings.HasSuffix(name, ".gz") {
		return simulate.Parse(file)
	}
	plain, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	return simulate.Parse(plain)
}

// generateScenario writes the file only when all of it is made.
func generateScenario(name string, opts simulate.GenerateOptions, out io.Writer) error {
	var made bytes.Buffer
	if err := simulate.Generate(&made, opts); err != nil {
		return err
	}
	if strings.HasSuffix(name, ".gz") {
		packed, err := compress(made.Bytes())
		if err != nil {
			return fmt.Errorf("simulate: pack scenario: %w", err)
		}
		made = *bytes.NewBuffer(packed)
	}
	if name == "-" {
		_, err := out.Write(made.Bytes())
		return err
	}
	if err := os.WriteFile(name, made.Bytes(), 0o644); err != nil { //nolint:gosec // nothing secret in it
		return fmt.Errorf("simulate: %w", err)
	}
	return nil
}

func compress(plain []byte) ([]byte, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// isTerminal tells whether a person is looking at what is written.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// noColour follows https://no-color.org and terminals that cannot.
func noColour(env []string) bool {
	return slices.Contains(env, "TERM=dumb") || slices.ContainsFunc(env, func(v string) bool {
		return strings.HasPrefix(v, "NO_COLOR=") && v != "NO_COLOR="
	})
}
