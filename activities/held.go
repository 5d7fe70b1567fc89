package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"kap/mail"
	"kap/pathway"
	"kap/records"
)

const (
	// heldHere is for how long a delivery waits in its place while mail is held: less work for everybody than another try.
	heldHere = 3 * time.Second

	// longestBetween bounds the wait between two tries. Where a delivery has to end before the next, Temporal ends it now, and the
	// pathway begins another: for an hour's wait it would do so for an hour.
	longestBetween = time.Minute

	// heldSpread keeps those who wait from all looking again at once.
	heldSpread = 2 * time.Second

	// keyEvery is how often one mail is tried while the mail service does not accept the key.
	keyEvery = time.Minute
)

// claim takes the mail, and waits out a short hold.
func (a *Activities) claim(ctx context.Context, in DeliverInput) (records.Claimed, pathway.MailStatus, error) {
	stop := activity.GetWorkerStopChannel(ctx)
	patience := heldHere
	if activity.GetInfo(ctx).IsLocalActivity { // a workflow waits for this
		patience = 0
	}
	for {
		claimed, status, err := a.Store.Claim(ctx, in.Pathway, in.Key, lease)
		var held *records.MailHeldError
		if !errors.As(err, &held) || patience <= 0 {
			return claimed, status, err
		}
		wait := min(max(held.Wait, heldHere/10), patience)
		patience -= wait
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return claimed, status, err
		case <-stop:
			return claimed, status, err
		}
	}
}

// heed takes from the mail service's answer to one mail what it says about all: that they are to wait, or that the wait is over. Where
// the records do not take that, each mail finds out for itself.
func (a *Activities) heed(ctx context.Context, sent error, probe bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease/24)
	defer cancel()
	log := activity.GetLogger(ctx)
	var refused *mail.Refused
	var unknown *mail.Unknown
	var notSent *mail.NotSent
	hold := func(why records.HoldReason, status int, wait time.Duration) bool {
		fresh, err := a.Store.HoldMail(ctx, why, status, wait)
		return err == nil && fresh // one word for all mails and all workers
	}
	switch answered := errors.As(sent, &refused); {
	case answered && refused.Misconfigured():
		if hold(records.BadKey, refused.Status, keyEvery) {
			log.Error("the mail service does not accept the key: no mail goes out until that is mended; starter mail doctor says how", "status", refused.Status)
		}
	case answered && refused.TooMany():
		if hold(records.TooMany, refused.Status, refused.RetryAfter) {
			log.Warn("the mail service is asked too often: all mails wait", "for", refused.RetryAfter)
		}
	case answered && refused.Temporary():
		if refused.RetryAfter > 0 || probe { // else it may be this one mail that it stumbles over
			_ = hold(records.Away, refused.Status, refused.RetryAfter)
		}
		if a.said.now("refused") {
			log.Warn("the mail service is not well: mails are tried again", "status", refused.Status)
		}
	case errors.As(sent, &unknown), errors.As(sent, &notSent):
		// While nobody answers, each mail that is tried is one more of which nobody knows.
		if hold(records.Away, 0, 0) {
			log.Warn("the mail service does not answer: mails wait, and one is tried now and then", "error", sent)
		}
	case probe:
		if held, err := a.Store.LetMailGo(ctx); err == nil && held != nil {
			log.Info("the mail service takes mails again", "held", held.Why, "since", held.Since)
		}
	}
}

// seldom lets one line a minute into the log of each kind.
type seldom struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func (s *seldom) now(kind string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last[kind]) < time.Minute {
		return false
	}
	if s.last == nil {
		s.last = map[string]time.Time{}
	}
	s.last[kind] = time.Now()
	return true
}
