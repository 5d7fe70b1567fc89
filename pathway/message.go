package pathway

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Envelope is what every message says beside its own fields.
type Envelope struct {
	// By is the staff id of whoever did it. Nobody verifies it yet: for trial data only.
	By string `json:"by" must:"yes"`
	// At is when it happened; without it, when it arrived.
	At time.Time `json:"at,omitzero"`
	// ID makes a message one message, however often it is sent.
	ID string `json:"id,omitempty"`
	// Role is what whoever did it was on this pathway then.
	Role Role `json:"role,omitempty" kap:"sets"`
	// Heard is when the practice's software learned of it.
	Heard time.Time `json:"heard,omitzero" kap:"sets"`
}

func (e *Envelope) envelope() *Envelope { return e }

// happened and its like let the rules look a decision up by its time.
func (e Envelope) happened() time.Time { return e.At }

type message interface {
	envelope() *Envelope
	// record changes the pathway and says in a sentence what is now recorded, or refuses and leaves it as it was.
	record(p *Pathway, now time.Time) (string, *Refusal)
}

// MessageType is one line of the contract with staff: the same name and the same JSON as a signal and as an update.
type MessageType struct {
	Name    string
	About   string // what it does, in a sentence or two
	Roles   []Role
	Anybody bool // also from people outside the care team
	Example string
	// Bare is the part of the example that holds in every case, where the rest depends on the case.
	Bare string
	make func() message
	form []member // what [Pathway.ExampleFor] fills in
}

// Description is what Temporal's UI and `temporal workflow metadata` show beside the name.
func (m MessageType) Description() string {
	from := "anybody on the care team"
	switch {
	case m.Anybody:
		from = "anybody"
	case len(m.Roles) > len(everybody):
		from += ", and the client by a link in a mail"
	case slices.Equal(m.Roles, []Role{Client}):
		from = "the client, by a link in a mail, and nobody else"
	case len(m.Roles) < len(everybody):
		from = "the " + orList(m.Roles)
	}
	return fmt.Sprintf("From %s. %s Example: %s", from, m.About, m.Example)
}

var clinicians = []Role{Therapist, Prescriber}
var everybody = []Role{Therapist, Prescriber, Coordinator}
var everybodyAndTheClient = append(slices.Clone(everybody), Client)

