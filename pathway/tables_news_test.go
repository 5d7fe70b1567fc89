package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// hear has the records tell of mail, as they do once the pathway is told that there is news.
func (h *house) hear(news ...News) {
	h.t.Helper()
	h.news = append(h.news, news...)
	h.p.AskAboutMail()
	h.work()
}

// calls are what coordinators are asked to say by telephone.
func (h *house) calls() []string {
	return slices.DeleteFunc(h.keys(), func(key string) bool { return !strings.HasPrefix(key, "call/") })
}

// A mail that did not arrive is said by telephone where it still holds; whether its address is used again depends on whose fault it was.
func TestAMailThatCameBack(t *testing.T) {
	shows(t, "mail-returned", "mail-opted-out")
	t.Parallel()
	base := walk(t, 0)
	booked := base.sent(BookedMail)
	last := booked[len(booked)-2] // of the dosing session
	for _, row := range []struct {
		event            MailEvent
		reason           MailReason
		former           bool
		call             bool // what the mail said
		address, optsOut bool
	}{
		{event: MailBounced, call: yes, address: yes},
		{event: MailBounced, former: yes, call: yes},
		{event: MailBlocked, call: yes},
		{event: MailDropped, call: yes, address: yes},
		{event: MailDropped, reason: BadAddress, call: yes, address: yes},
		{event: MailDropped, reason: OtherReason, call: yes, address: yes},
		{event: MailDropped, reason: BadAddress, former: yes, call: yes},
		{event: MailDropped, reason: BadContent, call: yes},
		{event: MailDropped, reason: NotWanted, call: yes, optsOut: yes},
		{event: MailDropped, reason: CalledSpam, call: yes, optsOut: yes},
		{event: MailReported, optsOut: yes},
		{event: MailUnsubscribed, optsOut: yes},
	} {
		h := base.fork(t)
		h.hear(News{Event: row.event, Reason: row.reason, Mail: last, Former: row.former})
		address, call, optsOut := h.task("address"), h.task("call/"+last.Key), h.task("call/opted-out/"+last.Key)
		if (call != nil) != row.call || (address != nil) != row.address || (optsOut != nil) != row.optsOut || h.p.MailPermission == row.optsOut || h.p.Mailable() != !(row.address || row.optsOut) {
			t.Errorf("%+v: owed %v, mailable %v", row, h.keys(), h.p.Mailable())
		}
		if call != nil && (call.By != Coordinator || call.Urgent || !strings.Contains(call.What, "did not reach the client: dosing-1 is booked for")) {
			t.Errorf("%+v: %+v", row, call)
		}
		if address != nil && (address.By != Coordinator || address.Message != "contact") {
			t.Errorf("%+v: %+v", row, address)
		}
		mails := len(h.mails)
		h.until(h.p.booked(Dosing).Start.Add(-47 * time.Hour)) // a reminder falls due, and is said or sent
		client := slices.ContainsFunc(h.mails[mails:], func(m Mail) bool { return m.Staff == "" })
		reminders := slices.ContainsFunc(h.calls(), func(key string) bool { return strings.HasPrefix(key, "call/remind/") })
		if stopped := row.address || row.optsOut; client == stopped || reminders != stopped || len(h.told("mail-returned"))+len(h.told("opted-out")) == 0 {
			t.Errorf("%+v: mailed %v, owed %v", row, client, h.calls())
		}
	}
}

func TestWhatNoLongerHoldsIsNotSaid(t *testing.T) {
	shows(t, "mail-returned")
	t.Parallel()
	base := walk(t, 0)
	booked := base.sent(BookedMail)
	first, last := booked[0], booked[len(booked)-2]
	h := base.fork(t)
	h.hear(News{Event: MailBlocked, Mail: first}) // of a session that was held
	if len(h.calls()) != 0 {
		t.Errorf("of a session that is over: owed %v", h.calls())
	}
	h.must("move-session", "by", "c-desk", "session", last.Session, "start", rfc(onDay(last.Start.In(newYork()).AddDate(0, 0, 2), 12*time.Hour)))
	h.hear(News{Event: MailBlocked, Mail: last})
	if len(h.calls()) != 0 {
		t.Errorf("of a time that was moved: owed %v", h.calls())
	}
	moved := h.sent(MovedMail)
	if h.hear(News{Event: MailBlocked, Mail: moved[0]}); h.task("call/"+moved[0].Key) == nil {
		t.Errorf("of the time that holds: owed %v", h.calls())
	}
	// Near, it cannot wait.
	h.until(last.Start.Add(-time.Hour))
	a := h.p.booked(Dosing)
	h.must("move-session", "by", "c-desk", "session", a.Name, "start", rfc(h.now.Add(25*time.Hour)))
	moved = h.sent(MovedMail)
	m := moved[len(moved)-1]
	if h.hear(News{Event: MailBounced, Mail: m}); h.task("call/"+m.Key) == nil || !h.task("call/"+m.Key).Urgent {
		t.Errorf("of a session moved to tomorrow: %+v", h.task("call/"+m.Key))
	}
}

