// Package pathway holds the practice's rules: what may happen to a client next, what the practice owes them, and why
// something is blocked. It is pure: no I/O, no clock, no Temporal. Whoever calls it says what time it is.
//
// Three functions carry everything. [Pathway.Record] takes what people did, or refuses it and says why. [Pathway.Due] says
// what the practice owes at a moment, and when to look again. [Pathway.Settle] takes what the world answered to that.
package pathway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Role is what a person does on a pathway.
type Role string

// The roles of the protocol, "Who acts".
const (
	Therapist   Role = "therapist"
	Prescriber  Role = "prescriber"
	Coordinator Role = "coordinator"
	Client      Role = "client"
)

// Roles lists them.
func Roles() []Role { return []Role{Client, Therapist, Prescriber, Coordinator} }

// CareTeam names, by staff id, who cares for one client. Therapist and prescriber are never the same person.
type CareTeam struct {
	Therapist    string   `json:"therapist"`
	Prescriber   string   `json:"prescriber"`
	Coordinators []string `json:"coordinators"`
}

// Role says what a member of staff does on this team, or "" for somebody who is not on it.
func (t CareTeam) Role(by string) Role {
	switch {
	case by == t.Therapist:
		return Therapist
	case by == t.Prescriber:
		return Prescriber
	case slices.Contains(t.Coordinators, by):
		return Coordinator
	}
	return ""
}

func (t CareTeam) id(r Role) string {
	switch r {
	case Therapist:
		return t.Therapist
	case Prescriber:
		return t.Prescriber
	case Coordinator:
		if len(t.Coordinators) > 0 {
			return t.Coordinators[0]
		}
	case Client:
		return ByLink
	}
	return ""
}

// Diagnosis is one of the five for which the practice offers KAP.
type Diagnosis string

// The qualifying diagnoses; NoDiagnosis is recorded when there is none of them.
const (
	TreatmentResistantDepression Diagnosis = "treatment-resistant-depression"
	PTSD                         Diagnosis = "ptsd"
	ComplexTrauma                Diagnosis = "complex-trauma"
	ChronicAnxiety               Diagnosis = "chronic-anxiety"
	PersistentGrief              Diagnosis = "persistent-grief"
	NoDiagnosis                  Diagnosis = "none-of-these"
)

// Options lists what may be written.
func (Diagnosis) Options() []string {
	return []string{string(TreatmentResistantDepression), string(PTSD), string(ComplexTrauma), string(ChronicAnxiety), string(PersistentGrief), string(NoDiagnosis)}
}

// Evidence says how far the evidence carries for a diagnosis (protocol, informed consent).
func (d Diagnosis) Evidence() Evidence {
	switch d {
	case TreatmentResistantDepression:
		return Supported
	case PTSD, ChronicAnxiety:
		return Promising
	}
	return Extrapolated
}

