package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func (h *house) mailedAs(prefix string) int {
	n := 0
	for _, m := range h.mails {
		if strings.HasPrefix(m.Key, prefix) {
			n++
		}
	}
	return n
}

func (h *house) count(cause Cause) int {
	n := 0
	for _, x := range h.p.Holds {
		if x.Cause == cause {
			n++
		}
	}
	return n
}

// A pathway that sleeps is roused, held in words that both clinicians read, and goes on once each has confirmed.
func TestARestoreHoldsOnce(t *testing.T) {
	shows(t, "restored-holds", "hold-restored")
	t.Parallel()
	h := walk(t, 1)
	booked := *h.p.booked(Dosing)
	h.until(h.now.Add(time.Minute))
	was, to := h.p, h.now
	h.now = h.now.Add(3 * time.Hour)
	h.restored(was, to)
	x := h.inForce(Restored)
	if x == nil || x.Why != "restored to "+h.p.clockTime(to)+": confirm that nothing is missing" || h.count(Restored) != 1 {
		t.Fatalf("holds %+v", h.p.Holds)
	}
	if !h.blocked(x.Name, booked.Start) || h.p.booked(Dosing) == nil {
		t.Errorf("the next dosing session is not held, or left the calendar: %v", h.codes(booked.Start))
	}
	for _, role := range []string{"therapist", "prescriber"} {
		if task := h.task("hold/" + x.Name + "/" + role); task == nil || task.Urgent || !strings.Contains(task.What, "confirm that nothing is missing") {
			t.Errorf("the %s is not asked: %v", role, h.keys())
		}
	}
	if h.mailedAs("staff-nudge/t-lane") != 1 || h.mailedAs("staff-nudge/p-singh") != 1 {
		t.Errorf("who has to confirm does not hear of it: %+v", h.mails)
	}
	for _, says := range []string{"they are asked to which time", "confirm that nothing is missing; " + x.Name + " holds the pathway", "is worked off"} {
		if !strings.Contains(h.story(), says) {
			t.Errorf("the journal does not say %q:\n%s", says, h.story())
		}
	}
	// Told again, by another worker, it does nothing.
	steps := h.p.Steps
	h.p.Rouse(h.p.Restored.ID, h.now)
	if h.work(); h.p.Steps != steps {
		t.Error("it asks a second time")
	}
	// A correction does not lift it.
	h.now = h.now.Add(time.Minute)
	h.must("correct", "by", "t-lane", "entry", h.p.SafetyPlans[0].ID, "why", "another day", "happened", rfc(h.p.SafetyPlans[0].At.Add(-time.Hour)))
	for _, by := range []string{"t-lane", "p-singh"} {
		if h.inForce(Restored) == nil {
			t.Fatalf("released before %s has confirmed", by)
		}
		h.now = h.now.Add(time.Minute)
		h.must("release", "by", by, "hold", x.Name, "reason", "nothing is missing")
	}
	if h.blocked(x.Name, booked.Start) {
		t.Error("it is released and blocks")
	}
	// The next restore is another.
	h.restored(h.p, h.now)
	if h.count(Restored) != 2 || h.inForce(Restored) == nil {
		t.Errorf("holds %+v", h.p.Holds)
	}
}

// What had not gone out, and what fell due while all was lost, may have gone out: nobody is mailed twice, and the front desk calls.
// What falls due afterwards goes out.
func TestWhatARestoreLostIsNotMailedAgain(t *testing.T) {
	shows(t, "restored-unknown", "restored-goes-on")
	t.Parallel()
	h := walk(t, 0)
	a := *h.p.booked(Dosing)
	h.until(a.Start.Add(-73 * time.Hour))
	was, to := h.p, h.now
	waits := Mail{Key: "booked/earlier/r1", Kind: BookedMail}
	was.Outbox = append(was.Outbox, waits) // it was being sent when the backup was made
	h.now = a.Start.Add(-40 * time.Hour)   // the 48-hour reminder has fallen due
	h.restored(was, to)
	if h.mailedAs("remind/") > 0 || h.mailedAs("booked/") > 0 || h.mailedAs("cancelled/") > 0 {
		t.Errorf("mailed: %+v", h.mails)
	}
	for _, key := range []string{"call/booked/earlier/r1", "call/cancelled/" + a.Name + "/r1"} {
		if h.task(key) == nil {
			t.Errorf("%s is not asked for: %v", key, h.keys())
		}
	}
	if len(h.p.Outbox) > 0 || !h.p.CatchingUp.IsZero() {
		t.Errorf("it is still catching up: %+v", h.p.Outbox)
	}
	// Where nothing is held any more, sessions are booked and reminded of as ever.
	h.now = h.now.Add(time.Minute)
	for _, by := range []string{"t-lane", "p-singh"} {
		h.must("release", "by", by, "hold", h.inForce(Restored).Name, "reason", "nothing is missing")
	}
	b := h.p.booked(Dosing)
	if b == nil || h.mailedAs("booked/"+b.Name) != 1 {
		t.Fatalf("not booked anew: %v, %+v", h.keys(), h.mails)
	}
	name := b.Name
	h.until(b.Start.Add(-time.Hour))
	for _, rule := range []string{"7d", "48h", "24h", "2h"} {
		if n := h.mailedAs("remind/" + name + "/r1/" + rule); n > 1 || n == 0 && rule != "7d" {
			t.Errorf("the %s reminder went out %d times", rule, n)
		}
	}
}

