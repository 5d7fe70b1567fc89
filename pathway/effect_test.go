package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// What is recorded has an effect, or the answer says that it has none; and nobody is forgotten on the way.

// A finding that the front desk should have written down counts as of the moment at which it is heard, whatever was evaluated before.
func TestAFindingThatIsLearnedLateBlocks(t *testing.T) {
	shows(t, "finding-psychosis-or-mania", "finding-cardiovascular", "finding-substance-use", "finding-one-shot", "correction-raises-and-lifts")
	t.Parallel()
	for _, finding := range []Finding{Psychosis, Mania, Cardiovascular, SubstanceUse, SingleSession, Recreational} {
		h := walk(t, 1)
		booked := *h.p.booked(Dosing)
		given := *h.p.appointment("dosing-1")
		h.now = h.now.Add(time.Hour)
		h.must("correct", "by", "t-lane", "entry", "enrolment", "why", "left out", "findings", []string{string(finding)})
		if !h.blocked("finding", booked.Start) || h.task(evaluationGate) == nil {
			t.Errorf("%s: it blocks nothing, or nobody is asked: %v", finding, h.keys())
		}
		if len(h.p.deviations(given)) > 0 {
			t.Errorf("%s: a session given before it was known is a deviation: %v", finding, h.p.deviations(given))
		}
		if barred := finding == Psychosis || finding == Mania || finding == Cardiovascular; barred {
			h.refused(Blocked, "prescriber-clearance", with(reviewed, "by", "p-singh", "decision", "cleared")...)
		}
		h.now = h.now.Add(time.Minute)
		if h.evaluate("defer", "what_must_change", "looked at", "review_on", "2026-06-01"); h.blocked("finding", booked.Start) {
			t.Errorf("%s: it blocks although the therapist has evaluated since", finding)
		}
	}
}

// What was found is told of any session; what belongs to another kind of session is refused by name.
func TestWhatWasFoundAtAnySessionHolds(t *testing.T) {
	shows(t, "adverse-events", "record-fields")
	t.Parallel()
	h := walk(t, 0)
	h.hold(Dosing)
	i := *h.bringsUp(Integration)
	held := []any{"by", "t-lane", "session", i.Name, "outcome", "held", "next", "another", "client_agrees", true}
	for _, row := range [][]any{{"dose_as_given", "as prescribed"}, {"oriented_and_steady", true}, {"blood_pressure_before", "120/80"}, {"preparation_complete", true}} {
		if s := h.refused(BadValue, "session-held", with(held, row...)...); !strings.HasPrefix(s, "session-held: "+row[0].(string)+": found it in the record of "+i.Name) {
			t.Error(s)
		}
	}
	h.must("session-held", with(held, "found", []string{"psychosis-or-mania", "urinary-symptoms"})...)
	if h.inForce(AdverseCause) == nil || !h.p.barred() || h.p.booked(Dosing) != nil {
		t.Errorf("holds %+v, booked %+v", h.p.Holds, h.p.booked(Dosing))
	}
	h = walk(t, 0)
	a := *h.bringsUp(Dosing)
	if s := h.refused(BadValue, "session-held", dosingDay(a.Name, "next", "another")...); !strings.Contains(s, "next: found it in the record of dosing-1") {
		t.Error(s)
	}
}

