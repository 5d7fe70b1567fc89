package pathway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// HoldInForce keeps every dosing session from taking place until each role that its cause asks for has released it.
// Releasing one hold leaves the others (protocol, section 4).
type HoldInForce struct {
	Name     string        `json:"name"` // hold-1: it may stand in an error text, its cause may not
	Cause    Cause         `json:"cause"`
	Since    time.Time     `json:"since"`
	Known    time.Time     `json:"known"` // when the practice learned of it
	Why      string        `json:"why"`
	Needs    []Role        `json:"needs"`
	Releases []HoldRelease `json:"releases,omitempty"`
	Until    time.Time     `json:"until,omitzero"`   // when the last of them released it
	Lifted   bool          `json:"lifted,omitempty"` // a correction took its cause away
	From     string        `json:"from,omitempty"`   // the entry, or the session, that it follows from
	What     string        `json:"what,omitempty"`   // tells two findings in one entry apart
	Told     string        `json:"told,omitempty"`   // what the journal says of it: placed, lifted
}

// HoldRelease is one role's part in releasing a hold.
type HoldRelease struct {
	By   string    `json:"by"`
	Role Role      `json:"role"`
	ID   string    `json:"id"` // of the message
	At   time.Time `json:"at"`
}

// cause is why it holds, for staff.
func (h HoldInForce) cause() string {
	if h.Cause == Restored { // whose sentence begins with the word
		return h.Why
	}
	return fmt.Sprintf("%s, %s", h.Cause, h.Why)
}

func (h HoldInForce) inForce() bool { return !h.Lifted && len(h.Open()) > 0 }

// held says whether a hold kept sessions from taking place at a moment.
func (h HoldInForce) held(at time.Time) bool {
	return !h.Lifted && !h.Since.After(at) && (h.inForce() || h.Until.After(at))
}

// Open lists the roles that have yet to release a hold.
func (h HoldInForce) Open() []Role {
	return slices.DeleteFunc(slices.Clone(h.Needs), func(r Role) bool {
		return slices.ContainsFunc(h.Releases, func(x HoldRelease) bool { return x.Role == r })
	})
}

// Cause is why a pathway is held.
type Cause string

// The causes, and who releases each (protocol, section 4).
const (
	Crisis       Cause = "crisis"        // the therapist, with a risk assessment
	ItemNine     Cause = "item-9"        // the therapist, with a risk assessment and the safety plan looked at
	AdverseCause Cause = "adverse-event" // the prescriber
	Worsening    Cause = "worsening"     // both clinicians
	Deviation    Cause = "deviation"     // both clinicians
	Concern      Cause = "concern"       // whoever placed it
	Restored     Cause = "restored"      // both clinicians: what was recorded after a backup is lost
)

// Options lists what a person may write; the other causes are found by the rules.
func (Cause) Options() []string { return []string{string(Crisis), string(Concern)} }

// urgent says whether somebody has to look at once.
func (c Cause) urgent() bool { return c != Worsening && c != Concern && c != Restored }

// flag is a finding that holds the pathway: it follows from what is on record, and a correction can take it away.
type flag struct {
	from  string
	what  string
	cause Cause
	since time.Time
	why   string
	needs []Role
}

// flags are all findings that follow from what is on record.
func (p *Pathway) flags() []flag {
	all := append(p.findingFlags(), p.measureFlags()...)
	all = append(all, p.adverseFlags()...)
	for _, r := range p.Risks {
		if r.Outcome == AtRisk {
			all = append(all, flag{from: r.ID, cause: Crisis, since: r.At, needs: []Role{Therapist}, why: "the risk assessment says that the client is at risk"})
		}
	}
	return all
}

// derive holds the pathway for every finding that does not hold it yet. It is asked after each message, because what is learned
// late, or corrected, changes what had been found.
func (p *Pathway) derive(at time.Time) {
	if p.Outcome != "" {
		return
	}
	for _, f := range p.flags() {
		i := slices.IndexFunc(p.Holds, func(h HoldInForce) bool {
			return !h.Lifted && h.From == f.from && h.Cause == f.cause && h.What == f.what
		})
		if i < 0 {
			p.hold(f, at)
		} else {
			p.Holds[i].Why = f.why
		}
	}
	var given []*Appointment
	for i := range p.Appointments {
		if a := &p.Appointments[i]; a.dosed() {
			given = append(given, a)
		}
	}
	slices.SortStableFunc(given, func(a, b *Appointment) int { return a.Start.Compare(b.Start) }) // what one leaves in force counts for the next
	for _, a := range given {
		p.deriveDeviations(at, a)
	}
}

