package pathway

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Kind is what a session is for.
type Kind string

// The three kinds of session.
const (
	Preparation Kind = "preparation"
	Dosing      Kind = "dosing"
	Integration Kind = "integration"
)

// Options lists what may be written.
func (Kind) Options() []string {
	return []string{string(Preparation), string(Dosing), string(Integration)}
}

// SessionState is what became of a session.
type SessionState string

// The states of a session; all but Booked are final.
const (
	Booked           = "booked"
	Held             = "held"
	AttendedNotDosed = "attended-not-dosed"
	CutShort         = "cut-short"
	NoShow           = "no-show"
	CancelledLate    = "cancelled-late"
	Cancelled        = "cancelled"
)

// Appointment is one session in the calendar. Its name is for people: dosing-2, or dosing-2.1 for the next try after a
// no-show or a cancellation. A move raises the revision, and with it every key that names the appointment.
type Appointment struct {
	Name       string       `json:"name"`
	Kind       Kind         `json:"kind"`
	Number     int          `json:"number"`
	Start      time.Time    `json:"start"`
	End        time.Time    `json:"end"`
	Revision   int          `json:"revision"`
	Since      time.Time    `json:"since"` // when this revision was booked: a reminder whose moment lies before does not exist
	State      SessionState `json:"state"`
	Filed      SessionState `json:"filed"`               // the state that the records have
	Told       time.Time    `json:"told,omitzero"`       // the start that the client was told last
	Handled    []string     `json:"handled,omitempty"`   // reminders sent or reported, at this revision
	ByClient   bool         `json:"by_client,omitempty"` // cancelled at the client's wish
	Record     *SessionHeld `json:"record,omitempty"`
	Planned    time.Time    `json:"planned,omitzero"` // the start and the state before it was recorded, for a correction
	Before     SessionState `json:"before,omitempty"`
	Unmeasured bool         `json:"unmeasured,omitempty"` // cancelled because the client's measure was missing
	Unsuited   bool         `json:"unsuited,omitempty"`   // cancelled because somebody asked for it: its time is not offered again
	Online     bool         `json:"online,omitempty"`     // not at the practice: never a dosing session
	Unbooked   bool         `json:"unbooked,omitempty"`   // a dosing session that took place without ever having been booked
	Over       time.Time    `json:"over,omitzero"`        // when it became what it is
	After      time.Time    `json:"after,omitzero"`       // an integration: the end of the dosing session as it was known when this was placed
	Answer     AnswerKind   `json:"answer,omitempty"`     // the client's, to this revision
	Calls      []Call       `json:"calls,omitempty"`      // about it, owed when it was recorded
	// Therapist is whose calendar it stands in: the pathway's own when it was booked.
	Therapist string `json:"therapist"`
}

func (a *Appointment) dosed() bool {
	return a.Kind == Dosing && (a.State == Held || a.State == CutShort)
}

// fellThrough says whether it did not take place for a reason that the client can do something about.
func (a Appointment) fellThrough() bool {
	return a.State == NoShow || a.State == CancelledLate || a.Unmeasured
}

func (p *Pathway) appointment(name string) *Appointment {
	for i := range p.Appointments {
		if p.Appointments[i].Name == name {
			return &p.Appointments[i]
		}
	}
	return nil
}

// booked finds the session of a kind that is in the calendar, the earliest where there are several.
func (p *Pathway) booked(kind Kind) *Appointment {
	var first *Appointment
	for i := range p.Appointments {
		a := &p.Appointments[i]
		if a.Kind == kind && a.State == Booked && (first == nil || a.Start.Before(first.Start)) {
			first = a
		}
	}
	return first
}

// nameFor names the next appointment of a kind and number.
func (p *Pathway) nameFor(kind Kind, number int) string {
	tries := 0
	for _, a := range p.Appointments {
		if a.Kind == kind && a.Number == number {
			tries++
		}
	}
	if tries == 0 {
		return fmt.Sprintf("%s-%d", kind, number)
	}
	return fmt.Sprintf("%s-%d.%d", kind, number, tries)
}

func (p *Pathway) dosed() int { return p.dosedBetween(time.Time{}, farFuture) }

