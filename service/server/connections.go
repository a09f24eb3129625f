package server

import (
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// maxConnections is the limit of each surface. One that lies idle takes some 20 KiB until idleTimeout.
const maxConnections = 2048

// limitConnections closes what is too much as soon as it comes. Health checks come from the
// loopback and always get through: a crowd is no reason to kill a replica.
func limitConnections() func(net.Conn, http.ConnState) {
	var open atomic.Int64
	return func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if open.Add(1) > maxConnections && !fromLoopback(c) {
				_ = c.Close()
			}
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
}

// noting passes on what it is told, and notes when a connection came.
func (s *Surface) noting(told func(net.Conn, http.ConnState)) func(net.Conn, http.ConnState) {
	return func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.arrived.Store(time.Now().UnixNano())
		}
		told(c, state)
	}
}

func fromLoopback(c net.Conn) bool {
	addr, ok := c.RemoteAddr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}