// Enrolment is what the front desk knows when a pathway begins, without anything that names the client.
type Enrolment struct {
	Code     string    `json:"code"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	CareTeam CareTeam  `json:"care_team"`
	Eligibility
	Contact
	PracticeZone string   `json:"practice_zone"` // in which sessions keep their wall-clock time
	Protocol     Protocol `json:"protocol"`

	AddressReturned bool `json:"address_returned,omitempty"` // by the records: mail of another pathway came back from the client's address
}

// Contact is how and when the client can be reached.
type Contact struct {
	MailPermission bool     `json:"mail_permission"` // without it every mail is a telephone call
	Zone           string   `json:"zone"`            // the client's
	Availability   []string `json:"availability"`    // "tuesday 09:00-13:00", in the practice's zone; none means any time
}

// Eligibility is recorded at enrolment (protocol, section 1). What speaks against KAP blocks at once and asks the
// therapist; it is never a reason to refuse the enrolment, because everybody gets an answer.
type Eligibility struct {
	Diagnosis                Diagnosis `json:"diagnosis"`
	Adult                    bool      `json:"adult"`
	StandardCareTried        bool      `json:"standard_care_tried"`
	CommitsToTheArc          bool      `json:"commits_to_the_arc"`
	ComfortableWithTheStates bool      `json:"comfortable_with_non_ordinary_states"`
	PrimaryMeasure           Scale     `json:"primary_measure"`    // by which improvement is judged
	Findings                 []Finding `json:"findings,omitempty"` // what the front desk learned that speaks against KAP
}

// Pathway is one client's way through the practice: everything the rules need, and nothing else. It is copied whole when
// the workflow continues as new.
type Pathway struct {
	Enrolment

	Clearances  []PrescriberClearance     `json:"clearances,omitempty"`
	Evaluations []PsychologicalEvaluation `json:"evaluations,omitempty"`
	Consents    []Consent                 `json:"consents,omitempty"`
	SafetyPlans []SafetyPlan              `json:"safety_plans,omitempty"`
	Measures    []Measure                 `json:"measures,omitempty"`
	Risks       []RiskAssessment          `json:"risk_assessments,omitempty"`
	Events      []AdverseEvent            `json:"adverse_events,omitempty"`
	Reviews     []Review                  `json:"reviews,omitempty"`
	Stops       []Stop                    `json:"stops,omitempty"`
	Withdrawals []Withdrawal              `json:"withdrawals,omitempty"`
	Referrals   []Referral                `json:"referrals,omitempty"`
	TasksDone   []TaskDone                `json:"tasks_done,omitempty"`
	Placed      []PlaceHold               `json:"placed_holds,omitempty"`
	Holds       []HoldInForce             `json:"holds,omitempty"`
	Forms       []IssuedForm              `json:"forms,omitempty"`

	Appointments []Appointment `json:"appointments,omitempty"`
	Requests     []Request     `json:"requests,omitempty"` // bookings and moves that the calendar has yet to answer
	Unplaced     []Unplaced    `json:"unplaced,omitempty"` // sessions for which no slot was found
	Outbox       []Mail        `json:"outbox,omitempty"`   // mails committed and not yet known to be sent
	Calls        []Call        `json:"calls,omitempty"`    // what a mail could not say, a coordinator says by telephone
	Nudges       []Nudge       `json:"nudges,omitempty"`   // the last of each thing that somebody is waited for

	Later []Later `json:"later,omitempty"` // messages that came in after the ending

	JointSince time.Time `json:"joint_since,omitzero"` // of the joint decision, while it stands

	Outcome Outcome   `json:"outcome,omitempty"`
	Ended   time.Time `json:"ended,omitzero"`
	Why     string    `json:"why,omitempty"` // it ended so

	Steps   int      `json:"steps"`             // number of the last step known to be written
	Last    string   `json:"last,omitempty"`    // its digest
	Pending []Entry  `json:"pending,omitempty"` // journal entries that no written step holds yet
	Refused []Entry  `json:"refused,omitempty"` // the latest few, for the details
	Seen    []string `json:"seen,omitempty"`    // identities of the messages taken
	SeenAs  []string `json:"seen_as,omitempty"` // and what each of them said, as a digest

	FindingsHeard time.Time `json:"findings_heard,omitzero"` // of the enrolment, where a correction changed them
	Formerly      []Former  `json:"formerly,omitempty"`      // the grades of evidence of diagnoses that were corrected since
	Missed        []Missed  `json:"missed,omitempty"`        // refusals of which their senders could not be told
	Gap           time.Time `json:"gap,omitzero"`            // when the records had lost steps: somebody must look
	Woken         time.Time `json:"woken,omitzero"`          // the latest moment that this pathway has been told of
	correcting    message   // the entry whose place is taken by what is recorded now, also where another says the same

	Settled time.Time `json:"settled,omitzero"` // when the last written step was settled
	Looks   time.Time `json:"looks,omitzero"`   // what LooksAgain has found since then

	MailNews bool      `json:"mail_news,omitempty"` // the records have something to tell of mail that went out
	Returned time.Time `json:"returned,omitzero"`   // since when the client's address takes no mail; until it is corrected

	Restored   Restore   `json:"restored,omitzero"`    // the last time, that it has heard of, that the records were restored
	CatchingUp time.Time `json:"catching_up,omitzero"` // since it heard of that, until it has worked off what fell due before
}

// Later is a message that came in after the ending: it changes no outcome, and both clinicians hear of it.
type Later struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// Missed is a message that was refused and whose sender could not be told: one of each name and sender.
type Missed struct {
	Name  string    `json:"name"`
	By    string    `json:"by,omitempty"` // a staff id, where it had one
	Since time.Time `json:"since"`        // of the first of them
}

// task is the key of the task that it leaves.
func (m Missed) task() string {
	if m.By == "" {
		return "refused/" + m.Name
	}
	return "refused/" + m.Name + "/" + m.By
}

// seenAtMost bounds the identities kept; a pathway takes some dozens of messages in its life.
const seenAtMost = 1000

// Outcome is how a pathway ended.
type Outcome string

// The endings (protocol, section 5).
const (
	Completed           Outcome = "completed"
	StoppedAndReferred  Outcome = "stopped-and-referred"
	DeclinedAndReferred Outcome = "declined-and-referred"
	WithdrawnByClient   Outcome = "withdrawn"
	Lapsed              Outcome = "lapsed"
)

// Outcomes lists them.
func Outcomes() []Outcome {
	return []Outcome{Completed, StoppedAndReferred, DeclinedAndReferred, WithdrawnByClient, Lapsed}
}

// Phase is where a pathway stands on the arc.
type Phase string

// The phases, in the protocol's order. Stopping is the time between a decision to end without completion and the ending.
const (
	Screening     Phase = "screening"
	InPreparation Phase = "preparation"
	InDosing      Phase = "dosing"
	InIntegration Phase = "integration"
	Closing       Phase = "closing"
	Stopping      Phase = "stopping"
	Over          Phase = "ended"
)

// Phases lists them.
func Phases() []Phase {
	return []Phase{Screening, InPreparation, InDosing, InIntegration, Closing, Stopping, Over}
}

// Enrol begins a pathway. It returns a [*Refusal] naming the field that is missing or wrong.
func Enrol(e Enrolment) (*Pathway, error) {
	if faults := e.Faults(); len(faults) > 0 {
		return nil, faults[0]
	}
	e.At = e.At.UTC()
	p := &Pathway{Enrolment: e, Woken: e.At}
	address := ""
	if e.AddressReturned {
		p.Returned = e.At
		address = "; " + noMailThere
	}
	p.note(e.At, "enrolled", "enrolled under protocol %s%s", e.Protocol.Version, address)
	p.Pending[0].Fact = e.fact()
	for _, b := range append(p.ineligible(), p.findingCheck(e.At)) {
		if b.Code != "" {
			p.note(e.At, "enrolled", "%s", b)
		}
	}
	p.derive(e.At)
	return p, nil
}

// Faults are what is wrong with an enrolment, each named by its field.
func (e Enrolment) Faults() []error {
	var faults []error
	if len(e.Code) != 6 {
		faults = append(faults, refuse(BadValue, "code: found %q, expected six characters", e.Code))
	}
	if e.At.IsZero() {
		faults = append(faults, refuse(MissingField, "at: found nothing, expected the moment of enrolment"))
	}
	if err := e.CareTeam.check(); err != nil {
		faults = append(faults, refuse(BadValue, "care_team: %v", err))
	}
	if role := e.CareTeam.Role(e.By); role == "" {
		faults = append(faults, refuse(WrongPerson, "by: found %s, who is not on this care team, expected its therapist (%s), its prescriber (%s) or a coordinator (%s)", quoted(e.By), e.CareTeam.Therapist, e.CareTeam.Prescriber, strings.Join(e.CareTeam.Coordinators, ", ")))
	}
	if !slices.Contains(e.Diagnosis.Options(), string(e.Diagnosis)) {
		faults = append(faults, refuse(BadValue, "diagnosis: found %q, expected one of %s", e.Diagnosis, strings.Join(e.Diagnosis.Options(), ", ")))
	}
	if !slices.Contains(e.PrimaryMeasure.Options(), string(e.PrimaryMeasure)) {
		faults = append(faults, refuse(BadValue, "primary_measure: found %q, expected one of %s", string(e.PrimaryMeasure), strings.Join(e.PrimaryMeasure.Options(), ", ")))
	}
	for i, f := range e.Findings {
		if !slices.Contains(f.Options(), string(f)) {
			faults = append(faults, refuse(BadValue, "findings[%d]: found %q, expected one of %s", i, f, strings.Join(f.Options(), ", ")))
		}
	}
	if _, err := Location("zone", e.Zone); err != nil {
		faults = append(faults, err)
	}
	if _, err := Location("practice_zone", e.PracticeZone); err != nil {
		faults = append(faults, err)
	}
	for i, text := range e.Availability {
		if _, err := ParseWeekly(text); err != nil {
			faults = append(faults, refuse(BadValue, "availability[%d]: %v", i, err))
		}
	}
	if err := e.Protocol.Check(); err != nil {
		faults = append(faults, refuse(BadValue, "protocol: %v", err))
	}
	return faults
}

// CheckStaffID says whether an id is one that may appear in Temporal: short, lower case, no name that needs escaping.
func CheckStaffID(id string) error {
	ok := len(id) >= 2 && len(id) <= 24
	for _, c := range id {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return fmt.Errorf("found %q, expected a staff id of 2 to 24 lower-case letters, digits or hyphens, such as t-lane", id)
	}
	return nil
}

// Phase says where the pathway stands at a moment.
func (p *Pathway) Phase(now time.Time) Phase {
	switch {
	case p.Outcome != "":
		return Over
	case p.ending() == Completed:
		return Closing
	case p.ending() != "":
		return Stopping
	case p.dosed() > 0 && !p.integrated():
		return InIntegration
	case p.dosed() > 0 || p.prepared():
		return InDosing
	case slices.ContainsFunc(p.Appointments, func(a Appointment) bool { return a.Kind == Preparation }), p.screened(now):
		return InPreparation
	}
	return Screening
}

func (p *Pathway) zone() *time.Location       { return mustZone(p.PracticeZone) }
func (p *Pathway) clientZone() *time.Location { return mustZone(p.Contact.Zone) }

// note adds to the journal what the rules themselves have found.
func (p *Pathway) note(at time.Time, name, format string, args ...any) {
	p.Pending = append(p.Pending, Entry{Kind: Found, Name: name, At: at, Recorded: at, Text: fmt.Sprintf(format, args...)})
}
