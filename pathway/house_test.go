package pathway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fataler is a test of the standard library's or of rapid's.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// house is a practice without a server: the rules, a calendar, and a clock that only the test moves.
type house struct {
	t       fataler
	p       *Pathway
	now     time.Time
	cal     Calendar
	taken   []Span
	journal []Entry
	mails   []Mail
	silent  bool // the client fills in nothing unless the test says so
	steps   []Step
	answers []Answer
	settled []Settled

	news    []News     // of which the records tell when they are asked
	restore *Restore   // of which the records tell with the next step
	out     MailStatus // where the records have a mail that is taken back; none: it had not gone out
	unknown bool       // since then a mail that was given up may have gone out

	doubts func(Mail) bool             // of which mails that go out nobody knows whether they did
	knows  func(key string) MailStatus // what the records have learned of one in doubt; none: nothing
}

func newYork() *time.Location { zone, _ := time.LoadLocation("America/New_York"); return zone }

func testProtocol() Protocol {
	return Protocol{
		Version:     "test",
		Consent:     ConsentDocument{Version: "2026-1", SHA256: strings.Repeat("0", 64), InForce: "2025-11-01"},
		Preparation: PreparationRules{Sessions: 2, AtLeast: 1, Minutes: 60, DaysApartAtLeast: 3, DaysBeforeAtLeast: 2},
		Dosing:      DosingRules{AtMost: 6, Minutes: 180, DaysApartAtLeast: 7, DaysApartAim: 14, CheckHoursBefore: 48, RecordWithinHours: 2, BloodPressureLimit: "140/90"},
		Integration: IntegrationRules{Minutes: 60, HoursAfterAtLeast: 24, HoursAfterAtMost: 72},
		Clearance:   ClearanceRules{DosingSessions: 2, Days: 60, AskAgainDaysBefore: 7, EveryDosingSessions: 2},
		SafetyPlan:  SafetyPlanRules{Days: 90},
		Booking:     BookingRules{NoticeHours: 48, WindowDays: 28, GridMinutes: 30, RebookingsInARow: 2, LateHours: 24},
		Measures: MeasureRules{Days: 7, LowBaseline: 10, PHQ9: ScaleRules{5, 5, 5}, GAD7: ScaleRules{4, 4, 5}, PCL5: ScaleRules{10, 5, 0},
			NotWorking: NotWorkingRules{FromDosing: 4, PercentAtMost: 25}, AtTheMost: AtTheMostRules{PercentAtLeast: 50}},
		Questionnaire: QuestionnaireRules{DaysBefore: []int{6, 4, 3}, CallHoursBefore: 60, LateHoursAtMost: 12},
		Nudges:        NudgeRules{ClinicianDays: []int{2, 5}, ClientDays: []int{3, 7}, ClientLate: 24, CallDays: 10, UrgentHours: 1, OnCallHours: 2},
		Deferral:      DeferralRules{DaysAtMost: 365},
		Endings:       EndingRules{LapseDays: 60, LapseCalls: 2, Tries: 2, OpenDays: 365},
		Mail:          MailRules{From: "08:00", Until: "20:00", SpreadMinutes: 15},
		Reminders: []ReminderRule{
			{Name: "7d", HoursBefore: 168, LateMinutesAtMost: 1440},
			{Name: "48h", HoursBefore: 48, LateMinutesAtMost: 360, Sheet: true},
			{Name: "24h", HoursBefore: 24, LateMinutesAtMost: 180},
			{Name: "2h", HoursBefore: 2, LateMinutesAtMost: 30, AnyHour: true},
		},
		Crisis: CrisisLine{Version: "us", Text: "Call 988."},
	}
}

func testEnrolment(at time.Time) Enrolment {
	return Enrolment{
		Code: "K7Q2M9", By: "c-desk", At: at,
		CareTeam: CareTeam{Therapist: "t-lane", Prescriber: "p-singh", Coordinators: []string{"c-desk"}},
		Eligibility: Eligibility{Diagnosis: TreatmentResistantDepression, Adult: true, StandardCareTried: true, CommitsToTheArc: true,
			ComfortableWithTheStates: true, PrimaryMeasure: "phq-9"},
		Contact: Contact{MailPermission: true, Zone: "America/New_York"}, PracticeZone: "America/New_York", Protocol: testProtocol(),
	}
}

func testCalendar() Calendar {
	c := Calendar{Zone: newYork()}
	for d := time.Monday; d <= time.Saturday; d++ {
		c.Hours = append(c.Hours, Weekly{Day: d, From: 8 * time.Hour, Until: 18 * time.Hour})
	}
	return c
}

// newHouse enrols a client on Monday 5 January 2026 at 09:00 in New York; change alters the enrolment first.
func newHouse(t fataler, change ...func(*Enrolment)) *house {
	t.Helper()
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, newYork())
	e := testEnrolment(at)
	for _, c := range change {
		c(&e)
	}
	p, err := Enrol(e)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, p: p, now: e.At, cal: testCalendar()}
	h.work()
	return h
}

