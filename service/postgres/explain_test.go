package postgres_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"minitwit/service/dbtest"
	"minitwit/service/minitwit"
	"minitwit/service/postgres"
)

const (
	seedUsers    = 2_000
	seedMessages = 100_000
)

func seeded(t *testing.T) *postgres.Store {
	t.Helper()
	s := dbtest.OpenWith(t, postgres.Options{URL: dbtest.URL(t), Timeout: postgres.MigrationTimeout})
	for _, q := range []string{
		fmt.Sprintf(`INSERT INTO users (username, email, pw_hash)
			SELECT 'user' || i, 'u@example.org', 'x' FROM generate_series(1, %d) AS i`, seedUsers),
		fmt.Sprintf(`INSERT INTO messages (author_id, text, pub_date, flagged)
			SELECT 1 + i %% %d, 'message ' || i, 1600000000 + i / 3, i %% 1000 = 0 FROM generate_series(1, %d) AS i`, seedUsers, seedMessages),
		`INSERT INTO followers SELECT 1, i FROM generate_series(2, 100) AS i`,
		`INSERT INTO followers SELECT 200 + i / 50, 1 + i % 50 FROM generate_series(0, 49999) AS i`,
		`ANALYZE`,
	} {
		if _, err := s.DB().ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// plan is what of EXPLAIN's tree tells how much a query touches.
type plan struct {
	NodeType string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Plans    []plan
}

func explain(t *testing.T, s *postgres.Store, query string, args ...any) plan {
	t.Helper()
	var text string
	if err := s.DB().QueryRowContext(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) "+query, args...).Scan(&text); err != nil {
		t.Fatalf("explain: %v\n%s", err, query)
	}
	var plans []struct{ Plan plan }
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan
}

// touched counts the rows of a table that a plan reads, and whether it scans
// the table from end to end.
func touched(p plan, relation string) (rows float64, scans bool) {
	if p.Relation == relation {
		rows = (p.Rows + p.Removed) * p.Loops
		scans = strings.Contains(p.NodeType, "Seq Scan")
	}
	for _, child := range p.Plans {
		r, s := touched(child, relation)
		rows, scans = rows+r, scans || s
	}
	return rows, scans
}

// A page deep down has to cost what the first one does, and neither may read
// much more than it shows.
func TestHotQueriesReadOnlyWhatTheyShow(t *testing.T) {
	t.Parallel()
	s := seeded(t)
	newest := minitwit.Newest
	deep := minitwit.Cursor{PubDate: 1600000000 + seedMessages/3/2, ID: seedMessages / 2}
	const first, followed = "user7", 100
	for _, c := range []struct {
		name  string
		query string
		args  []any
		most  float64 // rows of messages
	}{
		{"public, first page", postgres.PublicPage, []any{newest.PubDate, newest.ID, 31}, 31},
		{"public, 100 for the API", postgres.PublicPage, []any{newest.PubDate, newest.ID, 100}, 100},
		{"public, deep", postgres.PublicPage, []any{deep.PubDate, deep.ID, 31}, 31},
		{"public, deep, newer", postgres.TowardsNewer(postgres.PublicPage), []any{deep.PubDate, deep.ID, 31}, 31},
		{"home, first page", postgres.HomePage, []any{newest.PubDate, newest.ID, 31, 1}, 31 * followed},
		{"home, deep", postgres.HomePage, []any{deep.PubDate, deep.ID, 31, 1}, 31 * followed},
		{"home, deep, newer", postgres.TowardsNewer(postgres.HomePage), []any{deep.PubDate, deep.ID, 31, 1}, 31 * followed},
		{"user, first page", postgres.UserPage, []any{newest.PubDate, newest.ID, 31, first, 0}, 31},
		{"user, deep", postgres.UserPage, []any{deep.PubDate, deep.ID, 31, first, 1}, 31},
		{"user, deep, newer", postgres.TowardsNewer(postgres.UserPage), []any{deep.PubDate, deep.ID, 31, first, 1}, 31},
	} {
		p := explain(t, s, c.query, c.args...)
		if rows, scans := touched(p, "messages"); scans || rows == 0 || rows > c.most {
			t.Errorf("%s reads %.0f messages, scans %v; want 1 to %.0f by index", c.name, rows, scans, c.most)
		}
	}
}

func TestLookupsAreByIndex(t *testing.T) {
	t.Parallel()
	s := seeded(t)
	for _, c := range []struct {
		name  string
		query string
		args  []any
		most  float64 // rows of users, and of messages
	}{
		{"credentials", postgres.ByName, []any{"user7"}, 1},
		{"session", postgres.SessionUser, []any{7, 1}, 1},
		{"next digest", postgres.NextDigest, []any{0}, 0},
		{"add message", postgres.AddMessage, []any{"user7", "x"}, 1},
		{"set flagged", postgres.SetFlagged, []any{"{7}", true}, 1},
		{"follow", postgres.Follow, []any{"user1", "user200"}, 2},
		{"unfollow", postgres.Unfollow, []any{"user1", "user200"}, 2},
		{"follows", postgres.Follows, []any{"user1", 10}, 13}, // 10, the user twice, the canary as the first by id
		{"activity", postgres.RecentWork, []any{1_000_000_000}, postgres.MostMessages},
	} {
		p := explain(t, s, c.query, c.args...)
		for _, relation := range []string{"users", "messages"} {
			if rows, scans := touched(p, relation); scans || rows > c.most {
				t.Errorf("%s reads %.0f rows of %s, scans %v; want %.0f at most, by index", c.name, rows, relation, scans, c.most)
			}
		}
		if _, scans := touched(p, "followers"); scans {
			t.Errorf("%s scans followers", c.name)
		}
	}
}

// The canary's messages may be many after an outage of what reads them, or a restore.
func TestTheCanaryRemovesSoManyMessagesAndNoMore(t *testing.T) {
	t.Parallel()
	const old, atOnce = 10_000, 200
	s := seeded(t)
	_, err := s.DB().ExecContext(t.Context(), fmt.Sprintf(`
		INSERT INTO messages (author_id, text, pub_date) SELECT -1, 'x', 1600000000 + i FROM generate_series(1, %d) AS i;
		ANALYZE messages`, old))
	if err != nil {
		t.Fatal(err)
	}
	p := explain(t, s, postgres.AddCanaryMessage, minitwit.CanaryName, "x")
	if rows, scans := touched(p, "messages"); scans || rows > 2*atOnce {
		t.Errorf("it reads %.0f messages, scans %v; want those that it removes, twice, by index", rows, scans)
	}
	var left int
	const q = `SELECT count(*) FROM messages WHERE author_id = -1 AND pub_date <= 1600000000 + $1`
	if err := s.DB().QueryRowContext(t.Context(), q, old).Scan(&left); err != nil || left != old-atOnce {
		t.Errorf("%d old messages are left, %v, want %d", left, err, old-atOnce)
	}
}
