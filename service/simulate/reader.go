package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// patience is how long reading waits for a server that is broken on purpose.
type patience struct {
	timeout   time.Duration // of one request
	startFor  time.Duration // to go on trying before a run: then it should be well
	verifyFor time.Duration // after it
	pause     time.Duration // between tries
}

// reader reads with patience; it retries whatever might pass.
type reader struct {
	client   *client
	patience patience
}

// read gives a 200 or 404 answer, for as long as it takes but no longer than
// the limit.
func (r *reader) read(ctx context.Context, limit time.Duration, ask request) (answer, error) {
	deadline := time.Now().Add(limit)
	for {
		got := r.client.do(ctx, r.patience.timeout, ask)
		switch {
		case got.err == nil && (got.status == http.StatusOK || got.status == http.StatusNotFound):
			return got, nil
		case got.err == nil && got.status != http.StatusServiceUnavailable:
			return answer{}, fmt.Errorf("%s %s: status %d", ask.method, ask.path+ask.user, got.status)
		case got.err == nil:
			got.err = fmt.Errorf("%s %s: status 503", ask.method, ask.path+ask.user)
		}
		if time.Until(deadline) < r.patience.pause {
			return answer{}, got.err
		}
		if err := sleep(ctx, r.patience.pause); err != nil {
			return answer{}, err
		}
	}
}

// exists tells whether the server knows the user.
func (r *reader) exists(ctx context.Context, limit time.Duration, user string) (bool, error) {
	got, err := r.read(ctx, limit, userList("/msgs/", user, 1))
	return got.status == http.StatusOK, err
}

// maxSuffix bounds the search for free names.
const maxSuffix = 100_000

// chooseSuffix finds what to add to all names. A database that has seen this
// scenario would answer each registration with 400.
func chooseSuffix(ctx context.Context, opts Options, r *reader) (string, error) {
	first := ""
	for _, a := range opts.Actions {
		if a.Command == Register {
			first = a.User
			break
		}
	}
	if opts.Suffix != "" || first == "" {
		return opts.Suffix, nil
	}
	for n := 1; n < maxSuffix; n++ {
		suffix := ""
		if n > 1 {
			suffix = " ~" + strconv.Itoa(n)
		}
		known, err := r.exists(ctx, r.patience.startFor, first+suffix)
		if err != nil {
			return "", fmt.Errorf("ask for the first user: %w", err)
		}
		if !known {
			if suffix != "" {
				fmt.Fprintf(opts.Progress, "this server knows the scenario's users: all names get the suffix %q\n", suffix)
			}
			return suffix, nil
		}
	}
	return "", errors.New("no suffix is free: give one")
}
