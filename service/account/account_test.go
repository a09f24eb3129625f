package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/service/account"
	"minitwit/service/dbtest"
	"minitwit/service/minitwit"
	"minitwit/service/password"
	"minitwit/service/postgres"
	"minitwit/service/wait"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// deadline is long: the race detector and a busy machine stretch a bcrypt.
const deadline = time.Minute

func newService(t *testing.T, store *postgres.Store) *account.Service {
	t.Helper()
	scheme, err := password.New(strings.Repeat("k", 32), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	return account.New(store, scheme, account.NewCores(), zerolog.New(zerolog.NewTestWriter(t)), prometheus.NewRegistry())
}

func ada(pw string) minitwit.Registration {
	return minitwit.Registration{Name: "ada", Email: "ada@example.org", Password: pw}
}

func TestAPasswordWorksAtOnceAndAfterItWasStrengthened(t *testing.T) {
	t.Parallel()
	store := dbtest.Open(t)
	s := newService(t, store)
	if err := s.Register(t.Context(), ada("secret")); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		if user, err := s.Login(t.Context(), "ada", "secret"); err != nil || user.Name != "ada" {
			t.Errorf("%s: Login = %+v, %v", when, user, err)
		}
		if _, err := s.Login(t.Context(), "ada", "wrong"); !errors.Is(err, minitwit.ErrInvalidPassword) {
			t.Errorf("%s: Login with a wrong password = %v", when, err)
		}
	}
	check("at once")
	// Another process does the rest: this one may have died.
	strengthenUntilIdle(t, store, newService(t, store))
	if _, stored, _ := store.Credentials(t.Context(), "ada"); !strings.HasPrefix(stored, "bcrypt-digest$") {
		t.Errorf("stored is %q, want a lasting hash", stored)
	}
	check("strengthened")
}

func strengthenUntilIdle(t *testing.T, store *postgres.Store, s *account.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Strengthen(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	wait.For(t, deadline, "the passwords to be strengthened", func() bool {
		n, err := store.DigestsWaiting(ctx)
		return err == nil && n == 0
	})
}

func TestAnUnknownUserIsSaidToBe(t *testing.T) {
	t.Parallel()
	s := newService(t, dbtest.Open(t))
	for _, name := range []string{"nobody", "", "a\x00b", "\xff"} {
		if _, err := s.Login(t.Context(), name, "x"); !errors.Is(err, minitwit.ErrInvalidUsername) {
			t.Errorf("Login(%q) = %v, want ErrInvalidUsername", name, err)
		}
	}
}

func TestAnOldHashIsReplacedAtTheNextLogin(t *testing.T) {
	t.Parallel()
	store := dbtest.Open(t)
	s := newService(t, store)
	const werkzeug = "pbkdf2:sha256:50000$abcdefgh$5dc803247879e98edfe020318068a014e662b4a41ace0976680b9d920c7dffc6"
	if err := store.CreateUser(t.Context(), "ada", "a@b", werkzeug); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Login(t.Context(), "ada", "s3cret \"[ü"); err != nil {
			t.Errorf("Login = %v", err)
		}
		if _, stored, _ := store.Credentials(t.Context(), "ada"); !strings.HasPrefix(stored, "digest$") {
			t.Errorf("after the login %q is stored, want a digest of ours", stored)
		}
	}
}

func TestGuessingIsSlowedDownForThatAccountOnly(t *testing.T) {
	t.Parallel()
	s := newService(t, dbtest.Open(t))
	bob := minitwit.Registration{Name: "bob", Email: "bob@example.org", Password: "secret"}
	for _, r := range []minitwit.Registration{ada("secret"), bob} {
		if err := s.Register(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	var refused error
	for i := 0; i < 20 && refused == nil; i++ {
		if _, err := s.Login(t.Context(), "ada", fmt.Sprint("guess", i)); minitwit.CodeOf(err) == minitwit.CodeTooMany {
			refused = err
		}
	}
	if refused == nil {
		t.Error("20 wrong passwords in a row are all checked")
	}
	if _, err := s.Login(t.Context(), "bob", "secret"); err != nil {
		t.Errorf("meanwhile bob cannot sign in: %v", err)
	}
}

func TestRegisterSaysFirstWhatIsWrongFirst(t *testing.T) {
	t.Parallel()
	s := newService(t, dbtest.Open(t))
	if err := s.Register(t.Context(), ada("secret")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		r    minitwit.Registration
		want error
	}{
		{minitwit.Registration{}, minitwit.ErrNoUsername},
		{minitwit.Registration{Name: " "}, minitwit.ErrNoUsername},
		{minitwit.Registration{Name: "ada"}, minitwit.ErrNoEmail},
		{minitwit.Registration{Name: "ada", Email: "no at"}, minitwit.ErrNoEmail},
		{minitwit.Registration{Name: "ada", Email: "a@b"}, minitwit.ErrNoPassword},
		{ada("other"), minitwit.ErrNameTaken},
	} {
		if err := s.Register(t.Context(), c.r); !errors.Is(err, c.want) {
			t.Errorf("Register(%+v) = %v, want %v", c.r, err, c.want)
		}
	}
}
