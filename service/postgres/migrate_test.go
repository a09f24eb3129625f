package postgres_test

import (
	"regexp"
	"strings"
	"testing"

	"minitwit/migrations"
	"minitwit/service/dbtest"
	"minitwit/service/minitwit"
	"minitwit/service/postgres"
)

func TestMigrationsGoUpDownAndUpAgain(t *testing.T) {
	t.Parallel()
	s := dbtest.OpenWith(t, postgres.Options{URL: dbtest.URL(t), Timeout: postgres.MigrationTimeout})
	all, err := s.Migrations(t.Context())
	if err != nil || len(all) == 0 {
		t.Fatalf("Migrations = %v, %v", all, err)
	}
	for range all {
		if err := s.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CheckSchema(t.Context()); err == nil {
		t.Error("an empty schema fits")
	}
	applied, err := s.Migrate(t.Context())
	if err != nil || len(applied) != len(all) {
		t.Errorf("Migrate applied %v, %v, want all %d", applied, err, len(all))
	}
	if err := s.CheckSchema(t.Context()); err != nil {
		t.Errorf("CheckSchema = %v", err)
	}
}

// The simulator's credentials are enough to make the canary follow somebody.
func TestTheCanaryGoesWhomeverItFollows(t *testing.T) {
	t.Parallel()
	s := dbtest.OpenWith(t, postgres.Options{URL: dbtest.URL(t), Timeout: postgres.MigrationTimeout})
	register(t, s, "ada")
	for who, whom := range map[string]string{"ada": minitwit.CanaryName, minitwit.CanaryName: "ada"} {
		if err := s.Follow(t.Context(), who, whom); err != nil {
			t.Fatal(err)
		}
	}
	all, _ := s.Migrations(t.Context())
	for range all[1:] { // the first makes the tables
		if err := s.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOfFourMigratorsAtOnceOneWorks(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	s := dbtest.OpenWith(t, postgres.Options{URL: url, Timeout: postgres.MigrationTimeout})
	all, _ := s.Migrations(t.Context())
	for range all {
		if err := s.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	applied := make(chan int)
	for range 4 {
		own := dbtest.OpenWith(t, postgres.Options{URL: url, Timeout: postgres.MigrationTimeout})
		go func() {
			done, err := own.Migrate(t.Context())
			if err != nil {
				t.Errorf("Migrate = %v", err)
			}
			applied <- len(done)
		}()
	}
	if total := <-applied + <-applied + <-applied + <-applied; total != len(all) {
		t.Errorf("four migrators applied %d migrations, want %d", total, len(all))
	}
}

func TestOfAFailedRunIsToldWhatWasApplied(t *testing.T) {
	t.Parallel()
	s := dbtest.OpenWith(t, postgres.Options{URL: dbtest.URL(t), Timeout: postgres.MigrationTimeout})
	all, _ := s.Migrations(t.Context())
	for range all {
		if err := s.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// The third file wants to make this table itself.
	if _, err := s.DB().ExecContext(t.Context(), "CREATE TABLE replica_heartbeat ()"); err != nil {
		t.Fatal(err)
	}
	applied, err := s.Migrate(t.Context())
	if err == nil || len(applied) != 2 || applied[1].Version != 2 {
		t.Errorf("Migrate gave %v, %v, want the first two files and an error", applied, err)
	}
}

// The previous release runs on the new schema, and no migration may make
// everybody wait behind the lock that it waits for.
func TestMigrationFilesKeepTheRules(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^\d{5}_[a-z]+(_[a-z]+)+\.sql$`)
	files, err := migrations.FS.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		content, err := migrations.FS.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for what, ok := range map[string]bool{
			"is named NNNNN_verb_noun.sql": name.MatchString(f.Name()),
			"sets lock_timeout":            strings.Contains(string(content), "SET lock_timeout"),
			"has an Up part":               strings.Contains(string(content), "-- +goose Up"),
			"has a Down part":              strings.Contains(string(content), "-- +goose Down"),
		} {
			if !ok {
				t.Errorf("%s: not so: %s", f.Name(), what)
			}
		}
	}
}
