package pathway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The decisions of the four gates (protocol, section 1).
const (
	Cleared         = "cleared"
	NotCleared      = "not-cleared"
	MoreInformation = "more-information"
	Revoked         = "revoked"

	Suitable = "suitable"
	Defer    = "defer"
	Decline  = "decline"

	Given     = "given"
	Withdrawn = "withdrawn"

	OnFile  = "on-file"
	Revised = "revised"
)

// ClearanceDecision is one of the prescriber's four.
type ClearanceDecision string

// Options lists what may be written.
func (ClearanceDecision) Options() []string {
	return []string{Cleared, NotCleared, MoreInformation, Revoked}
}

// Finding is something that speaks against KAP, by code.
type Finding string

// The findings of the protocol's table in section 1.
const (
	ActiveCrisis   Finding = "active-crisis"
	SelfHarmRisk   Finding = "imminent-self-harm-risk"
	Psychosis      Finding = "psychosis-history"
	Mania          Finding = "mania-history"
	Cardiovascular Finding = "cardiovascular-bar"
	SubstanceUse   Finding = "substance-use-not-addressed"
	SingleSession  Finding = "wants-single-session"
	Recreational   Finding = "recreational-aim"
)

// Options lists what may be written.
func (Finding) Options() []string {
	return []string{string(ActiveCrisis), string(SelfHarmRisk), string(Psychosis), string(Mania), string(Cardiovascular), string(SubstanceUse), string(SingleSession), string(Recreational)}
}

// PrescriberClearance is the medical evaluation's result: that treatment is medically acceptable, or not. It is no
// prescription and names no dose.
type PrescriberClearance struct {
	Envelope
	Decision                      ClearanceDecision `json:"decision" must:"yes"`
	MedicationsReviewed           bool              `json:"medications_reviewed,omitempty"`
	CardiovascularHistoryReviewed bool              `json:"cardiovascular_history_reviewed,omitempty"`
	PsychiatricHistoryReviewed    bool              `json:"psychiatric_history_reviewed,omitempty"`
	MedicallyStable               bool              `json:"medically_stable,omitempty"`
	Findings                      []Finding         `json:"findings,omitempty"`
	Reason                        string            `json:"reason,omitempty"`
	Needed                        string            `json:"needed,omitempty"`
}

func (m *PrescriberClearance) record(p *Pathway, _ time.Time) (string, *Refusal) {
	switch m.Decision {
	case Cleared:
		for _, reviewed := range []struct {
			field string
			done  bool
		}{
			{"medications_reviewed", m.MedicationsReviewed},
			{"cardiovascular_history_reviewed", m.CardiovascularHistoryReviewed},
			{"psychiatric_history_reviewed", m.PsychiatricHistoryReviewed},
			{"medically_stable", m.MedicallyStable},
		} {
			if !reviewed.done {
				return "", refuse(MissingField, "prescriber-clearance: %s: expected true for \"cleared\"; without it record not-cleared or more-information", reviewed.field)
			}
		}
		if len(m.Findings) > 0 {
			return "", refuse(Blocked, "prescriber-clearance: decision: found cleared together with findings; expected not-cleared or more-information while they stand")
		}
		if p.barred() {
			return "", refuse(Blocked, "prescriber-clearance: decision: found cleared, but a finding that was recorded last forbids it; expected not-cleared or more-information, or first a record without that finding")
		}
	case MoreInformation:
		if m.Needed == "" {
			return "", refuse(MissingField, "prescriber-clearance: the field \"needed\" is missing; say what is needed")
		}
	default:
		if m.Reason == "" {
			return "", refuse(MissingField, "prescriber-clearance: the field \"reason\" is missing; %s needs one", m.Decision)
		}
	}
	if last := latest(p.Clearances, m.At); p.correcting == nil && last != nil && last.Decision == m.Decision && sameDay(last.At, m.At, p.zone()) && !p.answersPressure(last.At, m.At) &&
		slices.Equal(last.Findings, m.Findings) && last.Reason == m.Reason && last.Needed == m.Needed && (m.Decision != Cleared || p.clearanceGate(m.At).Code == "") {
		return fmt.Sprintf("the clearance was recorded today already: %s", m.Decision), errAlreadySo
	}
	p.Clearances = insert(p.Clearances, *m)
	return fmt.Sprintf("prescriber's clearance: %s (a medical decision, not a prescription)", m.Decision) + overtaken(p.Clearances, m.At), nil
}

