package records_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"kap/pathway"
	"kap/records"
)

func (h *house) marks(to time.Time) records.Restored {
	h.t.Helper()
	r, fresh, err := h.store.MarkRestored(h.t.Context(), to, "a test")
	if err != nil || !fresh {
		h.t.Fatalf("marked anew %v, %v", fresh, err)
	}
	return r
}

func (h *house) unheard() []string {
	h.t.Helper()
	all, err := h.store.Unheard(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	var codes []string
	for _, u := range all {
		codes = append(codes, u.Code)
	}
	return codes
}

// A mark pauses mail and makes what had not gone out unknown; until somebody says so, nothing goes out.
// shows: restored-paused, restored-unknown
func TestMailIsPausedSinceARestore(t *testing.T) {
	t.Parallel()
	c := outbox(t)
	to := monday().Add(time.Hour)
	r := c.marks(to)
	if c.mailIs("unknown"); !r.To.Equal(to) || r.Command != "a test" || r.Resumed != nil {
		t.Errorf("found %+v", r)
	}
	if _, status := c.claim(time.Minute); status != pathway.UnknownMail {
		t.Errorf("what may have gone out is %s", status)
	}
	c.do(`update mail set status = 'pending', settled_at = null`) // as one that is written since
	if _, _, err := c.store.Claim(t.Context(), c.p.Code, booked, time.Minute); !errors.Is(err, records.ErrMailPaused) {
		t.Errorf("claimed while mail is paused: %v", err)
	}
	if paused, err := c.store.MailPaused(t.Context()); err != nil || paused == nil || paused.ID != r.ID || !c.numbers(monday()).Paused {
		t.Errorf("found %+v, %v", paused, err)
	}
	// Marked again, it is the same restore; another moment is another, and there is one to resume.
	if again, fresh, err := c.store.MarkRestored(t.Context(), to, "a test"); err != nil || fresh || again.ID != r.ID {
		t.Errorf("found %+v, %v, %v", again, fresh, err)
	}
	c.do(`update mail set status = 'sent'`)
	if other := c.marks(to.Add(-time.Hour)); other.ID == r.ID {
		t.Error("two restores are one")
	}
	c.mailIs("sent")
	c.do(`update mail set status = 'pending'`)
	for i, want := range []bool{true, false} {
		if resumed, err := c.store.ResumeMail(t.Context()); err != nil || (resumed != nil) != want {
			t.Errorf("resumed %d: %+v, %v", i, resumed, err)
		}
	}
	if claimed, status := c.claim(time.Minute); status != pathway.ClaimedMail || claimed.ID == "" || c.numbers(monday()).Paused {
		t.Errorf("after it was resumed: %s", status)
	}
}

// A mail that was being sent as the mark was made: what the mail service says of it counts.
// shows: restored-unknown
func TestAMailThatIsSentDuringTheMark(t *testing.T) {
	t.Parallel()
	c := outbox(t)
	claimed, _ := c.claim(time.Minute)
	c.marks(monday())
	c.mailIs("unknown")
	c.settle(claimed, pathway.SentMail)
	c.mailIs("sent")
}

// The first step after a mark hears of it and does nothing else; each pathway hears once, and one that is enrolled later never.
// shows: restored-before-it-acts, restored-holds, restored-unknown
func TestAPathwayHearsOnceOfARestore(t *testing.T) {
	t.Parallel()
	c := outbox(t)
	sleeper := c.enrol("B2B2B2", somebody(1))
	sleeper.work()
	c.do(`update pathway set started_at = now()`)
	to := monday().Add(time.Minute)
	r := c.marks(to)
	later := c.enrol("D4D4D4", somebody(2))
	if got := c.unheard(); !slices.Equal(got, []string{"B2B2B2", "K7Q2M9"}) {
		t.Fatalf("yet to hear: %v", got)
	}
	step := c.next(preparation(2, newYork(t, "2026-02-05 12:00"), 5))
	first := c.commit(step)
	if a := first.Answer; a.Restored == nil || a.Restored.ID != r.ID || !a.Restored.To.Equal(to) || len(a.Acts) > 0 {
		t.Fatalf("found %+v", a)
	}
	// The worker is killed before it hears, and asks again.
	if again := c.commit(step); encoded(t, again.Answer) != encoded(t, first.Answer) {
		t.Errorf("asked again it hears %+v", again.Answer)
	}
	c.p.Settle(first.Step, first.Answer)
	if c.work(); len(c.p.Appointments) != 1 || len(c.p.Holds) != 1 || !c.p.CatchingUp.IsZero() {
		t.Errorf("booked %+v, held %+v", c.p.Appointments, c.p.Holds)
	}
	c.mailIs("unknown")
	if got := ask[int](c.house, `select count(*) from mail where pathway = 'K7Q2M9' and body->>'staff' is null and status <> 'unknown'`); got != 0 {
		t.Errorf("%d mails to the client may go out", got)
	}
	if got := ask[int](c.house, `select count(*) from task where pathway = 'K7Q2M9' and key = 'call/'||$1`, booked); got != 1 {
		t.Error("nobody is asked to call about it")
	}
	says := ask[string](c.house, `select string_agg(text, '; ') from journal where pathway = 'K7Q2M9' and name = 'restored'`)
	if strings.Count(says, "confirm that nothing is missing; hold-1 holds the pathway") != 1 {
		t.Errorf("the journal says %q", says)
	}
	if got := c.unheard(); !slices.Equal(got, []string{"B2B2B2"}) {
		t.Errorf("yet to hear: %v", got)
	}
	if later.work(); len(later.p.Holds) > 0 {
		t.Error("a pathway that began since is held")
	}
	// The one that sleeps is roused.
	sleeper.p.Rouse(r.ID, sleeper.now)
	if sleeper.work(); len(sleeper.p.Holds) != 1 || len(c.unheard()) > 0 {
		t.Errorf("held %+v, yet to hear %v", sleeper.p.Holds, c.unheard())
	}
}

// An ended pathway whose workflow has completed is not told for ever; one that is under way is.
// shows: restored-ended
func TestWhoNeverHears(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.started("C3C3C3", "F6F6F6")
	h.do(`update pathway set outcome = 'completed' where code = 'F6F6F6'`)
	h.marks(monday())
	for _, code := range []string{"C3C3C3", "F6F6F6"} {
		if err := h.store.NeverHears(t.Context(), code); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.unheard(); !slices.Equal(got, []string{"C3C3C3"}) {
		t.Errorf("yet to hear: %v", got)
	}
}

// Where the records alone were restored, the pathway knows more than they do: it writes them anew, and hears of the restore with it.
// shows: restored-holds
func TestAPathwayAheadOfRestoredRecords(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.work()
	steps := c.p.Steps
	c.screen()
	c.do(`delete from mail`)
	c.do(`delete from appointment`)
	c.do(`delete from step where number > $1`, steps)
	c.do(`update pathway set last_step = $1, last_digest = (select digest from step where number = $1)`, steps)
	c.marks(monday())
	c.p.Rouse("anything", c.now)
	step, _ := c.p.Due(c.now)
	if a := c.take(*step); a.Restored == nil || !a.Gap {
		t.Fatalf("found %+v", a)
	}
	c.work()
	c.mailIs("unknown") // it stood in the pathway, and goes out under no circumstances
	if got := ask[int](c.house, `select count(*) from appointment`); got != len(c.p.Appointments) || len(c.p.Holds) != 1 {
		t.Errorf("%d appointments, held %+v", got, c.p.Holds)
	}
}
