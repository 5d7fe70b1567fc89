package pathway

import (
	"fmt"
	"slices"
	"time"
)

// entriesAtMost bounds one step, and so what a transaction and Temporal's history have to carry at once.
const entriesAtMost = 50

// missedNotice is how soon a missed integration may be made up for: as soon as the client can be told.
const missedNotice = 4 * time.Hour

const (
	byClient = "the client asked for it"
	tooLate  = "too late"
	noMail   = "the client wants no mail"

	noAddress = "the client's address takes no mail"

	overtakenMail = "what it says no longer holds"
	otherClock    = "the client's clock is another now"

	// unmeasured marks the cancellation of a session for which nothing but the client's measure was missing.
	unmeasured = "unmeasured"
)

// Wake is the next moment at which something changes by itself, and what that is. Its time is zero when only people can
// change anything.
type Wake struct {
	At  time.Time
	Why string
}

// Due says what the practice owes at a moment: the step to take now, or nil, and when to look again. It changes nothing but
// the memory of having been asked.
func (p *Pathway) Due(now time.Time) (*Step, Wake) {
	step, wake, _ := p.due(now)
	return step, wake
}

// due also says what is owed.
func (p *Pathway) due(now time.Time) (*Step, Wake, []Task) {
	now = p.onward(now)
	p.Woken = now
	if len(p.Pending) > entriesAtMost { // after a long absence of the records: first what was said, in parts
		return p.step(now, slices.Clone(p.Pending[:entriesAtMost]), nil), Wake{At: now}, nil
	}
	tasks := p.Tasks(now)
	acts := p.acts(now, tasks)
	if len(acts) == 0 && len(p.Pending) == 0 {
		acts = p.caughtUp()
	}
	if len(acts) == 0 && len(p.Pending) == 0 {
		next := p.nextChange(now, tasks)
		p.Looks = p.looks(now, next)
		if p.Looks.IsZero() || p.Looks.After(now) {
			return nil, p.nextWake(now, next, nil), tasks
		}
	}
	return p.step(now, slices.Clone(p.Pending), acts), Wake{At: now}, tasks
}

func (p *Pathway) step(now time.Time, entries []Entry, acts []Act) *Step {
	return &Step{Pathway: p.Code, Number: p.Steps + 1, Previous: p.Last, At: now, Entries: entries, Acts: acts,
		Mailing: Contact{MailPermission: p.Mailable(), Zone: p.Contact.Zone}}
}

// onward keeps time from going back: a run that was reset on a clock that had been moved may look before what is written.
func (p *Pathway) onward(now time.Time) time.Time {
	if now = now.UTC(); now.Before(p.Woken) {
		return p.Woken
	}
	return now
}

// acts come in an order that matters: what must not happen is taken back before anything new is done.
func (p *Pathway) acts(now time.Time, tasks []Task) []Act {
	if p.MailNews {
		return []Act{p.hear()}
	}
	acts := p.withdrawals(now)
	for _, a := range p.Appointments {
		if a.Filed != a.State {
			acts = append(acts, Act{Do: FileDeed, Key: fmt.Sprintf("file/%s/%s", a.Name, a.State), Session: a.Name, State: a.State})
		}
	}
	if p.Outcome != "" {
		return append(acts, p.dueNudges(now, tasks)...)
	}
	if cancels := p.cancellations(now); len(cancels) > 0 {
		for _, c := range cancels {
			if a := p.appointment(c.Session); c.Known.Start.IsZero() && a != nil {
				acts = withEach(acts, p.unheard(*a))
			}
		}
		return append(acts, cancels...)
	}
	if act, ok := p.calendarAct(now); ok {
		acts = append(acts, act)
	}
	acts = append(acts, p.dueReminders(now)...)
	acts = append(acts, p.dueAsks(now, tasks)...)
	acts = append(acts, p.dueNudges(now, tasks)...)
	if p.mayEnd(now) {
		acts = append(acts, Act{Do: EndDeed, Key: "letter", Outcome: p.ending(), Reason: p.endingWhy()})
	}
	return acts
}

