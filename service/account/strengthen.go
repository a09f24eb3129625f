package account

import (
	"context"
	"time"
)

// sweep is how often, at the latest, digests are looked for that another replica stored and
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

// strengthenAll goes through the waiting users once. One who cannot be
// strengthened is passed over; a database that is away ends the round.
func (s *Service) strengthenAll(ctx context.Context) {
	for last := int64(0); ctx.Err() == nil; {
		id, err := s.strengthenOne(ctx, last)
		if err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Int64("user_id", id).Msg("password not strengthened, will try again")
		}
		if id == 0 {
			return
		}
		last = id
	}
}

// strengthenOne takes a core first and then a user: the other way round it would hold a
// connection and a locked row while it waits. It gives the user's ID, 0 if there was none.
func (s *Service) strengthenOne(ctx context.Context, after int64) (int64, error) {
	release, err := s.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	return s.store.StrengthenOne(ctx, after, func(digest string) (string, error) {
		defer s.metrics.timeHashing()()
		return s.scheme.Strengthen(digest)
	})
}
