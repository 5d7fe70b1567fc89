package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// fork is a copy of a house that shares nothing: many rows of a table begin where one story has led.
func (h *house) fork(t fataler) *house {
	t.Helper()
	c := *h
	c.t, c.p = t, h.p.Clone()
	c.journal, c.mails, c.steps = slices.Clone(h.journal), slices.Clone(h.mails), slices.Clone(h.steps)
	c.answers, c.settled, c.taken = slices.Clone(h.answers), slices.Clone(h.settled), slices.Clone(h.taken)
	return &c
}

// walk is a pathway on which so many dosing sessions were given with their integrations, as the protocol has it. The next is
// booked, as far as the protocol allows one.
func walk(t fataler, given int, change ...func(*Enrolment)) *house {
	t.Helper()
	h := newHouse(t, change...)
	h.prepare()
	for n := range given {
		h.renew(n)
		h.round(AnotherNext)
	}
	h.renew(given)
	return h
}

// renew does what the next dosing session needs anew, once so many were given.
func (h *house) renew(given int) {
	h.t.Helper()
	if given > 0 && given%2 == 0 && given < 6 {
		h.clear()
		h.plan("revised")
	}
}

// codes are what blocks a dosing session that starts at a moment.
func (h *house) codes(start time.Time) []string {
	var all []string
	for _, b := range h.p.blockers(start) {
		all = append(all, b.Code)
	}
	return all
}

func (h *house) blocked(code string, start time.Time) bool {
	return slices.Contains(h.codes(start), code)
}

// inForce finds the hold of a cause that nobody has released, or nil.
func (h *house) inForce(cause Cause) *HoldInForce {
	for i := range h.p.Holds {
		if x := &h.p.Holds[i]; x.Cause == cause && x.inForce() {
			return x
		}
	}
	return nil
}

// keys are what is owed now, each with whoever owes it.
func (h *house) keys() []string {
	var all []string
	for _, t := range h.p.Tasks(h.now) {
		all = append(all, t.Key)
	}
	return all
}

// issues brings a new consent form into the pathway, as the records do with the next step.
func (h *house) issues(form ConsentDocument) {
	h.t.Helper()
	if _, err := h.p.Record("refresh", []byte(`{"by":"c-desk","id":"form-`+form.Version+`"}`), h.now); err != nil {
		h.t.Fatal(err)
	}
	step, _ := h.p.Due(h.now)
	if step == nil {
		h.t.Fatal("no step is due")
	}
	a := h.answer(*step)
	a.Form = &form
	done, settled := h.p.Settle(*step, a)
	h.steps, h.answers = append(h.steps, *step), append(h.answers, a)
	h.journal, h.settled = append(append(h.journal, step.Entries...), done...), append(h.settled, settled...)
	h.work()
}

// sent are the mails of a kind, oldest first.
func (h *house) sent(kind MailKind) []Mail {
	var all []Mail
	for _, m := range h.mails {
		if m.Kind == kind {
			all = append(all, m)
		}
	}
	return all
}

// told says when each entry of a name was journalled, on the practice's clock, with its text.
func (h *house) told(name string) []string {
	var all []string
	for _, e := range h.journal {
		if e.Name == name {
			all = append(all, e.Recorded.In(newYork()).Format("Mon 2 Jan 15:04")+" "+e.Text)
		}
	}
	return all
}

// bringsUp takes a session to its end, so that it can be recorded.
func (h *house) bringsUp(kind Kind) *Appointment {
	h.t.Helper()
	a := h.p.booked(kind)
	if a == nil {
		h.t.Fatalf("no %s is booked: %v", kind, h.keys())
	}
	h.until(a.End.Add(time.Minute))
	return h.p.appointment(a.Name)
}

func has(t *testing.T, sentence string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(sentence, want) {
			t.Errorf("said %q, which lacks %q", sentence, want)
		}
	}
}

// prepareBooked holds the preparation sessions that are booked.
func (h *house) prepareBooked() {
	h.t.Helper()
	for h.p.booked(Preparation) != nil {
		h.hold(Preparation)
	}
}

// course is a pathway on which the primary measure moves as totals say: the first is the baseline, and there is one before each
// further dosing session. As many dosing sessions are given, each with its integration, and the client fills in nothing else.
func course(t fataler, primary Scale, totals ...int) *house {
	t.Helper()
	h := newHouse(t, func(e *Enrolment) { e.PrimaryMeasure = primary })
	h.silent = true
	h.screen()
	h.prepareBooked()
	for n, total := range totals {
		h.renew(n)
		h.judge()
		h.fill(total)
		h.judge()
		h.hold(Dosing)
		next := AnotherNext
		if n == 5 {
			next = CloseNext
		}
		h.hold(Integration, "next", string(next), "client_agrees", true)
	}
	h.renew(len(totals))
	return h
}

// fill records what the next dosing session asks for, three days before it.
func (h *house) fill(total int) {
	h.t.Helper()
	a := h.p.booked(Dosing)
	if a == nil {
		h.t.Fatalf("no dosing session is booked: %v; blocked by %v", h.keys(), h.p.blockers(h.p.dosingFrom(h.now)))
	}
	if when := a.Start.AddDate(0, 0, -3); h.now.Before(when) {
		h.until(when)
	}
	h.answers9(total, 0)
}

// answers9 records the primary measure, and the PHQ-9 beside it, with its ninth item.
func (h *house) answers9(total, item9 int) {
	h.t.Helper()
	if h.p.PrimaryMeasure == PHQ9 {
		h.measure(PHQ9, total, item9)
		return
	}
	h.measure(h.p.PrimaryMeasure, total)
	h.measure(PHQ9, 12, item9)
}

// judge gives the reviews that are outstanding.
func (h *house) judge() {
	h.t.Helper()
	for key, by := range map[string]string{"review": "t-lane", "review/therapist": "t-lane", "review/prescriber": "p-singh"} {
		if h.task(key) != nil {
			h.must("review", "by", by, "decision", "adjust", "reason", "another setting")
		}
	}
}

// says is what the measures say of the primary scale.
func (h *house) says() string {
	for _, v := range h.p.Status(h.now).Verdicts {
		if v.Scale == h.p.PrimaryMeasure {
			return v.Says
		}
	}
	return ""
}
