package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"minitwit/service/dbtest"
	"minitwit/service/wait"
)

func TestTheOpsPortTellsWhatOnCallAsks(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	s := newSimulator()
	s.must(t, "POST", a.api+"/register?latest=41", `{"username":"ada","email":"a@b","pwd":"x"}`)
	s.must(t, "POST", a.api+"/msgs/ada?latest=42", `{"content":"x"}`)
	s.must(t, "GET", a.web+"/public", "")
	s.must(t, "GET", a.web+"/ada/nothing/here", "")
	metrics := s.must(t, "GET", a.ops+"/metrics", "").body
	for _, want := range []string{
		`minitwit_build_info{`, `goversion="go1`,
		`minitwit_http_requests_total{code="204",method="POST",route="/msgs/:username",surface="api"} 1`,
		`minitwit_http_requests_total{code="200",method="GET",route="/public",surface="web"} 1`,
		`minitwit_http_request_duration_seconds_bucket{method="POST",route="/register",surface="api",le="0.3"} `, // the SLO's
		`minitwit_http_request_duration_seconds_count{method="POST",route="/register",surface="api"} 1`,
		`minitwit_http_requests_in_flight{surface="api"} 0`,
		`minitwit_latest{surface="api"} 42`, `minitwit_latest_age_seconds{surface="api"}`,
		`minitwit_registrations_total{surface="api"} 1`, `minitwit_password_hash_queue{surface="web"}`, `minitwit_password_digests_waiting{surface="api"}`,
		`minitwit_panics_recovered_total{surface="web"} 0`,
		`go_sql_max_open_connections{db_name="api"} 8`, `go_sql_max_open_connections{db_name="web"} 8`,
		`go_goroutines`, `process_resident_memory_bytes`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	var version struct{ Version, Commit, Built, Go string }
	if err := json.Unmarshal([]byte(s.must(t, "GET", a.ops+"/version", "").body), &version); err != nil || version.Version == "" || version.Go == "" {
		t.Errorf("/version = %+v, %v", version, err)
	}
	for _, path := range []string{"/livez", "/readyz", "/status", "/status?format=json", "/status.css", "/debug/pprof/", "/debug/pprof/goroutine?debug=1"} {
		if got := s.must(t, "GET", a.ops+path, ""); got.status != 200 {
			t.Errorf("%s = %d, want 200", path, got.status)
		}
	}
	for _, url := range []string{a.api + "/metrics", a.api + "/debug/pprof/", a.api + "/status", a.web + "/status", a.web + "/metrics", a.web + "/livez"} {
		if got := s.must(t, "GET", url, ""); got.status != 404 {
			t.Errorf("%s, on a published port, = %d, want 404", url, got.status)
		}
	}
}

func TestAWrongMethodIsToldWhichAreRight(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	for what, want := range map[string]string{"POST /public": "GET", "PUT /login": "GET, POST", "GET /add_message": "POST", "DELETE /ada/follow": "GET, POST"} {
		method, path, _ := strings.Cut(what, " ")
		got := newSimulator().must(t, method, a.web+path, "")
		if allow := got.header.Get("Allow"); got.status != 405 || strings.TrimPrefix(allow, "OPTIONS, ") != want {
			t.Errorf("%s = %d, Allow %q; want 405, %s", what, got.status, allow, want)
		}
	}
}

// They come many times a second where an edge stands in front, and would hide what users get.
func TestHealthChecksAreNoRequests(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	s := newSimulator()
	for _, url := range []string{a.ops + "/livez", a.api + "/openapi.yaml", a.web + "/static/style.css", a.web + "/public"} {
		s.must(t, "GET", url, "")
	}
	metrics := metricsOf(t, a)
	if strings.Contains(metrics, "/openapi.yaml") || strings.Contains(metrics, `route="/static/*"`) || !strings.Contains(metrics, `route="/public"`) {
		t.Error("the metrics count what a health check asks, or not what a visitor does")
	}
}

func TestHeadIsAnsweredLikeGetWithoutABody(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	for url, want := range map[string]int{a.web + "/public": 200, a.web + "/nobody": 404, a.api + "/latest": 200, a.api + "/msgs": 200} {
		if got := newSimulator().must(t, "HEAD", url, ""); got.status != want || got.body != "" || got.header.Get("Content-Length") == "0" {
			t.Errorf("HEAD %s = %d %v, want %d and the length of what GET gives", url, got.status, got.header, want)
		}
	}
}

func TestTheHealthcheckCommandFollowsLivez(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	check := func() (string, error) {
		cmd := exec.Command(binaries.release, "healthcheck")
		cmd.Env = []string{"OPS_ADDR=" + strings.TrimPrefix(a.ops, "http://")}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check(); err != nil {
		t.Errorf("healthcheck of a server that serves: %v %s", err, out)
	}
	a.terminate()
	if out, err := check(); err == nil || !strings.Contains(out, "not alive") {
		t.Errorf("healthcheck of no server: %v %q, want an error that says so", err, out)
	}
}

func TestASchemaThatIsBehindIsNotReady(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	store := dbtest.OpenPatient(t, db)
	all, err := store.Migrations(t.Context())
	must(t, err)
	for range all {
		must(t, store.Rollback(t.Context()))
	}
	a := start(t, options{db: db})
	s := newSimulator()
	ready := s.must(t, "GET", a.ops+"/readyz", "")
	if ready.status != 503 || !strings.Contains(ready.body, "migrate up") {
		t.Errorf("/readyz on an old schema = %d %q, want 503 that names the cure", ready.status, ready.body)
	}
	for _, url := range []string{a.api + "/latest", a.api + "/msgs", a.web + "/public"} {
		if got := s.must(t, "GET", url, ""); got.status != 503 {
			t.Errorf("GET %s on an old schema = %d, want 503", url, got.status)
		}
	}
	_, err = store.Migrate(t.Context())
	must(t, err)
	wait.For(t, deadline, "/readyz to say yes", func() bool { return s.must(t, "GET", a.ops+"/readyz", "").status == 200 })
}

func TestWrongSettingsAreListedTogether(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binaries.release, "serve")
	cmd.Env = []string{"SESSION_KEY=hunter2", "BCRYPT_COST=1"}
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("serve starts with wrong settings")
	}
	for _, want := range []string{"DATABASE_URL", "SESSION_KEY is shorter", "PASSWORD_KEY is not set", "BCRYPT_COST"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the error does not mention %s:\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "hunter2") {
		t.Errorf("the error shows a secret:\n%s", out)
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	cmd := exec.Command(binaries.release, "serve", "--only", "api")
	taken := strings.TrimPrefix(a.api, "http://")
	cmd.Env = []string{
		"DATABASE_URL=postgres://x@127.0.0.1:1/x?sslmode=disable", "SESSION_KEY=" + strings.Repeat("x", 32),
		"PASSWORD_KEY=" + strings.Repeat("x", 32), "API_ADDR=" + taken, "OPS_ADDR=127.0.0.1:0",
	}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), taken) {
		t.Errorf("serve on a taken port: %v\n%s\nwant an error that names %s", err, out, taken)
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"serve", "migrate", "healthcheck", "flag", "simulate", "canary", "deadman", "version"} {
		out, err := exec.Command(binaries.release, command, "-h").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "usage: minitwit "+command) {
			t.Errorf("minitwit %s -h: %v\n%s", command, err, out)
		}
	}
	for _, args := range [][]string{nil, {"nonsense"}, {"serve", "--only", "x"}, {"serve", "surplus"}, {"migrate"}, {"flag", "x"}} {
		err := exec.Command(binaries.release, args...).Run()
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 { //nolint:errorlint // Run returns it unwrapped
			t.Errorf("minitwit %q: %v, want exit status 2", args, err)
		}
	}
}

