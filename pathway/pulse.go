package pathway

import "time"

// Pulse says whether a pathway still beats: whether its workflow looks again when it said it would.
type Pulse string

// The pulses. A pathway on a clock of its own, which runs ahead of ours as a demo's does, cannot be judged by ours.
const (
	Beating  Pulse = ""
	Stalled  Pulse = "stalled"
	OwnClock Pulse = "own clock"
)

// StalledAfter is how long after a pathway's next wake we say that it has stalled: a worker that restarts takes less.
const StalledAfter = 10 * time.Minute

// aheadBy is by how much a pathway's clock must be ahead of ours to be one of its own; two machines' clocks differ by less.
const aheadBy = 2 * time.Minute

// Feel compares the next wake of a pathway that has not ended with our clock. asOf is when the pathway last looked, on its own
// clock; both are nil before it has looked once.
func Feel(now time.Time, asOf, nextWake *time.Time) Pulse {
	switch {
	case asOf != nil && asOf.After(now.Add(aheadBy)):
		return OwnClock
	case nextWake != nil && !nextWake.IsZero() && now.Sub(*nextWake) > StalledAfter:
		return Stalled
	}
	return Beating
}
