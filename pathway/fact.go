package pathway

import (
	"fmt"
	"time"
)

// Fact is a journal entry's content for programs, where the entry tells of what the practice's software did, of what the pathway
// began with, or of a refusal that nobody heard: an auditor can prove the protocol's rules from it, without reading sentences. It
// names nobody but staff.
type Fact struct {
	Session   string       `json:"session,omitempty"`
	Kind      Kind         `json:"kind,omitempty"`
	Start     time.Time    `json:"start,omitzero"`
	End       time.Time    `json:"end,omitzero"`
	Revision  int          `json:"revision,omitempty"`
	State     SessionState `json:"state,omitempty"`
	Therapist string       `json:"therapist,omitempty"` // in whose calendar
	Request   string       `json:"request,omitempty"`   // the message that asked for it; none: kap did it by itself
	ByClient  bool         `json:"by_client,omitempty"`
	Paired    *Fact        `json:"paired,omitempty"` // the integration that goes with a dosing session

	Key   string     `json:"key,omitempty"` // of a mail, or of a call's task
	Mail  MailKind   `json:"mail,omitempty"`
	Lead  string     `json:"lead,omitempty"`  // which reminder
	Zone  string     `json:"zone,omitempty"`  // the reader's
	Until time.Time  `json:"until,omitzero"`  // later it is too late
	Night bool       `json:"night,omitempty"` // it goes out at any hour
	After int        `json:"after,omitempty"` // the step that was written last when it was handed over
	Fate  MailStatus `json:"fate,omitempty"`
	Staff string     `json:"staff,omitempty"` // who hears of what they are waited for
	Owed  []Owed     `json:"owed,omitempty"`  // and of what

	Unheard bool  `json:"unheard,omitempty"` // it was refused, and its sender could not be told
	Call    *Fact `json:"call,omitempty"`    // that a coordinator owes with this: its task, about which session, and until when
	Urgent  bool  `json:"urgent,omitempty"`  // of a call: it is owed until somebody is reached

	Hold   string    `json:"hold,omitempty"`
	Cause  Cause     `json:"cause,omitempty"`
	From   string    `json:"from,omitempty"` // the entry, or the session, that a hold follows from
	What   string    `json:"what,omitempty"` // by code
	Since  time.Time `json:"since,omitzero"`
	Lifted bool      `json:"lifted,omitempty"`

	Outcome   Outcome          `json:"outcome,omitempty"`
	Form      *ConsentDocument `json:"form,omitempty"`
	Enrolment *Enrolment       `json:"enrolment,omitempty"`
}

// Owed is one thing of which a nudge tells: a task by its key, or the ending.
type Owed struct {
	Task  string    `json:"task"`
	Since time.Time `json:"since"`
}

// fact is who hears of what by an act that nudges them.
func (act Act) fact() *Fact {
	f := &Fact{Key: act.Key, Mail: act.Mail, Staff: act.Staff}
	for _, n := range act.About {
		f.Owed = append(f.Owed, Owed{n.About, n.Since.UTC()})
	}
	return f
}

// fact is what a call's task is, and until when it is owed; what it says stands in the entry that brings it.
func (c Call) fact() *Fact {
	return &Fact{Key: c.Key, Session: c.Session, Until: c.Until.UTC(), Urgent: c.Urgent}
}

// enrolled is what a pathway begins with, its numbers included; when the client can come is nobody's business later.
func (e Enrolment) fact() *Fact {
	e.Availability = nil
	return &Fact{Enrolment: &e}
}

func (a Appointment) fact() *Fact {
	return &Fact{Session: a.Name, Kind: a.Kind, Start: a.Start.UTC(), End: a.End.UTC(), Revision: a.Revision, Therapist: a.Therapist}
}

func (m Mail) fact() *Fact {
	return &Fact{Session: m.Session, Start: m.Start.UTC(), Revision: m.Revision, Key: m.Key, Mail: m.Kind, Lead: m.Lead, Zone: m.Zone, Until: m.Until.UTC(), Night: m.AnyHour}
}

// SentEntry tells of a mail to the client that went out. It is no part of a step: mails leave when the hours of mail and the mail
// service let them, and nobody waits for that. After is the step that was written last when it was handed over.
func SentEntry(m Mail, at time.Time, after int) Entry {
	f := m.fact()
	f.After, f.Fate = after, SentMail
	return Entry{Kind: Sent, Name: string(m.Kind), At: at.UTC(), Recorded: at.UTC(), Text: fmt.Sprintf("mail %s was sent", m.Key), Fact: f}
}

// tellHolds says of each hold, once, that it is in force, and that it was lifted: holds follow from what is on record, so no
// message tells of them.
func (p *Pathway) tellHolds(say func(fact *Fact, name, format string, args ...any)) {
	for i := range p.Holds {
		h := &p.Holds[i]
		f := &Fact{Hold: h.Name, Cause: h.Cause, From: h.From, What: h.What, Since: h.Since.UTC(), Lifted: h.Lifted}
		switch {
		case h.Lifted && h.Told != "lifted":
			h.Told = "lifted"
			say(f, "hold", "%s no longer holds the pathway (%s)", h.Name, h.Cause)
		case h.Told == "":
			h.Told = "placed"
			say(f, "hold", "%s holds the pathway (%s)", h.Name, h.Cause)
		}
	}
}
