package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// In the tables of who may do what.
const (
	yes = true
	no  = false
)

var (
	reviewed  = []any{"medications_reviewed", true, "cardiovascular_history_reviewed", true, "psychiatric_history_reviewed", true, "medically_stable", true}
	evaluated = []any{"trauma_history_reviewed", true, "substance_use_history_reviewed", true, "attachment_history_reviewed", true}
	explained = []any{"risks", true, "alternatives", true, "what_we_do_and_do_not", true, "off_label", true, "evidence", "supported",
		"document_version", "2026-1", "document_sha256", strings.Repeat("0", 64)}
	planned = []any{"between_sessions_plan", true, "emergency_contact_on_file", true}
)

// with puts fields together; a later one of the same name wins, and nil leaves it out.
func with(fields []any, more ...any) []any {
	named := map[string]any{}
	var order []string
	for all, i := append(slices.Clone(fields), more...), 0; i+1 < len(all); i += 2 {
		name := all[i].(string)
		if _, ok := named[name]; !ok {
			order = append(order, name)
		}
		named[name] = all[i+1]
	}
	var out []any
	for _, name := range order {
		if named[name] != nil {
			out = append(out, name, named[name])
		}
	}
	return out
}

// The team, and somebody who is not on it.
var people = []string{"t-lane", "p-singh", "c-desk", "x-nobody"}

// may sends a message as each of the people and compares who is refused as the wrong person.
func may(t *testing.T, base *house, message string, fields []any, allowed [3]bool) {
	t.Helper()
	for i, by := range people {
		h := base.fork(t)
		_, err := h.say(message, with(fields, "by", by)...)
		r := AsRefusal(err)
		wrong := r != nil && r.Code == WrongPerson
		switch expected := i < 3 && allowed[i]; {
		case expected == wrong:
			t.Errorf("%s by %s: %v, expected that they may: %v", message, by, err, expected)
		case expected && r != nil && r.Code != NotNow:
			t.Errorf("%s by %s: %v", message, by, err)
		}
	}
}

func TestWhoMayRecordWhat(t *testing.T) {
	shows(t, "who-therapist", "who-prescriber", "who-coordinator", "who-nobody-else", "who-client-withdraws")
	t.Parallel()
	base := walk(t, 0)
	base.must("hold", "by", "t-lane", "cause", "crisis", "reason", "seen", "id", "H")
	base.must("risk-assessment", "by", "t-lane", "outcome", "safe-to-continue", "safety_plan_reviewed", true)
	start := rfc(base.p.booked(Integration).Start.Add(time.Hour))
	covered := map[string]bool{}
	for _, row := range []struct {
		message                            string
		therapist, prescriber, coordinator bool
		fields                             []any
	}{
		{"prescriber-clearance", no, yes, no, with(reviewed, "decision", "cleared")},
		{"psychological-evaluation", yes, no, no, with(evaluated, "decision", "suitable")},
		{"consent", yes, no, no, with(explained, "decision", "given")},
		{"safety-plan", yes, no, no, with(planned, "decision", "revised")},
		{"book-session", yes, yes, yes, []any{"kind", "preparation"}}, // the front desk's, and clinicians may help themselves
		{"move-session", yes, yes, yes, []any{"session", "integration-1", "start", start}},
		{"cancel-session", yes, yes, yes, []any{"session", "integration-1", "wish_of", "client"}},
		{"session-held", yes, no, no, []any{"session", "dosing-1", "outcome", "no-show"}}, // of other sessions, see below
		{"hold", yes, yes, no, []any{"cause", "concern", "reason", "a question"}},
		{"release", yes, no, no, []any{"hold", "hold-1", "reason", "seen again"}}, // of other causes, see the holds
		{"measure", yes, no, no, []any{"scale", "gad-7", "total", 9}},
		{"adverse-event", yes, yes, no, []any{"kind", "other", "severity", "mild", "reason", "a headache"}},
		{"risk-assessment", yes, no, no, []any{"outcome", "safe-to-continue", "safety_plan_reviewed", true}},
		{"review", yes, yes, no, []any{"decision", "stop", "reason", "not the right path"}},
		{"stop", yes, no, no, []any{"reason", "not the right path"}},
		{"answer", no, no, no, []any{"session", "integration-1", "revision", 1, "answer", "coming"}}, // the client's, see answers
		{"withdraw", yes, yes, yes, nil},
		{"referral", yes, no, no, []any{"to", "a clinic", "purpose", "psychotherapy"}},
		{"task-done", yes, no, no, []any{"task", "hold/hold-1/therapist", "outcome", "acknowledged"}}, // of other tasks, see below
		{"care-team", yes, yes, yes, []any{"coordinators", []string{"c-desk", "c-two"}, "reason", "two at the desk"}},
		{"contact", yes, yes, yes, []any{"zone", "America/Chicago"}},
		{"correct", yes, no, no, []any{"entry", "H", "why", "another word", "reason", "seen today"}}, // of other entries, see corrections
	} {
		covered[row.message] = true
		may(t, base, row.message, row.fields, [3]bool{row.therapist, row.prescriber, row.coordinator})
	}
	for _, m := range Messages() {
		if m.Anybody {
			continue // see below
		}
		if !covered[m.Name] {
			t.Errorf("the table has no row for %s", m.Name)
		}
	}
}

