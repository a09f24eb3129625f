package simulate

import (
	"context"
	"fmt"
	"net/http"
	"slices"
)

// Verification is what reading back found.
type Verification struct {
	Done         bool   // all could be read
	Problem      string // why not
	Users        int    // read back
	Messages     int    // found
	Follows      int    // found
	Lost         Lost
	Twice        int // found more often than there were attempts to store them
	TwiceByRetry int // more often than wanted, but not than attempted: this client's doing
	NeverSent    int
	NotReadable  int // acknowledged messages beyond those that a user's list gives
	Latest       int64
	LatestWrong  bool
}

// Lost counts what was acknowledged and is not there.
type Lost struct{ Registrations, Messages, Follows, Unfollows int }

// Total is all that was lost.
func (l Lost) Total() int { return l.Registrations + l.Messages + l.Follows + l.Unfollows }

// verify reads everything back and holds it against the model. Nobody writes
// any more, except requests that were given up and are still under way; these
// may have taken effect or not.
func verify(ctx context.Context, r *reader, m *model, l *latest) Verification {
	v := Verification{}
	got, err := r.read(ctx, r.patience.verifyFor, request{method: http.MethodGet, path: "/latest"})
	if err == nil {
		v.Latest, err = decodeLatest(got.body)
	}
	v.LatestWrong = err == nil && !l.allows(v.Latest)
	for _, user := range m.users() {
		if err != nil {
			break
		}
		err = v.user(ctx, r, user, m.names[user])
	}
	v.Done = err == nil
	if err != nil {
		v.Problem = err.Error()
	}
	return v
}

// users gives all names that were mentioned, in a fixed order; strangers too,
// who must not have come into being.
func (m *model) users() []string {
	users := make([]string, 0, len(m.names))
	for n := range m.names {
		users = append(users, n)
	}
	slices.Sort(users)
	return users
}

// user verifies all that one user did.
func (v *Verification) user(ctx context.Context, r *reader, user string, n *name) error {
	v.Users++
	var messages []message
	got, err := r.read(ctx, r.patience.verifyFor, userList("/msgs/", user, pageMax))
	if err == nil && got.status == http.StatusOK {
		messages, err = decodeMessages(got.body)
	}
	if err != nil {
		return fmt.Errorf("read messages of %q: %w", user, err)
	}
	switch {
	case got.status == http.StatusNotFound && n.exists:
		v.Lost.Registrations++
	case got.status == http.StatusOK && !n.exists && !n.maybe:
		v.NeverSent++
	}
	v.messages(user, n, messages, len(got.body) > fullList)
	follows, err := readFollows(ctx, r, user, got.status)
	if err != nil {
		return fmt.Errorf("read follows of %q: %w", user, err)
	}
	v.follows(n, follows)
	return nil
}

// readFollows asks only for a user that exists; the messages told so.
func readFollows(ctx context.Context, r *reader, user string, status int) ([]string, error) {
	if status == http.StatusNotFound {
		return nil, nil
	}
	got, err := r.read(ctx, r.patience.verifyFor, userList("/fllws/", user, pageMax))
	if err != nil {
		return nil, err
	}
	if got.status != http.StatusOK {
		return nil, fmt.Errorf("status %d, though the user exists", got.status)
	}
	return decodeFollows(got.body)
}

// messages compares as multisets: the same text may well be sent twice. There
// are three bounds for each text: how many must be there (required), how many
// actions wanted it (wanted), and how many attempts may have stored it
// (possible); the last two differ only if this client sent something again.
// Full says that the list may have been ended early.
func (v *Verification) messages(user string, n *name, found []message, full bool) {
	stored := map[string]int{}
	for _, f := range found {
		if *f.User != user {
			v.NeverSent++ // not by this user, whoever wrote it
			continue
		}
		stored[*f.Content]++
	}
	v.Messages += len(found)
	wanted, possible := map[string]int{}, map[string]int{}
	for _, s := range n.messages {
		possible[s.text] += s.acked + s.maybe
		if s.acked+s.maybe > 0 {
			wanted[s.text]++
		}
	}
	required, unreadable := n.required(full || len(found) >= pageMax, len(found))
	v.NotReadable += unreadable
	for text, need := range required {
		v.Lost.Messages += max(0, need-stored[text])
	}
	for text, have := range stored {
		most := possible[text]
		if most == 0 {
			v.NeverSent += have
			continue
		}
		v.Twice += max(0, have-most)
		v.TwiceByRetry += max(0, min(have, most)-wanted[text])
	}
}

// required gives which messages must be found how often. Where the list is cut
// off only the newest must: each message without an acknowledgement may take
// one of the places, whenever it was sent, since it may be stored late.
func (n *name) required(cut bool, shown int) (required map[string]int, unreadable int) {
	places := len(n.messages) + 1 // more than can be needed
	if cut {
		places = shown
		for _, s := range n.messages {
			places -= s.maybe + max(0, s.acked-1)
		}
	}
	required = map[string]int{}
	for _, s := range slices.Backward(n.messages) {
		switch {
		case s.acked == 0:
		case places > 0:
			required[s.text]++
			places--
		default:
			unreadable++
		}
	}
	return required, unreadable
}

// follows holds the list against what each relation may be by now.
func (v *Verification) follows(n *name, found []string) {
	stored := map[string]int{}
	for _, f := range found {
		stored[f]++
	}
	v.Follows += len(found)
	for target, have := range stored {
		v.Twice += have - 1
		if r := n.follows[target]; r == nil || !r.wasSent {
			v.NeverSent++
		} else if !r.may(true) {
			v.Lost.Unfollows++
		}
	}
	if len(found) >= pageMax {
		return // whoever is missing may be beyond the end of the list
	}
	for target, r := range n.follows {
		if stored[target] == 0 && !r.may(false) {
			v.Lost.Follows++
		}
	}
}