// dosedBetween counts the dosing sessions given that began at or after from and before to.
func (p *Pathway) dosedBetween(from, to time.Time) int {
	n := 0
	for i := range p.Appointments {
		if a := &p.Appointments[i]; a.dosed() && !a.Start.Before(from) && a.Start.Before(to) {
			n++
		}
	}
	return n
}

func (p *Pathway) lastDosed() *Appointment { return p.lastDosedBefore(farFuture) }

func (p *Pathway) lastDosedBefore(t time.Time) *Appointment {
	var last *Appointment
	for i := range p.Appointments {
		if a := &p.Appointments[i]; a.dosed() && a.Start.Before(t) && (last == nil || a.Start.After(last.Start)) {
			last = a
		}
	}
	return last
}

// integrated says whether the last dosing session has had its integration.
func (p *Pathway) integrated() bool {
	last := p.lastDosed()
	return last != nil && p.integrationOf(last) != nil
}

// integrationOf is the integration that was held after a dosing session and before the next one, or nil. It is found by its
// time: a name says only what was meant when it was booked.
func (p *Pathway) integrationOf(dosing *Appointment) *Appointment {
	next := farFuture
	for i := range p.Appointments {
		if a := &p.Appointments[i]; a.dosed() && a.Start.After(dosing.Start) && a.Start.Before(next) {
			next = a.Start
		}
	}
	for i := range p.Appointments {
		if a := &p.Appointments[i]; a.Kind == Integration && a.State == Held && !a.Start.Before(dosing.End) && a.Start.Before(next) {
			return a
		}
	}
	return nil
}

// unfollowed is the dosing session, given or booked, for which no integration is held or booked, or nil.
func (p *Pathway) unfollowed() *Appointment {
	booked, last := p.booked(Dosing), p.lastDosed()
	if last != nil && !p.integrated() {
		before := farFuture
		if booked != nil && booked.Start.After(p.Woken) { // one that has begun waits for its own record
			before = booked.Start
		}
		if !p.integrationBooked(last.End, before) {
			return last
		}
	}
	overtaken := booked != nil && last != nil && last.Start.After(booked.Start) // its record is void, and waits for another
	if booked != nil && !overtaken && !p.integrationBooked(booked.End, farFuture) {
		return booked
	}
	return nil
}

func (p *Pathway) integrationBooked(from, before time.Time) bool {
	return slices.ContainsFunc(p.Appointments, func(a Appointment) bool {
		return a.Kind == Integration && a.State == Booked && !a.Start.Before(from) && a.Start.Before(before)
	})
}

// strayed is the booked integration that the record of its dosing session has left beyond its hours, because that session was held
// earlier than booked or its time was corrected; with that session. It is nil where the integration was placed for the session as it
// was held, which was done knowing better, and where no sooner one can be had.
func (p *Pathway) strayed(now time.Time) (integration, dosing *Appointment) {
	last := p.lastDosed()
	if last == nil || p.integrated() {
		return nil, nil
	}
	for i := range p.Appointments {
		a := &p.Appointments[i]
		if a.Kind == Integration && a.State == Booked && !a.Start.Before(last.End) && (integration == nil || a.Start.Before(integration.Start)) {
			integration = a
		}
	}
	next := p.booked(Dosing)
	switch {
	case integration == nil, integration.After.Equal(last.End), next != nil && next.End.Before(integration.Start) && next.Start.After(last.Start),
		!integration.Start.After(last.End.Add(hours(p.Protocol.Integration.HoursAfterAtMost))), !p.integrationFrom(last, now).Before(integration.Start):
		return nil, nil
	}
	return integration, last
}

// lastIntegration is the record of the integration after the last dosing session, or nil.
func (p *Pathway) lastIntegration() *SessionHeld {
	if last := p.lastDosed(); last != nil {
		if a := p.integrationOf(last); a != nil {
			return a.Record
		}
	}
	return nil
}

// prepared says whether preparation is complete: all its sessions held, or the therapist said that those held suffice.
func (p *Pathway) prepared() bool { return p.preparedBy(farFuture) }

// preparedBy judges preparation by the sessions that had ended at a moment.
func (p *Pathway) preparedBy(at time.Time) bool {
	held, enough := 0, false
	for i := range p.Appointments {
		if a := &p.Appointments[i]; a.Kind == Preparation && a.State == Held && !a.End.After(at) {
			held++
			enough = enough || a.Record != nil && a.Record.PreparationComplete
		}
	}
	return held >= p.Protocol.Preparation.Sessions || enough && held >= p.Protocol.Preparation.AtLeast
}

