package records_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"kap/internal/diligent"
	"kap/pathway"
	"kap/records"
)

func TestAStepIsWrittenOnce(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.screen()
	c.now = c.now.Add(time.Minute)
	step := c.next(preparation(7, c.now, 20))
	first := c.commit(step)
	if first.Answer.Acts[0].Start.IsZero() || first.Answer.Gap || encoded(t, first.Step) != encoded(t, step) {
		t.Errorf("the first answer: %s", encoded(t, first))
	}
	written := c.counts()
	for range 3 {
		again := c.commit(step)
		if encoded(t, again) != encoded(t, first) {
			t.Errorf("the same step again:\n%s\nexpected\n%s", encoded(t, again), encoded(t, first))
		}
	}
	if found := c.counts(); found != written {
		t.Errorf("the same step again has left %s, expected %s", found, written)
	}
}

func TestAnotherStepAtANumberThatIsTakenIsNotWritten(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.screen()
	step := c.next(preparation(7, c.now, 20))
	first := c.commit(step)
	written := c.counts()
	other := step
	other.At = step.At.Add(time.Hour)
	other.Acts = []pathway.Act{preparation(8, c.now.AddDate(0, 0, 9), 20)}
	found := c.commit(other)
	if encoded(t, found) != encoded(t, first) {
		t.Errorf("another step got\n%s\nexpected the one that stands there\n%s", encoded(t, found), encoded(t, first))
	}
	if counts := c.counts(); counts != written {
		t.Errorf("another step has left %s, expected %s", counts, written)
	}
	if ask[string](c.house, `select last_digest from pathway`) != step.Digest() {
		t.Error("another step has changed the pathway's digest")
	}
	// Adopting it leads on: the next step is the records' own successor.
	c.p.Settle(found.Step, found.Answer)
	if a := c.take(c.next(preparation(8, c.now.AddDate(0, 0, 9), 20))); a.Gap {
		t.Error("the step after one that was adopted is taken for a gap")
	}
}

