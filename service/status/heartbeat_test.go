package status_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/service/dbtest"
	check "minitwit/service/htmlcheck"
	"minitwit/service/postgres"
	"minitwit/service/status"
	"minitwit/service/wait"
)

func TestTwoReplicasOfTwoVersionsAreShown(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	old, recent := run(t, options(s, "1", "v1")), run(t, options(s, "2", "v2"))
	for _, r := range []replica{old, recent} {
		var got status.Replicas
		wait.For(t, deadline, "both replicas on the page", func() bool {
			got = look(t, r.Page).Replicas
			return len(got.List) == 2
		})
		if want := map[string]int{"v1": 1, "v2": 1}; !cmp.Equal(got.Versions, want) {
			t.Errorf("versions: %v, want %v", got.Versions, want)
		}
	}
	both := check.All(
		check.In("section.WARNING", check.In("h2", check.HasText("^WARNING Replicas$")), check.In(".note", check.HasText("2 versions"))),
		check.Count("tbody tr", 2),
		check.In("tbody tr:first-child",
			check.In("td", check.HasText("^OK$")), check.In("th", check.HasText("^api 1$")),
			check.In("td[data-label=version]", check.IsText("v1")), check.In("td[data-label=node]", check.IsText("n1")),
			check.In("td[data-label=host]", check.IsText("host1")), check.In("td[data-label=seen]", check.HasText(`^\d\.\d s ago$`))),
		check.In("tbody tr.self", check.In("th", check.HasText(`^api 2 \(this\)$`)), check.In("td[data-label=version]", check.IsText("v2"))))
	settles(t, func() error { return check.Run(get(t, recent.Page, "/status").Body, both) })
}

func TestWhoFallsSilentIsShownUntilReplaced(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	page := newPage(t, options(s, "1", "v1"))
	beat := func(id, slot string) {
		if err := s.Beat(t.Context(), postgres.Replica{ID: id, Service: "api", Slot: slot, Version: "v1"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, slot := range []string{"1", "2", "3"} {
		beat("first "+slot, slot)
	}
	age(t, s, "2", 16)
	age(t, s, "3", 3601)
	want := map[string]string{"1": "OK", "2": "silent"}
	settles(t, func() error {
		got := look(t, page).Replicas
		if lives := lives(t, page); !cmp.Equal(lives, want) || got.State != status.Warning || !strings.Contains(fmt.Sprint(got.Notes), "[api 2 is silent") {
			return fmt.Errorf("%v, %s %q; want %v and a warning of api 2", lives, got.State, got.Notes, want)
		}
		return nil
	})
	beat("second 2", "2")
	var got status.Replicas
	wait.For(t, deadline, "the silent one to be replaced", func() bool {
		got = look(t, page).Replicas
		return got.State == status.OK
	})
	if len(got.List) != 3 || got.List[2].Life != "silent" {
		t.Errorf("the rows are %+v, want last of three the one that was replaced", got.List)
	}
}

// A crash loop must not push the living off the screen, nor fill the table for ever.
func TestThoseWhoAreGoneStayFew(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	const q = `
		INSERT INTO replica_heartbeat
		SELECT 'gone ' || i, 'api', '2', '', '', 'v1', now(), now() - make_interval(secs => i * 60), 0, false FROM generate_series(1, 500) AS i
		UNION ALL SELECT 'lost', 'api', '3', '', '', 'v1', now(), now() - interval '50 minutes', 0, false`
	if _, err := s.DB().ExecContext(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	r := run(t, options(s, "1", "v1"))
	var got status.Replicas
	wait.For(t, deadline, "the living one to come first", func() bool {
		got = look(t, r.Page).Replicas
		return len(got.List) > 0 && got.List[0].Slot == "1"
	})
	if len(got.List) != 7 || got.NotShown != 54 {
		t.Errorf("%d rows, %d not shown; want the living one, 6 that are gone, 54", len(got.List), got.NotShown)
	}
	// Who is not shown is missed all the same, and who crashes again and again is missed once.
	if notes := strings.Join(got.Notes, "\n"); strings.Count(notes, "api 2 is silent") != 1 || strings.Count(notes, "api 3 is silent") != 1 {
		t.Errorf("the notes are %q, want one of api 2 and one of api 3", got.Notes)
	}
	var left int
	wait.For(t, deadline, "the start to remove what is older than an hour", func() bool {
		err := s.DB().QueryRowContext(t.Context(), `SELECT count(*) FROM replica_heartbeat`).Scan(&left)
		return err == nil && left <= 61
	})
}

func TestADrainIsTheLastWord(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	var samples atomic.Int64
	o := options(s, "2", "v1")
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "x"}, func() float64 { return float64(samples.Add(1)) }))
	o.Surfaces = []status.Surface{{Name: "api", Requests: metrics}}
	watcher, r := newPage(t, options(s, "1", "v1")), run(t, o)
	wait.For(t, deadline, "the replica to be there", func() bool { return lives(t, watcher)["2"] == "OK" })
	r.drain()
	wait.For(t, deadline, "the replica to drain", func() bool { return lives(t, watcher)["2"] == "draining" })
	r.stop()
	if n := samples.Load(); n > 10 {
		t.Errorf("%d samples within seconds", n)
	}
	age(t, s, "2", 16)
	wait.For(t, deadline, "the replica to have stopped", func() bool { return lives(t, watcher)["2"] == "stopped" })
	if got := look(t, watcher).Replicas; got.State != status.OK {
		t.Errorf("after an orderly stop: %s %q, want OK", got.State, got.Notes)
	}
}

func TestAStopWithoutADrainIsOneAllTheSame(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	r := run(t, options(s, "2", "v1"))
	// Its connection is open by then: the last heartbeat may take no longer than another.
	wait.For(t, deadline, "the replica to be there", func() bool { return lives(t, r.Page)["2"] == "OK" })
	r.stop()
	wait.For(t, deadline, "the last heartbeat to say that it drains", func() bool { return lives(t, r.Page)["2"] == "draining" })
}

// lines is a log of which each line can be waited for.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// Requests that have used up the pool come first, and the next heartbeat is not far.
func TestAHeartbeatGivesUpOnAPoolThatIsUsedUp(t *testing.T) {
	t.Parallel()
	s := dbtest.OpenWith(t, postgres.Options{URL: dbtest.URL(t), MaxOpen: 1, Timeout: deadline})
	busy, err := s.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log := make(lines, 10)
	o := options(s, "1", "v1")
	o.Log = zerolog.New(log)
	r := run(t, o)
	line := <-log
	if !strings.Contains(line, `"warn"`) || !strings.Contains(line, "no heartbeat") {
		t.Errorf("the log has %s, want a warning", line)
	}
	if waited := s.DB().Stats().WaitDuration; waited > deadline/4 {
		t.Errorf("it waited %v for a connection, want 0.3 s", waited)
	}
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	wait.For(t, deadline, "the heartbeat", func() bool { return lives(t, r.Page)["1"] == "OK" })
	if len(log) > 0 {
		t.Errorf("the log goes on: %s", <-log)
	}
}
