package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func rfc(t time.Time) string { return t.Format(time.RFC3339) }

// An integration counts only after the dosing session that it follows, whatever its name says.
func TestAnIntegrationBeforeItsDosingSessionIsNoIntegration(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	dosing, integration := *h.p.booked(Dosing), *h.p.booked(Integration)
	h.until(integration.End)
	if s := h.refused(NotNow, "session-held", "by", "t-lane", "session", integration.Name, "outcome", "held", "next", "close", "client_agrees", true); !strings.Contains(s, "record that one first") {
		t.Error(s)
	}
	h.must("session-held", "by", "t-lane", "session", dosing.Name, "outcome", "no-show")
	if h.p.ending() != "" || h.p.booked(Dosing) == nil {
		t.Error("a dosing session that did not take place was closed, or not booked again")
	}
}

func TestARecordStaysWithinADayOfItsBooking(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.screen()
	a := *h.p.booked(Preparation)
	h.until(a.End.Add(72 * time.Hour))
	h.refused(BadValue, "session-held", "by", "c-desk", "session", a.Name, "outcome", "held", "start", rfc(a.Start.Add(-30*time.Hour)))
	h.refused(BadValue, "session-held", "by", "c-desk", "session", a.Name, "outcome", "held", "end", rfc(a.Start.Add(13*time.Hour)))
	h.refused(BadValue, "session-held", "by", "c-desk", "session", a.Name, "outcome", "held", "end", rfc(a.Start))
	h.refused(BadValue, "session-held", "by", "c-desk", "session", a.Name, "outcome", "held", "start", "0000-01-01T00:00:00+05:00")
	h.must("session-held", "by", "c-desk", "session", a.Name, "outcome", "held", "start", rfc(a.Start.Add(time.Hour)))
	if got := h.p.appointment(a.Name); !got.End.Equal(a.End.Add(time.Hour)) {
		t.Errorf("it ended at %s, expected an hour after its booked end", got.End)
	}
}

func TestASessionThatHasNotEndedIsNotHeld(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.screen()
	a := *h.p.booked(Preparation)
	h.until(a.Start.Add(30 * time.Minute))
	if s := h.refused(NotNow, "session-held", "by", "c-desk", "session", a.Name, "outcome", "held"); !strings.Contains(s, `say when in the field "end"`) {
		t.Error(s)
	}
}

// Each ending is told to the client anew: what was done for an earlier decision does not count.
func TestASecondDeclineAsksForEverythingAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.evaluate("decline", "reason", "too early")
	h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", "reached")
	h.must("task-done", "by", "t-lane", "task", "letter", "outcome", "done")
	h.now = h.now.Add(time.Hour)
	h.evaluate("suitable")
	h.must("referral", "by", "t-lane", "to", "a clinic", "purpose", "psychotherapy")
	h.now = h.now.Add(48 * time.Hour)
	h.evaluate("decline", "reason", "other plans")
	if h.p.Outcome != "" || len(h.toClient()) > 0 {
		t.Fatalf("ended as %q, mails %v, before the client was spoken with", h.p.Outcome, h.toClient())
	}
	for _, key := range []string{"conversation", "letter", "referral"} {
		if h.task(key) == nil {
			t.Errorf("%s is not asked for", key)
		}
	}
}

func TestFindingsForbidWhatTheyContradict(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	reviewed := []any{"by", "p-singh", "decision", "cleared", "medications_reviewed", true, "cardiovascular_history_reviewed", true, "psychiatric_history_reviewed", true, "medically_stable", true}
	h.refused(Blocked, "prescriber-clearance", append(reviewed, "findings", []string{"substance-use-not-addressed"})...)
	h.must("prescriber-clearance", "by", "p-singh", "decision", "not-cleared", "reason", "history", "findings", []string{"psychosis-history"})
	h.now = h.now.Add(48 * time.Hour)
	h.refused(Blocked, "prescriber-clearance", reviewed...)
	h.refused(Blocked, "prescriber-clearance", append(reviewed, "at", "2026-01-05 08:00")...)
	h.must("prescriber-clearance", "by", "p-singh", "decision", "more-information", "needed", "the earlier records were another person's")
	h.must("prescriber-clearance", reviewed...)
}

func TestACrisisHoldsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.evaluate("defer", "what_must_change", "safety", "review_on", "2026-04-01", "findings", []string{"active-crisis"})
	if h.p.Status(h.now).Attention != UrgentAttention || h.task("hold/hold-1/therapist") == nil {
		t.Errorf("tasks %+v", h.p.Tasks(h.now))
	}
}

