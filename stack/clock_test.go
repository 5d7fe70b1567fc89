package main_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"kap/stack/clock"
	"kap/stack/machine"
)

// punctual is how late a workflow may wake, on a machine that is busy with other tests: a hop that has left a timer
// behind is late by days.
const punctual = 2 * time.Second

func TestFastForward(t *testing.T) {
	t.Parallel()
	m := start(t, withWorker(t))
	c := dial(t, m)

	t.Run("from wake to wake", func(t *testing.T) {
		w := begin(t, c, clockworkPlan{Count: 30})
		for i := 1; i < 30; i++ {
			w.forwardTo(i)
			if at, due := w.update(), w.plan.due(i); at.Before(due) || at.After(due.Add(punctual)) {
				t.Fatalf("an update after wake %d saw %s, due was %s", i, at, due)
			}
		}
		w.forwardTo(30)
		w.wantPunctualWakes(30)
		if err := clock.FastForward(w.ctx, c, w.id, w.plan.due(31)); !errors.Is(err, clock.ErrEnded) {
			t.Errorf("the clock of a workflow that has ended: %v", err)
		}
	})
	t.Run("over more wakes than the server skips in a session", func(t *testing.T) {
		w := begin(t, c, clockworkPlan{Count: 230})
		w.forwardTo(220)
		w.wantPunctualWakes(220)
	})
	t.Run("between wakes", func(t *testing.T) {
		w := begin(t, c, clockworkPlan{Count: 3})
		noon := w.plan.due(1).Add(36 * time.Hour)
		w.forward(noon)
		if at := w.update(); at.Before(noon) || at.After(noon.Add(punctual)) {
			t.Errorf("the workflow's time is %s, wanted %s", at, noon)
		}
		w.wantPunctualWakes(1)
		w.forward(w.plan.Start)
		if at := w.update(); at.Before(noon) {
			t.Errorf("the clock went back to %s", at)
		}
	})
	t.Run("across continue-as-new", func(t *testing.T) {
		w := begin(t, c, clockworkPlan{Count: 50, ContinueAfter: 4})
		w.forwardTo(8) // a run ends here
		w.forwardTo(41)
		w.wantPunctualWakes(41)
		if at, due := w.update(), w.plan.due(41); at.Before(due) || at.After(due.Add(punctual)) {
			t.Errorf("the workflow's time is %s, due was %s", at, due)
		}
	})
	t.Run("a reset takes the clock back", func(t *testing.T) {
		w := begin(t, c, clockworkPlan{Count: 20})
		w.forwardTo(5)
		w.forwardTo(10)
		w.resetToWake(6)
		at, err := clock.Now(w.ctx, c, w.id)
		if err != nil {
			t.Fatal(err)
		}
		if at.Before(w.plan.due(5)) || at.After(w.plan.due(7)) {
			t.Errorf("after a reset to wake 6 (%s) the clock shows %s", w.plan.due(6), at)
		}
		w.forwardTo(12)
		w.wantPunctualWakes(12)
	})
}

func TestFastForwardWhileThingsAreKilled(t *testing.T) {
	t.Parallel()
	m := start(t, withWorker(t))
	c := dial(t, m)
	w := begin(t, c, clockworkPlan{Count: 60})
	w.forwardTo(3)

	kill(t, m, machine.Worker)
	w.forwardTo(5)
	kill(t, m, machine.Temporal)
	w.forwardTo(7)
	if at, due := w.update(), w.plan.due(7); at.Before(due) {
		t.Errorf("the workflow's time is %s, due was %s: the offset is lost", at, due)
	}

	midway := time.AfterFunc(500*time.Millisecond, func() { kill(t, m, machine.Temporal) })
	defer midway.Stop()
	w.forwardTo(40)
	if n := len(w.wakes()); n != 40 {
		t.Errorf("woke %d times, wanted 40", n)
	}
}

