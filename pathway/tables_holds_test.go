package pathway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// raise holds the pathway for a cause; each is one row of the protocol.
var raise = map[Cause]func(*house){
	Crisis:   func(h *house) { h.must("hold", "by", "p-singh", "cause", "crisis", "reason", "called this morning") },
	ItemNine: func(h *house) { h.measure(PHQ9, 15, 2) },
	AdverseCause: func(h *house) {
		h.must("adverse-event", "by", "t-lane", "kind", "misuse", "severity", "moderate")
	},
	Worsening: func(h *house) { h.measure(PHQ9, 25) },
	Deviation: func(h *house) {
		h.must("consent", "by", "t-lane", "decision", "withdrawn", "at", rfc(h.p.lastDosed().Start.Add(-time.Minute)))
	},
	Concern:  func(h *house) { h.must("hold", "by", "p-singh", "cause", "concern", "reason", "a question") },
	Restored: func(h *house) { h.restored(h.p, h.now.Add(-time.Hour)) },
}

// The causes and their releasers. What a release rests on comes first.
func TestWhoReleasesWhichHold(t *testing.T) {
	shows(t, "hold-crisis", "hold-item-9", "hold-adverse-event", "hold-worsening", "hold-deviation", "hold-concern", "hold-restored", "item-9-safety-plan")
	t.Parallel()
	safe := []any{"by", "t-lane", "outcome", "safe-to-continue", "safety_plan_reviewed", true}
	for _, row := range []struct {
		cause    Cause
		releases []Role
		first    []func(*house) // without any of them the release is refused
	}{
		{Crisis, []Role{Therapist}, []func(*house){func(h *house) { h.must("risk-assessment", safe...) }}},
		{ItemNine, []Role{Therapist}, []func(*house){
			func(h *house) { h.must("risk-assessment", with(safe, "safety_plan_reviewed", false)...) },
			func(h *house) { h.now = h.now.Add(time.Minute); h.plan("revised") },
		}},
		{ItemNine, []Role{Therapist}, []func(*house){func(h *house) { h.must("risk-assessment", safe...) }}},
		{AdverseCause, []Role{Prescriber}, nil},
		{Worsening, []Role{Therapist, Prescriber}, nil},
		{Deviation, []Role{Therapist, Prescriber}, nil},
		{Concern, []Role{Prescriber}, nil},
		{Restored, []Role{Therapist, Prescriber}, nil},
	} {
		h := walk(t, 1)
		raise[row.cause](h)
		x := h.inForce(row.cause)
		if x == nil {
			t.Fatalf("%s does not hold: %+v", row.cause, h.p.Holds)
		}
		name := x.Name
		h.now = h.now.Add(time.Hour)
		for i, role := range []Role{Therapist, Prescriber, Coordinator} {
			if !slices.Contains(row.releases, role) {
				h.refused(WrongPerson, "release", "by", people[i], "hold", name, "reason", "fine")
			}
		}
		for i, do := range row.first {
			has(t, h.refused(Blocked, "release", "by", "t-lane", "hold", name, "reason", "fine"), map[bool]string{true: "risk assessment", false: "safety plan"}[i == 0])
			do(h)
		}
		for i, role := range row.releases {
			if h.inForce(row.cause) == nil {
				t.Errorf("%s is released before its %s", row.cause, role)
			}
			if task := h.task(fmt.Sprintf("hold/%s/%s", name, role)); task == nil || task.Message != "release" {
				t.Errorf("%s: the %s is not asked: %v", row.cause, role, h.keys())
			}
			h.now = h.now.Add(time.Minute)
			h.must("release", "by", map[Role]string{Therapist: "t-lane", Prescriber: "p-singh"}[role], "hold", name, "reason", "seen")
			if done := i == len(row.releases)-1; (h.inForce(row.cause) == nil) != done {
				t.Errorf("%s after its %s: holds %+v", row.cause, role, h.p.Holds)
			}
		}
		if h.task("hold/"+name+"/therapist") != nil || h.task("hold/"+name+"/prescriber") != nil || h.blocked(name, h.now.Add(time.Hour)) {
			t.Errorf("%s is released, and owed are %v", row.cause, h.keys())
		}
	}
	// The therapist's own concern is the therapist's.
	h := walk(t, 1)
	h.must("hold", "by", "t-lane", "cause", "concern", "reason", "a question")
	h.refused(WrongPerson, "release", "by", "p-singh", "hold", "hold-1", "reason", "fine")
	h.must("release", "by", "t-lane", "hold", "hold-1", "reason", "answered")
	// What the rules find, nobody writes by hand.
	for _, cause := range []Cause{ItemNine, AdverseCause, Worsening, Deviation, Restored} {
		h.refused(BadValue, "hold", "by", "t-lane", "cause", string(cause), "reason", "seen")
	}
	h.refused(MissingField, "hold", "by", "t-lane", "cause", "crisis")
	h.refused(MissingField, "release", "by", "t-lane", "hold", "hold-1")
	h.refused(BadValue, "release", "by", "t-lane", "hold", "hold-7", "reason", "over")
}

