package verify_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kap/internal/diligent"
	"kap/pathway"
	"kap/verify"
)

// stories are pathways on which the rules were kept: the soil into which violations are planted.
func stories(h *house) map[string]*story {
	all := map[string]*story{}
	all["completed"] = h.begin("CCCCC2", nil)
	all["completed"].ends(pathway.Completed)
	all["stopped"] = h.begin("DDDDD3", nil)
	all["stopped"].goOn(func() bool {
		return all["stopped"].p.Phase(all["stopped"].now) == pathway.InDosing && len(all["stopped"].p.Appointments) > 4
	})
	all["stopped"].say("stop", `{"by":"`+all["stopped"].therapist()+`","reason":"not for this client"}`)
	all["stopped"].ends(pathway.StoppedAndReferred)
	// An item 9 that holds the pathway, and a session at which no blood pressure was taken: both recorded, held and released.
	held := h.begin("FFFFF4", nil)
	all["held"] = held
	flagged := false
	held.other = func(s *story, task pathway.Task) bool {
		switch {
		case task.Key == "measure/phq-9" && !flagged:
			flagged = true
			s.say("measure", `{"by":"`+s.therapist()+`","scale":"phq-9","total":18,"item_9":2}`)
			return true
		case task.Key == "record/dosing-1":
			s.say("session-held", `{"by":"`+s.therapist()+`","session":"dosing-1","outcome":"held",`+strings.Replace(wellDone, `"blood_pressure_leaving":"122/80"`, `"blood_pressure_leaving":"not-taken"`, 1)+`}`)
			return true
		}
		return false
	}
	held.goOn(func() bool {
		return len(held.p.Holds) > 0 && !held.now.Before(held.p.Holds[0].Since) && len(held.p.Tasks(held.now)) == 0 && held.p.Phase(held.now) == pathway.InIntegration
	})
	// A dosing session that was held three days before it was booked, and its integration moved after it.
	early := h.begin("GGGGG5", nil)
	all["early"] = early
	early.goOn(func() bool { return early.booked("dosing-1") != nil })
	early.say("move-session", `{"by":"c-desk","session":"dosing-1","start":"`+early.booked("dosing-1").Start.AddDate(0, 0, 7).Format(time.RFC3339)+`"}`)
	day := early.booked("dosing-1").Start.AddDate(0, 0, -5)
	early.goOn(func() bool { return early.now.After(day) })
	early.now = day.Add(4 * time.Hour)
	early.say("session-held", `{"by":"`+early.therapist()+`","session":"dosing-1","outcome":"held","start":"`+day.Format(time.RFC3339)+`",`+wellDone+`}`)
	early.goOn(func() bool { return early.booked("integration-1") == nil })
	all["awaited"] = awaited(h)
	all["neglected"] = neglected(h)
	all["uncalled"] = uncalled(h)
	all["undecided"] = undecided(h)
	all["unreached"] = unreached(h)
	all["unmeasured"] = unmeasured(h)
	return all
}

// awaited is a pathway on which staff keep everybody waiting: the gates for nine days, and an adverse event for a night and a day.
// Somebody says something each noon, so that a step is written.
func awaited(h *house) *story {
	s := h.begin("HHHHH6", nil)
	for n := 1; n <= 9; n++ {
		s.waits(time.Date(2026, 2, 2+n, 17, 0, 0, 0, time.UTC))
		s.say("contact", `{"by":"c-desk","zone":"America/`+[]string{"New_York", "Chicago"}[n%2]+`"}`)
	}
	s.say("adverse-event", `{"by":"`+s.therapist()+`","kind":"misuse","severity":"moderate"}`)
	s.waits(s.now.Add(3*time.Hour + time.Minute))
	s.say("task-done", `{"by":"p-singh","task":"hold/hold-1/prescriber","outcome":"acknowledged"}`)
	s.say("task-done", `{"by":"`+s.therapist()+`","task":"informed/hold-1/therapist","outcome":"acknowledged"}`)
	s.waits(s.now.Add(40 * time.Hour))
	s.say("release", `{"by":"p-singh","hold":"hold-1","reason":"looked at"}`)
	s.goOn(func() bool { return len(s.p.Tasks(s.now)) == 0 })
	return s
}

