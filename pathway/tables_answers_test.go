package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// asks is what a page shows of a session as it stands.
func (h *house) asks(a Appointment) ClientView {
	return h.p.ForClient(ClientQuestion{Session: a.Name, Revision: a.Revision}, h.now)
}

// reply says what the client answered by a link.
func (h *house) reply(a Appointment, kind AnswerKind) Reply {
	h.t.Helper()
	return h.must("answer", "by", ByLink, "session", a.Name, "revision", a.Revision, "answer", string(kind))
}

// shown is the session as staff see it.
func (h *house) shown(a Appointment) Session {
	h.t.Helper()
	for _, s := range h.p.Status(h.now).Sessions {
		if s.Name == a.Name {
			return s
		}
	}
	h.t.Fatalf("%s is not shown", a.Name)
	return Session{}
}

func TestAClientWhoWillBeThereIsShown(t *testing.T) {
	shows(t, "answer-coming")
	t.Parallel()
	h := walk(t, 0)
	a := *h.p.booked(Dosing)
	before := h.keys()
	if v := h.asks(a); v.Standing != StandsOpen || v.Answered != "" || v.Short || !v.Start.Equal(a.Start) {
		t.Errorf("before the answer the page has %+v", v)
	}
	if r := h.reply(a, ComingAnswer); r.Result != Recorded || !strings.Contains(r.What, "I'll be there") {
		t.Errorf("%+v", r)
	}
	if s := h.shown(a); s.Answer != ComingAnswer || h.asks(a).Answered != ComingAnswer {
		t.Errorf("shown as %+v, on the page %+v", s, h.asks(a))
	}
	if h.now = h.now.Add(time.Hour); h.reply(a, ComingAnswer).Result != AlreadySo {
		t.Error("it is taken a second time")
	}
	said := slices.DeleteFunc(slices.Clone(h.journal), func(e Entry) bool { return e.Name != "answer" })
	if len(said) != 1 || said[0].By != ByLink || said[0].Kind != Taken {
		t.Errorf("the journal has %+v", said)
	}
	// Nothing follows from it: not even for a dosing session, whose client is asked on the day.
	if after := h.keys(); !slices.Equal(before, after) || h.p.appointment(a.Name).State != Booked {
		t.Errorf("%v is owed, before it was %v", after, before)
	}
}

// Another time is a coordinator's call, the more pressing where a cancellation would be late. It cancels and moves nothing.
func TestAClientWhoNeedsAnotherTimeIsCalled(t *testing.T) {
	shows(t, "answer-another-time")
	t.Parallel()
	for _, row := range []struct {
		before time.Duration
		short  bool
	}{
		{72 * time.Hour, no}, {24 * time.Hour, no}, {24*time.Hour - time.Minute, yes}, {time.Minute, yes},
	} {
		h := walk(t, 0)
		a := *h.p.booked(Dosing)
		h.until(a.Start.Add(-row.before))
		asleep := h.p.ForClient(ClientQuestion{a.Name, a.Revision, h.now}, h.now.Add(-10*time.Hour))
		if v := h.asks(a); v.Short != row.short || asleep != v {
			t.Errorf("%s before it, the page has %+v, or %+v where the pathway slept", row.before, v, asleep)
		}
		h.reply(a, ComingAnswer)
		h.reply(a, AnotherTimeAnswer) // plans change
		key := "call/answer/" + a.Name + "/r1"
		call := h.task(key)
		if call == nil || call.Urgent != row.short || call.By != Coordinator || !strings.Contains(call.What, "they need another time for "+a.Name) {
			t.Fatalf("%s before it: %+v", row.before, call)
		}
		if s := h.shown(a); s.State != Booked || s.Answer != AnotherTimeAnswer || h.p.booked(Integration) == nil {
			t.Errorf("%s before it: it is %+v", row.before, s)
		}
		for _, again := range []AnswerKind{ComingAnswer, AnotherTimeAnswer} {
			if h.reply(a, again).Result != AlreadySo {
				t.Errorf("%s before it: %s is taken after another time was asked for", row.before, again)
			}
		}
		// They were called, and keep the time: they may answer anew.
		h.must("task-done", "by", "c-desk", "task", key, "outcome", "reached")
		if s := h.shown(a); s.Answer != "" || h.task(key) != nil || h.asks(a).Answered != "" {
			t.Errorf("%s before it: after the call it is %+v", row.before, s)
		}
		if h.reply(a, ComingAnswer).Result != Recorded {
			t.Errorf("%s before it: nothing is taken after the call", row.before)
		}
	}

	// What is said at night wakes nobody, where the morning is in time.
	for _, row := range []struct{ begins, hears string }{{"10:00", "08:09"}, {"08:00", "23:00"}} {
		h := walk(t, 0)
		a := *h.p.booked(Dosing)
		begins, _ := clock("begins", row.begins)
		h.must("move-session", "by", "c-desk", "session", a.Name, "start", rfc(onDay(a.Start.In(newYork()).AddDate(0, 0, 2), begins)))
		a = *h.p.booked(Dosing)
		h.until(onDay(a.Start.In(newYork()).AddDate(0, 0, -1), 23*time.Hour))
		h.reply(a, AnotherTimeAnswer)
		h.until(onDay(a.Start.In(newYork()), 8*time.Hour+30*time.Minute))
		var heard []string
		for _, e := range h.journal {
			if e.Name == "nudge" && strings.Contains(e.Text, "c-desk") && strings.Contains(e.Text, string(UrgentMail)) {
				heard = append(heard, e.Recorded.In(newYork()).Format("15:04"))
			}
		}
		if len(heard) == 0 || heard[0] != row.hears {
			t.Errorf("for a session at %s the front desk hears at %v", row.begins, heard)
		}
	}
}