// An assessment from before, or one that says at-risk, releases nothing.
func TestWhichRiskAssessmentReleases(t *testing.T) {
	shows(t, "hold-crisis")
	t.Parallel()
	for _, row := range []struct {
		outcome string
		from    time.Duration // the hold
		enough  bool
	}{
		{"safe-to-continue", -time.Minute, no},
		{"safe-to-continue", 0, yes},
		{"safe-to-continue", time.Minute, yes},
		{"at-risk", time.Minute, no},
	} {
		h := walk(t, 1)
		raise[Crisis](h)
		x := h.inForce(Crisis)
		h.until(h.now.Add(time.Hour))
		h.must("risk-assessment", "by", "t-lane", "outcome", row.outcome, "safety_plan_reviewed", true, "at", rfc(x.Since.Add(row.from)))
		fields := []any{"by", "t-lane", "hold", x.Name, "reason", "seen"}
		if row.enough {
			h.must("release", fields...)
		} else {
			h.refused(Blocked, "release", fields...)
		}
	}
}

// Holds are separate: releasing one leaves the others, in whatever order.
func TestReleasingOneHoldLeavesTheOthers(t *testing.T) {
	shows(t, "holds-separate")
	t.Parallel()
	h := walk(t, 1)
	causes := []Cause{Crisis, ItemNine, AdverseCause, Worsening, Deviation, Concern, Restored}
	for _, c := range causes {
		h.now = h.now.Add(time.Hour)
		raise[c](h)
	}
	h.now = h.now.Add(time.Hour)
	h.must("risk-assessment", "by", "t-lane", "outcome", "safe-to-continue", "safety_plan_reviewed", true)
	var open []string
	for _, x := range h.p.Holds {
		if x.inForce() {
			open = append(open, x.Name)
		}
	}
	if len(open) != len(causes) {
		t.Fatalf("holds %+v, expected one for each cause", h.p.Holds)
	}
	for len(open) > 0 {
		h.now = h.now.Add(time.Minute)
		one := open[len(open)/2]
		for i, by := range []string{"t-lane", "p-singh"} {
			if slices.Contains(h.p.Holds[slices.IndexFunc(h.p.Holds, func(x HoldInForce) bool { return x.Name == one })].Needs, clinicians[i]) {
				h.must("release", "by", by, "hold", one, "reason", "seen")
			}
		}
		open = slices.DeleteFunc(open, func(name string) bool { return name == one })
		var blocked []string
		for _, code := range h.codes(h.now.Add(time.Second)) {
			if strings.HasPrefix(code, "hold-") {
				blocked = append(blocked, code)
			}
		}
		if !slices.Equal(blocked, open) {
			t.Fatalf("%s released: blocked by %v, expected %v", one, blocked, open)
		}
	}
}

// Where it takes both, each can take a release back while the other's is awaited.
func TestBothCliniciansReleaseAndTakeBack(t *testing.T) {
	shows(t, "take-back", "hold-deviation", "hold-worsening")
	t.Parallel()
	for _, cause := range []Cause{Worsening, Deviation} {
		h := walk(t, 1)
		raise[cause](h)
		name := h.inForce(cause).Name
		say := func(by, decision string) Reply {
			t.Helper()
			h.now = h.now.Add(time.Minute)
			return h.must("release", "by", by, "hold", name, "decision", decision, "reason", "seen")
		}
		say("t-lane", "release")
		if r := say("t-lane", "release"); r.Result != AlreadySo {
			t.Errorf("%s: released twice: %+v", cause, r)
		}
		if r := say("p-singh", "take-back"); r.Result != AlreadySo {
			t.Errorf("%s: the other's release is taken back: %+v", cause, r)
		}
		say("t-lane", "take-back")
		say("p-singh", "release")
		if h.inForce(cause) == nil {
			t.Errorf("%s is released although the therapist took it back", cause)
		}
		say("t-lane", "release")
		if h.inForce(cause) != nil {
			t.Errorf("%s is held although both released it", cause)
		}
	}
}