// Whoever runs kap refreshes many pathways with one command, which cannot name somebody of each care team.
func TestAnybodyMayRefresh(t *testing.T) {
	t.Parallel()
	for by, refused := range map[string]RefusalCode{
		"t-lane": "", "p-singh": "", "c-desk": "", "x-nobody": "", "Zenobia": BadValue, "the night shift": BadValue, "": BadValue,
	} {
		h := newHouse(t)
		_, err := h.say("refresh", "by", by)
		var code RefusalCode
		if r := AsRefusal(err); r != nil {
			code = r.Code
		}
		if code != refused {
			t.Errorf("refresh by %q: %v, expected the code %q", by, err, refused)
		}
		if err != nil && strings.Contains(err.Error(), "night") {
			t.Errorf("the refusal repeats somebody's words: %v", err)
		}
	}
}

func TestWhoMayRecordWhichSession(t *testing.T) {
	shows(t, "who-therapist", "who-coordinator", "who-attendance")
	t.Parallel()
	preparation := newHouse(t)
	preparation.screen()
	preparation.bringsUp(Preparation)
	dosing := walk(t, 0)
	dosing.bringsUp(Dosing)
	integration := walk(t, 0)
	integration.hold(Dosing)
	integration.bringsUp(Integration)
	for _, row := range []struct {
		is                                 string
		base                               *house
		therapist, prescriber, coordinator bool
		fields                             []any
	}{
		{"preparation, held", preparation, yes, yes, yes, []any{"session", "preparation-1", "outcome", "held"}},
		{"preparation, no-show", preparation, yes, yes, yes, []any{"session", "preparation-1", "outcome", "no-show"}},
		{"preparation, held and sufficient", preparation, yes, no, no, []any{"session", "preparation-1", "outcome", "held", "preparation_complete", true}},
		{"dosing, held", dosing, yes, no, no, dosingDay("dosing-1")},
		{"dosing, cut short", dosing, yes, no, no, dosingDay("dosing-1", "outcome", "cut-short", "reason", "unwell")},
		{"dosing, attended, not dosed", dosing, yes, no, no, []any{"session", "dosing-1", "outcome", "attended-not-dosed", "reason", "unwell"}},
		{"dosing, no-show", dosing, yes, no, no, []any{"session", "dosing-1", "outcome", "no-show"}},
		{"dosing, cancelled late", dosing, yes, no, no, []any{"session", "dosing-1", "outcome", "cancelled-late"}},
		{"integration, held", integration, yes, no, no, []any{"session", "integration-1", "outcome", "held", "next", "another", "client_agrees", true}},
		{"integration, no-show", integration, yes, yes, yes, []any{"session", "integration-1", "outcome", "no-show"}},
	} {
		t.Run(row.is, func(t *testing.T) {
			may(t, row.base, "session-held", row.fields, [3]bool{row.therapist, row.prescriber, row.coordinator})
		})
	}
}

