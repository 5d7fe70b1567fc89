package pathway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Task is something that somebody owes: derived from the pathway's state, and done when the state says so.
type Task struct {
	Key     string    `json:"key"`
	Who     []Role    `json:"who"`
	What    string    `json:"what"`
	Since   time.Time `json:"since"`
	Due     time.Time `json:"due"`
	Urgent  bool      `json:"urgent,omitempty"`
	Message string    `json:"message,omitempty"` // the message that does it
	By      Role      `json:"by,omitempty"`      // who sends it
	With    []Field   `json:"with,omitempty"`    // what that message says in this case
}

// Field is one member of a message, ready to be sent.
type Field struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// Overdue says whether somebody has to notice.
func (t Task) Overdue(now time.Time) bool { return t.Urgent || !t.Due.After(now) }

func (p *Pathway) task(key string, since time.Time, due time.Duration, message string, by Role, what string, args ...any) Task {
	return Task{Key: key, Who: []Role{by}, What: fmt.Sprintf(what, args...), Since: since, Due: since.Add(due), Message: message, By: by}
}

const day = 24 * time.Hour

// Tasks lists what is owed at a moment, urgent ones first, then by when they are due.
func (p *Pathway) Tasks(now time.Time) []Task {
	var all []Task
	add := func(t Task) { all = append(all, t) }
	for _, c := range p.Calls {
		if c.Urgent || c.Until.IsZero() || c.Until.After(now) {
			t := p.task(c.Key, c.Since, day, "task-done", Coordinator, "Call the client: %s", c.Why)
			t.Urgent = c.Urgent
			t.With = []Field{{"task", c.Key}, {"outcome", "reached"}}
			add(t)
		}
	}
	if p.Gap {
		t := p.task("gap", p.Woken, 0, "task-done", Coordinator, "The records had lost steps: compare this pathway with what people remember")
		t.With = []Field{{"task", "gap"}, {"outcome", "done"}}
		add(t)
	}
	if p.Outcome != "" {
		return all
	}
	all = append(all, p.endingTasks(now)...)
	for _, h := range p.Holds {
		for _, role := range h.open() {
			t := p.task("hold/"+h.Name+"/"+string(role), h.Since, 0, "release", role, "%s holds the pathway: %s, %s", h.Name, h.Cause, h.Why)
			t.With = []Field{{"hold", h.Name}, {"reason", "<why>"}}
			t.Urgent = h.Cause == Crisis || h.Cause == Deviation
			add(t)
		}
	}
	for _, a := range p.Appointments {
		if a.State == Booked && !a.End.After(now) {
			t := p.task("record/"+a.Name, a.End, hours(p.Protocol.Dosing.RecordWithinHours), "session-held", Therapist, "Record how %s of %s went", a.Name, p.clockTime(a.Start))
			t.With = recordOf(a)
			add(t)
		}
	}
	if p.ending() == "" {
		all = append(all, p.gateTasks(now)...)
	}
	if i := p.lastIntegration(); i != nil && !isTrue(i.ClientAgrees) {
		t := p.task("agree/"+i.Session, i.At, 7*day, "session-held", Therapist, "Agree with the client on what follows %s, then record it again with client_agrees", i.Session)
		t.With = []Field{{"session", i.Session}, {"outcome", "held"}}
		add(t)
	}
	for _, u := range p.Unplaced {
		if !p.wants(u.Kind, now) {
			continue
		}
		t := p.task("book/"+string(u.Kind), u.Since, day, "book-session", Coordinator, "Find a time for the next %s session with the client: %s", u.Kind, u.Why)
		t.With = []Field{{"kind", string(u.Kind)}, {"start", now.In(p.zone()).AddDate(0, 0, 7).Format("2006-01-02") + " 10:00"}}
		add(t)
	}
	for _, kind := range []Kind{Preparation, Dosing, Integration} {
		if p.tooOften(kind) && p.booked(kind) == nil {
			t := p.task("talk/"+string(kind), p.fellThroughLast(kind), day, "task-done", Therapist, "The last %d %s sessions fell through: talk with the client before another is booked", p.fellThrough(kind), kind)
			t.With = []Field{{"task", "talk/" + string(kind)}, {"outcome", "reached"}}
			add(t)
		}
	}
	slices.SortStableFunc(all, func(a, b Task) int {
		switch {
		case a.Urgent != b.Urgent && a.Urgent:
			return -1
		case a.Urgent != b.Urgent:
			return 1
		}
		return a.Due.Compare(b.Due)
	})
	return all
}

