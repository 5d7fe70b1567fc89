package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func at(text string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", text, newYork())
	if err != nil {
		panic(err)
	}
	return t
}

func (h *house) mailed(key string) bool {
	return slices.ContainsFunc(h.mails, func(m Mail) bool { return m.Key == key })
}

// toClient are the mails that the client was sent.
func (h *house) toClient() []Mail {
	return slices.DeleteFunc(slices.Clone(h.mails), func(m Mail) bool { return m.Staff != "" })
}

func (h *house) task(key string) *Task {
	for _, t := range h.p.Tasks(h.now) {
		if t.Key == key {
			return &t
		}
	}
	return nil
}

// Each gate is missing in turn: preparation is booked when the last one is recorded, in whatever order.
// shows: gates-any-order, preparation-booked-by-system
func TestPreparationWaitsForAllFourGates(t *testing.T) {
	t.Parallel()
	gates := []func(*house){
		func(h *house) { h.clear() },
		func(h *house) { h.evaluate("suitable") },
		(*house).consent,
		func(h *house) { h.plan("on-file") },
	}
	for last := range gates {
		h := newHouse(t)
		for i := range gates {
			if i != last {
				gates[i](h)
			}
		}
		if h.p.booked(Preparation) != nil || h.p.Phase(h.now) != Screening {
			t.Fatalf("preparation is booked without gate %d", last)
		}
		gates[last](h)
		if n := len(h.p.Appointments); n != 2 || h.p.Phase(h.now) != InPreparation {
			t.Fatalf("%d sessions are booked after all four gates, in phase %s", n, h.p.Phase(h.now))
		}
	}
}

// shows: joint-decision
func TestTheJointDecisionHasTheMomentAtWhichItBecameTrue(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.clear()
	h.now = h.now.Add(5 * time.Hour)
	h.consent()
	h.now = h.now.Add(3 * time.Hour)
	h.evaluate("suitable", "at", "2026-01-05 15:00")
	if want := at("2026-01-05 15:00"); !h.p.JointSince.Equal(want) {
		t.Errorf("joint since %s, expected %s", h.p.JointSince, want)
	}
	h.must("consent", "by", "t-lane", "decision", "withdrawn")
	if !h.p.JointSince.IsZero() {
		t.Error("the joint decision outlives the consent")
	}
}

// shows: check-48-hours, cancelled-mail-and-call
func TestADosingSessionFoundBlockedWithin48HoursIsCancelledMailedAndCalled(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	dosing := *h.p.booked(Dosing)
	h.until(dosing.Start.Add(-30 * time.Hour))
	h.must("consent", "by", "t-lane", "decision", "withdrawn")
	if state := h.p.appointment("dosing-1").State; state != Cancelled {
		t.Fatalf("dosing-1 is %s", state)
	}
	if h.p.booked(Integration) != nil {
		t.Error("its integration is still booked")
	}
	if !h.mailed("cancelled/dosing-1/r1") {
		t.Error("the client was not mailed")
	}
	call := h.task("call/cancelled/dosing-1/r1")
	if call == nil || !call.Urgent || h.p.Status(h.now).Attention != UrgentAttention {
		t.Fatalf("no urgent call: %+v", h.p.Tasks(h.now))
	}
	h.must("task-done", "by", "c-desk", "task", call.Key, "outcome", "tried")
	if h.task(call.Key) == nil {
		t.Error("the call is over before the client was reached")
	}
	h.must("task-done", "by", "c-desk", "task", call.Key, "outcome", "reached")
	if h.task(call.Key) != nil {
		t.Error("the call stays open although the client was reached")
	}
}

// Found blocked long before, a session stays and says why; the block may be lifted.
func TestADosingSessionFoundBlockedEarlierStaysBooked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	h.round("another")
	dosing := *h.p.booked(Dosing)
	h.until(dosing.Start.Add(-100 * time.Hour))
	h.must("hold", "by", "p-singh", "cause", "concern", "reason", "a question")
	if h.p.booked(Dosing) == nil || len(h.p.Status(h.now).Blocked) == 0 {
		t.Fatal("the session is gone, or nothing blocks it")
	}
	h.must("release", "by", "p-singh", "hold", "hold-1", "reason", "answered")
	h.until(dosing.End)
	if h.p.booked(Dosing) == nil || h.p.appointment(dosing.Name).State != Booked {
		t.Error("it was cancelled although the hold was released")
	}
}