// The client cancelled late, came all the same, and was dosed: a fact, and a deviation.
// shows: record-never-refused, deviation-holds
func TestADosingSessionThatTookPlaceAfterItsCancellationIsRecorded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	a := *h.p.booked(Dosing)
	h.until(a.Start.Add(-20 * time.Hour))
	h.must("cancel-session", "by", "c-desk", "session", a.Name, "wish_of", "client")
	if got := h.p.appointment(a.Name).State; got != CancelledLate {
		t.Fatalf("it is %s", got)
	}
	h.until(a.End)
	h.must("session-held", dosingDay(a.Name)...)
	if h.p.dosed() != 1 || len(h.p.Holds) != 1 {
		t.Fatalf("%d dosing sessions, holds %+v", h.p.dosed(), h.p.Holds)
	}
	follow := h.p.unfollowed()
	if follow != nil && follow.Name == a.Name {
		t.Error("its integration is not booked")
	}
}

func TestClosingNeedsTheClientsAgreement(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	h.hold(Dosing)
	i := h.hold(Integration, "next", "close", "client_agrees", false)
	if h.p.ending() != "" || h.task("agree/"+i.Name) == nil {
		t.Fatalf("ending %q, tasks %+v", h.p.ending(), h.p.Tasks(h.now))
	}
	h.refused(WrongPerson, "session-held", "by", "c-desk", "session", i.Name, "outcome", "no-show")
	h.must("session-held", "by", "t-lane", "session", i.Name, "outcome", "held", "next", "close", "client_agrees", true)
	if h.p.ending() != Completed {
		t.Error("closing was agreed and has not begun")
	}
}

// Two messages arrive together: what the second says counts for what the first asked.
func TestAWishIsLookedAtAgainBeforeItIsGranted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	booked := *h.p.booked(Dosing)
	h.must("cancel-session", "by", "c-desk", "session", booked.Name, "wish_of", "practice")
	again := *h.p.booked(Dosing)
	if _, err := h.p.Record("move-session", []byte(`{"by":"c-desk","session":"`+again.Name+`","start":"`+rfc(again.Start.AddDate(0, 0, 3))+`"}`), h.now); err != nil {
		t.Fatal(err)
	}
	h.must("consent", "by", "t-lane", "decision", "withdrawn")
	if got := h.p.appointment(again.Name); got.Revision != 1 {
		t.Error("a blocked dosing session was moved")
	}
	if len(h.settled) == 0 || h.settled[len(h.settled)-1].Refusal == nil {
		t.Errorf("whoever asked was told %+v", h.settled)
	}
}

// shows: cancelled-mail-and-call, opting-out-becomes-calls
func TestWithoutMailACancellationIsAnUrgentCall(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(e *Enrolment) { e.MailPermission = false })
	h.prepare()
	a := *h.p.booked(Dosing)
	h.until(a.Start.Add(-20 * time.Hour))
	h.must("consent", "by", "t-lane", "decision", "withdrawn")
	call := h.task("call/cancelled/" + a.Name + "/r1")
	if call == nil || !call.Urgent {
		t.Fatalf("tasks %+v", h.p.Tasks(h.now))
	}
	h.until(a.End)
	if h.task(call.Key) == nil {
		t.Error("it vanished before the client was reached")
	}
}

func TestAfterTheEndingTheLastCallIsStillMade(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(e *Enrolment) { e.MailPermission = false })
	h.evaluate("decline", "reason", "other")
	h.must("referral", "by", "t-lane", "to", "clinic", "purpose", "care")
	h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", "reached")
	h.must("task-done", "by", "t-lane", "task", "letter", "outcome", "done")
	if h.p.Outcome != DeclinedAndReferred || h.p.Finished(h.now) {
		t.Fatalf("outcome %q, finished %v", h.p.Outcome, h.p.Finished(h.now))
	}
	h.must("task-done", "by", "c-desk", "task", "call/letter", "outcome", "reached")
	if tasks := h.p.Tasks(h.now); len(tasks) > 0 || h.p.Finished(h.now) {
		t.Errorf("finished %v, tasks %+v", h.p.Finished(h.now), tasks)
	}
	h.until(h.now.AddDate(1, 0, 1)) // so long it takes adverse events and corrections
	if !h.p.Finished(h.now) {
		t.Errorf("not finished: %+v", h.p.Tasks(h.now))
	}
}

// Stopped after a dosing session, the client is still owed its integration, also when it was missed.
// shows: last-integration-kept
func TestAStoppedPathwayStillOwesTheLastIntegration(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	h.hold(Dosing)
	h.evaluate("decline", "reason", "not the right path")
	first := h.p.booked(Integration)
	if first == nil {
		t.Fatal("the integration was cancelled")
	}
	name := first.Name
	h.until(first.End.Add(time.Minute))
	h.must("session-held", "by", "c-desk", "session", name, "outcome", "no-show")
	if h.p.booked(Integration) == nil {
		t.Fatalf("the missed integration is not made up for; tasks %+v", h.p.Tasks(h.now))
	}
	h.hold(Integration, "next", "close", "client_agrees", true)
	h.must("referral", "by", "t-lane", "to", "clinic", "purpose", "care")
	h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", "reached")
	h.must("task-done", "by", "t-lane", "task", "letter", "outcome", "done")
	h.must("task-done", "by", "p-singh", "task", "discharge-contact", "outcome", "reached")
	if h.p.Outcome != StoppedAndReferred {
		t.Errorf("outcome %q; tasks %+v", h.p.Outcome, h.p.Tasks(h.now))
	}
}

