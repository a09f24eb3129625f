package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"minitwit/service/minitwit"
)

// translate turns what passes by itself (no connection, a server that starts,
// stops, is full or was too slow) into minitwit.Unavailable. Domain errors and
// real faults go through unchanged.
func translate(err error) error {
	if err == nil || !passing(err) {
		return err
	}
	return minitwit.Unavailable(err)
}

// passing tells whether err says something of the moment rather than of the statement. Our
// own time limits count as well.
func passing(err error) bool {
	if e, ok := errors.AsType[*pq.Error](err); ok {
		return passingCode(e.Code)
	}
	_, network := errors.AsType[net.Error](err)
	return network ||
		errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) ||
		errors.Is(err, errAnswerLost) ||
		errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed)
}

func passingCode(code pqerror.Code) bool {
	switch code {
	// A slow or contended server, one that has become a standby, or one that
	// stops: none of them is a fault of the statement.
	case pqerror.QueryCanceled, pqerror.LockNotAvailable, pqerror.ReadOnlySQLTransaction,
		pqerror.AdminShutdown, pqerror.CrashShutdown, pqerror.CannotConnectNow,
		pqerror.IdleInTransactionSessionTimeout,
		pqerror.TRSerializationFailure, pqerror.TRDeadlockDetected,
		pqerror.UndefinedTable, pqerror.UndefinedColumn: // the schema is behind: /readyz says so
		return true
	}
	switch code.Class() {
	case pqerror.ClassConnectionException, pqerror.ClassInsufficientResources:
		return true
	case pqerror.ClassInvalidAuthorizationSpecification, pqerror.ClassInvalidCatalogName:
		// A rotated password or a database being restored: to a client that is
		// the same as an absent database.
		return true
	}
	return false
}