// work takes the steps that are due now, as the workflow's loop does.
func (h *house) work() {
	for range 100 {
		step, _ := h.p.Due(h.now)
		if step == nil {
			for _, m := range h.p.Sendable(h.now) {
				h.mails = append(h.mails, m)
				if h.doubts != nil && h.doubts(m) {
					h.p.Doubted(m.Key, h.now)
					continue
				}
				h.p.Delivered(m.Key)
			}
			return
		}
		a, calls := h.answer(*step), slices.Clone(h.p.Calls)
		done, settled := h.p.Settle(*step, a)
		if err := saidToOwe(calls, h.p.Calls, done); err != nil {
			h.t.Fatalf("%v", err)
		}
		h.steps, h.answers = append(h.steps, *step), append(h.answers, a)
		h.journal = append(append(h.journal, step.Entries...), done...)
		h.settled = append(h.settled, settled...)
	}
	h.t.Fatalf("steps without end: %+v", h.steps[len(h.steps)-1])
}

func (h *house) answer(s Step) Answer {
	var a Answer
	if a.Restored, h.restore = h.restore, nil; a.Restored != nil {
		return a
	}
	for _, act := range s.Acts {
		switch act.Do {
		case BookDeed, MoveDeed:
			a.Acts = append(a.Acts, h.p.Place(act, h.cal, h.busy(act)))
		case WithdrawDeed:
			status := WithdrawnMail
			if h.out != "" {
				status = h.out
			}
			if i := slices.IndexFunc(h.p.Outbox, func(m Mail) bool { return m.Key == act.Key }); h.unknown && h.p.Outbox[i].GivenUp || !h.p.Outbox[i].Doubt.IsZero() {
				status = UnknownMail
				if h.knows != nil {
					status = h.knows(act.Key)
				}
			}
			a.Acts = append(a.Acts, ActAnswer{Mail: status})
		case ResendDeed:
			status := PendingMail
			if h.knows != nil {
				status = h.knows(act.Key)
			}
			a.Acts = append(a.Acts, ActAnswer{Mail: status})
		case HearDeed:
			a.Acts = append(a.Acts, ActAnswer{News: h.news})
			h.news = nil
		default:
			a.Acts = append(a.Acts, ActAnswer{})
		}
	}
	return a
}

// continued is a pathway as a run that continues as new hands it on.
func continued(p *Pathway) (*Pathway, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	q := new(Pathway)
	return q, json.Unmarshal(text, q)
}

// restored brings back a pathway as it was at a moment, and tells it so, as the worker and the records do.
func (h *house) restored(was *Pathway, to time.Time) {
	h.t.Helper()
	q, err := continued(was)
	if err != nil {
		h.t.Fatal(err)
	}
	h.p, h.mails, h.unknown = q, nil, true
	h.restore = &Restore{ID: fmt.Sprintf("restore-%d", len(h.journal)), To: to}
	h.p.Rouse(h.restore.ID, h.now)
	h.work()
}

func (h *house) busy(act Act) []Span {
	busy := h.taken
	for _, x := range h.p.Appointments {
		if x.State == Booked && x.Name != act.Session && x.Name != act.Paired {
			busy = append(busy, Span{x.Start, x.End})
		}
	}
	return busy
}

// until moves the clock, stopping at each wake as the workflow does.
func (h *house) until(to time.Time) {
	h.t.Helper()
	for range 1000 {
		_, next := h.p.Due(h.now)
		last := next.At.IsZero() || next.At.After(to)
		if h.now = next.At; last {
			h.now = to
		}
		h.work()
		if a := h.p.booked(Dosing); !h.silent && a != nil && h.now.After(a.Start.AddDate(0, 0, -6)) && h.now.Before(a.Start) {
			h.measureAll()
		}
		if last {
			return
		}
	}
	h.t.Fatal("woken without end")
}

func (h *house) say(name string, fields ...any) (Reply, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(fields); i += 2 {
		m[fields[i].(string)] = fields[i+1]
	}
	raw, err := json.Marshal(m)
	if err != nil {
		h.t.Fatal(err)
	}
	reply, err := h.p.Record(name, raw, h.now)
	h.work()
	return reply, err
}

func (h *house) must(name string, fields ...any) Reply {
	h.t.Helper()
	reply, err := h.say(name, fields...)
	if err != nil {
		h.t.Fatalf("%s: %v", name, err)
	}
	return reply
}

func (h *house) refused(code RefusalCode, name string, fields ...any) string {
	h.t.Helper()
	before, told := h.decisions(), len(h.journal)
	_, err := h.say(name, fields...)
	r := AsRefusal(err)
	if r == nil || r.Code != code {
		h.t.Fatalf("%s %v: got %v, expected a refusal %q", name, fields, err, code)
	}
	if after := h.decisions(); after != before {
		h.t.Fatalf("%s was refused and yet changed the pathway:\n%s\n%s", name, before, after)
	}
	if !slices.ContainsFunc(h.journal[told:], func(e Entry) bool { return e.Kind == Rejected }) && h.settled == nil {
		h.t.Fatalf("%s was refused and not journalled", name)
	}
	return r.Sentence
}