// calendarAct is the one thing to ask of the calendar now: a step asks for one at a time, so that each sees what the one
// before it took.
func (p *Pathway) calendarAct(now time.Time) (Act, bool) {
	if p.brings(now) != nil {
		return p.bringAct(now), true
	}
	for _, r := range p.Requests {
		var act Act
		switch {
		case r.Do == CancelDeed:
			continue
		case r.Do == MoveDeed:
			act = p.moveAct(r)
		case r.Kind == Integration && p.unfollowed() == nil:
			act = Act{Do: BookDeed, Kind: r.Kind, Request: r.ID, Refuse: "every dosing session has its integration"}
		default:
			act = p.bookingAct(r.Kind, r, now)
		}
		if act.Refuse == "" {
			act.Refuse = p.overtakenRequest(act, r, now)
		}
		return act, true
	}
	if kind := p.wanted(now); kind != "" {
		return p.bookingAct(kind, Request{}, now), true
	}
	return Act{}, false
}

// overtakenRequest says why a wish that was taken earlier can no longer be granted: what people said since counts.
func (p *Pathway) overtakenRequest(act Act, r Request, now time.Time) string {
	start := act.Window.Earliest
	a := p.appointment(r.Session)
	switch {
	case r.Do == MoveDeed && (a == nil || a.State != Booked):
		return "it is not booked any more"
	case !act.Window.Latest.After(now):
		return "that time has passed"
	case p.ending() != "" && r.Kind != Integration:
		return "the pathway is ending"
	case r.Kind == Dosing && len(p.bookable(start, now)) > 0:
		return sentences(p.bookable(start, now))
	case r.Kind == Preparation && r.Do == BookDeed && !p.screened(now):
		return p.unscreened(now)
	}
	return ""
}

// withEach adds the acts under keys that are not among them yet.
func withEach(acts, more []Act) []Act {
	for _, m := range more {
		if !slices.ContainsFunc(acts, func(a Act) bool { return a.Key == m.Key }) {
			acts = append(acts, m)
		}
	}
	return acts
}

func (p *Pathway) withdrawals(now time.Time) []Act {
	var acts []Act
	for _, m := range p.Outbox {
		switch {
		case m.Again.After(now):
		case m.GivenUp:
			acts = append(acts, withdrawal(m, "it was not delivered"))
		case m.Staff == "" && !p.MailPermission:
			acts = append(acts, withdrawal(m, noMail))
		case m.Staff == "" && !p.Mailable():
			acts = append(acts, withdrawal(m, noAddress))
		case p.stale(m):
			acts = append(acts, withdrawal(m, overtakenMail))
		case !m.Until.IsZero() && !m.Until.After(now):
			acts = append(acts, withdrawal(m, tooLate))
		case p.elsewhere(m):
			acts = append(acts, withdrawal(m, otherClock))
		case !m.Doubt.IsZero() && !m.doubtEnds().After(now):
			acts = append(acts, m.resolve())
		}
	}
	return acts
}

// cancellations: at somebody's wish; a dosing session found blocked within 48 hours; an integration whose dosing session does
// not take place; preparation beyond what suffices; and at an ending, once the client has been spoken with.
func (p *Pathway) cancellations(now time.Time) []Act {
	var acts []Act
	cancel := func(a Appointment, state SessionState, reason, request string) {
		key := fmt.Sprintf("cancel/%s/r%d", a.Name, a.Revision)
		if !slices.ContainsFunc(acts, func(act Act) bool { return act.Key == key }) {
			acts = append(acts, Act{Do: CancelDeed, Key: key, Session: a.Name, State: state, Reason: reason, Request: request, Known: p.known(a)})
		}
	}
	onlyMeasure := func(blocked []Blocker) bool { return len(blocked) == 1 && blocked[0].Code == "measure" }
	for _, r := range p.Requests {
		a := p.appointment(r.Session)
		if r.Do != CancelDeed || a == nil || a.State != Booked {
			continue
		}
		reason, state := "the practice asked for it", SessionState(Cancelled)
		if r.ByClient {
			reason = byClient
			if a.Start.Sub(now) < hours(p.Protocol.Booking.LateHours) {
				state = CancelledLate
			}
		}
		cancel(*a, state, reason, r.ID)
	}
	for _, a := range p.Appointments {
		if a.State != Booked || !now.Before(a.Start) && (a.Kind != Integration || p.followedBy(a) != nil) {
			continue
		}
		switch {
		case a.Therapist != p.CareTeam.Therapist:
			cancel(a, Cancelled, "the care team has changed", "")
		case a.Kind == Dosing && a.Start.Sub(now) <= hours(p.Protocol.Dosing.CheckHoursBefore):
			if blocked := p.blockers(a.Start); len(blocked) > 0 {
				cancel(a, Cancelled, "it is blocked: "+sentences(blocked), "")
				if i := len(acts) - 1; onlyMeasure(blocked) && acts[i].Session == a.Name {
					acts[i].Rule = unmeasured
				}
			}
		case a.Kind == Integration && p.followedBy(a) == nil:
			cancel(a, Cancelled, "the session before it does not take place", "")
		case a.Kind == Preparation && p.prepared():
			cancel(a, Cancelled, "preparation is complete without it", "")
		}
		before := p.followedBy(a) // one that has begun and is not recorded may have been given
		owed := a.Kind == Integration && before != nil && (before.dosed() || !now.Before(before.Start))
		if p.ending() != "" && p.spokenWith() && !owed {
			cancel(a, Cancelled, "the pathway is ending", "")
		}
	}
	return acts
}

