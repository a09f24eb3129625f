package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"minitwit/service/config"
)

// healthcheckCommand is the image's HEALTHCHECK: there is neither a shell nor curl in it. It
// finds the server by the same OPS_ADDR.
func healthcheckCommand(ctx context.Context, args []string, std stdio) error {
	flags := newFlags(std, "healthcheck", `
Asks /livez on this machine's ops port (OPS_ADDR) and exits 0 if the process
serves. The database has no part in it: Swarm kills what is unhealthy.`)
	// As long as the Dockerfile and stack.yml let Docker wait.
	timeout := flags.Duration("timeout", 3*time.Second, "how long to wait for the answer")
	if err := parseNoArguments(flags, args); err != nil {
		return err
	}
	cfg, err := config.Load(std.Env)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(cfg.OpsAddr)
	if err != nil {
		return fmt.Errorf("OPS_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens on all addresses
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/livez", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("not alive: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	// The body names the surface that does not answer. It is what a failed deploy shows as the
	// last words of the healthcheck.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not alive: %s", strings.TrimSpace(string(body)))
	}
	return nil
}