func TestRefusalsRepeatNothingThatMayBeSomebodysOwnWords(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, raw := range []string{
		`{"by":"p-singh","decision":"Anna Smith is unwell"}`,
		`{"by":"Anna Smith","decision":"cleared"}`,
		`{"by":"p-singh","Anna Smith":true}`,
		`{"by":"t-lane","task":"call Anna Smith","outcome":"done"}`,
		`{"by":"p-singh","decision":"cleared","at":"when Anna Smith called"}`,
	} {
		name := "prescriber-clearance"
		if strings.Contains(raw, "task") {
			name = "task-done"
		}
		_, err := h.p.Record(name, []byte(raw), h.now)
		if err == nil || strings.Contains(err.Error(), "Anna") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// A signal cannot answer: that one was refused is the task of whoever sent it, until they have sent it as it should be, or say that it is done.
// shows: refused-signal
func TestARefusedSignalIsATask(t *testing.T) {
	t.Parallel()
	signal := func(h *house, raw string) {
		if _, err := h.p.Record("prescriber-clearance", []byte(raw), h.now); err == nil {
			t.Fatalf("%s was taken", raw)
		}
		h.p.NobodyHeard()
		h.work()
	}
	const key = "refused/prescriber-clearance"
	attention := func(h *house) Attention { return h.p.Status(h.now).Attention }
	for _, row := range []struct {
		raw   string
		by    Role
		staff string
		key   string
	}{
		{`{"by":"p-singh","decision":"cleared"}`, Prescriber, "p-singh", key + "/p-singh"},
		{`{"by":"t-lane","decision":"cleared"}`, Therapist, "t-lane", key + "/t-lane"},
		{`{"by":"x-nobody","decision":"cleared"}`, Coordinator, "c-desk", key + "/x-nobody"},
		{`cleared`, Coordinator, "c-desk", key},
	} {
		key := row.key
		h := newHouse(t)
		signal(h, row.raw)
		task := h.task(key)
		if task == nil || task.By != row.by || attention(h) != TaskAttention {
			t.Errorf("%s: attention %s, owed %+v", row.raw, attention(h), task)
			continue
		}
		if !slices.ContainsFunc(h.sent(NudgeMail), func(m Mail) bool { return m.Staff == row.staff }) {
			t.Errorf("%s: %s does not hear of it", row.raw, row.staff)
		}
		h.evaluate("suitable") // something else
		signal(h, `hello`)     // and so did somebody unknown
		h.must("task-done", "by", "c-desk", "task", "refused/prescriber-clearance", "outcome", "done")
		if row.key == "refused/prescriber-clearance" {
			continue
		}
		if h.task(key) == nil {
			t.Errorf("%s: forgotten once somebody spoke of something else", row.raw)
		}
		again := h.fork(t)
		again.clear()
		if (again.task(key) == nil) != (row.staff == "p-singh") {
			t.Errorf("%s, and then as it should be, by the prescriber: owed %v", row.raw, again.keys())
		}
		h.must("task-done", "by", row.staff, "task", key, "outcome", "done")
		if h.task(key) != nil || attention(h) != NoAttention {
			t.Errorf("%s: attention %s, owed %v", row.raw, attention(h), h.keys())
		}
	}
	// Whoever takes over the steps knows of it, and a pathway that has ended still asks.
	h := newHouse(t, func(e *Enrolment) { e.MailPermission = false })
	h.evaluate("decline", "reason", "other")
	h.must("referral", "by", "t-lane", "to", "clinic", "purpose", "care")
	h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", "reached")
	h.must("task-done", "by", "t-lane", "task", "letter", "outcome", "done")
	signal(h, `{"by":"p-singh","decision":"cleared"}`)
	if h.p.Outcome == "" || h.task(key+"/p-singh") == nil {
		t.Errorf("outcome %q, owed %v", h.p.Outcome, h.keys())
	}
	again, err := Enrol(h.p.Enrolment)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range h.steps {
		again.Settle(s, h.answers[i])
	}
	if !slices.Equal(again.Missed, h.p.Missed) {
		t.Errorf("the steps tell of %+v, the pathway of %+v", again.Missed, h.p.Missed)
	}
	h.must("task-done", "by", "p-singh", "task", key+"/p-singh", "outcome", "done")
	if h.task(key+"/p-singh") != nil {
		t.Errorf("owed %v", h.keys())
	}
}
