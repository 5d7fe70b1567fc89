package mail

import (
	"fmt"
	"time"

	ics "github.com/arran4/golang-ical"
)

// wallClock is how RFC 5545 writes a time on a clock that stands beside it.
const wallClock = "20060102T150405"

// timezone describes the clock of a place, as it goes around an appointment's start. A calendar need not know the place, or may
// know an older rule for it; what stands here is what Go's own tz data say.
//
// Where both changes of the year follow a rule of the kind "second Sunday in March", that is what it says, because calendars
// that keep rules of their own read nothing else. Elsewhere it lists the changes around the appointment one by one.
func timezone(place *time.Location, start time.Time) *ics.VTimezone {
	zone := ics.NewTimezone(place.String())
	all := changes(place, start.AddDate(-1, 0, 0), start.AddDate(2, 0, 0))
	if rules := yearly(all); rules != nil {
		for i, rule := range rules {
			zone.Components = append(zone.Components, all[i].component(rule))
		}
		return zone
	}
	for i, c := range all {
		if i+1 < len(all) && !all[i+1].at.After(start) { // over by then
			continue
		}
		zone.Components = append(zone.Components, c.component(""))
	}
	return zone
}

// repeated says whether a moment is the second of two that show the same on its clock, as after a change back. A wall clock in an
// invitation means the first (RFC 5545, 3.3.5).
func repeated(t time.Time) bool {
	begin, _ := t.ZoneBounds()
	if begin.IsZero() {
		return false
	}
	_, before := begin.Add(-time.Second).Zone()
	_, now := t.Zone()
	return t.Before(begin.Add(time.Duration(before-now) * time.Second))
}

// change is from when on a clock goes by another offset.
type change struct {
	at       time.Time // on the clock as it went before
	name     string
	from, to int // seconds east of UTC
	daylight bool
}

// changes lists what is in force at from, and every change after it until until. What had lasted a year by from counts as having
// always been so.
func changes(place *time.Location, from, until time.Time) []change {
	var all []change
	for t := from.In(place); ; {
		begin, end := t.ZoneBounds()
		name, to := t.Zone()
		c := change{name: name, from: to, to: to, at: time.Date(1970, time.January, 1, 0, 0, 0, 0, time.UTC)}
		if begin.After(from.AddDate(-1, 0, 0)) {
			before := begin.Add(-time.Second)
			_, c.from = before.Zone()
			c.at = begin.In(time.FixedZone("", c.from))
			c.daylight = t.IsDST()
			if before.IsDST() != c.daylight {
				// By the clock rather than by law: Ireland's law has winter for the exception, and calendars do not know of that.
				c.daylight = c.to > c.from
			}
		}
		all = append(all, c)
		if end.IsZero() || end.After(until) {
			return all
		}
		t = end
	}
}

// yearly finds the two rules by which the first change, and every second one after it, and the others go; nil where they do not
// go by such rules.
func yearly(all []change) []string {
	if len(all) < 5 { // each is seen twice at least
		return nil
	}
	var rules []string
	for first := range 2 {
		a := all[first]
		nth, last := (a.at.Day()-1)/7+1, true
		for i := first; i < len(all); i += 2 {
			c := all[i]
			if c.name != a.name || c.from != a.from || c.to != a.to || c.at.Year() != a.at.Year()+i/2 || c.at.Month() != a.at.Month() ||
				c.at.Weekday() != a.at.Weekday() || c.at.Format(time.TimeOnly) != a.at.Format(time.TimeOnly) {
				return nil
			}
			if (c.at.Day()-1)/7+1 != nth {
				nth = 0
			}
			last = last && c.at.AddDate(0, 0, 7).Month() != c.at.Month()
		}
		switch {
		case last:
			nth = -1
		case nth == 0:
			return nil
		}
		day := [...]string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}[a.at.Weekday()]
		rules = append(rules, fmt.Sprintf("FREQ=YEARLY;BYMONTH=%d;BYDAY=%d%s", a.at.Month(), nth, day))
	}
	return rules
}

// component is the change in a VTIMEZONE: from when on, or from when on each year, how far from UTC, and how the clock is called.
func (c change) component(rule string) ics.Component {
	var standard ics.Standard
	b := &standard.ComponentBase
	b.SetProperty(ics.ComponentPropertyDtStart, c.at.Format(wallClock))
	b.SetProperty(ics.ComponentProperty(ics.PropertyTzoffsetfrom), offset(c.from))
	b.SetProperty(ics.ComponentProperty(ics.PropertyTzoffsetto), offset(c.to))
	b.SetProperty(ics.ComponentProperty(ics.PropertyTzname), c.name)
	if rule != "" {
		b.SetProperty(ics.ComponentPropertyRrule, rule)
	}
	if c.daylight {
		return &ics.Daylight{ComponentBase: *b}
	}
	return &standard
}

// offset is +hhmm, or +hhmmss for the clocks of long ago.
func offset(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	text := fmt.Sprintf("%c%02d%02d", sign, seconds/3600, seconds/60%60)
	if seconds%60 != 0 {
		text += fmt.Sprintf("%02d", seconds%60)
	}
	return text
}
