package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Each gate, each decision: what is taken, what is refused by the name of the field, and what the gate then says.
func TestTheScreeningGates(t *testing.T) {
	shows(t, "gate-clearance", "gate-evaluation", "gate-consent", "gate-plan", "gate-consent-document")
	t.Parallel()
	clearance := func(decision string, more ...any) []any {
		return with([]any{"by", "p-singh", "decision", decision}, more...)
	}
	evaluation := func(decision string, more ...any) []any {
		return with(with(evaluated, "by", "t-lane", "decision", decision), more...)
	}
	consent := func(more ...any) []any { return with(with(explained, "by", "t-lane", "decision", "given"), more...) }
	plan := func(decision string, more ...any) []any {
		return with(with(planned, "by", "t-lane", "decision", decision), more...)
	}
	cleared := clearance("cleared", reviewed...)
	const open = "" // the gate
	for _, row := range []struct {
		gate   string
		fields []any
		code   RefusalCode // "": taken
		says   string      // the refusal, or the gate
	}{
		{"prescriber-clearance", cleared, "", open},
		{"prescriber-clearance", with(cleared, "medications_reviewed", nil), MissingField, "medications_reviewed"},
		{"prescriber-clearance", with(cleared, "cardiovascular_history_reviewed", nil), MissingField, "cardiovascular_history_reviewed"},
		{"prescriber-clearance", with(cleared, "psychiatric_history_reviewed", nil), MissingField, "psychiatric_history_reviewed"},
		{"prescriber-clearance", with(cleared, "medically_stable", nil), MissingField, "medically_stable"},
		{"prescriber-clearance", with(cleared, "medications_reviewed", false), MissingField, "medications_reviewed"},
		{"prescriber-clearance", with(cleared, "cardiovascular_history_reviewed", false), MissingField, "cardiovascular_history_reviewed"},
		{"prescriber-clearance", with(cleared, "psychiatric_history_reviewed", false), MissingField, "psychiatric_history_reviewed"},
		{"prescriber-clearance", with(cleared, "medically_stable", false), MissingField, "medically_stable"},
		{"prescriber-clearance", clearance("not-cleared", "reason", "the heart"), "", "has not cleared the client: the heart"},
		{"prescriber-clearance", clearance("not-cleared"), MissingField, "reason"},
		{"prescriber-clearance", clearance("more-information", "needed", "an ECG"), "", "needs more information: an ECG"},
		{"prescriber-clearance", clearance("more-information"), MissingField, "needed"},
		{"prescriber-clearance", clearance("revoked", "reason", "a new medicine"), "", "revoked the clearance: a new medicine"},
		{"prescriber-clearance", clearance("revoked"), MissingField, "reason"},

		{"psychological-evaluation", evaluation("suitable"), "", open},
		{"psychological-evaluation", evaluation("suitable", "trauma_history_reviewed", nil), MissingField, "trauma_history_reviewed"},
		{"psychological-evaluation", evaluation("suitable", "substance_use_history_reviewed", nil), MissingField, "substance_use_history_reviewed"},
		{"psychological-evaluation", evaluation("suitable", "attachment_history_reviewed", nil), MissingField, "attachment_history_reviewed"},
		{"psychological-evaluation", evaluation("suitable", "trauma_history_reviewed", false), BadValue, "trauma_history_reviewed"},
		{"psychological-evaluation", evaluation("suitable", "substance_use_history_reviewed", false), BadValue, "substance_use_history_reviewed"},
		{"psychological-evaluation", evaluation("suitable", "attachment_history_reviewed", false), BadValue, "attachment_history_reviewed"},
		{"psychological-evaluation", evaluation("suitable", "findings", []string{"low-mood"}), BadValue, "findings"}, // findings are codes
		{"psychological-evaluation", evaluation("defer", "what_must_change", "sleep", "review_on", "2026-02-05"), "", "deferred KAP until 2026-02-05: sleep"},
		{"psychological-evaluation", evaluation("defer", "review_on", "2026-02-05"), MissingField, "what_must_change"},
		{"psychological-evaluation", evaluation("defer", "what_must_change", "sleep"), BadValue, "review_on"},
		{"psychological-evaluation", evaluation("defer", "what_must_change", "sleep", "review_on", "2026-01-05"), BadValue, "review_on"}, // today
		{"psychological-evaluation", evaluation("defer", "what_must_change", "sleep", "review_on", "2026-01-06"), "", "deferred KAP until 2026-01-06: sleep"},
		{"psychological-evaluation", evaluation("decline", "reason", "other needs"), "", "declined KAP: other needs"},
		{"psychological-evaluation", evaluation("decline"), MissingField, "reason"},

		{"consent", consent(), "", open},
		{"consent", consent("risks", nil), MissingField, "risks"},
		{"consent", consent("alternatives", nil), MissingField, "alternatives"},
		{"consent", consent("what_we_do_and_do_not", nil), MissingField, "what_we_do_and_do_not"},
		{"consent", consent("off_label", nil), MissingField, "off_label"},
		{"consent", consent("risks", false), MissingField, "risks"},
		{"consent", consent("alternatives", false), MissingField, "alternatives"},
		{"consent", consent("what_we_do_and_do_not", false), MissingField, "what_we_do_and_do_not"},
		{"consent", consent("off_label", false), MissingField, "off_label"},
		{"consent", consent("evidence", nil), BadValue, "evidence"},
		{"consent", consent("evidence", "extrapolated"), BadValue, "evidence"},
		{"consent", consent("document_version", nil), BadValue, "document_version"},
		{"consent", consent("document_version", "2025-9"), BadValue, "2025-9"},
		{"consent", consent("document_sha256", nil), BadValue, "document_sha256"},
		{"consent", consent("document_sha256", strings.Repeat("1", 64)), BadValue, "document_sha256"},

		{"safety-plan", plan("on-file"), "", open},
		{"safety-plan", plan("revised"), "", open},
		{"safety-plan", plan("on-file", "between_sessions_plan", nil), MissingField, "between_sessions_plan"},
		{"safety-plan", plan("on-file", "emergency_contact_on_file", nil), MissingField, "emergency_contact_on_file"},
		{"safety-plan", plan("on-file", "between_sessions_plan", false), BadValue, "between_sessions_plan"},
		{"safety-plan", plan("on-file", "emergency_contact_on_file", false), BadValue, "emergency_contact_on_file"},
	} {
		h := newHouse(t)
		if row.code != "" {
			has(t, h.refused(row.code, row.gate, row.fields...), row.says)
			continue
		}
		h.must(row.gate, row.fields...)
		i := slices.IndexFunc(h.p.gates(h.now), func(b Blocker) bool { return b.Code == row.gate })
		switch {
		case row.says == open && i >= 0:
			t.Errorf("%s %v: the gate says %q", row.gate, row.fields, h.p.gates(h.now)[i])
		case row.says != open && (i < 0 || !strings.Contains(h.p.gates(h.now)[i].String(), row.says)):
			t.Errorf("%s %v: the gates say %v, expected %q", row.gate, row.fields, h.p.gates(h.now), row.says)
		}
	}
}

