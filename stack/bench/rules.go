package main

import (
	"fmt"
	"time"

	"kap/internal/diligent"
	"kap/pathway"
	"kap/practice"
)

// walk carries a pathway without a server: the rules, and somebody who answers for the world.
type walk struct {
	p      *pathway.Pathway
	now    time.Time
	wake   pathway.Wake
	answer func(*pathway.Pathway, pathway.Step) (pathway.Answer, error)
	sent   func(pathway.Mail) error // nil: every mail goes out, and nobody is told
}

// freely answers from a calendar in which nothing is taken.
func freely(calendar pathway.Calendar) func(*pathway.Pathway, pathway.Step) (pathway.Answer, error) {
	return func(p *pathway.Pathway, s pathway.Step) (pathway.Answer, error) {
		a := pathway.Answer{Acts: make([]pathway.ActAnswer, len(s.Acts))}
		for i, act := range s.Acts {
			switch act.Do {
			case pathway.BookDeed, pathway.MoveDeed:
				a.Acts[i] = p.Place(act, calendar, nil)
			case pathway.WithdrawDeed:
				a.Acts[i].Mail = pathway.WithdrawnMail
			}
		}
		return a, nil
	}
}

// settle does all that is due now.
func (w *walk) settle() error {
	for {
		step, wake := w.p.Due(w.now)
		if step == nil {
			w.wake = wake
			return nil
		}
		a, err := w.answer(w.p, *step)
		if err != nil {
			return err
		}
		w.p.Settle(*step, a)
		for _, m := range w.p.Sendable(w.now) {
			if w.sent != nil {
				if err := w.sent(m); err != nil {
					return err
				}
			}
			w.p.Delivered(m.Key)
		}
	}
}

func (w *walk) say(name, input string) error {
	_, err := w.p.Record(name, []byte(input), w.now)
	return err
}

// whole walks a pathway to its end, with staff who do at once what they are asked.
func (w *walk) whole(staff diligent.Staff) error {
	for {
		if err := w.settle(); err != nil {
			return err
		}
		s := w.p.Status(w.now)
		switch owed, until := diligent.Owed(s), diligent.Until(s); {
		case len(owed) > 0:
			if err := w.say(owed[0].Message, staff.Fill(owed[0], s)); err != nil {
				return err
			}
		case w.p.Finished(w.now):
			return nil
		case until.IsZero():
			return fmt.Errorf("nothing more happens by itself, in the phase %s", s.Phase)
		default:
			w.now = until
			for _, m := range w.p.Sendable(w.now) { // what waited for the hours of mail
				w.p.Delivered(m.Key)
			}
		}
	}
}

// threeDosings is a pathway that completes after three dosing sessions.
var threeDosings = diligent.Staff{Dosings: 3}

func sample() (pathway.Enrolment, pathway.Calendar, error) {
	house, err := practice.Load("")
	if err != nil {
		return pathway.Enrolment{}, pathway.Calendar{}, err
	}
	protocol, err := practice.LoadProtocol("")
	return enrolment("K7Q2M9", time.Date(2026, 2, 2, 14, 0, 0, 0, time.UTC), house.Zone, protocol, team{"t-lane", "p-singh", "c-desk"}), house.Calendar(), err
}

// measureRules counts whole pathways a second, on one core.
func measureRules(o options, r *report) error {
	e, calendar, err := sample()
	if err != nil {
		return err
	}
	for range o.rounds {
		n, begun := 0, time.Now()
		for ; time.Since(begun) < o.rules; n++ {
			p, err := pathway.Enrol(e)
			if err != nil {
				return err
			}
			w := walk{p: p, now: e.At, answer: freely(calendar)}
			if err := w.whole(threeDosings); err != nil {
				return err
			}
			if p.Outcome != pathway.Completed {
				return fmt.Errorf("the pathway ended as %q", p.Outcome)
			}
		}
		r.add(kap, "rules alone, whole pathways", "1/s", float64(n)/time.Since(begun).Seconds())
	}
	return nil
}
