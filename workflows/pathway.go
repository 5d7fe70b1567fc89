// Package workflows makes a pathway durable: the loop that waits, the message handlers, and what Temporal's UI shows. It
// decides nothing clinical; that is package pathway's.
package workflows

import (
	"math"
	"regexp"
	"slices"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"kap/activities"
	"kap/pathway"
	"kap/records"
)

// Name is the workflow type, and TaskQueue where its workers poll.
const (
	Name      = "Pathway"
	TaskQueue = "kap"
)

// WorkflowID is the id of a pathway's workflow. It is never used for a second one.
func WorkflowID(code string) string { return "pathway-" + code }

// RestoredSignal is sent by the worker, with the restore's id, to a pathway that may sleep and has yet to hear that the records were
// restored from a backup. It is no message of the staff's.
const RestoredSignal = "restored"

// ForClientQuery asks what the page behind a link in a client's mail may show: see [pathway.Pathway.ForClient].
const ForClientQuery = "for-client"

// NewsSignal is sent, without anything in it, to a pathway that has yet to hear what became of its mail, by whoever noticed that in the
// records. It is no message of the staff's: what there is to hear, the records say.
const NewsSignal = "mail-news"

// calendarPatience is how long the answer to a booking or a move waits for the calendar before it says "pending".
const calendarPatience = 10 * time.Second

// historyAtMost forces a new run even while mails are on their way; Temporal ends a run at 51,200 events.
const historyAtMost = 20_000

// withoutEnd is how often an activity is tried: people wait for what it does.
const withoutEnd = math.MaxInt32

// Pathway carries one client from enrolment to an ending. Its one argument is the whole state, the same when it begins and
// when it continues as new. A request to cancel it, one click away in Temporal's UI, is written down and not followed: a
// client is never dropped by a click.
func Pathway(ctx workflow.Context, state pathway.Pathway) error {
	r := &run{p: &state, written: state.Resume(&state, nil), sending: map[string]bool{}, waiting: map[string]*pathway.Settled{}}
	asked := ctx
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if err := r.listen(ctx); err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		asked.Done().Receive(ctx, nil)
		r.p.NotCancelled(now(ctx))
		r.poked = true
	})
	return r.loop(ctx)
}

// run is one run of one pathway's workflow: the state, and what need not outlive the run.
type run struct {
	p           *pathway.Pathway
	written     *pathway.Pathway // as the records have it: the fold of the written steps and nothing else
	poked       bool             // something was said since the loop last looked
	refresh     bool             // somebody asked for a fresh run
	slept       bool             // it has waited once: a run that landed on an old release does not chase the new one in a circle
	restore     string           // of which the worker has told, until the records are asked
	news        int              // how often somebody has told that there is news of mail
	asked       int              // how much of that the last look took up
	heard       int              // and about how much of it the records were asked
	recordsAway bool
	sending     map[string]bool // mails whose delivery is under way
	waiting     map[string]*pathway.Settled
	shown       shown
	wake        pathway.Wake // when it looks again, as of when it last went to sleep
	timer       timer
	signals     []signal
	drain       func() // takes the signals that nobody has received yet
}

func (r *run) loop(ctx workflow.Context) error {
	for {
		r.hearStrays(ctx)
		r.poked = false
		now := now(ctx)
		told := r.restore
		r.p.Rouse(told, now)
		if r.asked = r.news; r.asked > r.heard {
			r.p.AskAboutMail()
		}
		step, wake := r.p.Due(now)
		if step != nil {
			if err := r.commit(ctx, *step); err != nil {
				return err
			}
			if step.Roused() && r.restore == told {
				r.restore = ""
			}
			continue
		}
		if r.deliver(ctx) {
			continue
		}
		if len(r.sending) > 0 {
			wake = r.p.NextWake(now, r.sending)
		}
		r.wake = wake
		if err := r.publish(ctx); err != nil {
			return err
		}
		if r.p.Finished(now) && len(r.sending) == 0 {
			return r.finish(ctx)
		}
		if r.shouldContinueAsNew(ctx) {
			if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
				return err
			}
			r.drain()
			if r.poked { // somebody spoke while the handlers finished
				continue
			}
			return r.continueAsNew(ctx)
		}
		if err := r.sleep(ctx, wake); err != nil {
			return err
		}
	}
}

