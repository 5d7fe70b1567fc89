package mail

import (
	"fmt"
	"strings"
	"text/template"
	"time"
)

// moment is an instant as its reader reads it: on their own clock and, where the practice's shows another time, on that
// too. How that is written, the words say.
type moment struct {
	words        *template.Template
	at           time.Time
	theirs, ours *time.Location
	online       bool // of an appointment that is not at the practice
}

// onClock is a time on somebody's clock.
type onClock struct{ time.Time }

// ZoneName is the zone's abbreviation, or its offset where it has none ("-03" alone reads like a mistake).
func (c onClock) ZoneName() string {
	name, offset := c.Zone()
	if name == "" || name[0] == '+' || name[0] == '-' {
		sign := '+'
		if offset < 0 {
			sign, offset = '-', -offset
		}
		name = fmt.Sprintf("UTC%c%d:%02d", sign, offset/3600, offset%3600/60)
	}
	return name
}

func (m moment) here() onClock { return onClock{m.at.In(m.theirs)} }

func (m moment) say(name string, data any) (string, error) {
	var b strings.Builder
	err := m.words.ExecuteTemplate(&b, name, data)
	return b.String(), err
}

// Given says whether there is such an instant at all.
func (m moment) Given() bool { return !m.at.IsZero() }

// Day is "Thursday, March 12": for subjects, which have little room.
func (m moment) Day() (string, error) { return m.say("day", m.here()) }

// Date is "Thursday, March 12, 2026".
func (m moment) Date() (string, error) { return m.say("date", m.here()) }

// Clock is "10:00 AM EST".
func (m moment) Clock() (string, error) { return m.say("clock", m.here()) }

// Both is Clock, and the practice's time where it differs: "10:00 AM EST (9:00 AM CST at the practice)", with the
// practice's date where that differs as well. Two zones of different names with the same offset at this instant show
// the same time, so that is said once. Of an appointment elsewhere nothing is said to be at the practice.
func (m moment) Both() (string, error) {
	theirs, ours := m.here(), onClock{m.at.In(m.ours)}
	_, a := theirs.Zone()
	_, b := ours.Zone()
	if a == b {
		return m.Clock()
	}
	return m.say("both-clocks", struct {
		Theirs, Ours    onClock
		SameDay, Online bool
	}{theirs, ours, sameDay(theirs.Time, ours.Time), m.online})
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
	return sameDay(m.at.In(m.theirs), goes.In(m.theirs))
}

func sameDay(a, b time.Time) bool { return a.Format(time.DateOnly) == b.Format(time.DateOnly) }

// When writes an instant as letters do: the day on the reader's clock, and the hour on theirs and, where it differs, on the practice's.
func When(at time.Time, theirs, ours *time.Location, online bool) (date, clock string, err error) {
	m := moment{words: words, at: at, theirs: theirs, ours: ours, online: online}
	if date, err = m.Date(); err == nil {
		clock, err = m.Both()
	}
	return date, clock, err
}