// A correction supersedes an earlier entry: the rules are evaluated anew, and both stay in the journal.
func TestCorrections(t *testing.T) {
	shows(t, "correction-supersedes", "correction-both-in-journal", "correction-raises-and-lifts")
	t.Parallel()
	blocks := func(code string) func(*house) bool {
		return func(h *house) bool { return h.blocked(code, h.now.AddDate(0, 0, 5)) }
	}
	holds := func(cause Cause) func(*house) bool { return func(h *house) bool { return h.inForce(cause) != nil } }
	ends := func(h *house) bool { return h.p.ending() != "" }
	owed := func(key string) func(*house) bool { return func(h *house) bool { return h.task(key) != nil } }
	measure := func(total, item9 int) func(*house) {
		return func(h *house) {
			h.must("measure", "by", "t-lane", "scale", "phq-9", "total", total, "item_9", item9, "id", "E")
		}
	}
	given := func(h *house) *house { h.hold(Dosing, "id", "E"); return h }
	for _, row := range []struct {
		is            string
		base          func() *house
		entry         func(*house) // under the id E
		by            string
		fields        []any
		what          func(*house) bool
		before, after bool
	}{
		{"a total mistyped, and not worse", nil, measure(25, 0), "t-lane", []any{"total", 15}, holds(Worsening), yes, no},
		{"a total mistyped, and worse", nil, measure(15, 0), "t-lane", []any{"total", 25}, holds(Worsening), no, yes},
		{"item 9 was 0", nil, measure(15, 2), "t-lane", []any{"item_9", 0}, holds(ItemNine), yes, no},
		{"item 9 was 3", nil, measure(15, 0), "t-lane", []any{"item_9", 3}, holds(ItemNine), no, yes},
		{"item 9 was 0 and not 1", nil, measure(15, 1), "t-lane", []any{"item_9", 0}, blocks("risk-assessment"), yes, no},
		{"another client's measure", nil, measure(25, 0), "t-lane", []any{"void", true}, holds(Worsening), yes, no},
		{"another client's event", nil, func(h *house) {
			h.must("adverse-event", "by", "t-lane", "kind", "misuse", "severity", "moderate", "id", "E")
		}, "t-lane", []any{"void", true}, holds(AdverseCause), yes, no},
		{"and the clearance stands again", nil, func(h *house) {
			h.must("adverse-event", "by", "t-lane", "kind", "misuse", "severity", "moderate", "id", "E")
		}, "t-lane", []any{"void", true}, blocks("clearance-void"), yes, no},
		{"a milder event", nil, func(h *house) {
			h.must("adverse-event", "by", "t-lane", "kind", "other", "severity", "moderate", "reason", "dizzy", "id", "E")
		}, "t-lane", []any{"severity", "mild"}, holds(AdverseCause), yes, no},
		{"a clearance given long before", nil, func(h *house) {
			h.must("prescriber-clearance", with(reviewed, "by", "p-singh", "decision", "cleared", "id", "E")...)
			h.until(h.now.AddDate(0, 0, 54))
		}, "p-singh", []any{"happened", "2026-01-08 10:00"}, blocks("clearance-days"), no, yes},
		{"not cleared at all", nil, func(h *house) {
			h.must("prescriber-clearance", with(reviewed, "by", "p-singh", "decision", "cleared", "id", "E")...)
		}, "p-singh", []any{"decision", "not-cleared", "reason", "the heart"}, blocks("prescriber-clearance"), no, yes},
		{"consent withdrawn by mistake", nil, func(h *house) { h.must("consent", "by", "t-lane", "decision", "withdrawn", "id", "E") }, "t-lane", []any{"void", true}, blocks("consent"), yes, no},
		{"the plan is older than thought", nil, func(h *house) {
			h.must("safety-plan", with(planned, "by", "t-lane", "decision", "revised", "id", "E")...)
			h.until(h.now.AddDate(0, 0, 84))
		}, "t-lane", []any{"happened", "2026-01-08 10:00"}, blocks("safety-plan"), no, yes},
		{"suitable, not deferred", nil, func(h *house) {
			h.evaluate("defer", "what_must_change", "sleep", "review_on", "2026-05-04", "id", "E")
		}, "t-lane", []any{"decision", "suitable", "what_must_change", nil, "review_on", nil}, blocks("psychological-evaluation"), yes, no},
		{"suitable, not declined", nil, func(h *house) { h.evaluate("decline", "reason", "other needs", "id", "E") }, "t-lane", []any{"decision", "suitable", "reason", nil}, ends, yes, no},
		{"no stop", nil, func(h *house) { h.must("stop", "by", "t-lane", "reason", "no use", "id", "E") }, "t-lane", []any{"void", true}, ends, yes, no},
		{"no withdrawal", nil, func(h *house) { h.must("withdraw", "by", "c-desk", "id", "E") }, "c-desk", []any{"void", true}, ends, yes, no},
		{"no such hold", nil, func(h *house) {
			h.must("hold", "by", "p-singh", "cause", "concern", "reason", "a question", "id", "E")
		}, "p-singh", []any{"void", true}, holds(Concern), yes, no},
		{"not released after all", nil, func(h *house) {
			h.must("hold", "by", "p-singh", "cause", "concern", "reason", "a question")
			h.now = h.now.Add(time.Hour)
			h.must("release", "by", "p-singh", "hold", "hold-1", "reason", "answered", "id", "E")
		}, "p-singh", []any{"void", true}, holds(Concern), no, yes},
		{"the prescriber's stop is taken away", nil, func(h *house) {
			h.must("review", "by", "p-singh", "decision", "stop", "reason", "no use", "id", "E")
		}, "p-singh", []any{"void", true}, blocks("review"), yes, no},
		{"the assessment was of another day", nil, func(h *house) {
			h.measure(PHQ9, 15, 1)
			h.now = h.now.Add(time.Hour)
			h.must("risk-assessment", "by", "t-lane", "outcome", "safe-to-continue", "safety_plan_reviewed", true, "id", "E")
		}, "t-lane", []any{"happened", "2026-01-08 10:00"}, blocks("risk-assessment"), no, yes},
		{"at risk after all", nil, func(h *house) {
			h.must("risk-assessment", "by", "t-lane", "outcome", "safe-to-continue", "safety_plan_reviewed", true, "id", "E")
		}, "t-lane", []any{"outcome", "at-risk"}, holds(Crisis), no, yes},
		{"nobody was spoken with", nil, func(h *house) {
			h.must("stop", "by", "t-lane", "reason", "no use")
			h.now = h.now.Add(time.Hour)
			h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", "reached", "id", "E")
		}, "t-lane", []any{"void", true}, owed("conversation"), no, yes},
		{"no referral", nil, func(h *house) {
			h.must("stop", "by", "t-lane", "reason", "no use")
			h.now = h.now.Add(time.Hour)
			h.must("referral", "by", "t-lane", "to", "a clinic", "purpose", "psychotherapy", "id", "E")
		}, "t-lane", []any{"void", true}, owed("referral"), no, yes},
		{"the therapist was there", func() *house {
			h := walk(t, 0)
			h.hold(Dosing, "id", "E", "therapist_present_throughout", false)
			return h
		}, nil, "t-lane", []any{"therapist_present_throughout", true}, holds(Deviation), yes, no},
		{"the therapist was not there", func() *house { return given(walk(t, 0)) }, nil, "t-lane", []any{"therapist_present_throughout", false}, holds(Deviation), no, yes},
		{"the client left alone", func() *house { return given(walk(t, 0)) }, nil, "t-lane", []any{"named_adult_driving", false}, holds(AdverseCause), no, yes},
		{"not dosed", func() *house { return given(walk(t, 0)) }, nil, "t-lane", []any{"outcome", "attended-not-dosed", "reason", "unwell"}, func(h *house) bool { return h.p.dosed() == 1 }, yes, no},
		{"never took place", func() *house { return given(walk(t, 0)) }, nil, "t-lane", []any{"void", true}, func(h *house) bool { return h.p.dosed() == 1 }, yes, no},
		{"declined long before the stop", func() *house {
			h := walk(t, 0)
			h.evaluate("suitable", "reason", "looked at again", "id", "E")
			h.hold(Dosing)
			h.now = h.now.Add(time.Hour)
			h.must("stop", "by", "t-lane", "reason", "no use")
			return h
		}, nil, "t-lane", []any{"decision", "decline", "reason", "other needs"}, holds(Deviation), no, yes},
		{"another, and not close", func() *house {
			h := walk(t, 0)
			h.hold(Dosing)
			h.hold(Integration, "next", "close", "client_agrees", true, "id", "E")
			return h
		}, nil, "t-lane", []any{"next", "another"}, ends, yes, no},
	} {
		t.Run(row.is, func(t *testing.T) {
			h := (*house)(nil)
			if row.base != nil {
				h = row.base()
			} else {
				h = walk(t, 1)
				h.now = h.now.Truncate(time.Second)
				row.entry(h)
			}
			h.now = h.now.Add(time.Minute)
			if got := row.what(h); got != row.before {
				t.Fatalf("before the correction: %v; holds %+v, owed %v", got, h.p.Holds, h.keys())
			}
			told := len(h.journal)
			old := slices.IndexFunc(h.journal, func(e Entry) bool { return e.ID == "E" })
			if old < 0 {
				t.Fatal("the entry is not in the journal")
			}
			text, _ := json.Marshal(h.journal[old])
			h.refused(MissingField, "correct", with(row.fields, "by", row.by, "entry", "E")...)
			h.must("correct", with(row.fields, "by", row.by, "entry", "E", "why", "written down wrongly")...)
			h.now = h.now.Add(time.Minute)
			h.work()
			if got := row.what(h); got != row.after {
				t.Errorf("after the correction: %v; holds %+v, owed %v", got, h.p.Holds, h.keys())
			}
			again, _ := json.Marshal(h.journal[old])
			if string(again) != string(text) {
				t.Error("the entry was changed in the journal")
			}
			if !slices.ContainsFunc(h.journal[told:], func(e Entry) bool {
				return e.Kind == Taken && e.Name == "correct" && strings.Contains(string(e.Message), "written down wrongly")
			}) {
				t.Errorf("the correction and its reason are not in the journal:\n%s", h.story())
			}
		})
	}
}