// finish lets the last senders hear their answers.
func (r *run) finish(ctx workflow.Context) error {
	err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
	r.drain()
	if err == nil && r.poked {
		return r.loop(ctx)
	}
	return err
}

func (r *run) shouldContinueAsNew(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	wanted := r.refresh || info.GetContinueAsNewSuggested() || r.slept && info.GetTargetWorkerDeploymentVersionChanged()
	return wanted && len(r.sending) == 0 || info.GetCurrentHistoryLength() > historyAtMost
}

// continueAsNew goes on in a fresh run, on the release that is current then, to which that run is pinned in turn.
func (r *run) continueAsNew(ctx workflow.Context) error {
	return workflow.NewContinueAsNewErrorWithOptions(ctx, workflow.ContinueAsNewErrorOptions{
		InitialVersioningBehavior: workflow.ContinueAsNewVersioningBehaviorAutoUpgrade,
	}, Name, *r.p)
}

// now is the workflow's clock in UTC, so that what is written does not depend on the worker's zone.
func now(ctx workflow.Context) time.Time { return workflow.Now(ctx).UTC() }

// take records one message, whatever brought it.
func (r *run) take(ctx workflow.Context, name string, raw []byte) (pathway.Reply, error) {
	reply, err := r.p.Record(name, raw, now(ctx))
	r.refresh = r.refresh || err == nil && name == "refresh"
	r.poked = true
	if r.recordsAway { // the loop is busy waiting: what was said is shown all the same
		if err := r.publish(ctx); err != nil {
			return reply, err
		}
	}
	return reply, err
}

// commit writes a step and settles what comes back. While PostgreSQL is away it waits, and says so; nothing is dosed,
// booked or mailed meanwhile, but messages are taken.
func (r *run) commit(ctx workflow.Context, step pathway.Step) error {
	p := r.p.Clone()
	p.Pending = nil // the step has them
	in := activities.CommitInput{Pathway: p, Step: step}
	if len(r.sending) == 0 { // else one of them may be on its way
		in.Mail = now(ctx)
	}
	var a *activities.Activities
	var out activities.CommitOutput
	if err := r.ask(ctx, activities.CommitWithin+activities.MailAttempt, summary(step), a.Commit, in, &out); err != nil {
		return err
	}
	if out.Behind {
		return r.catchUp(ctx)
	}
	if step.Hears() && out.Answer.Restored == nil { // else it asks again
		r.heard = r.asked
	}
	_, settled := r.written.Settle(step, out.Answer)
	r.p = r.p.Onto(r.written, step)
	r.hearOf(ctx, out.Delivered)
	r.answer(settled)
	return nil
}

// catchUp takes over what the records hold beyond this run: it was reset, or its worker was killed before it heard an answer.
func (r *run) catchUp(ctx workflow.Context) error {
	var a *activities.Activities
	var stored []pathway.Entry
	for {
		var steps []records.Committed
		in := activities.StoredInput{Pathway: r.p.Code, After: r.written.Steps}
		if err := r.ask(ctx, activities.CommitWithin, "read the steps that are written", a.Stored, in, &steps); err != nil {
			return err
		}
		for _, s := range steps {
			_, settled := r.written.Settle(s.Step, s.Answer)
			r.answer(settled)
			stored = append(stored, s.Step.Entries...)
		}
		if len(steps) == 0 {
			break
		}
	}
	r.p = r.p.Resume(r.written, stored)
	return nil
}

// answer tells those who wait for the calendar.
func (r *run) answer(settled []pathway.Settled) {
	for _, s := range settled {
		if _, somebody := r.waiting[s.Request]; somebody {
			r.waiting[s.Request] = &s
		}
	}
}

