package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
	"kap/stack/machine"
)

// A backup is made of the running stack, the stack goes on, its data are destroyed and brought back. What fell due in between is not
// mailed again, whoever was to be reminded is called, everybody is held, and afterwards all goes on.
// shows: restored-holds, restored-unknown, restored-paused, restored-goes-on
func TestWhatIsDestroyedComesBack(t *testing.T) {
	t.Parallel()
	h := ownHouse(t)
	ctx := within(t, 8*time.Minute)
	sleeper := h.enrol(ctx, t, h.team(), nil) // who waits for nobody but a prescriber, for two days
	p := h.enrol(ctx, t, h.team(), nil)
	plot := story(t, 0, p.team)
	p.tell(plot, 7) // its first dosing session is booked and measured for
	q := h.enrol(ctx, t, h.team(), nil)
	q.tell(story(t, 0, q.team), 5) // and its second preparation session is
	for _, next := range []struct {
		*person
		kind pathway.Kind
	}{{q, pathway.Preparation}, {p, pathway.Dosing}} {
		start := booked(next.status(), next.kind).Start
		next.forward(start.Add(-24*time.Hour - 75*time.Second)) // a day before is in a minute, on this machine's clock, too
		next.settle()
	}

	file := filepath.Join(h.dir, "kept.backup")
	began := time.Now().Truncate(time.Second)
	h.stack(ctx, t, 0, "and was read back", "backup", file)
	t.Logf("the backup took %s", time.Since(began).Round(time.Millisecond))
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the backup is %v, %v", info.Mode(), err)
	}
	h.stack(ctx, t, 1, "a backup is never overwritten", "backup", file)
	h.stack(ctx, t, 1, "another stack", "restore", file)

	// What happens now is lost: reminders that go out, and a message.
	if n := p.reminded("dosing-1", "24h") + q.reminded("preparation-2", "24h"); n != 0 {
		t.Fatalf("reminded %d times before the backup was made", n)
	}
	await(ctx, t, "the reminders to go out", func() error {
		if p.reminded("dosing-1", "24h") != 1 || q.reminded("preparation-2", "24h") != 1 {
			return errors.New("they have not")
		}
		return nil
	})
	p.say("adverse-event", fields{"by": p.therapist, "kind": "misuse", "severity": "moderate"})
	p.settle()
	before, letters := h.everyMail(ctx, t), map[*person]map[string]int{p: p.mails(), q: q.mails()}

	h.client.Close()
	h.Stop()
	h.stack(ctx, t, 1, "start it, because a backup is made while it runs", "backup", file+".2")
	h.stack(ctx, t, 1, "is in the way: move it aside", "restore", file)
	cluster := filepath.Join(h.config.Data, "postgres")
	if err := os.RemoveAll(cluster); err != nil {
		t.Fatal(err)
	}
	damaged := h.damaged(t, file)
	h.stack(ctx, t, 1, "is damaged", "restore", damaged)
	if _, err := os.Stat(cluster); err == nil {
		t.Fatal("a damaged backup is in place")
	}
	began2 := time.Now()
	h.stack(ctx, t, 0, "What happened after that is lost", "restore", file)
	t.Logf("the restore took %s", time.Since(began2).Round(time.Millisecond))
	if left, _ := filepath.Glob(filepath.Join(h.config.Data, "*.new")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	if err := h.start(ctx); err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(h.PID(machine.Worker), syscall.SIGKILL) // in the midst of telling them
	for _, one := range []*person{p, q, sleeper} {
		one.held(began)
		await(within(t, time.Minute), t, "everything that fell due to be worked off", one.caughtUp)
	}
	// A dosing session of tomorrow is cancelled, as under every hold; a reminder of what still takes place may have gone out.
	if said := calls(p.status()); !strings.Contains(said, "tell the client that dosing-1 on ") {
		t.Errorf("about the dosing session the front desk is asked: %s", said)
	}
	if said := calls(q.status()); !strings.Contains(said, "a mail may not have reached the client: remind them of preparation-2 on ") {
		t.Errorf("about the reminder the front desk is asked: %s", said)
	}
	if s := p.status(); s.DosingDone != 0 || slices.ContainsFunc(s.Holds, func(h pathway.HoldInForce) bool { return h.Cause == pathway.AdverseCause }) {
		t.Errorf("what was lost is there: %s", shown(s))
	}
	h.saysThatMailIsPaused(ctx, t)
	time.Sleep(3 * time.Second) // in which a mail would go out
	same(t, "mails while mail is paused", before, h.everyMail(ctx, t))

	if out, problem, exit := h.starter(ctx, t, nil, "resume-mail"); exit != 0 {
		t.Fatalf("%d: %s%s", exit, out, problem)
	}
	await(within(t, time.Minute), t, "those who have to confirm to hear of it", func() error {
		for _, staff := range []string{p.therapist, p.prescriber, q.therapist, q.prescriber} {
			if mails, err := h.inbox(ctx, address(staff)); err != nil || len(mails) == 0 {
				return fmt.Errorf("%s has %d mails, %v", staff, len(mails), err)
			}
		}
		return nil
	})

	// Once both have confirmed, the pathway books anew, reminds, and is at its first dosing session.
	for i, by := range []string{p.therapist, p.prescriber} {
		s := p.status()
		if len(s.Holds) != 1 {
			t.Fatalf("%d have confirmed, and it is held %s", i, shown(s.Holds))
		}
		p.say("release", fields{"by": by, "hold": s.Holds[0].Name, "reason": "nothing is missing"})
	}
	s := p.forwardUntil("the next dosing session to be over", func(s pathway.Status) bool {
		p.answerCalls(s)
		if asks(s, plot[6]) {
			p.say("measure", fields{"by": p.therapist, "scale": "phq-9", "total": 19, "item_9": 0})
		}
		return slices.ContainsFunc(s.Tasks, func(t pathway.TaskView) bool { return strings.HasPrefix(t.Key, "record/dosing-1") })
	})
	p.settle()
	session := ""
	for _, t := range s.Tasks {
		if name, ok := strings.CutPrefix(t.Key, "record/"); ok {
			session = name
			p.begins(t, s)
		}
	}
	input := fields{}
	for name, value := range plot[7].Input {
		input[name] = value
	}
	input["session"], input["outcome"] = session, "held"
	p.say("session-held", input)
	if s := p.status(); s.DosingDone != 1 || booked(s, pathway.Integration) == nil {
		t.Errorf("after the session: %s", shown(s))
	}
	for _, lead := range []string{"48h", "24h", "2h"} {
		if n := p.reminded(session, lead); n != 1 {
			t.Errorf("the %s reminder of %s went out %d times", lead, session, n)
		}
	}
	for _, one := range []*person{p, q} {
		after := one.mails()
		for text, n := range letters[one] { // each session's are its own: what is booked anew is on another day
			if after[text] != n {
				t.Errorf("this had gone out %d times, and has %d times by now: %s", n, after[text], text)
			}
		}
	}
	if got := sleeper.count("select count(*) from journal where pathway = $1 and text like '%confirm that nothing is missing; hold-%'"); got != 1 {
		t.Errorf("the sleeper's journal says %d times that it is held", got)
	}
}

