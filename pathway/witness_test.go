package pathway

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// witness keeps its own account of what was said, in which order, and when it happened, so that the invariants do not ask the
// rules about themselves. Of the pathway it reads only what people see as well: the names of holds, the calendar, the mails.
type witness struct {
	enrolment Enrolment
	team      CareTeam
	mail      bool // may be sent
	zone      *time.Location
	there     *time.Location // where the client is
	seq       int
	facts     []*fact
	visits    []*visit
	forms     []IssuedForm
	outcome   Outcome
	ended     time.Time

	holds  []HoldInForce // as they were named first
	held   []bool        // whether each was in force when last looked at
	keys   map[string]bool
	spoken map[string]bool      // sessions of which the client has had mail, or a call was tried
	heard  map[string]time.Time // when each member of staff had mail last
	urgent map[string]time.Time // and urgent mail
	open   map[string]*watched
	looked int // at which message the ladders were looked at last

	restores []alarm
	returned bool            // what was mailed to the client, by their address
	gone     map[string]bool // what was mailed before a restore, and is never mailed again

	doubts map[string]*doubt // mails of which nobody knows whether they went out
}

// doubt is what the witness knows of a mail of which nobody knows whether it went out.
type doubt struct {
	mail  Mail
	since time.Time
	times int
	over  bool // settled, in one way or another
}

// fact is one thing that somebody said and that was taken.
type fact struct {
	seq      int
	name     string
	id       string
	role     Role // of whoever said it, then
	at       time.Time
	heard    time.Time // a correction leaves that as it was
	said     words
	decision string
	outcome  string
	scale    Scale
	total    int
	item9    int
}

// visit is one session: as booked, and as it took place.
type visit struct {
	name       string
	kind       Kind
	booked     time.Time
	start, end time.Time
	off        bool  // it left the calendar
	record     *fact // how it went
	checked    int   // up to which message it was looked at in its last 48 hours
	placed     int   // after which message it was booked or moved
	timed      int   // with which message it took place when it did
}

func (v *visit) dosed() bool {
	return v.kind == Dosing && v.record != nil && (v.record.outcome == Held || v.record.outcome == CutShort)
}

func (v *visit) was(kind Kind) bool {
	return v.kind == kind && v.record != nil && v.record.outcome == Held
}

func (v *visit) standing() bool { return !v.off && v.record == nil }

func newWitness(e Enrolment) *witness {
	return &witness{enrolment: e, team: e.CareTeam, mail: e.MailPermission, returned: e.AddressReturned, zone: mustZone(e.PracticeZone), there: mustZone(e.Zone), forms: []IssuedForm{{ConsentDocument: e.Protocol.Consent}},
		keys: map[string]bool{}, spoken: map[string]bool{}, gone: map[string]bool{}, doubts: map[string]*doubt{}, heard: map[string]time.Time{}, urgent: map[string]time.Time{}, open: map[string]*watched{}}
}

func (w *witness) visit(name string) *visit {
	for _, v := range w.visits {
		if v.name == name {
			return v
		}
	}
	return nil
}

func (w *witness) lasts(kind Kind) time.Duration {
	if kind == Dosing {
		return 3 * time.Hour
	}
	return time.Hour
}

func newFact(seq int, name, id string, role Role, at time.Time, said words) *fact {
	f := &fact{seq: seq, name: name, id: id, role: role, at: at, said: said, decision: said.text("decision"), outcome: said.text("outcome")}
	if name == "measure" {
		f.scale = Scale(said.text("scale"))
		f.total, _ = strconv.Atoi(said.raw("total"))
		f.item9, _ = strconv.Atoi(said.raw("item_9"))
	}
	return f
}

// hear takes down what was said and taken.
func (w *witness) hear(name, id string, said words, now time.Time) {
	w.seq++
	at := now.Truncate(time.Second)
	if t := said.time("at"); !t.IsZero() && t.Before(at) {
		at = t
	}
	f := newFact(w.seq, name, id, w.team.Role(said.text("by")), at, said)
	f.heard = now
	if said.text("by") == "client.link" {
		f.role = Client
	}
	switch name {
	case "care-team":
		for _, x := range []struct {
			field string
			id    *string
		}{{"therapist", &w.team.Therapist}, {"prescriber", &w.team.Prescriber}} {
			if by := said.text(x.field); by != "" {
				*x.id = by
			}
		}
		if all := said.list("coordinators"); len(all) > 0 {
			w.team.Coordinators = all
		}
	case "contact":
		if said.raw("mail_permission") != "" {
			w.mail = said.yes("mail_permission")
		}
		if zone := said.text("zone"); zone != "" {
			w.there = mustZone(zone)
		}
	case "correct":
		w.correct(f)
		return
	case "session-held":
		w.take(f)
	case "task-done":
		for _, v := range w.visits {
			if task := said.text("task"); strings.HasPrefix(task, "call/") && strings.Contains(task, "/"+v.name+"/") {
				w.spoken[v.name] = true
			}
		}
	case "release", "review":
		if f.decision == TakeBack {
			w.takeBack(f)
			return
		}
	}
	w.facts = append(w.facts, f)
}

// replied: what the client answers by a link is about a session that stands, and somebody calls where they need another time.
func (w *witness) replied(p *Pathway, said words, now time.Time) error {
	v := w.visit(said.text("session"))
	switch a := p.appointment(v.name); {
	case said.text("by") != "client.link":
		return fmt.Errorf("%s answered in the client's place", said.text("by"))
	case !v.standing() || !v.start.After(now) || fmt.Sprint(a.Revision) != said.raw("revision"):
		return fmt.Errorf("an answer is taken for %s, which does not stand as it was asked about", v.name)
	case a.State != Booked || !a.Start.Equal(v.start):
		return fmt.Errorf("an answer changed %s itself", v.name)
	case said.text("answer") == "another-time" && !slices.ContainsFunc(p.Tasks(now), func(t Task) bool {
		return t.Who[0] == Coordinator && t.Urgent == (v.start.Sub(now) < 24*time.Hour) && strings.HasPrefix(t.Key, "call/answer/"+v.name+"/")
	}):
		return fmt.Errorf("the client needs another time for %s, and nobody calls, or not as urgently as they should", v.name)
	}
	return nil
}

// take notes how a session went.
func (w *witness) take(f *fact) {
	v := w.visit(f.said.text("session"))
	was, given := v.end, v.dosed()
	lasted := v.end.Sub(v.start)
	if t := f.said.time("start"); !t.IsZero() {
		v.start, v.end = t, t.Add(lasted)
	}
	if t := f.said.time("end"); !t.IsZero() {
		v.end = t
	}
	if v.record = f; !given || !v.end.Equal(was) {
		v.timed = f.seq
	}
}

