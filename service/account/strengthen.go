package account

import (
	"context"
	"time"
)

// sweep is how often digests are looked for that another replica stored and
// then did not live to strengthen.
const sweep = 5 * time.Second

// Strengthen turns stored digests into lasting hashes until ctx ends. Every
// replica runs it; the store gives each of them another user.
func (s *Service) Strengthen(ctx context.Context) {
	ticker := time.NewTicker(sweep)
	defer ticker.Stop()
	for {
		s.strengthenAll(ctx)
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-ticker.C:
		}
	}
}

func (s *Service) strengthenAll(ctx context.Context) {
	for ctx.Err() == nil {
		found, err := s.strengthenOne(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("password not strengthened, will try again")
		}
		if err != nil || !found {
			return
		}
	}
}

func (s *Service) strengthenOne(ctx context.Context) (bool, error) {
	release, err := s.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	return s.store.StrengthenOne(ctx, func(digest string) (string, error) {
		defer s.metrics.timeHashing()()
		return s.scheme.Strengthen(digest)
	})
}
