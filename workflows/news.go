package workflows

import (
	"context"
	"errors"
	"log/slog"

	"go.temporal.io/api/serviceerror"

	"kap/records"
)

// Signaller is Temporal's client, as far as it is needed to tell a pathway something.
type Signaller interface {
	SignalWorkflow(ctx context.Context, workflowID, runID, name string, arg any) error
}

// TellNews weighs what the mail service has said of mails, and tells every pathway that has yet to hear something of its own: one that
// sleeps would not ask. It may be done again and again, and by several processes: what there is to hear is told with the step that asks for it.
// Its errors quote no row.
func TellNews(ctx context.Context, store *records.Store, temporal Signaller, log *slog.Logger) error {
	n, staff, err := store.WeighEvents(ctx)
	if n > 0 {
		log.Debug("what the mail service said of mails is weighed", "events", n)
	}
	for _, e := range staff { // its reader's address stands in the practice's file
		log.Error("a mail to staff did not arrive", "mail", e.Mail, "event", string(e.Event), "reason", string(e.Reason))
	}
	if err != nil {
		return errors.New(records.Plain(err))
	}
	codes, err := store.NewsToTell(ctx)
	if err != nil {
		return errors.New(records.Plain(err))
	}
	var failed error
	for _, code := range codes {
		err := temporal.SignalWorkflow(ctx, WorkflowID(code), "", NewsSignal, nil)
		var gone *serviceerror.NotFound
		switch {
		case err == nil:
			continue
		case errors.As(err, &gone): // completed a year after the ending; else Temporal has lost it, and a person has to look
			log.Warn("a pathway has no workflow that could hear what became of its mail", "pathway", code)
			err = store.HearsNoNews(ctx, code)
		default:
			failed = err
			ctx := context.WithoutCancel(ctx) // which may have run out
			err = store.NotTold(ctx, code)
		}
		if err != nil {
			return errors.New(records.Plain(err))
		}
	}
	return failed
}
