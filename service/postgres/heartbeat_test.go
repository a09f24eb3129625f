package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"minitwit/service/dbtest"
	"minitwit/service/minitwit"
	"minitwit/service/postgres"
)

func TestAHeartbeatIsOneRowThatMoves(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	r := postgres.Replica{ID: "x", Service: "api", Slot: "2", Node: "n1", Host: "h", Version: "v1", InFlight: 7, Age: 100}
	for _, draining := range []bool{false, true} {
		r.Draining = draining
		r.InFlight++
		if err := s.Beat(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		found, err := s.Replicas(t.Context())
		if err != nil || len(found) != 1 {
			t.Fatalf("Replicas = %+v, %v, want one", found, err)
		}
		got := found[0]
		if got.Age < 100 || got.Age > 160 || got.Silent < 0 || got.Silent > 60 {
			t.Errorf("age %v, silent for %v; want 100 and 0, or a little more", got.Age, got.Silent)
		}
		got.Age, got.Silent = r.Age, 0
		if diff := cmp.Diff(r, got); diff != "" {
			t.Errorf("Replicas (-want +got):\n%s", diff)
		}
	}
}

// Nor does the connection stay like that for those who use it next.
func TestAHeartbeatDoesNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	s := dbtest.OpenWith(t, postgres.Options{URL: dbtest.URL(t), MaxOpen: 1})
	conn, err := s.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var got []string
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{"SET synchronous_commit = on", nil}, // the cluster of the tests has it off
		{"BEGIN", nil},
		{postgres.Beat, []any{"x", "api", "1", "", "", "v1", 1., 0, false}},
		{"SHOW", nil},
		{"COMMIT", nil},
		{"SHOW", nil},
	} {
		if step.statement == "SHOW" {
			var value string
			if err := conn.QueryRowContext(t.Context(), "SHOW synchronous_commit").Scan(&value); err != nil {
				t.Fatal(err)
			}
			got = append(got, value)
			continue
		}
		if _, err := conn.ExecContext(t.Context(), step.statement, step.args...); err != nil {
			t.Fatalf("%s: %v", step.statement, err)
		}
	}
	if want := []string{"off", "on"}; !cmp.Equal(got, want) {
		t.Errorf("synchronous_commit is %v, want off for the heartbeat and on after it", got)
	}
}

func TestForgetReplicasTakesThoseOfLongAgo(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	for _, id := range []string{"old", "new"} {
		if err := s.Beat(t.Context(), postgres.Replica{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.DB().ExecContext(t.Context(), `UPDATE replica_heartbeat SET seen_at = now() - interval '61 minutes' WHERE id = 'old'`); err != nil {
		t.Fatal(err)
	}
	if err := s.ForgetReplicas(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left string
	if err := s.DB().QueryRowContext(t.Context(), `SELECT string_agg(id, ' ') FROM replica_heartbeat`).Scan(&left); err != nil || left != "new" {
		t.Errorf("left are %q, %v; want new", left, err)
	}
}

func TestActivityIsOfTheLastMinute(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	if a, err := s.Activity(t.Context()); err != nil || a.Latest != -1 || a.Messages != 0 || a.Registrations != 0 {
		t.Errorf("of an empty database Activity = %+v, %v", a, err)
	}
	register(t, s, "ada", "bob", "eve")
	for _, author := range []string{"ada", "ada", "bob", minitwit.CanaryName} {
		if err := s.AddMessage(t.Context(), author, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetLatest(t.Context(), 42); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`UPDATE messages SET pub_date = pub_date - 61 WHERE id = (SELECT min(id) FROM messages)`,
		`UPDATE users SET created_at = created_at - interval '61 seconds' WHERE username = 'ada'`,
		`UPDATE latest SET updated_at = updated_at - interval '100 seconds'`,
	} {
		if _, err := s.DB().ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	a, err := s.Activity(t.Context())
	if err != nil || a.Latest != 42 || a.Messages != 2 || a.Registrations != 2 || a.Unchanged < 100 || a.Unchanged > 160 {
		t.Errorf("Activity = %+v, %v; want 42 for 100 s, 2 messages, 2 registrations", a, err)
	}
}

func TestFactsSeeAnOpenTransaction(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	f, err := s.Facts(t.Context())
	if err != nil || f.Standby || f.SizeBytes < 1<<20 || f.ReplicationLag != nil || f.LongestTransaction != 0 {
		t.Errorf("Facts = %+v, %v; want a primary without transactions or standbys", f, err)
	}
	tx, err := s.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), "SELECT pg_sleep(0.05)"); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Facts(t.Context()); err != nil || f.LongestTransaction < .05 {
		t.Errorf("with a transaction of 0.05 s open, Facts = %+v, %v", f, err)
	}
}