// decisions is everything but the bookkeeping of messages and steps.
func (h *house) decisions() string {
	q := *h.p
	q.Pending, q.Refused, q.Steps, q.Last, q.Woken, q.Settled, q.Looks, q.Nudges, q.Outbox = nil, nil, 0, "", time.Time{}, time.Time{}, time.Time{}, nil, nil
	text, _ := json.Marshal(q)
	return string(text)
}

func (h *house) clear() Reply {
	h.t.Helper()
	return h.must("prescriber-clearance", "by", "p-singh", "decision", "cleared", "medications_reviewed", true, "cardiovascular_history_reviewed", true,
		"psychiatric_history_reviewed", true, "medically_stable", true)
}

func (h *house) evaluate(decision string, more ...any) {
	h.t.Helper()
	h.must("psychological-evaluation", append([]any{"by", "t-lane", "decision", decision, "trauma_history_reviewed", true,
		"substance_use_history_reviewed", true, "attachment_history_reviewed", true}, more...)...)
}

func (h *house) consent() {
	h.t.Helper()
	h.must("consent", "by", "t-lane", "decision", "given", "risks", true, "alternatives", true, "what_we_do_and_do_not", true, "off_label", true,
		"evidence", string(h.p.Diagnosis.Evidence()), "document_version", "2026-1", "document_sha256", strings.Repeat("0", 64))
}

func (h *house) plan(decision string) {
	h.t.Helper()
	h.must("safety-plan", "by", "t-lane", "decision", decision, "between_sessions_plan", true, "emergency_contact_on_file", true)
}

func (h *house) screen() {
	h.t.Helper()
	h.clear()
	h.evaluate("suitable")
	h.consent()
	h.plan("on-file")
}

// dosingDay is the record of a dosing session at which all went as it should; more says what did not.
func dosingDay(name string, more ...any) []any {
	fields := map[string]any{
		"by": "t-lane", "session": name, "outcome": "held", "in_person": true, "therapist_present_throughout": true, "client_still_willing": true,
		"prescription_reference": "rx-1", "dose_as_given": "as prescribed", "route": "sublingual",
		"blood_pressure_before": "122/78", "blood_pressure_at_40_minutes": "134/84", "blood_pressure_leaving": "126/80",
		"pregnancy_asked": true, "medication_change_asked": true, "urinary_symptoms_asked": true,
		"oriented_and_steady": true, "named_adult_driving": true, "no_driving_until_next_day_explained": true,
	}
	for i := 0; i+1 < len(more); i += 2 {
		fields[more[i].(string)] = more[i+1]
	}
	var all []any
	for name, value := range fields {
		if value != nil {
			all = append(all, name, value)
		}
	}
	return all
}

// measure records a questionnaire now; a PHQ-9 without its ninth item gets a calm one.
func (h *house) measure(scale Scale, total int, item9 ...int) {
	h.t.Helper()
	fields := []any{"by", "t-lane", "scale", string(scale), "total", total}
	if scale == PHQ9 {
		fields = append(fields, "item_9", append(item9, 0)[0])
	}
	h.must("measure", fields...)
}

// measureAll records what the next dosing session still waits for: better each time.
func (h *house) measureAll() {
	h.t.Helper()
	if a := h.p.booked(Dosing); a != nil {
		for _, s := range h.p.unmeasured(a.Start) {
			h.measure(s, 20-3*h.p.dosed())
		}
	}
}

// hold lets the next booked session of a kind take place and records it as held.
func (h *house) hold(kind Kind, more ...any) *Appointment {
	h.t.Helper()
	a := h.p.booked(kind)
	if a == nil {
		h.t.Fatalf("no %s is booked at %s; tasks: %+v; blocked: %v", kind, h.p.clockTime(h.now), h.p.Tasks(h.now), h.p.blockers(h.p.dosingFrom(h.now)))
	}
	name := a.Name
	h.until(a.End.Add(time.Minute))
	fields := append([]any{"by", "t-lane", "session", name, "outcome", "held"}, more...)
	if kind == Dosing {
		fields = dosingDay(name, more...)
	}
	h.must("session-held", fields...)
	return h.p.appointment(name)
}

// prepare brings a pathway to where its first dosing session is booked.
func (h *house) prepare() {
	h.t.Helper()
	h.screen()
	h.hold(Preparation)
	h.hold(Preparation)
}

// round is one dosing session and its integration.
func (h *house) round(next Next) {
	h.t.Helper()
	h.hold(Dosing)
	h.hold(Integration, "next", string(next), "client_agrees", true)
}

func (h *house) story() string {
	var b strings.Builder
	for _, e := range h.journal {
		fmt.Fprintf(&b, "%s  %-9s %-25s %s\n", h.p.clockTime(e.Recorded), e.Kind, e.Name, e.Text)
	}
	return b.String()
}
