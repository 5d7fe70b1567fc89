package activities

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"kap/pathway"
	"kap/records"
)

// SeveralInput names mails in the outbox of one pathway.
type SeveralInput struct {
	Pathway string    `json:"pathway"`
	Keys    []string  `json:"keys"`
	At      time.Time `json:"at"` // on the pathway's clock, when they were let go
}

// Delivered says what became of a mail.
type Delivered struct {
	Key    string             `json:"key"`
	Status pathway.MailStatus `json:"status"`
}

// DeliverSeveral delivers mails, all at once, as [Activities.Deliver] does each of them: none waits for another. Of a mail for
// which another try makes sense it says nothing; where it can say nothing of any, it returns the first one's error.
func (a *Activities) DeliverSeveral(ctx context.Context, in SeveralInput) ([]Delivered, error) {
	statuses, errs := make([]pathway.MailStatus, len(in.Keys)), make([]error, len(in.Keys))
	var all sync.WaitGroup
	for i, key := range in.Keys {
		all.Go(func() { statuses[i], errs[i] = a.Deliver(ctx, DeliverInput{Pathway: in.Pathway, Key: key, At: in.At}) })
	}
	all.Wait()
	var known []Delivered
	var first error
	for i, key := range in.Keys {
		if errs[i] == nil {
			known = append(known, Delivered{key, statuses[i]})
		} else if first == nil {
			first = errs[i]
		}
	}
	if len(known) > 0 {
		return known, nil
	}
	return nil, first
}

// How the mail service has to be for mails to be delivered at once, and for how long it is left alone after it was not so.
const (
	atOnceWithin = 2 * time.Second
	leftAlone    = time.Minute
)

// DeliverAtOnce is DeliverSeveral, one mail after the other, while the workflow waits, for two seconds at most. It therefore sends nothing
// where the mail service failed or was slow lately, or where too many are sending already, and never fails: what it says nothing of
// is left to DeliverSeveral, on the queue of its own.
func (a *Activities) DeliverAtOnce(ctx context.Context, in SeveralInput) ([]Delivered, error) {
	until := time.Now().Add(atOnceWithin)
	if len(in.Keys) == 0 || !a.swift.enter(ctx, until) {
		return nil, nil
	}
	known, _ := a.atOnce(ctx, until, in.Keys, func(ctx context.Context, i int) (pathway.MailStatus, error) {
		return a.Deliver(ctx, DeliverInput{Pathway: in.Pathway, Key: in.Keys[i], At: in.At})
	})
	return known, nil
}

// sendClaimed is DeliverAtOnce for mails that were claimed since a moment, by whoever has a turn. Those that it does not try go back to
// the outbox.
func (a *Activities) sendClaimed(ctx context.Context, until time.Time, code string, at time.Time, claimed []records.Claimed, since time.Time) []Delivered {
	keys := make([]string, len(claimed))
	for i, c := range claimed {
		keys[i] = c.Mail.Key
	}
	known, tried := a.atOnce(ctx, until, keys, func(ctx context.Context, i int) (pathway.MailStatus, error) {
		return a.send(ctx, DeliverInput{Pathway: code, Key: keys[i], At: at}, claimed[i], since)
	})
	within, cancel := context.WithTimeout(ctx, lease/24)
	defer cancel()
	for _, c := range claimed[tried:] {
		if a.Store.GiveBack(within, c) != nil {
			break // their claims run out
		}
	}
	return known
}

// atOnce sends mails, one after the other, until one fails or the time is over, and gives up the turn. It says what became of
// each, and how many it has tried. One that takes longer than the workflow waits goes on by itself: it is claimed, and whoever asks
// for it later hears from the records what became of it.
func (a *Activities) atOnce(ctx context.Context, until time.Time, keys []string, send func(context.Context, int) (pathway.MailStatus, error)) (known []Delivered, tried int) {
	var begun atomic.Int64
	n := len(keys)
	said := make(chan Delivered, n)
	log := activity.GetLogger(ctx)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), MailAttempt)
		defer cancel()
		defer a.swift.leave()
		defer close(said)
		defer func() {
			if recover() != nil { // its text may hold anything
				log.Error("sending a mail has gone wrong within kap")
			}
		}()
		for i := range n {
			if !begun.CompareAndSwap(int64(i), int64(i+1)) {
				return
			}
			start := time.Now()
			status, err := send(ctx, i)
			var failed *temporal.ApplicationError
			elsewhere := errors.As(err, &failed) && failed.Type() == sentElsewhere // as a digest is that another pathway's takes along
			if err != nil && !elsewhere || status == pathway.UnknownMail || time.Since(start) >= atOnceWithin {
				a.swift.rest()
			}
			switch {
			case elsewhere:
				continue
			case err != nil:
				return
			}
			said <- Delivered{keys[i], status}
		}
	}()
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	for last := time.Now(); ; last = time.Now() {
		select {
		case one, more := <-said:
			if more {
				known = append(known, one)
				continue
			}
		case <-over.C:
			if time.Since(last) > atOnceWithin/2 { // else others have taken the time
				a.swift.rest()
			}
		}
		return known, min(n, int(begun.Swap(int64(n)+1)))
	}
}

// Wait waits for the mails whose sending has outlasted their workflows' patience, after which none is sent at once any more. It is no
// method: those are activities.
func Wait(ctx context.Context, a *Activities) {
	for range MailsAtOnce {
		if !a.swift.turn(ctx) {
			return
		}
	}
}

// swift watches over what is sent while workflows wait: so many at once, and none for a while after one was slow.
type swift struct {
	once  sync.Once
	turns chan struct{}
	until atomic.Int64 // in nanoseconds: nothing is sent at once before
}

// enter takes a turn, if there is one before the time is over.
func (s *swift) enter(ctx context.Context, until time.Time) bool {
	within, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return false
	default:
	}
	if s.resting() || !s.turn(within) {
		return false
	}
	if s.resting() { // it became slow while we waited
		s.leave()
		return false
	}
	return true
}

func (s *swift) turn(ctx context.Context) bool {
	s.once.Do(func() { s.turns = make(chan struct{}, MailsAtOnce) })
	select {
	case s.turns <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *swift) leave() { <-s.turns }

// rest leaves the mail service alone for a while.
func (s *swift) rest() { s.until.Store(time.Now().Add(leftAlone).UnixNano()) }

func (s *swift) resting() bool { return time.Now().UnixNano() < s.until.Load() }
