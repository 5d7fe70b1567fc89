package pathway

import (
	"math/rand/v2"

	"pgregory.net/rapid"
)

// chance is what a random history is drawn from: a generator with a seed, for very many of them, or rapid, which makes a failing
// history as short as it can. The lowest number is the calmest, because that is where rapid looks.
type chance interface {
	Int(lo, hi int) int // both included
}

type seeded struct{ *rand.PCG }

func seed(n uint64) seeded { return seeded{rand.NewPCG(n, 0x9e3779b97f4a7c15)} }

func (s seeded) Int(lo, hi int) int { return lo + int(s.Uint64()>>1)%(hi-lo+1) }

type drawn struct{ t *rapid.T }

func (d drawn) Int(lo, hi int) int { return rapid.IntRange(lo, hi).Draw(d.t, "chance") }

// percent says yes in so many of a hundred cases.
func percent(c chance, n int) bool { return c.Int(1, 100) > 100-n }

// of is one of some things, each as likely.
func of[T any](c chance, things ...T) T { return things[c.Int(0, len(things)-1)] }
