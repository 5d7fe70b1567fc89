package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kap/pathway"
	"kap/records"
)

// What a mail cannot say, a coordinator says by telephone (protocol, "When people hear from us"). Some calls follow for certain from what
// the journal tells; of others the entry that brings one says so.

// call is one that a coordinator owes, by the key under which nudges name it.
type call struct {
	key     string
	session string    // whose time it speaks of: another time, or how it went, makes it pointless
	until   time.Time // it has no point any more, where it is not urgent; zero: never
	urgent  bool
	since   time.Time // from when somebody can call, where that is later
	step    int       // whose acts brought it; 0: a message did
}

// toCall notes a call. Where it is asked for already, it may only become more pressing.
func (a *account) toCall(c call, at time.Time) {
	c.key = "call/" + c.key
	if !c.urgent && !c.until.IsZero() && !c.until.After(at) {
		return
	}
	if of := c.key[:strings.LastIndex(c.key, "/")+1]; strings.HasPrefix(c.key, "call/remind/") { // one stands for an earlier reminder of the session
		a.uncall(func(x call) bool { return strings.HasPrefix(x.key, of) && x.key != c.key })
	}
	switch i := a.asked(c.key); {
	case i < 0:
		a.calls = append(a.calls, c)
	case c.urgent:
		a.calls[i] = c
	}
}

func (a *account) uncall(which func(call) bool) { a.calls = slices.DeleteFunc(a.calls, which) }

// callsAbout takes away the calls about a session, and returns them.
func (a *account) callsAbout(session string) []call {
	var all []call
	a.uncall(func(c call) bool {
		if c.session == session {
			all = append(all, c)
		}
		return c.session == session
	})
	return all
}

// uncallAbout: what was to be said of a session is over, and stays so where a call that was made is declared void.
func (a *account) uncallAbout(session string) {
	a.callsAbout(session)
	for _, f := range a.facts {
		if f.ended != nil && f.ended.session == session {
			f.ended = nil
		}
	}
}

// saidToOwe takes down a call that an entry says it brings.
func (a *account) saidToOwe(l records.ChainedLine, f *pathway.Fact) {
	if f != nil {
		a.toCall(call{key: strings.TrimPrefix(f.Key, "call/"), session: f.Session, until: f.Until, urgent: f.Urgent, step: a.step}, l.At)
	}
}

// called takes down what somebody said of a call: it is over once the client was reached.
func (a *account) called(f *fact) {
	if i := a.asked(f.said.text("task")); i >= 0 && f.ends(a.calls[i].key) {
		c := a.calls[i]
		f.ended, a.calls = &c, slices.Delete(a.calls, i, i+1)
	}
	if f.name == "task-done" {
		a.heardAfterAll(func(key string) bool { return key == f.said.text("task") })
	}
}

// ends says whether somebody was reached by a call.
func (f *fact) ends(task string) bool {
	return f.name == "task-done" && f.said.text("task") == task && f.outcome() == string(pathway.Reached)
}

// asked says which of the calls that are owed has a key, or -1.
func (a *account) asked(key string) int {
	return slices.IndexFunc(a.calls, func(c call) bool { return c.key == key })
}

// recall: a call that was not made after all is owed as before. While its session is recorded, it waits.
func (a *account) recall(c call) {
	switch v := a.visit(c.session); {
	case a.asked(c.key) >= 0:
	case v != nil && v.record != nil:
		v.calls = append(v.calls, c)
	default:
		a.calls = append(a.calls, c)
	}
}

// refusedUnheard: whoever sent what was refused and could not be told has to look at it, one of each name and sender.
func (a *account) refusedUnheard(l records.ChainedLine) {
	key := "refused/" + l.Name
	if l.By != "" {
		key += "/" + l.By
	}
	if !slices.Contains(a.unheard, key) {
		a.unheard = append(a.unheard, key)
	}
}

// heardAfterAll: what was refused unheard was said again, or somebody has seen to it.
func (a *account) heardAfterAll(what func(key string) bool) {
	a.unheard = slices.DeleteFunc(a.unheard, what)
}

