package verify_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/internal/diligent"
	"kap/internal/testpg"
	"kap/internal/testrecords"
	"kap/pathway"
	"kap/practice"
	"kap/records"
	"kap/verify"
)

func TestMain(m *testing.M) { testpg.Main(m) }

// house is a practice with real records and without Temporal.
type house struct {
	t     *testing.T
	store *records.Store
	cal   pathway.Calendar
	conn  *pgx.Conn // to change the records behind kap's back
}

func newHouse(t *testing.T) *house {
	t.Helper()
	url := testpg.New(t)
	store := testrecords.Open(t, url)
	sample, err := practice.Load("")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	h := &house{t, store, sample.Calendar(), conn}
	h.do(`alter table journal disable trigger journal_is_append_only`)
	return h
}

func (h *house) do(sql string, args ...any) {
	h.t.Helper()
	if _, err := h.conn.Exec(context.Background(), sql, args...); err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
}

// books are those of a pathway as of its last entry: its clock is not PostgreSQL's.
func (h *house) books(code string) records.Books {
	h.t.Helper()
	b, err := h.store.Books(h.t.Context(), code)
	if err != nil {
		h.t.Fatal(err)
	}
	if n := len(b.Journal); n > 0 {
		b.AsOf = b.Journal[n-1].Recorded
	}
	return b
}

// story is one client's pathway, whose people do what is asked of them.
type story struct {
	*house
	p     *pathway.Pathway
	now   time.Time
	wake  time.Time
	said  []verify.Message
	total int
	other func(s *story, task pathway.Task) bool // does something else instead
	fates map[string]pathway.MailStatus          // of mails that do not simply go out, by key; staff's by kind and reader
}

func (h *house) begin(code string, change func(*pathway.Enrolment)) *story {
	h.t.Helper()
	protocol, err := practice.LoadProtocol("")
	if err != nil {
		h.t.Fatal(err)
	}
	team := pathway.CareTeam{Therapist: "t-" + strings.ToLower(code), Prescriber: "p-singh", Coordinators: []string{"c-desk"}}
	e := pathway.Enrolment{
		Code: code, By: "c-desk", At: time.Date(2026, 2, 2, 14, 0, 0, 0, time.UTC), CareTeam: team,
		Eligibility: pathway.Eligibility{Diagnosis: pathway.PTSD, Adult: true, StandardCareTried: true, CommitsToTheArc: true, ComfortableWithTheStates: true, PrimaryMeasure: pathway.PCL5},
		Contact:     pathway.Contact{MailPermission: true, Zone: "America/New_York"}, PracticeZone: "America/New_York", Protocol: protocol,
	}
	if change != nil {
		change(&e)
	}
	p, err := pathway.Enrol(e)
	if err != nil {
		h.t.Fatal(err)
	}
	person := records.Person{GivenName: "Given" + code, FamilyName: "Family" + code, BirthDate: "1980-01-01", Email: code + "@client.example", Phone: "+1 555 0100"}
	if _, err := h.store.Enrol(h.t.Context(), person, e); err != nil {
		h.t.Fatal(err)
	}
	s := &story{house: h, p: p, now: e.At, total: 60}
	s.work()
	return s
}

// work takes the steps that are due and lets mails go, as the workflow does.
func (s *story) work() {
	s.t.Helper()
	for range 100 {
		for _, m := range s.p.Sendable(s.now) {
			c, status, err := s.store.Claim(s.t.Context(), s.p.Code, m.Key, time.Minute)
			if err != nil || status != pathway.ClaimedMail {
				s.t.Fatalf("%s: %s %v", m.Key, status, err)
			}
			fate := cmp.Or(s.fates[m.Key], s.fates[string(m.Kind)+"/"+m.Staff], pathway.SentMail)
			if err := s.store.SettleMail(s.t.Context(), c, fate, s.now); err != nil {
				s.t.Fatal(err)
			}
			switch fate {
			case pathway.SentMail:
				s.p.Delivered(m.Key)
			case pathway.UnknownMail:
				s.p.Doubted(m.Key, s.now)
			default:
				s.p.Undelivered(m.Key)
			}
		}
		step, wake := s.p.Due(s.now)
		if step == nil {
			s.wake = wake.At
			return
		}
		out, err := s.store.Commit(s.t.Context(), s.cal, pathway.ConsentDocument{}, s.p, *step)
		if err != nil {
			s.t.Fatal(err)
		}
		s.p.Settle(out.Step, out.Answer)
	}
	s.t.Fatal("steps without end")
}

func (s *story) say(name, message string) {
	s.t.Helper()
	reply, err := s.p.Record(name, []byte(message), s.now)
	if err != nil {
		s.t.Fatalf("%s %s: %v", name, message, err)
	}
	s.said = append(s.said, verify.Message{Name: name, Raw: []byte(message), At: s.now, AlreadySo: reply.Result == pathway.AlreadySo})
	s.work()
}