// Messages is the contract, in the order in which a pathway meets them.
func Messages() []MessageType {
	return []MessageType{
		{
			Name: "prescriber-clearance", Roles: []Role{Prescriber},
			About:   "Says whether treatment is medically acceptable: cleared, not-cleared, more-information or revoked. It is not a prescription.",
			Example: `{"by": "p-singh", "decision": "cleared", "medications_reviewed": true, "cardiovascular_history_reviewed": true, "psychiatric_history_reviewed": true, "medically_stable": true}`,
			make:    func() message { return &PrescriberClearance{} },
		}, {
			Name: "psychological-evaluation", Roles: []Role{Therapist},
			About:   "Says whether KAP suits this client: suitable, defer (with what_must_change and review_on) or decline (with reason).",
			Example: `{"by": "t-lane", "decision": "suitable", "trauma_history_reviewed": true, "substance_use_history_reviewed": true, "attachment_history_reviewed": true}`,
			make:    func() message { return &PsychologicalEvaluation{} },
		}, {
			Name: "consent", Roles: []Role{Therapist},
			About:   "Says that the client has given or withdrawn informed consent, before the therapist as witness.",
			Example: `{"by": "t-lane", "decision": "given", "risks": true, "alternatives": true, "what_we_do_and_do_not": true, "off_label": true, "evidence": "supported", "document_version": "2026-1", "document_sha256": "<SHA-256 of the form>"}`,
			make:    func() message { return &Consent{} },
		}, {
			Name: "safety-plan", Roles: []Role{Therapist},
			About:   "Says that a plan for the time between dosing sessions is on file, or was revised.",
			Example: `{"by": "t-lane", "decision": "on-file", "between_sessions_plan": true, "emergency_contact_on_file": true}`,
			make:    func() message { return &SafetyPlan{} },
		}, {
			Name: "book-session", Roles: everybody,
			About:   "Books a session at a time agreed with the client, or the earliest that fits where start is left out. kap books the usual ones by itself.",
			Example: `{"by": "c-desk", "kind": "preparation", "start": "2026-12-10 10:00"}`,
			make:    func() message { return &BookSession{} },
		}, {
			Name: "move-session", Roles: everybody,
			About:   "Moves a booked session to another time; a dosing session takes its integration along.",
			Example: `{"by": "c-desk", "session": "preparation-1", "start": "2026-12-11 14:00"}`,
			make:    func() message { return &MoveSession{} },
		}, {
			Name: "cancel-session", Roles: everybody,
			About:   "Cancels a booked session at the wish of the client or of the practice; kap then looks for another time.",
			Example: `{"by": "c-desk", "session": "preparation-1", "wish_of": "client"}`,
			make:    func() message { return &CancelSession{} },
		}, {
			Name: "answer", Roles: []Role{Client},
			About:   "Says that the client will be there, or needs another time, which becomes a coordinator's call. It moves and cancels nothing.",
			Example: `{"by": "client.link", "session": "preparation-1", "revision": 1, "answer": "coming"}`,
			make:    func() message { return &ClientAnswer{} },
		}, {
			Name: "session-held", Roles: everybody,
			About:   "Says how a session went: held, attended-not-dosed, cut-short, no-show or cancelled-late. A dosing session's record says all of its day; an integration's says what is next.",
			Example: `{"by": "t-lane", "session": "integration-1", "outcome": "held", "next": "another", "client_agrees": true}`,
			Bare:    `{"by": "", "session": "", "outcome": "held"}`,
			make:    func() message { return &SessionHeld{} },
		}, {
			Name: "hold", Roles: clinicians,
			About:   "Holds the pathway, for a crisis or a concern: nothing is dosed until whoever the cause asks for has released it.",
			Example: `{"by": "t-lane", "cause": "crisis", "reason": "seen today, safety plan in use"}`,
			make:    func() message { return &PlaceHold{} },
		}, {
			Name: "release", Roles: clinicians,
			About:   "Releases one hold, as far as it is the sender's to release; other holds stay.",
			Example: `{"by": "t-lane", "hold": "hold-1", "reason": "risk assessed, safe to go on"}`,
			make:    func() message { return &Release{} },
		}, {
			Name: "measure", Roles: []Role{Therapist},
			About:   "Records a questionnaire: phq-9 with its item 9, gad-7, pcl-5, or the clinician's total for grief.",
			Example: `{"by": "t-lane", "scale": "phq-9", "total": 14, "item_9": 0}`,
			Bare:    `{"by": "", "scale": "", "total": ""}`,
			make:    func() message { return &Measure{} },
		}, {
			Name: "adverse-event", Roles: clinicians,
			About:   "Says that something went wrong, or that the client's medication has changed. It holds the pathway and voids the clearance, unless it is mild and of no named kind.",
			Example: `{"by": "t-lane", "kind": "urinary-symptoms", "severity": "moderate"}`,
			make:    func() message { return &AdverseEvent{} },
		}, {
			Name: "risk-assessment", Roles: []Role{Therapist},
			About:   "Says what an assessment of the client's risk found: safe-to-continue, or at-risk, which holds the pathway.",
			Example: `{"by": "t-lane", "outcome": "safe-to-continue", "safety_plan_reviewed": true}`,
			make:    func() message { return &RiskAssessment{} },
		}, {
			Name: "review", Roles: clinicians,
			About:   "Reviews the treatment: continue, adjust, one-more, stop or complete, with a reason; take-back withdraws it while the other clinician's is awaited.",
			Example: `{"by": "t-lane", "decision": "adjust", "reason": "more time for integration"}`,
			make:    func() message { return &Review{} },
		}, {
			Name: "stop", Roles: []Role{Therapist},
			About:   "Ends the treatment: it is not working, or must not go on; or, as lapsed, the client has not answered for long.",
			Example: `{"by": "t-lane", "reason": "no important change, agreed with the prescriber"}`,
			Bare:    `{"by": ""}`,
			make:    func() message { return &Stop{} },
		}, {
			Name: "withdraw", Roles: everybodyAndTheClient,
			About:   "Says that the client withdraws, at any time and without a reason, to whoever hears of it first.",
			Example: `{"by": "c-desk"}`,
			make:    func() message { return &Withdrawal{} },
		}, {
			Name: "referral", Roles: []Role{Therapist},
			About:   "Says to whom the client is referred, and for what. No pathway is stopped or declined without one.",
			Example: `{"by": "t-lane", "to": "community mental health center", "purpose": "trauma-focused psychotherapy"}`,
			make:    func() message { return &Referral{} },
		}, {
			Name: "task-done", Roles: everybody,
			About:   "Says how something went that a person had to do, such as a call, a conversation or a letter: done, reached, tried, declined, or acknowledged.",
			Example: `{"by": "t-lane", "task": "conversation", "outcome": "reached"}`,
			make:    func() message { return &TaskDone{} },
		}, {
			Name: "care-team", Roles: everybody,
			About:   "Gives the client another therapist, prescriber or coordinators. What is booked is cancelled where the therapist changes, and booked with the new one once nothing else is waited for.",
			Example: `{"by": "c-desk", "therapist": "t-ortiz", "reason": "parental leave"}`,
			make:    func() message { return &CareTeamChange{} },
		}, {
			Name: "contact", Roles: everybodyAndTheClient,
			About:   "Says how the client can be reached: permission to mail, time zone, weekly times. Addresses are not part of it.",
			Example: `{"by": "c-desk", "mail_permission": true, "zone": "America/Chicago", "availability": ["tuesday 09:00-13:00"]}`,
			make:    func() message { return &ContactChange{} },
		}, {
			Name: "correct", Roles: everybody,
			About:   "Corrects an earlier entry, by its id: the fields that were wrong, as they should have been; or happened, for its time; or void, for all of it. Whoever may record it may correct it.",
			Example: `{"by": "t-lane", "entry": "<id of the entry>", "why": "total mistyped", "total": 12}`,
			make:    func() message { return &Correction{} },
		}, {
			Name: "refresh", Roles: everybody, Anybody: true,
			About:   "Makes the pathway look again now, in a fresh run, on the release of kap that is current. It changes nothing about the client, so that whoever runs kap may send it to many at once.",
			Example: `{"by": "c-desk"}`,
			make:    func() message { return &Refresh{} },
		},
	}
}