// otherTime: a client who asks for another time is called, urgently where they would cancel late; not at night, where the morning is soon
// enough.
func (a *account) otherTime(l records.ChainedLine, f *fact) {
	v := a.visit(f.said.text("session"))
	if f.said.text("answer") != string(pathway.AnotherTimeAnswer) || v == nil {
		return
	}
	c := call{key: fmt.Sprintf("answer/%s/r%d", v.name, v.revision), session: v.name, until: v.start, urgent: v.start.Sub(l.Recorded) < hours(a.rules.Booking.LateHours)}
	if at := a.byDay(l.Recorded, a.rules.Mail.SpreadMinutes); c.urgent && at.After(l.Recorded) {
		c.since = at
	}
	a.toCall(c, l.Recorded)
}

// saidByPhone: to a client who gets no mail, somebody says what one would.
func (a *account) saidByPhone(l records.ChainedLine, f pathway.Fact) {
	if a.allowed && !a.refused {
		return
	}
	near := f.Start.Sub(l.At) < hours(a.rules.Dosing.CheckHoursBefore)
	switch {
	case f.Outcome != "":
		a.toCall(call{key: "letter", step: a.step}, l.At)
	case l.Name == "booked":
		a.toCall(call{key: fmt.Sprintf("booked/%s/r%d", f.Session, f.Revision), session: f.Session, until: f.Start, urgent: near, step: a.step}, l.At)
	case l.Name == "moved" && a.unmailed(f.Session):
		a.toCall(call{key: fmt.Sprintf("moved/%s/r%d", f.Session, f.Revision), session: f.Session, until: f.Start, urgent: near, step: a.step}, l.At)
	case l.Name == "reminder":
		a.toCall(call{key: f.Key, session: f.Session, until: f.Start, step: a.step}, l.At)
	}
}

// unmailed says whether no mail can have been written about a session: the client has wanted none since it was booked.
func (a *account) unmailed(session string) bool {
	v := a.visit(session)
	if v == nil || len(v.past) == 0 || a.allowed {
		return false
	}
	then := false
	for _, m := range a.mails {
		if m.step <= v.past[0].step {
			then = m.allowed
		} else if m.allowed {
			return false
		}
	}
	return !then
}

// calledOff: a client who knows of a session that is cancelled within its last check is called until they are reached. What they did
// themselves they know of.
func (a *account) calledOff(l records.ChainedLine, f pathway.Fact, v *visit) {
	withdrew := slices.ContainsFunc(a.facts, func(f *fact) bool { return f.name == "withdraw" })
	if f.ByClient || withdrew || a.knowsWhy(v) || !l.At.Before(v.start) || !v.mailed && !a.unmailed(v.name) {
		return
	}
	for _, s := range v.past { // whichever time they know of
		if s.start.Sub(l.At) > hours(a.rules.Dosing.CheckHoursBefore) {
			return
		}
	}
	a.toCall(call{key: fmt.Sprintf("cancelled/%s/r%d", v.name, v.revision), session: v.name, urgent: true, step: a.step}, l.At)
}

// knowsWhy says whether an integration does not take place because of what the client did about the dosing session before it.
func (a *account) knowsWhy(integration *visit) bool {
	var before *visit
	for _, v := range a.visits {
		if v.kind == pathway.Dosing && !v.end.After(integration.start) && (before == nil || v.start.After(before.start)) {
			before = v
		}
	}
	if integration.kind != pathway.Integration || before == nil {
		return false
	}
	return before.byClient || slices.Contains([]string{pathway.CancelledLate, pathway.AttendedNotDosed, pathway.NoShow}, before.stateNow())
}

