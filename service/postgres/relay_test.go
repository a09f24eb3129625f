package postgres_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"minitwit/service/dbtest"
	"minitwit/service/postgres"
)

// relay stands between a Store and its server and hangs up when it is told to.
type relay struct {
	listener net.Listener
	target   string
	cut      atomic.Bool // swallow the next answer and hang up

	mu    sync.Mutex
	conns []net.Conn
}

func relayed(t *testing.T) (*postgres.Store, *relay) {
	t.Helper()
	target, err := url.Parse(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{target: target.Host}
	if r.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go r.serve()
	t.Cleanup(func() { _ = r.listener.Close(); r.hangUp() })
	target.Host = r.listener.Addr().String()
	return dbtest.OpenWith(t, postgres.Options{URL: target.String()}), r
}

func (r *relay) serve() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		r.mu.Lock()
		r.conns = append(r.conns, client, server)
		r.mu.Unlock()
		go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
		go func() { r.answers(client, server); _ = client.Close() }()
	}
}

func (r *relay) answers(client, server net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := server.Read(buf)
		if err != nil || r.cut.CompareAndSwap(true, false) {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// hangUp closes all connections without a word, as a crash does.
func (r *relay) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}