// contract keeps the lines: they are asked for with every message, and their forms with every task.
var contract = sync.OnceValue(func() []MessageType {
	all := Messages()
	for i := range all {
		all[i].form = all[i].blank()
	}
	return all
})

// blank is the example with what somebody has to say left open.
func (m MessageType) blank() []member {
	members, _ := object([]byte(cmp.Or(m.Bare, m.Example)))
	for _, t := range m.Takes() {
		if i := slices.IndexFunc(members, func(m member) bool { return m.name == t.Name }); i >= 0 && t.open() != "" {
			members[i].raw, _ = unescaped(t.open())
		}
	}
	return members
}

// Message finds a line of the contract by its name; its Name is empty where there is none.
func Message(name string) MessageType {
	for _, m := range contract() {
		if m.Name == name {
			return m
		}
	}
	return MessageType{}
}

// Reply is what a sender hears at once.
type Reply struct {
	Result Result `json:"result"`
	What   string `json:"what"` // in a sentence, what is now recorded
	Next   string `json:"next"` // in a sentence, what happens next
}

// Result sorts replies for programs.
type Result string

// What became of a message that was not refused.
const (
	Recorded  Result = "recorded"
	AlreadySo Result = "already so"
	Asked     Result = "pending" // the calendar has yet to answer
)

// Refresh asks for nothing but another look.
type Refresh struct{ Envelope }

func (*Refresh) record(*Pathway, time.Time) (string, *Refusal) {
	return "asked to look again", nil
}

// refusedAtMost bounds what the journal keeps of a refused message.
const refusedAtMost = 2 << 10

