package pathway

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// heard says when somebody was told of what waits for them, from a moment on.
func (h *house) heard(since time.Time, staff string) []string {
	var all []string
	for _, e := range h.journal {
		if e.Name == "nudge" && !e.Recorded.Before(since) && strings.HasPrefix(e.Text, staff+" ") {
			all = append(all, e.Recorded.In(newYork()).Format("Mon 2 Jan 15:04"))
		}
	}
	return all
}

// morning is when the mails of the morning go out here: the window opens at 8, and this pathway's spread is nine minutes.
const morning = "08:09"

// Reminders: seven days, 48, 24 and 2 hours before; too late they are reported, not sent, and somebody calls instead.
func TestSessionReminders(t *testing.T) {
	shows(t, "reminders", "reminder-late", "reminder-sheet")
	t.Parallel()
	for _, row := range []struct {
		lead   string
		before time.Duration
		late   time.Duration
		sheet  bool // before a dosing session
	}{
		{"7d", 7 * 24 * time.Hour, 24 * time.Hour, no},
		{"48h", 48 * time.Hour, 6 * time.Hour, yes},
		{"24h", 24 * time.Hour, 3 * time.Hour, no},
		{"2h", 2 * time.Hour, 30 * time.Minute, no},
	} {
		base := walk(t, 1)
		a := *base.p.booked(Dosing)
		base.must("move-session", "by", "c-desk", "session", a.Name, "start", rfc(onDay(a.Start.In(newYork()).AddDate(0, 0, 3), 12*time.Hour)))
		a = *base.p.booked(Dosing)
		key := fmt.Sprintf("remind/%s/r%d/%s", a.Name, a.Revision, row.lead)
		moment := a.Start.Add(-row.before)
		for _, when := range []struct {
			is   string
			at   time.Time
			sent bool
		}{
			{"a minute before its time", moment.Add(-time.Minute), no},
			{"at its time", moment, yes},
			{"just not too late", moment.Add(row.late - time.Minute), yes},
			{"too late", moment.Add(row.late), no},
		} {
			h := base.fork(t)
			h.now = when.at // asleep until then
			h.measure(PHQ9, 15)
			i := slices.IndexFunc(h.mails, func(m Mail) bool { return m.Key == key })
			if got := i >= 0; got != when.sent {
				t.Errorf("%s, %s: sent %v", row.lead, when.is, got)
			}
			if i >= 0 && h.mails[i].Sheet != row.sheet {
				t.Errorf("%s: with the preparation sheet: %v", row.lead, h.mails[i].Sheet)
			}
			if late := when.is == "too late"; late != (h.task("call/"+key) != nil) || late != slices.ContainsFunc(h.told("too-late"), func(s string) bool {
				return strings.Contains(s, "the "+row.lead+" reminder of "+a.Name)
			}) {
				t.Errorf("%s, %s: reported %v, owed %v", row.lead, when.is, h.told("too-late"), h.keys())
			}
		}
	}
	h := walk(t, 1)
	a := *h.p.booked(Dosing)
	for _, r := range h.p.reminders(a) { // the mail service keeps each until it is too late
		f := h.fork(t)
		f.until(r.moment.Add(-time.Minute))
		f.now = r.moment
		for step, _ := f.p.Due(f.now); step != nil; step, _ = f.p.Due(f.now) {
			f.p.Settle(*step, f.answer(*step))
		}
		f.now = r.end
		f.work()
		key := "call/" + reminderKey(a, r.rule.Name)
		if f.mailed(reminderKey(a, r.rule.Name)) || f.task(key) == nil {
			t.Errorf("%s, kept by the mail service: owed %v", r.rule.Name, f.keys())
		}
		if f.until(a.Start.Add(-time.Second)); r.rule.Name == "2h" && f.task(key) == nil {
			t.Errorf("%s: nobody is asked to call until it begins: %v", r.rule.Name, f.keys())
		}
	}
	for _, m := range h.sent(ReminderMail) {
		if want := m.Lead == "48h" && strings.HasPrefix(m.Session, "dosing"); m.Sheet != want {
			t.Errorf("%s: with the preparation sheet: %v", m.Key, m.Sheet)
		}
	}
}

