package main

import (
	"fmt"
	"time"
)

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