// Calls are heard of when there is still something to say.
func TestTheFrontDeskHearsOfACallAtOnce(t *testing.T) {
	shows(t, "hear-questionnaire", "opting-out-becomes-calls")
	t.Parallel()
	heard := func(h *house, from int) bool {
		return slices.ContainsFunc(h.mails[from:], func(m Mail) bool { return m.Staff == "c-desk" })
	}
	h := walk(t, 1)
	h.silent = true
	a := *h.p.booked(Dosing)
	h.until(a.Start.Add(-71 * time.Hour))
	from := len(h.mails)
	h.until(a.Start.Add(-49 * time.Hour))
	if h.p.appointment(a.Name).State != Booked || !heard(h, from) {
		t.Errorf("60 hours before, nobody hears of the call: %v", h.keys())
	}
	// A session moved to tomorrow, for a client who allows no mail, is told at once and at any hour.
	h = newHouse(t, func(e *Enrolment) { e.MailPermission = false })
	h.screen()
	p := *h.p.booked(Preparation)
	h.until(p.Start.Add(-30 * time.Hour))
	from = len(h.mails)
	h.must("move-session", "by", "t-lane", "session", p.Name, "start", rfc(p.Start.Add(3*time.Hour)))
	moved := h.task("call/moved/" + p.Name + "/r2")
	if moved == nil || !moved.Urgent || !heard(h, from) {
		t.Errorf("nobody tells the client: %+v", moved)
	}
	// Once the session is recorded, there is nothing left to tell.
	h.hold(Preparation)
	if h.task("call/moved/"+p.Name+"/r2") != nil {
		t.Error("the client is to be told of a session that is over")
	}
}

// A missed integration is followed up, whatever ending begins.
func TestAWelfareCallOutlivesTheBeginningOfAnEnding(t *testing.T) {
	shows(t, "integration-missed")
	t.Parallel()
	h := walk(t, 0)
	h.hold(Dosing)
	i := *h.bringsUp(Integration)
	h.must("session-held", "by", "c-desk", "session", i.Name, "outcome", "no-show")
	withdraw(h)
	h.now = h.now.Add(time.Minute)
	h.must("cancel-session", "by", "c-desk", "session", h.p.booked(Integration).Name, "wish_of", "client")
	for _, key := range []string{"referral", "discharge-contact", "letter"} {
		h.finish(key)
	}
	if h.p.Outcome != "" || h.task("welfare/"+i.Name) == nil {
		t.Fatalf("ended as %q without a word with the client", h.p.Outcome)
	}
	h.must("task-done", "by", "c-desk", "task", "welfare/"+i.Name, "outcome", "acknowledged")
	if h.now = h.now.Add(time.Minute); h.p.Outcome != "" {
		t.Fatal("ended although they were only looked after")
	}
	h.must("task-done", "by", "c-desk", "task", "welfare/"+i.Name, "outcome", "reached")
	if h.p.Outcome != WithdrawnByClient {
		t.Errorf("ended as %q: %v", h.p.Outcome, h.keys())
	}
}

// Item 9 is looked at by the therapist, whatever ending begins and whoever else is quick to say that they know.
func TestItem9IsAssessedBeforeAnEnding(t *testing.T) {
	shows(t, "item-9-is-1", "item-9-flag-not-assessment", "urgent-hourly-until-acknowledged")
	t.Parallel()
	for _, row := range []struct {
		before, item9 int
	}{{1, 1}, {0, 3}} {
		h := walk(t, 0)
		h.silent = true
		h.until(h.p.booked(Dosing).Start.Add(-60 * time.Hour))
		h.measure(PHQ9, 20, row.before)
		h.now = h.now.Add(time.Minute)
		h.must("risk-assessment", "by", "t-lane", "outcome", "safe-to-continue", "safety_plan_reviewed", true)
		h.hold(Dosing)
		h.hold(Integration, "next", "close", "client_agrees", true)
		h.now = h.now.Add(time.Hour)
		h.measure(PHQ9, 6, row.item9)
		if row.item9 > 1 {
			name := h.inForce(ItemNine).Name
			h.refused(WrongPerson, "task-done", "by", "c-desk", "task", "hold/"+name+"/therapist", "outcome", "acknowledged")
			h.must("task-done", "by", "p-singh", "task", "informed/"+name+"/prescriber", "outcome", "acknowledged")
			h.must("task-done", "by", "t-lane", "task", "hold/"+name+"/therapist", "outcome", "acknowledged")
		}
		h.finish("letter")
		h.finish("discharge-contact")
		if h.p.Outcome != "" || len(h.keys()) == 0 {
			t.Fatalf("item 9 of %d: ended as %q and nobody has assessed the risk: %v", row.item9, h.p.Outcome, h.keys())
		}
		h.now = h.now.Add(time.Minute)
		if h.must("risk-assessment", "by", "t-lane", "outcome", "safe-to-continue", "safety_plan_reviewed", true); h.p.Outcome != Completed {
			t.Errorf("item 9 of %d: ended as %q after the assessment: %v", row.item9, h.p.Outcome, h.keys())
		}
	}
	h := newHouse(t)
	h.measure(PHQ9, 22, 1)
	if withdraw(h); h.task("risk-assessment") == nil {
		t.Error("nobody assesses the risk of a client who withdraws")
	}
}

