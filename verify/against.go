package verify

import (
	"slices"
	"time"

	"kap/pathway"
)

// against lists, by code, what forbids a dosing session that starts at start, as far as it is known now (protocol, section 3). The
// session itself, where it was given, is self: its own deviation does not speak against it.
func (a *account) against(start time.Time, self string) []string {
	var found []string
	forbid := func(code string, is bool) {
		if is {
			found = append(found, code)
		}
	}
	dosings := a.dosings()
	var last *visit
	n, next := 0, farFuture
	for _, v := range dosings {
		if v.start.Before(start) {
			n++
			last = v
		}
	}
	for _, v := range dosings {
		if last != nil && v.start.After(last.start) && v.start.Before(next) {
			next = v.start
		}
	}
	forbid("phase", a.outcome != "" && !a.ended.After(start) || slices.ContainsFunc(a.facts, func(f *fact) bool {
		return (f.name == "withdraw" || f.name == "stop") && !f.at.After(start)
	}))
	forbid("eligibility", !a.e.Adult || a.e.Diagnosis == pathway.NoDiagnosis || !a.e.StandardCareTried || !a.e.CommitsToTheArc || !a.e.ComfortableWithTheStates)
	evaluation, clearance := a.last("psychological-evaluation", start), a.last("prescriber-clearance", start)
	forbid("finding", a.finding(evaluation, clearance, start))
	forbid("psychological-evaluation", evaluation == nil || evaluation.decision() != pathway.Suitable)
	forbid("prescriber-clearance", clearance == nil || clearance.decision() != pathway.Cleared)
	if clearance != nil {
		since := 0
		for _, v := range dosings {
			if !v.start.Before(clearance.at) && v.start.Before(start) {
				since++
			}
		}
		forbid("clearance-void", a.void(clearance, start))
		forbid("clearance-days", !start.Before(clearance.at.In(a.zone).AddDate(0, 0, a.rules.Clearance.Days)))
		forbid("clearance-sessions", since >= a.rules.Clearance.DosingSessions)
	}
	forbid("checkpoint", n > 0 && n < a.rules.Dosing.AtMost && n%a.rules.Clearance.EveryDosingSessions == 0 && (clearance == nil || clearance.at.Before(last.end)))
	forbid("consent", !a.consented(start))
	plan := a.last("safety-plan", start)
	forbid("safety-plan", plan == nil || start.After(plan.at.In(a.zone).AddDate(0, 0, a.rules.SafetyPlan.Days)))
	forbid("preparation", !a.prepared(start))
	if last != nil {
		forbid("integration", !slices.ContainsFunc(a.visits, func(v *visit) bool {
			return v.was(pathway.Integration) && !v.start.Before(last.end) && v.start.Before(next) && !v.end.After(start) &&
				v.record.said.text("next") == string(pathway.AnotherNext) && v.record.said.yes("client_agrees")
		}))
		forbid("spacing", start.Before(last.start.In(a.zone).AddDate(0, 0, a.rules.Dosing.DaysApartAtLeast)))
	}
	forbid("maximum", n >= a.rules.Dosing.AtMost)
	forbid("measure", a.unmeasured(start))
	assessed := a.last("risk-assessment", start)
	forbid("risk-assessment", slices.ContainsFunc(a.facts, func(f *fact) bool {
		return f.name == "measure" && f.item9() == 1 && !f.at.After(start) && (assessed == nil || assessed.at.Before(f.at) || assessed.outcome() != string(pathway.SafeToContinue))
	}))
	forbid("review", a.unreviewed(start, last, n))
	forbid("hold", slices.ContainsFunc(a.holds, func(h *hold) bool { return a.holding(h, start, self) }))
	return found
}

// consented says whether the client has consented to the form in force at a moment, and to what the evidence says.
func (a *account) consented(at time.Time) bool {
	c := a.last("consent", at)
	return c != nil && c.decision() == pathway.Given && c.said.text("evidence") == a.evidence(at) && a.signed(c.said.text("document_version"), at)
}