// wanted says which session the practice itself books now, if any.
func (p *Pathway) wanted(now time.Time) Kind {
	ending := p.ending()
	for _, kind := range []Kind{Integration, Preparation, Dosing} {
		if ending == Lapsed || ending != "" && (kind != Integration || p.unfollowed() == nil || !p.unfollowed().dosed()) {
			continue // an ending leaves nothing to book but the integration that is owed
		}
		if !p.wants(kind, now) || p.tooOften(kind) {
			continue
		}
		if slices.ContainsFunc(p.Requests, func(r Request) bool { return r.Kind == kind }) {
			continue
		}
		if slices.ContainsFunc(p.Unplaced, func(u Unplaced) bool { return u.Kind == kind && u.Again.After(now) }) {
			continue
		}
		return kind
	}
	return ""
}

func (p *Pathway) wants(kind Kind, now time.Time) bool {
	switch kind {
	case Integration:
		return p.unfollowed() != nil && !p.integrationDeclined()
	case Preparation:
		return p.preparationWanted() && p.ending() == "" && p.screened(now)
	}
	return p.dosingWanted() && p.booked(Dosing) == nil && len(p.bookable(p.dosingFrom(now), now)) == 0
}

// brings is the integration that kap itself moves now, to within its hours, or nil.
func (p *Pathway) brings(now time.Time) *Appointment {
	a, dosing := p.strayed(now)
	if a == nil || p.ending() == Lapsed || slices.ContainsFunc(p.Requests, func(r Request) bool { return r.Kind == Integration || r.Session == a.Name }) ||
		slices.ContainsFunc(p.Unplaced, func(u Unplaced) bool { // looked for since it strayed
			return u.Kind == Integration && u.Again.After(now) && !u.Again.AddDate(0, 0, -1).Before(dosing.Over)
		}) {
		return nil
	}
	return a
}

// bringAct moves an integration that has strayed as one is booked that was missed: as soon as the client can be told, within its hours
// where they are not over.
func (p *Pathway) bringAct(now time.Time) Act {
	a, dosing := p.strayed(now)
	act := p.moveAct(Request{Do: MoveDeed, Kind: Integration, Session: a.Name})
	from, until := p.integrationFrom(dosing, now), dosing.End.Add(hours(p.Protocol.Integration.HoursAfterAtMost))
	if until.Before(from) {
		until = a.Start.Add(-time.Minute) // sooner than it stands
	}
	act.Window.Earliest, act.Window.Latest = from, until
	return act
}

// integrationFrom is when the integration after a dosing session begins at the earliest, given that the client has to be told.
func (p *Pathway) integrationFrom(dosing *Appointment, now time.Time) time.Time {
	return later(dosing.End.Add(hours(p.Protocol.Integration.HoursAfterAtLeast)), now.Add(missedNotice))
}

// integrationDeclined says whether the client, as the pathway ends, has declined the integration after the last dosing session.
func (p *Pathway) integrationDeclined() bool {
	last := p.lastDosed()
	if p.ending() == "" || last == nil {
		return false
	}
	tries := 0 // after sessions that fell through again and again, nobody could be asked
	for _, t := range p.TasksDone {
		if t.Task == "talk/"+string(Integration) && t.Outcome == Tried && t.At.After(last.End) {
			tries++
		}
	}
	return tries >= p.Protocol.Endings.Tries || slices.ContainsFunc(p.Appointments, func(a Appointment) bool {
		return a.Kind == Integration && a.ByClient && !a.Start.Before(last.End) && !a.Over.Before(p.endingSince())
	})
}

// preparationWanted says whether a preparation session is neither held nor booked.
func (p *Pathway) preparationWanted() bool {
	n := 0
	for _, a := range p.Appointments {
		if a.Kind == Preparation && (a.State == Held || a.State == Booked) {
			n++
		}
	}
	return !p.prepared() && n < p.Protocol.Preparation.Sessions
}

