package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestHugeHeadersAreCutOffAndHarmNobody(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	for _, base := range []string{a.api, a.web} {
		for _, head := range []string{
			"GET /latest HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n",
			"GET /latest HTTP/1.1\r\nHost: x\r\n%[1]s: x\r\n\r\n",
			"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n",
			"%s",
		} {
			status, err := sendRaw(base, fmt.Sprintf(head, strings.Repeat("x", 10<<20)))
			if err != nil || status != 0 && status != http.StatusRequestHeaderFieldsTooLarge && status != http.StatusBadRequest {
				t.Errorf("%.20q… with 10 MB = %d (%v), want 431 or the connection cut", head, status, err)
			}
		}
	}
	if c := newAPI(t, a); c.latest() != -1 {
		t.Errorf("latest is %d, want -1", c.latest())
	}
	if p := newVisitor(t, a).get("/public"); p.status != http.StatusOK {
		t.Errorf("GET /public = %d after huge headers", p.status)
	}
}

func TestWhatIsNotHTTPIsAnsweredByNoneOfOurErrors(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	for _, base := range []string{a.api, a.web} {
		for _, text := range []string{
			"\r\n\r\n", "\x16\x03\x01\x02\x00\x01", "GET\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
			"GET / HTTP/1.1\r\n\r\n", "POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
			"POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
			"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
		} {
			status, err := sendRaw(base, text)
			if err != nil || status >= http.StatusInternalServerError && status != http.StatusHTTPVersionNotSupported {
				t.Errorf("%q is answered %d (%v)", text, status, err)
			}
		}
	}
	newAPI(t, a).register("still here")
}

// sendRaw sends bytes as they are and gives the status of the answer, 0 if the
// connection was cut without one.
func sendRaw(base, text string) (int, error) {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(base, "http://"), deadline)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		return 0, err
	}
	// The server may hang up before it has read everything.
	_, writeErr := io.WriteString(conn, text)
	_ = conn.(*net.TCPConn).CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		cut := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || writeErr != nil
		if cut {
			return 0, nil
		}
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
