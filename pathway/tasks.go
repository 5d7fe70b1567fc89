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
	Since   time.Time `json:"since"` // it is owed; of a session's record that is yet to come
	Due     time.Time `json:"due"`
	Urgent  bool      `json:"urgent,omitempty"`
	Message string    `json:"message,omitempty"` // the message that does it
	By      Role      `json:"by,omitempty"`      // who sends it
	With    []Field   `json:"with,omitempty"`    // what that message says in this case
	ladder  ladder    // how often whoever owes it hears of it
}

// Field is one member of a message, ready to be sent.
type Field struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// asksForAttention says whether somebody has to notice a task: it is urgent, or overdue, at night from the morning on.
func (p *Pathway) asksForAttention(t Task, now time.Time) bool {
	return t.Urgent || !p.byDay(t.Due).After(now)
}

// task makes a task of one role, of which it hears when it is due and then each day.
func (p *Pathway) task(key string, since time.Time, due time.Duration, message string, by Role, what string, args ...any) Task {
	return Task{Key: key, Who: []Role{by}, What: fmt.Sprintf(what, args...), Since: since, Due: since.Add(due), Message: message, By: by, ladder: whenDue}
}

// toDo makes a task that is done by saying so.
func (p *Pathway) toDo(key string, since time.Time, due time.Duration, by Role, outcome TaskOutcome, what string, args ...any) Task {
	t := p.task(key, since, due, "task-done", by, what, args...)
	t.With = []Field{{"task", key}, {"outcome", string(outcome)}}
	return t
}

const day = 24 * time.Hour