func (w *witness) takeBack(f *fact) {
	for i := len(w.facts) - 1; i >= 0; i-- {
		if x := w.facts[i]; x.name == f.name && x.role == f.role && !x.at.After(f.at) && x.said.text("hold") == f.said.text("hold") {
			w.facts = slices.Delete(w.facts, i, i+1)
			return
		}
	}
}

// correct replaces an earlier fact by what it should have been, or takes it away.
func (w *witness) correct(c *fact) {
	i := slices.IndexFunc(w.facts, func(f *fact) bool { return f.id == c.said.text("entry") })
	if i < 0 {
		return // an adverse event that a session's record tells of has no words of its own
	}
	old := w.facts[i]
	w.facts = slices.Delete(w.facts, i, i+1)
	var its *visit
	var was visit
	for _, v := range w.visits {
		if v.record == old {
			its, was = v, *v
			v.start, v.end, v.record = v.booked, v.booked.Add(w.lasts(v.kind)), nil
		}
	}
	if c.said.yes("void") {
		return
	}
	said, at := slices.Clone(old.said), old.at
	for _, x := range c.said {
		switch x.name {
		case "by", "at", "id", "entry", "why", "void":
		case "happened":
			at = c.said.time("happened")
		default:
			if x.raw == "null" {
				said = said.without(x.name)
			} else {
				said = said.put(x.name, x.raw)
			}
		}
	}
	f := newFact(c.seq, old.name, c.id, old.role, at, said)
	f.heard = old.heard
	if f.role = w.team.Role(c.said.text("by")); f.name == "session-held" {
		if w.take(f); its != nil && its.end.Equal(was.end) && its.dosed() == was.dosed() { // its time was right
			its.timed = was.timed
		}
	}
	w.facts = append(w.facts, f)
}

// last is the latest of one kind of decision that had been taken at a moment.
func (w *witness) last(name string, at time.Time) *fact {
	var found *fact
	for _, f := range w.facts {
		if f.name == name && !f.at.After(at) && (found == nil || !f.at.Before(found.at)) {
			found = f
		}
	}
	return found
}

func (w *witness) measured(s Scale, at time.Time) *fact {
	var found *fact
	for _, f := range w.facts {
		if f.name == "measure" && f.scale == s && !f.at.After(at) && (found == nil || !f.at.Before(found.at)) {
			found = f
		}
	}
	return found
}

