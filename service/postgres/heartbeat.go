package postgres

import "context"

// Replica is a process of the service as it tells of itself. Times are by the
// database's clock, since those of the nodes may differ.
type Replica struct {
	ID       string  `json:"-"`       // of the process, made anew at each start
	Service  string  `json:"service"` // the surfaces it serves: api, web or api+web
	Slot     string  `json:"slot"`    // of the Swarm's task, "" elsewhere
	Node     string  `json:"node"`    // of the Swarm, "" elsewhere
	Host     string  `json:"host"`
	Version  string  `json:"version"`
	InFlight int     `db:"in_flight" json:"in_flight"` // requests in work
	Draining bool    `json:"draining"`
	Age      float64 `json:"age_seconds"`    // since its start
	Silent   float64 `json:"silent_seconds"` // since its last heartbeat
}

const (
	// Nobody needs a heartbeat that old after a crash of the database, so its commit
	// does not wait for the disk. Set in the statement itself: that is one round trip on
	// a connection that others go on to use as it was.
	beatQuery = `
		WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
		INSERT INTO replica_heartbeat (id, service, slot, node, host, version, started_at, seen_at, in_flight, draining)
		SELECT $1, $2, $3, $4, $5, $6, now() - make_interval(secs => $7::float8), now(), $8::integer, $9::boolean FROM quick
		ON CONFLICT (id) DO UPDATE
		SET seen_at = excluded.seen_at, in_flight = excluded.in_flight, draining = excluded.draining`

	// SKIP LOCKED: replicas that start together neither wait for each other nor deadlock.
	forgetReplicasQuery = `
		DELETE FROM replica_heartbeat WHERE id IN (
			SELECT id FROM replica_heartbeat WHERE seen_at < now() - interval '1 hour' FOR UPDATE SKIP LOCKED)`
)

// Beat records that a replica is there, and how it is.
func (s *Store) Beat(ctx context.Context, r Replica) error {
	_, err := s.exec(ctx, "heartbeat", beatQuery,
		r.ID, r.Service, r.Slot, r.Node, r.Host, r.Version, r.Age, r.InFlight, r.Draining)
	return err
}

// ForgetReplicas removes those that were last seen more than an hour ago. Only a
// start adds a row, so the table is bounded if each start calls this.
func (s *Store) ForgetReplicas(ctx context.Context) error {
	_, err := s.exec(ctx, "forget replicas", forgetReplicasQuery)
	return err
}

// Replicas lists those that were seen within the last hour, the 200 that were seen
// last if there are more.
func (s *Store) Replicas(ctx context.Context) ([]Replica, error) {
	const q = `
		SELECT id, service, slot, node, host, version, in_flight, draining,
			extract(epoch FROM now() - started_at)::float8 AS age,
			extract(epoch FROM now() - seen_at)::float8 AS silent
		FROM replica_heartbeat
		WHERE seen_at >= now() - interval '1 hour'
		ORDER BY seen_at DESC LIMIT 200`
	return rows[Replica](ctx, s, "replicas", q)
}