// A clearance of that morning is no answer to what is measured later, and one given then is one.
func TestThePrescribersAnswerToABloodPressureIsHeard(t *testing.T) {
	shows(t, "pressure-answered")
	t.Parallel()
	h := walk(t, 0)
	a := *h.p.booked(Dosing)
	h.until(onDay(a.Start.In(newYork()), 6*time.Hour))
	h.clear()
	h.until(a.Start.Add(5 * time.Minute))
	if r := h.clear(); r.Result != Recorded {
		t.Errorf("the answer is %+v", r)
	}
	h.until(a.End.Add(time.Minute))
	h.must("session-held", dosingDay(a.Name, "blood_pressure_before", "150/85")...)
	if hold := h.inForce(Deviation); hold != nil {
		t.Errorf("held: %+v", hold)
	}
}

// A diagnosis corrected after consent asks for it anew, can have it, and says nothing about sessions given before.
func TestConsentIsGivenAnewAfterACorrectedDiagnosis(t *testing.T) {
	shows(t, "gate-consent-evidence")
	t.Parallel()
	h := walk(t, 1)
	given := *h.p.appointment("dosing-1")
	h.now = h.now.Add(time.Hour)
	h.must("correct", "by", "t-lane", "entry", "enrolment", "why", "mistaken", "diagnosis", string(ComplexTrauma))
	start := h.p.booked(Dosing).Start
	if !h.blocked("consent", start) {
		t.Fatal("consent to what the evidence says of another diagnosis stands")
	}
	h.now = h.now.Add(time.Hour)
	h.consent()
	if h.blocked("consent", start) || len(h.p.deviations(given)) > 0 {
		t.Errorf("consent given anew: %v; the session before: %v", h.p.consentGate(start), h.p.deviations(given))
	}
}

// A preparation that was none is made up for, also after a dosing session.
func TestAPreparationThatWasNoneIsBookedAgain(t *testing.T) {
	shows(t, "blocker-preparation", "correction-raises-and-lifts")
	t.Parallel()
	h := walk(t, 1)
	id := h.p.appointment("preparation-2").Record.ID
	h.now = h.now.Add(time.Minute)
	h.must("correct", "by", "t-lane", "entry", id, "why", "another client", "outcome", "no-show")
	h.now = h.now.Add(time.Minute)
	for _, by := range []string{"t-lane", "p-singh"} {
		h.must("release", "by", by, "hold", h.inForce(Deviation).Name, "reason", "talked over")
	}
	if h.p.booked(Preparation) == nil {
		t.Errorf("no preparation is booked: %v", h.keys())
	}
}

// At closing, the prescriber's stop goes to the therapist, who alone stops; the prescriber has said theirs.
func TestThePrescribersStopAtClosingReachesTheTherapist(t *testing.T) {
	shows(t, "after-six-both", "ending-stopped-and-referred")
	t.Parallel()
	h := six(t)
	h.now = h.now.Add(time.Minute)
	h.must("review", "by", "t-lane", "decision", "complete", "reason", "the client wishes it")
	h.refused(BadValue, "review", "by", "p-singh", "decision", "adjust", "reason", "perhaps")
	h.must("review", "by", "p-singh", "decision", "stop", "reason", "no use")
	stop := h.task("stop")
	if stop == nil || !slices.Equal(stop.Who, []Role{Therapist}) || h.task("review/prescriber") != nil {
		t.Fatalf("owed: %v", h.keys())
	}
	h.must("stop", "by", "t-lane", "reason", "no use")
	if h.p.ending() != StoppedAndReferred {
		t.Errorf("ending as %q", h.p.ending())
	}
}