// How near is late is a number of the practice's: for a cancellation, and for the page that asks for a call.
func TestHowNearACancellationIsLate(t *testing.T) {
	shows(t, "late-cancellation", "answer-another-time")
	t.Parallel()
	for _, cutOff := range []int{6, 36} {
		for _, row := range []struct {
			nearer time.Duration // than the cut-off
			late   bool
		}{{-time.Minute, no}, {0, no}, {time.Minute, yes}} {
			h := newHouse(t, func(e *Enrolment) { e.Protocol.Booking.LateHours = cutOff })
			h.screen()
			a := *h.p.booked(Preparation)
			h.until(a.Start.Add(row.nearer - time.Duration(cutOff)*time.Hour))
			if v := h.asks(a); v.Short != row.late {
				t.Errorf("%d hours, %s nearer: the page has %+v", cutOff, row.nearer, v)
			}
			h.reply(a, AnotherTimeAnswer)
			if call := h.task("call/answer/" + a.Name + "/r1"); call == nil || call.Urgent != row.late {
				t.Errorf("%d hours, %s nearer: %+v", cutOff, row.nearer, call)
			}
			h.must("cancel-session", "by", "c-desk", "session", a.Name, "wish_of", "client")
			if got := h.p.appointment(a.Name).State; (got == CancelledLate) != row.late || !row.late && got != Cancelled {
				t.Errorf("%d hours, %s nearer: it is %s", cutOff, row.nearer, got)
			}
		}
	}
}

// A session that was moved, cancelled or has begun takes no answer, and the page of an old link shows nothing of it.
func TestAnOldLinkIsNotAnswered(t *testing.T) {
	shows(t, "answer-once")
	t.Parallel()
	for is, row := range map[string]struct {
		change   func(*house, Appointment)
		standing Standing
	}{
		"moved": {func(h *house, a Appointment) {
			h.must("move-session", "by", "c-desk", "session", a.Name, "start", rfc(onDay(a.Start.In(newYork()).AddDate(0, 0, 3), 12*time.Hour)))
		}, StandsMoved},
		"cancelled": {func(h *house, a Appointment) {
			h.must("cancel-session", "by", "c-desk", "session", a.Name, "wish_of", "practice")
		}, StandsCancelled},
		"begun": {func(h *house, a Appointment) { h.until(a.Start) }, StandsOver},
		"ended": {func(h *house, _ Appointment) {
			withdraw(h)
			for _, key := range []string{"referral", "letter"} {
				h.finish(key)
			}
		}, StandsMoved},
	} {
		h := newHouse(t)
		h.screen()
		a := *h.p.booked(Preparation)
		h.reply(a, AnotherTimeAnswer)
		row.change(h, a)
		v := h.asks(a)
		if is == "ended" {
			row.standing = StandsOver
		}
		if v.Standing != row.standing || !v.Start.IsZero() || v.Answered != "" {
			t.Errorf("%s: the page has %+v", is, v)
		}
		if h.task("call/answer/"+a.Name+"/r1") != nil && is != "begun" {
			t.Errorf("%s: they are still to be called", is)
		}
		if _, err := h.say("answer", "by", ByLink, "session", a.Name, "revision", a.Revision, "answer", "coming"); err == nil {
			t.Errorf("%s: an answer is taken", is)
		}
	}
	h := newHouse(t)
	h.screen()
	a := *h.p.booked(Preparation)
	h.reply(a, ComingAnswer)
	h.must("move-session", "by", "c-desk", "session", a.Name, "start", rfc(onDay(a.Start.In(newYork()).AddDate(0, 0, 3), 12*time.Hour)))
	moved := *h.p.appointment(a.Name)
	if s := h.shown(a); s.Answer != "" || h.asks(moved).Standing != StandsOpen {
		t.Errorf("the answer to the old time stands for the new one: %+v", s)
	}
	if h.reply(moved, ComingAnswer).Result != Recorded {
		t.Error("the new time takes no answer")
	}
}

