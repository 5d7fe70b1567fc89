package e2e_test

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"kap/pathway"
	"kap/stack/inbox"
	"kap/stack/machine"
)

var (
	address1 = regexp.MustCompile(`http://[0-9.:]+/l/[A-Za-z0-9_-]+`)
	elements = regexp.MustCompile(`(?s)<style>.*?</style>|<title>.*?</title>|<[^>]*>`)
)

// linksOf are the links of a mail by their words, as its plain text has them.
func linksOf(m inbox.Message) map[string]string {
	all := map[string]string{}
	before := ""
	for line := range strings.Lines(m.Text) {
		line = strings.TrimSpace(line)
		if address1.MatchString(line) {
			all[strings.TrimSuffix(before, ":")] = line
		}
		before = line
	}
	return all
}

// newest is the newest mail to the client whose subject begins with some words.
func (p *person) newest(to, subject string) inbox.Message {
	p.t.Helper()
	var found inbox.Message
	await(p.ctx, p.t, "a mail "+subject, func() error {
		all, err := p.h.inbox(p.ctx, to)
		if err != nil {
			return err
		}
		for _, m := range all {
			if strings.HasPrefix(m.Subject, subject) && m.Received.After(found.Received) {
				found = m
			}
		}
		if found.ID == "" {
			return fmt.Errorf("there are %d", len(all))
		}
		return nil
	})
	return found
}

// page asks for a page, as a telephone does, and says what stands on it.
func (p *person) page(method, link, button string, status int, says ...string) {
	p.t.Helper()
	var form io.Reader
	if button != "" {
		form = strings.NewReader(url.Values{"answer": {button}}.Encode())
	}
	request, err := http.NewRequestWithContext(p.ctx, method, link, form)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	text := strings.Join(strings.Fields(html.UnescapeString(elements.ReplaceAllString(string(body), " "))), " ")
	if answer.StatusCode != status {
		p.t.Errorf("%s %s: found %s, expected %d: %s", method, button, answer.Status, status, text)
	}
	for _, s := range says {
		if !strings.Contains(text, s) {
			p.t.Errorf("%s %s: the page does not say %q: %s", method, button, s, text)
		}
	}
}

func (p *person) answered(name string) pathway.AnswerKind {
	p.t.Helper()
	return session(p.t, p.status(), name).Answer
}

