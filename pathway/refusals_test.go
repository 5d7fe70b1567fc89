package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBadInputIsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	reviewed := []any{"medications_reviewed", true, "cardiovascular_history_reviewed", true, "psychiatric_history_reviewed", true, "medically_stable", true}
	evaluated := []any{"trauma_history_reviewed", true, "substance_use_history_reviewed", true, "attachment_history_reviewed", true}
	with := func(fields []any, more ...any) []any { return append(append([]any{}, more...), fields...) }
	for _, c := range []struct {
		is      string
		message string
		fields  []any
		code    RefusalCode
		says    []string
	}{
		{"a misspelt field", "prescriber-clearance", with(reviewed, "by", "p-singh", "decison", "cleared"), UnknownField, []string{`"decison"`, "expected only by, at, id, decision"}},
		{"a missing field", "prescriber-clearance", reviewed, MissingField, []string{`"by" is missing`}},
		{"a wrong enum", "prescriber-clearance", with(reviewed, "by", "p-singh", "decision", "approved"), BadValue, []string{"decision: found something of 8 characters", "cleared, not-cleared, more-information, revoked"}},
		{"an ill-typed field", "prescriber-clearance", []any{"by", "p-singh", "decision", "cleared", "medications_reviewed", "yes"}, BadValue, []string{`medications_reviewed: found "yes"`, "expected true or false"}},
		{"null", "safety-plan", []any{"by", nil, "decision", "on-file"}, BadValue, []string{"by: found null", "expected a text"}},
		{"an incomplete review", "prescriber-clearance", []any{"by", "p-singh", "decision", "cleared", "medications_reviewed", true}, MissingField, []string{"cardiovascular_history_reviewed: expected true"}},
		{"a refusal without a reason", "prescriber-clearance", []any{"by", "p-singh", "decision", "not-cleared"}, MissingField, []string{`"reason" is missing`}},
		{"a question without what is needed", "prescriber-clearance", []any{"by", "p-singh", "decision", "more-information"}, MissingField, []string{`"needed" is missing`}},
		{"a clearance by the therapist", "prescriber-clearance", with(reviewed, "by", "t-lane", "decision", "cleared"), WrongPerson, []string{"t-lane, who is this pathway's therapist", "only its prescriber (p-singh)"}},
		{"a clearance by a stranger", "prescriber-clearance", with(reviewed, "by", "p-moreau", "decision", "cleared"), WrongPerson, []string{`"p-moreau"`, "care team", "p-singh"}},
		{"a clearance with a bar", "prescriber-clearance", with(reviewed, "by", "p-singh", "decision", "cleared", "findings", []string{"mania-history"}), Blocked, []string{"findings", "not-cleared or more-information"}},
		{"an evaluation by the prescriber", "psychological-evaluation", with(evaluated, "by", "p-singh", "decision", "suitable"), WrongPerson, []string{"only its therapist (t-lane)"}},
		{"suitable with a finding", "psychological-evaluation", with(evaluated, "by", "t-lane", "decision", "suitable", "findings", []string{"active-crisis"}), Blocked, []string{"findings", "defer or decline"}},
		{"a deferral without a date", "psychological-evaluation", with(evaluated, "by", "t-lane", "decision", "defer", "what_must_change", "sleep"), BadValue, []string{"review_on", "2026-02-05"}},
		{"a deferral into the past", "psychological-evaluation", with(evaluated, "by", "t-lane", "decision", "defer", "what_must_change", "sleep", "review_on", "2025-12-01"), BadValue, []string{"2025-12-01"}},
		{"a decline without a reason", "psychological-evaluation", with(evaluated, "by", "t-lane", "decision", "decline"), MissingField, []string{`"reason"`}},
		{"consent to an old form", "consent", []any{"by", "t-lane", "decision", "given", "risks", true, "alternatives", true, "what_we_do_and_do_not", true, "off_label", true,
			"evidence", "supported", "document_version", "2019-1", "document_sha256", strings.Repeat("0", 64)}, BadValue, []string{`"2019-1"`, `"2026-1"`}},
		{"consent without the evidence explained as it is", "consent", []any{"by", "t-lane", "decision", "given", "risks", true, "alternatives", true, "what_we_do_and_do_not", true, "off_label", true,
			"evidence", "promising", "document_version", "2026-1", "document_sha256", strings.Repeat("0", 64)}, BadValue, []string{`"promising"`, "this client's diagnosis"}},
		{"a plan without an emergency contact", "safety-plan", []any{"by", "t-lane", "decision", "on-file", "between_sessions_plan", true, "emergency_contact_on_file", false}, BadValue, []string{"emergency_contact_on_file"}},
		{"a time without a zone", "safety-plan", []any{"by", "t-lane", "at", "2026-01-05T08:00:00", "decision", "on-file", "between_sessions_plan", true, "emergency_contact_on_file", true}, BadValue,
			[]string{"at:", "no time zone", "2026-01-05T08:00:00-05:00", `"2026-01-05 08:00"`}},
		{"a time that is none", "safety-plan", []any{"by", "t-lane", "at", "yesterday", "decision", "on-file", "between_sessions_plan", true, "emergency_contact_on_file", true}, BadValue, []string{`at: found "yesterday"`}},
		{"a time to come", "safety-plan", []any{"by", "t-lane", "at", "2026-01-06 08:00", "decision", "on-file", "between_sessions_plan", true, "emergency_contact_on_file", true}, BadValue, []string{"at:", "in the future"}},
		{"a wall-clock time that does not exist", "book-session", []any{"by", "c-desk", "kind", "preparation", "start", "2026-03-08 02:30"}, BadValue, []string{"does not exist", "clocks go forward"}},
		{"a wall-clock time that happens twice", "book-session", []any{"by", "c-desk", "kind", "preparation", "start", "2026-11-01 01:30"}, BadValue, []string{"happens twice", "clocks go back", "2026-11-01T01:30:00"}},
		{"preparation before screening", "book-session", []any{"by", "c-desk", "kind", "preparation"}, Blocked, []string{"screening", "the prescriber has not cleared", "consent is not recorded"}},
		{"dosing before consent", "book-session", []any{"by", "c-desk", "kind", "dosing", "start", "2026-02-02 10:00"}, Blocked, []string{"informed consent is not recorded", "preparation is not complete"}},
		{"a session in the past", "book-session", []any{"by", "c-desk", "kind", "preparation", "start", "2026-01-02 10:00"}, BadValue, []string{"which is past"}},
		{"integration of nothing", "book-session", []any{"by", "c-desk", "kind", "integration", "start", "2026-02-02 10:00"}, NotNow, []string{"none has been held"}},
		{"a session that nobody booked", "move-session", []any{"by", "c-desk", "session", "dosing-1", "start", "2026-02-02 10:00"}, BadValue, []string{"nothing has been booked"}},
		{"a task that is not owed", "task-done", []any{"by", "t-lane", "task", "letter", "outcome", "done"}, BadValue, []string{`"letter"`}},
		{"a hold that is not there", "release", []any{"by", "t-lane", "hold", "hold-1", "reason", "over"}, BadValue, []string{"nothing holds this pathway"}},
		{"a placeholder left open", "referral", []any{"by", "t-lane", "to", "<to whom>", "purpose", "care"}, BadValue, []string{"referral: to: found it still open, expected your own words"}},
		{"a form sent as it was proposed", "prescriber-clearance", []any{"by", "p-singh", "decision", "<cleared, not-cleared, more-information or revoked>", "medications_reviewed", yesOrNo, "medically_stable", yesOrNo}, BadValue,
			[]string{"prescriber-clearance: decision: found it still open, expected one of cleared, not-cleared, more-information, revoked; medically_stable and medications_reviewed: found them still open, expected true or false"}},
		{"a novel", "referral", []any{"by", "t-lane", "to", "clinic", "purpose", strings.Repeat("x", 400)}, BadValue, []string{"purpose: found 400 characters"}},
	} {
		t.Run(c.is, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			sentence := h.refused(c.code, c.message, c.fields...)
			for _, want := range c.says {
				if !strings.Contains(sentence, want) {
					t.Errorf("said %q, which lacks %q", sentence, want)
				}
			}
		})
	}
}

