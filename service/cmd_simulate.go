package main

import "context"

func simulateCommand(context.Context, []string, stdio) error { return errUsage }