// returned: what a mail that came back had said, while that holds, is said by telephone; and whoever should have looked at once is called.
func (a *account) returned(l records.ChainedLine, f pathway.Fact) {
	c := call{key: f.Key, session: f.Session, step: a.step}
	switch f.Mail {
	case pathway.UrgentMail, pathway.NewsMail:
		c.key, c.urgent = "staff/"+part(f.Key, 1), true
	case pathway.LetterMail:
	case pathway.BookedMail, pathway.MovedMail, pathway.ReminderMail:
		v := a.visit(f.Session)
		if v == nil || !v.standing() || !v.start.After(l.At) || part(f.Key, 2) != fmt.Sprintf("r%d", v.revision) {
			return
		}
		c.until, c.urgent = v.start, f.Mail != pathway.ReminderMail && v.start.Sub(l.At) < hours(a.rules.Dosing.CheckHoursBefore)
	default:
		return
	}
	a.toCall(c, l.At)
}

// arrived takes back the call for a mail that went out after all; but whose session was cancelled is called whatever was mailed.
func (a *account) arrived(f pathway.Fact) {
	a.uncall(func(c call) bool { return c.key == "call/"+f.Key && !(f.Mail == pathway.CancelledMail && c.urgent) })
}

// unanswered: the coordinator is asked to call a client who has not answered mails. What about, the journal did not say once; it is
// certain where kap can have asked for one thing only.
func (a *account) unanswered(l records.ChainedLine) {
	var dosings []*visit
	for _, v := range a.visits {
		if v.kind == pathway.Dosing && v.standing() {
			dosings = append(dosings, v)
		}
	}
	decisions := a.decisions()
	closing := len(decisions) > 0 && a.closed() && !slices.ContainsFunc(decisions, func(d decision) bool { return d.outcome != pathway.Completed })
	switch {
	case closing:
		a.toCall(call{key: "ask/closing", step: a.step}, l.At)
	case len(decisions) > 0:
	case len(dosings) == 0:
		a.toCall(call{key: "ask/consent", step: a.step}, l.At)
	case len(dosings) == 1 && a.consented(farFuture):
		v := dosings[0]
		a.toCall(call{key: fmt.Sprintf("ask/%s/r%d", v.name, v.revision), session: v.name, step: a.step}, l.At)
	}
}

// pointless says whether a client who was asked for something may owe it no more.
func (a *account) pointless(c call, now time.Time) bool {
	about, asked := strings.CutPrefix(c.key, "call/ask/")
	about, _, _ = strings.Cut(about, "/") // a call in place of one of the mails that ask says which
	switch v := a.visit(c.session); {
	case !asked:
		return false
	case about == "consent":
		consent := a.last("consent", now)
		return a.consented(farFuture) || consent != nil && consent.decision() == pathway.Withdrawn || len(a.decisions()) > 0
	case about == "closing":
		dosings := a.dosings()
		complete := slices.ContainsFunc(a.facts, func(f *fact) bool { return f.name == "review" && f.decision() == string(pathway.CompleteReview) })
		if a.outcome != "" || len(dosings) == 0 || complete || !a.closed() || slices.ContainsFunc(a.decisions(), func(d decision) bool { return d.outcome != pathway.Completed }) {
			return true
		}
		return !slices.ContainsFunc(a.scales(), func(scale string) bool {
			m := a.measured(scale, now)
			return m == nil || m.at.Before(dosings[len(dosings)-1].start)
		})
	default:
		return v == nil || !v.standing() || !a.unmeasured(v.start)
	}
}

// owedCalls are the calls that a coordinator certainly owes.
func (a *account) owedCalls(now time.Time) []need {
	var all []need
	for _, c := range a.calls {
		if !c.urgent && !c.until.IsZero() && !c.until.After(now) || a.pointless(c, now) {
			continue
		}
		n := a.urgent(c.key)
		if !c.urgent {
			n.way = atOnce
		}
		n.since, n.step, n.mark = c.since, c.step, n.mark+c.since.String()
		if strings.HasPrefix(c.key, "call/ask/consent") { // another form asks for the signature anew, in a step's acts
			n.step = max(n.step, a.formed)
		}
		all = append(all, n)
	}
	for _, key := range a.unheard {
		all = append(all, need{key: key})
	}
	return all
}
