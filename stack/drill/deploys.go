package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// deployed is what the verb deploy said of itself.
type deployed struct {
	Exit    *int   `json:"exit,omitempty"` // the verb's
	Caught  string `json:"caught,omitempty"`
	Message string `json:"message,omitempty"` // its first line
	Safe    string `json:"runs,omitempty"`    // which release runs afterwards: the old one or the new one
}

// attempt is a deploy by the verb, and how it has to end.
type attempt struct {
	name, what string
	image      func(images) string
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

func (a attempt) make(ctx context.Context, r *run) error {
	var record struct{ Caught, Message string }
	args := []string{"deploy", "lab", a.image(r.images), "--json"}
	for _, s := range a.set {
		args = append(args, "--set", strings.ReplaceAll(s, "STATE", r.lab.state))
	}
	var code int
	err := r.strike("deploying it by the verb", func() (err error) {
		code, err = r.deployVerb(ctx, a, args, &record)
		return err
	})
	if err != nil {
		return err
	}
	r.say("exit %d, caught by %s", code, first(record.Caught, "nothing"))
	line, _, _ := strings.Cut(record.Message, "\n")
	r.deploy = deployed{Exit: &code, Caught: record.Caught, Message: line}
	if err := r.recovered(ctx, "all replicas run, of one release", func(s snapshot) bool {
		return s.image("api") == s.image("web")
	}); err != nil {
		return err
	}
	s, err := r.cluster.look(ctx)
	if err != nil {
		return err
	}
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
	hitErr := r.listen(ctx, a, said, &verb{r, cmd})
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code, err = exit.ExitCode(), nil
	}
	if err = errors.Join(err, hitErr); err != nil {
		return code, err
	}
	return code, json.Unmarshal(out.Bytes(), record)
}

