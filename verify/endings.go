package verify

import (
	"slices"
	"strings"
	"time"

	"kap/pathway"
)

// decision is what begins an ending: the record of whoever decides it.
type decision struct {
	outcome pathway.Outcome
	at      time.Time
}

// decisions are those that are on record (protocol, section 5).
func (a *account) decisions() []decision {
	var all []decision
	dosings := a.dosings()
	for _, f := range a.facts {
		switch {
		case f.name == "withdraw":
			all = append(all, decision{pathway.WithdrawnByClient, f.at})
		case f.name == "stop" && f.said.text("as") == string(pathway.Lapsed):
			all = append(all, decision{pathway.Lapsed, f.at})
		case f.name == "stop", f.name == "review" && f.role == pathway.Therapist && f.decision() == string(pathway.StopReview):
			all = append(all, decision{pathway.StoppedAndReferred, f.at})
		}
	}
	if e := a.last("psychological-evaluation", farFuture); e != nil && e.decision() == pathway.Decline {
		if len(dosings) > 0 {
			all = append(all, decision{pathway.StoppedAndReferred, e.at})
		} else {
			all = append(all, decision{pathway.DeclinedAndReferred, e.at})
		}
	}
	if len(dosings) > 0 {
		last := dosings[len(dosings)-1]
		for _, v := range a.visits {
			if v.was(pathway.Integration) && !v.start.Before(last.end) && v.record.said.text("next") == string(pathway.CloseNext) && v.record.said.yes("client_agrees") {
				all = append(all, decision{pathway.Completed, v.recorded()})
			}
		}
	}
	return all
}

// earliest is when the first of some decisions was taken; never, where there is none.
func earliest(all []decision) time.Time {
	first := farFuture
	for _, d := range all {
		if d.at.Before(first) {
			first = d.at
		}
	}
	return first
}

// byPerson says whether an ending is one that the client hears of from a person first.
func byPerson(o pathway.Outcome) bool {
	return o == pathway.StoppedAndReferred || o == pathway.DeclinedAndReferred
}

// end: an ending has the decision of whoever decides it, and everything that the protocol asks for since.
func (a *account) end(o pathway.Outcome, at time.Time) {
	if a.outcome != "" {
		a.violation("ended-twice", string(o), at, "the pathway had ended before")
		return
	}
	var missing []shortfall
	decided := false
	for _, d := range a.decisions() {
		if d.outcome != o {
			continue
		}
		found := a.missing(o, d.at)
		if !decided || len(found) < len(missing) {
			missing = found
		}
		decided = true
	}
	if !decided {
		a.violation("undecided", string(o), at, "the pathway ended so, which nobody had decided")
	}
	for _, m := range missing {
		a.violation(m.code, string(o), at, "the pathway ended so without %s", m.what)
	}
	a.outcome, a.ended, a.endStep = o, at, a.step
}

type shortfall struct{ code, what string }

// missing is what an ending lacks of what is asked for since its decision.
func (a *account) missing(o pathway.Outcome, since time.Time) []shortfall {
	dosings := a.dosings()
	referred := a.referredSince(since)
	offered := slices.ContainsFunc(a.facts, func(f *fact) bool {
		return f.name == "task-done" && f.said.text("task") == "referral" && f.outcome() == string(pathway.Declined) && !f.at.Before(since)
	})
	var all []shortfall
	for _, x := range []struct {
		lacks      bool
		code, what string
	}{
		{byPerson(o) && !referred, "no-referral", "a referral"},
		{o == pathway.WithdrawnByClient && !referred && !offered, "no-referral", "the offer of a referral"},
		{byPerson(o) && !a.done("conversation", since), "no-conversation", "that a person spoke with the client, or tried often enough"},
		{len(dosings) > 0 && !a.done("discharge-contact", since), "no-discharge-contact", "the prescriber's discharge contact"},
		{!a.done("letter", since), "no-letter", "the closing letter"},
		{!a.assessed(), "no-assessment", "a risk assessment that item 9 asks for"},
		{len(dosings) > 0 && o != pathway.Lapsed && !a.integrated(dosings[len(dosings)-1]), "no-integration", "the integration after the last dosing session"},
		{o == pathway.Completed && len(dosings) > 0 && !a.mayComplete(dosings, since), "no-closing-measure", "a measure that lets it complete, or both clinicians' word"},
	} {
		if x.lacks {
			all = append(all, shortfall{x.code, x.what})
		}
	}
	return all
}

// assessed says whether somebody looked at the client's risk after the last PHQ-9 whose ninth item asks for it.
func (a *account) assessed() bool {
	var asked time.Time
	for _, f := range a.facts {
		if f.name == "measure" && f.item9() > 0 {
			asked = later(asked, f.at)
		}
	}
	return asked.IsZero() || slices.ContainsFunc(a.facts, func(f *fact) bool { return f.name == "risk-assessment" && !f.at.Before(asked) })
}

// integrated says whether the integration after a dosing session was held, or the client declined it.
func (a *account) integrated(last *visit) bool {
	tries := 0
	for _, f := range a.facts {
		if f.name == "task-done" && f.said.text("task") == "talk/"+string(pathway.Integration) && f.outcome() == string(pathway.Tried) && f.at.After(last.end) {
			tries++
		}
	}
	return tries >= a.rules.Endings.Tries || slices.ContainsFunc(a.visits, func(v *visit) bool {
		return v.kind == pathway.Integration && !v.start.Before(last.end) && (v.was(pathway.Integration) || v.off && v.byClient)
	})
}

