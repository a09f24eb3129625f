// Package simapi is the JSON API that the course's simulator speaks. Its paths,
// statuses and texts are those of the old system, which the simulator cannot
// unlearn; openapi.yaml describes them. It renders no HTML and knows no SQL.
package simapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

// Store is what the API needs of the database.
type Store interface {
	PublicMessages(ctx context.Context, limit int) ([]minitwit.Message, error)
	UserMessages(ctx context.Context, name string, limit int) ([]minitwit.Message, error)
	AddMessage(ctx context.Context, author, text string) error
	Follows(ctx context.Context, name string, limit int) ([]string, error)
	Follow(ctx context.Context, who, whom string) error
	Unfollow(ctx context.Context, who, whom string) error
}

// Accounts registers users.
type Accounts interface {
	Register(ctx context.Context, r minitwit.Registration) error
}

// API holds the handlers; the server package routes to them.
type API struct {
	store       Store
	accounts    Accounts
	latest      *Latest
	credentials [sha256.Size]byte
}

// New makes an API for the simulator of the given "user:password".
func New(store Store, accounts Accounts, latest *Latest, credentials string) *API {
	return &API{store: store, accounts: accounts, latest: latest, credentials: sha256.Sum256([]byte(credentials))}
}

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI serves the description of this API.
func (a *API) OpenAPI(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml", openAPI)
}

// handler does the work of one request and gives the body of a 200, or nil for
// a 204. It writes nothing: latest has to be visible before the answer is.
type handler func(c echo.Context) (body any, err error)

// Open wraps handlers that need no credentials but count as the simulator's.
func (a *API) open(h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		recorded := a.latest.record(c.QueryParam("latest"))
		body, err := h(c)
		if minitwit.CodeOf(err) == minitwit.CodeUnavailable {
			return err // nothing is gained by waiting for the same database again
		}
		if recErr := recorded(c.Request().Context()); recErr != nil && !changedSomething(c, err) {
			return recErr
		}
		if err != nil {
			return err
		}
		return reply(c, body)
	}
}

// changedSomething tells whether the request has had an effect that a 503
// would deny, and that a client would then repeat.
func changedSomething(c echo.Context, err error) bool {
	return err == nil && c.Request().Method == http.MethodPost
}

// authorized wraps handlers for the simulator alone. It comes before everything else: a
// refusal records no latest and does not tell which users exist.
func (a *API) authorized(h handler) echo.HandlerFunc {
	next := a.open(h)
	return func(c echo.Context) error {
		user, password, _ := c.Request().BasicAuth()
		given := sha256.Sum256([]byte(user + ":" + password))
		if subtle.ConstantTimeCompare(given[:], a.credentials[:]) != 1 {
			return minitwit.ErrNotAuthorized
		}
		return next(c)
	}
}

func reply(c echo.Context, body any) error {
	if body == nil {
		return c.NoContent(http.StatusNoContent)
	}
	content, done := body.(json.RawMessage)
	if !done {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, content)
}

type errorBody struct {
	Status  int    `json:"status"`
	Message string `json:"error_msg"`
}

// RenderError answers with an error in the shape that the simulator knows.
func RenderError(c echo.Context, status int, message string) error {
	content, err := json.Marshal(errorBody{status, message})
	return errors.Join(err, c.Blob(status, echo.MIMEApplicationJSON, content))
}