var errAlreadySo = &Refusal{Code: "already-so"}

// Record takes one message at the moment now. It answers with what is recorded and what happens next, or with a
// [*Refusal]. A refused message leaves the pathway as it was, but for the note of the attempt.
func (p *Pathway) Record(name string, raw []byte, now time.Time) (Reply, error) {
	result, what, refusal := p.enter(name, raw, now)
	if refusal != nil {
		return Reply{}, refusal
	}
	return Reply{Result: result, What: what, Next: p.Next(p.Woken)}, nil
}

// enter is Record for those whom nobody asks what happens next.
func (p *Pathway) enter(name string, raw []byte, now time.Time) (Result, string, *Refusal) {
	now = p.onward(now)
	p.Woken = now
	entry := Entry{Kind: Taken, Name: name, At: now, Recorded: now, Message: journalled(raw)}
	what, gist, refusal := p.take(name, raw, now, &entry)
	switch {
	case refusal == errAlreadySo:
		return AlreadySo, what, nil
	case refusal != nil:
		entry.Kind, entry.Text, entry.Code = Rejected, refusal.Sentence, refusal.Code
		if len(entry.Message) > refusedAtMost {
			entry.Message, _ = json.Marshal(shorten(string(entry.Message)))
		}
		p.Pending = append(p.Pending, entry)
		entry.Message = nil
		p.Refused = lastOf(append(p.Refused, entry), 5)
		return "", "", refusal
	}
	entry.Text = what
	p.Missed = slices.DeleteFunc(p.Missed, func(m Missed) bool { return m.Name == name && m.By == entry.By }) // said again
	if p.Outcome != "" && (name == "adverse-event" || name == "correct") {
		p.Later = append(p.Later, Later{entry.ID, name, now})
	}
	p.derive(now.Truncate(time.Second))
	p.Pending = append(p.Pending, entry)
	p.Seen, p.SeenAs = lastOf(append(p.Seen, entry.ID), seenAtMost), lastOf(append(p.SeenAs, gist), seenAtMost)
	p.noteJointDecision(now)
	if p.asked(entry.ID) {
		return Asked, what, nil
	}
	return Recorded, what, nil
}

// NobodyHeard notes that the sender of the message that was refused last could not be told. The journal's entry keeps that, so that
// whoever takes the step over knows it, too.
func (p *Pathway) NobodyHeard() {
	for i := len(p.Pending) - 1; i >= 0; i-- {
		if e := &p.Pending[i]; e.Kind == Rejected {
			e.Unheard, e.Fact = true, &Fact{Unheard: true}
			p.miss(*e)
			return
		}
	}
}

func (p *Pathway) miss(e Entry) {
	if i := slices.IndexFunc(p.Missed, func(m Missed) bool { return m.Name == e.Name && m.By == e.By }); i >= 0 {
		return
	}
	p.Missed = append(p.Missed, Missed{Name: e.Name, By: e.By, Since: e.Recorded})
}

// NotCancelled notes that Temporal was asked to cancel the pathway's workflow, which changes nothing about the client.
func (p *Pathway) NotCancelled(now time.Time) {
	e := Entry{Kind: Rejected, Name: "cancel", At: now, Recorded: now, Code: NotNow,
		Text: "Temporal was asked to cancel this workflow, which was not done: a pathway ends by a clinician's decision, such as a psychological-evaluation that declines"}
	p.Pending = append(p.Pending, e)
	p.Refused = lastOf(append(p.Refused, e), 5)
}