// mayComplete: with the last measures and, once all sessions were given, with what they show; or with both clinicians' word.
func (a *account) mayComplete(dosings []*visit, since time.Time) bool {
	last := dosings[len(dosings)-1]
	if r := a.reviews(last, farFuture); r[pathway.Therapist].says(pathway.CompleteReview) && r[pathway.Prescriber].says(pathway.CompleteReview) {
		return true
	}
	if a.unclosed(last, since, farFuture) {
		return false
	}
	primary := string(a.e.PrimaryMeasure)
	if len(dosings) < a.rules.Dosing.AtMost {
		return true
	}
	from, to := a.baseline(primary), a.measured(primary, farFuture)
	if a.e.PrimaryMeasure == pathway.Grief || from == nil {
		return a.e.PrimaryMeasure != pathway.Grief
	}
	points, better := a.points(primary), from.total()-to.total()
	return better >= points.Important || to.total() < points.Remission ||
		from.total() >= a.rules.Measures.LowBaseline && better*100 >= a.rules.Measures.AtTheMost.PercentAtLeast*from.total()
}

// reviews are each clinician's latest since a dosing session, up to a moment.
func (a *account) reviews(last *visit, until time.Time) map[pathway.Role]*fact {
	latest := map[pathway.Role]*fact{}
	for _, f := range a.facts {
		if old := latest[f.role]; f.name == "review" && slices.Contains(clinicians, f.role) && !f.at.After(until) && (last == nil || f.at.After(last.start)) && (old == nil || !f.at.Before(old.at)) {
			latest[f.role] = f
		}
	}
	return latest
}

// says whether a review was made, and says so.
func (f *fact) says(decision pathway.ReviewDecision) bool {
	return f != nil && f.decision() == string(decision)
}

// unclosed says whether a measure is missing at a moment that was taken after the last dosing session, and was recent when closing was agreed.
func (a *account) unclosed(last *visit, since, at time.Time) bool {
	return slices.ContainsFunc(a.scales(), func(scale string) bool {
		m := a.measured(scale, at)
		return m == nil || m.at.Before(last.start) || m.at.Before(since.In(a.zone).AddDate(0, 0, -a.rules.Measures.Days))
	})
}

// askedUntil is how long the client is asked for the last measures once closing was agreed, before the clinicians can decide without them.
func (a *account) askedUntil(since time.Time) time.Time {
	return since.In(a.zone).AddDate(0, 0, a.rules.Nudges.CallDays)
}

// mayReview: no clinician completes a pathway without its last measures while the client is still asked for them.
func (a *account) mayReview(f *fact) {
	dosings := a.dosings()
	if !f.says(pathway.CompleteReview) || len(dosings) == 0 {
		return
	}
	first := earliest(a.decisions())
	if a.unclosed(dosings[len(dosings)-1], first, f.at) && f.at.Before(a.askedUntil(first)) {
		a.violation("unmeasured", "", f.at, "it was completed without its last measures, before the client had been asked for them for %d days", a.rules.Nudges.CallDays)
	}
}

// mayLapse: only what the client owes lets a pathway lapse, long after the enrolment, after calls, and never before a review date.
func (a *account) mayLapse(stop *fact) {
	rule := a.rules.Endings
	if e := a.last("psychological-evaluation", stop.heard); e != nil && e.decision() == pathway.Defer {
		if day, err := time.ParseInLocation(time.DateOnly, e.said.text("review_on"), a.zone); err == nil && day.After(stop.heard) {
			a.violation("lapsed-early", "", stop.at, "it lapsed before the day to which it was deferred")
		}
	}
	calls := 0
	for _, f := range a.facts {
		if f.name == "task-done" && f.outcome() != string(pathway.Acknowledged) && (isTalk(f) || strings.HasPrefix(f.said.text("task"), "call/")) {
			calls++
		}
	}
	if calls < rule.LapseCalls {
		a.violation("lapsed-uncalled", "", stop.at, "it lapsed although the client was called %d times, and not %d", calls, rule.LapseCalls)
	}
	if stop.heard.Before(a.e.At.In(a.zone).AddDate(0, 0, rule.LapseDays)) {
		a.violation("lapsed-early", "", stop.at, "it lapsed within %d days", rule.LapseDays)
	}
	if !a.owes(stop.heard) {
		a.violation("lapsed-unowed", "", stop.at, "it lapsed although the client owed nothing")
	}
}

// owes says whether the client is waited for: for a signature, a measure, or an answer after sessions that fell through.
func (a *account) owes(now time.Time) bool {
	if slices.Contains(a.against(now, ""), "consent") {
		return true
	}
	for _, kind := range kinds {
		var latest *visit
		for _, v := range a.visits {
			if v.kind == kind && (latest == nil || v.start.After(latest.start)) {
				latest = v
			}
		}
		if latest != nil && !latest.standing() && (latest.record == nil || latest.record.outcome() != pathway.Held) {
			return true
		}
	}
	dosings := a.dosings()
	return len(dosings) > 0 && !a.mayComplete(dosings, farFuture)
}

// isTalk says whether a task is the talk after sessions that fell through.
func isTalk(f *fact) bool { return strings.HasPrefix(f.said.text("task"), "talk/") }
