package pathway

import (
	"fmt"
	"slices"
	"time"
)

// MailEvent is what became of a mail after the mail service had it, in a word of ours.
type MailEvent string

// The events. Processed to Opened say that a mail is on its way or has arrived; the others are of one that came back, or that its
// reader does not want.
const (
	MailProcessed    MailEvent = "processed" // the mail service has it
	MailDeferred     MailEvent = "deferred"  // the reader's server asks it to try later, which it does
	MailDelivered    MailEvent = "delivered" // the reader's server took it
	MailOpened       MailEvent = "opened"
	MailBounced      MailEvent = "bounced" // the reader's server refuses it for good
	MailBlocked      MailEvent = "blocked" // the reader's server did not take this one
	MailDropped      MailEvent = "dropped" // the mail service did not send it
	MailReported     MailEvent = "reported"
	MailUnsubscribed MailEvent = "unsubscribed"
	// The last two are no words of the mail service's. Staff have entered another address:
	AddressCorrected MailEvent = "corrected"
	// and what another pathway of the client's mailed to their address came back.
	AddressReturned MailEvent = "returned"
)

// MailEvents lists them.
func MailEvents() []MailEvent {
	return []MailEvent{MailProcessed, MailDeferred, MailDelivered, MailOpened, MailBounced, MailBlocked, MailDropped, MailReported, MailUnsubscribed, AddressCorrected, AddressReturned}
}

// MailReason says why a mail was dropped or came back, by class: what servers say of it may name anybody.
type MailReason string

// The reasons. Those of a mail that was dropped decide what follows: its address takes no mail, its reader wants none, or it was
// this mail alone.
const (
	BadAddress  MailReason = "address"      // nobody reads there
	NotWanted   MailReason = "unsubscribed" // its reader said so earlier
	CalledSpam  MailReason = "reported"     // likewise
	BadContent  MailReason = "content"
	OtherReason MailReason = "other"
)

// News is one thing that the records have to tell a pathway of its mail.
type News struct {
	Event  MailEvent  `json:"event"`
	Reason MailReason `json:"reason,omitempty"`
	Mail   Mail       `json:"mail,omitzero"`
	Former bool       `json:"former,omitempty"` // it went to an address that was corrected since
	By     string     `json:"by,omitempty"`     // who corrected the address
}

// Lost says whether the mail did not reach its reader.
func (n News) Lost() bool {
	return n.Event == MailBounced || n.Event == MailBlocked || n.Event == MailDropped
}

// Refuses says whether the client's address takes no mail at all. Of a reason that is not known the worst is thought: a mail too few
// is a telephone call, and mails that nobody reads are a session missed.
func (n News) Refuses() bool {
	if n.Former || n.Mail.Staff != "" {
		return false
	}
	return n.Event == AddressReturned || n.Event == MailBounced || n.Event == MailDropped && n.Reason != BadContent && !n.optsOut()
}

// optsOut says whether the client wants no mail.
func (n News) optsOut() bool {
	return n.Event == MailReported || n.Event == MailUnsubscribed || n.Event == MailDropped && (n.Reason == NotWanted || n.Reason == CalledSpam)
}

// Heeded says whether a pathway has to hear of it: not of a mail that went as it should, nor of a list to staff, which comes again.
// unknown says that nobody knew whether the mail had gone out.
func (n News) Heeded(unknown bool) bool {
	switch {
	case n.Event == AddressCorrected, n.Event == AddressReturned:
		return true
	case n.Mail.Staff != "":
		return n.Lost() && n.Mail.calls()
	}
	return unknown || n.Lost() || n.optsOut()
}

// calls says whether somebody is called where a mail to staff does not reach them.
func (m Mail) calls() bool { return m.Kind == UrgentMail || m.Kind == NewsMail }

// AskAboutMail has the pathway ask the records, with its next step, what became of its mail.
func (p *Pathway) AskAboutMail() { p.MailNews = true }

// Hears says whether a step asks the records what became of mail.
func (s Step) Hears() bool {
	return slices.ContainsFunc(s.Acts, func(act Act) bool { return act.Do == HearDeed })
}

// Mailable says whether mail goes to the client: they allow it, and what went to their address did not come back.
func (p *Pathway) Mailable() bool { return p.MailPermission && p.Returned.IsZero() }