// A consent that is outstanding: mails after three and seven days, then the coordinator calls.
func TestConsentOutstanding(t *testing.T) {
	shows(t, "hear-consent", "client-mail-late")
	t.Parallel()
	h := newHouse(t)
	h.clear()
	h.evaluate("suitable")
	h.plan("on-file")
	h.until(at("2026-01-30 12:00"))
	if got, want := h.told("asked"), []string{"Thu 8 Jan 09:00 the client was asked: consent-due", "Mon 12 Jan 09:00 the client was asked: consent-due"}; !slices.Equal(got, want) {
		t.Errorf("asked %v, expected %v", got, want)
	}
	if got := h.told("call"); len(got) == 0 || !strings.HasPrefix(got[0], "Thu 15 Jan 09:00 ") {
		t.Errorf("calls %v", got)
	}
	if task := h.task("call/ask/consent"); task == nil || task.By != Coordinator {
		t.Errorf("owed %v", h.keys())
	}
	for _, row := range []struct {
		asleep string // since enrolment
		sent   int
	}{
		{"2026-01-09 08:59", 1}, // a day late at most
		{"2026-01-09 09:00", 0},
		{"2026-01-13 08:59", 1},
		{"2026-01-13 09:00", 0},
	} {
		f := newHouse(t)
		f.now = at(row.asleep)
		f.work()
		if got := len(f.sent(ConsentMail)); got != row.sent {
			t.Errorf("asleep until %s: %d mails", row.asleep, got)
		}
	}
	// Given, and nobody is asked any more; withdrawn, and somebody who has said no is not sent reminders.
	for _, end := range []string{"given", "withdrawn"} {
		f := newHouse(t)
		f.until(at("2026-01-09 12:00"))
		f.consent()
		if end == "withdrawn" {
			f.now = f.now.Add(time.Hour)
			f.must("consent", "by", "t-lane", "decision", "withdrawn")
		}
		f.until(at("2026-02-20 12:00"))
		if len(f.sent(ConsentMail)) != 1 || f.task("call/ask/consent") != nil {
			t.Errorf("%s, and asked again: %v, owed %v", end, f.told("asked"), f.keys())
		}
	}
}

// The questionnaire before a dosing session: six days before, again four and three, then the coordinator calls.
func TestQuestionnaireOutstanding(t *testing.T) {
	shows(t, "hear-questionnaire", "questionnaire-late", "crisis-line")
	t.Parallel()
	base := walk(t, 1)
	base.silent = true
	start := onDay(base.p.booked(Dosing).Start.In(newYork()).AddDate(0, 0, 3), 12*time.Hour)
	base.must("move-session", "by", "c-desk", "session", "dosing-2", "start", rfc(start))
	day := func(n int) string {
		return start.AddDate(0, 0, -n).Format("Mon 2 Jan 15:04") + " the client was asked: questionnaire-due"
	}
	told := len(base.told("asked"))
	h := base.fork(t)
	called := start.Add(-68 * time.Hour) // 60 hours before is midnight: the front desk is asked in the afternoon, while it can still call
	h.until(called.Add(-time.Minute))
	if got, want := h.told("asked")[told:], []string{day(6), day(4), day(3)}; !slices.Equal(got, want) {
		t.Errorf("asked %v, expected %v", got, want)
	}
	for _, m := range h.sent(QuestionnaireMail) {
		if m.Crisis != "Call 988." {
			t.Errorf("%s does not give the crisis line", m.Key)
		}
	}
	if h.task("call/ask/dosing-2/r2") != nil {
		t.Error("called before the afternoon")
	}
	h.until(called)
	if task := h.task("call/ask/dosing-2/r2"); task == nil || task.By != Coordinator || !slices.ContainsFunc(h.mails, func(m Mail) bool { return m.Staff == "c-desk" && !m.Since.Before(called) }) {
		t.Errorf("in time to call, owed are %v", h.keys())
	}
	h.until(start.Add(-48 * time.Hour))
	if x := h.p.appointment("dosing-2"); x.State != Cancelled || !x.Unmeasured {
		t.Errorf("48 hours before, unmeasured, it is %s", x.State)
	}
	for _, row := range []struct {
		asleep time.Duration // until so long after the first moment
		sent   int
	}{{12*time.Hour - time.Minute, 1}, {12 * time.Hour, 0}} {
		f := base.fork(t)
		f.now = start.AddDate(0, 0, -6).Add(row.asleep)
		f.work()
		if got := len(f.told("asked")) - told; got != row.sent {
			t.Errorf("asleep until %s after the first: asked %d times", row.asleep, got)
		}
	}
	// Filled in after the first mail, the others do not go out.
	f := base.fork(t)
	f.until(start.AddDate(0, 0, -5))
	f.measure(PHQ9, 15)
	f.until(start.Add(-time.Hour))
	if got := len(f.told("asked")) - told; got != 1 || f.p.appointment("dosing-2").State != Booked || f.task("call/ask/dosing-2/r2") != nil {
		t.Errorf("filled in after the first mail: asked %d times, owed %v", got, f.keys())
	}
}

