package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// inDoubtAbout has nobody know of the next mail of a kind whether it went out, and moves the clock to when it goes.
func inDoubtAbout(t *testing.T, kind MailKind) (*house, Mail) {
	t.Helper()
	h := newHouse(t)
	switch kind {
	case BookedMail:
	case ConsentMail:
		h.clear()
		h.evaluate("suitable")
		h.plan("on-file")
	default:
		h = walk(t, 1)
		h.silent = kind == QuestionnaireMail
	}
	h.mails = nil
	h.doubts = func(m Mail) bool { return m.Kind == kind }
	switch kind {
	case BookedMail:
		h.screen()
	case MovedMail:
		a := h.p.booked(Dosing)
		h.must("move-session", "by", "c-desk", "session", a.Name, "start", rfc(onDay(a.Start.In(newYork()).AddDate(0, 0, 3), 12*time.Hour)))
	case CancelledMail:
		h.must("cancel-session", "by", "c-desk", "session", h.p.booked(Dosing).Name, "wish_of", "client")
	case LetterMail:
		h.evaluate("decline", "reason", "other")
		h.must("referral", "by", "t-lane", "to", "a clinic", "purpose", "psychotherapy")
		h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", "reached")
		h.must("task-done", "by", "t-lane", "task", "letter", "outcome", "done")
		if h.p.Outcome == "" {
			h.must("task-done", "by", "p-singh", "task", "discharge-contact", "outcome", "reached")
		}
	}
	of := func() []Mail {
		return slices.DeleteFunc(slices.Clone(h.mails), func(m Mail) bool { return m.Kind != kind })
	}
	for range 60 {
		if found := of(); len(found) > 0 {
			return h, found[0]
		}
		_, next := h.p.Due(h.now)
		h.until(next.At)
	}
	t.Fatalf("no mail of the kind %s went out:\n%s", kind, h.story())
	return nil, Mail{}
}

func (h *house) times(key string) (n int) {
	for _, m := range h.mails {
		if m.Key == key {
			n++
		}
	}
	return n
}

// Nobody knows whether a mail went out: the mail service has ten minutes to tell; then a reminder is sent again, and about every
// other one somebody calls.
func TestAMailOfWhichNobodyKnowsIsSettledByItsKind(t *testing.T) {
	shows(t, "mail-in-doubt")
	t.Parallel()
	for _, row := range []struct {
		kind  MailKind
		again bool
	}{
		{ReminderMail, yes}, {BookedMail, no}, {MovedMail, no}, {CancelledMail, no}, {ConsentMail, no}, {QuestionnaireMail, no}, {LetterMail, no},
	} {
		h, m := inDoubtAbout(t, row.kind)
		since := h.now
		h.until(since.Add(doubtWait - time.Second))
		if h.task("call/"+m.Key) != nil || h.times(m.Key) != 1 {
			t.Errorf("%s: before the wait is over: %d sent, owed %v", row.kind, h.times(m.Key), h.keys())
		}
		h.until(since.Add(doubtWait))
		if got := h.times(m.Key) == 2; got != row.again {
			t.Errorf("%s: sent again: %v", row.kind, got)
		}
		if got := h.task("call/"+m.Key) != nil; got == row.again {
			t.Errorf("%s: owed %v", row.kind, h.keys())
		}
		h.until(since.Add(2 * doubtWait)) // a second time nobody knows
		if h.task("call/"+m.Key) == nil {
			t.Errorf("%s: after twice the wait: owed %v", row.kind, h.keys())
		}
		h.until(since.Add(time.Hour))
		if want := map[bool]int{yes: 2, no: 1}[row.again]; h.times(m.Key) != want {
			t.Errorf("%s: sent %d times, expected %d", row.kind, h.times(m.Key), want)
		}
	}
}

