package pathway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// DosingDay is what the record of a dosing session says beside its outcome and times (protocol, section 3). Nothing in it
// proposes a dose: dose, route and the reference of the prescription, which is issued elsewhere, are written down as they were.
type DosingDay struct {
	InPerson                   *bool         `json:"in_person,omitempty"`
	TherapistPresentThroughout *bool         `json:"therapist_present_throughout,omitempty"`
	ClientStillWilling         *bool         `json:"client_still_willing,omitempty"`
	PrescriptionReference      string        `json:"prescription_reference,omitempty"` // or "none"
	DoseAsGiven                string        `json:"dose_as_given,omitempty"`
	Route                      Route         `json:"route,omitempty"`
	PressureBefore             BloodPressure `json:"blood_pressure_before,omitempty"`
	PressureAfter40            BloodPressure `json:"blood_pressure_at_40_minutes,omitempty"`
	PressureLeaving            BloodPressure `json:"blood_pressure_leaving,omitempty"`
	PregnancyAsked             *bool         `json:"pregnancy_asked,omitempty"`
	MedicationChangeAsked      *bool         `json:"medication_change_asked,omitempty"`
	UrinarySymptomsAsked       *bool         `json:"urinary_symptoms_asked,omitempty"`
	Found                      []EventKind   `json:"found,omitempty"` // what the answers were, where they count as adverse events
	OrientedAndSteady          *bool         `json:"oriented_and_steady,omitempty"`
	NamedAdultDriving          *bool         `json:"named_adult_driving,omitempty"`
	NoDrivingExplained         *bool         `json:"no_driving_until_next_day_explained,omitempty"`
}

// Route is how the medicine was taken.
type Route string

// Options lists what may be written.
func (Route) Options() []string {
	return []string{"sublingual", "oral", "intramuscular", "intranasal", "intravenous", "subcutaneous", "other"}
}

// BloodPressure is a reading in mmHg such as 128/82, or "not-taken".
type BloodPressure string

// NotTaken stands where nobody took the blood pressure.
const NotTaken BloodPressure = "not-taken"

// read gives the two numbers of a reading; false for anything that cannot be one.
func (b BloodPressure) read() (systolic, diastolic int, ok bool) {
	over, under, _ := strings.Cut(string(b), "/")
	systolic, ok = millimetres(over)
	diastolic, also := millimetres(under)
	return systolic, diastolic, ok && also && systolic >= 50 && systolic <= 300 && diastolic >= 20 && diastolic < systolic
}

// millimetres reads a whole number of two or three digits.
func millimetres(text string) (n int, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, len(text) == 2 || len(text) == 3
}

// check says what is wrong with a reading.
func (b BloodPressure) check() error {
	if _, _, ok := b.read(); ok || b == NotTaken {
		return nil
	}
	return fmt.Errorf("expected a reading in mmHg such as 128/82, or %s", NotTaken)
}

// overLimit says whether a reading is over the practice's limit (default 140/90).
func (p *Pathway) overLimit(b BloodPressure) bool {
	systolic, diastolic, ok := b.read()
	mostSystolic, mostDiastolic, _ := p.Protocol.Dosing.BloodPressureLimit.read()
	return ok && (systolic > mostSystolic || diastolic > mostDiastolic)
}

// complete asks for every field that the record of a dosing session that took place has. Facts are never refused for being
// bad news, so each can say no, none or not-taken.
func (d DosingDay) complete() *Refusal {
	for _, f := range []struct {
		name     string
		found    bool
		expected string
	}{
		{"in_person", d.InPerson != nil, "true or false"},
		{"therapist_present_throughout", d.TherapistPresentThroughout != nil, "true or false"},
		{"client_still_willing", d.ClientStillWilling != nil, "true or false"},
		{"prescription_reference", d.PrescriptionReference != "", "the reference of the prescription, or none"},
		{"dose_as_given", d.DoseAsGiven != "", "the dose as it was given"},
		{"route", d.Route != "", "one of " + strings.Join(d.Route.Options(), ", ")},
		{"blood_pressure_before", d.PressureBefore != "", "a reading such as 128/82, or not-taken"},
		{"blood_pressure_at_40_minutes", d.PressureAfter40 != "", "a reading such as 128/82, or not-taken"},
		{"blood_pressure_leaving", d.PressureLeaving != "", "a reading such as 128/82, or not-taken"},
		{"pregnancy_asked", d.PregnancyAsked != nil, "true or false"},
		{"medication_change_asked", d.MedicationChangeAsked != nil, "true or false"},
		{"urinary_symptoms_asked", d.UrinarySymptomsAsked != nil, "true or false"},
		{"oriented_and_steady", d.OrientedAndSteady != nil, "true or false"},
		{"named_adult_driving", d.NamedAdultDriving != nil, "true or false"},
		{"no_driving_until_next_day_explained", d.NoDrivingExplained != nil, "true or false"},
	} {
		if !f.found {
			return refuse(MissingField, "session-held: the field %q is missing, expected %s for a dosing session that took place", f.name, f.expected)
		}
	}
	return nil
}