// Withdrawing consent takes nothing but the word, and closes the gate at once.
func TestConsentIsGivenAndWithdrawn(t *testing.T) {
	shows(t, "gate-consent", "who-client-withdraws")
	t.Parallel()
	h := newHouse(t)
	h.consent()
	h.now = h.now.Add(time.Hour)
	h.must("consent", "by", "t-lane", "decision", "withdrawn")
	if b := h.p.consentGate(h.now); b.Code != "consent" || !strings.Contains(b.Sentence, "withdrawn consent") {
		t.Errorf("the gate says %q", b)
	}
	h.now = h.now.Add(time.Hour)
	h.consent()
	if b := h.p.consentGate(h.now); b.Code != "" {
		t.Errorf("the gate says %q after consent was given again", b)
	}
}

func TestConsentSaysWhatTheEvidenceSupportsForThisDiagnosis(t *testing.T) {
	shows(t, "gate-consent-evidence")
	t.Parallel()
	for _, row := range []struct {
		diagnosis Diagnosis
		evidence  Evidence
	}{
		{"treatment-resistant-depression", "supported"},
		{"ptsd", "promising"},
		{"chronic-anxiety", "promising"},
		{"complex-trauma", "extrapolated"},
		{"persistent-grief", "extrapolated"},
	} {
		h := newHouse(t, func(e *Enrolment) { e.Diagnosis = row.diagnosis })
		for _, said := range []Evidence{Supported, Promising, Extrapolated} {
			fields := with(explained, "by", "t-lane", "decision", "given", "evidence", string(said))
			if said != row.evidence {
				has(t, h.refused(BadValue, "consent", fields...), "evidence")
			}
		}
		h.must("consent", with(explained, "by", "t-lane", "decision", "given", "evidence", string(row.evidence))...)
	}
}

