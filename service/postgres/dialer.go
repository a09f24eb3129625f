package postgres

import (
	"context"
	"errors"
	"io"
	"net"
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
	c, err := d.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &deadlineConn{Conn: c, timeout: d.timeout}, nil
}

// deadlineConn bounds each read and write, and keeps database/sql from
// repeating a statement that may have taken effect:
//   - before a request is written it looks whether the server has hung up.
//     Nothing has been sent then, so a failing Write is safe to repeat, and pq
//     says so to database/sql;
//   - an end of file in place of an answer becomes a net.OpError. pq would turn
//     io.EOF into driver.ErrBadConn, whereupon database/sql repeats the
//     statement: a message committed just before would be stored twice.
type deadlineConn struct {
	net.Conn
	timeout time.Duration
	asked   bool // a request has been written and its answer not yet read
}

func (c *deadlineConn) Read(p []byte) (int, error) {
	c.asked = false
	if err := c.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if n == 0 && errors.Is(err, io.EOF) {
		err = &net.OpError{Op: "read", Net: "postgres", Addr: c.RemoteAddr(), Err: io.ErrUnexpectedEOF}
	}
	return n, err
}

func (c *deadlineConn) Write(p []byte) (int, error) {
	if !c.asked && hungUp(c.Conn) {
		return 0, net.ErrClosed
	}
	c.asked = true
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// hungUp peeks at the socket without waiting: an end of file or an error means
// that the other side is gone. Pending bytes do not: notices come unasked.
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
		n, _, err := syscall.Recvfrom(int(fd), buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		again := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
		gone = n <= 0 && !again
	})
	return gone || err != nil
}
