package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"minitwit/service/dbtest"
)

// The outage that the whole system was built against: every page view hits a
// bug. Each costs its request a 500, and the simulator notices nothing.
func TestAPanicInTheUICostsOneRequest(t *testing.T) {
	t.Parallel()
	a := start(t, options{binary: binaries.faults, env: []string{"MINITWIT_FAULT=panic"}})
	l := startLoad(t, newAPI(t, a), 2, 10*time.Millisecond)
	s := newSimulator()
	const views = 50
	for range views {
		page := s.must(t, "GET", a.web+"/public", "")
		if page.status != 500 || !strings.Contains(page.body, "</html>") || strings.Contains(page.body, "drill") {
			t.Fatalf("GET /public = %d %s, want an honest 500 page without details", page.status, page.body)
		}
	}
	if live := s.must(t, "GET", a.ops+"/livez", ""); live.status != 200 {
		t.Errorf("/livez = %d, want 200", live.status)
	}
	if bad := failed(l.finish()); len(bad) > 0 {
		t.Errorf("%d API requests failed: %v", len(bad), bad[0].err)
	}
	if metrics := metricsOf(t, a); !strings.Contains(metrics,
		fmt.Sprintf(`minitwit_panics_recovered_total{surface="web"} %d`, views)) {
		t.Error("the panics are not counted")
	}
	a.terminate() // and its log is read to the end
	panics := a.logged("panic")
	if len(panics) != views || !strings.Contains(fmt.Sprint(panics[0]["stack"]), "service/faults/on.go") || panics[0]["request_id"] == "" {
		t.Errorf("%d panics are logged, the first %v; want %d with stack and request id", len(panics), panics[:min(1, len(panics))], views)
	}
}

func TestKillingTheWebProcessHarmsNoAPIRequest(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	api := start(t, options{db: db, args: []string{"--only", "api"}})
	l := startLoad(t, newAPI(t, api), 4, 50*time.Millisecond)
	for range 5 {
		web := start(t, options{db: db, args: []string{"--only", "web"}})
		if page := newSimulator().must(t, "GET", web.web+"/public", ""); page.status != 200 {
			t.Errorf("GET /public = %d, want 200", page.status)
		}
		web.kill()
	}
	if bad := failed(l.finish()); len(bad) > 0 {
		t.Errorf("%d API requests failed: %v", len(bad), bad[0].err)
	}
	l.verify(api.api)
}

// A registration that was acknowledged lets its user log in whatever happens
// next, here the death of the process before any password was strengthened.
func TestABurstOfRegistrationsIsAnsweredAtOnceAndSurvivesACrash(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	first := start(t, options{db: db})
	answers := burst(t, first, "user")
	first.kill()
	for i, a := range answers {
		if a.status != 204 { // how long it took, the bench tells
			t.Errorf("registration %d of a burst = %d, want 204", i, a.status)
		}
	}
	second := start(t, options{db: db})
	for i := range answers {
		if err := login(second.web, fmt.Sprintf("user %d", i), fmt.Sprintf("secret %d", i)); err != nil {
			t.Errorf("user %d: %v", i, err)
		}
	}
}

// burst registers 50 users, NAME 0 to NAME 49, all at once.
func burst(t *testing.T, a *app, name string) []answer {
	t.Helper()
	answers := make([]answer, 50)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			answers[i], _ = newSimulator().do(t.Context(), "POST", a.api+"/register",
				fmt.Sprintf(`{"username":"%s %d","email":"a@b","pwd":"secret %d"}`, name, i, i))
		})
	}
	all.Wait()
	return answers
}

// login signs in with a form, as a browser does.
func login(web, name, password string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Timeout: deadline}
	resp, err := client.PostForm(web+"/login", url.Values{"username": {name}, "password": {password}})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var page bytes.Buffer
	if _, err := page.ReadFrom(resp.Body); err != nil {
		return err
	}
	if !strings.Contains(page.String(), "You were logged in") {
		return fmt.Errorf("not logged in: %d at %s", resp.StatusCode, resp.Request.URL)
	}
	return nil
}
