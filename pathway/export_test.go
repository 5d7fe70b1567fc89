package pathway

import (
	"strings"
	"time"
)

// Usually is how many random histories are verified where nobody says otherwise.
var Usually = usually / 4

// RandomHistory lets the random history of a number happen, as the invariants' test does, and hands over each entry of its journal with
// its step. It returns until when it writes nothing more by itself, or zero where it has something to write now, and what was broken, or "".
func RandomHistory(number uint64, journal func(step int, e Entry)) (quiet time.Time, broken string) {
	h := &history{chance: seed(number), journal: journal}
	if broken = h.live(); broken != "" {
		return quiet, broken
	}
	switch step, wake := h.p.Due(h.now); {
	case step != nil:
		return quiet, ""
	case wake.At.IsZero():
		return h.now.AddDate(0, 1, 0), ""
	default:
		return wake.At, ""
	}
}

// Story tells it.
func Story(number uint64) string {
	h := &history{chance: seed(number), told: &strings.Builder{}}
	h.live()
	return h.told.String()
}
