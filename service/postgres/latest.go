package postgres

import (
	"context"
	"time"
)

// Latest is the simulator's last action, as all replicas see it.
type Latest struct {
	Value     int64     // -1 before the first action
	UpdatedAt time.Time `db:"updated_at"`
}

// Latest reads the simulator's last action.
func (s *Store) Latest(ctx context.Context) (Latest, error) {
	return row[Latest](ctx, s, "latest", `SELECT value, updated_at FROM latest`)
}

// SetLatest records the simulator's last action. It is meant for a Store with
// AsyncCommit: losing the last fraction of a second in a crash of the database
// is cheaper than a disk flush for each request.
func (s *Store) SetLatest(ctx context.Context, value int64) error {
	_, err := s.exec(ctx, "set latest", `UPDATE latest SET value = $1, updated_at = now()`, value)
	return err
}
