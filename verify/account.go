package verify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"kap/pathway"
	"kap/records"
)

// account is what the journal says, taken down entry by entry: who said what, in which order, when it happened and when kap heard of
// it, and what kap did. A correction changes the account; what was found before it stays found.
type account struct {
	began   pathway.Enrolment // as the journal begins
	e       pathway.Enrolment // as corrected since
	rules   pathway.Protocol
	team    pathway.CareTeam
	zone    *time.Location
	facts   []*fact
	visits  []*visit
	holds   []*hold
	forms   []issued
	heard   time.Time // of the enrolment's findings, where a correction changed them
	grades  []former
	outcome pathway.Outcome
	ended   time.Time
	mails   []permission
	clocks  []clock
	allowed bool // by the client, to mail them
	refused bool // by their address
	sent    map[string]bool
	acted   map[string]pathway.Role // as which clinician somebody has acted

	times        map[string]int      // how often each message came
	after        []string            // what came after the ending, by its identity
	everDeferred bool                // KAP was, at some time
	waits        map[string]*waiting // what staff owe
	told         map[string]*told    // and when they were told of it last
	wordless     int                 // up to this step nothing is proved of nudges
	calls        []call              // that a coordinator owes
	unheard      []string            // of what was refused, and whose sender could not be told, by the key of its task
	unplaced     sought              // for which kap has found no time
	wishes       []string            // sessions that somebody asked for and the calendar has yet to answer, by the message's identity
	looked       time.Time           // for an integration, perhaps, in vain
	lookedAfter  int                 // which message
	formed       int                 // the step that brought the newest consent form

	step     int       // that is being read
	now      time.Time // on the pathway's clock
	endStep  int       // that ended it
	seq      int
	changed  bool           // something was said since the rules were last held against it
	late     map[string]int // dosing sessions that should have been cancelled, and in which step that was seen
	findings []Finding
	known    map[string]bool // what was found already
}

// fact is one thing that somebody said and that was taken.
type fact struct {
	seq   int
	name  string
	id    string
	role  pathway.Role // of whoever said it, then
	at    time.Time
	heard time.Time // a correction leaves that as it was
	said  said
	ended *call // that somebody said was made
}

func (f *fact) decision() string { return f.said.text("decision") }
func (f *fact) outcome() string  { return f.said.text("outcome") }
func (f *fact) scale() string    { return f.said.text("scale") }
func (f *fact) total() int       { return f.said.number("total") }
func (f *fact) item9() int       { return f.said.number("item_9") }

// visit is one session: as booked, and as it took place.
type visit struct {
	name       string
	kind       pathway.Kind
	therapist  string
	booked     time.Time
	length     time.Duration
	start, end time.Time
	revision   int
	off        bool                 // it left the calendar
	state      pathway.SessionState // in which it did
	over       time.Time            // and when
	checked    bool                 // kap took it out within its last check
	byClient   bool
	unbooked   bool
	record     *fact // how it went
	placed     int   // after which message it was booked or moved
	sought     int   // and after which kap found no other time for it
	soughtIn   int   // the step of that
	timed      int   // with which message it took place when it did
	past       []standing
	mailed     bool   // a mail about it went out
	calls      []call // owed when it was recorded
}

// standing is how a session stood from a step on.
type standing struct {
	step     int
	start    time.Time
	revision int
	off      bool
}

func (v *visit) dosed() bool {
	return v.kind == pathway.Dosing && v.record != nil && (v.record.outcome() == pathway.Held || v.record.outcome() == pathway.CutShort)
}

func (v *visit) was(kind pathway.Kind) bool {
	return v.kind == kind && v.record != nil && v.record.outcome() == pathway.Held
}

func (v *visit) standing() bool { return !v.off && v.record == nil }

// stateNow is what became of it, where anything did.
func (v *visit) stateNow() string {
	if v.record != nil {
		return v.record.outcome()
	}
	return string(v.state)
}

// recorded is when it was, where somebody recorded it: a record is made of what has ended.
func (v *visit) recorded() time.Time { return later(v.record.at, v.end) }

// after is how it stood once a step was written.
func (v *visit) after(step int) standing {
	var s standing
	for _, x := range v.past {
		if x.step <= step {
			s = x
		}
	}
	return s
}

type hold struct {
	pathway.Fact
	told   time.Time // when the journal names it first
	lifted bool
}

type issued struct {
	version string
	inForce time.Time
	known   time.Time
}

type former struct {
	grade string
	until time.Time
}

type permission struct {
	step    int
	allowed bool
}

