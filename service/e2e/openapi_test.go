package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// serve is start for tests in which nothing may go wrong inside the server:
// they fail if its log has an error or a panic.
func serve(t testing.TB, o options) *app {
	t.Helper()
	var a *app
	// Cleanups run last in, first out: this one after the server has ended.
	t.Cleanup(func() {
		if a != nil {
			a.checkLog()
		}
	})
	a = start(t, o)
	return a
}

// checkLog complains of errors, of panics and of what was not written by the
// logger, as the runtime's last words are not.
func (a *app) checkLog() {
	a.t.Helper()
	for _, entry := range a.logged("") {
		message, _ := entry["message"].(string)
		_, stamped := entry["time"]
		severe := slices.Contains([]any{"error", "fatal", "panic"}, entry["level"])
		if severe || !stamped || strings.Contains(message, "panic") {
			a.t.Errorf("in the server's log: %v", entry)
		}
	}
}

// apiClient speaks the simulator API as the simulator does, and holds every
// answer against the description that the server itself gives.
type apiClient struct {
	t      testing.TB
	base   string
	http   *http.Client
	routes routers.Router
}

func newAPI(t testing.TB, a *app) *apiClient {
	t.Helper()
	return newAPIAt(t, a.api)
}

func newAPIAt(t testing.TB, base string) *apiClient {
	t.Helper()
	c := &apiClient{t: t, base: base, http: newSimulator().client}
	description := newSimulator().must(t, http.MethodGet, base+"/openapi.yaml", "")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(description.body))
	if err != nil {
		t.Fatalf("GET /openapi.yaml: %v", err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("GET /openapi.yaml: %v", err)
	}
	if c.routes, err = gorillamux.NewRouter(doc); err != nil {
		t.Fatal(err)
	}
	return c
}

// request is one call. Without a header of its own it has the simulator's:
// JSON and the credentials.
type request struct {
	method, path, body string
	header             http.Header
	undocumented       bool // the description does not have this route
}

func (r request) String() string {
	return fmt.Sprintf("%s %.80s %.80q %v", r.method, r.path, r.body, r.header)
}

func (r request) http(ctx context.Context, base string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, base+r.path, strings.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if req.Header = r.header.Clone(); r.header == nil {
		req.Header = http.Header{"Content-Type": {"application/json"}}
		req.SetBasicAuth("simulator", "super_safe!")
	}
	return req, nil
}

// try sends the request and checks the answer; for goroutines, which may not
// end the test.
func (c *apiClient) try(r request) (answer, error) {
	req, err := r.http(c.t.Context(), c.base)
	if err != nil {
		return answer{}, err
	}
	a, err := fetch(c.http, req)
	if err != nil {
		return a, fmt.Errorf("%v: %w", r, err)
	}
	if err := c.conforms(req, a, r.undocumented); err != nil {
		c.t.Errorf("%v: %d %.200s: %v", r, a.status, a.body, err)
	}
	return a, nil
}

// conforms tells how an answer departs from the description.
func (c *apiClient) conforms(req *http.Request, a answer, undocumented bool) error {
	route, params, err := c.routes.FindRoute(req)
	if undocumented {
		if err == nil {
			return fmt.Errorf("the route is documented, as %s", route.Path)
		}
		return errorShape(a)
	}
	if err != nil {
		return err
	}
	if a.status == http.StatusNoContent && a.body != "" {
		return errors.New("a 204 has a body")
	}
	if a.status >= http.StatusBadRequest {
		if err := errorShape(a); err != nil {
			return err
		}
	}
	return openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 a.status,
		Header:                 a.header,
		Body:                   io.NopCloser(strings.NewReader(a.body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	})
}

// errorShape wants exactly {"status": S, "error_msg": TEXT}, S being the status.
func errorShape(a answer) error {
	var body struct {
		Status  int    `json:"status"`
		Message string `json:"error_msg"`
	}
	decoder := json.NewDecoder(bytes.NewBufferString(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		return err
	}
	if body.Status != a.status || body.Message == "" {
		return fmt.Errorf("the body says %d %q under status %d", body.Status, body.Message, a.status)
	}
	return nil
}

func (c *apiClient) send(r request) answer {
	c.t.Helper()
	a, err := c.try(r)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *apiClient) get(path string) answer {
	c.t.Helper()
	return c.send(request{method: http.MethodGet, path: path})
}

func (c *apiClient) post(path, body string) answer {
	c.t.Helper()
	return c.send(request{method: http.MethodPost, path: path, body: body})
}

// wants posts and demands a status and, unless it is "", a body.
func (c *apiClient) wants(path, body string, status int, want string) {
	c.t.Helper()
	a := c.post(path, body)
	if a.status != status || want != "" && a.body != want {
		c.t.Errorf("POST %s %.80s = %d %.200s, want %d %s", path, body, a.status, a.body, status, want)
	}
}

func (c *apiClient) register(names ...string) {
	c.t.Helper()
	for _, name := range names {
		body := object("username", name, "email", "somebody@example.org", "pwd", "secret of "+name)
		c.wants("/register", body, http.StatusNoContent, "")
	}
}

func (c *apiClient) tweet(author, text string) {
	c.t.Helper()
	c.wants("/msgs/"+url.PathEscape(author), object("content", text), http.StatusNoContent, "")
}

func (c *apiClient) follow(who, whom string) {
	c.t.Helper()
	c.wants("/fllws/"+url.PathEscape(who), object("follow", whom), http.StatusNoContent, "")
}

func (c *apiClient) unfollow(who, whom string) {
	c.t.Helper()
	c.wants("/fllws/"+url.PathEscape(who), object("unfollow", whom), http.StatusNoContent, "")
}

// apiMessage is one entry of GET /msgs.
type apiMessage struct {
	Content string `json:"content"`
	PubDate int64  `json:"pub_date"`
	User    string `json:"user"`
}

func (c *apiClient) messages(path string) (list []apiMessage) {
	c.t.Helper()
	c.read(path, &list)
	return list
}

// contents gives the texts of a list of messages.
func (c *apiClient) contents(path string) []string {
	c.t.Helper()
	texts := []string{}
	for _, m := range c.messages(path) {
		texts = append(texts, m.Content)
	}
	return texts
}

func (c *apiClient) follows(who string) []string {
	c.t.Helper()
	var body struct{ Follows []string }
	c.read("/fllws/"+url.PathEscape(who), &body)
	return body.Follows
}

func (c *apiClient) latest() int64 {
	c.t.Helper()
	var body struct{ Latest int64 }
	c.read("/latest", &body)
	return body.Latest
}

func (c *apiClient) read(path string, v any) {
	c.t.Helper()
	a := c.get(path)
	if err := json.Unmarshal([]byte(a.body), v); a.status != http.StatusOK || err != nil {
		c.t.Fatalf("GET %s = %d %.200s (%v), want 200", path, a.status, a.body, err)
	}
}

// object writes a JSON object of strings.
func object(pairs ...string) string {
	members := make(map[string]string)
	for pair := range slices.Chunk(pairs, 2) {
		members[pair[0]] = pair[1]
	}
	text, _ := json.Marshal(members) // maps of strings cannot fail
	return string(text)
}
