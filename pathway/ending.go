package pathway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// StopAs is how a stopped pathway ends.
type StopAs string

// Options lists what may be written.
func (StopAs) Options() []string { return []string{string(StoppedAndReferred), string(Lapsed)} }

// Stop is the therapist's decision to end the treatment: because it is not working, or must not go on; or because the client has
// not been heard of for so long that the pathway lapses.
type Stop struct {
	Envelope
	As     StopAs `json:"as,omitempty"` // none: stopped-and-referred
	Reason string `json:"reason" must:"yes"`
}

func (m *Stop) record(p *Pathway, now time.Time) (string, *Refusal) {
	if m.As == "" {
		m.As = StopAs(StoppedAndReferred)
	}
	was, _ := p.correcting.(*Stop)
	switch e := p.ending(); {
	case e == Outcome(m.As) && was == nil:
		return fmt.Sprintf("the pathway is ending as %s", e), errAlreadySo
	case e != "" && e != Completed && was == nil:
		return "", refuse(NotNow, "stop: the pathway is ending as %s already", e)
	case m.As == StopAs(Lapsed) && (was == nil || was.As != m.As) && p.lapses(now, p.owedTasks(now)).IsZero():
		return "", refuse(NotNow, "stop: as: found lapsed, but a pathway lapses only when what the client owes has been outstanding for %d days and %d calls, and not before the day to which it was deferred; nothing else lapses",
			p.Protocol.Endings.LapseDays, p.Protocol.Endings.LapseCalls)
	}
	p.Stops = insert(p.Stops, *m)
	return fmt.Sprintf("the pathway is ending as %s", m.As), nil
}

// Withdrawal is the client's: at any time, without a reason, through whoever hears of it first.
type Withdrawal struct {
	Envelope
	Reason string `json:"reason,omitempty"`
}

func (m *Withdrawal) record(p *Pathway, _ time.Time) (string, *Refusal) {
	if p.ending() == WithdrawnByClient {
		return "the client's withdrawal is recorded already", errAlreadySo
	}
	p.Withdrawals = insert(p.Withdrawals, *m)
	return "the client has withdrawn; the pathway is ending", nil
}

// ending says which ending has begun, if any (protocol, section 5). It begins with the record of whoever decides it: the client who
// withdraws, the therapist who declines, stops or lets lapse, and closing as agreed.
func (p *Pathway) ending() Outcome {
	o, _ := p.endingOf()
	return o
}

// endingSince is the moment of the decision that began the ending: what was done for an earlier one does not count.
func (p *Pathway) endingSince() time.Time {
	_, since := p.endingOf()
	return since
}

func (p *Pathway) endingOf() (Outcome, time.Time) { return p.endingAt(farFuture) }

// endingAt is the ending that had begun at a moment, and since when.
func (p *Pathway) endingAt(at time.Time) (Outcome, time.Time) {
	if w := latest(p.Withdrawals, at); w != nil {
		return WithdrawnByClient, w.At
	}
	if e := latest(p.Evaluations, at); e != nil && e.Decision == Decline {
		if p.dosed() > 0 {
			return StoppedAndReferred, e.At
		}
		return DeclinedAndReferred, e.At
	}
	if s := latest(p.Stops, at); s != nil {
		return Outcome(s.As), s.At
	}
	if r := p.stopReview(at); r != nil {
		return StoppedAndReferred, r.At
	}
	if i := p.closing(); i != nil && !i.At.After(at) {
		return Completed, i.At
	}
	return "", time.Time{}
}

// endingWhy says in a sentence whose decision began the ending, with what the measures said then.
func (p *Pathway) endingWhy() string {
	ending, since := p.endingOf()
	var why string
	switch e, s, r := latest(p.Evaluations, farFuture), latest(p.Stops, farFuture), p.stopReview(farFuture); {
	case ending == "":
		return ""
	case ending == WithdrawnByClient:
		return "the client has withdrawn"
	case e != nil && e.Decision == Decline:
		return "the therapist decided it: " + e.Reason
	case s != nil:
		why = "the therapist decided it: " + s.Reason
	case r != nil:
		why = "the therapist's review decided it: " + r.Reason
	default:
		return fmt.Sprintf("after %d dosing sessions, closing was agreed with the client at %s", p.dosed(), p.closing().Session)
	}
	if said := p.notWorking(since); said != "" {
		why += "; " + said
	}
	return why
}

// stopReview is the therapist's latest review by a moment that says stop; a dosing session given in spite of it does not take it back.
func (p *Pathway) stopReview(at time.Time) *Review {
	for i := len(p.Reviews) - 1; i >= 0; i-- {
		if r := &p.Reviews[i]; r.Role == Therapist && r.Decision == StopReview && !r.At.After(at) {
			return r
		}
	}
	return nil
}

// toldByPerson says whether an ending is one that the client hears of from a person first.
func (o Outcome) toldByPerson() bool { return o == StoppedAndReferred || o == DeclinedAndReferred }

