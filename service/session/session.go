// Package session keeps who is signed in, and the messages a redirect carries
// to the next page, in encrypted and signed cookies, so that any replica can
// serve any request. It knows no user, no store and no page: whether the user
// of a session still exists is for the caller to find out.
package session

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
)

// MaxAge is how long a session lives after signing in.
const MaxAge = 30 * 24 * time.Hour

const sessionCookie = "minitwit_session"

// Session says who is signed in. When it was issued stands in the cookie too,
// signed, and is checked by Load.
type Session struct {
	UserID int64 `json:"u"`
	Epoch  int64 `json:"e"` // sessions of an older epoch of the user are over
}

// Codec reads and writes the cookies. It is safe for concurrent use.
type Codec struct {
	sessions, flashes []securecookie.Codec // the first writes, all read
	secure            bool
}

// New makes a Codec whose keys come from the secret text current. Cookies that
// were written under previous, which may be "", are still read, so that a
// change of the secret signs nobody out. With secure, browsers send the
// cookies over HTTPS only.
func New(current, previous string, secure bool) (*Codec, error) {
	secrets := []string{current}
	if previous != "" {
		secrets = append(secrets, previous)
	}
	c := &Codec{secure: secure}
	for _, secret := range secrets {
		if err := c.addKeys(secret); err != nil {
			return nil, fmt.Errorf("session keys: %w", err)
		}
	}
	return c, nil
}

// Load gives the session of the request. A cookie that is missing, forged,
// truncated or too old means that nobody is signed in; the visitor could do
// nothing with an error.
func (c *Codec) Load(r *http.Request) (Session, bool) {
	var s Session
	cookie, err := r.Cookie(sessionCookie)
	if err != nil || !decode(sessionCookie, cookie.Value, &s, c.sessions) || s.UserID <= 0 {
		return Session{}, false
	}
	return s, true
}

// Save signs the visitor in.
func (c *Codec) Save(w http.ResponseWriter, s Session) error {
	value, err := securecookie.EncodeMulti(sessionCookie, s, c.sessions...)
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	setCookie(w, c.cookie(sessionCookie, value, MaxAge))
	return nil
}

// Clear signs the visitor out.
func (c *Codec) Clear(w http.ResponseWriter) {
	setCookie(w, c.cookie(sessionCookie, "", 0))
}