// gateTasks ask for what is missing now, and in time for what would fail later.
func (p *Pathway) gateTasks(now time.Time) []Task {
	var all []Task
	soon := now.AddDate(0, 0, p.Protocol.Clearance.AskAgainDaysBefore)
	if p.dosingWanted() { // what the next dosing session needs is asked for at once, however far away it is
		if next := p.nextDosing(now); next.After(soon) {
			soon = next
		}
	}
	if bars := p.ineligible(); len(bars) > 0 { // nobody else is asked for anything meanwhile
		t := p.task(evaluationGate, p.Enrolment.At, 2*day, evaluationGate, Therapist, "Declining is proposed, because %s; record your decision", reasons(bars))
		t.With = []Field{{"decision", Decline}, {"reason", bars[0].Reason}}
		return []Task{t}
	}
	if b := p.clearanceGate(soon); b.Code != "" {
		since, what := p.since(len(p.Clearances) > 0, func() time.Time { return latest(p.Clearances, farFuture).At }), "Say whether treatment is medically acceptable: "
		if p.clearanceGate(now).Code == "" || p.dosed() > 0 {
			what, since = "Say again whether treatment is medically acceptable: ", p.renewalSince(now)
		}
		all = append(all, p.task(clearanceGate, since, 2*day, clearanceGate, Prescriber, "%s%s", what, b))
	}
	if b := p.evaluationGate(now); b.Code != "" {
		e := latest(p.Evaluations, now)
		since := p.Enrolment.At
		due := 2 * day
		if e != nil {
			since = e.At
			if review, ok := e.ReviewOn.in(p.zone()); ok {
				due = review.Sub(since)
			}
		}
		all = append(all, p.task(evaluationGate, since, due, evaluationGate, Therapist, "Record the psychological evaluation: %s", b))
	}
	if b := p.consentGate(now); b.Code != "" {
		since := p.since(len(p.Consents) > 0, func() time.Time { return latest(p.Consents, farFuture).At })
		t := p.task(consentGate, since, 3*day, consentGate, Therapist, "Witness the client's informed consent: %s", b)
		t.Who = []Role{Client, Therapist}
		all = append(all, t)
	}
	if b := p.planGate(soon); b.Code != "" {
		since := p.since(len(p.SafetyPlans) > 0, func() time.Time {
			since := p.planUntil(*latest(p.SafetyPlans, farFuture)).AddDate(0, 0, -p.Protocol.Clearance.AskAgainDaysBefore)
			if since.After(now) { // asked for early, for a session that lies beyond it
				since = now
			}
			return since
		})
		t := p.task(planGate, since, 2*day, planGate, Therapist, "Put the safety plan on file: %s", b)
		if len(p.SafetyPlans) > 0 {
			t.With = []Field{{"decision", Revised}}
		}
		all = append(all, t)
	}
	return all
}

func (p *Pathway) since(any bool, last func() time.Time) time.Time {
	if any {
		return last()
	}
	return p.Enrolment.At
}

// renewalSince is the moment from which a clearance had to be renewed: when its sessions were given, or a week before its days are over.
func (p *Pathway) renewalSince(now time.Time) time.Time {
	c := latest(p.Clearances, now)
	if c == nil {
		return p.Enrolment.At
	}
	since := p.clearanceUntil(*c).AddDate(0, 0, -p.Protocol.Clearance.AskAgainDaysBefore)
	if since.After(now) {
		since = now
	}
	if c.Decision != Cleared {
		since = c.At
	}
	if last := p.lastDosed(); last != nil && p.dosedBetween(c.At, now) >= p.Protocol.Clearance.DosingSessions && last.End.Before(since) {
		since = last.End
	}
	return since
}

// endingSince is the moment of the decision that began the ending: what was done for an earlier one does not count.
func (p *Pathway) endingSince() time.Time {
	if e := latest(p.Evaluations, farFuture); e != nil && e.Decision == Decline {
		return e.At
	}
	if i := p.lastIntegration(); i != nil {
		return i.At
	}
	return p.Woken
}

// endingTasks are what an ending still waits for (protocol, section 5).
func (p *Pathway) endingTasks(now time.Time) []Task {
	ending := p.ending()
	if ending == "" || p.Outcome != "" {
		return nil
	}
	since := p.endingSince()
	var all []Task
	if ending != Completed {
		if !slices.ContainsFunc(p.Referrals, func(r Referral) bool { return !r.At.Before(since) }) {
			all = append(all, p.task("referral", since, day, "referral", Therapist, "Record to whom the client is referred, and for what"))
			all[len(all)-1].With = []Field{{"to", "<to whom>"}, {"purpose", "<for what>"}}
		}
		if !p.spokenWith() {
			t := p.task("conversation", since, day, "task-done", Therapist, "Speak with the client about the decision, or try twice; no mail says it before you have")
			t.With = []Field{{"task", "conversation"}, {"outcome", "reached"}}
			all = append(all, t)
		}
	}
	if p.dosed() > 0 && !p.done("discharge-contact", since) {
		t := p.task("discharge-contact", since, 2*day, "task-done", Prescriber, "Record the discharge contact with the client")
		t.With = []Field{{"task", "discharge-contact"}, {"outcome", "reached"}}
		all = append(all, t)
	}
	if !p.done("letter", since) {
		t := p.task("letter", since, 2*day, "task-done", Therapist, "Prepare the closing letter, to be printed or handed over")
		t.With = []Field{{"task", "letter"}, {"outcome", "done"}}
		all = append(all, t)
	}
	return all
}