// The gates count only while all of them are current at once: what ran out in the meantime is asked for again.
func TestAllGatesAreCurrentAtTheSameMoment(t *testing.T) {
	shows(t, "gates-any-order", "gates-current-together", "preparation-booked-by-system")
	t.Parallel()
	for _, row := range []struct {
		is     string
		change func(*house) // between the first three gates and the last
		wants  func(*house)
		code   string
	}{
		{"the clearance ran out", func(h *house) { h.until(h.now.AddDate(0, 0, 60)) }, func(h *house) { h.clear() }, "clearance-days"},
		{"the clearance was revoked", func(h *house) {
			h.must("prescriber-clearance", "by", "p-singh", "decision", "revoked", "reason", "a new medicine")
		}, func(h *house) { h.clear() }, "prescriber-clearance"},
		{"consent was withdrawn", func(h *house) { h.must("consent", "by", "t-lane", "decision", "withdrawn") }, func(h *house) {
			h.now = h.now.Add(time.Minute)
			h.consent()
		}, "consent"},
		{"the evaluation was deferred", func(h *house) { h.evaluate("defer", "what_must_change", "sleep", "review_on", "2026-03-01") },
			func(h *house) { h.evaluate("suitable") }, "psychological-evaluation"},
	} {
		h := newHouse(t)
		h.clear()
		h.evaluate("suitable")
		h.consent()
		h.now = h.now.Add(time.Hour)
		row.change(h)
		h.plan("on-file") // the last gate, while another is shut
		if h.p.booked(Preparation) != nil || h.p.Phase(h.now) != Screening {
			t.Errorf("%s: preparation is booked", row.is)
		}
		if all := h.p.gates(h.now); len(all) != 1 || all[0].Code != row.code {
			t.Errorf("%s: the gates say %v, expected %s alone", row.is, all, row.code)
		}
		h.now = h.now.Add(time.Hour)
		row.wants(h)
		if h.p.booked(Preparation) == nil {
			t.Errorf("%s: nothing is booked once all are current; the gates say %v", row.is, h.p.gates(h.now))
		}
	}
	// On its last day a clearance still counts.
	h := newHouse(t)
	h.clear()
	h.evaluate("suitable")
	h.consent()
	h.until(h.now.AddDate(0, 0, 60).Add(-time.Minute))
	h.plan("on-file")
	if all := h.p.gates(h.now); len(all) > 0 {
		t.Errorf("a minute before the clearance runs out: %v", all)
	}
}

// Evaluation visits need no gate: whatever else is missing, either is recorded first.
func TestEvaluationsNeedNoGate(t *testing.T) {
	shows(t, "gates-evaluation-visits")
	t.Parallel()
	newHouse(t).clear()
	newHouse(t).evaluate("suitable")
}

// The joint decision: cleared, suitable and consented, each by its own person. The safety plan is no part of it.
func TestTheJointDecisionStandsAndFalls(t *testing.T) {
	shows(t, "joint-decision")
	t.Parallel()
	for _, row := range []struct {
		is     string
		change func(*house)
	}{
		{"revoked", func(h *house) {
			h.must("prescriber-clearance", "by", "p-singh", "decision", "revoked", "reason", "a new medicine")
		}},
		{"not cleared", func(h *house) {
			h.must("prescriber-clearance", "by", "p-singh", "decision", "not-cleared", "reason", "the heart")
		}},
		{"deferred", func(h *house) { h.evaluate("defer", "what_must_change", "sleep", "review_on", "2026-03-01") }},
		{"withdrawn", func(h *house) { h.must("consent", "by", "t-lane", "decision", "withdrawn") }},
	} {
		h := newHouse(t)
		h.clear()
		h.evaluate("suitable")
		if !h.p.JointSince.IsZero() {
			t.Fatal("a joint decision without the client")
		}
		h.now = h.now.Add(90 * time.Minute)
		h.consent()
		if got := h.p.Status(h.now).JointSince; !got.Equal(at("2026-01-05 10:30")) {
			t.Errorf("joint since %s, expected the moment of the consent", got)
		}
		h.now = h.now.Add(time.Hour)
		row.change(h)
		if !h.p.Status(h.now).JointSince.IsZero() {
			t.Errorf("%s, and the joint decision stands", row.is)
		}
		if all := h.told("joint-decision"); len(all) != 2 || !strings.Contains(all[0], "cleared by the prescriber, suitable to the therapist, consented by the client") {
			t.Errorf("%s: the journal has %q", row.is, all)
		}
	}
}

