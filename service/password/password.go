// Package password turns passwords into what the database may hold, and checks
// them against it. It knows no users and no database.
//
// A new password is first stored as a digest: HMAC-SHA256 under a key that the
// database does not hold. That costs microseconds, so a burst of registrations
// is answered at once. Later, bcrypt of that digest replaces it; no password is
// needed for that. docs/adr/0003 has the reasons and what a stolen database
// reveals.
package password

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Stored forms of ours: scheme $ key id $ salt $ digest or bcrypt hash.
const (
	digestScheme = "digest" // a bare digest, waiting for its bcrypt
	strongScheme = "bcrypt-digest"
)

// ErrUnknownKey says that a password was stored under a key that this process
// was not given.
var ErrUnknownKey = errors.New("password: stored under an unknown key")

// Scheme makes and checks hashes. It is immutable and safe for concurrent use.
type Scheme struct {
	keys []key // the first one is for new passwords
	cost int
}

type key struct {
	id     string // a prefix of the key's own hash: names it, does not reveal it
	secret []byte
}

// New makes a Scheme. The current secret is used for new passwords; previous
// may be empty. Cost is bcrypt's: the logarithm of its rounds.
func New(current, previous string, cost int) (*Scheme, error) {
	if cost < bcrypt.MinCost || cost > bcrypt.MaxCost {
		return nil, fmt.Errorf("password: bcrypt cost %d is outside %d to %d", cost, bcrypt.MinCost, bcrypt.MaxCost)
	}
	s := &Scheme{cost: cost}
	for _, secret := range []string{current, previous} {
		if secret != "" {
			sum := sha256.Sum256([]byte("minitwit password key id\x00" + secret))
			id := base64.RawURLEncoding.EncodeToString(sum[:6])
			s.keys = append(s.keys, key{id: id, secret: []byte(secret)})
		}
	}
	if current == "" {
		return nil, errors.New("password: no key given")
	}
	return s, nil
}

// Digest gives what to store for a new password, in microseconds.
func (s *Scheme) Digest(password string) string {
	salt := rand.Text()
	return join(digestScheme, s.keys[0].id, salt, s.keys[0].digest(salt, password))
}

// Strengthen turns what Digest gave into the lasting hash. It takes one core
// for about 90 ms at cost 10.
func (s *Scheme) Strengthen(stored string) (string, error) {
	scheme, id, salt, digest := split(stored)
	if scheme != digestScheme {
		return "", errors.New("password: not a digest")
	}
	// The digest is 43 characters of base64: without NUL and below the 72
	// bytes at which bcrypt stops reading.
	hash, err := bcrypt.GenerateFromPassword([]byte(digest), s.cost)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	return join(strongScheme, id, salt, string(hash)), nil
}

// Verify tells whether the password is the stored one. It takes as long as
// Strengthen, except for bare digests.
func (s *Scheme) Verify(stored, password string) (bool, error) {
	scheme, id, salt, want := split(stored)
	switch scheme {
	case digestScheme, strongScheme:
		k, ok := s.key(id)
		if !ok {
			return false, ErrUnknownKey
		}
		digest := k.digest(salt, password)
		if scheme == digestScheme {
			return subtle.ConstantTimeCompare([]byte(digest), []byte(want)) == 1, nil
		}
		return matches(bcrypt.CompareHashAndPassword([]byte(want), []byte(digest)))
	}
	return verifyForeign(stored, password)
}

// IsDigest tells whether only a bare digest is stored, which Verify checks in
// microseconds.
func IsDigest(stored string) bool { return strings.HasPrefix(stored, digestScheme+"$") }

// IsCurrent tells whether the stored hash is of the newest form, key and at
// least the present cost. What is not should be replaced at the next login,
// when the password is at hand.
func (s *Scheme) IsCurrent(stored string) bool {
	scheme, id, _, hash := split(stored)
	switch {
	case id != s.keys[0].id:
		return false
	case scheme == digestScheme:
		return true
	}
	cost, err := bcrypt.Cost([]byte(hash))
	return scheme == strongScheme && err == nil && cost >= s.cost
}

func (s *Scheme) key(id string) (key, bool) {
	for _, k := range s.keys {
		if k.id == id {
			return k, true
		}
	}
	return key{}, false
}

func (k key) digest(salt, password string) string {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(salt + "$" + password)) // a salt holds no $
	return base64.RawStdEncoding.EncodeToString(mac.Sum(nil))
}

func matches(err error) (bool, error) {
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("password: %w", err)
	}
	return true, nil
}

func join(scheme, id, salt, hash string) string {
	return strings.Join([]string{scheme, id, salt, hash}, "$")
}

// split gives empty parts for what is not of our form; the hash may hold $.
func split(stored string) (scheme, id, salt, hash string) {
	parts := strings.SplitN(stored, "$", 4)
	if len(parts) != 4 {
		return "", "", "", ""
	}
	return parts[0], parts[1], parts[2], parts[3]
}
