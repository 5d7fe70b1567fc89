package pathway

import (
	"slices"
	"testing"
	"time"
)

// shows: arc-phases, ending-completed
func TestACompletedPathwayWithThreeDosingSessions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	h.round("another")
	h.round("another")
	if h.p.booked(Dosing) != nil {
		t.Fatal("a third dosing session is booked although the clearance covers two")
	}
	h.clear()
	h.round("close")
	h.measure(PHQ9, 6)
	if got := h.p.Phase(h.now); got != Closing {
		t.Fatalf("phase %s, expected closing", got)
	}
	h.must("task-done", "by", "p-singh", "task", "discharge-contact", "outcome", "reached")
	h.must("task-done", "by", "t-lane", "task", "letter", "outcome", "done")
	if h.p.Outcome != Completed {
		h.until(h.now.Add(24 * time.Hour))
	}
	if h.p.Outcome != Completed || h.p.dosed() != 3 {
		t.Fatalf("outcome %q after %d dosing sessions; tasks %+v\n%s", h.p.Outcome, h.p.dosed(), h.p.Tasks(h.now), h.story())
	}
	t.Logf("%d steps\n%s", h.p.Steps, h.story())
	for _, m := range h.mails {
		t.Log(m.Key)
	}
}

// shows: ending-no-mail-before
func TestADeclineIsNeverLearnedFromAMail(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.clear()
	h.evaluate("decline", "reason", "wants-something-else")
	if got := h.p.Phase(h.now); got != Stopping {
		t.Fatalf("phase %s, expected stopping", got)
	}
	h.must("task-done", "by", "t-lane", "task", "letter", "outcome", "done")
	h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", "tried")
	h.must("referral", "by", "t-lane", "to", "community clinic", "purpose", "psychotherapy")
	if len(h.toClient()) > 0 || h.p.Outcome != "" {
		t.Fatalf("ended %q, mails %v before the client was spoken with", h.p.Outcome, h.toClient())
	}
	h.now = h.now.Add(time.Hour)
	h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", "tried")
	if h.p.Outcome != DeclinedAndReferred {
		t.Fatalf("outcome %q, expected declined-and-referred", h.p.Outcome)
	}
	if len(h.toClient()) != 1 || !slices.ContainsFunc(h.toClient(), func(m Mail) bool { return m.Kind == LetterMail }) {
		t.Fatalf("mails %+v, expected the letter's alone", h.toClient())
	}
}