// minutes is how long a session of a kind lasts.
func (p *Pathway) minutes(kind Kind) time.Duration {
	n := map[Kind]int{Preparation: p.Protocol.Preparation.Minutes, Dosing: p.Protocol.Dosing.Minutes, Integration: p.Protocol.Integration.Minutes}[kind]
	return time.Duration(n) * time.Minute
}

// Request is a wish that the calendar has yet to answer.
type Request struct {
	ID       string    `json:"id"` // of the message that made it
	Do       Deed      `json:"do"`
	Kind     Kind      `json:"kind,omitempty"`
	Session  string    `json:"session,omitempty"`
	Start    time.Time `json:"start,omitzero"`
	ByClient bool      `json:"by_client,omitempty"`
	Online   bool      `json:"online,omitempty"`
}

func (p *Pathway) asked(id string) bool {
	return slices.ContainsFunc(p.Requests, func(r Request) bool { return r.ID == id && r.Do != CancelDeed })
}

// BookSession asks for a session at a time, or for the earliest that fits.
type BookSession struct {
	Envelope
	Kind     Kind           `json:"kind" must:"yes"`
	Start    time.Time      `json:"start,omitzero"`
	Location PlaceOfSession `json:"location,omitempty"` // none: the practice
}

// PlaceOfSession is where a session takes place. Nothing is dosed anywhere but at the practice.
type PlaceOfSession string

// Options lists what may be written.
func (PlaceOfSession) Options() []string { return []string{"practice", "online"} }

func (m *BookSession) record(p *Pathway, now time.Time) (string, *Refusal) {
	if slices.ContainsFunc(p.Requests, func(r Request) bool { return r.Kind == m.Kind && r.Do == BookDeed }) {
		return "", refuse(NotNow, "book-session: a %s session is being booked at this moment; look again in a minute", m.Kind)
	}
	if e := p.ending(); e != "" && (m.Kind != Integration || p.unfollowed() == nil) {
		return "", refuse(NotNow, "book-session: this pathway is ending as %s; nothing more is booked", e)
	}
	if booked := p.booked(m.Kind); booked != nil && (m.Kind != Preparation || !p.preparationWanted()) && (m.Kind != Integration || p.unfollowed() == nil) {
		return "", refuse(NotNow, "book-session: %s is booked for %s; use move-session to change it", booked.Name, p.clockTime(booked.Start))
	}
	start := m.Start
	if start.IsZero() {
		start = now.Add(time.Duration(p.Protocol.Booking.NoticeHours) * time.Hour)
	}
	if r := p.toCome("book-session", start, now); r != nil {
		return "", r
	}
	switch m.Kind {
	case Preparation:
		if !p.screened(now) {
			return "", refuse(Blocked, "book-session: preparation is not booked before screening is complete: %s", p.unscreened(now))
		}
		if !p.preparationWanted() {
			return "", refuse(NotNow, "book-session: all preparation sessions have been held")
		}
	case Dosing:
		if m.Start.IsZero() {
			start = p.dosingFrom(now)
		}
		if m.Location == "online" {
			return "", refuse(Blocked, "book-session: location: found online; a dosing session takes place at the practice, in person")
		}
		if blocked := p.bookable(start, now); len(blocked) > 0 {
			return "", refuse(Blocked, "book-session: no dosing session can be booked for %s: %s", p.clockTime(start), sentences(blocked))
		}
	case Integration:
		if p.lastDosed() == nil && p.booked(Dosing) == nil {
			return "", refuse(NotNow, "book-session: integration follows a dosing session, and none has been held or booked")
		}
		if p.unfollowed() == nil {
			return "", refuse(NotNow, "book-session: every dosing session has its integration")
		}
		if !m.Start.IsZero() {
			if r := p.integrationFits("book-session", *p.unfollowed(), m.Start, now); r != nil {
				return "", r
			}
		}
	}
	if r := p.overlaps("book-session", "", m.Start, m.Start.Add(p.minutes(m.Kind))); r != nil {
		return "", r
	}
	p.Requests = append(p.Requests, Request{ID: m.ID, Do: BookDeed, Kind: m.Kind, Start: m.Start, Online: m.Location == "online"})
	if m.Start.IsZero() {
		return fmt.Sprintf("asked for the earliest %s session", m.Kind), nil
	}
	return fmt.Sprintf("asked for a %s session on %s", m.Kind, p.clockTime(m.Start)), nil
}

