package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"syscall"
)

// Kind is how a request ended.
type Kind int

// The kinds. Consequence is a 404 because an earlier registration was not
// acknowledged: the server cannot help it, but a user is told so all the same.
const (
	OK Kind = iota
	Consequence
	Timeout
	Refused // no connection was made
	Reset   // the connection broke before the answer was complete
	WrongStatus
	WrongBody
	kinds // how many there are
)

func (k Kind) String() string {
	return [...]string{"ok", "consequence", "timeout", "refused", "reset", "status", "body"}[k]
}

// fate is what became of a write's effect, as far as a client can know.
type fate int

const (
	notDone fate = iota // it never arrived, or was refused
	maybeDone
	surelyDone // acknowledged
)

// verdict is what one attempt amounts to.
type verdict struct {
	kind  Kind
	fate  fate
	again bool // a client that retries should
	heard bool // the server took the request and answered: "latest" is set
}

// judge holds an answer against the expected statuses.
func judge(want expectation, o op, got answer) verdict {
	if got.err != nil {
		return judgeError(got.err)
	}
	// Whatever is not understood may have been stored nevertheless.
	v := verdict{kind: WrongStatus, fate: maybeDone, again: got.status == http.StatusServiceUnavailable}
	switch got.status {
	case http.StatusOK, http.StatusNoContent:
		if want.success(o, got.status) {
			v.kind, v.fate = OK, surelyDone
		}
	case http.StatusBadRequest:
		if want.taken {
			v.kind, v.fate = OK, notDone
		}
	case http.StatusNotFound:
		if want.missing {
			v.kind, v.fate = OK, notDone
		}
		if want.missing && want.consequence {
			v.kind = Consequence
		}
	}
	// Answers that have recorded "latest", by the contract, whatever came of the action.
	switch got.status {
	case http.StatusNoContent, http.StatusBadRequest, http.StatusNotFound:
		v.heard = true
	}
	if v.kind == OK && !bodyFits(o, got) {
		v.kind = WrongBody
	}
	return v
}

// judgeError tells apart what people count apart, and whether the request can
// have reached the server. A timeout may end the dialling as well, but that is
// not always told; so it counts as having arrived.
func judgeError(err error) verdict {
	var netErr net.Error
	var opErr *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return verdict{kind: Timeout, fate: maybeDone, again: true}
	case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &opErr) && opErr.Op == "dial":
		return verdict{kind: Refused, fate: notDone, again: true}
	default:
		return verdict{kind: Reset, fate: maybeDone, again: true}
	}
}

// bodyFits checks what the contract says of the body for this status.
func bodyFits(o op, got answer) bool {
	switch {
	case got.status == http.StatusNoContent:
		return !got.extra
	case got.status != http.StatusOK:
		var e struct {
			Status  *int    `json:"status"`
			Message *string `json:"error_msg"`
		}
		return json.Unmarshal(got.body, &e) == nil && e.Status != nil && *e.Status == got.status && e.Message != nil
	case o == opLatest:
		_, err := decodeLatest(got.body)
		return err == nil
	case o == opFollows:
		_, err := decodeFollows(got.body)
		return err == nil
	default:
		_, err := decodeMessages(got.body)
		return err == nil
	}
}

// message is one entry of a list of messages. A key that is missing is nil, not empty.
type message struct {
	Content *string `json:"content"`
	PubDate *int64  `json:"pub_date"`
	User    *string `json:"user"`
}

var errShape = errors.New("the JSON does not have the shape of the contract")

// decodeMessages checks that every entry is complete and the newest is first.
func decodeMessages(body []byte) ([]message, error) {
	var list []message
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	if list == nil { // null is not a list
		return nil, errShape
	}
	for i, m := range list {
		if m.Content == nil || m.PubDate == nil || m.User == nil || i > 0 && *m.PubDate > *list[i-1].PubDate {
			return nil, errShape
		}
	}
	return list, nil
}

func decodeFollows(body []byte) ([]string, error) {
	var list struct{ Follows []string }
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	// encoding/json takes a key in any case, the contract does not.
	if list.Follows == nil || !bytes.Contains(body, []byte(`"follows"`)) {
		return nil, errShape
	}
	return list.Follows, nil
}

func decodeLatest(body []byte) (int64, error) {
	var latest struct{ Latest *int64 }
	if err := json.Unmarshal(body, &latest); err != nil {
		return 0, err
	}
	if latest.Latest == nil {
		return 0, errShape
	}
	return *latest.Latest, nil
}
