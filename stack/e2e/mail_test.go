package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"kap/pathway"
	"kap/stack/inbox"
)

// The mail service fails in its two ways: it refuses, and the mail goes out later, once; or it breaks off, and then nobody
// knows: after a while a reminder is sent again, and about another mail a person is asked to call. Staff hear of it again the next
// morning instead.
func TestAMailServiceThatFails(t *testing.T) {
	t.Parallel()
	h := ownHouse(t)
	p := h.enrol(within(t, 2*time.Minute), t, h.team(), nil)
	plot := story(t, 0, p.team)
	p.tell(plot, 3)

	p.fail(inbox.Faults{Mode: inbox.ServerError, Times: 3}) // the mails of the first bookings meet it
	p.tell(plot, 1)
	p.forwardUntil("the hours of mail", func(s pathway.Status) bool { return s.Unsent == 0 })
	p.settle()
	tried := 0
	for _, m := range p.books().Mails {
		tried += m.Attempts
	}
	if b := p.books(); tried != len(b.Mails)+3 || len(p.sound(b)) > 0 {
		t.Errorf("after three refusals: %d attempts, %s", tried, shown(b.Mails))
	}

	p.fail(inbox.Faults{Mode: inbox.Drop, Times: 1})
	s := p.forwardUntil("a reminder that is sent again", func(pathway.Status) bool { return len(p.sound(p.books())) > 0 })
	p.settle()
	p.forwardUntil("its going out", func(s pathway.Status) bool { return s.Unsent == 0 })
	b := p.books()
	again := p.sound(b)
	if len(again) != 1 || b.Mails[again[0]].Kind != "reminder" || b.Mails[again[0]].Status != "sent" || b.Mails[again[0]].Arrived != 2 || b.Mails[again[0]].Attempts != 2 || calls(s) != "" {
		t.Fatalf("of %q nobody knew whether they went out: %s", again, shown(b.Mails))
	}

	p.fail(inbox.Faults{Mode: inbox.Drop, Times: 1})
	next := p.status().NextSession
	p.say("move-session", fields{"by": p.desk, "session": next.Name, "start": next.Start.Add(30 * time.Minute).Format(time.RFC3339)})
	s = p.forwardUntil("a call", func(s pathway.Status) bool { return calls(s) != "" })
	p.settle()
	b = p.books()
	unknown := without(p.sound(b), again[0])
	if len(unknown) != 1 || b.Mails[unknown[0]].Arrived != 1 || b.Mails[unknown[0]].Attempts != 1 {
		t.Fatalf("of %q nobody knows whether they went out: %s", unknown, shown(b.Mails))
	}
	if !strings.Contains(calls(s), unknown[0]) {
		t.Errorf("the call is about another mail than %s: %s", unknown[0], calls(s))
	}
	p.say("task-done", fields{"by": p.desk, "task": "call/" + unknown[0], "outcome": "reached"}) // it was urgent

	p.forwardUntil("a session to record", func(s pathway.Status) bool { return asks(s, plot[4]) })
	p.settle()
	before := p.books()
	p.fail(inbox.Faults{Mode: inbox.Drop, Times: 1})
	p.forward(p.now().Add(2*time.Hour + time.Minute)) // now the record is overdue
	p.forward(p.now().Add(24 * time.Hour))
	p.settle()
	after := p.books()
	const nudged = "staff-nudge to THERAPIST, 2" // the first was about the evaluation
	if unknown := without(without(p.sound(after), unknown[0]), again[0]); len(unknown) != 1 || unknown[0] != nudged || after.Mails[nudged].Attempts != 1 {
		t.Fatalf("of %q nobody knows whether they went out, expected the therapist's: %s", unknown, shown(after.Mails))
	}
	same(t, "mails to staff", slices.Sorted(slices.Values(append(before.staffKeys(), nudged, "staff-digest to THERAPIST, 1"))), after.staffKeys())
	if said := after.Journal[len(before.Journal):]; !slices.Contains(said, "done mail-withdrawn : a mail to THERAPIST was not sent, or may not have been: it was not delivered") {
		t.Errorf("the journal does not say so: %q", said)
	}

	p.tell(plot, len(plot)-p.next)
	if s := p.end(); s.Outcome != pathway.Completed {
		t.Errorf("the story ends as %q: %s", s.Outcome, shown(s))
	}
	if unknown := p.sound(p.books()); len(unknown) != 3 {
		t.Errorf("of %q nobody knew whether they went out, expected three", unknown)
	}

	// What is urgent for staff, and may not have reached them, is said by telephone.
	q := h.enrol(p.ctx, t, h.team(), nil)
	q.fail(inbox.Faults{Mode: inbox.Drop, Times: 1})
	q.say("hold", fields{"by": q.therapist, "cause": "crisis", "reason": "seen today"})
	await(q.ctx, t, "a call", func() error {
		for _, task := range q.status().Tasks {
			if task.Urgent && strings.HasPrefix(task.Key, "call/staff/") && slices.Equal(task.Who, []pathway.Role{pathway.Coordinator}) {
				return nil
			}
		}
		return fmt.Errorf("the tasks are %s", shown(q.status().Tasks))
	})
	await(q.ctx, t, "the coordinator's mail", func() error { // all mail waits a few seconds for a mail service that did not answer
		b = q.books()
		if m := b.Mails["staff-urgent to COORDINATOR, 1"]; m.Arrived != 1 || m.Status != "sent" {
			return fmt.Errorf("the mails are %s", shown(b.Mails))
		}
		return nil
	})
	if unknown := q.sound(b); len(unknown) != 1 || b.Mails[unknown[0]].Kind != "staff-urgent" {
		t.Errorf("of %q nobody knows whether they went out: %s", unknown, shown(b.Mails))
	}
}

// without is a list without one of its members.
func without(all []string, one string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == one })
}

// calls are the open telephone calls.
func calls(s pathway.Status) string {
	var all []string
	for _, t := range s.Tasks {
		if strings.HasPrefix(t.What, "Call the client") {
			all = append(all, fmt.Sprint(t.Key, ": ", t.What))
		}
	}
	return strings.Join(all, "; ")
}

func (p *person) fail(f inbox.Faults) {
	p.t.Helper()
	if err := p.h.fail(f); err != nil {
		p.t.Fatal(err)
	}
}

// fail makes the next sends fail.
func (h *house) fail(f inbox.Faults) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	answer, err := http.Post(h.InboxURL()+"/faults", "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the inbox answers %s", answer.Status)
	}
	return nil
}
