// Package alertmanager is what Alertmanager is told: routes, inhibitions, texts,
// and for each place who is told by what. The Go code here is tests only; they run
// a real Alertmanager on those files and look at what arrives.
package alertmanager