func TestWhatIsNotAnObjectIsRefused(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{``, `null`, `[]`, `"cleared"`, `{`, `{"by":"p-singh"`, `{"by":"p-singh"} {}`, `{"by":"p-singh","by":"t-lane"}`, "\xff\xfe", strings.Repeat(" ", longest+1)} {
		h := newHouse(t)
		_, err := h.p.Record("refresh", []byte(raw), h.now)
		if r := AsRefusal(err); r == nil || r.Code != BadJSON && r.Code != BadValue {
			t.Errorf("%q: %v", shorten(raw), err)
		}
		h.work() // and it can be journalled
	}
}

func TestTheSameMessageChangesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	fields := []any{"by", "t-lane", "to", "a group", "purpose", "company", "id", "m-1"}
	h.must("referral", fields...)
	before := h.decisions()
	h.now = h.now.Add(time.Hour)
	if reply := h.must("referral", fields...); reply.Result != AlreadySo {
		t.Errorf("the same id again: %q", reply.Result)
	}
	at := []any{"by", "t-lane", "to", "another group", "purpose", "company", "at", "2026-01-05 09:30"}
	h.must("referral", at...)
	h.now = h.now.Add(time.Hour)
	if reply := h.must("referral", at...); reply.Result != AlreadySo {
		t.Errorf("the same name, author, time and fields again: %q", reply.Result)
	}
	if len(h.p.Referrals) != 2 || before == "" {
		t.Errorf("%d referrals, expected 2", len(h.p.Referrals))
	}
}

