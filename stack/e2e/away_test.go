package e2e_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"

	"kap/pathway"
	"kap/stack/clock"
	"kap/stack/machine"
)

// Our database goes away while Temporal keeps its own. Messages are taken all the same, at once; nothing is booked or mailed
// before the records hold them, and then everything once.
func TestMessagesAreTakenWhileTheRecordsAreAway(t *testing.T) {
	t.Parallel()
	h := ownHouse(t)
	ctx := within(t, 2*time.Minute)
	p := h.enrol(ctx, t, h.team(), nil)
	plot := story(t, 0, p.team)
	p.tell(plot, 4) // screening is complete, the preparation sessions are booked
	p.forwardUntil("the hours of mail", func(s pathway.Status) bool { return s.Unsent == 0 })
	p.settle()
	before := p.books()
	was := session(t, p.status(), "preparation-2")

	if err := h.CutDatabase(ctx); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	reply := p.say("hold", fields{"by": p.therapist, "cause": "crisis", "reason": "the records are away"})
	if took := time.Since(begun); reply.Result != pathway.Recorded || took > 15*time.Second {
		t.Errorf("the answer took %s and was %+v", took, reply)
	}
	s := p.status()
	if s.Unwritten == 0 || len(s.Holds) != 1 {
		t.Errorf("%d entries are unwritten, expected the one that was just taken: %s", s.Unwritten, shown(s))
	}
	if !slices.ContainsFunc(s.Blocked, func(b pathway.Blocker) bool { return b.Code == "unwritten" }) {
		t.Errorf("what is not written yet does not keep from dosing: %s", shown(s.Blocked))
	}
	await(within(t, 20*time.Second), t, "the details to say that the records are away", func() error {
		if text := p.metadata(); !strings.Contains(text, "records cannot be written") {
			return fmt.Errorf("they say %s", text)
		}
		return nil
	})

	to := was.Start.Add(24 * time.Hour)
	begun = time.Now()
	reply = p.say("move-session", fields{"by": p.desk, "session": was.Name, "start": to.Format(time.RFC3339)})
	t.Logf("the move was answered after %s: %+v", time.Since(begun), reply)
	if took := time.Since(begun); reply.Result != pathway.Asked || !strings.Contains(reply.Next, "has not answered yet") || took > 15*time.Second {
		t.Errorf("the answer took %s and was %+v", took, reply)
	}

	if err := h.RestoreDatabase(ctx); err != nil {
		t.Fatal(err)
	}
	begun = time.Now()
	await(within(t, 40*time.Second), t, "everything to be written", func() error {
		s := p.status()
		if now := session(t, s, was.Name); s.Unwritten != 0 || !now.Start.Equal(to) {
			return fmt.Errorf("%d entries are unwritten, %s is on %s", s.Unwritten, now.Name, now.Start)
		}
		return nil
	})
	t.Logf("everything was written %s after the records were back", time.Since(begun))
	p.settle()
	after := p.books()
	if unknown := p.sound(after); len(unknown) > 0 {
		t.Errorf("nobody knows whether these went out: %q", unknown)
	}
	if !slices.Equal(after.Journal[:len(before.Journal)], before.Journal) {
		t.Error("the journal was written over")
	}
	var added []string
	for _, line := range after.Journal[len(before.Journal):] {
		added = append(added, strings.Join(strings.Fields(line)[:2], " "))
	}
	same(t, "new journal entries", []string{"taken hold", "done hold", "done nudge", "done nudge", "taken move-session", "done moved"}, added)
	same(t, "mails to staff", append(before.staffKeys(), "staff-urgent to PRESCRIBER, 1", "staff-urgent to THERAPIST, 1"), after.staffKeys())
	if after.Mails["moved/preparation-2/r2"].Arrived != 1 {
		t.Errorf("no mail says that the session was moved: %q", after.keys())
	}
}

func session(t testing.TB, s pathway.Status, name string) pathway.Session {
	t.Helper()
	i := slices.IndexFunc(s.Sessions, func(x pathway.Session) bool { return x.Name == name })
	if i < 0 {
		t.Fatalf("there is no session %s: %s", name, shown(s.Sessions))
	}
	return s.Sessions[i]
}

// metadata is what Temporal's UI shows of the workflow: the details and the handlers' descriptions.
func (p *person) metadata() string {
	p.t.Helper()
	out, problem, exit := p.temporal("workflow", "metadata", "--workflow-id", p.id)
	if exit != 0 {
		p.t.Fatalf("temporal workflow metadata: %s %s", out, problem)
	}
	return out
}

// temporal runs the stock command line.
func (p *person) temporal(args ...string) (out, problem string, exit int) {
	p.t.Helper()
	args = append(args, "--address", p.h.TemporalAddress(), "--namespace", "kap", "--disable-config-file", "--disable-config-env", "-o", "json")
	return p.h.run(p.ctx, p.t, program(p.t, "temporal"), nil, args...)
}

// While the worker is away a reminder falls due, and the session is cancelled. Both reach the pathway together: it hears of the cancellation
// before the reminder can go out.
func TestACancellationIsHeardBeforeTheReminderThatFellDueMeanwhile(t *testing.T) {
	t.Parallel()
	h := ownHouse(t)
	ctx := within(t, 3*time.Minute)
	p := h.enrol(ctx, t, h.team(), nil)
	p.tell(story(t, 0, p.team), 4) // screening is complete, the preparation sessions are booked
	reminder := func(lead string) mailed { return p.books().Mails["remind/preparation-1/r1/"+lead] }
	p.forwardUntil("the first reminder", func(pathway.Status) bool { return reminder("48h").Arrived == 1 })
	p.settle()
	next := p.status().NextWake // the second one's
	fired := func() (n int) {
		events := h.client.GetWorkflowHistory(ctx, p.id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			e, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			if e.GetEventType() == enums.EVENT_TYPE_TIMER_FIRED {
				n++
			}
		}
		return n
	}

	before := fired()
	if err := h.Pause(machine.Worker); err != nil {
		t.Fatal(err)
	}
	moved := make(chan error, 1)
	go func() { moved <- clock.FastForward(ctx, h.client, p.id, next) }()
	await(ctx, t, "the reminder to fall due", func() error {
		if fired() == before {
			return errors.New("no timer has fired")
		}
		return nil
	})
	if err := h.client.SignalWorkflow(ctx, p.id, "", "cancel-session", fields{"by": p.desk, "session": "preparation-1", "wish_of": "client"}); err != nil {
		t.Fatal(err)
	}
	if err := h.Resume(ctx, machine.Worker); err != nil {
		t.Fatal(err)
	}
	if err := <-moved; err != nil {
		t.Fatal(err)
	}
	p.forwardUntil("the cancellation to be mailed", func(s pathway.Status) bool { return s.Unsent == 0 })
	p.settle()
	if m := reminder("24h"); m.Arrived > 0 {
		t.Errorf("the session was cancelled, and its reminder went out: %s", shown(p.books().Mails))
	}
	if m := p.books().Mails["cancelled/preparation-1/r1"]; m.Arrived != 1 {
		t.Errorf("the client did not hear of it: %s", shown(p.books().Mails))
	}
}
