package main

import (
	"context"
	"fmt"
	"time"

	"minitwit/service/config"
	"minitwit/service/minitwit"
	"minitwit/service/server"
)

// askAgain is the time between two questions to a database that does not answer.
const askAgain = 3 * time.Second

// tooFewConnections says what is wrong and what to do.
const tooFewConnections = "the database allows fewer connections than are planned: raise its limit (max_connections, the role's " +
	"or the database's), or run fewer replicas or a smaller DATABASE_POOL and lower DATABASE_CONNECTIONS"

// compareConnections reports whether the database allows what DATABASE_CONNECTIONS
// plans, as soon as it answers. It stops nothing: a replica that takes the place of
// a dead one has to start also where the database has shrunk.
func (p *program) compareConnections(ctx context.Context) {
	planned := p.cfg.DatabaseConnections
	if planned == 0 {
		return
	}
	report := server.RegisterConnections(p.registry, planned)
	// All stores have one role and one database, so the first can speak for all.
	allowed, err := untilAnswered(ctx, p.stores[0].AllowedConnections)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		p.log.Error().Err(err).Msg("the database does not say how many connections it allows")
		return
	case allowed < planned:
		p.log.Error().Int("planned", planned).Int("allowed", allowed).Msg(tooFewConnections)
	}
	report(allowed)
}

// untilAnswered asks the database until it is there.
func untilAnswered(ctx context.Context, ask func(context.Context) (int, error)) (int, error) {
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for {
		answer, err := ask(ctx)
		if minitwit.CodeOf(err) != minitwit.CodeUnavailable {
			return answer, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// checkConnections refuses what compareConnections reports. It is for the step
// before a rollout, which has to stop there: nothing runs yet that would suffer.
func checkConnections(ctx context.Context, cfg config.Config) error {
	if cfg.DatabaseConnections == 0 {
		return nil
	}
	store, err := openPatient(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	allowed, err := store.AllowedConnections(ctx)
	if err == nil && allowed < cfg.DatabaseConnections {
		return fmt.Errorf("%s: planned %d, allowed %d", tooFewConnections, cfg.DatabaseConnections, allowed)
	}
	return err
}