// aheadAtMost is how far ahead a session can be booked: further is a slip of the pen.
const aheadAtMost = 180 * day

func (p *Pathway) toCome(message string, start, now time.Time) *Refusal {
	if !start.After(now) {
		return refuse(BadValue, "%s: start: found %s, which is past; expected a time to come", message, p.clockTime(start))
	}
	if start.Sub(now) > aheadAtMost {
		return refuse(BadValue, "%s: start: found %s, which is more than %d days ahead", message, p.clockTime(start), aheadAtMost/day)
	}
	return nil
}

func (p *Pathway) overlaps(name, except string, start, end time.Time) *Refusal {
	for _, a := range p.Appointments {
		if a.State == Booked && a.Name != except && !start.IsZero() && start.Before(a.End) && a.Start.Before(end) {
			return refuse(NotNow, "%s: start: %s overlaps %s, which is booked for %s; choose another time", name, p.clockTime(start), a.Name, p.clockTime(a.Start))
		}
	}
	return nil
}

// MoveSession asks for another time for a booked session.
type MoveSession struct {
	Envelope
	Session string    `json:"session" must:"yes"`
	Start   time.Time `json:"start" must:"yes"`
}

func (m *MoveSession) record(p *Pathway, now time.Time) (string, *Refusal) {
	a, r := p.find("move-session", m.Session)
	if r != nil {
		return "", r
	}
	if a.State != Booked {
		return "", refuse(NotNow, "move-session: %s is %s; only a booked session can be moved", a.Name, a.State)
	}
	if !now.Before(a.Start) {
		return "", refuse(NotNow, "move-session: %s began on %s; record how it went with session-held", a.Name, p.clockTime(a.Start))
	}
	if r := p.toCome("move-session", m.Start, now); r != nil {
		return "", r
	}
	if m.Start.Equal(a.Start) {
		return fmt.Sprintf("%s is booked for %s", a.Name, p.clockTime(a.Start)), errAlreadySo
	}
	if slices.ContainsFunc(p.Requests, func(r Request) bool { return r.Session == a.Name }) {
		return "", refuse(NotNow, "move-session: %s is being changed at this moment; look again in a minute", a.Name)
	}
	if a.Kind == Dosing { // its integration comes along, so only the calendar can tell
		if blocked := p.bookable(m.Start, now); len(blocked) > 0 {
			return "", refuse(Blocked, "move-session: %s cannot take place on %s: %s", a.Name, p.clockTime(m.Start), sentences(blocked))
		}
	} else if r := p.overlaps("move-session", a.Name, m.Start, m.Start.Add(a.End.Sub(a.Start))); r != nil {
		return "", r
	}
	if a.Kind == Integration {
		if dosing := p.followedBy(*a); dosing != nil {
			if r := p.integrationFits("move-session", *dosing, m.Start, now); r != nil {
				return "", r
			}
		}
	}
	p.Requests = append(p.Requests, Request{ID: m.ID, Do: MoveDeed, Kind: a.Kind, Session: a.Name, Start: m.Start})
	return fmt.Sprintf("asked to move %s to %s", a.Name, p.clockTime(m.Start)), nil
}

// integrationFits keeps an integration within its hours after the dosing session that it follows. One that was missed may come
// later, since late is better than never.
func (p *Pathway) integrationFits(message string, dosing Appointment, start, now time.Time) *Refusal {
	from, until := dosing.End.Add(hours(p.Protocol.Integration.HoursAfterAtLeast)), dosing.End.Add(hours(p.Protocol.Integration.HoursAfterAtMost))
	if dosing.dosed() && now.After(until.Add(-day)) {
		until = until.Add(14 * day)
	}
	if start.Before(from) || start.After(until) {
		return refuse(Blocked, "%s: start: found %s; the integration after %s belongs between %s and %s, %d to %d hours after its end", message, p.clockTime(start), dosing.Name,
			p.clockTime(from), p.clockTime(until), p.Protocol.Integration.HoursAfterAtLeast, p.Protocol.Integration.HoursAfterAtMost)
	}
	return nil
}

