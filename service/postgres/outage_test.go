package postgres_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/service/dbtest"
	"minitwit/service/minitwit"
	"minitwit/service/postgres"
)

// slack is for machines that are busy with other tests; the bench in service/e2e
// holds the real aims.
const slack = 3

// proxied gives a Store that has the product's patience and reaches its database
// through a proxy, and the proxy.
func proxied(t *testing.T) (*postgres.Store, *toxiproxy.Proxy) {
	t.Helper()
	target, err := url.Parse(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "postgres", "127.0.0.1:0", target.Host)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	target.Host = proxy.Listen
	return dbtest.OpenWith(t, postgres.Options{URL: target.String(), Timeout: 900 * time.Millisecond}), proxy
}

func blackHole(t *testing.T, proxy *toxiproxy.Proxy) (mend func()) {
	t.Helper()
	for _, stream := range []string{"upstream", "downstream"} {
		body := `{"name":"hole-` + stream + `","type":"timeout","stream":"` + stream + `","attributes":{"timeout":0}}`
		if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	return func() { proxy.Toxics.ResetToxics(context.Background()) }
}

// Lib/pq alone hangs here for as long as the network is silent.
func TestASilentNetworkIsGivenUpOnInASecond(t *testing.T) {
	t.Parallel()
	s, proxy := proxied(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	mend := blackHole(t, proxy)
	for _, connection := range []string{"pooled", "new"} {
		start := time.Now()
		err := s.Ping(t.Context())
		if took := time.Since(start); took > slack*time.Second || minitwit.CodeOf(err) != minitwit.CodeUnavailable {
			t.Errorf("on a %s connection: %v after %v, want CodeUnavailable within a second", connection, err, took)
		}
	}
	mend()
	start := time.Now()
	for s.Ping(t.Context()) != nil {
		if time.Since(start) > slack*2*time.Second {
			t.Fatal("the store has not recovered after 2 s")
		}
	}
}

func TestAContextIsHonouredOnASilentNetwork(t *testing.T) {
	t.Parallel()
	s, proxy := proxied(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer blackHole(t, proxy)()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := s.Ping(ctx); err == nil || time.Since(start) > slack*500*time.Millisecond {
		t.Errorf("Ping with 50 ms = %v after %v", err, time.Since(start))
	}
}

// The answer to an INSERT is lost with its connection: nobody can know whether
// it took effect, and repeating it would store the message twice.
func TestAWriteWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	t.Parallel()
	for name, encryption := range map[string]*tls.Config{"in the clear": nil, "over TLS": selfSigned(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, relay := relayed(t, encryption)
			register(t, s, "ada")
			if err := s.AddMessage(t.Context(), "ada", "before"); err != nil { // prepares the statement
				t.Fatal(err)
			}
			relay.cut.Store(true)
			if err := s.AddMessage(t.Context(), "ada", "once"); minitwit.CodeOf(err) != minitwit.CodeUnavailable {
				t.Errorf("AddMessage = %v, want CodeUnavailable", err)
			}
			if got, want := texts(mustPublic(t, s)), []string{"ada: once", "ada: before"}; !cmp.Equal(got, want) {
				t.Errorf("stored is %q, want %q", got, want)
			}
			followOnce(t, s, relay)
		})
	}
}

// followOnce loses the answers to a follow and an unfollow, which take effect all the
// same: were they repeated, they would not say that nobody knows.
func followOnce(t *testing.T, s *postgres.Store, relay *relay) {
	t.Helper()
	for _, c := range []struct {
		name   string
		change func(ctx context.Context, who, whom string) error
		want   []string
	}{
		{"Follow", s.Follow, []string{"ada"}},
		{"Unfollow", s.Unfollow, []string{}},
	} {
		if err := c.change(t.Context(), "ada", "nobody"); !errors.Is(err, minitwit.ErrUserNotFound) { // prepares the statement
			t.Fatal(err)
		}
		relay.cut.Store(true)
		if err := c.change(t.Context(), "ada", "ada"); minitwit.CodeOf(err) != minitwit.CodeUnavailable {
			t.Errorf("%s = %v, want CodeUnavailable", c.name, err)
		}
		if got, err := s.Follows(t.Context(), "ada", 1); err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("after %s ada follows %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

// After a crash or a restart of the server every pooled connection is dead.
// Nothing has been sent on it yet, so nobody has to notice.
func TestDeadPooledConnectionsAreReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	for name, encryption := range map[string]*tls.Config{"in the clear": nil, "over TLS": selfSigned(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, relay := relayed(t, encryption)
			register(t, s, "ada")
			replaced(t, s, relay.hangUp)
		})
	}
	t.Run("ended by the server", func(t *testing.T) {
		t.Parallel()
		url := dbtest.URL(t)
		s, patient := dbtest.OpenWith(t, postgres.Options{URL: url}), dbtest.OpenPatient(t, url)
		register(t, s, "ada")
		replaced(t, s, func() {
			// With a timeout it waits until the backend is gone, on a busy machine for longer than the
			// statements of a replica may take.
			_, err := patient.DB().ExecContext(t.Context(), `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			if err != nil {
				t.Fatal(err)
			}
		})
	})
}

func replaced(t *testing.T, s *postgres.Store, hangUp func()) {
	t.Helper()
	const rounds, writers = 3, 6
	for range rounds {
		hangUp()
		results := make(chan error)
		for range writers {
			go func() { results <- s.AddMessage(t.Context(), "ada", "hello") }()
		}
		for range writers {
			if err := <-results; err != nil {
				t.Errorf("AddMessage after the connections were closed = %v", err)
			}
		}
	}
	if got := len(mustPublic(t, s)); got != rounds*writers {
		t.Errorf("%d messages are stored, want %d", got, rounds*writers)
	}
}

// After a failover the old primary may come back as a standby, at the same address.
func TestAStandbyIsLeftAtTheNextWrite(t *testing.T) {
	t.Parallel()
	s := dbtest.OpenWith(t, postgres.Options{URL: dbtest.URL(t), MaxOpen: 1})
	register(t, s, "ada")
	// Of this connection alone: another one leads to the primary.
	if _, err := s.DB().ExecContext(t.Context(), "SET default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	if err := s.AddMessage(t.Context(), "ada", "one"); minitwit.CodeOf(err) != minitwit.CodeUnavailable {
		t.Errorf("a standby takes a message: %v", err)
	}
	if err := s.AddMessage(t.Context(), "ada", "two"); err != nil {
		t.Errorf("the next write goes to the standby again: %v", err)
	}
}

func TestAnAbsentServerIsUnavailableAtOnce(t *testing.T) {
	t.Parallel()
	s := dbtest.OpenWith(t, postgres.Options{URL: "postgres://nobody@127.0.0.1:1/none?sslmode=disable"})
	start := time.Now()
	if err := s.Ping(t.Context()); minitwit.CodeOf(err) != minitwit.CodeUnavailable || time.Since(start) > slack*time.Second {
		t.Errorf("Ping = %v after %v, want CodeUnavailable at once", err, time.Since(start))
	}
}

func TestOpenNeverShowsThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://u:hunter2@db/x", "postgres://u:hunter2@db:port/x?sslmode=disable", "hunter2 sslmode=disable"} {
		if _, err := postgres.Open(postgres.Options{URL: url}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q) = %v, want an error without the password", url, err)
		}
	}
}
