package simulate

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// Options say what a run does. The zero value of a field is a sensible one,
// except for URLs and Actions.
type Options struct {
	URLs        []string // of the simulator API: used in turn, or by workers that keep connections each its own until that fails
	Actions     []Action
	Workers     int             // default 1, as the course's simulator
	Timeout     time.Duration   // of one request, from connecting to the body's end; default 300 ms
	Retries     int             // after connection errors, timeouts and 503
	KeepAlive   float64         // fraction of the requests that go over kept connections; each of the others opens one
	Speed       float64         // delays are divided by it; 0 leaves them out
	Rate        float64         // requests a second, whether they are answered or not; 0 leaves it to Speed
	MixReads    float64         // fraction of all requests that read
	Suffix      string          // for all names; by default one is found if the names exist
	Credentials string          // name:password; default simulator:super_safe!
	SkipVerify  bool            // do not read back what was stored
	Known       bool            // all users are there already, although the scenario does not register them
	Enough      <-chan struct{} // when closed, no more is sent; what was is verified. nil: all of it
	Observe     func(Outcome)   // is told how each request ended; workers call it at the same time. nil: nobody
	Progress    io.Writer       // notices and progress; nil is none
	Live        bool            // Progress is a terminal

	patience patience // how reading back deals with a broken server
}

// DefaultCredentials are those that the course's simulator uses.
const DefaultCredentials = "simulator:super_safe!"

// withDefaults fills in what was left out and refuses what cannot be.
func (o Options) withDefaults() (Options, []*url.URL, error) {
	if o.Workers == 0 {
		o.Workers = 1
	}
	if o.Timeout == 0 {
		o.Timeout = 300 * time.Millisecond
	}
	if o.Credentials == "" {
		o.Credentials = DefaultCredentials
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	// Reading back is not what is measured, so it may take longer than Timeout.
	if o.patience == (patience{}) {
		o.patience = patience{timeout: 10 * time.Second, startFor: 5 * time.Second, verifyFor: time.Minute, pause: 200 * time.Millisecond}
	}
	bases, err := parseURLs(o.URLs)
	return o, bases, errors.Join(err, o.check())
}

// check gives the first thing that is wrong. Fractions are compared so that NaN is refused.
func (o Options) check() error {
	switch {
	case len(o.Actions) == 0:
		return errors.New("the scenario has no actions")
	case o.Workers < 1 || o.Workers > 1000:
		return fmt.Errorf("%d workers: give 1 to 1000", o.Workers)
	case o.Timeout < 0:
		return fmt.Errorf("timeout %v is negative", o.Timeout)
	case o.Retries < 0:
		return fmt.Errorf("%d retries: give 0 or more", o.Retries)
	case !(o.Speed >= 0) || !(o.Rate >= 0): // also refuses what is not a number
		return errors.New("speed and rate must not be negative")
	case o.Speed > 0 && o.Rate > 0:
		return errors.New("speed and rate exclude each other")
	case !(o.KeepAlive >= 0 && o.KeepAlive <= 1):
		return fmt.Errorf("%v of the requests cannot go over kept connections: give 0 to 1", o.KeepAlive)
	// After each action come MixReads/(1-MixReads) reads: at 1 there would be no end of them.
	case !(o.MixReads >= 0 && o.MixReads <= 0.99):
		return fmt.Errorf("reads cannot be %v of all requests: give 0 to 0.99", o.MixReads)
	}
	return nil
}

// parseURLs leaves out a slash at the end, since paths are put behind it.
func parseURLs(raw []string) ([]*url.URL, error) {
	if len(raw) == 0 {
		return nil, errors.New("no URL of a server given")
	}
	bases := make([]*url.URL, len(raw))
	for i, r := range raw {
		u, err := url.Parse(strings.TrimRight(r, "/"))
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, fmt.Errorf("%q is not the URL of a server, such as http://localhost:5001", r)
		}
		bases[i] = u
	}
	return bases, nil
}
