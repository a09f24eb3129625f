package simulate

import "time"

// step is one request to be: an action, or a read mixed in after it.
type step struct {
	op     op
	action Action
	due    time.Duration // after the start; 0 in a run without pace
}

// op is what a step does; reports have a row for each.
type op int

const (
	opRegister op = iota
	opTweet
	opFollow
	opUnfollow
	opLatest
	opTimeline
	opUserTimeline
	opFollows
	ops // how many there are
)

func (o op) String() string {
	return [...]string{
		"register", "tweet", "follow", "unfollow", "read latest", "read msgs", "read msgs/user", "read fllws/user",
	}[o]
}

// reads tells whether the step changes nothing.
func (o op) reads() bool { return o >= opLatest }

func opOf(c Command) op {
	switch c {
	case Register:
		return opRegister
	case Tweet:
		return opTweet
	case Follow:
		return opFollow
	default:
		return opUnfollow
	}
}

// plan lays out all requests of a run: the actions in their order, among them
// so many reads that they are the given fraction of all, each with its time.
func plan(opts Options, suffix string) []step {
	steps := make([]step, 0, len(opts.Actions))
	var elapsed time.Duration
	// owed carries what is less than a read over to the next action.
	owed, reads := 0.0, 0
	for i, a := range opts.Actions {
		if i > 0 {
			elapsed += time.Duration(a.DelayMillis) * time.Millisecond
		}
		a = a.withSuffix(suffix)
		due := time.Duration(0)
		if opts.Speed > 0 {
			due = time.Duration(float64(elapsed) / opts.Speed)
		}
		steps = append(steps, step{op: opOf(a.Command), action: a, due: due})
		// The reads follow an action of the user whom they ask for, so that
		// the schedule knows when that user's existence is settled.
		for owed += opts.MixReads / (1 - opts.MixReads); owed >= 1; owed-- {
			steps = append(steps, step{op: opLatest + op(reads)%(ops-opLatest), action: a, due: due})
			reads++
		}
	}
	if opts.Rate > 0 {
		for i := range steps {
			steps[i].due = time.Duration(float64(i) / opts.Rate * float64(time.Second))
		}
	}
	return steps
}