// What comes back from the records, or through Temporal, is the very step that was written: its digest says so.
func TestADigestSurvivesTheRecords(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"angle brackets and ampersands": `{"by":"t-lane","cause":"crisis","reason":"a <b> & 'c' > d"}`,
		"escapes where none are needed": `{"by":"t-lane","cause":"crisis","reason":"\u003cb\u003e \u0026 \/ \u00e9 \ud83c\udf3f"}`,
		"other alphabets":               `{"by":"t-lane","cause":"crisis","reason":"Gespräch, 会話, разговор, 🌿, é as e\u0301, ` + "\u2028\u2029\ufffd" + `"}`,
		"odd whitespace":                " {\n\t\"by\" :\r\n\"t-lane\" ,  \"cause\":\t\"crisis\",\"reason\" : \"x  y\"\n} \n",
		"another order":                 `{"reason":"z","cause":"crisis","by":"t-lane"}`,
		"refused, an unknown field":     `{"zebra":1.50e+3,"by":"t-lane","<k>":[{"b":1,"a":2}],"a":null}`,
		"refused, a field twice":        `{"by":"t-lane","by":"t-lane"}`,
		"refused, not JSON":             `by: t-lane <&>`,
		"refused, nothing":              ``,
		"refused, null":                 `null`,
		"refused, a number":             `1.0`,
		"refused, a control character":  `{"by":"t-lane","cause":"crisis","reason":"a` + "\u0007" + `b"}`,
		"NUL, escaped":                  `{"by":"t-lane","cause":"crisis","reason":"a\u0000b"}`,
		"NUL in who says it":            `{"by":"t-\u0000lane","cause":"crisis","reason":"x"}`,
		"NUL in its id":                 `{"by":"t-lane","id":"a\u0000b","cause":"crisis","reason":"x"}`,
		"NUL in a field's name":         `{"by":"t-lane","\u0000":1}`,
		"NUL, bare":                     "\x00",
		"half a surrogate pair":         `{"by":"t-lane","cause":"crisis","reason":"\ud800 and \udc00\ud800"}`,
		"half a character":              "{\"by\":\"t-lane\",\"cause\":\"crisis\",\"reason\":\"a\xffb\xc3\"}",
		"half a character, refused":     "{\"by\":\"t-l\xffane\",\"x\xff\":\"a\xffb\xc3\"}",
		"a number beyond numbers":       `{"by":"t-lane","cause":"crisis","reason":1e999999}`,
		"a number of 8,000 digits":      `{"by":"t-lane","n":` + strings.Repeat("9", 8000) + `}`,
		"deep":                          `{"by":"t-lane","n":` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000) + `}`,
		"too long":                      `{"by":"` + strings.Repeat("<é🌿", 5000) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newHouse(t).enrol("K7Q2M9", anna())
			c.work()
			_, _ = c.p.Record("hold", []byte(message), c.now.Add(time.Second))
			step, _ := c.p.Due(c.now.Add(time.Second))
			if step == nil {
				t.Fatal("nothing is to be written")
			}
			var carried pathway.Step // as Temporal carries it
			if err := json.Unmarshal([]byte(encoded(t, step)), &carried); err != nil || carried.Digest() != step.Digest() {
				t.Errorf("the digest does not survive JSON (%v):\n%s\n%s", err, encoded(t, step), encoded(t, carried))
			}
			out, err := c.store.Commit(t.Context(), c.cal, pathway.ConsentDocument{}, c.p, carried)
			if err != nil {
				t.Fatalf("the step cannot be written: %v", err)
			}
			again := c.commit(carried)
			digest := ask[string](c.house, `select digest from step where number = $1`, step.Number)
			for _, s := range []pathway.Step{out.Step, again.Step, *step} {
				if s.Digest() != digest {
					t.Errorf("the digest is not the stored one:\n%s", encoded(t, s))
				}
			}
			c.p.Settle(again.Step, again.Answer)
			if c.p.Last != digest || len(c.p.Pending) != 0 {
				t.Errorf("the pathway does not know its own step again: %+v", c.p.Pending)
			}
			if a := c.take(c.next()); a.Gap {
				t.Error("the step after it is taken for a gap")
			}
			c.readModelIsTheStatus()
			if _, err := c.store.Show(t.Context(), c.p.Code); err != nil {
				t.Error(err)
			}
			if _, err := c.store.Journal(t.Context(), c.p.Code); err != nil {
				t.Error(err)
			}
		})
	}
}

// readModelIsTheStatus compares what lists and dashboards read with what the pathway itself says.
func (c *client) readModelIsTheStatus() {
	c.t.Helper()
	row, err := c.store.Show(c.t.Context(), c.p.Code)
	if err != nil {
		c.t.Fatal(err)
	}
	want := c.p.Status(*row.AsOf)
	want.NextWake = c.p.LooksAgain()
	var found pathway.Status
	if err := json.Unmarshal(row.Status, &found); err != nil {
		c.t.Fatal(err)
	}
	if encoded(c.t, found) != encoded(c.t, want) {
		c.t.Errorf("the read model says\n%s\nand the pathway\n%s", encoded(c.t, found), encoded(c.t, want))
	}
	next := ""
	if want.NextSession != nil {
		next = want.NextSession.Start.UTC().String()
	}
	stored := ""
	if row.NextSession != nil {
		stored = row.NextSession.UTC().String()
	}
	wake := time.Time{}
	if row.NextWake != nil {
		wake = row.NextWake.UTC()
	}
	if row.Phase != string(want.Phase) || row.Outcome != string(want.Outcome) || row.Attention != string(want.Attention) || row.DosingDone != want.DosingDone ||
		stored != next || encoded(c.t, row.WaitingOn) != encoded(c.t, want.WaitingOn) || !wake.Equal(want.NextWake.Truncate(time.Microsecond)) {
		c.t.Errorf("the read model's columns are %s, the pathway says %s", encoded(c.t, row), encoded(c.t, want))
	}
	if n := ask[int](c.house, `select count(*) from task where pathway = $1`, c.p.Code); n != len(want.Tasks) {
		c.t.Errorf("%d tasks are written, the pathway has %d", n, len(want.Tasks))
	}
}

