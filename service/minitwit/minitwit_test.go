package minitwit

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestCodeOfFindsTheCodeInAChain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want Code
	}{
		{nil, ""},
		{errors.New("x"), CodeInternal},
		{fmt.Errorf("store: %w", ErrUserNotFound), CodeNotFound},
		{Unavailable(errors.New("x")), CodeUnavailable},
	} {
		if got := CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestNamesThatAreNamesAreAccepted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Roger Histand", "a", "a/b", "a.b", "..a", "🦉 owl", "100%", "<b>", "publicity", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "👩\u200d🚀", strings.Repeat("ü", MaxNameRunes),
	} {
		if err := (Registration{name, "a@b", "x"}).Validate(); err != nil {
			t.Errorf("Validate(%.40q) = %v, want nil", name, err)
		}
	}
}

func TestNamesThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"":                       "You have to enter a username",
		" \t":                    "You have to enter a username",
		"a\x00b":                 "NUL",
		"\xff":                   "UTF-8",
		"\u200d\u200b":           "You have to enter a username",
		"a\nb":                   "control characters",
		"alice\u200b":            "invisible",
		"\u202ealice":            "invisible",
		"a\u2028b":               "invisible",
		"login":                  "reserved",
		"Static":                 "reserved",
		"..":                     "reserved",
		strings.Repeat("x", 256): "longer than 255",
	} {
		err := (Registration{name, "a@b", "x"}).Validate()
		if CodeOf(err) != CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate(%.40q) = %v, want CodeInvalid with %q", name, err, want)
		}
	}
}

func TestAPostHasALimit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Code{
		strings.Repeat("ü", MaxPostRunes): "", strings.Repeat("x", MaxPostRunes+1): CodeInvalid, "a\x00": CodeInvalid,
	} {
		if got := CodeOf(CheckPost(text)); got != want {
			t.Errorf("CheckPost(%.20q, %d bytes) = %q, want %q", text, len(text), got, want)
		}
	}
}

func TestACursorSurvivesItsURL(t *testing.T) {
	t.Parallel()
	for _, c := range []Cursor{{}, {1, 1}, {1582246860, 17}, {0, 5}, Newest} {
		text := c.String()
		if c.IsZero() {
			text = ""
		}
		if got, err := ParseCursor(text); err != nil || got != c {
			t.Errorf("ParseCursor(%q) = %v, %v, want %v", text, got, err, c)
		}
	}
}

func TestWhatIsNoCursorIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"x", "-", "1", "1-", "-1", "1-x", "-1-2", "1--2", "+1-2", "01-2", "1-2-3", " 1-2", "9223372036854775808-1", "1-99999999999999999999",
	} {
		if got, err := ParseCursor(text); CodeOf(err) != CodeInvalid {
			t.Errorf("ParseCursor(%q) = %v, %v, want CodeInvalid", text, got, err)
		}
	}
}

// Whatever is accepted has to mean one place and be written in one way.
func FuzzParseCursor(f *testing.F) {
	f.Add("1582246860-17")
	f.Add("0-0")
	f.Add("9223372036854775807-9223372036854775807")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCursor(text)
		if err == nil && text != "" && c.String() != text {
			t.Errorf("ParseCursor(%q) = %v, which is written %q", text, c, c.String())
		}
		if err == nil && (c.PubDate < 0 || c.ID < 0) {
			t.Errorf("ParseCursor(%q) = %v", text, c)
		}
	})
}
