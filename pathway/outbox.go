package pathway

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// MailKind is what a mail is about.
type MailKind string

// The mails to a client.
const (
	BookedMail        MailKind = "booked"
	MovedMail         MailKind = "moved"
	CancelledMail     MailKind = "cancelled"
	ReminderMail      MailKind = "reminder"
	ConsentMail       MailKind = "consent-due"       // a form waits for a signature
	QuestionnaireMail MailKind = "questionnaire-due" // a form is to be filled in before the appointment at Start, if any
	LetterMail        MailKind = "letter-ready"
)

// The mails to staff. They name the pathway by its code and say nothing about the client.
const (
	NudgeMail  MailKind = "staff-nudge"  // something waits for you
	DigestMail MailKind = "staff-digest" // the same, once a day: all pathways of one person go out as one mail
	UrgentMail MailKind = "staff-urgent" // look now
	NewsMail   MailKind = "staff-news"   // there is something to know, and nothing to do
)

// OnCall stands for whoever holds the on-call number, in place of a staff id.
const OnCall = "on-call"

// MailStatus is where a mail is.
type MailStatus string

// The states of a mail. Unknown means that it may or may not have gone out: see inDoubt.
const (
	PendingMail   MailStatus = "pending"
	ClaimedMail   MailStatus = "claimed"
	SentMail      MailStatus = "sent"
	UnknownMail   MailStatus = "unknown"
	RejectedMail  MailStatus = "rejected"
	WithdrawnMail MailStatus = "withdrawn"
)

// Mail is one mail, without anything that names its reader: who they are and where they read is looked up when it is sent.
type Mail struct {
	Key      string    `json:"key"`
	Kind     MailKind  `json:"kind"`
	Staff    string    `json:"staff,omitempty"` // the staff id of its reader; none: it is for the client
	Since    time.Time `json:"since,omitzero"`  // since when staff are waited for
	Zone     string    `json:"zone,omitempty"`  // the client's, when it was written
	Session  string    `json:"session,omitempty"`
	Revision int       `json:"revision,omitempty"`
	Start    time.Time `json:"start,omitzero"`
	End      time.Time `json:"end,omitzero"`
	Was      time.Time `json:"was,omitzero"`
	Lead     string    `json:"lead,omitempty"`
	Sheet    bool      `json:"sheet,omitempty"`
	Online   bool      `json:"online,omitempty"` // the session is not at the practice
	Crisis   string    `json:"crisis,omitempty"`
	From     time.Time `json:"from,omitzero"`      // not before: the hours of mail
	Until    time.Time `json:"until,omitzero"`     // after this it is too late; zero: never
	AnyHour  bool      `json:"any_hour,omitempty"` // it goes out at night, too
	GivenUp  bool      `json:"given_up,omitempty"` // it did not go out, or nobody knows whether it did
	Again    time.Time `json:"again,omitzero"`     // it was being sent when it was to be taken back: look again then
	Doubt    time.Time `json:"doubt,omitzero"`     // since when nobody knows whether it went out
	Resent   bool      `json:"resent,omitempty"`   // it was in doubt, and is sent once more
}

// write puts a mail into the outbox, or asks a coordinator to telephone where none goes to the client: then it says for what.
func (p *Pathway) write(s Step, m Mail) *Fact {
	at := s.At
	m.Zone, m.GivenUp = s.Mailing.Zone, !p.CatchingUp.IsZero() // it may have gone out before the restore
	if !s.Mailing.MailPermission {                             // or their address takes none
		return p.callUnsent(at, m, p.spoken(m), p.near(m, at))
	}
	expected := m.Start // by the client
	if m.Kind == MovedMail && m.Was.Before(m.Start) {
		expected = m.Was
	}
	soon := (m.Kind == CancelledMail || m.Kind == MovedMail) && expected.Sub(at) <= hours(p.Protocol.Dosing.CheckHoursBefore)
	opening := p.opening(m.Zone, at)
	m.AnyHour = m.AnyHour || soon || m.Kind == BookedMail && !opening.Before(m.Until)
	if opening.After(at) && !m.AnyHour {
		m.From = opening
	}
	p.Outbox = append(p.Outbox, m)
	return nil
}

