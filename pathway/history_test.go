package pathway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// history is one random pathway: mostly people who do what is asked of them, as it is asked, now and then something else. The
// witness looks on.
type history struct {
	chance
	temper
	p       *Pathway
	w       *witness
	now     time.Time
	next    time.Time // when the pathway wants to be woken
	tasks   []Task    // what is owed as of the last time it was looked
	cal     Calendar
	form    *ConsentDocument // which the records will tell of with the next step
	wakes   int              // since somebody said something
	until   time.Time        // the wakes are counted
	steps   []Step
	answers []Answer
	mails   [][]string // that went out after each step
	removed bool       // one of the rules is, so nothing but the invariants counts
	blind   bool       // and of these only what is booked and what takes place
	told    *strings.Builder
	journal func(step int, e Entry) // hears of every entry
	spoken  int
	last    said
	turn    int
	tried   map[string]int

	out     map[string]bool // mails of which the mail service has said that it had them
	news    []News          // of which the records tell when they are asked
	restore *Restore        // of which the records tell with the next step

	obliging bool // the pathway works once all that is asked for is said
	together bool // what is said now comes together with what was said before
}

type said struct {
	name string
	raw  []byte
}

// temper is what the people of one history are like.
type temper struct {
	turns    int  // at most
	dosings  int  // wanted
	mischief int  // in a thousand turns, how often somebody says what nobody asked for
	idle     int  // in a hundred turns, how often nobody does what is asked
	course   int  // better, flat, worse
	base     int  // the baseline of the primary measure
	silent   Kind // what the client does not come to: consent, measures or sessions
	reckless bool // what is forbidden is done, and recorded
	unsteady int  // in a hundred dosing sessions, how many go otherwise than they should
	literal  bool // messages are sent word for word as the details show them
	watched  bool // the witness looks at every task at every wake
	away     bool // the worker is down now and then
	lost     bool // mails to the client get lost
	returns  bool // mails come back, or are not wanted
	folded   bool // the steps are kept and folded at the end
	restores bool // the records are restored from a backup now and then
}

const (
	consentSilence Kind = "consent"
	measureSilence Kind = "measures"
	sessionSilence Kind = "sessions"
	closingSilence Kind = "closing"
)

// broken is how an invariant that does not hold ends a history.
type broken struct{ why string }

func (h *history) fail(format string, args ...any) { panic(broken{fmt.Sprintf(format, args...)}) }

func (h *history) check(err error) {
	if err != nil {
		h.fail("%v", err)
	}
}

func (h *history) tell(format string, args ...any) {
	if h.told != nil {
		fmt.Fprintf(h.told, "%s  %s\n", h.p.clockTime(h.now), fmt.Sprintf(format, args...))
	}
}

// live lets one history happen. It returns what was broken, or "".
func (h *history) live() (why string) {
	defer func() {
		if r := recover(); r != nil {
			b, ok := r.(broken)
			if !ok {
				panic(r)
			}
			why = b.why
		}
	}()
	h.begin()
	for h.turn = 0; h.turn < h.turns; h.turn++ {
		if h.p.Outcome != "" {
			h.after()
			break
		}
		h.oneTurn()
	}
	h.look()
	if h.folded {
		h.fold()
	}
	return ""
}