// dosingWanted says whether another dosing session is what comes next, blocked or not.
func (p *Pathway) dosingWanted() bool {
	if p.ending() != "" || !p.prepared() || p.dosed() >= p.Protocol.Dosing.AtMost {
		return false
	}
	if p.dosed() == 0 {
		return true
	}
	last := p.lastIntegration()
	return last != nil && last.Next == AnotherNext && isTrue(last.ClientAgrees)
}

// tooOften says whether a session fell through so often in a row that the therapist talks with the client first.
func (p *Pathway) tooOften(kind Kind) bool {
	return p.fellThrough(kind) > p.Protocol.Booking.RebookingsInARow || kind == Dosing && p.unwilling() != nil
}

// unwilling is the last dosing session, where the client came to it and was not willing that day, until somebody has talked with them.
func (p *Pathway) unwilling() *Appointment {
	var last *Appointment
	for i := range p.Appointments {
		if a := &p.Appointments[i]; a.Kind == Dosing && a.Record != nil && (last == nil || a.Start.After(last.Start)) {
			last = a
		}
	}
	if last == nil || last.State != AttendedNotDosed || last.Record.ClientStillWilling == nil || *last.Record.ClientStillWilling || p.talkedSince(last.Start) {
		return nil
	}
	return last
}

// fellThrough counts a session's no-shows and late cancellations since it was last held or talked about.
func (p *Pathway) fellThrough(kind Kind) int {
	n := 0
	for i := range p.Appointments {
		a := &p.Appointments[i]
		if a.Kind != kind {
			continue
		}
		switch {
		case a.State == Held || a.State == CutShort || a.State == AttendedNotDosed:
			n = 0
		case a.fellThrough() && !p.talkedSince(earliest(a.Start, a.Over)):
			n++
		}
	}
	return n
}

// dosingFrom is where the search for the next dosing session begins: as far from the last as the protocol aims for.
func (p *Pathway) dosingFrom(now time.Time) time.Time {
	from := now.Add(hours(p.Protocol.Booking.NoticeHours))
	for _, a := range p.Appointments {
		if a.Kind == Preparation && a.State == Held && p.dosed() == 0 {
			if t := a.Start.In(p.zone()).AddDate(0, 0, p.Protocol.Preparation.DaysBeforeAtLeast); t.After(from) {
				from = t
			}
		}
	}
	if ask := p.Protocol.Questionnaire.DaysBefore; len(p.unmeasured(from)) > 0 { // leave time for the last time that the client is asked
		if t := now.AddDate(0, 0, ask[len(ask)-1]); t.After(from) {
			from = t
		}
	}
	if last := p.lastDosed(); last != nil {
		if aim := onDay(last.Start.In(p.zone()).AddDate(0, 0, p.Protocol.Dosing.DaysApartAim), 0); aim.After(from) {
			from = aim
		}
	}
	return from
}

// nextDosing is when the next dosing session begins: as booked, or else at the earliest.
func (p *Pathway) nextDosing(now time.Time) time.Time {
	if booked := p.booked(Dosing); booked != nil {
		return booked.Start
	}
	return p.dosingFrom(now)
}

// dosingUntil is the latest start that what is on file covers.
func (p *Pathway) dosingUntil(until time.Time) time.Time {
	if c := latest(p.Clearances, farFuture); c != nil {
		if t := p.clearanceUntil(*c).Add(-time.Second); t.Before(until) {
			until = t
		}
	}
	if s := latest(p.SafetyPlans, farFuture); s != nil {
		if t := p.planUntil(*s).Add(-time.Second); t.Before(until) {
			until = t
		}
	}
	return until
}

