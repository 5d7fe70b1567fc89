package pathway

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// What blocks a dosing session, each rule asked for the session's start and not for now: two starts are asked at one moment, of
// which one is blocked and the other is not.
func TestWhatBlocksADosingSession(t *testing.T) {
	shows(t, "blocker-for-its-start", "blocker-phase", "blocker-eligibility-finding", "blocker-clearance", "clearance-covers-60-days",
		"clearance-covers-two-sessions", "checkpoint-every-two", "clearance-void", "blocker-consent", "consent-outdated", "blocker-evaluation",
		"blocker-plan", "plan-90-days", "blocker-preparation", "blocker-integration", "integration-next", "integration-client-agrees", "dosing-seven-days-apart",
		"dosing-at-most-six", "blocker-measure", "measure-seven-days", "item-9-is-1", "review-blocks", "hold-blocks")
	t.Parallel()
	minute := time.Minute
	second := func(h *house) time.Time { return h.p.booked(Dosing).Start }
	for _, row := range []struct {
		is    string
		given int // dosing sessions
		do    func(*house)
		code  string
		says  string
		start func(*house) time.Time // blocked
		apart time.Duration          // and not blocked so much from it
	}{
		{"the pathway ends", 1, func(h *house) { h.must("withdraw", "by", "c-desk") }, "phase", "the pathway is ending", func(h *house) time.Time { return h.now }, -minute},
		{"not cleared", 1, func(h *house) {
			h.must("prescriber-clearance", "by", "p-singh", "decision", "not-cleared", "reason", "the heart")
		}, "prescriber-clearance", "has not cleared the client", func(h *house) time.Time { return h.now }, -minute},
		{"revoked", 1, func(h *house) {
			h.must("prescriber-clearance", "by", "p-singh", "decision", "revoked", "reason", "the heart")
		}, "prescriber-clearance", "revoked the clearance", func(h *house) time.Time { return h.now }, -minute},
		{"more information needed", 1, func(h *house) {
			h.must("prescriber-clearance", "by", "p-singh", "decision", "more-information", "needed", "an ECG")
		}, "prescriber-clearance", "needs more information", func(h *house) time.Time { return h.now }, -minute},
		{"60 days after the clearance", 1, nil, "clearance-days", "covers 60 days", func(*house) time.Time { return at("2026-03-06 09:00") }, -minute},
		{"two sessions after the clearance", 1, func(h *house) { h.hold(Dosing) }, "clearance-sessions", "2 dosing sessions were given since the clearance",
			func(h *house) time.Time { return h.p.lastDosed().Start.Add(minute) }, -minute},
		{"two sessions given, the prescriber cleared in between", 1, func(h *house) { h.clear(); h.hold(Dosing) }, "checkpoint", "the prescriber must clear again after dosing-2",
			func(h *house) time.Time { return h.p.lastDosed().Start.Add(minute) }, -minute},
		{"an adverse event", 1, func(h *house) { h.must("adverse-event", "by", "t-lane", "kind", "pregnancy", "severity", "moderate") }, "clearance-void", "voids the clearance",
			func(h *house) time.Time { return h.now }, -minute},
		{"consent withdrawn", 1, func(h *house) { h.must("consent", "by", "t-lane", "decision", "withdrawn") }, "consent", "withdrawn consent", func(h *house) time.Time { return h.now }, -minute},
		{"consent to an older form", 1, func(h *house) {
			h.issues(ConsentDocument{Version: "2026-2", SHA256: strings.Repeat("2", 64), InForce: "2026-02-16"})
		}, "consent", "consent was given to form 2026-1; the form in force is 2026-2", func(*house) time.Time { return at("2026-02-16 00:00") }, -minute},
		{"deferred", 1, func(h *house) { h.evaluate("defer", "what_must_change", "sleep", "review_on", "2026-03-02") }, "psychological-evaluation", "deferred KAP until 2026-03-02",
			func(h *house) time.Time { return h.now }, -minute},
		{"90 days after the safety plan", 1, nil, "safety-plan", "more than 90 days old", func(*house) time.Time { return at("2026-04-05 09:01") }, -minute},
		{"preparation not over by then", 0, nil, "preparation", "preparation is not complete", func(h *house) time.Time { return h.p.appointment("preparation-2").End.Add(-minute) }, minute},
		{"no integration yet", 0, func(h *house) { h.hold(Dosing) }, "integration", "the integration after dosing-1 has not been held",
			func(h *house) time.Time { return h.p.lastDosed().Start.Add(minute) }, -minute},
		{"integration not over by then", 1, nil, "integration", "the integration after dosing-1 has not been held", func(h *house) time.Time { return h.p.appointment("integration-1").End.Add(-minute) }, minute},
		{"less than 7 days", 1, nil, "spacing", "less than 7 days after dosing-1", func(h *house) time.Time { return h.p.lastDosed().Start.AddDate(0, 0, 7).Add(-minute) }, minute},
		{"six given", 5, func(h *house) { h.hold(Dosing) }, "maximum", "6 dosing sessions were given", func(h *house) time.Time { return h.p.lastDosed().Start.Add(minute) }, -minute},
		{"no measure within 7 days", 0, func(h *house) { h.measure(PHQ9, 18) }, "measure", "from the 7 days before it is missing",
			func(h *house) time.Time { return h.now.AddDate(0, 0, 7).Add(minute) }, -minute},
		{"item 9 is 1", 0, func(h *house) { h.measure(PHQ9, 18, 1) }, "risk-assessment", "a risk assessment is outstanding", func(h *house) time.Time { return h.now }, -minute},
		{"the review says stop", 1, func(h *house) { h.must("review", "by", "p-singh", "decision", "stop", "reason", "no use") }, "review", "a review says stop",
			func(h *house) time.Time { return h.now }, -minute},
		{"a crisis", 1, func(h *house) { h.must("hold", "by", "t-lane", "cause", "crisis", "reason", "seen") }, "hold-1", "hold-1 holds the pathway", func(h *house) time.Time { return h.now }, -minute},
		{"a concern", 1, func(h *house) { h.must("hold", "by", "p-singh", "cause", "concern", "reason", "a question") }, "hold-1", "hold-1 holds the pathway", func(h *house) time.Time { return h.now }, -minute},
		{"item 9 is 2", 1, func(h *house) { h.measure(PHQ9, 15, 2) }, "hold-1", "hold-1 holds the pathway", func(h *house) time.Time { return h.now }, -minute},
		{"worse", 1, func(h *house) { h.measure(PHQ9, 25) }, "hold-1", "hold-1 holds the pathway", func(h *house) time.Time { return h.now }, -minute},
		{"an adverse event's hold", 1, func(h *house) {
			h.must("adverse-event", "by", "t-lane", "kind", "misuse", "severity", "moderate")
		}, "hold-1", "hold-1 holds the pathway", func(h *house) time.Time { return h.now }, -minute},
		{"a deviation", 0, func(h *house) { h.hold(Dosing, "route", "oral", "urinary_symptoms_asked", false) }, "hold-1", "hold-1 holds the pathway", func(h *house) time.Time { return h.now.Add(minute) }, -10 * minute},
	} {
		t.Run(row.is, func(t *testing.T) {
			t.Parallel()
			h := walk(t, row.given)
			h.now = h.now.Truncate(time.Second)
			if row.do != nil {
				row.do(h)
			}
			start := row.start(h)
			var said string
			for _, b := range h.p.blockers(start) {
				if b.Code == row.code {
					said = b.Sentence
				}
			}
			has(t, said, row.says)
			if h.blocked(row.code, start.Add(row.apart)) {
				t.Errorf("%s later it is blocked too: %v", row.apart, h.p.blockers(start.Add(row.apart)))
			}
		})
	}
	// No decision yet at all: whatever the start.
	h := newHouse(t)
	for _, code := range []string{"prescriber-clearance", "psychological-evaluation", "consent", "safety-plan", "preparation", "measure"} {
		if !h.blocked(code, h.now.AddDate(0, 0, 30)) {
			t.Errorf("on the day of enrolment %s does not block: %v", code, h.codes(h.now))
		}
	}
	for what, change := range map[string]func(*Enrolment){
		"eligibility": func(e *Enrolment) { e.Adult = false }, "finding": func(e *Enrolment) { e.Findings = []Finding{SubstanceUse} },
	} {
		if h := newHouse(t, change); !h.blocked(what, h.now.AddDate(0, 0, 30)) {
			t.Errorf("%s does not block: %v", what, h.codes(h.now))
		}
	}
	// And nothing blocks where all is as it should be.
	h = walk(t, 1)
	h.measure(PHQ9, 17)
	h.until(second(h).Add(-24 * time.Hour))
	if all := h.p.blockers(second(h)); len(all) > 0 {
		t.Errorf("blocked by %v", all)
	}
}

