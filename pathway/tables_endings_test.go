package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// finish does one thing that an ending asks for.
func (h *house) finish(key string) {
	h.t.Helper()
	h.now = h.now.Add(time.Minute)
	switch key {
	case "referral":
		h.must("referral", "by", "t-lane", "to", "a clinic", "purpose", "psychotherapy")
	case "conversation":
		h.must("task-done", "by", "t-lane", "task", key, "outcome", "reached")
	case "discharge-contact":
		h.must("task-done", "by", "p-singh", "task", key, "outcome", "reached")
	case "letter":
		h.must("task-done", "by", "t-lane", "task", key, "outcome", "done")
	case "measure/phq-9":
		h.measure(PHQ9, 6)
	case "integration":
		h.hold(Integration, "next", "close", "client_agrees", true)
	default:
		h.t.Fatalf("nobody knows how to do %s", key)
	}
}

// before the first dosing session, between two, and after one whose integration is still to come
func screening(t *testing.T) *house { return newHouse(t) }
func between(t *testing.T) *house   { return walk(t, 1) }
func dosedOnce(t *testing.T) *house {
	h := walk(t, 0)
	h.hold(Dosing)
	return h
}

func stop(h *house)     { h.must("stop", "by", "t-lane", "reason", "not the right path") }
func decline(h *house)  { h.evaluate("decline", "reason", "not the right path") }
func withdraw(h *house) { h.must("withdraw", "by", "c-desk") }
func shut(h *house) {
	h.hold(Integration, "next", "close", "client_agrees", true)
}
func lapse(h *house) {
	h.clear()
	h.evaluate("suitable")
	h.plan("on-file")
	h.until(h.now.AddDate(0, 0, 11))
	h.must("task-done", "by", "c-desk", "task", "call/ask/consent", "outcome", "tried")
	h.now = h.now.Add(time.Minute)
	h.must("task-done", "by", "c-desk", "task", "call/ask/consent", "outcome", "tried")
	h.until(h.now.AddDate(0, 0, 60))
	h.must("stop", "by", "t-lane", "as", "lapsed", "reason", "not heard of")
}

// The endings: how each begins, what it asks for, and that it takes every part of it.
func TestTheEndings(t *testing.T) {
	shows(t, "ending-completed", "ending-stopped-and-referred", "ending-declined-and-referred", "ending-withdrawn", "ending-lapsed", "ending-referral",
		"ending-conversation", "ending-letter", "ending-discharge-contact", "ending-tells-both", "ending-no-mail-before", "closing-measure", "last-integration-kept", "ending-recorded-first")
	t.Parallel()
	for _, row := range []struct {
		is      string
		base    func(*testing.T) *house
		begin   func(*house)
		asks    []string // of people, before it ends
		outcome Outcome
		phase   Phase
	}{
		{"completed", dosedOnce, shut, []string{"discharge-contact", "letter", "measure/phq-9"}, "completed", "closing"},
		{"stopped before any dosing", screening, stop, []string{"referral", "conversation", "letter"}, "stopped-and-referred", "stopping"},
		{"stopped between two", between, stop, []string{"referral", "conversation", "discharge-contact", "letter"}, "stopped-and-referred", "stopping"},
		{"stopped before the integration", dosedOnce, stop, []string{"referral", "conversation", "discharge-contact", "letter", "integration"}, "stopped-and-referred", "stopping"},
		{"declined", screening, decline, []string{"referral", "conversation", "letter"}, "declined-and-referred", "stopping"},
		{"declined after a dosing session", between, decline, []string{"referral", "conversation", "discharge-contact", "letter"}, "stopped-and-referred", "stopping"},
		{"withdrawn before any dosing", screening, withdraw, []string{"referral", "letter"}, "withdrawn", "stopping"},
		{"withdrawn between two", between, withdraw, []string{"referral", "discharge-contact", "letter"}, "withdrawn", "stopping"},
		{"withdrawn before the integration", dosedOnce, withdraw, []string{"referral", "discharge-contact", "letter", "integration"}, "withdrawn", "stopping"},
		{"lapsed", screening, lapse, []string{"letter"}, "lapsed", "stopping"},
	} {
		t.Run(row.is, func(t *testing.T) {
			t.Parallel()
			base := row.base(t)
			if base.p.ending() != "" {
				t.Fatal("ending before anybody decided it")
			}
			before := len(base.mails)
			row.begin(base)
			if base.p.Outcome != "" || base.p.ending() != row.outcome || base.p.Phase(base.now) != row.phase {
				t.Fatalf("outcome %q, ending %q, phase %s; owed %v", base.p.Outcome, base.p.ending(), base.p.Phase(base.now), base.keys())
			}
			for _, staff := range []string{"t-lane", "p-singh"} {
				if !slices.ContainsFunc(base.mails[before:], func(m Mail) bool { return m.Kind == NewsMail && m.Staff == staff }) {
					t.Errorf("%s is not told that it is ending", staff)
				}
			}
			for last := range row.asks { // in turn, each is what is still missing
				h := base.fork(t)
				for i, key := range row.asks {
					if i != last {
						h.finish(key)
					}
				}
				missing := row.asks[last]
				if h.p.Outcome != "" || len(h.sent(LetterMail)) > 0 {
					t.Fatalf("it ended without %s", missing)
				}
				if missing != "integration" && h.task(missing) == nil {
					t.Errorf("%s is missing, and owed are %v", missing, h.keys())
				}
				h.finish(missing)
				if h.p.Outcome != row.outcome || h.p.Phase(h.now) != Over {
					t.Fatalf("outcome %q, owed %v", h.p.Outcome, h.keys())
				}
				h.until(h.now.AddDate(0, 0, 1))
				if letters := h.sent(LetterMail); len(letters) != 1 || letters[0].Crisis != "Call 988." {
					t.Errorf("letters %+v, expected one, with the crisis line", letters)
				}
			}
		})
	}
}

