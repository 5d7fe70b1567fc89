package pathway

import (
	"fmt"
	"slices"
	"time"
)

// ladder is how often whoever owes a task hears of it. Urgent tasks have one of their own, whatever this says.
type ladder int

const (
	quiet      ladder = iota // staff are not nudged: the client is asked, then called
	whenDue                  // when it is due, then each morning
	gateLadder               // after 2 days, after 5 (default), then each morning, the coordinator too
	daily                    // at once, then each morning
)

// Nudge is the last time that somebody heard of a thing that they are waited for: the last, not all of them.
type Nudge struct {
	About string    `json:"about"`
	Since time.Time `json:"since"` // of the thing: where that is another, the nudges begin anew
	Count int       `json:"count"`
	At    time.Time `json:"at"`
}

// nudged is the last nudge about a thing; its Count is 0 where there was none.
func (p *Pathway) nudged(about string, since time.Time) Nudge {
	for _, n := range p.Nudges {
		if n.About == about && n.Since.Equal(since) {
			return n
		}
	}
	return Nudge{About: about, Since: since}
}

// nudge is when staff hear of a task next, in which mail, and which time that is.
type nudge struct {
	at    time.Time
	kind  MailKind
	count int
	staff []string
}

// next says when whoever owes a task hears of it next; its time is zero for a task that staff do not hear of.
func (p *Pathway) next(t Task, now time.Time) nudge {
	last, rules := p.nudged(t.Key, t.Since), p.Protocol.Nudges
	n := nudge{count: last.Count + 1, kind: NudgeMail, staff: p.owing(t.Who)}
	acked, known := p.acknowledged(t)
	switch {
	case t.Urgent && !known:
		n.kind, n.at = UrgentMail, t.Since
		if last.Count > 0 {
			n.at = last.At.Add(hours(rules.UrgentHours))
		}
		if onCall := t.Since.Add(hours(rules.OnCallHours)); !onCall.After(later(n.at, now)) {
			n.staff = append(n.staff, OnCall)
		}
		return n
	case t.Urgent:
		n.at, n.kind = p.nextMorning(later(acked, last.At)), DigestMail
		return n
	case t.ladder == quiet:
		return nudge{}
	case t.ladder == gateLadder:
		n.count = last.Count
		for _, days := range rules.ClinicianDays[min(last.Count, len(rules.ClinicianDays)):] {
			if at := p.byDay(t.Since.In(p.zone()).AddDate(0, 0, days)); n.count == last.Count || !at.After(now) {
				n.at, n.count = at, n.count+1
			}
		}
		if n.count > last.Count {
			return n
		}
		n.count++
		n.staff = append(n.staff, p.CareTeam.Coordinators...)
	case last.Count == 0 && t.ladder == daily:
		n.at = t.Since
		return n
	case last.Count == 0:
		n.at = p.byDay(t.Due)
		return n
	}
	n.at, n.kind = p.nextMorning(last.At), DigestMail
	return n
}