// clock is where the client is from a step on.
type clock struct {
	step int
	zone string
}

var farFuture = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// open begins an account with what the pathway was enrolled with.
func open(e pathway.Enrolment) (*account, error) {
	zone, err := time.LoadLocation(e.PracticeZone)
	if err != nil {
		return nil, fmt.Errorf("the practice's zone is unknown")
	}
	return &account{began: e, e: e, rules: e.Protocol, team: e.CareTeam, zone: zone, forms: []issued{{version: e.Protocol.Consent.Version}},
		mails: []permission{{0, e.MailPermission && !e.AddressReturned}}, allowed: e.MailPermission, refused: e.AddressReturned, sent: map[string]bool{}, acted: map[string]pathway.Role{}, late: map[string]int{}, known: map[string]bool{},
		times: map[string]int{}, waits: map[string]*waiting{}, told: map[string]*told{}, unplaced: sought{}}, nil
}

// readStep takes down the entries of one step. What it says of holds is known from its beginning: they follow from its messages, and
// stand behind them in the journal.
func (a *account) readStep(lines []records.ChainedLine) {
	a.step = lines[0].Step
	var facts []*pathway.Fact
	full, acts := 0, true
	for _, l := range lines {
		var f *pathway.Fact
		if l.Fact != nil {
			f = new(pathway.Fact)
			if json.Unmarshal([]byte(*l.Fact), f) != nil {
				f = nil
			}
		}
		facts = append(facts, f)
		if l.Recorded.After(a.now) {
			a.now = l.Recorded
		}
		if f != nil && f.Hold != "" && a.hold(f.Hold) == nil {
			a.holds = append(a.holds, &hold{Fact: *f, told: l.Recorded})
		}
		if pathway.EntryKind(l.Kind) != pathway.Done && pathway.EntryKind(l.Kind) != pathway.Sent {
			full++
		}
		acts = acts && (pathway.EntryKind(l.Kind) != pathway.Done || l.Name != "restored")
	}
	for i, l := range lines {
		switch pathway.EntryKind(l.Kind) {
		case pathway.Taken:
			a.hear(l)
		case pathway.Rejected:
			if facts[i] != nil && facts[i].Unheard {
				a.refusedUnheard(l)
			}
		case pathway.Done:
			if facts[i] != nil {
				a.did(l, *facts[i])
			} else {
				a.wasDone(l)
			}
		case pathway.Sent:
			if facts[i] != nil {
				a.mailed(l, *facts[i])
			}
		}
	}
	a.settle(acts && full < 50)
	if s, ok := stageOf(lines, facts, acts && full < 50); ok {
		a.nudges(s)
	}
}

// settle holds the rules against the account once a step is read: what kap owes in the calendar, where it could act. A step that tells of
// a restore is written without any act, and so is one of so many entries at once that they are written in parts.
func (a *account) settle(acts bool) {
	if a.changed {
		a.changed = false
		a.holdsStand()
		a.deviations()
	}
	if acts {
		a.calendar()
		a.followed()
	}
}

func (a *account) hold(name string) *hold {
	for _, h := range a.holds {
		if h.Hold == name {
			return h
		}
	}
	return nil
}

func (a *account) visit(name string) *visit {
	for _, v := range a.visits {
		if v.name == name {
			return v
		}
	}
	return nil
}

// hear takes down what was said and taken.
func (a *account) hear(l records.ChainedLine) {
	a.seq++
	a.changed = true
	text := ""
	if l.Message != nil {
		text = *l.Message
	}
	f := &fact{seq: a.seq, name: l.Name, id: l.ID, role: a.role(l.By), at: l.At, heard: l.Recorded.Truncate(time.Second), said: read(text)}
	a.mayRecord(l, f)
	a.heardAfterAll(func(key string) bool { return key == "refused/"+l.Name+"/"+l.By })
	a.times[l.Name]++
	a.everDeferred = a.everDeferred || f.decision() == pathway.Defer
	if a.outcome != "" && (l.Name == "adverse-event" || l.Name == "correct") {
		a.after = append(a.after, l.ID)
	}
	switch l.Name {
	case "care-team":
		a.reassign(f)
	case "contact":
		if f.said.text("mail_permission") != "" {
			a.mailing(f.said.yes("mail_permission"), a.refused)
		}
		if zone := f.said.text("zone"); zone != "" {
			a.clocks = append(a.clocks, clock{a.step, zone})
		}
	case "correct":
		a.correct(f)
		return
	case "answer":
		a.replied(l, f)
		a.otherTime(l, f)
	case "book-session":
		a.wishes = append(a.wishes, l.ID)
	case "task-done":
		a.called(f)
	case "session-held":
		a.take(f)
	case "stop":
		if f.said.text("as") == string(pathway.Lapsed) {
			a.mayLapse(f)
		}
	case "release":
		if f.decision() == pathway.TakeBack {
			a.takeBack(f)
			return
		}
		a.mayRelease(f)
	case "review":
		if f.decision() == pathway.TakeBack {
			a.takeBack(f)
			return
		}
		a.mayReview(f)
	}
	a.facts = append(a.facts, f)
}