// refused says what is not taken, by a signal, so that nobody hears of that.
func (s *story) refused(name, message string) {
	s.t.Helper()
	if reply, err := s.p.Record(name, []byte(message), s.now); err == nil {
		s.t.Fatalf("%s %s: %+v", name, message, reply)
	}
	s.p.NobodyHeard()
	s.said = append(s.said, verify.Message{Name: name, Raw: []byte(message), At: s.now})
	s.work()
}

// waits lets time pass, and nobody do anything.
func (s *story) waits(until time.Time) {
	s.t.Helper()
	for !s.wake.IsZero() && s.wake.Before(until) {
		s.now = s.wake
		s.work()
	}
	s.now = until
}

// booked is a session that is in the calendar, or nil.
func (s *story) booked(name string) *pathway.Appointment {
	for i := range s.p.Appointments {
		if a := &s.p.Appointments[i]; a.Name == name && a.State == pathway.Booked {
			return a
		}
	}
	return nil
}

func (s *story) therapist() string { return s.p.CareTeam.Therapist }

// goOn does what is asked for until the pathway has ended, or nothing is asked and nothing will happen.
func (s *story) goOn(until func() bool) {
	s.t.Helper()
	for range 2000 {
		if until() {
			return
		}
		acted, next := false, s.wake
		for _, task := range s.p.Tasks(s.now) {
			if task.Since.After(s.now) { // the record of a session is awaited before its end
				if task.Since.Before(next) {
					next = task.Since
				}
				continue
			}
			if s.other != nil && s.other(s, task) || s.oblige(task) {
				acted = true
				break
			}
		}
		if acted {
			continue
		}
		if next.IsZero() {
			break
		}
		s.now = next
		s.work()
	}
	if !until() {
		s.t.Fatalf("the story of %s does not go on: %+v", s.p.Code, s.p.Tasks(s.now))
	}
}

func (s *story) ends(as pathway.Outcome) {
	s.t.Helper()
	s.goOn(func() bool { return s.p.Outcome != "" && len(s.p.Sendable(s.now)) == 0 && len(s.p.Outbox) == 0 })
	if s.p.Outcome != as {
		s.t.Fatalf("%s ended as %s, expected %s", s.p.Code, s.p.Outcome, as)
	}
}

const wellDone = `"in_person":true,"therapist_present_throughout":true,"client_still_willing":true,"prescription_reference":"rx","dose_as_given":"as prescribed","route":"oral",
	"blood_pressure_before":"120/80","blood_pressure_at_40_minutes":"124/80","blood_pressure_leaving":"122/80","pregnancy_asked":true,"medication_change_asked":true,
	"urinary_symptoms_asked":true,"oriented_and_steady":true,"named_adult_driving":true,"no_driving_until_next_day_explained":true`

// oblige does what a task asks for; false where it is not for now.
func (s *story) oblige(task pathway.Task) bool {
	s.t.Helper()
	by := `{"by":"` + s.therapist() + `",`
	kind, about, _ := strings.Cut(task.Key, "/")
	switch kind {
	case "prescriber-clearance", "psychological-evaluation", "consent", "safety-plan":
		s.say(kind, diligent.WhenAllGoesWell(s.p.ExampleFor(kind, task.By)))
	case "measure":
		item9 := ""
		if about == string(pathway.PHQ9) {
			item9 = `,"item_9":0`
		}
		s.say("measure", fmt.Sprintf(`%s"scale":%q,"total":%d%s}`, by, about, s.total/3, item9))
		s.total -= 3
	case "record":
		session, _, _ := strings.Cut(about, "-")
		more := ""
		switch pathway.Kind(session) {
		case pathway.Dosing:
			more = "," + wellDone
		case pathway.Integration:
			more = `,"next":"another","client_agrees":true`
			if strings.HasPrefix(about, "integration-3") {
				more = `,"next":"close","client_agrees":true`
			}
		}
		s.say("session-held", by+`"session":"`+about+`","outcome":"held"`+more+`}`)
	case "referral":
		s.say("referral", by+`"to":"a clinic","purpose":"care"}`)
	case "hold":
		if task.Message == "risk-assessment" {
			s.say("risk-assessment", by+`"outcome":"safe-to-continue","safety_plan_reviewed":true}`)
			break
		}
		hold, role, _ := strings.Cut(about, "/")
		who := s.therapist()
		if role == string(pathway.Prescriber) {
			who = s.p.CareTeam.Prescriber
		}
		s.say("release", `{"by":"`+who+`","hold":"`+hold+`","reason":"looked at"}`)
	case "conversation", "letter", "discharge-contact", "call", "informed", "talk", "welfare":
		with := map[string]string{"conversation": "reached", "letter": "done", "discharge-contact": "reached", "call": "reached", "talk": "reached", "welfare": "reached", "informed": "acknowledged"}
		who := map[pathway.Role]string{pathway.Therapist: s.therapist(), pathway.Prescriber: "p-singh", pathway.Coordinator: "c-desk"}[task.By]
		s.say("task-done", `{"by":"`+who+`","task":"`+task.Key+`","outcome":"`+with[kind]+`"}`)
	default:
		return false
	}
	return true
}