// Clearance or evaluation outstanding: after two days, five, then each morning, the coordinator too.
func TestClearanceOrEvaluationOutstanding(t *testing.T) {
	shows(t, "hear-clinician")
	t.Parallel()
	for _, row := range []struct {
		is, who, other string
		done           func(*house)
	}{
		{"clearance", "p-singh", "t-lane", func(h *house) { h.evaluate("suitable"); h.consent(); h.plan("on-file") }},
		{"evaluation", "t-lane", "p-singh", func(h *house) { h.clear(); h.consent(); h.plan("on-file") }},
	} {
		h := newHouse(t)
		row.done(h)
		h.until(at("2026-01-13 12:00"))
		want := []string{"Wed 7 Jan 09:00", "Sat 10 Jan 09:00", "Sun 11 Jan " + morning, "Mon 12 Jan " + morning, "Tue 13 Jan " + morning}
		if got := h.heard(at("2026-01-05 00:00"), row.who); !slices.Equal(got, want) {
			t.Errorf("%s: %s heard %v, expected %v", row.is, row.who, got, want)
		}
		if got := h.heard(at("2026-01-05 00:00"), "c-desk"); !slices.Equal(got, want[2:]) {
			t.Errorf("%s: c-desk heard %v, expected %v", row.is, got, want[2:])
		}
		if got := h.heard(at("2026-01-05 00:00"), row.other); len(got) > 0 {
			t.Errorf("%s: %s heard %v", row.is, row.other, got)
		}
	}
}

// A session ended and nothing is recorded: two hours after its end, next morning, then daily.
func TestSessionEndedAndNothingRecorded(t *testing.T) {
	shows(t, "hear-session-record")
	t.Parallel()
	h := newHouse(t)
	h.screen()
	h.must("move-session", "by", "c-desk", "session", "preparation-2", "start", "2026-01-19 10:00")
	end := h.p.booked(Preparation).End // Wed 7 Jan 10:00
	h.until(end.AddDate(0, 0, 3))
	if got, want := h.heard(end, "t-lane"), []string{"Wed 7 Jan 12:00", "Thu 8 Jan " + morning, "Fri 9 Jan " + morning, "Sat 10 Jan " + morning}; !slices.Equal(got, want) {
		t.Errorf("heard %v, expected %v", got, want)
	}
	if got := h.heard(end, "p-singh"); len(got) > 0 {
		t.Errorf("the prescriber heard %v", got)
	}
}

// Review, referral and hold outstanding: their clinicians at once, then daily.
func TestReviewReferralAndHoldOutstanding(t *testing.T) {
	shows(t, "hear-review-referral-hold")
	t.Parallel()
	review := course(t, PHQ9, 20, 20, 20)
	review.fill(19)
	for _, row := range []struct {
		is    string
		base  *house
		do    func(*house)
		heard []string
		not   []string
	}{
		{"a concern", walk(t, 1), raise[Concern], []string{"p-singh"}, []string{"t-lane"}},
		{"worse", walk(t, 1), raise[Worsening], []string{"t-lane", "p-singh"}, nil},
		{"a referral", newHouse(t), decline, []string{"t-lane"}, nil},
	} {
		h := row.base
		began := h.now
		row.do(h)
		h.until(began.In(newYork()).AddDate(0, 0, 2))
		want := []string{began.In(newYork()).Format("Mon 2 Jan 15:04")}
		for n := 1; n <= 2; n++ {
			want = append(want, began.In(newYork()).AddDate(0, 0, n).Format("Mon 2 Jan ")+morning)
		}
		for _, who := range row.heard {
			got := slices.Compact(h.heard(began, who))
			if !slices.Equal(got[:min(len(got), 1)], want[:1]) || !slices.Contains(got, want[1]) || !slices.Contains(got, want[2]) {
				t.Errorf("%s: %s heard %v, expected %v among it", row.is, who, got, want)
			}
		}
		for _, who := range row.not {
			if got := h.heard(began, who); len(got) > 0 {
				t.Errorf("%s: %s heard %v", row.is, who, got)
			}
		}
	}
	began := review.p.measured(PHQ9, review.now).At
	if got, want := review.heard(began, "t-lane"), began.In(newYork()).Format("Mon 2 Jan 15:04"); len(got) == 0 || got[0] != want {
		t.Errorf("a review: heard %v, expected %s first", got, want)
	}
	review.until(began.In(newYork()).AddDate(0, 0, 1).Add(time.Hour))
	if got, want := review.heard(began, "t-lane"), began.In(newYork()).AddDate(0, 0, 1).Format("Mon 2 Jan ")+morning; !slices.Contains(got, want) {
		t.Errorf("a review: heard %v, expected %s among it", got, want)
	}
}