// neglected is a pathway on which nobody answers: the prescriber needs to know more, a crisis holds it, a message was refused unheard, mail to
// the client comes back, and they are called in vain until it could lapse.
func neglected(h *house) *story {
	s := h.begin("JJJJJ7", func(e *pathway.Enrolment) { e.AddressReturned = true })
	h.do(`update pathway set enrolment = jsonb_set(enrolment, '{address_returned}', 'true') where code = $1`, s.p.Code) // as where it is the client's second
	s.say("prescriber-clearance", `{"by":"p-singh","id":"asked","decision":"more-information","needed":"an ECG"}`)
	s.say("hold", `{"by":"`+s.therapist()+`","cause":"crisis","reason":"something"}`)
	s.say("task-done", `{"by":"`+s.therapist()+`","task":"hold/hold-1/therapist","outcome":"acknowledged"}`)
	s.say("task-done", `{"by":"p-singh","task":"informed/hold-1/prescriber","outcome":"acknowledged"}`)
	s.refused("safety-plan", `{"by":"p-singh","decision":"on-file","between_sessions_plan":true,"emergency_contact_on_file":true}`)
	for range 2 {
		s.waits(s.now.AddDate(0, 0, 12))
		s.say("task-done", `{"by":"c-desk","task":"call/ask/consent","outcome":"tried"}`)
	}
	s.waits(s.now.AddDate(0, 0, 46))
	return s
}

// uncalled is a pathway whose client wants no mail, asks for another time, and stays away until they are to be talked with; and then can come
// only when the practice is closed.
func uncalled(h *house) *story {
	s := h.begin("KKKKK8", func(e *pathway.Enrolment) { e.MailPermission = false })
	s.goOn(func() bool { return s.booked("preparation-1") != nil })
	s.waits(s.booked("preparation-1").Start.Add(-26 * time.Hour))
	s.say("answer", `{"by":"client.link","session":"preparation-1","revision":1,"answer":"another-time"}`)
	for _, session := range []string{"preparation-1", "preparation-2", "preparation-1.1", "preparation-2.1"} {
		s.waits(s.booked(session).End.Add(time.Hour))
		s.say("session-held", `{"by":"c-desk","session":"`+session+`","outcome":"no-show"}`)
	}
	s.waits(s.now.AddDate(0, 0, 3))
	s.say("contact", `{"by":"c-desk","availability":["sunday 09:00-17:00"]}`)
	s.say("task-done", `{"by":"`+s.therapist()+`","task":"talk/preparation","outcome":"reached"}`)
	s.waits(s.now.AddDate(0, 0, 3))
	return s
}

// undecided is a pathway on which the client does not agree on what follows the first integration for nine days, and whose second dosing
// session is cancelled the evening before, because something holds it.
func undecided(h *house) *story {
	s := h.begin("LLLLL9", nil)
	agrees := false
	s.other = func(s *story, task pathway.Task) bool {
		switch {
		case task.Key == "record/integration-1":
			s.say("session-held", `{"by":"`+s.therapist()+`","session":"integration-1","outcome":"held","next":"another","client_agrees":false}`)
			return true
		case task.Key == "agree/integration-1" && agrees:
			s.say("session-held", `{"by":"`+s.therapist()+`","session":"integration-1","outcome":"held","next":"another","client_agrees":true}`)
			return true
		}
		return false
	}
	s.goOn(func() bool {
		return slices.ContainsFunc(s.p.Tasks(s.now), func(t pathway.Task) bool { return t.Key == "agree/integration-1" })
	})
	s.waits(s.now.AddDate(0, 0, 9))
	agrees = true
	s.goOn(func() bool { return s.booked("dosing-2") != nil })
	day := s.booked("dosing-2").Start.Add(-12 * time.Hour)
	s.goOn(func() bool { return s.now.After(day) })
	s.say("hold", `{"by":"p-singh","cause":"concern","reason":"something"}`)
	s.waits(s.now.Add(3 * time.Hour))
	return s
}

// unmeasured is a pathway that closes without its last measures, of which nobody decides how it ends.
func unmeasured(h *house) *story {
	s := h.begin("NNNNN3", nil)
	s.closes()
	s.waits(s.now.AddDate(0, 0, 20))
	return s
}

// closes goes on until closing is agreed.
func (s *story) closes() {
	s.t.Helper()
	s.goOn(func() bool {
		return slices.ContainsFunc(s.said, func(m verify.Message) bool { return strings.Contains(string(m.Raw), `"next":"close"`) })
	})
}