func (p *Pathway) bookingAct(kind Kind, r Request, now time.Time) Act {
	number, from := 1, now.Add(hours(p.Protocol.Booking.NoticeHours))
	switch kind {
	case Preparation:
		for slices.ContainsFunc(p.Appointments, func(a Appointment) bool {
			return a.Kind == Preparation && a.Number == number && (a.State == Held || a.State == Booked)
		}) {
			number++
		}
		for _, a := range p.Appointments {
			if a.Kind == Preparation && (a.State == Held || a.State == Booked) {
				if t := onDay(a.Start.In(p.zone()).AddDate(0, 0, p.Protocol.Preparation.DaysApartAtLeast), 0); t.After(from) {
					from = t
				}
			}
		}
	case Dosing:
		number, from = p.dosed()+1, p.dosingFrom(now)
	case Integration:
		dosing := p.unfollowed()
		number, from = dosing.Number, p.integrationFrom(dosing, now)
	}
	until := from.AddDate(0, 0, p.Protocol.Booking.WindowDays)
	if kind == Integration {
		if t := p.unfollowed().End.Add(hours(p.Protocol.Integration.HoursAfterAtMost)); t.After(from) {
			until = t
		}
		if next := p.booked(Dosing); next != nil && next.Start.After(p.unfollowed().End) && next.Start.After(now) && until.After(next.Start.Add(-p.minutes(kind))) {
			until = next.Start.Add(-p.minutes(kind)) // it comes before the next dosing session, or not at all
		}
	}
	act := Act{Do: BookDeed, Session: p.nameFor(kind, number), Kind: kind, Number: number, Request: r.ID, Staff: p.CareTeam.Therapist, Online: r.Online}
	if kind == Dosing {
		until = p.dosingUntil(until)
		follow := p.Protocol.follow()
		act.Follow, act.Paired = &follow, p.nameFor(Integration, number)
	}
	act.Window = Window{Earliest: from, Latest: until, Minutes: int(p.minutes(kind) / time.Minute), GridMinutes: p.Protocol.Booking.GridMinutes}
	if !r.Start.IsZero() {
		act.Window.Earliest, act.Window.Latest = r.Start, r.Start
	}
	act.Key, act.After = "book/"+act.Session, p.lastEnd(kind)
	return act
}

// lastEnd is the end of the last dosing session, for placing an integration; zero for any other session.
func (p *Pathway) lastEnd(kind Kind) time.Time {
	if last := p.lastDosed(); kind == Integration && last != nil {
		return last.End
	}
	return time.Time{}
}

func (p Protocol) follow() FollowWindow {
	i := p.Integration
	return FollowWindow{HoursAtLeast: i.HoursAfterAtLeast, HoursAtMost: i.HoursAfterAtMost, Minutes: i.Minutes, GridMinutes: p.Booking.GridMinutes}
}

func (p *Pathway) moveAct(r Request) Act {
	act := Act{Do: MoveDeed, Session: r.Session, Request: r.ID, Kind: r.Kind,
		Window: Window{Earliest: r.Start, Latest: r.Start, Minutes: int(p.minutes(r.Kind) / time.Minute), GridMinutes: p.Protocol.Booking.GridMinutes}}
	if a := p.appointment(r.Session); a != nil {
		act.Key = fmt.Sprintf("move/%s/r%d", a.Name, a.Revision+1)
		act.Number, act.Known, act.After = a.Number, p.known(*a), p.lastEnd(a.Kind)
		for _, i := range p.Appointments {
			if a.Kind == Dosing && i.Kind == Integration && i.Number == a.Number && i.State == Booked && !i.Start.Before(a.End) {
				follow := p.Protocol.follow()
				act.Follow, act.Paired, act.Keep, act.Follows = &follow, i.Name, i.Start, p.known(i)
			}
		}
	}
	return act
}

func (p *Pathway) dueReminders(now time.Time) []Act {
	var acts []Act
	for _, a := range p.Appointments {
		if slices.ContainsFunc(p.Requests, func(r Request) bool { return r.Session == a.Name }) {
			continue // it is about to be moved
		}
		for _, r := range p.reminders(a) {
			if r.moment.After(now) {
				continue
			}
			act := Act{Do: RemindDeed, Key: reminderKey(a, r.rule.Name), Session: a.Name, Rule: r.rule.Name, Until: r.end}
			if !r.end.After(now) {
				act.Do, act.Reason = ReportDeed, tooLate
			}
			acts = append(acts, act)
		}
	}
	return acts
}

// Finished says whether nothing at all is left to do, so that the workflow may complete.
func (p *Pathway) Finished(now time.Time) bool {
	step, _, tasks := p.due(now)
	return p.Outcome != "" && step == nil && len(p.Outbox) == 0 && len(tasks) == 0 && !now.Before(p.closes())
}

// closes is when an ended pathway takes nothing more.
func (p *Pathway) closes() time.Time {
	return p.Ended.In(p.zone()).AddDate(0, 0, p.Protocol.Endings.OpenDays)
}

// NextWake is the next moment at which something changes by itself, but for the mails that are under way: whoever delivers them
// comes back by [Pathway.LeavesBy].
func (p *Pathway) NextWake(now time.Time, underWay map[string]bool) Wake {
	now = p.onward(now)
	return p.nextWake(now, p.nextChange(now, p.Tasks(now)), underWay)
}