// A call that was made after all was not: whoever owes it hears of it at once, as of a new one.
func TestWhatACorrectionOpensAgainIsToldAnew(t *testing.T) {
	shows(t, "correction-supersedes", "urgent-at-once")
	t.Parallel()
	h := walk(t, 1)
	h.until(h.p.booked(Dosing).Start.Add(-40 * time.Hour))
	h.must("consent", "by", "t-lane", "decision", "withdrawn")
	i := slices.IndexFunc(h.p.Calls, func(c Call) bool { return c.Urgent })
	if i < 0 {
		t.Fatalf("nobody calls the client: %v", h.keys())
	}
	call := h.p.Calls[i].Key
	h.now = h.now.Add(time.Minute)
	h.must("task-done", "by", "c-desk", "task", call, "outcome", "reached", "id", "E")
	h.now = h.now.Add(time.Minute)
	told := len(h.mails)
	h.must("correct", "by", "c-desk", "entry", "E", "why", "it was another client", "void", true)
	h.work()
	if !slices.ContainsFunc(h.mails[told:], func(m Mail) bool { return m.Kind == UrgentMail && m.Staff == "c-desk" }) {
		t.Errorf("the coordinator is not told of %s: %+v", call, h.mails[told:])
	}
}

// An evaluation that is corrected to a decline takes its place, also where an older decline stands below it: the ending counts from the
// later one, and what was done for the older does not count for it.
func TestACorrectionTakesItsEntrysPlaceWhateverElseSaysTheSame(t *testing.T) {
	shows(t, "correction-supersedes")
	t.Parallel()
	h := newHouse(t)
	h.evaluate("decline", "reason", "not now")
	h.must("referral", "by", "t-lane", "to", "a clinic", "purpose", "psychotherapy")
	h.now = h.now.Add(time.Hour)
	h.evaluate("suitable", "id", "E")
	if h.p.ending() != "" {
		t.Fatalf("suitable, and ending as %s", h.p.ending())
	}
	said := h.p.Evaluations[1].At
	h.now = h.now.Add(time.Hour)
	h.must("correct", "by", "t-lane", "entry", "E", "why", "mistyped", "decision", "decline", "reason", "not now", "id", "F")
	if n := len(h.p.Evaluations); n != 2 || h.p.Evaluations[1].ID != "F" || !h.p.endingSince().Equal(said) || h.task("referral") == nil {
		t.Errorf("%d evaluations; the ending counts from %s; owed %v", n, h.p.clockTime(h.p.endingSince()), h.keys())
	}
}

