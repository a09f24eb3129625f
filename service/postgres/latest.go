package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Latest reads the simulator's last action, -1 before the first, and when it
// was recorded.
func (s *Store) Latest(ctx context.Context) (value int64, updatedAt time.Time, err error) {
	type latestRow struct {
		Value     int64
		UpdatedAt time.Time `db:"updated_at"`
	}
	r, err := row[latestRow](ctx, s, "latest", `SELECT value, updated_at FROM latest`)
	if errors.Is(err, sql.ErrNoRows) { // a restore that left the row behind
		return -1, time.Time{}, nil
	}
	return r.Value, r.UpdatedAt, err
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