// stack runs bin/stack on the house's data.
func (h *house) stack(ctx context.Context, t *testing.T, exit int, says string, command, file string) {
	t.Helper()
	out, problem, got := h.run(ctx, t, program(t, "stack"), nil, command, "--data", h.config.Data, file)
	if got != exit || !strings.Contains(out+problem, says) {
		t.Fatalf("stack %s ended with %d, expected %d and %q:\n%s%s", command, got, exit, says, out, problem)
	}
}

// damaged is a backup of which a part is another.
func (h *house) damaged(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 0xff
	damaged := file + ".damaged"
	if err := os.WriteFile(damaged, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return damaged
}

// held waits until a restore to about a moment holds a pathway, in the words that staff read.
func (p *person) held(to time.Time) {
	p.t.Helper()
	await(p.ctx, p.t, "the pathway to be held", func() error {
		s := p.status()
		if len(s.Holds) != 1 || s.Holds[0].Cause != pathway.Restored {
			return fmt.Errorf("it is held %s", shown(s.Holds))
		}
		return nil
	})
	h := p.status().Holds[0]
	zone, _ := time.LoadLocation("America/New_York")
	said, ok := strings.CutPrefix(h.Why, "restored to ")
	said, is := strings.CutSuffix(said, ": confirm that nothing is missing")
	at, err := time.ParseInLocation("Mon 2 Jan 2006, 15:04 MST", said, zone)
	if !ok || !is || err != nil || at.Before(to.Add(-time.Minute)) || at.After(to.Add(time.Minute)) {
		p.t.Errorf("%s is held: %q, expected a restore to %s", p.code, h.Why, to.In(zone))
	}
}

// caughtUp says whether what fell due before the restore is worked off, by the records' account.
func (p *person) caughtUp() error {
	if n := p.count("select count(*) from journal where pathway = $1 and name = 'caught-up'"); n != 1 {
		return fmt.Errorf("the journal says so %d times", n)
	}
	return nil
}

func (p *person) count(sql string) int {
	p.t.Helper()
	conn, err := pgx.Connect(p.ctx, p.h.DatabaseURL())
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(p.ctx)
	n := 0
	if err := conn.QueryRow(p.ctx, sql, p.code).Scan(&n); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// reminded is how often a reminder of a session has arrived.
func (p *person) reminded(session, lead string) int {
	p.t.Helper()
	n := 0
	for key, m := range p.books().Mails {
		if strings.HasPrefix(key, "remind/"+session+"/") && strings.HasSuffix(key, "/"+lead) {
			n += m.Arrived
		}
	}
	return n
}

// booked is the session of a kind that is booked.
func booked(s pathway.Status, kind pathway.Kind) *pathway.Session {
	for i := range s.Sessions {
		if s.Sessions[i].Kind == kind && s.Sessions[i].State == pathway.Booked {
			return &s.Sessions[i]
		}
	}
	return nil
}

// everyMail is who got how many mails.
func (h *house) everyMail(ctx context.Context, t *testing.T) []string {
	t.Helper()
	all, err := h.inbox(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, m := range all {
		said = append(said, m.ID)
	}
	return said
}

// mails are those to the client by what they say, and how often each arrived.
func (p *person) mails() map[string]int {
	p.t.Helper()
	all, err := p.h.inbox(p.ctx, "client-"+p.therapist+"@clients.example")
	if err != nil || len(all) == 0 {
		p.t.Fatalf("%d mails, %v", len(all), err)
	}
	said := map[string]int{}
	for _, m := range all {
		said[m.Subject+"\n"+m.Text]++
	}
	return said
}

func (h *house) saysThatMailIsPaused(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, command := range []string{"list", "today"} {
		if out, _, exit := h.starter(ctx, t, nil, command); exit != 0 || !strings.Contains(out, "Mail is paused since") {
			t.Errorf("starter %s ends with %d: %s", command, exit, out)
		}
	}
	await(ctx, t, "the worker to say so", func() error {
		status, ready, err := readPage(h.WorkerURL() + "/readyz")
		if err != nil || status != http.StatusOK || !strings.Contains(ready, "mail is paused since the records were restored") {
			return fmt.Errorf("%d %s %v", status, ready, err)
		}
		_, metrics, err := readPage(h.WorkerURL() + "/metrics")
		if err != nil || !strings.Contains(metrics, "kap_mail_paused 1\n") {
			return fmt.Errorf("kap_mail_paused is not 1: %v", err)
		}
		return nil
	})
}

func readPage(url string) (status int, body string, err error) {
	answer, err := http.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}
