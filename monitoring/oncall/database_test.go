package main

import (
	"strings"
	"testing"
	"time"

	"minitwit/service/dbtest"
	"minitwit/service/freeport"
	"minitwit/service/postgres"
)

func askDatabaseOf(t *testing.T, limit time.Duration, env ...string) []check {
	t.Helper()
	d := &doctor{env: env, timeout: limit, runbooks: "../runbooks"}
	return d.askDatabase(withTimeout(t, 2*limit))
}

func TestTheDatabaseIsAsked(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t)
	_, full := dbtest.Limited(t, address, 1)
	holder := dbtest.OpenWith(t, postgres.Options{URL: full})
	if err := holder.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := put(t, t.TempDir(), "url", address+"\n")
	for _, c := range []struct {
		env          []string
		state        state
		found, alert string
		limit        time.Duration
	}{
		{nil, notAsked, "DATABASE_URL", "", enough},
		{[]string{"DATABASE_URL=" + address}, fine, "a primary answers, ", "", enough},
		// What is wrong of other settings is not the database's fault.
		{[]string{"DATABASE_URL_FILE=" + file, "LOG_LEVEL=loud"}, fine, "longest transaction ", "", enough},
		{[]string{"DATABASE_URL=" + full}, broken, "too many connections", "DatabaseConnectionsExhausted", enough},
		{[]string{"DATABASE_URL=postgres://minitwit:hunter2@" + freeport.For(t) + "/x?sslmode=disable"}, notKnown, "connection refused", "DatabaseDown", enough},
		{[]string{"DATABASE_URL=postgres://minitwit:hunter2@" + silent(t) + "/x?sslmode=disable"}, notKnown, "", "DatabaseDown", inVain},
		{[]string{"DATABASE_URL=hunter2"}, notKnown, "not a postgres:// URL", "DatabaseDown", enough},
		{[]string{"DATABASE_URL_FILE=/does/not/exist"}, notKnown, "no such file", "DatabaseDown", enough},
	} {
		got := askDatabaseOf(t, c.limit, c.env...)
		expect(t, got, "database", c.state, c.found, c.alert)
		if strings.Contains(got[0].Found, "hunter2") || strings.Contains(got[0].Found, "Please try again") {
			t.Errorf("%q: %s", c.env, got[0].Found)
		}
	}
}

func TestADatabaseIsJudged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		health       postgres.Health
		state        state
		found, alert string
	}{
		{
			postgres.Health{Used: 90, Allowed: 100, Longest: 1500 * time.Millisecond},
			fine,
			"a primary answers, 90 of 100 connections used, longest transaction 1.5s", "",
		},
		{
			postgres.Health{Used: 91, Allowed: 100},
			broken,
			"a primary answers, 91 of 100 connections used, longest transaction 0s", "DatabaseConnectionsExhausted",
		},
		{
			postgres.Health{Used: 1, Allowed: 100, Standby: true},
			broken,
			"a standby, which takes no writes, answers, 1 of 100 connections used, longest transaction 0s", "DatabaseDown",
		},
	} {
		if s, found, alert := judgeDatabase(c.health); s != c.state || found != c.found || alert != c.alert {
			t.Errorf("%+v: %s, %q, %q; want %s, %q, %q", c.health, s, found, alert, c.state, c.found, c.alert)
		}
	}
}
