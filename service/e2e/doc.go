// Package e2e tests the built binary from outside, as its users meet it: over
// HTTP, in a browser, with a database that fails and with signals. It has no
// code of its own that anything could import.
package e2e
