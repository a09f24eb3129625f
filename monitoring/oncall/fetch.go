package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"minitwit/service/minitwit"
)

// maxAnswer is far above what any of them answers, in bytes.
const maxAnswer = 32 << 20

// toUsers stands before what a replica's /readyz has to say to us.
var toUsers = minitwit.Unavailable(nil).Message + ": "

// get asks for a path below a server's address; path may hold a query.
func get(ctx context.Context, server *url.URL, path string) ([]byte, error) {
	return ask(ctx, http.MethodGet, server.String()+path, nil)
}

// getJSON decodes the answer.
func getJSON(ctx context.Context, server *url.URL, path string, into any) error {
	body, err := get(ctx, server, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return errors.New("answers, but not as it should: is the address right?")
	}
	return nil
}

// postJSON sends what is encoded as JSON.
func postJSON(ctx context.Context, server *url.URL, path string, from any) error {
	body, err := json.Marshal(from)
	if err != nil {
		return err
	}
	_, err = ask(ctx, http.MethodPost, server.String()+path, bytes.NewReader(body))
	return err
}

// ask gives the body of an answer 200. Its errors are for a screen: they say why, and
// leave the address to the caller, since it may hold a password. ctx has to have a deadline:
// the client has none.
func ask(ctx context.Context, method, address string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, errors.New("the address is wrong")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, why(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	// The deadline holds for the body, too: it may stop half way.
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, why(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		text := http.StatusText(resp.StatusCode)
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") { // a page of HTML says less
			text = strings.Replace(string(answer), toUsers, "", 1)
		}
		return nil, fmt.Errorf("answers %d: %s", resp.StatusCode, line(text))
	}
	return answer, nil
}

// why says in few words why there was no answer. Go's own errors begin with the address.
func why(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// line gives the first line of a text, cut to what a screen has room for.
func line(text string) string {
	const most = 120
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if runes := []rune(first); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return first
}
