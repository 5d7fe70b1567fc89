package main_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const clockworkQueue = "clockwork"

// clockworkPlan is a workflow in the shape of a pathway: it sleeps to an absolute time, does something locally and
// something remotely, and answers updates in between.
type clockworkPlan struct {
	Start time.Time
	Every int // days
	Count int
	// ContinueAfter is after how many wakes a run hands over to the next one; 0: never.
	ContinueAfter int
	ActivityTakes time.Duration

	Wakes []wake
}

type wake struct {
	Due, Woke, Local, Remote time.Time
}

func (p clockworkPlan) due(i int) time.Time { return p.Start.AddDate(0, 0, i*p.Every) }

func clockwork(ctx workflow.Context, p clockworkPlan) ([]wake, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 3 * time.Second})
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute})
	if err := workflow.SetUpdateHandler(ctx, "now", func(ctx workflow.Context) (time.Time, error) {
		return workflow.Now(ctx), nil
	}); err != nil {
		return nil, err
	}
	if err := workflow.SetQueryHandler(ctx, "wakes", func() ([]wake, error) { return p.Wakes, nil }); err != nil {
		return nil, err
	}
	for here := 0; len(p.Wakes) < p.Count; here++ {
		if p.ContinueAfter > 0 && here == p.ContinueAfter {
			return nil, workflow.NewContinueAsNewError(ctx, clockwork, p)
		}
		w := wake{Due: p.due(len(p.Wakes) + 1)}
		if err := workflow.Sleep(ctx, w.Due.Sub(workflow.Now(ctx))); err != nil {
			return nil, err
		}
		w.Woke = workflow.Now(ctx)
		if err := workflow.ExecuteLocalActivity(ctx, wallClock, p.ActivityTakes).Get(ctx, nil); err != nil {
			return nil, err
		}
		w.Local = workflow.Now(ctx)
		if err := workflow.ExecuteActivity(ctx, wallClock, p.ActivityTakes).Get(ctx, nil); err != nil {
			return nil, err
		}
		w.Remote = workflow.Now(ctx)
		p.Wakes = append(p.Wakes, w)
	}
	return p.Wakes, nil
}

func wallClock(ctx context.Context, takes time.Duration) (time.Time, error) {
	select {
	case <-time.After(takes):
		return time.Now(), nil
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
}

// runClockworkWorker is the whole program when the machine starts it as its worker.
func runClockworkWorker() int {
	c, err := client.Dial(client.Options{
		HostPort: os.Getenv("TEMPORAL_ADDRESS"), Namespace: os.Getenv("TEMPORAL_NAMESPACE"),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer c.Close()
	worker.SetStickyWorkflowCacheSize(1000)
	w := worker.New(c, clockworkQueue, worker.Options{StickyScheduleToStartTimeout: 5 * time.Second})
	w.RegisterWorkflow(clockwork)
	w.RegisterActivity(wallClock)
	if err := w.Run(worker.InterruptCh()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
