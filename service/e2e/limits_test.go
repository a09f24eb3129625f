package e2e

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"minitwit/service/dbtest"
	"minitwit/service/wait"
)

// hold has a request in work on the API until finish is called, which gives how it was
// answered. The server lets it have its place for 3 s, so who needs that does not dawdle.
func hold(t *testing.T, a *app) (finish func() (answer, error)) {
	t.Helper()
	body, rest := io.Pipe()
	inWork, ended := make(chan struct{}), make(chan struct{})
	// The server asks for the body only when a handler reads it: then the request has its place.
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(inWork) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.api+"/register", body)
	must(t, err)
	req.Header.Set("Expect", "100-continue")
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: deadline}}
	var got answer
	go func() {
		defer close(ended)
		got, err = fetch(client, req)
	}()
	select {
	case <-inWork:
	case <-ended:
		t.Fatalf("the request to hold = %d %s, %v", got.status, got.body, err)
	}
	return func() (answer, error) {
		_, _ = io.WriteString(rest, `{"username":"ada","email":"a@b","pwd":"x"}`)
		_ = rest.Close()
		<-ended
		return got, err
	}
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	for what, sent := range map[string]string{
		"no request":             "",
		"a header without end":   "GET /latest HTTP/1.1\r\nHost: x\r\n",
		"a body that never ends": "POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", strings.TrimPrefix(a.api, "http://"))
			must(t, err)
			defer func() { _ = conn.Close() }()
			must(t, conn.SetDeadline(time.Now().Add(deadline)))
			_, err = io.WriteString(conn, sent)
			must(t, err)
			start := time.Now()
			if _, err := io.Copy(io.Discard, conn); err != nil { // until the server hangs up
				t.Errorf("the connection is not cut off: %v", err)
			}
			if took := time.Since(start); took > 12*time.Second {
				t.Errorf("the connection was cut off after %v, want 10 s at most", took)
			}
		})
	}
}

// Also who is refused gets the headers that protect a browser.
func TestErrorsCarryTheSecurityHeaders(t *testing.T) {
	t.Parallel()
	a := start(t, options{env: []string{"MAX_IN_FLIGHT=1"}})
	crossSite, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.web+"/login", nil)
	must(t, err)
	crossSite.Header.Set("Sec-Fetch-Site", "cross-site")
	refused, err := fetch(newConnections(), crossSite)
	must(t, err)
	finish := hold(t, a)
	busy := newSimulator().must(t, "GET", a.api+"/latest", "")
	_, err = finish()
	must(t, err)
	for what, got := range map[string]answer{"403 of the UI": refused, "503 of the API": busy} {
		if got.status < 400 || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v, want an error with nosniff", what, got.status, got.header)
		}
	}
	if refused.header.Get("Content-Security-Policy") == "" {
		t.Errorf("the 403 page has no content security policy: %v", refused.header)
	}
}

// A client that does not read its answer must not turn a stop into a failure, nor keep the
// other surface waiting for its own end.
func TestASlowReaderDoesNotSpoilTheStop(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	a := start(t, options{db: db})
	newAPI(t, a).register("ada")
	// An answer larger than the buffers of a connection; the API takes no such messages.
	execute(t, db, `INSERT INTO messages (author_id, text) SELECT id, repeat('x', 20000000) FROM users WHERE username = 'ada'`)
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.api, "http://"))
	must(t, err)
	defer func() { _ = conn.Close() }()
	must(t, conn.SetDeadline(time.Now().Add(2*deadline))) // or a short error would be waited on for ever
	const credentials = "c2ltdWxhdG9yOnN1cGVyX3NhZmUh"
	_, err = io.WriteString(conn, "GET /msgs?no=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic "+credentials+"\r\n\r\n")
	must(t, err)
	_, err = io.ReadFull(conn, make([]byte, 1000)) // the answer has begun; now we stop reading
	must(t, err)
	a.terminateWhile(func() {
		// Less than the 10 s after which the API cuts its reader off.
		wait.For(t, 8*time.Second, "the UI to be closed meanwhile", func() bool {
			conn, err := net.Dial("tcp", strings.TrimPrefix(a.web, "http://"))
			if err == nil {
				_ = conn.Close()
			}
			return err != nil
		})
		if len(a.logged("stopped")) > 0 {
			t.Error("the API did not wait for the slow reader")
		}
	})
}

// A full process says so at once instead of letting requests pile up.
func TestOverloadIsAnswered503AtOnce(t *testing.T) {
	t.Parallel()
	a := start(t, options{env: []string{"MAX_IN_FLIGHT=1"}})
	api := newAPI(t, a)
	// A place is given back just after its answer was sent, so the next request
	// may come too early: asked until it holds.
	answers := func(url string) func() bool {
		return func() bool { return newSimulator().must(t, "GET", url, "").status == 200 }
	}
	wait.For(t, deadline, "the place to be free", answers(a.api+"/latest"))
	finish := hold(t, a)
	refused, err := api.try(request{method: "GET", path: "/latest"})
	must(t, err)
	if refused.status != 503 || refused.header.Get("Retry-After") == "" || !strings.Contains(refused.body, `"status":503`) || refused.took > 2*time.Second {
		t.Errorf("overload is answered %d %v %q after %v, want 503, Retry-After and JSON at once", refused.status, refused.header, refused.body, refused.took)
	}
	if live := newSimulator().must(t, "GET", a.ops+"/livez", ""); live.status != 200 {
		t.Errorf("/livez under overload = %d, want 200: a kill would make it worse", live.status)
	}
	wait.For(t, deadline, "the other surface to answer meanwhile", answers(a.web+"/public"))
	_, err = finish()
	must(t, err)
	wait.For(t, deadline, "the API to answer again", answers(a.api+"/latest"))
}