// Nobody learns of a stop or a decline from a mail: until the therapist has spoken with the client, or tried twice, none goes out.
func TestTheConversationComesFirst(t *testing.T) {
	shows(t, "ending-conversation", "ending-no-mail-before", "ending-cancels-the-rest")
	t.Parallel()
	for _, row := range []struct {
		is    string
		tries []string
		ends  bool
	}{
		{"nobody tried", nil, no},
		{"tried once", []string{"tried"}, no},
		{"tried twice", []string{"tried", "tried"}, yes},
		{"reached", []string{"reached"}, yes},
		{"tried, then reached", []string{"tried", "reached"}, yes},
	} {
		for _, begin := range []func(*house){stop, decline} {
			h := walk(t, 1)
			dosing := h.p.booked(Dosing).Name
			h.now = h.now.Add(time.Hour)
			mails := len(h.mails)
			begin(h)
			h.finish("referral")
			h.finish("letter")
			h.finish("discharge-contact")
			for _, outcome := range row.tries {
				h.now = h.now.Add(2 * time.Hour)
				h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", outcome)
			}
			if got := h.p.Outcome != ""; got != row.ends || (h.task("conversation") == nil) != row.ends {
				t.Errorf("%s: outcome %q, owed %v", row.is, h.p.Outcome, h.keys())
			}
			if got := h.p.appointment(dosing).State == Cancelled; got != row.ends {
				t.Errorf("%s: %s is %s", row.is, dosing, h.p.appointment(dosing).State)
			}
			for _, m := range h.mails[mails:] {
				if m.Staff == "" && !row.ends {
					t.Errorf("%s, and the client got the mail %s", row.is, m.Key)
				}
			}
		}
	}
}

