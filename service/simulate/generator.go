package simulate

import (
	"fmt"
	"math"
	"strings"
)

// pair is who follows whom, by number of registration.
type pair struct{ who, whom int }

// generator keeps the state that makes later lines fit earlier ones.
type generator struct {
	random   random
	words    writer
	q        quotas // what is still to come
	total    int
	line     int
	epoch    int64
	names    []string // all that will register, in that order
	known    int      // how many of them have
	followed []pair   // in no order
	place    map[pair]int
}

func newGenerator(seed uint64, q quotas) *generator {
	r := newRandom(seed)
	return &generator{
		random: r, words: writer{r}, q: q,
		total: q.registers + q.tweets + q.follows + q.unfollows + q.strangers + q.doubles,
		epoch: 1_700_000_000_000,
		names: makeNames(r, q.registers),
		place: map[pair]int{},
	}
}

// next makes the next line.
func (g *generator) next(k kind) Action {
	a := Action{ID: int64(g.line), DelayMillis: g.delay()}
	g.epoch += a.DelayMillis
	a.EpochMillis = g.epoch
	g.line++
	switch k {
	case kindRegister:
		g.register(&a, g.known)
		g.known++
		g.q.registers--
	case kindDouble:
		g.register(&a, g.random.below(g.known))
	case kindTweet:
		g.tweet(&a)
	case kindFollow:
		g.follow(&a)
	case kindUnfollow:
		g.unfollow(&a)
	case kindStranger:
		g.stranger(&a)
	}
	return a
}

// delay is minutes on average with a long tail, and longer while there are few
// users.
func (g *generator) delay() int64 {
	if g.line == 0 {
		return 0
	}
	u := g.random.float()
	scale := 50_000 / (float64(g.line)/float64(g.total) + 0.025)
	return int64(scale * math.Sqrt(u/(1-u)))
}

// someone draws a known user; the early ones do most, as in life.
func (g *generator) someone() int {
	u := g.random.float()
	return int(u * u * float64(g.known))
}

// register is also what makes a second registration, which a server must
// refuse: it has another password and perhaps another address.
func (g *generator) register(a *Action, user int) {
	a.Command, a.User = Register, g.names[user]
	a.Email = strings.ReplaceAll(a.User, " ", pick(g.random, []string{"+", ".", "-"})) +
		"@" + pick(g.random, []string{"mail.example", "post.example", "uni.example"})
	a.Password = g.words.password()
}

func (g *generator) tweet(a *Action) {
	a.Command, a.User = Tweet, g.names[g.someone()]
	a.Text = g.words.tweet()
	if among(g.random, g.q.long, g.q.tweets) {
		g.q.long--
		a.Text = g.words.essay()
	}
	g.q.tweets--
}

// among tells whether this one of the left ones is to be one of the wanted,
// so that in the end exactly all wanted ones were.
func among(r random, wanted, left int) bool { return r.below(left) < wanted }

// follow may ask for what is so already; that must be no error.
func (g *generator) follow(a *Action) {
	again := among(g.random, g.q.again, g.q.follows) && len(g.followed) > 0
	p := g.unrelated()
	if again {
		g.q.again--
		p = pick(g.random, g.followed)
	}
	g.q.follows--
	if _, ok := g.place[p]; !ok {
		g.place[p] = len(g.followed)
		g.followed = append(g.followed, p)
	}
	a.Command, a.User, a.Target = Follow, g.names[p.who], g.names[p.whom]
}

// unrelated draws two users of whom the one does not follow the other yet. In
// a small crowd everybody may follow everybody; then any two will do.
func (g *generator) unrelated() pair {
	var p pair
	for range 100 {
		p = pair{g.someone(), g.random.below(g.known)}
		if _, ok := g.place[p]; !ok && p.who != p.whom {
			return p
		}
	}
	return p
}

// unfollow asks for what is so already in a quarter of all cases, as many as
// in the course's scenario.
func (g *generator) unfollow(a *Action) {
	idle := among(g.random, g.q.idle, g.q.unfollows)
	g.q.unfollows--
	var p pair
	if idle || len(g.followed) == 0 {
		g.q.idle--
		p = g.unrelated()
	} else {
		p = pick(g.random, g.followed)
	}
	g.forget(p)
	a.Command, a.User, a.Target = Unfollow, g.names[p.who], g.names[p.whom]
}

// forget takes a pair out by moving the last one into its place.
func (g *generator) forget(p pair) {
	i, ok := g.place[p]
	if !ok {
		return
	}
	last := len(g.followed) - 1
	g.followed[i] = g.followed[last]
	g.place[g.followed[i]] = i
	g.followed = g.followed[:last]
	delete(g.place, p)
}

// stranger makes an action by or of somebody whom nobody ever registers.
func (g *generator) stranger(a *Action) {
	unknown := fmt.Sprintf("Nobody Number %d", 1+g.random.below(9))
	a.User = unknown
	switch g.random.below(4) {
	case 0:
		a.Command, a.Text = Tweet, g.words.tweet()
	case 1:
		a.Command, a.Target = Follow, g.names[g.someone()]
	case 2:
		a.Command, a.User, a.Target = Follow, g.names[g.someone()], unknown
	case 3:
		a.Command, a.User, a.Target = Unfollow, g.names[g.someone()], unknown
	}
}
