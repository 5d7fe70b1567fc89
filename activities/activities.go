// Package activities holds what touches the world on a pathway's behalf: writing a step into the records, and delivering a
// mail. "Now" comes with the step; nothing here reads the wall clock to decide anything clinical.
package activities

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"kap/links"
	"kap/mail"
	"kap/pathway"
	"kap/practice"
	"kap/records"
)

// MailQueue is the task queue of deliveries, apart from the pathways' own, so that a slow mail service slows nothing else.
const MailQueue = "kap-mail"

// MailsAtOnce is how many mails one worker sends at once.
const MailsAtOnce = 20

// Activities are bound to one database, one practice and one mail service.
type Activities struct {
	Store    *records.Store
	Practice practice.Practice
	Form     pathway.ConsentDocument // the practice's, in force from its day on
	Sender   *mail.Sender
	Site     *links.Site // where links in mails lead; nil: they have none

	said  seldom
	swift swift

	opened   sync.Once
	calendar pathway.Calendar // the practice's
}

// CommitInput carries a clone of the pathway: a local activity runs beside the workflow, and must not share its memory.
type CommitInput struct {
	Pathway *pathway.Pathway `json:"pathway"`
	Step    pathway.Step     `json:"step"`
	Mail    time.Time        `json:"mail,omitzero"` // on the pathway's clock, as of when a local activity delivers what may go out; zero: nothing
}

// CommitOutput is the records' answer to a step. Behind says that they hold another step at its number, or steps after it:
// the run has to read them before it goes on.
type CommitOutput struct {
	Answer    pathway.Answer `json:"answer"`
	Behind    bool           `json:"behind,omitempty"`
	Delivered []Delivered    `json:"delivered,omitempty"`
}

// CommitWithin bounds the writing of one step while a workflow waits.
const CommitWithin = 10 * time.Second

// Commit writes one step. It is safe to repeat: see [records.Store.Commit], whose errors it returns without any text that
// PostgreSQL adds, which may quote a row. It sends what the step lets go to the client at once, as [Activities.DeliverAtOnce] does.
func (a *Activities) Commit(ctx context.Context, in CommitInput) (CommitOutput, error) {
	p := in.Pathway
	begun := time.Now()
	until := begun.Add(atOnceWithin)
	local := activity.GetInfo(ctx).IsLocalActivity
	// Whoever claims has a turn: of what is claimed and not yet tried when a process dies, nobody knows whether it went out.
	var mailing time.Time
	if local && !in.Mail.IsZero() && len(in.Step.Acts)+len(p.Outbox) > 0 && a.swift.enter(ctx, until) {
		mailing = in.Mail
	}
	within, cancel := ctx, context.CancelFunc(func() {})
	if local {
		within, cancel = context.WithTimeout(ctx, CommitWithin)
	}
	defer cancel()
	a.opened.Do(func() { a.calendar = a.Practice.Calendar() })
	out, claimed, err := a.Store.CommitAndClaim(within, a.calendar, a.Form, p, in.Step, mailing, lease)
	var delivered []Delivered
	if !mailing.IsZero() {
		delivered = a.sendClaimed(ctx, until, p.Code, mailing, claimed, begun)
	}
	if err != nil {
		return CommitOutput{}, fmt.Errorf("step %d of pathway %s is not written: %s", in.Step.Number, in.Step.Pathway, records.Plain(err))
	}
	return CommitOutput{out.Answer, out.Last > in.Step.Number || out.Step.Digest() != in.Step.Digest(), delivered}, nil
}

// storedAtOnce bounds what one reading of the records puts into a workflow's history.
const storedAtOnce = 50

// StoredInput asks for the steps of a pathway that follow a number.
type StoredInput struct {
	Pathway string `json:"pathway"`
	After   int    `json:"after"`
}

// Stored reads the next steps that the records hold. Its errors quote no row.
func (a *Activities) Stored(ctx context.Context, in StoredInput) ([]records.Committed, error) {
	out, err := a.Store.Stored(ctx, in.Pathway, in.After, storedAtOnce)
	if err != nil {
		return nil, fmt.Errorf("the steps of pathway %s are not read: %s", in.Pathway, records.Plain(err))
	}
	return out, nil
}

// lease is how long a claim on a mail lasts: longer than a request to the mail service may take, and than the writing down
// of its answer.
const lease = 2 * time.Minute