// Staff read the blockers word for word: in the details, and in the refusal of a booking and of a move.
func TestStaffReadWhatBlocksWordForWord(t *testing.T) {
	shows(t, "blockers-word-for-word", "checked-when-booking", "dosing-in-person")
	t.Parallel()
	h := walk(t, 1)
	booked := *h.p.booked(Dosing)
	h.must("hold", "by", "p-singh", "cause", "concern", "reason", "a question")
	status := h.p.Status(h.now).Blocked
	if !slices.ContainsFunc(status, func(b Blocker) bool { return b.String() == "hold-1 holds the pathway: concern, a question" }) {
		t.Errorf("the details say %v", status)
	}
	for _, row := range []struct {
		is, start string
		says      string
	}{
		{"held", rfc(booked.Start.AddDate(0, 0, 1)), "hold-1 holds the pathway"},
		{"too soon as well", rfc(h.p.lastDosed().Start.AddDate(0, 0, 7).Add(-time.Hour)), "less than 7 days after dosing-1"},
	} {
		has(t, h.refused(Blocked, "move-session", "by", "c-desk", "session", booked.Name, "start", row.start), row.says)
	}
	h.must("cancel-session", "by", "c-desk", "session", booked.Name, "wish_of", "practice")
	for _, b := range h.p.Status(h.now).Blocked {
		if b.Code != "measure" {
			has(t, h.refused(Blocked, "book-session", "by", "c-desk", "kind", "dosing"), b.Sentence)
		}
	}
	h.must("release", "by", "p-singh", "hold", "hold-1", "reason", "answered")
	if h.p.booked(Dosing) == nil {
		t.Fatal("not booked once nothing blocks")
	}

	h = walk(t, 1)
	h.must("cancel-session", "by", "c-desk", "session", h.p.booked(Dosing).Name, "wish_of", "practice")
	h.must("cancel-session", "by", "c-desk", "session", h.p.booked(Dosing).Name, "wish_of", "practice")
	other := newHouse(t)
	has(t, other.refused(Blocked, "book-session", "by", "c-desk", "kind", "dosing", "start", "2026-02-02 10:00", "location", "online"), "in person")
}

// One to six, never sooner than 7 days, aimed at 14, three hours; integration of an hour, 24 to 72 hours after the end, booked together.
func TestTheRhythmOfDosingAndIntegration(t *testing.T) {
	shows(t, "dosing-three-hours", "dosing-aim-14", "integration-window", "integration-booked-together", "dosing-seven-days-apart", "dosing-at-most-six")
	t.Parallel()
	h := walk(t, 5)
	h.hold(Dosing)
	var dosing, integration []Appointment
	for _, a := range h.p.Appointments {
		switch a.Kind {
		case Dosing:
			dosing = append(dosing, a)
		case Integration:
			integration = append(integration, a)
		}
	}
	if len(dosing) != 6 || len(integration) != 6 {
		t.Fatalf("%d dosing sessions, %d integrations", len(dosing), len(integration))
	}
	for i, d := range dosing {
		if d.End.Sub(d.Start) != 3*time.Hour {
			t.Errorf("%s lasts %s", d.Name, d.End.Sub(d.Start))
		}
		if gap := integration[i].Start.Sub(d.End); gap < 24*time.Hour || gap > 72*time.Hour {
			t.Errorf("%s begins %s after the end of %s", integration[i].Name, gap, d.Name)
		}
		if !integration[i].Since.Equal(d.Since) || integration[i].End.Sub(integration[i].Start) != time.Hour {
			t.Errorf("%s was booked at %s, %s at %s", integration[i].Name, integration[i].Since, d.Name, d.Since)
		}
		if i > 0 && i != 2 && i != 4 { // where nothing but the calendar decided; a clearance was asked for before the third and the fifth
			from := onDay(dosing[i-1].Start.In(newYork()).AddDate(0, 0, 14), 0)
			if d.Start.Before(from) || d.Start.After(from.AddDate(0, 0, 3)) {
				t.Errorf("%s is on %s, expected 14 days after %s", d.Name, h.p.clockTime(d.Start), h.p.clockTime(dosing[i-1].Start))
			}
		}
	}
}

func TestAnIntegrationStaysWithinItsHours(t *testing.T) {
	shows(t, "integration-window")
	t.Parallel()
	h := walk(t, 0)
	d, i := *h.p.booked(Dosing), *h.p.booked(Integration)
	for _, row := range []struct {
		after time.Duration // the end of the dosing session
		taken bool
	}{
		{24*time.Hour - time.Minute, no},
		{24 * time.Hour, yes},
		{72 * time.Hour, yes},
		{72*time.Hour + time.Minute, no},
	} {
		f := h.fork(t)
		f.cal.Hours = nil
		for day := time.Sunday; day <= time.Saturday; day++ {
			f.cal.Hours = append(f.cal.Hours, Weekly{Day: day, Until: 23 * time.Hour})
		}
		start := d.End.Add(row.after)
		if !row.taken {
			has(t, f.refused(Blocked, "move-session", "by", "c-desk", "session", i.Name, "start", rfc(start)), "24 to 72 hours after its end")
			continue
		}
		if start.Equal(i.Start) { // it stands there: away first
			f.must("move-session", "by", "c-desk", "session", i.Name, "start", rfc(start.Add(time.Hour)))
		}
		f.must("move-session", "by", "c-desk", "session", i.Name, "start", rfc(start))
		if got := f.p.appointment(i.Name).Start; !got.Equal(start) {
			t.Errorf("%s after the end: it is on %s", row.after, got)
		}
	}
}

