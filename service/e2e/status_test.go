package e2e

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"minitwit/service/dbtest"
	"minitwit/service/postgres"
	"minitwit/service/wait"
)

// statusPage is what these tests read of /status?format=json.
type statusPage struct {
	State    string
	Replicas struct {
		List []struct {
			Service, Slot, Node, Life string
			Self                      bool
		}
	}
	Simulator struct {
		Latest        int64
		Messages      int64 `json:"messages_per_minute"`
		Registrations int64 `json:"registrations_per_minute"`
		Errors        []struct {
			Route, Code string
			Count       int
		}
	}
	Traffic struct {
		Surfaces []struct {
			Name    string
			Latency *struct{ P99 float64 }
		}
	}
	Links []struct{ Name, URL string }
}

func statusOf(t *testing.T, a *app) (s statusPage) {
	t.Helper()
	if err := json.Unmarshal([]byte(newSimulator().must(t, "GET", a.ops+"/status?format=json", "").body), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// lives says of each replica, as its service and slot, how the page calls it.
func (s statusPage) lives() string {
	var all []string
	for _, r := range s.Replicas.List {
		all = append(all, r.Service+" "+r.Slot+" on "+r.Node+" "+r.Life)
	}
	return strings.Join(all, ", ")
}

func TestTheStatusPageKnowsTheOtherReplicas(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	api := start(t, options{db: db, args: []string{"--only", "api"}, env: []string{"TASK_SLOT=1", "NODE_NAME=n1"}})
	web := start(t, options{db: db, args: []string{"--only", "web"}, env: []string{
		// Long enough for three heartbeats: one that comes too late for its bound is not written.
		"TASK_SLOT=2", "NODE_NAME=n2", "DRAIN=6s", "DASHBOARDS_URL=https://grafana.example",
	}})
	for _, a := range []*app{api, web} {
		wait.For(t, deadline, "both replicas on the page", func() bool { return statusOf(t, a).lives() == "api 1 on n1 OK, web 2 on n2 OK" })
	}
	if links := fmt.Sprint(statusOf(t, web).Links, statusOf(t, api).Links); links != "[{Grafana https://grafana.example}] []" {
		t.Errorf("links are %s, want the one that is set where it is", links)
	}
	web.terminateWhile(func() {
		wait.For(t, deadline, "the drain to be on the page", func() bool { return statusOf(t, api).lives() == "api 1 on n1 OK, web 2 on n2 draining" })
	})
	api.terminate()
}

func TestTheStatusPageTellsOfTheSimulator(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	s := newSimulator()
	s.must(t, "POST", a.api+"/register?latest=41", `{"username":"ada","email":"a@b","pwd":"x"}`)
	s.must(t, "POST", a.api+"/msgs/ada?latest=42", `{"content":"x"}`)
	s.must(t, "POST", a.api+"/msgs/nobody?latest=43", `{"content":"x"}`)
	wait.For(t, deadline, "all of it on the page", func() bool {
		page := statusOf(t, a)
		errors := page.Simulator.Errors
		return page.Simulator.Latest == 43 && page.Simulator.Messages == 1 && page.Simulator.Registrations == 1 &&
			len(errors) == 1 && errors[0].Route == "/msgs/:username" && errors[0].Code == "404" && errors[0].Count == 1 &&
			page.Traffic.Surfaces[0].Name == "api" && page.Traffic.Surfaces[0].Latency != nil
	})
}

func TestTheStatusPageFitsEveryScreen(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	store := dbtest.OpenWith(t, postgres.Options{URL: db})
	for _, service := range []string{"api", "web"} {
		for slot := range 3 {
			must(t, store.Beat(t.Context(), postgres.Replica{
				ID: fmt.Sprint(service, slot), Service: service, Slot: strconv.Itoa(slot + 1), Node: fmt.Sprintf("node-%d.example.org", slot+1),
				Host: fmt.Sprintf("%s-%d-0123456789ab", service, slot+1), Version: fmt.Sprintf("v1.%d.0-12-g0123456", slot/2),
				InFlight: slot, Draining: slot == 1, Age: 10_000,
			}))
		}
	}
	_, err := store.DB().ExecContext(t.Context(), `UPDATE replica_heartbeat SET seen_at = seen_at - interval '100 seconds' WHERE slot = '3'`)
	must(t, err)
	a := start(t, options{db: db, env: []string{"DASHBOARDS_URL=https://grafana.example", "RUNBOOKS_URL=https://runbooks.example"}})
	s := newSimulator()
	s.must(t, "POST", a.api+"/register?latest=41", `{"username":"ada","email":"a@b","pwd":"x"}`)
	s.must(t, "POST", a.api+"/msgs/nobody?latest=43", `{"content":"x"}`)
	wait.For(t, deadline, "its own heartbeat", func() bool { return len(statusOf(t, a).Replicas.List) == 7 })
	for _, l := range []look{
		{width: 320}, {width: 360}, {width: 360, dark: true}, {width: 1280}, {width: 1280, dark: true}, {width: 1280, noScript: true},
	} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			b := newTab(t, &app{web: a.ops}, l)
			// Not at once: it gives a busy database a second, and says so.
			wait.For(t, deadline, "the page to begin with WARNING", func() bool {
				b.visit("/status")
				return strings.HasPrefix(b.text("h1"), "WARNING")
			})
			b.screenshot("status")
		})
	}
}