// Every ending cancels what is booked, except the integration after the last dosing session unless the client declines it.
func TestWhatAnEndingCancels(t *testing.T) {
	shows(t, "ending-cancels-the-rest", "last-integration-kept")
	t.Parallel()
	for _, row := range []struct {
		is    string
		base  func(*testing.T) *house
		begin func(*house)
		kept  []string
		gone  []string
	}{
		{"withdrawn in preparation", func(t *testing.T) *house { h := newHouse(t); h.screen(); return h }, withdraw, nil, []string{"preparation-1", "preparation-2"}},
		{"withdrawn before the first", func(t *testing.T) *house { return walk(t, 0) }, withdraw, nil, []string{"dosing-1", "integration-1"}},
		{"withdrawn after one", between, withdraw, nil, []string{"dosing-2", "integration-2"}},
		{"withdrawn before the integration", dosedOnce, withdraw, []string{"integration-1"}, nil},
		{"stopped before the integration", dosedOnce, func(h *house) { stop(h); h.finish("conversation") }, []string{"integration-1"}, nil},
		{"stopped after one", between, func(h *house) { stop(h); h.finish("conversation") }, nil, []string{"dosing-2", "integration-2"}},
		{"declined before the first", func(t *testing.T) *house { return walk(t, 0) }, func(h *house) { decline(h); h.finish("conversation") }, nil, []string{"dosing-1", "integration-1"}},
	} {
		h := row.base(t)
		row.begin(h)
		for _, name := range row.kept {
			if got := h.p.appointment(name).State; got != Booked {
				t.Errorf("%s: %s is %s", row.is, name, got)
			}
		}
		for _, name := range row.gone {
			if got := h.p.appointment(name).State; got != Cancelled {
				t.Errorf("%s: %s is %s", row.is, name, got)
			}
		}
		if h.until(h.now.AddDate(0, 0, 1)); len(row.kept) == 0 && (h.p.booked(Dosing) != nil || h.p.booked(Preparation) != nil || h.p.booked(Integration) != nil) {
			t.Errorf("%s: something is booked anew", row.is)
		}
	}
	for _, row := range []struct {
		wish string
		ends bool
	}{{"client", yes}, {"practice", no}} {
		h := dosedOnce(t)
		withdraw(h)
		for _, key := range []string{"referral", "discharge-contact", "letter"} {
			h.finish(key)
		}
		h.must("cancel-session", "by", "c-desk", "session", "integration-1", "wish_of", row.wish)
		if got := h.p.Outcome != ""; got != row.ends || (h.p.booked(Integration) == nil) != row.ends {
			t.Errorf("the integration is cancelled at the wish of the %s: outcome %q, booked %+v", row.wish, h.p.Outcome, h.p.booked(Integration))
		}
	}
}

// The client withdraws at any time, without a reason, through whoever hears of it first.
func TestTheClientWithdrawsAtAnyTime(t *testing.T) {
	shows(t, "who-client-withdraws", "ending-withdrawn", "referral-offered")
	t.Parallel()
	for _, row := range []struct {
		is   string
		base func(*testing.T) *house
	}{
		{"screening", screening},
		{"deferred", func(t *testing.T) *house {
			h := newHouse(t)
			h.evaluate("defer", "what_must_change", "sleep", "review_on", "2026-05-04")
			return h
		}},
		{"preparation", func(t *testing.T) *house { h := newHouse(t); h.screen(); return h }},
		{"dosing", func(t *testing.T) *house { return walk(t, 0) }},
		{"held", func(t *testing.T) *house { h := walk(t, 1); raise[Crisis](h); return h }},
		{"integration", dosedOnce},
		{"closing", func(t *testing.T) *house { h := dosedOnce(t); shut(h); return h }},
		{"stopping", func(t *testing.T) *house { h := between(t); stop(h); return h }},
	} {
		for _, by := range []string{"t-lane", "p-singh", "c-desk"} {
			h := row.base(t)
			h.now = h.now.Add(time.Minute)
			h.must("withdraw", "by", by)
			if h.p.ending() != WithdrawnByClient {
				t.Errorf("%s, by %s: ending %q", row.is, by, h.p.ending())
			}
			offer := h.task("referral")
			if offer == nil || !strings.Contains(offer.What, "Offer") {
				t.Fatalf("%s: no referral is offered: %v", row.is, h.keys())
			}
			h.must("task-done", "by", "t-lane", "task", "referral", "outcome", "declined")
			if h.task("referral") != nil {
				t.Errorf("%s: declined, and still asked for", row.is)
			}
		}
	}
}

