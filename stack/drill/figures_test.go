package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at makes a sample that began and ended so many milliseconds after the start.
func at(start time.Time, began, ended int, surface, failure string) sample {
	ms := func(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }
	return sample{surface: surface, began: ms(began), ended: ms(ended), failure: failure}
}

func TestFiguresAreWhatClientsSaw(t *testing.T) {
	t.Parallel()
	start := time.Now()
	f := measure([]sample{
		at(start, 0, 10, "api", ""),
		at(start, 1000, 1400, "api", ""), // right, but too late for the simulator
		at(start, 2000, 4000, "api", "timeout 0"),
		at(start, 3000, 3010, "web", ""),
		at(start, 4500, 5000, "web", "status 503"),
		at(start, 9000, 9500, "api", "timeout 0"),
	}, start.Add(time.Second))
	if f.Sent != 6 || f.Failed != 3 || f.APIFailed != 2 || f.WebFailed != 1 || f.Late != 1 {
		t.Errorf("counts are %+v", f)
	}
	if f.Stretch != 3 { // from 2 to 5 s; four calm seconds end it
		t.Errorf("longest stretch %v s, want 3", f.Stretch)
	}
	if f.Last != 8 {
		t.Errorf("last failure %v s after the fault, want 8", f.Last)
	}
	if diff := cmp.Diff([][2]int{{5, 3}}, f.Timeline); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	if f.Why["api: timeout 0"] != 2 || f.Why["web: status 503"] != 1 {
		t.Errorf("reasons are %v", f.Why)
	}
}

func TestFiguresOfNothing(t *testing.T) {
	t.Parallel()
	if f := measure(nil, time.Now()); f.Sent != 0 || f.Stretch != 0 || f.P99 != 0 {
		t.Errorf("figures of nothing are %+v", f)
	}
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	var values []float64
	for i := 200; i > 0; i-- {
		values = append(values, float64(i))
	}
	for percent, want := range map[int]float64{50: 100, 99: 198, 100: 200} {
		if got := percentile(values, percent); got != want {
			t.Errorf("percentile %d = %v, want %v", percent, got, want)
		}
	}
}

// Of three nodes without anybody at a port the reason is the same.
func TestLikeFailuresAreCountedTogether(t *testing.T) {
	t.Parallel()
	v := newVisitor("Visitor", []string{"http://127.0.0.1:1", "http://127.0.0.2:1"}, false, time.Minute)
	for range v.bases {
		err := v.view(t.Context())
		if err == nil || alike(err) != "connection refused" || !strings.Contains(err.Error(), "http://127.0.0.") {
			t.Errorf("view = %v, which counts as %q", err, alike(err))
		}
	}
}

// Every user acts, and nobody follows themselves.
func TestTheLoadHangsTogether(t *testing.T) {
	t.Parallel()
	registered, acted := map[string]bool{}, map[string]int{}
	for i := range loadUsers {
		registered[user(i)] = true
	}
	for i, a := range scenario("x") {
		acted[a.User]++
		if a.ID != int64(i) || !registered[a.User] || a.Target != "" && (!registered[a.Target] || a.Target == a.User) {
			t.Fatalf("action %d names a user who is not there: %+v", i, a)
		}
	}
	if len(registered) != loadUsers || len(acted) != loadUsers {
		t.Errorf("%d users register, %d act, want %d", len(registered), len(acted), loadUsers)
	}
}
