package workflows

import (
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"kap/activities"
	"kap/pathway"
)

// deliver delivers every mail that may go out now and did not with the step that was written last, and says whether it learned what
// became of any. They are sent at once, within this workflow task; what that leaves is an activity on the mails' own queue. Its
// failures become telephone calls; they never stop the loop.
func (r *run) deliver(ctx workflow.Context) bool {
	mails := slices.DeleteFunc(r.p.Sendable(now(ctx)), func(m pathway.Mail) bool { return r.sending[m.Key] })
	var known []activities.Delivered
	if len(mails) > 0 {
		known = r.deliverAtOnce(ctx, mails)
		mails = slices.DeleteFunc(mails, func(m pathway.Mail) bool {
			return slices.ContainsFunc(known, func(d activities.Delivered) bool { return d.Key == m.Key })
		})
	}
	if len(mails) > 0 {
		r.deliverInTime(ctx, mails)
	}
	return len(known) > 0
}

// deliverAtOnce has what the mail service takes at once sent while the loop waits. It leaves alone a service that is slow.
func (r *run) deliverAtOnce(ctx workflow.Context, mails []pathway.Mail) []activities.Delivered {
	local := workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: activities.MailAttempt,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
		Summary:             mailSummaries(mails),
	})
	var a *activities.Activities
	var known []activities.Delivered
	in := activities.SeveralInput{Pathway: r.p.Code, Keys: pathway.Keys(mails), At: now(ctx)}
	if workflow.ExecuteLocalActivity(local, a.DeliverAtOnce, in).Get(ctx, &known) != nil {
		return nil
	}
	r.hearOf(ctx, known)
	return known
}

// deliverInTime has mails sent for as long as they may leave. Those of which it then knows nothing stay in the outbox: the loop
// looks at them again.
func (r *run) deliverInTime(ctx workflow.Context, mails []pathway.Mail) {
	options := mailOptions(mailSummaries(mails))
	for _, m := range mails {
		r.sending[m.Key] = true
		r.leaveBy(ctx, &options, m)
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		var a *activities.Activities
		var known []activities.Delivered
		in := activities.SeveralInput{Pathway: r.p.Code, Keys: pathway.Keys(mails), At: now(ctx)}
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), a.DeliverSeveral, in).Get(ctx, &known)
		for _, m := range mails {
			delete(r.sending, m.Key)
		}
		r.poked = true
		if err == nil { // else too late, or night: they are withdrawn, or go out in the morning
			r.hearOf(ctx, known)
		}
	})
}

func mailOptions(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue:           activities.MailQueue,
		StartToCloseTimeout: activities.MailAttempt,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: withoutEnd},
		Summary:             summary,
	}
}

// leaveBy ends a delivery when the first of its mails may not leave any more: later it is too late, or night.
func (r *run) leaveBy(ctx workflow.Context, o *workflow.ActivityOptions, m pathway.Mail) {
	by := r.p.LeavesBy(m, now(ctx))
	if by.IsZero() {
		return
	}
	if left := by.Sub(now(ctx)); o.ScheduleToCloseTimeout == 0 || left < o.ScheduleToCloseTimeout {
		o.ScheduleToCloseTimeout = left
	}
}

// hearOf takes in what became of mails.
func (r *run) hearOf(ctx workflow.Context, known []activities.Delivered) {
	for _, d := range known {
		for _, p := range []*pathway.Pathway{r.p, r.written} {
			switch d.Status {
			case pathway.SentMail:
				p.Delivered(d.Key)
			case pathway.WithdrawnMail:
				p.TakenBack(d.Key)
			case pathway.UnknownMail:
				p.Doubted(d.Key, now(ctx))
			default:
				p.Undelivered(d.Key)
			}
		}
	}
}

func mailSummaries(mails []pathway.Mail) string {
	all := make([]string, len(mails))
	for i, m := range mails {
		all[i] = mailSummary(m)
	}
	return cut(strings.Join(all, "; "), 200)
}
