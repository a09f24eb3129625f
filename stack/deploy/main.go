// Command deploy brings a release to a place, tells the truth about it, and leaves what
// was there before where it fails. It speaks to the Swarm's managers and to nothing else:
// it builds nothing, and keeps nothing on the machine that runs it. Run it by
// ./scripts/run.sh deploy.
//
// A deploy goes from preflight, lock, schema and rehearsal to rollout and soak (deploy.go);
// scale, restart and maintenance change what runs, with the same lock and the same way back
// (change.go). What came of it is looked up in the Swarm (swarm.go, watch.go) and judged by
// that (verdict.go), since the CLI calls a rollback a success (docker/cli#6752). docs/deploy.md
// is for those who deploy, ADR 9 has the reasons.
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
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	// Of a terminal that is gone, or a pipe that nobody reads, only what is said is lost: what was
	// begun is undone all the same.
	signal.Ignore(syscall.SIGPIPE)
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it ignored
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	// The first Ctrl-C ends ctx, and what was begun is undone; a second one does nothing.
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	// Not deferred: os.Exit runs nothing that was.
	stop()
	os.Exit(code)
}

// flags are the command line. What scripts/lib/deploy.sh sets is not for people. rest is what
// follows the place: services, a version, another place, on or off. set are NAME=VALUE, which
// stand above place.env.
type flags struct {
	json, dryRun bool
	repo, places string
	bold         bool
	set          []string
	verb, place  string
	rest         []string
}

// parseFlags wants a verb and a place, in this order. The help is scripts/lib/deploy.sh's.
func parseFlags(args []string) (flags, error) {
	var f flags
	set := flag.NewFlagSet("deploy", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.BoolVar(&f.json, "json", false, "")
	set.BoolVar(&f.dryRun, "dry-run", false, "")
	set.BoolVar(&f.bold, "bold", false, "")
	set.StringVar(&f.repo, "repo", ".", "")
	set.StringVar(&f.places, "places", "", "")
	set.Func("set", "", func(text string) error {
		if !strings.Contains(text, "=") {
			return errors.New("is not NAME=VALUE")
		}
		f.set = append(f.set, text)
		return nil
	})
	var words []string
	for len(args) > 0 { // words and flags in any order
		if err := set.Parse(args); err != nil {
			return f, err
		}
		// The flag package stops at a word: it is taken off, and the rest parsed.
		if args = set.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	if len(words) < 2 {
		return f, errors.New("which place? -h says more")
	}
	f.verb, f.place, f.rest = words[0], words[1], words[2:]
	return f, f.check()
}

// check refuses what would mislead: a verb that does not heed --dry-run would change something.
func (f flags) check() error {
	switch {
	case f.dryRun && !slices.Contains([]string{"deploy", "rollback", "promote"}, f.verb):
		return fmt.Errorf("%s has no --dry-run", f.verb)
	case len(f.rest) > mostWords(f.verb):
		return fmt.Errorf("%s: too many words: %s", f.verb, strings.Join(f.rest, " "))
	case f.dryRun && f.json:
		return errors.New("--dry-run prints what would change, --json a record: one of them")
	}
	return nil
}

// mostWords is how many may follow the place: none but a few verbs look at them.
func mostWords(verb string) int {
	switch verb {
	case "deploy", "rollback", "maintenance":
		return 1
	case "promote":
		return 2
	case "scale", "restart":
		return 100 // services
	}
	return 0
}

// command runs a verb and gives the process's exit code.
func command(ctx context.Context, args []string, out, errs io.Writer) int {
	f, err := parseFlags(args)
	if err != nil {
		fmt.Fprintln(errs, "deploy:", err)
		return exitUsage
	}
	say := &progress{out: errs, began: time.Now()}
	if f.bold {
		say.bold, say.plain = "\x1b[1m", "\x1b[0m"
	}
	err = run(ctx, f, out, say)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(errs, "%s: %v\n", f.verb, err)
	var known failure
	if errors.As(err, &known) {
		return known.code
	}
	return exitRefused
}

// open reads a place and prepares what deals with it. Close removes its files.
func open(f flags, name string, say *progress) (d *deployment, err error) {
	d = &deployment{say: say, by: whoami(), dryRun: f.dryRun}
	if d.place, err = readPlace(f.repo, filepath.Join(f.places, name), name, f.set); err != nil {
		return nil, err
	}
	if d.swarm, err = openManagers(d.place.managers()); err != nil {
		return nil, err
	}
	if d.probing, err = proberOf(d.place); err != nil {
		return nil, err
	}
	// Last, so that after an error there is nothing to remove.
	d.work, err = os.MkdirTemp("", "minitwit-deploy-")
	return d, err
}

func (d *deployment) close() { _ = os.RemoveAll(d.work) } //nolint:gosec // made by MkdirTemp

func run(ctx context.Context, f flags, out io.Writer, say *progress) error {
	first := f
	if f.verb == "promote" {
		first.set = nil // --set is for the place that is deployed to
	}
	d, err := open(first, f.place, say)
	if err != nil {
		// --json answers, too, where the place itself cannot be read.
		return (&deployment{say: say}).refuse(ctx, f, out, err)
	}
	defer d.close()
	switch f.verb {
	case "deploy":
		return d.verbDeploy(ctx, f, out)
	case "rollback":
		return d.verbRollback(ctx, f, out)
	case "promote":
		return d.verbPromote(ctx, f, out)
	case "scale":
		return d.report(f, out, d.verbScale(ctx, f))
	case "maintenance":
		return d.report(f, out, d.verbMaintenance(ctx, f))
	case "restart":
		return d.report(f, out, d.verbRestart(ctx, f))
	case "check":
		return d.verbCheck(ctx)
	case "releases":
		return d.verbReleases(ctx, f, out)
	default:
		return fmt.Errorf("no verb %q", f.verb)
	}
}

// refuse reports what keeps a verb from beginning.
func (d *deployment) refuse(ctx context.Context, f flags, out io.Writer, err error) error {
	return d.report(f, out, d.blamed(ctx, exitRefused, "preflight", err))
}

// report prints the result, on standard output where --json asks for it. What was refused is in
// no record of the Swarm; --json tells of it all the same.
func (d *deployment) report(f flags, out io.Writer, failed error) error {
	d.record.blame(failed)
	if f.json {
		// Whoever reads it may have gone: what became of the place is told by the exit code.
		if err := json.NewEncoder(out).Encode(d.record); err != nil {
			d.say.note("the result could not be printed: %v", err)
		}
	}
	return failed
}

// whoami gives user@host for the lock and the records: whom to ask. It proves nothing.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}

// proberOf asks with the simulator's credentials of the place.
func proberOf(p place) (prober, error) {
	file := p.settings["SIMULATOR_CREDENTIALS_FILE"]
	if file == "" {
		return newProber("simulator:super_safe!"), nil // the course's public ones
	}
	content, err := os.ReadFile(file)
	return newProber(strings.TrimSpace(string(content))), err
}
