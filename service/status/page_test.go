package status_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minitwit/service/dbtest"
	check "minitwit/service/htmlcheck"
	"minitwit/service/postgres"
	"minitwit/service/status"
	"minitwit/service/wait"
)

// full gives the options of a page on which there is something to see everywhere.
func full(t *testing.T) status.Options {
	t.Helper()
	t.Helper()
	s := dbtest.Open(t)
	if err := s.SetLatest(t.Context(), 42); err != nil {
		t.Fatal(err)
	}
	o := options(s, "1", "v1")
	o.Build.Built = "2026-11-25"
	o.Links = []status.Link{{Name: "Grafana", URL: "https://grafana.example/"}}
	return o
}

func TestThePageTellsWhatOnCallAsks(t *testing.T) {
	t.Parallel()
	o := full(t)
	surface, answered := requests()
	o.Surfaces = []status.Surface{surface}
	r := run(t, o)
	for range 98 {
		answered("/msgs/:username", "204", .05)
	}
	answered("/msgs/:username", "404", .05)
	answered("/register", "500", .05)
	wait.For(t, deadline, "the replica to be there", func() bool { return lives(t, r.Page)["1"] == "OK" })
	wait.For(t, deadline, "the requests", func() bool { return look(t, r.Page).Traffic.Surfaces[0].Latency != nil })
	all := check.All(
		check.Accessible(), check.NoInline(),
		check.In("title", check.HasText("^OK: api 1 ")),
		check.In("meta[http-equiv=refresh]", check.HasAttr("content", "^5$")),
		check.In("nav a", check.HasAttr("href", "^https://grafana.example/$")),
		check.Count("section", 5), check.NotIn(".note"),
		check.In("section:nth-of-type(1)", check.In("td[data-label=\"in work\"]", check.IsText("3"))),
		check.In("section:nth-of-type(2)", check.HasText("Traffic"), check.HasText("3 in work"),
			check.HasText(`fail \(5xx\)\s*1.0 %`), check.HasText(`p50\s*50 ms`), check.HasText(`p99\s*99 ms`)),
		check.In("section:nth-of-type(3)", check.HasText("Database"), check.HasText(`role\s*primary`), check.HasText(`ping\s*\d+(\.\d)? ms`),
			check.HasText(`size\s*\d+ MB`), check.HasText(`pool api\s*\d/8 used`)),
		check.In("section:nth-of-type(4)", check.HasText("Simulator"), check.HasText(`latest\s*42, for \d+(\.\d)? s`),
			check.HasText(`404\s*1 × POST /msgs/:username`), check.HasText(`500\s*1 × POST /register`)),
		check.In("section:nth-of-type(5)", check.HasText("Release"), check.HasText(`version\s*v1`), check.HasText(`built\s*2026-11-25`),
			check.HasText(`schema\s*\d+, wanted \d+`)))
	settles(t, func() error { return check.Run(get(t, r.Page, "/status").Body, all) })
}

// Whatever stands in the table was written by some process; none of it is markup.
func TestNothingShownIsMarkup(t *testing.T) {
	t.Parallel()
	o := full(t)
	bad := `<em class="x">y</em>`
	o.Self.Slot, o.Self.Node, o.Self.Host, o.Self.Version = bad, bad, bad, bad
	o.Links = []status.Link{{Name: bad, URL: "javascript:alert(1)"}}
	r := run(t, o)
	wait.For(t, deadline, "the replica to be there", func() bool { return lives(t, r.Page)[bad] == "OK" })
	if err := check.Run(get(t, r.Page, "/status").Body, check.NotIn("em"), check.NoInline(), check.Accessible()); err != nil {
		t.Error(err)
	}
}

// keys lists the names of a JSON value, each with those above it.
func keys(value any, above string) (found []string) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			found = append(append(found, above+name), keys(v[name], above+name+".")...)
		}
	case []any:
		for _, element := range v[:min(1, len(v))] {
			found = append(found, keys(element, above)...)
		}
	}
	return found
}

func TestTheJSONHasTheNamesThatScriptsKnow(t *testing.T) {
	t.Parallel()
	o := full(t)
	surface, answered := requests()
	o.Surfaces = []status.Surface{surface}
	r := run(t, o)
	answered("/register", "400", .05)
	wait.For(t, deadline, "all of it", func() bool {
		s := look(t, r.Page)
		return len(s.Replicas.List) == 1 && s.Traffic.Surfaces[0].Latency != nil
	})
	const want = `at
database database.longest_transaction_seconds database.ping_ms
database.pools database.pools.in_use database.pools.max database.pools.name database.pools.open database.pools.wait_seconds database.pools.waits
database.size_bytes database.standby database.state
links links.name links.url
release release.built release.commit release.go release.schema release.schema.found release.schema.wanted release.state release.version
replicas replicas.list
replicas.list.age_seconds replicas.list.draining replicas.list.host replicas.list.in_flight replicas.list.life replicas.list.node
replicas.list.self replicas.list.service replicas.list.silent_seconds replicas.list.slot replicas.list.version
replicas.not_shown replicas.state replicas.versions replicas.versions.v1
self self.host self.node self.service self.slot
simulator simulator.errors simulator.errors.code simulator.errors.count simulator.errors.method simulator.errors.route
simulator.has_api simulator.latest simulator.latest_unchanged_seconds simulator.messages_per_minute simulator.registrations_per_minute simulator.state
state
traffic traffic.state traffic.surfaces traffic.surfaces.error_percent traffic.surfaces.in_flight
traffic.surfaces.latency traffic.surfaces.latency.p50_ms traffic.surfaces.latency.p95_ms traffic.surfaces.latency.p99_ms
traffic.surfaces.name traffic.surfaces.per_second traffic.window_seconds`
	settles(t, func() error {
		w := get(t, r.Page, "/status?format=json")
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			return fmt.Errorf("the content type is %q", got)
		}
		var value any
		if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil {
			return err
		}
		if diff := cmp.Diff(strings.Fields(want), keys(value, "")); diff != "" {
			return fmt.Errorf("names (-want +got):\n%s", diff)
		}
		return nil
	})
}

