// Package stack is about what belongs to a place, not to the program: the image
// and the settings with which local, staging and production run it. The Go code
// here is tests only; they hold those files against the rules we gave ourselves. The programs
// have folders of their own: deploy brings releases to places, drill makes faults in the lab.
package stack