// Only what the client owes can lapse: 60 days, after two calls, never before a review date; and the therapist records it.
func TestLapsing(t *testing.T) {
	shows(t, "lapse-60-days-after-calls", "lapse-not-before-review", "lapse-only-client", "ending-lapsed", "ending-recorded-first")
	t.Parallel()
	begun := at("2026-01-05 09:00")
	for _, row := range []struct {
		calls  []string
		days   int
		minute int
		lapses bool
	}{
		{nil, 60, 0, no},
		{nil, 400, 0, no},
		{[]string{"tried"}, 60, 0, no},
		{[]string{"tried", "tried"}, 60, -1, no},
		{[]string{"tried", "tried"}, 60, 0, yes},
		{[]string{"tried", "tried", "tried"}, 60, 0, yes},
		{[]string{"tried", "reached"}, 60, 0, yes},
		{[]string{"reached", "reached"}, 60, 0, yes}, // the coordinator calls again while the form is not signed
	} {
		h := newHouse(t)
		h.clear()
		h.evaluate("suitable")
		h.plan("on-file")
		for _, outcome := range row.calls {
			for h.task("call/ask/consent") == nil {
				if h.now.After(begun.AddDate(0, 0, 55)) {
					t.Fatalf("%v: nobody is asked to call", row.calls)
				}
				h.until(h.now.AddDate(0, 0, 1))
			}
			h.now = h.now.Add(time.Hour)
			h.must("task-done", "by", "c-desk", "task", "call/ask/consent", "outcome", outcome)
		}
		h.until(begun.In(newYork()).AddDate(0, 0, row.days).Add(time.Duration(row.minute) * time.Minute))
		if got := h.task("lapse") != nil; got != row.lapses {
			t.Errorf("calls %v, %d days %+d minutes: proposed: %v; owed %v", row.calls, row.days, row.minute, got, h.keys())
		}
		if h.p.ending() != "" {
			t.Errorf("calls %v: it is ending before the therapist has recorded it", row.calls)
		}
		fields := []any{"by", "t-lane", "as", "lapsed", "reason", "not heard of"}
		if !row.lapses {
			h.refused(NotNow, "stop", fields...)
			continue
		}
		h.must("stop", fields...)
		if h.p.ending() != Lapsed {
			t.Errorf("ending %q", h.p.ending())
		}
	}
	// Deferred in between: not before the review date, however long it was before.
	h := newHouse(t)
	h.clear()
	h.plan("on-file")
	h.until(at("2026-01-15 12:00"))
	for range 2 {
		h.now = h.now.Add(time.Minute)
		h.must("task-done", "by", "c-desk", "task", "call/ask/consent", "outcome", "tried")
	}
	h.evaluate("defer", "what_must_change", "sleep", "review_on", "2026-05-04")
	for _, day := range []string{"2026-03-06 10:00", "2026-05-03 23:59", "2026-05-04 10:00"} {
		h.until(at(day))
		if h.task("lapse") != nil {
			t.Errorf("on %s lapsing is proposed", day)
		}
		h.refused(NotNow, "stop", "by", "t-lane", "as", "lapsed", "reason", "not heard of")
	}
	// A client who cannot be reached after three sessions fell through.
	h = newHouse(t)
	h.screen()
	h.hold(Preparation)
	for range 3 {
		a := h.bringsUp(Preparation)
		h.must("session-held", "by", "c-desk", "session", a.Name, "outcome", "no-show")
	}
	since := h.p.fellThroughLast(Preparation)
	for range 2 {
		h.now = h.now.Add(time.Minute)
		h.must("task-done", "by", "t-lane", "task", "talk/preparation", "outcome", "tried")
	}
	h.until(since.In(newYork()).AddDate(0, 0, 60).Add(-time.Minute))
	if h.task("lapse") != nil {
		t.Error("it lapses before 60 days")
	}
	h.until(since.In(newYork()).AddDate(0, 0, 60))
	if h.task("lapse") == nil {
		t.Errorf("it does not lapse after 60 days: %v", h.keys())
	}
}

// After any dosing session the prescriber is asked for a discharge contact: reached, tried twice, or declined.
func TestTheDischargeContact(t *testing.T) {
	shows(t, "ending-discharge-contact")
	t.Parallel()
	for _, row := range []struct {
		given    int
		outcomes []string
		asked    bool // in the end
	}{
		{0, nil, no},
		{1, nil, yes},
		{1, []string{"reached"}, no},
		{1, []string{"declined"}, no},
		{1, []string{"tried"}, yes},
		{1, []string{"tried", "tried"}, no},
	} {
		h := walk(t, row.given)
		withdraw(h)
		for _, outcome := range row.outcomes {
			h.now = h.now.Add(time.Hour)
			h.must("task-done", "by", "p-singh", "task", "discharge-contact", "outcome", outcome)
		}
		if got := h.task("discharge-contact") != nil; got != row.asked {
			t.Errorf("after %d, %v: asked %v", row.given, row.outcomes, got)
		}
	}
}

