package postgres

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"minitwit/service/faults"
)

// prepared gives the statement for a constant SQL text, made at first use: a
// store can be opened while its database is away. database/sql prepares it
// anew on each connection that has not seen it, so a query is parsed and
// planned once a connection rather than once a request.
func (s *Store) prepared(ctx context.Context, query string) (*sqlx.Stmt, error) {
	if stmt, ok := s.stmts.Load(query); ok {
		return stmt.(*sqlx.Stmt), nil
	}
	stmt, err := s.db.PreparexContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if first, lost := s.stmts.LoadOrStore(query, stmt); lost {
		_ = stmt.Close() // another request was faster
		return first.(*sqlx.Stmt), nil
	}
	return stmt, nil
}

// rows runs a query and scans every row into a T. It is for reads alone: the query may be
// sent again where its answer is lost.
func rows[T any](ctx context.Context, s *Store, op, query string, args ...any) ([]T, error) {
	found, err := within(ctx, s.timeout, func(ctx context.Context) ([]T, error) {
		stmt, err := s.prepared(ctx, faults.Query(query))
		if err != nil {
			return nil, err
		}
		var found []T
		err = stmt.SelectContext(ctx, &found, args...)
		return found, err
	})
	return found, wrap(op, err)
}

// row is rows for a single row; there may be sql.ErrNoRows.
func row[T any](ctx context.Context, s *Store, op, query string, args ...any) (T, error) {
	found, err := within(ctx, s.timeout, func(ctx context.Context) (T, error) {
		var found T
		stmt, err := s.prepared(ctx, query)
		if err != nil {
			return found, err
		}
		err = stmt.GetContext(ctx, &found, args...)
		return found, err
	})
	return found, wrap(op, err)
}

// exec runs a statement, once, and gives the number of rows that it touched or, if it ends
// in a SELECT, that this found. After CodeUnavailable it may have taken effect all the same.
func (s *Store) exec(ctx context.Context, op, query string, args ...any) (int64, error) {
	n, err := within(ctx, s.timeout, func(ctx context.Context) (int64, error) {
		stmt, err := s.prepared(ctx, query)
		if err != nil {
			return 0, err
		}
		result, err := stmt.ExecContext(ctx, args...)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	})
	return n, wrap(op, err)
}

// wrap says, for the log, in which operation it was; nil stays nil.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return translate(fmt.Errorf("%s: %w", op, err))
}