// The same of everything else that can be said twice: what a correction says is on record, and can be corrected again.
func TestWhatIsCorrectedStaysOnRecord(t *testing.T) {
	shows(t, "correction-supersedes")
	t.Parallel()
	h := newHouse(t)
	h.clear()
	h.consent()
	h.plan("on-file")
	h.measure(PHQ9, 16)
	h.must("referral", "by", "t-lane", "to", "a clinic", "purpose", "psychotherapy")
	h.now = h.now.Add(time.Hour)
	h.must("measure", "by", "t-lane", "scale", "phq-9", "total", 18, "item_9", 0, "id", "measure")
	h.must("safety-plan", "by", "t-lane", "decision", "revised", "between_sessions_plan", true, "emergency_contact_on_file", true, "id", "plan")
	h.must("referral", "by", "t-lane", "to", "another clinic", "purpose", "psychotherapy", "id", "referral")
	h.must("stop", "by", "t-lane", "reason", "not for this client", "id", "stop")
	h.must("withdraw", "by", "c-desk")
	for id, says := range map[string][]any{"measure": {"total", 16}, "plan": {"decision", "on-file"}, "referral": {"to", "a clinic"}, "stop": {"happened", rfc(h.now.Add(-time.Minute))}} {
		h.must("correct", with(says, "by", "t-lane", "entry", id, "why", "mistyped", "id", id+"-anew")...)
		if name, _ := h.p.fact(id + "-anew"); name == "" {
			t.Errorf("the corrected %s is gone", id)
		}
	}
}