// shows: reminders, integration-booked-together
func TestAMoveAfterAReminderBringsNewRemindersAndNoOldOnes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	h.round("another")
	dosing := *h.p.booked(Dosing)
	h.until(dosing.Start.Add(-47 * time.Hour))
	if !h.mailed("remind/dosing-2/r1/48h") {
		t.Fatal("no 48-hour reminder before the move")
	}
	to := dosing.Start.AddDate(0, 0, 8)
	h.must("move-session", "by", "c-desk", "session", "dosing-2", "start", to.Format(time.RFC3339))
	moved := h.p.appointment("dosing-2")
	if !moved.Start.Equal(to) || moved.Revision != 2 || !h.mailed("moved/dosing-2/r2") {
		t.Fatalf("dosing-2 is at %s, revision %d", moved.Start, moved.Revision)
	}
	follow := h.p.booked(Integration)
	if gap := follow.Start.Sub(moved.End); gap < 24*time.Hour || gap > 72*time.Hour || !h.mailed("moved/integration-2/r2") {
		t.Errorf("its integration is %s after it", gap)
	}
	h.until(dosing.End)
	for _, m := range h.mails {
		if m.Kind == ReminderMail && m.Session == "dosing-2" && m.Start.Equal(dosing.Start) && m.Lead != "7d" && m.Lead != "48h" {
			t.Errorf("%s speaks of a time that no longer holds", m.Key)
		}
	}
	h.until(to)
	for _, lead := range []string{"7d", "48h", "24h", "2h"} {
		if key := "remind/dosing-2/r2/" + lead; !h.mailed(key) {
			t.Errorf("%s did not go out", key)
		}
	}
}

// The client in Denver was told of Monday; what follows, late in the evening, speaks of Monday and does not wait for morning.
func TestAChangeSpeaksOfWhatTheClientWasTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(e *Enrolment) { e.Zone = "America/Denver" })
	h.screen()
	first := *h.p.appointment("preparation-1")
	h.until(at("2026-01-06 22:30")) // the evening before
	to := first.Start.AddDate(0, 0, 1).Add(4 * time.Hour)
	h.must("move-session", "by", "c-desk", "session", "preparation-1", "start", rfc(to))
	i := slices.IndexFunc(h.mails, func(m Mail) bool { return m.Key == "moved/preparation-1/r2" })
	if i < 0 || !h.mails[i].Was.Equal(first.Start) {
		t.Fatalf("mails %+v", h.mails)
	}

	// Moved twice before any mail went out: the one that goes out is a booking, and a cancellation says nothing.
	g := newHouse(t, func(e *Enrolment) { e.At = at("2026-01-05 22:30") })
	g.screen()
	g.must("move-session", "by", "c-desk", "session", "preparation-1", "start", "2026-01-15 10:00")
	g.must("cancel-session", "by", "c-desk", "session", "preparation-2", "wish_of", "practice")
	g.until(at("2026-01-06 12:00"))
	if !g.mailed("booked/preparation-1/r2") || g.mailed("booked/preparation-1/r1") || g.mailed("moved/preparation-1/r2") || g.mailed("cancelled/preparation-2/r1") {
		t.Errorf("mails %+v", g.mails)
	}
	g.must("move-session", "by", "c-desk", "session", "preparation-1", "start", "2026-01-16 10:00")
	g.now = at("2026-01-06 22:00")
	g.must("move-session", "by", "c-desk", "session", "preparation-1", "start", "2026-01-20 10:00")
	g.must("cancel-session", "by", "c-desk", "session", "preparation-1", "wish_of", "practice")
	g.until(at("2026-01-07 12:00"))
	i = slices.IndexFunc(g.mails, func(m Mail) bool { return m.Kind == CancelledMail })
	if i < 0 || !g.mails[i].Start.Equal(at("2026-01-16 10:00")) {
		t.Errorf("the cancellation does not speak of the time that was told: %+v", g.mails)
	}
}

// Sessions on both sides of both changes keep their hour, and so do their reminders.
// shows: wall-clock
func TestSessionsAndRemindersKeepTheirHourAcrossSummerTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ is, enrolled, session string }{
		{"spring", "2026-02-23 09:00", "2026-03-09 10:00"}, // clocks go forward on 8 March
		{"autumn", "2026-10-19 09:00", "2026-11-02 10:00"}, // and back on 1 November
	} {
		h := newHouse(t, func(e *Enrolment) { e.At = at(c.enrolled) })
		h.screen()
		session := at(c.session)
		h.must("move-session", "by", "c-desk", "session", "preparation-2", "start", c.session)
		if got := h.p.appointment("preparation-2").Start; !got.Equal(session) {
			t.Fatalf("%s: booked for %s", c.is, got)
		}
		h.hold(Preparation)
		h.until(session)
		got := map[string]string{}
		for _, m := range h.journal {
			if m.Name == "reminder" && strings.HasSuffix(m.Text, "preparation-2") {
				got[strings.Fields(m.Text)[0]] = m.At.In(newYork()).Format("2006-01-02 15:04")
			}
		}
		for lead, want := range map[string]time.Time{"7d": session.AddDate(0, 0, -7), "48h": session.AddDate(0, 0, -2), "24h": session.AddDate(0, 0, -1), "2h": session.Add(-2 * time.Hour)} {
			if got[lead] != want.Format("2006-01-02 15:04") {
				t.Errorf("%s: the %s reminder went out at %s, expected %s", c.is, lead, got[lead], want.Format("2006-01-02 15:04"))
			}
		}
	}
}