// What enrolment records that speaks against KAP: it blocks at once, and declining is proposed to the therapist. The enrolment itself
// is never refused, because everybody gets an answer.
func TestEligibility(t *testing.T) {
	shows(t, "eligibility-recorded", "finding-ineligible", "nobody-without-an-answer")
	t.Parallel()
	for _, row := range []struct {
		is     string
		change func(*Enrolment)
		says   string
	}{
		{"not an adult", func(e *Enrolment) { e.Adult = false }, "not an adult"},
		{"no qualifying diagnosis", func(e *Enrolment) { e.Diagnosis = NoDiagnosis }, "no qualifying diagnosis"},
		{"standard care not tried", func(e *Enrolment) { e.StandardCareTried = false }, "standard care has not been tried"},
		{"cannot commit to the arc", func(e *Enrolment) { e.CommitsToTheArc = false }, "cannot commit to the whole arc"},
		{"not comfortable with the states", func(e *Enrolment) { e.ComfortableWithTheStates = false }, "not comfortable with non-ordinary states"},
	} {
		h := newHouse(t, row.change)
		start := h.now.AddDate(0, 0, 30)
		if !h.blocked("eligibility", start) || !h.blocked("eligibility", h.now) {
			t.Errorf("%s: blocked by %v", row.is, h.codes(start))
		}
		proposed := h.task("psychological-evaluation")
		if proposed == nil || !slices.Equal(proposed.Who, []Role{Therapist}) {
			t.Fatalf("%s: owed %v", row.is, h.keys())
		}
		has(t, proposed.What, "Declining is proposed", row.says)
		has(t, h.p.message(*proposed), `"decision": "<suitable, defer or decline>"`, `"reason": "<why>"`)
		h.clear()
		h.consent()
		h.plan("on-file")
		has(t, h.refused(Blocked, "psychological-evaluation", with(evaluated, "by", "t-lane", "decision", "suitable")...), "expected decline")
		if h.p.booked(Preparation) != nil {
			t.Errorf("%s: preparation is booked", row.is)
		}
		h.evaluate("decline", "reason", row.is)
		if h.p.ending() != DeclinedAndReferred || h.task("referral") == nil {
			t.Errorf("%s: ending %q, owed %v", row.is, h.p.ending(), h.keys())
		}
	}
	for _, d := range []Diagnosis{"treatment-resistant-depression", "ptsd", "complex-trauma", "chronic-anxiety", "persistent-grief"} {
		h := newHouse(t, func(e *Enrolment) { e.Diagnosis = d })
		if h.blocked("eligibility", h.now) {
			t.Errorf("%s does not qualify", d)
		}
	}
}

// Enrolment asks for all it records by name.
func TestEnrolmentIsCheckedByField(t *testing.T) {
	shows(t, "eligibility-recorded", "who-two-people")
	t.Parallel()
	for _, row := range []struct {
		field  string
		change func(*Enrolment)
	}{
		{"code", func(e *Enrolment) { e.Code = "K7" }},
		{"at", func(e *Enrolment) { e.At = time.Time{} }},
		{"by", func(e *Enrolment) { e.By = "x-nobody" }},
		{"care_team", func(e *Enrolment) { e.CareTeam.Prescriber = e.CareTeam.Therapist }},
		{"care_team", func(e *Enrolment) { e.CareTeam.Therapist = "" }},
		{"care_team", func(e *Enrolment) { e.CareTeam.Coordinators = nil }},
		{"diagnosis", func(e *Enrolment) { e.Diagnosis = "low-mood" }},
		{"primary_measure", func(e *Enrolment) { e.PrimaryMeasure = "" }},
		{"findings[0]", func(e *Enrolment) { e.Findings = []Finding{"low-mood"} }},
		{"zone", func(e *Enrolment) { e.Zone = "Mars" }},
		{"practice_zone", func(e *Enrolment) { e.PracticeZone = "" }},
		{"availability[0]", func(e *Enrolment) { e.Availability = []string{"tuesdays"} }},
		{"protocol", func(e *Enrolment) { e.Protocol.Version = "" }},
	} {
		e := testEnrolment(at("2026-01-05 09:00"))
		row.change(&e)
		if _, err := Enrol(e); err == nil || !strings.HasPrefix(err.Error(), row.field+":") {
			t.Errorf("%s: %v", row.field, err)
		}
	}
}

