package simulate

import "math/rand/v2"

// random draws numbers that are the same for a seed for ever: the PCG source
// is specified, what rand.Rand makes of it is not.
type random struct{ source *rand.PCG }

func newRandom(seed uint64) random {
	return random{rand.NewPCG(seed, 0x5eed)}
}

// float draws from [0, 1).
func (r random) float() float64 {
	return float64(r.source.Uint64()>>11) / (1 << 53)
}

// below draws from 0 … n-1.
func (r random) below(n int) int {
	return int(r.float() * float64(n))
}

// oneIn is true once in n draws.
func (r random) oneIn(n int) bool { return r.below(n) == 0 }

// pick draws one of the choices.
func pick[T any](r random, choices []T) T {
	return choices[r.below(len(choices))]
}
