package postgres

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// errAnswerLost says that a connection ended between a statement and its answer:
// nobody can know whether it took effect.
var errAnswerLost = errors.New("the connection ended before the answer came")

// onceConnector keeps database/sql from repeating a write that may have taken
// effect. Pq reports a connection that ends in the middle of an answer as
// driver.ErrBadConn, whereupon database/sql runs the statement again on another
// one: a message committed just before would be stored twice. Here
// driver.ErrBadConn passes only if not a byte of the statement was sent. That is
// for what is sent by ExecContext, as every write has to be; what is sent by
// QueryContext, the reads, may be repeated.
type onceConnector struct{ *pq.Connector }

// Connect implements driver.Connector.
func (c onceConnector) Connect(ctx context.Context) (driver.Conn, error) {
	var socket *deadlineConn
	conn, err := c.Connector.Connect(context.WithValue(ctx, socketKey{}, &socket))
	if err != nil {
		return nil, err
	}
	socket.established = true
	return onceConn{conn.(pqConn), socket}, nil
}

// pqConn is what database/sql may ask of a connection of pq.
type pqConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type onceConn struct {
	pqConn
	socket *deadlineConn
}

// ExecContext implements driver.ExecerContext.
func (c onceConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return once(c.socket, func() (driver.Result, error) { return c.pqConn.ExecContext(ctx, query, args) })
}

// PrepareContext implements driver.ConnPrepareContext.
func (c onceConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.pqConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return onceStmt{stmt.(pqStmt), c.socket}, nil
}

// pqStmt is what database/sql may ask of a statement of pq.
type pqStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type onceStmt struct {
	pqStmt
	socket *deadlineConn
}

// ExecContext implements driver.StmtExecContext.
func (s onceStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return once(s.socket, func() (driver.Result, error) { return s.pqStmt.ExecContext(ctx, args) })
}

func once(socket *deadlineConn, exec func() (driver.Result, error)) (driver.Result, error) {
	before := socket.written.Load()
	result, err := exec()
	// A standby by now: as long as the pool kept this connection, every write would come here. The
	// next statement finds the socket closed and goes to another one.
	if e, ok := errors.AsType[*pq.Error](err); ok && e.Code == pqerror.ReadOnlySQLTransaction {
		_ = socket.Close()
	}
	if errors.Is(err, driver.ErrBadConn) && socket.written.Load() > before {
		return nil, errAnswerLost
	}
	return result, err
}