// near says whether a mail tells of a session that is booked or moved to within the next 48 hours (default), so that nobody can wait
// with telling it.
func (p *Pathway) near(m Mail, at time.Time) bool {
	return (m.Kind == BookedMail || m.Kind == MovedMail) && m.Start.Sub(at) < hours(p.Protocol.Dosing.CheckHoursBefore)
}

// spoken is what a mail says, for a telephone call instead.
func (p *Pathway) spoken(m Mail) string {
	when := p.clockTime(m.Start)
	switch m.Kind {
	case BookedMail:
		return fmt.Sprintf("%s is booked for %s", m.Session, when)
	case MovedMail:
		return fmt.Sprintf("%s is moved from %s to %s", m.Session, p.clockTime(m.Was), when)
	case CancelledMail:
		return fmt.Sprintf("%s on %s will not take place", m.Session, when)
	case ReminderMail:
		return fmt.Sprintf("remind them of %s on %s", m.Session, when)
	}
	switch m.Kind {
	case ConsentMail:
		return "a form waits for their signature"
	case QuestionnaireMail:
		return "a form is to be filled in"
	}
	return "a letter is ready at the practice"
}

// Sendable lists the mails that may go out at a moment.
func (p *Pathway) Sendable(now time.Time) []Mail {
	var all []Mail
	for _, m := range p.Outbox {
		if !p.leaves(m, now).After(now) && (m.Until.IsZero() || m.Until.After(now)) && !p.stale(m) && !p.elsewhere(m) && !m.GivenUp && m.Again.IsZero() && m.Doubt.IsZero() {
			all = append(all, m)
		}
	}
	return all
}

// Keys are those of mails.
func Keys(mails []Mail) []string {
	all := make([]string, len(mails))
	for i, m := range mails {
		all[i] = m.Key
	}
	return all
}

// leaves is when a mail may go out at the earliest: whatever kept it, a client's mail does not go out at night.
func (p *Pathway) leaves(m Mail, now time.Time) time.Time {
	if m.Staff != "" || m.AnyHour || m.From.After(now) {
		return m.From
	}
	return p.opening(m.Zone, now)
}

// LeavesBy is when a delivery that has not succeeded is broken off, to be taken up again when mail may go out next, or not at
// all; zero where it may go on.
func (p *Pathway) LeavesBy(m Mail, now time.Time) time.Time {
	if m.Staff != "" || m.AnyHour {
		return m.Until
	}
	until, _ := clock("mail.until", p.Protocol.Mail.Until)
	closing := onDay(now.In(mustZone(m.Zone)), until).UTC()
	if !m.Until.IsZero() && m.Until.Before(closing) {
		return m.Until
	}
	return closing
}

// opening is a moment itself within the hours of mail in a zone, and else when they begin next, spread over their first minutes.
func (p *Pathway) opening(zone string, at time.Time) time.Time {
	from, _ := clock("mail.from", p.Protocol.Mail.From)
	until, _ := clock("mail.until", p.Protocol.Mail.Until)
	local := at.In(mustZone(zone))
	switch {
	case local.Before(onDay(local, from)):
		return onDay(local, from).Add(p.spread()).UTC()
	case !local.Before(onDay(local, until)):
		return onDay(local.AddDate(0, 0, 1), from).Add(p.spread()).UTC()
	}
	return at
}

// Call is something that a coordinator says by telephone.
type Call struct {
	Key     string    `json:"key"`
	Session string    `json:"session,omitempty"`
	Why     string    `json:"why"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"` // after this it has no point
	Urgent  bool      `json:"urgent,omitempty"`
	Staff   bool      `json:"staff,omitempty"`  // it is a member of staff who is called
	Unsent  bool      `json:"unsent,omitempty"` // it stands for a mail that says when a session is, and that surely did not go out
	Over    bool      `json:"over,omitempty"`   // it was made, and its session has another time since, or none
}

