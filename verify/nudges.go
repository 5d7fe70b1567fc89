package verify

import (
	"slices"
	"strings"
	"time"

	"kap/pathway"
	"kap/records"
)

// What staff owe is nudged and escalated without end (protocol, "Tasks" and "When people hear from us"). Three things are held against
// the journal: no nudge comes sooner than its ladder lets it, each goes to whom the ladder names at that moment, and none is missing
// while a thing was certainly owed. A worker that is away makes nudges late and writes nothing meanwhile: they come with its next step.
// So one is missing where a step was written that had to hold it, or where no step came for longer than a nudge may be late.

// told is the last nudge about a thing: when, and since when the thing was owed by what the nudge says. What a correction opens again is
// told of as if it had not been told of before, so that the nudge after one may be the first.
type told struct {
	at, since time.Time
	corrected bool
	daily     bool // they hear of it each morning, which was no gate's to begin with
}

// waiting is a thing that is owed, from the first step on in which it was so, as it is now.
type waiting struct {
	need
	from   time.Time
	missed *stage // the first step in which a nudge about it seems to be missing
}

// stage is what a step of the journal has of nudges.
type stage struct {
	number int
	at     time.Time
	sure   bool // it holds what kap does beside nudging, so that each nudge that was due is in it
	bare   bool // it was written without any acts, or with those that go before all others
	told   []pathway.Fact
}

// wordless is the last step with nudges that do not say what they are about, as they were once written; or 0.
func wordless(lines []records.ChainedLine) int {
	last := 0
	for _, l := range lines {
		if l.Kind == string(pathway.Done) && l.Name == "nudge" && (l.Fact == nil || !strings.Contains(*l.Fact, `"owed"`)) {
			last = l.Step
		}
	}
	return last
}

// stageOf reads a step, or says that it is none: mails go out between two steps.
func stageOf(lines []records.ChainedLine, facts []*pathway.Fact, acts bool) (s stage, ok bool) {
	s = stage{number: lines[0].Step, bare: !acts}
	for i, l := range lines {
		kind := pathway.EntryKind(l.Kind)
		if kind == pathway.Sent {
			continue
		}
		s.at, ok = later(s.at, l.Recorded), true
		if kind != pathway.Done {
			continue
		}
		switch l.Name {
		case "nudge":
			if facts[i] != nil {
				s.told = append(s.told, *facts[i])
			}
			s.sure = true
		case "booked", "not-booked", "moved", "not-moved", "reminder", "asked":
			s.sure = true
		case "cancelled", "opted-out", "address", "mail-returned", "mail-arrived":
			s.bare = true
		}
	}
	return s, ok
}

// nudges holds those of a step against the account, once it is read.
func (a *account) nudges(s stage) {
	if s.number <= a.wordless {
		return
	}
	owed := a.owed(s.at)
	heard := a.toWhom(s, owed)
	for _, w := range a.waiting(owed, s.at) {
		a.untold(s, w, heard[w.key])
	}
}

// waiting takes down what is owed at a moment, in place of what was owed before.
func (a *account) waiting(owed []need, at time.Time) []*waiting {
	var all []*waiting
	for _, n := range owed {
		w := a.waits[n.key]
		if w == nil || w.mark != n.mark || w.way != n.way {
			w = &waiting{need: n, from: at}
			a.waits[n.key] = w
		}
		w.step = n.step
		all = append(all, w)
	}
	for key := range a.waits {
		if !slices.ContainsFunc(owed, func(n need) bool { return n.key == key }) {
			delete(a.waits, key)
		}
	}
	return all
}

// silence: since the journal's last step nobody was told of what they owe, for longer than that may be late: a day (protocol, "When people
// hear from us"), and of what is urgent the hours after which it is told of again. It looks at each hour since, because time brings some of it
// and takes some away.
func (a *account) silence(asOf time.Time) {
	for at := a.now; at.Before(asOf); {
		if at = at.Add(hours(1)); at.After(asOf) {
			at = asOf
		}
		for _, w := range a.waiting(a.owed(at), at) {
			late := days(1)
			if w.way == inHaste {
				late = hours(a.rules.Nudges.UrgentHours)
			}
			if by := a.dueBy(w); !by.IsZero() && at.After(by.Add(late+minute)) {
				a.violation("nudge-missing", w.key, by, "nobody was told of it, which was due at %s, and nothing was written since %s", a.clock(by), a.clock(a.now))
			}
		}
	}
}

