package postgres

import (
	"context"

	"minitwit/service/minitwit"
)

// What is asked of and done to follows; a test explains each. PostgreSQL runs a
// part of WITH that changes something whether or not anybody reads it; the rows
// that it counts are those of the last SELECT: whether both users exist, not
// whether anything changed.
const (
	pair = `
		WITH pair AS (
			SELECT who.id AS who_id, whom.id AS whom_id FROM users who, users whom
			WHERE who.username = $1 AND whom.username = $2
		), `

	followQuery = pair + `done AS (
			INSERT INTO followers (who_id, whom_id) SELECT who_id, whom_id FROM pair
			ON CONFLICT DO NOTHING
		) SELECT FROM pair`

	unfollowQuery = pair + `done AS (
			DELETE FROM followers f USING pair p WHERE f.who_id = p.who_id AND f.whom_id = p.whom_id
		) SELECT FROM pair`

	// No row: no such user. An empty name, which nobody can have: follows none.
	followsQuery = `
		SELECT coalesce(f.username, '') FROM users u
		LEFT JOIN LATERAL (
			SELECT whom.username FROM followers JOIN users whom ON whom.id = whom_id
			WHERE who_id = u.id ORDER BY whom_id LIMIT $2
		) AS f ON true
		WHERE u.username = $1`
)

// Follow makes who follow whom, which changes nothing if they do already. It
// gives minitwit.ErrUserNotFound if either is unknown.
func (s *Store) Follow(ctx context.Context, who, whom string) error {
	return s.changeFollow(ctx, "follow", followQuery, who, whom)
}

// Unfollow ends that who follows whom, which changes nothing if they do not.
// It gives minitwit.ErrUserNotFound if either is unknown.
func (s *Store) Unfollow(ctx context.Context, who, whom string) error {
	return s.changeFollow(ctx, "unfollow", unfollowQuery, who, whom)
}

func (s *Store) changeFollow(ctx context.Context, op, query, who, whom string) error {
	found, err := s.exec(ctx, op, query, who, whom)
	if err == nil && found == 0 {
		return minitwit.ErrUserNotFound
	}
	return err
}

// Follows gives the names of at most limit users whom a user follows, or
// minitwit.ErrUserNotFound.
func (s *Store) Follows(ctx context.Context, name string, limit int) ([]string, error) {
	found, err := rows[string](ctx, s, "follows", followsQuery, name, limit)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, minitwit.ErrUserNotFound
	case found[0] == "":
		return []string{}, nil
	}
	return found, nil
}