// unmeasured says whether a measure is missing that is recent at a moment.
func (a *account) unmeasured(at time.Time) bool {
	return slices.ContainsFunc(a.scales(), func(scale string) bool {
		m := a.measured(scale, at)
		return m == nil || m.at.Before(at.In(a.zone).AddDate(0, 0, -a.rules.Measures.Days))
	})
}

// finding says whether one stands: of the latest evaluation, or of the enrolment while there is none or where it was corrected after it,
// and of the latest clearance.
func (a *account) finding(evaluation, clearance *fact, start time.Time) bool {
	stands := len(a.e.Findings) > 0
	if evaluation != nil && (evaluation.heard.After(a.heard) || a.heard.After(start)) {
		stands = false
	}
	for _, f := range []*fact{evaluation, clearance} {
		stands = stands || f != nil && len(f.said.list("findings")) > 0
	}
	return stands
}

// void: an adverse event after a clearance, or one that nobody had heard of when it was given, and a blood pressure over the limit that
// the prescriber had not answered.
func (a *account) void(clearance *fact, start time.Time) bool {
	return slices.ContainsFunc(a.events(), func(e event) bool {
		return !e.at.After(start) && (e.at.After(clearance.at) || e.heard.After(clearance.heard))
	}) || slices.ContainsFunc(a.visits, func(v *visit) bool {
		return v.kind == pathway.Dosing && v.record != nil && a.over(v.record.said.text("blood_pressure_before")) && !a.answered(v) && v.end.After(clearance.at) && !v.end.After(start)
	})
}

// answered says whether the prescriber cleared again on the spot, once the blood pressure had been found too high.
func (a *account) answered(v *visit) bool {
	c := a.last("prescriber-clearance", v.end)
	return c != nil && c.decision() == pathway.Cleared && !c.at.Before(v.start.Add(-time.Hour))
}

func (a *account) evidence(at time.Time) string {
	for _, f := range a.grades {
		if at.Before(f.until) {
			return f.grade
		}
	}
	return grade(a.e.Diagnosis)
}

// signed says whether a version of the consent form is the one in force at a moment, or a newer one that was signed in advance.
func (a *account) signed(version string, at time.Time) bool {
	good := false
	for i, f := range a.forms {
		if i == 0 || !f.inForce.After(at) && !f.known.After(at) { // nobody is bound by a form before it reached them
			good = false
		}
		good = good || f.version == version
	}
	return good
}

func (a *account) prepared(at time.Time) bool {
	held, enough := 0, false
	for _, v := range a.visits {
		if v.was(pathway.Preparation) && !v.end.After(at) {
			held++
			enough = enough || v.record.said.yes("preparation_complete")
		}
	}
	return held >= a.rules.Preparation.Sessions || enough && held >= a.rules.Preparation.AtLeast
}

// unreviewed says whether a dosing session waits for a review, or one says stop.
func (a *account) unreviewed(start time.Time, last *visit, n int) bool {
	reviews := a.reviews(last, start)
	if reviews[pathway.Therapist].says(pathway.StopReview) || reviews[pathway.Prescriber].says(pathway.StopReview) {
		return true
	}
	if last == nil {
		return false
	}
	if a.notWorking(start, last, n) {
		return len(reviews) == 0
	}
	baseless := slices.ContainsFunc(a.scales(), func(scale string) bool { return scale != string(pathway.Grief) && a.baseline(scale) == nil })
	return (baseless || a.e.PrimaryMeasure == pathway.Grief && n%a.rules.Clearance.EveryDosingSessions == 0) && len(reviews) < 2
}

// notWorking: too little has changed since the baseline, by the primary measure taken since the last dosing session.
func (a *account) notWorking(start time.Time, last *visit, n int) bool {
	primary, rule := string(a.e.PrimaryMeasure), a.rules.Measures.NotWorking
	from, to := a.baseline(primary), a.measured(primary, start)
	if a.e.PrimaryMeasure == pathway.Grief || n+1 < rule.FromDosing || from == nil || to == nil || to.at.Before(last.start) {
		return false
	}
	better := from.total() - to.total()
	return better < a.points(primary).Important && (from.total() < a.rules.Measures.LowBaseline || better*100 <= rule.PercentAtMost*from.total())
}
