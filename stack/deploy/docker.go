package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cliWithin is how long the CLI may take with one manager.
const cliWithin = 45 * time.Second

// docker runs the CLI against the managers in turn, until one can be reached. All that it
// is used for may be done twice.
func (d *deployment) docker(ctx context.Context, args ...string) (out []byte, err error) {
	for _, host := range d.swarm.hosts() {
		var away bool
		if out, away, err = d.dockerAt(ctx, host, args...); err == nil || !away {
			return out, err
		}
	}
	return out, err
}

// passing tells whether the managers may do it a moment later: none led or could be reached, or
// what docker stack deploy changes was changed between its look and its update (moby/moby#39891).
func passing(err error) bool {
	return unreachable.MatchString(err.Error()) || strings.Contains(err.Error(), "update out of sequence")
}

// unreachable is what the CLI says where it did not come so far as to ask.
var unreachable = regexp.MustCompile(`(?i)cannot connect|error during connect|connection refused|no route to host|i/o timeout|deadline exceeded|does not have a leader`)

// dockerAt runs the CLI against one manager. away says that this one could not be asked, so
// that another may be.
func (d *deployment) dockerAt(ctx context.Context, host string, args ...string) (out []byte, away bool, err error) {
	limited, cancel := context.WithTimeout(ctx, cliWithin)
	defer cancel()
	cmd := exec.CommandContext(limited, d.place.text("DOCKER", "docker"), args...) //nolint:gosec // the operator's own CLI
	cmd.Env = append(d.env, "DOCKER_HOST="+host)
	cmd.SysProcAttr, cmd.WaitDelay = &syscall.SysProcAttr{Setpgid: true}, 5*time.Second // Ctrl-C is ours to handle
	out, err = cmd.Output()
	what := "docker " + strings.Join(args[:min(2, len(args))], " ")
	var exit *exec.ExitError
	switch {
	case err == nil:
		return out, false, nil
	// Before limited, which ends with ctx.
	case ctx.Err() != nil:
		return nil, false, context.Cause(ctx)
	case limited.Err() != nil:
		return nil, true, fmt.Errorf("%s: %s did not answer within %v", what, host, cliWithin)
	case errors.As(err, &exit):
		return nil, unreachable.Match(exit.Stderr), fmt.Errorf("%s: %s", what, lastLine(exit.Stderr))
	default:
		return nil, false, fmt.Errorf("%s: %w", what, err)
	}
}

// lastLine gives what the CLI said last, without the words that each error of the daemon begins with.
func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "Error response from daemon: ")
}

// render merges the stack's files for this image, with as many replicas as there are now:
// the files know nothing of a scale by hand. docker stack deploy would undo it (docker/cli#2235).
// render also sets env, with which stackDeploy fills in the same files again.
func (d *deployment) render(ctx context.Context) error {
	more := map[string]string{"IMAGE": d.image}
	api, web := d.replicas("api"), d.replicas("web")
	more["API_REPLICAS"], more["WEB_REPLICAS"] = strconv.Itoa(api), strconv.Itoa(web)
	pool := d.place.number("DATABASE_POOL", 4)
	more["DATABASE_POOL"] = strconv.Itoa(pool)
	more["DATABASE_CONNECTIONS"] = strconv.Itoa(connections(api, web, pool))
	d.env = d.place.environment(more)
	args := []string{"stack", "config"}
	for _, f := range d.place.files() {
		args = append(args, "-c", f)
	}
	text, err := d.docker(ctx, args...)
	if err != nil {
		return err
	}
	d.stack, err = parseRendered(text)
	return err
}

// connections is what all tasks may open while both services are updated, the old ones
// still draining: the API has one more each, for latest. For 3, 3 and 4 it is the default of
// stack.yml.
func connections(api, web, pool int) int { return 2*api*(pool+1) + 2*web*pool }

// replicas gives how many of a service there shall be: the place's own number, else as many as
// run, else the three of stack.yml.
func (d *deployment) replicas(name string) int {
	if n := d.place.number(strings.ToUpper(name)+"_REPLICAS", 0); n > 0 {
		return n
	}
	if s, ok := d.before.services[name]; ok && s.replicas() > 0 {
		return int(s.replicas()) //nolint:gosec // a handful
	}
	return 3
}

// stackDeploy gives the files to the Swarm, which goes on by itself. It does not wait: the CLI
// would wait for ever for a task without room (ADR 9). Nothing is resolved, since all images
// are digests, and the registry may be away.
func (d *deployment) stackDeploy(ctx context.Context, stack string, files ...string) error {
	if _, err := d.lock.check(ctx); err != nil {
		return err
	}
	args := []string{"stack", "deploy", "--detach=true", "--resolve-image=never", "--with-registry-auth"}
	for _, f := range files {
		args = append(args, "-c", f)
	}
	_, err := d.docker(ctx, append(args, stack)...)
	return err
}
