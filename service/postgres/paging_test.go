package postgres_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minitwit/service/dbtest"
	"minitwit/service/minitwit"
)

// Many messages share a second, so that the id has to decide, and stand in the
// table in another order than their dates.
func TestPagingVisitsEachMessageOnceInBothDirections(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	register(t, s, "ada", "bob", "eve")
	const total = 100
	var dates []int64
	for i := range total {
		dates = append(dates, 1_600_000_000+int64(i/7))
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(total, func(i, j int) { dates[i], dates[j] = dates[j], dates[i] })
	for i, date := range dates {
		_, err := s.DB().ExecContext(t.Context(),
			`INSERT INTO messages (author_id, text, pub_date) VALUES ($1, $2, $3)`, 1+i%2, strconv.Itoa(i), date)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Follow(t.Context(), "ada", "bob"); err != nil {
		t.Fatal(err)
	}
	lists := map[string]func(minitwit.Window) (minitwit.Page, error){
		"public": func(w minitwit.Window) (minitwit.Page, error) { return s.PublicTimeline(t.Context(), w) },
		"home":   func(w minitwit.Window) (minitwit.Page, error) { return s.HomeTimeline(t.Context(), 1, w) },
		"user": func(w minitwit.Window) (minitwit.Page, error) {
			_, page, err := s.UserTimeline(t.Context(), "ada", 0, w)
			return page, err
		},
	}
	want := map[string]int{"public": total, "home": total, "user": total / 2}
	for name, list := range lists {
		down, last := walkOlder(t, list)
		if len(down) != want[name] || !slices.IsSortedFunc(down, newestFirst) {
			t.Errorf("%s: going older showed %d messages, sorted %v; want %d, sorted", name, len(down), slices.IsSortedFunc(down, newestFirst), want[name])
		}
		up := walkNewer(t, list, last)
		if diff := cmp.Diff(down[:len(up)], up); diff != "" {
			t.Errorf("%s: going newer shows others (-older +newer):\n%s", name, diff)
		}
		if len(up) == 0 || up[0] != down[0] {
			t.Errorf("%s: going newer does not arrive at the newest", name)
		}
	}
}

func newestFirst(a, b minitwit.Message) int {
	if a.PubDate != b.PubDate {
		return int(b.PubDate - a.PubDate)
	}
	return int(b.ID - a.ID)
}

func walkOlder(t *testing.T, list func(minitwit.Window) (minitwit.Page, error)) (all []minitwit.Message, last minitwit.Page) {
	t.Helper()
	page, err := list(minitwit.Window{})
	for err == nil {
		all = append(all, page.Messages...)
		if !page.HasOlder {
			return all, page
		}
		page, err = list(minitwit.Window{Before: page.Messages[len(page.Messages)-1].Cursor()})
	}
	t.Fatal(err)
	return nil, page
}

func walkNewer(t *testing.T, list func(minitwit.Window) (minitwit.Page, error), page minitwit.Page) (all []minitwit.Message) {
	t.Helper()
	for page.HasNewer {
		next, err := list(minitwit.Window{After: page.Messages[0].Cursor()})
		if err != nil {
			t.Fatal(err)
		}
		all = append(slices.Clone(next.Messages), all...)
		page = next
	}
	return all
}

// Slow readers of many such pages would fill a replica's memory.
func TestAPageOfLongTextsIsShorter(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	register(t, s, "ada")
	const total = 20
	for range total {
		if err := s.AddMessage(t.Context(), "ada", strings.Repeat("x", minitwit.MaxContentBytes)); err != nil {
			t.Fatal(err)
		}
	}
	list := func(w minitwit.Window) (minitwit.Page, error) { return s.PublicTimeline(t.Context(), w) }
	if first, err := list(minitwit.Window{}); err != nil || len(first.Messages) != 8 || !first.HasOlder || first.HasNewer {
		t.Errorf("the first page has %d messages, older %v, newer %v, %v; want 8 of 16 KiB", len(first.Messages), first.HasOlder, first.HasNewer, err)
	}
	down, last := walkOlder(t, list)
	if up := walkNewer(t, list, last); len(down) != total || len(up) != total-len(last.Messages) {
		t.Errorf("going older shows %d, back to the newest %d of %d messages", len(down), len(up), total)
	}
}

func TestAPageBeyondTheEndIsEmpty(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	register(t, s, "ada")
	if err := s.AddMessage(t.Context(), "ada", "hello"); err != nil {
		t.Fatal(err)
	}
	for _, w := range []minitwit.Window{
		{Before: minitwit.Cursor{PubDate: 1, ID: 1}},
		{After: minitwit.Newest},
	} {
		if page, err := s.PublicTimeline(t.Context(), w); err != nil || len(page.Messages) != 0 {
			t.Errorf("PublicTimeline(%+v) = %+v, %v, want empty", w, page, err)
		}
		if profile, page, err := s.UserTimeline(t.Context(), "ada", 0, w); err != nil || profile.Name != "ada" || len(page.Messages) != 0 {
			t.Errorf("UserTimeline(%+v) = %+v, %+v, %v, want ada, empty", w, profile, page, err)
		}
	}
}
