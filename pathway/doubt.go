package pathway

import (
	"slices"
	"time"
)

// doubtWait is for how long a client's mail of which nobody knows whether it went out is left alone. The mail service tells of most
// within a minute. It is shorter than the time within which the 2-hour reminder may still go.
const doubtWait = 10 * time.Minute

// inDoubt says, kind by kind, what is done about a mail of which nobody knows whether it went out: how long the mail service has
// to tell, and whether the mail is then sent once more, at the risk that it arrives twice. Where it is not, people are asked.
var inDoubt = map[MailKind]struct {
	wait  time.Duration
	again bool
}{
	ReminderMail: {doubtWait, true}, // says nothing new: a second one harms less than none

	// These tell of a change. Twice, they read like a second change; and whoever calls also hears whether the client can come.
	BookedMail:    {doubtWait, false},
	MovedMail:     {doubtWait, false},
	CancelledMail: {doubtWait, false},

	// These ask for something that waits for days, and are followed by others.
	ConsentMail:       {doubtWait, false},
	QuestionnaireMail: {doubtWait, false},

	LetterMail: {doubtWait, false}, // the one that must not come as a surprise, and not twice

	// Nobody waits with these: a list or a nudge is followed by the next, and what is urgent is said by telephone.
	NudgeMail:  {0, false},
	DigestMail: {0, false},
	UrgentMail: {0, false},
	NewsMail:   {0, false},
}

// Doubted notes that nobody knows whether a mail went out. The mail service may still tell; once the wait for that is over, a step
// settles it as the mail's kind asks for.
func (p *Pathway) Doubted(key string, now time.Time) {
	for i := range p.Outbox {
		if m := &p.Outbox[i]; m.Key == key && m.Doubt.IsZero() {
			m.Doubt = p.onward(now)
		}
	}
}

// doubtful says whether a mail that did not surely go out may have.
func (m Mail) doubtful() bool { return m.GivenUp || !m.Again.IsZero() || !m.Doubt.IsZero() }

// doubtEnds is when a mail in doubt has to be settled; zero where there is none.
func (m Mail) doubtEnds() time.Time {
	if m.Doubt.IsZero() {
		return time.Time{}
	}
	return m.Doubt.Add(inDoubt[m.Kind].wait)
}

// resolve is the act by which a mail in doubt is settled. The records answer what has become known of it meanwhile.
func (m Mail) resolve() Act {
	if inDoubt[m.Kind].again && !m.Resent {
		return Act{Do: ResendDeed, Key: m.Key}
	}
	return withdrawal(m, "it was not delivered")
}

// settleResent lets a mail go out once more, unless the records have learned what became of it.
func (p *Pathway) settleResent(s Step, act Act, a ActAnswer, tell func(*Fact, string, string, ...any)) {
	i := slices.IndexFunc(p.Outbox, func(m Mail) bool { return m.Key == act.Key })
	if i < 0 {
		return
	}
	if a.Mail != PendingMail {
		p.settleWithdrawn(s, act, a, tell)
		return
	}
	p.Outbox[i].Doubt, p.Outbox[i].Resent = time.Time{}, true
	tell(nil, "mail-again", "nobody knows whether a mail went out, and it is sent again: %s", act.Key)
}

// told keeps for when the client expects a session, once a mail has gone out: whatever it is about, it says when that is.
func (p *Pathway) told(m Mail) {
	if a := p.appointment(m.Session); a != nil && m.Kind != CancelledMail {
		a.Told = m.Start
	}
}

// untold says whether a mail in doubt spoke of a time that was changed before anybody doubted it: then what was written of the change
// takes it for one that nobody has read.
func (p *Pathway) untold(m Mail) bool {
	a := p.appointment(m.Session)
	return a != nil && (m.Doubt.IsZero() || !m.Doubt.Before(later(a.Since, a.Over)))
}