// After the ending adverse events and corrections are taken: they reach the journal and both clinicians, and change no outcome.
func TestAfterTheEnding(t *testing.T) {
	shows(t, "after-the-ending", "after-the-ending-others-refused")
	t.Parallel()
	base := dosedOnce(t)
	withdraw(base)
	base.must("referral", "by", "t-lane", "to", "a clinic", "purpose", "psychotherapy", "id", "R")
	base.finish("discharge-contact")
	base.finish("letter")
	base.finish("integration")
	if base.p.Outcome != WithdrawnByClient {
		t.Fatalf("outcome %q, owed %v", base.p.Outcome, base.keys())
	}
	record := base.p.appointment("dosing-1").Record.ID
	base.until(base.now.AddDate(0, 0, 20))
	for _, row := range []struct {
		message string
		fields  []any
		taken   bool
		told    bool // both clinicians
	}{
		{"adverse-event", []any{"by", "t-lane", "kind", "urinary-symptoms", "severity", "moderate"}, yes, yes},
		{"adverse-event", []any{"by", "p-singh", "kind", "misuse", "severity", "severe", "at", "2026-01-20 10:00"}, yes, yes}, // before the ending
		{"correct", []any{"by", "t-lane", "entry", "R", "why", "another clinic", "to", "the other clinic"}, yes, yes},
		{"correct", []any{"by", "t-lane", "entry", record, "why", "it was another client's", "void", true}, yes, yes},
		{"correct", []any{"by", "t-lane", "entry", "nothing", "why", "a mistake", "void", true}, no, no},
		{"refresh", []any{"by", "c-desk"}, yes, no},
		{"care-team", []any{"by", "c-desk", "prescriber", "p-moreau", "reason", "leave"}, yes, no},
		{"prescriber-clearance", with(reviewed, "by", "p-singh", "decision", "cleared"), no, no},
		{"psychological-evaluation", with(evaluated, "by", "t-lane", "decision", "suitable"), no, no},
		{"consent", []any{"by", "t-lane", "decision", "withdrawn"}, no, no},
		{"safety-plan", with(planned, "by", "t-lane", "decision", "revised"), no, no},
		{"book-session", []any{"by", "c-desk", "kind", "integration"}, no, no},
		{"move-session", []any{"by", "c-desk", "session", "dosing-1", "start", "2026-04-01 10:00"}, no, no},
		{"cancel-session", []any{"by", "c-desk", "session", "dosing-1", "wish_of", "client"}, no, no},
		{"session-held", []any{"by", "t-lane", "session", "dosing-1", "outcome", "no-show"}, no, no},
		{"hold", []any{"by", "t-lane", "cause", "crisis", "reason", "seen"}, no, no},
		{"release", []any{"by", "t-lane", "hold", "hold-1", "reason", "over"}, no, no},
		{"measure", []any{"by", "t-lane", "scale", "gad-7", "total", 9}, no, no},
		{"risk-assessment", []any{"by", "t-lane", "outcome", "at-risk", "safety_plan_reviewed", true}, no, no},
		{"review", []any{"by", "t-lane", "decision", "stop", "reason", "no use"}, no, no},
		{"stop", []any{"by", "t-lane", "reason", "no use"}, no, no},
		{"withdraw", []any{"by", "c-desk"}, no, no},
		{"referral", []any{"by", "t-lane", "to", "a clinic", "purpose", "care"}, no, no},
		{"contact", []any{"by", "c-desk", "zone", "America/Chicago"}, no, no},
	} {
		h := base.fork(t)
		told, why := len(h.journal), h.p.Why
		if !row.taken {
			_, err := h.say(row.message, row.fields...)
			if r := AsRefusal(err); r == nil || r.Code != HasEnded && row.message != "correct" {
				t.Errorf("%s after the ending: %v", row.message, err)
			}
			continue
		}
		h.must(row.message, row.fields...)
		if h.p.Outcome != WithdrawnByClient || h.p.Why != why || h.p.Phase(h.now) != Over {
			t.Errorf("%s after the ending: outcome %q, %s", row.message, h.p.Outcome, h.p.Why)
		}
		if !slices.ContainsFunc(h.journal[told:], func(e Entry) bool { return e.Kind == Taken && e.Name == row.message }) {
			t.Errorf("%s is not in the journal", row.message)
		}
		for _, a := range h.p.Appointments {
			if a.State == Booked {
				t.Errorf("%s after the ending: %s is booked", row.message, a.Name)
			}
		}
		var asked []Role
		for _, task := range h.p.Tasks(h.now) {
			if strings.HasPrefix(task.Key, "informed/") && task.Urgent {
				asked = append(asked, task.By)
			}
		}
		if got := slices.Equal(asked, []Role{Therapist, Prescriber}); got != row.told || len(asked) > 0 && !got {
			t.Errorf("%s after the ending: asked are %v", row.message, asked)
		}
		if !row.told {
			continue
		}
		for _, task := range h.p.Tasks(h.now) {
			h.must("task-done", "by", map[Role]string{Therapist: "t-lane", Prescriber: "p-singh"}[task.By], "task", task.Key, "outcome", "acknowledged")
		}
		if len(h.keys()) > 0 {
			t.Errorf("both know, and owed are %v", h.keys())
		}
	}
}
