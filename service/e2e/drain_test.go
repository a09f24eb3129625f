package e2e

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"minitwit/service/dbtest"
	"minitwit/service/wait"
)

// mesh stands for Swarm's routing mesh: it leads each new connection to one of
// two replicas in turn, and no new one to a replica that is about to be
// stopped. Connections that exist stay where they are.
type mesh struct {
	addrs   [2]string
	next    atomic.Int64
	leaving atomic.Bool // the first replica gets no new connection
}

func (m *mesh) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	i := m.next.Add(1) % 2
	if m.leaving.Load() {
		i = 1
	}
	return new(net.Dialer).DialContext(ctx, network, m.addrs[i])
}

func TestStoppingAReplicaFailsNoRequest(t *testing.T) {
	for name, keepAlive := range map[string]bool{"new connections": false, "kept alive": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := dbtest.URL(t)
			first := start(t, options{db: db, args: []string{"--only", "api"}, env: []string{"DRAIN=5s"}})
			second := start(t, options{db: db, args: []string{"--only", "api"}})
			m := &mesh{addrs: [2]string{strings.TrimPrefix(first.api, "http://"), strings.TrimPrefix(second.api, "http://")}}
			client := &http.Client{Timeout: deadline, Transport: &http.Transport{
				DialContext: m.dial, DisableKeepAlives: !keepAlive, MaxIdleConnsPerHost: 100,
				IdleConnTimeout: time.Second, // less than the drain: nobody sends on a connection that the stop closes
			}}
			api := newAPI(t, second)
			api.base, api.http = "http://mesh", client
			l := startLoad(t, api, 10, 50*time.Millisecond) // 200 requests a second
			wait.For(t, deadline, "the load to run", func() bool { return l.acknowledged(time.Time{}) > 100 })
			m.leaving.Store(true)
			first.terminateWhile(func() {
				if live := newSimulator().must(t, "GET", first.ops+"/livez", ""); live.status != 200 {
					t.Errorf("/livez during the drain = %d, want 200: Swarm kills what is unhealthy", live.status)
				}
				if ready := newSimulator().must(t, "GET", first.ops+"/readyz", ""); ready.status != 503 {
					t.Errorf("/readyz during the drain = %d, want 503", ready.status)
				}
			})
			stopped := time.Now()
			wait.For(t, deadline, "the load to go on", func() bool { return l.acknowledged(stopped) > 50 })
			calls := l.finish()
			if bad := failed(calls); len(bad) > 0 {
				t.Errorf("%d of %d requests failed, the first: %v", len(bad), len(calls), bad[0].err)
			}
			l.verify(second.api)
		})
	}
}

func TestAStopFinishesTheRequestsInWork(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	finish := hold(t, a)
	a.signalTerm()
	wait.For(t, deadline, "the drain to begin", func() bool { return len(a.logged("draining")) > 0 })
	if got, err := finish(); err != nil || got.status != http.StatusNoContent {
		t.Errorf("a request in work at SIGTERM = %d %s, %v; want 204", got.status, got.body, err)
	}
	if err := a.wait(); err != nil {
		t.Errorf("exit after SIGTERM: %v, want 0", err)
	}
}
