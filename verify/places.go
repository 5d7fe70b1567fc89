package verify

import (
	"slices"
	"time"

	"kap/pathway"
)

// A session for which kap finds no time is a coordinator's to place: they hear of it after a day.

// sought is when kap looked for a time for a kind of session in vain, first since one was found.
type sought map[pathway.Kind]time.Time

func (s sought) note(kind pathway.Kind, at time.Time) {
	if _, known := s[kind]; kind != "" && !known {
		s[kind] = at
	}
}

// inVain: kap has looked for a time, and there was none. Where somebody asked for it, they were told.
func (a *account) inVain(at time.Time) {
	if len(a.wishes) > 0 { // they come first
		a.wishes = a.wishes[1:]
		return
	}
	kind := a.looksFor()
	if a.unplaced.note(kind, at); kind == pathway.Integration || kind == "" {
		a.looked, a.lookedAfter = at, a.seq
	}
}

// looksFor is the kind of session that kap would book by itself, where it can be one only.
func (a *account) looksFor() pathway.Kind {
	prepared := a.prepared(farFuture)
	followed, unfollowed := a.integrations()
	switch {
	case prepared && unfollowed:
		return pathway.Integration
	case prepared && followed:
		return pathway.Dosing
	case followed:
		return pathway.Preparation
	}
	return ""
}

// integrations says whether each dosing session certainly has the integration that follows it, held or booked; and whether one certainly
// has none.
func (a *account) integrations() (followed, unfollowed bool) {
	var booked []*visit
	for _, v := range a.visits {
		if v.kind == pathway.Dosing && v.standing() {
			booked = append(booked, v)
		}
	}
	follows := func(from, until time.Time, held bool) bool {
		return slices.ContainsFunc(a.visits, func(v *visit) bool {
			return v.kind == pathway.Integration && (v.standing() || held && v.was(pathway.Integration)) && !v.start.Before(from) && v.start.Before(until)
		})
	}
	followed = true
	dosings := a.dosings()
	for _, v := range booked {
		followed = followed && follows(v.end, farFuture, false)
	}
	if len(booked) == 1 && (len(dosings) == 0 || !dosings[len(dosings)-1].start.After(booked[0].start)) {
		unfollowed = !follows(booked[0].end, farFuture, false)
	}
	if len(dosings) == 0 {
		return followed, unfollowed
	}
	last, next := dosings[len(dosings)-1], farFuture
	for _, v := range booked {
		if v.start.Before(next) {
			next = v.start
		}
	}
	if !a.integrationHeld(last) {
		followed = followed && follows(last.end, next, false)
		unfollowed = unfollowed || !follows(last.end, farFuture, true)
	}
	return followed, unfollowed
}

func (a *account) integrationHeld(after *visit) bool {
	return slices.ContainsFunc(a.visits, func(v *visit) bool { return v.was(pathway.Integration) && !v.start.Before(after.end) })
}

// owedPlaces: a time is found for what kap certainly wants to book and found none for, or an earlier one for an integration that is too
// late.
func (a *account) owedPlaces(now time.Time) []need {
	var all []need
	for _, kind := range kinds {
		if since, is := a.unplaced[kind]; is && a.wants(kind, now) {
			all = append(all, need{key: "book/" + string(kind), way: whenDue, since: since, wait: days(1), mark: since.String()})
		}
	}
	if _, known := a.unplaced[pathway.Integration]; known {
		followed, unfollowed := a.integrations()
		if v, last := a.strayed(); v != nil && followed && !unfollowed && v.sought >= last.timed && v.start.After(now.Add(notice)) && v.start.Sub(last.end) > hours(a.rules.Integration.HoursAfterAtLeast) {
			all = append(all, need{key: "book/" + string(pathway.Integration), step: v.soughtIn})
		}
	}
	return all
}

// wants says whether a session of a kind is certainly what comes next.
func (a *account) wants(kind pathway.Kind, now time.Time) bool {
	switch kind {
	case pathway.Integration:
		_, unfollowed := a.integrations()
		return unfollowed
	case pathway.Preparation:
		n := 0
		for _, v := range a.visits {
			if v.kind == kind && (v.standing() || v.was(kind)) {
				n++
			}
		}
		return !a.prepared(farFuture) && n < a.rules.Preparation.Sessions && !slices.ContainsFunc(a.against(now, ""), func(code string) bool {
			return slices.Contains(screening, code)
		})
	}
	if !a.prepared(farFuture) || slices.ContainsFunc(a.visits, func(v *visit) bool { return v.kind == kind && v.standing() }) {
		return false
	}
	from := a.dosingFrom(now)
	return !slices.ContainsFunc(a.against(from, ""), func(code string) bool {
		return code != "measure" || from.Sub(now) <= hours(a.rules.Dosing.CheckHoursBefore)
	})
}

// screening are the codes of what preparation waits for.
var screening = []string{"eligibility", "finding", "psychological-evaluation", "prescriber-clearance", "clearance-void", "clearance-days", "clearance-sessions", "checkpoint", "consent", "safety-plan"}

// dosingFrom is when the next dosing session begins at the earliest (protocol, section 3).
func (a *account) dosingFrom(now time.Time) time.Time {
	from, dosings := now.Add(hours(a.rules.Booking.NoticeHours)), a.dosings()
	for _, v := range a.visits {
		if v.was(pathway.Preparation) && len(dosings) == 0 {
			from = later(from, v.start.In(a.zone).AddDate(0, 0, a.rules.Preparation.DaysBeforeAtLeast))
		}
	}
	if ask := a.rules.Questionnaire.DaysBefore; len(ask) > 0 && a.unmeasured(from) { // time for the last time that the client is asked
		from = later(from, now.UTC().AddDate(0, 0, ask[len(ask)-1]))
	}
	if n := len(dosings); n > 0 {
		day := dosings[n-1].start.In(a.zone)
		from = later(from, time.Date(day.Year(), day.Month(), day.Day()+a.rules.Dosing.DaysApartAim, 0, 0, 0, 0, a.zone))
	}
	return from
}