// The table of what is found: the effect at once, and what is proposed to whom.
func TestTheTableOfFindings(t *testing.T) {
	shows(t, "finding-crisis", "finding-psychosis-or-mania", "finding-cardiovascular", "finding-substance-use", "finding-one-shot", "block-at-once")
	t.Parallel()
	for _, row := range []struct {
		finding  Finding
		holds    bool // at once; urgent to both clinicians
		bars     bool // "cleared" is refused
		proposes EvaluationDecision
	}{
		{"active-crisis", yes, no, "defer"},
		{"imminent-self-harm-risk", yes, no, "defer"},
		{"psychosis-history", no, yes, "defer"},
		{"mania-history", no, yes, "defer"},
		{"cardiovascular-bar", no, yes, "defer"},
		{"substance-use-not-addressed", no, no, "defer"},
		{"wants-single-session", no, no, "decline"},
		{"recreational-aim", no, no, "decline"},
	} {
		found := []string{string(row.finding)}
		cleared := with(reviewed, "by", "p-singh", "decision", "cleared")
		effect := func(is string, h *house) {
			t.Helper()
			if start := h.now.AddDate(0, 0, 30); !h.blocked("finding", start) || !h.blocked("finding", h.now) {
				t.Errorf("%s %s: blocked by %v", row.finding, is, h.codes(start))
			}
			hold := h.inForce(Crisis)
			if (hold != nil) != row.holds {
				t.Fatalf("%s %s: holds %+v", row.finding, is, h.p.Holds)
			}
			if hold != nil {
				for key, who := range map[string]Role{"hold/" + hold.Name + "/therapist": Therapist, "informed/" + hold.Name + "/prescriber": Prescriber} {
					if task := h.task(key); task == nil || !task.Urgent || !slices.Equal(task.Who, []Role{who}) {
						t.Errorf("%s %s: %s is %+v", row.finding, is, key, task)
					}
				}
			}
		}

		enrolled := newHouse(t, func(e *Enrolment) { e.Findings = []Finding{row.finding} })
		effect("at enrolment", enrolled)
		proposed := enrolled.task("psychological-evaluation")
		if proposed == nil || !slices.Equal(proposed.Who, []Role{Therapist}) {
			t.Fatalf("%s: owed %v", row.finding, enrolled.keys())
		}
		has(t, proposed.What, map[EvaluationDecision]string{Defer: "Deferring", Decline: "Declining"}[row.proposes]+" is proposed")
		has(t, enrolled.p.message(*proposed), `"decision": "<suitable, defer or decline>"`)
		if row.bars {
			has(t, enrolled.refused(Blocked, "prescriber-clearance", cleared...), "expected not-cleared or more-information")
		} else {
			enrolled.must("prescriber-clearance", cleared...)
		}

		prescriber := newHouse(t)
		has(t, prescriber.refused(Blocked, "prescriber-clearance", with(cleared, "findings", found)...), "findings")
		prescriber.must("prescriber-clearance", "by", "p-singh", "decision", "not-cleared", "reason", "history", "findings", found)
		effect("by the prescriber", prescriber)
		if task := prescriber.task("psychological-evaluation"); task == nil || !strings.Contains(task.What, "proposed") {
			t.Errorf("%s by the prescriber: the therapist is asked %+v", row.finding, task)
		}

		therapist := newHouse(t)
		has(t, therapist.refused(Blocked, "psychological-evaluation", with(evaluated, "by", "t-lane", "decision", "suitable", "findings", found)...), "findings")
		therapist.evaluate("defer", "what_must_change", "it", "review_on", "2026-03-02", "findings", found)
		effect("by the therapist", therapist)
		if row.bars {
			therapist.refused(Blocked, "prescriber-clearance", cleared...)
			therapist.must("prescriber-clearance", "by", "p-singh", "decision", "more-information", "needed", "the old records")
		}
		therapist.now = therapist.now.Add(time.Hour)
		therapist.evaluate("suitable") // it no longer stands
		if therapist.blocked("finding", therapist.now) {
			t.Errorf("%s: still blocked although the next evaluation no longer has it", row.finding)
		}
		therapist.must("prescriber-clearance", cleared...)

		if row.proposes == Decline {
			d := newHouse(t)
			d.evaluate("decline", "reason", "not the right path", "findings", found)
			if d.p.ending() != DeclinedAndReferred || d.task("referral") == nil {
				t.Errorf("%s declined: ending %q, owed %v", row.finding, d.p.ending(), d.keys())
			}
		}
	}
}