// A renewal without a time of its own is a decision of its own, however alike the JSON is.
func TestAClearanceSentAgainLaterRenewsIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.clear()
	if reply := h.clear(); reply.Result != AlreadySo {
		t.Errorf("twice on one day: %q", reply.Result)
	}
	h.until(h.now.AddDate(0, 0, 30))
	if reply := h.clear(); reply.Result != Recorded {
		t.Errorf("a month later: %q", reply.Result)
	}
	if n := len(h.p.Clearances); n != 2 {
		t.Errorf("%d clearances, expected 2", n)
	}
}

func TestAnEndedPathwayTakesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.evaluate("decline", "reason", "other")
	h.must("referral", "by", "t-lane", "to", "clinic", "purpose", "care")
	h.must("task-done", "by", "t-lane", "task", "conversation", "outcome", "reached")
	h.must("task-done", "by", "t-lane", "task", "letter", "outcome", "done")
	if s := h.refused(HasEnded, "safety-plan", "by", "t-lane", "decision", "on-file", "between_sessions_plan", true, "emergency_contact_on_file", true); !strings.Contains(s, "declined-and-referred") {
		t.Error(s)
	}
}

func TestTherapistAndPrescriberAreNeverTheSamePerson(t *testing.T) {
	t.Parallel()
	e := testEnrolment(time.Now())
	e.CareTeam.Prescriber = e.CareTeam.Therapist
	if _, err := Enrol(e); err == nil || !strings.Contains(err.Error(), "never the same person") {
		t.Error(err)
	}
}

// What a message takes is said for people who are asked field by field.
func TestWhatEachMessageTakes(t *testing.T) {
	t.Parallel()
	for _, m := range Messages() {
		takes := m.Takes()
		example, err := object([]byte(m.Example))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range example {
			i := slices.IndexFunc(takes, func(x Takes) bool { return x.Name == f.name })
			if i < 0 && m.Name != "correct" {
				t.Errorf("%s takes no %s, which its example has", m.Name, f.name)
			}
			if err := m.CheckField(f.name, f.raw, time.UTC); err != nil && !strings.Contains(err.Error(), "still open") {
				t.Errorf("%s: its example is wrong: %v", m.Name, err)
			}
		}
		for _, x := range takes {
			if x.Expected == "" || x.Name == "role" || x.Name == "heard" {
				t.Errorf("%s takes %+v", m.Name, x)
			}
		}
	}
	clearance := Message("prescriber-clearance")
	if x := clearance.Takes()[0]; x.Name != "decision" || !x.Must || len(x.Options) != 4 {
		t.Errorf("a clearance begins with %+v", x)
	}
	err := clearance.CheckField("decision", []byte(`"maybe"`), time.UTC)
	if err == nil || !strings.Contains(err.Error(), "expected one of cleared, not-cleared") {
		t.Errorf("found %v", err)
	}
}