// deviation is one thing that was done against the rules.
type deviation struct{ code, says string }

// deviations are what was done against the rules at a dosing session that took place: by its own record, and by what was in
// force at its start, however late either was recorded.
func (p *Pathway) deviations(a Appointment) []deviation {
	if !a.dosed() || a.Record == nil {
		return nil
	}
	var all []deviation
	d := a.Record.DosingDay
	for _, f := range []struct {
		code string
		ok   bool
		says string
	}{
		{"in-person", isTrue(d.InPerson), "it was not held in person at the practice"},
		{"present", isTrue(d.TherapistPresentThroughout), "the therapist was not present throughout"},
		{"willing", isTrue(d.ClientStillWilling), "the client was no longer willing that day"},
		{"prescription", d.PrescriptionReference != "none", "there was no prescription"},
		{"pressure-before", d.PressureBefore != NotTaken, "the blood pressure was not taken before it"},
		{"pressure-40", d.PressureAfter40 != NotTaken, "the blood pressure was not taken about 40 minutes into it"},
		{"pressure-leaving", d.PressureLeaving != NotTaken, "the blood pressure was not taken before leaving"},
		{"pressure-limit", !p.overLimit(d.PressureBefore) || p.answered(a), fmt.Sprintf("the blood pressure before it was over %s and the prescriber had not answered", p.Protocol.Dosing.BloodPressureLimit)},
		{"pregnancy-asked", isTrue(d.PregnancyAsked), "pregnancy was not asked about"},
		{"medication-asked", isTrue(d.MedicationChangeAsked), "a change of medication was not asked about"},
		{"urinary-asked", isTrue(d.UrinarySymptomsAsked), "urinary symptoms were not asked about"},
		{"driving-explained", isTrue(d.NoDrivingExplained), "not driving until the next day was not explained"},
		{"unbooked", !a.Unbooked && a.Start.Sub(a.Planned).Abs() <= day, "it was not booked for that day"},
		{"cancelled", a.Unbooked || a.Before != Cancelled && a.Before != CancelledLate, "it had been cancelled"},
	} {
		if !f.ok {
			all = append(all, deviation{f.code, f.says})
		}
	}
	for _, b := range p.blockers(a.Start) {
		all = append(all, deviation{b.Code, b.String()})
	}
	return all
}

// answered says whether the prescriber cleared again on the spot, once the blood pressure had been found too high.
func (p *Pathway) answered(a Appointment) bool {
	c := latest(p.Clearances, a.End)
	return c != nil && c.Decision == Cleared && !c.At.Before(a.Start.Add(-pressureAhead))
}

// answersPressure says whether a clearance may be the answer to what was measured on a dosing day, where the last one was given
// before anybody measured.
func (p *Pathway) answersPressure(last, at time.Time) bool {
	return slices.ContainsFunc(p.Appointments, func(a Appointment) bool {
		from := a.Start.Add(-pressureAhead)
		return a.Kind == Dosing && (a.State == Booked || a.dosed()) && !at.Before(from) && !at.After(a.End) && last.Before(from)
	})
}

// pressureAhead is how long before a session begins its blood pressure is taken at the earliest.
const pressureAhead = time.Hour

// eventsOf are the adverse events, with those that a session's record tells of: leaving unsteady or alone, a blood pressure that
// has not settled, and what the questions of the day brought out.
func (p *Pathway) eventsOf(a Appointment) []AdverseEvent {
	all := p.Events
	if a.Record == nil {
		return all
	}
	at := a.End
	if a.State != Held && a.State != CutShort && a.State != AttendedNotDosed {
		at = a.Record.At
	}
	d, kinds := a.Record.DosingDay, []EventKind(nil)
	if d.OrientedAndSteady != nil && !*d.OrientedAndSteady || d.NamedAdultDriving != nil && !*d.NamedAdultDriving {
		kinds = append(kinds, LeftUnsafely)
	}
	if p.overLimit(d.PressureLeaving) {
		kinds = append(kinds, PressureNotSettling)
	}
	kinds = append(kinds, d.Found...)
	for i, kind := range kinds {
		if slices.Contains(kinds[:i], kind) {
			continue
		}
		e := AdverseEvent{Envelope: Envelope{By: a.Record.By, Role: a.Record.Role, Heard: a.Record.Heard, At: at, ID: a.Name + "/" + string(kind)}, Kind: kind, Severity: "moderate"}
		all = insert(all, e)
	}
	return all
}