// mailing notes from which step on mail goes to the client, and from which it does not.
func (a *account) mailing(allowed, refused bool) {
	a.allowed, a.refused = allowed, refused
	a.mails = append(a.mails, permission{a.step, allowed && !refused})
}

func (a *account) role(by string) pathway.Role {
	switch {
	case by == "":
		return ""
	case by == byLink:
		return pathway.Client
	case by == a.team.Therapist:
		return pathway.Therapist
	case by == a.team.Prescriber:
		return pathway.Prescriber
	case slices.Contains(a.team.Coordinators, by):
		return pathway.Coordinator
	}
	return ""
}

func (a *account) reassign(f *fact) {
	if by := f.said.text("therapist"); by != "" {
		a.team.Therapist = by
	}
	if by := f.said.text("prescriber"); by != "" {
		a.team.Prescriber = by
	}
	if all := f.said.list("coordinators"); len(all) > 0 {
		a.team.Coordinators = all
	}
	if a.team.Therapist == a.team.Prescriber {
		a.violation("two-people", "", f.at, "therapist and prescriber are the same person")
	}
}

// take notes how a session went.
func (a *account) take(f *fact) {
	v := a.visit(f.said.text("session"))
	if v == nil { // what was given was given, booked or not
		start := f.said.time("start", a.zone)
		length := time.Duration(a.rules.Dosing.Minutes) * time.Minute
		v = &visit{name: f.said.text("session"), kind: pathway.Dosing, booked: start, length: length, start: start, end: start.Add(length), off: true, state: pathway.Cancelled, unbooked: true}
		a.visits = append(a.visits, v)
	}
	was, given := v.end, v.dosed()
	lasted := v.end.Sub(v.start)
	if t := f.said.time("start", a.zone); !t.IsZero() {
		v.start, v.end = t, t.Add(lasted)
	}
	if t := f.said.time("end", a.zone); !t.IsZero() {
		v.end = t
	}
	v.calls = append(v.calls, a.callsAbout(v.name)...)
	if v.record = f; !given || !v.end.Equal(was) {
		v.timed = f.seq
	}
}

func (a *account) takeBack(f *fact) {
	for i := len(a.facts) - 1; i >= 0; i-- {
		if x := a.facts[i]; x.name == f.name && x.role == f.role && !x.at.After(f.at) && x.said.text("hold") == f.said.text("hold") {
			a.facts = slices.Delete(a.facts, i, i+1)
			return
		}
	}
}

// correct replaces an earlier fact by what it should have been, or takes it away.
func (a *account) correct(c *fact) {
	for _, t := range a.told {
		t.corrected = true
	}
	if c.said.text("entry") == "enrolment" {
		a.correctEnrolment(c)
		return
	}
	i := slices.IndexFunc(a.facts, func(f *fact) bool { return f.id == c.said.text("entry") })
	if i < 0 {
		return
	}
	old := a.facts[i]
	a.facts = slices.Delete(a.facts, i, i+1)
	var its *visit
	var was visit
	for _, v := range a.visits {
		if v.record == old {
			its, was = v, *v
			calls := v.calls
			v.start, v.end, v.record, v.calls = v.booked, v.booked.Add(v.length), nil, nil
			if a.outcome != "" && !v.off { // nothing is booked on a pathway that has ended
				v.off, v.state, calls = true, pathway.Cancelled, nil
			}
			for _, c := range calls {
				a.recall(c)
			}
		}
	}
	if c.said.yes("void") {
		if old.ended != nil {
			a.recall(*old.ended)
		}
		return
	}
	at := old.at
	if t := c.said.time("happened", a.zone); !t.IsZero() {
		at = t
	}
	f := &fact{seq: c.seq, name: old.name, id: c.id, role: c.role, at: at, heard: old.heard, said: old.said.corrected(c.said)}
	if f.name == "session-held" {
		if a.take(f); its != nil && its.end.Equal(was.end) && its.dosed() == was.dosed() { // its time was right
			its.timed = was.timed
		}
	}
	a.called(f)
	if f.name == "review" {
		a.mayReview(f)
	}
	switch {
	case old.ended == nil:
	case !f.ends(old.ended.key):
		a.recall(*old.ended)
	case f.ended == nil:
		f.ended = old.ended
	}
	a.facts = append(a.facts, f)
}

