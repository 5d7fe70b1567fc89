package main

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"kap/records"
	"kap/workflows"
)

// rouseEvery is how often a worker looks for pathways that have yet to hear of a restore.
const rouseEvery = time.Minute

// rouse tells every pathway that has yet to hear that the records were restored: one that sleeps would not ask. Each hears once,
// with the step that it takes then, however often it is told and by however many workers.
func (w *service) rouse(ctx context.Context, temporal client.Client) error {
	unheard, err := w.store.Unheard(ctx)
	if err != nil {
		return errors.New(records.Plain(err))
	}
	for _, u := range unheard {
		err := temporal.SignalWorkflow(ctx, workflows.WorkflowID(u.Code), "", workflows.RestoredSignal, u.Restore)
		var gone *serviceerror.NotFound
		switch {
		case errors.As(err, &gone): // completed a year after the ending; else Temporal has lost it, and a person has to look
			w.log.Warn("a pathway has no workflow that could hear of the restore", "pathway", u.Code)
			err = w.store.NeverHears(ctx, u.Code)
			if err != nil {
				return errors.New(records.Plain(err))
			}
		case err != nil:
			return err
		}
	}
	if len(unheard) > 0 {
		w.log.Warn("the records were restored: pathways are told", "pathways", len(unheard))
	}
	return nil
}

// keepRousing looks again and again: somebody may mark a restore while workers run, or a pathway's workflow may start late. And where
// the web process could not tell pathways what became of their mail, or somebody corrected an address while Temporal was away, it does.
func (w *service) keepRousing(ctx context.Context, temporal client.Client) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(rouseEvery):
		}
		if err := w.rouse(ctx, temporal); err != nil && ctx.Err() == nil {
			w.log.Warn("pathways are not told of the restore yet", "error", err)
		}
		if err := workflows.TellNews(ctx, w.store, temporal, w.log); err != nil && ctx.Err() == nil {
			w.log.Warn("pathways are not told of their mail yet", "error", err)
		}
	}
}
