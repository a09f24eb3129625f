package session

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/securecookie"
)

const flashCookie = "minitwit_flash"

// flashMaxAge is far more than a redirect takes, and short enough that nobody
// wonders about a message of yesterday.
const flashMaxAge = time.Hour

// maxFlashBytes has room for a sentence with the longest user name (255 runes
// of 4 bytes). Encoded it makes a cookie of about 2.4 KB, which leaves room in
// the 4 KB that browsers and proxies grant to cookies and response headers.
const maxFlashBytes = 1280

// flashSeparator cannot stand in a text: the domain refuses NUL everywhere.
const flashSeparator = "\x00"

// AddFlash keeps text for the next page that shows flashes. If there are more
// than a cookie holds, the oldest give way; a text too long by itself is cut.
func (c *Codec) AddFlash(w http.ResponseWriter, r *http.Request, text string) error {
	text = strings.ReplaceAll(text, flashSeparator, "")
	all := bound(append(c.flashesOf(pendingFlash(w, r)), text))
	value, err := securecookie.EncodeMulti(flashCookie, []byte(all), c.flashes...)
	if err != nil {
		return fmt.Errorf("save flash: %w", err)
	}
	setCookie(w, c.cookie(flashCookie, value, flashMaxAge))
	return nil
}

// TakeFlashes gives the texts to show, oldest first, and forgets them. It
// touches the response only if the request brought a flash cookie.
func (c *Codec) TakeFlashes(w http.ResponseWriter, r *http.Request) []string {
	value := pendingFlash(w, r)
	if value == "" {
		return nil
	}
	setCookie(w, c.cookie(flashCookie, "", 0))
	return c.flashesOf(value)
}

// pendingFlash gives the cookie as the browser will have it after this
// response: what the response sets already wins over what the request brought.
func pendingFlash(w http.ResponseWriter, r *http.Request) string {
	response := http.Response{Header: w.Header()}
	for _, cookie := range response.Cookies() {
		if cookie.Name == flashCookie {
			return cookie.Value
		}
	}
	if cookie, err := r.Cookie(flashCookie); err == nil {
		return cookie.Value
	}
	return ""
}

func (c *Codec) flashesOf(value string) []string {
	var all []byte
	if value == "" || !decode(flashCookie, value, &all, c.flashes) {
		return nil
	}
	return strings.Split(string(all), flashSeparator)
}

func bound(texts []string) string {
	for {
		all := strings.Join(texts, flashSeparator)
		switch {
		case len(all) <= maxFlashBytes:
			return all
		case len(texts) == 1:
			return cut(all, maxFlashBytes)
		}
		texts = texts[1:]
	}
}

// cut shortens s to at most n bytes without breaking a character.
func cut(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
