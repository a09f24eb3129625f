package simulate

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// attempts of a follow test: what was asked, and what became of it.
type change struct {
	on   bool
	fate fate
}

// TestFollowStateAfterUncertainty: what may be stored after some changes. An
// unacknowledged one may take effect at any time, even after later ones.
func TestFollowStateAfterUncertainty(t *testing.T) {
	t.Parallel()
	follow, unfollow := true, false
	for _, tc := range []struct {
		changes       []change
		mayOn, mayOff bool
	}{
		{nil, false, true},
		{[]change{{follow, surelyDone}}, true, false},
		{[]change{{follow, surelyDone}, {unfollow, surelyDone}}, false, true},
		{[]change{{follow, notDone}}, false, true},
		{[]change{{follow, maybeDone}}, true, true},
		{[]change{{follow, surelyDone}, {unfollow, maybeDone}}, true, true},
		{[]change{{follow, maybeDone}, {unfollow, surelyDone}}, true, true}, // the follow came late
		{[]change{{unfollow, maybeDone}, {follow, surelyDone}}, true, true}, // the unfollow came late
		{[]change{{follow, maybeDone}, {follow, surelyDone}}, true, false},  // a retry
		{[]change{{follow, surelyDone}, {follow, maybeDone}}, true, false},
		{[]change{{unfollow, maybeDone}, {unfollow, surelyDone}}, false, true},
		{[]change{{follow, surelyDone}, {unfollow, notDone}}, true, false},
	} {
		n := &name{follows: map[string]*relation{}}
		for _, c := range tc.changes {
			n.related("Cy", c.on, c.fate)
		}
		for _, state := range []struct {
			found []string
			may   bool
		}{{[]string{"Cy"}, tc.mayOn}, {nil, tc.mayOff}} {
			var v Verification
			v.follows(n, state.found)
			if blamed := v.Lost.Total()+v.NeverSent > 0; blamed == state.may {
				t.Errorf("after %+v, found %v: %+v, want blame %v", tc.changes, state.found, v, !state.may)
			}
		}
	}
}

// TestFollowBlame says as what a wrong state counts.
func TestFollowBlame(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		changes []change
		found   []string
		want    Verification
	}{
		{[]change{{true, surelyDone}}, nil, Verification{Lost: Lost{Follows: 1}}},
		{[]change{{true, surelyDone}, {false, surelyDone}}, []string{"Cy"}, Verification{Lost: Lost{Unfollows: 1}, Follows: 1}},
		{[]change{{false, surelyDone}}, []string{"Cy"}, Verification{NeverSent: 1, Follows: 1}},
		{[]change{{true, notDone}}, []string{"Cy"}, Verification{NeverSent: 1, Follows: 1}},
		{nil, []string{"Cy"}, Verification{NeverSent: 1, Follows: 1}},
		{[]change{{true, surelyDone}}, []string{"Cy", "Cy", "Cy"}, Verification{Twice: 2, Follows: 3}},
	} {
		n := &name{follows: map[string]*relation{}}
		for _, c := range tc.changes {
			n.related("Cy", c.on, c.fate)
		}
		var got Verification
		got.follows(n, tc.found)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("after %+v, found %v (-want +got):\n%s", tc.changes, tc.found, diff)
		}
	}
}

// TestMessagesAreComparedAsMultisets gives each tweet of one user as its text
// and the fates of its attempts, and what was found.
func TestMessagesAreComparedAsMultisets(t *testing.T) {
	t.Parallel()
	ok, maybe, not := []fate{surelyDone}, []fate{maybeDone}, []fate{notDone}
	retried := []fate{maybeDone, surelyDone}
	type tweet struct {
		text  string
		fates []fate
	}
	for _, tc := range []struct {
		sent  []tweet
		found []string
		want  Verification
	}{
		{[]tweet{{"a", ok}, {"a", ok}, {"b", ok}}, []string{"b", "a", "a"}, Verification{}},
		{[]tweet{{"a", ok}, {"a", ok}}, []string{"a"}, Verification{Lost: Lost{Messages: 1}}},
		{[]tweet{{"a", ok}}, []string{"a", "a", "a"}, Verification{Twice: 2}},
		{[]tweet{{"a", maybe}}, nil, Verification{}},
		{[]tweet{{"a", maybe}}, []string{"a"}, Verification{}},
		{[]tweet{{"a", maybe}}, []string{"a", "a"}, Verification{Twice: 1}},
		{[]tweet{{"a", not}}, []string{"a"}, Verification{NeverSent: 1}},
		{[]tweet{{"a", ok}, {"a", maybe}}, []string{"a", "a"}, Verification{}},
		{[]tweet{{"a", ok}, {"a", maybe}}, nil, Verification{Lost: Lost{Messages: 1}}},
		{[]tweet{{"a", retried}}, []string{"a"}, Verification{}},
		{[]tweet{{"a", retried}}, []string{"a", "a"}, Verification{TwiceByRetry: 1}},
		{[]tweet{{"a", retried}}, []string{"a", "a", "a"}, Verification{Twice: 1, TwiceByRetry: 1}},
		{[]tweet{{"a", retried}}, nil, Verification{Lost: Lost{Messages: 1}}},
		{nil, []string{"x", "x"}, Verification{NeverSent: 2}},
	} {
		n := &name{}
		for _, tw := range tc.sent {
			for i, f := range tw.fates {
				n.tweeted(tw.text, i == 0, f)
			}
		}
		var got Verification
		got.messages("Ada", n, messagesBy("Ada", tc.found...), false)
		tc.want.Messages = len(tc.found)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("sent %+v, found %q (-want +got):\n%s", tc.sent, tc.found, diff)
		}
	}
}