// freshFor is how old a claim may be when the mail goes out under it: another lease of the same length ends before anybody looks
// again for what is unknown.
const freshFor = lease / 2

// pauseBetween is how often a delivery looks whether mail has been resumed.
const pauseBetween = 10 * time.Second

// MailAttempt bounds one try at delivering a mail.
const MailAttempt = 90 * time.Second

// DeliverInput names a mail in the outbox.
type DeliverInput struct {
	Pathway string    `json:"pathway"`
	Key     string    `json:"key"`
	At      time.Time `json:"at,omitzero"` // on the pathway's clock, when it was let go
}

// Deliver sends one mail of the outbox at most once and says what became of it; a digest takes along those of other pathways
// to the same person. It returns an error where another try makes sense: nothing has gone out then. So it waits, visibly, while
// mail is paused, or held because the mail service takes none.
func (a *Activities) Deliver(ctx context.Context, in DeliverInput) (pathway.MailStatus, error) {
	begun := time.Now()
	claimed, status, err := a.claim(ctx, in)
	var held *records.MailHeldError
	switch {
	case errors.Is(err, records.ErrMailPaused):
		return "", later(err.Error(), "paused", pauseBetween)
	case errors.As(err, &held):
		return "", later(held.Error(), "held", min(held.Wait, longestBetween)+rand.N(heldSpread))
	case err != nil:
		if a.said.now("claim") {
			activity.GetLogger(ctx).Error("mails are not claimed, and wait", "error", records.Plain(err))
		}
		return "", later(fmt.Sprintf("mail %s of pathway %s is not claimed: %s", in.Key, in.Pathway, records.Plain(err)), "not-claimed", 0)
	case claimed.ID == "" && (status == pathway.ClaimedMail || status == pathway.PendingMail): // pending: it has just been given back
		return "", later("the mail is being sent by another process", sentElsewhere, lease)
	case status != pathway.ClaimedMail:
		return status, nil
	}
	return a.send(ctx, in, claimed, begun)
}

// send sends a mail that was claimed after a moment.
func (a *Activities) send(ctx context.Context, in DeliverInput, claimed records.Claimed, begun time.Time) (pathway.MailStatus, error) {
	address := a.address(claimed)
	if address == "" {
		activity.GetLogger(ctx).Error("a mail has nowhere to go", "mail", claimed.ID)
		return pathway.RejectedMail, a.settle(ctx, claimed, pathway.RejectedMail, time.Time{})
	}
	letter, err := a.write(in, claimed, address, in.now(ctx))
	if err != nil {
		activity.GetLogger(ctx).Error("a mail cannot be written", "mail", claimed.ID)
		return pathway.RejectedMail, a.settle(ctx, claimed, pathway.RejectedMail, time.Time{})
	}
	if time.Since(begun.Round(0)) > freshFor { // this process was stopped, and somebody may have taken the mail for unknown
		if err := a.settle(ctx, claimed, pathway.PendingMail, time.Time{}); err != nil {
			return "", err
		}
		return "", later("the claim on the mail has grown old", sentElsewhere, 0)
	}
	sent := a.Sender.Send(ctx, a.Practice, claimed.ID, claimed.To.GivenName, address, letter)
	a.heed(ctx, sent, claimed.Probe)
	status, wait := outcome(sent)
	if err := a.settle(ctx, claimed, status, in.now(ctx)); err != nil {
		return "", err
	}
	switch {
	case status == pathway.PendingMail:
		return "", later(sent.Error(), "not-sent", min(wait, longestBetween))
	case status == pathway.RejectedMail: // each is another mail; of what concerns them all, heed speaks
		activity.GetLogger(ctx).Error("a mail was not delivered", "mail", claimed.ID, "status", status, "error", sent)
	case sent != nil:
		activity.GetLogger(ctx).Warn("nobody knows whether a mail went out", "mail", claimed.ID, "error", sent)
	}
	return status, nil
}

// sentElsewhere is the kind of error of a mail that somebody else has claimed, or may have.
const sentElsewhere = "claimed"

// later is the error with which a delivery waits for its next try, by Temporal's own backoff where wait is 0. It is no fault of
// ours, and waiting is not to fill the log.
func later(message, kind string, wait time.Duration) error {
	return temporal.NewApplicationErrorWithOptions(message, kind, temporal.ApplicationErrorOptions{NextRetryDelay: wait, Category: temporal.ApplicationErrorCategoryBenign})
}

