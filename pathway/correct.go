package pathway

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// Correction supersedes an earlier entry: with the fields that were wrong, as they should have been, or by declaring it void. Both
// stay in the journal, and the rules are evaluated anew (protocol, section 5).
type Correction struct {
	Envelope
	Entry    string    `json:"entry" must:"yes"` // the id of the entry
	Why      string    `json:"why" must:"yes"`
	Void     bool      `json:"void,omitempty"`    // it should not have been recorded at all
	Happened time.Time `json:"happened,omitzero"` // when it happened, where that was wrong
	fields   []member  // of the entry, as they should have been
}

func (m *Correction) other(f member) bool { m.fields = append(m.fields, f); return true }

func (m *Correction) record(p *Pathway, now time.Time) (string, *Refusal) {
	if m.Entry == enrolmentEntry {
		return m.enrolment(p, now)
	}
	name, old := p.fact(m.Entry)
	if old == nil && slices.Contains(p.Seen, m.Entry) {
		return "", refuse(BadValue, "correct: entry: found %s, which was corrected or declared void since, or is not corrected at all; expected the id of the entry that stands: `starter show` with --journal lists them", quoted(m.Entry))
	}
	if old == nil {
		return "", refuse(BadValue, "correct: entry: found %s, expected the id of an entry that says what somebody decided, found or did; `starter show` with --journal lists them", quoted(m.Entry))
	}
	by := old.envelope().Role
	switch {
	case m.Role != by && by != Client && (m.Role != Therapist || by != Coordinator): // or it would release what another has to release
		return "", refuse(WrongPerson, "correct: by: found %s, who is this pathway's %s; the %s that recorded this %s corrects it", m.By, m.Role, by, name)
	case m.Void && (len(m.fields) > 0 || !m.Happened.IsZero()):
		return "", refuse(BadValue, "correct: void: found true together with other fields of the entry, expected one or the other")
	case !m.Void && len(m.fields) == 0 && m.Happened.IsZero():
		return "", refuse(MissingField, "correct: expected the fields of the %s that were wrong, as they should have been, or happened, or void", name)
	case m.Happened.After(now):
		return "", refuse(BadValue, "correct: happened: found %s, which is in the future", p.clockTime(m.Happened))
	}
	q := p.Clone()
	q.drop(name, m.Entry)
	what := "void"
	if !m.Void {
		var refusal *Refusal
		if what, refusal = m.instead(q, name, old, now); refusal != nil {
			return "", refusal
		}
	}
	if t, done := old.(*TaskDone); done && t.Call != nil && !q.ended(t.Call.Key, m.ID) { // it was not made after all
		q.owe(*t.Call)
	}
	for i := range q.Appointments { // one whose time and outcome were right is what it was, since when it was
		if a, was := &q.Appointments[i], p.appointment(q.Appointments[i].Name); was != nil && a.State == was.State && a.Start.Equal(was.Start) && a.End.Equal(was.End) {
			a.Over = was.Over
		}
	}
	q.lift(now)
	q.owesAnew(p, now)
	*p = *q
	return fmt.Sprintf("the %s of %s is corrected: %s", name, p.clockTime(old.envelope().At), what), nil
}

// enrolmentEntry is the id by which what the enrolment says about eligibility is corrected.
const enrolmentEntry = "enrolment"

// enrolment corrects what the enrolment says about eligibility; who the client is stands in the records alone.
func (m *Correction) enrolment(p *Pathway, now time.Time) (string, *Refusal) {
	if m.Void || !m.Happened.IsZero() || len(m.fields) == 0 {
		return "", refuse(MissingField, "correct: expected the fields of the enrolment that were wrong, as they should have been")
	}
	if m.Role == Coordinator && slices.ContainsFunc(m.fields, func(f member) bool { return f.name == "findings" }) {
		return "", refuse(WrongPerson, "correct: by: found %s, who is this pathway's coordinator; findings are corrected by a clinician (%s)", m.By, p.who(clinicians))
	}
	q := p.Clone()
	text, err := json.Marshal(p.Eligibility)
	if err != nil {
		return "", refuse(BadValue, "correct: %v", err)
	}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(text, &members)
	for _, f := range m.fields {
		members[f.name] = f.raw
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return "", refuse(BadValue, "correct: %v", err)
	}
	q.Eligibility = Eligibility{}
	if r := decode("enrolment", raw, &q.Eligibility, q.zone()); r != nil {
		return "", refuse(r.Code, "correct: %s", r.Sentence)
	}
	if !slices.Equal(q.Findings, p.Findings) {
		q.FindingsHeard = now.Truncate(time.Second)
	}
	if was := p.Diagnosis.Evidence(); was != q.Diagnosis.Evidence() {
		q.Formerly = append(q.Formerly, Former{was, now.Truncate(time.Second)})
	}
	q.lift(now)
	q.owesAnew(p, now)
	*p = *q
	return "the enrolment is corrected", nil
}

