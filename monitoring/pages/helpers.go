package main

import (
	"slices"
	"strings"
	"time"
)

// helperName is what a helper is called in the database.
const helperName = "drill"

// startHelper runs a program that is part of a fault, until the fault's mend.
func (w *world) startHelper(argv ...string) error {
	p := &process{name: "helper", dir: w.dir, argv: argv, env: []string{"PGAPPNAME=" + helperName}}
	// Before it starts: it may have started something before it failed.
	w.helper = p.stop
	return p.start()
}

// stopHelper ends what the present fault goes on with. Where making the fault failed before
// that, there is nothing to end.
func (w *world) stopHelper() {
	if w.helper != nil {
		w.helper()
		w.helper = nil
	}
}

// every does something at once and then regularly, until the func that it gives is called.
// That may be called once, and waits for what is being done.
func every(interval time.Duration, do func()) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			do()
			select {
			case <-done:
				return
			case <-ticker.C:
			}
		}
	}()
	return func() { close(done); <-ended }
}

// without gives an environment, or a command line, that lacks a variable or a flag.
func without(words []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(v string) bool { return strings.HasPrefix(v, prefix) })
}