// Spacing at its boundary, through the calendar: exactly seven days is enough, half an hour less is not.
func TestSevenDaysIsEnough(t *testing.T) {
	shows(t, "dosing-seven-days-apart")
	t.Parallel()
	h := walk(t, 1)
	a, last := *h.p.booked(Dosing), h.p.lastDosed().Start
	has(t, h.refused(Blocked, "move-session", "by", "c-desk", "session", a.Name, "start", rfc(last.AddDate(0, 0, 7).Add(-30*time.Minute))), "less than 7 days")
	h.must("move-session", "by", "c-desk", "session", a.Name, "start", rfc(last.AddDate(0, 0, 7)))
	if got := h.p.appointment(a.Name).Start; !got.Equal(last.AddDate(0, 0, 7)) {
		t.Errorf("it is on %s", h.p.clockTime(got))
	}
}

// Each integration says what is next, with the client's agreement; without both nothing more is booked.
func TestWhatAnIntegrationDecides(t *testing.T) {
	shows(t, "integration-next", "integration-client-agrees")
	t.Parallel()
	h := walk(t, 0)
	h.hold(Dosing)
	a := h.bringsUp(Integration)
	for _, row := range []struct {
		next, agrees any
		code         RefusalCode
		says         string
		booked       bool
		ending       Outcome
	}{
		{nil, true, MissingField, "next", no, ""},
		{"another", nil, MissingField, "client_agrees", no, ""},
		{"perhaps", true, BadValue, "next", no, ""},
		{"another", true, "", "", yes, ""},
		{"another", false, "", "", no, ""},
		{"close", true, "", "", no, Completed},
		{"close", false, "", "", no, ""},
	} {
		f := h.fork(t)
		fields := with([]any{"by", "t-lane", "session", a.Name, "outcome", "held"}, "next", row.next, "client_agrees", row.agrees)
		if row.code != "" {
			has(t, f.refused(row.code, "session-held", fields...), row.says)
			continue
		}
		f.must("session-held", fields...)
		if got := f.p.booked(Dosing) != nil; got != row.booked || f.p.ending() != row.ending {
			t.Errorf("next %v, agreed %v: booked %v, ending %q", row.next, row.agrees, got, f.p.ending())
		}
		if disagreed := row.agrees == false; (f.task("agree/"+a.Name) != nil) != disagreed {
			t.Errorf("next %v, agreed %v: owed %v", row.next, row.agrees, f.keys())
		}
	}
}

// A missed integration is a welfare concern: the client is called the same day, and it is booked again.
func TestAMissedIntegrationIsAWelfareConcern(t *testing.T) {
	shows(t, "integration-missed")
	t.Parallel()
	for _, outcome := range []string{"no-show", "cancelled-late"} {
		h := walk(t, 0)
		h.hold(Dosing)
		a := h.bringsUp(Integration)
		h.must("session-held", "by", "c-desk", "session", a.Name, "outcome", outcome)
		call := h.task("welfare/" + a.Name)
		if call == nil || !call.Urgent || !slices.Equal(call.Who, []Role{Coordinator, Therapist}) {
			t.Fatalf("%s: owed %v", outcome, h.keys())
		}
		if today := h.now.In(newYork()).Format(time.DateOnly); call.Due.Add(-time.Minute).In(newYork()).Format(time.DateOnly) != today {
			t.Errorf("%s: the call is due on %s, expected %s", outcome, h.p.clockTime(call.Due), today)
		}
		again := h.p.booked(Integration)
		if again == nil || again.Name != a.Name+".1" {
			t.Fatalf("%s: not booked again: %v", outcome, h.keys())
		}
		if got := again.Start.Sub(h.p.lastDosed().End); got > 72*time.Hour+6*time.Hour {
			t.Errorf("%s: it is booked again for %s after the dosing session", outcome, got)
		}
		h.must("task-done", "by", "c-desk", "task", call.Key, "outcome", "tried")
		if h.task(call.Key) == nil {
			t.Errorf("%s: the call is over before the client was reached", outcome)
		}
		h.must("task-done", "by", "c-desk", "task", call.Key, "outcome", "reached")
		if h.task(call.Key) != nil {
			t.Errorf("%s: the call stays open", outcome)
		}
	}
	// A missed preparation is none.
	h := newHouse(t)
	h.screen()
	a := h.bringsUp(Preparation)
	h.must("session-held", "by", "c-desk", "session", a.Name, "outcome", "no-show")
	if h.task("welfare/"+a.Name) != nil {
		t.Error("a missed preparation session counts as a welfare concern")
	}
}

// Found blocked at the check: 48 hours to the minute, whatever blocks, whatever the hour; the client is mailed at once and called.
func TestTheCheck48HoursBefore(t *testing.T) {
	shows(t, "check-48-hours", "checked-on-change", "checked-on-the-day", "cancelled-mail-and-call", "mail-at-once")
	t.Parallel()
	for _, row := range []struct {
		before    time.Duration // the session's start, something changes
		cancelled bool          // at once
	}{
		{60 * time.Hour, no},
		{48*time.Hour + time.Minute, no},
		{48 * time.Hour, yes},
		{30*time.Hour + 30*time.Minute, yes}, // at three in the night
		{time.Minute, yes},
	} {
		h := walk(t, 0)
		a := *h.p.booked(Dosing)
		h.until(a.Start.Add(-row.before))
		h.must("hold", "by", "p-singh", "cause", "concern", "reason", "a question")
		if got := h.p.appointment(a.Name).State == Cancelled; got != row.cancelled {
			t.Errorf("%s before it, the session is %s", row.before, h.p.appointment(a.Name).State)
		}
		if !row.cancelled { // but it is, at the check
			h.until(a.Start.Add(-48*time.Hour - time.Minute))
			if h.p.appointment(a.Name).State != Booked {
				t.Errorf("cancelled before the check")
			}
			h.until(a.Start.Add(-48 * time.Hour))
		}
		key := fmt.Sprintf("cancelled/%s/r1", a.Name)
		if h.p.appointment(a.Name).State != Cancelled || h.p.booked(Integration) != nil || !h.mailed(key) {
			t.Errorf("%s before it: it is %s, its integration is booked: %v, the client was mailed at once: %v", row.before, h.p.appointment(a.Name).State, h.p.booked(Integration) != nil, h.mailed(key))
		}
		call := h.task("call/" + key)
		if call == nil || !call.Urgent || call.By != Coordinator {
			t.Fatalf("%s before it: owed %v", row.before, h.keys())
		}
		h.until(a.End.AddDate(0, 0, 3)) // it stays until the client is reached
		if h.task(call.Key) == nil {
			t.Errorf("%s before it: the call is over although nobody was reached", row.before)
		}
		h.must("task-done", "by", "c-desk", "task", call.Key, "outcome", "reached")
		if h.task(call.Key) != nil {
			t.Error("the call stays open although the client was reached")
		}
	}
	// What keeps a session at the check and what runs out by its start are two things.
	h := walk(t, 0)
	a := *h.p.booked(Dosing)
	h.issues(ConsentDocument{Version: "2026-2", SHA256: strings.Repeat("2", 64), InForce: Day(a.Start.In(newYork()).Format(time.DateOnly))})
	h.until(a.Start.Add(-47 * time.Hour))
	if h.p.appointment(a.Name).State != Cancelled {
		t.Error("it stays although the consent is outdated on its day")
	}
	// Released by then, it stays.
	h = walk(t, 0)
	a = *h.p.booked(Dosing)
	h.must("hold", "by", "p-singh", "cause", "concern", "reason", "a question")
	h.until(a.Start.Add(-49 * time.Hour))
	h.must("release", "by", "p-singh", "hold", "hold-1", "reason", "answered")
	h.until(a.Start)
	if h.p.appointment(a.Name).State != Booked {
		t.Error("cancelled although the hold was released before the check")
	}
}