// followedBy is the dosing session, given or booked, that a booked integration follows, or nil.
func (p *Pathway) followedBy(integration Appointment) *Appointment {
	var found *Appointment
	for i := range p.Appointments {
		a := &p.Appointments[i]
		if a.Kind == Dosing && (a.dosed() || a.State == Booked) && !integration.Start.Before(a.End) && (found == nil || a.Start.After(found.Start)) {
			found = a
		}
	}
	if found != nil && found.dosed() && p.integrationOf(found) != nil {
		return nil
	}
	return found
}

func hours(n int) time.Duration { return time.Duration(n) * time.Hour }

// WishOf says at whose wish a session is cancelled.
type WishOf string

// Options lists what may be written.
func (WishOf) Options() []string { return []string{"client", "practice"} }

// CancelSession takes a session out of the calendar.
type CancelSession struct {
	Envelope
	Session string `json:"session" must:"yes"`
	WishOf  WishOf `json:"wish_of" must:"yes"`
	Reason  string `json:"reason,omitempty"`
}

func (m *CancelSession) record(p *Pathway, now time.Time) (string, *Refusal) {
	a, r := p.find("cancel-session", m.Session)
	if r != nil {
		return "", r
	}
	if a.State == Cancelled || slices.ContainsFunc(p.Requests, func(r Request) bool { return r.Session == a.Name && r.Do == CancelDeed }) {
		return fmt.Sprintf("%s is cancelled", a.Name), errAlreadySo
	}
	if a.State != Booked {
		return "", refuse(NotNow, "cancel-session: %s is %s; only a booked session can be cancelled", a.Name, a.State)
	}
	if !now.Before(a.Start) {
		return "", refuse(NotNow, "cancel-session: %s began on %s; record how it went with session-held", a.Name, p.clockTime(a.Start))
	}
	p.Requests = append(p.Requests, Request{ID: m.ID, Do: CancelDeed, Session: a.Name, ByClient: m.WishOf == "client"})
	return fmt.Sprintf("%s on %s is cancelled at the %s's wish", a.Name, p.clockTime(a.Start), m.WishOf), nil
}

func (p *Pathway) find(message, session string) (*Appointment, *Refusal) {
	if a := p.appointment(session); a != nil {
		return a, nil
	}
	var names []string
	for _, a := range p.Appointments {
		names = append(names, a.Name)
	}
	if len(names) == 0 {
		return nil, refuse(BadValue, "%s: session: found %s, but nothing has been booked on this pathway yet", message, quoted(session))
	}
	return nil, refuse(BadValue, "%s: session: found %s, expected one of %s", message, quoted(session), strings.Join(names, ", "))
}

// Next is what an integration decides together with the client.
type Next string

// Another dosing session, or closing.
const (
	AnotherNext Next = "another"
	CloseNext   Next = "close"
)

// Options lists what may be written.
func (Next) Options() []string { return []string{string(AnotherNext), string(CloseNext)} }

// SessionOutcome is how a session went.
type SessionOutcome string

// Options lists what may be written.
func (SessionOutcome) Options() []string {
	return []string{Held, AttendedNotDosed, CutShort, NoShow, CancelledLate}
}

// SessionHeld is the record of a session. It is never refused for being bad news: what was done against the rules is
// recorded as a deviation and holds the pathway.
type SessionHeld struct {
	Envelope
	Session string         `json:"session" must:"yes"`
	Outcome SessionOutcome `json:"outcome" must:"yes"`
	Start   time.Time      `json:"start,omitzero"` // as it was; without it, as booked
	End     time.Time      `json:"end,omitzero"`
	Reason  string         `json:"reason,omitempty"`

	DosingDay

	// Of a preparation session: that those held suffice.
	PreparationComplete bool `json:"preparation_complete,omitempty"`

	// Of an integration.
	Next         Next  `json:"next,omitempty"`
	ClientAgrees *bool `json:"client_agrees,omitempty"`
}

