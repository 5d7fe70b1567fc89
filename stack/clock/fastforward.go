package clock

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"kap/stack/settings"
)

// past is how far beyond its aim a hop may go. A timer starts when the workflow task that set it ends, and is late by as
// much: a hop to the very time that the workflow has in mind would stop short of it.
const past = time.Second

// FastForward moves the workflow's virtual clock to the given time and returns when it has got there and the workflow
// has done what was to be done by then. On its way the clock stops at each timer that the workflow has set and at each
// attempt of an activity, for as long as the work there takes in real time; a worker has to be running. Time never goes
// back: a time that has passed already changes nothing. Afterwards the clock stands where that work has left it, or
// a second after the given time where there was none, and runs on at the speed of the wall clock, also across a killed
// worker, a killed server and a continue-as-new. A reset takes it back to where it stood at that point of the history.
//
// ErrEnded says that the workflow closed before the given time.
func FastForward(ctx context.Context, c client.Client, workflowID string, to time.Time) error {
	w := workflow{c, workflowID}
	found, err := describe(ctx, c, workflowID)
	if err != nil {
		return err
	}
	moved := found.GetWorkflowExtendedInfo().GetTimeSkippingInfo().GetEffectiveConfig().GetFastForwardConfig() != nil
	if moved { // by a call that failed
		if err := w.land(ctx, attempts(found)); err != nil {
			return err
		}
	}
	for {
		if err := Settle(ctx, c, workflowID); err != nil {
			return err
		}
		found, err := describe(ctx, c, workflowID)
		switch {
		case err != nil:
			return err
		case !running(found):
			if found.GetWorkflowExecutionInfo().GetCloseTime().AsTime().Before(to) {
				return ErrEnded
			}
			return nil
		}
		remaining := to.Sub(now(found))
		if remaining <= 0 {
			if moved {
				return w.rest(ctx)
			}
			return nil
		}
		moved = true
		if err := w.hop(ctx, remaining+past); err != nil && !errors.Is(err, ErrEnded) {
			return err
		}
		if err := w.land(ctx, attempts(found)); err != nil {
			return err
		}
	}
}

type workflow struct {
	client client.Client
	id     string
}

// hop begins to skip once: to the workflow's next timer, or by the given time where that is sooner. The workflow must have
// settled.
//
// One skip at a time, since a fast-forward that is under way while the workflow continues as new jumps to its end in the
// new run, over all that the new run would have waited for. It also begins a new session, of which the server counts the
// skips: at 200, its default, it would stop without a word.
//
// Where the server is killed it may have hopped and not said so: to hop by as much again would lead too far. It is looked at
// instead, and whoever hops sees how far there is to go.
func (w workflow) hop(ctx context.Context, by time.Duration) error {
	err := w.configure(ctx, &commonpb.TimeSkippingConfig{
		Enabled:             true,
		FastForwardConfig:   &commonpb.FastForwardConfig{Id: rand.Text(), Duration: durationpb.New(by)},
		MaxSessionSkipCount: 1,
	})
	if away(err) {
		return pause(ctx, awayPause)
	}
	return err
}

// land waits until the skip that a hop has asked for is over, and until the timer or the attempt that it has led to has begun
// its work. For some milliseconds that is due and not begun, the workflow looks idle, and a further hop would leave it behind.
func (w workflow) land(ctx context.Context, attemptsBefore int32) error {
	for rest := glances(); ; {
		found, err := describe(ctx, w.client, w.id)
		if err != nil {
			return err
		}
		if !running(found) || !found.GetWorkflowExtendedInfo().GetTimeSkippingInfo().GetEffectiveConfig().GetEnabled() {
			break
		}
		// A message came in between; the skip follows when the workflow is idle.
		if err := rest(ctx); err != nil {
			return fmt.Errorf("the clock of the workflow %s waits for the workflow to be idle: %w", w.id, err)
		}
	}
	// A worker's answer may take longer, the server's own wake-up does not.
	for begun, rest := time.Now(), glances(); time.Since(begun) < 5*time.Second; {
		last, err := w.lastEvent(ctx)
		if err != nil {
			return err
		}
		skip := last.GetWorkflowExecutionTimeSkippingTransitionedEventAttributes()
		if skip == nil || skip.GetDisabledAfterFastForward() {
			return nil // something followed the skip, or it has led to the given time, where nothing is due
		}
		found, err := describe(ctx, w.client, w.id)
		if err != nil {
			return err
		}
		if !running(found) || unfinished(found) != "" || attempts(found) != attemptsBefore {
			return nil
		}
		if err := rest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rest ends the session. A reset applies the settings that came after its point once more, in the new run: the last
// must not be one that skips.
func (w workflow) rest(ctx context.Context) error {
	err := persist(ctx, func() error { return w.configure(ctx, &commonpb.TimeSkippingConfig{Enabled: false}) })
	if errors.Is(err, ErrEnded) {
		return nil
	}
	return err
}

func (w workflow) configure(ctx context.Context, config *commonpb.TimeSkippingConfig) error {
	_, err := w.client.WorkflowService().UpdateWorkflowExecutionOptions(ctx, &workflowservice.UpdateWorkflowExecutionOptionsRequest{
		Namespace:                settings.Namespace,
		WorkflowExecution:        &commonpb.WorkflowExecution{WorkflowId: w.id},
		WorkflowExecutionOptions: &workflowpb.WorkflowExecutionOptions{TimeSkippingConfig: config},
		UpdateMask:               &fieldmaskpb.FieldMask{Paths: []string{"time_skipping_config"}},
	})
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return ErrEnded
	}
	if err != nil {
		return fmt.Errorf("the clock of the workflow %s cannot be moved: %w", w.id, err)
	}
	return nil
}

func (w workflow) lastEvent(ctx context.Context) (*historypb.HistoryEvent, error) {
	var answer *workflowservice.GetWorkflowExecutionHistoryReverseResponse
	err := persist(ctx, func() (err error) {
		answer, err = w.client.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
			Namespace:       settings.Namespace,
			Execution:       &commonpb.WorkflowExecution{WorkflowId: w.id},
			MaximumPageSize: 1,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the history of the workflow %s cannot be read: %w", w.id, err)
	}
	events := answer.GetHistory().GetEvents()
	if len(events) == 0 {
		return nil, nil
	}
	return events[0], nil
}

// attempts is how often activities that are still pending were tried.
func attempts(found *description) int32 {
	var sum int32
	for _, a := range found.GetPendingActivities() {
		sum += a.GetAttempt()
		if a.GetState() != enums.PENDING_ACTIVITY_STATE_SCHEDULED {
			sum++
		}
	}
	return sum
}
