package e2e_test

import (
	"slices"
	"testing"
	"time"

	"kap/pathway"
)

// The whole machine is stopped and started again on the same folder.
func TestStoppedAndStartedOnTheSameData(t *testing.T) {
	t.Parallel()
	h := ownHouse(t)
	ctx := within(t, 3*time.Minute)
	begun, waiting := h.enrol(ctx, t, h.team(), nil), h.enrol(ctx, t, h.team(), nil)
	plot := story(t, 0, begun.team)
	begun.tell(plot, 6)
	begun.settle()
	was, before := begun.status(), begun.books()
	wasWaiting := waiting.status()

	at := time.Now()
	h.client.Close()
	h.Stop()
	t.Logf("stopping took %s", time.Since(at))
	at = time.Now()
	if err := h.start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("starting took %s", time.Since(at))
	at = time.Now()
	now := begun.status()
	t.Logf("the first status took %s", time.Since(at))
	if now.Phase != was.Phase || now.DosingDone != was.DosingDone || !now.NextWake.Equal(was.NextWake) || !slices.Equal(sessions(now), sessions(was)) {
		t.Errorf("it was at\n%s\nand is at\n%s", shown(was), shown(now))
	}
	if drift := begun.now().Sub(was.AsOf); drift < 0 || drift > 2*time.Minute {
		t.Errorf("the pathway's clock moved by %s", drift)
	}
	if now := waiting.status(); now.Phase != wasWaiting.Phase || len(now.Tasks) != len(wasWaiting.Tasks) {
		t.Errorf("it was at\n%s\nand is at\n%s", shown(wasWaiting), shown(now))
	}
	after := begun.books()
	same(t, "journal", before.Journal, after.Journal)
	same(t, "appointments", before.Appointments, after.Appointments)
	same(t, "mails to the client", before.keys(), after.keys())
	same(t, "mails to staff", before.staffKeys(), after.staffKeys())

	begun.tell(plot, len(plot)-begun.next)
	if s := begun.end(); s.Outcome != pathway.Completed {
		t.Errorf("after the start the story ends as %q: %s", s.Outcome, shown(s))
	}
	if unknown := begun.sound(begun.books()); len(unknown) > 0 {
		t.Errorf("nobody knows whether these went out: %q", unknown)
	}
}