// deriveDeviations holds the pathway for what was done against the rules at a session, as far as that is known now and was not before.
func (p *Pathway) deriveDeviations(at time.Time, a *Appointment) {
	var fresh []deviation
	found := p.deviations(*a)
	p.renameDeviations(a, found)
	for _, d := range found {
		if !slices.ContainsFunc(p.Holds, func(h HoldInForce) bool {
			return h.Cause == Deviation && !h.Lifted && h.From == a.Name && slices.Contains(strings.Fields(h.What), d.code)
		}) {
			fresh = append(fresh, d)
		}
	}
	if len(fresh) == 0 {
		return
	}
	learned := at
	var codes, says []string
	for _, d := range fresh {
		codes, says = append(codes, d.code), append(says, d.says)
	}
	if slices.ContainsFunc(p.Holds, func(h HoldInForce) bool { return h.Cause == Deviation && h.From == a.Name }) {
		at = at.Truncate(time.Second) // learned later than the session's own record
	} else if a.Record != nil {
		at = a.Record.At
	}
	p.hold(flag{from: a.Name, what: strings.Join(codes, " "), cause: Deviation, since: at, needs: clinicians, why: against(a, says)}, learned)
}

func against(a *Appointment, says []string) string {
	return fmt.Sprintf("%s was done against the rules: %s", a.Name, strings.Join(says, "; "))
}

// renameDeviations has the holds of a session name what still stands of what they were placed for. What a correction took back and
// another brings back is found anew, because nobody was asked about it meanwhile.
func (p *Pathway) renameDeviations(a *Appointment, found []deviation) {
	for i := range p.Holds {
		h := &p.Holds[i]
		if h.Cause != Deviation || h.Lifted || h.From != a.Name {
			continue
		}
		var codes, says []string
		for _, d := range found {
			if slices.Contains(strings.Fields(h.What), d.code) {
				codes, says = append(codes, d.code), append(says, d.says)
			}
		}
		if len(codes) > 0 { // where nothing stands, only a correction lifts it
			h.What, h.Why = strings.Join(codes, " "), against(a, says)
		}
	}
}

// lift takes away the holds whose causes a correction has removed.
func (p *Pathway) lift(at time.Time) {
	if p.Outcome != "" {
		return
	}
	flags := p.flags()
	for i := range p.Holds {
		h := &p.Holds[i]
		if h.Lifted || h.Cause == Concern || h.Cause == Restored || h.From == enrolmentEntry { // a crisis takes an assessment, whoever named it
			continue
		}
		stands := slices.ContainsFunc(flags, func(f flag) bool { return f.from == h.From && f.cause == h.Cause && f.what == h.What })
		if h.Cause == Deviation {
			stands = false
			if a := p.appointment(h.From); a != nil && a.dosed() {
				for _, d := range p.deviations(*a) {
					stands = stands || slices.Contains(strings.Fields(h.What), d.code)
				}
			}
		}
		if h.Cause == Crisis && slices.ContainsFunc(p.Placed, func(m PlaceHold) bool { return m.ID == h.From }) {
			stands = true
		}
		if !stands {
			h.Lifted = true
			p.note(at, "hold", "%s is lifted: a correction took its cause away", h.Name)
		}
	}
}

func (p *Pathway) hold(f flag, known time.Time) string {
	name := fmt.Sprintf("hold-%d", len(p.Holds)+1)
	p.Holds = append(p.Holds, HoldInForce{Name: name, Cause: f.cause, Since: f.since, Known: known, Why: f.why, Needs: f.needs, From: f.from, What: f.what})
	return name
}

// PlaceHold stops all dosing at once.
type PlaceHold struct {
	Envelope
	Cause  Cause  `json:"cause" must:"yes"`
	Reason string `json:"reason" must:"yes"`
}

func (m *PlaceHold) record(p *Pathway, now time.Time) (string, *Refusal) {
	needs := []Role{p.CareTeam.Role(m.By)}
	if m.Cause == Crisis {
		needs = []Role{Therapist}
	}
	for _, h := range p.Holds {
		if h.inForce() && h.Cause == m.Cause && h.Why == m.Reason && slices.Equal(h.Needs, needs) {
			return fmt.Sprintf("%s holds the pathway for this reason", h.Name), errAlreadySo
		}
	}
	p.Placed = append(p.Placed, *m)
	return fmt.Sprintf("%s holds the pathway: nothing is dosed until it is released", p.hold(flag{from: m.ID, cause: m.Cause, since: m.At, needs: needs, why: m.Reason}, now)), nil
}