// six has all six dosing sessions given without improvement, and closing agreed.
func six(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	h.prepare()
	h.silent = true
	for n := range 6 {
		h.renew(n)
		h.until(h.p.booked(Dosing).Start.Add(-60 * time.Hour))
		h.measure(PHQ9, 20-n%2)
		if n >= 3 {
			h.now = h.now.Add(time.Minute)
			h.must("review", "by", "t-lane", "decision", "adjust", "reason", "more time")
		}
		h.hold(Dosing)
		if n < 5 {
			h.hold(Integration, "next", "another", "client_agrees", true)
		}
	}
	h.now = h.now.Add(time.Hour)
	h.measure(PHQ9, 19)
	if h.task("review") != nil {
		t.Error("a review is asked for although no dosing session is left to decide about")
	}
	h.refused(NotNow, "review", "by", "t-lane", "decision", "one-more", "reason", "once more")
	h.hold(Integration, "next", "close", "client_agrees", true)
	return h
}

// Completing without the last measure waits until the client was asked for it.
func TestBothCliniciansWaitForTheLastMeasure(t *testing.T) {
	shows(t, "closing-measure")
	t.Parallel()
	h := walk(t, 0)
	h.hold(Dosing)
	h.silent = true
	h.hold(Integration, "next", "close", "client_agrees", true)
	h.now = h.now.Add(time.Minute)
	if s := h.refused(NotNow, "review", "by", "t-lane", "decision", "complete", "reason", "no answer"); !strings.Contains(s, "PHQ-9 at closing is missing and the client is asked for it until") {
		t.Error(s)
	}
	h.until(h.now.AddDate(0, 0, 11))
	h.must("review", "by", "t-lane", "decision", "complete", "reason", "no answer")
	h.must("review", "by", "p-singh", "decision", "complete", "reason", "no answer")
	h.finish("letter")
	if h.finish("discharge-contact"); h.p.Outcome != Completed {
		t.Errorf("ended as %q: %v", h.p.Outcome, h.keys())
	}
}

// Whoever was not willing is talked with before another session is booked.
func TestAnUnwillingClientIsTalkedWith(t *testing.T) {
	shows(t, "joint-still-willing")
	t.Parallel()
	h := walk(t, 0)
	a := *h.bringsUp(Dosing)
	h.must("session-held", "by", "t-lane", "session", a.Name, "outcome", "attended-not-dosed", "reason", "not today", "client_still_willing", false)
	if h.until(h.now.AddDate(0, 0, 2)); h.p.booked(Dosing) != nil || h.task("talk/dosing") == nil || !strings.Contains(h.task("talk/dosing").What, "was not willing at dosing-1") {
		t.Fatalf("booked %+v, owed %v", h.p.booked(Dosing), h.keys())
	}
	if h.must("task-done", "by", "t-lane", "task", "talk/dosing", "outcome", "reached"); h.p.booked(Dosing) == nil {
		t.Errorf("not booked after the talk: %v", h.keys())
	}
}

// A talk after the last of three late cancellations counts, also before the time at which that session would have begun.
func TestATalkBeforeTheCancelledHourCounts(t *testing.T) {
	shows(t, "rebooked-twice-then-talk")
	t.Parallel()
	h := walk(t, 0)
	for range 3 {
		a := *h.p.booked(Dosing)
		h.until(a.Start.Add(-20 * time.Hour))
		h.must("cancel-session", "by", "c-desk", "session", a.Name, "wish_of", "client")
	}
	h.now = h.now.Add(time.Hour)
	if h.must("task-done", "by", "t-lane", "task", "talk/dosing", "outcome", "reached"); h.task("talk/dosing") != nil || h.p.booked(Dosing) == nil {
		t.Errorf("owed %v", h.keys())
	}
}

