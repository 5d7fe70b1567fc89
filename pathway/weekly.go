package pathway

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Weekly is a range of hours on one weekday, on the wall clock of the practice's zone.
type Weekly struct {
	Day         time.Weekday
	From, Until time.Duration // since midnight
}

// ParseWeekly reads "tuesday 09:00-13:00".
func ParseWeekly(text string) (Weekly, error) {
	wrong := fmt.Errorf("found %q, expected a weekday and hours such as \"tuesday 09:00-13:00\"", text)
	day, hours, ok := strings.Cut(text, " ")
	from, until, ok2 := strings.Cut(hours, "-")
	if !ok || !ok2 {
		return Weekly{}, wrong
	}
	w := Weekly{Day: -1}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(d.String(), day) {
			w.Day = d
		}
	}
	var err error
	if w.From, err = clock("hours", from); err != nil {
		return Weekly{}, wrong
	}
	if w.Until, err = clock("hours", until); err != nil || w.Until <= w.From || w.Day < 0 {
		return Weekly{}, wrong
	}
	return w, nil
}

func (w Weekly) holds(start, end time.Time) bool {
	return start.Weekday() == w.Day && end.Weekday() == w.Day && end.Sub(start) < day && sinceMidnight(start) >= w.From && sinceMidnight(end) <= w.Until
}

// sinceMidnight is what a clock on the wall shows.
func sinceMidnight(t time.Time) time.Duration {
	hour, minute, second := t.Clock()
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
}

// onDay is a time of day on the wall clock of t's own day.
func onDay(t time.Time, since time.Duration) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), int(since/time.Hour), int(since%time.Hour/time.Minute), 0, 0, t.Location())
}

// Location reads the name of a time zone. Its error names the field.
func Location(field, name string) (*time.Location, error) {
	zone, err := loaded(name)
	if name == "" || name == "Local" || err != nil {
		return nil, refuse(BadValue, "%s: found %q, expected a time zone such as America/New_York", field, name)
	}
	return zone, nil
}

// zones keeps what was loaded: the rules ask for a zone thousands of times.
var zones sync.Map

func loaded(name string) (*time.Location, error) {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err == nil {
		zones.Store(name, zone)
	}
	return zone, err
}

// mustZone is for zones that [Enrol] has checked.
func mustZone(name string) *time.Location {
	zone, err := loaded(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// ParseTime reads RFC 3339, or "2026-03-12 10:00" on the wall clock of the practice's zone. It refuses a wall-clock time
// that does not exist or exists twice because the clocks change.
func ParseTime(field, text string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		if year := t.UTC().Year(); year < 2000 || year > 2199 {
			return time.Time{}, refuse(BadValue, "%s: found the year %d, expected one from 2000 to 2199", field, year)
		}
		return t.UTC().Truncate(time.Second), nil
	}
	if _, err := time.Parse("2006-01-02T15:04:05", text); err == nil {
		return time.Time{}, refuse(BadValue, "%s: found %q, which has no time zone; add one (%s%s) or write the practice's own clock as %q", field, text,
			text, mustOffset(text, zone), strings.Replace(text[:16], "T", " ", 1))
	}
	wall, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		return time.Time{}, refuse(BadValue, "%s: found %s, expected a time such as 2026-03-12T10:00:00-04:00, or 2026-03-12 10:00 on the practice's clock", field, quoted(text))
	}
	if wall.Year() < 2000 || wall.Year() > 2199 {
		return time.Time{}, refuse(BadValue, "%s: found the year %d, expected one from 2000 to 2199", field, wall.Year())
	}
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, zone)
	if t.Format("2006-01-02 15:04") != text {
		return time.Time{}, refuse(BadValue, "%s: %s does not exist in %s, because the clocks go forward; choose another time", field, text, zone)
	}
	for _, shift := range []time.Duration{-time.Hour, time.Hour} {
		if other := t.Add(shift); other.Format("2006-01-02 15:04") == text {
			return time.Time{}, refuse(BadValue, "%s: %s happens twice in %s, because the clocks go back; write it with its offset, such as %s", field, text, zone, t.Format(time.RFC3339))
		}
	}
	return t.UTC(), nil
}

func mustOffset(text string, zone *time.Location) string {
	t, _ := time.ParseInLocation("2006-01-02T15:04:05", text, zone)
	return t.Format("Z07:00")
}
