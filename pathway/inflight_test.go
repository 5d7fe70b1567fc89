package pathway

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// during has the next step written, and says something while that is under way, as the workflow does it: what comes out is what a
// fold of the written steps gives, with the message taken after it.
func (h *house) during(say func()) {
	h.t.Helper()
	step, _ := h.p.Due(h.now)
	if step == nil {
		h.t.Fatal("no step is due")
	}
	written := h.p.Clone()
	written.Pending = nil
	answer := h.answer(*step)
	say()
	written.Settle(*step, answer)
	h.p = h.p.Onto(written, *step)
	h.steps, h.answers = append(h.steps, *step), append(h.answers, answer)
	h.journal = append(h.journal, step.Entries...)
	h.work()
}

// record takes a message without looking further, as a handler does.
func (h *house) record(name, input string) {
	h.t.Helper()
	if _, err := h.p.Record(name, []byte(input), h.now); err != nil {
		h.t.Fatalf("%s: %v", name, err)
	}
}

func TestWhatIsSaidWhileAnEndingIsWrittenReachesBothClinicians(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.evaluate("decline", "reason", "other")
	h.must("referral", "by", "t-lane", "to", "a clinic", "purpose", "psychotherapy")
	h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", "reached")
	h.record("task-done", `{"by": "t-lane", "task": "letter", "outcome": "done"}`)
	h.during(func() {
		h.record("adverse-event", `{"by": "t-lane", "kind": "serious-event", "severity": "severe"}`)
	})
	if h.p.Outcome != DeclinedAndReferred || len(h.p.Later) != 1 {
		t.Fatalf("outcome %q, later %+v", h.p.Outcome, h.p.Later)
	}
	for _, role := range clinicians {
		if !slices.ContainsFunc(h.p.Tasks(h.now), func(x Task) bool { return strings.HasPrefix(x.Key, "informed/") && x.By == role && x.Urgent }) {
			t.Errorf("the %s is not told: %+v", role, h.p.Tasks(h.now))
		}
	}
}

func TestACancellationWhileTheSameOneIsWrittenLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	a := *h.p.booked(Dosing)
	h.until(a.Start.Add(-30 * time.Hour))
	h.record("consent", `{"by": "t-lane", "decision": "withdrawn"}`)
	h.during(func() {
		h.record("cancel-session", `{"by": "c-desk", "session": "dosing-1", "wish_of": "client"}`)
	})
	if got := h.p.appointment(a.Name).State; got != Cancelled || len(h.p.Requests) > 0 {
		t.Errorf("dosing-1 is %s, requests %+v", got, h.p.Requests)
	}
	if !slices.ContainsFunc(h.journal, func(e Entry) bool { return e.Kind == Taken && e.Name == "cancel-session" }) {
		t.Errorf("what the front desk said is not in the journal:\n%s", h.story())
	}
}

func TestASessionRecordedWhileItsCancellationIsWrittenIsADeviation(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	a := *h.p.booked(Dosing)
	h.until(a.Start.Add(-30 * time.Hour))
	h.record("consent", `{"by": "t-lane", "decision": "withdrawn"}`)
	h.during(func() {
		h.now = a.End // the records were away for so long
		fields := dosingDay(a.Name)
		input := map[string]any{}
		for i := 0; i+1 < len(fields); i += 2 {
			input[fields[i].(string)] = fields[i+1]
		}
		raw, err := json.Marshal(input)
		if err != nil {
			t.Fatal(err)
		}
		h.record("session-held", string(raw))
	})
	if got := h.inForce(Deviation); got == nil || !strings.Contains(got.Why, "it had been cancelled") {
		t.Errorf("holds %+v\n%s", h.p.Holds, h.story())
	}
}

// A message that is sent again is known, whatever of it JSON may write in two ways.
func TestAMessageIsKnownAgainHoweverItIsEscaped(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	written := h.p.Clone()
	raw := []byte(`{"by": "t-lane", "cause": "concern", "reason": "A & B, <C>", "id": "m-1"}`)
	if _, err := h.p.Record("hold", raw, h.now); err != nil {
		t.Fatal(err)
	}
	step, _ := h.p.Due(h.now)
	written.Settle(*step, h.answer(*step))
	next := h.p.Onto(written, *step)
	if reply, err := next.Record("hold", raw, h.now.Add(time.Minute)); err != nil || reply.Result != AlreadySo {
		t.Errorf("found %+v, %v, expected that it was taken before", reply, err)
	}
}

// A run that was reset hears old signals again: whoever sent one that is refused is still to be told.
func TestARefusalThatNobodyHeardSurvivesAReset(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	written := h.p.Clone()
	if _, err := h.p.Record("hold", []byte(`{"by": "t-lane", "cause": "weather"}`), h.now); err == nil {
		t.Fatal("an unknown cause was taken")
	}
	h.p.NobodyHeard()
	h.p = h.p.Resume(written, nil)
	if !slices.ContainsFunc(h.p.Tasks(h.now), func(x Task) bool { return x.Key == "refused/hold/t-lane" }) {
		t.Errorf("nobody is asked to look at it: %+v", h.p.Tasks(h.now))
	}
}