// EvaluationDecision is one of the therapist's three.
type EvaluationDecision string

// Options lists what may be written.
func (EvaluationDecision) Options() []string {
	return []string{Suitable, Defer, Decline}
}

// PsychologicalEvaluation says whether KAP suits this client.
type PsychologicalEvaluation struct {
	Envelope
	Decision                    EvaluationDecision `json:"decision" must:"yes"`
	TraumaHistoryReviewed       bool               `json:"trauma_history_reviewed" must:"yes"`
	SubstanceUseHistoryReviewed bool               `json:"substance_use_history_reviewed" must:"yes"`
	AttachmentHistoryReviewed   bool               `json:"attachment_history_reviewed" must:"yes"`
	Findings                    []Finding          `json:"findings,omitempty"`
	Reason                      string             `json:"reason,omitempty"`
	WhatMustChange              string             `json:"what_must_change,omitempty"`
	ReviewOn                    Day                `json:"review_on,omitempty"`
}

// Day is a date such as 2026-12-10, in the practice's zone.
type Day string

func (d Day) in(zone *time.Location) (time.Time, bool) {
	t, err := time.ParseInLocation(time.DateOnly, string(d), zone)
	return t, err == nil
}

func (m *PsychologicalEvaluation) record(p *Pathway, now time.Time) (string, *Refusal) {
	switch m.Decision {
	case Suitable:
		for _, reviewed := range []struct {
			field string
			done  bool
		}{
			{"trauma_history_reviewed", m.TraumaHistoryReviewed},
			{"substance_use_history_reviewed", m.SubstanceUseHistoryReviewed},
			{"attachment_history_reviewed", m.AttachmentHistoryReviewed},
		} {
			if !reviewed.done {
				return "", refuse(BadValue, "psychological-evaluation: %s: found false, expected true for \"suitable\"", reviewed.field)
			}
		}
		if len(m.Findings) > 0 {
			return "", refuse(Blocked, "psychological-evaluation: decision: found suitable together with findings; expected defer or decline while they stand")
		}
		if bars := p.ineligible(); len(bars) > 0 {
			return "", refuse(Blocked, "psychological-evaluation: decision: found suitable, but %s; expected decline, with a referral", bars[0].Sentence)
		}
	case Defer:
		if m.WhatMustChange == "" {
			return "", refuse(MissingField, "psychological-evaluation: the field \"what_must_change\" is missing; defer needs it")
		}
		day, ok := m.ReviewOn.in(p.zone())
		if most := p.Protocol.Deferral.DaysAtMost; !ok || !day.After(now) || day.After(now.AddDate(0, 0, most)) {
			return "", refuse(BadValue, "psychological-evaluation: review_on: found %q, expected a date to come within %d days such as %s; defer needs it", m.ReviewOn, most, now.In(p.zone()).AddDate(0, 1, 0).Format(time.DateOnly))
		}
	case Decline:
		if m.Reason == "" {
			return "", refuse(MissingField, "psychological-evaluation: the field \"reason\" is missing; decline needs one")
		}
	}
	if e, since := p.endingOf(); p.correcting == nil && m.Decision == Decline && (e == DeclinedAndReferred || e == StoppedAndReferred) && !m.At.Before(since) { // one from before may forbid a session that was given
		return "declined already; the ending has begun", errAlreadySo
	}
	if last := latest(p.Evaluations, m.At); p.correcting == nil && last != nil && last.Decision == m.Decision && slices.Equal(last.Findings, m.Findings) && last.Reason == m.Reason && last.ReviewOn == m.ReviewOn && last.WhatMustChange == m.WhatMustChange {
		return fmt.Sprintf("the psychological evaluation says %s already", m.Decision), errAlreadySo
	}
	p.Evaluations = insert(p.Evaluations, *m)
	if m.Decision == Defer {
		return fmt.Sprintf("psychological evaluation: deferred, to be looked at again on %s", m.ReviewOn) + overtaken(p.Evaluations, m.At), nil
	}
	return fmt.Sprintf("psychological evaluation: %s", m.Decision) + overtaken(p.Evaluations, m.At), nil
}

