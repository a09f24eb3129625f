package session

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/securecookie"
)

// minSecretChars keeps a secret out of reach of guessing; with letters and
// digits 32 characters hold more than 128 bits.
const minSecretChars = 32

const (
	hashKeyBytes  = 32
	blockKeyBytes = 32 // AES-256
)

func (c *Codec) addKeys(secret string) error {
	if n := utf8.RuneCountInString(secret); n < minSecretChars {
		return fmt.Errorf("a secret has %d characters, it needs at least %d", n, minSecretChars)
	}
	session, err := newCodec(secret, "session", MaxAge)
	if err != nil {
		return err
	}
	flash, err := newCodec(secret, "flash", flashMaxAge)
	if err != nil {
		return err
	}
	c.sessions = append(c.sessions, session.SetSerializer(securecookie.JSONEncoder{}))
	c.flashes = append(c.flashes, flash.SetSerializer(securecookie.NopEncoder{}))
	return nil
}

// newCodec derives keys of its own for each purpose, so that one kind of
// cookie never passes for the other.
func newCodec(secret, purpose string, maxAge time.Duration) (*securecookie.SecureCookie, error) {
	info := "minitwit cookie v1 " + purpose
	keys, err := hkdf.Key(sha256.New, []byte(secret), nil, info, hashKeyBytes+blockKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive %s keys: %w", purpose, err)
	}
	codec := securecookie.New(keys[:hashKeyBytes], keys[hashKeyBytes:])
	return codec.MaxAge(int(maxAge / time.Second)), nil
}

// decode tells whether value is exactly what one of the codecs wrote. The
// strict check comes first because the base64 that securecookie uses ignores
// the unused bits of the last character: without it several texts would pass
// for one cookie.
func decode(name, value string, dst any, codecs []securecookie.Codec) bool {
	if _, err := base64.URLEncoding.Strict().DecodeString(value); err != nil {
		return false
	}
	return securecookie.DecodeMulti(name, value, dst, codecs...) == nil
}

// cookie makes a cookie, or with an empty value one that deletes it.
func (c *Codec) cookie(name, value string, maxAge time.Duration) *http.Cookie {
	seconds := int(maxAge / time.Second)
	if value == "" {
		seconds = -1
	}
	return &http.Cookie{ //nolint:gosec // Secure is a setting: without TLS in front of us nobody could sign in
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   seconds,
		Secure:   c.secure,
		HttpOnly: true,
		// Lax, not Strict: who follows a link to the site is still signed in.
		SameSite: http.SameSiteLaxMode,
	}
}

// setCookie replaces what the response already sets under the name, so that
// browsers never have to choose between two.
func setCookie(w http.ResponseWriter, cookie *http.Cookie) {
	lines := w.Header()["Set-Cookie"]
	w.Header()["Set-Cookie"] = slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, cookie.Name+"=")
	})
	http.SetCookie(w, cookie)
}