// What the front desk wrote down about eligibility can be corrected as well.
func TestTheEnrolmentIsCorrected(t *testing.T) {
	shows(t, "correction-supersedes", "correction-raises-and-lifts")
	t.Parallel()
	h := newHouse(t, func(e *Enrolment) { e.Adult = false; e.Findings = []Finding{ActiveCrisis} })
	h.must("correct", "by", "c-desk", "entry", "enrolment", "why", "the year mistyped", "adult", true)
	if h.blocked("eligibility", h.now) || h.inForce(Crisis) == nil {
		t.Errorf("blocked by %v, holds %+v", h.codes(h.now), h.p.Holds)
	}
	h.now = h.now.Add(time.Minute)
	h.refused(WrongPerson, "correct", "by", "c-desk", "entry", "enrolment", "why", "another client's", "findings", []string{})
	h.must("correct", "by", "t-lane", "entry", "enrolment", "why", "another client's", "findings", []string{})
	if h.blocked("finding", h.now) || h.inForce(Crisis) == nil { // a crisis takes a risk assessment, whoever named it
		t.Errorf("blocked by %v, holds %+v", h.codes(h.now), h.p.Holds)
	}
	h.now = h.now.Add(time.Minute)
	h.must("correct", "by", "c-desk", "entry", "enrolment", "why", "asked again", "commits_to_the_arc", false)
	if !h.blocked("eligibility", h.now) {
		t.Error("a correction that speaks against KAP does not block")
	}
}

// Only who may record it may correct it; nobody lifts what another has to release.
func TestWhoMayCorrectWhat(t *testing.T) {
	shows(t, "correction-only-recorder", "who-nobody-else")
	t.Parallel()
	base := walk(t, 0)
	base.hold(Dosing, "id", "dosing")
	base.now = base.now.Truncate(time.Second).Add(time.Second)
	base.must("prescriber-clearance", with(reviewed, "by", "p-singh", "decision", "cleared", "id", "clearance")...)
	base.measure(PHQ9, 14)
	base.must("measure", "by", "t-lane", "scale", "gad-7", "total", 9, "id", "measure")
	base.must("hold", "by", "p-singh", "cause", "concern", "reason", "a question", "id", "concern")
	base.must("adverse-event", "by", "p-singh", "kind", "pregnancy", "severity", "moderate", "id", "event")
	base.must("safety-plan", with(planned, "by", "t-lane", "decision", "revised", "id", "plan")...)
	base.must("review", "by", "p-singh", "decision", "stop", "reason", "no use", "id", "review")
	base.must("withdraw", "by", "c-desk", "id", "withdrawal")
	for _, row := range []struct {
		entry                              string
		therapist, prescriber, coordinator bool
	}{
		{"dosing", yes, no, no},
		{"clearance", no, yes, no},
		{"measure", yes, no, no},
		{"concern", no, yes, no},
		{"event", no, yes, no},
		{"plan", yes, no, no},
		{"review", no, yes, no},
	} {
		may(t, base, "correct", []any{"entry", row.entry, "why", "a mistake", "void", true}, [3]bool{row.therapist, row.prescriber, row.coordinator})
	}
	h := base.fork(t)
	for _, row := range []struct {
		is     string
		fields []any
		code   RefusalCode
		says   string
	}{
		{"no reason", []any{"entry", "measure", "total", 8}, MissingField, "why"},
		{"nothing to correct", []any{"entry", "measure", "why", "a mistake"}, MissingField, "void"},
		{"void and a field", []any{"entry", "measure", "why", "a mistake", "void", true, "total", 8}, BadValue, "void"},
		{"no such entry", []any{"entry", "nothing", "why", "a mistake", "void", true}, BadValue, "entry"},
		{"no such field", []any{"entry", "measure", "why", "a mistake", "dose", 5}, UnknownField, "dose"},
		{"a value that is none", []any{"entry", "measure", "why", "a mistake", "total", 22}, BadValue, "total"},
		{"a time to come", []any{"entry", "measure", "why", "a mistake", "happened", "2027-01-05 09:00"}, BadValue, "happened"},
	} {
		has(t, h.refused(row.code, "correct", with(row.fields, "by", "t-lane")...), row.says)
	}
}

