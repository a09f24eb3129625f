package main

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// mesh stands for Swarm's routing mesh: a port on each node, which leads to the healthy
// replicas of a service in turn, wherever they run. It never tries again. Like IPVS it
// chooses for each connection, not for each request.
type mesh struct {
	targets func() []string // addresses of the healthy replicas
	turn    atomic.Uint64

	mu    sync.Mutex
	ports map[string]net.Listener // by node
	addrs map[string]string
}

func newMesh(targets func() []string) *mesh {
	return &mesh{targets: targets, ports: map[string]net.Listener{}, addrs: map[string]string{}}
}

// open publishes the port of a node, always at the same address.
func (m *mesh) open(node string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ports[node] != nil {
		return nil
	}
	if m.addrs[node] == "" {
		m.addrs[node] = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", m.addrs[node])
	if err != nil {
		return err
	}
	m.ports[node], m.addrs[node] = l, l.Addr().String()
	go m.serve(l)
	return nil
}

// close is what a node's death does to its port. Connections that were made before it stay.
func (m *mesh) close(node string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.ports[node]; l != nil {
		_ = l.Close()
		delete(m.ports, node)
	}
}

// address is the node's also while its port is closed, "" before it was first open.
func (m *mesh) address(node string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.addrs[node]
}

func (m *mesh) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go m.forward(client)
	}
}

// forward closes the connection without a word where nobody is healthy, or where the replica
// whose turn it is does not take it.
func (m *mesh) forward(client net.Conn) {
	defer client.Close() //nolint:errcheck // both ends have what was sent
	targets := m.targets()
	if len(targets) == 0 {
		return
	}
	server, err := net.Dial("tcp", targets[m.turn.Add(1)%uint64(len(targets))]) //nolint:noctx // it ends with either end
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // likewise
	done := make(chan struct{}, 2)
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		// One side has said all; the other may still answer.
		if half, ok := to.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
		done <- struct{}{}
	}
	go pipe(server, client)
	go pipe(client, server)
	<-done
	<-done
}