func TestTheReadModelIsThePathwaysStatus(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.work()
	c.readModelIsTheStatus()
	c.screen()
	c.readModelIsTheStatus()
	c.must("cancel-session", `{"by":"c-desk","session":"preparation-1","wish_of":"client"}`)
	c.readModelIsTheStatus()
	c.must("hold", `{"by":"t-lane","cause":"crisis","reason":"seen today <&> é"}`)
	c.readModelIsTheStatus()
	for _, a := range c.p.Appointments {
		var end time.Time
		found := ask[time.Time](c.house, `select lower(during) from appointment where name = $1`, a.Name)
		end = ask[time.Time](c.house, `select upper(during) from appointment where name = $1`, a.Name)
		if state := ask[string](c.house, `select state from appointment where name = $1`, a.Name); !found.Equal(a.Start) || !end.Equal(a.End) || state != string(a.State) {
			t.Errorf("%s is written as %s %s to %s, expected %+v", a.Name, state, found, end, a)
		}
	}
}

// A pathway that wakes at its moment and finds nothing to do, such as when something is due at night, has looked: the records say what is owed then,
// and when it looks next.
func TestAPathwayThatWakesToNothingHasNotStalled(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna(), func(e *pathway.Enrolment) { e.At = e.At.Add(12 * time.Hour) })
	c.work()
	for _, name := range []string{"prescriber-clearance", "psychological-evaluation", "safety-plan"} {
		c.must(name, diligent.WhenAllGoesWell(c.p.ExampleFor(name, pathway.Message(name).Roles[0])))
	}
	quiet := 0
	for range 12 {
		for _, m := range c.p.Sendable(c.now) { // which writes nothing
			c.p.Delivered(m.Key)
		}
		row, err := c.store.Show(t.Context(), c.p.Code)
		if err != nil || row.NextWake == nil {
			t.Fatalf("it never looks again: %v", err)
		}
		c.now = row.NextWake.UTC()
		if step, _ := c.p.Due(c.now); step != nil && len(step.Acts) == 0 && len(step.Entries) == 0 {
			quiet++
		}
		c.work()
		if row, err = c.store.Show(t.Context(), c.p.Code); err != nil || row.NextWake == nil || !row.NextWake.After(c.now) {
			t.Fatalf("it looked at %s, and the records say %v (%v)", c.now, row.NextWake, err)
		}
		if pulse := pathway.Feel(row.NextWake.Add(pathway.StalledAfter), row.AsOf, row.NextWake); pulse != pathway.Beating {
			t.Errorf("at %s it is %s", c.now, pulse)
		}
		c.readModelIsTheStatus()
	}
	if quiet == 0 {
		t.Error("it never woke to nothing: this shows nothing")
	}
}

func TestAPathwayThatWasNeverEnrolledIsNotFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p, err := pathway.Enrol(enrolment(t, "B2B2B2"))
	if err != nil {
		t.Fatal(err)
	}
	step, _ := p.Due(monday())
	if _, err := h.store.Commit(t.Context(), h.cal, pathway.ConsentDocument{}, p, *step); !errors.Is(err, records.ErrNotFound) || !strings.Contains(err.Error(), "B2B2B2") {
		t.Errorf("found %v, expected that B2B2B2 is not found", err)
	}
	for name, err := range map[string]error{
		"Show":      func() error { _, err := h.store.Show(t.Context(), "B2B2B2"); return err }(),
		"Enrolment": func() error { _, err := h.store.Enrolment(t.Context(), "B2B2B2"); return err }(),
		"Claim":     func() error { _, _, err := h.store.Claim(t.Context(), "B2B2B2", "letter", time.Minute); return err }(),
	} {
		if !errors.Is(err, records.ErrNotFound) {
			t.Errorf("%s: found %v, expected not found", name, err)
		}
	}
}