func (a *account) correctEnrolment(c *fact) {
	was, findings := grade(a.e.Diagnosis), slices.Clone(a.e.Findings)
	for name, raw := range c.said {
		text, yes := c.said.text(name), c.said.yes(name)
		switch name {
		case "diagnosis":
			a.e.Diagnosis = pathway.Diagnosis(text)
		case "primary_measure":
			a.e.PrimaryMeasure = pathway.Scale(text)
		case "adult":
			a.e.Adult = yes
		case "standard_care_tried":
			a.e.StandardCareTried = yes
		case "commits_to_the_arc":
			a.e.CommitsToTheArc = yes
		case "comfortable_with_non_ordinary_states":
			a.e.ComfortableWithTheStates = yes
		case "findings":
			a.e.Findings = nil
			_ = json.Unmarshal(raw, &a.e.Findings)
		}
	}
	if !slices.Equal(findings, a.e.Findings) {
		a.heard = c.heard
	}
	if now := grade(a.e.Diagnosis); now != was {
		a.grades = append(a.grades, former{was, c.heard})
	}
}

// grade is how far the evidence carries for a diagnosis (protocol, informed consent).
func grade(d pathway.Diagnosis) string {
	switch d {
	case pathway.TreatmentResistantDepression:
		return string(pathway.Supported)
	case pathway.PTSD, pathway.ChronicAnxiety:
		return string(pathway.Promising)
	}
	return string(pathway.Extrapolated)
}

// did takes down what kap did.
func (a *account) did(l records.ChainedLine, f pathway.Fact) {
	switch {
	case f.Hold != "":
		if h := a.hold(f.Hold); h != nil {
			h.lifted = h.lifted || f.Lifted
		}
	case f.Form != nil:
		day, _ := time.ParseInLocation(time.DateOnly, string(f.Form.InForce), a.zone)
		a.forms, a.formed = append(a.forms, issued{f.Form.Version, day, l.At}), a.step
	case f.Outcome != "":
		a.end(f.Outcome, l.At)
		a.saidByPhone(l, f)
	case l.Name == "booked", l.Name == "moved":
		a.place(l, f)
		if f.Paired != nil {
			a.place(l, *f.Paired)
		}
		a.mayBook(l, f)
		delete(a.unplaced, f.Kind)
		a.wishes = slices.DeleteFunc(a.wishes, func(id string) bool { return id == f.Request })
	case l.Name == "not-moved":
		if v := a.visit(f.Session); v != nil && f.Request == "" {
			v.sought, v.soughtIn = a.seq, a.step
			a.unplaced.note(v.kind, l.At)
		}
	case l.Name == "cancelled":
		a.cancelled(l, f)
	case l.Name == "opted-out":
		a.mailing(false, a.refused)
	case l.Name == "address":
		a.mailing(a.allowed, f.What != string(pathway.AddressCorrected))
	case l.Name == "reminder":
		a.reminded(l, f)
		a.saidByPhone(l, f)
	case l.Name == "mail-returned":
		a.returned(l, f)
	case l.Name == "mail-arrived":
		a.arrived(f)
	}
	a.saidToOwe(l, f.Call)
	if f.Paired != nil {
		a.saidToOwe(l, f.Paired.Call)
	}
}

// wasDone takes down what kap did where the journal has no more than words about it.
func (a *account) wasDone(l records.ChainedLine) {
	switch l.Name {
	case "call":
		a.unanswered(l)
	case "not-booked":
		a.inVain(l.At)
	case "too-late", "withdrawn", "mail-unknown", "mail-rejected": // a call may stand for it, in place of one about an earlier reminder
		a.uncall(func(c call) bool { return strings.HasPrefix(c.key, "call/remind/") })
	}
}

// place notes where a session stands in the calendar.
func (a *account) place(l records.ChainedLine, f pathway.Fact) {
	v := a.visit(f.Session)
	if v == nil {
		v = &visit{name: f.Session, kind: f.Kind}
		a.visits = append(a.visits, v)
	}
	anew := v.revision != f.Revision
	if anew {
		a.uncallAbout(v.name) // they speak of the old time
	}
	v.therapist, v.revision, v.booked, v.length, v.start, v.end = f.Therapist, f.Revision, f.Start, f.End.Sub(f.Start), f.Start, f.End
	v.placed, v.sought = a.seq, 0
	v.past = append(v.past, standing{a.step, f.Start, f.Revision, false})
	if anew {
		a.saidByPhone(l, f)
	}
}

