package postgres_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
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
	tls      *tls.Config // nil: in the clear
	cut      atomic.Bool // swallow the next answer and hang up, in order where there is TLS

	mu    sync.Mutex
	conns []net.Conn
}

func relayed(t *testing.T, encryption *tls.Config) (*postgres.Store, *relay) {
	t.Helper()
	target, err := url.Parse(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{target: target.Host, tls: encryption}
	if r.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go r.serve()
	t.Cleanup(func() { _ = r.listener.Close(); r.hangUp() })
	target.Host = r.listener.Addr().String()
	if encryption != nil {
		target.RawQuery = "sslmode=require"
	}
	return dbtest.OpenWith(t, postgres.Options{URL: target.String()}), r
}

func (r *relay) serve() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		go r.connect(client) // one handshake does not wait for another's
	}
}

func (r *relay) connect(client net.Conn) {
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		_ = client.Close()
		return
	}
	if r.tls != nil {
		if client, err = accept(client, r.tls); err != nil {
			_ = server.Close()
			return
		}
	}
	r.mu.Lock()
	r.conns = append(r.conns, client, server)
	r.mu.Unlock()
	go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
	r.answers(client, server)
	_ = client.Close()
}

// accept answers Postgres's request for TLS, which is eight bytes, and begins it.
func accept(conn net.Conn, config *tls.Config) (net.Conn, error) {
	if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte("S")); err != nil {
		return nil, err
	}
	secured := tls.Server(conn, config)
	return secured, secured.Handshake()
}

// selfSigned gives a TLS configuration with a certificate made up for the test.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	return &tls.Config{Certificates: server.TLS.Certificates, MinVersion: tls.VersionTLS12}
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