// A client opens the links in their mails, and a scanner opens all of them.
// shows: answer-coming, answer-another-time, answer-once
func TestAnswersByLinks(t *testing.T) {
	t.Parallel()
	h := houseWithWeb(t)
	p := h.enrol(within(t, 6*time.Minute), t, h.team(), fields{"email": "links@clients.example", "zone": "America/Chicago"})
	const to = "links@clients.example"
	plot := story(t, 0, p.team)
	p.tell(plot, 4)
	p.forwardUntil("the hours of mail", func(s pathway.Status) bool { return s.Unsent == 0 })
	p.settle()
	zone, _ := time.LoadLocation("America/Chicago")
	start := session(t, p.status(), "preparation-1").Start.In(zone)
	first := p.newest(to, "Your appointment on "+start.Format("Monday, January 2"))
	links := linksOf(first)
	coming, another, leave := links["I'll be there"], links["I need another time"], links["No more mails, or leave"]
	if coming == "" || another == "" || leave == "" || strings.Contains(coming, p.code) {
		t.Fatalf("the mail has the links %q:\n%s", links, first.Text)
	}

	// Whatever opens everything that it sees changes nothing.
	owed := len(p.status().Tasks)
	before := p.count(`select count(*) from journal where pathway = $1 and kind = 'taken'`)
	all, err := h.inbox(p.ctx, to)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for _, m := range all {
		for _, link := range address1.FindAllString(m.Text+m.HTML, -1) {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				p.page(method, link, "", http.StatusOK)
				opened++
			}
		}
	}
	p.page(http.MethodGet, leave+"?leave=yes", "", http.StatusOK, "Do you want to leave?")
	telephone := browse(t, 6*time.Minute)
	telephone.readable(coming, another, leave, leave+"?leave=yes", coming+"x")
	if after := p.count(`select count(*) from journal where pathway = $1 and kind = 'taken'`); after != before || p.answered("preparation-1") != "" || len(p.status().Tasks) != owed {
		t.Errorf("a scanner opened %d links, and the journal has %d entries more; the tasks are %s", opened, after-before, shown(p.status().Tasks))
	}

	// While nobody can be asked, the page says so, and nothing is half done.
	if err := h.Pause(machine.Temporal); err != nil {
		t.Fatal(err)
	}
	p.page(http.MethodPost, coming, "coming", http.StatusServiceUnavailable, "We cannot take your answer right now.", "+1 555 0100")
	telephone.readable(coming)
	if err := h.Resume(p.ctx, machine.Temporal); err != nil {
		t.Fatal(err)
	}

	p.status() // which is asked until a worker answers
	when := start.Format("Monday, January 2, 2006 3:04 PM MST")
	p.page(http.MethodGet, coming, "", http.StatusOK, when, "I'll be there")
	for range 2 {
		p.page(http.MethodPost, coming, "coming", http.StatusOK, when, "You have told us that you will be there.")
	}
	if said := p.answered("preparation-1"); said != pathway.ComingAnswer {
		t.Errorf("the client answered %q", said)
	}
	p.page(http.MethodPost, another, "another-time", http.StatusOK, "You have told us that you need another time.")
	telephone.readable(another)
	p.awaitTask("call/answer/preparation-1/r1", true)
	p.settle()
	if n := p.count(`select count(*) from journal where pathway = $1 and kind = 'taken' and name = 'answer' and by = 'client.link'`); n != 2 {
		t.Errorf("the journal has %d answers, expected each once", n)
	}
	was := session(t, p.status(), "preparation-1")
	if was.State != pathway.Booked {
		t.Errorf("the session is %s", was.State)
	}
	ny, _ := time.LoadLocation("America/New_York")
	day := was.Start.In(ny).Format(time.DateOnly)
	if out, problem, exit := h.starter(p.ctx, t, nil, "today", "--for", p.therapist, "--on", day); exit != 0 || !strings.Contains(out, "the client needs another time") {
		t.Errorf("starter today ended with %d, said\n%s%s", exit, out, problem)
	}

	// The desk calls and moves it: the old links say so, the new ones ask anew.
	p.say("move-session", fields{"by": p.desk, "session": "preparation-1", "start": was.Start.AddDate(0, 0, 4).Format(time.RFC3339)})
	p.awaitTask("call/answer/", false)
	p.forwardUntil("the hours of mail", func(s pathway.Status) bool { return s.Unsent == 0 })
	p.settle()
	for _, link := range []string{coming, another} {
		p.page(http.MethodGet, link, "", http.StatusOK, "The time of this appointment has changed.")
	}
	p.page(http.MethodPost, coming, "coming", http.StatusOK, "The time of this appointment has changed.")
	moved := linksOf(p.newest(to, "Your appointment on "+start.Format("Monday, January 2")+" has moved"))
	p.page(http.MethodPost, moved["I'll be there"], "coming", http.StatusOK, "You have told us that you will be there.")
	telephone.readable(coming, moved["I'll be there"]) // what has moved, and what was answered
	if said := p.answered("preparation-1"); said != pathway.ComingAnswer {
		t.Errorf("of the new time the client answered %q", said)
	}

	// Once it has begun there is nothing to answer.
	p.forward(session(t, p.status(), "preparation-1").Start.Add(time.Minute))
	p.page(http.MethodPost, moved["I need another time"], "another-time", http.StatusOK, "There is nothing to answer any more.") // it is asked on its own clock
	p.page(http.MethodGet, moved["I need another time"], "", http.StatusOK, "There is nothing to answer any more.")
	telephone.readable(moved["I need another time"])

	// No more mails, and to leave: in two steps.
	p.page(http.MethodPost, leave, "no-mail", http.StatusOK, "You get no more mails from us.")
	p.page(http.MethodGet, leave+"?leave=yes", "", http.StatusOK, "Do you want to leave?", "988")
	p.page(http.MethodPost, leave, "leave", http.StatusOK, "You have told us that you leave.", "988")
	telephone.readable(leave)
	p.settle()
	if s := p.status(); s.Phase != pathway.Stopping || !owes(s, "referral") || !owes(s, "letter") {
		t.Errorf("the client has left, and the pathway is %s: %s", s.Phase, shown(s.Tasks))
	}
	if out, problem, exit := h.starter(p.ctx, t, nil, "verify", p.code); exit != 0 {
		t.Errorf("starter verify ended with %d: %s%s", exit, out, problem)
	}
	if out, _, exit := h.starter(p.ctx, t, nil, "history", p.code, "--people"); exit != 0 || !strings.Contains(out, "client.link") {
		t.Errorf("the history says\n%s", out)
	}
}