// Evidence says how far the evidence carries for a diagnosis.
type Evidence string

// The three grades of evidence (protocol, informed consent).
const (
	Supported    Evidence = "supported"
	Promising    Evidence = "promising"
	Extrapolated Evidence = "extrapolated"
)

// Options lists what may be written.
func (Evidence) Options() []string {
	return []string{string(Supported), string(Promising), string(Extrapolated)}
}

// ConsentDecision is one of the client's two.
type ConsentDecision string

// Options lists what may be written.
func (ConsentDecision) Options() []string { return []string{Given, Withdrawn} }

// Consent is the client's, witnessed by the therapist: what was talked about, and which document was signed.
type Consent struct {
	Envelope
	Decision          ConsentDecision `json:"decision" must:"yes"`
	Risks             bool            `json:"risks,omitempty"`
	Alternatives      bool            `json:"alternatives,omitempty"`
	WhatWeDoAndDoNot  bool            `json:"what_we_do_and_do_not,omitempty"`
	OffLabel          bool            `json:"off_label,omitempty"`
	EvidenceExplained Evidence        `json:"evidence,omitempty"`
	DocumentVersion   string          `json:"document_version,omitempty"`
	DocumentSHA256    string          `json:"document_sha256,omitempty"`
}

func (m *Consent) record(p *Pathway, _ time.Time) (string, *Refusal) {
	last := latest(p.Consents, m.At)
	if m.Decision == Given {
		for _, talked := range []struct {
			field string
			done  bool
		}{{"risks", m.Risks}, {"alternatives", m.Alternatives}, {"what_we_do_and_do_not", m.WhatWeDoAndDoNot}, {"off_label", m.OffLabel}} {
			if !talked.done {
				return "", refuse(MissingField, "consent: %s: expected true; consent covers it", talked.field)
			}
		}
		if want := p.evidence(m.At); m.EvidenceExplained != want {
			return "", refuse(BadValue, "consent: evidence: found %q, expected how far the evidence carries for this client's diagnosis: the details say it", m.EvidenceExplained)
		}
		all, inForce := p.forms(m.At)
		if !slices.ContainsFunc(all[inForce-1:], func(f ConsentDocument) bool {
			return f.Version == m.DocumentVersion && f.SHA256 == strings.ToLower(m.DocumentSHA256)
		}) {
			want := p.form(m.At)
			return "", refuse(BadValue, "consent: document_version and document_sha256: found %s and %s, expected the form in force, %q and %q",
				quoted(m.DocumentVersion), quoted(shorten(m.DocumentSHA256)), want.Version, want.SHA256)
		}
		if p.correcting == nil && last != nil && last.Decision == Given && last.DocumentVersion == m.DocumentVersion && last.EvidenceExplained == m.EvidenceExplained {
			return "consent to this form is in force already", errAlreadySo
		}
	} else if last == nil || last.Decision == Withdrawn {
		return "no consent is in force", errAlreadySo
	}
	p.Consents = insert(p.Consents, *m)
	return fmt.Sprintf("informed consent: %s", m.Decision) + overtaken(p.Consents, m.At), nil
}

// PlanDecision is one of two.
type PlanDecision string

// Options lists what may be written.
func (PlanDecision) Options() []string { return []string{OnFile, Revised} }

// SafetyPlan is for the time between dosing sessions.
type SafetyPlan struct {
	Envelope
	Decision               PlanDecision `json:"decision" must:"yes"`
	BetweenSessionsPlan    bool         `json:"between_sessions_plan" must:"yes"`
	EmergencyContactOnFile bool         `json:"emergency_contact_on_file" must:"yes"`
}

