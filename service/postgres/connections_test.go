package postgres_test

import (
	"net/url"
	"strings"
	"testing"

	"minitwit/service/dbtest"
	"minitwit/service/postgres"
)

// Every limit is the least one once.
func TestTheLeastLimitOfConnectionsCounts(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t)
	admin := dbtest.OpenWith(t, postgres.Options{URL: address})
	role, roleURL := dbtest.Limited(t, address, -1)
	ours := dbtest.OpenWith(t, postgres.Options{URL: roleURL})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	for _, c := range []struct {
		statement string
		want      int
	}{
		{"SELECT", 197}, // of the server's 200 it keeps 3 to itself
		{"ALTER ROLE " + role + " CONNECTION LIMIT 30", 30},
		{"ALTER DATABASE " + database + " CONNECTION LIMIT 20", 20},
		{"ALTER DATABASE " + database + " CONNECTION LIMIT 40", 30},
		{"ALTER ROLE " + role + " CONNECTION LIMIT 500", 40},
		{"ALTER DATABASE " + database + " CONNECTION LIMIT 500", 197},
	} {
		if _, err := admin.DB().ExecContext(t.Context(), c.statement); err != nil {
			t.Fatal(err)
		}
		if got, err := ours.AllowedConnections(t.Context()); err != nil || got != c.want {
			t.Errorf("after %s: AllowedConnections = %d, %v; want %d", c.statement, got, err, c.want)
		}
	}
}
