package workflows

import (
	"strings"
	"testing"
	"time"

	"kap/pathway"
)

// A pathway that sleeps is told of a restore, once or again and again, by the worker or by somebody who makes it up: it hears of it
// from the records, is held once, also over fresh runs, and goes on once it is released.
// shows: restored-holds, restored-paused
func TestARestoreIsHeardOnce(t *testing.T) {
	t.Parallel()
	inOneRunAndInFreshOnes(t, func(t *testing.T, a *arc) {
		staff := obliging(1)
		visit, arrived := 0, 0
		a.run(func(s pathway.Status, send func(name, input string)) {
			if s.Phase != pathway.InPreparation && visit == 0 {
				staff(s, send)
				return
			}
			switch visit++; visit {
			case 1:
				a.env.SignalWorkflow(RestoredSignal, "of no restore")
			case 2:
				if len(s.Holds) > 0 {
					t.Errorf("held %+v by what somebody made up", s.Holds)
				}
				r, _, err := a.store.MarkRestored(t.Context(), a.env.Now().Add(-time.Minute), "a test")
				if err != nil {
					t.Fatal(err)
				}
				arrived = len(a.mails)
				a.env.SignalWorkflow(RestoredSignal, r.ID)
				a.env.SignalWorkflow(RestoredSignal, r.ID)
			case 3:
				if len(s.Holds) != 1 || s.Holds[0].Cause != pathway.Restored || len(a.mails) != arrived {
					t.Errorf("held %+v, %d mails since", s.Holds, len(a.mails)-arrived)
				}
				if _, err := a.store.ResumeMail(t.Context()); err != nil {
					t.Fatal(err)
				}
			default:
				staff(s, send)
			}
		})
		a.ended(pathway.Completed, 1)
		if n := strings.Count(a.story(), "confirm that nothing is missing; hold-1 holds the pathway"); n != 1 {
			t.Errorf("the journal says so %d times\n%s", n, a.story())
		}
	})
}