func (p *Pathway) take(name string, raw []byte, now time.Time, entry *Entry) (what, gist string, refusal *Refusal) {
	kind := Message(name)
	if kind.make == nil {
		var e struct {
			By string `json:"by"`
		}
		if json.Unmarshal(raw, &e) == nil && CheckStaffID(e.By) == nil {
			entry.By = e.By
		}
		return "", "", refuse(BadValue, "%s is the name of no message of kap; `starter record --list` has them", quoted(name))
	}
	m := kind.make()
	members, refusal := membersOf(name, raw)
	if refusal == nil {
		refusal = fill(name, members, m, p.zone())
	}
	e := m.envelope()
	if entry.By = e.By; CheckStaffID(e.By) != nil && e.By != ByLink {
		entry.By = ""
	}
	if refusal != nil {
		return "", "", refusal
	}
	role := p.roleOf(e.By)
	if role == "" && kind.Anybody {
		if CheckStaffID(e.By) != nil { // its words would repeat what was found
			return "", "", refuse(BadValue, "%s: by: found %s, expected a staff id of 2 to 24 lower-case letters, digits or hyphens, such as operator", name, quoted(e.By))
		}
	} else if role == "" {
		return "", "", refuse(WrongPerson, "%s: by: found %s, who is not on this pathway's care team (therapist %s, prescriber %s, coordinators %s)",
			name, quoted(e.By), p.CareTeam.Therapist, p.CareTeam.Prescriber, strings.Join(p.CareTeam.Coordinators, ", "))
	}
	if role != "" && !slices.Contains(kind.Roles, role) {
		return "", "", refuse(WrongPerson, "%s: by: found %s, who is this pathway's %s; only its %s may record this", name, e.By, role, p.who(kind.Roles))
	}
	e.Role, e.Heard, entry.Assumed = role, now.Truncate(time.Second), e.At.IsZero()
	if e.ID != "" && !plainID.MatchString(e.ID) {
		return "", "", refuse(BadValue, "%s: id: found %s, expected 1 to 64 letters, digits, dots, colons, hyphens or underscores", name, quoted(e.ID))
	}
	if e.At.After(now.Add(2 * time.Minute)) {
		return "", "", refuse(BadValue, "%s: at: found %s, which is in the future; expected the moment at which it happened", name, p.clockTime(e.At))
	}
	if e.At.IsZero() || e.At.After(now) {
		e.At = now.Truncate(time.Second) // a sender's clock may be a little fast; times are written to the second
	}
	if e.At.Before(p.Enrolment.At.AddDate(-1, 0, 0)) {
		return "", "", refuse(BadValue, "%s: at: found %s, more than a year before this pathway began; expected the moment at which it happened", name, p.clockTime(e.At))
	}
	entry.ID, entry.At = identity(name, *e, members), e.At
	if entry.Assumed && e.ID == "" {
		entry.ID = p.repeated(entry.ID)
	}
	e.ID = entry.ID
	gist = gistOf(name, members)
	if i := slices.Index(p.Seen, entry.ID); i >= 0 {
		if said := i - (len(p.Seen) - len(p.SeenAs)); said >= 0 && p.SeenAs[said] != gist { // the oldest ids have none
			return "", "", refuse(BadValue, "%s: id: found %s, under which another message was taken before; expected an id of its own", name, quoted(entry.ID))
		}
		return "this very message was taken before; nothing has changed", gist, errAlreadySo
	}
	if p.Outcome != "" && !slices.Contains(afterTheEnding, name) {
		return "", "", refuse(HasEnded, "%s: this pathway ended as %s on %s and takes no more of these; for a client who comes back, enrol anew", name, p.Outcome, p.clockTime(p.Ended))
	}
	what, refusal = m.record(p, now)
	return what, gist, refusal
}

// plainID is what a sender's own id looks like. It ends up in keys and error texts, so it has no room for words.
var plainID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

// afterTheEnding are the messages that an ended pathway takes: calls are still made, and what went wrong or was written down
// wrongly still reaches the journal and both clinicians. They change no outcome.
var afterTheEnding = []string{"task-done", "adverse-event", "correct", "care-team", "refresh"}

func (p *Pathway) who(roles []Role) string {
	var names []string
	for _, r := range roles {
		names = append(names, fmt.Sprintf("%s (%s)", r, p.CareTeam.id(r)))
	}
	return strings.Join(names, " or ")
}

// identity is the message's own id, or else a digest of its name, author, time and fields.
func identity(name string, e Envelope, members []member) string {
	if e.ID != "" {
		return e.ID
	}
	return digest(8, "%s\n%s\n%s", name, e.At.UTC().Format(time.RFC3339Nano), sorted(members))
}

