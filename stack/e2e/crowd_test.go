package e2e_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"kap/pathway"
)

// Several clients of one therapist complete their screening in the same moment. Each gets their sessions, and none overlap.
func TestAWholeDayOfOneTherapist(t *testing.T) {
	t.Parallel()
	h := sharedHouse(t)
	ctx := within(t, 2*time.Minute)
	shared := h.team()
	var all []*person
	for n := range 6 {
		name := fmt.Sprintf("Client-%s-%d", shared.therapist, n)
		all = append(all, h.enrol(ctx, t, shared, fields{"given_name": name, "email": name + "@clients.example"}))
	}
	plot := story(t, 0, shared)
	var together sync.WaitGroup
	problems := make(chan error, len(all)*4)
	for _, p := range all {
		s := p.status()
		for n, l := range plot[:4] {
			together.Go(func() {
				if _, err := p.send(fmt.Sprintf("line-%d", n), l.Message, said(s, l)); err != nil {
					problems <- err
				}
			})
		}
	}
	together.Wait()
	close(problems)
	for err := range problems {
		t.Error(err)
	}
	var taken []pathway.Session
	for _, p := range all {
		await(ctx, t, "two preparation sessions", func() error {
			if s := p.status(); len(s.Sessions) != 2 || s.Unwritten != 0 {
				return fmt.Errorf("%s has %s", p.code, shown(s.Sessions))
			}
			return nil
		})
		taken = append(taken, p.status().Sessions...)
		p.settle()
		b := p.books()
		if unknown := p.sound(b); len(unknown) > 0 || len(b.Appointments) != 2 || len(b.keys()) != 2 {
			t.Errorf("%s has the appointments %q and the mails %q", p.code, b.Appointments, b.keys())
		}
	}
	slices.SortFunc(taken, func(a, b pathway.Session) int { return a.Start.Compare(b.Start) })
	for i, x := range taken[1:] {
		if x.Start.Before(taken[i].End) {
			t.Errorf("one session lasts until %s and another begins on %s", taken[i].End, x.Start)
		}
	}
}
