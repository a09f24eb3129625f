package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/service/account"
	"minitwit/service/config"
	"minitwit/service/faults"
	"minitwit/service/password"
	"minitwit/service/postgres"
	"minitwit/service/server"
	"minitwit/service/session"
	"minitwit/service/simapi"
	"minitwit/service/status"
	"minitwit/service/web"
)

// serveCommand checks its settings and takes all addresses before it serves anything: a wrong
// setting or a taken port ends the start.
func serveCommand(ctx context.Context, args []string, std stdio) error {
	flags := newFlags(std, "serve [--only api|web] [--migrate]", serveHelp())
	only := flags.String("only", "", "serve only this surface: api or web (default both)")
	migrate := flags.Bool("migrate", false, "first bring the schema up to date: for a laptop, not for replicas")
	if err := parseNoArguments(flags, args); err != nil {
		return err
	}
	if *only != "" && *only != "api" && *only != "web" {
		fmt.Fprintf(std.Err, "minitwit: --only takes api or web, not %q\n", *only)
		return errUsage
	}
	cfg, err := config.Load(std.Env)
	if err == nil {
		err = cfg.CheckServe(*only != "api")
	}
	if err != nil {
		return fmt.Errorf("the settings are wrong:\n%w", err)
	}
	registry := server.NewRegistry(build())
	host, _ := os.Hostname() // without a name its figure is compared with no other
	log := newLogger(cfg, std).Hook(server.RegisterLogLines(registry, cfg.ServiceName, cfg.TaskSlot, host))
	log.Info().Str("commit", commit).Str("only", *only).
		Interface("settings", cfg.Masked()).Msg("starting")
	if err := faults.Start(log); err != nil {
		return err
	}
	if *migrate {
		if err := migrateUp(ctx, cfg, std.Err); err != nil {
			return err
		}
	}
	p := &program{cfg: cfg, log: log, registry: registry, cores: account.NewCores()}
	defer p.close()
	if err := p.open(*only); err != nil { //nolint:contextcheck // what is opened outlives ctx: it drains after its end
		return err
	}
	return p.run(ctx)
}