// No secret may be seen by whoever reads the log or lists the processes.
func TestTheLogShowsNoSecret(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	s := newSimulator()
	s.must(t, "POST", a.api+"/register", `{"username":"ada","email":"a@b","pwd":"hunter2"}`)
	if err := login(a.web, "ada", "hunter2"); err != nil {
		t.Error(err)
	}
	if err := login(a.web, "ada", "hunter2-wrong"); err == nil {
		t.Error("logged in with a wrong password")
	}
	// A form that was sent by GET, credentials in the address, and wrong ones.
	for _, path := range []string{"/login?username=ada&password=hunter2", "/register?password2=hunter2&latest=1", "/public?;hunter2"} {
		s.must(t, "GET", a.web+path, "")
	}
	form := url.Values{"username": {"bob"}, "email": {"b@c"}, "password": {"hunter2"}, "password2": {"hunter2-mistyped"}}
	for range 2 { // the second mistake is none
		resp, err := http.PostForm(a.web+"/register", form)
		must(t, err)
		must(t, resp.Body.Close())
		form.Set("password2", "hunter2")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.api+"/msgs", nil)
	must(t, err)
	req.SetBasicAuth("simulator", "hunter2")
	if got, err := fetch(http.DefaultClient, req); err != nil || got.status != http.StatusForbidden {
		t.Errorf("with a wrong password: %v, %v", got.status, err)
	}
	a.terminate()
	for _, entry := range a.logged("") {
		line, err := json.Marshal(entry)
		must(t, err)
		for _, secret := range []string{"hunter2", "super_safe", "not secret", "digest$", "Authorization"} {
			if strings.Contains(string(line), secret) {
				t.Errorf("the log holds %q: %s", secret, line)
			}
		}
	}
}