func (a *account) cancelled(l records.ChainedLine, f pathway.Fact) {
	v := a.visit(f.Session)
	if v == nil {
		a.violation("unknown-session", f.Session, l.At, "it is cancelled and was never booked")
		return
	}
	a.mayCancel(l, f, v)
	a.uncallAbout(v.name)
	a.calledOff(l, f, v)
	v.off, v.state, v.byClient, v.over = true, f.State, f.ByClient, l.At
	v.checked = f.Request == "" && v.start.Sub(l.At) <= hours(a.rules.Dosing.CheckHoursBefore)
	v.past = append(v.past, standing{a.step, v.booked, v.revision, true})
}

// last is the latest of one kind of decision that had been taken at a moment.
func (a *account) last(name string, at time.Time) *fact {
	var found *fact
	for _, f := range a.facts {
		if f.name == name && !f.at.After(at) && (found == nil || !f.at.Before(found.at)) {
			found = f
		}
	}
	return found
}

func (a *account) measured(scale string, at time.Time) *fact {
	var found *fact
	for _, f := range a.facts {
		if f.name == "measure" && f.scale() == scale && !f.at.After(at) && (found == nil || !f.at.Before(found.at)) {
			found = f
		}
	}
	return found
}

// dosings are the dosing sessions given, in the order in which they were given.
func (a *account) dosings() []*visit {
	var all []*visit
	for _, v := range a.visits {
		if v.dosed() {
			all = append(all, v)
		}
	}
	slices.SortStableFunc(all, func(x, y *visit) int { return x.start.Compare(y.start) })
	return all
}

// baseline is the last measure before the first dosing session. It is frozen with the record of that session: what is learned of later
// counts only where nothing was known then.
func (a *account) baseline(scale string) *fact {
	dosings := a.dosings()
	if len(dosings) == 0 {
		return a.measured(scale, farFuture)
	}
	first := dosings[0]
	var known, late *fact
	for _, f := range a.facts {
		switch {
		case f.name != "measure" || f.scale() != scale || f.at.After(first.start):
		case !f.heard.After(first.record.heard):
			if known == nil || !f.at.Before(known.at) {
				known = f
			}
		case late == nil || f.at.Before(late.at):
			late = f
		}
	}
	if known == nil {
		return late
	}
	return known
}

// scales are those that this client is asked: the PHQ-9, and the primary measure beside it.
func (a *account) scales() []string {
	if a.e.PrimaryMeasure == pathway.PHQ9 {
		return []string{string(pathway.PHQ9)}
	}
	return []string{string(pathway.PHQ9), string(a.e.PrimaryMeasure)}
}

// points are the numbers of one scale that matter; grief has none.
func (a *account) points(scale string) pathway.ScaleRules {
	switch scale {
	case string(pathway.PHQ9):
		return a.rules.Measures.PHQ9
	case string(pathway.GAD7):
		return a.rules.Measures.GAD7
	case string(pathway.PCL5):
		return a.rules.Measures.PCL5
	}
	return pathway.ScaleRules{}
}

// over says whether a reading is over the limit.
func (a *account) over(pressure string) bool {
	systolic, diastolic, ok := pair(pressure)
	most, least, _ := pair(string(a.rules.Dosing.BloodPressureLimit))
	return ok && (systolic > most || diastolic > least)
}

func pair(pressure string) (systolic, diastolic int, ok bool) {
	n, err := fmt.Sscanf(strings.TrimSpace(pressure), "%d/%d", &systolic, &diastolic)
	return systolic, diastolic, err == nil && n == 2
}

// done says whether a human act was done since a moment, or tried often enough.
func (a *account) done(task string, since time.Time) bool {
	tried := 0
	for _, f := range a.facts {
		if f.name != "task-done" || f.said.text("task") != task || f.at.Before(since) {
			continue
		}
		switch f.outcome() {
		case string(pathway.Tried):
			tried++
		case string(pathway.Acknowledged):
		default:
			return true
		}
	}
	return tried >= a.rules.Endings.Tries
}

func days(n int) time.Duration  { return time.Duration(n) * 24 * time.Hour }
func hours(n int) time.Duration { return time.Duration(n) * time.Hour }
