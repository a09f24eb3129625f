package main

import (
	"context"
	"fmt"
	"time"

	"minitwit/service/wait"
)

// dbRestart stops the database and starts it again at once.
func dbRestart(ctx context.Context, r *run) error { return r.outage(ctx, "stop", "start", 0) }

// dbDown leaves it away for a minute.
func dbDown(ctx context.Context, r *run) error { return r.outage(ctx, "stop", "start", time.Minute) }

// dbBlackhole lets all that nodes and database say to each other vanish.
func dbBlackhole(ctx context.Context, r *run) error {
	return r.outage(ctx, "blackhole", "mend", 20*time.Second)
}

// outage takes the database away for so long. The Swarm has nothing to do; the
// replicas answer 503 and must be well by themselves when it is back. begin and end are verbs
// of lab db.
func (r *run) outage(ctx context.Context, begin, end string, length time.Duration) error {
	if err := r.strike(fmt.Sprintf("the database is away (%s)", begin), func() error { return r.lab.do(ctx, "db", begin) }); err != nil {
		return err
	}
	if err := wait.Until(ctx, 2*length+time.Second, "the end of the outage", func() bool { return time.Since(r.fault) >= length }); err != nil {
		return err
	}
	if err := r.lab.do(ctx, "db", end); err != nil {
		return err
	}
	r.mended = time.Now()
	r.say("the database is back")
	return r.well(ctx)
}

// well waits until nothing has failed for a while, and takes the end of the last
// failure for the moment of recovery.
func (r *run) well(ctx context.Context) error {
	err := wait.Until(ctx, patience, "no more failures", func() bool {
		return time.Since(r.mended) > 2*calm && time.Since(r.lastFailure()) > 2*calm
	})
	d := max(0, since(r.mended, r.lastFailure()))
	r.strength = &d
	r.say("all well, %g s after its return", float64(d))
	return err
}

// databaseReturned takes back either kind of outage. What is as it should be stays.
func databaseReturned(ctx context.Context, r *run) error {
	if err := r.lab.do(ctx, "db", "mend"); err != nil {
		return err
	}
	return r.lab.do(ctx, "db", "start")
}