// What the client says by a link nobody else says, and by it they say nothing else.
func TestWhatAClientSaysByALink(t *testing.T) {
	shows(t, "answer-by-link-only", "who-nobody-else")
	t.Parallel()
	if CheckStaffID(ByLink) == nil {
		t.Errorf("%s could be a staff id", ByLink)
	}
	h := walk(t, 0)
	a := *h.p.booked(Dosing)
	for _, staff := range []string{"t-lane", "p-singh", "c-desk", "x-nobody"} {
		s := h.refused(WrongPerson, "answer", "by", staff, "session", a.Name, "revision", 1, "answer", "coming")
		if staff == "c-desk" && !strings.Contains(s, "only its client (client.link) may record this") {
			t.Error(s)
		}
	}
	for _, m := range Messages() {
		switch m.Name {
		case "answer", "withdraw", "contact":
			continue
		}
		said := parsed(m.Example).with("by", ByLink)
		raw := said.json()
		if _, err := h.fork(t).p.Record(m.Name, raw, h.now); err == nil || !slices.Contains([]RefusalCode{WrongPerson, BadValue}, AsRefusal(err).Code) {
			t.Errorf("%s is taken from a link: %v", m.Name, err)
		}
	}
	e := testEnrolment(time.Now())
	if e.By = ByLink; func() bool { _, err := Enrol(e); return err == nil }() {
		t.Error("somebody is enrolled by a link")
	}
	h.must("contact", "by", ByLink, "mail_permission", false)
	if h.p.MailPermission || h.must("contact", "by", ByLink, "mail_permission", false).Result != AlreadySo {
		t.Error("they still get mail, or say it twice")
	}
	for _, more := range [][]any{{"mail_permission", true}, {"mail_permission", false, "zone", "Asia/Tokyo"}, {"any_time", true}, {}} {
		h.refused(WrongPerson, "contact", with(more, "by", ByLink)...)
	}
}

// A client leaves by a link as through anybody on the team; what the protocol keeps for them stays. Whoever hears that it was a slip
// corrects it.
func TestAClientLeavesByALink(t *testing.T) {
	shows(t, "who-client-withdraws", "ending-withdrawn", "last-integration-kept", "correction-only-recorder")
	t.Parallel()
	for _, by := range []string{"t-lane", "p-singh", "c-desk"} {
		h := walk(t, 0)
		h.hold(Dosing)
		i := *h.p.booked(Integration)
		if v := h.p.ForClient(ClientQuestion{}, h.now); v.Leaving || !v.Keeps || !v.Kept.Equal(i.Start) || v.Standing != "" || v.Crisis == "" {
			t.Errorf("before they leave, the page has %+v", v)
		}
		h.must("withdraw", "by", ByLink)
		h.now = h.now.Add(time.Minute)
		if v := h.p.ForClient(ClientQuestion{}, h.now); !v.Leaving || !v.Keeps || h.p.Phase(h.now) != Stopping || h.p.booked(Integration) == nil || h.p.booked(Dosing) != nil {
			t.Errorf("they left, and the page has %+v", v)
		}
		if h.must("withdraw", "by", ByLink).Result != AlreadySo {
			t.Error("they leave twice")
		}
		h.must("correct", "by", by, "entry", h.p.Withdrawals[0].ID, "why", "a slip, they say", "void", true)
		if v := h.p.ForClient(ClientQuestion{}, h.now); v.Leaving || h.p.ending() != "" {
			t.Errorf("corrected by %s, the page has %+v", by, v)
		}
		h.now = h.now.Add(time.Minute)
		if h.must("withdraw", "by", ByLink).Result != Recorded {
			t.Errorf("corrected by %s, they cannot leave any more", by)
		}
	}
	h := walk(t, 0)
	h.hold(Dosing)
	h.hold(Integration, "next", "another", "client_agrees", true)
	h.must("withdraw", "by", ByLink)
	if v := h.p.ForClient(ClientQuestion{}, h.now); v.Keeps || !v.Kept.IsZero() {
		t.Errorf("nothing is owed to them, and the page has %+v", v)
	}
}
