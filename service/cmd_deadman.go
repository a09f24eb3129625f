package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"minitwit/service/config"
	"minitwit/service/deadman"
	"minitwit/service/server"
)

const deadmanHelp = `
The dead man's switch. It has to run outside the Swarm that it watches.

  minitwit deadman --place production --pagerduty-key-file FILE
  minitwit deadman --place lab --page-url http://localhost:8080/pages

  POST /heartbeat   Alertmanager's webhook with the alert Watchdog; the answer is 503 while
                    a pager has taken no page for 5 minutes, and the heartbeat counts
  POST /notify      Alertmanager's webhook for pages: forwards them, and an all-clear only
                    when the heartbeat outlives it
  GET  /status      who sent a heartbeat when, which all-clears are held, and what became of
                    the last pages
  GET  /metrics, /livez

What fires is paged at once, by all pagers that are given. Senders need the token of
DEADMAN_TOKEN or DEADMAN_TOKEN_FILE, as "Authorization: Bearer …", if one is set. Put TLS in
front of it. LOG_LEVEL and LOG_FORMAT are as for serve. Its state is in memory only.`

// deadmanFlags are the command's flags as they were given; options adds the token and the
// pagers to opts.
type deadmanFlags struct {
	opts                 deadman.Options
	addr                 string
	pageURL, pageURLFile string
	dutyURL, dutyKeyFile string
}

// deadmanCommand runs the switch until ctx ends. Of config it takes the log's settings; its
// own secrets are read by options.
func deadmanCommand(ctx context.Context, args []string, std stdio) error {
	f := &deadmanFlags{}
	flags := newFlags(std, "deadman --place NAME [flags]", deadmanHelp)
	f.define(flags)
	if err := parseNoArguments(flags, args); err != nil {
		return err
	}
	cfg, err := config.Load(std.Env)
	if err == nil {
		err = f.options(std.Env)
	}
	if err != nil {
		return fmt.Errorf("the settings are wrong:\n%w", err)
	}
	listener, err := net.Listen("tcp", f.addr)
	if err != nil {
		return err
	}
	registry := server.NewRegistry(build())
	f.opts.Registerer, f.opts.Log = registry, newLogger(cfg, std)
	f.opts.Log.Info().Str("place", f.opts.Place).Stringer("addr", listener.Addr()).
		Int("pagers", len(f.opts.Pagers)).Bool("token", f.opts.Token != "").Dur("timeout_ms", f.opts.Timeout).Msg("starting")
	return deadman.New(f.opts).Run(ctx, listener, registry)
}

// define declares the flags. The default of --confirm fits monitoring/, where Prometheus sends
// alerts again after 5 s and Alertmanager a heartbeat every 10 s.
func (f *deadmanFlags) define(flags *flag.FlagSet) {
	flags.StringVar(&f.opts.Place, "place", "", "the label place of the alerts; others are refused")
	flags.StringVar(&f.addr, "addr", ":9095", "where it listens")
	flags.DurationVar(&f.opts.Timeout, "timeout", time.Minute, "page after so long without a heartbeat")
	flags.DurationVar(&f.opts.Confirm, "confirm", 30*time.Second,
		"how long heartbeats have to go on after an all-clear before it is told; less than the resend delay and two heartbeats, and none ever is")
	flags.DurationVar(&f.opts.Settle, "settle", 2*time.Minute, "how long an all-clear waits after the heartbeat is back from a pause")
	flags.StringVar(&f.pageURL, "page-url", "", "post pages as JSON to this `URL`")
	flags.StringVar(&f.pageURLFile, "page-url-file", "", "the same from a `FILE`, if it is a secret")
	flags.StringVar(&f.dutyKeyFile, "pagerduty-key-file", "", "page by PagerDuty, with the routing key in this `FILE`")
	flags.StringVar(&f.dutyURL, "pagerduty-url", "https://events.pagerduty.com/v2/enqueue", "PagerDuty's Events API v2")
}

// options reads the secrets and says everything that is wrong.
func (f *deadmanFlags) options(environ []string) error {
	var wrong []error
	secret := func(name, value, file string) string {
		found, err := valueOrFile(name, value, file)
		// A nil error, too: errors.Join leaves those out.
		wrong = append(wrong, err)
		return found
	}
	env := make(map[string]string)
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	f.opts.Token = secret("DEADMAN_TOKEN", env["DEADMAN_TOKEN"], env["DEADMAN_TOKEN_FILE"])
	if pageURL := secret("--page-url", f.pageURL, f.pageURLFile); pageURL != "" {
		f.opts.Pagers = append(f.opts.Pagers, deadman.Webhook(pageURL))
		wrong = append(wrong, checkPagerURL("--page-url", pageURL))
	}
	if key := secret("--pagerduty-key", "", f.dutyKeyFile); key != "" {
		f.opts.Pagers = append(f.opts.Pagers, deadman.PagerDuty(f.dutyURL, key))
		wrong = append(wrong, checkPagerURL("--pagerduty-url", f.dutyURL))
	}
	if len(f.opts.Pagers) == 0 {
		wrong = append(wrong, errors.New("nobody to page: give --page-url, --page-url-file or --pagerduty-key-file"))
	}
	if f.opts.Place == "" {
		wrong = append(wrong, errors.New("--place is not given"))
	}
	if f.opts.Timeout <= 0 || f.opts.Confirm <= 0 || f.opts.Settle < 0 {
		wrong = append(wrong, errors.New("--timeout, --confirm or --settle is negative, or one of the first two is 0"))
	}
	return errors.Join(wrong...)
}

// valueOrFile gives a value, or the content of a file with it. A file that holds
// nothing is a mistake.
func valueOrFile(name, value, file string) (string, error) {
	if file == "" {
		return value, nil
	}
	if value != "" {
		return "", fmt.Errorf("%s is given twice, once as a file", name)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if value = strings.TrimSpace(string(content)); value == "" {
		return "", fmt.Errorf("%s: %s is empty", name, file)
	}
	return value, nil
}

// checkPagerURL does not show the URL: it may be a secret.
func checkPagerURL(name, pager string) error {
	if u, err := url.Parse(pager); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%s is not an http:// or https:// URL", name)
	}
	return nil
}