// What the record of a dosing session says, field by field: none may be missing, each can be bad news, and what was done against the
// rules is a deviation that holds the pathway for both clinicians.
func TestTheRecordOfADosingSession(t *testing.T) {
	shows(t, "record-fields", "record-never-refused", "deviation-holds", "dosing-in-person", "dosing-own-therapist", "joint-still-willing", "record-outcome")
	t.Parallel()
	base := walk(t, 0)
	a := base.bringsUp(Dosing)
	type news struct {
		value any
		says  string // of the deviation; "": none
		event EventKind
	}
	for _, row := range []struct {
		field string
		news  []news
		wrong []any // no such value
	}{
		{"in_person", []news{{true, "", ""}, {false, "not held in person", ""}}, []any{"yes"}},
		{"therapist_present_throughout", []news{{true, "", ""}, {false, "therapist was not present throughout", ""}}, []any{"yes"}},
		{"client_still_willing", []news{{true, "", ""}, {false, "no longer willing", ""}}, []any{"yes"}},
		{"prescription_reference", []news{{"rx-77", "", ""}, {"none", "no prescription", ""}}, []any{7}},
		{"dose_as_given", []news{{"half of what was prescribed", "", ""}}, []any{5}},
		{"route", []news{{"sublingual", "", ""}, {"other", "", ""}}, []any{"by mouth"}},
		{"blood_pressure_before", []news{{"122/78", "", ""}, {"not-taken", "not taken before it", ""}, {"141/90", "over 140/90", ""}}, []any{"high", "80/120", "1220/78", "122"}},
		{"blood_pressure_at_40_minutes", []news{{"134/84", "", ""}, {"not-taken", "not taken about 40 minutes", ""}, {"150/95", "", ""}}, []any{"high"}},
		{"blood_pressure_leaving", []news{{"126/80", "", ""}, {"not-taken", "not taken before leaving", ""}, {"141/80", "", "blood-pressure-not-settling"}}, []any{"high"}},
		{"pregnancy_asked", []news{{true, "", ""}, {false, "pregnancy was not asked", ""}}, []any{"yes"}},
		{"medication_change_asked", []news{{true, "", ""}, {false, "change of medication was not asked", ""}}, []any{"yes"}},
		{"urinary_symptoms_asked", []news{{true, "", ""}, {false, "urinary symptoms were not asked", ""}}, []any{"yes"}},
		{"oriented_and_steady", []news{{true, "", ""}, {false, "", "left-unsteady-or-alone"}}, []any{"yes"}},
		{"named_adult_driving", []news{{true, "", ""}, {false, "", "left-unsteady-or-alone"}}, []any{"yes"}},
		{"no_driving_until_next_day_explained", []news{{true, "", ""}, {false, "not driving until the next day was not explained", ""}}, []any{"yes"}},
	} {
		for _, outcome := range []string{"held", "cut-short"} {
			f := base.fork(t)
			has(t, f.refused(MissingField, "session-held", dosingDay(a.Name, "outcome", outcome, "reason", "unwell", row.field, nil)...), `"`+row.field+`" is missing`)
		}
		for _, wrong := range row.wrong {
			f := base.fork(t)
			has(t, f.refused(BadValue, "session-held", dosingDay(a.Name, row.field, wrong)...), row.field)
		}
		for _, n := range row.news {
			f := base.fork(t)
			f.must("session-held", dosingDay(a.Name, row.field, n.value)...)
			hold := f.inForce(Deviation)
			switch {
			case (hold != nil) != (n.says != ""):
				t.Errorf("%s %v: holds %+v", row.field, n.value, f.p.Holds)
			case hold != nil:
				has(t, hold.Why, n.says)
				if !slices.Equal(hold.Open(), []Role{Therapist, Prescriber}) {
					t.Errorf("%s %v: released by %v", row.field, n.value, hold.Open())
				}
			}
			if got := f.inForce(AdverseCause); (got != nil) != (n.event != "") {
				t.Errorf("%s %v: holds %+v", row.field, n.value, f.p.Holds)
			}
			if n.event != "" && (len(f.p.Events) != 1 || f.p.Events[0].Kind != n.event || !f.blocked("clearance-void", f.now)) {
				t.Errorf("%s %v: events %+v, blocked by %v", row.field, n.value, f.p.Events, f.codes(f.now))
			}
			if f.p.dosed() != 1 {
				t.Errorf("%s %v: not counted as given", row.field, n.value)
			}
		}
	}
}

// The limit of the blood pressure: over it nothing is dosed until the prescriber answers.
func TestTheBloodPressureLimit(t *testing.T) {
	shows(t, "pressure-limit", "pressure-answered", "clearance-void")
	t.Parallel()
	for _, row := range []struct {
		reading  string
		answered time.Duration // after the start the prescriber clears again; 0: never
		over     bool          // a deviation, and the clearance is void
	}{
		{"139/89", 0, no},
		{"140/90", 0, no},
		{"140/89", 0, no},
		{"139/90", 0, no},
		{"141/90", 0, yes},
		{"140/91", 0, yes},
		{"180/110", 0, yes},
		{"141/90", 10 * time.Minute, no},
		{"140/91", 10 * time.Minute, no},
	} {
		h := walk(t, 0)
		a := *h.p.booked(Dosing)
		if row.answered > 0 {
			h.until(a.Start.Add(row.answered))
			h.clear()
		}
		h.until(a.End)
		h.must("session-held", dosingDay(a.Name, "blood_pressure_before", row.reading)...)
		if got := h.inForce(Deviation) != nil; got != row.over {
			t.Errorf("%s, answered %s: holds %+v", row.reading, row.answered, h.p.Holds)
		}
		if got := h.blocked("clearance-void", h.now.Add(time.Hour)); got != row.over {
			t.Errorf("%s, answered %s: blocked by %v", row.reading, row.answered, h.codes(h.now.Add(time.Hour)))
		}
	}
	// Not dosed because of it: no deviation, but the prescriber is asked before the next.
	h := walk(t, 0)
	a := h.bringsUp(Dosing)
	h.must("session-held", "by", "t-lane", "session", a.Name, "outcome", "attended-not-dosed", "reason", "blood pressure", "blood_pressure_before", "150/95")
	if h.inForce(Deviation) != nil || !h.blocked("clearance-void", h.now) || h.task("prescriber-clearance") == nil || h.p.booked(Dosing) != nil {
		t.Errorf("holds %+v, blocked by %v, owed %v", h.p.Holds, h.codes(h.now), h.keys())
	}
	h.clear()
	if h.p.booked(Dosing) == nil {
		t.Errorf("not booked once the prescriber answered: %v", h.codes(h.now))
	}
}

