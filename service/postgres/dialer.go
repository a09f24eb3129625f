package postgres

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// dialer opens connections whose every read and write ends by itself. lib/pq
// notices neither a context nor a silent network while it waits for an answer
// (lib/pq#620), so the deadline has to sit on the socket.
type dialer struct {
	net     net.Dialer
	timeout time.Duration // for one read or write; above statement_timeout
}

func newDialer(connect, timeout time.Duration) *dialer {
	// A server that vanished is noticed on an idle connection after 5 + 3 × 2 = 11 s.
	return &dialer{
		net: net.Dialer{
			Timeout: connect,
			KeepAliveConfig: net.KeepAliveConfig{
				Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3,
			},
		},
		timeout: timeout,
	}
}

// Dial is asked for by the pq.Dialer interface; DialContext is what pq calls.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialTimeout is asked for by the pq.Dialer interface.
func (d *dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// DialContext implements pq.DialerContext.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	handshake := time.Now().Add(d.net.Timeout)
	c, err := d.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := &deadlineConn{Conn: c, timeout: d.timeout, handshake: handshake}
	if socket, ok := ctx.Value(socketKey{}).(**deadlineConn); ok {
		*socket = conn
	}
	return conn, nil
}

// socketKey is for the address to which DialContext gives the socket it opens.
type socketKey struct{}

// deadlineConn bounds each read and write. Before a request is written it looks
// whether the server has hung up: nothing has been sent then, so a failing
// Write is safe to repeat, and pq says so to database/sql.
type deadlineConn struct {
	net.Conn
	timeout     time.Duration
	handshake   time.Time    // when it has to be over
	asked       bool         // a request has been written and its answer not yet read
	established bool         // the handshake is over
	written     atomic.Int64 // bytes
}

// deadline is that of a read or write which begins now.
func (c *deadlineConn) deadline() time.Time {
	d := time.Now().Add(c.timeout)
	if !c.established && c.handshake.Before(d) {
		return c.handshake
	}
	return d
}

func (c *deadlineConn) Read(p []byte) (int, error) {
	c.asked = false
	if err := c.SetReadDeadline(c.deadline()); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *deadlineConn) Write(p []byte) (int, error) {
	if c.established && !c.asked && hungUp(c.Conn) {
		return 0, net.ErrClosed
	}
	c.asked = true
	if err := c.SetWriteDeadline(c.deadline()); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// hungUp peeks at the socket without waiting. What a server says before it is asked
// is most often its leave: after an end of file, an error, a farewell of Postgres or
// of TLS this connection is of no more use. It may also tell of a setting that was
// reloaded; then a good connection is given up, which costs a new one.
func hungUp(c net.Conn) (gone bool) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	var buf [1]byte
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	})
	return gone || err != nil
}