// ask has the records do something: at once where they are there, and else without end until they are.
func (r *run) ask(ctx workflow.Context, within time.Duration, summary string, activity, in, out any) error {
	local := workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: within,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 50 * time.Millisecond, MaximumAttempts: 2},
		Summary:             summary,
	})
	if workflow.ExecuteLocalActivity(local, activity, in).Get(ctx, out) == nil {
		return nil
	}
	r.recordsAway = true
	defer func() { r.recordsAway = false }()
	if err := r.publish(ctx); err != nil {
		return err
	}
	durable := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 2 * activities.CommitWithin,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 1.5, MaximumInterval: 20 * time.Second, MaximumAttempts: withoutEnd},
		Summary:             summary,
	})
	return workflow.ExecuteActivity(durable, activity, in).Get(ctx, out)
}

// timer is the one timer of a run.
type timer struct {
	at     time.Time
	future workflow.Future
	cancel workflow.CancelFunc
}

// sleep waits until the pathway's next moment, or until somebody speaks. A timer that still fits is kept.
func (r *run) sleep(ctx workflow.Context, wake pathway.Wake) error {
	if r.timer.future != nil && (r.timer.future.IsReady() || !r.timer.at.Equal(wake.At)) {
		r.timer.cancel()
		r.timer = timer{}
	}
	if r.timer.future == nil && !wake.At.IsZero() {
		inner, cancel := workflow.WithCancel(ctx)
		future := workflow.NewTimerWithOptions(inner, wake.At.Sub(now(ctx)), workflow.TimerOptions{Summary: cut(wake.Why, 200)})
		r.timer = timer{wake.At, future, cancel}
	}
	r.slept = true
	err := workflow.Await(ctx, func() bool {
		return r.poked || r.timer.future != nil && r.timer.future.IsReady() || len(r.strays(ctx)) > 0
	})
	if err != nil {
		return err
	}
	// A signal may have come with the timer: whoever listens is to hear it before anything goes out. This coroutine comes after theirs.
	heard := false
	workflow.Go(ctx, func(workflow.Context) { heard = true })
	return workflow.Await(ctx, func() bool { return heard })
}

// strays are the names of signals that are no message: a name mistyped on the command line, which Temporal takes without a word.
func (r *run) strays(ctx workflow.Context) []string {
	names := slices.DeleteFunc(workflow.GetUnhandledSignalNames(ctx), func(name string) bool {
		return name == RestoredSignal || name == NewsSignal || slices.ContainsFunc(r.signals, func(s signal) bool { return s.name == name })
	})
	slices.Sort(names)
	return names
}

