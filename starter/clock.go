package main

import (
	"fmt"
	"time"
)

// stalledAfter is how long after a pathway's next wake we say that it has stalled: a worker that restarts takes less.
const stalledAfter = 10 * time.Minute

// aheadBy is by how much a pathway's clock must be ahead of ours to be a virtual one, as a demo's is; two machines' clocks
// differ by less.
const aheadBy = 2 * time.Minute

// pulse says whether a pathway still beats. A pathway on a virtual clock, which runs ahead of ours, cannot be judged by it.
type pulse string

const (
	beating   pulse = ""
	stalled   pulse = "stalled"
	unjudged  pulse = "own clock"
	notJudged       = "its clock runs ahead of this machine's, as a demo's does"
)

// feel compares a pathway's next wake with our clock. asOf is when the pathway last looked, on its own clock.
func feel(now time.Time, asOf, nextWake *time.Time) pulse {
	switch {
	case asOf != nil && asOf.After(now.Add(aheadBy)):
		return unjudged
	case nextWake != nil && !nextWake.IsZero() && now.Sub(*nextWake) > stalledAfter:
		return stalled
	}
	return beating
}

// zoneOf is the zone in which a pathway's times are read.
func zoneOf(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// moment writes a time in full; shortMoment for tables.
func moment(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("Mon 2 Jan 2006, 15:04 MST")
}

func shortMoment(t *time.Time, zone *time.Location) string {
	if t == nil {
		return "-"
	}
	return t.In(zone).Format("2 Jan 15:04")
}

// asOfCell is the time of day for today, and the day for any other.
func asOfCell(now time.Time, t *time.Time, zone *time.Location) string {
	if t == nil {
		return "-"
	}
	local, today := t.In(zone), now.In(zone)
	if local.Format(time.DateOnly) == today.Format(time.DateOnly) {
		return local.Format("15:04")
	}
	return local.Format("2 Jan")
}

func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}
