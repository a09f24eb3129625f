// Package stack is about what belongs to a place, not to the program: the image
// and the settings with which local, staging and production run it. The Go code
// here is tests only; they hold those files against the rules we gave ourselves.
package stack
