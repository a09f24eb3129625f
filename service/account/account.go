// Package account registers users and signs them in. Both surfaces share it.
// It holds no session and no HTTP; rules for names are the domain's, formats of
// hashes the password package's.
package account

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/service/minitwit"
	"minitwit/service/password"
)

// Store is what accounts need of the database. CreateUser gives minitwit.ErrNameTaken,
// Credentials minitwit.ErrUserNotFound; a database that is away is CodeUnavailable.
type Store interface {
	CreateUser(ctx context.Context, name, email, pwHash string) error
	Credentials(ctx context.Context, name string) (minitwit.User, string, error)
	ReplaceHash(ctx context.Context, id int64, old, better string) error
	DigestsWaiting(ctx context.Context) (int64, error)
	StrengthenOne(ctx context.Context, after int64, strengthen func(digest string) (string, error)) (int64, error)
}

// Service registers users, signs them in and strengthens stored passwords in
// the background.
type Service struct {
	store    Store
	scheme   *password.Scheme
	log      zerolog.Logger
	cores    Cores
	wake     chan struct{} // a digest has been stored
	waiting  atomic.Int64  // logins that wait for a core
	throttle *throttle
	refusals zerolog.Sampler // of the events of failed logins
	metrics  metrics
}

// Cores are those that may hash at a time, one place each. All Services of a
// process share them.
type Cores chan struct{}

// NewCores gives all cores but one, which is left to everything else: hashing
// must not starve it. Under a limit of one CPU Go counts two, so that there is one.
func NewCores() Cores { return make(Cores, max(1, runtime.GOMAXPROCS(0)-1)) }

// maxWaiting is how many logins may wait for a core: about as many as can be
// served before their visitors leave. More would only fill the surface.
const maxWaiting = 16

// New makes a Service and registers its metrics.
func New(store Store, scheme *password.Scheme, cores Cores, log zerolog.Logger, reg prometheus.Registerer) *Service {
	return &Service{
		store:    store,
		scheme:   scheme,
		log:      log,
		cores:    cores,
		wake:     make(chan struct{}, 1),
		throttle: newThrottle(time.Now),
		refusals: &zerolog.BurstSampler{Burst: 10, Period: 10 * time.Second},
		metrics:  newMetrics(reg, store.DigestsWaiting),
	}
}

// Register stores a new user, whose password works from then on. It gives the
// domain's errors for what is wrong with r, minitwit.ErrNameTaken included.
func (s *Service) Register(ctx context.Context, r minitwit.Registration) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if err := s.store.CreateUser(ctx, r.Name, r.Email, s.scheme.Digest(r.Password)); err != nil {
		return err
	}
	s.metrics.registrations.Inc()
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
	return nil
}

// Login gives the user whose name and password these are. It gives
// minitwit.ErrInvalidUsername, minitwit.ErrInvalidPassword, or CodeTooMany
// after many wrong passwords for one account.
func (s *Service) Login(ctx context.Context, name, pw string) (minitwit.User, error) {
	user, err := s.login(ctx, name, pw)
	result := loginResult(err)
	s.metrics.logins.WithLabelValues(result).Inc()
	if err != nil && result != "error" {
		// Never the name: many a password has been typed into its field.
		log := zerolog.Ctx(ctx).Sample(s.refusals)
		log.Warn().Str("event", "login_failed").Str("reason", result).Int64("user_id", user.ID).Msg("refused")
	}
	return user, err
}

// login does the work of Login, which counts and logs how it ended. Where the name exists
// its user comes with an error, too: the ID is for the log.
func (s *Service) login(ctx context.Context, name, pw string) (minitwit.User, error) {
	// Postgres cannot hold such a text, so nobody has that name.
	if minitwit.CheckText("username", name) != nil {
		return minitwit.User{}, minitwit.ErrInvalidUsername
	}
	user, stored, err := s.store.Credentials(ctx, name)
	if errors.Is(err, minitwit.ErrUserNotFound) {
		return user, minitwit.ErrInvalidUsername
	}
	if err != nil {
		return user, err
	}
	// Only names that exist are counted, so inventing names cannot fill the
	// throttle. That a name exists, anybody may see at its timeline.
	// Before verify: what is refused must not cost a core.
	if err := s.throttle.attempt(name); err != nil {
		return user, err
	}
	ok, err := s.verify(ctx, stored, pw)
	if err != nil {
		return user, fmt.Errorf("login of user %d: %w", user.ID, err)
	}
	if !ok {
		return user, minitwit.ErrInvalidPassword
	}
	s.throttle.forget(name)
	s.renew(ctx, user, stored, pw)
	return user, nil
}

// verify tells whether pw is what stored holds. A bcrypt or another MiniTwit's hash needs a
// core; beyond maxWaiting it gives CodeUnavailable at once.
func (s *Service) verify(ctx context.Context, stored, pw string) (bool, error) {
	if password.IsDigest(stored) { // takes microseconds
		return s.scheme.Verify(stored, pw)
	}
	if s.waiting.Add(1) > maxWaiting {
		s.waiting.Add(-1)
		return false, minitwit.Unavailable(errors.New("too many logins wait for a core"))
	}
	release, err := s.acquire(ctx)
	s.waiting.Add(-1)
	if err != nil {
		return false, err
	}
	defer release()
	defer s.metrics.timeHashing()()
	return s.scheme.Verify(stored, pw)
}

// renew replaces a hash of an old form, key or cost, now that the password is
// at hand. That it fails harms nobody: the next login tries again.
func (s *Service) renew(ctx context.Context, user minitwit.User, stored, pw string) {
	if s.scheme.IsCurrent(stored) {
		return
	}
	if err := s.store.ReplaceHash(ctx, user.ID, stored, s.scheme.Digest(pw)); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Int64("user_id", user.ID).Msg("old password hash not replaced")
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// acquire waits for a core to hash on; release gives it back. If ctx ends before there is
// one, it gives CodeUnavailable.
func (s *Service) acquire(ctx context.Context) (release func(), err error) {
	s.metrics.waiting.Inc()
	defer s.metrics.waiting.Dec()
	select {
	case s.cores <- struct{}{}:
		return func() { <-s.cores }, nil
	case <-ctx.Done():
		return nil, minitwit.Unavailable(fmt.Errorf("wait to hash: %w", ctx.Err()))
	}
}
