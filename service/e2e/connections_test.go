package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"minitwit/service/dbtest"
	"minitwit/service/wait"
)

// shrunk gives the log entries that say that the database allows too few connections.
func shrunk(a *app) (found []map[string]any) {
	for _, entry := range a.logged("") {
		if message, _ := entry["message"].(string); strings.Contains(message, "fewer connections than are planned") {
			found = append(found, entry)
		}
	}
	return found
}

func metricsOf(t *testing.T, a *app) string {
	t.Helper()
	return newSimulator().must(t, "GET", a.ops+"/metrics", "").body
}

// A replica that takes the place of a dead one has to start all the same.
func TestADatabaseWithTooFewConnectionsIsReportedAndServed(t *testing.T) {
	t.Parallel()
	_, db := dbtest.Limited(t, dbtest.URL(t), 30)
	a := start(t, options{db: db, env: []string{"DATABASE_CONNECTIONS=36"}})
	wait.For(t, deadline, "both numbers to be among the metrics", func() bool {
		metrics := metricsOf(t, a)
		return strings.Contains(metrics, "\nminitwit_database_connections_planned 36\n") &&
			strings.Contains(metrics, "\nminitwit_database_connections_allowed 30\n")
	})
	if page := newSimulator().must(t, "GET", a.web+"/public", ""); page.status != 200 {
		t.Errorf("GET /public = %d, want 200", page.status)
	}
	a.terminate()
	if got := shrunk(a); len(got) != 1 || got[0]["level"] != "error" || got[0]["planned"] != 36. || got[0]["allowed"] != 30. {
		t.Errorf("the log has %v, want one error with both numbers", got)
	}
}

// The database is away at the start, which costs nothing, and is asked later.
func TestTheConnectionsAreComparedOnceTheDatabaseIsBack(t *testing.T) {
	t.Parallel()
	_, direct := dbtest.Limited(t, dbtest.URL(t), 36)
	db, fail, mend := silence(t, direct)
	fail()
	a := start(t, options{db: db, env: []string{asInProduction, "DATABASE_CONNECTIONS=36"}})
	var metrics string
	wait.For(t, deadline, "the plan to be among the metrics", func() bool {
		metrics = metricsOf(t, a)
		return strings.Contains(metrics, "connections_planned 36")
	})
	if strings.Contains(metrics, "connections_allowed") {
		t.Error("while the database is away, the metrics tell what it allows")
	}
	mend()
	wait.For(t, deadline, "the allowed connections", func() bool { return strings.Contains(metricsOf(t, a), "connections_allowed 36") })
	a.terminate()
	if got := shrunk(a); len(got) > 0 {
		t.Errorf("36 connections for 36: the log has %v", got)
	}
}

// Also while it still waits for the database, the process stops in order.
func TestWithoutADatabaseTheComparisonDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	a := start(t, options{
		db:  "postgres://nobody@127.0.0.1:1/none?sslmode=disable",
		env: []string{"DATABASE_CONNECTIONS=36"},
	})
	a.terminate()
	if got := shrunk(a); len(got) > 0 {
		t.Errorf("nobody was asked, and the log has %v", got)
	}
}

func TestWithoutAPlanNothingIsCompared(t *testing.T) {
	t.Parallel()
	_, db := dbtest.Limited(t, dbtest.URL(t), 30)
	a := start(t, options{db: db})
	wait.For(t, deadline, "the database to be asked for something", func() bool {
		return newSimulator().must(t, "GET", a.ops+"/readyz", "").status == 200
	})
	if metrics := metricsOf(t, a); strings.Contains(metrics, "database_connections") {
		t.Error("the metrics tell of a plan that there is not")
	}
}

// A rollout has to end before it has begun.
func TestMigrateUpRefusesADatabaseWithTooFewConnections(t *testing.T) {
	t.Parallel()
	_, db := dbtest.Limited(t, dbtest.URL(t), 30)
	for planned, want := range map[string]int{"": 0, "0": 0, "30": 0, "31": 1} {
		cmd := exec.Command(binaries.release, "migrate", "up")
		cmd.Env = []string{"DATABASE_URL=" + db, "DATABASE_CONNECTIONS=" + planned}
		out, err := cmd.CombinedOutput()
		code := cmd.ProcessState.ExitCode()
		if code != want {
			t.Errorf("DATABASE_CONNECTIONS=%s: exit status %d, %v, want %d\n%s", planned, code, err, want, out)
		}
		if want == 1 && !strings.Contains(string(out), "planned 31, allowed 30") {
			t.Errorf("the error lacks the numbers:\n%s", out)
		}
	}
}