// untold: whoever owes a thing hears of it at the latest when its ladder says. A step that seems to lack a nudge may have been one in
// which kap only asked what became of mail; then the next has it, or one of the next where those were such as well.
func (a *account) untold(s stage, w *waiting, heard bool) {
	by := a.dueBy(w)
	if !by.IsZero() && (w.way == byDays || w.way == whenDue) {
		by = a.byDay(by, a.rules.Mail.SpreadMinutes)
	}
	due := !by.IsZero() && s.at.After(by.Add(minute))
	if w.from.Equal(s.at) { // what is told of at once is told of in the step that brought it
		due = by.Equal(s.at) && w.way != whenDue
	}
	switch {
	case heard || !due, w.step == s.number:
		w.missed = nil
	case s.bare && !s.sure:
	case s.sure, w.missed != nil && s.number > w.missed.number+2 && s.at.Sub(w.missed.at) > 10*time.Minute:
		a.violation("nudge-missing", w.key, by, "it was owed since %s at the latest, and nobody was told of it between %s, when that was due, and %s", a.clock(w.from), a.clock(by), a.clock(s.at))
	case w.missed == nil:
		w.missed = &s
	}
}

// dueBy is when somebody has to hear of a thing at the latest; zero where nobody has to any more.
func (a *account) dueBy(w *waiting) time.Time {
	rules := a.rules.Nudges
	last := a.told[w.key]
	if last == nil && a.wordless > 0 { // they may have been told just before nudges said what they are about
		last = &told{at: w.from, since: w.from}
		if w.way == byDays {
			return a.afterDays(w.from, len(rules.ClinicianDays)-1)
		}
	}
	by := later(w.from, w.since)
	switch {
	case w.way == once && last != nil:
		return time.Time{}
	case w.way == inHaste && last != nil:
		return later(by, last.at.Add(hours(rules.UrgentHours)))
	case w.way == byDays && last != nil && a.passed(last, 0) < len(rules.ClinicianDays):
		return later(a.afterDays(w.from, 0), a.afterDays(last.since, a.passed(last, 0)))
	case w.way == byDays:
		by = a.afterDays(w.from, 0)
	case w.way == inHand:
		by = a.morning(by, a.rules.Mail.SpreadMinutes)
	case w.way == whenDue && w.since.IsZero():
		by = w.from.Add(w.wait)
	case w.way == whenDue:
		by = later(w.from, w.since.Add(w.wait))
	}
	if last != nil {
		by = later(by, a.morning(last.at, a.rules.Mail.SpreadMinutes))
	}
	return by
}

// passed is how many of the days after which a clinician hears of a gate were over with a nudge, where the hours of mail begin so many
// minutes late.
func (a *account) passed(t *told, minutes int) int {
	n := 0
	for n < len(a.rules.Nudges.ClinicianDays) && !a.byDay(a.afterDays(t.since, n), minutes).After(t.at.Add(second)) {
		n++
	}
	return n
}

// afterDays is when a clinician hears of a gate for one of the times that the rules name, counted from 0. Rules that name none, which kap
// does not take, say nothing.
func (a *account) afterDays(since time.Time, n int) time.Time {
	if all := a.rules.Nudges.ClinicianDays; n >= 0 && n < len(all) {
		return since.In(a.zone).AddDate(0, 0, all[n])
	}
	return since
}

// morning is that of the day after a moment, some minutes after mail begins.
func (a *account) morning(after time.Time, minutes int) time.Time {
	from, _ := time.Parse("15:04", a.rules.Mail.From)
	day := after.In(a.zone)
	return time.Date(day.Year(), day.Month(), day.Day()+1, from.Hour(), from.Minute()+minutes, 0, 0, a.zone)
}

// byDay is a moment in the hours of mail, and else some minutes after they begin next: staff read nothing at night that can wait.
func (a *account) byDay(at time.Time, minutes int) time.Time {
	switch local := at.In(a.zone).Format("15:04"); {
	case local < a.rules.Mail.From:
		return a.morning(at.In(a.zone).AddDate(0, 0, -1), minutes)
	case local >= a.rules.Mail.Until:
		return a.morning(at, minutes)
	}
	return at
}

func (a *account) clock(at time.Time) string { return at.In(a.zone).Format("2006-01-02 15:04") }

// second is what two accounts of one moment may be apart.
const second = time.Second