// Client mail goes out between 08:00 and 20:00 on the client's clock; the two-hour reminder and a cancellation within 48 hours at once.
func TestTheHoursOfMail(t *testing.T) {
	shows(t, "mail-hours", "mail-at-once", "mail-spread", "hear-session-changes")
	t.Parallel()
	const hour = "2006-01-02 15:04"
	for _, row := range []struct {
		zone string
		at   string // in New York
		from string // when it goes out, there; "": at once
	}{
		{"America/New_York", "2026-01-05 07:59", "2026-01-05 " + morning},
		{"America/New_York", "2026-01-05 08:00", ""},
		{"America/New_York", "2026-01-05 19:59", ""},
		{"America/New_York", "2026-01-05 20:00", "2026-01-06 " + morning},
		{"America/Los_Angeles", "2026-01-05 10:59", "2026-01-05 " + morning},
		{"America/Los_Angeles", "2026-01-05 11:00", ""},
		{"America/Los_Angeles", "2026-01-05 22:59", ""},
		{"America/Los_Angeles", "2026-01-05 23:00", "2026-01-06 " + morning},
		{"Europe/Berlin", "2026-01-05 13:59", ""},
		{"Europe/Berlin", "2026-01-05 14:00", "2026-01-06 " + morning},
	} {
		h := newHouse(t, func(e *Enrolment) { e.At, e.Zone = at(row.at), row.zone })
		h.screen()
		sent := slices.IndexFunc(h.mails, func(m Mail) bool { return m.Key == "booked/preparation-1/r1" })
		waits := slices.IndexFunc(h.p.Outbox, func(m Mail) bool { return m.Key == "booked/preparation-1/r1" })
		switch {
		case row.from == "" && sent < 0:
			t.Errorf("%s, %s: it waits", row.zone, row.at)
		case row.from != "" && waits < 0:
			t.Errorf("%s, %s: it does not wait", row.zone, row.at)
		case row.from != "" && h.p.Outbox[waits].From.In(h.p.clientZone()).Format(hour) != row.from:
			t.Errorf("%s, %s: it goes out at %s there, expected %s", row.zone, row.at, h.p.Outbox[waits].From.In(h.p.clientZone()).Format(hour), row.from)
		}
		if waits >= 0 {
			from := h.p.Outbox[waits].From
			h.until(from.Add(-time.Minute))
			if h.mailed("booked/preparation-1/r1") {
				t.Errorf("%s, %s: it went out early", row.zone, row.at)
			}
			h.until(from)
			if !h.mailed("booked/preparation-1/r1") {
				t.Errorf("%s, %s: it did not go out", row.zone, row.at)
			}
		}
	}
	// A cancellation, at three in the night: at once within 48 hours, in the morning before.
	for _, row := range []struct {
		before time.Duration
		waits  bool
	}{{48 * time.Hour, no}, {49 * time.Hour, yes}} {
		h := newHouse(t, func(e *Enrolment) { e.Zone = "Asia/Tokyo" }) // where it is night at ten in the morning
		h.screen()
		a := *h.p.appointment("preparation-2")
		h.until(a.Start.Add(-row.before))
		h.must("cancel-session", "by", "c-desk", "session", a.Name, "wish_of", "practice")
		if got := !h.mailed("cancelled/preparation-2/r1"); got != row.waits {
			t.Errorf("cancelled %s before it: the mail waits: %v", row.before, got)
		}
	}
	// The two-hour reminder at seven in the morning.
	h := newHouse(t)
	h.screen()
	h.must("move-session", "by", "c-desk", "session", "preparation-2", "start", "2026-01-15 08:00")
	h.until(at("2026-01-15 06:00"))
	if !h.mailed("remind/preparation-2/r2/2h") {
		t.Error("the two-hour reminder of a session at eight did not go out at six")
	}
	// Spread: not all at the stroke.
	spread := map[time.Duration]bool{}
	for i := range 20 {
		h := newHouse(t, func(e *Enrolment) { e.Code = fmt.Sprintf("K7Q%03d", i) })
		if s := h.p.spread(); s < 0 || s >= 15*time.Minute {
			t.Errorf("spread %s", s)
		} else {
			spread[s] = true
		}
	}
	if len(spread) < 15 {
		t.Errorf("20 pathways open the window at %d moments", len(spread))
	}
}

