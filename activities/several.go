package activities

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"kap/pathway"
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

// DeliverAtOnce is DeliverSeveral while the workflow waits. It therefore sends nothing where the mail service failed or was slow
// lately, or where too many are sending already, and never fails: what it says nothing of is left to DeliverSeveral, on the
// queue of its own.
func (a *Activities) DeliverAtOnce(ctx context.Context, in SeveralInput) ([]Delivered, error) {
	var all []Delivered
	for _, key := range in.Keys {
		if !a.swift.enter(ctx) {
			break
		}
		begun := time.Now()
		status, err := a.Deliver(ctx, DeliverInput{Pathway: in.Pathway, Key: key, At: in.At})
		a.swift.leave(err == nil && status != pathway.UnknownMail && time.Since(begun) < atOnceWithin)
		if err != nil {
			break
		}
		all = append(all, Delivered{key, status})
	}
	return all, nil
}

// swift watches over what is sent while workflows wait: so many at once, and none for a while after one was slow.
type swift struct {
	once  sync.Once
	turns chan struct{}
	until atomic.Int64 // in nanoseconds: nothing is sent at once before
}

func (s *swift) enter(ctx context.Context) bool {
	s.once.Do(func() { s.turns = make(chan struct{}, MailsAtOnce) })
	if time.Now().UnixNano() < s.until.Load() {
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
	if time.Now().UnixNano() < s.until.Load() { // it became slow while we waited
		<-s.turns
		return false
	}
	return true
}

func (s *swift) leave(well bool) {
	if !well {
		s.until.Store(time.Now().Add(leftAlone).UnixNano())
	}
	<-s.turns
}