// Every kind of mail has its choice: a mail without one would be settled at once, by a call.
func TestEveryKindOfMailHasItsChoice(t *testing.T) {
	t.Parallel()
	for _, kind := range []MailKind{BookedMail, MovedMail, CancelledMail, ReminderMail, ConsentMail, QuestionnaireMail, LetterMail, NudgeMail, DigestMail, UrgentMail, NewsMail} {
		if _, stated := inDoubt[kind]; !stated {
			t.Errorf("nothing is stated for %s", kind)
		}
		if d := inDoubt[kind]; strings.HasPrefix(string(kind), "staff-") && (d.wait > 0 || d.again) {
			t.Errorf("%s: %+v", kind, d)
		}
	}
}

// What the mail service tells while a mail is in doubt settles it.
func TestWhatTheMailServiceTellsSettlesADoubt(t *testing.T) {
	shows(t, "mail-doubt-settled")
	t.Parallel()
	for _, kind := range []MailKind{ReminderMail, BookedMail, LetterMail} {
		for _, row := range []struct {
			told  MailStatus
			calls bool
		}{{SentMail, no}, {RejectedMail, yes}} {
			h, m := inDoubtAbout(t, kind)
			h.knows = func(string) MailStatus { return row.told }
			h.until(h.now.Add(time.Hour))
			if got := h.task("call/"+m.Key) != nil; got != row.calls || h.times(m.Key) != 1 {
				t.Errorf("%s, %s: sent %d times, owed %v", kind, row.told, h.times(m.Key), h.keys())
			}
			if a := h.p.appointment(m.Session); kind == BookedMail && row.told == SentMail && (a == nil || !a.Told.Equal(m.Start)) {
				t.Errorf("the client was told, and expects %+v", a)
			}
			if slices.ContainsFunc(h.p.Outbox, func(o Mail) bool { return o.Key == m.Key }) {
				t.Errorf("%s, %s: it waits still", kind, row.told)
			}
		}
	}
}

// A session that is moved or cancelled while its mail is in doubt: the client may expect the old time, and is told of the change.
func TestAChangeWhileAMailIsInDoubtIsTold(t *testing.T) {
	t.Parallel()
	h, m := inDoubtAbout(t, BookedMail)
	h.until(h.now.Add(time.Minute))
	h.must("move-session", "by", "c-desk", "session", m.Session, "start", rfc(onDay(m.Start.In(newYork()).AddDate(0, 0, 1), 12*time.Hour)))
	moved := h.sent(MovedMail)
	if len(moved) != 1 || !moved[0].Was.Equal(m.Start) {
		t.Errorf("mailed %v", moved)
	}
	h.until(h.now.Add(time.Hour))
	if h.task("call/"+m.Key) != nil || h.task("call/overtaken/"+m.Key) != nil {
		t.Errorf("the mail of the move says it, and yet owed %v", h.keys())
	}

	h, m = inDoubtAbout(t, BookedMail)
	h.until(h.now.Add(time.Minute))
	h.must("cancel-session", "by", "c-desk", "session", m.Session, "wish_of", "practice")
	if len(h.sent(CancelledMail)) != 1 {
		t.Errorf("mailed %v", h.sent(CancelledMail))
	}
}

// A reminder that may not go out any more when its doubt is settled is said by telephone, for as long as there is time.
func TestAReminderInDoubtThatIsTooLateBecomesACall(t *testing.T) {
	t.Parallel()
	h := walk(t, 1)
	a := *h.p.booked(Dosing)
	h.until(a.Start.Add(-2*time.Hour - time.Minute))
	h.mails = nil
	h.doubts = func(m Mail) bool { return m.Lead == "2h" }
	h.now = a.Start.Add(-2 * time.Hour).Add(25 * time.Minute) // the worker was away until then
	h.work()
	key := reminderKey(a, "2h")
	if h.times(key) != 1 {
		t.Fatalf("mailed %v", h.mails)
	}
	h.until(h.now.Add(doubtWait))
	if task := h.task("call/" + key); h.times(key) != 1 || task == nil {
		t.Errorf("sent %d times, owed %v", h.times(key), h.keys())
	}
	h.until(a.Start.Add(time.Minute))
	if h.task("call/"+key) != nil {
		t.Error("it has begun, and they are still to be reminded")
	}
}