func (m *SafetyPlan) record(p *Pathway, _ time.Time) (string, *Refusal) {
	if !m.BetweenSessionsPlan || !m.EmergencyContactOnFile {
		return "", refuse(BadValue, "safety-plan: between_sessions_plan and emergency_contact_on_file: expected true for both; a plan without them is not one")
	}
	if last := latest(p.SafetyPlans, m.At); p.correcting == nil && last != nil && last.Decision == m.Decision && sameDay(last.At, m.At, p.zone()) &&
		!slices.ContainsFunc(p.Holds, func(h HoldInForce) bool { return h.Cause == ItemNine && h.inForce() && last.Heard.Before(h.Known) }) {
		return "a safety plan was recorded today already", errAlreadySo
	}
	p.SafetyPlans = insert(p.SafetyPlans, *m)
	return fmt.Sprintf("safety plan: %s", m.Decision) + overtaken(p.SafetyPlans, m.At), nil
}

// gate names a gate's message, and so the task that asks for it.
const (
	clearanceGate  = "prescriber-clearance"
	evaluationGate = "psychological-evaluation"
	consentGate    = "consent"
	planGate       = "safety-plan"
)

// gates lists the gates that are not current at a moment; preparation is booked when there is none.
func (p *Pathway) gates(at time.Time) []Blocker {
	return slices.DeleteFunc([]Blocker{p.clearanceGate(at), p.evaluationGate(at), p.consentGate(at), p.planGate(at)}, func(b Blocker) bool { return b.Code == "" })
}

// clearanceGate says what is wrong with the clearance at a moment, if anything.
func (p *Pathway) clearanceGate(at time.Time) Blocker {
	for _, check := range []func(time.Time) Blocker{p.clearanceDecided, p.clearanceStands, p.clearanceDays, p.clearanceSessions, p.checkpointCheck} {
		if b := check(at); b.Code != "" {
			return b
		}
	}
	return Blocker{}
}

func (p *Pathway) clearanceDecided(at time.Time) Blocker {
	c := latest(p.Clearances, at)
	switch {
	case c == nil:
		return Blocker{Code: clearanceGate, Sentence: "the prescriber has not cleared the client"}
	case c.Decision == NotCleared:
		return Blocker{clearanceGate, "the prescriber has not cleared the client", c.Reason}
	case c.Decision == Revoked:
		return Blocker{clearanceGate, "the prescriber revoked the clearance", c.Reason}
	case c.Decision == MoreInformation:
		return Blocker{clearanceGate, "the prescriber needs more information", c.Needed}
	}
	return Blocker{}
}

// clearanceStands: an adverse event, a change of medication or a blood pressure over the limit voids it.
func (p *Pathway) clearanceStands(at time.Time) Blocker {
	c, since := latest(p.Clearances, at), p.voidedSince(at)
	if c == nil {
		return Blocker{}
	}
	unheard := slices.ContainsFunc(p.Events, func(e AdverseEvent) bool { // of, when the client was cleared
		return e.grave() && !e.At.After(at) && c.Heard.Before(e.Heard)
	})
	if !c.At.Before(since) && !unheard {
		return Blocker{}
	}
	return Blocker{Code: "clearance-void", Sentence: fmt.Sprintf("what happened on %s voids the clearance; the prescriber must clear again", p.day(since))}
}

func (p *Pathway) clearanceDays(at time.Time) Blocker {
	c := latest(p.Clearances, at)
	if c == nil || at.Before(p.clearanceUntil(*c)) {
		return Blocker{}
	}
	return Blocker{Code: "clearance-days", Sentence: fmt.Sprintf("the clearance covers %d days and does not reach beyond %s; the prescriber must clear again",
		p.Protocol.Clearance.Days, p.day(p.clearanceUntil(*c)))}
}

func (p *Pathway) clearanceSessions(at time.Time) Blocker {
	c := latest(p.Clearances, at)
	if c == nil {
		return Blocker{}
	}
	n := p.dosedBetween(c.At, at)
	if n < p.Protocol.Clearance.DosingSessions {
		return Blocker{}
	}
	return Blocker{Code: "clearance-sessions", Sentence: fmt.Sprintf("%d dosing sessions were given since the clearance of %s, which is what it covers; the prescriber must clear again", n, p.day(c.At))}
}