// ReleaseDecision is to release, or to take one's release back while the other clinician's is awaited.
type ReleaseDecision string

// Options lists what may be written.
func (ReleaseDecision) Options() []string { return []string{"release", TakeBack} }

// TakeBack withdraws one's own part of a decision that needs both clinicians, while the other part is awaited.
const TakeBack = "take-back"

// Release takes one role's part of a hold away.
type Release struct {
	Envelope
	Hold     string          `json:"hold" must:"yes"`
	Decision ReleaseDecision `json:"decision,omitempty"` // none: release
	Reason   string          `json:"reason" must:"yes"`
}

func (m *Release) record(p *Pathway, _ time.Time) (string, *Refusal) {
	i := slices.IndexFunc(p.Holds, func(h HoldInForce) bool { return h.Name == m.Hold })
	if i < 0 {
		var names []string
		for _, h := range p.Holds {
			if h.inForce() {
				names = append(names, h.Name)
			}
		}
		if len(names) == 0 {
			return "", refuse(BadValue, "release: hold: found %s, but nothing holds this pathway", quoted(m.Hold))
		}
		return "", refuse(BadValue, "release: hold: found %s, expected one of %s", quoted(m.Hold), strings.Join(names, ", "))
	}
	h, role := &p.Holds[i], p.CareTeam.Role(m.By)
	mine := slices.IndexFunc(h.Releases, func(x HoldRelease) bool { return x.Role == role })
	switch {
	case !h.inForce():
		return fmt.Sprintf("%s is released", h.Name), errAlreadySo
	case m.Decision == TakeBack && mine < 0:
		return fmt.Sprintf("%s is not released by the %s", h.Name, role), errAlreadySo
	case m.Decision == TakeBack:
		h.Releases = slices.Delete(h.Releases, mine, mine+1)
		return fmt.Sprintf("%s: the %s's release is taken back", h.Name, role), nil
	case mine >= 0:
		return fmt.Sprintf("%s is released by the %s", h.Name, role), errAlreadySo
	case !slices.Contains(h.Needs, role):
		return "", refuse(WrongPerson, "release: by: found %s, who is this pathway's %s; %s is released by its %s", m.By, role, h.Name, p.who(h.Open()))
	case m.At.Before(later(h.Since, h.Known).Truncate(time.Second)):
		return "", refuse(BadValue, "release: at: found %s, expected a moment after %s was known, %s", p.clockTime(m.At), h.Name, p.clockTime(later(h.Since, h.Known)))
	}
	if r := p.mayRelease(*h, m.At); r != nil {
		return "", r
	}
	h.Releases = append(h.Releases, HoldRelease{m.By, role, m.ID, m.At})
	if h.inForce() {
		return fmt.Sprintf("%s is released by the %s and waits for the %s", h.Name, role, p.who(h.Open())), nil
	}
	for _, x := range h.Releases {
		if x.At.After(h.Until) {
			h.Until = x.At
		}
	}
	return fmt.Sprintf("%s is released", h.Name), nil
}

// mayRelease asks for what a release rests on: a risk assessment, and after item 9 a safety plan that was looked at since.
func (p *Pathway) mayRelease(h HoldInForce, at time.Time) *Refusal {
	if h.Cause != Crisis && h.Cause != ItemNine {
		return nil
	}
	if r := latest(p.Risks, at); !p.assessed(h.Since, at) || r.Heard.Before(h.Known) {
		return refuse(Blocked, "release: %s is released with a risk assessment, and none that says safe-to-continue is recorded since %s; send risk-assessment first", h.Name, p.clockTime(h.Since))
	}
	if h.Cause == ItemNine {
		reviewed := slices.ContainsFunc(p.Risks, func(r RiskAssessment) bool {
			return r.SafetyPlanReviewed && !r.At.Before(h.Since) && !r.At.After(at) && !r.Heard.Before(h.Known)
		})
		if s := latest(p.SafetyPlans, at); !reviewed && (s == nil || s.At.Before(h.Since) || s.Heard.Before(h.Known)) {
			return refuse(Blocked, "release: %s is released once the safety plan was looked at, and nothing says so since %s; send safety-plan, or risk-assessment with safety_plan_reviewed", h.Name, p.clockTime(h.Since))
		}
	}
	return nil
}

// RiskOutcome is what a risk assessment found.
type RiskOutcome string

