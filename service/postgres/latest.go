package postgres

import (
	"context"
	"database/sql"
	"errors"
	"math"
)

// Latest reads the simulator's last action, -1 before the first, and how many
// seconds ago it was recorded: by the database's clock, since those of the nodes
// may differ from it.
func (s *Store) Latest(ctx context.Context) (value int64, age float64, err error) {
	type latestRow struct {
		Value int64
		Age   float64
	}
	r, err := row[latestRow](ctx, s, "latest", `SELECT value, extract(epoch FROM now() - updated_at)::float8 AS age FROM latest`)
	if errors.Is(err, sql.ErrNoRows) { // a restore that left the row behind
		return -1, math.Inf(1), nil
	}
	return r.Value, r.Age, err
}

// SetLatest records the simulator's last action. It is meant for a Store with
// AsyncCommit: losing the last fraction of a second in a crash of the database
// is cheaper than a disk flush for each request.
func (s *Store) SetLatest(ctx context.Context, value int64) error {
	const q = `
		INSERT INTO latest (value, updated_at) VALUES ($1, now())
		ON CONFLICT (only_row) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`
	_, err := s.exec(ctx, "set latest", q, value)
	return err
}