// byDay is when staff notice what comes up at a moment that is not urgent: at night, in the morning.
func (p *Pathway) byDay(at time.Time) time.Time { return p.opening(p.PracticeZone, at) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// owing names the people behind roles; a client is asked otherwise.
func (p *Pathway) owing(roles []Role) []string {
	var staff []string
	for _, r := range roles {
		switch r {
		case Therapist, Prescriber:
			staff = append(staff, p.CareTeam.id(r))
		case Coordinator:
			staff = append(staff, p.CareTeam.Coordinators...)
		}
	}
	return staff
}

// acknowledged says whether, and when first, somebody said that they look after an urgent task: to say so again puts nothing off.
func (p *Pathway) acknowledged(t Task) (time.Time, bool) {
	for _, d := range p.TasksDone {
		if d.Task == t.Key && d.Outcome == Acknowledged && !d.At.Before(t.Since.Truncate(time.Second)) {
			return d.At, true
		}
	}
	return time.Time{}, false
}

// nextMorning is when the hours of mail begin on the day after, in the practice's zone, spread over their first minutes.
func (p *Pathway) nextMorning(after time.Time) time.Time {
	from, _ := clock("mail.from", p.Protocol.Mail.From)
	return onDay(after.In(p.zone()).AddDate(0, 0, 1), from).Add(p.spread())
}

// dueNudges tell staff what they are waited for: one mail for each person and urgency, whatever it is about.
func (p *Pathway) dueNudges(now time.Time, tasks []Task) []Act {
	acts := p.dueNews()
	for _, t := range tasks {
		n := p.next(t, now)
		if n.at.IsZero() || n.at.After(now) {
			continue
		}
		about := Nudge{About: t.Key, Since: t.Since, Count: n.count}
		for _, staff := range n.staff {
			i := slices.IndexFunc(acts, func(a Act) bool { return a.Staff == staff && a.Mail == n.kind })
			if i < 0 {
				i = len(acts)
				acts = append(acts, Act{Do: NudgeDeed, Key: fmt.Sprintf("%s/%s/%d", n.kind, staff, p.Steps+1), Staff: staff, Mail: n.kind, Since: t.Since})
			}
			if !slices.Contains(acts[i].About, about) {
				acts[i].About = append(acts[i].About, about)
			}
			if t.Since.Before(acts[i].Since) {
				acts[i].Since = t.Since
			}
		}
	}
	return acts
}

// dueNews tell both clinicians, once, that an ending has begun.
func (p *Pathway) dueNews() []Act {
	ending, since := p.endingOf()
	if ending == "" || p.nudged("ending", since).Count > 0 || p.Outcome != "" {
		return nil
	}
	var acts []Act
	for _, staff := range p.owing(clinicians) {
		acts = append(acts, Act{Do: NudgeDeed, Key: fmt.Sprintf("%s/%s/%d", NewsMail, staff, p.Steps+1), Staff: staff, Mail: NewsMail, Since: since,
			About: []Nudge{{About: "ending", Since: since, Count: 1}}})
	}
	return acts
}

// ask is one question to the client that waits for an answer: mails at fixed moments, then a call.
type ask struct {
	about   string
	session *Appointment
	since   time.Time
	mails   []time.Time
	late    time.Duration
	call    time.Time
	again   int    // days after which the coordinator calls again; 0: never
	says    string // the call
	mail    MailKind
}

// asks are what the client is asked for now: the consent, a measure before the next dosing session, and one at closing.
func (p *Pathway) asks(now time.Time, tasks []Task) []ask {
	if p.Outcome != "" {
		return nil
	}
	rules := p.Protocol.Nudges
	stages := func(about string, since time.Time, first bool, says string, mail MailKind) ask {
		a := ask{about: about, since: since, late: hours(rules.ClientLate), call: since.In(p.zone()).AddDate(0, 0, rules.CallDays), again: rules.CallDays, says: says, mail: mail}
		if first {
			a.mails = append(a.mails, p.mailHour(since, a.late))
		}
		for _, n := range rules.ClientDays {
			a.mails = append(a.mails, p.mailHour(since.In(p.zone()).AddDate(0, 0, n), a.late))
		}
		return a
	}
	var all []ask
	for _, t := range tasks {
		if t.Key == consentGate && slices.Contains(t.Who, Client) {
			all = append(all, stages(consentGate, t.Since, false, "the form has not been signed yet", ConsentMail))
		}
	}
	if p.ending() == Completed && len(p.unclosed(now)) > 0 && !p.agreed(now, CompleteReview) {
		all = append(all, stages("closing", p.endingSince(), true, "the last questionnaire has not been filled in yet", QuestionnaireMail))
	}
	q := p.Protocol.Questionnaire
	if a := p.booked(Dosing); a != nil && p.ending() == "" && a.Start.After(now) && !p.deferredUntil(now).After(a.Start) && len(p.unmeasured(a.Start)) > 0 {
		one := ask{about: fmt.Sprintf("%s/r%d", a.Name, a.Revision), session: a, since: a.Since, late: hours(q.LateHoursAtMost), mail: QuestionnaireMail,
			call: later(p.deskHour(a.Start.Add(-hours(q.CallHoursBefore))), a.Since), says: fmt.Sprintf("the questionnaire before %s has not been filled in yet", a.Name)}
		for _, n := range q.DaysBefore {
			one.mails = append(one.mails, p.mailHour(before(a.Start.In(p.zone()), n*24), one.late))
		}
		all = append(all, one)
	}
	return all
}

// nextAsk says what an ask comes to next: the number of the mail, or of the call after the last; and when, and until when.
func (p *Pathway) nextAsk(a ask, now time.Time) (n int, at, until time.Time) {
	for n = p.nudged("ask/"+a.about, a.since).Count; n < len(a.mails); n++ {
		if until := a.mails[n].Add(a.late); a.mails[n].After(a.since) && until.After(now) || a.mails[n].Equal(a.since) {
			return n + 1, a.mails[n], until
		}
	}
	calls := n - len(a.mails)
	if calls > 0 && a.again == 0 {
		return 0, time.Time{}, time.Time{}
	}
	return n + 1, a.call.AddDate(0, 0, calls*a.again), time.Time{}
}

func (p *Pathway) dueAsks(now time.Time, tasks []Task) []Act {
	var acts []Act
	for _, a := range p.asks(now, tasks) {
		n, at, until := p.nextAsk(a, now)
		if at.IsZero() || at.After(now) {
			continue
		}
		act := Act{Do: AskDeed, Key: fmt.Sprintf("ask/%s/%d/%s", a.about, n, a.since.UTC().Format("20060102T150405")), Mail: a.mail, Until: until,
			About: []Nudge{{About: "ask/" + a.about, Since: a.since, Count: n}}}
		if a.session != nil {
			act.Session = a.session.Name
		}
		if n > len(a.mails) {
			act.Do, act.Reason = CallDeed, a.says
		}
		acts = append(acts, act)
	}
	return acts
}

// settleNudge notes that somebody was told, and writes the mail.
func (p *Pathway) settleNudge(s Step, act Act, tell func(*Fact, string, string, ...any)) {
	for _, n := range act.About {
		n.At = s.At
		if i := slices.IndexFunc(p.Nudges, func(old Nudge) bool { return old.About == n.About }); i >= 0 {
			p.Nudges[i] = n
		} else {
			p.Nudges = append(p.Nudges, n)
		}
	}
	switch act.Do {
	case NudgeDeed:
		m := Mail{Key: act.Key, Kind: act.Mail, Staff: act.Staff, Since: act.Since, Until: s.At.Add(day), GivenUp: p.missed(act.About)}
		switch act.Mail {
		case UrgentMail:
		case DigestMail: // all pathways' at one moment, once the last of them is written, so that one mail can hold them
			from, _ := clock("mail.from", p.Protocol.Mail.From)
			m.From = later(p.awake(s.At), onDay(s.At.In(p.zone()), from).Add(time.Duration(p.Protocol.Mail.SpreadMinutes)*time.Minute)).UTC()
		default:
			m.From = p.awake(s.At)
		}
		p.Outbox = append(p.Outbox, m)
		about := "what they are waited for"
		if act.Mail == NewsMail {
			about = "the ending that has begun"
		}
		tell(act.fact(), "nudge", "%s hears of %s (%s)", act.Staff, about, act.Mail)
	case AskDeed:
		m := Mail{Key: act.Key, Kind: act.Mail, Until: act.Until, Crisis: p.Protocol.Crisis.Text}
		if a := p.appointment(act.Session); a != nil {
			m.Session, m.Revision, m.Start, m.End = a.Name, a.Revision, a.Start, a.End
		}
		f := &Fact{Key: act.Key, Mail: act.Mail, Session: act.Session}
		f.Call = p.write(s, m)
		tell(f, "asked", "the client was asked: %s", act.Mail)
	case CallDeed:
		key := act.About[0].About
		tell(&Fact{Call: p.call(s.At, key, act.Session, act.Reason, time.Time{}, false)}, "call", "the coordinator is asked to call: %s", act.Reason)
	}
}

// callingHours are what the front desk has left of a day on which it is asked to call.
const callingHours = 4

// deskHour is a moment at which the front desk can still call: at night it would hear of it only the morning after.
func (p *Pathway) deskHour(at time.Time) time.Time {
	from, _ := clock("mail.from", p.Protocol.Mail.From)
	until, _ := clock("mail.until", p.Protocol.Mail.Until)
	local, day := at.In(p.zone()), at.In(p.zone())
	if local.Before(onDay(local, from)) {
		day = local.AddDate(0, 0, -1)
	}
	if last := onDay(day, until).Add(-hours(callingHours)); last.Before(at) {
		return last
	}
	return at
}

// awake is the next morning where a moment lies outside the practice's hours of mail, or zero.
func (p *Pathway) awake(at time.Time) time.Time {
	if open := p.byDay(at); open.After(at) {
		return open
	}
	return time.Time{}
}
