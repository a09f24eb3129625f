package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"minitwit/service/canary"
	"minitwit/service/config"
	"minitwit/service/server"
)

const canaryHelp = `
Writes a message through the API and looks for it on a page of the UI, again and
again, and reports how that went on /metrics of the ops port (OPS_ADDR). For
monitoring: give it the addresses that clients use. Needs SIMULATOR_CREDENTIALS
where they are not the default; the schema brings its user.`

// canaryCommand needs neither a database nor a key: it is a client of both surfaces, and asks
// config only for the credentials, the ops port and the log.
func canaryCommand(ctx context.Context, args []string, std stdio) error {
	flags := newFlags(std, "canary --api URL --web URL", canaryHelp)
	var o canary.Options
	flags.StringVar(&o.API, "api", "", "`URL` of the simulator API")
	flags.StringVar(&o.Web, "web", "", "`URL` of the web UI")
	// The alert CanaryFailing is made for these two: 130 s without a success are two failures.
	flags.DurationVar(&o.Every, "every", time.Minute, "from one message to the next")
	flags.DurationVar(&o.Timeout, "timeout", 10*time.Second, "for one message to be written and read")
	if err := parseNoArguments(flags, args); err != nil {
		return err
	}
	cfg, err := config.Load(std.Env)
	if err := errors.Join(err, canary.CheckURL("api", o.API), canary.CheckURL("web", o.Web)); err != nil {
		return err
	}
	if o.Every <= 0 || o.Timeout <= 0 {
		return errors.New("--every and --timeout have to be above 0")
	}
	// The paths that are put behind them begin with a slash.
	o.API, o.Web = strings.TrimSuffix(o.API, "/"), strings.TrimSuffix(o.Web, "/")
	o.Credentials, o.Log = cfg.Simulator, newLogger(cfg, std)
	return runCanary(ctx, cfg, o)
}

// runCanary writes, reads and reports until ctx ends. It takes its port before the first
// message, since without one nobody could read the figures.
func runCanary(ctx context.Context, cfg config.Config, o canary.Options) error {
	listener, err := net.Listen("tcp", cfg.OpsAddr)
	if err != nil {
		return fmt.Errorf("ops port: %w", err)
	}
	registry := server.NewRegistry(build())
	c := canary.New(o, registry)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	// Alive whatever the canary finds: Swarm kills what is not, and a new canary would not know
	// when the last success was.
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	ops := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = ops.Close() })()
	o.Log.Info().Str("api", o.API).Str("web", o.Web).Stringer("ops", listener.Addr()).Msg("the canary sings")
	go c.Run(ctx)
	if err := ops.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
