package simulate

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// maxBodyBytes bounds an answer: the longest list fits, also where each byte of its texts
// is written as \u003c, and so does the list of another implementation that has no bound.
const maxBodyBytes = 128 << 20

// request is what is asked, apart from which server.
type request struct {
	method string
	path   string // of which the last part is a user's name, if user is set
	user   string
	query  string
	body   []byte
}

// answer is what came back: err, or a status and a body.
type answer struct {
	status     int
	body       []byte
	extra      bool // there were bytes where the status allows no body
	retryAfter time.Duration
	err        error
}

// client sends the requests of one worker, one after another. It speaks to
// the transport directly: http.Client would follow redirects, which the
// course's simulator counts as wrong, and costs more.
type client struct {
	transport *http.Transport
	header    http.Header
	bases     []*url.URL
	turn      int       // whose turn it is among bases: the next one's at each request, or if connections are kept, when one fails
	conn      *tailConn // that the present request got; nil under TLS
	trace     *httptrace.ClientTrace
}

// keptIdle is how long a connection may lie idle. Whoever keeps one longer than a
// server drains (8 s in stack.yml) may send a request just when it is closed.
const keptIdle = 6 * time.Second

func newClient(bases []*url.URL, credentials string, closing bool, turn int) *client {
	c := &client{bases: bases, turn: turn}
	dialer := &net.Dialer{}
	c.transport = &http.Transport{
		DisableKeepAlives:   closing, // and say "Connection: close"
		DisableCompression:  true,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     keptIdle,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &tailConn{Conn: conn}, nil
		},
	}
	// Of all connections, some perhaps still being given up, this is the one
	// whose answer is read next.
	c.trace = &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		c.conn, _ = got.Conn.(*tailConn)
	}}
	c.header = http.Header{
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))},
		"Content-Type":  {"application/json"},
		"User-Agent":    {"minitwit-simulate"},
	}
	return c
}

// do sends the request to the next server and reads the answer to its end,
// all within the timeout.
func (c *client) do(ctx context.Context, timeout time.Duration, r request) answer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req := c.build(httptrace.WithClientTrace(ctx, c.trace), r)
	res, err := c.transport.RoundTrip(req)
	if c.transport.DisableKeepAlives || err != nil {
		c.turn++
	}
	if err != nil {
		return answer{err: fmt.Errorf("%s %s%s: %w", r.method, req.Host, r.path+r.user, err)}
	}
	defer res.Body.Close() //nolint:errcheck // it was read to its end, or has failed already
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBodyBytes))
	if err != nil {
		return answer{err: fmt.Errorf("%s %s%s: read body: %w", r.method, req.Host, r.path+r.user, err)}
	}
	seconds, _ := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 16)
	return answer{
		status: res.StatusCode, body: body, extra: c.hasExtra(res),
		retryAfter: time.Duration(seconds) * time.Second,
	}
}

// build makes the request without http.NewRequest, which would parse the URL
// again each time.
func (c *client) build(ctx context.Context, r request) *http.Request {
	base := c.bases[c.turn%len(c.bases)]
	target := *base
	target.Path, target.RawPath = base.Path+r.path+r.user, base.EscapedPath()+r.path+url.PathEscape(r.user)
	target.RawQuery = r.query
	req := &http.Request{
		Method: r.method, URL: &target, Host: base.Host, Header: c.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if r.body != nil {
		req.Body = io.NopCloser(bytes.NewReader(r.body))
		req.ContentLength = int64(len(r.body))
	}
	return req.WithContext(ctx)
}

// headEnd is the empty line that ends a response's head.
const headEnd = uint32('\r')<<24 | uint32('\n')<<16 | uint32('\r')<<8 | uint32('\n')

// hasExtra finds a body after a status that has none. net/http hides such
// bytes, and may log them, but other clients take them for the next answer.
func (c *client) hasExtra(res *http.Response) bool {
	if res.StatusCode != http.StatusNoContent {
		return false
	}
	length := res.Header.Get("Content-Length")
	// Under TLS the last bytes of the connection are not those of the answer.
	hidden := c.conn != nil && c.conn.tail.Load() != headEnd
	return length != "" && length != "0" || len(res.TransferEncoding) > 0 || hidden
}

// tailConn notes, for hasExtra, the last bytes that were read.
type tailConn struct {
	net.Conn
	tail atomic.Uint32 // net/http reads ahead in a goroutine of its own
}

func (t *tailConn) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	tail := t.tail.Load()
	for _, b := range p[max(0, n-4):n] {
		tail = tail<<8 | uint32(b)
	}
	t.tail.Store(tail)
	return n, err
}