// checkpointCheck: after every second dosing session the prescriber clears again, however much the clearance still covers.
func (p *Pathway) checkpointCheck(at time.Time) Blocker {
	last, n := p.lastDosedBefore(at), p.dosedBetween(time.Time{}, at)
	if last == nil || n%p.Protocol.Clearance.EveryDosingSessions != 0 || n >= p.Protocol.Dosing.AtMost {
		return Blocker{}
	}
	if c := latest(p.Clearances, at); c != nil && !c.At.Before(last.End) {
		return Blocker{}
	}
	return Blocker{Code: "checkpoint", Sentence: fmt.Sprintf("%d dosing sessions were given; the prescriber must clear again after %s", n, last.Name)}
}

// screened says whether preparation may be booked.
func (p *Pathway) screened(at time.Time) bool {
	return len(p.gates(at)) == 0 && len(p.ineligible()) == 0 && len(p.standing(at)) == 0
}

// unscreened says what keeps preparation from being booked.
func (p *Pathway) unscreened(at time.Time) string {
	missing := p.gates(at)
	for _, b := range []Blocker{p.eligibilityCheck(at), p.findingCheck(at)} {
		if b.Code != "" {
			missing = append(missing, b)
		}
	}
	return sentences(missing)
}

func (p *Pathway) clearanceUntil(c PrescriberClearance) time.Time {
	return c.At.In(p.zone()).AddDate(0, 0, p.Protocol.Clearance.Days)
}

func (p *Pathway) evaluationGate(at time.Time) Blocker {
	block := func(sentence, reason string) Blocker { return Blocker{evaluationGate, sentence, reason} }
	e := latest(p.Evaluations, at)
	if e == nil {
		return block("the psychological evaluation is not recorded", "")
	}
	switch e.Decision {
	case Defer:
		return block(fmt.Sprintf("the therapist has deferred KAP until %s", e.ReviewOn), e.WhatMustChange)
	case Decline:
		return block("the therapist has declined KAP", e.Reason)
	}
	return Blocker{}
}

func (p *Pathway) consentGate(at time.Time) Blocker {
	c := latest(p.Consents, at)
	switch {
	case c == nil:
		return Blocker{Code: consentGate, Sentence: "informed consent is not recorded"}
	case c.Decision == Withdrawn:
		return Blocker{Code: consentGate, Sentence: "the client has withdrawn consent"}
	case c.EvidenceExplained != p.evidence(at):
		return Blocker{Code: consentGate, Sentence: "consent was given to what the evidence says about another diagnosis"}
	case !p.covers(*c, at):
		return Blocker{Code: consentGate, Sentence: fmt.Sprintf("consent was given to form %s; the form in force is %s", c.DocumentVersion, p.form(at).Version)}
	}
	return Blocker{}
}

// Former is how far the evidence carried for a diagnosis that was corrected later: a session is judged by what was known on its day.
type Former struct {
	Evidence Evidence  `json:"evidence"`
	Until    time.Time `json:"until"`
}

// evidence is how far the evidence carries for the diagnosis that was on record at a moment.
func (p *Pathway) evidence(at time.Time) Evidence {
	for _, f := range p.Formerly {
		if at.Before(f.Until) {
			return f.Evidence
		}
	}
	return p.Diagnosis.Evidence()
}

// IssuedForm is a consent form that the practice has issued since the enrolment.
type IssuedForm struct {
	ConsentDocument
	Known time.Time `json:"known"` // when this pathway learned of it
}

// forms are the consent forms in the order in which they were issued, and how many of them were in force at a moment.
func (p *Pathway) forms(at time.Time) (all []ConsentDocument, inForce int) {
	all, inForce = append(all, p.Protocol.Consent), 1
	for _, f := range p.Forms {
		all = append(all, f.ConsentDocument)
		if day, ok := f.InForce.in(p.zone()); ok && !later(day, f.Known).After(at) {
			inForce = len(all)
		}
	}
	return all, inForce
}

