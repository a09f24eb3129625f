package e2e

import (
	"net/http"
	"strings"
	"testing"
)

func TestMaintenanceTellsEverybodyToComeAgain(t *testing.T) {
	t.Parallel()
	a, s := start(t, options{env: []string{"MAINTENANCE=true"}}), newSimulator()
	for _, url := range []string{a.web + "/public", a.web + "/login", a.web + "/nobody", a.api + "/latest", a.api + "/msgs"} {
		got := s.must(t, "GET", url, "")
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "120" {
			t.Errorf("GET %s = %d, Retry-After %q", url, got.status, got.header.Get("Retry-After"))
		}
	}
	if got := s.must(t, "POST", a.api+"/register", `{"username":"anna","email":"a@a","pwd":"p"}`); got.status != http.StatusServiceUnavailable ||
		!strings.Contains(got.body, "is being maintained") {
		t.Errorf("POST /register = %d %s", got.status, got.body)
	}
	page := s.must(t, "GET", a.web+"/public", "")
	if !strings.Contains(page.body, "Under maintenance") || !strings.Contains(page.body, "in 2 minutes") {
		t.Errorf("the page does not say so:\n%s", page.body)
	}
	if got := s.must(t, "GET", a.web+"/static/style.css", ""); got.status != http.StatusOK {
		t.Errorf("its style: %d", got.status)
	}
	// Swarm must not take a closed replica for a dead one.
	if got := s.must(t, "GET", a.ops+"/livez", ""); got.status != http.StatusOK {
		t.Errorf("/livez = %d", got.status)
	}
}