// An episode during the pathway is a history from then on.
func TestAnEpisodeDuringThePathwayForbidsCleared(t *testing.T) {
	shows(t, "finding-psychosis-or-mania")
	t.Parallel()
	h := walk(t, 1)
	h.must("adverse-event", "by", "t-lane", "kind", "psychosis-or-mania", "severity", "severe", "id", "E")
	h.now = h.now.Add(24 * time.Hour)
	h.refused(Blocked, "prescriber-clearance", with(reviewed, "by", "p-singh", "decision", "cleared")...)
	h.must("correct", "by", "t-lane", "entry", "E", "why", "it was another client's", "void", true)
	h.clear()
}

// A crisis defers: the hold is urgent, deferring is proposed, and once the therapist has deferred nobody proposes it again.
func TestACrisisAtScreeningProposesToDefer(t *testing.T) {
	shows(t, "finding-crisis", "hold-crisis")
	t.Parallel()
	h := newHouse(t)
	h.must("hold", "by", "t-lane", "cause", "crisis", "reason", "seen today")
	task := h.task("defer/hold-1")
	if task == nil || task.By != Therapist || h.p.Status(h.now).Attention != UrgentAttention {
		t.Fatalf("owed %v", h.keys())
	}
	h.now = h.now.Add(time.Hour)
	h.evaluate("defer", "what_must_change", "safety", "review_on", "2026-02-02")
	if h.task("defer/hold-1") != nil || h.inForce(Crisis) == nil {
		t.Errorf("owed %v, holds %+v", h.keys(), h.p.Holds)
	}
}

// Defer: the pathway stays open, nobody is asked for anything before the review date, and the therapist is on that day.
func TestADeferralWaitsForItsReviewDate(t *testing.T) {
	shows(t, "defer-open", "defer-asked-on-date", "defer-reopened")
	t.Parallel()
	h := newHouse(t)
	h.until(h.now.AddDate(0, 0, 1))
	h.evaluate("defer", "what_must_change", "sleep", "review_on", "2026-04-10")
	mails, tasks := len(h.mails), h.keys()
	if len(tasks) > 0 {
		t.Errorf("owed after the deferral: %v", tasks)
	}
	h.until(at("2026-04-09 23:59"))
	if len(h.mails) != mails || len(h.keys()) > 0 {
		t.Errorf("before the review date %d mails went out and are owed %v", len(h.mails)-mails, h.keys())
	}
	if s := h.p.Status(h.now); s.DeferredUntil != "2026-04-10" || s.Phase != Screening || s.Outcome != "" {
		t.Errorf("status %+v", s)
	}
	h.until(at("2026-04-10 12:00"))
	task := h.task("psychological-evaluation")
	if task == nil || task.By != Therapist || !h.p.asksForAttention(*task, h.now) {
		t.Fatalf("on the review date is owed %v", h.keys())
	}
	asked := slices.ContainsFunc(h.mails, func(m Mail) bool { return m.Staff == "t-lane" })
	if !asked {
		t.Error("the therapist got no mail on the review date")
	}
	if slices.ContainsFunc(h.mails, func(m Mail) bool { return m.Kind == ConsentMail }) || h.task("call/ask/consent") != nil {
		t.Errorf("the client is asked as if the months before had counted: %v", h.keys())
	}
	h.evaluate("suitable")
	if h.task("psychological-evaluation") != nil || h.p.evaluationGate(h.now).Code != "" {
		t.Errorf("a new evaluation did not reopen it: %v", h.keys())
	}
	h.clear()
	h.consent()
	h.plan("on-file")
	if h.p.booked(Preparation) == nil {
		t.Error("preparation is not booked after the deferral")
	}

	again := newHouse(t)
	again.evaluate("defer", "what_must_change", "sleep", "review_on", "2026-02-02")
	again.until(at("2026-02-02 10:00"))
	again.evaluate("defer", "what_must_change", "sleep", "review_on", "2026-03-02")
	if len(again.keys()) > 0 {
		t.Errorf("deferred again, and owed are %v", again.keys())
	}
}