func TestWhoMaySayThatATaskIsDone(t *testing.T) {
	shows(t, "who-prescriber", "who-coordinator", "ending-discharge-contact", "ending-conversation", "task-human-act")
	t.Parallel()
	stopping := walk(t, 0)
	stopping.hold(Dosing)
	stopping.must("stop", "by", "t-lane", "reason", "not the right path")
	held := walk(t, 0)
	held.must("hold", "by", "t-lane", "cause", "crisis", "reason", "seen")
	calls := newHouse(t, func(e *Enrolment) { e.MailPermission = false })
	calls.screen()
	missed := walk(t, 0)
	missed.hold(Dosing)
	missed.must("session-held", "by", "t-lane", "session", missed.bringsUp(Integration).Name, "outcome", "no-show")
	for _, row := range []struct {
		task, outcome                      string
		base                               *house
		therapist, prescriber, coordinator bool
	}{
		{"conversation", "reached", stopping, yes, no, no},
		{"letter", "done", stopping, yes, no, no},
		{"discharge-contact", "reached", stopping, no, yes, no},
		{"call/booked/preparation-1/r1", "reached", calls, yes, yes, yes},
		{"welfare/integration-1", "reached", missed, yes, yes, yes},
		{"hold/hold-1/therapist", "acknowledged", held, yes, no, no}, // whoever owes it: nobody quiets another's alarm
		{"informed/hold-1/prescriber", "acknowledged", held, no, yes, no},
	} {
		t.Run(row.task, func(t *testing.T) {
			may(t, row.base, "task-done", []any{"task", row.task, "outcome", row.outcome}, [3]bool{row.therapist, row.prescriber, row.coordinator})
		})
	}
}

// A call that was not made after all is owed as before, unless its session has another time since, or none: nobody is to be told of the old one.
func TestACallThatWasNotMade(t *testing.T) {
	t.Parallel()
	const task = "call/booked/preparation-1/r1"
	made := func() *house {
		h := newHouse(t, func(e *Enrolment) { e.MailPermission = false })
		h.screen()
		h.must("task-done", "by", "c-desk", "id", "made", "task", task, "outcome", "reached")
		return h
	}
	for _, row := range []struct {
		then string
		do   func(h *house)
		back bool
	}{
		{"nothing", func(*house) {}, yes},
		{"it was moved", func(h *house) {
			h.must("move-session", "by", "c-desk", "session", "preparation-1", "start", rfc(h.p.appointment("preparation-1").Start.AddDate(0, 0, 7)))
		}, no},
		{"it was cancelled", func(h *house) {
			h.must("cancel-session", "by", "c-desk", "session", "preparation-1", "wish_of", "practice")
		}, no},
		{"it was recorded", func(h *house) {
			h.until(h.p.appointment("preparation-1").End)
			h.must("session-held", "by", "t-lane", "session", "preparation-1", "outcome", "held")
		}, no},
		{"it was recorded by mistake", func(h *house) {
			h.until(h.p.appointment("preparation-1").Start.Add(-20 * time.Hour))
			h.must("session-held", "by", "t-lane", "id", "record", "session", "preparation-1", "outcome", "held", "start", rfc(h.now.Add(-2*time.Hour)))
			h.must("correct", "by", "t-lane", "entry", "record", "why", "another client's", "void", true)
		}, yes},
	} {
		for _, correction := range [][]any{{"void", true}, {"outcome", "tried"}} {
			h := made()
			row.do(h)
			h.must("correct", append([]any{"by", "c-desk", "entry", "made", "why", "it was another client"}, correction...)...)
			if back := h.task(task) != nil; back != row.back {
				t.Errorf("%s, then %v: the call is back: %t, expected %t", row.then, correction, back, row.back)
			}
		}
	}

	// What had not been said yet when a session was recorded by mistake has yet to be said; and a call that was not made before it, too.
	h := newHouse(t, func(e *Enrolment) { e.MailPermission = false })
	h.screen()
	h.until(h.p.appointment("preparation-1").Start.Add(-20 * time.Hour))
	h.must("task-done", "by", "c-desk", "id", "made", "task", task, "outcome", "reached")
	owed := h.calls()
	h.must("session-held", "by", "t-lane", "id", "record", "session", "preparation-1", "outcome", "held", "start", rfc(h.now.Add(-2*time.Hour)))
	h.must("correct", "by", "c-desk", "entry", "made", "why", "it was another client", "void", true)
	if slices.ContainsFunc(h.calls(), func(key string) bool { return strings.Contains(key, "/preparation-1/") }) {
		t.Errorf("calls about a session that is recorded: %q", h.calls())
	}
	h.must("correct", "by", "t-lane", "entry", "record", "why", "another client's", "void", true)
	if want, got := append(owed, task), h.calls(); len(got) != len(want) || !slices.Contains(got, task) {
		t.Errorf("owed %q, expected %q", got, want)
	}
}