// What the questions of the day brought out is an adverse event each: the prescriber's hold, and the clearance is void.
func TestWhatIsFoundOnTheDay(t *testing.T) {
	shows(t, "adverse-events", "clearance-void", "left-unsteady-or-alone")
	t.Parallel()
	base := walk(t, 0)
	a := base.bringsUp(Dosing)
	for _, row := range []struct {
		more   []any
		events []EventKind
	}{
		{[]any{"found", []string{"pregnancy"}}, []EventKind{"pregnancy"}},
		{[]any{"found", []string{"urinary-symptoms"}}, []EventKind{"urinary-symptoms"}},
		{[]any{"found", []string{"medication-change"}}, []EventKind{"medication-change"}},
		{[]any{"found", []string{"medication-change", "urinary-symptoms"}}, []EventKind{"medication-change", "urinary-symptoms"}},
		{[]any{"oriented_and_steady", false, "named_adult_driving", false}, []EventKind{"left-unsteady-or-alone"}},
		{[]any{"blood_pressure_leaving", "140/90"}, nil},
		{[]any{"blood_pressure_leaving", "140/91"}, []EventKind{"blood-pressure-not-settling"}},
	} {
		h := base.fork(t)
		h.must("session-held", dosingDay(a.Name, row.more...)...)
		var got []EventKind
		for _, e := range h.p.Events {
			got = append(got, e.Kind)
		}
		slices.Sort(got)
		if !slices.Equal(got, row.events) {
			t.Errorf("%v: events %v, expected %v", row.more, got, row.events)
		}
		n := 0
		for _, x := range h.p.Holds {
			if x.Cause == AdverseCause && x.inForce() && slices.Equal(x.Needs, []Role{Prescriber}) {
				n++
			}
		}
		if n != len(row.events) || h.blocked("clearance-void", h.now) != (n > 0) {
			t.Errorf("%v: %d holds, blocked by %v", row.more, n, h.codes(h.now))
		}
	}
}

// The outcomes, and what each leaves.
func TestTheOutcomesOfADosingSession(t *testing.T) {
	shows(t, "record-outcome", "rebooked-by-system")
	t.Parallel()
	base := walk(t, 0)
	a := base.bringsUp(Dosing)
	short := []any{"by", "t-lane", "session", a.Name}
	for _, row := range []struct {
		outcome string
		fields  []any
		counts  bool // as a dosing session given
		again   bool // it is booked anew
		code    RefusalCode
	}{
		{"held", dosingDay(a.Name), yes, no, ""},
		{"cut-short", dosingDay(a.Name, "outcome", "cut-short", "reason", "unwell"), yes, no, ""},
		{"cut-short, no reason", dosingDay(a.Name, "outcome", "cut-short"), no, no, MissingField},
		{"attended-not-dosed", with(short, "outcome", "attended-not-dosed", "reason", "unwell"), no, yes, ""},
		{"attended-not-dosed, no reason", with(short, "outcome", "attended-not-dosed"), no, no, MissingField},
		{"no-show", with(short, "outcome", "no-show"), no, yes, ""},
		{"cancelled-late", with(short, "outcome", "cancelled-late"), no, yes, ""},
		{"forgotten", with(short, "outcome", "forgotten"), no, no, BadValue},
	} {
		h := base.fork(t)
		if row.code != "" {
			h.refused(row.code, "session-held", row.fields...)
			continue
		}
		h.must("session-held", row.fields...)
		if got := h.p.dosed() == 1; got != row.counts {
			t.Errorf("%s: counts as given: %v", row.outcome, got)
		}
		b := h.p.booked(Dosing)
		if got := b != nil && b.Name == "dosing-1.1"; got != row.again {
			t.Errorf("%s: booked again: %+v", row.outcome, b)
		}
		if i := h.p.booked(Integration); i == nil || row.again && i.Start.Before(b.End) {
			t.Errorf("%s: the integration is %+v", row.outcome, i)
		}
	}
}

// A session is judged by what was in force at its own time, however late it is recorded; and what is learned late of that time is a
// deviation when it is learned.
func TestASessionIsJudgedByItsOwnTime(t *testing.T) {
	shows(t, "judged-by-own-time", "deviation-learned-late")
	t.Parallel()
	for _, row := range []struct {
		is     string
		change func(h *house, when time.Time) // of what is in force, at a moment
		code   string
	}{
		{"consent withdrawn", func(h *house, when time.Time) {
			h.must("consent", "by", "t-lane", "decision", "withdrawn", "at", rfc(when))
		}, "consent"},
		{"revoked", func(h *house, when time.Time) {
			h.must("prescriber-clearance", "by", "p-singh", "decision", "revoked", "reason", "the heart", "at", rfc(when))
		}, "prescriber-clearance"},
		{"deferred", func(h *house, when time.Time) {
			h.evaluate("defer", "what_must_change", "sleep", "review_on", "2026-06-01", "at", rfc(when))
		}, "psychological-evaluation"},
		{"an adverse event", func(h *house, when time.Time) {
			h.must("adverse-event", "by", "t-lane", "kind", "misuse", "severity", "moderate", "at", rfc(when))
		}, "clearance-void"},
		{"item 9 was 1", func(h *house, when time.Time) {
			h.must("measure", "by", "t-lane", "scale", "phq-9", "total", 19, "item_9", 1, "at", rfc(when))
		}, "risk-assessment"},
	} {
		for _, when := range []struct {
			is      string
			from    time.Duration // the session's start
			against bool
		}{{"a minute before it", -time.Minute, yes}, {"a minute after its start", time.Minute, no}} {
			late := walk(t, 0)
			a := late.bringsUp(Dosing)
			start := a.Start
			row.change(late, start.Add(when.from)) // known before the record, which comes two days late
			late.until(late.now.AddDate(0, 0, 2))
			late.must("session-held", dosingDay(a.Name)...)
			deviates := func(h *house) bool {
				x := h.inForce(Deviation)
				return x != nil && slices.Contains(strings.Fields(x.What), row.code)
			}
			if deviates(late) != when.against {
				t.Errorf("%s %s, recorded late: holds %+v", row.is, when.is, late.p.Holds)
			}
			learned := walk(t, 0)
			b := learned.hold(Dosing)
			learned.until(learned.now.AddDate(0, 0, 1))
			if learned.inForce(Deviation) != nil {
				t.Fatalf("a deviation before anything was learned: %+v", learned.p.Holds)
			}
			row.change(learned, b.Start.Add(when.from))
			if deviates(learned) != when.against {
				t.Errorf("%s %s, learned late: holds %+v", row.is, when.is, learned.p.Holds)
			}
		}
	}
}

