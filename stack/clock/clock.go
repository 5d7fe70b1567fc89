// Package clock reads and moves the virtual clock of one workflow on a real Temporal server, so that months pass in a
// moment for that workflow and for nothing else. It is for tests and demonstrations: the server has to allow it
// (frontend.WorkflowTimeSkippingEnabled), and the server's interface for it is experimental.
package clock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// ErrEnded says that the workflow closed before its clock got there.
var ErrEnded = errors.New("the workflow has ended, and its clock with it")

// glances makes the pauses between looks at a workflow: short at first, longer where it takes longer, so that those who wait for many
// workflows do not keep the server from them.
func glances() func(context.Context) error {
	next := 5 * time.Millisecond
	return func(ctx context.Context) error {
		d := next
		next = min(2*next, 40*time.Millisecond)
		return pause(ctx, d)
	}
}

// Now is what the workflow would call now, were it awake.
func Now(ctx context.Context, c client.Client, workflowID string) (time.Time, error) {
	found, err := describe(ctx, c, workflowID)
	if err != nil {
		return time.Time{}, err
	}
	return now(found), nil
}

// Settle waits until the workflow has nothing left to do at its present time: no workflow task, and no activity other
// than those that wait for their next attempt.
func Settle(ctx context.Context, c client.Client, workflowID string) error {
	for rest := glances(); ; {
		found, err := describe(ctx, c, workflowID)
		if err != nil {
			return err
		}
		busy := unfinished(found)
		if busy == "" {
			return nil
		}
		if err := rest(ctx); err != nil {
			return fmt.Errorf("the workflow %s is still busy with %s: %w", workflowID, busy, err)
		}
	}
}

type description = workflowservice.DescribeWorkflowExecutionResponse

// describe looks at the latest run: the clock is carried over a continue-as-new.
func describe(ctx context.Context, c client.Client, workflowID string) (*description, error) {
	var found *description
	err := persist(ctx, func() (err error) {
		found, err = c.DescribeWorkflowExecution(ctx, workflowID, "")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the workflow %s cannot be looked at: %w", workflowID, err)
	}
	return found, nil
}

// now is the wall clock for as long as the workflow's own was never moved.
func now(found *description) time.Time {
	if info := found.GetWorkflowExtendedInfo().GetTimeSkippingInfo(); info != nil {
		return info.GetCurrentTime().AsTime()
	}
	return time.Now()
}

func running(found *description) bool {
	return found.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// unfinished names something that the workflow is at, or is empty.
func unfinished(found *description) string {
	if !running(found) {
		return ""
	}
	if found.GetPendingWorkflowTask() != nil {
		return "a workflow task"
	}
	for _, a := range found.GetPendingActivities() {
		next := a.GetNextAttemptScheduleTime()
		waits := a.GetState() == enums.PENDING_ACTIVITY_STATE_SCHEDULED && next.IsValid() && next.AsTime().After(now(found))
		if !waits && a.GetState() != enums.PENDING_ACTIVITY_STATE_PAUSED {
			return "the activity " + a.GetActivityType().GetName()
		}
	}
	return ""
}

// awayPause is how long a server that is away is left alone.
const awayPause = 100 * time.Millisecond

// persist asks again while the server is away: it may be on its way back from a kill.
func persist(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if !away(err) {
			return err
		}
		if pause(ctx, awayPause) != nil {
			return err
		}
	}
}

func away(err error) bool {
	_, is := errors.AsType[*serviceerror.Unavailable](err)
	return is
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
