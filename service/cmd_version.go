package main

import (
	"context"
	"fmt"
)

// versionCommand tells people what the ops port's /version tells programs.
func versionCommand(_ context.Context, args []string, std stdio) error {
	flags := newFlags(std, "version", "Says which release this is.")
	if err := parseNoArguments(flags, args); err != nil {
		return err
	}
	b := build()
	fmt.Fprintf(std.Out, "minitwit %s (commit %s, built %s, %s)\n", b.Version, b.Commit, b.Built, b.Go)
	return nil
}