// Booked, moved and cancelled: the client hears of each at once.
func TestSessionsBookedMovedCancelled(t *testing.T) {
	shows(t, "hear-session-changes")
	t.Parallel()
	h := newHouse(t)
	h.screen()
	for _, row := range []struct {
		do  func()
		key string
	}{
		{func() {}, "booked/preparation-1/r1"},
		{func() {
			h.must("move-session", "by", "c-desk", "session", "preparation-1", "start", "2026-01-09 14:00")
		}, "moved/preparation-1/r2"},
		{func() {
			h.must("cancel-session", "by", "c-desk", "session", "preparation-1", "wish_of", "client")
		}, "cancelled/preparation-1/r2"},
		{func() {}, "booked/preparation-1.1/r1"},
	} {
		row.do()
		if !h.mailed(row.key) {
			t.Errorf("%s did not go out; mails %+v", row.key, h.mails)
		}
	}
	// One that was to be elsewhere is cancelled as such: its mail sends nobody to the practice.
	h.p.appointment("preparation-2").Online = true
	h.must("cancel-session", "by", "c-desk", "session", "preparation-2", "wish_of", "client")
	if m := h.sent(CancelledMail); len(m) != 2 || m[0].Online || !m[1].Online {
		t.Errorf("cancelled %+v", m)
	}
}

// Opting out of mail: what a mail would say becomes a telephone task, and care goes on to its end.
func TestOptingOutOfMailNeverStopsCare(t *testing.T) {
	shows(t, "mail-permission", "opting-out-becomes-calls")
	t.Parallel()
	h := walk(t, 1)
	mails := len(h.mails)
	h.must("contact", "by", "c-desk", "mail_permission", false)
	a := *h.p.booked(Dosing)
	for lead, hours := range map[string]int{"7d": 168, "48h": 48, "24h": 24, "2h": 2} {
		f := h.fork(t)
		f.until(before(a.Start.In(newYork()), hours).Add(time.Minute))
		if task := f.task("call/remind/dosing-2/r1/" + lead); task == nil || task.By != Coordinator {
			t.Errorf("%s before it, nobody is asked to call: %v", lead, f.keys())
		}
		if f.until(a.Start.Add(-time.Minute)); !slices.Equal(f.calls(), []string{"call/remind/integration-2/r1/48h", "call/remind/dosing-2/r1/2h"}) { // the last stands for those before
			t.Errorf("a minute before it, owed %v", f.calls())
		}
	}
	h.hold(Dosing)
	h.hold(Integration, "next", "close", "client_agrees", true)
	h.measure(PHQ9, 8)
	h.finish("discharge-contact")
	h.finish("letter")
	if h.p.Outcome != Completed || h.task("call/letter") == nil {
		t.Errorf("outcome %q, owed %v", h.p.Outcome, h.keys())
	}
	for _, m := range h.mails[mails:] {
		if m.Staff == "" {
			t.Errorf("the client got the mail %s", m.Key)
		}
	}
	// What waits in the outbox is said by telephone, too; and permission given again brings the mails back.
	h = newHouse(t, func(e *Enrolment) { e.At = at("2026-01-05 22:00") })
	h.screen()
	h.must("contact", "by", "c-desk", "mail_permission", false)
	h.until(at("2026-01-06 12:00"))
	if h.mailed("booked/preparation-1/r1") || h.task("call/booked/preparation-1/r1") == nil {
		t.Errorf("owed %v", h.keys())
	}
	h.must("contact", "by", "c-desk", "mail_permission", true)
	h.must("move-session", "by", "c-desk", "session", "preparation-2", "start", "2026-01-15 14:00")
	if !h.mailed("booked/preparation-2/r2") { // of its first time they have not heard
		t.Errorf("no mail after permission was given again: %v", h.keys())
	}
}