func TestSixteenCommitOneStepAtOnce(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.screen()
	step := c.next(preparation(7, c.now, 20))
	before := ask[int](c.house, `select count(*) from journal`)
	stores := []*records.Store{c.store, c.another(), c.another(), c.another()}
	var wg sync.WaitGroup
	answers := make([]records.Committed, 16)
	errs := make([]error, 16)
	for i := range 16 {
		wg.Go(func() {
			answers[i], errs[i] = stores[i%4].Commit(t.Context(), c.cal, pathway.ConsentDocument{}, c.p, step)
		})
	}
	wg.Wait()
	for i := range 16 {
		if errs[i] != nil || encoded(t, answers[i]) != encoded(t, answers[0]) {
			t.Errorf("number %d got %s, %v; number 0 %s", i, encoded(t, answers[i]), errs[i], encoded(t, answers[0]))
		}
	}
	if n := ask[int](c.house, `select count(*) from step where number = $1`, step.Number); n != 1 {
		t.Errorf("the step is written %d times", n)
	}
	if n := ask[int](c.house, `select count(*) from journal`) - before; n != 1 {
		t.Errorf("found %d journal lines for one booking", n)
	}
	if n := ask[int](c.house, `select count(*) from mail where key like '%preparation-7%'`); n != 1 {
		t.Errorf("found %d mails for one booking", n)
	}
}

// lose takes the records back to an earlier step, as restoring a backup does.
func (c *client) lose(after int) {
	c.t.Helper()
	c.do(`alter table journal disable trigger all`)
	c.do(`delete from journal where step > $1`, after)
	c.do(`alter table journal enable trigger all`)
	c.do(`delete from step where number > $1`, after)
	c.do(`delete from appointment`)
	c.do(`delete from mail`)
	c.do(`update pathway set last_step = $1, last_digest = coalesce((select digest from step where number = $1), '') where code = $2`, after, c.p.Code)
}

func TestLostStepsAreWrittenAnewFromThePathway(t *testing.T) {
	t.Parallel()
	for _, kept := range []int{0, 1, 3} {
		c := newHouse(t).enrol("K7Q2M9", anna())
		c.screen()
		calendar := ask[string](c.house, `select string_agg(a::text, ' ' order by a.name) from appointment a`)
		outbox := ask[string](c.house, `select string_agg(key || body, ' ' order by key) from mail`)
		c.lose(kept)
		step := c.next()
		step.Entries = []pathway.Entry{{Kind: pathway.Found, Name: "note", At: c.now, Recorded: c.now, Text: "after the loss"}}
		answer := c.take(step)
		if !answer.Gap || c.p.Gap.IsZero() {
			t.Errorf("with %d steps kept the loss was not noticed", kept)
		}
		if found := ask[string](c.house, `select string_agg(a::text, ' ' order by a.name) from appointment a`); found != calendar {
			t.Errorf("the calendar is\n%s\nexpected\n%s", found, calendar)
		}
		if found := ask[string](c.house, `select string_agg(key || body, ' ' order by key) from mail`); found != outbox {
			t.Errorf("the outbox is\n%s\nexpected\n%s", found, outbox)
		}
		if n := ask[int](c.house, `select count(*) from journal where name = 'gap' and step = $1`, step.Number); n != 1 {
			t.Errorf("the journal tells of the loss %d times", n)
		}
		c.readModelIsTheStatus()
		if again := c.commit(step); !again.Answer.Gap {
			t.Error("the same step again gets another answer")
		}
		if c.take(c.next()).Gap {
			t.Error("the loss is found a second time")
		}
	}
}

// The records have gone another way than the pathway, at the same number.
func TestAnotherPastIsFound(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.screen()
	c.do(`update pathway set last_digest = 'of another step'`)
	if !c.take(c.next()).Gap || c.take(c.next()).Gap {
		t.Error("a predecessor that is not the pathway's own is found once, and then no more")
	}
	c.do(`delete from step where number = $1`, c.p.Steps) // the row alone: the next step follows all the same
	if c.take(c.next()).Gap {
		t.Error("the digest of the step before is known, and yet it counts as lost")
	}
}