// The address is used again once it is corrected, and mail goes out again once the client allows it; the one is not the other.
func TestACorrectedAddressIsUsedAgain(t *testing.T) {
	shows(t, "mail-corrected", "mail-opted-out")
	t.Parallel()
	h := walk(t, 0)
	m := h.sent(BookedMail)[2]
	h.hear(News{Event: MailBounced, Mail: m}, News{Event: MailBounced, Mail: h.sent(BookedMail)[3]}) // twice, and since the first
	if tasks := h.told("address"); len(tasks) != 1 {
		t.Errorf("told %v", tasks)
	}
	h.hear(News{Event: AddressCorrected, By: "c-desk"})
	if h.task("address") != nil || !h.p.Mailable() || !strings.Contains(h.told("address")[1], "c-desk has corrected") {
		t.Errorf("owed %v, told %v", h.keys(), h.told("address"))
	}
	mails := len(h.mails)
	h.until(h.p.booked(Dosing).Start.Add(-time.Hour))
	if reminders := slices.DeleteFunc(h.mails[mails:], func(m Mail) bool { return m.Kind != ReminderMail }); len(reminders) == 0 {
		t.Error("no reminder goes to the corrected address")
	}

	h = walk(t, 0)
	h.hear(News{Event: MailUnsubscribed, Mail: m})
	h.hear(News{Event: AddressCorrected, By: "c-desk"})
	if h.p.Mailable() {
		t.Error("another address is taken for a wish to be mailed")
	}
	h.must("contact", "by", "c-desk", "mail_permission", true)
	if !h.p.Mailable() {
		t.Error("a client who allows mail gets none")
	}
	h.hear(News{Event: MailBounced, Mail: m})
	h.must("contact", "by", "c-desk", "mail_permission", false) // they have no other
	if h.task("address") != nil {
		t.Error("somebody who wants no mail is asked for an address")
	}
	if h.must("contact", "by", "c-desk", "mail_permission", true); h.task("address") == nil {
		t.Error("mail is allowed, its address takes none, and nobody asks for another")
	}
}

// Whoever comes back with an address that took no mail is called about it from the first day, and not mailed.
func TestAnAddressThatTookNoMailOfAnotherPathway(t *testing.T) {
	shows(t, "mail-returned", "mail-corrected")
	t.Parallel()
	later := func(t *testing.T) *house {
		h := newHouse(t)
		h.hear(News{Event: AddressReturned})
		return h
	}
	for is, begin := range map[string]func(*testing.T) *house{
		"when they were enrolled":   func(t *testing.T) *house { return newHouse(t, func(e *Enrolment) { e.AddressReturned = true }) },
		"while they were under way": later,
		"of which it has heard":     func(t *testing.T) *house { h := later(t); h.hear(News{Event: AddressReturned}); return h },
		"where it had come back too": func(t *testing.T) *house {
			h := newHouse(t, func(e *Enrolment) { e.AddressReturned = true })
			h.hear(News{Event: AddressReturned})
			return h
		},
	} {
		h := begin(t)
		if task := h.task("address"); task == nil || task.By != Coordinator || task.Message != "contact" || !strings.Contains(task.What, "starter address K7Q2M9") || len(h.calls()) != 0 {
			t.Errorf("%s: owed %v", is, h.keys())
		}
		told := slices.DeleteFunc(slices.Clone(h.journal), func(e Entry) bool { return !strings.Contains(e.Text, "the client's address takes no mail") })
		if len(told) != 1 {
			t.Errorf("%s: told %v", is, told)
		}
		h.screen()
		if len(h.p.Appointments) == 0 || len(h.sent(BookedMail)) != 0 || !slices.Contains(h.calls(), "call/booked/preparation-1/r1") {
			t.Errorf("%s: mailed %v, owed %v", is, h.sent(BookedMail), h.keys())
		}
		h.hear(News{Event: AddressCorrected, By: "c-desk"})
		h.until(h.p.booked(Preparation).Start.Add(-time.Hour))
		if h.task("address") != nil || len(h.sent(ReminderMail)) == 0 {
			t.Errorf("%s: after it was corrected: owed %v", is, h.keys())
		}
	}
}

