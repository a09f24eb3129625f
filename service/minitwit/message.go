package minitwit

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// PerPage is how many messages a page of the web UI shows.
const PerPage = 30

// MaxPostRunes bounds what people write in the UI: less than MaxContentBytes, of whatever
// runes.
const MaxPostRunes = 2000

// MaxContentBytes bounds what comes through the API. The simulator's longest message has
// 10,118 bytes; a list of a hundred much larger ones would take a process all its memory.
const MaxContentBytes = 16 << 10

// CheckPost says what is wrong with a message that a person wrote.
func CheckPost(text string) error {
	// A browser counts a line break once and sends two characters for it.
	if n := utf8.RuneCountInString(text) - strings.Count(text, "\r\n"); n > MaxPostRunes {
		return Errorf(CodeInvalid, "Your message has %d characters, %d more than fit. Go back to shorten it.", n, n-MaxPostRunes)
	}
	return CheckText("message", text)
}

// CheckContent says what is wrong with a message that came through the API.
func CheckContent(text string) error {
	if len(text) > MaxContentBytes {
		return Errorf(CodeTooLarge, "The content is larger than %d bytes", MaxContentBytes)
	}
	return CheckText("content", text)
}

// Message is one post, as lists show it.
type Message struct {
	ID      int64
	Author  string // user name
	Text    string
	PubDate int64 // seconds since 1970
}

// Time gives the moment of publication in UTC.
func (m Message) Time() time.Time { return time.Unix(m.PubDate, 0).UTC() }

// Cursor gives the message's place in the order of all messages.
func (m Message) Cursor() Cursor { return Cursor{PubDate: m.PubDate, ID: m.ID} }

// Cursor is a place in the order of messages: newest first by PubDate, then
// by ID. The zero Cursor means "no place given".
type Cursor struct {
	PubDate int64
	ID      int64
}

// Newest comes before every message.
var Newest = Cursor{PubDate: math.MaxInt64, ID: math.MaxInt64}

// IsZero tells whether no place is given.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// String writes the cursor as it stands in a URL: "1582246860-17".
func (c Cursor) String() string {
	return strconv.FormatInt(c.PubDate, 10) + "-" + strconv.FormatInt(c.ID, 10)
}

// ParseCursor reads what String wrote; "" is the zero Cursor. Anything else,
// negative and too large numbers included, is a CodeInvalid error.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	date, id, _ := strings.Cut(s, "-")
	d, errDate := strconv.ParseUint(date, 10, 63)
	i, errID := strconv.ParseUint(id, 10, 63)
	c := Cursor{PubDate: int64(d), ID: int64(i)} // 63 bits fit
	if errDate != nil || errID != nil || c.String() != s {
		return Cursor{}, Errorf(CodeInvalid, "The address names a page that cannot be: %q", s)
	}
	return c, nil
}

// Window selects one page of a list: messages older than Before or, where
// After is given, the closest ones newer than After. The zero Window is the
// newest page.
type Window struct {
	Before, After Cursor
}

// Page is one page of messages, newest first, and whether there are more on
// either side.
type Page struct {
	Messages           []Message
	HasNewer, HasOlder bool
}