// No-shows and late cancellations are recorded; the system rebooks twice in a row, then the therapist talks with the client.
func TestAfterTwoRebookingsTheTherapistTalks(t *testing.T) {
	shows(t, "late-cancellation", "rebooked-by-system", "rebooked-twice-then-talk")
	t.Parallel()
	for _, row := range []struct {
		kind    Kind
		through []string // what happens to the session, in a row
		talk    bool
	}{
		{Dosing, []string{"no-show", "no-show"}, no},
		{Dosing, []string{"no-show", "no-show", "no-show"}, yes},
		{Dosing, []string{"late", "late", "late"}, yes},
		{Dosing, []string{"no-show", "late", "no-show"}, yes},
		{Dosing, []string{"early", "early", "early", "early"}, no}, // a cancellation in time is none
		{Preparation, []string{"no-show", "late", "no-show"}, yes},
		{Integration, []string{"no-show", "no-show", "no-show"}, yes},
		{Integration, []string{"no-show", "no-show"}, no},
	} {
		h := walk(t, 0)
		switch row.kind {
		case Preparation:
			h = newHouse(t)
			h.screen()
			h.hold(Preparation)
		case Integration:
			h.hold(Dosing)
		}
		for i, what := range row.through {
			a := h.p.booked(row.kind)
			if a == nil {
				t.Fatalf("%s %v: not booked again after %d: %v", row.kind, row.through, i, h.keys())
			}
			switch what {
			case "no-show":
				h.until(a.End.Add(time.Minute))
				h.must("session-held", "by", "t-lane", "session", a.Name, "outcome", "no-show")
			case "late":
				h.until(a.Start.Add(-24*time.Hour + time.Minute))
				h.must("cancel-session", "by", "c-desk", "session", a.Name, "wish_of", "client")
				if got := h.p.appointment(a.Name).State; got != CancelledLate {
					t.Errorf("cancelled %s before it, it is %s", 24*time.Hour-time.Minute, got)
				}
			case "early":
				h.until(a.Start.Add(-24 * time.Hour))
				h.must("cancel-session", "by", "c-desk", "session", a.Name, "wish_of", "client")
				if got := h.p.appointment(a.Name).State; got != Cancelled {
					t.Errorf("cancelled 24 hours before it, it is %s", got)
				}
			}
		}
		talk := h.task("talk/" + string(row.kind))
		if (talk != nil) != row.talk || (h.p.booked(row.kind) == nil) != row.talk {
			t.Errorf("%s %v: owed %v, booked %+v", row.kind, row.through, h.keys(), h.p.booked(row.kind))
		}
		if talk == nil {
			continue
		}
		if talk.By != Therapist {
			t.Errorf("%s is asked to talk", talk.By)
		}
		h.now = h.now.Add(time.Hour)
		h.must("task-done", "by", "t-lane", "task", talk.Key, "outcome", "reached")
		if h.p.booked(row.kind) == nil {
			t.Errorf("%s %v: not booked after the talk: %v", row.kind, row.through, h.keys())
		}
	}
}

// Nothing is dosed without preparation before and integration after, and nobody walks in.
func TestThereIsNoWalkIn(t *testing.T) {
	shows(t, "arc-phases", "arc-no-single-session", "arc-preparation-first", "blocker-phase")
	t.Parallel()
	h := newHouse(t)
	has(t, h.refused(Blocked, "book-session", "by", "c-desk", "kind", "dosing", "start", "2026-01-08 10:00"), "preparation is not complete", "the prescriber has not cleared")
	h.screen()
	has(t, h.refused(Blocked, "book-session", "by", "c-desk", "kind", "dosing", "start", "2026-01-08 14:00"), "preparation is not complete")
	h.prepareBooked()
	for _, phase := range []struct {
		is Phase
		do func()
	}{
		{InDosing, func() {}},
		{InIntegration, func() { h.hold(Dosing) }},
		{InDosing, func() { h.hold(Integration, "next", "another", "client_agrees", true) }},
		{InIntegration, func() { h.hold(Dosing) }},
		{Closing, func() { h.hold(Integration, "next", "close", "client_agrees", true) }},
	} {
		phase.do()
		if got := h.p.Phase(h.now); got != phase.is {
			t.Errorf("phase %s, expected %s", got, phase.is)
		}
	}
}

// What voids a clearance is what it is asked for again since, not the moment from which the next dosing session was wanted.
func TestAVoidClearanceIsAskedForSinceItWasVoid(t *testing.T) {
	t.Parallel()
	h := walk(t, 1)
	h.now = h.now.Add(time.Hour)
	h.must("adverse-event", "by", "t-lane", "kind", "urinary-symptoms", "severity", "moderate")
	if task := h.task(clearanceGate); task == nil || !task.Since.Equal(h.now) || !task.Due.Equal(h.now.Add(2*day)) {
		t.Errorf("voided at %s: asked for is %+v", h.now, task)
	}
}

// A week is seven days on the calendar, also where the clocks change in it.
func TestTheClearanceIsAskedForAgainAcrossAChangeOfClocks(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ cleared, asked string }{
		{"2026-09-08T12:09:00Z", "2026-10-31T12:09:00Z"}, // it covers until 08:09 on 7 November, in winter time
		{"2026-01-09T13:09:00Z", "2026-03-03T13:09:00Z"}, // until 08:09 on 10 March, in summer time
		{"2026-01-14T07:30:00Z", "2026-03-08T06:30:00Z"}, // until 02:30 on 15 March; on 8 March there is no 02:30, and 01:30 stands for it
	} {
		cleared, _ := time.Parse(time.RFC3339, row.cleared)
		asked, _ := time.Parse(time.RFC3339, row.asked)
		h := newHouse(t, func(e *Enrolment) { e.At = cleared })
		h.clear()
		h.evaluate("suitable")
		h.until(asked.Add(-time.Hour))
		if x := h.task(clearanceGate); x != nil {
			t.Errorf("cleared on %s: %s is owed since %s on %s: %s", row.cleared, x.Key, x.Since, h.now, x.What)
		}
		h.until(asked)
		if h.task(clearanceGate) == nil {
			t.Errorf("cleared on %s: it is not asked for again on %s, but owed are %v", row.cleared, row.asked, h.keys())
		}
		h.until(asked.AddDate(0, 0, 3))
		if last := h.sent(NudgeMail); len(last) == 0 || last[len(last)-1].Staff != "p-singh" {
			t.Errorf("cleared on %s: the prescriber has not heard of it three days after %s: %+v", row.cleared, row.asked, last)
		}
	}
}

