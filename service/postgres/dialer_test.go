package postgres

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// A server that takes connections and says nothing, as a stopped one does, holds up a migration no
// longer than one that is not there.
func TestASilentHandshakeIsBoundedByTheConnectAlone(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	conn, err := newDialer(100*time.Millisecond, time.Hour).DialContext(t.Context(), "tcp", silent.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	read := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		read <- err
	}()
	select {
	case err := <-read:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v, want a deadline", err)
		}
	case <-time.After(time.Minute):
		t.Error("the handshake goes on")
	}
}
