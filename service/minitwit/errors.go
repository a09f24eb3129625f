// Package minitwit is the domain: users, messages, who follows whom, and the
// rules they obey. It knows neither HTTP nor SQL and imports nothing of ours.
package minitwit

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an [Error] is. The server package maps codes
// to HTTP statuses, in one place; whatever carries no code is internal.
type Code string

// The kinds of failure a client can be told about.
const (
	CodeInvalid         Code = "invalid"         // the request itself is wrong
	CodeUnauthenticated Code = "unauthenticated" // nobody is signed in
	CodeForbidden       Code = "forbidden"       // the credentials do not suffice
	CodeNotFound        Code = "not_found"       // no such user or page
	CodeTooLarge        Code = "too_large"       // more bytes than we take
	CodeTooMany         Code = "too_many"        // more attempts than we allow
	CodeUnavailable     Code = "unavailable"     // try again shortly
	CodeMaintenance     Code = "maintenance"     // closed on purpose for a while
	CodeInternal        Code = "internal"        // our fault, details are logged
)

// Error is a failure with a text that may be shown to whoever caused it.
type Error struct {
	Code    Code
	Message string // a sentence for people; never an SQL text or a stack
	Err     error  // the cause, for the log only
}

// Error gives the message and, for the log, its cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.Err)
	}
	return e.Message
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a code with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// PanicError is a bug that was caught: what was panicked with, and where.
type PanicError struct {
	Value any
	Stack []byte // for the log
}

// Error gives the value alone; the stack is logged apart.
func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Unavailable marks err as passing: the client should try again shortly.
func Unavailable(err error) *Error {
	return &Error{
		Code:    CodeUnavailable,
		Message: "The service is busy or its database is away. Please try again in a moment.",
		Err:     err,
	}
}

// CodeOf gives the code of the first Error in err's chain, CodeInternal where
// there is none and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// Errors with a fixed text. Those of the old system, which its clients compare, stay as they are.
var (
	ErrNoUsername      = &Error{Code: CodeInvalid, Message: "You have to enter a username"}
	ErrNoEmail         = &Error{Code: CodeInvalid, Message: "You have to enter a valid email address"}
	ErrNoPassword      = &Error{Code: CodeInvalid, Message: "You have to enter a password"}
	ErrPasswordsDiffer = &Error{Code: CodeInvalid, Message: "The two passwords do not match"}
	ErrNameTaken       = &Error{Code: CodeInvalid, Message: "The username is already taken"}
	ErrInvalidUsername = &Error{Code: CodeInvalid, Message: "Invalid username"}
	ErrInvalidPassword = &Error{Code: CodeInvalid, Message: "Invalid password"}
	ErrNotAuthorized   = &Error{Code: CodeForbidden, Message: "You are not authorized to use this resource!"}
	ErrMaintenance     = &Error{Code: CodeMaintenance, Message: "MiniTwit is being maintained. Please try again in a few minutes."}
	ErrUserNotFound    = &Error{Code: CodeNotFound, Message: "There is no user of that name"}
)