// instead records the entry as it should have been.
func (m *Correction) instead(q *Pathway, name string, old message, now time.Time) (string, *Refusal) {
	text, err := json.Marshal(old)
	if err != nil {
		return "", refuse(BadValue, "correct: %v", err)
	}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(text, &members)
	anew := Message(name).make()
	known := fieldsOf(reflect.ValueOf(anew).Elem())
	for name := range members {
		if !slices.ContainsFunc(known, func(k field) bool { return k.name == name }) {
			delete(members, name)
		}
	}
	for _, f := range m.fields {
		members[f.name] = f.raw
		if string(f.raw) == "null" { // it should not have been said
			delete(members, f.name)
		}
	}
	at := old.envelope().At
	if !m.Happened.IsZero() {
		at = m.Happened
	}
	members["by"], _ = json.Marshal(m.By)
	members["at"], _ = json.Marshal(at)
	members["id"], _ = json.Marshal(m.ID)
	raw, err := json.Marshal(members)
	if err != nil {
		return "", refuse(BadValue, "correct: %v", err)
	}
	if r := decode(name, raw, anew, q.zone()); r != nil {
		return "", refuse(r.Code, "correct: %s", r.Sentence)
	}
	anew.envelope().Role, anew.envelope().Heard = m.Role, old.envelope().Heard
	q.correcting = old
	what, r := anew.record(q, now)
	q.correcting = nil
	if r != nil && r != errAlreadySo {
		return "", refuse(r.Code, "correct: %s", r.Sentence)
	}
	return what, nil
}

// ended says whether an entry ended a call.
func (p *Pathway) ended(key, id string) bool {
	return slices.ContainsFunc(p.TasksDone, func(t TaskDone) bool { return t.ID == id && t.Call != nil && t.Call.Key == key })
}

// owesAnew forgets who was told of the tasks that a correction has opened again: they are told of them as of new ones.
func (p *Pathway) owesAnew(before *Pathway, now time.Time) {
	open := before.Tasks(now)
	for _, t := range p.Tasks(now) {
		if !slices.ContainsFunc(open, func(o Task) bool { return o.Key == t.Key && o.Since.Equal(t.Since) }) {
			p.Nudges = slices.DeleteFunc(p.Nudges, func(n Nudge) bool { return n.About == t.Key })
		}
	}
}

// fact finds an entry that can be corrected, by its id, with the name of its message.
func (p *Pathway) fact(id string) (string, message) {
	var name string
	var found message
	p.facts(func(n string, m message) {
		if m.envelope().ID == id {
			name, found = n, m
		}
	})
	return name, found
}

// facts visits everything that people have said and that a correction can supersede. Bookings are not among it: they are moved and
// cancelled.
func (p *Pathway) facts(visit func(name string, m message)) {
	each("prescriber-clearance", p.Clearances, visit)
	each("psychological-evaluation", p.Evaluations, visit)
	each("consent", p.Consents, visit)
	each("safety-plan", p.SafetyPlans, visit)
	each("measure", p.Measures, visit)
	each("risk-assessment", p.Risks, visit)
	each("adverse-event", slices.DeleteFunc(slices.Clone(p.Events), AdverseEvent.derived), visit)
	each("review", p.Reviews, visit)
	each("stop", p.Stops, visit)
	each("withdraw", p.Withdrawals, visit)
	each("referral", p.Referrals, visit)
	each("task-done", p.TasksDone, visit)
	each("hold", p.Placed, visit)
	for i := range p.Appointments {
		if r := p.Appointments[i].Record; r != nil {
			visit("session-held", r)
		}
	}
	for _, h := range p.Holds {
		for _, r := range h.Releases {
			visit("release", &Release{Envelope: Envelope{By: r.By, ID: r.ID, At: r.At, Role: r.Role}, Hold: h.Name, Reason: "corrected"})
		}
	}
}

func each[T any, M interface {
	*T
	message
}](name string, all []T, visit func(string, message)) {
	for i := range all {
		visit(name, M(&all[i]))
	}
}

// drop takes an entry away, as if it had not been said.
func (p *Pathway) drop(name, id string) {
	p.Clearances = without[PrescriberClearance](p.Clearances, id)
	p.Evaluations = without[PsychologicalEvaluation](p.Evaluations, id)
	p.Consents = without[Consent](p.Consents, id)
	p.SafetyPlans = without[SafetyPlan](p.SafetyPlans, id)
	p.Measures = without[Measure](p.Measures, id)
	p.Risks = without[RiskAssessment](p.Risks, id)
	p.Events = without[AdverseEvent](p.Events, id)
	p.Reviews = without[Review](p.Reviews, id)
	p.Stops = without[Stop](p.Stops, id)
	p.Withdrawals = without[Withdrawal](p.Withdrawals, id)
	p.Referrals = without[Referral](p.Referrals, id)
	p.TasksDone = without[TaskDone](p.TasksDone, id)
	p.Placed = without[PlaceHold](p.Placed, id)
	for i := range p.Holds {
		h := &p.Holds[i]
		if h.From == id && name == "hold" {
			h.Lifted = true
		}
		if n := len(h.Releases); n > 0 {
			h.Releases = slices.DeleteFunc(h.Releases, func(r HoldRelease) bool { return r.ID == id })
			if len(h.Releases) < n {
				h.Until = time.Time{}
			}
		}
	}
	for i := range p.Appointments {
		a := &p.Appointments[i]
		if a.Record == nil || a.Record.ID != id {
			continue
		}
		calls := a.Calls
		a.State, a.Start, a.End, a.Record, a.Calls = a.Before, a.Planned, a.Planned.Add(p.minutes(a.Kind)), nil, nil
		if a.State == Booked && p.Outcome != "" { // nothing is booked on a pathway that has ended
			a.State, calls = Cancelled, nil
		}
		for _, c := range calls {
			p.owe(c)
		}
		p.Events = slices.DeleteFunc(p.Events, func(e AdverseEvent) bool { return e.ID == a.Name+"/"+string(e.Kind) })
	}
}

func without[T any, M interface {
	*T
	message
}](all []T, id string) []T {
	return slices.DeleteFunc(all, func(x T) bool { return M(&x).envelope().ID == id })
}