// What was said before a decision does not count for it, and the answer says so.
func TestAConversationBeforeTheDecisionIsSaidNotToCount(t *testing.T) {
	shows(t, "ending-conversation", "ending-referral")
	t.Parallel()
	h := walk(t, 1)
	h.now = h.now.Add(3 * time.Hour)
	before := rfc(h.now.Add(-time.Hour))
	stop(h)
	h.now = h.now.Add(time.Minute)
	r := h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", "reached", "at", before)
	q := h.must("referral", "by", "t-lane", "to", "a clinic", "purpose", "psychotherapy", "at", before)
	for _, says := range []string{r.What, q.What} {
		if !strings.Contains(says, "still asked for") {
			t.Error(says)
		}
	}
	if h.task("conversation") == nil || h.task("referral") == nil {
		t.Errorf("owed %v", h.keys())
	}
}

// A slip of the pen parks nobody for years.
func TestADeferralIsLookedAtWithinAYear(t *testing.T) {
	shows(t, "defer-asked-on-date")
	t.Parallel()
	h := newHouse(t)
	for _, day := range []string{"2062-03-01", "2027-01-07"} {
		if s := h.refused(BadValue, "psychological-evaluation", with(reviewed, "by", "t-lane", "decision", "defer", "trauma_history_reviewed", true, "substance_use_history_reviewed", true,
			"attachment_history_reviewed", true, "what_must_change", "sleep", "review_on", day)[8:]...); !strings.Contains(s, "within 365 days") {
			t.Error(s)
		}
	}
	h.evaluate("defer", "what_must_change", "sleep", "review_on", "2027-01-05")
}

// An id names one message: another under it is refused, not swallowed.
func TestAnIDNamesOneMessage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	plan := []any{"by", "t-lane", "id", "m1", "decision", "on-file", "between_sessions_plan", true, "emergency_contact_on_file", true}
	h.must("safety-plan", plan...)
	if r := h.must("safety-plan", plan...); r.Result != AlreadySo {
		t.Errorf("the same again is %+v", r)
	}
	if s := h.refused(BadValue, "hold", "by", "t-lane", "id", "m1", "cause", "crisis", "reason", "seen"); !strings.Contains(s, `id: found "m1", under which another message was taken before`) {
		t.Error(s)
	}
	h.must("hold", "by", "t-lane", "id", "m3", "cause", "concern", "reason", "talked")
	if s := h.refused(BadValue, "hold", "by", "t-lane", "id", "m1", "cause", "concern", "reason", "talked"); !strings.Contains(s, "under which another message") {
		t.Errorf("what was said under another id: %s", s)
	}
	h.must("hold", "by", "t-lane", "id", "m2", "cause", "crisis", "reason", "seen")
}

// Nobody is called in the night to tell a client what the client has just said.
func TestNobodyIsCalledUrgentlyAboutWhatTheClientKnows(t *testing.T) {
	shows(t, "cancelled-mail-and-call")
	t.Parallel()
	urgent := func(h *house) bool {
		return slices.ContainsFunc(h.p.Calls, func(c Call) bool { return c.Urgent })
	}
	h := walk(t, 0)
	a := *h.p.booked(Dosing)
	h.until(a.Start.Add(-20 * time.Hour))
	if h.must("cancel-session", "by", "c-desk", "session", a.Name, "wish_of", "client"); urgent(h) {
		t.Errorf("after the client's own cancellation: %+v", h.p.Calls)
	}
	h = walk(t, 0)
	h.until(h.p.booked(Dosing).Start.Add(-20 * time.Hour))
	if withdraw(h); urgent(h) {
		t.Errorf("after the client's withdrawal: %+v", h.p.Calls)
	}
	h = walk(t, 0)
	h.until(h.p.booked(Dosing).Start.Add(-20 * time.Hour))
	if h.must("hold", "by", "t-lane", "cause", "crisis", "reason", "seen"); !urgent(h) {
		t.Error("a session found blocked is told to the client by nobody")
	}
}

