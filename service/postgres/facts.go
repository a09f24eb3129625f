package postgres

import "context"

// Facts are what the database says of itself.
type Facts struct {
	Standby            bool     `json:"standby"` // it refuses to write
	SizeBytes          int64    `db:"size_bytes" json:"size_bytes"`
	LongestTransaction float64  `db:"longest_transaction" json:"longest_transaction_seconds"`
	ReplicationLag     *float64 `db:"replication_lag" json:"replication_lag_seconds,omitempty"` // nil: there is none to see
}

// Facts asks the database how it is. Of the transactions and standbys it tells what
// our role may see: without pg_monitor, our own.
func (s *Store) Facts(ctx context.Context) (Facts, error) {
	// A primary knows how far each standby is behind; on a standby where all that came has
	// been replayed, the last transaction may be old without any lag.
	const q = `
		SELECT pg_is_in_recovery() AS standby,
			pg_database_size(current_database()) AS size_bytes,
			coalesce((
				SELECT extract(epoch FROM max(now() - xact_start)) FROM pg_stat_activity
				WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
			), 0)::float8 AS longest_transaction,
			(CASE
				WHEN NOT pg_is_in_recovery() THEN (
					SELECT extract(epoch FROM max(coalesce(replay_lag, '0'))) FROM pg_stat_replication WHERE replay_lsn IS NOT NULL)
				WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
				ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())
			END)::float8 AS replication_lag`
	return row[Facts](ctx, s, "facts", q)
}

// Activity is what was done lately, on all replicas.
type Activity struct {
	Latest        int64   `json:"latest"`                   // the simulator's last action, -1 before the first
	Unchanged     float64 `json:"latest_unchanged_seconds"` // since that was recorded
	Messages      int64   `json:"messages_per_minute"`      // without the canary's; MostMessages or more
	Registrations int64   `json:"registrations_per_minute"` // MostRegistrations or more
}

// What Activity counts to.
const (
	MostMessages      = 10_000
	MostRegistrations = 1_000
)

// Both walk back along an index for a bounded way; registrations have none by time, but
// those of the last minute have the highest ids.
const activityQuery = `
	SELECT coalesce((SELECT value FROM latest), -1) AS latest,
		coalesce((SELECT extract(epoch FROM now() - updated_at) FROM latest), 0)::float8 AS unchanged,
		(SELECT count(*) FROM (
			SELECT 1 FROM messages
			WHERE NOT flagged AND pub_date > floor(extract(epoch FROM now()))::bigint - $1::bigint AND author_id > 0
			ORDER BY pub_date DESC LIMIT 10000) AS newest) AS messages,
		(SELECT count(*) FROM (
			SELECT created_at FROM users WHERE id > 0 ORDER BY id DESC LIMIT 1000) AS newest
			WHERE created_at > now() - make_interval(secs => $1::bigint)) AS registrations`

// Activity tells of the last minute.
func (s *Store) Activity(ctx context.Context) (Activity, error) {
	return row[Activity](ctx, s, "activity", activityQuery, 60)
}