// The prescriber is asked again seven days before the clearance would fail, or as soon as a dosing session is wanted beyond it.
func TestThePrescriberIsAskedAgainInTime(t *testing.T) {
	shows(t, "clearance-asked-a-week-before")
	t.Parallel()
	h := newHouse(t)
	h.clear()
	h.evaluate("suitable")
	h.plan("on-file")
	h.until(at("2026-02-27 08:59")) // 60 days end on 6 March, 09:00
	if h.task("prescriber-clearance") != nil {
		t.Error("asked more than a week before")
	}
	h.until(at("2026-02-27 09:00"))
	if task := h.task("prescriber-clearance"); task == nil || !strings.Contains(task.What, "again") || h.p.clearanceGate(h.now).Code != "" {
		t.Errorf("a week before, owed are %v", h.keys())
	}
	h.clear()
	if h.task("prescriber-clearance") != nil {
		t.Error("cleared again, and still asked")
	}
	// Two sessions covered, and the second was just given: the third needs a new one at once.
	g := walk(t, 1)
	if g.task("prescriber-clearance") != nil {
		t.Error("asked although the clearance covers the next session")
	}
	g.hold(Dosing)
	if g.task("prescriber-clearance") == nil {
		t.Errorf("after the second, owed are %v", g.keys())
	}
}

// While the records are away, what was said last is in nobody's hands but the pathway's: staff see that nothing is dosed on it yet.
func TestWhatIsNotWrittenYetBlocks(t *testing.T) {
	shows(t, "blockers-word-for-word")
	t.Parallel()
	h := walk(t, 1)
	has := func() bool {
		return slices.ContainsFunc(h.p.Status(h.now).Blocked, func(b Blocker) bool { return b.Code == "unwritten" })
	}
	if _, err := h.p.Record("measure", []byte(`{"by":"t-lane","scale":"phq-9","total":14,"item_9":0}`), h.now); err != nil || !has() {
		t.Errorf("%v; blocked by %v", err, h.p.Status(h.now).Blocked)
	}
	if h.work(); has() {
		t.Errorf("written, and blocked by %v", h.p.Status(h.now).Blocked)
	}
}

// A new form: consent to it is asked for as soon as the next dosing session lies beyond its day, can be given before that day, and is
// asked of the client by mail before anybody calls.
func TestANewConsentForm(t *testing.T) {
	shows(t, "consent-outdated", "hear-consent")
	t.Parallel()
	form := func(day string) ConsentDocument {
		return ConsentDocument{Version: "2026-2", SHA256: strings.Repeat("2", 64), InForce: Day(day)}
	}
	sign := func(h *house, version, digit string) []any {
		return with(explained, "by", "t-lane", "decision", "given", "document_version", version, "document_sha256", strings.Repeat(digit, 64))
	}
	base := walk(t, 1) // dosing-2 is on 28 January, and it is the 14th
	day := base.p.booked(Dosing).Start.In(newYork()).Format(time.DateOnly)
	base.issues(form(day))
	if base.task("consent") == nil || !base.blocked("consent", base.p.booked(Dosing).Start) || base.blocked("consent", base.now) {
		t.Fatalf("owed %v, blocked by %v", base.keys(), base.codes(base.p.booked(Dosing).Start))
	}
	signed := base.fork(t)
	signed.refused(BadValue, "consent", sign(signed, "2026-2", "3")...)
	signed.must("consent", sign(signed, "2026-2", "2")...)
	if signed.task("consent") != nil || signed.blocked("consent", signed.now) || signed.blocked("consent", signed.p.booked(Dosing).Start) {
		t.Errorf("signed: owed %v, blocked by %v", signed.keys(), signed.codes(signed.now))
	}
	signed.until(signed.p.booked(Dosing).Start)
	if signed.p.appointment("dosing-2").State != Booked {
		t.Error("signed, and dosing-2 was cancelled")
	}
	unsigned := base.fork(t)
	asked := len(unsigned.sent(ConsentMail))
	unsigned.until(unsigned.p.booked(Dosing).Start)
	if n := len(unsigned.sent(ConsentMail)) - asked; n != 2 || unsigned.p.appointment("dosing-2").State != Cancelled {
		t.Errorf("not signed: %d mails, dosing-2 is %s", n, unsigned.p.appointment("dosing-2").State)
	}
	late := base.fork(t) // on its day the old form is no longer signed
	late.until(at(day + " 08:00"))
	late.refused(BadValue, "consent", sign(late, "2026-1", "0")...)

	h := newHouse(t) // nothing is booked: asked a week before its day
	h.evaluate("suitable")
	h.consent()
	h.plan("on-file")
	h.issues(form("2026-03-09"))
	h.until(at("2026-03-01 12:00"))
	if h.task("consent") != nil || len(h.sent(ConsentMail)) > 0 {
		t.Errorf("owed more than a week before: %v", h.keys())
	}
	h.until(at("2026-03-05 12:00"))
	if h.task("consent") == nil || h.task("call/ask/consent") != nil || len(h.sent(ConsentMail)) != 1 {
		t.Errorf("three days after it was asked for: owed %v, %d mails", h.keys(), len(h.sent(ConsentMail)))
	}
}

// The record that is asked for says nothing about the day by itself: sent as it stands it is refused, field by field, until somebody
// who was there has said each.
func TestTheFormOfADosingDayIsLeftOpen(t *testing.T) {
	shows(t, "record-fields")
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	a := *h.p.booked(Dosing)
	h.until(a.End)
	task := h.task("record/" + a.Name)
	form := h.p.message(*task)
	for left := strings.Count(form, "<"); left > 0; left-- {
		if _, err := h.p.Record(task.Message, []byte(form), h.now); AsRefusal(err) == nil {
			t.Fatalf("taken with %d fields open: %s", left, form)
		}
		from, to := strings.Index(form, `"<`), strings.Index(form, `>"`)+2
		said := map[string]string{`"` + yesOrNo + `"`: "true", `"<mmHg>"`: `"122/78"`, `"<route>"`: `"oral"`,
			`"` + choice(SessionOutcome("").Options()) + `"`: `"held"`}[form[from:to]]
		if said == "" {
			said = `"as prescribed"`
		}
		form = form[:from] + said + form[to:]
	}
	if _, err := h.p.Record(task.Message, []byte(form), h.now); err != nil {
		t.Errorf("%v: %s", err, form)
	}
}

