package postgres

import (
	"context"

	"github.com/lib/pq"

	"minitwit/service/minitwit"
)

// What is done to messages; a test explains each.
const (
	addMessageQuery = `INSERT INTO messages (author_id, text) SELECT id, $2 FROM users WHERE username = $1`
	// The canary keeps its messages of the last hour: the public timeline reads over
	// them, so there must not be many. Where there are, they go bit by bit: all at once
	// might take longer than a statement may, each time.
	addCanaryMessageQuery = `
		WITH old AS (DELETE FROM messages WHERE id IN (
			SELECT id FROM messages
			WHERE author_id = -1 AND NOT flagged AND pub_date < floor(extract(epoch FROM now()))::bigint - 3600
			ORDER BY pub_date, id LIMIT 200))
		` + addMessageQuery
	setFlaggedQuery = `UPDATE messages SET flagged = $2 WHERE id = ANY($1::bigint[])`
)

// AddMessage stores a message of a user, or gives minitwit.ErrUserNotFound.
// The database's clock dates it.
func (s *Store) AddMessage(ctx context.Context, author, text string) error {
	query := addMessageQuery
	if author == minitwit.CanaryName {
		query = addCanaryMessageQuery
	}
	n, err := s.exec(ctx, "add message", query, author, text)
	if err == nil && n == 0 {
		return minitwit.ErrUserNotFound
	}
	return err
}

// SetFlagged hides messages from every list, or shows them again, and gives
// how many there were of those ids.
func (s *Store) SetFlagged(ctx context.Context, ids []int64, flagged bool) (int64, error) {
	return s.exec(ctx, "set flagged", setFlaggedQuery, pq.Array(ids), flagged)
}