// NewsAtOnce bounds what one step tells of mail. Where there is so much, the pathway asks again.
const NewsAtOnce = 50

// hear asks for news of mail, in a step of its own: nothing is written to the client before it is known whether they can be reached so.
func (p *Pathway) hear() Act { return Act{Do: HearDeed, Key: fmt.Sprintf("hear/%d", p.Steps+1)} }

const noMailThere = "the client's address takes no mail; until it is corrected, what mail would say is said by telephone"

// settleNews takes in what became of a mail after it was sent.
func (p *Pathway) settleNews(s Step, n News, tell func(*Fact, string, string, ...any)) {
	m := n.Mail
	switch {
	case n.Event == AddressCorrected:
		p.Returned = time.Time{}
		tell(&Fact{What: string(n.Event)}, "address", "%s has corrected the client's address; mail goes to it", n.By)
		return
	case n.Event == AddressReturned: // no mail of this pathway's
	case n.Lost():
		tell(&Fact{Key: m.Key, Mail: m.Kind, Session: m.Session, What: string(n.Event), Call: p.lost(s, m)}, "mail-returned", "a mail did not arrive (%s): %s", n.Event, m.Key)
	case !n.optsOut():
		tell(&Fact{Key: m.Key, Mail: m.Kind, Session: m.Session, Fate: SentMail}, "mail-arrived", "a mail of which nobody knew went out after all: %s", m.Key)
		p.arrived(m)
	}
	if m.Staff != "" {
		return
	}
	if n.Refuses() && p.Returned.IsZero() {
		p.Returned = s.At
		tell(&Fact{What: string(n.Event), Since: s.At}, "address", noMailThere)
	}
	if n.optsOut() && p.MailPermission {
		p.MailPermission = false
		f := &Fact{What: string(n.Event), Since: s.At}
		if p.Outcome == "" {
			f.Call = p.call(s.At, "opted-out/"+m.Key, "", "their mail program says that they want no mail from the practice; ask how they want to hear, and say so with contact", time.Time{}, false)
		}
		tell(f, "opted-out", "the client wants no mail (%s); what it would say is said by telephone", n.Event)
	}
}

// lost has somebody say by telephone what a mail did not, where that still holds.
func (p *Pathway) lost(s Step, m Mail) *Fact {
	p.Outbox = slices.DeleteFunc(p.Outbox, func(o Mail) bool { return o.Key == m.Key })
	switch {
	case m.Staff != "" && m.calls():
		return p.callStaff(s.At, m.Staff)
	case m.Staff == "" && !p.stale(m) && (m.spokenUntil().IsZero() || m.spokenUntil().After(s.At)):
		return p.call(s.At, m.Key, m.Session, "a mail did not reach the client: "+p.spoken(m), m.spokenUntil(), p.near(m, s.At))
	}
	return nil
}

// arrived takes back the call for a mail of which nobody knew. The call about a cancelled session stays where it is more than that
// mail's: the client is called until reached, whatever was mailed.
func (p *Pathway) arrived(m Mail) {
	p.Delivered(m.Key)
	p.Calls = slices.DeleteFunc(p.Calls, func(c Call) bool {
		return c.Key == "call/"+m.Key && m.Staff == "" && !(m.Kind == CancelledMail && c.Urgent)
	})
}

// callStaff has a coordinator call a member of staff whom a mail that cannot wait may not have reached.
func (p *Pathway) callStaff(at time.Time, staff string) *Fact {
	key := "staff/" + staff
	f := p.call(at, key, "", fmt.Sprintf("Call %s and ask them to look at their tasks: a mail that said so may not have reached them", staff), time.Time{}, true)
	for i := range p.Calls {
		if p.Calls[i].Key == "call/"+key {
			p.Calls[i].Staff = true
		}
	}
	return f
}

// addressTasks ask for an address that works, until there is one or the client wants no mail.
func (p *Pathway) addressTasks() []Task {
	if p.Returned.IsZero() || !p.MailPermission {
		return nil
	}
	t := p.task("address", p.Returned, day, "contact", Coordinator,
		"Call the client: mail to their address comes back. Enter one that works with starter address %s; without one, say with contact that they get no mail", p.Code)
	t.With, t.ladder = []Field{{"mail_permission", "<true or false>"}}, daily
	return []Task{t}
}