// TestOthersMessagesAreNotTheUsers: a list must hold only what it says.
func TestOthersMessagesAreNotTheUsers(t *testing.T) {
	t.Parallel()
	n := &name{}
	n.tweeted("a", true, surelyDone)
	var got Verification
	got.messages("Ada", n, append(messagesBy("Ada", "a"), messagesBy("Cy", "a")...), false)
	if diff := cmp.Diff(Verification{NeverSent: 1, Messages: 2}, got); diff != "" {
		t.Errorf("a list with another's message (-want +got):\n%s", diff)
	}
}

func messagesBy(user string, texts ...string) []message {
	list := make([]message, len(texts))
	for i, text := range texts {
		list[i] = message{Content: &text, User: &user, PubDate: new(int64)}
	}
	return list
}

// TestOnlyTheNewestThousandCanBeVerified: what a cut list hides is not lost.
func TestOnlyTheNewestThousandCanBeVerified(t *testing.T) {
	t.Parallel()
	n, texts := &name{}, []string{}
	for i := range 1200 {
		n.tweeted(fmt.Sprint("tweet ", i), true, surelyDone)
		texts = append([]string{fmt.Sprint("tweet ", i)}, texts...)
	}
	for _, tc := range []struct {
		what  string
		found []string
		full  bool
		want  Verification
	}{
		{"the newest 1000", texts[:1000], false, Verification{NotReadable: 200}},
		{"one of them missing", slices.Concat(texts[:10], texts[11:1001]), false, Verification{NotReadable: 200, Lost: Lost{Messages: 1}}},
		{"only 100 of 1200", texts[:100], false, Verification{Lost: Lost{Messages: 1100}}},
		{"100 long ones of 1200", texts[:100], true, Verification{NotReadable: 1100}},
	} {
		var got Verification
		got.messages("Ada", n, messagesBy("Ada", tc.found...), tc.full)
		tc.want.Messages = len(tc.found)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.what, diff)
		}
	}
	n.tweeted("late", true, maybeDone) // may take a place, or not
	var got Verification
	got.messages("Ada", n, messagesBy("Ada", texts[:1000]...), false)
	if diff := cmp.Diff(Verification{NotReadable: 201, Messages: 1000}, got); diff != "" {
		t.Errorf("with an unacknowledged one (-want +got):\n%s", diff)
	}
}

// TestLatestIsARequestThatNoneFollowed gives requests as (id, start, end) in
// the order of their events.
func TestLatestIsARequestThatNoneFollowed(t *testing.T) {
	t.Parallel()
	answered, lost, refused := verdict{heard: true}, verdict{kind: Timeout}, verdict{kind: Refused}
	type event struct {
		id  int64
		end *verdict // nil is a start
	}
	for _, tc := range []struct {
		what    string
		events  []event
		allowed []int64
	}{
		{"nothing was answered", []event{{1, nil}, {1, &lost}}, []int64{-1, 1, 2, 3}},
		{"one after another", []event{{1, nil}, {1, &answered}, {2, nil}, {2, &answered}}, []int64{2}},
		{"ids need not rise", []event{{3, nil}, {3, &answered}, {1, nil}, {1, &answered}}, []int64{1}},
		{"the last got no answer", []event{{1, nil}, {1, &answered}, {2, nil}, {2, &lost}}, []int64{1, 2}},
		{"one before the last got none", []event{{1, nil}, {1, &lost}, {2, nil}, {2, &answered}}, []int64{2}},
		{"the last was not even sent", []event{{1, nil}, {1, &answered}, {2, nil}, {2, &refused}}, []int64{1}},
		{"two at once", []event{{1, nil}, {2, nil}, {2, &answered}, {1, &answered}}, []int64{1, 2}},
		{"two at once, then one of them again", []event{{1, nil}, {2, nil}, {2, &answered}, {3, nil}, {1, &answered}, {3, &answered}}, []int64{1, 3}},
	} {
		l, starts := newLatest(), map[int64]int64{}
		for _, e := range tc.events {
			if e.end == nil {
				starts[e.id] = l.begin()
			} else {
				l.end(e.id, starts[e.id], *e.end)
			}
		}
		var got []int64
		for _, id := range []int64{-1, 1, 2, 3} {
			if l.allows(id) {
				got = append(got, id)
			}
		}
		if diff := cmp.Diff(tc.allowed, got); diff != "" {
			t.Errorf("%s: allowed (-want +got):\n%s", tc.what, diff)
		}
	}
}
