package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"minitwit/service/minitwit"
)

// What is asked of users; a test explains each.
const (
	byNameQuery = `SELECT id, username, session_epoch, pw_hash FROM users WHERE username = $1`

	sessionUserQuery = `
		SELECT id, username, session_epoch, '' AS pw_hash FROM users
		WHERE id = $1 AND session_epoch = $2`

	// NO KEY leaves the row free for the foreign keys of messages and follows;
	// the WHERE is the predicate of the index users_digest_only.
	nextDigestQuery = `
		SELECT id, username, session_epoch, pw_hash FROM users
		WHERE pw_hash LIKE 'digest$%' AND id > $1 ORDER BY id LIMIT 1
		FOR NO KEY UPDATE SKIP LOCKED`
)

// CreateUser stores a user, or gives minitwit.ErrNameTaken.
func (s *Store) CreateUser(ctx context.Context, name, email, pwHash string) error {
	const q = `
		INSERT INTO users (username, email, pw_hash) VALUES ($1, $2, $3)
		ON CONFLICT (username) DO NOTHING`
	n, err := s.exec(ctx, "create user", q, name, email, pwHash)
	if err == nil && n == 0 {
		return minitwit.ErrNameTaken
	}
	return err
}

type userRow struct {
	ID           int64
	Username     string
	SessionEpoch int64  `db:"session_epoch"`
	PwHash       string `db:"pw_hash"`
}

func (r userRow) user() minitwit.User {
	return minitwit.User{ID: r.ID, Name: r.Username, SessionEpoch: r.SessionEpoch}
}

// Credentials gives a user and the stored password hash, or
// minitwit.ErrUserNotFound.
func (s *Store) Credentials(ctx context.Context, name string) (minitwit.User, string, error) {
	r, err := row[userRow](ctx, s, "credentials", byNameQuery, name)
	return r.user(), r.PwHash, orNotFound(err)
}

// SessionUser gives the user whose session it is, or minitwit.ErrUserNotFound
// if they are gone or have ended the sessions of that epoch.
func (s *Store) SessionUser(ctx context.Context, id, epoch int64) (minitwit.User, error) {
	r, err := row[userRow](ctx, s, "session user", sessionUserQuery, id, epoch)
	return r.user(), orNotFound(err)
}

func orNotFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return minitwit.ErrUserNotFound
	}
	return err
}

// ReplaceHash stores a better hash of the same password, unless another
// replica or a new password was faster.
func (s *Store) ReplaceHash(ctx context.Context, id int64, old, better string) error {
	const q = `UPDATE users SET pw_hash = $3 WHERE id = $1 AND pw_hash = $2`
	_, err := s.exec(ctx, "replace hash", q, id, old, better)
	return err
}

// StrengthenOne takes one user whose password is stored as a bare digest, has
// strengthen turn that into the lasting hash, and stores it. It gives the id
// of that user, 0 if there was none. It looks at users above the id
// after: one that cannot be strengthened must not keep the others from it.
// Several replicas may call it at once: each takes another user.
func (s *Store) StrengthenOne(ctx context.Context, after int64, strengthen func(digest string) (string, error)) (id int64, err error) {
	// The transaction spans a bcrypt, which a busy machine may stretch.
	id, err = within(ctx, 8*time.Second, func(ctx context.Context) (int64, error) {
		return s.strengthenOne(ctx, after, strengthen)
	})
	return id, wrap("strengthen password", err)
}

func (s *Store) strengthenOne(ctx context.Context, after int64, strengthen func(string) (string, error)) (int64, error) {
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	var user userRow
	if err := tx.GetContext(ctx, &user, nextDigestQuery, after); errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	hash, err := strengthen(user.PwHash)
	if err != nil {
		return user.ID, err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE users SET pw_hash = $2 WHERE id = $1`, user.ID, hash); err != nil {
		return user.ID, err
	}
	return user.ID, tx.Commit()
}

// DigestsWaiting counts the users whose password is stored as a bare digest,
// up to 1,000.
func (s *Store) DigestsWaiting(ctx context.Context) (int64, error) {
	const q = `SELECT count(*) FROM (SELECT 1 FROM users WHERE pw_hash LIKE 'digest$%' LIMIT 1000) AS waiting`
	return row[int64](ctx, s, "count digests", q)
}
