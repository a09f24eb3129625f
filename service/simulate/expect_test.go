package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExpectationFollowsTheRegistrations: which answers are right depends on
// what became of the registrations before.
func TestExpectationFollowsTheRegistrations(t *testing.T) {
	t.Parallel()
	acked := verdict{fate: surelyDone, heard: true}
	silent := verdict{kind: Timeout, fate: maybeDone}
	refused := verdict{kind: Refused}
	register := step{op: opRegister, action: Action{Command: Register, User: "Ada"}}
	tweet := step{op: opTweet, action: Action{Command: Tweet, User: "Ada"}}
	of := step{op: opFollow, action: Action{Command: Follow, User: "Cy", Target: "Ada"}}
	for _, tc := range []struct {
		what   string
		before []verdict
		ask    step
		want   expectation
	}{
		{"never registered", nil, tweet, expectation{missing: true}},
		{"never registered", nil, register, expectation{done: true}},
		{"registered", []verdict{acked}, tweet, expectation{done: true}},
		{"registered", []verdict{acked}, register, expectation{taken: true}},
		{"no answer", []verdict{silent}, tweet, expectation{done: true, missing: true, consequence: true}},
		{"no answer", []verdict{silent}, register, expectation{done: true, taken: true}},
		{"no answer, then registered", []verdict{silent, acked}, tweet, expectation{done: true}},
		{"refused", []verdict{refused}, tweet, expectation{missing: true, consequence: true}},
		{"refused", []verdict{refused}, register, expectation{done: true}},
		{"follow by a stranger", []verdict{acked}, of, expectation{missing: true}},
		{"anything", []verdict{silent}, step{op: opTimeline}, expectation{done: true}},
	} {
		m := newModel()
		for i, v := range tc.before {
			m.note(register, i == 0, v, 204)
		}
		if diff := cmp.Diff(tc.want, m.expect(tc.ask), cmp.AllowUnexported(expectation{})); diff != "" {
			t.Errorf("%s, then %s (-want +got):\n%s", tc.what, tc.ask.op, diff)
		}
	}
}

// TestAnswersProveThatUsersExist: after them a 404 is no consequence of a
// registration without an answer.
func TestAnswersProveThatUsersExist(t *testing.T) {
	t.Parallel()
	register := step{op: opRegister, action: Action{User: "Ada"}}
	tweet := step{op: opTweet, action: Action{User: "Ada"}}
	of := step{op: opFollow, action: Action{User: "Cy", Target: "Ada"}}
	stored := verdict{fate: surelyDone, heard: true}
	for _, tc := range []struct {
		proof  step
		v      verdict
		status int
	}{
		{register, verdict{heard: true}, 400}, // taken: by ourselves
		{tweet, stored, 204},
		{of, stored, 204},
	} {
		m := newModel()
		m.note(register, true, verdict{kind: Timeout, fate: maybeDone}, 0)
		m.note(tc.proof, true, tc.v, tc.status)
		if got, want := m.expect(tweet), (expectation{done: true}); got != want {
			t.Errorf("after %v was answered %d: expect(tweet) = %+v, want %+v", tc.proof.action, tc.status, got, want)
		}
	}
}

func TestErrorsAreToldApart(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, tc := range []struct {
		err  error
		want Kind
		fate fate
	}{
		{context.DeadlineExceeded, Timeout, maybeDone},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, Timeout, maybeDone},
		{dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), Refused, notDone},
		{dial(&net.DNSError{Err: "no such host", IsNotFound: true}), Refused, notDone},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, Reset, maybeDone},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, Reset, maybeDone},
		{errors.New("EOF"), Reset, maybeDone},
	} {
		got := judge(expectation{done: true}, opTweet, answer{err: fmt.Errorf("POST /msgs: %w", tc.err)})
		if got.kind != tc.want || got.fate != tc.fate || got.heard {
			t.Errorf("judge(%v) = %+v, want %v", tc.err, got, tc.want)
		}
	}
}