// The client lives in Tokyo: reminders keep to the hours of mail there, and never come too late for the session.
// shows: mail-hours
func TestRemindersKeepToTheClientsHours(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Asia/Tokyo", "America/Los_Angeles", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago"} {
		h := newHouse(t, func(e *Enrolment) { e.Zone = zone })
		h.prepare()
		h.round("another")
		h.until(h.p.booked(Dosing).End)
		there := h.p.clientZone()
		n := 0
		for _, e := range h.journal {
			if e.Name != "reminder" {
				continue
			}
			n++
			if hour := e.At.In(there).Hour(); !strings.HasPrefix(e.Text, "2h") && (hour < 8 || hour >= 20) {
				t.Errorf("%s: %q went out at %s", zone, e.Text, e.At.In(there))
			}
		}
		if n < 15 || strings.Contains(h.story(), "came too late") {
			t.Errorf("%s: %d reminders\n%s", zone, n, h.story())
		}
	}
}

// The pathway could not look for a day: what is too late by then is reported, not sent.
// shows: reminder-late
func TestAReminderThatIsTooLateIsReported(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.screen()
	session := *h.p.booked(Preparation)
	h.now = session.Start.Add(-time.Hour) // asleep through the 24-hour and the 2-hour reminder
	h.work()
	if h.mailed("remind/preparation-1/r1/24h") || h.mailed("remind/preparation-1/r1/2h") {
		t.Fatal("a reminder was sent too late")
	}
	if n := strings.Count(h.story(), "came too late and was not sent"); n != 2 {
		t.Errorf("%d reminders are reported, expected 2\n%s", n, h.story())
	}
	if h.task("call/remind/preparation-1/r1/2h") == nil {
		t.Error("nobody is asked to call")
	}
}

// shows: mail-permission, opting-out-becomes-calls
func TestWithoutPermissionEveryMailIsATelephoneTask(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(e *Enrolment) { e.MailPermission = false })
	h.screen()
	if len(h.toClient()) > 0 || h.task("call/booked/preparation-1/r1") == nil {
		t.Errorf("mails %v, tasks %+v", h.mails, h.p.Tasks(h.now))
	}
}

func TestTheThirdDosingSessionWaitsForANewClearance(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	h.round("another")
	h.hold(Dosing)
	if h.task("prescriber-clearance") == nil {
		t.Fatal("the prescriber is not asked after the second dosing session")
	}
	h.hold(Integration, "next", "another", "client_agrees", true)
	if s := h.refused(Blocked, "book-session", "by", "c-desk", "kind", "dosing"); !strings.Contains(s, "2 dosing sessions were given since the clearance") {
		t.Error(s)
	}
	h.clear()
	if h.p.booked(Dosing) == nil {
		t.Error("the third dosing session is not booked after the new clearance")
	}
}

// shows: integration-client-agrees
func TestNothingMoreIsBookedWithoutTheClientsAgreement(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	h.hold(Dosing)
	i := h.hold(Integration, "next", "another", "client_agrees", false)
	if h.p.booked(Dosing) != nil {
		t.Fatal("a dosing session is booked without the client's agreement")
	}
	h.now = h.now.Add(48 * time.Hour)
	h.must("session-held", "by", "t-lane", "session", i.Name, "outcome", "held", "next", "another", "client_agrees", true)
	if h.p.booked(Dosing) == nil {
		t.Error("nothing is booked after the client agreed")
	}
}

// shows: dosing-at-most-six
func TestNoMoreThanSixDosingSessions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	for n := range 6 {
		if n == 2 || n == 4 {
			h.clear()
		}
		if n == 5 {
			h.plan("revised")
		}
		h.hold(Dosing)
		if n < 5 {
			h.hold(Integration, "next", "another", "client_agrees", true)
		}
	}
	a := h.p.booked(Integration)
	h.until(a.End)
	if s := h.refused(Blocked, "session-held", "by", "t-lane", "session", a.Name, "outcome", "held", "next", "another", "client_agrees", true); !strings.Contains(s, "6 dosing sessions") {
		t.Error(s)
	}
	h.must("session-held", "by", "t-lane", "session", a.Name, "outcome", "held", "next", "close", "client_agrees", true)
	if h.p.Phase(h.now) != Closing {
		t.Errorf("phase %s, expected closing", h.p.Phase(h.now))
	}
}