// A server that is killed has sometimes done what it was asked for, and could not say so.
func TestFastForwardGoesNoFurtherWhereAnswersAreLost(t *testing.T) {
	t.Parallel()
	m := start(t, withWorker(t))
	for _, lost := range []error{status.Error(codes.Unavailable, "lost"), status.Error(codes.DeadlineExceeded, "lost")} {
		var told atomic.Int32
		c := dial(t, m, grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, in, out any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
			err := call(ctx, method, in, out, conn, options...)
			if err == nil && method == workflowservice.WorkflowService_UpdateWorkflowExecutionOptions_FullMethodName && told.Add(1)%2 == 1 {
				return lost
			}
			return err
		}))
		w := begin(t, c, clockworkPlan{Count: 20})
		for i := 1; i <= 10; i++ {
			noon := w.plan.due(i).Add(36 * time.Hour)
			for { // who is told of a fault asks again
				err := clock.FastForward(w.ctx, c, w.id, noon)
				if err == nil {
					break
				}
				if w.ctx.Err() != nil {
					t.Fatal(err)
				}
			}
			if at := w.update(); at.Before(noon) || at.After(noon.Add(punctual)) {
				t.Errorf("%v: the workflow's time is %s, wanted %s", lost, at, noon)
			}
		}
		w.wantPunctualWakes(10)
	}
}

// winder is one workflow under test and the hand on its clock.
type winder struct {
	t    *testing.T
	ctx  context.Context
	c    client.Client
	id   string
	plan clockworkPlan
}

func begin(t *testing.T, c client.Client, p clockworkPlan) *winder {
	t.Helper()
	p.Start = time.Now().UTC().Truncate(time.Second)
	p.Every = 3
	p.ActivityTakes = 10 * time.Millisecond
	w := &winder{t, within(t, 3*time.Minute), c, "clockwork-" + rand.Text(), p}
	if _, err := c.ExecuteWorkflow(w.ctx, client.StartWorkflowOptions{ID: w.id, TaskQueue: clockworkQueue}, clockwork, p); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *winder) forwardTo(i int) { w.t.Helper(); w.forward(w.plan.due(i)) }

func (w *winder) forward(to time.Time) {
	w.t.Helper()
	if err := clock.FastForward(w.ctx, w.c, w.id, to); err != nil {
		w.t.Fatal(err)
	}
}

func (w *winder) update() (at time.Time) {
	w.t.Helper()
	u, err := w.c.UpdateWorkflow(w.ctx, client.UpdateWorkflowOptions{
		WorkflowID: w.id, UpdateName: "now", WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = u.Get(w.ctx, &at)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

func (w *winder) wakes() (wakes []wake) {
	w.t.Helper()
	answer, err := w.c.QueryWorkflow(w.ctx, w.id, "", "wakes")
	if err == nil {
		err = answer.Get(&wakes)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return wakes
}

func (w *winder) wantPunctualWakes(n int) {
	w.t.Helper()
	wakes := w.wakes()
	if len(wakes) != n {
		w.t.Fatalf("woke %d times, wanted %d", len(wakes), n)
	}
	for i, wake := range wakes {
		if late := wake.Remote.Sub(wake.Due); wake.Woke.Before(wake.Due) || late > punctual {
			w.t.Errorf("wake %d was due %s and came at %s", i+1, wake.Due, wake.Woke)
		}
	}
}

// resetToWake resets to the workflow task that wake i began with.
func (w *winder) resetToWake(i int) {
	w.t.Helper()
	fired := 0
	events := w.c.GetWorkflowHistory(w.ctx, w.id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			w.t.Fatal(err)
		}
		switch e.GetEventType() {
		case enums.EVENT_TYPE_TIMER_FIRED:
			fired++
		case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			if fired < i {
				continue
			}
			if _, err := w.c.ResetWorkflowExecution(w.ctx, &workflowservice.ResetWorkflowExecutionRequest{
				Namespace:                 machine.Namespace,
				WorkflowExecution:         &common.WorkflowExecution{WorkflowId: w.id},
				WorkflowTaskFinishEventId: e.GetEventId(),
				RequestId:                 rand.Text(),
				Reason:                    "test",
			}); err != nil {
				w.t.Fatal(err)
			}
			return
		}
	}
	w.t.Fatalf("wake %d is not in the history", i)
}

func kill(t *testing.T, m *machine.Machine, name string) {
	t.Helper()
	pid := m.PID(name)
	if pid == 0 {
		t.Errorf("%s is not running", name)
		return
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}