// Whoever cannot come at a time, or is not there, is not given it again.
func TestATimeThatWasCancelledIsNotOfferedAgain(t *testing.T) {
	shows(t, "another-time-offered")
	t.Parallel()
	for _, wish := range []string{"client", "practice"} {
		for _, kind := range []Kind{Preparation, Dosing} {
			h := newHouse(t)
			h.screen()
			if kind == Dosing {
				h = walk(t, 0)
			}
			var had []Span
			for range 2 {
				a := *h.p.booked(kind)
				if slices.ContainsFunc(had, Span{a.Start, a.End}.overlaps) {
					t.Errorf("%s is booked for %s, after that was cancelled at the %s's wish", a.Name, h.p.clockTime(a.Start), wish)
				}
				had = append(had, Span{a.Start, a.End})
				h.must("cancel-session", "by", "c-desk", "session", a.Name, "wish_of", wish)
			}
			first := h.p.appointment(string(kind) + "-1")
			if a := h.p.booked(kind); a != nil { // a person may choose it all the same
				h.must("move-session", "by", "c-desk", "session", a.Name, "start", rfc(first.Start))
			}
		}
	}
}

// A client who moves to another zone is reminded on the clock there.
func TestAClientWhoMovesAway(t *testing.T) {
	shows(t, "contact-change", "mail-hours")
	t.Parallel()
	h := walk(t, 1)
	start := onDay(h.p.booked(Dosing).Start.In(newYork()).AddDate(0, 0, 2), 9*time.Hour)
	h.must("move-session", "by", "c-desk", "session", "dosing-2", "start", rfc(start))
	h.must("contact", "by", "c-desk", "zone", "America/Los_Angeles") // where it is six in the morning then
	h.until(start)
	for _, e := range h.journal {
		if e.Name == "reminder" && strings.Contains(e.Text, "dosing-2") && !strings.HasPrefix(e.Text, "2h") {
			if there := e.Recorded.In(h.p.clientZone()); there.Hour() < 8 || there.Hour() >= 20 {
				t.Errorf("%s went out at %s there", e.Text, there.Format("15:04"))
			}
		}
	}
	for _, row := range []struct {
		fields []any
		code   RefusalCode
		says   string
	}{
		{[]any{"zone", "Mars"}, BadValue, "zone"},
		{[]any{"availability", []string{"someday"}}, BadValue, "availability[0]"},
		{[]any{"availability", []string{"monday 09:00-12:00"}, "any_time", true}, BadValue, "any_time"},
	} {
		has(t, h.refused(row.code, "contact", with(row.fields, "by", "c-desk")...), row.says)
	}
}

// The weekly times at which the client can come bound what the practice books by itself.
func TestTheClientsWeeklyTimes(t *testing.T) {
	shows(t, "contact-change", "eligibility-recorded")
	t.Parallel()
	h := newHouse(t)
	h.must("contact", "by", "c-desk", "availability", []string{"thursday 13:00-17:30"})
	h.screen()
	h.prepareBooked()
	for _, a := range h.p.Appointments {
		if local := a.Start.In(newYork()); a.Kind != Integration && local.Weekday() != time.Thursday {
			t.Errorf("%s is booked for %s", a.Name, local.Format("Mon 15:04"))
		}
	}
	if h.p.booked(Dosing) == nil && h.task("book/dosing") == nil {
		t.Errorf("neither booked nor asked for: %v", h.keys())
	}
}

