package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// pageMax is the most messages or follows that the API gives at once.
const pageMax = 1000

// fullList is how long a list may be, in bytes, to which another message would still have been
// added: the API ends one before 1 MiB, and a message takes up to six times 16 KiB.
const fullList = 900 << 10

// requestFor makes the request that a step sends, just as the course's client
// does. Reads do not carry "latest": they are ours, not the scenario's.
func requestFor(s step) (request, error) {
	a := s.action
	query := "latest=" + strconv.FormatInt(a.ID, 10)
	switch s.op {
	case opRegister:
		return post("/register", "", query, map[string]string{"username": a.User, "email": a.Email, "pwd": a.Password})
	case opTweet:
		return post("/msgs/", a.User, query, map[string]string{"content": a.Text})
	case opFollow:
		return post("/fllws/", a.User, query, map[string]string{"follow": a.Target})
	case opUnfollow:
		return post("/fllws/", a.User, query, map[string]string{"unfollow": a.Target})
	case opLatest:
		return request{method: http.MethodGet, path: "/latest"}, nil
	case opTimeline:
		return request{method: http.MethodGet, path: "/msgs", query: "no=100"}, nil
	case opUserTimeline:
		return userList("/msgs/", a.User, 100), nil
	default:
		return userList("/fllws/", a.User, 100), nil
	}
}

// post makes a request with a JSON body. User, if it is not "", is the unescaped end of the
// path; client.build escapes it.
func post(path, user, query string, fields map[string]string) (request, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // texts go out as other clients send them
	if err := encoder.Encode(fields); err != nil {
		return request{}, fmt.Errorf("encode body: %w", err)
	}
	return request{
		method: http.MethodPost, path: path, user: user, query: query,
		body: bytes.TrimSuffix(body.Bytes(), []byte("\n")),
	}, nil
}

func userList(path, user string, no int) request {
	return request{method: http.MethodGet, path: path, user: user, query: "no=" + strconv.Itoa(no)}
}