// Facts are never refused for being bad news: they are a deviation, and hold the pathway until both clinicians release it.
// shows: deviation-holds, hold-deviation
func TestADosingSessionAgainstTheRulesIsADeviationThatHolds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	a := h.p.booked(Dosing)
	h.until(a.End)
	h.must("session-held", dosingDay(a.Name, "therapist_present_throughout", false)...)
	h.hold(Integration, "next", "another", "client_agrees", true)
	if h.p.booked(Dosing) != nil || h.p.Status(h.now).Attention != UrgentAttention {
		t.Fatal("the deviation does not hold the pathway")
	}
	h.must("release", "by", "t-lane", "hold", "hold-1", "reason", "talked about")
	h.refused(WrongPerson, "release", "by", "c-desk", "hold", "hold-1", "reason", "fine")
	if h.p.booked(Dosing) != nil {
		t.Fatal("one clinician alone released a deviation")
	}
	h.must("release", "by", "p-singh", "hold", "hold-1", "reason", "talked about")
	if h.p.booked(Dosing) == nil {
		t.Error("nothing is booked after both released it")
	}
}

// shows: rebooked-twice-then-talk
func TestAfterThreeNoShowsTheTherapistTalksWithTheClientFirst(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.screen()
	h.hold(Preparation)
	for range 3 {
		a := h.p.booked(Preparation)
		if a == nil {
			t.Fatal("not rebooked")
		}
		h.until(a.End.Add(time.Minute))
		h.must("session-held", "by", "c-desk", "session", a.Name, "outcome", "no-show")
	}
	if h.p.booked(Preparation) != nil || h.task("talk/preparation") == nil {
		t.Fatalf("a third rebooking in a row: %+v", h.p.Tasks(h.now))
	}
	h.now = h.now.Add(time.Hour)
	h.must("task-done", "by", "t-lane", "task", "talk/preparation", "outcome", "reached")
	if h.p.booked(Preparation) == nil {
		t.Error("not booked again after the conversation")
	}
}

func TestNoSlotIsATaskAndLookedForAgainEachDay(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(e *Enrolment) { e.Availability = []string{"sunday 09:00-12:00"} })
	h.screen()
	if h.task("book/preparation") == nil || h.p.booked(Preparation) != nil {
		t.Fatalf("tasks %+v", h.p.Tasks(h.now))
	}
	h.cal.Hours = append(h.cal.Hours, Weekly{Day: time.Sunday, From: 9 * time.Hour, Until: 12 * time.Hour})
	h.until(h.now.Add(25 * time.Hour))
	if h.p.booked(Preparation) == nil || h.task("book/preparation") != nil {
		t.Error("not booked once there was a slot")
	}
}

// shows: numbers-in-a-file
func TestTheProtocolFileIsCheckedByField(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*Protocol){
		"version":                           func(p *Protocol) { p.Version = "" },
		"dosing.at_most":                    func(p *Protocol) { p.Dosing.AtMost = 7 },
		"dosing.days_apart_aim":             func(p *Protocol) { p.Dosing.DaysApartAim = 3 },
		"integration.hours_after_at_least":  func(p *Protocol) { p.Integration.HoursAfterAtLeast = 90 },
		"consent.sha256":                    func(p *Protocol) { p.Consent.SHA256 = "abc" },
		"mail.from":                         func(p *Protocol) { p.Mail.From = "8am" },
		"mail.until":                        func(p *Protocol) { p.Mail.Until = "09:00" },
		"reminders[1].late_minutes_at_most": func(p *Protocol) { p.Reminders[1].LateMinutesAtMost = 48 * 60 },
		"crisis":                            func(p *Protocol) { p.Crisis.Text = "" },
	} {
		p := testProtocol()
		change(&p)
		if err := p.Check(); err == nil || !strings.HasPrefix(err.Error(), field+":") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// What is answered is true of this message, not of its kind.
func TestAnswersSayWhatIsSo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.screen()
	h.measure(PHQ9, 15)
	if what := h.must("measure", "by", "t-lane", "scale", "pcl-5", "total", 40, "at", rfc(h.now.AddDate(0, 0, -1))).What; what != "PCL-5 is recorded" {
		t.Errorf("of the first of its scale: %s", what)
	}
	if what := h.must("measure", "by", "t-lane", "scale", "pcl-5", "total", 41, "at", rfc(h.now.AddDate(0, 0, -2))).What; what != "PCL-5 is recorded; a later one is on record, too" {
		t.Errorf("of an earlier one: %s", what)
	}
	id := h.p.Measures[len(h.p.Measures)-1].ID
	h.must("correct", "by", "t-lane", "entry", id, "why", "mistyped", "total", 12)
	has(t, h.refused(BadValue, "correct", "by", "t-lane", "entry", id, "why", "mistyped", "total", 13), "corrected or declared void since")
	has(t, h.refused(BadValue, "contact", "by", "c-desk", "availability", []string{}), "any_time true where every time suits")
}
