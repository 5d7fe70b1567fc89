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
// knows, nobody sends it again, and a person is asked to call. Staff hear of it again the next morning instead.
func TestAMailServiceThatFails(t *testing.T) {
	t.Parallel()
	h := ownHouse(t)
	p := h.enrol(within(t, 2*time.Minute), t, h.team(), nil)
	plot := story(t, 0, p.team)
	p.tell(plot, 4)

	p.fail(inbox.Faults{Mode: inbox.ServerError, Times: 3}) // the first mails of all meet it
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
	s := p.forwardUntil("a call", func(s pathway.Status) bool { return calls(s) != "" })
	p.settle()
	b := p.books()
	unknown := p.sound(b)
	if len(unknown) != 1 || b.Mails[unknown[0]].Arrived != 1 || b.Mails[unknown[0]].Attempts != 1 {
		t.Fatalf("of %q nobody knows whether they went out: %s", unknown, shown(b.Mails))
	}
	if !strings.Contains(calls(s), unknown[0]) {
		t.Errorf("the call is about another mail than %s: %s", unknown[0], calls(s))
	}

	p.forwardUntil("a session to record", func(s pathway.Status) bool { return asks(s, plot[4]) })
	p.settle()
	before := p.books()
	p.fail(inbox.Faults{Mode: inbox.Drop, Times: 1})
	p.forward(p.now().Add(2*time.Hour + time.Minute)) // now the record is overdue
	p.forward(p.now().Add(24 * time.Hour))
	p.settle()
	after := p.books()
	const nudged = "staff-nudge to THERAPIST, 2" // the first was about the evaluation
	if unknown := without(p.sound(after), unknown[0]); len(unknown) != 1 || unknown[0] != nudged || after.Mails[nudged].Attempts != 1 {
		t.Fatalf("of %q nobody knows whether they went out, expected the therapist's: %s", unknown, shown(after.Mails))
	}
	same(t, "mails to staff", append([]string{"staff-digest to THERAPIST, 1"}, append(before.staffKeys(), nudged)...), after.staffKeys())
	if said := after.Journal[len(before.Journal):]; !slices.Contains(said, "done mail-withdrawn : a mail to THERAPIST was not sent, or may not have been: it was not delivered") {
		t.Errorf("the journal does not say so: %q", said)
	}

	p.tell(plot, len(plot)-p.next)
	if s := p.end(); s.Outcome != pathway.Completed {
		t.Errorf("the story ends as %q: %s", s.Outcome, shown(s))
	}
	if unknown := p.sound(p.books()); len(unknown) != 2 {
		t.Errorf("of %q nobody knows whether they went out, expected two", unknown)
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
	q.settle()
	b = q.books()
	if unknown := q.sound(b); len(unknown) != 1 || b.Mails[unknown[0]].Kind != "staff-urgent" || b.Mails["staff-urgent to COORDINATOR, 1"].Arrived != 1 {
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