// A form binds nobody before it reached them.
func TestAFormLearnedLateMakesNoDeviation(t *testing.T) {
	shows(t, "consent-outdated", "judged-by-own-time")
	t.Parallel()
	h := walk(t, 1)
	h.issues(ConsentDocument{Version: "2026-2", SHA256: strings.Repeat("2", 64), InForce: "2026-01-06"})
	if d := h.p.deviations(*h.p.appointment("dosing-1")); len(d) > 0 || h.inForce(Deviation) != nil {
		t.Errorf("deviations %v", d)
	}
	if !h.blocked("consent", h.p.booked(Dosing).Start) {
		t.Error("the new form asks nobody")
	}
}

// A dosing session that nobody had booked is a fact, and a deviation.
func TestADosingSessionThatWasNeverBookedIsRecorded(t *testing.T) {
	shows(t, "record-never-refused", "deviation-holds")
	t.Parallel()
	h := newHouse(t)
	h.screen()
	h.now = h.now.Add(5 * time.Hour)
	if s := h.refused(MissingField, "session-held", dosingDay("dosing-1")...); !strings.Contains(s, "it was never booked") {
		t.Error(s)
	}
	h.refused(BadValue, "session-held", dosingDay("dosing-2", "start", rfc(h.now.Add(-4*time.Hour)))...)
	r := h.must("session-held", dosingDay("dosing-1", "start", rfc(h.now.Add(-4*time.Hour)))...)
	if h.p.dosed() != 1 || h.inForce(Deviation) == nil || !strings.Contains(r.What, "it was not booked for that day") || strings.Contains(r.What, "it had been cancelled") {
		t.Errorf("%d given, %s", h.p.dosed(), r.What)
	}
	if h.task("record/dosing-1") != nil || h.p.booked(Integration) == nil {
		t.Errorf("its integration is not booked: %v", h.keys())
	}
	h.now = h.now.Add(time.Minute)
	h.must("correct", "by", "t-lane", "entry", h.p.appointment("dosing-1").Record.ID, "why", "another client", "void", true)
	if h.p.dosed() != 0 || h.p.booked(Dosing) != nil {
		t.Errorf("%d given after it was voided", h.p.dosed())
	}
}

// The baseline is frozen with the first dosing session: a measure from before it that is heard of afterwards moves nothing.
func TestAMeasureFromBeforeMovesNoBaseline(t *testing.T) {
	shows(t, "measure-baseline")
	t.Parallel()
	h := walk(t, 1)
	was := *h.p.baseline(PHQ9)
	before := h.p.appointment("dosing-1").Start.Add(-time.Minute)
	h.must("measure", "by", "t-lane", "scale", "phq-9", "total", 2, "item_9", 0, "at", rfc(before))
	if now := h.p.baseline(PHQ9); now.Total != was.Total || !now.At.Equal(was.At) {
		t.Errorf("the baseline was %+v and is %+v", was, *now)
	}
}