func TestTherapistAndPrescriberAreTwoPeopleAtEveryChange(t *testing.T) {
	shows(t, "who-two-people")
	t.Parallel()
	for _, row := range []struct {
		is   string
		team []any
		code RefusalCode
	}{
		{"the therapist becomes the prescriber too", []any{"prescriber", "t-lane"}, BadValue},
		{"the prescriber becomes the therapist too", []any{"therapist", "p-singh"}, BadValue},
		{"they change places", []any{"therapist", "p-singh", "prescriber", "t-lane"}, ""},
		{"both new, and the same", []any{"therapist", "t-ortiz", "prescriber", "t-ortiz"}, BadValue},
		{"both new", []any{"therapist", "t-ortiz", "prescriber", "p-moreau"}, ""},
	} {
		h := newHouse(t)
		fields := with(row.team, "by", "c-desk", "reason", "leave")
		if row.code == "" {
			h.must("care-team", fields...)
			continue
		}
		has(t, h.refused(row.code, "care-team", fields...), "never the same person")
	}
}

// The software proposes no dose and transmits no prescription: none of its messages asks for one, and whatever shows a clearance
// says what it is not.
func TestAClearanceIsNoPrescription(t *testing.T) {
	shows(t, "who-no-prescription")
	t.Parallel()
	h := newHouse(t)
	if reply := h.clear(); !strings.Contains(reply.What, "not a prescription") {
		t.Error(reply.What)
	}
	if m := Message("prescriber-clearance"); !strings.Contains(m.About, "not a prescription") {
		t.Error(m.About)
	}
	for _, m := range Messages() {
		if strings.Contains(m.Example, "dose") || strings.Contains(m.Example, "prescription_reference") {
			t.Errorf("the example of %s proposes a dose: %s", m.Name, m.Example)
		}
	}
	d := walk(t, 0)
	a := d.bringsUp(Dosing)
	for _, task := range d.p.Status(d.now).Tasks {
		if task.Key == "record/"+a.Name {
			has(t, task.JSON, `"dose_as_given": "<as given>"`, `"prescription_reference": "<its reference>"`, `"route": "<route>"`)
			return
		}
	}
	t.Error("nobody is asked for the record")
}

// A new therapist: what is booked stands in the old one's calendar, so all of it is booked anew, however near it is.
func TestANewTherapistIsBookedAnew(t *testing.T) {
	shows(t, "who-therapist", "team-change", "dosing-own-therapist")
	t.Parallel()
	for _, before := range []time.Duration{60 * time.Hour, 48 * time.Hour, 40 * time.Hour, 2 * time.Hour} {
		h := walk(t, 0)
		a := *h.p.booked(Dosing)
		h.until(a.Start.Add(-before))
		h.must("care-team", "by", "c-desk", "therapist", "t-ortiz", "reason", "leave")
		if got := h.p.appointment(a.Name).State; got != Cancelled {
			t.Errorf("%s before it, the session with the old therapist is %s", before, got)
		}
		for _, b := range h.p.Appointments {
			if b.State == Booked && b.Therapist != "t-ortiz" {
				t.Errorf("%s before it: %s is booked with %s", before, b.Name, b.Therapist)
			}
		}
		if h.p.booked(Dosing) == nil || h.p.booked(Integration) == nil {
			t.Errorf("%s before it: nothing is booked with the new therapist; owed: %v", before, h.keys())
		}
		may(t, h, "measure", []any{"scale", "gad-7", "total", 3}, [3]bool{no, no, no}) // the old one is not on the team any more
		h.must("measure", "by", "t-ortiz", "scale", "gad-7", "total", 3)
	}
}

func TestANewPrescriberTakesOver(t *testing.T) {
	shows(t, "team-change")
	t.Parallel()
	h := walk(t, 0)
	a := *h.p.booked(Dosing)
	h.must("care-team", "by", "t-lane", "prescriber", "p-moreau", "reason", "leave")
	h.refused(WrongPerson, "prescriber-clearance", with(reviewed, "by", "p-singh", "decision", "cleared")...)
	h.must("prescriber-clearance", with(reviewed, "by", "p-moreau", "decision", "cleared")...)
	if b := h.p.booked(Dosing); b == nil || b.Name != a.Name {
		t.Error("what is booked with the therapist did not stay")
	}
}

