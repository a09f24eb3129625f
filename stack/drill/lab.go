package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lab makes faults by the same verbs that people use.
type lab struct {
	script string // scripts/run.sh of this clone
	state  string // where the lab keeps its files
	log    io.Writer
}

// images are the product's, by digest. scripts/lib/drill.sh has pushed all of them before the
// program begins.
type images struct {
	current string // a release
	next    string // another one
	faults  string // one that can be made to fail
	foreign string // one for another processor
}

// do runs a verb of the lab.
func (l lab) do(ctx context.Context, args ...string) error {
	return l.with(ctx, nil, args...)
}

// with runs one with more in its environment. The error ends with the last line that the verb
// has said.
func (l lab) with(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, l.script, append([]string{"lab"}, args...)...) //nolint:gosec // our own script
	var said bytes.Buffer
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&said, l.log), io.MultiWriter(&said, l.log)
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return fmt.Errorf("lab %s: %w: %s", strings.Join(args, " "), err, lines[len(lines)-1])
	}
	return nil
}

// deploy changes the stack as an operator would, without waiting for the result. The verb
// brings up the schema first.
func (l lab) deploy(ctx context.Context, image string, env []string, overlays ...string) error {
	return l.with(ctx, env, append([]string{"deploy", "--detach", image}, overlays...)...)
}

// logFile opens a log of what drills saw, to write at its end.
func (l lab) logFile(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(l.state, "log", name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}
