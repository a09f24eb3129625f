package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minitwit/service/dbtest"
	"minitwit/service/minitwit"
	"minitwit/service/postgres"
)

func register(t *testing.T, s *postgres.Store, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := s.CreateUser(t.Context(), name, name+"@example.org", "hash of "+name); err != nil {
			t.Fatalf("CreateUser(%q): %v", name, err)
		}
	}
}

func texts(messages []minitwit.Message) []string {
	var found []string
	for _, m := range messages {
		found = append(found, m.Author+": "+m.Text)
	}
	return found
}

func TestCreateUserRefusesATakenName(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	register(t, s, "Ada Lovelace")
	if err := s.CreateUser(t.Context(), "Ada Lovelace", "x@y", "h"); !errors.Is(err, minitwit.ErrNameTaken) {
		t.Errorf("second CreateUser = %v, want ErrNameTaken", err)
	}
}

func TestOnlyOneOfManyRegistrationsAtOnceSucceeds(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	results := make(chan error)
	for range 20 {
		go func() { results <- s.CreateUser(t.Context(), "ada", "a@b", "h") }()
	}
	stored := 0
	for range 20 {
		if err := <-results; err == nil {
			stored++
		} else if !errors.Is(err, minitwit.ErrNameTaken) {
			t.Errorf("CreateUser = %v, want nil or ErrNameTaken", err)
		}
	}
	if stored != 1 {
		t.Errorf("%d of 20 registrations succeeded, want 1", stored)
	}
}

func TestCredentialsAndSession(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	register(t, s, "ada")
	user, hash, err := s.Credentials(t.Context(), "ada")
	if err != nil || user.Name != "ada" || hash != "hash of ada" {
		t.Fatalf("Credentials(ada) = %+v, %q, %v", user, hash, err)
	}
	if _, _, err := s.Credentials(t.Context(), "bob"); !errors.Is(err, minitwit.ErrUserNotFound) {
		t.Errorf("Credentials(bob) = %v, want ErrUserNotFound", err)
	}
	if again, err := s.SessionUser(t.Context(), user.ID, user.SessionEpoch); err != nil || again != user {
		t.Errorf("SessionUser = %+v, %v, want %+v", again, err, user)
	}
	if _, err := s.SessionUser(t.Context(), user.ID, user.SessionEpoch+1); !errors.Is(err, minitwit.ErrUserNotFound) {
		t.Errorf("SessionUser of another epoch = %v, want ErrUserNotFound", err)
	}
}

func TestReplaceHashKeepsANewerOne(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	register(t, s, "ada")
	user, _, _ := s.Credentials(t.Context(), "ada")
	for _, step := range []struct{ old, better, want string }{
		{"something else", "worse", "hash of ada"},
		{"hash of ada", "better", "better"},
	} {
		if err := s.ReplaceHash(t.Context(), user.ID, step.old, step.better); err != nil {
			t.Fatal(err)
		}
		if _, hash, _ := s.Credentials(t.Context(), "ada"); hash != step.want {
			t.Errorf("after ReplaceHash(%q, %q) the hash is %q, want %q", step.old, step.better, hash, step.want)
		}
	}
}