// mute takes connections and says nothing.
func mute(t *testing.T) (address string) {
	t.Helper()
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestWithoutItsDatabaseThePageSaysSoInTime(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{"refused": "127.0.0.1:1", "silent": mute(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := fmt.Sprintf("postgres://u:hunter2@%s/x?sslmode=disable", address)
			s := dbtest.OpenWith(t, postgres.Options{URL: url, Timeout: deadline})
			o := options(s, "1", "v1")
			surface, answered := requests()
			o.Surfaces = []status.Surface{surface}
			page := newPage(t, o)
			answered("/register", "503", .05)
			start := time.Now()
			html := get(t, page, "/status").Body.String()
			if took := time.Since(start); took > deadline/2 { // far less than without the page's own patience
				t.Errorf("it took %v, want about 1 s", took)
			}
			err := check.Run(strings.NewReader(html),
				check.Accessible(), check.NoInline(), check.Count("section", 5),
				check.In("h1", check.HasText("^CRITICAL")),
				check.In("section:nth-of-type(1) .note", check.HasText("does not say")),
				check.In("section:nth-of-type(2)", check.HasText("100.0 %")), // traffic needs no database
				check.In("section:nth-of-type(3) .note", check.HasText("it does not answer")),
				check.In("section:nth-of-type(4)", check.HasText("503")),
				check.In("section:nth-of-type(5)", check.HasText("v1")))
			if err != nil {
				t.Error(err)
			}
			if script := get(t, page, "/status?format=json").Body.String(); strings.Contains(html+script, "hunter2") {
				t.Error("the page shows the password")
			}
		})
	}
}

// Requests that hang on to their connections must not take the page with them.
func TestAPoolThatIsUsedUpIsNamedInTime(t *testing.T) {
	t.Parallel()
	s := dbtest.OpenWith(t, postgres.Options{URL: dbtest.URL(t), MaxOpen: 2, Timeout: deadline})
	for range 2 {
		busy, err := s.DB().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = busy.Close() })
	}
	start := time.Now()
	got := look(t, newPage(t, options(s, "1", "v1"))).Database
	if took := time.Since(start); took > deadline/2 {
		t.Errorf("it took %v, want about 1 s", took)
	}
	want := []string{"the pool api is used up", "it does not answer: no answer in time"}
	if got.State != status.Critical || !cmp.Equal(got.Notes, want) {
		t.Errorf("%s %q, want CRITICAL %q", got.State, got.Notes, want)
	}
}

// Whoever looks while requests wait for a connection must not make it worse.
func TestThePageTakesTwoConnectionsAtMost(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	look(t, newPage(t, options(s, "1", "v1")))
	if open := s.DB().Stats().OpenConnections; open > 2 {
		t.Errorf("it has opened %d connections, want 2 at most", open)
	}
}

func TestASectionThatFailsHidesNoOther(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	if err := dbtest.OpenPatient(t, url).Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := newPage(t, options(dbtest.OpenWith(t, postgres.Options{URL: url}), "1", "v1"))
	want := map[string]status.State{
		"all": status.Critical, "release": status.Critical, "replicas": status.Unknown, "database": status.OK, "simulator": status.OK,
	}
	settles(t, func() error {
		s := look(t, page)
		got := map[string]status.State{
			"all": s.State, "release": s.Release.State, "replicas": s.Replicas.State, "database": s.Database.State, "simulator": s.Simulator.State,
		}
		if diff := cmp.Diff(want, got); diff != "" || !strings.Contains(fmt.Sprint(s.Release.Notes), "migrate up") {
			return fmt.Errorf("without the table of heartbeats: %s\nrelease: %q", diff, s.Release.Notes)
		}
		return nil
	})
}

// Who watches costs the database the same, however many they are.
func TestWhoAsksWithinASecondSharesTheAnswer(t *testing.T) {
	t.Parallel()
	page := newPage(t, full(t))
	seen := make(map[time.Time]bool)
	for range 10 {
		seen[look(t, page).At] = true
	}
	if len(seen) == 10 {
		t.Error("each of ten looks made the database answer anew")
	}
}