func (m *SessionHeld) record(p *Pathway, now time.Time) (string, *Refusal) {
	a, r := p.find("session-held", m.Session)
	if r != nil {
		if a = m.unbooked(p); a == nil {
			return "", r
		}
		if m.Start.IsZero() {
			return "", refuse(MissingField, "session-held: the field \"start\" is missing, expected when %s took place, because it was never booked", m.Session)
		}
	}
	role := p.CareTeam.Role(m.By)
	took := m.Outcome == Held || m.Outcome == CutShort
	reopens := a.Kind == Integration && a.State == Held && a.Record != nil && !isTrue(a.Record.ClientAgrees)
	switch {
	case role != Therapist && (a.Kind == Dosing || took && a.Kind == Integration || m.PreparationComplete || reopens):
		return "", refuse(WrongPerson, "session-held: by: found %s, who is this pathway's %s; this record of %s is its therapist's (%s)", m.By, role, a.Name, p.CareTeam.Therapist)
	case a.Kind != Dosing && (m.Outcome == AttendedNotDosed || m.Outcome == CutShort):
		return "", refuse(BadValue, "session-held: outcome: found %s for %s, expected held, no-show or cancelled-late; nothing is dosed there", m.Outcome, a.Name)
	case a.Record != nil && m.says(*a.Record):
		return fmt.Sprintf("%s is recorded as %s", a.Name, a.State), errAlreadySo
	case a.Record != nil && (!reopens || m.Outcome != Held):
		return "", refuse(NotNow, "session-held: %s is recorded as %s already, and a record is not written over", a.Name, a.State)
	case !took && (a.State == Cancelled || a.State == CancelledLate):
		return fmt.Sprintf("%s did not take place: it is %s", a.Name, a.State), errAlreadySo
	}
	if f := m.misplaced(a.Kind); f != "" {
		return "", refuse(BadValue, "session-held: %s: found it in the record of %s, expected only what is asked of a %s session", f, a.Name, a.Kind)
	}
	start, end, r := m.times(p, *a, now)
	if r != nil {
		return "", r
	}
	if m.Reason == "" && (m.Outcome == AttendedNotDosed || m.Outcome == CutShort) {
		return "", refuse(MissingField, "session-held: the field \"reason\" is missing; %s needs one", m.Outcome)
	}
	if took && a.Kind == Dosing {
		if r := m.complete(); r != nil {
			return "", r
		}
	}
	if took && a.Kind == Integration {
		unrecorded := p.booked(Dosing)
		switch {
		case unrecorded != nil && unrecorded.Start.Before(start) && !reopens:
			return "", refuse(NotNow, "session-held: %s came before %s and is not recorded; record that one first", unrecorded.Name, a.Name)
		case p.lastDosedBefore(start) == nil || p.lastDosedBefore(start).End.After(start):
			return "", refuse(NotNow, "session-held: no dosing session is recorded before %s; record that one first", a.Name)
		case m.Next == "":
			return "", refuse(MissingField, "session-held: the field \"next\" is missing, expected another or close for an integration")
		case m.ClientAgrees == nil:
			return "", refuse(MissingField, "session-held: the field \"client_agrees\" is missing, expected true or false for an integration")
		case m.Next == AnotherNext && p.dosed() >= p.Protocol.Dosing.AtMost:
			return "", refuse(Blocked, "session-held: next: found another, but %d dosing sessions were given, which is the most; expected close", p.dosed())
		}
	}
	p.Requests = slices.DeleteFunc(p.Requests, func(r Request) bool { return r.Session == a.Name })
	record := *m
	if took {
		record.At = later(m.At, end) // a record is made of what has ended
	} else {
		record.At = later(m.At, start)
	}
	if a.Unbooked && a.Record == nil {
		p.Appointments = append(p.Appointments, *a)
		a = &p.Appointments[len(p.Appointments)-1]
	}
	if a.Record == nil {
		a.Before, a.Planned = a.State, a.Start
	}
	a.State, a.Record, a.Start, a.End, a.Over = SessionState(m.Outcome), &record, start, end, now.Truncate(time.Second)
	p.Events = p.eventsOf(*a)
	a.Calls = append(a.Calls, p.about(a.Name)...) // what they were to say is over, unless the record is a mistake
	if d := p.deviations(*a); a.dosed() && len(d) > 0 {
		var says []string
		for _, x := range d {
			says = append(says, x.says)
		}
		return fmt.Sprintf("%s: %s, recorded as a deviation that holds the pathway: %s", a.Name, a.State, strings.Join(says, "; ")), nil
	}
	if a.Kind == Integration && took {
		if !*m.ClientAgrees {
			return fmt.Sprintf("%s: held; the client does not agree to %q yet, so nothing more is booked", a.Name, m.Next), nil
		}
		return fmt.Sprintf("%s: held; next: %s, agreed with the client", a.Name, m.Next), nil
	}
	return fmt.Sprintf("%s: %s", a.Name, a.State), nil
}