// Once both clinicians have spoken it counts, and is not taken back.
func TestWhatBothHaveAgreedIsNotTakenBack(t *testing.T) {
	shows(t, "take-back")
	t.Parallel()
	h := six(t)
	say := func(by, decision string) (Reply, error) {
		h.now = h.now.Add(time.Minute)
		return h.say("review", "by", by, "decision", decision, "reason", "talked over")
	}
	for _, decision := range []string{"complete", "take-back", "complete"} {
		if _, err := say("t-lane", decision); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := say("p-singh", "complete"); err != nil {
		t.Fatal(err)
	}
	if _, err := say("t-lane", "take-back"); AsRefusal(err) == nil {
		t.Error("taken back after both had agreed")
	}
}

// A clearance given before anybody had heard of an event is no answer to it.
func TestAClearanceBeforeTheNewsIsNoAnswer(t *testing.T) {
	shows(t, "clearance-void", "adverse-events")
	t.Parallel()
	h := walk(t, 1)
	h.now = h.now.Add(2 * time.Hour)
	happened := rfc(h.now.Add(-90 * time.Minute))
	h.must("prescriber-clearance", with(reviewed, "by", "p-singh", "decision", "cleared", "at", rfc(h.now.Add(-time.Hour)))...)
	h.now = h.now.Add(time.Minute)
	h.must("adverse-event", "by", "t-lane", "kind", "misuse", "severity", "moderate", "at", happened)
	if !h.blocked("clearance-void", h.p.nextDosing(h.now)) {
		t.Error("the clearance stands although the prescriber had not heard of it")
	}
}

// A hold that was in force when a session was given makes it a deviation, also where it is released before the record is made.
func TestAHoldOfThatTimeCountsForItsSession(t *testing.T) {
	shows(t, "judged-by-own-time")
	t.Parallel()
	h := walk(t, 0)
	a := *h.p.booked(Dosing)
	h.until(a.Start.Add(-time.Minute))
	h.must("hold", "by", "t-lane", "cause", "concern", "reason", "a question")
	h.now = a.End.Add(time.Minute)
	h.must("release", "by", "t-lane", "hold", "hold-1", "reason", "answered")
	h.must("session-held", dosingDay(a.Name, "start", rfc(a.Start), "end", rfc(a.End))...)
	if h.inForce(Deviation) == nil {
		t.Errorf("given while it was held, and nothing says so: %+v", h.p.Holds)
	}
}

// Nobody lapses while KAP is deferred, however long they have been called for what they owe.
func TestNobodyLapsesBeforeAReviewDate(t *testing.T) {
	shows(t, "lapse-not-before-review")
	t.Parallel()
	h := newHouse(t)
	h.clear()
	h.evaluate("suitable")
	h.plan("on-file")
	for range 2 {
		for h.task("call/ask/consent") == nil {
			h.until(h.now.AddDate(0, 0, 1))
		}
		h.now = h.now.Add(time.Hour)
		h.must("task-done", "by", "c-desk", "task", "call/ask/consent", "outcome", "tried")
	}
	h.until(at("2026-03-20 12:00")) // 74 days after the enrolment
	if h.task("lapse") == nil {
		t.Fatalf("it could not lapse anyway: %v", h.keys())
	}
	h.evaluate("defer", "what_must_change", "sleep", "review_on", "2026-06-01")
	if h.now = h.now.Add(time.Hour); h.task("lapse") != nil {
		t.Error("lapsing is proposed before the review date")
	}
	h.refused(NotNow, "stop", "by", "t-lane", "as", "lapsed", "reason", "not heard of")
}

// An ending that begins while the record of a dosing session is outstanding keeps its integration until somebody says whether it was given.
func TestAnEndingKeepsTheIntegrationOfASessionThatIsNotRecorded(t *testing.T) {
	shows(t, "last-integration-kept")
	t.Parallel()
	for _, given := range []bool{true, false} {
		h := walk(t, 1)
		a, i := *h.p.booked(Dosing), *h.p.booked(Integration)
		h.until(a.End.Add(time.Minute))
		stop(h)
		h.finish("conversation")
		if got := h.p.appointment(i.Name).State; got != Booked {
			t.Fatalf("its integration is %s before anybody has said whether the session was given", got)
		}
		state := SessionState(Booked)
		if given {
			h.must("session-held", dosingDay(a.Name)...)
		} else {
			h.must("session-held", "by", "t-lane", "session", a.Name, "outcome", "no-show")
			state = Cancelled
		}
		if got := h.p.appointment(i.Name).State; got != state {
			t.Errorf("given %v: its integration is %s", given, got)
		}
	}
}
