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
	"cmp"
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
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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
	json, dryRun        bool
	repo, places, image string
	bold                bool
	set                 []string
	verb, place         string
	rest                []string
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
	set.StringVar(&f.image, "image", "", "")
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
	return f, nil
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
		return (&deployment{say: say}).refuse(f, out, err)
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
		return d.verbScale(ctx, f)
	case "maintenance":
		return d.verbMaintenance(ctx, f)
	case "restart":
		return d.verbRestart(ctx, f)
	case "check":
		return d.verbCheck(ctx)
	case "releases":
		all, err := releases(ctx, d.swarm, d.place.stack())
		if err != nil {
			return err
		}
		return writeReleases(out, all)
	default:
		return fmt.Errorf("no verb %q", f.verb)
	}
}

// verbDeploy: the image is the one asked for, of a release before, or the place's own.
func (d *deployment) verbDeploy(ctx context.Context, f flags, out io.Writer) (err error) {
	d.image = cmp.Or(f.image, d.place.settings["IMAGE"])
	if len(f.rest) > 0 {
		if d.image, err = d.find(ctx, f.rest[0]); err != nil {
			return d.refuse(f, out, err)
		}
	}
	return d.report(f, out, d.deploy(ctx, out))
}

// find gives the image of a version, a digest, or an image. A version is looked for in the
// records of this place; no registry is asked.
func (d *deployment) find(ctx context.Context, version string) (string, error) {
	if strings.ContainsAny(version, "@/:") {
		return version, nil
	}
	all, err := releases(ctx, d.swarm, d.place.stack())
	if err != nil {
		return "", err
	}
	for _, r := range all {
		if r.is(version) {
			return r.Image, nil
		}
	}
	return "", fmt.Errorf("%s was never here; ./scripts/run.sh releases %s lists what was, and an image by digest goes as well", version, d.place.name)
}

// verbCheck says everything that a deploy would refuse. readPlace has found the rest.
func (d *deployment) verbCheck(ctx context.Context) error {
	// A place need not name an image, but its stack's files cannot be rendered without one.
	d.image = d.place.text("IMAGE", "registry.example/minitwit@sha256:"+strings.Repeat("0", 64))
	if err := d.preflight(ctx); err != nil {
		return err
	}
	d.say.step("%s is complete", d.place.name)
	return nil
}

// verbRollback goes to the release before the one that runs, or to one that was here and
// went well.
func (d *deployment) verbRollback(ctx context.Context, f flags, out io.Writer) error {
	v, err := d.swarm.look(ctx, d.place.stack())
	if err != nil {
		return d.refuse(f, out, err)
	}
	all, err := releases(ctx, d.swarm, d.place.stack())
	if err != nil {
		return d.refuse(f, out, err)
	}
	r, found := before(all, v.services["api"].image())
	if len(f.rest) > 0 {
		r, found = good(all, func(r record) bool { return r.is(f.rest[0]) })
	}
	if !found {
		return d.refuse(f, out, fmt.Errorf("no release to go back to; ./scripts/run.sh releases %s lists what was here", d.place.name))
	}
	d.image, d.quick = r.Image, true
	return d.report(f, out, d.deploy(ctx, out))
}

// verbPromote deploys to a second place what runs in the first, by the same digest: what
// was tried there and nothing else.
func (d *deployment) verbPromote(ctx context.Context, f flags, out io.Writer) error {
	if len(f.rest) != 1 {
		return failure{exitUsage, "promote", errors.New("from which place to which? As staging production")}
	}
	all, err := releases(ctx, d.swarm, d.place.stack())
	if err != nil {
		return d.refuse(f, out, err)
	}
	if len(all) == 0 || all[0].Result != resultOK {
		return d.refuse(f, out, fmt.Errorf("the last deploy to %s did not go well; ./scripts/run.sh releases %s says how it ended", d.place.name, d.place.name))
	}
	to, err := open(f, f.rest[0], d.say)
	if err != nil {
		return d.refuse(f, out, err)
	}
	defer to.close()
	to.image, to.version = all[0].Image, all[0].Version
	return to.report(f, out, to.deploy(ctx, out))
}

// refuse reports what keeps a verb from beginning.
func (d *deployment) refuse(f flags, out io.Writer, err error) error {
	return d.report(f, out, failure{exitRefused, "preflight", err})
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
	if failed == nil && d.record.Result == resultOK {
		d.say.step("%s runs %s", d.place.name, short(d.image))
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
