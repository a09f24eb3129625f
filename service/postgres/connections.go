package postgres

import "context"

// AllowedConnections gives how many connections our role may open to this
// database, if nobody else has any: the least of what the server, the role and
// the database allow.
func (s *Store) AllowedConnections(ctx context.Context) (int, error) {
	// The limit of a role is that of who signed in. The second kind of reserved
	// connections exists since PostgreSQL 16.
	const q = `
		SELECT least(
			current_setting('max_connections')::integer
				- current_setting('superuser_reserved_connections')::integer
				- coalesce(current_setting('reserved_connections', true), '0')::integer,
			nullif(r.rolconnlimit, -1),
			nullif(d.datconnlimit, -1))
		FROM pg_roles r, pg_database d
		WHERE r.rolname = session_user AND d.datname = current_database()`
	return row[int](ctx, s, "allowed connections", q)
}
