package minitwit

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNameRunes bounds user names and e-mail addresses. Postgres cannot index
// values over 2,704 bytes; 255 runes of 4 bytes stay well below that.
const MaxNameRunes = 255

// CanaryName is the user as whom monitoring writes. The schema brings it; nobody can
// sign in as it, and its messages stand on its own page and on the home timelines of who
// follows it, never on the public one.
const CanaryName = "minitwit-canary"

// User is somebody who has registered.
type User struct {
	ID           int64
	Name         string
	SessionEpoch int64 // sessions begun under another epoch are over
}

// Profile is a user as a visitor sees them.
type Profile struct {
	User
	Followed bool // the visitor follows this user
}

// Registration is what somebody enters to become a user.
type Registration struct {
	Name, Email, Password string
}

// Validate gives the first thing that is wrong, in the order that the old
// system checked: name, e-mail, password. That the name is free only the store
// can tell.
func (r Registration) Validate() error {
	if !strings.ContainsFunc(r.Name, visible) {
		return ErrNoUsername
	}
	if err := validateName(r.Name); err != nil {
		return err
	}
	if !strings.Contains(r.Email, "@") {
		return ErrNoEmail
	}
	if err := CheckText("e-mail address", r.Email); err != nil {
		return err
	}
	if utf8.RuneCountInString(r.Email) > MaxNameRunes {
		return Errorf(CodeInvalid, "The e-mail address is longer than %d characters", MaxNameRunes)
	}
	if r.Password == "" {
		return ErrNoPassword
	}
	return CheckText("password", r.Password)
}

func validateName(name string) error {
	switch {
	case CheckText("username", name) != nil:
		return CheckText("username", name)
	case strings.ContainsFunc(name, hidden):
		return Errorf(CodeInvalid, "The username must not contain control characters or invisible ones")
	case utf8.RuneCountInString(name) > MaxNameRunes:
		return Errorf(CodeInvalid, "The username is longer than %d characters", MaxNameRunes)
	case IsReserved(name):
		return Errorf(CodeInvalid, "The username %q is reserved: it is an address of this site", name)
	}
	return nil
}

func visible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

// hidden characters make a name look like another's, or turn a line round. The two joiners are
// needed in Persian, in the scripts of India, and in most emoji, so they may stay.
func hidden(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) && r != nonJoiner && r != joiner
}

// reserved are the names whose timeline at /<name> a page of the site would
// hide, now or later; "." and ".." never survive a browser's address bar.
var reserved = []string{
	".", "..", "about", "add_message", "admin", "api", "avatar", "events", "favicon.ico", "feed", "help",
	"livez", "login", "logout", "manifest.webmanifest", "metrics", "public", "readyz", "register", "robots.txt",
	"search", "settings", "static", "status", "version",
}

// IsReserved tells whether name, in any case, belongs to the site itself.
func IsReserved(name string) bool {
	return slices.Contains(reserved, strings.ToLower(name))
}

// CheckText refuses what a Postgres text cannot hold: invalid UTF-8 and NUL.
// What names the text in the message.
func CheckText(what, s string) error {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return Errorf(CodeInvalid, "The %s must be valid UTF-8 without NUL characters", what)
	}
	return nil
}
