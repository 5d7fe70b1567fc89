package pathway

import "strings"

// Usually is how many random histories are verified where nobody says otherwise.
var Usually = usually / 4

// RandomHistory lets the random history of a number happen, as the invariants' test does, and hands over each entry of its journal with
// its step. It returns what was broken, or "".
func RandomHistory(number uint64, journal func(step int, e Entry)) string {
	h := &history{chance: seed(number), journal: journal}
	return h.live()
}

// Story tells it.
func Story(number uint64) string {
	h := &history{chance: seed(number), told: &strings.Builder{}}
	h.live()
	return h.told.String()
}
