// Package postgres is the store: the only place that knows SQL, sqlx and
// lib/pq. It answers in the domain's words and errors and holds no rules of
// its own.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"minitwit/service/minitwit"
)

// Options say how to reach the database. The zero value of a field other than
// URL takes the default named beside it.
type Options struct {
	URL         string        // postgres://user:password@host/db?sslmode=…; sslmode has to be there
	Password    string        // replaces the URL's, where given
	Application string        // application_name, seen in pg_stat_activity
	MaxOpen     int           // connections, 8
	Timeout     time.Duration // for one statement, the wait for a connection included; 900ms
	AsyncCommit bool          // answer before the commit is on disk
}

// Store is a bounded pool of connections. Its methods take a context whose end
// they honour even on a dead network, and return domain errors.
type Store struct {
	db      *sqlx.DB
	timeout time.Duration
	stmts   sync.Map // SQL text → *sqlx.Stmt
}

// Dialling and the handshake together may take as long as a statement, but not less than
// minConnect, and no more than maxConnect where statements are a migration's.
const (
	minConnect = time.Second
	maxConnect = 10 * time.Second
)

func (o Options) connectTimeout() time.Duration { return min(max(o.Timeout, minConnect), maxConnect) }

// Open prepares a pool. It does not connect: a store may outlive, and be
// opened during, an outage of its database.
func Open(o Options) (*Store, error) {
	if o.MaxOpen == 0 {
		o.MaxOpen = 8
	}
	if o.Timeout == 0 {
		o.Timeout = 900 * time.Millisecond
	}
	cfg, err := driverConfig(o)
	if err != nil {
		return nil, err
	}
	connector, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	// The server gives up first (statement_timeout); the socket's deadline is
	// for servers that cannot even say so.
	connector.Dialer(newDialer(o.connectTimeout(), o.Timeout+200*time.Millisecond))
	db := sqlx.NewDb(sql.OpenDB(onceConnector{connector}), "postgres")
	db.SetMaxOpenConns(o.MaxOpen)
	// database/sql keeps 2 idle connections by default; every other one would
	// be a new Postgres process per query under load.
	db.SetMaxIdleConns(o.MaxOpen)
	// After a failover connections move to the new server within the hour, and
	// idle ones end before a firewall forgets them.
	db.SetConnMaxLifetime(30 * time.Minute)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &Store{db: db, timeout: o.Timeout}, nil
}

func driverConfig(o Options) (pq.Config, error) {
	if !strings.Contains(o.URL, "sslmode=") {
		return pq.Config{}, errors.New("open database: the URL must say sslmode=verify-full, or sslmode=disable on a private network")
	}
	cfg, err := pq.NewConfig(o.URL)
	if err != nil {
		// pq quotes the URL, and with it the password, in its errors.
		return pq.Config{}, errors.New("open database: the URL is not a valid PostgreSQL connection URL")
	}
	if o.Password != "" {
		cfg.Password = o.Password
	}
	cfg.ConnectTimeout = o.connectTimeout()
	cfg.ApplicationName = o.Application
	cfg.BinaryParameters = true // one round trip instead of two for a query with arguments
	if cfg.Runtime == nil {
		cfg.Runtime = map[string]string{}
	}
	millis := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	// Less than our own clock: whoever gives up on a statement has to ask the server, over a
	// connection made for that, to end it.
	cfg.Runtime["statement_timeout"] = millis(o.Timeout * 9 / 10)
	// Less, so that the log tells a lock from a slow statement.
	cfg.Runtime["lock_timeout"] = millis(o.Timeout * 4 / 5)
	// More than the longest transaction, which spans a bcrypt (StrengthenOne).
	cfg.Runtime["idle_in_transaction_session_timeout"] = "10000"
	cfg.Runtime["timezone"] = "UTC"
	if o.AsyncCommit {
		cfg.Runtime["synchronous_commit"] = "off"
	}
	return cfg, nil
}

// DB gives the pool to what reports on it (metrics) and to tests.
func (s *Store) DB() *sql.DB { return s.db.DB }

// Close ends all connections.
func (s *Store) Close() error { return s.db.Close() }

// Ping asks for one round trip.
func (s *Store) Ping(ctx context.Context) error {
	_, err := within(ctx, s.timeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.db.PingContext(ctx)
	})
	return translate(err)
}

// within runs f and gives up on it when ctx or the timeout ends, although lib/pq may go on
// waiting for a dead network until the socket's deadline. What f started may
// still take effect: callers must not tell their client that it did not.
func within[T any](ctx context.Context, timeout time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			// Outside the request's goroutine no middleware recovers: without
			// this, a bug here would end the process.
			if p := recover(); p != nil {
				r.err = &minitwit.PanicError{Value: p, Stack: debug.Stack()}
			}
			done <- r
		}()
		r.value, r.err = f(ctx)
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
