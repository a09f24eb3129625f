package freeport

import (
	"net"
	"strconv"
	"testing"
)

func TestOnGivesEachAddressOnceAndNoneOfOutgoingConnections(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 500 {
		address := For(t)
		_, text, err := net.SplitHostPort(address)
		port, _ := strconv.Atoi(text)
		if err != nil || port < lowest || port > 32767 || seen[address] {
			t.Fatalf("got %q, seen before: %v", address, seen[address])
		}
		seen[address] = true
	}
}

func TestFreeSeesWhoListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", For(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := net.ListenPacket("udp", For(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, taken := range []string{l.Addr().String(), p.LocalAddr().String()} {
		if free(taken) == nil {
			t.Errorf("%s is called free", taken)
		}
	}
}

func TestOnSaysWhyThereIsNone(t *testing.T) {
	t.Parallel()
	// An address of TEST-NET-1 (RFC 5737), which is not this machine's.
	if address, err := On("192.0.2.1"); err == nil {
		t.Errorf("got %q of an address that is not ours", address)
	}
}