// recordOf is what the record of a session says when all went as it should. What is a decision is left open.
func recordOf(a Appointment) []Field {
	fields := []Field{{"session", a.Name}, {"outcome", Held}}
	switch a.Kind {
	case Dosing:
		fields = append(fields, Field{"in_person", true}, Field{"therapist_present_throughout", true}, Field{"client_still_willing", true})
	case Integration:
		fields = append(fields, Field{"next", "<another or close>"}, Field{"client_agrees", true})
	}
	return fields
}

// done says whether a person has done something since a moment: reached somebody, or tried twice where trying counts, or declined.
func (p *Pathway) done(task string, since time.Time) bool {
	tried := 0
	for _, t := range p.TasksDone {
		if t.Task != task || t.At.Before(since) {
			continue
		}
		if t.Outcome != "tried" {
			return true
		}
		tried++
	}
	return tried >= 2
}

// spokenWith says whether the client has heard of an ending from a person.
func (p *Pathway) spokenWith() bool {
	return p.ending() == Completed || p.done("conversation", p.endingSince())
}

func (p *Pathway) talkedSince(t time.Time) bool {
	return slices.ContainsFunc(p.TasksDone, func(d TaskDone) bool {
		return strings.HasPrefix(d.Task, "talk/") && d.Outcome == "reached" && d.At.After(t)
	})
}

// fellThroughLast is when the last session of a kind should have begun that fell through.
func (p *Pathway) fellThroughLast(kind Kind) time.Time {
	var last time.Time
	for _, a := range p.Appointments {
		if a.Kind == kind && (a.State == NoShow || a.State == CancelledLate) && a.Start.After(last) {
			last = a.Start
		}
	}
	return last
}

// TaskOutcome is how a human act went.
type TaskOutcome string

// Options lists what may be written.
func (TaskOutcome) Options() []string { return []string{"done", "reached", "tried", "declined"} }

// TaskDone records a human act.
type TaskDone struct {
	Envelope
	Task    string      `json:"task" must:"yes"`
	Outcome TaskOutcome `json:"outcome" must:"yes"`
	Reason  string      `json:"reason,omitempty"`
}

func (m *TaskDone) record(p *Pathway, now time.Time) (string, *Refusal) {
	tasks := p.Tasks(now)
	i := slices.IndexFunc(tasks, func(t Task) bool { return t.Key == m.Task })
	if i < 0 && slices.ContainsFunc(p.TasksDone, func(t TaskDone) bool { return t.Task == m.Task }) {
		return fmt.Sprintf("%s is done", m.Task), errAlreadySo
	}
	if i < 0 || tasks[i].Message != "task-done" {
		var keys []string
		for _, t := range tasks {
			if t.Message == "task-done" {
				keys = append(keys, t.Key)
			}
		}
		if len(keys) == 0 {
			return "", refuse(BadValue, "task-done: task: found %s, but nothing waits for a task-done on this pathway now", quoted(m.Task))
		}
		return "", refuse(BadValue, "task-done: task: found %s, expected one of %s", quoted(m.Task), strings.Join(keys, ", "))
	}
	if role := p.CareTeam.Role(m.By); role != tasks[i].By && tasks[i].By != Coordinator {
		return "", refuse(WrongPerson, "task-done: by: found %s, who is this pathway's %s; %s is its %s", m.By, role, m.Task, p.who([]Role{tasks[i].By}))
	}
	if m.Outcome == "declined" && m.Task != "discharge-contact" {
		return "", refuse(BadValue, "task-done: outcome: found declined, expected done, reached or tried for %s", m.Task)
	}
	if m.Task == "conversation" && m.Outcome == "done" {
		return "", refuse(BadValue, "task-done: outcome: found done, expected reached or tried for a conversation")
	}
	if strings.HasPrefix(m.Task, "call/") || m.Task == "gap" {
		if m.Outcome == "tried" {
			return fmt.Sprintf("%s: tried; it stays open until the client is reached", m.Task), nil
		}
		for _, c := range p.Calls {
			if a := p.appointment(c.Session); c.Key == m.Task && a != nil {
				a.Told = a.Start
			}
		}
		p.Calls = slices.DeleteFunc(p.Calls, func(c Call) bool { return c.Key == m.Task })
		p.Gap = p.Gap && m.Task != "gap"
	}
	p.TasksDone = append(p.TasksDone, *m)
	return fmt.Sprintf("%s: %s", m.Task, m.Outcome), nil
}

// Referral is another path that is offered to the client.
type Referral struct {
	Envelope
	To      string `json:"to" must:"yes"`
	Purpose string `json:"purpose" must:"yes"`
}

func (m *Referral) record(p *Pathway, _ time.Time) (string, *Refusal) {
	for _, r := range p.Referrals {
		if r.To == m.To && r.Purpose == m.Purpose && (p.ending() == "" || !r.At.Before(p.endingSince())) {
			return "this referral is on record", errAlreadySo
		}
	}
	p.Referrals = append(p.Referrals, *m)
	return "a referral is recorded", nil
}
