package activities

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

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

// DeliverAtOnce is DeliverSeveral while the workflow waits, for two seconds at most. It therefore sends nothing where the mail service
// failed or was slow lately, or where too many are sending already, and never fails: what it says nothing of is left to
// DeliverSeveral, on the queue of its own.
func (a *Activities) DeliverAtOnce(ctx context.Context, in SeveralInput) ([]Delivered, error) {
	var all []Delivered
	for _, key := range in.Keys {
		if !a.swift.enter(ctx) {
			break
		}
		status, known := a.whileItIsSwift(ctx, func(ctx context.Context) (pathway.MailStatus, error) {
			return a.Deliver(ctx, DeliverInput{Pathway: in.Pathway, Key: key, At: in.At})
		})
		if !known {
			break
		}
		all = append(all, Delivered{key, status})
	}
	return all, nil
}

// sendAtOnce is DeliverAtOnce for mails that were claimed since a moment. Those that it does not try go back to the outbox.
func (a *Activities) sendAtOnce(ctx context.Context, code string, at time.Time, claimed []records.Claimed, since time.Time) []Delivered {
	var all []Delivered
	for known := true; len(claimed) > 0; claimed = claimed[1:] {
		c := claimed[0]
		if !known || !a.swift.enter(ctx) {
			known = false
			if a.Store.GiveBack(ctx, c) != nil {
				a.swift.under.Go(func() { _ = a.settle(ctx, c, pathway.PendingMail, time.Time{}) }) // or its claim runs out
			}
			continue
		}
		var status pathway.MailStatus
		status, known = a.whileItIsSwift(ctx, func(ctx context.Context) (pathway.MailStatus, error) {
			return a.send(ctx, DeliverInput{Pathway: code, Key: c.Mail.Key, At: at}, c, since)
		})
		if known {
			all = append(all, Delivered{c.Mail.Key, status})
		}
	}
	return all
}

// whileItIsSwift says what became of a mail, if that is known within two seconds. If not, sending it goes on by itself: it is claimed, and
// whoever asks for it later hears from the records what became of it.
func (a *Activities) whileItIsSwift(ctx context.Context, send func(context.Context) (pathway.MailStatus, error)) (pathway.MailStatus, bool) {
	known := make(chan pathway.MailStatus, 1)
	a.swift.under.Go(func() {
		defer close(known)
		begun := time.Now()
		status, err := send(context.WithoutCancel(ctx))
		a.swift.leave(err == nil && status != pathway.UnknownMail && time.Since(begun) < atOnceWithin)
		if err == nil {
			known <- status
		}
	})
	select {
	case status, ok := <-known:
		return status, ok
	case <-time.After(atOnceWithin):
		a.swift.rest()
		return "", false
	}
}

// Wait waits for the mails whose sending has outlasted their workflows' patience. It is no method: those are activities.
func Wait(a *Activities) { a.swift.under.Wait() }

// swift watches over what is sent while workflows wait: so many at once, and none for a while after one was slow.
type swift struct {
	once  sync.Once
	turns chan struct{}
	until atomic.Int64 // in nanoseconds: nothing is sent at once before
	under sync.WaitGroup
}

// resting says whether the mail service is left alone.
func (s *swift) resting() bool { return time.Now().UnixNano() < s.until.Load() }

func (s *swift) enter(ctx context.Context) bool {
	s.once.Do(func() { s.turns = make(chan struct{}, MailsAtOnce) })
	if s.resting() {
		return false
	}
	patience := time.NewTimer(atOnceWithin)
	defer patience.Stop()
	select {
	case s.turns <- struct{}{}:
	case <-patience.C:
		return false
	case <-ctx.Done():
		return false
	}
	if s.resting() { // it became slow while we waited
		<-s.turns
		return false
	}
	return true
}

func (s *swift) rest() { s.until.Store(time.Now().Add(leftAlone).UnixNano()) }

func (s *swift) leave(well bool) {
	if !well {
		s.rest()
	}
	<-s.turns
}