// unreached is a pathway whose mails do not arrive, one way or another, until the client wants none any more; and nobody calls.
func unreached(h *house) *story {
	s := h.begin("MMMMM2", nil)
	s.fates = map[string]pathway.MailStatus{"booked/preparation-1/r1": pathway.UnknownMail, "booked/preparation-2/r1": pathway.RejectedMail, "staff-urgent/p-singh": pathway.RejectedMail}
	s.goOn(func() bool { return s.booked("preparation-2") != nil })
	s.waits(s.now.Add(3 * time.Hour))
	s.say("task-done", `{"by":"c-desk","task":"call/booked/preparation-1/r1","outcome":"acknowledged"}`)
	s.waits(s.now.AddDate(0, 0, 1))
	s.say("adverse-event", `{"by":"`+s.therapist()+`","kind":"misuse","severity":"moderate"}`)
	s.say("task-done", `{"by":"p-singh","task":"hold/hold-1/prescriber","outcome":"acknowledged"}`)
	s.say("task-done", `{"by":"`+s.therapist()+`","task":"informed/hold-1/therapist","outcome":"acknowledged"}`)
	s.waits(s.now.Add(3 * time.Hour))
	s.say("task-done", `{"by":"c-desk","task":"call/staff/p-singh","outcome":"acknowledged"}`)
	s.now = s.booked("preparation-1").Start.Add(-time.Hour) // nobody was there when a reminder was to be sent
	s.work()
	s.waits(s.now.Add(30 * time.Minute))
	night := time.Date(s.now.Year(), s.now.Month(), s.now.Day(), 3, 0, 0, 0, time.UTC)
	s.waits(night.AddDate(0, 0, 1))
	move := func(days int) {
		a := s.booked("preparation-2")
		s.say("move-session", `{"by":"c-desk","session":"preparation-2","start":"`+a.Start.AddDate(0, 0, days).Format(time.RFC3339)+`"}`)
	}
	move(7)
	s.say("contact", `{"by":"c-desk","mail_permission":false}`)
	s.waits(s.now.AddDate(0, 0, 2))
	move(7)
	s.waits(s.now.AddDate(0, 0, 2))
	s.say("cancel-session", `{"by":"c-desk","session":"preparation-2","wish_of":"practice"}`)
	s.waits(s.now.AddDate(0, 0, 3))
	return s
}

func TestStoriesOnWhichTheRulesWereKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, s := range stories(h) {
		r := verify.Pathway(h.books(s.p.Code), verify.History{Reach: verify.WholeHistory, Messages: s.said})
		for _, f := range r.Findings {
			if f.Sort != verify.OnRecord || name != "held" && name != "early" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if name == "held" && !r.Has(verify.OnRecord) {
			t.Error("the deviation that is on record is not told of")
		}
		t.Logf("%s: %d entries, %d dosing sessions, %s", name, r.Entries, r.Dosings, r.Outcome)
	}
}

// A client who answers by links, leaves by one, and is called.
func TestAStoryWithAnswers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.begin("GGGGG5", nil)
	s.goOn(func() bool { return len(s.p.Appointments) > 0 })
	sound := func(when string, sound bool) {
		t.Helper()
		if r := verify.Pathway(h.books("GGGGG5"), verify.History{Reach: verify.WholeHistory, Messages: s.said}); sound != (len(r.Findings) == 0) {
			t.Errorf("%s: %+v", when, r.Findings)
		}
	}
	s.say("answer", `{"by":"client.link","session":"preparation-1","revision":1,"answer":"coming"}`)
	sound("after an answer", true)
	s.say("answer", `{"by":"client.link","session":"preparation-1","revision":1,"answer":"another-time"}`)
	sound("after another", true)
	h.do(`update task set key = 'call/answer/preparation-1/r2' where key = 'call/answer/preparation-1/r1'`)
	sound("with a call about another time that nobody asked for", false)
	h.do(`update task set key = 'call/answer/preparation-1/r1' where key = 'call/answer/preparation-1/r2'`)
	s.goOn(func() bool { return len(s.p.Tasks(s.now)) == 0 })
	s.say("contact", `{"by":"client.link","mail_permission":false}`)
	s.say("withdraw", `{"by":"client.link"}`)
	sound("after they left", true)
	s.ends(pathway.WithdrawnByClient)
	sound("at the end", true)
}