var basis = testEnrolment(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
var opening = testCalendar()

func (h *history) begin() {
	e := basis
	e.At = time.Date(2026, 1, 5, 14, 0, 0, 0, time.UTC).AddDate(0, 0, h.Int(0, 300)).Add(time.Duration(h.Int(0, 9)) * time.Hour)
	// One that is broken off early shows nothing that the beginnings of the others do not; of those that go on, most go as far as the rules
	// about the third dosing session and what follows it.
	h.temper = temper{turns: of(h.chance, 6, 6, 6, 12), dosings: of(h.chance, 3, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5, 6), mischief: of(h.chance, 4, 4, 15, 15, 40, 120), idle: of(h.chance, 3, 3, 5, 30), base: h.Int(12, 22),
		course: of(h.chance, 0, 0, 0, 1, 1, 2), unsteady: of(h.chance, 2, 2, 10)}
	if percent(h.chance, 31) {
		h.turns = 600
	}
	h.reckless = percent(h.chance, 25)
	h.literal = percent(h.chance, 3)
	h.watched = percent(h.chance, 8)
	if h.watched {
		h.idle = of(h.chance, 5, 40, 80)
	}
	h.away = !h.watched && percent(h.chance, 5)
	h.lost = !h.watched && percent(h.chance, 5)
	h.returns = percent(h.chance, 8)
	h.folded = !h.lost && percent(h.chance, 3)
	h.restores = !h.watched && !h.lost && !h.folded && percent(h.chance, 8)
	if percent(h.chance, 14) {
		h.silent = of(h.chance, consentSilence, consentSilence, measureSilence, sessionSilence, closingSilence)
	}
	if percent(h.chance, 10) {
		h.base = h.Int(0, 9)
	}
	if percent(h.chance, 35) {
		e.PrimaryMeasure, e.Diagnosis = GAD7, ChronicAnxiety
		switch h.Int(0, 2) {
		case 0:
			e.PrimaryMeasure, e.Diagnosis = PCL5, PTSD
		case 1:
			e.PrimaryMeasure, e.Diagnosis = Grief, PersistentGrief
		}
	}
	e.MailPermission = !percent(h.chance, 8)
	e.AddressReturned = h.returns && percent(h.chance, 10)
	e.Zone = of(h.chance, "America/New_York", "America/New_York", "America/Los_Angeles", "Europe/Berlin", "Asia/Tokyo", "Pacific/Kiritimati")
	if percent(h.chance, 10) {
		e.Availability = []string{of(h.chance, "tuesday 09:00-17:00", "sunday 09:00-17:00"), "friday 08:00-18:00"}
	}
	if percent(h.chance, 4) {
		switch h.Int(0, 4) {
		case 0:
			e.Adult = false
		case 1:
			e.Diagnosis = NoDiagnosis
		case 2:
			e.StandardCareTried = false
		case 3:
			e.CommitsToTheArc = false
		default:
			e.ComfortableWithTheStates = false
		}
	}
	if percent(h.chance, 5) {
		e.Findings = []Finding{h.finding()}
	}
	if percent(h.chance, 20) {
		e.Code = of(h.chance, "B4D6F8", "Z9X8W7")
	}
	all := e.Protocol.Reminders
	e.Protocol.Reminders = of(h.chance, all[1:2], all[1:2], all[1:2], all[2:], all) // the fewer, the faster
	p, err := Enrol(e)
	if err != nil {
		h.fail("%v", err)
	}
	h.p, h.now, h.cal, h.tried, h.out, h.mails = p, e.At, opening, map[string]int{}, map[string]bool{}, make([][]string, 1)
	h.w = newWitness(e)
	if h.told != nil {
		h.tell("enrolled: %+v, %+v, %+v", e.Eligibility, e.Contact, h.temper)
	}
	h.work()
}

func (h *history) finding() Finding {
	return of(h.chance, SubstanceUse, ActiveCrisis, SelfHarmRisk, Psychosis, Mania, Cardiovascular, SingleSession, Recreational)
}

// work takes the steps that are due now, as the workflow's loop does.
func (h *history) work() {
	for n := 0; ; n++ {
		if n > 100 {
			h.fail("steps without end")
		}
		h.deliver()
		step, wake, tasks := h.p.due(h.now)
		if step == nil {
			if looks := h.p.LooksAgain(); !looks.IsZero() && (!looks.After(h.now) || wake.At.After(looks)) {
				h.fail("the records say that it looks again at %s, and it looks at %s", h.p.clockTime(looks), h.p.clockTime(wake.At))
			}
			h.tasks = tasks
			if h.next = wake.At; !h.next.IsZero() && !h.next.After(h.now) {
				h.fail("it wants to be woken at %s, which is not to come", h.p.clockTime(h.next))
			}
			break
		}
		a, calls := h.answer(*step), slices.Clone(h.p.Calls)
		done, _ := h.p.Settle(*step, a)
		h.check(saidToOwe(calls, h.p.Calls, done))
		if h.told != nil {
			for _, e := range done {
				h.tell("    %s: %s", e.Name, e.Text)
			}
		}
		h.write(step.Number, append(slices.Clone(step.Entries), done...)...)
		if h.folded {
			h.steps, h.answers, h.mails = append(h.steps, *step), append(h.answers, a), append(h.mails, nil)
		}
		h.check(h.w.stepped(h.p, *step, a))
	}
	if h.spoken%16 == 1 {
		p, err := continued(h.p)
		if err != nil {
			h.fail("it cannot continue as new: %v", err)
		}
		h.p = p
	}
	h.check(h.w.calendar(h.p, h.now))
	h.check(h.w.followed(h.p, h.now))
	h.check(h.w.resolved(h.p, h.now))
	if h.w.outcome != h.p.Outcome {
		h.fail("it ended as %q, and now as %q", h.w.outcome, h.p.Outcome)
	}
	if h.watched {
		h.check(h.w.ladders(h.p, h.tasks, h.now))
	}
	if h.p.Outcome == "" && h.next.IsZero() && h.p.booked(Preparation) == nil && len(h.tasks) == 0 {
		h.fail("nobody is asked for anything, and nothing will happen by itself")
	}
}

// saidToOwe: of each call that a step's acts bring, or make more pressing, one of its entries says so.
func saidToOwe(before, now []Call, done []Entry) error {
	for _, c := range now {
		says := func(f *Fact) bool {
			return f != nil && f.Call != nil && f.Call.Key == c.Key && f.Call.Session == c.Session && f.Call.Until.Equal(c.Until) && f.Call.Urgent == c.Urgent
		}
		if !slices.Contains(before, c) && !slices.ContainsFunc(done, func(e Entry) bool { return e.Fact != nil && (says(e.Fact) || says(e.Fact.Paired)) }) {
			return fmt.Errorf("the journal does not say that %s is owed", c.Key)
		}
	}
	return nil
}

func (h *history) deliver() {
	if len(h.p.Outbox) == 0 {
		return
	}
	for _, m := range h.p.Sendable(h.now) {
		if h.lost && m.Staff == "" && percent(h.chance, 10) {
			h.tell("    lost: %s", m.Key)
			if percent(h.chance, 60) {
				h.check(h.w.mailed(h.p, m, h.now)) // it may have gone out
				h.w.doubted(m, h.now)
				h.p.Doubted(m.Key, h.now)
				if h.returns && percent(h.chance, 40) { // and it did
					h.write(h.p.Steps, SentEntry(m, h.now, h.p.Steps))
					h.out[m.Key] = true // from then on the records say so
					h.hears(News{Event: of(h.chance, MailProcessed, MailDelivered), Mail: m})
				}
			} else {
				h.p.Undelivered(m.Key)
			}
			continue
		}
		if h.told != nil {
			h.tell("    mail: %s", m.Key)
		}
		if h.w.gone[m.Key] || m.Staff == "" && !h.p.CatchingUp.IsZero() {
			h.fail("%s fell due before the restore, and is mailed after it", m.Key)
		}
		if m.Kind == CancelledMail && !h.w.spoken[m.Session] && !h.lost && !h.restores {
			h.fail("%s tells of a session of which the client has not heard", m.Key)
		}
		h.w.spoken[m.Session] = true
		h.check(h.w.mailed(h.p, m, h.now))
		h.p.Delivered(m.Key)
		if m.Staff == "" {
			h.write(h.p.Steps, SentEntry(m, h.now, h.p.Steps))
		}
		if h.returns && percent(h.chance, 8) {
			h.hears(News{Event: of(h.chance, MailBounced, MailBounced, MailBlocked, MailDropped, MailReported, MailUnsubscribed), Mail: m,
				Reason: of(h.chance, OtherReason, BadAddress, BadContent, NotWanted), Former: percent(h.chance, 10)})
		}
		if h.returns && percent(h.chance, 1) {
			h.hears(News{Event: AddressReturned})
		}
		if h.folded {
			h.mails[len(h.steps)] = append(h.mails[len(h.steps)], m.Key)
		}
	}
}

// hears: the records have something to tell, and the pathway is told that they have; not every time, for it may be told of several at
// once.
func (h *history) hears(n News) {
	if n.Mail.Staff != "" && !n.Heeded(false) {
		return
	}
	if h.news = append(h.news, n); percent(h.chance, 90) {
		h.p.AskAboutMail()
	}
}

func (h *history) write(step int, entries ...Entry) {
	if h.journal == nil {
		return
	}
	for _, e := range entries {
		h.journal(step, e)
	}
}

func (h *history) answer(s Step) Answer {
	if r := h.restore; r != nil {
		h.restore = nil
		return Answer{Restored: r}
	}
	a := Answer{Acts: make([]ActAnswer, len(s.Acts))}
	for i, act := range s.Acts {
		switch act.Do {
		case BookDeed, MoveDeed:
			var busy []Span
			for j := range h.p.Appointments {
				if x := &h.p.Appointments[j]; x.State == Booked && x.Name != act.Session && x.Name != act.Paired {
					busy = append(busy, Span{x.Start, x.End})
				}
			}
			a.Acts[i] = h.p.Place(act, h.cal, busy)
		case HearDeed:
			a.Acts[i].News, h.news = h.news, nil
		case WithdrawDeed:
			a.Acts[i].Mail = WithdrawnMail
			if at := slices.IndexFunc(h.p.Outbox, func(m Mail) bool { return m.Key == act.Key }); h.restores && h.p.Outbox[at].GivenUp {
				a.Acts[i].Mail = UnknownMail
			}
			if h.lost {
				a.Acts[i].Mail = of(h.chance, WithdrawnMail, UnknownMail, RejectedMail)
			}
			if h.w.doubts[act.Key] != nil {
				a.Acts[i].Mail = of(h.chance, UnknownMail, UnknownMail, SentMail, RejectedMail)
			}
		case ResendDeed:
			a.Acts[i].Mail = of(h.chance, PendingMail, PendingMail, PendingMail, SentMail, RejectedMail)
		}
		if h.out[act.Key] && (act.Do == ResendDeed || act.Do == WithdrawDeed) {
			a.Acts[i].Mail = SentMail
		}
	}
	if a.Form, h.form = h.form, nil; a.Form != nil && !h.p.Outdates(*a.Form) {
		a.Form = nil
	}
	return a
}

// wait lets time pass to the next wake, or not quite so far.
func (h *history) wait() {
	to := h.next
	if to.IsZero() {
		to = h.now.Add(day)
	}
	for _, t := range h.tasks {
		if t.Since.After(h.now) && !percent(h.chance, 25) {
			to = earliest(to, t.Since)
		}
	}
	switch {
	case h.away && percent(h.chance, 4):
		to = to.Add(time.Duration(h.Int(1, 70)) * time.Hour)
	case percent(h.chance, 2) && to.Sub(h.now) > 2*time.Hour:
		to = h.now.Add(time.Duration(h.Int(1, int(to.Sub(h.now)/time.Hour))) * time.Hour)
	}
	if h.wakes++; h.wakes == 1 || h.now.After(h.until) {
		h.wakes, h.until = 1, h.now.Add(day)
	}
	if h.wakes > 100 {
		h.fail("it is woken a hundred times a day")
	}
	h.now = to
	h.work()
}

// oneTurn is one thing that somebody does, or that nobody does.
func (h *history) oneTurn() {
	if h.Int(1, 1000) > 1000-h.mischief {
		h.meddle()
		return
	}
	if h.restores && percent(h.chance, 2) {
		h.restored()
		return
	}
	tasks := h.tasks
	if len(tasks) > 0 && !percent(h.chance, h.idle) {
		first, most, done := h.Int(0, len(tasks)-1), h.Int(1, 4), 0
		for i := range tasks { // several messages may arrive together
			h.obliging, h.together = true, done > 0
			if h.oblige(tasks[(first+i)%len(tasks)]) {
				if done++; done == most {
					break
				}
			}
		}
		if h.obliging, h.together = false, false; done > 0 {
			h.work()
			return
		}
	}
	h.wait()
}

// restored lets some days pass, as they do when nobody says anything, and loses them: the pathway is as it was, and it is later.
func (h *history) restored() {
	was, to := h.p, h.now
	lost := was.Clone()
	until := to.Add(time.Duration(h.Int(1, 120)) * time.Hour)
	h.p = lost
	for wake := (Wake{At: to}); !wake.At.IsZero() && !wake.At.After(until); h.now = wake.At {
		for _, m := range lost.Sendable(h.now) {
			a := was.appointment(m.Session) // one that is booked only now will be booked, and told of, anew
			if timed := m.Kind == ReminderMail || m.Kind == QuestionnaireMail; timed && a != nil && a.Revision == m.Revision || m.Kind == ConsentMail {
				h.w.gone[m.Key] = true
			}
			lost.Delivered(m.Key)
		}
		var step *Step
		if step, wake = lost.Due(h.now); step != nil {
			lost.Settle(*step, h.answer(*step))
		}
	}
	h.p, h.now, h.wakes = was, until, 0
	h.restore = &Restore{ID: fmt.Sprintf("restore-%d", h.turn), To: to}
	h.tell("restored to %s", h.p.clockTime(to))
	h.p.Rouse(h.restore.ID, h.now)
	h.work()
}

// after: an ended pathway takes what is still owed, what went wrong, and corrections; and refuses the rest.
func (h *history) after() {
	for range h.Int(1, 8) {
		switch tasks := h.p.Tasks(h.now); {
		case percent(h.chance, 15):
			h.meddle()
		case len(tasks) > 0 && !percent(h.chance, h.idle):
			h.oblige(tasks[h.Int(0, len(tasks)-1)])
			h.work()
		default:
			h.wait()
		}
	}
}

// say sends a message and lets the pathway work. It says what came of it.
func (h *history) say(name string, w words) (Result, *Refusal) {
	if h.spoken++; h.spoken%4 != 0 && w.raw("id") == "" {
		w = w.put("id", `"m-`+fmt.Sprint(h.spoken)+`"`)
	}
	return h.send(name, w, w.json())
}

func (h *history) send(name string, w words, raw []byte) (Result, *Refusal) {
	result, what, refusal := h.p.enter(name, raw, h.now)
	if h.told != nil {
		h.tell("%s %s -> %s %s %v", name, raw, result, what, refusal)
	}
	if refusal == nil && result != AlreadySo {
		h.wakes = 0
		h.last = said{name, raw}
		lapses := name == "stop" && w.text("as") == string(Lapsed)
		if lapses {
			h.check(h.w.mayLapse(h.p, h.now))
		}
		h.w.hear(name, h.p.Seen[len(h.p.Seen)-1], w, h.now)
		h.check(h.w.holdsStand(h.p))
		if name == "answer" {
			h.check(h.w.replied(h.p, w, h.now))
		}
		if f := h.w.facts; name == "session-held" || name == "correct" || len(f) > 0 && f[len(f)-1].at.Before(h.now.Add(-time.Minute)) {
			h.check(h.w.deviations(h.p))
		}
		if h.w.seq%16 == 1 {
			h.look()
			h.p.Next(h.now)
		}
	}
	if !h.obliging {
		h.work()
	}
	return result, refusal
}

// look compares what forbids the next dosing session with what staff are shown.
func (h *history) look() {
	if !h.blind {
		h.check(h.w.shown(h.p, h.now, h.literal))
	}
}

// fold: a run that was reset takes the steps that the records hold, and arrives where the first run was.
func (h *history) fold() {
	again, err := Enrol(h.w.enrolment)
	if err != nil {
		h.fail("%v", err)
	}
	for i, s := range h.steps {
		again.Settle(s, h.answers[i])
		for _, key := range h.mails[i+1] {
			again.Delivered(key)
		}
	}
	again.Woken, again.Looks, again.Refused = h.p.Woken, again.LooksAgain(), h.p.Refused
	got, _ := json.Marshal(again)
	want, _ := json.Marshal(h.p)
	if string(got) != string(want) {
		got, _ = json.MarshalIndent(again, "", " ")
		want, _ = json.MarshalIndent(h.p, "", " ")
		h.fail("the run that was reset and adopted what was written differs:\n%s", firstDifference(string(got), string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("got  %s\nwant %s", strings.Join(g[max(0, i-3):i+1], "\n"), w[i])
		}
	}
	return "one is longer"
}

func (h *history) therapist() string   { return h.p.CareTeam.Therapist }
func (h *history) prescriber() string  { return h.p.CareTeam.Prescriber }
func (h *history) coordinator() string { return h.p.CareTeam.Coordinators[0] }

func (h *history) visits(holds func(*visit) bool) []*visit {
	var all []*visit
	for _, v := range h.w.visits {
		if holds(v) {
			all = append(all, v)
		}
	}
	return all
}

// examples are the contract's, parsed once.
var examples = func() map[string]words {
	all := map[string]words{}
	for _, m := range Messages() {
		if all[m.Name] = parsed(m.Example); m.Bare != "" {
			all[m.Name] = parsed(m.Bare)
		}
	}
	return all
}()

// asked is the message that a task asks for: with what somebody has to choose chosen as in the contract's example, which lets the
// client go on, and with what is left to their words still open.
func (h *history) asked(t Task) words {
	var said words
	if h.literal || t.Message == consentGate {
		said = parsed(h.p.message(t))
	} else {
		said = append(make(words, 0, 24), examples[t.Message]...)
		said = said.put("by", written(h.p.CareTeam.id(t.By)))
		for _, f := range t.With {
			said = said.put(f.Name, written(f.Value))
		}
	}
	for i, x := range said {
		if !strings.HasPrefix(x.raw, `"<`) {
			continue
		}
		if usual := examples[t.Message].raw(x.name); len(usual) > len(`""`) {
			said[i].raw = usual
		} else if x.raw == written(yesOrNo) {
			said[i].raw = "true"
		}
	}
	return said
}

// oblige does what a task asks for, as people do it here; it says whether anybody did anything.
func (h *history) oblige(t Task) bool {
	if t.Since.After(h.now) { // the record of a session is awaited before its end
		return false
	}
	said := h.asked(t)
	switch kind, about, _ := strings.Cut(t.Key, "/"); kind {
	case "record":
		return h.record(t, said, about)
	case "measure":
		if h.silent == measureSilence && h.p.dosed() > 0 && !percent(h.chance, 5) || h.silent == closingSilence && h.p.ending() == Completed {
			return false
		}
		total, item9 := h.total(Scale(about))
		said = said.with("total", total)
		if about == string(PHQ9) {
			said = said.with("item_9", item9)
		}
	case "consent":
		if h.silent == consentSilence {
			return false
		}
	case "prescriber-clearance":
		switch {
		case h.p.barred():
			if h.tried[t.Key]++; h.tried[t.Key] > 3 {
				return h.giveUp()
			}
			said = words{{"by", written(h.prescriber())}}.with("decision", of(h.chance, NotCleared, MoreInformation), "reason", "a bar", "needed", "the records")
		case percent(h.chance, 3):
			said = words{{"by", written(h.prescriber())}}.with("decision", of(h.chance, NotCleared, MoreInformation), "reason", "not yet", "needed", "an ECG")
		}
	case "psychological-evaluation":
		switch {
		case strings.HasPrefix(t.What, "Declining is proposed") || percent(h.chance, 2):
			said = h.evaluation(Decline)
		case strings.HasPrefix(t.What, "Deferring is proposed") || percent(h.chance, 4):
			said = h.evaluation(Defer)
			if percent(h.chance, 20) {
				said = said.with("findings", []string{string(h.finding())})
			}
		}
	case "agree":
		said = said.with("next", string(h.onward()))
	case "review":
		said = said.with("reason", "looked at", "decision", of(h.chance, string(OneMoreReview), string(AdjustReview), string(StopReview)))
		if h.p.closing() != nil {
			said = said.with("decision", of(h.chance, string(CompleteReview), string(CompleteReview), string(StopReview)))
		} else if h.p.PrimaryMeasure == Grief {
			said = said.with("decision", of(h.chance, string(ContinueReview), string(ContinueReview), string(OneMoreReview), string(StopReview)))
		}
		if said.text("decision") == string(StopReview) && h.p.closing() == nil && h.p.dosed() < 4 && percent(h.chance, 60) {
			said = said.with("decision", string(OneMoreReview))
		}
	case "talk":
		if h.silent == sessionSilence {
			if h.tried[t.Key+t.Since.String()]++; h.tried[t.Key+t.Since.String()] > 2 {
				return false
			}
			said = said.with("outcome", string(Tried))
		}
	case "call", "conversation", "discharge-contact":
		if h.tried[t.Key]++; h.tried[t.Key] == 1 && (h.silent != "" || percent(h.chance, 20)) {
			said = said.with("outcome", string(Tried))
		}
	case "address":
		if percent(h.chance, 70) {
			h.hears(News{Event: AddressCorrected, By: h.coordinator()})
			return true
		}
	case "book":
		if h.tried[t.Key]++; h.tried[t.Key] > 3 {
			h.availableAgain()
			return true
		}
		said = said.with("start", h.slot(h.Int(2, 12)))
	case "defer":
		if percent(h.chance, 50) {
			return false
		}
		said = h.evaluation(Defer)
	case "lapse":
		if !percent(h.chance, 80) {
			return false
		}
	}
	if t.Urgent && t.Message != "task-done" && percent(h.chance, 10) {
		said, t.Message = words{{"by", written(h.p.CareTeam.id(t.By))}}.with("task", t.Key, "outcome", string(Acknowledged)), "task-done"
	}
	for i := range said {
		if strings.HasPrefix(said[i].raw, `"<`) {
			said[i].raw = h.opened(said[i].raw)
		}
	}
	if h.tried["same "+t.Key]++; h.tried["same "+t.Key] > 12 && h.p.Outcome == "" {
		return h.giveUp()
	}
	_, refusal := h.say(t.Message, said)
	if refusal != nil && !h.removed && !h.together && t.Message != "book-session" && t.Message != "move-session" { // whose time may be taken
		h.fail("%s asks for what is refused: %s", t.Key, refusal)
	}
	return true
}

// opened fills in what a task leaves open.
func (h *history) opened(raw string) string {
	switch raw {
	case `"<a day>"`:
		return written(h.now.AddDate(0, 0, h.Int(3, 70)).Format(time.DateOnly))
	case `"<to whom>"`:
		return written(fmt.Sprintf("clinic %d", h.spoken))
	}
	return `"looked at together"`
}

// giveUp: where nothing leads on, the therapist stops.
func (h *history) giveUp() bool {
	if h.p.ending() != "" {
		return false
	}
	_, refusal := h.say("stop", words{{"by", written(h.therapist())}}.with("reason", "nothing leads on"))
	return refusal == nil
}

// availableAgain: where no time is found, the client comes at any time.
func (h *history) availableAgain() {
	h.say("contact", words{{"by", written(h.coordinator())}}.with("any_time", true))
}

// slot is a time to come within the practice's hours.
func (h *history) slot(days int) time.Time {
	t := onDay(h.now.In(h.w.zone).AddDate(0, 0, days), time.Duration(h.Int(8, 15))*time.Hour)
	if t.Weekday() == time.Sunday {
		t = t.AddDate(0, 0, 1)
	}
	return t
}

func (h *history) evaluation(decision string) words {
	said := words{{"by", written(h.therapist())}}.with("decision", decision, "trauma_history_reviewed", true, "substance_use_history_reviewed", true, "attachment_history_reviewed", true)
	switch decision {
	case Defer:
		said = said.with("what_must_change", "sleep", "review_on", h.now.AddDate(0, 0, h.Int(2, 90)).Format(time.DateOnly))
	case Decline:
		said = said.with("reason", fmt.Sprintf("reason %d", h.spoken))
	}
	return said
}

// total is how a scale stands now, by the course that this history takes.
func (h *history) total(s Scale) (total, item9 int) {
	steps := map[Scale]int{PHQ9: 3, GAD7: 3, PCL5: 9, Grief: 5}[s]
	total = h.base
	if s == PCL5 {
		total = h.base * 3
	}
	if s == GAD7 {
		total = min(total, 20)
	}
	switch n := h.p.dosed(); h.course {
	case 0:
		total -= steps * n
	case 1:
		total -= h.Int(0, 2)
	default:
		total += h.Int(0, 3) * n
	}
	total = min(max(total, 0), s.most())
	switch {
	case s != PHQ9:
	case percent(h.chance, 4):
		item9 = 1
	case percent(h.chance, 1):
		item9 = h.Int(2, 3)
	}
	return max(total, item9), item9
}

// record says how a session went.
func (h *history) record(t Task, said words, name string) bool {
	v := h.w.visit(name)
	absent := 3
	if h.silent == sessionSilence {
		absent = 90
	}
	switch {
	case percent(h.chance, absent):
		said = words{{"by", written(h.therapist())}}.with("session", name, "outcome", of(h.chance, NoShow, NoShow, CancelledLate))
	case v.kind == Preparation:
		if percent(h.chance, 25) {
			said = said.with("preparation_complete", true)
		}
	case v.kind == Integration:
		said = said.with("next", string(h.onward()))
		if percent(h.chance, 5) {
			said = said.with("client_agrees", false)
		}
	default:
		said = h.dosingDay(said)
	}
	if said.text("outcome") == Held && percent(h.chance, 5) { // not quite when it was booked
		shift := time.Duration(h.Int(-4, 1)*15) * time.Minute
		said = said.with("start", v.start.Add(shift), "end", v.end.Add(min(shift, 0)))
	}
	if percent(h.chance, 10) && h.now.Sub(v.end) > time.Hour {
		said = said.with("at", v.end.Add(time.Duration(h.Int(0, 30))*time.Minute))
	}
	_, refusal := h.say("session-held", said)
	if refusal != nil && !h.removed && !h.together && said.raw("start") == "" && !strings.Contains(refusal.Sentence, "record that one first") && !strings.Contains(refusal.Sentence, "is recorded") && !strings.Contains(refusal.Sentence, "at which") {
		h.fail("the record of %s is refused: %s", name, refusal)
	}
	return true
}

// onward is what an integration decides on.
func (h *history) onward() Next {
	if n := h.p.dosed(); n >= h.dosings || n >= 6 {
		return CloseNext
	}
	return AnotherNext
}

// dosingDay fills in the record of a dosing session; now and then it tells of something that should not have been.
func (h *history) dosingDay(said words) words {
	said = said.with("prescription_reference", "rx-1", "dose_as_given", "as prescribed", "route", "sublingual",
		"blood_pressure_before", "122/78", "blood_pressure_at_40_minutes", "130/84", "blood_pressure_leaving", "126/80")
	if !percent(h.chance, h.unsteady) {
		return said
	}
	switch h.Int(0, 7) {
	case 0:
		said = said.with("outcome", CutShort, "reason", "unwell")
	case 1:
		said = said.with("outcome", AttendedNotDosed, "reason", "unwell", "blood_pressure_before", of(h.chance, "150/95", "120/80"))
	case 2:
		said = said.with("blood_pressure_before", of(h.chance, "150/95", "128/95", "not-taken"))
	case 3:
		said = said.with("blood_pressure_leaving", of(h.chance, "150/95", "not-taken"))
	case 4:
		said = said.with(of(h.chance, "oriented_and_steady", "named_adult_driving"), false)
	case 5:
		said = said.with("found", []string{string(of(h.chance, UrinarySymptoms, Pregnancy, MedicationChange, PsychosisOrMania))})
	default:
		d := dayCodes[h.Int(0, len(dayCodes)-1)]
		said = said.put(d.field, d.wrong)
	}
	return said
}

// goneWell is the record of a dosing session at which all went well.
func (h *history) goneWell(name string) words {
	said := words{{"by", written(h.therapist())}}.with("session", name, "outcome", Held, "in_person", true, "therapist_present_throughout", true, "client_still_willing", true,
		"pregnancy_asked", true, "medication_change_asked", true, "urinary_symptoms_asked", true, "oriented_and_steady", true, "named_adult_driving", true,
		"no_driving_until_next_day_explained", true)
	return said.with("prescription_reference", "rx-1", "dose_as_given", "as prescribed", "route", "sublingual",
		"blood_pressure_before", "122/78", "blood_pressure_at_40_minutes", "130/84", "blood_pressure_leaving", "126/80")
}

// meddle says what nobody asked for, sound or not.
func (h *history) meddle() {
	said := words{}
	name, by := "", h.therapist()
	anyone := of(h.chance, h.therapist(), h.prescriber(), h.coordinator())
	switch h.Int(0, 33) {
	case 32, 33:
		if name, said = h.byLink(); name == "" {
			return
		}
	case 0, 1:
		name, by = "prescriber-clearance", h.prescriber()
		said = said.with("decision", of(h.chance, Revoked, NotCleared), "reason", fmt.Sprintf("reason %d", h.spoken))
		if percent(h.chance, 20) {
			said = said.with("findings", []string{string(h.finding())})
		}
	case 2, 3:
		name = "prescriber-clearance"
		said = said.with("decision", Cleared, "medications_reviewed", true, "cardiovascular_history_reviewed", true, "psychiatric_history_reviewed", true, "medically_stable", true)
		by = h.prescriber()
	case 4:
		name, said = "consent", said.with("decision", Withdrawn)
	case 5:
		name = "consent"
		said = h.asked(Task{Message: consentGate, By: Therapist})
	case 6:
		name, said = "psychological-evaluation", h.evaluation(of(h.chance, Defer, Decline))
	case 7:
		name, said = "psychological-evaluation", h.evaluation(of(h.chance, Suitable, Defer))
		if percent(h.chance, 30) {
			said = said.with("findings", []string{string(h.finding())})
		}
	case 8:
		name = "safety-plan"
		said = said.with("decision", Revised, "between_sessions_plan", true, "emergency_contact_on_file", true)
	case 9, 10:
		name, by = "hold", of(h.chance, h.therapist(), h.prescriber())
		said = said.with("cause", string(of(h.chance, Concern, Crisis)), "reason", fmt.Sprintf("reason %d", h.spoken))
	case 11:
		name, by = "release", anyone
		said = said.with("hold", fmt.Sprintf("hold-%d", h.Int(1, len(h.p.Holds)+1)), "reason", "fine")
		if percent(h.chance, 30) {
			said = said.with("decision", TakeBack)
		}
	case 12, 13:
		name, by = "adverse-event", of(h.chance, h.therapist(), h.prescriber())
		said = said.with("kind", string(of(h.chance, OtherEvent, UrinarySymptoms, MedicationChange, Misuse, SeriousEvent, PsychosisOrMania)), "severity", of(h.chance, "mild", "moderate", "severe"), "reason", "seen")
	case 14:
		name = "risk-assessment"
		said = said.with("outcome", string(of(h.chance, SafeToContinue, AtRisk)), "safety_plan_reviewed", percent(h.chance, 50))
	case 15, 16:
		name = "measure"
		s := of(h.chance, PHQ9, h.p.PrimaryMeasure)
		total, _ := h.total(s)
		if said = said.with("scale", string(s), "total", min(total+h.Int(0, 6), s.most())); s == PHQ9 {
			said = said.with("item_9", min(h.Int(0, 3), min(total, h.Int(0, 3))))
		}
	case 17, 18:
		if name, said = h.rearrange(anyone); name == "" {
			return
		}
		by = anyone
	case 19, 20, 21:
		if name, said = h.amend(); name == "" {
			return
		}
		by = said.text("by")
	case 22:
		name, by = "care-team", anyone
		said = said.with("reason", "leave")
		switch h.Int(0, 2) {
		case 0:
			said = said.with("therapist", of(h.chance, "t-lane", "t-ortiz"))
		case 1:
			said = said.with("prescriber", of(h.chance, "p-singh", "p-moreau"))
		default:
			said = said.with("coordinators", of(h.chance, []string{"c-desk"}, []string{"c-desk", "c-two"}))
		}
	case 23:
		name, by = "contact", anyone
		switch h.Int(0, 3) {
		case 0, 1:
			said = said.with("mail_permission", percent(h.chance, 60))
		case 2:
			said = said.with("zone", of(h.chance, "America/Chicago", "Asia/Tokyo", "America/New_York"))
		default:
			said = said.with("availability", []string{"monday 08:00-18:00", "thursday 08:00-18:00"})
		}
	case 24:
		name, by = "review", of(h.chance, h.therapist(), h.prescriber())
		said = said.with("decision", string(of(h.chance, AdjustReview, OneMoreReview, ContinueReview, CompleteReview, StopReview, TakeBack)), "reason", "looked at")
	case 25:
		name, by = of(h.chance, "withdraw", "withdraw", "stop", "referral"), anyone
		switch name {
		case "stop":
			if said = said.with("reason", "not working"); percent(h.chance, 30) {
				said = said.with("as", string(Lapsed))
			}
		case "referral":
			said = said.with("to", "a clinic", "purpose", "care")
		}
	case 26:
		h.form = &ConsentDocument{Version: fmt.Sprintf("2027-%d", len(h.w.forms)), SHA256: strings.Repeat("1", 64), InForce: Day(h.now.AddDate(0, 0, h.Int(-1, 30)).Format(time.DateOnly))}
		name, by = "refresh", of(h.chance, anyone, "operator")
	case 27:
		h.malformed()
		return
	case 28:
		if h.last.name != "" && h.last.name != "care-team" { // said again by somebody who heard no answer
			before := h.p.Steps
			if reply, err := h.p.Record(h.last.name, h.last.raw, h.now); err == nil && reply.Result != AlreadySo && parsed(string(h.last.raw)).raw("id") != "" && h.p.Steps == before {
				h.fail("%s was sent again, and taken again: %s", h.last.name, h.last.raw)
			} else if err == nil && reply.Result != AlreadySo {
				h.w.hear(h.last.name, h.p.Seen[len(h.p.Seen)-1], parsed(string(h.last.raw)), h.now)
			}
			h.work()
		}
		return
	default:
		h.breach()
		return
	}
	if said.raw("by") == "" {
		said = said.with("by", by)
	}
	if name != "correct" && percent(h.chance, 15) && said.raw("at") == "" {
		said = said.with("at", later(h.w.enrolment.At, h.now.Add(-time.Duration(h.Int(1, 240))*time.Hour)))
	}
	h.say(name, said)
}

// rearrange books, moves or cancels a session.
func (h *history) rearrange(by string) (string, words) {
	said := words{{"by", written(by)}}
	standing := h.visits((*visit).standing)
	if len(standing) == 0 || percent(h.chance, 20) {
		said = said.with("kind", string(of(h.chance, Dosing, Integration, Preparation)))
		if percent(h.chance, 70) {
			said = said.with("start", h.slot(h.Int(0, 20)))
		}
		return "book-session", said
	}
	v := standing[h.Int(0, len(standing)-1)]
	if said = said.with("session", v.name); percent(h.chance, 40) {
		return "cancel-session", said.with("wish_of", of(h.chance, "client", "practice"))
	}
	return "move-session", said.with("start", h.slot(h.Int(0, 20)))
}

// byLink is what the client says by a link in a mail, which may be an old one.
func (h *history) byLink() (string, words) {
	said := words{{"by", written(ByLink)}}
	switch h.Int(0, 19) {
	case 0:
		return "withdraw", said
	case 1, 2:
		return "contact", said.with("mail_permission", false)
	}
	all := h.p.Appointments
	if len(all) == 0 {
		return "", nil
	}
	a := all[h.Int(max(0, len(all)-3), len(all)-1)]
	return "answer", said.with("session", a.Name, "revision", a.Revision-h.Int(0, 4)/4, "answer", string(of(h.chance, ComingAnswer, AnotherTimeAnswer)))
}

// amend corrects what was said earlier.
func (h *history) amend() (string, words) {
	var all []*fact
	for _, f := range h.w.facts {
		switch f.name {
		case "care-team", "contact", "refresh", "book-session", "move-session", "cancel-session", "answer":
		default:
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	f := all[h.Int(max(0, len(all)-12), len(all)-1)]
	said := words{{"by", written(h.p.CareTeam.id(of(h.chance, Message(f.name).Roles...)))}}.with("entry", f.id, "why", "a mistake")
	switch n := h.Int(0, 9); {
	case n < 3:
		return "correct", said.with("void", true)
	case n < 6:
		return "correct", said.with("happened", later(h.w.enrolment.At.AddDate(0, -6, 0), f.at.AddDate(0, 0, -h.Int(0, 100))))
	}
	switch f.name {
	case "measure":
		said = said.with("total", h.Int(3, 20))
		if f.scale == PHQ9 && percent(h.chance, 50) {
			said = said.with("item_9", h.Int(0, 3))
		}
	case "prescriber-clearance":
		said = said.with("decision", Revoked, "reason", "another client's")
	case "psychological-evaluation":
		said = said.with("decision", Decline, "reason", "another client's")
	case "risk-assessment":
		said = said.with("outcome", string(of(h.chance, SafeToContinue, AtRisk)))
	case "adverse-event":
		said = said.with("kind", string(OtherEvent), "severity", of(h.chance, "mild", "severe"), "reason", "less than it seemed")
	case "review":
		said = said.with("decision", string(of(h.chance, OneMoreReview, StopReview, AdjustReview)))
	case "session-held":
		if v := h.w.visit(f.said.text("session")); v != nil && v.kind == Integration {
			said = said.with("next", string(of(h.chance, AnotherNext, CloseNext)), "client_agrees", percent(h.chance, 70))
		} else {
			said = said.with("outcome", of(h.chance, Held, NoShow))
		}
	default:
		said = said.with("void", true)
	}
	return "correct", said
}

// breach does what the rules forbid, at a dosing session or before it. What is recorded late, or done all the same, is a fact.
func (h *history) breach() {
	if !h.reckless {
		h.wait()
		return
	}
	lately := h.visits(func(v *visit) bool {
		return v.kind == Dosing && v.record == nil && v.end.Before(h.now) && h.now.Sub(v.end) < 20*day
	})
	if len(lately) == 0 {
		soon := h.visits(func(v *visit) bool { return v.kind == Dosing && v.standing() && v.start.After(h.now) })
		dosings := h.w.dosings()
		switch n := h.Int(0, 3); {
		case len(soon) > 0 && len(dosings) > 0 && n == 0: // too soon after the last
			h.say("move-session", words{{"by", written(h.coordinator())}}.with("session", soon[0].name,
				"start", onDay(dosings[len(dosings)-1].start.In(h.w.zone).AddDate(0, 0, h.Int(4, 7)), time.Duration(h.Int(9, 13))*time.Hour)))
		case len(soon) > 0 && n == 1: // left to come, though something stands against it
			for h.now.Before(soon[0].end) {
				if h.wait(); h.p.Outcome != "" {
					return
				}
			}
			h.done(soon[0])
		default:
			h.wait()
		}
		return
	}
	h.done(lately[h.Int(0, len(lately)-1)])
}

// done records a dosing session as given, whatever became of it in the calendar.
func (h *history) done(v *visit) {
	said := h.goneWell(v.name)
	if percent(h.chance, 30) {
		start := v.start.Add(time.Duration(h.Int(-23, 23)) * time.Hour)
		if percent(h.chance, 30) { // days before it was booked
			start = later(v.start.AddDate(0, 0, -h.Int(1, 6)), h.w.enrolment.At)
		}
		said = said.with("start", start, "end", start.Add(2*time.Hour))
	}
	h.say("session-held", said)
}

// malformed sends what cannot be taken: it has to be refused and change nothing.
func (h *history) malformed() {
	raw := of(h.chance,
		`{"by":"x-nobody","decision":"on-file","between_sessions_plan":true,"emergency_contact_on_file":true}`,
		`{"by":"c-desk","decision":"on-file","between_sessions_plan":true,"emergency_contact_on_file":true}`,
		`{"by":"t-lane","decision":"on-file","between_sessions_plan":true,"emergency_contact_on_file":true,"at":"2099-01-01T00:00:00Z"}`,
		`{"by":"t-lane","decison":"on-file"}`, `{"by":"t-lane"`, `[]`, `{}`, `{"by":"t-lane","decision":"on-file","between_sessions_plan":"yes","emergency_contact_on_file":true}`)
	before := len(h.p.SafetyPlans)
	if _, err := h.p.Record("safety-plan", []byte(raw), h.now); err == nil || len(h.p.SafetyPlans) != before {
		h.fail("%s was taken", raw)
	}
	if percent(h.chance, 30) { // it was a signal
		h.p.NobodyHeard()
	}
	h.tell("malformed %s", raw)
	h.work()
}

// reached says how far a history went.
func (h *history) reached() (dosings int, outcome Outcome) { return len(h.w.dosings()), h.w.outcome }

func pretty(codes map[Outcome]int) string {
	var all []string
	for o, n := range codes {
		if o == "" {
			o = "unfinished"
		}
		all = append(all, fmt.Sprintf("%s %d", o, n))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