// Reminders of a session that stands: one in time becomes a call, which stands for one that is too late by now, and the next goes out.
func TestRemindersOfARestoredPathway(t *testing.T) {
	shows(t, "restored-unknown", "restored-goes-on")
	t.Parallel()
	h := newHouse(t)
	h.screen()
	h.hold(Preparation)
	a := *h.p.booked(Preparation)
	h.until(a.Start.Add(-49 * time.Hour))
	was, to := h.p, h.now
	h.now = a.Start.Add(-23 * time.Hour) // 48 hours before is too late by now, 24 hours before is not
	h.restored(was, to)
	if h.mailedAs("remind/") > 0 {
		t.Errorf("mailed: %+v", h.mails)
	}
	due := h.task("call/remind/" + a.Name + "/r1/24h")
	if due == nil || !strings.Contains(due.What, "may not have reached the client") || h.task("call/remind/"+a.Name+"/r1/48h") != nil {
		t.Fatalf("calls: %v, %+v", h.keys(), due)
	}
	h.until(a.Start.Add(-time.Hour))
	if h.mailedAs("remind/"+a.Name+"/r1/2h") != 1 || h.mailedAs("remind/") != 1 {
		t.Errorf("mailed: %+v", h.mails)
	}
}

// The step with which it hears does nothing: what stood to be done is looked at again.
func TestARestoreIsHeardBeforeAnythingIsDone(t *testing.T) {
	shows(t, "restored-before-it-acts")
	t.Parallel()
	h := walk(t, 1)
	h.until(h.now.Add(time.Hour))
	a := *h.p.booked(Dosing)
	h.restore, h.unknown = &Restore{ID: "r", To: h.now.Add(-time.Hour)}, true
	from := len(h.steps)
	h.must("move-session", "by", "c-desk", "session", a.Name, "start", rfc(a.Start.AddDate(0, 0, 1))) // with which it hears
	if !slices.ContainsFunc(h.steps[from].Acts, func(act Act) bool { return act.Do == MoveDeed }) || h.answers[from].Restored == nil {
		t.Fatalf("the step is %+v", h.steps[from])
	}
	if got := h.p.appointment(a.Name); !got.Start.Equal(a.Start) {
		t.Error("moved although the pathway is held")
	}
	if len(h.p.Requests) > 0 || !strings.Contains(h.settled[len(h.settled)-1].Refusal.Sentence, "holds the pathway") {
		t.Errorf("whoever asked for it hears nothing: %+v", h.settled)
	}
}

// Staff who were waited for before may have had their mail; what is new is mailed.
func TestStaffAfterARestore(t *testing.T) {
	shows(t, "restored-unknown")
	t.Parallel()
	h := newHouse(t)
	h.until(h.now.Add(47 * time.Hour))
	was, to := h.p, h.now
	h.now = h.now.Add(2 * time.Hour) // the gates' first nudges have fallen due
	h.restored(was, to)
	if len(h.mails) != 2 || h.mailedAs("staff-nudge/t-lane") != 1 || h.mailedAs("staff-nudge/p-singh") != 1 {
		t.Errorf("mailed: %+v", h.mails)
	}
	// An urgent one that may not have gone out is followed by a call.
	h = newHouse(t)
	h.now = h.now.Add(time.Hour)
	h.must("hold", "by", "t-lane", "cause", "crisis", "reason", "seen")
	was, to = h.p, h.now
	h.now = h.now.Add(90 * time.Minute)
	h.restored(was, to)
	if h.mailedAs("staff-urgent/t-lane") > 0 || h.task("call/staff/t-lane") == nil || !h.task("call/staff/t-lane").Urgent {
		t.Errorf("mailed %+v, owed %v", h.mails, h.keys())
	}
}

// Nothing is dosed after the ending, so nothing is held; what had not gone out is unknown there, too.
func TestAnEndedPathwayIsNotHeld(t *testing.T) {
	shows(t, "restored-ended", "restored-unknown")
	t.Parallel()
	h := newHouse(t)
	h.evaluate("decline", "reason", "not for them")
	h.now = h.now.Add(time.Minute)
	h.must("referral", "by", "t-lane", "to", "a clinic", "purpose", "psychotherapy")
	h.finish("conversation")
	if h.finish("letter"); h.p.Outcome == "" {
		t.Fatalf("not ended: %v", h.keys())
	}
	was, to := h.p, h.now
	was.Outbox = append(was.Outbox, Mail{Key: "letter-again", Kind: LetterMail})
	h.now = h.now.Add(time.Hour)
	h.restored(was, to)
	if h.count(Restored) > 0 || h.p.Restored.To != to || h.mailedAs("letter") > 0 || h.task("call/letter-again") == nil {
		t.Errorf("holds %+v, mailed %+v, owed %v", h.p.Holds, h.mails, h.keys())
	}
}