// unbooked is the appointment of a dosing session that took place without one: what was given was given, and is recorded as a
// deviation. It is nil where the name is not the next one's.
func (m *SessionHeld) unbooked(p *Pathway) *Appointment {
	n := p.dosed() + 1
	if m.Session != p.nameFor(Dosing, n) || m.Outcome != Held && m.Outcome != CutShort {
		return nil
	}
	return &Appointment{Name: m.Session, Kind: Dosing, Number: n, Start: m.Start, End: m.Start.Add(p.minutes(Dosing)), State: Cancelled, Unbooked: true, Therapist: p.CareTeam.Therapist}
}

// misplaced names a field that is about another kind of session; nothing would come of it. What was found is told of any.
func (m *SessionHeld) misplaced(kind Kind) string {
	for _, f := range fieldsOf(reflect.ValueOf(&m.DosingDay).Elem()) {
		if kind != Dosing && f.name != "found" && !f.value.IsZero() {
			return f.name
		}
	}
	switch {
	case kind != Preparation && m.PreparationComplete:
		return "preparation_complete"
	case kind != Integration && m.Next != "":
		return "next"
	case kind != Integration && m.ClientAgrees != nil:
		return "client_agrees"
	}
	return ""
}

// says whether two records tell the same of a session.
func (m SessionHeld) says(o SessionHeld) bool {
	m.Envelope, o.Envelope = Envelope{}, Envelope{}
	a, _ := json.Marshal(m)
	b, _ := json.Marshal(o)
	return string(a) == string(b)
}

// longestSession bounds a record: what lasted longer was written down wrongly.
const longestSession = 12 * time.Hour

// times are when a session took place: as booked, unless its record says otherwise.
func (m SessionHeld) times(p *Pathway, a Appointment, now time.Time) (start, end time.Time, r *Refusal) {
	start, end = a.Start, a.End
	if !m.Start.IsZero() {
		start, end = m.Start, m.Start.Add(a.End.Sub(a.Start))
	}
	if !m.End.IsZero() {
		end = m.End
	}
	apart, within := start.Sub(a.Start), day
	if a.Kind == Dosing { // what was given was given: another day than the one that was booked is a deviation
		within = 60 * day
	}
	switch {
	case start.After(now) && a.State == Cancelled:
		r = refuse(NotNow, "session-held: %s, on %s, is cancelled", a.Name, p.clockTime(start))
	case start.After(now):
		r = refuse(NotNow, "session-held: %s is on %s and has not begun; to take it out of the calendar use cancel-session", a.Name, p.clockTime(start))
	case apart < -within || apart > within || start.Before(p.Enrolment.At):
		r = refuse(BadValue, "session-held: start: found %s, expected within %d days of %s, for which %s was booked", p.clockTime(start), within/day, p.clockTime(a.Start), a.Name)
	case end.Sub(start) < time.Minute || end.Sub(start) > longestSession:
		r = refuse(BadValue, "session-held: end: found %s, expected after the start, %s, and within %d hours of it", p.clockTime(end), p.clockTime(start), longestSession/time.Hour)
	case end.After(now) && m.Outcome != NoShow && m.Outcome != CancelledLate:
		r = refuse(NotNow, "session-held: %s ends on %s; if it has ended, say when in the field \"end\"", a.Name, p.clockTime(end))
	}
	for _, o := range p.Appointments {
		took := (m.Outcome == Held || m.Outcome == CutShort) && (o.State == Held || o.State == CutShort)
		if r == nil && o.Name != a.Name && took && start.Before(o.End) && o.Start.Before(end) {
			r = refuse(BadValue, "session-held: start: found %s, at which %s was held", p.clockTime(start), o.Name)
		}
	}
	return start, end, r
}

func isTrue(b *bool) bool { return b != nil && *b }