// Urgent tasks go to their people at once, hourly until acknowledged, and to the on-call number's holder after two hours.
func TestUrgentTasks(t *testing.T) {
	shows(t, "urgent-at-once", "urgent-hourly-until-acknowledged", "urgent-on-call", "urgent-mail-any-hour")
	t.Parallel()
	for _, began := range []string{"2026-01-06 10:00", "2026-01-06 23:00"} { // by night as by day
		h := newHouse(t)
		h.until(at(began))
		told := len(h.journal)
		h.must("hold", "by", "t-lane", "cause", "crisis", "reason", "called")
		heard := func() []string {
			var all []string
			for _, e := range h.journal[told:] {
				if e.Name == "nudge" && strings.Contains(e.Text, "urgent") {
					all = append(all, fmt.Sprintf("+%s %s", e.Recorded.Sub(at(began)).Truncate(time.Minute), strings.Fields(e.Text)[0]))
				}
			}
			return all
		}
		h.until(at(began).Add(3*time.Hour + 30*time.Minute))
		want := []string{"+0s t-lane", "+0s p-singh", "+1h0m0s t-lane", "+1h0m0s p-singh", "+2h0m0s t-lane", "+2h0m0s on-call", "+2h0m0s p-singh",
			"+3h0m0s t-lane", "+3h0m0s on-call", "+3h0m0s p-singh"}
		if got := heard(); !slices.Equal(got, want) {
			t.Errorf("from %s: heard %v, expected %v", began, got, want)
		}
		h.must("task-done", "by", "p-singh", "task", "informed/hold-1/prescriber", "outcome", "acknowledged")
		if h.task("informed/hold-1/prescriber") != nil {
			t.Error("who only had to know is still asked")
		}
		h.until(at(began).Add(4*time.Hour + 30*time.Minute))
		if got := heard()[len(want):]; !slices.Equal(got, []string{"+4h0m0s t-lane", "+4h0m0s on-call"}) {
			t.Errorf("one of two has acknowledged: heard %v", got)
		}
		h.must("task-done", "by", "t-lane", "task", "hold/hold-1/therapist", "outcome", "acknowledged")
		n, before := len(heard()), len(h.sent(DigestMail))
		tomorrow := h.now.In(h.p.zone()).AddDate(0, 0, 1)
		h.until(onDay(tomorrow, 30*time.Minute))
		h.must("task-done", "by", "t-lane", "task", "hold/hold-1/therapist", "outcome", "acknowledged", "id", "again")
		if h.until(onDay(tomorrow, 9*time.Hour)); len(h.sent(DigestMail)) == before {
			t.Error("who acknowledges again, in the night, does not hear of it that morning")
		}
		h.until(at(began).AddDate(0, 0, 2))
		if got := heard()[n:]; len(got) > 0 {
			t.Errorf("acknowledged, and heard %v", got)
		}
		if h.task("hold/hold-1/therapist") == nil {
			t.Error("acknowledging is not doing: the task is gone")
		}
		if !slices.ContainsFunc(h.sent(DigestMail), func(m Mail) bool { return m.Staff == "t-lane" }) {
			t.Error("acknowledged, and the next mornings say nothing of it")
		}
	}
}

// That one clinician knows is theirs to say: the other's release does not say it for them, and a cause that a correction took away leaves
// nothing to know.
func TestEachClinicianSaysThatTheyKnow(t *testing.T) {
	shows(t, "informed-is-ones-own")
	t.Parallel()
	h := walk(t, 0)
	h.must("adverse-event", "by", "p-singh", "kind", "misuse", "severity", "moderate", "id", "E")
	void := h.fork(t)
	h.must("release", "by", "p-singh", "hold", "hold-1", "reason", "seen")
	task := h.task("informed/hold-1/therapist")
	if task == nil || !task.Urgent {
		t.Fatalf("the prescriber's release has said it for the therapist: owed %v", h.keys())
	}
	has(t, task.What, "hold-1 held the pathway until", "say that you know")
	h.must("task-done", "by", "t-lane", "task", task.Key, "outcome", "acknowledged")
	if h.task(task.Key) != nil || h.blocked("hold-1", h.now) {
		t.Errorf("owed %v", h.keys())
	}
	void.must("correct", "by", "p-singh", "entry", "E", "why", "another client's", "void", true)
	if void.task(task.Key) != nil {
		t.Errorf("it never was, and the therapist has to know of it: owed %v", void.keys())
	}
}

