package simulate

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
)

// DefaultSeed and DefaultActions make the scenario that is built in.
const (
	DefaultSeed    = 2026
	DefaultActions = 26000
)

// GenerateOptions say which scenario to make. The same options always make
// the same bytes, on every architecture.
type GenerateOptions struct {
	Seed    uint64
	Actions int // how many regular ones; the odd ones come on top, one in a thousand
}

// quotas are how many lines of each kind a scenario has, in the proportions of
// the course's scenario of 26,000.
type quotas struct {
	registers, tweets, follows, unfollows int
	idle                                  int // unfollows of somebody who is not followed, of all unfollows
	again                                 int // follows of somebody who is followed already, of all follows
	long                                  int // tweets of about 10 KB
	strangers, doubles                    int // on top: by or of unknown users; second registrations
}

func quotasFor(actions int) quotas {
	part := func(of26000 int) int { return max(1, actions*of26000/26000) }
	q := quotas{
		registers: max(3, part(200)), follows: part(9750), unfollows: part(4750),
		idle: part(1200), again: part(60), long: part(6), strangers: part(24), doubles: part(3),
	}
	q.tweets = actions - q.registers - q.follows - q.unfollows
	return q
}

// Generate writes a made-up scenario: the mix of the course's one, which
// starts with registrations and ends with ever more follows and unfollows, and
// all odd cases that a server must take.
func Generate(w io.Writer, opts GenerateOptions) error {
	q := quotasFor(opts.Actions)
	if q.tweets < 1 || q.registers > maxNames {
		return fmt.Errorf("generate scenario: %d actions is outside 20…%d", opts.Actions, maxNames*130)
	}
	g := newGenerator(opts.Seed, q)
	out := bufio.NewWriter(w)
	for _, kind := range g.order(q) {
		if _, err := fmt.Fprintln(out, g.next(kind)); err != nil {
			return fmt.Errorf("generate scenario: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("generate scenario: %w", err)
	}
	return nil
}

// kind is what a generated line is to be; it knows more than Command.
type kind int

const (
	kindRegister kind = iota
	kindTweet
	kindFollow
	kindUnfollow
	kindStranger
	kindDouble
)

// order shuffles the kinds with the shapes that the course's scenario has:
// nearly half of the users come in its first 25th, follows rise slowly and
// unfollows later still. Products and roots only: they are rounded alike on
// every architecture, logarithms and powers are not.
func (g *generator) order(q quotas) []kind {
	type place struct {
		at   float64
		kind kind
	}
	places := make([]place, 0, g.total)
	add := func(n int, k kind, shape func(u float64) float64) {
		for range n {
			places = append(places, place{shape(g.random.float()), k})
		}
	}
	add(q.registers, kindRegister, func(u float64) float64 { return u * u * u * u * u })
	add(q.tweets, kindTweet, func(u float64) float64 { return u * math.Sqrt(u) })
	add(q.follows, kindFollow, func(u float64) float64 { return math.Sqrt(u) * math.Sqrt(math.Sqrt(u)) })
	add(q.unfollows, kindUnfollow, math.Sqrt)
	add(q.strangers, kindStranger, math.Sqrt)
	add(q.doubles, kindDouble, math.Sqrt)
	for i := range 3 { // somebody must be there for the others to do something
		places[i].at = -1
	}
	slices.SortStableFunc(places, func(a, b place) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	kinds := make([]kind, len(places))
	for i, p := range places {
		kinds[i] = p.kind
	}
	return kinds
}