// LooksAgain is when, as of the last written step, something changes by itself next, mails left aside, which go out without a step;
// zero where nothing does. The records say until then what is owed, and that this pathway sleeps; so it writes a step then, with or
// without an act.
func (p *Pathway) LooksAgain() time.Time {
	if p.Looks.IsZero() && p.Steps > 0 {
		return p.nextChange(p.Settled, p.Tasks(p.Settled)).At
	}
	return p.Looks
}

// looks is LooksAgain, given when something changes next as seen from now: at the moment of the last step that is the same.
func (p *Pathway) looks(now time.Time, next Wake) time.Time {
	if p.Looks.IsZero() && now.Equal(p.Settled) {
		return next.At
	}
	return p.LooksAgain()
}

// nextWake is the next moment at which a pathway looks again by itself, given when something else than a mail changes.
func (p *Pathway) nextWake(now time.Time, next Wake, underWay map[string]bool) Wake {
	at := next.sooner(now)
	at(p.looks(now, next), "the records are brought up to date")
	for _, m := range p.Outbox {
		if underWay[m.Key] {
			continue
		}
		at(p.leaves(m, now), "mail hours begin")
		at(m.Until, "a mail is too late")
		at(m.Again, "a mail was on its way")
		at(m.doubtEnds(), "nobody knows whether a mail went out")
	}
	return next
}

// sooner makes a wake the earliest of the moments to come that it is told.
func (w *Wake) sooner(now time.Time) func(t time.Time, why string, args ...any) {
	return func(t time.Time, why string, args ...any) {
		if t.After(now) && (w.At.IsZero() || t.Before(w.At)) {
			*w = Wake{t, fmt.Sprintf(why, args...)}
		}
	}
}

// nextChange is the next moment at which something changes by itself, mails left aside.
func (p *Pathway) nextChange(now time.Time, tasks []Task) Wake {
	var next Wake
	at := next.sooner(now)
	for _, t := range tasks {
		at(p.byDay(t.Due), "is it done: %s", t.Key)
		at(p.next(t, now).at, "tell whoever owes it: %s", t.Key)
	}
	if p.Outcome != "" {
		at(p.closes(), "nothing more is taken")
		return next
	}
	for _, a := range p.asks(now, tasks) {
		_, moment, _ := p.nextAsk(a, now)
		at(moment, "ask the client: %s", a.about)
	}
	for _, d := range p.debts(tasks) {
		at(d.since.In(p.zone()).AddDate(0, 0, p.Protocol.Endings.LapseDays), "it has waited for long: %s", d.key)
	}
	if p.ending() == Completed {
		at(p.askedUntil(), "the last measure is missing")
	}
	for _, f := range p.Forms {
		day, _ := f.InForce.in(p.zone())
		at(day, "a newer consent form is in force")
	}
	for _, a := range p.Appointments {
		for _, r := range p.reminders(a) {
			at(r.moment, "%s reminder, %s", r.rule.Name, a.Name)
		}
		if a.State == Booked {
			if a.Kind == Dosing {
				at(before(a.Start.In(p.zone()), p.Protocol.Questionnaire.DaysBefore[0]*24), "a measure is asked for, %s", a.Name)
				at(a.Start.Add(-hours(p.Protocol.Dosing.CheckHoursBefore)), "%d-hour check, %s", p.Protocol.Dosing.CheckHoursBefore, a.Name)
			}
			at(p.recordFrom(a), "the form for the record of %s", a.Name)
		}
	}
	ahead := -p.Protocol.Clearance.AskAgainDaysBefore
	if c := latest(p.Clearances, now); c != nil {
		at(p.clearanceUntil(*c).AddDate(0, 0, ahead), "the clearance has to be renewed")
		at(p.clearanceUntil(*c), "the clearance is over")
	}
	if s := latest(p.SafetyPlans, now); s != nil {
		at(p.planUntil(*s).AddDate(0, 0, ahead), "the safety plan has to be revised")
		at(p.planUntil(*s), "the safety plan is too old")
	}
	if e := latest(p.Evaluations, now); e != nil {
		if day, ok := e.ReviewOn.in(p.zone()); ok {
			at(day, "review of the deferral")
		}
	}
	for _, u := range p.Unplaced {
		at(u.Again, "look for a %s session again", u.Kind)
	}
	for _, c := range p.Calls {
		at(c.Until, "a call has lost its point")
	}
	return next
}
