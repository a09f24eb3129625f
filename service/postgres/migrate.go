package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"minitwit/migrations"
)

// MigrationTimeout bounds one statement of a migration; pass it as
// Options.Timeout to a Store that migrates.
const MigrationTimeout = 5 * time.Minute

// Migration is one file of migrations/ and when it was applied here.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time // zero: pending
}

// Migrate applies what is pending and gives what it applied. Of several
// callers at once one does the work; the others wait for its advisory lock and
// then find nothing to do. What was applied is given also where a later one failed.
func (s *Store) Migrate(ctx context.Context) ([]Migration, error) {
	p, err := s.goose()
	if err != nil {
		return nil, err
	}
	results, err := p.Up(ctx)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		results = partial.Applied // Up gives none where one fails
	}
	var applied []Migration
	for _, r := range results {
		applied = append(applied, Migration{Version: r.Source.Version, Name: r.Source.Path, AppliedAt: time.Now()})
	}
	return applied, wrap("migrate", err)
}

// Rollback undoes the newest migration: for developers and tests; production
// only ever goes forward.
func (s *Store) Rollback(ctx context.Context) error {
	p, err := s.goose()
	if err != nil {
		return err
	}
	_, err = p.Down(ctx)
	return wrap("migrate down", err)
}

// Migrations lists all migrations this binary knows, oldest first.
func (s *Store) Migrations(ctx context.Context) ([]Migration, error) {
	p, err := s.goose()
	if err != nil {
		return nil, err
	}
	states, err := p.Status(ctx)
	var all []Migration
	for _, m := range states {
		all = append(all, Migration{Version: m.Source.Version, Name: m.Source.Path, AppliedAt: m.AppliedAt})
	}
	return all, wrap("migration status", err)
}

// CheckSchema gives an error unless the schema is at least the one that this
// binary needs. A newer one fits: migrations only expand, so that the previous
// release runs on it too.
func (s *Store) CheckSchema(ctx context.Context) error {
	schema, err := s.Schema(ctx)
	if err != nil {
		return err
	}
	if schema.Found < schema.Wanted {
		return fmt.Errorf("the schema is at version %d, this release needs %d: run migrate up", schema.Found, schema.Wanted)
	}
	return nil
}

// Schema are versions of the schema: the least that this binary needs, and the
// database's.
type Schema struct {
	Wanted int64 `json:"wanted"`
	Found  int64 `json:"found"`
}

// Schema asks the database for its version.
func (s *Store) Schema(ctx context.Context) (Schema, error) {
	wanted, err := s.wantedVersion()
	if err != nil {
		return Schema{}, err
	}
	found, err := row[int64](ctx, s, "schema version", `SELECT max(version_id) FROM goose_db_version WHERE is_applied`)
	return Schema{Wanted: wanted, Found: found}, err
}

func (s *Store) wantedVersion() (int64, error) {
	p, err := s.goose()
	if err != nil {
		return 0, err
	}
	sources := p.ListSources()
	return sources[len(sources)-1].Version, nil
}

func (s *Store) goose() (*goose.Provider, error) {
	// The default waits 5 minutes for the lock, asking every 5 seconds.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, s.db.DB, migrations.FS,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return p, nil
}