// toWhom looks at each thing that a step's nudges tell of: when that comes, in which mail, and to whom. It says what was told of.
func (a *account) toWhom(s stage, owed []need) map[string]bool {
	heard := map[string]bool{}
	for _, f := range s.told {
		for _, o := range f.Owed {
			if heard[o.Task] {
				continue
			}
			heard[o.Task] = true
			var staff []string
			one := true
			for _, g := range s.told {
				if slices.ContainsFunc(g.Owed, func(x pathway.Owed) bool { return x.Task == o.Task }) {
					staff = append(staff, g.Staff)
					one = one && g.Mail == f.Mail
				}
			}
			if !one {
				a.violation("nudge-astray", o.Task, s.at, "staff were told of it in two ways at once")
			}
			a.tooSoon(s, f.Mail, o)
			a.astray(s, f.Mail, o, staff)
			a.inTheirWay(s, f.Mail, o, owed)
			if o.Since.After(s.at.Add(second)) { // found already
				o.Since = s.at
			}
			last := a.told[o.Task]
			daily := !a.hasDays(o.Task, s.at) || last != nil && last.daily && last.since.Equal(o.Since)
			a.told[o.Task] = &told{at: s.at, since: o.Since, daily: daily}
		}
	}
	return heard
}

// tooSoon: nobody hears of a thing before it is due, nor again before the next rung of its ladder.
func (a *account) tooSoon(s stage, mail pathway.MailKind, o pathway.Owed) {
	rules := a.rules.Nudges
	last, before := a.told[o.Task]
	before = before && last.since.Equal(o.Since) && !last.corrected // where it is another, the ladder begins anew
	from := o.Since
	switch days := a.hasDays(o.Task, s.at) && !(before && last.daily); {
	case mail == pathway.UrgentMail && before:
		from = last.at.Add(hours(rules.UrgentHours))
	case mail == pathway.UrgentMail, mail == pathway.NewsMail:
	case days && !before && mail == pathway.NudgeMail:
		from = a.afterDays(o.Since, 0)
	case days && before && a.passed(last, a.rules.Mail.SpreadMinutes) < len(rules.ClinicianDays):
		from = a.afterDays(o.Since, a.passed(last, a.rules.Mail.SpreadMinutes))
	case before:
		from = a.morning(last.at, 0)
	case mail == pathway.NudgeMail && !days:
		from = o.Since.Add(a.waitsFor(o.Task))
	}
	if s.at.Before(from.Add(-second)) {
		a.violation("nudge-early", o.Task, s.at, "staff were told of it, and not before %s should they have been", a.clock(from))
	}
}

// astray: a nudge goes to those who owe the thing, and from a rung on to others too: of a gate to the coordinators, of what is urgent
// to whoever is on call.
func (a *account) astray(s stage, mail pathway.MailKind, o pathway.Owed, staff []string) {
	roles := a.whoOwes(o.Task)
	if roles == nil {
		return
	}
	if mail == pathway.DigestMail && a.hasDays(o.Task, s.at) {
		roles = append(roles, pathway.Coordinator)
	}
	want := a.people(roles)
	if mail == pathway.UrgentMail {
		since := o.Since
		if h := a.hold(part(o.Task, 1)); h != nil && h.told.Before(since) {
			since = h.told
		}
		after := s.at.Sub(since.Add(hours(a.rules.Nudges.OnCallHours)))
		if after >= second || after > -second && slices.Contains(staff, pathway.OnCall) {
			want = append(want, pathway.OnCall)
		}
	}
	for _, id := range want {
		if !slices.Contains(staff, id) {
			a.violation("nudge-astray", o.Task, s.at, "%s was not told of it, who should have been by then", id)
		}
	}
	for _, id := range staff {
		if !slices.Contains(want, id) {
			a.violation("nudge-astray", o.Task, s.at, "%s was told of it, who should not have been, or not yet", id)
		}
	}
}

// inTheirWay: what is urgent goes out as such until somebody acknowledges it, and nothing else does.
func (a *account) inTheirWay(s stage, mail pathway.MailKind, o pathway.Owed, owed []need) {
	i := slices.IndexFunc(owed, func(n need) bool { return n.key == o.Task })
	if i < 0 || a.waits[o.Task] == nil || a.waits[o.Task].way != owed[i].way {
		return
	}
	urgent := mail == pathway.UrgentMail
	switch owed[i].way {
	case inHaste:
		if !urgent {
			a.violation("nudge-astray", o.Task, s.at, "it is urgent, and was told of as if it were not")
		}
	case inHand, once:
	default:
		if urgent {
			a.violation("nudge-astray", o.Task, s.at, "it is not urgent, and was told of as if it were")
		}
	}
}

// people are those on the care team who have a role.
func (a *account) people(roles []pathway.Role) []string {
	var all []string
	for _, r := range roles {
		switch r {
		case pathway.Therapist:
			all = append(all, a.team.Therapist)
		case pathway.Prescriber:
			all = append(all, a.team.Prescriber)
		case pathway.Coordinator:
			all = append(all, a.team.Coordinators...)
		}
	}
	return all
}
