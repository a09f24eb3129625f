package simapi

import (
	"context"
	"strconv"
	"sync"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

// Latest records the number of the simulator's last action. It lives in the
// database, where all replicas see it, in one row: were each request to update
// that row by itself, all writes of all replicas would queue for its lock. So
// one update at a time runs in this process, and one update answers for all
// requests that have come meanwhile.
type Latest struct {
	read  func(context.Context) (int64, error)
	write func(context.Context, int64) error

	mu      sync.Mutex
	next    *batch // collects requests; nil: none waits
	writing bool
}

// batch is one update and the requests that wait for it.
type batch struct {
	value int64 // of the request that came last
	done  chan struct{}
	err   error // set before done is closed
}

// NewLatest makes a Latest on the given ways to the database. Write has to end
// by itself: several requests wait for it.
func NewLatest(read func(context.Context) (int64, error), write func(context.Context, int64) error) *Latest {
	return &Latest{read: read, write: write}
}

// record begins to store the value of a "latest" parameter and gives a function
// that waits until every replica can see it. What is not an integer is ignored.
func (l *Latest) record(param string) (wait func(context.Context) error) {
	value, err := strconv.ParseInt(param, 10, 64)
	if err != nil {
		return func(context.Context) error { return nil }
	}
	b := l.join(value)
	return func(ctx context.Context) error {
		select {
		case <-b.done:
			return b.err
		case <-ctx.Done():
			return minitwit.Unavailable(ctx.Err())
		}
	}
}

// join adds a request to the update that comes next, whose value is that of the last one to
// join, and starts the writer where there is none.
func (l *Latest) join(value int64) *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = &batch{done: make(chan struct{})}
	}
	l.next.value = value
	if !l.writing {
		l.writing = true
		go l.writeAll()
	}
	return l.next
}

// writeAll writes until no request waits. There is one of it at a time.
func (l *Latest) writeAll() {
	for b := l.take(); b != nil; b = l.take() {
		// No request's context: the update is for all of them.
		b.err = l.write(context.Background(), b.value)
		close(b.done)
	}
}

// take gives the requests that wait. If there are none, the writer ends under the same lock:
// whoever joins next starts another.
func (l *Latest) take() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.next
	l.next = nil
	l.writing = b != nil
	return b
}

// GetLatest answers GET /latest. It needs no credentials and records nothing.
func (a *API) GetLatest(c echo.Context) error {
	value, err := a.latest.read(c.Request().Context())
	if err != nil {
		return err
	}
	return reply(c, latestBody{value})
}

type latestBody struct {
	Latest int64 `json:"latest"`
}