// write writes the letter of a claimed mail, with the links that lead to its pages.
func (a *Activities) write(in DeliverInput, c records.Claimed, address string, now time.Time) (mail.Letter, error) {
	f := facts(c)
	f.UID, f.To, f.Written = mail.UID(c.To.ID, in.Pathway, c.Mail.Session), address, now
	if a.Site == nil || c.Mail.Staff != "" {
		return mail.Write(a.Practice, f)
	}
	var err error
	url := func(l links.Link) string {
		text, problem := a.Site.URL(l)
		err = errors.Join(err, problem)
		return text
	}
	f.Links.Leave = url(links.Link{Purpose: links.Leave, Pathway: in.Pathway, Until: now.Add(leaveWithin)})
	if c.Mail.Session != "" {
		to := links.Link{Purpose: links.Coming, Pathway: in.Pathway, Session: c.Mail.Session, Revision: c.Mail.Revision, Until: c.Mail.Start}
		f.Links.Coming = url(to)
		to.Purpose = links.AnotherTime
		f.Links.AnotherTime = url(to)
	}
	if err != nil {
		return mail.Letter{}, err
	}
	return mail.Write(a.Practice, f)
}

// leaveWithin is how long the link at a mail's foot is good for: longer than most pathways last, and mails are kept.
const leaveWithin = 400 * 24 * time.Hour

// now is the moment on the pathway's clock, which need not be the machine's: when the mail was let go, and what its tries have taken.
func (in DeliverInput) now(ctx context.Context) time.Time {
	if in.At.IsZero() {
		return time.Now()
	}
	info := activity.GetInfo(ctx)
	return in.At.Add(max(0, info.StartedTime.Sub(info.ScheduledTime))).Truncate(time.Second)
}

// address is where a mail goes: to the client by the records, to staff by the practice's file.
func (a *Activities) address(c records.Claimed) string {
	if c.Mail.Staff == "" {
		return c.To.Email
	}
	member, _ := a.Practice.Member(c.Mail.Staff)
	return member.Email
}

// facts are what a letter may say.
func facts(c records.Claimed) mail.Facts {
	f := mail.Facts{
		Kind: mail.Kind(c.Mail.Kind), FirstName: c.To.GivenName, Zone: c.Zone, Start: c.Mail.Start, End: c.Mail.End,
		Was: c.Mail.Was, Lead: c.Mail.Lead, Sheet: c.Mail.Sheet, Online: c.Mail.Online, Crisis: c.Mail.Crisis, Revision: c.Mail.Revision,
	}
	if c.Mail.Zone != "" { // as it is now; the enrolment has the first
		f.Zone = c.Mail.Zone
	}
	for _, w := range c.Waiting {
		f.Waiting = append(f.Waiting, mail.Waiting(w))
	}
	return f
}

// outcome reads what the mail service answered, and how long to wait before another try.
func outcome(err error) (pathway.MailStatus, time.Duration) {
	var refused *mail.Refused
	var notSent *mail.NotSent
	switch {
	case err == nil:
		return pathway.SentMail, 0
	case errors.As(err, &notSent):
		return pathway.PendingMail, 0
	case errors.As(err, &refused) && (refused.Temporary() || refused.Misconfigured()):
		return pathway.PendingMail, refused.RetryAfter
	case errors.As(err, &refused):
		return pathway.RejectedMail, 0
	}
	return pathway.UnknownMail, 0
}

// settle writes down what became of a mail, and tries for as long as the claim lasts: once it is forgotten, nobody knows.
func (a *Activities) settle(ctx context.Context, c records.Claimed, status pathway.MailStatus, at time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease/2)
	defer cancel()
	for {
		err := a.settleOnce(ctx, c, status, at)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("what became of mail %s is not written down: %s", c.ID, records.Plain(err))
		case <-time.After(time.Second):
		}
	}
}

// settleOnce gives one try a part of the time: a connection that says nothing at all must not use it up.
func (a *Activities) settleOnce(ctx context.Context, c records.Claimed, status pathway.MailStatus, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, lease/24)
	defer cancel()
	return a.Store.SettleMail(ctx, c, status, at)
}
