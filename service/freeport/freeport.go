// Package freeport finds addresses for the servers that tests and drills start as
// programs of their own. It is not part of the product, which is told where to listen.
//
// Asking the kernel for port 0 and closing it again is not enough: it gives ports of the
// range that it also takes for outgoing connections, so another program may hold the port
// before the server does.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The kernel takes outgoing connections' ports from 32768 on by default
// (net.ipv4.ip_local_port_range, ip(7)).
const lowest, highest = 10000, 32767

var (
	mu    sync.Mutex
	given = map[string]bool{} // none twice: its server may not listen yet
)

// On gives an address HOST:PORT on which nobody listens, neither by TCP nor by UDP. It
// gives each address once per process.
func On(host string) (string, error) {
	mu.Lock()
	defer mu.Unlock()
	var last error
	for range 100 {
		port := lowest + rand.IntN(highest-lowest+1) //nolint:gosec // nobody must be unable to guess it
		address := net.JoinHostPort(host, strconv.Itoa(port))
		if given[address] {
			continue
		}
		if last = free(address); last == nil {
			given[address] = true
			return address, nil
		}
	}
	return "", fmt.Errorf("no free port on %s: %w", host, last)
}

func free(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	p, err := net.ListenPacket("udp", address) //nolint:noctx // it is closed at once
	if err == nil {
		err = p.Close()
	}
	return errors.Join(err, l.Close())
}

// For is On 127.0.0.1 for a test, which ends where there is none.
func For(t interface {
	Helper()
	Fatal(args ...any)
},
) string {
	t.Helper()
	address, err := On("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return address
}