// A task is derived: it is done when the state says so; a human act, when somebody records it.
func TestATaskIsDoneWhenTheStateSaysSo(t *testing.T) {
	shows(t, "task-derived", "task-human-act")
	t.Parallel()
	h := newHouse(t)
	for _, row := range []struct {
		key  string
		who  []Role
		due  time.Duration
		done func()
	}{
		{"prescriber-clearance", []Role{Prescriber}, 48 * time.Hour, func() { h.clear() }},
		{"psychological-evaluation", []Role{Therapist}, 48 * time.Hour, func() { h.evaluate("suitable") }},
		{"safety-plan", []Role{Therapist}, 48 * time.Hour, func() { h.plan("on-file") }},
		{"consent", []Role{Client, Therapist}, 72 * time.Hour, h.consent},
	} {
		task := h.task(row.key)
		if task == nil || !slices.Equal(task.Who, row.who) || !task.Since.Equal(at("2026-01-05 09:00")) || task.Due.Sub(task.Since) != row.due || task.Urgent || task.What == "" {
			t.Fatalf("%s: %+v", row.key, task)
		}
		has(t, h.refused(BadValue, "task-done", "by", "t-lane", "task", row.key, "outcome", "done"), "task")
		row.done()
		if h.task(row.key) != nil {
			t.Errorf("%s is done, and still owed", row.key)
		}
	}
	f := walk(t, 0)
	f.hold(Dosing)
	f.must("stop", "by", "t-lane", "reason", "no use")
	for _, row := range []struct {
		task, outcome string
		code          RefusalCode
	}{
		{"letter", "reached", BadValue}, {"letter", "done", ""},
		{"conversation", "done", BadValue}, {"conversation", "declined", BadValue}, {"conversation", "reached", ""},
		{"referral", "declined", BadValue}, // only where the client withdrew
		{"nothing", "done", BadValue},
	} {
		fields := []any{"by", "t-lane", "task", row.task, "outcome", row.outcome}
		if row.code != "" {
			f.refused(row.code, "task-done", fields...)
			continue
		}
		f.must("task-done", fields...)
		if f.task(row.task) != nil {
			t.Errorf("%s is done, and still owed", row.task)
		}
	}
}

// What a hold says follows the record: what a correction takes back it no longer names, and what another brings back is asked about anew.
func TestAHoldNamesWhatIsOnRecord(t *testing.T) {
	shows(t, "hold-says-what-stands")
	t.Parallel()
	h := walk(t, 0)
	h.hold(Dosing, "blood_pressure_leaving", "not-taken", "in_person", false)
	x, record := h.inForce(Deviation), func() string { return h.p.appointment("dosing-1").Record.ID }
	has(t, x.Why, "not held in person", "not taken before leaving")
	h.must("correct", "by", "t-lane", "entry", record(), "why", "mistyped", "in_person", true)
	if x = h.inForce(Deviation); strings.Contains(x.Why, "in person") || x.What != "pressure-leaving" || len(h.p.Holds) != 1 {
		t.Errorf("%d holds, the first: %s (%s)", len(h.p.Holds), x.Why, x.What)
	}
	if task := h.task("hold/hold-1/therapist"); task == nil || strings.Contains(task.What, "in person") {
		t.Errorf("owed %+v", task)
	}
	h.must("release", "by", "t-lane", "hold", "hold-1", "reason", "seen")
	h.must("release", "by", "p-singh", "hold", "hold-1", "reason", "seen")
	h.must("correct", "by", "t-lane", "entry", record(), "why", "it was so after all", "in_person", false)
	if x = h.inForce(Deviation); x == nil || x.Name != "hold-2" || strings.Contains(x.Why, "leaving") {
		t.Errorf("holds %+v", h.p.Holds)
	}

	// Worse than a baseline that was mistyped: still worse than the one that was meant, and so it says.
	g := walk(t, 1)
	g.measure(PHQ9, 27)
	base := g.p.baseline(PHQ9)
	has(t, g.inForce(Worsening).Why, fmt.Sprintf("from %d at the baseline", base.Total))
	g.must("correct", "by", "t-lane", "entry", base.ID, "why", "mistyped", "total", base.Total+1)
	has(t, g.inForce(Worsening).Why, fmt.Sprintf("from %d at the baseline", base.Total+1))
}