// listen shows the verb's steps, and calls hit at its phase.
func (r *run) listen(ctx context.Context, a attempt, said io.Reader, v *verb) (failed error) {
	log, err := os.OpenFile(filepath.Join(r.lab.state, "log", "deploys.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
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

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// fault tells services of the image that can fail how to do it; onlyReal lets the
// rehearsal pass.
func fault(settings ...string) []string {
	return append([]string{"OVERLAYS=stack/lab.yml stack/lab/faults.yml"}, settings...)
}

func onlyReal(service, fault string) string {
	return fmt.Sprintf(`FAULT_%s={{if eq .Service.Name "%s_%s"}}%s{{end}}`, strings.ToUpper(service), stackName, service, fault)
}

// museum is bad releases. Users shall see nothing of any of them.
var museum = []attempt{
	{name: "exits", what: "it ends at its start", image: faultyImage, set: fault("FAULT_API=exit", "FAULT_WEB=exit"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "crashes", what: "the first page view ends it", image: faultyImage, set: fault("FAULT_WEB=crash"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "unhealthy", what: "it is never healthy", image: faultyImage, set: fault("FAULT_API=unhealthy"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "late", what: "it dies 5 s after it was first healthy", image: faultyImage, set: fault("FAULT_API=late"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "fails", what: "every answer of the API is 500", image: faultyImage, set: fault("FAULT_API=fail"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "shape", what: "every answer of the API has another shape", image: faultyImage, set: fault("FAULT_API=shape"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "slow", what: "every answer of the API takes 400 ms longer", image: faultyImage, set: fault("FAULT_API=slow"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "leaks", what: "it loses memory until the kernel ends it", image: faultyImage, set: fault("FAULT_API=leak"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "deaf", what: "it ignores SIGTERM", image: faultyImage, set: fault("FAULT_API=deaf"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "portless", what: "the UI is fine, and the API listens where nobody comes", image: faultyImage, set: fault("FAULT_API_ADDR=127.0.0.1:5001"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "wrong-secret", what: "the database's password is wrong", image: nextImage, set: []string{"DATABASE_URL_FILE=STATE/database.url.wrong"}, exit: 1, caught: "schema", runs: "old", before: wrongURL},
	{name: "no-secret", what: "a secret's file is missing", image: nextImage, set: []string{"PASSWORD_KEY_FILE=STATE/nowhere.key"}, exit: 3, caught: "preflight", runs: "old"},
	{name: "connections", what: "it wants more connections than the database allows", image: nextImage, set: []string{"DATABASE_POOL=90"}, exit: 1, caught: "schema", runs: "old"},
	{name: "arch", what: "it is for another processor", image: func(i images) string { return i.foreign }, exit: 1, caught: "schema", runs: "old"},
	{name: "absent", what: "no registry has it", image: absentImage, exit: 1, caught: "schema", runs: "old"},
	{name: "tag", what: "a tag instead of a digest", image: func(i images) string { name, _, _ := strings.Cut(i.next, "@"); return name + ":next" }, exit: 3, caught: "preflight", runs: "old"},
}

func absentImage(i images) string {
	name, _, _ := strings.Cut(i.current, "@")
	return name + "@sha256:" + strings.Repeat("0", 64)
}

// wrongURL writes the database's address with a password that is not its login's.
func wrongURL(_ context.Context, r *run) error {
	url, err := os.ReadFile(filepath.Join(r.lab.state, "database.url"))
	if err != nil {
		return err
	}
	user, rest, _ := strings.Cut(strings.TrimPrefix(string(url), "postgres://"), ":")
	_, host, _ := strings.Cut(rest, "@")
	return os.WriteFile(filepath.Join(r.lab.state, "database.url.wrong"), []byte("postgres://"+user+":guessed@"+host), 0o600)
}

// interrupt is Ctrl-C in the operator's terminal.
func interrupt(_ context.Context, v *verb) error {
	return syscall.Kill(-v.cmd.Process.Pid, syscall.SIGINT)
}

// outcomes are the ways in which a deploy can end, one of each.
var outcomes = []attempt{
	{name: "ok", what: "a good release", image: nextImage, runs: "new"},
	{name: "same", what: "the same again: nothing to do", image: nextImage, runs: "old"},
	{name: "back", what: "the release before, again", image: currentImage, runs: "new"},
	{name: "swarm", what: "good in its rehearsal, and dead in its place: Swarm rolls back", image: faultyImage, set: fault(onlyReal("api", "exit"), onlyReal("web", "exit")), exit: 1, caught: "Swarm", runs: "old"},
	{name: "one-of-two", what: "only the UI is dead in its place", image: faultyImage, set: fault(onlyReal("web", "exit")), exit: 1, caught: "Swarm", runs: "old"},
	{name: "soak", what: "healthy in its place, and every answer of the UI wrong", image: faultyImage, set: fault(onlyReal("web", "shape")), exit: 1, caught: "soak", runs: "old"},
	{name: "no-room", what: "no node has the memory that it reserves", image: nextImage, set: []string{"OVERLAYS=stack/lab.yml stack/lab/no-room.yml"}, exit: 1, caught: "schema", runs: "old"},
	{name: "registry", what: "the registry is away, and no node has the image", image: absentImage, exit: 1, caught: "schema", runs: "old", before: registryAway, after: registryBack},
	{name: "manager", what: "the manager that is asked dies in the rollout", image: nextImage, runs: "new", at: "rollout", before: asked, hit: killAsked, after: returned("start")},
	{name: "interrupt-schema", what: "Ctrl-C in the schema's job", image: currentImage, exit: 130, caught: "Ctrl-C", runs: "old", at: "schema", hit: interrupt},
	{name: "interrupt-rehearsal", what: "Ctrl-C in the rehearsal", image: currentImage, exit: 130, caught: "Ctrl-C", runs: "old", at: "rehearsal", hit: interrupt},
	{name: "interrupt-rollout", what: "Ctrl-C in the rollout", image: currentImage, exit: 130, caught: "Ctrl-C", runs: "old", at: "rollout", hit: interrupt},
	{name: "interrupt-soak", what: "Ctrl-C in the soak", image: currentImage, exit: 130, caught: "Ctrl-C", runs: "old", at: "soak", hit: interrupt},
	{name: "locked", what: "somebody else deploys", image: currentImage, exit: 4, caught: "lock", runs: "old", before: lockHeld(0), after: lockFreed},
	{name: "stale", what: "somebody's client died a minute ago", image: currentImage, runs: "new", before: lockHeld(70 * time.Second), after: lockFreed},
	{name: "old-cli", what: "the docker CLI is too old", image: currentImage, set: []string{"DOCKER=STATE/old-docker"}, exit: 3, caught: "preflight", before: oldCLI},
}

func registryAway(ctx context.Context, r *run) error { return r.lab.do(ctx, "registry", "stop") }

func registryBack(ctx context.Context, r *run) error { return r.lab.do(ctx, "registry", "start") }

// asked makes the manager that a deploy asks first the victim: the first of the place's.
// Clients of its ports are not counted.
func asked(_ context.Context, r *run) error {
	r.victim, r.spare = nodeNames[0], nodeNames[1:]
	return nil
}

func killAsked(ctx context.Context, v *verb) error {
	v.run.cluster.alive = v.run.spare
	return v.run.lab.do(ctx, "kill", v.run.victim)
}

const lockName = stackName + "_deploy_lock"

// lockHeld makes a lock as another client does, and lets it grow old.
func lockHeld(age time.Duration) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		file := filepath.Join(r.lab.state, "lock")
		if err := os.WriteFile(file, []byte("held\n"), 0o600); err != nil {
			return err
		}
		err := r.lab.do(ctx, "docker", "config", "create", "--label", "minitwit.by=anna@example", "--label", "minitwit.since=now",
			"--label", "minitwit.what=another", lockName, file)
		if err != nil {
			return err
		}
		made := time.Now()
		return until(ctx, age+time.Minute, "the lock's age", func() bool { return time.Since(made) >= age })
	}
}

// lockFreed removes it where the deploy has not.
func lockFreed(ctx context.Context, r *run) error {
	_ = r.lab.do(ctx, "docker", "config", "rm", lockName)
	return nil
}

// oldCLI is one that says that it is Debian 12's.
func oldCLI(_ context.Context, r *run) error {
	return os.WriteFile(filepath.Join(r.lab.state, "old-docker"), []byte("#!/bin/sh\necho 20.10.24+dfsg1\n"), 0o700) //nolint:gosec // a program
}

// tenDeploys deploys two releases in turn.
func tenDeploys(ctx context.Context, r *run) error {
	image := r.images.next
	if r.before.image("api") == image {
		image = r.images.current
	}
	for i := range 10 {
		a := attempt{image: func(images) string { return image }, runs: "new"}
		if i > 0 {
			a.runs = ""
		}
		if err := a.make(ctx, r); err != nil {
			return fmt.Errorf("deploy %d: %w", i+1, err)
		}
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
			r.What, first(r.Caught, "–"), safe, fmt.Sprintf("%d of %d", r.Failed, r.Sent), fmt.Sprint(*r.Exit),
			strings.ReplaceAll(first(r.Message, "–"), "|", "\\|"),
		})
	}
	if len(rows) > 0 {
		writeRows(w, slices.Concat([][]string{deployColumns}, rows))
	}
}