// gistOf tells what a message says from what others say, whatever its id and its time, which are given to those that come without.
func gistOf(name string, members []member) string {
	return digest(6, "%s\n%s", name, sorted(members, "id", "at"))
}

func digest(bytes int, format string, of ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, format, of...))
	return hex.EncodeToString(sum[:bytes])
}

// sorted writes an object's members, but for some, in the order of their names and with nothing between them.
func sorted(members []member, without ...string) []byte {
	members = slices.SortedStableFunc(slices.Values(members), func(a, b member) int { return strings.Compare(a.name, b.name) })
	members = slices.DeleteFunc(members, func(m member) bool { return slices.Contains(without, m.name) })
	b := bytes.NewBufferString("{")
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		said, _ := json.Marshal(m.raw) // however it was escaped
		fmt.Fprintf(b, "%q:%s", m.name, said)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// repeated tells a message that was sent twice in one instant from one that is said again after something else was said in
// that instant: revoked, cleared, revoked are three decisions.
func (p *Pathway) repeated(id string) string {
	n := 0
	for i, seen := range p.Seen {
		if seen != id && !strings.HasPrefix(seen, id+".") {
			continue
		}
		if i == len(p.Seen)-1 {
			return seen
		}
		n++
	}
	if n > 0 {
		return fmt.Sprintf("%s.%d", id, n)
	}
	return id
}

// canonical is sorted for a message as it was sent, which need not be an object.
func canonical(raw []byte) []byte {
	members, err := object(raw)
	if err != nil {
		return raw
	}
	return sorted(members)
}

// journalled is a message as the journal keeps it: as sent where it is JSON, and as a JSON text, cut short, where not.
func journalled(raw []byte) json.RawMessage {
	if len(raw) <= longest && json.Valid(raw) { // which does not ask for UTF-8, as PostgreSQL does
		return bytes.ToValidUTF8(raw, []byte("\ufffd"))
	}
	text, _ := json.Marshal(shorten(strings.ToValidUTF8(string(raw[:min(len(raw), longest)]), "?")))
	return text
}

// ExampleFor is a message to copy: the contract's example with this pathway's people and documents in it, and with what it
// says in this case. What somebody decides, has seen or attests to is left open: a form that came with it could be sent by
// whoever has not looked.
func (p *Pathway) ExampleFor(name string, by Role, with ...Field) string {
	members := slices.Clone(Message(name).form)
	if members == nil {
		return ""
	}
	with = append([]Field{{"by", p.CareTeam.id(by)}}, with...)
	if name == consentGate {
		form := p.newestForm()
		with = append(with, Field{"document_version", form.Version}, Field{"document_sha256", form.SHA256},
			Field{"evidence", p.Diagnosis.Evidence()})
	}
	for _, f := range with {
		raw, err := unescaped(f.Value)
		if err != nil {
			continue
		}
		if i := slices.IndexFunc(members, func(m member) bool { return m.name == f.Name }); i >= 0 {
			members[i].raw = raw
		} else {
			members = append(members, member{f.Name, raw})
		}
	}
	var b strings.Builder
	b.WriteString("{")
	for i, m := range members {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(`"` + m.name + `": `)
		b.Write(m.raw)
	}
	b.WriteString("}")
	return b.String()
}

// open is what stands for a field that somebody has to say, with what they have to choose from; empty where it takes words.
func (t Takes) open() string {
	switch {
	case len(t.Options) > 0:
		return choice(t.Options)
	case t.Expected == "true or false":
		return yesOrNo
	}
	return ""
}

// choice stands where somebody has to choose.
func choice[T ~string](of []T) string { return "<" + orList(of) + ">" }

// unescaped writes JSON for people: with < and > as they are.
func unescaped(value any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSpace(b.Bytes()), err
}

// AsRefusal finds the refusal in an error, or nil.
func AsRefusal(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return nil
}

func lastOf[T any](all []T, n int) []T {
	if len(all) > n {
		return slices.Clone(all[len(all)-n:])
	}
	return all
}
