package mail

import (
	"fmt"
	"time"
)

// moment is an instant as its reader reads it: on their own clock and, where the practice's shows another time, on that
// too.
type moment struct {
	at           time.Time
	theirs, ours *time.Location
	online       bool // of an appointment that is not at the practice
}

// Given says whether there is such an instant at all.
func (m moment) Given() bool { return !m.at.IsZero() }

// Day is "Thursday, March 12": for subjects, which have little room.
func (m moment) Day() string { return m.at.In(m.theirs).Format("Monday, January 2") }

// Date is "Thursday, March 12, 2026".
func (m moment) Date() string { return date(m.at.In(m.theirs)) }

// Clock is "10:00 AM EST".
func (m moment) Clock() string { return clock(m.at.In(m.theirs)) }

// Both is Clock, and the practice's time where it differs: "10:00 AM EST (9:00 AM CST at the practice)", with the
// practice's date where that differs as well. Two zones of different names with the same offset at this instant show
// the same time, so that is said once. Of an appointment elsewhere nothing is said to be at the practice.
func (m moment) Both() string {
	theirs, ours := m.at.In(m.theirs), m.at.In(m.ours)
	_, a := theirs.Zone()
	_, b := ours.Zone()
	whose := "at the practice"
	if m.online {
		whose = "our time"
	}
	switch {
	case a == b:
		return clock(theirs)
	case date(theirs) == date(ours):
		return fmt.Sprintf("%s (%s %s)", clock(theirs), clock(ours), whose)
	default:
		return fmt.Sprintf("%s (%s, %s %s)", clock(theirs), date(ours), clock(ours), whose)
	}
}

// sameDayAs says whether a reminder with this lead goes out on the client's day of the appointment. It is the only case
// in which "today" is said: a lead of 24h is not always yesterday's, and a mail is sometimes read the day after.
// Whole days are counted on the practice's wall clock, as pathway counts them when it lets the reminder go.
func (m moment) sameDayAs(lead string) bool {
	before, err := time.ParseDuration(lead)
	if err != nil || before < 0 {
		return false
	}
	goes := m.at.Add(-before)
	if before%(24*time.Hour) == 0 {
		goes = m.at.In(m.ours).AddDate(0, 0, -int(before/(24*time.Hour)))
	}
	return date(m.at.In(m.theirs)) == date(goes.In(m.theirs))
}

func date(t time.Time) string { return t.Format("Monday, January 2, 2006") }

// clock names the zone by its abbreviation, or by its offset where it has none ("-03" alone reads like a mistake).
func clock(t time.Time) string {
	name, offset := t.Zone()
	if name == "" || name[0] == '+' || name[0] == '-' {
		sign := '+'
		if offset < 0 {
			sign, offset = '-', -offset
		}
		name = fmt.Sprintf("UTC%c%d:%02d", sign, offset/3600, offset%3600/60)
	}
	return t.Format("3:04 PM ") + name
}

// When writes an instant as letters do: the day on the reader's clock, and the hour on theirs and, where it differs, on the practice's.
func When(at time.Time, theirs, ours *time.Location, online bool) (date, clock string) {
	m := moment{at: at, theirs: theirs, ours: ours, online: online}
	return m.Date(), m.Both()
}
