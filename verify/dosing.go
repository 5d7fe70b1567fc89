package verify

import (
	"fmt"
	"slices"
	"strings"

	"kap/pathway"
)

// ofTheDay are what the record of a dosing session says of its day, by the deviation's code: whether that was as it should be.
var ofTheDay = []struct {
	code string
	well func(said) bool
}{
	{"in-person", func(s said) bool { return s.yes("in_person") }},
	{"present", func(s said) bool { return s.yes("therapist_present_throughout") }},
	{"willing", func(s said) bool { return s.yes("client_still_willing") }},
	{"prescription", func(s said) bool { return s.text("prescription_reference") != "none" }},
	{"pressure-before", func(s said) bool { return s.text("blood_pressure_before") != string(pathway.NotTaken) }},
	{"pressure-40", func(s said) bool { return s.text("blood_pressure_at_40_minutes") != string(pathway.NotTaken) }},
	{"pressure-leaving", func(s said) bool { return s.text("blood_pressure_leaving") != string(pathway.NotTaken) }},
	{"pregnancy-asked", func(s said) bool { return s.yes("pregnancy_asked") }},
	{"medication-asked", func(s said) bool { return s.yes("medication_change_asked") }},
	{"urinary-asked", func(s said) bool { return s.yes("urinary_symptoms_asked") }},
	{"driving-explained", func(s said) bool { return s.yes("no_driving_until_next_day_explained") }},
}

// wrongs are, by code, what was against the rules at a dosing session that was given, as far as it is known now.
func (a *account) wrongs(v *visit) []string {
	found := a.against(v.start, v.name)
	for _, d := range ofTheDay {
		if !d.well(v.record.said) {
			found = append(found, d.code)
		}
	}
	if v.off {
		found = append(found, "cancelled")
	}
	if apart := v.start.Sub(v.booked); v.unbooked || apart > days(1) || apart < -days(1) {
		found = append(found, "unbooked")
	}
	if a.over(v.record.said.text("blood_pressure_before")) && !a.answered(v) {
		found = append(found, "pressure-limit")
	}
	return found
}

// deviations: whatever was against the rules at a dosing session that was given is recorded as a deviation, by name, and holds the
// pathway. What is not is a violation.
func (a *account) deviations() {
	for _, v := range a.dosings() {
		for _, code := range a.wrongs(v) {
			switch {
			case a.heldFor(v, code):
			case a.outcome != "": // nothing is left to hold; both clinicians hear of what was corrected
				a.add(Finding{OnRecord, "known-after-the-ending", v.name, v.start, fmt.Sprintf("it was given although %s forbids it, as is known since a correction after the ending", code)})
			default:
				a.violation(code, v.name, v.start, "it was given although %s forbids it, and no deviation says so", words[code])
			}
		}
	}
}

// heldFor says whether a hold names what was wrong at a session. Of holds that were in force it names each.
func (a *account) heldFor(v *visit, code string) bool {
	return slices.ContainsFunc(a.holds, func(h *hold) bool {
		return !h.lifted && h.Cause == pathway.Deviation && h.From == v.name && slices.ContainsFunc(strings.Fields(h.What), func(named string) bool {
			return named == code || code == "hold" && strings.HasPrefix(named, "hold-")
		})
	})
}

// onRecord tells of the deviations that were recorded and held the pathway, and of what became of the holds.
func (a *account) onRecord() {
	for _, h := range a.holds {
		if h.Cause != pathway.Deviation {
			continue
		}
		now := "still holds"
		switch {
		case h.lifted:
			now = "was lifted by a correction"
		case a.released(h, farFuture):
			now = "was released by both clinicians"
		case a.outcome != "":
			now = "held until the ending"
		}
		a.add(Finding{OnRecord, "deviation", h.Hold, h.Since, fmt.Sprintf("%s was given against the rules (%s), which was recorded; %s %s", h.From, strings.Join(strings.Fields(h.What), ", "), h.Hold, now)})
	}
}

// words say what a code forbids a dosing session for.
var words = map[string]string{
	"phase": "the ending that had begun", "eligibility": "what the enrolment records", "finding": "a finding", "psychological-evaluation": "the evaluation, which was not \"suitable\",",
	"prescriber-clearance": "the clearance, which was missing or not given,", "clearance-void": "an event that voids the clearance", "clearance-days": "the clearance's age",
	"clearance-sessions": "the number of sessions that the clearance covers", "checkpoint": "the checkpoint, at which the prescriber clears again,",
	"consent": "the consent, which was missing, withdrawn or outdated,", "safety-plan": "the safety plan, which was missing or too old,", "preparation": "the preparation, which was not complete,",
	"integration": "the integration before it, which was not held or not agreed to lead on,", "spacing": "the time since the last one", "maximum": "the number of sessions given",
	"measure": "a measure that was missing or too old", "risk-assessment": "a risk assessment that was outstanding", "review": "a review that was outstanding or said stop", "hold": "a hold",
	"in-person": "that it was not in person", "present": "that the therapist was not there throughout", "willing": "that the client was not willing", "prescription": "that there was no prescription",
	"pressure-before": "the blood pressure, not taken before it,", "pressure-40": "the blood pressure, not taken after 40 minutes,", "pressure-leaving": "the blood pressure, not taken on leaving,",
	"pregnancy-asked": "that pregnancy was not asked about", "medication-asked": "that a change of medication was not asked about", "urinary-asked": "that urinary symptoms were not asked about",
	"driving-explained": "that not driving was not explained", "cancelled": "that it had been cancelled", "unbooked": "that it was not booked for that day",
	"pressure-limit": "the blood pressure before it, which was over the limit and not answered,",
}