// The numbers are the practice's defaults: stored with a pathway when it begins, which keeps them whatever the practice writes later.
func TestAPathwayKeepsTheNumbersItBeganWith(t *testing.T) {
	shows(t, "numbers-stored-at-enrolment")
	t.Parallel()
	h := newHouse(t, func(e *Enrolment) {
		e.Protocol.Version, e.Protocol.Preparation.Sessions, e.Protocol.Clearance.Days = "2026-3", 1, 30
	})
	h.screen()
	if n := len(h.p.Appointments); n != 1 {
		t.Errorf("%d preparation sessions are booked, expected its own number, one", n)
	}
	if got := h.p.clearanceUntil(h.p.Clearances[0]); !got.Equal(at("2026-02-04 09:00")) {
		t.Errorf("the clearance covers until %s, expected 30 days", got)
	}
	has(t, strings.Join(h.told("enrolled"), "\n"), "under protocol 2026-3")
}

// What is proposed leaves each decision, each finding and each attestation to whoever makes it: sent as it stands it is refused, and
// the refusal names all of them, with what there is to choose from.
func TestAProposalDecidesNothing(t *testing.T) {
	shows(t, "propose-open")
	t.Parallel()
	truth := "found them still open, expected true or false"
	for _, row := range []struct {
		task    string
		at      func(t *testing.T) *house
		refused []string
		facts   []string // are filled in
	}{
		{"prescriber-clearance", fresh, []string{"decision: found it still open, expected one of cleared, not-cleared, more-information, revoked",
			"medications_reviewed, cardiovascular_history_reviewed, psychiatric_history_reviewed and medically_stable: " + truth}, []string{`"by": "p-singh"`}},
		{"psychological-evaluation", fresh, []string{"decision: found it still open, expected one of suitable, defer, decline",
			"trauma_history_reviewed, substance_use_history_reviewed and attachment_history_reviewed: " + truth}, nil},
		{"consent", fresh, []string{"decision: found it still open, expected one of given, withdrawn", "risks, alternatives, what_we_do_and_do_not and off_label: " + truth},
			[]string{`"evidence": "supported"`, `"document_version": "2026-1"`}},
		{"safety-plan", fresh, []string{"between_sessions_plan and emergency_contact_on_file: " + truth}, []string{`"decision": "on-file"`}},
		{"hold/hold-1/therapist", crisis, []string{"outcome: found it still open, expected one of safe-to-continue, at-risk", "safety_plan_reviewed: found it still open, expected true or false"}, nil},
		{"conversation", declined, []string{"outcome: found it still open, expected one of"}, []string{`"task": "conversation"`, `"<reached or tried>"`}},
		{"record/preparation-1", afterPreparation, []string{"outcome: found it still open, expected one of held"}, []string{`"session": "preparation-1"`, `"<held, no-show or cancelled-late>"`}},
	} {
		h := row.at(t)
		task := h.task(row.task)
		if task == nil {
			t.Fatalf("%s is not owed, but %v", row.task, h.keys())
		}
		form := h.p.message(*task)
		has(t, form, row.facts...)
		_, err := h.p.Record(task.Message, []byte(form), h.now)
		refusal := AsRefusal(err)
		if refusal == nil || refusal.Code != BadValue {
			t.Errorf("%s: %v: %s", row.task, err, form)
			continue
		}
		has(t, refusal.Sentence, row.refused...)
	}
}

func fresh(t *testing.T) *house { return newHouse(t) }

func crisis(t *testing.T) *house {
	h := newHouse(t)
	h.must("hold", "by", "t-lane", "cause", "crisis", "reason", "seen today")
	return h
}

func declined(t *testing.T) *house {
	h := newHouse(t)
	h.evaluate("decline", "reason", "looks for something else")
	return h
}

func afterPreparation(t *testing.T) *house {
	h := newHouse(t)
	h.screen()
	h.until(h.p.booked(Preparation).End)
	return h
}

// decidedIn is what a proposal decides that is somebody's to say; empty where it only restates the record.
func decidedIn(v TaskView) string {
	said := parsed(v.JSON)
	for _, f := range Message(v.Message).Takes() {
		raw := said.raw(f.Name)
		if raw == "" || isOpen([]byte(raw)) || len(f.Options) == 0 && f.Expected != "true or false" {
			continue
		}
		switch v.Message + "." + f.Name {
		case "consent.evidence", "safety-plan.decision", "book-session.kind", "measure.scale", "stop.as": // the record says it
			continue
		case "task-done.outcome": // there is one thing to say
			if len(v.Outcomes) == 1 {
				continue
			}
		case "session-held.outcome": // it is on record as held
			if strings.HasPrefix(v.Key, "agree/") {
				continue
			}
		}
		return v.Key + " proposes " + f.Name + " " + raw
	}
	return ""
}