// What people say happened before it can have, and clocks that change meanwhile, are no violation: wherever the journal is read.
func TestTimesAreCountedAsTheRulesCountThem(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	began := time.Date(2026, 2, 2, 14, 0, 0, 0, time.UTC)
	first := h.begin("PPPPP4", nil)
	first.closes()
	weeks := int(time.Date(2027, 3, 12, 0, 0, 0, 0, time.UTC).Sub(first.now).Hours()) / (7 * 24)
	s := h.begin("QQQQQ5", func(e *pathway.Enrolment) { e.At = began.AddDate(0, 0, 7*weeks) }) // whose closing is agreed days before summer time begins
	s.other = func(s *story, task pathway.Task) bool {
		if !strings.HasPrefix(task.Key, "record/integration-3") {
			return false
		}
		session := strings.TrimPrefix(task.Key, "record/")
		start := s.booked(session).Start.AddDate(0, 0, -2)
		s.say("session-held", `{"by":"`+s.therapist()+`","session":"`+session+`","outcome":"held","next":"close","client_agrees":true,"at":"`+start.Format(time.RFC3339)+`"}`)
		return true
	}
	s.closes()
	for n := 0; n < 300 && !slices.ContainsFunc(s.p.Tasks(s.now), func(t pathway.Task) bool { return t.Key == "review/therapist" }); n++ {
		s.waits(s.now.Add(time.Hour))
	}
	for _, by := range []string{s.therapist(), "p-singh"} {
		s.say("review", `{"by":"`+by+`","decision":"complete","reason":"they feel well"}`)
	}
	early := h.begin("RRRRR6", nil)
	early.say("psychological-evaluation", diligent.WhenAllGoesWell(early.p.ExampleFor("psychological-evaluation", pathway.Therapist)))
	early.say("prescriber-clearance", `{"by":"p-singh","decision":"not-cleared","reason":"blood pressure","at":"2026-01-30T10:00:00-05:00"}`)
	early.waits(early.now.AddDate(0, 0, 20))
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*story{s, early} {
		lines := h.books(s.p.Code).Journal
		for _, zone := range []*time.Location{time.UTC, newYork} {
			for i := range lines {
				lines[i].At, lines[i].Recorded = lines[i].At.In(zone), lines[i].Recorded.In(zone)
			}
			for _, f := range verify.Journal(lines, s.now.In(zone)) {
				t.Errorf("%s, read in %s: %+v", s.p.Code, zone, f)
			}
		}
	}
}

// A worker that is away for days writes nothing: whoever is waited for hears of it with the next step, and of each thing once.
func TestNudgesAreAsLateAsTheWorker(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.begin("CCCCC2", nil)
	for _, away := range []int{3, 4, 9} {
		s.now = s.now.AddDate(0, 0, away)
		s.say("contact", `{"by":"c-desk","zone":"America/`+[]string{"New_York", "Chicago"}[away%2]+`"}`)
	}
	s.say("hold", `{"by":"`+s.therapist()+`","cause":"crisis","reason":"something"}`)
	s.now = s.now.AddDate(0, 0, 3)
	s.work()
	if r := verify.Pathway(h.books("CCCCC2"), verify.History{Reach: verify.HistoryGone}); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// Half an hour after the second of the days on which clinicians hear of gates, at night, the worker is back: the first was told of late
// then, the second comes in the morning.
func TestTheWorkerIsBackAtNight(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.begin("CCCCC2", func(e *pathway.Enrolment) { e.At = time.Date(2026, 2, 2, 8, 0, 0, 0, time.UTC) }) // 03:00
	s.waits(s.now.Add(9 * time.Hour))
	s.say("prescriber-clearance", `{"by":"p-singh","decision":"more-information","needed":"the latest laboratory results","medications_reviewed":true,"cardiovascular_history_reviewed":true,"psychiatric_history_reviewed":true,"medically_stable":true}`)
	s.now = time.Date(2026, 2, 7, 8, 30, 0, 0, time.UTC)
	s.work()
	s.waits(s.now.Add(36 * time.Hour))
	j := journal(h.books("CCCCC2").Journal)
	var told []string
	for _, i := range j.nudged(t, "psychological-evaluation") {
		told = append(told, j[i].At.Format("2 15:04 ")+j[i].Text)
	}
	if len(told) != 4 || !strings.HasPrefix(told[0], "7 08:30") || !strings.HasPrefix(told[1], "7 13:") || !strings.HasPrefix(told[2], "8 13:") {
		t.Errorf("told %q", told)
	}
	if found := verify.Journal(j, s.now); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// Whoever acknowledges once more, in the night, hears of it that morning all the same, and nothing is missing.
func TestAcknowledgedTwice(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.begin("CCCCC2", nil)
	s.say("hold", `{"by":"`+s.therapist()+`","cause":"crisis","reason":"something"}`)
	for range 2 {
		s.say("task-done", `{"by":"`+s.therapist()+`","task":"hold/hold-1/therapist","outcome":"acknowledged"}`)
		s.waits(time.Date(2026, 2, 3, 6, 0, 0, 0, time.UTC))
	}
	s.waits(s.now.AddDate(0, 0, 3))
	if found := verify.Journal(h.books("CCCCC2").Journal, time.Time{}); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}
