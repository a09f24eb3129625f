package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// What the stack needs: `docker stack deploy` without --detach=false before 26 tells less,
// and before 25.0.1 the engine ignores start_interval.
const cliNeeded, engineNeeded = "26.0.0", "25.0.1"

var byDigest = regexp.MustCompile(`^[^@\s]+@sha256:[0-9a-f]{64}$`)

// familiar is how Swarm writes an image's name. Names are compared only in this form: what a
// service says that it runs is in it.
func familiar(image string) string {
	return strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "library/")
}

// preflight finds what would go wrong before anything is touched. It sets before, past, stack and env,
// and is done once more under the lock.
func (d *deployment) preflight(ctx context.Context) error {
	if !byDigest.MatchString(d.image) {
		return fmt.Errorf("%q is no image by digest (NAME@sha256:…): under a tag each node may run another program", d.image)
	}
	if err := d.checkCLI(ctx); err != nil {
		return err
	}
	v, err := d.steady(ctx)
	if err != nil {
		return fmt.Errorf("no manager answers: %w", err)
	}
	d.before = v
	if err := errors.Join(d.fit(v), d.checkOwner(ctx)); err != nil {
		return err
	}
	if err := d.render(ctx); err != nil {
		return err
	}
	for name, image := range d.stack.images() {
		if !byDigest.MatchString(image) {
			return fmt.Errorf("service %s: %q is no image by digest", name, image)
		}
	}
	return nil
}

// nameOrphans tells of services that docker stack deploy leaves alone.
func (d *deployment) nameOrphans() {
	for _, name := range d.before.names() {
		if _, wanted := d.stack.images()[name]; !wanted {
			d.say.note("%s is in no file any more, and stays until somebody says docker service rm %s_%s", name, d.place.stack(), name)
		}
	}
}

// nameSecrets tells which secrets are others than in the last deploy. Where nobody rotates one,
// somebody deploys from an old copy of the place's folder.
func (d *deployment) nameSecrets(last record) {
	was, err := parseRendered([]byte(last.Stack))
	if err != nil { // there was none
		return
	}
	for _, name := range slices.Sorted(maps.Keys(section(d.stack, "secrets"))) {
		old, now := section(section(was, "secrets"), name)["name"], section(section(d.stack, "secrets"), name)["name"]
		if old != nil && old != now {
			d.say.note("the secret %s is another than in the last deploy", name)
		}
	}
}

// steadyWithin is how long a manager may have missed a heartbeat before it counts.
const steadyWithin = 20 * time.Second

// steady looks until nothing is wrong with the nodes, or that is no passing thing.
func (d *deployment) steady(ctx context.Context) (view, error) {
	end := time.Now().Add(steadyWithin)
	for {
		v, err := d.swarm.look(ctx, d.place.stack())
		// Whatever is still wrong then, the caller finds in what is given.
		if err == nil && (d.quick || len(ailing(v)) == 0) || time.Now().After(end) {
			return v, err
		}
		select {
		case <-ctx.Done():
			return v, context.Cause(ctx)
		case <-time.After(lookEvery):
		}
	}
}

func (d *deployment) checkCLI(ctx context.Context) error {
	d.env = d.place.environment(nil)
	out, err := d.docker(ctx, "version", "--format", "{{.Client.Version}}")
	if err != nil {
		return err
	}
	if have := strings.TrimSpace(string(out)); !atLeast(have, cliNeeded) {
		return fmt.Errorf("the docker CLI here is %s; %s or newer is needed: https://docs.docker.com/engine/install/", have, cliNeeded)
	}
	return nil
}

// fit refuses what forbids a change. A node that is away keeps a new release waiting, but not what
// brings a place back or changes what runs: that is wanted just then, and is told of it.
func (d *deployment) fit(v view) error {
	wrong, away := append(checkNodes(v), checkServices(v)...), ailing(v)
	if !d.quick {
		return errors.Join(append(away, wrong...)...)
	}
	for _, a := range away {
		d.say.note("%v", a)
	}
	return errors.Join(wrong...)
}

// checkNodes finds what of the Swarm itself forbids any change.
func checkNodes(v view) (wrong []error) {
	for _, n := range v.nodes {
		if !atLeast(n.Description.Engine.EngineVersion, engineNeeded) {
			wrong = append(wrong, fmt.Errorf("node %s has Docker %s; %s or newer is needed", n.Description.Hostname, n.Description.Engine.EngineVersion, engineNeeded))
		}
	}
	if len(v.workers()) == 0 {
		wrong = append(wrong, errors.New("no node takes tasks"))
	}
	return wrong
}

