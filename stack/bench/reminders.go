package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"kap/pathway"
	"kap/stack/inbox"
	"kap/workflows"
)

// remindedBefore is how long before a session the reminder goes out that is measured.
const remindedBefore = 48 * time.Hour

// appointed is a reminder that is to come: to whom, and when it falls due.
type appointed struct {
	address string
	due     time.Time
}

// measureBurst has the reminders of many pathways fall due in the same second.
func measureBurst(ctx context.Context, h *house, r *report) error {
	for range h.rounds {
		for _, whose := range []side{kap, bare} {
			if err := h.patiently(func() error { return h.burstOf(ctx, whose, r) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *house) burstOf(ctx context.Context, whose side, r *report) error {
	due := time.Now().Add(h.lead(h.burst)).Truncate(time.Second)
	all, err := h.appoint(ctx, whose, h.burst, func(int) (pathway.Enrolment, time.Time, error) {
		return enrolment(code(), time.Now(), h.zone, h.rules, h.hire()), due, nil
	})
	if err != nil {
		return err
	}
	return h.lateness(ctx, whose, fmt.Sprintf("%d reminders in one second", h.burst), due, all, r)
}

// measureSpread has them fall due as the protocol spreads what would go out at night: just before the hours of mail end, each at
// a moment that follows from its code. Codes are drawn until their moments lie within the window, so that as many fall due a
// second as of 10,000 pathways in the protocol's quarter of an hour. The bare ones fall due at moments drawn evenly.
func measureSpread(ctx context.Context, h *house, r *report) error {
	for range max(1, h.rounds-1) {
		for _, whose := range []side{kap, bare} {
			if err := h.patiently(func() error { return h.spreadOf(ctx, whose, "", r) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// measureCrowd is measureSpread beside so many pathways that wait.
func measureCrowd(ctx context.Context, h *house, r *report) error {
	n, err := h.store.Numbers(ctx, time.Now())
	if err != nil {
		return err
	}
	more := h.crowd
	for _, open := range n.Open {
		more -= open.N
	}
	if err := h.many(ctx, more, 16, h.enroller(kap)); err != nil {
		return err
	}
	r.say("%d pathways wait", h.crowd)
	for _, whose := range []side{kap, bare} {
		if err := h.patiently(func() error { return h.spreadOf(ctx, whose, fmt.Sprintf(" beside %d", h.crowd), r) }); err != nil {
			return err
		}
	}
	return nil
}

// hoursLeft is how much longer than the window the hours of mail last: what is not out by then waits for the morning.
const hoursLeft = time.Minute

func (h *house) spreadOf(ctx context.Context, whose side, beside string, r *report) error {
	closing := time.Now().Add(h.lead(h.spread) + h.window + 2*hoursLeft).Truncate(time.Minute)
	last := closing.Add(-hoursLeft)
	first := last.Add(-h.window)
	rules := h.rules
	rules.Mail.From = "02:00" // the protocol wants four hours of them
	rules.Mail.Until = closing.In(h.location()).Format("15:04")
	rules.Mail.SpreadMinutes = int((h.window + time.Minute - 1) / time.Minute)
	night := closing.Add(10 * time.Minute) // when the reminder would be due, were it not night
	all, err := h.appoint(ctx, whose, h.spread, func(int) (pathway.Enrolment, time.Time, error) {
		for {
			e := enrolment(code(), time.Now(), h.zone, rules, h.hire())
			if whose == bare {
				return e, first.Add(rand.N(h.window)), nil
			}
			if due, err := h.rehearse(e, night); err != nil || !due.Before(first) {
				return e, night, err
			}
		}
	})
	if err != nil {
		return err
	}
	return h.lateness(ctx, whose, fmt.Sprintf("%d reminders in %.0f s%s", h.spread, h.window.Seconds(), beside), last, all, r)
}

// lead is the time that so many pathways take to be made and to come to rest, on a busy machine.
func (h *house) lead(n int) time.Duration {
	return max(1, h.slowness) * (20*time.Second + time.Duration(n)*60*time.Millisecond)
}

// errTooSlow says that the first reminder fell due before the last pathway was ready.
var errTooSlow = errors.New("the machine is too slow for this at this moment")

// patiently tries again with twice the lead where the machine was too slow.
func (h *house) patiently(try func() error) error {
	err := try()
	for range 3 {
		if !errors.Is(err, errTooSlow) {
			break
		}
		h.slowness = 2 * max(1, h.slowness)
		err = try()
	}
	return err
}

func (h *house) location() *time.Location {
	zone, err := time.LoadLocation(h.zone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// appoint makes n clients whose reminders fall due as plan says, or as the rules make of it.
func (h *house) appoint(ctx context.Context, whose side, n int, plan func(i int) (pathway.Enrolment, time.Time, error)) ([]appointed, error) {
	all := make([]appointed, n)
	err := h.many(ctx, n, 16, func(ctx context.Context, i int) (string, error) {
		e, moment, err := plan(i)
		if err != nil {
			return "", err
		}
		all[i] = appointed{address(e.Code), moment}
		if whose == bare {
			return h.beginBare(ctx, bareInput{Due: moment, Address: all[i].address})
		}
		all[i].due, err = h.prepare(ctx, e, moment)
		return workflows.WorkflowID(e.Code), err
	})
	return all, err
}

// screen says what completes a pathway's screening, and asks for a preparation session at a time.
func screen(w *walk, start time.Time) error {
	by := team{w.p.CareTeam.Therapist, w.p.CareTeam.Prescriber, w.p.By}
	session, err := json.Marshal(map[string]any{"by": by.desk, "kind": "preparation", "start": start})
	if err != nil {
		return err
	}
	for _, m := range []struct{ name, input string }{
		{"prescriber-clearance", `{"by":"` + by.prescriber + `","decision":"cleared","medications_reviewed":true,"cardiovascular_history_reviewed":true,"psychiatric_history_reviewed":true,"medically_stable":true}`},
		{"psychological-evaluation", `{"by":"` + by.therapist + `","decision":"suitable","trauma_history_reviewed":true,"substance_use_history_reviewed":true,"attachment_history_reviewed":true}`},
	} {
		if err := w.say(m.name, m.input); err != nil {
			return err
		}
	}
	for _, name := range []string{"consent", "safety-plan"} { // as the pathway proposes them
		for _, t := range w.p.Status(w.now).Tasks {
			if t.Message == name {
				if err := w.say(name, threeDosings.Fill(t, w.p.Status(w.now))); err != nil {
					return err
				}
			}
		}
	}
	return w.say("book-session", string(session))
}

// rehearse says when the reminder of a session falls due, without writing anything.
func (h *house) rehearse(e pathway.Enrolment, moment time.Time) (time.Time, error) {
	p, err := pathway.Enrol(e)
	if err != nil {
		return time.Time{}, err
	}
	w := &walk{p: p, now: e.At, answer: freely(h.house.Calendar())}
	if err := screen(w, moment.Add(remindedBefore)); err != nil {
		return time.Time{}, err
	}
	err = w.settle()
	return w.wake.At, err
}

// prepare brings a client to where a reminder is what comes next, and starts the workflow with that state, as a run that
// continued as new has it. The records are written as the worker writes them, and what was written to the client until then
// counts as sent.
func (h *house) prepare(ctx context.Context, e pathway.Enrolment, moment time.Time) (due time.Time, err error) {
	if _, err := h.store.Enrol(ctx, h.person(e.Code), e); err != nil {
		return due, err
	}
	p, err := pathway.Enrol(e)
	if err != nil {
		return due, err
	}
	w := &walk{p: p, now: e.At}
	w.answer = func(p *pathway.Pathway, step pathway.Step) (pathway.Answer, error) {
		out, err := h.store.Commit(ctx, h.house.Calendar(), h.rules.Consent, p, step)
		return out.Answer, err
	}
	w.sent = func(m pathway.Mail) error {
		claimed, status, err := h.store.Claim(ctx, p.Code, m.Key, time.Minute)
		if err == nil && status != pathway.ClaimedMail {
			err = fmt.Errorf("the mail %s is %s", m.Key, status)
		}
		if err != nil {
			return err
		}
		return h.store.SettleMail(ctx, claimed, pathway.SentMail, w.now)
	}
	if err := screen(w, moment.Add(remindedBefore)); err != nil {
		return due, err
	}
	if err := w.settle(); err != nil {
		return due, err
	}
	if len(p.Outbox) > 0 || p.Appointments[0].Start != moment.Add(remindedBefore).UTC() {
		return due, fmt.Errorf("%s is not prepared: %d mails wait, the session is on %s", p.Code, len(p.Outbox), p.Appointments[0].Start)
	}
	return w.wake.At, h.begin(ctx, *p)
}

// lateness waits until every mail has reached the inbox, and says how late they were.
func (h *house) lateness(ctx context.Context, whose side, name string, last time.Time, all []appointed, r *report) error {
	if slices.ContainsFunc(all, func(a appointed) bool { return a.due.Before(time.Now()) }) {
		return fmt.Errorf("%s: %w", name, errTooSlow)
	}
	folder := filepath.Join(h.dir, "data", "inbox")
	before := h.caught(folder)
	r.say("%s of %s, due until %s", name, whose, last.UTC().Format("15:04:05"))
	patience := time.Until(last) + time.Minute + time.Duration(len(all))*100*time.Millisecond
	// The folder is counted, not read: reading it would be part of what is measured.
	if err := until(ctx, patience, "the reminders", func() (bool, error) { return h.caught(folder)-before >= len(all), nil }); err != nil {
		return fmt.Errorf("%s of %s: %d of %d came: %w", name, whose, h.caught(folder)-before, len(all), err)
	}
	received, err := h.received(ctx)
	if err != nil {
		return err
	}
	var late []float64
	for _, a := range all {
		at, ok := received[a.address]
		if !ok {
			return fmt.Errorf("nothing has reached %s", a.address)
		}
		late = append(late, at.Sub(a.due).Seconds())
	}
	r.add(whose, name+", p50", "s", quantile(late, 0.5))
	r.add(whose, name+", p99", "s", quantile(late, 0.99))
	r.add(whose, name+", last", "s", quantile(late, 1))
	return nil
}

func (h *house) caught(folder string) int {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return 0
	}
	n := 0
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".json" {
			n++
		}
	}
	return n
}

// received says when the last mail to each address reached the inbox, by the inbox's own clock.
func (h *house) received(ctx context.Context) (map[string]time.Time, error) {
	messages, err := inbox.Messages(ctx, h.InboxURL(), "")
	if err != nil {
		return nil, err
	}
	all := map[string]time.Time{}
	for _, m := range messages { // the newest first
		if _, known := all[m.To[0].Email]; !known {
			all[m.To[0].Email] = m.Received
		}
	}
	return all, nil
}
