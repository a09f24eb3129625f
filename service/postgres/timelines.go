package postgres

import (
	"context"
	"slices"
	"strings"

	"minitwit/service/minitwit"
)

// The queries of this file read one page of at most $3 messages that lie
// before the cursor ($1, $2), newest first, each along an index that holds the
// messages in that order: the price of a page depends neither on how deep it
// lies nor on how many messages there are.
const (
	// Authors below 1 are no people: the canary.
	publicPage = `
		SELECT m.id, u.username AS author, m.text, m.pub_date AS pubdate
		FROM messages m JOIN users u ON u.id = m.author_id
		WHERE NOT m.flagged AND m.author_id > 0 AND (m.pub_date, m.id) < ($1::bigint, $2::bigint)
		ORDER BY m.pub_date DESC, m.id DESC LIMIT $3`

	// The newest of each author are taken by index, then merged.
	homePage = `
		SELECT m.id, u.username AS author, m.text, m.pub_date AS pubdate
		FROM (SELECT whom_id AS id FROM followers WHERE who_id = $4 UNION SELECT $4::bigint) AS author
		JOIN users u ON u.id = author.id
		CROSS JOIN LATERAL (
			SELECT id, text, pub_date FROM messages
			WHERE author_id = author.id AND NOT flagged AND (pub_date, id) < ($1::bigint, $2::bigint)
			ORDER BY pub_date DESC, id DESC LIMIT $3
		) AS m
		ORDER BY m.pub_date DESC, m.id DESC LIMIT $3`

	// No row: no such user. A row with message 0: a user who said nothing.
	userPage = `
		SELECT u.id AS userid, u.username AS author,
			EXISTS (SELECT FROM followers WHERE who_id = $5 AND whom_id = u.id) AS followed,
			coalesce(m.id, 0) AS id, coalesce(m.text, '') AS text, coalesce(m.pub_date, 0) AS pubdate
		FROM users u
		LEFT JOIN LATERAL (
			SELECT id, text, pub_date FROM messages
			WHERE author_id = u.id AND NOT flagged AND (pub_date, id) < ($1::bigint, $2::bigint)
			ORDER BY pub_date DESC, id DESC LIMIT $3
		) AS m ON true
		WHERE u.username = $4
		ORDER BY m.pub_date DESC, m.id DESC`
)

// towardsNewer turns a query of this file round: the closest messages after
// the cursor, oldest first. A text that no longer fits would show the same page
// again and again, which TestPagingVisitsEachMessageOnce notices.
func towardsNewer(query string) string {
	return strings.NewReplacer("id) < (", "id) > (", " DESC", " ASC").Replace(query)
}

// PublicMessages gives the newest messages of all users.
func (s *Store) PublicMessages(ctx context.Context, limit int) ([]minitwit.Message, error) {
	return rows[minitwit.Message](ctx, s, "public messages", publicPage,
		minitwit.Newest.PubDate, minitwit.Newest.ID, limit)
}

// UserMessages gives a user's newest messages, or minitwit.ErrUserNotFound.
func (s *Store) UserMessages(ctx context.Context, name string, limit int) ([]minitwit.Message, error) {
	const nobody = 0
	found, err := rows[userPageRow](ctx, s, "user messages", userPage,
		minitwit.Newest.PubDate, minitwit.Newest.ID, limit, name, nobody)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, minitwit.ErrUserNotFound
	}
	return messagesOf(found), nil
}

// PublicTimeline gives a page of the messages of all users.
func (s *Store) PublicTimeline(ctx context.Context, w minitwit.Window) (minitwit.Page, error) {
	query, cursor := aim(publicPage, w)
	found, err := rows[minitwit.Message](ctx, s, "public timeline", query,
		cursor.PubDate, cursor.ID, minitwit.PerPage+1)
	return page(found, w), err
}

// HomeTimeline gives a page of the messages of a user and of those whom they
// follow.
func (s *Store) HomeTimeline(ctx context.Context, userID int64, w minitwit.Window) (minitwit.Page, error) {
	query, cursor := aim(homePage, w)
	found, err := rows[minitwit.Message](ctx, s, "home timeline", query,
		cursor.PubDate, cursor.ID, minitwit.PerPage+1, userID)
	return page(found, w), err
}

// UserTimeline gives a user and a page of their messages, or
// minitwit.ErrUserNotFound. ViewerID is who looks, 0 for nobody.
func (s *Store) UserTimeline(ctx context.Context, name string, viewerID int64, w minitwit.Window) (minitwit.Profile, minitwit.Page, error) {
	query, cursor := aim(userPage, w)
	found, err := rows[userPageRow](ctx, s, "user timeline", query,
		cursor.PubDate, cursor.ID, minitwit.PerPage+1, name, viewerID)
	if err != nil {
		return minitwit.Profile{}, minitwit.Page{}, err
	}
	if len(found) == 0 {
		return minitwit.Profile{}, minitwit.Page{}, minitwit.ErrUserNotFound
	}
	profile := minitwit.Profile{
		User:     minitwit.User{ID: found[0].UserID, Name: found[0].Author},
		Followed: found[0].Followed,
	}
	return profile, page(messagesOf(found), w), nil
}

type userPageRow struct {
	UserID   int64
	Followed bool
	minitwit.Message
}

func messagesOf(found []userPageRow) []minitwit.Message {
	messages := make([]minitwit.Message, 0, len(found))
	for _, r := range found {
		if r.ID != 0 {
			messages = append(messages, r.Message)
		}
	}
	return messages
}

// aim picks the direction and the starting point of a window.
func aim(query string, w minitwit.Window) (string, minitwit.Cursor) {
	switch {
	case !w.After.IsZero():
		return towardsNewer(query), w.After
	case !w.Before.IsZero():
		return query, w.Before
	default:
		return query, minitwit.Newest
	}
}

// maxPageBytes bounds the texts of a page; 30 posts of the UI have 240,000 bytes at most, and those
// of a person far less. As HTML a page may be five times as much, and MAX_IN_FLIGHT of them have to
// fit into the memory of a replica, since slow readers may hold them all.
const maxPageBytes = 128 << 10

// fitting tells how many messages a page shows.
func fitting(found []minitwit.Message) int {
	size := 0
	for i, m := range found {
		if size += len(m.Text); i == minitwit.PerPage || size > maxPageBytes && i > 0 {
			return i
		}
	}
	return len(found)
}

// page cuts what is too much, which tells that there are more.
func page(found []minitwit.Message, w minitwit.Window) minitwit.Page {
	shown := fitting(found)
	more := len(found) > shown
	found = found[:shown]
	if w.After.IsZero() {
		return minitwit.Page{Messages: found, HasOlder: more, HasNewer: !w.Before.IsZero()}
	}
	slices.Reverse(found)
	return minitwit.Page{Messages: found, HasNewer: more, HasOlder: true}
}
