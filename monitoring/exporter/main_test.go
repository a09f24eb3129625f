package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestTheCommandLine(t *testing.T) {
	t.Parallel()
	environment := map[string]string{"DOCKER_HOST": "tcp://env:1", "STACK": "other"}
	env := func(name string) string { return environment[name] }
	none := func(string) string { return "" }
	for _, c := range []struct {
		args []string
		env  func(string) string
		want settings
	}{
		{nil, none, settings{":9101", "tcp://dockerproxy:2375", "minitwit", false}},
		{nil, env, settings{":9101", "tcp://env:1", "other", false}},
		{[]string{"-docker", "unix:///x", "-listen", ":1", "-healthcheck"}, env, settings{":1", "unix:///x", "other", true}},
	} {
		if got, err := parse(c.args, c.env, io.Discard); err != nil || got != c.want {
			t.Errorf("%q: %+v %v, want %+v", c.args, got, err, c.want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	for _, c := range []struct {
		args  []string
		code  int
		wants string
	}{
		{[]string{"-h"}, 0, "usage: swarm-exporter"},
		{[]string{"-nonsense"}, 2, "-nonsense"},
		{[]string{"nonsense"}, 2, `unexpected argument "nonsense"`},
		{[]string{"-docker", "nowhere"}, 1, "nowhere"},
		{[]string{"-listen", "127.0.0.1:nowhere"}, 1, "nowhere"},
		{[]string{"-listen", "127.0.0.1:1", "-healthcheck"}, 1, "not alive"},
	} {
		var said strings.Builder
		code := exitCode(run(t.Context(), c.args, none, &said), &said)
		if code != c.code || !strings.Contains(said.String(), c.wants) {
			t.Errorf("%q: exit code %d, want %d, and %q to hold %q", c.args, code, c.code, said.String(), c.wants)
		}
	}
	if code := exitCode(errors.Join(flag.ErrHelp), io.Discard); code != 0 {
		t.Errorf("help: exit code %d", code)
	}
}

// serving gives the address of an exporter that serves, and what stops it and says
// how it ended.
func serving(t *testing.T, c *collector) (addr string, stop func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	reg, log := newRegistry(c), zerolog.New(t.Output())
	go func() { ended <- serve(ctx, listener, reg, log) }()
	return listener.Addr().String(), func() error {
		cancel()
		return <-ended
	}
}

// The exporter lives while no manager answers.
func TestServing(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	e.become(leaderless)
	addr, stop := serving(t, exporterOf(t, e))
	metrics, err := get("http://" + addr + "/metrics")
	for _, want := range []string{"\nswarm_up 0\n", "\nswarm_exporter_build_info{", "\ngo_goroutines ", "\nprocess_start_time_seconds "} {
		if err != nil || !strings.Contains(metrics, want) {
			t.Errorf("/metrics does not hold %q: %v\n%s", want, err, metrics)
		}
	}
	_, port, _ := net.SplitHostPort(addr)
	for _, listen := range []string{addr, ":" + port, "0.0.0.0:" + port} {
		if err := healthcheck(t.Context(), listen); err != nil {
			t.Errorf("-listen %s: %v", listen, err)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if err := healthcheck(t.Context(), addr); err == nil {
		t.Error("still alive")
	}
}

func TestAScrapeInWorkEndsWell(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	asked, released := make(chan struct{}, 3), make(chan struct{})
	e.become(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-released
		e.list(w, r)
	})
	c := exporterOf(t, e)
	c.patience = time.Minute // the manager answers once the exporter is stopping, however long that takes
	addr, stop := serving(t, c)
	scraped := make(chan string, 1)
	go func() {
		metrics, err := get("http://" + addr + "/metrics")
		scraped <- fmt.Sprint(metrics, err)
	}()
	<-asked
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	for healthcheck(t.Context(), addr) == nil {
		runtime.Gosched()
	}
	close(released)
	if metrics := <-scraped; !strings.Contains(metrics, "\nswarm_up 1\n") {
		t.Errorf("the scrape got:\n%s", metrics)
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestAnAnswerIsNotLifeByItself(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	e.become(leaderless)
	if err := healthcheck(t.Context(), e.Listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("healthcheck: %v", err)
	}
}

func TestAnOutageIsLoggedOnce(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	c := exporterOf(t, e)
	var log strings.Builder
	c.log = zerolog.New(&log)
	for range 3 {
		e.become(leaderless)
		expect(t, c, "swarm_up", "swarm_up 0")
		expect(t, c, "swarm_up", "swarm_up 0")
		e.become(e.list)
		expect(t, c, "swarm_up", "swarm_up 1")
		expect(t, c, "swarm_up", "swarm_up 1")
	}
	if n := strings.Count(log.String(), "\n"); n != 6 || !strings.Contains(log.String(), "does not have a leader") {
		t.Errorf("%d lines, want 6:\n%s", n, log.String())
	}
}

func get(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