// serveHelp lists the settings from the table by which config reads them.
func serveHelp() string {
	var b strings.Builder
	b.WriteString("Serves until SIGTERM or SIGINT, then drains and exits 0. Settings come from the\n" +
		"environment; each may be given as NAME_FILE, a file that holds the value:\n\n")
	for _, s := range config.Settings() {
		fmt.Fprintf(&b, "  %-22s %s", s.Name, s.Doc)
		if s.Default != "" {
			fmt.Fprintf(&b, " (default %s)", s.Default)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// newLogger makes a logger whose lines say where they come from: they are read in
// one place, beside those of all other replicas.
func newLogger(cfg config.Config, std stdio) zerolog.Logger {
	out := std.Err
	if cfg.LogFormat == "console" {
		out = zerolog.ConsoleWriter{
			Out: std.Err, TimeFormat: time.DateTime,
			FieldsExclude: []string{"service", "slot", "node", "version"}, // one process writes, and its reader started it
		}
	}
	return zerolog.New(out).Level(cfg.LogLevel).With().Timestamp().
		Str("service", cfg.ServiceName).Str("slot", cfg.TaskSlot).
		Str("node", cfg.NodeName).Str("version", version).Logger()
}

// build is what the linker has set; /version, the metrics and /status tell it.
func build() server.Build {
	return server.Build{Version: version, Commit: commit, Built: built, Go: runtime.Version()}
}

// program is the running service and what was opened for it. With both surfaces there are
// three stores: one for each surface, and one for latest.
type program struct {
	cfg      config.Config
	log      zerolog.Logger
	registry *prometheus.Registry
	cores    account.Cores

	stores   []*postgres.Store
	pools    []status.Pool
	accounts []*account.Service
	surfaces []*server.Surface
	ops      net.Listener
}

// open makes what the surfaces need and takes their addresses. It connects to no database:
// that may be away at the start.
func (p *program) open(only string) error {
	scheme, err := password.New(p.cfg.PasswordKey, p.cfg.PasswordKeyPrevious, p.cfg.BcryptCost)
	if err != nil {
		return err
	}
	if only != "web" {
		if err := p.openAPI(scheme); err != nil {
			return err
		}
	}
	if only != "api" {
		if err := p.openWeb(scheme); err != nil {
			return err
		}
	}
	if p.ops, err = net.Listen("tcp", p.cfg.OpsAddr); err != nil {
		return fmt.Errorf("ops port: %w", err)
	}
	return nil
}

func (p *program) openAPI(scheme *password.Scheme) error {
	store, options, err := p.openSurface("api")
	if err != nil {
		return err
	}
	// One connection of its own: its commits do not wait for the disk, and a
	// pool full of slow queries does not hold it up.
	// It gives up when the simulator does, after 300 of the 900 ms, or of however many it is on a
	// slow machine: an update that came later could undo a newer one that went through another replica.
	fast, err := p.openStore(postgres.Options{
		Application: "minitwit-api-latest", MaxOpen: 1, AsyncCommit: true, Timeout: p.cfg.DatabaseTimeout / 3,
	})
	if err != nil {
		return err
	}
	latest := simapi.NewLatest(func(ctx context.Context) (int64, error) {
		// Through the pool of many: reads need not wait for each other.
		value, _, err := store.Latest(ctx)
		return value, err
	}, fast.SetLatest)
	p.registerPool(fast, "api-latest")
	server.RegisterLatest(options.Registerer, store.Latest)
	accounts := p.newAccounts(store, scheme, options)
	surface := server.NewAPI(simapi.New(store, accounts, latest, p.cfg.Simulator), options)
	p.surfaces = append(p.surfaces, surface)
	return surface.Listen(p.cfg.APIAddr)
}

func (p *program) openWeb(scheme *password.Scheme) error {
	store, options, err := p.openSurface("web")
	if err != nil {
		return err
	}
	sessions, err := session.New(p.cfg.SessionKey, p.cfg.SessionKeyPrevious, p.cfg.CookieSecure)
	if err != nil {
		return err
	}
	accounts := p.newAccounts(store, scheme, options)
	pages, err := web.New(web.Options{Store: store, Accounts: accounts, Sessions: sessions, Version: version})
	if err != nil {
		return err
	}
	surface := server.NewWeb(pages, options)
	p.surfaces = append(p.surfaces, surface)
	return surface.Listen(p.cfg.WebAddr)
}

// openSurface opens a surface's own pool, so that neither surface can use up
// the connections of the other.
func (p *program) openSurface(name string) (*postgres.Store, server.SurfaceOptions, error) {
	options := server.SurfaceOptions{
		Log:         p.log,
		Registerer:  server.ForSurface(p.registry, name),
		MaxInFlight: p.cfg.MaxInFlight,
		Maintenance: p.cfg.Maintenance,
	}
	store, err := p.openStore(postgres.Options{Application: "minitwit-" + name, MaxOpen: p.cfg.DatabasePool, Timeout: p.cfg.DatabaseTimeout})
	if err != nil {
		return nil, options, err
	}
	p.registerPool(store, name)
	server.RegisterDatabase(options.Registerer, store.Ping)
	return store, options, nil
}

// openStore notes what it opened, so that close finds it even if a later step fails.
func (p *program) openStore(o postgres.Options) (*postgres.Store, error) {
	o.URL, o.Password = p.cfg.DatabaseURL, p.cfg.DatabasePassword
	store, err := postgres.Open(o)
	if err == nil {
		p.stores = append(p.stores, store)
	}
	return store, err
}

// registerPool shows a pool on /metrics and on /status, under one name.
func (p *program) registerPool(store *postgres.Store, name string) {
	server.RegisterPool(p.registry, store.DB(), name)
	p.pools = append(p.pools, status.Pool{Name: name, DB: store.DB()})
}

// newAccounts gives a surface its accounts, with a throttle and metrics of its own. The cores
// are the process's: both surfaces share them.
func (p *program) newAccounts(store *postgres.Store, scheme *password.Scheme, o server.SurfaceOptions) *account.Service {
	accounts := account.New(store, scheme, p.cores, o.Log, o.Registerer)
	p.accounts = append(p.accounts, accounts)
	return accounts
}

// run serves until ctx ends; meanwhile passwords are strengthened, the plan of connections
// is compared with the database's, and heartbeats say that this replica is there.
func (p *program) run(ctx context.Context) error {
	page, err := p.newStatus()
	if err != nil {
		return err
	}
	// ctx ends with the signal; passwords are strengthened until the drain is over.
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var workers sync.WaitGroup
	for _, accounts := range p.accounts {
		workers.Go(func() { accounts.Strengthen(background) })
	}
	workers.Go(func() { p.compareConnections(background) })
	workers.Go(func() { page.Run(background, ctx.Done()) })
	// Both surfaces use one database, so the first store can speak for all.
	err = server.New(server.Options{
		Surfaces: p.surfaces, Ops: p.ops, Ready: p.stores[0].CheckSchema,
		Gatherer: p.registry, Status: page.Handler(), Build: build(),
		Drain: p.cfg.Drain, DrainMost: p.cfg.DrainMost, Log: p.log,
	}).Run(ctx)
	// Workers first, then (in close) the connections they use.
	cancel()
	workers.Wait()
	return err
}

// close ends the pools: after run, when nobody asks them any more, or after an open that
// failed half-way.
func (p *program) close() {
	var failed []error
	for _, s := range p.stores {
		failed = append(failed, s.Close())
	}
	if err := errors.Join(failed...); err != nil {
		p.log.Warn().Err(err).Msg("database connections not closed")
	}
}
