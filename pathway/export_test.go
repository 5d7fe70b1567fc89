package pathway

import (
	"strings"
	"time"
)

// Usually is how many random histories are verified where nobody says otherwise.
var Usually = usually / 4

// RandomHistory lets the random history of a number happen, as the invariants' test does, and hands over each entry of its journal with
// its step. It returns when the pathway will look again, and what was broken, or "". It never looks again where the moment is in the far
// future, and has something to do now where it is zero.
func RandomHistory(number uint64, journal func(step int, e Entry)) (wake time.Time, broken string) {
	h := &history{chance: seed(number), journal: journal}
	if broken = h.live(); broken != "" {
		return wake, broken
	}
	step, next := h.p.Due(h.now)
	switch {
	case step != nil:
		return wake, ""
	case next.At.IsZero():
		return farFuture, ""
	}
	return next.At, ""
}

// Story tells it.
func Story(number uint64) string {
	h := &history{chance: seed(number), told: &strings.Builder{}}
	h.live()
	return h.told.String()
}