// A session is judged by what was in force at its own time: that the client withdraws after a stop changes nothing about a session that was
// held in spite of the stop.
func TestALaterEndingExcusesNoSession(t *testing.T) {
	shows(t, "deviation-holds", "judged-by-own-time")
	t.Parallel()
	h := walk(t, 0)
	a := *h.p.booked(Dosing)
	h.until(a.Start)
	h.must("stop", "by", "t-lane", "reason", "not for this client")
	h.until(a.End)
	h.must("session-held", dosingDay(a.Name, "pregnancy_asked", false)...)
	for _, says := range []string{"stop", "withdraw"} {
		if says == "withdraw" {
			h.must("withdraw", "by", "c-desk")
		}
		if !slices.ContainsFunc(h.p.Holds, func(o HoldInForce) bool {
			return o.Cause == Deviation && o.From == a.Name && o.inForce() && slices.Contains(strings.Fields(o.What), "phase")
		}) {
			t.Errorf("after the %s: %+v", says, h.p.Holds)
		}
	}
}

// The form of a session's record is at hand from its last reminder on. It is owed from the session's end, and nobody is asked for it
// before it is due.
func TestTheFormIsAtHandWhileTheSessionGoesOn(t *testing.T) {
	shows(t, "record-fields", "hear-session-record")
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	a := *h.p.booked(Dosing)
	key, due := "record/"+a.Name, a.End.Add(2*time.Hour)
	asked := func() int { return h.p.nudged(key, a.End).Count }
	h.until(a.Start.Add(-2*time.Hour - time.Minute))
	if task := h.task(key); task != nil {
		t.Errorf("long before the session the form is there: %+v", task)
	}
	for _, at := range []time.Time{a.Start.Add(-2 * time.Hour), a.Start.Add(time.Hour), a.End, due.Add(-time.Minute)} {
		h.until(at)
		task := h.task(key)
		if task == nil || !task.Since.Equal(a.End) || !task.Due.Equal(due) || asked() > 0 {
			t.Fatalf("%s before its end, asked for %d times: %+v", a.End.Sub(at), asked(), task)
		}
		if waits := slices.Contains(h.p.Status(at).WaitingOn, Therapist); waits != !at.Before(a.End) {
			t.Errorf("%s before its end it waits for %v", a.End.Sub(at), h.p.Status(at).WaitingOn)
		}
		if owed := strings.Contains(h.p.Next(at), task.What); owed != !at.Before(a.End) {
			t.Errorf("%s before its end: %s", a.End.Sub(at), h.p.Next(at))
		}
	}
	if _, wake := h.p.Due(h.now); !wake.At.Equal(due) {
		t.Errorf("it looks again at %s (%s)", h.p.clockTime(wake.At), wake.Why)
	}
	if h.until(due); asked() != 1 {
		t.Errorf("when it is due it was asked for %d times", asked())
	}
}

// A dosing session that was held before the day for which it was booked, by its record or by a correction, takes its integration along.
func TestAnIntegrationFollowsASessionThatWasHeldEarlier(t *testing.T) {
	shows(t, "integration-follows-the-record")
	t.Parallel()
	h := walk(t, 0)
	h.must("move-session", "by", "c-desk", "session", "dosing-1", "start", rfc(h.p.booked(Dosing).Start.AddDate(0, 0, 7)))
	d, i := *h.p.booked(Dosing), *h.p.booked(Integration)
	held := d.Start.AddDate(0, 0, -5)
	h.until(held.Add(4 * time.Hour))
	early := h.fork(t)
	early.must("session-held", dosingDay(d.Name, "start", rfc(held), "end", rfc(held.Add(3*time.Hour)))...)
	moved := early.p.appointment(i.Name)
	if gap := moved.Start.Sub(held.Add(3 * time.Hour)); moved.State != Booked || gap < 24*time.Hour || gap > 72*time.Hour {
		t.Errorf("%s is %s and on %s, %s after the session", moved.Name, moved.State, h.p.clockTime(moved.Start), gap)
	}
	if !early.mailed("moved/" + i.Name + "/r3") {
		t.Errorf("the client does not hear of it: %v", early.told("moved"))
	}

	// Its time is corrected, late: sooner than it stands is all that can be had.
	late := h.fork(t)
	late.hold(Dosing)
	id := late.p.appointment(d.Name).Record.ID
	late.must("correct", "by", "t-lane", "entry", id, "why", "another day", "start", rfc(held), "end", rfc(held.Add(3*time.Hour)))
	if got := late.p.appointment(i.Name); got.Revision != 3 || got.Start.Before(late.now.Add(4*time.Hour)) || !got.Start.Before(i.Start) {
		t.Errorf("revision %d on %s", got.Revision, h.p.clockTime(got.Start))
	}

	// No time is free: somebody is asked at once, and whoever finds one has the last word.
	full := h.fork(t)
	full.taken = []Span{{full.now, i.Start}}
	full.must("session-held", dosingDay(d.Name, "start", rfc(held), "end", rfc(held.Add(3*time.Hour)))...)
	task := full.task("book/integration")
	if task == nil || task.Message != "move-session" || task.Due.After(held.Add(75*time.Hour)) {
		t.Fatalf("owed %+v", task)
	}
	has(t, task.What, "more than 72 hours after "+d.Name)
	if !slices.ContainsFunc(full.sent(NudgeMail), func(m Mail) bool { return m.Staff == "c-desk" }) {
		t.Error("the front desk does not hear of it")
	}
	full.taken = nil
	full.must("move-session", "by", "c-desk", "session", i.Name, "start", rfc(held.AddDate(0, 0, 2)))
	if full.task("book/integration") != nil || full.p.appointment(i.Name).Revision != 3 {
		t.Errorf("still owed: %v", full.keys())
	}

	// Both are recorded late in one moment, the integration first: what was booked instead of it was booked without knowing.
	turned := walk(t, 0)
	d, i = *turned.p.booked(Dosing), *turned.p.booked(Integration)
	turned.until(onDay(i.End.In(turned.p.zone()).AddDate(0, 0, 6), 3*time.Hour))
	turned.must("session-held", "by", "t-lane", "session", i.Name, "outcome", "cancelled-late")
	turned.must("session-held", dosingDay(d.Name)...)
	if turned.task("book/integration") == nil {
		t.Errorf("%s is on %s, and owed is %v", turned.p.booked(Integration).Name, turned.p.clockTime(turned.p.booked(Integration).Start), turned.keys())
	}

	// A correction of something else leaves a time that was chosen since.
	chosen := h.fork(t)
	chosen.must("session-held", dosingDay(d.Name, "start", rfc(held), "end", rfc(held.Add(3*time.Hour)))...)
	chosen.must("move-session", "by", "c-desk", "session", i.Name, "start", rfc(held.AddDate(0, 0, 2).Add(6*time.Hour)))
	chosen.until(held.Add(52 * time.Hour))
	to := held.AddDate(0, 0, 6)
	chosen.must("move-session", "by", "c-desk", "session", i.Name, "start", rfc(to))
	chosen.must("correct", "by", "t-lane", "entry", chosen.p.appointment(d.Name).Record.ID, "why", "mistyped", "dose_as_given", "half")
	if got := chosen.p.appointment(i.Name).Start; !got.Equal(to) {
		t.Errorf("it is moved to %s", h.p.clockTime(got))
	}
}
