// Package dockerproxy holds the configuration of the proxy before the engine's
// socket. Its tests try that on a real HAProxy.
package dockerproxy