// While the records were behind, somebody else was given the time. Both clients believe in theirs: the pathway goes on, and
// people hear of it.
func TestATimeThatWasGivenAwayAfterALossDoesNotStopThePathway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := h.enrol("K7Q2M9", anna())
	c.screen()
	lost := c.p.Appointments[0]
	c.lose(2)
	other := h.enrol("B2B2B2", somebody(2))
	other.work()
	if a := other.take(other.next(chosen(preparation(1, lost.Start, 0)))); a.Acts[0].Refused != "" {
		t.Fatal(a.Acts[0].Refused)
	}
	if a := c.take(c.next()); !a.Gap {
		t.Error("the loss was not noticed")
	}
	if state := ask[string](h, `select state from appointment where pathway = 'K7Q2M9'`); state != "double-booked" {
		t.Errorf("the appointment is %s, expected that it is marked as double-booked", state)
	}
	if n := ask[int](h, `select count(*) from journal where name = 'double-booked' and pathway = 'K7Q2M9'`); n != 1 {
		t.Errorf("the journal tells of it %d times, expected once", n)
	}
	// It goes on as before: a reminder changes nothing, and a move puts it right.
	c.take(c.next(pathway.Act{Do: pathway.RemindDeed, Session: lost.Name, Key: "remind/" + lost.Name + "/r1/24h", Rule: "24h", Until: lost.Start}))
	move := chosen(preparation(1, lost.Start.AddDate(0, 0, 1), 0))
	move.Do = pathway.MoveDeed
	if a := c.take(c.next(move)); a.Acts[0].Refused != "" {
		t.Fatal(a.Acts[0].Refused)
	}
	if state := ask[string](h, `select state from appointment where pathway = 'K7Q2M9'`); state != "booked" {
		t.Errorf("after the move it is %s, expected booked", state)
	}
}

// The records have lost a session that the pathway knows: the next is not placed upon it.
func TestASessionThatWasLostIsNotBookedOver(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.work()
	from := newYork(t, "2026-02-03 08:00")
	c.take(c.next(preparation(1, from, 5)))
	c.lose(1)
	if a := c.take(c.next(preparation(2, from, 5))); !a.Gap || !a.Acts[0].Start.Equal(from.Add(time.Hour)) {
		t.Errorf("found %+v, expected the hour after the session that was lost", a)
	}
	if n := c.overlaps(); n != 0 {
		t.Errorf("found %d overlaps", n)
	}
}

func TestTheJournalIsNeverChanged(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.work()
	for _, statement := range []string{`update journal set text = 'another'`, `delete from journal`, `delete from journal where step = 1`} {
		if err := c.try(statement); err == nil || !strings.Contains(err.Error(), "never changed") {
			t.Errorf("%s: found %v, expected a refusal", statement, err)
		}
	}
	if n := ask[int](c.house, `select count(*) from journal`); n == 0 {
		t.Error("the journal is empty")
	}
}

// A connection that breaks at the end leaves nobody knowing. The same step again finds out.
func TestAStepWhoseAnswerWasLostIsFoundAgain(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.screen()
	step := c.next(preparation(7, c.now, 20))
	for range 20 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = c.store.Commit(t.Context(), c.cal, pathway.ConsentDocument{}, c.p, step)
		}()
		c.do(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
		<-done
	}
	c.store = c.another() // the old one still holds broken connections
	first := c.commit(step)
	if again := c.commit(step); encoded(t, first) != encoded(t, again) || first.Answer.Gap {
		t.Errorf("found %s, then %s", encoded(t, first), encoded(t, again))
	}
	if n := ask[int](c.house, `select count(*) from mail where key like '%preparation-7%'`); n != 1 {
		t.Errorf("found %d mails for one booking", n)
	}
}
