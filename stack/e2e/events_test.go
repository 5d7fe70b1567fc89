package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kap/pathway"
	"kap/stack/inbox"
	"kap/stack/machine"
)

// becomes has the mail service say what became of the newest mail to an address whose key begins so.
func (p *person) becomes(to, key string, word inbox.Word) {
	p.t.Helper()
	all, err := p.h.inbox(p.ctx, to)
	ids := map[string]bool{} // of the outbox
	for k, m := range p.books().Mails {
		ids[m.ID] = strings.HasPrefix(k, key)
	}
	all = slices.DeleteFunc(all, func(m inbox.Message) bool { return !ids[m.CustomArgs["mail"]] })
	if err != nil || len(all) == 0 {
		p.t.Fatalf("nothing was sent to %s: %v", to, err)
	}
	answer, err := http.PostForm(p.h.InboxURL()+"/messages/"+all[len(all)-1].ID+"/events", url.Values{"event": {string(word)}})
	if err != nil || answer.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %v, %v", word, answer, err)
	}
	answer.Body.Close()
}

func owes(s pathway.Status, prefix string) bool {
	return slices.ContainsFunc(s.Tasks, func(t pathway.TaskView) bool { return strings.HasPrefix(t.Key, prefix) })
}

func (p *person) awaitTask(prefix string, owed bool) {
	p.t.Helper()
	await(p.ctx, p.t, "the task "+prefix, func() error {
		if s := p.status(); owes(s, prefix) != owed {
			return fmt.Errorf("the tasks are %s", shown(s.Tasks))
		}
		return nil
	})
}

func (p *person) history(says string) {
	p.t.Helper()
	await(p.ctx, p.t, "the history to say "+says, func() error {
		out, problem, exit := p.h.starter(p.ctx, p.t, nil, "history", p.code, "--json")
		if exit != 0 || !strings.Contains(out, says) {
			return fmt.Errorf("it ended with %d and said %s%s", exit, out, problem)
		}
		return nil
	})
}

// A mail bounces: somebody is asked to call, what mail would say is said by telephone, and the corrected address is used again. The web
// process may be killed meanwhile: the mail service tells again.
// shows: mail-events, mail-returned, mail-corrected, mail-arrived, mail-opted-out
func TestWhatBecomesOfMails(t *testing.T) {
	t.Parallel()
	h := houseWithWeb(t)
	ctx := within(t, 6*time.Minute)
	p := h.enrol(ctx, t, h.team(), fields{"email": "first@clients.example"})
	plot := story(t, 0, p.team)
	p.tell(plot, 4)
	p.forwardUntil("the hours of mail", func(s pathway.Status) bool { return s.Unsent == 0 })
	p.settle()
	p.history("preparation-1 booked) was sent on")
	p.history("delivered on")

	p.becomes("first@clients.example", "booked/", inbox.Bounce) // by then a reminder may have gone out after it
	p.awaitTask("address", true)
	p.awaitTask("call/booked/", true)
	p.history("bounced (address) on")
	before, err := h.inbox(ctx, "first@clients.example")
	if err != nil {
		t.Fatal(err)
	}
	p.forwardUntil("a reminder to be said by telephone", func(s pathway.Status) bool { return owes(s, "call/remind/") })
	if after, err := h.inbox(ctx, "first@clients.example"); err != nil || len(after) != len(before) {
		t.Errorf("mailed to an address that takes no mail: %d mails, then %d (%v)", len(before), len(after), err)
	}

	if out, problem, exit := h.starter(ctx, t, nil, "address", p.code, "--email", "second@clients.example", "--by", p.desk); exit != 0 || strings.Contains(out, "within a minute") {
		t.Fatalf("starter address ended with %d: %s%s", exit, out, problem)
	}
	p.awaitTask("address", false)
	p.forwardUntil("a mail to the corrected address", func(pathway.Status) bool {
		all, err := h.inbox(ctx, "second@clients.example")
		return err == nil && len(all) > 0
	})

	// A mail that breaks off, and was taken all the same: what the mail service says of it settles it.
	p.answerCalls(p.status())
	p.tell(plot, 1) // the first session is recorded
	p.fail(inbox.Faults{Mode: inbox.Drop, Times: 1})
	p.forwardUntil("the next mail", func(pathway.Status) bool {
		all, err := h.inbox(ctx, "second@clients.example")
		return err == nil && len(all) > 1
	})
	await(ctx, t, "it to be settled", func() error {
		for key, m := range p.books().Mails {
			if m.Staff == "" && m.Status != "sent" && m.Status != "withdrawn" {
				return fmt.Errorf("%s is %s", key, m.Status)
			}
		}
		return nil
	})

	// Killed while the mail service has something to tell, and told again.
	if err := syscall.Kill(h.PID(machine.Web), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.becomes("second@clients.example", "", inbox.Unsubscribe)
	p.awaitTask("call/opted-out/", true)
	if s := p.status(); owes(s, "address") {
		t.Errorf("whoever wants no mail is asked for an address: %s", shown(s.Tasks))
	}

	p.settle()
	b := p.books()
	for key, m := range b.Mails { // what arrived is at two addresses
		if m.Staff == "" && m.Status != "sent" && m.Status != "withdrawn" {
			t.Errorf("%s is %s", key, m.Status)
		}
	}
	if out, problem, exit := h.starter(ctx, t, nil, "verify", p.code); exit != 0 {
		t.Errorf("starter verify ended with %d: %s%s", exit, out, problem)
	}
	log, err := os.ReadFile(filepath.Join(h.config.Data, "logs", "web.log"))
	if err != nil || strings.Contains(string(log), "clients.example") || !strings.Contains(string(log), "are served") {
		t.Errorf("the web process logs %s (%v)", log, err)
	}
	journal := strings.Join(b.Journal, "\n")
	for _, says := range []string{"done mail-returned : a mail did not arrive (bounced)", "done address : " + "the client's address takes no mail", "has corrected the client's address", "done opted-out : the client wants no mail (unsubscribed)"} {
		if !strings.Contains(journal, says) {
			t.Errorf("the journal does not say %q:\n%s", says, journal)
		}
	}
}
