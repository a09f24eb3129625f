package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

type stdio struct {
	Out, Err io.Writer
	Env      []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := simulateCommand(ctx, os.Args[2:], stdio{os.Stdout, os.Stderr, os.Environ()})
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "minitwit:", err)
		os.Exit(1)
	}
}