// ailing finds nodes and managers that are away.
func ailing(v view) (away []error) {
	managers, reachable := 0, 0
	for _, n := range v.nodes {
		if name := n.Description.Hostname; n.Status.State != swarm.NodeStateReady {
			remove := "docker node rm --force " + name
			if n.Spec.Role == swarm.NodeRoleManager { // of one, it is refused
				remove = "docker node demote " + name + " && " + remove
			}
			away = append(away, fmt.Errorf("node %s is %s: mend it, or take it out of the Swarm (%s)", name, n.Status.State, remove))
		}
		if n.ManagerStatus == nil {
			continue
		}
		managers++
		if n.ManagerStatus.Reachability == swarm.ReachabilityReachable {
			reachable++
		}
	}
	if managers > 1 && reachable < managers {
		away = append(away, fmt.Errorf("%d of %d managers are reachable: a deploy would stand still if one more went", reachable, managers))
	}
	return away
}

// checkServices refuses to begin while an update is under way.
func checkServices(v view) (wrong []error) {
	for _, name := range v.names() {
		if u := v.services[name].UpdateStatus; u != nil && (u.State == swarm.UpdateStateUpdating || u.State == swarm.UpdateStateRollbackStarted) {
			wrong = append(wrong, fmt.Errorf("service %s is being updated: wait; if nobody is at it, docker service rollback %s_%s ends it", name, v.services[name].Spec.Labels[stackLabel], name))
		}
	}
	return wrong
}

// atLeast compares versions of up to three numbers. A number that is missing is 0, and a
// pre-release counts as its release.
func atLeast(have, want string) bool {
	h, w := numbers(have), numbers(want)
	for i := range w {
		if h[i] != w[i] {
			return h[i] > w[i]
		}
	}
	return true
}

func numbers(version string) (n [3]int) {
	for i, part := range strings.SplitN(version, ".", 3) {
		if end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
			part = part[:end]
		}
		n[i], _ = strconv.Atoi(part)
	}
	return n
}

// nothingToDo tells whether the place runs just this, by the last record and by what is
// there: somebody may have changed it by hand since. It also names the release in the record.
func (d *deployment) nothingToDo() (last record, nothing bool, err error) {
	last, found := good(d.past, func(record) bool { return true })
	d.record.Version = d.versionOf(d.past)
	now, err := d.stack.fingerprint()
	if err != nil || !found || last.Stack != string(now) || !maps.Equal(last.Specs, d.before.specsOf(d.stack.images())) {
		return last, false, err
	}
	for name, image := range d.stack.images() {
		if !d.before.services[name].settledOn(image) {
			return last, false, nil
		}
	}
	return last, true, nil
}

// specsOf gives a hash of what Swarm shall run, by service, with which a change by hand, maintenance
// and a deploy that failed in the middle are found. How often it was restarted does not count.
func (v view) specsOf(images map[string]string) map[string]string {
	specs := map[string]string{}
	for name := range images {
		s, there := v.services[name]
		if !there {
			continue
		}
		s.Spec.TaskTemplate.ForceUpdate = 0 // of a copy
		text, err := json.Marshal(s.Spec)
		if err != nil {
			continue // then it counts as changed
		}
		specs[name] = fmt.Sprintf("%x", sha256.Sum256(text))[:12]
	}
	return specs
}

// closed tells whether run.sh maintenance has closed the place.
func (v view) closed() bool {
	for _, s := range v.services {
		if c := s.Spec.TaskTemplate.ContainerSpec; c != nil && slices.Contains(c.Env, closedSetting) {
			return true
		}
	}
	return false
}

// showChanges prints what a deploy would change of the stack, as diff does: images,
// settings, and by their names secrets and configs. It compares with the last record that went
// well, which is nothing before the first deploy; where something else runs by now, nothing says so.
func (d *deployment) showChanges(ctx context.Context, last record, nothing bool, out io.Writer) error {
	now, err := d.stack.fingerprint()
	if err != nil {
		return err
	}
	old, fresh := filepath.Join(d.work, "runs"), filepath.Join(d.work, "would-run")
	if err := errors.Join(os.WriteFile(old, []byte(last.Stack), 0o600), os.WriteFile(fresh, now, 0o600)); err != nil { //nolint:gosec // in our own folder
		return err
	}
	text, err := exec.CommandContext(ctx, "diff", "-u", "--label", "the last deploy", "--label", "this one", old, fresh).Output() //nolint:gosec // our own files
	var exit *exec.ExitError
	// diff exits 1 where the two differ, and with more where it failed.
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) {
		return fmt.Errorf("diff: %w", err)
	}
	switch {
	case len(text) == 0 && nothing:
		d.say.step("a deploy would change nothing")
	case len(text) == 0:
		d.say.step("the files are those of the last deploy; what runs may be something else, and a deploy would put that right")
	}
	_, err = out.Write(text)
	return err
}

// versionOf gives the name of a release that was here before, else the one it comes with or
// the place's, else its digest's beginning.
func (d *deployment) versionOf(all []keptRecord) string {
	for _, r := range all {
		if r.Image == d.image && r.Version != "" {
			return r.Version
		}
	}
	return cmp.Or(d.version, d.place.settings["VERSION"], short(d.image))
}