// spokenUntil is until when a person can say what a mail did not; zero: for good. A reminder that came too late as a mail can still be
// spoken until the session begins.
func (m Mail) spokenUntil() time.Time {
	if m.Kind == ReminderMail {
		return m.Start
	}
	return m.Until
}

// call asks for one, and says for which; it is nil where it would have no point.
func (p *Pathway) call(at time.Time, key, session, why string, until time.Time, urgent bool) *Fact {
	if !until.IsZero() && !until.After(at) && !urgent {
		return nil
	}
	call := Call{Key: "call/" + key, Session: session, Why: why, Since: at, Until: until, Urgent: urgent}
	if lead := strings.LastIndex(call.Key, "/"); strings.HasPrefix(key, "remind/") { // one call stands for an earlier reminder of the session, too
		p.Calls = slices.DeleteFunc(p.Calls, func(c Call) bool { return strings.HasPrefix(c.Key, call.Key[:lead+1]) && c.Key != call.Key })
	}
	i := p.owedCall(call.Key)
	switch {
	case i < 0:
		p.Calls = append(p.Calls, call)
	case urgent: // the same thing is more pressing than it was
		p.Calls[i] = call
	default:
		call = p.Calls[i]
	}
	return call.fact()
}

// about takes away the calls about a session, and returns them.
func (p *Pathway) about(session string) []Call {
	var all []Call
	p.Calls = slices.DeleteFunc(p.Calls, func(c Call) bool {
		if c.Session == session {
			all = append(all, c)
		}
		return c.Session == session
	})
	return all
}

// uncall ends the calls about a session that has another time, or none: what they were to say is over. So it is of those that were made.
func (p *Pathway) uncall(session string) {
	p.about(session)
	for _, t := range p.TasksDone {
		if t.Call != nil && t.Call.Session == session {
			t.Call.Over = true
		}
	}
}

// owedCall says which of the calls that are owed has a key, or -1.
func (p *Pathway) owedCall(key string) int {
	return slices.IndexFunc(p.Calls, func(c Call) bool { return c.Key == key })
}

// owe asks for a call again that was not made after all, unless what it was to say is over. While its session is recorded, it waits.
func (p *Pathway) owe(c Call) {
	switch a := p.appointment(c.Session); {
	case c.Over, p.owedCall(c.Key) >= 0:
	case a != nil && a.Record != nil:
		a.Calls = append(a.Calls, c)
	default:
		p.Calls = append(p.Calls, c)
	}
}

// callUnsent asks for a call in place of a mail that surely did not go out.
func (p *Pathway) callUnsent(at time.Time, m Mail, why string, urgent bool) *Fact {
	f := p.call(at, m.Key, m.Session, why, m.spokenUntil(), urgent)
	for i := range p.Calls {
		if c := &p.Calls[i]; c.Key == "call/"+m.Key {
			c.Unsent = m.Kind == BookedMail || m.Kind == MovedMail
		}
	}
	return f
}

// Delivered takes a mail out of the outbox once it is sent.
func (p *Pathway) Delivered(key string) {
	for _, m := range p.Outbox {
		if m.Key == key {
			p.told(m)
		}
	}
	p.TakenBack(key)
}

// TakenBack takes a mail out of the outbox that the records have taken back.
func (p *Pathway) TakenBack(key string) {
	p.Outbox = slices.DeleteFunc(p.Outbox, func(m Mail) bool { return m.Key == key })
}

// Undelivered notes that a mail will not be sent: the next step takes it out of the outbox and asks for a call instead.
func (p *Pathway) Undelivered(key string) {
	for i := range p.Outbox {
		if p.Outbox[i].Key == key {
			p.Outbox[i].GivenUp = true
		}
	}
}

