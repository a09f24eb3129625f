// Package faults makes the program fail on purpose, as MINITWIT_FAULT says:
// drills need that, production must not have it. It does so only in a binary
// built with the tag "faults"; in a release its functions do nothing.
package faults
