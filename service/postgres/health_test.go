package postgres_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"minitwit/service/dbtest"
	"minitwit/service/postgres"
)

// health asks a store that has one connection.
func health(t *testing.T, s *postgres.Store) postgres.Health {
	t.Helper()
	h, err := s.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHealthTellsOfTheNearestLimit(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t)
	admin := dbtest.OpenWith(t, postgres.Options{URL: address, MaxOpen: 1})
	role, roleURL := dbtest.Limited(t, address, -1)
	ours := dbtest.OpenWith(t, postgres.Options{URL: roleURL, MaxOpen: 1})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	// Other tests use the server at the same time.
	if h := health(t, ours); h.Standby || h.Allowed != 197 || h.Used < 1 || h.Used > 197 {
		t.Errorf("of a server of 200 connections: %+v", h)
	}
	for _, c := range []struct {
		statement     string
		used, allowed int
	}{
		{"ALTER ROLE " + role + " CONNECTION LIMIT 2", 1, 2},
		{"ALTER DATABASE " + database + " CONNECTION LIMIT 3", 2, 3},
		{"ALTER ROLE " + role + " CONNECTION LIMIT 1", 1, 1},
		{"ALTER ROLE " + role + " CONNECTION LIMIT 0", 1, 0},
	} {
		if _, err := admin.DB().ExecContext(t.Context(), c.statement); err != nil {
			t.Fatal(err)
		}
		if h := health(t, ours); h.Used != c.used || h.Allowed != c.allowed {
			t.Errorf("after %s: %+v, want %d of %d", c.statement, h, c.used, c.allowed)
		}
	}
}

func TestHealthTellsOfTheLongestTransaction(t *testing.T) {
	t.Parallel()
	_, address := dbtest.Limited(t, dbtest.URL(t), -1)
	ours, theirs := dbtest.OpenWith(t, postgres.Options{URL: address}), dbtest.OpenWith(t, postgres.Options{URL: address})
	if h := health(t, ours); h.Longest != 0 {
		t.Errorf("without a transaction: %+v", h)
	}
	tx, err := theirs.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	first, second := health(t, ours).Longest, health(t, ours).Longest
	if first <= 0 || second <= first || second > time.Minute {
		t.Errorf("a transaction of some milliseconds is %v, then %v old", first, second)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if h := health(t, ours); h.Longest != 0 {
		t.Errorf("after the transaction: %+v", h)
	}
}

func TestAFullDatabaseIsToldFromOneThatIsAway(t *testing.T) {
	t.Parallel()
	_, address := dbtest.Limited(t, dbtest.URL(t), 1)
	first, second := dbtest.OpenWith(t, postgres.Options{URL: address}), dbtest.OpenWith(t, postgres.Options{URL: address})
	if err := first.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Health(t.Context()); !postgres.Full(err) {
		t.Errorf("one connection more than is allowed: %v", err)
	}
	away := dbtest.OpenWith(t, postgres.Options{URL: "postgres://minitwit@127.0.0.1:1/minitwit?sslmode=disable"})
	if _, err := away.Health(t.Context()); err == nil || postgres.Full(err) {
		t.Errorf("nobody listens: %v", err)
	}
}