// A mail of which nobody knew, and that went out after all, needs no call; the call about a session cancelled at short notice stands.
func TestAMailOfWhichNobodyKnewArrives(t *testing.T) {
	shows(t, "mail-arrived")
	t.Parallel()
	h := walk(t, 0)
	h.unknown = true
	key := "moved/dosing-1/r2"
	raw := []byte(`{"by": "c-desk", "session": "dosing-1", "start": "` + rfc(onDay(h.p.booked(Dosing).Start.In(newYork()).AddDate(0, 0, 2), 12*time.Hour)) + `"}`)
	if _, err := h.p.Record("move-session", raw, h.now); err != nil {
		t.Fatal(err)
	}
	step, _ := h.p.Due(h.now)
	h.p.Settle(*step, h.answer(*step))
	h.p.Undelivered(key)
	h.work()
	if h.task("call/"+key) == nil {
		t.Fatalf("owed %v", h.keys())
	}
	moved := Mail{Key: key, Kind: MovedMail, Session: "dosing-1", Revision: 2, Start: h.p.booked(Dosing).Start}
	h.hear(News{Event: MailDelivered, Mail: moved})
	if h.task("call/"+key) != nil || len(h.told("mail-arrived")) != 1 || !h.p.Mailable() {
		t.Errorf("owed %v, told %v", h.keys(), h.told("mail-arrived"))
	}

	h = walk(t, 0)
	h.until(h.p.booked(Dosing).Start.Add(-30 * time.Hour))
	h.must("hold", "by", "t-lane", "cause", "concern", "reason", "seen today")
	cancelled := h.sent(CancelledMail)[0]
	if c := h.task("call/" + cancelled.Key); c == nil || !c.Urgent {
		t.Fatalf("owed %v", h.keys())
	}
	if h.hear(News{Event: MailDelivered, Mail: cancelled}); h.task("call/"+cancelled.Key) == nil {
		t.Error("a client is not called about a session cancelled at short notice, because a mail arrived")
	}
}

// A list to staff comes again in the morning; what cannot wait is said by telephone.
func TestAnUrgentMailToStaffThatCameBack(t *testing.T) {
	shows(t, "mail-returned")
	t.Parallel()
	h := newHouse(t)
	h.hear(News{Event: MailBounced, Mail: Mail{Key: "u", Kind: UrgentMail, Staff: "t-lane"}})
	if c := h.task("call/staff/t-lane"); c == nil || !c.Urgent || !strings.HasPrefix(c.What, "Call t-lane") || !h.p.Mailable() {
		t.Errorf("owed %v", h.keys())
	}
	for _, row := range []struct {
		news    News
		unknown bool
		heeded  bool
	}{
		{News{Event: MailDelivered}, no, no},
		{News{Event: MailDelivered}, yes, yes},
		{News{Event: MailOpened}, no, no},
		{News{Event: MailBounced}, no, yes},
		{News{Event: MailUnsubscribed}, no, yes},
		{News{Event: AddressCorrected}, no, yes},
		{News{Event: AddressReturned}, no, yes},
		{News{Event: MailBounced, Mail: Mail{Staff: "t-lane", Kind: DigestMail}}, no, no},
		{News{Event: MailBounced, Mail: Mail{Staff: "t-lane", Kind: UrgentMail}}, no, yes},
		{News{Event: MailReported, Mail: Mail{Staff: "t-lane", Kind: UrgentMail}}, no, no},
		{News{Event: MailDelivered, Mail: Mail{Staff: "t-lane", Kind: UrgentMail}}, yes, no},
	} {
		if got := row.news.Heeded(row.unknown); got != row.heeded {
			t.Errorf("%+v, unknown %v: heeded %v", row.news, row.unknown, got)
		}
	}
}

// Whatever comes back after the ending is said by telephone where it still holds, and changes nothing else.
func TestNewsOfMailAfterTheEnding(t *testing.T) {
	shows(t, "mail-returned")
	t.Parallel()
	h := newHouse(t)
	h.must("withdraw", "by", "c-desk")
	for _, key := range []string{"referral", "letter"} {
		if h.task(key) != nil {
			h.must("task-done", "by", "t-lane", "task", key, "outcome", map[string]string{"referral": "declined", "letter": "done"}[key])
		}
	}
	if h.p.Outcome == "" {
		t.Fatalf("it has not ended: owed %v", h.keys())
	}
	letter := h.sent(LetterMail)[0]
	h.hear(News{Event: MailBounced, Mail: letter}, News{Event: MailUnsubscribed, Mail: letter}, News{Event: MailDelivered, Mail: Mail{Key: "none"}})
	if h.task("call/"+letter.Key) == nil || h.task("address") != nil || len(h.calls()) != 1 || h.p.Outcome != WithdrawnByClient {
		t.Errorf("owed %v", h.keys())
	}
}
