package main

import (
	"context"
	"fmt"
	"io"

	"minitwit/service/config"
	"minitwit/service/postgres"
)

// migrateCommand is the first step of a rollout: run.sh deploy runs it on every node at the
// same time. Replicas themselves only check the schema, unless serve has --migrate.
func migrateCommand(ctx context.Context, args []string, std stdio) error {
	flags := newFlags(std, "migrate up|status", `
Applies the migrations that this binary holds and the database lacks ("up"), or
lists both ("status"). Several may run at once: one applies, the others wait.
"up" refuses a database that allows fewer connections than DATABASE_CONNECTIONS.
Needs DATABASE_URL with a direct connection, not a transaction pooler.`)
	if err := parse(flags, args); err != nil {
		return err
	}
	verb := flags.Arg(0)
	if flags.NArg() != 1 || (verb != "up" && verb != "status") {
		flags.Usage()
		return errUsage
	}
	cfg, err := loadDatabaseConfig(std)
	if err != nil {
		return err
	}
	if verb == "up" {
		// First, so that a refusal leaves the schema as it was.
		if err := checkConnections(ctx, cfg); err != nil {
			return err
		}
		return migrateUp(ctx, cfg, std.Out)
	}
	return migrateStatus(ctx, cfg, std.Out)
}

// loadDatabaseConfig is for commands that need the database and nothing else: the keys that
// serve wants may be missing.
func loadDatabaseConfig(std stdio) (config.Config, error) {
	cfg, err := config.Load(std.Env)
	if err != nil {
		return cfg, err
	}
	return cfg, cfg.CheckDatabase()
}

// openPatient opens a store for work that may take its time: a statement has
// postgres.MigrationTimeout instead of DATABASE_TIMEOUT.
func openPatient(cfg config.Config) (*postgres.Store, error) {
	return postgres.Open(postgres.Options{
		URL: cfg.DatabaseURL, Password: cfg.DatabasePassword,
		Application: "minitwit-tool", MaxOpen: 2, Timeout: postgres.MigrationTimeout,
	})
}

func migrateUp(ctx context.Context, cfg config.Config, out io.Writer) error {
	store, err := openPatient(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	applied, err := store.Migrate(ctx)
	for _, m := range applied {
		fmt.Fprintln(out, "applied", m.Name)
	}
	if err == nil && len(applied) == 0 {
		fmt.Fprintln(out, "the schema is up to date")
	}
	return err
}

// migrateStatus goes by the files in this binary: what a newer release has applied is not
// listed. Times are in UTC.
func migrateStatus(ctx context.Context, cfg config.Config, out io.Writer) error {
	store, err := openPatient(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	all, err := store.Migrations(ctx)
	for _, m := range all {
		when := "pending"
		if !m.AppliedAt.IsZero() {
			when = m.AppliedAt.UTC().Format("2006-01-02 15:04:05")
		}
		fmt.Fprintf(out, "%-20s %s\n", when, m.Name)
	}
	return err
}
