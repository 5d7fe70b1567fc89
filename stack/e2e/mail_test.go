package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kap/pathway"
	"kap/stack/inbox"
)

// The mail service fails in its two ways: it refuses, and the mail goes out later, once; or it breaks off, and then nobody
// knows, nobody sends it again, and a person is asked to call.
func TestAMailServiceThatFails(t *testing.T) {
	t.Parallel()
	h := ownHouse(t)
	p := h.enrol(within(t, 2*time.Minute), t, h.therapist(), nil)
	plot := story(t, 0, p.therapist)
	p.tell(plot, 4, nil)

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
	p.tell(plot, len(plot)-p.next, nil)
	if s := p.end(); s.Outcome != pathway.Completed {
		t.Errorf("the story ends as %q: %s", s.Outcome, shown(s))
	}
	if unknown := p.sound(p.books()); len(unknown) != 1 {
		t.Errorf("of %q nobody knows whether they went out, expected one", unknown)
	}
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
	text, err := json.Marshal(f)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.Post(p.h.InboxURL()+"/faults", "application/json", bytes.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		p.t.Fatalf("the inbox answers %s", answer.Status)
	}
}