// hearStrays has them refused like any message that is wrong.
func (r *run) hearStrays(ctx workflow.Context) {
	for _, name := range r.strays(ctx) {
		var raw converter.RawValue
		for channel := workflow.GetSignalChannel(ctx, name); channel.ReceiveAsync(&raw); {
			if !plainName.MatchString(name) {
				name = "message" // somebody's own words have no place in a task's name
			}
			r.hear(ctx, name, raw)
		}
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

type signal struct {
	name    string
	channel workflow.ReceiveChannel
}

// listen registers every message as signal and as update, from one table, before anything blocks.
func (r *run) listen(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, "status", func() (pathway.Status, error) { return r.p.Status(now(ctx)), nil },
		workflow.QueryHandlerOptions{Description: "Where the pathway is, what is awaited from whom with the message to send, and what blocks the next dosing session."})
	if err != nil {
		return err
	}
	err = workflow.SetQueryHandlerWithOptions(ctx, ForClientQuery, func(q pathway.ClientQuestion) (pathway.ClientView, error) { return r.p.ForClient(q, now(ctx)), nil },
		workflow.QueryHandlerOptions{Description: "For kap's web process: what the page behind a link in the client's mail may show. Not for people."})
	if err != nil {
		return err
	}
	for _, m := range pathway.Messages() {
		err := workflow.SetUpdateHandlerWithOptions(ctx, m.Name, func(ctx workflow.Context, raw converter.RawValue) (pathway.Reply, error) {
			return r.update(ctx, m.Name, content(raw))
		}, workflow.UpdateHandlerOptions{Description: m.Description()})
		if err != nil {
			return err
		}
		r.signals = append(r.signals, signal{m.Name, workflow.GetSignalChannelWithOptions(ctx, m.Name, workflow.SignalChannelOptions{Description: m.Description()})})
	}
	restored := workflow.GetSignalChannelWithOptions(ctx, RestoredSignal, workflow.SignalChannelOptions{Description: "From kap's worker, after a restore of the records. Not for people."})
	hearOfRestore := func() {
		if restored.ReceiveAsync(&r.restore) {
			r.poked = true
		}
	}
	news := workflow.GetSignalChannelWithOptions(ctx, NewsSignal, workflow.SignalChannelOptions{Description: "From kap's programs, when the records know more of a mail. Not for people."})
	hearOfNews := func() {
		for news.ReceiveAsync(nil) {
			r.news, r.poked = r.news+1, true
		}
	}
	// One coroutine for all of them: each is a stack that a waiting pathway keeps in the worker's memory.
	workflow.Go(ctx, func(ctx workflow.Context) {
		next := workflow.NewSelector(ctx).AddReceive(restored, func(workflow.ReceiveChannel, bool) { hearOfRestore() }).
			AddReceive(news, func(workflow.ReceiveChannel, bool) { hearOfNews() })
		for _, s := range r.signals {
			next.AddReceive(s.channel, func(channel workflow.ReceiveChannel, _ bool) {
				var raw converter.RawValue
				if channel.ReceiveAsync(&raw) {
					r.hear(ctx, s.name, raw)
				}
			})
		}
		for {
			next.Select(ctx)
		}
	})
	r.drain = func() {
		hearOfRestore()
		hearOfNews()
		for _, s := range r.signals {
			var raw converter.RawValue
			for s.channel.ReceiveAsync(&raw) {
				r.hear(ctx, s.name, raw)
			}
		}
		r.hearStrays(ctx)
	}
	return nil
}

// hear takes a signal. It cannot answer: a refusal is journalled, shown and raises attention.
func (r *run) hear(ctx workflow.Context, name string, raw converter.RawValue) {
	if _, err := r.take(ctx, name, content(raw)); err != nil {
		r.p.NobodyHeard()
	}
}

func content(raw converter.RawValue) []byte { return slices.Clone(raw.Payload().GetData()) }

// update answers at once. Only a booking and a move wait, for a while, for the calendar.
func (r *run) update(ctx workflow.Context, name string, raw []byte) (pathway.Reply, error) {
	reply, err := r.take(ctx, name, raw)
	if err != nil {
		return reply, refusal(err)
	}
	if reply.Result != pathway.Asked {
		return reply, nil
	}
	id := r.p.Requests[len(r.p.Requests)-1].ID
	r.waiting[id] = nil
	defer delete(r.waiting, id)
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	inner, cancel := workflow.WithCancel(ctx)
	defer cancel()
	patience := workflow.NewTimerWithOptions(inner, calendarPatience, workflow.TimerOptions{Summary: "the calendar's answer"})
	if err := workflow.Await(ctx, func() bool { return r.waiting[id] != nil || patience.IsReady() }); err != nil {
		return reply, err
	}
	settled := r.waiting[id]
	switch {
	case settled == nil:
		reply.Next = "The calendar has not answered yet; look again in a minute."
		return reply, nil
	case settled.Refusal != nil:
		return pathway.Reply{}, refusal(settled.Refusal)
	}
	return pathway.Reply{Result: pathway.Recorded, What: settled.What, Next: r.p.Next(now(ctx))}, nil
}

// refusal is how a refusal reaches whoever sent an update: the sentence as the message, the code as the type.
func refusal(err error) error {
	if r := pathway.AsRefusal(err); r != nil {
		return temporal.NewNonRetryableApplicationError(r.Sentence, string(r.Code), nil)
	}
	return err
}
