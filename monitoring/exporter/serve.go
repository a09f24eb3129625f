package main

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

// newRegistry makes a registry that reports on Swarm, on this process and on its
// build.
func newRegistry(swarm prometheus.Collector) *prometheus.Registry {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "swarm_exporter_build_info", Help: "1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit, "goversion": runtime.Version()},
	})
	info.Set(1)
	reg := prometheus.NewRegistry()
	reg.MustRegister(swarm, info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// serve answers until ctx ends, and lets scrapes that are in work end: each takes
// no longer than the manager is waited for.
func serve(ctx context.Context, listener net.Listener, metrics prometheus.Gatherer, log zerolog.Logger) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	// Without a look at the manager: Swarm kills what is unhealthy, and with it the counters.
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info().Msg("stopping")
	// ctx has ended, and must not end this, too. The limit is far below the 30 s after which
	// the stack's stop_grace_period has it killed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience+2*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}