// Safe to continue, or at risk: then the pathway is held.
const (
	SafeToContinue RiskOutcome = "safe-to-continue"
	AtRisk         RiskOutcome = "at-risk"
)

// Options lists what may be written.
func (RiskOutcome) Options() []string { return []string{string(SafeToContinue), string(AtRisk)} }

// RiskAssessment is the therapist's, after an item 9 or in a crisis. What was said stays in the clinical record.
type RiskAssessment struct {
	Envelope
	Outcome            RiskOutcome `json:"outcome" must:"yes"`
	SafetyPlanReviewed bool        `json:"safety_plan_reviewed" must:"yes"`
}

func (m *RiskAssessment) record(p *Pathway, _ time.Time) (string, *Refusal) {
	p.Risks = insert(p.Risks, *m)
	return fmt.Sprintf("risk assessment: %s", m.Outcome) + overtaken(p.Risks, m.At), nil
}

// assessed says whether the latest risk assessment between two moments says that the client is safe to continue.
func (p *Pathway) assessed(since, at time.Time) bool {
	r := latest(p.Risks, at)
	return r != nil && !r.At.Before(since) && r.Outcome == SafeToContinue
}

// EventKind is what happened.
type EventKind string

// The adverse events of the protocol (section 4), and what is handled as one.
const (
	PressureNotSettling EventKind = "blood-pressure-not-settling"
	PsychosisOrMania    EventKind = "psychosis-or-mania"
	UrinarySymptoms     EventKind = "urinary-symptoms"
	Misuse              EventKind = "misuse"
	Pregnancy           EventKind = "pregnancy"
	SeriousEvent        EventKind = "serious-event"
	MedicationChange    EventKind = "medication-change"
	LeftUnsafely        EventKind = "left-unsteady-or-alone"
	OtherEvent          EventKind = "other"
)

// Options lists what may be written.
func (EventKind) Options() []string {
	return []string{string(PressureNotSettling), string(PsychosisOrMania), string(UrinarySymptoms), string(Misuse), string(Pregnancy), string(SeriousEvent),
		string(MedicationChange), string(LeftUnsafely), string(OtherEvent)}
}

// Severity grades an adverse event.
type Severity string

// Options lists what may be written.
func (Severity) Options() []string { return []string{"mild", "moderate", "severe"} }

// AdverseEvent holds the pathway and voids the clearance, unless it is a mild one of no named kind.
type AdverseEvent struct {
	Envelope
	Kind     EventKind `json:"kind" must:"yes"`
	Severity Severity  `json:"severity" must:"yes"`
	Reason   string    `json:"reason,omitempty"`
}

func (m *AdverseEvent) record(p *Pathway, _ time.Time) (string, *Refusal) {
	if m.Kind == OtherEvent && m.Reason == "" {
		return "", refuse(MissingField, "adverse-event: the field \"reason\" is missing; an event of another kind needs a few words")
	}
	p.Events = insert(p.Events, *m)
	switch {
	case p.Outcome != "":
		return "an adverse event is recorded; both clinicians hear of it", nil
	case m.grave():
		return "an adverse event is recorded: it holds the pathway, and the clearance is void until the prescriber clears again", nil
	}
	return "an adverse event is recorded", nil
}

// derived says whether an event follows from a session's record, with which it is corrected.
func (m AdverseEvent) derived() bool { return strings.Contains(m.ID, "/") }

// grave says whether an event counts as moderate or worse. The kinds that the protocol names always do.
func (m AdverseEvent) grave() bool { return m.Kind != OtherEvent || m.Severity != "mild" }

func (p *Pathway) adverseFlags() []flag {
	var all []flag
	for _, e := range p.Events {
		if e.grave() {
			why := string(e.Kind)
			if e.Reason != "" {
				why += ", " + e.Reason
			}
			all = append(all, flag{from: e.ID, cause: AdverseCause, since: e.At, needs: []Role{Prescriber}, why: why})
		}
	}
	return all
}

// voidedSince is the latest event up to a moment that voids a clearance given before it; zero where there is none.
func (p *Pathway) voidedSince(at time.Time) time.Time {
	var since time.Time
	for _, e := range p.Events {
		if e.grave() && !e.At.After(at) && e.At.After(since) {
			since = e.At
		}
	}
	for _, a := range p.Appointments {
		if a.Kind == Dosing && a.Record != nil && !a.End.After(at) && a.End.After(since) && p.overLimit(a.Record.PressureBefore) && !p.answered(a) {
			since = a.End
		}
	}
	return since
}
