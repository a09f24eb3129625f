package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"minitwit/service/config"
	"minitwit/service/minitwit"
	"minitwit/service/postgres"
)

// askDatabase asks the database of DATABASE_URL itself: the replicas may have another
// way to it.
func (d *doctor) askDatabase(ctx context.Context) []check {
	c := check{Case: "database", Aim: "a primary answers, with connections to spare"}
	cfg, err := databaseConfig(d.env)
	switch {
	case err == nil && cfg.DatabaseURL == "":
		c.State, c.Found = notAsked, "set DATABASE_URL or DATABASE_URL_FILE"
		return []check{c}
	case err == nil:
		err = cfg.CheckDatabase()
	}
	var h postgres.Health
	if err == nil {
		h, err = askHealth(ctx, cfg, d.timeout)
	}
	// One that is not reached from here may serve the replicas all the same, so it is not
	// known. One that is full has said so.
	var alert string
	if err == nil {
		c.State, c.Found, alert = judgeDatabase(h)
	} else {
		c.State, c.Found, alert = notKnown, line(cause(ctx, err)), "DatabaseDown"
		if postgres.Full(err) {
			c.State, alert = broken, "DatabaseConnectionsExhausted"
		}
	}
	if alert != "" {
		c.Runbook = d.runbooks.of(alert, "")
	}
	return []check{c}
}

// databaseConfig reads what is of the database alone: another setting that is wrong must
// not hide it.
func databaseConfig(env []string) (config.Config, error) {
	return config.Load(slices.DeleteFunc(slices.Clone(env), func(v string) bool { return !strings.HasPrefix(v, "DATABASE_") }))
}

// askHealth has one connection, where there may be few left.
func askHealth(ctx context.Context, cfg config.Config, patience time.Duration) (postgres.Health, error) {
	store, err := postgres.Open(postgres.Options{
		URL: cfg.DatabaseURL, Password: cfg.DatabasePassword, Application: "minitwit-doctor", MaxOpen: 1, Timeout: patience,
	})
	if err != nil {
		return postgres.Health{}, err
	}
	defer func() { _ = store.Close() }()
	return store.Health(ctx)
}

// judgeDatabase names the alert that a bad answer belongs to.
func judgeDatabase(h postgres.Health) (s state, found, alert string) {
	role := "a primary"
	s = fine
	if 10*h.Used > 9*h.Allowed { // as DatabaseConnectionsExhausted has it
		s, alert = broken, "DatabaseConnectionsExhausted"
	}
	// The last word: that nothing can be written is worse than that few more can connect.
	if h.Standby {
		s, role, alert = broken, "a standby, which takes no writes,", "DatabaseDown"
	}
	return s, fmt.Sprintf("%s answers, %d of %d connections used, longest transaction %s",
		role, h.Used, h.Allowed, h.Longest.Round(time.Millisecond)), alert
}

// cause is why the database did not answer, without what users are told then.
func cause(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return "no answer in time"
	}
	if e, ok := errors.AsType[*minitwit.Error](err); ok && e.Err != nil {
		err = e.Err
	}
	return strings.TrimPrefix(err.Error(), "database health: ")
}