// form is the consent form in force at a moment.
func (p *Pathway) form(at time.Time) ConsentDocument {
	all, inForce := p.forms(at)
	return all[inForce-1]
}

// newestForm is the one to sign: it may come into force only before the next dosing session.
func (p *Pathway) newestForm() ConsentDocument {
	all, _ := p.forms(farFuture)
	return all[len(all)-1]
}

// covers says whether a consent is to the form in force at a moment, or to a newer one.
func (p *Pathway) covers(c Consent, at time.Time) bool {
	all, inForce := p.forms(at)
	return slices.ContainsFunc(all[inForce-1:], func(f ConsentDocument) bool { return f.Version == c.DocumentVersion })
}

// Outdates says whether a consent form of the practice is newer than the ones that this pathway knows.
func (p *Pathway) Outdates(form ConsentDocument) bool {
	last := p.Protocol.Consent
	if len(p.Forms) > 0 {
		last = p.Forms[len(p.Forms)-1].ConsentDocument
	}
	return form.InForce > last.InForce && form.Version != last.Version && p.Outcome == ""
}

func (p *Pathway) planGate(at time.Time) Blocker {
	s := latest(p.SafetyPlans, at)
	if s == nil {
		return Blocker{Code: planGate, Sentence: "no safety plan is on file"}
	}
	if until := p.planUntil(*s); at.After(until) {
		return Blocker{Code: planGate, Sentence: fmt.Sprintf("the safety plan is more than %d days old by then and must be revised", p.Protocol.SafetyPlan.Days)}
	}
	return Blocker{}
}

func (p *Pathway) planUntil(s SafetyPlan) time.Time {
	return s.At.In(p.zone()).AddDate(0, 0, p.Protocol.SafetyPlan.Days)
}

// ineligible says what enrolment recorded that speaks against KAP for good: it blocks at once, and declining is proposed.
func (p *Pathway) ineligible() []Blocker {
	var found []Blocker
	for _, e := range []struct {
		ok       bool
		sentence string
	}{
		{p.Adult, "the client is not an adult"},
		{p.Diagnosis != NoDiagnosis, "there is no qualifying diagnosis"},
		{p.StandardCareTried, "standard care has not been tried"},
		{p.CommitsToTheArc, "the client cannot commit to the whole arc of preparation, dosing and integration"},
		{p.ComfortableWithTheStates, "the client is not comfortable with non-ordinary states within a clinical frame"},
	} {
		if !e.ok {
			found = append(found, Blocker{Code: "eligibility", Sentence: "the enrolment records what speaks against KAP", Reason: e.sentence})
		}
	}
	return found
}

func (p *Pathway) eligibilityCheck(time.Time) Blocker {
	if found := p.ineligible(); len(found) > 0 {
		return Blocker{found[0].Code, found[0].Sentence, reasons(found)}
	}
	return Blocker{}
}

// proposal is what the protocol proposes for a finding.
func (f Finding) proposal() EvaluationDecision {
	switch f {
	case SingleSession, Recreational:
		return Decline
	}
	return Defer
}

// says is a finding in words.
func (f Finding) says() string {
	return map[Finding]string{
		ActiveCrisis: "an active crisis", SelfHarmRisk: "an imminent risk of self-harm", Psychosis: "a history of psychosis", Mania: "a history of mania",
		Cardiovascular: "a cardiovascular condition that the prescriber names as a bar", SubstanceUse: "active substance use that is not addressed",
		SingleSession: "the client wants a single session", Recreational: "the aim is recreational or experiential",
	}[f]
}