// stale says whether a mail speaks of a time that no longer holds, or asks for what is there by now.
func (p *Pathway) stale(m Mail) bool {
	switch {
	case m.Kind == ConsentMail:
		c := latest(p.Consents, farFuture)
		return p.consentGate(farFuture).Code == "" || c != nil && c.Decision == Withdrawn || p.ending() != ""
	case m.Kind == QuestionnaireMail && m.Session == "":
		return len(p.unclosed(farFuture)) == 0 || p.ending() != Completed || p.agreed(farFuture, CompleteReview)
	case m.Kind == QuestionnaireMail:
		if a := p.appointment(m.Session); a != nil && len(p.unmeasured(a.Start)) == 0 {
			return true
		}
	}
	if m.Session == "" {
		return false
	}
	a := p.appointment(m.Session)
	if m.Kind == CancelledMail {
		return false
	}
	return a == nil || a.Revision != m.Revision || a.State == Cancelled || a.State == CancelledLate
}

// elsewhere says whether a mail was written for another clock than the client has by now: it would tell them that clock's time, and
// wait for its morning.
func (p *Pathway) elsewhere(m Mail) bool {
	return m.Staff == "" && m.Zone != "" && m.Zone != p.Contact.Zone && m.Doubt.IsZero()
}

func reminderKey(a Appointment, rule string) string {
	return fmt.Sprintf("remind/%s/r%d/%s", a.Name, a.Revision, rule)
}

// reminder is one reminder of one appointment: when it goes out, and when it is too late.
type reminder struct {
	rule        ReminderRule
	moment, end time.Time
}

// reminders computes what an appointment still asks for. They are never stored, so none can be stale.
func (p *Pathway) reminders(a Appointment) []reminder {
	var all []reminder
	if a.State != Booked || a.Kind == Dosing && p.ending() != "" {
		return nil
	}
	for _, rule := range p.Protocol.Reminders {
		if slices.Contains(a.Handled, rule.Name) {
			continue
		}
		moment := before(a.Start.In(p.zone()), rule.HoursBefore)
		if !moment.After(a.Since) {
			continue
		}
		late := time.Duration(rule.LateMinutesAtMost) * time.Minute
		if !rule.AnyHour {
			moment = p.mailHour(moment, late)
		}
		if !moment.After(a.Since) { // brought forward to before the booking
			continue
		}
		all = append(all, reminder{rule, moment, moment.Add(late)})
	}
	return all
}

// before counts whole days on the wall clock and anything less in hours.
func before(start time.Time, n int) time.Time {
	if n%24 == 0 {
		return start.AddDate(0, 0, -n/24)
	}
	return start.Add(-hours(n))
}

// mailHour brings a moment into the hours of mail on the client's clock: to the next opening, spread over its first minutes,
// or, where that would be too late, to just before the last closing.
func (p *Pathway) mailHour(moment time.Time, late time.Duration) time.Time {
	local := moment.In(p.clientZone())
	from, _ := clock("mail.from", p.Protocol.Mail.From)
	until, _ := clock("mail.until", p.Protocol.Mail.Until)
	open, close := onDay(local, from), onDay(local, until)
	if !local.Before(open) && local.Before(close) {
		return moment
	}
	if !local.Before(close) {
		open, close = onDay(local.AddDate(0, 0, 1), from), onDay(local, until)
	} else {
		close = onDay(local.AddDate(0, 0, -1), until)
	}
	if opening := open.Add(p.spread()); opening.Sub(moment) <= late {
		return opening
	}
	return close.Add(-time.Minute - p.spread())
}

// spread keeps the mails of many clients from going out in the same second. It is the same for a pathway every time.
func (p *Pathway) spread() time.Duration {
	n := p.Protocol.Mail.SpreadMinutes * 60
	if n == 0 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(p.Code))
	return time.Duration(int(h.Sum32())%n) * time.Second
}

// anyHour says whether a reminder goes out at night, too.
func (p *Pathway) anyHour(rule string) bool {
	return slices.ContainsFunc(p.Protocol.Reminders, func(r ReminderRule) bool { return r.Name == rule && r.AnyHour })
}

func (p *Pathway) sheet(rule string, kind Kind) bool {
	return kind == Dosing && slices.ContainsFunc(p.Protocol.Reminders, func(r ReminderRule) bool { return r.Name == rule && r.Sheet })
}