// baseline is the last measure before the first dosing session. It is frozen with the record of that session: what is learned of later
// counts only where nothing was known then.
func (w *witness) baseline(s Scale) *fact {
	var first *visit
	for _, v := range w.visits {
		if v.dosed() && (first == nil || v.start.Before(first.start)) {
			first = v
		}
	}
	if first == nil {
		return w.measured(s, farFuture)
	}
	var known, late *fact
	for _, f := range w.facts {
		switch {
		case f.name != "measure" || f.scale != s || f.at.After(first.start):
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

func (w *witness) scales() []Scale {
	if w.enrolment.PrimaryMeasure == PHQ9 {
		return []Scale{PHQ9}
	}
	return []Scale{PHQ9, w.enrolment.PrimaryMeasure}
}

// dosings are the dosing sessions given, in the order in which they were given.
func (w *witness) dosings() []*visit {
	var all []*visit
	for _, v := range w.visits {
		if v.dosed() {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b *visit) int { return a.start.Compare(b.start) })
	return all
}

func (w *witness) firstDosing() time.Time {
	first := farFuture
	for _, v := range w.visits {
		if v.dosed() && v.start.Before(first) {
			first = v.start
		}
	}
	return first
}

// important is the smallest change that matters, and worse how much above the baseline holds the pathway (protocol, section 4).
func important(s Scale) (important, worse int) {
	switch s {
	case PHQ9:
		return 5, 5
	case GAD7:
		return 4, 4
	case PCL5:
		return 10, 5
	}
	return 0, 0
}

func overTheLimit(pressure string) bool {
	over, under, ok := strings.Cut(pressure, "/")
	systolic, _ := strconv.Atoi(over)
	diastolic, _ := strconv.Atoi(under)
	return ok && (systolic > 140 || diastolic > 90)
}

// event is an adverse event that is moderate or worse.
type event struct {
	id string
	at time.Time
}

// events are what was reported, and what the records of dosing sessions tell of.
func (w *witness) events() []event {
	var all []event
	for _, f := range w.facts {
		if f.name == "adverse-event" && (f.said.text("kind") != string(OtherEvent) || f.said.text("severity") != "mild") {
			all = append(all, event{f.id, f.at})
		}
	}
	for _, v := range w.visits {
		if v.kind != Dosing || v.record == nil {
			continue
		}
		said := v.record.said
		if said.raw("oriented_and_steady") == "false" || said.raw("named_adult_driving") == "false" {
			all = append(all, event{v.name + "/" + string(LeftUnsafely), v.end})
		}
		if overTheLimit(said.text("blood_pressure_leaving")) {
			all = append(all, event{v.name + "/" + string(PressureNotSettling), v.end})
		}
		for _, kind := range said.list("found") {
			all = append(all, event{v.name + "/" + kind, v.end})
		}
	}
	return all
}

// alarm is something that has to hold the pathway.
type alarm struct {
	cause Cause
	from  string
	since time.Time
}

// alarms are what holds the pathway by what was said; deviations are found elsewhere.
func (w *witness) alarms() []alarm {
	var all []alarm
	crisis := func(codes []string) bool {
		return slices.Contains(codes, string(ActiveCrisis)) || slices.Contains(codes, string(SelfHarmRisk))
	}
	if slices.Contains(w.enrolment.Findings, ActiveCrisis) || slices.Contains(w.enrolment.Findings, SelfHarmRisk) {
		all = append(all, alarm{Crisis, "enrolment", w.enrolment.At})
	}
	first := w.firstDosing()
	for _, f := range w.facts {
		switch f.name {
		case "hold":
			all = append(all, alarm{Cause(f.said.text("cause")), f.id, f.at})
		case "risk-assessment":
			if f.outcome == string(AtRisk) {
				all = append(all, alarm{Crisis, f.id, f.at})
			}
		case "prescriber-clearance", "psychological-evaluation":
			if crisis(f.said.list("findings")) {
				all = append(all, alarm{Crisis, f.id, f.at})
			}
		case "measure":
			if f.scale == PHQ9 && (f.item9 >= 2 || f.item9 > w.before(f)) {
				all = append(all, alarm{ItemNine, f.id, f.at})
			}
			if _, worse := important(f.scale); worse > 0 && !f.at.Before(first) {
				if base := w.baseline(f.scale); base != nil && f.total-base.total >= worse {
					all = append(all, alarm{Worsening, f.id, f.at})
				}
			}
		}
	}
	for _, e := range w.events() {
		if w.outcome == "" || e.at.Before(w.ended) {
			all = append(all, alarm{AdverseCause, e.id, e.at})
		}
	}
	return append(all, w.restores...)
}

// before is the ninth item of the PHQ-9 before another; 3 where there is none, so that nothing has risen.
func (w *witness) before(m *fact) int {
	var found *fact
	for _, f := range w.facts {
		if f.name == "measure" && f.scale == PHQ9 && f != m && (f.at.Before(m.at) || f.at.Equal(m.at) && f.seq < m.seq) &&
			(found == nil || f.at.After(found.at) || f.at.Equal(found.at) && f.seq > found.seq) {
			found = f
		}
	}
	if found == nil {
		return 3
	}
	return found.item9
}

// releasers are the roles that have to release a hold of a cause (protocol, section 4).
func (w *witness) releasers(cause Cause, from string) []Role {
	switch cause {
	case AdverseCause:
		return []Role{Prescriber}
	case Worsening, Deviation, Restored:
		return clinicians
	case Concern:
		for _, f := range w.facts {
			if f.id == from {
				return []Role{f.role}
			}
		}
	}
	return []Role{Therapist}
}

// released says whether everybody whom a hold needs had released it at a moment.
func (w *witness) released(h HoldInForce, at time.Time) bool {
	for _, role := range w.releasers(h.Cause, h.From) {
		if !slices.ContainsFunc(w.facts, func(f *fact) bool {
			return f.name == "release" && f.role == role && f.said.text("hold") == h.Name && !f.at.After(at) && !f.at.Before(h.Since)
		}) {
			return false
		}
	}
	return true
}

// against lists, by code, what forbids a dosing session that starts at start, as far as it is known now (protocol, section 3).
// The session itself, where it was given, is self.
func (w *witness) against(p *Pathway, start time.Time, self string) []string {
	var found []string
	forbid := func(code string, is bool) {
		if is {
			found = append(found, code)
		}
	}
	e := w.enrolment
	dosings := w.dosings()
	var last *visit
	n, next := 0, farFuture
	for _, v := range dosings {
		if v.start.Before(start) {
			n++
			last = v
		}
	}
	for _, v := range dosings {
		if last != nil && v.start.After(last.start) && v.start.Before(next) {
			next = v.start
		}
	}

	forbid("phase", w.outcome != "" && !w.ended.After(start) || slices.ContainsFunc(w.facts, func(f *fact) bool {
		return (f.name == "withdraw" || f.name == "stop") && !f.at.After(start)
	}))
	forbid("eligibility", !e.Adult || e.Diagnosis == NoDiagnosis || !e.StandardCareTried || !e.CommitsToTheArc || !e.ComfortableWithTheStates)

	evaluation, clearance := w.last("psychological-evaluation", start), w.last("prescriber-clearance", start)
	finding := evaluation == nil && len(e.Findings) > 0
	for _, f := range []*fact{evaluation, clearance} {
		finding = finding || f != nil && len(f.said.list("findings")) > 0
	}
	forbid("finding", finding)
	forbid("psychological-evaluation", evaluation == nil || evaluation.decision != Suitable)

	forbid("prescriber-clearance", clearance == nil || clearance.decision != Cleared)
	if clearance != nil {
		void := slices.ContainsFunc(w.events(), func(x event) bool { return x.at.After(clearance.at) && !x.at.After(start) })
		since := 0
		for _, v := range w.visits {
			void = void || v.kind == Dosing && v.record != nil && overTheLimit(v.record.said.text("blood_pressure_before")) && !v.end.After(start) &&
				v.end.After(clearance.at) && clearance.at.Before(v.start.Add(-time.Hour)) // later, it answers what was measured
			if v.dosed() && !v.start.Before(clearance.at) && v.start.Before(start) {
				since++
			}
		}
		forbid("clearance-void", void)
		forbid("clearance-days", !start.Before(clearance.at.In(w.zone).AddDate(0, 0, 60)))
		forbid("clearance-sessions", since >= 2)
	}
	forbid("checkpoint", n > 0 && n < 6 && n%2 == 0 && (clearance == nil || clearance.at.Before(last.end)))

	consent := w.last("consent", start)
	forbid("consent", consent == nil || consent.decision != Given || !w.signed(consent.said.text("document_version"), start))
	plan := w.last("safety-plan", start)
	forbid("safety-plan", plan == nil || start.After(plan.at.In(w.zone).AddDate(0, 0, 90)))

	held, enough := 0, false
	for _, v := range w.visits {
		if v.was(Preparation) && !v.end.After(start) {
			held++
			enough = enough || v.record.said.yes("preparation_complete")
		}
	}
	forbid("preparation", held < 2 && !enough)

	if last != nil {
		forbid("integration", !slices.ContainsFunc(w.visits, func(v *visit) bool {
			return v.was(Integration) && !v.start.Before(last.end) && v.start.Before(next) && !v.end.After(start) &&
				v.record.said.text("next") == string(AnotherNext) && v.record.said.yes("client_agrees")
		}))
		forbid("spacing", start.Before(last.start.In(w.zone).AddDate(0, 0, 7)))
	}
	forbid("maximum", n >= 6)

	missing := false
	for _, s := range w.scales() {
		m := w.measured(s, start)
		missing = missing || m == nil || m.at.Before(start.In(w.zone).AddDate(0, 0, -7))
	}
	forbid("measure", missing)

	assessed := w.last("risk-assessment", start)
	forbid("risk-assessment", slices.ContainsFunc(w.facts, func(f *fact) bool {
		return f.name == "measure" && f.item9 == 1 && !f.at.After(start) && (assessed == nil || assessed.at.Before(f.at) || assessed.outcome != string(SafeToContinue))
	}))
	forbid("review", w.unreviewed(start, last, n))

	if len(p.Holds) == 0 {
		return found
	}
	alarms := w.alarms()
	for _, h := range p.Holds {
		if h.Lifted || h.Since.After(start) || h.Cause == Deviation && h.From == self || w.released(h, start) {
			continue
		}
		forbid(h.Name, h.Cause == Deviation || slices.ContainsFunc(alarms, func(a alarm) bool { return a.cause == h.Cause && a.from == h.From }))
	}
	return found
}

// signed says whether a version of the consent form is the one in force at a moment, or a newer one that was signed in advance.
func (w *witness) signed(version string, at time.Time) bool {
	good := false
	for i, f := range w.forms {
		day, _ := f.InForce.in(w.zone)
		if i == 0 || !day.After(at) && !f.Known.After(at) { // nobody is bound by a form before it reached them
			good = false
		}
		good = good || f.Version == version
	}
	return good
}

// review is a clinician's latest since a dosing session, by its own time, however late it is recorded.
func (w *witness) review(role Role, since *visit, until time.Time) (latest *fact) {
	for _, f := range w.facts {
		if f.name == "review" && f.role == role && !f.at.After(until) && (since == nil || f.at.After(since.start)) && (latest == nil || !f.at.Before(latest.at)) {
			latest = f
		}
	}
	return latest
}

// unreviewed says whether a dosing session waits for a review, or one says stop.
func (w *witness) unreviewed(start time.Time, last *visit, n int) bool {
	var said []*fact
	for _, role := range clinicians {
		if latest := w.review(role, last, start); latest != nil {
			said = append(said, latest)
		}
	}
	if slices.ContainsFunc(said, func(f *fact) bool { return f.decision == string(StopReview) }) {
		return true
	}
	if last == nil {
		return false
	}
	primary := w.enrolment.PrimaryMeasure
	if primary == Grief {
		return n%2 == 0 && len(said) < 2
	}
	from, to := w.baseline(primary), w.measured(primary, start)
	if n+1 < 4 || from == nil || to == nil || to.at.Before(last.start) {
		return false
	}
	points := from.total - to.total
	least, _ := important(primary)
	return points < least && (from.total < 10 || points*100 <= 25*from.total) && len(said) == 0
}

// dayCodes are what the record of a dosing session may say of its day that is against the rules, by the deviation's code.
var dayCodes = []struct{ field, wrong, code string }{
	{"in_person", "false", "in-person"},
	{"therapist_present_throughout", "false", "present"},
	{"client_still_willing", "false", "willing"},
	{"prescription_reference", `"none"`, "prescription"},
	{"blood_pressure_before", `"not-taken"`, "pressure-before"},
	{"blood_pressure_at_40_minutes", `"not-taken"`, "pressure-40"},
	{"blood_pressure_leaving", `"not-taken"`, "pressure-leaving"},
	{"pregnancy_asked", "false", "pregnancy-asked"},
	{"medication_change_asked", "false", "medication-asked"},
	{"urinary_symptoms_asked", "false", "urinary-asked"},
	{"no_driving_until_next_day_explained", "false", "driving-explained"},
}

// deviations: a dosing session that took place against the rules is recorded as a deviation that names each of them, and holds.
// After the ending there is nothing left to hold.
func (w *witness) deviations(p *Pathway) error {
	if w.outcome != "" {
		return nil
	}
	for _, v := range w.visits {
		if !v.dosed() {
			continue
		}
		found := w.against(p, v.start, v.name)
		for _, d := range dayCodes {
			if v.record.said.raw(d.field) == d.wrong {
				found = append(found, d.code)
			}
		}
		if v.off {
			found = append(found, "cancelled")
		}
		if c := w.last("prescriber-clearance", v.end); overTheLimit(v.record.said.text("blood_pressure_before")) &&
			(c == nil || c.decision != Cleared || c.at.Before(v.start.Add(-time.Hour))) {
			found = append(found, "pressure-limit")
		}
		for _, code := range found {
			if !slices.ContainsFunc(p.Holds, func(h HoldInForce) bool {
				return h.Cause == Deviation && !h.Lifted && h.From == v.name && slices.Contains(strings.Fields(h.What), code)
			}) {
				return fmt.Errorf("%s took place on %s although %s forbids it, and no deviation says so", v.name, p.clockTime(v.start), code)
			}
		}
	}
	return nil
}

// holdsStand: what has to hold the pathway holds it, a hold keeps its name, and only those whom its cause asks for release it.
func (w *witness) holdsStand(p *Pathway) error {
	for _, a := range w.alarms() {
		if w.outcome == "" && !slices.ContainsFunc(p.Holds, func(h HoldInForce) bool { return !h.Lifted && h.Cause == a.cause && h.From == a.from }) {
			return fmt.Errorf("nothing holds the pathway for the %s that %s tells of", a.cause, a.from)
		}
	}
	for i, h := range p.Holds {
		force := !h.Lifted && len(h.Open()) > 0
		if i >= len(w.holds) {
			w.holds, w.held = append(w.holds, h), append(w.held, true)
		}
		if first := w.holds[i]; h.Name != fmt.Sprintf("hold-%d", i+1) || h.Cause != first.Cause || h.From != first.From {
			return fmt.Errorf("%s was %s, %s, and is now %s: %s, %s", first.Name, first.Cause, first.From, h.Name, h.Cause, h.From)
		}
		if w.held[i] && !force && !h.Lifted {
			if err := w.rightlyReleased(p, h); err != nil {
				return err
			}
		}
		w.held[i] = force
	}
	if len(p.Holds) < len(w.holds) {
		return fmt.Errorf("%s has vanished", w.holds[len(p.Holds)].Name)
	}
	return nil
}

func (w *witness) rightlyReleased(p *Pathway, h HoldInForce) error {
	if !w.released(h, farFuture) {
		return fmt.Errorf("%s (%s) is released, though not by everybody whom it needs: %v", h.Name, h.Cause, w.releasers(h.Cause, h.From))
	}
	if h.Cause != Crisis && h.Cause != ItemNine {
		return nil
	}
	var at time.Time
	for _, f := range w.facts {
		if f.name == "release" && f.said.text("hold") == h.Name {
			at = f.at
		}
	}
	risk, plan := w.last("risk-assessment", at), w.last("safety-plan", at)
	if risk == nil || risk.at.Before(h.Since) || risk.outcome != string(SafeToContinue) {
		return fmt.Errorf("%s (%s) is released without a risk assessment since %s", h.Name, h.Cause, p.clockTime(h.Since))
	}
	looked := plan != nil && !plan.at.Before(h.Since) || slices.ContainsFunc(w.facts, func(f *fact) bool {
		return f.name == "risk-assessment" && f.said.yes("safety_plan_reviewed") && !f.at.Before(h.Since) && !f.at.After(at)
	})
	if h.Cause == ItemNine && !looked {
		return fmt.Errorf("%s (%s) is released although nobody looked at the safety plan", h.Name, h.Cause)
	}
	return nil
}

// stepped takes down what the practice did in one step, and says what it should not have.
func (w *witness) stepped(p *Pathway, s Step, a Answer) error {
	if a.Form != nil {
		w.forms = append(w.forms, IssuedForm{*a.Form, s.At})
	}
	if a.Restored != nil {
		return w.heardOfRestore(p, *a.Restored, s.At)
	}
	for i, act := range s.Acts {
		answer := a.Acts[i]
		if answer.Refused != "" {
			continue
		}
		switch act.Do {
		case BookDeed:
			w.visits = append(w.visits, w.planned(act.Session, act.Kind, answer.Start))
			if act.Paired != "" {
				w.visits = append(w.visits, w.planned(act.Paired, Integration, answer.FollowStart))
			}
			if err := w.mayBook(p, act, answer, s.At); err != nil {
				return err
			}
		case MoveDeed:
			for name, start := range map[string]time.Time{act.Session: answer.Start, act.Paired: answer.FollowStart} {
				if v := w.visit(name); v != nil {
					v.booked, v.start, v.end, v.placed = start, start, start.Add(w.lasts(v.kind)), w.seq
				}
			}
			if err := w.mayBook(p, act, answer, s.At); err != nil {
				return err
			}
		case CancelDeed:
			if v := w.visit(act.Session); v != nil {
				v.off = true
			}
		case HearDeed:
			if err := w.heardOfMail(p, answer.News, s.At); err != nil {
				return err
			}
		case WithdrawDeed, ResendDeed:
			if err := w.settled(p, act, answer, s.At); err != nil {
				return err
			}
		case EndDeed:
			if w.outcome != "" {
				return fmt.Errorf("it ended as %s and then as %s", w.outcome, act.Outcome)
			}
			if err := w.mayEnd(act.Outcome); err != nil {
				return err
			}
			w.outcome, w.ended = act.Outcome, s.At
		}
	}
	return nil
}

// heardOfMail: what did not arrive and still holds is said by telephone, an address that takes no mail is asked for, and somebody who
// wants no mail gets none.
func (w *witness) heardOfMail(p *Pathway, news []News, now time.Time) error {
	owed := func(key string) bool {
		return slices.ContainsFunc(p.Tasks(now), func(t Task) bool { return t.Key == key })
	}
	for _, n := range news {
		lost := n.Event == MailBounced || n.Event == MailBlocked || n.Event == MailDropped
		unwanted := n.Event == MailReported || n.Event == MailUnsubscribed || n.Event == MailDropped && (n.Reason == NotWanted || n.Reason == CalledSpam)
		switch {
		case n.Event == AddressCorrected:
			w.returned = false
			continue
		case n.Mail.Staff != "":
			if lost && !owed("call/staff/"+n.Mail.Staff) {
				return fmt.Errorf("an urgent mail to %s did not arrive, and nobody calls them", n.Mail.Staff)
			}
			continue
		case n.Event == AddressReturned, n.Event == MailBounced && !n.Former, n.Event == MailDropped && !n.Former && !unwanted && n.Reason != BadContent:
			w.returned = true
		}
		w.mail = w.mail && !unwanted
		v := w.visit(n.Mail.Session)
		stands := v != nil && !v.off && v.record == nil && v.booked.Equal(n.Mail.Start) && n.Mail.Until.After(now)
		if lost && stands && n.Mail.Kind != QuestionnaireMail && !owed("call/"+n.Mail.Key) {
			return fmt.Errorf("the mail %s did not arrive, and nobody says it by telephone", n.Mail.Key)
		}
	}
	if w.returned && w.mail && w.outcome == "" && !owed("address") {
		return fmt.Errorf("mail to the client's address comes back, and nobody asks for another")
	}
	return nil
}

// heardOfRestore: from the step on with which a pathway hears of it, it is held and nothing waits to be mailed.
func (w *witness) heardOfRestore(p *Pathway, r Restore, now time.Time) error {
	if w.outcome == "" {
		w.restores = append(w.restores, alarm{Restored, r.ID, now})
	}
	for _, m := range p.Outbox {
		if !m.GivenUp {
			return fmt.Errorf("%s may still go out after a restore", m.Key)
		}
	}
	return w.holdsStand(p)
}

func (w *witness) planned(name string, kind Kind, start time.Time) *visit {
	return &visit{name: name, kind: kind, booked: start, start: start, end: start.Add(w.lasts(kind)), placed: w.seq}
}

// mayBook: nothing is booked after the ending, no preparation before screening is complete, and no dosing session while anything
// forbids it. Its measure may come until 48 hours before.
func (w *witness) mayBook(p *Pathway, act Act, answer ActAnswer, now time.Time) error {
	when := p.clockTime(answer.Start)
	if w.outcome != "" {
		return fmt.Errorf("%s is booked for %s although the pathway has ended", act.Session, when)
	}
	switch act.Kind {
	case Preparation:
		for _, code := range w.against(p, now, "") {
			switch code {
			case "eligibility", "finding", "psychological-evaluation", "prescriber-clearance", "clearance-void", "clearance-days", "consent", "safety-plan":
				if act.Do == BookDeed {
					return fmt.Errorf("%s is booked for %s although %s stands against it", act.Session, when, code)
				}
			}
		}
	case Dosing:
		if act.Do == BookDeed && act.Request == "" && w.unwilling() {
			return fmt.Errorf("%s is booked for %s although the client was not willing, and nobody has talked with them", act.Session, when)
		}
		for _, code := range w.against(p, answer.Start, "") {
			if code == "consent" && !slices.Contains(w.against(p, now, ""), "consent") {
				continue // a newer form comes into force in between, and is signed then
			}
			if code != "measure" || answer.Start.Sub(now) <= 48*time.Hour {
				return fmt.Errorf("%s is booked for %s although %s forbids it", act.Session, when, code)
			}
		}
		if act.Paired == "" {
			return nil
		}
		if gap := answer.FollowStart.Sub(answer.Start.Add(3 * time.Hour)); gap < 24*time.Hour || gap > 72*time.Hour {
			return fmt.Errorf("%s is booked %s after %s", act.Paired, gap, act.Session)
		}
	}
	return nil
}

// calendar: nothing overlaps, one dosing session is booked at a time, and none that is near while anything forbids it; and what is
// booked is what the witness saw booked.
func (w *witness) calendar(p *Pathway, now time.Time) error {
	dosing := 0
	for i := range p.Appointments {
		a := &p.Appointments[i]
		if a.State != Booked {
			continue
		}
		v := w.visit(a.Name)
		if v == nil || !v.standing() || !v.start.Equal(a.Start) {
			return fmt.Errorf("%s stands in the calendar for %s, which nobody booked", a.Name, p.clockTime(a.Start))
		}
		if w.outcome != "" {
			return fmt.Errorf("ended with %s in the calendar", a.Name)
		}
		for j := range p.Appointments[:i] {
			if b := &p.Appointments[j]; b.State == Booked && a.Start.Before(b.End) && b.Start.Before(a.End) {
				return fmt.Errorf("%s and %s overlap", b.Name, a.Name)
			}
		}
		if a.Kind != Dosing || !a.End.After(now) { // one whose record was void waits for another
			continue
		}
		if dosing++; dosing > 1 {
			return fmt.Errorf("%d dosing sessions are booked at once", dosing)
		}
		if now.Before(a.Start) && a.Start.Sub(now) <= 48*time.Hour && v.checked != w.seq+1 {
			v.checked = w.seq + 1
			if found := w.against(p, a.Start, ""); len(found) > 0 {
				return fmt.Errorf("%s on %s is still booked, though %s forbids it", a.Name, p.clockTime(a.Start), strings.Join(found, " and "))
			}
		}
	}
	return nil
}

// followed: an integration that a dosing session's record has left more than 72 hours after it is moved, or somebody is asked to, where
// it can be any sooner.
func (w *witness) followed(p *Pathway, now time.Time) error {
	dosings := w.dosings()
	if len(dosings) == 0 || w.outcome != "" || p.ending() == Lapsed {
		return nil
	}
	last := dosings[len(dosings)-1]
	var first *visit
	for _, v := range w.visits {
		if v.was(Integration) && !v.start.Before(last.end) {
			return nil
		}
		if v.kind == Integration && v.standing() && !v.start.Before(last.end) && (first == nil || v.start.Before(first.start)) {
			first = v
		}
	}
	if first == nil || first.placed >= last.timed || first.start.Sub(last.end) <= 72*time.Hour || !first.start.After(now.Add(4*time.Hour)) ||
		slices.ContainsFunc(w.visits, func(v *visit) bool { // it follows another
			return v.kind == Dosing && v.standing() && v.end.Before(first.start) && v.start.After(last.start)
		}) || slices.ContainsFunc(p.Tasks(now), func(t Task) bool { return t.Key == "book/integration" }) {
		return nil
	}
	return fmt.Errorf("%s stands on %s, %s after %s, and nobody is asked for a sooner time", first.name, p.clockTime(first.start), first.start.Sub(last.end), last.name)
}

// shown: whatever forbids the next dosing session is shown to staff.
func (w *witness) shown(p *Pathway, now time.Time, literal bool) error {
	if w.outcome != "" || p.ending() != "" {
		return nil
	}
	for _, h := range p.Holds { // who does not release it says that they know
		other := map[Cause]Role{Crisis: Prescriber, ItemNine: Prescriber, AdverseCause: Therapist}[h.Cause]
		key := fmt.Sprintf("informed/%s/%s", h.Name, other)
		if other == "" || h.Lifted || slices.ContainsFunc(w.facts, func(f *fact) bool { return f.name == "task-done" && f.said.text("task") == key }) {
			continue
		}
		if !slices.ContainsFunc(p.Tasks(now), func(t Task) bool { return t.Key == key }) {
			return fmt.Errorf("the %s has not said that they know of %s, and is not asked to", other, h.Name)
		}
	}
	blocked := p.blockers(p.nextDosing(now))
	if literal {
		s := p.Status(now)
		blocked = s.Blocked
		for _, t := range s.Tasks {
			if decided := decidedIn(t); decided != "" {
				return errors.New(decided)
			}
		}
	}
	for _, code := range w.against(p, p.nextDosing(now), "") {
		if !slices.ContainsFunc(blocked, func(b Blocker) bool { return b.Code == code }) {
			return fmt.Errorf("%s forbids the next dosing session, and staff are shown only %v", code, blocked)
		}
	}
	return nil
}

// done says whether a human act was done since a moment, or tried twice.
func (w *witness) done(task string, since time.Time) bool {
	tried := 0
	for _, f := range w.facts {
		if f.name != "task-done" || f.said.text("task") != task || f.at.Before(since) {
			continue
		}
		switch f.outcome {
		case string(Tried):
			tried++
		case string(Acknowledged):
		default:
			return true
		}
	}
	return tried >= 2
}

// mayEnd: an ending has the decision of whoever decides it, and everything that the protocol asks for since (section 5).
func (w *witness) mayEnd(o Outcome) error {
	dosings := w.dosings()
	var decided []time.Time
	for _, f := range w.facts {
		switch {
		case o == WithdrawnByClient && f.name == "withdraw",
			o == Lapsed && f.name == "stop" && f.said.text("as") == string(Lapsed),
			o == StoppedAndReferred && f.name == "stop" && f.said.text("as") != string(Lapsed),
			o == StoppedAndReferred && f.name == "review" && f.role == Therapist && f.decision == string(StopReview):
			decided = append(decided, f.at)
		}
	}
	if e := w.last("psychological-evaluation", farFuture); e != nil && e.decision == Decline && (o == DeclinedAndReferred && len(dosings) == 0 || o == StoppedAndReferred && len(dosings) > 0) {
		decided = append(decided, e.at)
	}
	if o == Completed && len(dosings) > 0 {
		last := dosings[len(dosings)-1]
		for _, v := range w.visits {
			if v.was(Integration) && !v.start.Before(last.end) && v.record.said.text("next") == string(CloseNext) && v.record.said.yes("client_agrees") {
				decided = append(decided, v.record.at)
			}
		}
	}
	if len(decided) == 0 {
		return fmt.Errorf("it ended as %s, which nobody decided", o)
	}
	missing := ""
	for _, since := range decided {
		referred := slices.ContainsFunc(w.facts, func(f *fact) bool { return f.name == "referral" && !f.at.Before(since) })
		switch {
		case (o == StoppedAndReferred || o == DeclinedAndReferred) && !referred:
			missing = "a referral"
		case o == WithdrawnByClient && !referred && !w.done("referral", since):
			missing = "the offer of a referral"
		case (o == StoppedAndReferred || o == DeclinedAndReferred) && !w.done("conversation", since):
			missing = "that the client was spoken with, or that it was tried twice"
		case len(dosings) > 0 && !w.done("discharge-contact", since):
			missing = "the prescriber's discharge contact"
		case !w.done("letter", since):
			missing = "the closing letter"
		case !w.assessed():
			missing = "a risk assessment that item 9 asks for"
		case o == Completed && !w.mayComplete(dosings, since):
			missing = "a measure that lets it complete, or both clinicians' word"
		default:
			return nil
		}
	}
	return fmt.Errorf("it ended as %s without %s", o, missing)
}

// assessed says whether somebody looked at the client's risk after the last PHQ-9 whose ninth item asks for it.
func (w *witness) assessed() bool {
	var asked time.Time
	for _, f := range w.facts {
		if n, err := strconv.Atoi(strings.Trim(f.said.raw("item_9"), `"`)); f.name == "measure" && err == nil && n > 0 {
			asked = later(asked, f.at)
		}
	}
	return asked.IsZero() || slices.ContainsFunc(w.facts, func(f *fact) bool { return f.name == "risk-assessment" && !f.at.Before(asked) })
}

// unwilling says whether the client was not willing at the last dosing session that was recorded, and nobody has talked with them since.
func (w *witness) unwilling() bool {
	var last *visit
	for _, v := range w.visits {
		if v.kind == Dosing && v.record != nil && (last == nil || v.start.After(last.start)) {
			last = v
		}
	}
	return last != nil && last.record.outcome == AttendedNotDosed && last.record.said.raw("client_still_willing") == "false" &&
		!slices.ContainsFunc(w.facts, func(f *fact) bool {
			return f.name == "task-done" && strings.HasPrefix(f.said.text("task"), "talk/") && f.outcome == string(Reached) && f.at.After(last.start)
		})
}

func (w *witness) mayComplete(dosings []*visit, since time.Time) bool {
	last := dosings[len(dosings)-1]
	says := func(role Role) bool {
		r := w.review(role, last, farFuture)
		return r != nil && r.decision == string(CompleteReview)
	}
	if says(Therapist) && says(Prescriber) {
		return true
	}
	for _, s := range w.scales() {
		if m := w.measured(s, farFuture); m == nil || m.at.Before(last.start) || m.at.Before(since.In(w.zone).AddDate(0, 0, -7)) {
			return false
		}
	}
	primary := w.enrolment.PrimaryMeasure
	if len(dosings) < 6 {
		return true
	}
	from, to := w.baseline(primary), w.measured(primary, farFuture)
	if primary == Grief || from == nil {
		return primary != Grief
	}
	least, _ := important(primary)
	points := from.total - to.total
	return points >= least || from.total >= 10 && points*2 >= from.total || primary != PCL5 && to.total < 5
}

// mayLapse: only what the client owes lets a pathway lapse, after 60 days and two calls, and never before a review date.
func (w *witness) mayLapse(p *Pathway, now time.Time) error {
	if e := w.last("psychological-evaluation", now); e != nil && e.decision == Defer {
		if day, _ := Day(e.said.text("review_on")).in(w.zone); day.After(now) {
			return fmt.Errorf("it lapses although it is deferred until %s", e.said.text("review_on"))
		}
	}
	calls := 0
	for _, f := range w.facts {
		task := f.said.text("task")
		if f.name == "task-done" && f.outcome != string(Acknowledged) && (strings.HasPrefix(task, "call/") || strings.HasPrefix(task, "talk/")) {
			calls++
		}
	}
	owed := slices.Contains(w.against(p, now, ""), "consent")
	for _, kind := range []Kind{Preparation, Dosing, Integration} {
		var latest *visit
		for _, v := range w.visits {
			if v.kind == kind && (latest == nil || v.start.After(latest.start)) {
				latest = v
			}
		}
		owed = owed || latest != nil && !latest.standing() && (latest.record == nil || latest.record.outcome != Held)
	}
	if dosings := w.dosings(); len(dosings) > 0 {
		owed = owed || !w.mayComplete(dosings, farFuture)
	}
	switch {
	case !owed:
		return fmt.Errorf("it lapses although the client owes nothing")
	case calls < 2:
		return fmt.Errorf("it lapses although the client was called %d times", calls)
	case now.Before(w.enrolment.At.In(w.zone).AddDate(0, 0, 60)):
		return fmt.Errorf("it lapses within 60 days")
	}
	return nil
}

// mailed looks at a mail that goes out now.
func (w *witness) mailed(p *Pathway, m Mail, now time.Time) error {
	if d := w.doubts[m.Key]; d != nil { // once more, where it is a reminder, and after a while
		if m.Kind != ReminderMail || d.times > 1 || !d.over || now.Sub(d.since) < 10*time.Minute {
			return fmt.Errorf("the mail %s, of which nobody knew since %s whether it went out, went out again", m.Key, p.clockTime(d.since))
		}
	} else if w.keys[m.Key] {
		return fmt.Errorf("the mail %s went out twice", m.Key)
	}
	w.keys[m.Key] = true
	if m.Staff != "" {
		w.heard[m.Staff] = now
		if m.Kind == UrgentMail {
			w.urgent[m.Staff] = now
		}
		return nil
	}
	if !w.mail || w.returned {
		return fmt.Errorf("the mail %s went to a client who allows none, or whose address takes none", m.Key)
	}
	if m.Kind == LetterMail && w.outcome == "" {
		return fmt.Errorf("the letter is announced before the ending")
	}
	if m.Kind == BookedMail || m.Kind == MovedMail || m.Kind == ReminderMail {
		if v := w.visit(m.Session); v == nil || v.off || !v.booked.Equal(m.Start) || !now.Before(m.Start) {
			return fmt.Errorf("the mail %s speaks of %s, a time that does not stand", m.Key, p.clockTime(m.Start))
		}
	}
	if m.Kind == ReminderMail {
		if err := w.inTime(p, m, now); err != nil {
			return err
		}
	}
	expected := m.Start
	if !m.Was.IsZero() && m.Was.Before(expected) {
		expected = m.Was
	}
	if m.Zone != w.there.String() {
		return fmt.Errorf("the mail %s says the time in %s to a client in %s", m.Key, m.Zone, w.there)
	}
	local := now.In(w.there)
	near := (m.Kind == CancelledMail || m.Kind == MovedMail) && expected.Sub(now) <= 48*time.Hour
	waited := m.Kind == BookedMail && m.Start.Sub(now) < 13*time.Hour // until the morning it would be over
	if hour := local.Hour(); (hour < 8 || hour >= 20) && m.Lead != "2h" && !near && !waited {
		return fmt.Errorf("the mail %s went out at %s", m.Key, local.Format("Mon 2 Jan 15:04 MST"))
	}
	return nil
}

// doubted takes down that nobody knows whether a mail went out.
func (w *witness) doubted(m Mail, now time.Time) {
	d := w.doubts[m.Key]
	if d == nil {
		d = &doubt{mail: m}
		w.doubts[m.Key] = d
	}
	d.since, d.over = now, false
	d.times++
}

// settled looks at how a mail in doubt is settled: a client's is asked about by telephone, unless it goes out again, the mail service
// has told, or what it said is past.
func (w *witness) settled(p *Pathway, act Act, answer ActAnswer, now time.Time) error {
	d := w.doubts[act.Key]
	if d == nil || d.over {
		if act.Do == ResendDeed {
			return fmt.Errorf("the mail %s is sent again, of which nobody was in doubt", act.Key)
		}
		return nil
	}
	d.over = true
	past := d.mail.Kind != LetterMail && d.mail.Kind != ConsentMail && !now.Before(d.mail.Start) || act.Reason == overtakenMail
	called := slices.ContainsFunc(p.Calls, func(c Call) bool { return c.Key == "call/"+act.Key })
	waited := d.mail.Kind == QuestionnaireMail || d.mail.Kind == ConsentMail // these have a time after which they have lost their point
	if answer.Mail == UnknownMail && !past && !called && (!waited || d.mail.Until.After(now)) {
		return fmt.Errorf("nobody knows whether the mail %s went out, and nobody is asked to call", act.Key)
	}
	return nil
}

// resolved: no doubt is left alone for longer than ten minutes.
func (w *witness) resolved(p *Pathway, now time.Time) error {
	for _, d := range w.doubts {
		if !d.over && now.Sub(d.since) >= 10*time.Minute && slices.ContainsFunc(p.Outbox, func(m Mail) bool { return m.Key == d.mail.Key }) {
			return fmt.Errorf("nobody knows since %s whether the mail %s went out", p.clockTime(d.since), d.mail.Key)
		}
	}
	return nil
}

// inTime: a reminder that comes later than this after its moment is reported, not sent.
func (w *witness) inTime(p *Pathway, m Mail, now time.Time) error {
	local := m.Start.In(w.zone)
	latest := map[string]time.Time{
		"7d":  local.AddDate(0, 0, -7).Add(24 * time.Hour),
		"48h": local.AddDate(0, 0, -2).Add(6 * time.Hour),
		"24h": local.AddDate(0, 0, -1).Add(3 * time.Hour),
		"2h":  local.Add(-90 * time.Minute),
	}[m.Lead]
	// brought into the hours of mail, it counts from there
	if now.After(latest.Add(map[string]time.Duration{"7d": 24 * time.Hour, "48h": 6 * time.Hour, "24h": 3 * time.Hour}[m.Lead])) {
		return fmt.Errorf("the %s reminder of %s on %s went out too late", m.Lead, m.Session, p.clockTime(m.Start))
	}
	return nil
}

// watched is a task that is open, as the witness sees it from moment to moment.
type watched struct {
	since  time.Time // of the task
	first  time.Time // when it was seen first
	urgent bool
	staff  []string
	from   []time.Time // since when each of them owes it
	fresh  bool
	seen   int
	known  time.Time // when somebody was last seen to look after it
}

// ladders: whoever owes an open task hears of it (protocol, section "When people hear from us").
func (w *witness) ladders(p *Pathway, tasks []Task, now time.Time) error {
	w.looked++
	for _, t := range tasks {
		if t.Urgent && t.Since.After(now) { // nobody is woken to call a client who asks for another time at night: it is urgent from the morning on
			local, from := now.In(newYork()), t.Since.In(newYork())
			if night := local.Hour() < 8 || local.Hour() >= 20; !night || !strings.HasPrefix(t.Key, "call/answer/") || from.Hour() != 8 || from.Sub(local) > 13*time.Hour {
				return fmt.Errorf("%s is open since %s, which is to come", t.Key, p.clockTime(t.Since))
			}
			continue
		}
		o := w.open[t.Key]
		if o == nil || !o.since.Equal(t.Since) || o.urgent != t.Urgent {
			o = &watched{since: t.Since, first: now, urgent: t.Urgent, fresh: true}
			w.open[t.Key] = o
		}
		o.seen = w.looked
		var staff []string
		for _, r := range t.Who {
			switch r {
			case Therapist:
				staff = append(staff, w.team.Therapist)
			case Prescriber:
				staff = append(staff, w.team.Prescriber)
			case Coordinator:
				staff = append(staff, w.team.Coordinators...)
			}
		}
		if !slices.Equal(o.staff, staff) {
			o.staff, o.from = staff, slices.Repeat([]time.Time{now}, len(staff))
		}
		if slices.Contains(t.Who, Client) {
			continue // the client is asked, then called
		}
		for i, id := range staff {
			if err := w.told(p, t, o, id, o.from[i], now); err != nil {
				return err
			}
		}
		o.fresh = false
	}
	for key, o := range w.open {
		if o.seen != w.looked {
			delete(w.open, key)
		}
	}
	return nil
}

func (w *witness) told(p *Pathway, t Task, o *watched, id string, from, now time.Time) error {
	silent := func(what string) error {
		return fmt.Errorf("%s is open since %s, and %s %s (mail at %s, urgent at %s)", t.Key, p.clockTime(t.Since), id, what, w.heard[id], w.urgent[id])
	}
	within := func(last time.Time, d time.Duration) bool { return now.Sub(last) <= d }
	known := slices.ContainsFunc(w.facts, func(f *fact) bool {
		return f.name == "task-done" && f.outcome == string(Acknowledged) && f.said.text("task") == t.Key && !f.at.Before(t.Since)
	})
	if known {
		o.known = now
	}
	unheeded := later(o.first, o.known) // of the time in which nobody has said that they look after it: what was said may be corrected
	const aDay = 26 * time.Hour         // from one morning to the next, when the clocks go back, and the first minutes
	switch {
	case t.Urgent && !known:
		if o.fresh && !w.urgent[id].Equal(now) {
			return silent("is not told at once")
		}
		if !within(later(w.urgent[id], unheeded), time.Hour) && !within(from, time.Hour) {
			return silent("is not told each hour")
		}
		if now.Sub(unheeded) >= 2*time.Hour && w.urgent[OnCall].Before(unheeded) || now.Sub(unheeded) > 3*time.Hour && !within(w.urgent[OnCall], time.Hour) {
			return fmt.Errorf("%s is urgent since %s, and nobody on call is told (last at %s)", t.Key, p.clockTime(t.Since), w.urgent[OnCall])
		}
	case t.Urgent:
	case t.Key == clearanceGate || t.Key == evaluationGate || t.Key == planGate:
		begin := later(o.first, from)
		for _, days := range []int{2, 5} {
			due := begin.In(w.zone).AddDate(0, 0, days)
			since := due
			if days == 2 { // where it was deferred until now, they heard at once
				since = begin
			}
			if now.Sub(due) > aDay && w.heard[id].Before(since) {
				return silent(fmt.Sprintf("is not told after %d days", days))
			}
		}
		if now.Sub(begin) > 6*day+aDay && !within(w.heard[id], aDay) {
			return silent("is not told each morning")
		}
	default:
		begin := later(o.first, from)
		if !strings.HasPrefix(t.Key, "hold/") && !strings.HasPrefix(t.Key, "review") && t.Key != "stop" && t.Key != "risk-assessment" {
			begin = later(begin, t.Due)
		}
		if now.Sub(begin) > aDay && !within(w.heard[id], aDay) {
			return silent("is not told each morning")
		}
	}
	return nil
}