func TestEachDigestIsStrengthenedOnce(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	for i := range 10 {
		if err := s.CreateUser(t.Context(), fmt.Sprint("user", i), "a@b", fmt.Sprint("digest$", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.DigestsWaiting(t.Context()); n != 10 || err != nil {
		t.Fatalf("DigestsWaiting = %d, %v, want 10", n, err)
	}
	worked := make(chan int)
	for range 3 { // as three replicas would
		go func() {
			mine := 0
			for {
				id, err := s.StrengthenOne(t.Context(), 0, func(d string) (string, error) { return "strong of " + d, nil })
				if err != nil {
					t.Errorf("StrengthenOne: %v", err)
				}
				if id == 0 {
					break
				}
				mine++
			}
			worked <- mine
		}()
	}
	if total := <-worked + <-worked + <-worked; total != 10 {
		t.Errorf("three workers strengthened %d digests, want 10", total)
	}
	if _, hash, _ := s.Credentials(t.Context(), "user3"); hash != "strong of digest$3" {
		t.Errorf("hash of user3 = %q", hash)
	}
}

func TestOneWhoCannotBeStrengthenedIsPassedOver(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	for _, name := range []string{"bad", "good"} {
		if err := s.CreateUser(t.Context(), name, "a@b", "digest$"+name); err != nil {
			t.Fatal(err)
		}
	}
	bad, err := s.StrengthenOne(t.Context(), 0, func(string) (string, error) { return "", errors.New("malformed") })
	if bad == 0 || err == nil {
		t.Fatalf("StrengthenOne = %d, %v, want the user and the error", bad, err)
	}
	good, err := s.StrengthenOne(t.Context(), bad, func(d string) (string, error) { return "strong of " + d, nil })
	if _, hash, _ := s.Credentials(t.Context(), "good"); good <= bad || err != nil || hash != "strong of digest$good" {
		t.Errorf("the next one: %d, %v, stored %q", good, err, hash)
	}
}

func TestAUserBeingStrengthenedCanPost(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	if err := s.CreateUser(t.Context(), "ada", "a@b", "digest$1"); err != nil {
		t.Fatal(err)
	}
	_, err := s.StrengthenOne(t.Context(), 0, func(string) (string, error) {
		return "strong", s.AddMessage(t.Context(), "ada", "posted meanwhile")
	})
	if err != nil {
		t.Errorf("posting while the row is locked: %v", err)
	}
}

func TestTimelinesShowWhatTheyShould(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	register(t, s, "ada", "bob", "eve")
	for _, m := range [][2]string{{"ada", "one"}, {"bob", "two"}, {"eve", "three"}, {"bob", "four"}} {
		if err := s.AddMessage(t.Context(), m[0], m[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Follow(t.Context(), "ada", "bob"); err != nil {
		t.Fatal(err)
	}
	ada, _, _ := s.Credentials(t.Context(), "ada")

	public, err := s.PublicTimeline(t.Context(), minitwit.Window{})
	if want := []string{"bob: four", "eve: three", "bob: two", "ada: one"}; err != nil || !cmp.Equal(texts(public.Messages), want) {
		t.Errorf("public timeline = %q, %v, want %q", texts(public.Messages), err, want)
	}
	home, err := s.HomeTimeline(t.Context(), ada.ID, minitwit.Window{})
	if want := []string{"bob: four", "bob: two", "ada: one"}; err != nil || !cmp.Equal(texts(home.Messages), want) {
		t.Errorf("home timeline = %q, %v, want %q", texts(home.Messages), err, want)
	}
	profile, bobs, err := s.UserTimeline(t.Context(), "bob", ada.ID, minitwit.Window{})
	if want := []string{"bob: four", "bob: two"}; err != nil || !cmp.Equal(texts(bobs.Messages), want) || !profile.Followed {
		t.Errorf("timeline of bob = %q, %+v, %v, want %q, followed", texts(bobs.Messages), profile, err, want)
	}
	if profile, _, _ := s.UserTimeline(t.Context(), "eve", ada.ID, minitwit.Window{}); profile.Followed {
		t.Error("ada follows eve, want not")
	}
}

func TestAMessageOfAnUnknownUserIsRefused(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	if err := s.AddMessage(t.Context(), "nobody", "hello"); !errors.Is(err, minitwit.ErrUserNotFound) {
		t.Errorf("AddMessage(nobody) = %v, want ErrUserNotFound", err)
	}
	if _, err := s.UserMessages(t.Context(), "nobody", 10); !errors.Is(err, minitwit.ErrUserNotFound) {
		t.Errorf("UserMessages(nobody) = %v, want ErrUserNotFound", err)
	}
}

func TestAUserWithoutMessagesHasAnEmptyTimeline(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	register(t, s, "ada")
	if messages, err := s.UserMessages(t.Context(), "ada", 10); err != nil || messages == nil || len(messages) != 0 {
		t.Errorf("UserMessages = %v, %v, want empty", messages, err)
	}
}

func TestFlaggedMessagesAreNeverShown(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	register(t, s, "ada")
	for _, text := range []string{"fine", "rude"} {
		if err := s.AddMessage(t.Context(), "ada", text); err != nil {
			t.Fatal(err)
		}
	}
	rude := mustPublic(t, s)[0]
	if n, err := s.SetFlagged(t.Context(), []int64{rude.ID, 1 << 40}, true); n != 1 || err != nil {
		t.Fatalf("SetFlagged = %d, %v, want 1", n, err)
	}
	ada, _, _ := s.Credentials(t.Context(), "ada")
	home, _ := s.HomeTimeline(t.Context(), ada.ID, minitwit.Window{})
	own, _ := s.UserMessages(t.Context(), "ada", 10)
	for list, got := range map[string][]minitwit.Message{"public": mustPublic(t, s), "home": home.Messages, "own": own} {
		if want := []string{"ada: fine"}; !cmp.Equal(texts(got), want) {
			t.Errorf("%s list = %q, want %q", list, texts(got), want)
		}
	}
	if _, err := s.SetFlagged(t.Context(), []int64{rude.ID}, false); err != nil || len(mustPublic(t, s)) != 2 {
		t.Errorf("unflagged: %v, %q", err, texts(mustPublic(t, s)))
	}
}

// The public timeline reads over the canary's messages, so the old ones go.
func TestTheCanarysMessagesAreItsOwnPagesAlone(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	register(t, s, "ada")
	for _, author := range []string{"ada", minitwit.CanaryName} {
		if err := s.AddMessage(t.Context(), author, "old"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.DB().ExecContext(t.Context(), `UPDATE messages SET pub_date = pub_date - 3700`); err != nil {
		t.Fatal(err)
	}
	for _, author := range []string{"ada", minitwit.CanaryName} {
		if err := s.AddMessage(t.Context(), author, "new"); err != nil {
			t.Fatal(err)
		}
	}
	own, err := s.UserMessages(t.Context(), minitwit.CanaryName, 10)
	if want := []string{minitwit.CanaryName + ": new"}; err != nil || !cmp.Equal(texts(own), want) {
		t.Errorf("its page = %q, %v, want %q", texts(own), err, want)
	}
	if got, want := texts(mustPublic(t, s)), []string{"ada: new", "ada: old"}; !cmp.Equal(got, want) {
		t.Errorf("public = %q, want %q", got, want)
	}
}

func mustPublic(t *testing.T, s *postgres.Store) []minitwit.Message {
	t.Helper()
	messages, err := s.PublicMessages(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

func TestFollowAndUnfollowAreIdempotent(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	register(t, s, "ada", "bob", "eve")
	follows := func() string {
		names, err := s.Follows(t.Context(), "ada", 100)
		return fmt.Sprint(strings.Join(names, " "), err)
	}
	steps := []struct {
		do   func() error
		want string
	}{
		{func() error { return s.Unfollow(t.Context(), "ada", "bob") }, "<nil>"},
		{func() error { return s.Follow(t.Context(), "ada", "bob") }, "bob<nil>"},
		{func() error { return s.Follow(t.Context(), "ada", "bob") }, "bob<nil>"},
		{func() error { return s.Follow(t.Context(), "ada", "eve") }, "bob eve<nil>"},
		{func() error { return s.Unfollow(t.Context(), "ada", "bob") }, "eve<nil>"},
		{func() error { return s.Unfollow(t.Context(), "ada", "bob") }, "eve<nil>"},
	}
	for i, step := range steps {
		if err := step.do(); err != nil {
			t.Errorf("step %d: %v", i, err)
		}
		if got := follows(); got != step.want {
			t.Errorf("after step %d ada follows %q, want %q", i, got, step.want)
		}
	}
	for _, err := range []error{
		s.Follow(t.Context(), "ada", "nobody"), s.Unfollow(t.Context(), "nobody", "ada"),
	} {
		if !errors.Is(err, minitwit.ErrUserNotFound) {
			t.Errorf("with an unknown user: %v, want ErrUserNotFound", err)
		}
	}
	if _, err := s.Follows(t.Context(), "nobody", 1); !errors.Is(err, minitwit.ErrUserNotFound) {
		t.Errorf("Follows(nobody) = %v, want ErrUserNotFound", err)
	}
}

func TestLatestSurvivesTheLossOfItsRow(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t)
	if _, err := s.DB().ExecContext(t.Context(), `DELETE FROM latest`); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{-1, 5} {
		if got, _, err := s.Latest(t.Context()); err != nil || got != want {
			t.Errorf("Latest = %d, %v, want %d", got, err, want)
		}
		if err := s.SetLatest(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
	}
}

// The clock of a node may be minutes off; here it is the database's.
func TestTheAgeOfLatestIsByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	_, err := dbtest.OpenWith(t, postgres.Options{URL: url}).DB().ExecContext(t.Context(), `
		CREATE SCHEMA ahead;
		CREATE FUNCTION ahead.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.now() + interval '1 hour' $$`)
	if err != nil {
		t.Fatal(err)
	}
	s := dbtest.OpenWith(t, postgres.Options{URL: url + "&search_path=ahead,pg_catalog,public"})
	if err := s.SetLatest(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	for _, least := range []float64{0, 90} {
		if _, age, err := s.Latest(t.Context()); err != nil || age < least || age > least+60 {
			t.Errorf("Latest says that it is %v s old, %v, want %v", age, err, least)
		}
		if _, err := s.DB().ExecContext(t.Context(), `UPDATE latest SET updated_at = updated_at - interval '90 seconds'`); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLatestStartsAtMinusOne(t *testing.T) {
	t.Parallel()
	s := dbtest.OpenWith(t, postgres.Options{URL: dbtest.URL(t), AsyncCommit: true})
	for i, want := range []int64{-1, 5, 3} {
		if i > 0 {
			if err := s.SetLatest(t.Context(), want); err != nil {
				t.Fatal(err)
			}
		}
		if got, _, err := s.Latest(t.Context()); err != nil || got != want {
			t.Errorf("Latest = %d, %v, want %d", got, err, want)
		}
	}
}