// Staff were silent for a year: nobody is dropped, and they still hear of it each day.
func TestNobodyIsDroppedBecauseStaffWereSilent(t *testing.T) {
	shows(t, "nobody-dropped-by-silence", "lapse-only-client")
	t.Parallel()
	for _, row := range []struct {
		is   string
		done func(*house)
		who  []string // hear of it on the last day
	}{
		{"the prescriber", func(h *house) { h.evaluate("suitable"); h.consent(); h.plan("on-file") }, []string{"p-singh", "c-desk"}},
		{"the therapist", func(h *house) { h.clear(); h.consent(); h.plan("on-file") }, []string{"t-lane", "c-desk"}},
	} {
		h := newHouse(t)
		row.done(h)
		h.until(h.now.AddDate(1, 0, 0))
		if h.p.Outcome != "" || h.p.ending() != "" || h.task("lapse") != nil {
			t.Errorf("%s was silent, and the pathway is ending as %q; owed %v", row.is, h.p.ending(), h.keys())
		}
		last := len(h.mails)
		h.until(h.now.AddDate(0, 0, 1))
		for _, who := range row.who {
			if !slices.ContainsFunc(h.mails[last:], func(m Mail) bool { return m.Staff == who }) {
				t.Errorf("%s was silent for a year, and %s does not hear of it any more", row.is, who)
			}
		}
		h.refused(NotNow, "stop", "by", "t-lane", "as", "lapsed", "reason", "silence")
	}
}

// Preparation: two sessions of an hour, or one where the therapist says that it suffices.
func TestPreparation(t *testing.T) {
	shows(t, "preparation-default", "preparation-at-least-one", "preparation-booked-by-system", "arc-preparation-first")
	t.Parallel()
	h := newHouse(t)
	h.screen()
	var booked []Appointment
	for _, a := range h.p.Appointments {
		if a.Kind == Preparation && a.State == Booked {
			booked = append(booked, a)
		}
	}
	if len(booked) != 2 || booked[0].End.Sub(booked[0].Start) != time.Hour || booked[1].End.Sub(booked[1].Start) != time.Hour {
		t.Fatalf("booked %+v, expected two sessions of 60 minutes", booked)
	}
	if !h.mailed("booked/preparation-1/r1") || !h.mailed("booked/preparation-2/r1") {
		t.Error("the client was not mailed at once")
	}

	both := h.fork(t)
	both.hold(Preparation)
	if both.p.Phase(both.now) != InPreparation || both.p.booked(Dosing) != nil {
		t.Error("after one of two sessions, preparation counts as complete")
	}
	both.hold(Preparation)
	if both.p.booked(Dosing) == nil || both.p.booked(Integration) == nil {
		t.Error("after both, no dosing session and its integration are booked")
	}

	one := h.fork(t)
	one.hold(Preparation, "preparation_complete", true)
	if one.p.appointment("preparation-2").State != Cancelled || one.p.booked(Dosing) == nil {
		t.Errorf("after one that suffices: %v", one.p.Appointments)
	}

	none := h.fork(t)
	a := none.bringsUp(Preparation)
	none.must("session-held", "by", "t-lane", "session", a.Name, "outcome", "no-show", "preparation_complete", true)
	if none.p.booked(Dosing) != nil {
		t.Error("without any preparation a dosing session is booked")
	}
}
