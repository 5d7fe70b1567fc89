package verify

import (
	"slices"
	"time"

	"kap/pathway"
	"kap/records"
)

// mayBook: nothing is booked after the ending, no preparation before screening is complete, and no dosing session while anything
// forbids it, nor without its integration. Its measure may come until the last check.
func (a *account) mayBook(l records.ChainedLine, f pathway.Fact) {
	booked := l.Name == "booked"
	if a.outcome != "" {
		a.violation("booked-after-the-ending", f.Session, l.At, "it was booked although the pathway had ended")
	}
	switch f.Kind {
	case pathway.Preparation:
		for _, code := range a.against(l.At, "") {
			switch code {
			case "eligibility", "finding", "psychological-evaluation", "prescriber-clearance", "clearance-void", "clearance-days", "consent", "safety-plan":
				if booked {
					a.violation("unscreened", f.Session, l.At, "it was booked although %s forbids it", words[code])
				}
			}
		}
	case pathway.Dosing:
		if booked && f.Request == "" && a.unwilling() != nil {
			a.violation("unwilling", f.Session, l.At, "it was booked although the client had not been willing and nobody had talked with them")
		}
		now := a.against(l.At, "")
		for _, code := range a.against(f.Start, "") {
			switch {
			case code == "consent" && !slices.Contains(now, "consent"): // a newer form comes into force in between, and is signed then
			case code == "measure" && f.Start.Sub(l.At) > hours(a.rules.Dosing.CheckHoursBefore):
			default:
				a.violation("booked-while-blocked", f.Session, l.At, "it was %s although %s forbids it", l.Name, words[code])
			}
		}
		if f.Paired == nil {
			if booked {
				a.violation("integration-time", f.Session, l.At, "it was booked without its integration")
			}
			return
		}
		rule := a.rules.Integration
		if gap := f.Paired.Start.Sub(f.End); gap < hours(rule.HoursAfterAtLeast) || gap > hours(rule.HoursAfterAtMost) {
			a.violation("integration-time", f.Paired.Session, l.At, "it was %s outside the %d to %d hours after %s", l.Name, rule.HoursAfterAtLeast, rule.HoursAfterAtMost, f.Session)
		}
	}
}

// unwilling is the dosing session recorded last, where the client was not willing and nobody has talked with them since; or nil.
func (a *account) unwilling() *visit {
	var last *visit
	for _, v := range a.visits {
		if v.kind == pathway.Dosing && v.record != nil && (last == nil || v.start.After(last.start)) {
			last = v
		}
	}
	if last == nil || last.record.outcome() != pathway.AttendedNotDosed || !last.record.said.no("client_still_willing") || a.talked(last.start) {
		return nil
	}
	return last
}

// mayCancel: kap takes a dosing session out of the calendar by itself only at the last check, where the therapist has changed, or at
// an ending of which the client has heard from a person.
func (a *account) mayCancel(l records.ChainedLine, f pathway.Fact, v *visit) {
	if v.kind != pathway.Dosing || f.Request != "" || v.therapist != a.team.Therapist || v.start.Sub(l.At) <= hours(a.rules.Dosing.CheckHoursBefore) {
		return
	}
	for _, d := range a.decisions() {
		if !byPerson(d.outcome) || a.done("conversation", d.at) {
			return
		}
	}
	a.violation("cancelled-unheard", f.Session, l.At, "kap cancelled it, so that a mail said it, before a person had spoken with the client")
}

// calendar: nothing overlaps, one dosing session is booked at a time, and none stays booked within its last check while anything
// forbids it.
func (a *account) calendar() {
	dosing := 0
	for i, v := range a.visits {
		if !v.standing() {
			continue
		}
		if a.outcome != "" {
			a.violation("ended-while-booked", v.name, a.ended, "the pathway ended with it in the calendar")
		}
		for _, w := range a.visits[:i] {
			if w.standing() && v.start.Before(w.end) && w.start.Before(v.end) {
				a.violation("overlap", v.name, v.start, "it overlaps %s", w.name)
			}
		}
		if v.kind != pathway.Dosing || !v.end.After(a.now) { // one whose record was void waits for another
			continue
		}
		if dosing++; dosing > 1 {
			a.violation("two-dosings", v.name, v.start, "it was booked while another dosing session was")
		}
		a.lastCheck(v)
	}
}

// lastCheck: a session that is blocked within the last hours is cancelled, with the next step at the latest.
func (a *account) lastCheck(v *visit) {
	near := a.now.Before(v.start) && v.start.Sub(a.now) <= hours(a.rules.Dosing.CheckHoursBefore)
	found := []string(nil)
	if near {
		found = a.against(v.start, "")
	}
	if len(found) == 0 {
		delete(a.late, v.name)
		return
	}
	if step, seen := a.late[v.name]; seen && step < a.step {
		a.violation("not-cancelled", v.name, v.start, "it stayed booked within the last %d hours although %s forbids it", a.rules.Dosing.CheckHoursBefore, words[found[0]])
		return
	}
	a.late[v.name] = a.step
}

// followed: an integration that the record of its dosing session has left too late for its hours is moved, or kap has looked for a time
// and found none, within a few steps: one that somebody asked for goes first.
func (a *account) followed() {
	if a.outcome != "" || slices.ContainsFunc(a.decisions(), func(d decision) bool { return d.outcome == pathway.Lapsed }) {
		return
	}
	first, last := a.strayed()
	if last == nil {
		return
	}
	key := "after " + last.name
	lately := a.lookedAfter >= last.timed && a.now.Before(a.looked.AddDate(0, 0, 1)) // which is not done twice a day
	if first == nil || first.placed >= last.timed || first.sought >= last.timed || lately || !first.start.After(a.now.Add(notice)) {
		delete(a.late, key)
		return
	}
	if step, seen := a.late[key]; !seen {
		a.late[key] = a.step
	} else if a.step > step+2 {
		a.violation("integration-time", first.name, a.now, "it stays more than %d hours after %s was held, and kap has not looked for a sooner time", a.rules.Integration.HoursAfterAtMost, last.name)
	}
}

// strayed is the booked integration that stands beyond its hours after the last dosing session given, with that session; or nil.
func (a *account) strayed() (first, last *visit) {
	dosings := a.dosings()
	if len(dosings) == 0 {
		return nil, nil
	}
	last = dosings[len(dosings)-1]
	if a.integrationHeld(last) {
		return nil, nil
	}
	for _, v := range a.visits {
		if v.kind == pathway.Integration && v.standing() && !v.start.Before(last.end) && (first == nil || v.start.Before(first.start)) {
			first = v
		}
	}
	if first == nil {
		return nil, nil
	}
	if first.start.Sub(last.end) <= hours(a.rules.Integration.HoursAfterAtMost) || slices.ContainsFunc(a.visits, func(v *visit) bool { // it follows another
		return v.kind == pathway.Dosing && v.standing() && v.end.Before(first.start) && v.start.After(last.start)
	}) {
		return nil, last
	}
	return first, last
}

// notice is how long before a session that kap places by itself the client hears of it at least.
const notice = 4 * time.Hour

func later(x, y time.Time) time.Time {
	if x.After(y) {
		return x
	}
	return y
}