// endingTasks are what an ending still waits for (protocol, section 5).
func (p *Pathway) endingTasks(now time.Time) []Task {
	ending, since := p.endingOf()
	if ending == "" || p.Outcome != "" {
		return nil
	}
	var all []Task
	if ending != Completed && ending != Lapsed && !p.referred(ending, since) {
		t := p.task("referral", since, day, "referral", Therapist, "Record to whom the client is referred, and for what")
		if ending == WithdrawnByClient {
			t.What = "Offer the client a referral, and record it; or send task-done with outcome declined"
		}
		t.With, t.ladder = []Field{{"to", "<to whom>"}, {"purpose", "<for what>"}}, daily
		all = append(all, t)
	}
	if ending.toldByPerson() && !p.spokenWith() {
		t := p.task("conversation", since, day, "task-done", Therapist, "Speak with the client about the decision, or try twice; no mail says it before you have")
		t.With, t.ladder = []Field{{"task", "conversation"}, {"outcome", "reached"}}, daily
		all = append(all, t)
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
	if ending == Completed {
		all = append(all, p.closingTasks(now, since)...)
	}
	return all
}

// closingTasks: completing takes the last measure, and both clinicians where stopping is proposed instead.
func (p *Pathway) closingTasks(now, since time.Time) []Task {
	contested := p.completionContested(now)
	if contested == "" || p.agreed(now, CompleteReview) {
		return nil
	}
	all := p.measureTasks(p.unclosed(now), since, since)
	if len(all) > 0 && now.Before(p.askedUntil()) { // first the client is asked
		return all
	}
	if q := p.reviewBy(Prescriber, now); q != nil && q.Decision == StopReview {
		return append(all, p.stopTask(*q))
	}
	for _, role := range clinicians {
		if r := p.reviewBy(role, now); r != nil && r.Decision == CompleteReview {
			continue
		}
		t := p.task("review/"+string(role), since, day, "review", role, "Decide how this pathway ends: %s. The therapist stops it, or both clinicians record review with complete", contested)
		t.With = []Field{{"decision", "<complete or stop>"}, {"reason", "<why>"}}
		t.ladder = daily
		all = append(all, t)
	}
	return all
}

func (p *Pathway) referred(ending Outcome, since time.Time) bool {
	if slices.ContainsFunc(p.Referrals, func(r Referral) bool { return !r.At.Before(since) }) {
		return true
	}
	return ending == WithdrawnByClient && slices.ContainsFunc(p.TasksDone, func(t TaskDone) bool {
		return t.Task == "referral" && t.Outcome == "declined" && !t.At.Before(since)
	})
}

// spokenWith says whether the client has heard of an ending from a person, where they must.
func (p *Pathway) spokenWith() bool {
	ending, since := p.endingOf()
	return !ending.toldByPerson() || p.done("conversation", since)
}

// mayEnd says whether everything is done that an ending asks for.
func (p *Pathway) mayEnd(now time.Time) bool {
	if p.ending() == "" || len(p.Requests) > 0 {
		return false
	}
	for _, a := range p.Appointments {
		if a.State == Booked {
			return false
		}
	}
	if p.dosed() > 0 && !p.integrated() && !p.integrationDeclined() && p.ending() != Lapsed { // to a lapsed one nobody comes
		return false
	}
	for _, t := range p.holdTasks() { // what is urgent does not end with the pathway before somebody looks after it
		if _, known := p.acknowledged(t); t.Urgent && !known {
			return false
		}
	}
	if len(p.riskTasks(now)) > 0 || slices.ContainsFunc(p.Holds, p.unassessed) || slices.ContainsFunc(p.sessionTasks(now), p.unfinishedWelfare) {
		return false
	}
	return len(p.endingTasks(now)) == 0
}

// unassessed says of a hold whether nobody has assessed the client's risk since it, where that is what it asks for.
func (p *Pathway) unassessed(h HoldInForce) bool {
	return h.inForce() && (h.Cause == Crisis || h.Cause == ItemNine) &&
		!slices.ContainsFunc(p.Risks, func(r RiskAssessment) bool { return !r.At.Before(h.Since) && !r.Heard.Before(h.Known) })
}

// unfinishedWelfare says of a task whether it is a welfare call after which nobody was reached, nor tried often enough.
func (p *Pathway) unfinishedWelfare(t Task) bool {
	return strings.HasPrefix(t.Key, "welfare/") && !p.done(t.Key, t.Since)
}

// owed is something that the client, and nobody else, is waited for.
type owed struct {
	key   string // of the task by which the client is called
	since time.Time
}

// debts are what the client owes: a signature, a measure, an answer after sessions that fell through. Nothing else can lapse.
func (p *Pathway) debts(tasks []Task) []owed {
	var all []owed
	for _, t := range tasks {
		switch {
		case !slices.Contains(t.Who, Client):
		case p.ending() == Completed:
			all = append(all, owed{"closing", t.Since})
		default:
			all = append(all, owed{t.Key, t.Since})
		}
	}
	for _, kind := range []Kind{Preparation, Dosing, Integration} {
		if p.tooOften(kind) && p.booked(kind) == nil {
			all = append(all, owed{"talk/" + string(kind), p.fellThroughLast(kind)})
		}
	}
	return all
}

// lapses is the moment from which a pathway may lapse: what the client owes has been outstanding for 60 days (default), and they
// were called. It is zero where it may not: staff's silence never drops anybody, and nothing lapses before a review date.
func (p *Pathway) lapses(now time.Time, tasks []Task) time.Time {
	if p.deferredUntil(now).After(now) || p.ending() != "" && p.ending() != Completed {
		return time.Time{}
	}
	for _, d := range p.debts(tasks) {
		calls := 0
		for _, t := range p.TasksDone {
			if !t.At.Before(d.since) && (t.Task == d.key || t.Task == "call/ask/"+d.key) && t.Outcome != Acknowledged {
				calls++
			}
		}
		if at := d.since.In(p.zone()).AddDate(0, 0, p.Protocol.Endings.LapseDays); calls >= p.Protocol.Endings.LapseCalls && !now.Before(at) {
			return at
		}
	}
	return time.Time{}
}
