package simulate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLineBytes bounds one line of a scenario, so that a file that is none
// cannot take all memory.
const maxLineBytes = 4 << 20

// Parse reads a whole scenario. It is strict, because an action that is
// guessed wrong would be blamed on the server: the error names the line.
func Parse(r io.Reader) ([]Action, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, 64<<10), maxLineBytes)
	scanner.Split(splitLines)
	var actions []Action
	for scanner.Scan() {
		action, err := parseLine(scanner.Text())
		if err != nil {
			return nil, fmt.Errorf("parse scenario: line %d: %w", len(actions)+1, err)
		}
		actions = append(actions, action)
	}
	err := scanner.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("longer than %d bytes", maxLineBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("parse scenario: line %d: %w", len(actions)+1, err)
	}
	return actions, nil
}

// splitLines differs from bufio.ScanLines in that it keeps a carriage return:
// the last field is taken verbatim.
func splitLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// fieldCounts gives how many fields a line has; it also knows all commands.
func fieldCounts(c Command) int {
	switch c {
	case Register:
		return 7
	case Tweet, Follow, Unfollow:
		return 6
	default:
		return 0
	}
}

func parseLine(line string) (Action, error) {
	// JSON can carry nothing else, and would silently store another text.
	if !utf8.ValidString(line) {
		return Action{}, errors.New("not valid UTF-8")
	}
	fields := strings.Split(line, "\t")
	if len(fields) < 5 {
		return Action{}, fmt.Errorf("%d fields instead of at least 6", len(fields))
	}
	a := Action{Command: Command(fields[3]), User: fields[4]}
	if err := parseNumbers(&a, fields); err != nil {
		return Action{}, err
	}
	want := fieldCounts(a.Command)
	if want == 0 {
		return Action{}, fmt.Errorf("unknown command %q", fields[3])
	}
	if len(fields) != want {
		return Action{}, fmt.Errorf("%s has %d fields instead of %d", a.Command, len(fields), want)
	}
	if err := fillRest(&a, fields[5:]); err != nil {
		return Action{}, err
	}
	return a, nil
}

func parseNumbers(a *Action, fields []string) error {
	for i, number := range []struct {
		name string
		to   *int64
	}{{"id", &a.ID}, {"delay", &a.DelayMillis}, {"epoch-ms", &a.EpochMillis}} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		// "+7" and "007" are refused too: they would not be written the same.
		if err != nil || n < 0 || strconv.FormatInt(n, 10) != fields[i] {
			return fmt.Errorf("%s %q is not a whole number", number.name, fields[i])
		}
		*number.to = n
	}
	return nil
}

// fillRest takes the fields after the user. Names must not be empty: they are
// a part of the request's path.
func fillRest(a *Action, rest []string) error {
	switch a.Command {
	case Register:
		a.Email, a.Password = rest[0], rest[1]
	case Tweet:
		a.Text = rest[0]
	case Follow, Unfollow:
		a.Target = rest[0]
		if a.Target == "" {
			return fmt.Errorf("%s of nobody: the name is empty", a.Command)
		}
	}
	if a.User == "" {
		return errors.New("the user's name is empty")
	}
	return nil
}
