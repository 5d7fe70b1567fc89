package pathway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Step is what one transaction writes: the messages since the step before, and the acts that fall due. It carries the
// digest of its predecessor, so that two runs that disagree about the past are found out before anything is written.
type Step struct {
	Pathway  string    `json:"pathway"`
	Number   int       `json:"number"`
	Previous string    `json:"previous,omitempty"` // digest of the step before
	At       time.Time `json:"at"`                 // "now" for everything that the step causes
	Entries  []Entry   `json:"entries,omitempty"`
	Acts     []Act     `json:"acts,omitempty"`
	// Mailing is whether, and on whose clock, mail goes to the client: what the step writes to them keeps to it.
	Mailing Contact `json:"mailing,omitzero"`
}

// Digest identifies the step's content and, through Previous, all that came before it.
func (s Step) Digest() string {
	text, err := json.Marshal(s)
	if err != nil { // a step holds nothing that JSON cannot write
		text = []byte(err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// EntryKind sorts journal entries.
type EntryKind string

// What the journal holds: messages taken and rejected, what the rules found, what the practice's software did.
const (
	Taken    EntryKind = "taken"
	Rejected EntryKind = "rejected"
	Found    EntryKind = "found"
	Done     EntryKind = "done"
	Sent     EntryKind = "sent" // a mail to the client went out
)

// Entry is one line of the journal. It is never changed.
type Entry struct {
	Kind     EntryKind       `json:"kind"`
	Name     string          `json:"name"`
	By       string          `json:"by,omitempty"`
	ID       string          `json:"id,omitempty"`
	At       time.Time       `json:"at"`                // when it happened
	Recorded time.Time       `json:"recorded"`          // when the pathway heard of it
	Assumed  bool            `json:"assumed,omitempty"` // the message named no time: At is when it arrived
	Code     RefusalCode     `json:"code,omitempty"`
	Unheard  bool            `json:"unheard,omitempty"` // it was refused, and its sender could not be told
	Text     string          `json:"text"`
	Message  json.RawMessage `json:"message,omitempty"`
	Fact     *Fact           `json:"fact,omitempty"`
}

// Deed is what an act does.
type Deed string

// The deeds. Each is carried out in the same transaction as the step that holds it.
const (
	BookDeed     Deed = "book"
	MoveDeed     Deed = "move"
	CancelDeed   Deed = "cancel"
	FileDeed     Deed = "file"     // a session's outcome reaches the records
	RemindDeed   Deed = "remind"   // a reminder goes to the outbox
	ReportDeed   Deed = "report"   // a reminder came too late and is not sent
	WithdrawDeed Deed = "withdraw" // a mail that no longer holds, or came too late, leaves the outbox
	ResendDeed   Deed = "resend"   // a mail of which nobody knows whether it went out is sent once more
	NudgeDeed    Deed = "nudge"    // staff hear of what they are waited for
	AskDeed      Deed = "ask"      // a mail asks the client for something
	CallDeed     Deed = "call"     // a coordinator is asked to call the client
	EndDeed      Deed = "end"
	HearDeed     Deed = "hear"     // the records are asked what became of mail
	CatchUpDeed  Deed = "catch-up" // what fell due before a restore was heard of is worked off
)

// Act is one thing that a step does.
type Act struct {
	Do      Deed          `json:"do"`
	Key     string        `json:"key"` // names the thing and its revision; nothing is done twice under one key
	Session string        `json:"session,omitempty"`
	Kind    Kind          `json:"kind,omitempty"`
	Number  int           `json:"number,omitempty"`
	Window  Window        `json:"window,omitzero"`
	Follow  *FollowWindow `json:"follow,omitempty"`
	Paired  string        `json:"paired,omitempty"`      // the integration that goes with a dosing session
	Keep    time.Time     `json:"keep,omitzero"`         // where that integration stands, and may stay
	Rule    string        `json:"rule,omitempty"`        // which reminder
	Until   time.Time     `json:"until,omitzero"`        // after this a mail is too late
	Known   Known         `json:"known,omitzero"`        // what the client knows of the session that changes
	Follows Known         `json:"known_paired,omitzero"` // and of the one that goes with it
	State   SessionState  `json:"state,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Request string        `json:"request,omitempty"` // the message that asked for it
	Refuse  string        `json:"refuse,omitempty"`  // why the calendar need not be asked
	Outcome Outcome       `json:"outcome,omitempty"`
	Staff   string        `json:"staff,omitempty"` // who hears of it; or whose calendar it goes to
	Mail    MailKind      `json:"mail,omitempty"`
	About   []Nudge       `json:"about,omitempty"`
	Since   time.Time     `json:"since,omitzero"`
	Online  bool          `json:"online,omitempty"`
	After   time.Time     `json:"after,omitzero"` // the end of the last dosing session, as it is known, where an integration is placed
}

// Known is for when the client expects a session; zero where they have not heard of it. It stands in the step, because a mail
// that went out leaves no step behind.
type Known struct {
	Start time.Time `json:"start,omitzero"`
}

// Answer is what the world said to a step, one for each act.
type Answer struct {
	Acts []ActAnswer `json:"acts"`
	// Gap says that the records had lost steps before this one; they were written anew from the pathway.
	Gap bool `json:"gap,omitempty"`
	// Form is the practice's consent form, where it is newer than the pathway's.
	Form *ConsentDocument `json:"form,omitempty"`
	// Restored says that the records were restored from a backup. Then the step only writes its entries: none of its acts is
	// carried out or answered, because the pathway has to look again at what it owes.
	Restored *Restore `json:"restored,omitempty"`
}

// ActAnswer is what the world said to one act: a place in the calendar, or why there is none; where a withdrawn mail was, or
// what became of mail.
type ActAnswer struct {
	Start       time.Time  `json:"start,omitzero"`
	FollowStart time.Time  `json:"follow_start,omitzero"`
	Refused     string     `json:"refused,omitempty"`
	Mail        MailStatus `json:"mail,omitempty"`
	News        []News     `json:"news,omitempty"`
}

// Settled tells whoever asked for a booking or a move what came of it.
type Settled struct {
	Request string
	What    string
	Refusal *Refusal
}

// Settle takes what the world answered to a step, which need not be this pathway's own: after a reset or a crash the records
// hold steps that this run has not taken. It returns the journal lines for what was done, and what came of requests.
func (p *Pathway) Settle(s Step, a Answer) (done []Entry, settled []Settled) {
	p.adopt(s)
	p.Woken = p.onward(s.At)
	p.Steps, p.Last = s.Number, s.Digest()
	if a.Gap && p.Gap.IsZero() {
		p.Gap = s.At
	}
	tell := func(fact *Fact, name, format string, args ...any) {
		done = append(done, Entry{Kind: Done, Name: name, At: s.At, Recorded: s.At, Text: fmt.Sprintf(format, args...), Fact: fact})
	}
	say := func(name, format string, args ...any) { tell(nil, name, format, args...) }
	p.tellHolds(tell)
	if a.Form != nil {
		p.Forms = append(p.Forms, IssuedForm{*a.Form, s.At})
		tell(&Fact{Form: a.Form}, "consent-form", "consent form %s is in force from %s", a.Form.Version, a.Form.InForce)
	}
	if a.Gap {
		say("gap", "the records had lost steps before %d; they were written anew", s.Number)
	}
	if a.Restored != nil {
		p.restored(s, *a.Restored, say)
	}
	for i, act := range s.Acts {
		if i >= len(a.Acts) {
			break
		}
		answer := a.Acts[i]
		if act.Request != "" {
			p.Requests = slices.DeleteFunc(p.Requests, func(r Request) bool { return r.ID == act.Request })
		}
		switch act.Do {
		case BookDeed:
			settled = append(settled, p.settleBooking(s, act, answer, tell)...)
		case MoveDeed:
			settled = append(settled, p.settleMove(s, act, answer, tell)...)
		case CancelDeed:
			p.settleCancel(s, act, a, tell)
		case FileDeed:
			if x := p.appointment(act.Session); x != nil {
				x.Filed = act.State
			}
		case RemindDeed:
			if x := p.appointment(act.Session); x != nil && p.handled(x, act) {
				m := Mail{Key: act.Key, Kind: ReminderMail, Session: x.Name, Revision: x.Revision, Start: x.Start, End: x.End, Online: x.Online, Lead: act.Rule, AnyHour: p.anyHour(act.Rule), Sheet: p.sheet(act.Rule, x.Kind), Until: act.Until}
				f := m.fact()
				f.Call = p.write(s, m)
				tell(f, "reminder", "%s reminder of %s", act.Rule, x.Name)
			}
		case ReportDeed:
			x := p.appointment(act.Session)
			switch {
			case x == nil || !p.handled(x, act):
			case !p.CatchingUp.IsZero():
				c := p.call(s.At, act.Key, x.Name, fmt.Sprintf("the %s reminder of %s may not have been sent", act.Rule, x.Name), x.Start, false)
				tell(&Fact{Key: act.Key, Call: c}, "mail-unknown", "nobody knows whether the %s reminder of %s went out before the restore", act.Rule, x.Name)
			default:
				c := p.call(s.At, act.Key, x.Name, fmt.Sprintf("the %s reminder of %s could not be sent in time", act.Rule, x.Name), x.Start, false)
				tell(&Fact{Key: act.Key, Call: c}, "too-late", "the %s reminder of %s came too late and was not sent", act.Rule, x.Name)
			}
		case WithdrawDeed:
			p.settleWithdrawn(s, act, answer, tell)
		case ResendDeed:
			p.settleResent(s, act, answer, tell)
		case NudgeDeed, AskDeed, CallDeed:
			p.settleNudge(s, act, tell)
		case EndDeed:
			p.Outcome, p.Ended, p.Why = act.Outcome, s.At, act.Reason
			call := p.write(s, Mail{Key: act.Key, Kind: LetterMail, Crisis: p.Protocol.Crisis.Text})
			tell(&Fact{Outcome: act.Outcome, Call: call}, "ended", "ended: %s", act.Outcome)
		case HearDeed:
			p.MailNews = len(answer.News) >= NewsAtOnce
			for _, n := range answer.News {
				p.settleNews(s, n, tell)
			}
		case CatchUpDeed:
			p.CatchingUp = time.Time{}
			say("caught-up", "what fell due before the restore was heard of is worked off: its mails are unknown and are not sent again")
		}
	}
	p.Settled, p.Looks = p.Woken, time.Time{}
	return done, settled
}

// adopt takes a step's journal entries as written. Messages that this run has not seen are taken now, at their own time.
func (p *Pathway) adopt(s Step) {
	for _, e := range s.Entries {
		i := slices.IndexFunc(p.Pending, func(mine Entry) bool { return same(mine, e) })
		if i >= 0 {
			p.Pending = slices.Delete(p.Pending, i, i+1)
			continue
		}
		if e.Unheard {
			p.miss(e)
		}
		if e.Kind == Taken && !slices.Contains(p.Seen, e.ID) {
			before := len(p.Pending)
			_, _, _ = p.enter(e.Name, redated(e), e.Recorded)
			p.Pending = slices.Delete(p.Pending, before, len(p.Pending)) // what it noted is written already
		}
	}
}

// Resume is a pathway as the records have it, with what people have said since. It is for a run that finds itself behind the
// records: after a reset, Temporal sends old messages again, and they are judged then without what had followed from the
// earlier ones. What is stored already, as stored says, is not taken a second time. It leaves both pathways as they are.
func (p *Pathway) Resume(written *Pathway, stored []Entry) *Pathway {
	q := written.Clone()
	stored = slices.Clone(stored)
	for _, e := range p.Pending {
		if e.Message == nil {
			continue // found by the rules themselves, which find it again
		}
		if i := slices.IndexFunc(stored, func(s Entry) bool { return s.Message != nil && s.Name == e.Name && sameMessage(s, e) }); i >= 0 {
			stored = slices.Delete(stored, i, i+1)
			continue
		}
		if _, _, refusal := q.enter(e.Name, e.Message, e.Recorded); refusal != nil && (e.Kind == Taken || e.Unheard) {
			q.NobodyHeard() // it was answered as recorded, and cannot be; or its sender could not be told before
		}
	}
	return q
}

// Onto is the pathway as the records have it once a step of it is written, with what people have said while that was under way: so
// a run arrives where a fold of the written steps does. What was answered as recorded, and can no longer be, raises attention.
func (p *Pathway) Onto(written *Pathway, s Step) *Pathway {
	q := written.Clone()
	q.Refused = p.Refused
	for _, e := range p.Pending {
		if slices.ContainsFunc(s.Entries, func(theirs Entry) bool { return same(e, theirs) }) {
			continue
		}
		switch e.Kind {
		case Rejected:
			q.Pending = append(q.Pending, e)
			if e.Unheard {
				q.miss(e)
			}
		case Taken:
			if _, _, refusal := q.enter(e.Name, redated(e), e.Recorded); refusal != nil {
				q.NobodyHeard()
				continue
			}
			if i := slices.IndexFunc(q.Pending, func(mine Entry) bool { return mine.Kind == Taken && mine.ID == e.ID }); i >= 0 {
				q.Pending[i] = e
			} else { // it changes nothing any more, and was said all the same
				q.Pending = append(q.Pending, e)
			}
		}
	}
	q.Woken = later(q.Woken, p.Woken)
	return q
}

// sameMessage says whether two messages of one name are one. One without a time of its own gets that of its arrival, which a
// reset changes, and with it its identity.
func sameMessage(a, b Entry) bool {
	return a.ID != "" && a.ID == b.ID || string(canonical(a.Message)) == string(canonical(b.Message))
}

// same says whether two entries tell of one thing.
func same(a, b Entry) bool {
	if a.Kind != b.Kind || a.Name != b.Name {
		return false
	}
	if a.Message != nil && b.Message != nil {
		return sameMessage(a, b) && (a.At.Equal(b.At) || a.Assumed && b.Assumed || a.ID != "" && a.ID == b.ID)
	}
	return a.Text == b.Text
}

// redated is a journalled message with the identity and the time that it was given when it was first taken.
func redated(e Entry) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(e.Message, &fields) != nil {
		return e.Message
	}
	fields["id"], _ = json.Marshal(e.ID)
	fields["at"], _ = json.Marshal(e.At.Format(time.RFC3339Nano))
	raw, err := json.Marshal(fields)
	if err != nil {
		return e.Message
	}
	return raw
}

func (p *Pathway) settleBooking(s Step, act Act, a ActAnswer, tell func(*Fact, string, string, ...any)) []Settled {
	if a.Refused != "" {
		what := fmt.Sprintf("no %s session was booked: %s", act.Kind, a.Refused)
		tell(nil, "not-booked", "%s", what)
		if act.Request != "" {
			return []Settled{p.unsettled(s, act, what)}
		}
		p.unplaced(s, act, a.Refused)
		return nil
	}
	p.Unplaced = slices.DeleteFunc(p.Unplaced, func(u Unplaced) bool { return u.Kind == act.Kind })
	fact := p.add(s, act, act.Session, act.Kind, a.Start)
	what := fmt.Sprintf("%s is booked for %s", act.Session, p.clockTime(a.Start))
	if act.Paired != "" {
		act.After = a.Start.Add(p.minutes(Dosing))
		fact.Paired = p.add(s, act, act.Paired, Integration, a.FollowStart)
		what += fmt.Sprintf(", and %s for %s", act.Paired, p.clockTime(a.FollowStart))
	}
	fact.Request = act.Request
	tell(fact, "booked", "%s", what)
	return []Settled{{Request: act.Request, What: what}}
}

func (p *Pathway) unsettled(s Step, act Act, what string) Settled {
	p.Refused = lastOf(append(p.Refused, Entry{Kind: Rejected, Name: string(act.Do) + "-session", At: s.At, Recorded: s.At, Code: NoSlot, Text: what}), 5)
	return Settled{Request: act.Request, Refusal: refuse(NoSlot, "%s; choose another time", what)}
}

func (p *Pathway) add(s Step, act Act, name string, kind Kind, start time.Time) *Fact {
	a := Appointment{Name: name, Kind: kind, Number: act.Number, Start: start, End: start.Add(p.minutes(kind)), Revision: 1, Since: s.At, State: Booked, Filed: Booked,
		Therapist: act.Staff, Online: act.Online, After: act.After}
	p.Appointments = append(p.Appointments, a)
	f := a.fact()
	f.Call = p.write(s, Mail{Key: fmt.Sprintf("booked/%s/r1", name), Kind: BookedMail, Session: name, Revision: 1, Start: a.Start, End: a.End, Until: a.Start, Online: a.Online})
	return f
}

func (p *Pathway) settleMove(s Step, act Act, a ActAnswer, tell func(*Fact, string, string, ...any)) []Settled {
	x := p.appointment(act.Session)
	if a.Refused != "" || x == nil || x.State != Booked {
		what := fmt.Sprintf("%s was not moved: %s", act.Session, a.Refused)
		tell(&Fact{Session: act.Session, Request: act.Request}, "not-moved", "%s", what)
		if act.Request == "" {
			p.unplaced(s, act, a.Refused)
			return nil
		}
		return []Settled{p.unsettled(s, act, what)}
	}
	p.Unplaced = slices.DeleteFunc(p.Unplaced, func(u Unplaced) bool { return u.Kind == act.Kind })
	call := p.shift(s, x, a.Start, act.Known)
	x.After = act.After
	fact := x.fact()
	fact.Call = call
	what := fmt.Sprintf("%s is moved to %s", x.Name, p.clockTime(a.Start))
	call = nil
	if follow := p.appointment(act.Paired); follow != nil && !follow.Start.Equal(a.FollowStart) {
		call = p.shift(s, follow, a.FollowStart, act.Follows)
		what += fmt.Sprintf(", and %s to %s", follow.Name, p.clockTime(a.FollowStart))
	}
	if follow := p.appointment(act.Paired); follow != nil {
		follow.After = x.End
		fact.Paired = follow.fact()
		fact.Paired.Call = call
	}
	fact.Request = act.Request
	tell(fact, "moved", "%s", what)
	return []Settled{{Request: act.Request, What: what}}
}

// shift moves an appointment, and says which call that brings.
func (p *Pathway) shift(s Step, a *Appointment, start time.Time, known Known) *Fact {
	p.uncall(a.Name)
	a.Start, a.End = start, start.Add(a.End.Sub(a.Start))
	a.Revision++
	a.Since, a.Handled, a.Answer = s.At, nil, ""
	m := Mail{Key: fmt.Sprintf("moved/%s/r%d", a.Name, a.Revision), Kind: MovedMail, Session: a.Name, Revision: a.Revision, Start: a.Start, End: a.End, Was: known.Start, Until: a.Start, Online: a.Online}
	if known.Start.IsZero() {
		m.Key, m.Kind = fmt.Sprintf("booked/%s/r%d", a.Name, a.Revision), BookedMail
	}
	return p.write(s, m)
}

// known says for when the client expects an appointment. A mail that is still in the outbox has told them nothing, and will not; nor
// has one that surely did not go out, where the call in its place has not been tried. Without permission to mail, what a coordinator
// said need not be recorded.
func (p *Pathway) known(a Appointment) Known {
	waits := slices.ContainsFunc(p.Outbox, func(m Mail) bool { return m.Session == a.Name && !m.doubtful() })
	doubtful := slices.ContainsFunc(p.Outbox, func(m Mail) bool { return m.Session == a.Name && m.doubtful() })
	uncalled := p.MailPermission && slices.ContainsFunc(p.Calls, func(c Call) bool {
		return c.Session == a.Name && c.Unsent && !slices.ContainsFunc(p.TasksDone, func(d TaskDone) bool { return d.Task == c.Key })
	})
	switch {
	case !a.Told.IsZero():
		return Known{a.Told}
	case !doubtful && (waits || uncalled):
		return Known{}
	}
	return Known{a.Start}
}

// unheard are the mails of a session of which no mail is known to have gone out: they are taken back with its cancellation, and if one
// had gone out after all, the records say so.
func (p *Pathway) unheard(a Appointment) []Act {
	if !p.known(a).Start.IsZero() {
		return nil
	}
	var acts []Act
	for _, m := range p.Outbox {
		if m.Session == a.Name && m.Kind != CancelledMail {
			acts = append(acts, withdrawal(m, overtakenMail))
		}
	}
	return acts
}

func withdrawal(m Mail, why string) Act {
	return Act{Do: WithdrawDeed, Key: m.Key, Reason: why, Session: m.Session, Known: Known{m.Start}}
}

// heard is the start of which a mail may have told that a step takes back, or zero.
func heard(s Step, a Answer, session string) time.Time {
	for i, act := range s.Acts {
		if act.Do == WithdrawDeed && act.Session == session && i < len(a.Acts) && slices.Contains([]MailStatus{SentMail, ClaimedMail, UnknownMail}, a.Acts[i].Mail) {
			return act.Known.Start
		}
	}
	return time.Time{}
}

func (p *Pathway) settleCancel(s Step, act Act, answer Answer, tell func(*Fact, string, string, ...any)) {
	a := p.appointment(act.Session)
	if a == nil || a.State != Booked {
		return
	}
	a.State, a.Filed, a.ByClient, a.Over, a.Unmeasured = act.State, act.State, act.Reason == byClient, s.At, act.Rule == unmeasured
	a.Unsuited = act.Request != ""
	fact := a.fact()
	fact.State, fact.ByClient, fact.Request = a.State, a.ByClient, act.Request
	defer func() { // once it is known which call that brings
		tell(fact, "cancelled", "%s on %s is cancelled: %s", a.Name, p.clockTime(a.Start), act.Reason)
	}()
	p.uncall(a.Name)
	if !s.At.Before(a.Start) { // there is nothing left to tell
		return
	}
	start := act.Known.Start
	if start.IsZero() {
		start = heard(s, answer, a.Name)
	}
	if start.IsZero() { // no mail of it went out
		return
	}
	key := fmt.Sprintf("cancelled/%s/r%d", a.Name, a.Revision)
	fact.Call = p.write(s, Mail{Key: key, Kind: CancelledMail, Session: a.Name, Revision: a.Revision, Start: start, End: start.Add(a.End.Sub(a.Start)), Until: start, Online: a.Online})
	if act.Reason != byClient && !p.clientKnows(*a) && start.Sub(s.At) <= hours(p.Protocol.Dosing.CheckHoursBefore) {
		fact.Call = p.call(s.At, key, a.Name, fmt.Sprintf("tell the client that %s on %s will not take place", a.Name, p.clockTime(start)), time.Time{}, true)
	}
}

// clientKnows says whether a session is cancelled because of something that the client did: they withdrew, cancelled the dosing session
// that it follows, did not come to it, or were there and not dosed. They are mailed, and need no urgent call.
func (p *Pathway) clientKnows(a Appointment) bool {
	if p.ending() == WithdrawnByClient {
		return true
	}
	var before *Appointment
	for i := range p.Appointments {
		if x := &p.Appointments[i]; x.Kind == Dosing && !x.End.After(a.Start) && (before == nil || x.Start.After(before.Start)) {
			before = x
		}
	}
	return a.Kind == Integration && before != nil && (before.ByClient || before.State == CancelledLate || before.State == AttendedNotDosed || before.State == NoShow)
}

func (p *Pathway) settleWithdrawn(s Step, act Act, a ActAnswer, tell func(*Fact, string, string, ...any)) {
	i := slices.IndexFunc(p.Outbox, func(m Mail) bool { return m.Key == act.Key })
	if i < 0 {
		return
	}
	if a.Mail == ClaimedMail && (act.Reason == tooLate || act.Reason == otherClock) { // being sent at this moment: its claim ends soon
		p.Outbox[i].Again = s.At.Add(claimAtMost)
		return
	}
	m := p.Outbox[i]
	p.Outbox = slices.Delete(p.Outbox, i, i+1)
	if m.Staff != "" {
		p.settleStaffMail(s, act, a, m, tell)
		return
	}
	say := func(call *Fact, name, format string, args ...any) {
		tell(&Fact{Key: act.Key, Mail: m.Kind, Session: m.Session, Call: call}, name, format, args...)
	}
	switch {
	case act.Reason == otherClock && (a.Mail == WithdrawnMail || a.Mail == PendingMail):
		m.Key, m.From, m.Again = m.Key+"/again", time.Time{}, time.Time{}
		say(p.write(s, m), "withdrawn", "%s: %s is written anew", act.Reason, act.Key)
	case (act.Reason == noMail || act.Reason == noAddress) && (a.Mail == WithdrawnMail || a.Mail == PendingMail):
		say(p.callUnsent(s.At, m, p.spoken(m), p.near(m, s.At)), "withdrawn", "%s: %s is said by telephone", act.Reason, act.Key)
	case a.Mail == UnknownMail && act.Reason == overtakenMail: // what holds instead is said by other mails
		var call *Fact
		if p.untold(m) && !s.cancels(m.Session) {
			call = p.misled(s, act, m)
		}
		say(call, "mail-unknown", "nobody knows whether a mail went out: %s", act.Key)
	case a.Mail == SentMail, a.Mail == ClaimedMail: // it is out, or on its way
		switch {
		case s.cancels(m.Session): // its cancellation goes with this step
		case act.Reason == overtakenMail:
			if call := p.misled(s, act, m); call != nil {
				say(call, "mail-overtaken", "a mail that no longer holds is out, or on its way: %s", act.Key)
			}
		case a.Mail == SentMail:
			p.told(m)
		}
	case a.Mail == UnknownMail:
		say(p.call(s.At, act.Key, m.Session, "a mail may not have reached the client: "+p.spoken(m), m.spokenUntil(), p.near(m, s.At)),
			"mail-unknown", "nobody knows whether a mail went out: %s", act.Key)
	case a.Mail == RejectedMail:
		say(p.callUnsent(s.At, m, "a mail was not accepted: "+p.spoken(m), p.near(m, s.At)), "mail-rejected", "the mail service did not accept a mail: %s", act.Key)
	case act.Reason == tooLate:
		say(p.callUnsent(s.At, m, "a mail came too late and was not sent: "+p.spoken(m), m.Kind == BookedMail || m.Kind == MovedMail || m.Kind == CancelledMail),
			"too-late", "a mail came too late and was not sent: %s", act.Key)
	default:
		say(nil, "withdrawn", "a mail that no longer holds was not sent: %s", act.Key)
	}
}

// cancels says whether a step cancels a session.
func (s Step) cancels(session string) bool {
	return slices.ContainsFunc(s.Acts, func(act Act) bool { return act.Do == CancelDeed && act.Session == session })
}

// misled asks for a call about a time that the client may have read of, and that was changed while they were taken not to know it.
func (p *Pathway) misled(s Step, act Act, m Mail) *Fact {
	if m.Kind == BookedMail || m.Kind == MovedMail {
		return p.call(s.At, "overtaken/"+act.Key, m.Session, fmt.Sprintf("they may have read that %s is on %s, which no longer holds", m.Session, p.clockTime(m.Start)), m.Start, true)
	}
	return nil
}

// settleStaffMail: a nudge that did not go out is followed by the next; an urgent one becomes a call.
func (p *Pathway) settleStaffMail(s Step, act Act, a ActAnswer, m Mail, tell func(*Fact, string, string, ...any)) {
	if a.Mail == SentMail || a.Mail == ClaimedMail {
		return
	}
	f := &Fact{Key: m.Key, Mail: m.Kind}
	if m.calls() {
		f.Call = p.callStaff(s.At, m.Staff)
	}
	tell(f, "mail-withdrawn", "a mail to %s was not sent, or may not have been: %s", m.Staff, act.Reason)
}

// claimAtMost is when a delivery that is under way has ended in one way or another: later than any claim on a mail lasts.
const claimAtMost = 3 * time.Minute

// handled marks a reminder as done with at the appointment's revision; it says whether that was new.
func (p *Pathway) handled(a *Appointment, act Act) bool {
	if act.Key != reminderKey(*a, act.Rule) || slices.Contains(a.Handled, act.Rule) {
		return false
	}
	a.Handled = append(a.Handled, act.Rule)
	return true
}

// Unplaced is a session for which the calendar had no time: a coordinator's task, and looked for again each day.
type Unplaced struct {
	Kind  Kind      `json:"kind"`
	Since time.Time `json:"since"`
	Why   string    `json:"why"`
	Again time.Time `json:"again"`
}

func (p *Pathway) unplaced(s Step, act Act, why string) {
	again := s.At.AddDate(0, 0, 1)
	for i := range p.Unplaced {
		if p.Unplaced[i].Kind == act.Kind {
			p.Unplaced[i].Again, p.Unplaced[i].Why = again, why
			return
		}
	}
	p.Unplaced = append(p.Unplaced, Unplaced{Kind: act.Kind, Since: s.At, Why: why, Again: again})
}