// standing are the findings that stand at a moment: of the latest evaluation, or of the enrolment while there is none or where it was
// corrected after it, and of the latest clearance.
func (p *Pathway) standing(at time.Time) []Finding {
	all := slices.Clone(p.Findings)
	if e := latest(p.Evaluations, at); e != nil {
		if e.Heard.After(p.FindingsHeard) || p.FindingsHeard.After(at) {
			all = nil
		}
		all = append(all, e.Findings...)
	}
	if c := latest(p.Clearances, at); c != nil {
		all = append(all, c.Findings...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// findingCheck: a finding blocks until the evaluation, or the clearance, that follows it no longer has it.
func (p *Pathway) findingCheck(at time.Time) Blocker {
	found := p.standing(at)
	if len(found) == 0 {
		return Blocker{}
	}
	var says []string
	for _, f := range found {
		says = append(says, f.says())
	}
	return Blocker{Code: "finding", Sentence: "a finding speaks against it", Reason: strings.Join(says, "; ")}
}

// barred says whether something on record forbids "cleared": a history of psychosis or mania, which an episode during the
// pathway is as well, or a cardiovascular condition that the prescriber names as a bar.
func (p *Pathway) barred() bool {
	return slices.ContainsFunc(p.standing(farFuture), func(f Finding) bool { return f == Psychosis || f == Mania || f == Cardiovascular }) ||
		slices.ContainsFunc(p.Events, func(e AdverseEvent) bool { return e.Kind == PsychosisOrMania })
}

// findingFlags hold the pathway at once where a finding says that the client is in danger.
func (p *Pathway) findingFlags() []flag {
	var all []flag
	found := func(from string, at time.Time, findings []Finding) {
		if slices.Contains(findings, ActiveCrisis) || slices.Contains(findings, SelfHarmRisk) {
			all = append(all, flag{from: from, cause: Crisis, since: at, needs: []Role{Therapist}, why: "found when the client was evaluated"})
		}
	}
	found("enrolment", p.Enrolment.At, p.Findings)
	for _, c := range p.Clearances {
		found(c.ID, c.At, c.Findings)
	}
	for _, e := range p.Evaluations {
		found(e.ID, e.At, e.Findings)
	}
	return all
}

// jointDecision says since when cleared, suitable and consented have held together, each by its own person.
func (p *Pathway) jointDecision(at time.Time) (time.Time, bool) {
	if p.clearanceGate(at).Code != "" || p.evaluationGate(at).Code != "" || p.consentGate(at).Code != "" {
		return time.Time{}, false
	}
	since := latest(p.Clearances, at).At
	for _, t := range []time.Time{latest(p.Evaluations, at).At, latest(p.Consents, at).At} {
		if t.After(since) {
			since = t
		}
	}
	return since, true
}

// noteJointDecision journals the joint decision at the message that completes it. Renewals leave it as it stands.
func (p *Pathway) noteJointDecision(now time.Time) {
	since, joint := p.jointDecision(now)
	if joint && p.JointSince.IsZero() {
		p.note(since, "joint-decision", "joint decision: cleared by the prescriber, suitable to the therapist, consented by the client, since %s", p.clockTime(since))
		p.JointSince = since
	}
	if !joint && !p.JointSince.IsZero() {
		p.note(now, "joint-decision", "the joint decision no longer stands")
		p.JointSince = time.Time{}
	}
}

// farFuture asks for the latest decision whatever its time.
var farFuture = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

type happening interface{ happened() time.Time }

// latest is the last decision that had been taken at a moment, or nil. Decisions are kept in the order in which they
// happened, however late they were recorded.
func latest[T happening](all []T, at time.Time) *T {
	for i := len(all) - 1; i >= 0; i-- {
		if !all[i].happened().After(at) {
			return &all[i]
		}
	}
	return nil
}

func insert[T happening](all []T, one T) []T {
	i := len(all)
	for i > 0 && all[i-1].happened().After(one.happened()) {
		i--
	}
	return slices.Insert(all, i, one)
}

// overtaken warns of a decision that was recorded late and has been followed by another.
func overtaken[T happening](all []T, at time.Time) string {
	if all[len(all)-1].happened().After(at) {
		return "; a later decision is on record and stays in force"
	}
	return ""
}

func sameDay(a, b time.Time, zone *time.Location) bool {
	return a.In(zone).Format(time.DateOnly) == b.In(zone).Format(time.DateOnly)
}
