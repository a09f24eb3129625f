package postgres

import (
	"context"

	"github.com/lib/pq"

	"minitwit/service/minitwit"
)

// AddMessage stores a message of a user, or gives minitwit.ErrUserNotFound.
// The database's clock dates it.
func (s *Store) AddMessage(ctx context.Context, author, text string) error {
	const q = `INSERT INTO messages (author_id, text) SELECT id, $2 FROM users WHERE username = $1`
	n, err := s.exec(ctx, "add message", q, author, text)
	if err == nil && n == 0 {
		return minitwit.ErrUserNotFound
	}
	return err
}

// SetFlagged hides messages from every list, or shows them again, and gives
// how many there were of those ids.
func (s *Store) SetFlagged(ctx context.Context, ids []int64, flagged bool) (int64, error) {
	const q = `UPDATE messages SET flagged = $2 WHERE id = ANY($1::bigint[])`
	return s.exec(ctx, "set flagged", q, pq.Array(ids), flagged)
}
