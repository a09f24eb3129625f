package status

import (
	"errors"
	"strings"
	"testing"
	"time"

	"minitwit/service/minitwit"
	"minitwit/service/postgres"
)

// at gives a sample of a surface that has answered so often since the last one, of
// which so many were errors and so many slow.
func at(total, failed, slow float64) sample {
	return sample{
		at: time.Unix(100, 0),
		surfaces: []counts{{
			total: total, bounds: []float64{.1, 5}, below: []float64{total - slow, total},
			answers: map[kind]float64{{"GET", "/", "200"}: total - failed, {"GET", "/", "503"}: failed},
		}},
	}
}

func TestEachSectionJudges(t *testing.T) {
	t.Parallel()
	api, began := []Surface{{Name: "api"}}, sample{surfaces: []counts{{}}}
	lag, far := 29., 31.
	facts := func(f Facts) Section { return database(nil, sample{}, sample{}, answer[Facts]{value: f}).Section }
	schema := func(wanted, found int64) Section {
		return release(Build{}, answer[postgres.Schema]{value: postgres.Schema{Wanted: wanted, Found: found}}).Section
	}
	activity := func(latest int64, unchanged float64) Section {
		return simulator(nil, sample{}, sample{}, answer[postgres.Activity]{value: postgres.Activity{Latest: latest, Unchanged: unchanged}}).Section
	}
	for _, c := range []struct {
		name string
		got  Section
		want State
		note string
	}{
		{"a database that is well", facts(Facts{PingMS: 99, Facts: postgres.Facts{LongestTransaction: 59, ReplicationLag: &lag}}), OK, ""},
		{"a standby", facts(Facts{Facts: postgres.Facts{Standby: true}}), Critical, "refuses to write"},
		{"a slow database", facts(Facts{PingMS: 101}), Warning, "slow"},
		{"a transaction forgotten", facts(Facts{Facts: postgres.Facts{LongestTransaction: 61}}), Warning, "open for long"},
		{"a standby far behind", facts(Facts{Facts: postgres.Facts{ReplicationLag: &far}}), Warning, "behind"},
		{"a schema that fits", schema(3, 3), OK, ""},
		{"a newer schema", schema(3, 4), OK, "newer"},
		{"a schema that is behind", schema(3, 2), Critical, "migrate up"},
		{"a simulator at work", activity(7, 119), OK, ""},
		{"a simulator that is silent", activity(7, 121), Warning, "silent"},
		{"a simulator that has not begun", activity(-1, 1e6), OK, "not begun"},
		{"no requests", traffic(api, began, at(0, 0, 0)).Section, OK, ""},
		{"requests that are answered", traffic(api, began, at(1000, 10, 49)).Section, OK, ""},
		{"some errors", traffic(api, began, at(1000, 11, 0)).Section, Warning, "1.1 %"},
		{"many errors", traffic(api, began, at(1000, 51, 0)).Section, Critical, "5.1 %"},
		{"slow answers", traffic(api, began, at(1000, 0, 100)).Section, Warning, "slow"},
	} {
		if notes := strings.Join(c.got.Notes, "; "); c.got.State != c.want || !strings.Contains(notes, c.note) || (c.note == "") != (notes == "") {
			t.Errorf("%s: %s %q, want %s with %q", c.name, c.got.State, notes, c.want, c.note)
		}
	}
}

func TestTheWorstStateCounts(t *testing.T) {
	t.Parallel()
	order := []State{OK, Warning, Unknown, Critical}
	for i, a := range order {
		for j, b := range order {
			if got := worst(a, b); got != order[max(i, j)] {
				t.Errorf("worst(%s, %s) = %s", a, b, got)
			}
		}
	}
}

// Users are told that the service is busy; who looks after it has to know why.
func TestAReasonIsTheCause(t *testing.T) {
	t.Parallel()
	if got := reason(minitwit.Unavailable(errors.New("connection refused"))); got != "connection refused" {
		t.Errorf("reason = %q, want the cause alone", got)
	}
}

func TestFiguresReadAsPeopleSayThem(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		span(-1): "0.0 s", span(9.94): "9.9 s", span(119): "119 s", span(120): "2 min", span(7200): "2 h", span(48 * 3600): "2 days",
		ms(.25): "0.2 ms", ms(187): "187 ms", size(8e6): "8 MB", size(1.5e9): "1.5 GB", upTo(10, 9): "9", upTo(10, 10): "10 or more",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
