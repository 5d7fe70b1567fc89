package pathway

import (
	"fmt"
	"slices"
	"time"
)

// ByLink stands for the client who speaks through a link in their mail, in place of a staff id. No staff id can be it: a staff id has
// no dot (see [CheckStaffID]).
const ByLink = "client.link"

// roleOf is what whoever sends a message is on this pathway, or "" for a stranger.
func (p *Pathway) roleOf(by string) Role {
	if by == ByLink {
		return Client
	}
	return p.CareTeam.Role(by)
}

// AnswerKind is what a client answers to the mail about a session.
type AnswerKind string

// The answers. The second may follow the first: plans change, and a client who says so in time is better than one who stays away.
const (
	ComingAnswer      AnswerKind = "coming"
	AnotherTimeAnswer AnswerKind = "another-time"
)

// Options lists what may be written.
func (AnswerKind) Options() []string {
	return []string{string(ComingAnswer), string(AnotherTimeAnswer)}
}

// ClientAnswer is a client's word about one revision of a session, each taken once. It books, moves and cancels nothing: another time is
// a coordinator's call. Of a dosing session it says that the client means to come, and nothing else: they are asked on the day.
type ClientAnswer struct {
	Envelope
	Session  string     `json:"session" must:"yes"`
	Revision int        `json:"revision" must:"yes"` // what has moved since is another session to the client
	Answer   AnswerKind `json:"answer" must:"yes"`
}

func (m *ClientAnswer) record(p *Pathway, now time.Time) (string, *Refusal) {
	a, r := p.find("answer", m.Session)
	if r != nil {
		return "", r
	}
	if m.Revision != a.Revision {
		return "", refuse(NotNow, "answer: revision: found %d, but %s has another time since; its revision is %d", m.Revision, a.Name, a.Revision)
	}
	if a.State != Booked {
		return "", refuse(NotNow, "answer: %s is %s; only a booked session can be answered", a.Name, a.State)
	}
	if !now.Before(a.Start) {
		return "", refuse(NotNow, "answer: %s began on %s", a.Name, p.clockTime(a.Start))
	}
	if said := p.clientSays(*a); said == m.Answer || said == AnotherTimeAnswer {
		return fmt.Sprintf("the client has answered for %s: %s", a.Name, said.says()), errAlreadySo
	}
	a.Answer = m.Answer
	if m.Answer == AnotherTimeAnswer {
		since, urgent := now.Truncate(time.Second), p.shortNotice(*a, now)
		if morning := p.byDay(since); urgent && morning.Before(a.Start) { // nobody can call at night, so nobody is woken for it
			since = morning
		}
		p.call(since, answerKey(*a), a.Name, fmt.Sprintf("they need another time for %s, booked for %s; then move-session or cancel-session", a.Name, p.clockTime(a.Start)),
			a.Start, urgent)
	}
	return fmt.Sprintf("the client answers for %s, on %s: %s", a.Name, p.clockTime(a.Start), m.Answer.says()), nil
}

// says is an answer in words.
func (k AnswerKind) says() string {
	if k == AnotherTimeAnswer {
		return "I need another time"
	}
	return "I'll be there"
}

// Told is what staff read of an answer beside the session that it is about; nothing where there is none.
func (k AnswerKind) Told() string {
	switch k {
	case ComingAnswer:
		return "will be there"
	case AnotherTimeAnswer:
		return "needs another time"
	}
	return ""
}

func answerKey(a Appointment) string { return fmt.Sprintf("answer/%s/r%d", a.Name, a.Revision) }

// clientSays is the client's answer for a session as it stands. Another time has been dealt with once they were called: where the
// session keeps its time all the same, they may answer anew.
func (p *Pathway) clientSays(a Appointment) AnswerKind {
	open := func(c Call) bool { return c.Key == "call/"+answerKey(a) }
	if a.State != Booked || a.Answer == AnotherTimeAnswer && !slices.ContainsFunc(p.Calls, open) {
		return ""
	}
	return a.Answer
}

// shortNotice says whether a client who cancelled now would cancel late: then a call reaches the practice better than a link.
func (p *Pathway) shortNotice(a Appointment, now time.Time) bool {
	return a.Start.Sub(now) < hours(p.Protocol.Booking.LateHours)
}

// ClientQuestion asks what the page behind a link in a client's mail may show: about a session at a revision, or about none.
type ClientQuestion struct {
	Session  string    `json:"session,omitempty"`
	Revision int       `json:"revision,omitempty"`
	At       time.Time `json:"at,omitzero"` // by whoever asks: a pathway that sleeps does not know how late it is
}

// Standing is what has become of what a link is about.
type Standing string

// What a link is about stands; has been moved or cancelled, so that nothing of it is shown; or is over.
const (
	StandsOpen      Standing = "open"
	StandsMoved     Standing = "moved"
	StandsCancelled Standing = "cancelled"
	StandsOver      Standing = "over"
)

// ClientView is the answer to the query "for-client". It says nothing of what a session is for.
type ClientView struct {
	Standing Standing   `json:"standing,omitempty"` // of the session that was asked about
	Start    time.Time  `json:"start,omitzero"`     // where it stands
	Online   bool       `json:"online,omitempty"`
	Answered AnswerKind `json:"answered,omitempty"`
	Short    bool       `json:"short,omitempty"` // so near that the client is asked to call

	Zone       string    `json:"zone"`          // the client's
	Mail       bool      `json:"mail"`          // they get mail
	Leaving    bool      `json:"leaving"`       // they have withdrawn
	Ended      bool      `json:"ended"`         // nothing more is taken from them
	Kept       time.Time `json:"kept,omitzero"` // of the session that stays booked although they leave
	KeptOnline bool      `json:"kept_online,omitempty"`
	Keeps      bool      `json:"keeps"`  // one is owed to them although they leave, booked or not
	Crisis     string    `json:"crisis"` // the crisis line's text
}

// ForClient says what a page may show to whoever holds a link. It changes nothing.
func (p *Pathway) ForClient(q ClientQuestion, now time.Time) ClientView {
	now = p.onward(later(now, q.At))
	v := ClientView{Zone: p.Contact.Zone, Mail: p.Contact.MailPermission, Leaving: p.ending() == WithdrawnByClient, Ended: p.Outcome != "", Crisis: p.Protocol.Crisis.Text}
	if !v.Ended && p.dosed() > 0 && !p.integrated() && !p.integrationDeclined() {
		v.Keeps = true
		if a := p.booked(Integration); a != nil && a.Start.After(now) {
			v.Kept, v.KeptOnline = a.Start, a.Online
		}
	}
	if q.Session == "" {
		return v
	}
	switch a := p.appointment(q.Session); {
	case a == nil || a.Revision != q.Revision:
		v.Standing = StandsMoved
	case !now.Before(a.Start) || p.Outcome != "":
		v.Standing = StandsOver
	case a.State != Booked:
		v.Standing = StandsCancelled
	default:
		v.Standing, v.Start, v.Online, v.Answered, v.Short = StandsOpen, a.Start.UTC(), a.Online, p.clientSays(*a), p.shortNotice(*a, now)
	}
	return v
}