// Tasks lists what is owed at a moment, urgent ones first, then by when they are due.
func (p *Pathway) Tasks(now time.Time) []Task {
	all := p.owedTasks(now)
	if at := p.lapses(now, all); !at.IsZero() && p.Outcome == "" {
		t := p.task("lapse", at, 7*day, "stop", Therapist, "The client has not answered for %d days, despite calls: letting the pathway lapse is proposed", p.Protocol.Endings.LapseDays)
		t.With = []Field{{"as", string(Lapsed)}, {"reason", "<why>"}}
		all = append(all, t)
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

// owedTasks are all tasks but the one that follows from their having waited too long.
func (p *Pathway) owedTasks(now time.Time) []Task {
	all := make([]Task, 0, 4)
	for _, c := range p.Calls {
		if (c.Urgent || c.Until.IsZero() || c.Until.After(now)) && !p.settled(c, now) {
			all = append(all, p.callTask(c))
		}
	}
	if !p.Gap.IsZero() {
		all = append(all, p.toDo("gap", p.Gap, 0, Coordinator, "done", "The records had lost steps: compare this pathway with what people remember"))
	}
	for _, m := range p.Missed {
		role := p.CareTeam.Role(m.By)
		if role == "" {
			role = Coordinator
		}
		t := p.toDo(m.task(), m.Since, day, role, TaskIsDone, "A message, %s, was not taken, and whoever sent it could not be told: see why under \"Not taken lately\", send it as it should be, or say that this is done", m.Name)
		t.ladder = daily
		all = append(all, t)
	}
	for _, l := range p.Later {
		for _, role := range clinicians {
			all = append(all, p.informed(l.ID, l.At, role, "After the ending a message came in, %s: read it in the journal", l.Name)...)
		}
	}
	if p.Outcome != "" {
		return all
	}
	all = append(all, p.addressTasks()...)
	all = append(all, p.endingTasks(now)...)
	all = append(all, p.holdTasks()...)
	all = append(all, p.sessionTasks(now)...)
	all = append(all, p.riskTasks(now)...)
	if p.ending() != "" {
		return all
	}
	all = append(all, p.gateTasks(now)...)
	return append(all, p.treatmentTasks(now)...)
}

func (p *Pathway) callTask(c Call) Task {
	t := p.toDo(c.Key, c.Since, day, Coordinator, "reached", "Call the client: %s", c.Why)
	if c.Staff {
		t.What = c.Why
	}
	t.Urgent, t.ladder = c.Urgent, daily
	return t
}

// settled says whether a call has lost its point, because the client has done what it asks for.
func (p *Pathway) settled(c Call, now time.Time) bool {
	about, asked := strings.CutPrefix(c.Key, "call/ask/")
	about, _, _ = strings.Cut(about, "/") // a call instead of one of the mails that ask says which
	switch a := p.appointment(c.Session); {
	case !asked:
		return false
	case about == consentGate:
		c := latest(p.Consents, now)
		return p.consentGate(farFuture).Code == "" || c != nil && c.Decision == Withdrawn || p.ending() != ""
	case about == "closing":
		return len(p.unclosed(now)) == 0 || p.agreed(now, CompleteReview) || p.ending() != Completed || p.Outcome != ""
	default:
		return a == nil || a.State != Booked || len(p.unmeasured(a.Start)) == 0
	}
}

// informed asks a clinician to say that they know; it is nothing once they have.
func (p *Pathway) informed(about string, since time.Time, role Role, what string, args ...any) []Task {
	t := p.toDo("informed/"+about+"/"+string(role), since, 0, role, Acknowledged, what, args...)
	t.Urgent = true
	if slices.ContainsFunc(p.TasksDone, func(d TaskDone) bool { return d.Task == t.Key }) {
		return nil
	}
	return []Task{t}
}

// holdTasks ask whoever releases a hold, and tell the other clinician of one that cannot wait: that they know is theirs to say, also
// once it is released.
func (p *Pathway) holdTasks() []Task {
	var all []Task
	for _, h := range p.Holds {
		if h.Lifted {
			continue
		}
		due := day
		if h.Cause.urgent() {
			due = 0
		}
		for _, role := range h.Open() {
			t := p.task("hold/"+h.Name+"/"+string(role), h.Known, due, "release", role, "%s holds the pathway: %s", h.Name, h.cause())
			t.With = []Field{{"hold", h.Name}, {"reason", "<why>"}}
			t.Urgent, t.ladder = h.Cause.urgent(), daily
			if r := p.mayRelease(h, farFuture); r != nil { // what the release rests on comes first
				t.Message, t.With = "risk-assessment", nil
			}
			all = append(all, t)
		}
		for _, role := range clinicians {
			if h.Cause.urgent() && !slices.Contains(h.Needs, role) {
				holds := "holds the pathway"
				if !h.inForce() {
					holds = "held the pathway until " + p.clockTime(h.Until)
				}
				all = append(all, p.informed(h.Name, h.Known, role, "%s %s: %s; say that you know", h.Name, holds, h.cause())...)
			}
		}
		crisis := h.inForce() && h.Cause == Crisis && (p.deferredUntil(farFuture).IsZero() || latest(p.Evaluations, farFuture).At.Before(h.Since))
		if crisis && p.dosed() == 0 && p.ending() == "" {
			t := p.task("defer/"+h.Name, h.Known, day, evaluationGate, Therapist, "Deferring is proposed while %s holds the pathway; record your decision", h.Name)
			t.With = deferral()
			all = append(all, t)
		}
	}
	return all
}

func deferral() []Field {
	return []Field{{"what_must_change", "<what must change>"}, {"review_on", "<a day>"}}
}

// sessionTasks ask for what sessions leave to do.
func (p *Pathway) sessionTasks(now time.Time) []Task {
	var all []Task
	for i := range p.Appointments {
		a := &p.Appointments[i]
		if a.State == Booked && !p.recordFrom(*a).After(now) {
			t := p.task("record/"+a.Name, a.End, hours(p.Protocol.Dosing.RecordWithinHours), "session-held", Therapist, "Record how %s of %s went", a.Name, p.clockTime(a.Start))
			t.With = recordOf(*a)
			all = append(all, t)
		}
		declined := a.ByClient && p.ending() != "" && !a.Over.Before(p.endingSince()) // which is theirs to say
		if missed := a.State == NoShow || a.State == CancelledLate && !declined; missed && a.Kind == Integration && !p.integrated() && p.lastDosed() != nil && !a.Start.Before(p.lastDosed().End) && !p.reached("welfare/"+a.Name) {
			t := p.toDo("welfare/"+a.Name, a.Over, 0, Coordinator, "reached", "Call the client today and ask how they are: %s was missed", a.Name)
			t.Who, t.Urgent = []Role{Coordinator, Therapist}, true
			t.Due = onDay(a.Over.In(p.zone()).AddDate(0, 0, 1), 0)
			all = append(all, t)
		}
	}
	if i := p.lastIntegration(); i != nil && !isTrue(i.ClientAgrees) && p.ending() == "" {
		t := p.task("agree/"+i.Session, i.At, 7*day, "session-held", Therapist, "Agree with the client on what follows %s, then record it again with client_agrees", i.Session)
		t.With = []Field{{"session", i.Session}, {"outcome", Held}, {"next", choice(Next("").Options())}, {"client_agrees", yesOrNo}}
		all = append(all, t)
	}
	for _, u := range p.Unplaced {
		if p.wants(u.Kind, now) {
			t := p.task("book/"+string(u.Kind), u.Since, day, "book-session", Coordinator, "Find a time for the next %s session with the client: %s", u.Kind, u.Why)
			t.With = []Field{{"kind", string(u.Kind)}, {"start", "<such as " + now.In(p.zone()).AddDate(0, 0, 7).Format("2006-01-02") + " 10:00>"}}
			all = append(all, t)
		} else if a, dosing := p.strayed(now); a != nil && u.Kind == Integration {
			since, most := later(u.Since, dosing.Over), p.Protocol.Integration.HoursAfterAtMost
			t := p.task("book/"+string(u.Kind), since, 0, "move-session", Coordinator, "Find an earlier time for %s with the client: it is on %s, more than %d hours after %s, and %s",
				a.Name, p.clockTime(a.Start), most, dosing.Name, u.Why)
			t.With, t.ladder = []Field{{"session", a.Name}, {"start", "<a time>"}}, daily
			t.Due = later(since, earliest(since.Add(day), dosing.End.Add(hours(most))))
			all = append(all, t)
		}
	}
	for _, kind := range []Kind{Preparation, Dosing, Integration} {
		if p.tooOften(kind) && p.booked(kind) == nil && (kind != Preparation || !p.prepared()) && (p.ending() == "" || kind == Integration && !p.integrated() && !p.integrationDeclined()) {
			t := p.toDo("talk/"+string(kind), p.fellThroughLast(kind), day, Therapist, "reached",
				"The last %d %s sessions fell through: talk with the client before another is booked", p.fellThrough(kind), kind)
			if a := p.unwilling(); kind == Dosing && a != nil {
				t.What = fmt.Sprintf("The client was not willing at %s: talk with them before another is booked", a.Name)
			}
			all = append(all, t)
		}
	}
	return all
}

// recordFrom is from when a session's record is among the tasks, though it is owed only from the session's end: so many hours before it
// as the last reminder of its day, when kap is awake anyway for what is sent at any hour, or from its start where that day has none. Its
// therapist finds the form while the session goes on.
func (p *Pathway) recordFrom(a Appointment) time.Time {
	const aDay = 24
	least := aDay
	for _, r := range p.Protocol.Reminders {
		least = min(least, r.HoursBefore)
	}
	if least == aDay {
		return a.Start
	}
	return before(a.Start, least)
}

// treatmentTasks ask for what the next dosing session waits for beside the gates.
func (p *Pathway) treatmentTasks(now time.Time) []Task {
	var all []Task
	if a := p.booked(Dosing); a != nil && a.Start.After(now) && !p.deferredUntil(now).After(a.Start) {
		if since := before(a.Start.In(p.zone()), p.Protocol.Questionnaire.DaysBefore[0]*24); !since.After(now) {
			all = append(all, p.measureTasks(p.unmeasured(a.Start), since, a.Start.Add(-hours(p.Protocol.Dosing.CheckHoursBefore)))...)
		}
	}
	next := p.nextDosing(now)
	if b := p.reviewCheck(next); b.Code != "" {
		since := p.reviewSince(next)
		_, both := p.reviewDue(next)
		ask := func(role Role, key string, with ReviewDecision) {
			t := p.task(key, since, day, "review", role, "Review the treatment and decide: %s", b.Reason)
			t.With, t.ladder = []Field{{"decision", string(with)}, {"reason", "<why>"}}, daily
			all = append(all, t)
		}
		switch q := p.reviewBy(Prescriber, next); {
		case q != nil && q.Decision == StopReview:
			all = append(all, p.stopTask(*q))
		case p.dosed() >= p.Protocol.Dosing.AtMost: // there is no next one to decide about
		case both:
			for _, role := range clinicians {
				if p.reviewBy(role, next) == nil {
					ask(role, "review/"+string(role), "<continue, adjust, one-more or stop>")
				}
			}
		default:
			ask(Therapist, "review", "<adjust, one-more or stop>")
		}
	}
	return all
}

// riskTasks ask for the assessment that item 9 of a PHQ-9 calls for, also while the pathway ends.
func (p *Pathway) riskTasks(now time.Time) []Task {
	b := p.riskCheck(now)
	if b.Code == "" {
		return nil
	}
	m := p.unassessedMeasure(now)
	t := p.task("risk-assessment", m.At, 0, "risk-assessment", Therapist, "Record a risk assessment: %s", b.Reason)
	t.Due, t.ladder = later(m.At, m.Heard).Add(day), daily
	return []Task{t}
}

// stopTask puts a prescriber's review that says stop to the therapist, who alone stops.
func (p *Pathway) stopTask(q Review) Task {
	t := p.task("stop", q.At, day, "stop", Therapist, "The prescriber's review says stop: %s. Record the stop, or talk with the prescriber, who can correct the review", q.Reason)
	t.With, t.ladder = []Field{{"reason", "<why>"}}, daily
	return t
}

// measureTasks ask the client, through whoever sees them, for what is missing.
func (p *Pathway) measureTasks(missing []Scale, since, due time.Time) []Task {
	var all []Task
	for _, s := range missing {
		t := p.task("measure/"+string(s), since, due.Sub(since), "measure", Therapist, "Record %s", s)
		t.Who, t.ladder = []Role{Client, Therapist}, quiet
		t.With = []Field{{"scale", string(s)}, {"total", "<total>"}}
		if s == PHQ9 {
			t.What += " with its item 9"
			t.With = append(t.With, Field{"item_9", "<item 9>"})
		}
		all = append(all, t)
	}
	return all
}

// reviewSince is when a review became due: with the measure that shows it, or with the last dosing session.
func (p *Pathway) reviewSince(next time.Time) time.Time {
	var since time.Time
	if last := p.lastDosed(); last != nil {
		since = last.End
	} else if r := latest(p.Reviews, farFuture); r != nil {
		since = r.At
	}
	if p.notWorking(next) != "" {
		if m := p.measured(p.PrimaryMeasure, next); m.At.After(since) {
			since = m.At
		}
	}
	return since
}

// gateTasks ask for what is missing now, and in time for what would fail later.
func (p *Pathway) gateTasks(now time.Time) []Task {
	var all []Task
	soon := p.ahead(now, p.Protocol.Clearance.AskAgainDaysBefore)
	if p.dosingWanted() { // what the next dosing session needs is asked for at once, however far away it is
		if next := p.nextDosing(now); next.After(soon) {
			soon = next
		}
	}
	if p.deferredUntil(now).After(now) { // nobody is asked for anything until the day of the review
		return nil
	}
	if t, proposed := p.proposal(now); proposed { // nor while declining or deferring is proposed
		return []Task{t}
	}
	if c := latest(p.Clearances, now); c != nil && c.Decision == MoreInformation {
		all = append(all, p.informationTask(*c)...)
	}
	if b := p.clearanceGate(soon); b.Code != "" {
		since, what := p.since(now, len(p.Clearances) > 0, func() time.Time { return latest(p.Clearances, farFuture).At }), "Say whether treatment is medically acceptable: "
		if p.clearanceGate(now).Code == "" || p.dosed() > 0 {
			what, since = "Say again whether treatment is medically acceptable: ", p.renewalSince(now)
		}
		t := p.task(clearanceGate, since, 2*day, clearanceGate, Prescriber, "%s%s", what, b)
		t.ladder = gateLadder
		all = append(all, t)
	}
	if b := p.evaluationGate(now); b.Code != "" {
		since, due := p.opened(now), 2*day
		t := p.task(evaluationGate, since, due, evaluationGate, Therapist, "Record the psychological evaluation: %s", b)
		t.ladder = gateLadder
		if !p.deferredUntil(now).IsZero() { // the day of the review has come
			t.Due, t.ladder = since, daily
		}
		all = append(all, t)
	}
	if b := p.consentGate(soon); b.Code != "" {
		since := p.since(now, len(p.Consents) > 0, func() time.Time { return latest(p.Consents, farFuture).At })
		if n := len(p.Forms); n > 0 { // another form is to be signed from when the practice knew of it
			if day, ok := p.Forms[n-1].InForce.in(p.zone()); ok {
				since = later(since, p.earlier(day.AddDate(0, 0, -p.Protocol.Clearance.AskAgainDaysBefore), now))
			}
			since = later(since, p.Forms[n-1].Known)
		}
		t := p.task(consentGate, since, 3*day, consentGate, Therapist, "Witness the client's informed consent: %s", b)
		t.Who, t.ladder = []Role{Client, Therapist}, quiet
		if c := latest(p.Consents, now); c != nil && c.Decision == Withdrawn { // somebody who has said no is not sent reminders
			t.What = "The client has withdrawn consent: talk with them, then record a new consent, or that they withdraw, or stop"
			t.Who, t.ladder = []Role{Therapist}, daily
		}
		all = append(all, t)
	}
	if b := p.planGate(soon); b.Code != "" {
		since := p.since(now, len(p.SafetyPlans) > 0, func() time.Time {
			since := p.planUntil(*latest(p.SafetyPlans, farFuture)).AddDate(0, 0, -p.Protocol.Clearance.AskAgainDaysBefore)
			return p.earlier(since, now)
		})
		t := p.task(planGate, since, 2*day, planGate, Therapist, "Put the safety plan on file: %s", b)
		t.ladder = gateLadder
		if t.With = []Field{{"decision", OnFile}}; len(p.SafetyPlans) > 0 { // which of the two it is stands on record
			t.With = []Field{{"decision", Revised}}
		}
		all = append(all, t)
	}
	return all
}

// since is from when a gate is waited for: the last that was said of it, or the beginning; not while KAP was deferred.
func (p *Pathway) since(now time.Time, any bool, last func() time.Time) time.Time {
	if any {
		return later(last(), p.opened(now))
	}
	return p.opened(now)
}

// opened is from when people are asked for what screening takes: enrolment, or the end of a deferral, which is its day or the
// evaluation that comes before it.
func (p *Pathway) opened(now time.Time) time.Time {
	since := p.Enrolment.At
	for i, e := range p.Evaluations {
		if e.Decision != Defer || e.At.After(now) {
			continue
		}
		until, _ := e.ReviewOn.in(p.zone())
		if i+1 < len(p.Evaluations) && p.Evaluations[i+1].At.Before(until) {
			until = p.Evaluations[i+1].At
		}
		if !until.After(now) {
			since = later(since, until)
		}
	}
	return since
}

// informationTask asks the front desk for what the prescriber needs; it is nothing once somebody has said that it is there.
func (p *Pathway) informationTask(c PrescriberClearance) []Task {
	t := p.toDo("information/"+c.ID, c.At, 2*day, Coordinator, TaskIsDone, "Bring what the prescriber needs: %s", c.Needed)
	if p.done(t.Key, c.At) {
		return nil
	}
	return []Task{t}
}

// proposal is what the enrolment or a finding proposes to the therapist, unless their latest evaluation follows it already.
func (p *Pathway) proposal(now time.Time) (Task, bool) {
	since, decision, why := p.Enrolment.At, Decline, reasons(p.ineligible())
	c, e := latest(p.Clearances, now), latest(p.Evaluations, now)
	refused := c != nil && (c.Decision == NotCleared || c.Decision == Revoked) && !c.At.Before(p.opened(now))
	switch found := p.standing(now); {
	case why != "":
	case e != nil && e.Decision == Defer: // it is followed; on its day the therapist looks again
		return Task{}, false
	case len(found) > 0:
		why, decision = p.findingCheck(now).Reason, Defer
		for _, f := range found {
			if f.proposal() == Decline {
				decision = Decline
			}
		}
		since = later(since, p.FindingsHeard)
		if c != nil && len(c.Findings) > 0 {
			since = c.At
		}
	case refused: // the prescriber has answered: it is for the therapist to say what follows
		why, decision, since = p.clearanceDecided(now).String(), Defer, c.At
	default:
		return Task{}, false
	}
	verb := map[string]string{Decline: "Declining", Defer: "Deferring"}[decision]
	t := p.task(evaluationGate, since, 2*day, evaluationGate, Therapist, "%s is proposed, because of what speaks against KAP: %s; record your decision", verb, why)
	t.With = []Field{{"reason", "<why>"}}
	if decision == Defer {
		t.With = deferral()
	}
	t.ladder = gateLadder
	if p.dosed() > 0 {
		t.What += "; or stop"
	}
	return t, true
}

// ahead is the last moment of which so many days before, on the practice's calendar, have come. Where the clocks go forward, an hour of
// moments has the same day before.
func (p *Pathway) ahead(now time.Time, days int) time.Time {
	last := now.In(p.zone()).AddDate(0, 0, days)
	for _, more := range []time.Duration{time.Hour, 30 * time.Minute} {
		if t := last.Add(more); !t.AddDate(0, 0, -days).After(now) {
			return t
		}
	}
	return last
}

// deferredUntil is the day to which the therapist has deferred KAP, where that is their latest word; or zero.
func (p *Pathway) deferredUntil(now time.Time) time.Time {
	if e := latest(p.Evaluations, now); e != nil && e.Decision == Defer {
		day, _ := e.ReviewOn.in(p.zone())
		return day
	}
	return time.Time{}
}

// renewalSince is the moment from which a clearance had to be renewed: when what it covers was used up or it lost its force, or a
// week before its days are over.
func (p *Pathway) renewalSince(now time.Time) time.Time {
	c := latest(p.Clearances, now)
	if c == nil {
		return p.opened(now)
	}
	var since time.Time
	because := func(t time.Time) {
		if since.IsZero() || t.Before(since) {
			since = t
		}
	}
	if c.Decision != Cleared {
		because(c.At)
	}
	if p.clearanceStands(now).Code != "" {
		because(later(c.At, p.voidedSince(now)))
	}
	if last := p.lastDosed(); last != nil && (p.clearanceSessions(now).Code != "" || p.checkpointCheck(now).Code != "") {
		because(last.End)
	}
	usual := p.clearanceUntil(*c).AddDate(0, 0, -p.Protocol.Clearance.AskAgainDaysBefore)
	if since.IsZero() || !usual.After(now) {
		because(p.earlier(usual, now))
	}
	return since
}

// earlier is when something is asked for: at the usual time, or as soon as a dosing session is wanted that lies beyond it.
func (p *Pathway) earlier(usual, now time.Time) time.Time {
	if !usual.After(now) {
		return usual
	}
	since := p.Enrolment.At
	if a := p.booked(Dosing); a != nil {
		since = a.Since
	} else if i := p.lastIntegration(); i != nil {
		since = i.At
	}
	for _, a := range p.Appointments {
		if a.Kind == Preparation && a.State == Held && a.End.After(since) && p.dosed() == 0 && p.booked(Dosing) == nil {
			since = a.End
		}
	}
	return since
}

// yesOrNo stands where only whoever was there can say: what a session was like is never filled in for them.
const yesOrNo = "<true or false>"

// recordOf is the form of a session's record: what kap knows is filled in, what happened and what was decided is left open.
func recordOf(a Appointment) []Field {
	fields := []Field{{"session", a.Name}, {"outcome", choice([]string{Held, NoShow, CancelledLate})}}
	switch a.Kind {
	case Dosing:
		fields[1].Value = choice(SessionOutcome("").Options())
		for _, name := range []string{"in_person", "therapist_present_throughout", "client_still_willing"} {
			fields = append(fields, Field{name, yesOrNo})
		}
		fields = append(fields, Field{"prescription_reference", "<its reference>"}, Field{"dose_as_given", "<as given>"}, Field{"route", "<route>"},
			Field{"blood_pressure_before", "<mmHg>"}, Field{"blood_pressure_at_40_minutes", "<mmHg>"}, Field{"blood_pressure_leaving", "<mmHg>"})
		for _, name := range []string{"pregnancy_asked", "medication_change_asked", "urinary_symptoms_asked", "oriented_and_steady", "named_adult_driving", "no_driving_until_next_day_explained"} {
			fields = append(fields, Field{name, yesOrNo})
		}
	case Integration:
		fields = append(fields, Field{"next", choice(Next("").Options())}, Field{"client_agrees", yesOrNo})
	}
	return fields
}

// done says whether a person has done something since a moment: reached somebody, or tried twice where trying counts, or declined.
func (p *Pathway) done(task string, since time.Time) bool {
	tried := 0
	for _, t := range p.TasksDone {
		switch {
		case t.Task != task || t.At.Before(since) || t.Outcome == Acknowledged:
		case t.Outcome != Tried:
			return true
		default:
			tried++
		}
	}
	return tried >= p.Protocol.Endings.Tries
}

func (p *Pathway) reached(task string) bool {
	return slices.ContainsFunc(p.TasksDone, func(t TaskDone) bool { return t.Task == task && t.Outcome == Reached })
}

func (p *Pathway) talkedSince(t time.Time) bool {
	return slices.ContainsFunc(p.TasksDone, func(d TaskDone) bool {
		return strings.HasPrefix(d.Task, "talk/") && d.Outcome == Reached && d.At.After(t)
	})
}

// fellThroughLast is when the last session of a kind should have begun that fell through.
func (p *Pathway) fellThroughLast(kind Kind) time.Time {
	var last time.Time
	for _, a := range p.Appointments {
		if a.Kind == kind && a.fellThrough() && a.Start.After(last) {
			last = a.Start
		}
	}
	if a := p.unwilling(); kind == Dosing && a != nil {
		last = later(last, a.Start)
	}
	return last
}

// TaskOutcome is how a human act went.
type TaskOutcome string

// The outcomes. Acknowledged says that somebody knows of an urgent task and looks after it; the task itself stays.
const (
	TaskIsDone   TaskOutcome = "done"
	Reached      TaskOutcome = "reached"
	Tried        TaskOutcome = "tried"
	Declined     TaskOutcome = "declined"
	Acknowledged TaskOutcome = "acknowledged"
)

// Options lists what may be written.
func (TaskOutcome) Options() []string {
	return []string{string(TaskIsDone), string(Reached), string(Tried), string(Declined), string(Acknowledged)}
}

// TaskDone records a human act.
type TaskDone struct {
	Envelope
	Task    string      `json:"task" must:"yes"`
	Outcome TaskOutcome `json:"outcome" must:"yes"`
	Reason  string      `json:"reason,omitempty"`
	Call    *Call       `json:"call,omitempty" kap:"sets"` // that it ended, for a correction
}

func (m *TaskDone) record(p *Pathway, now time.Time) (string, *Refusal) {
	tasks := p.Tasks(now)
	i := slices.IndexFunc(tasks, func(t Task) bool { return t.Key == m.Task })
	was, corrected := p.correcting.(*TaskDone)
	if corrected = corrected && was.Call != nil && was.Task == m.Task; corrected && i < 0 { // how a call went that is not owed any more
		i, tasks = len(tasks), append(tasks, p.callTask(*was.Call))
	}
	if i < 0 && slices.ContainsFunc(p.TasksDone, func(t TaskDone) bool { return t.Task == m.Task }) {
		return fmt.Sprintf("%s is done", m.Task), errAlreadySo
	}
	acknowledges := i >= 0 && m.Outcome == Acknowledged && tasks[i].Urgent
	if i < 0 || tasks[i].Message != "task-done" && !slices.Contains(p.outcomes(tasks[i]), m.Outcome) {
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
	informed := strings.HasPrefix(m.Task, "informed/")
	if role := p.CareTeam.Role(m.By); role != tasks[i].By && tasks[i].By != Coordinator {
		return "", refuse(WrongPerson, "task-done: by: found %s, who is this pathway's %s; %s is its %s", m.By, role, m.Task, p.who([]Role{tasks[i].By}))
	}
	if fit := p.outcomes(tasks[i]); !slices.Contains(fit, m.Outcome) {
		return "", refuse(BadValue, "task-done: outcome: found %s, expected %s for %s", m.Outcome, orList(fit), m.Task)
	}
	call := strings.HasPrefix(m.Task, "call/")
	switch i := p.owedCall(m.Task); {
	case m.Outcome != Reached:
	case i >= 0:
		ended := p.Calls[i] // a copy: its place is taken by another
		m.Call = &ended
	case corrected:
		m.Call = was.Call
	}
	p.TasksDone = append(p.TasksDone, *m)
	if about := tasks[i]; m.At.Before(about.Since.Truncate(time.Second)) && p.ending() != "" && slices.ContainsFunc(p.endingTasks(now), func(t Task) bool { return t.Key == about.Key }) {
		return fmt.Sprintf("%s: %s, before the decision that asks for it (%s), so it is still asked for; where the decision was earlier, correct its time", m.Task, m.Outcome, p.clockTime(about.Since)), nil
	}
	switch {
	case acknowledges && !informed:
		return fmt.Sprintf("%s: acknowledged; it stays open until it is done", m.Task), nil
	case m.Outcome == Tried && (call || strings.HasPrefix(m.Task, "welfare/")):
		return fmt.Sprintf("%s: tried; it stays open until the client is reached", m.Task), nil
	case call:
		for _, c := range p.Calls {
			if a := p.appointment(c.Session); c.Key == m.Task && a != nil && !c.Staff {
				a.Told = a.Start
			}
		}
		p.Calls = slices.DeleteFunc(p.Calls, func(c Call) bool { return c.Key == m.Task })
	case m.Task == "gap":
		p.Gap = time.Time{}
	case strings.HasPrefix(m.Task, "refused/"):
		p.Missed = slices.DeleteFunc(p.Missed, func(x Missed) bool { return x.task() == m.Task })
	}
	return fmt.Sprintf("%s: %s", m.Task, m.Outcome), nil
}

// message is what does a task, ready to copy. What became of a call or a conversation is left open where it can be several things.
func (p *Pathway) message(t Task) string {
	with := t.With
	if fit := p.outcomes(t); t.Message == "task-done" && len(fit) > 1 {
		with = append(slices.Clone(with), Field{"outcome", choice(fit)})
	}
	return p.ExampleFor(t.Message, t.By, with...)
}

// outcomes are what task-done can say of a task: nothing where it takes another message.
func (p *Pathway) outcomes(t Task) []TaskOutcome {
	var fit []TaskOutcome
	switch kind, _, _ := strings.Cut(t.Key, "/"); {
	case kind == "informed":
		return []TaskOutcome{Acknowledged}
	case kind == "call", kind == "welfare", kind == "talk", t.Key == "conversation":
		fit = []TaskOutcome{Reached, Tried}
	case t.Key == "discharge-contact":
		fit = []TaskOutcome{Reached, Tried, Declined}
	case t.Key == "referral" && p.ending() == WithdrawnByClient: // it is offered
		fit = []TaskOutcome{Declined}
	case t.Message == "task-done":
		fit = []TaskOutcome{TaskIsDone}
	}
	if t.Urgent {
		fit = append(fit, Acknowledged)
	}
	return fit
}

func orList[T ~string](all []T) string { return listed(all, "or") }

func andList(all []string) string { return listed(all, "and") }

// listed writes a list as people do.
func listed[T ~string](all []T, and string) string {
	var s []string
	for _, x := range all {
		s = append(s, string(x))
	}
	if len(s) < 3 {
		return strings.Join(s, " "+and+" ")
	}
	last := len(s) - 1
	return strings.Join(s[:last], ", ") + " " + and + " " + s[last]
}

// Referral is another path that is offered to the client.
type Referral struct {
	Envelope
	To      string `json:"to" must:"yes"`
	Purpose string `json:"purpose" must:"yes"`
}

func (m *Referral) record(p *Pathway, _ time.Time) (string, *Refusal) {
	for _, r := range p.Referrals {
		if p.correcting == nil && r.To == m.To && r.Purpose == m.Purpose && (p.ending() == "" || !r.At.Before(p.endingSince())) {
			return "this referral is on record", errAlreadySo
		}
	}
	p.Referrals = append(p.Referrals, *m)
	if e := p.ending(); e != "" && !p.referred(e, p.endingSince()) {
		return fmt.Sprintf("a referral is recorded, from before the decision that asks for one (%s), so one is still asked for; where the decision was earlier, correct its time", p.clockTime(p.endingSince())), nil
	}
	return "a referral is recorded", nil
}