// A cancellation speaks to whoever may have heard of the session: by a mail of it that went out, or of which nobody can say that it did
// not. The session is booked in the evening, so that its mail waits, and cancelled before or after the morning.
func TestACancellationIsMailedToWhoeverMayHaveHeard(t *testing.T) {
	shows(t, "cancelled-only-if-heard")
	t.Parallel()
	for _, row := range []struct {
		name      string
		out       MailStatus     // where the records have the mail as it is taken back
		meanwhile func(h *house) // before the cancellation
		mailed    bool
	}{
		{"it waits for the morning", WithdrawnMail, nil, no},
		{"it waits, and lies in no outbox", PendingMail, nil, no},
		{"it is on its way", ClaimedMail, nil, yes},
		{"it has just gone out", SentMail, nil, yes},
		{"nobody knows", UnknownMail, nil, yes},
		{"it was not accepted", RejectedMail, nil, no},
		{"it went out", WithdrawnMail, func(h *house) { h.until(at("2026-01-06 12:00")) }, yes},
		{"it was not accepted, and a call is to be made", RejectedMail, func(h *house) {
			h.p.Undelivered("booked/preparation-2/r1")
			h.until(at("2026-01-06 12:00"))
		}, no},
		{"it was not accepted, and the call was tried", RejectedMail, func(h *house) {
			h.p.Undelivered("booked/preparation-2/r1")
			h.until(at("2026-01-06 12:00"))
			h.must("task-done", "by", "c-desk", "task", "call/booked/preparation-2/r1", "outcome", "tried")
		}, yes},
		{"it was not accepted, and a reminder went out", RejectedMail, func(h *house) {
			h.p.Undelivered("booked/preparation-2/r1")
			h.until(h.p.appointment("preparation-2").Start.Add(-20 * time.Hour))
		}, yes},
		{"mail was allowed only afterwards", WithdrawnMail, func(h *house) {
			h.must("contact", "by", "c-desk", "mail_permission", false)
			h.until(at("2026-01-06 12:00"))
			h.must("contact", "by", "c-desk", "mail_permission", true)
		}, no},
	} {
		h := newHouse(t, func(e *Enrolment) { e.At = at("2026-01-05 22:30") })
		h.screen()
		if h.out = row.out; row.meanwhile != nil {
			row.meanwhile(h)
		}
		h.must("cancel-session", "by", "c-desk", "session", "preparation-2", "wish_of", "practice")
		h.until(h.now.AddDate(0, 0, 1))
		if got := h.mailed("cancelled/preparation-2/r1"); got != row.mailed {
			t.Errorf("%s: mailed %v\n%s", row.name, got, h.story())
		}
		for _, m := range h.p.Outbox {
			if m.Session == "preparation-2" {
				t.Errorf("%s: %s is still to go out", row.name, m.Key)
			}
		}
		for _, c := range h.p.Calls {
			if c.Session == "preparation-2" && !row.mailed {
				t.Errorf("%s: somebody is asked to call: %s", row.name, c.Why)
			}
		}
	}
}

// What is asked for at once is due within a day, as a referral is: it is not overdue the moment it is asked for.
func TestWhatIsAskedForAtOnceIsNotOverdueAtOnce(t *testing.T) {
	shows(t, "due-within-a-day")
	t.Parallel()
	assess := walk(t, 0)
	assess.measure(PHQ9, 12, 1)
	review := course(t, PHQ9, 20, 20, 20)
	review.fill(20)
	worse := walk(t, 1)
	worse.measure(PHQ9, 27)
	stop := course(t, PHQ9, 20, 20, 20)
	stop.fill(20)
	stop.must("review", "by", "p-singh", "decision", "stop", "reason", "no use")
	for key, h := range map[string]*house{"risk-assessment": assess, "review": review, "hold/hold-1/therapist": worse, "stop": stop} {
		task := h.task(key)
		if task == nil {
			t.Errorf("%s is not owed: %v", key, h.keys())
			continue
		}
		told := slices.ContainsFunc(h.p.Nudges, func(n Nudge) bool { return n.About == key })
		if !told || h.p.asksForAttention(*task, h.now) || !h.p.asksForAttention(*task, h.now.AddDate(0, 0, 1)) {
			t.Errorf("%s: told %v, asked for at %s, due %s, at %s", key, told, h.p.clockTime(task.Since), h.p.clockTime(task.Due), h.p.clockTime(h.now))
		}
		if got := h.p.Status(h.now).Attention; key != "stop" && got != NoAttention {
			t.Errorf("%s: attention %s at once: %v", key, got, h.keys())
		}
	}
}
