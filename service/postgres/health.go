package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// Health is what the database says of itself to somebody who looks for a fault.
type Health struct {
	Standby bool // it takes no writes
	// Used are the connections that are open, Allowed how many there may be: by the
	// limit that is nearest, be it the server's, our role's or the database's.
	Used, Allowed int
	// Longest is how long a transaction has been open, of those that our role may see:
	// its own, or all if it is in pg_read_all_stats.
	Longest time.Duration
}

// Health asks for one row.
func (s *Store) Health(ctx context.Context) (Health, error) {
	// Of other roles' sessions backend_type is NULL: they count as clients.
	const q = `
		WITH client AS (
			SELECT pid, datname, usename, xact_start FROM pg_stat_activity
			WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
		), allowance (used, allowed) AS (
			SELECT (SELECT count(*) FROM client),
				current_setting('max_connections')::integer
					- current_setting('superuser_reserved_connections')::integer
					- coalesce(current_setting('reserved_connections', true), '0')::integer
			UNION ALL
			SELECT (SELECT count(*) FROM client WHERE usename = session_user), rolconnlimit
			FROM pg_roles WHERE rolname = session_user
			UNION ALL
			SELECT (SELECT count(*) FROM client WHERE datname = current_database()), datconnlimit
			FROM pg_database WHERE datname = current_database()
		)
		SELECT pg_is_in_recovery() AS standby, used, allowed,
			coalesce(extract(epoch FROM (
				SELECT max(clock_timestamp() - xact_start) FROM client WHERE pid <> pg_backend_pid()
			)), 0)::double precision AS longest
		FROM allowance
		WHERE allowed >= 0
		ORDER BY used::double precision / greatest(allowed, 1) DESC
		LIMIT 1`
	type said struct {
		Standby       bool
		Used, Allowed int
		Longest       float64 // seconds
	}
	got, err := row[said](ctx, s, "database health", q)
	return Health{got.Standby, got.Used, got.Allowed, time.Duration(got.Longest * float64(time.Second))}, err
}

// Full reports whether err says that there may be no more connections: the server is
// there, and answers nobody else.
func Full(err error) bool {
	e, ok := errors.AsType[*pq.Error](err)
	return ok && e.Code == pqerror.TooManyConnections
}
