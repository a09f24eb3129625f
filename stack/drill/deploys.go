package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// deployed is what the verb deploy said of itself. Exit is nil where no deploy by the verb has ended.
type deployed struct {
	Exit    *int   `json:"exit,omitempty"` // the verb's
	Caught  string `json:"caught,omitempty"`
	Message string `json:"message,omitempty"` // its first line
	Safe    string `json:"runs,omitempty"`    // which release runs afterwards: the old one or the new one
}

// attempt is a deploy by the verb, and how it has to end. In set, STATE stands for the lab's
// folder. exit and caught have to be just these; runs may be "" where either is right.
type attempt struct {
	name, what string
	image      func(images) string
	words      []string // another verb than deploy, and its words; image is not asked then
	set        []string // settings of the place, for this time
	exit       int
	caught     string                             // by what; "" where nothing is wrong
	runs       string                             // afterwards: "old" or "new"
	at         string                             // a phase, at whose begin hit is called
	hit        func(context.Context, *verb) error // with the deploy under way
	before     func(context.Context, *run) error  // ahead of the load
	after      func(context.Context, *run) error  // also where it failed
}

// verb is the deploy under way.
type verb struct {
	run *run
	cmd *exec.Cmd
}

func currentImage(i images) string { return i.current }
func nextImage(i images) string    { return i.next }
func faultyImage(i images) string  { return i.faults }

// drill makes one of it.
func (a attempt) drill(kind string) drill {
	return drill{
		name: kind + "-" + a.name, what: a.what, apart: true, prepare: a.before, restore: a.after,
		make: func(ctx context.Context, r *run) error { return a.make(ctx, r) },
	}
}

// make deploys and waits until all replicas are of one release. Its error names whatever
// differs from how it has to end.
func (a attempt) make(ctx context.Context, r *run) error {
	var record struct{ Caught, Message string }
	args := a.words
	if args == nil {
		args = []string{"deploy", "lab", a.image(r.images)}
	}
	args = append(slices.Clone(args), "--json")
	for _, s := range a.set {
		args = append(args, "--set", strings.ReplaceAll(s, "STATE", r.lab.state))
	}
	var code int
	err := r.strikeOnce("by the verb "+args[0], func() (err error) {
		code, err = r.deployVerb(ctx, a, args, &record)
		return err
	})
	if err != nil {
		return err
	}
	r.say("exit %d, caught by %s", code, cmp.Or(record.Caught, "nothing"))
	line, _, _ := strings.Cut(record.Message, "\n")
	r.deploy = deployed{Exit: &code, Caught: record.Caught, Message: line}
	if err := r.recovered(ctx, "all replicas run, of one release", func(s snapshot) bool {
		return s.image("api") == s.image("web")
	}); err != nil {
		return err
	}
	s, err := r.cluster.view(ctx)
	if err != nil {
		return err
	}
	// Old is what ran before the drill, not before this deploy.
	r.deploy.Safe = "old"
	if s.image("api") != r.before.image("api") {
		r.deploy.Safe = "new"
	}
	return errors.Join(a.differs(r.deploy)...)
}

// differs gives in what the deploy ended otherwise than it has to.
func (a attempt) differs(d deployed) (wrong []error) {
	if *d.Exit != a.exit {
		wrong = append(wrong, fmt.Errorf("exit %d, want %d", *d.Exit, a.exit))
	}
	if d.Caught != a.caught {
		wrong = append(wrong, fmt.Errorf("caught by %q, want %q", d.Caught, a.caught))
	}
	if a.runs != "" && d.Safe != a.runs {
		wrong = append(wrong, fmt.Errorf("the %s release runs, want the %s one", d.Safe, a.runs))
	}
	if a.exit != 0 && d.Message == "" {
		wrong = append(wrong, errors.New("it did not say why"))
	}
	return wrong
}

// deployVerb runs the verb as an operator does, and does what the attempt wants at the
// begin of a phase.
func (r *run) deployVerb(ctx context.Context, a attempt, args []string, record any) (code int, err error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, r.lab.script, args...) //nolint:gosec // our own script
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}  // Ctrl-C of ours is not the verb's
	cmd.Stdout = &out
	said, err := cmd.StderrPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	// It reads to the end, as it must before Wait, which closes the pipe.
	hitErr := r.listen(ctx, a, said, &verb{r, cmd})
	err = cmd.Wait()
	var exit *exec.ExitError
	// An exit code is what is asked for here, not an error.
	if errors.As(err, &exit) {
		code, err = exit.ExitCode(), nil
	}
	if err = errors.Join(err, hitErr); err != nil {
		return code, err
	}
	return code, json.Unmarshal(out.Bytes(), record)
}

// listen shows the verb's steps, and calls hit at its phase. Steps are the lines with an arrow
// (stack/deploy/progress.go).
func (r *run) listen(ctx context.Context, a attempt, said io.Reader, v *verb) (failed error) {
	log, err := r.lab.logFile("deploys")
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // a log
	fmt.Fprintf(log, "%s %s\n", now(), r.drill.name)
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		fmt.Fprintln(log, lines.Text())
		step, ok := strings.CutPrefix(lines.Text(), "==> ")
		if !ok {
			continue
		}
		r.say("%s", step)
		if a.hit != nil && step == a.at {
			failed = errors.Join(failed, a.hit(ctx, v))
		}
	}
	return errors.Join(failed, lines.Err())
}

// tenDeploys deploys two releases in turn.
func tenDeploys(ctx context.Context, r *run) error {
	image := r.images.next
	if r.before.image("api") == image {
		image = r.images.current
	}
	for i := range 10 {
		// Only the first one is asked which release runs: before was seen ahead of it.
		a := attempt{image: func(images) string { return image }, runs: "new"}
		if i > 0 {
			a.runs = ""
		}
		if err := a.make(ctx, r); err != nil {
			return fmt.Errorf("deploy %d: %w", i+1, err)
		}
		so := measure(r.counted(), r.fault)
		r.say("deploy %d of 10: %d of %d requests failed so far", i+1, so.Failed, so.Sent)
		if image == r.images.next {
			image = r.images.current
		} else {
			image = r.images.next
		}
	}
	return nil
}

func drillsOf(kind string, attempts []attempt) (drills []drill) {
	for _, a := range attempts {
		drills = append(drills, a.drill(kind))
	}
	return drills
}

// deployColumns are those of drills that deploy by the verb.
var deployColumns = []string{"release", "caught by", "safe after", "failed of sent", "exit", "what it said"}

// writeDeploys writes the drills among results that deployed by the verb.
func writeDeploys(w io.Writer, results []result) {
	rows := [][]string{}
	for _, r := range results {
		if r.Exit == nil {
			continue
		}
		safe := "–"
		if r.Strength != nil {
			safe = fmt.Sprintf("%g s", float64(*r.Strength))
		}
		rows = append(rows, []string{
			r.What, cmp.Or(r.Caught, "–"), safe, fmt.Sprintf("%d of %d", r.Failed, r.Sent), strconv.Itoa(*r.Exit),
			strings.ReplaceAll(cmp.Or(r.Message, "–"), "|", "\\|"),
		})
	}
	if len(rows) > 0 {
		writeRows(w, slices.Concat([][]string{deployColumns}, rows))
	}
}
