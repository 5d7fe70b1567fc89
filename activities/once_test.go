package activities_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/testsuite"

	"kap/activities"
	"kap/mail"
	"kap/pathway"
	"kap/practice"
	"kap/records"
)

var (
	onceMails = flag.Int("mails", underRace(300, 2000), "how `many` mails the test sends that kills workers")
	onceSeed  = flag.Uint64("mails-seed", 20261126, "the `seed` of its kills and faults")
)

// Thousands of mails go through workers that are killed at random instants, and a mail service that refuses, hangs, takes a mail
// and drops the connection, or drops it first. At the end the mail service's side is counted: every mail has arrived once, or a
// person has been asked to call about it; only one of which nobody knew, and whose kind says so, may have arrived twice.
func TestEveryMailArrivesOnceWhateverIsKilled(t *testing.T) {
	t.Parallel()
	c := newCourse(t, *onceMails, *onceSeed, max(0.02, min(0.2, 24/float64(*onceMails)))) // two dozen go wrong, or more
	c.work(true)
	n := c.count()
	t.Logf("%d mails; workers killed %d times; the mail service dealt %v; in doubt %d, of which settled by an event %d, sent again %d and called about %d; arrived twice, which their kind permits once nobody knew, %d; lost %d, arrived twice without that %d",
		*onceMails, c.kills, c.service.dealt, n.doubts, len(c.told), n.again, n.called, n.twice, n.lost, n.doubled)
	if n.lost+n.doubled+n.unsettled > 0 {
		t.Errorf("lost %d, doubled %d, neither settled nor asked about %d", n.lost, n.doubled, n.unsettled)
	}
	if c.kills < max(1, *onceMails/200) || len(c.told) == 0 || n.again == 0 || n.called == 0 || len(c.service.dealt) < 6 {
		t.Errorf("too little happened for this to say much")
	}
}

// The same count finds what is broken on purpose: a claim that keeps nobody out, and one that ran out and is taken for none.
func TestTheCountFindsWhatIsDoubled(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]string{
		"a claim keeps nobody out":        `when old.status = 'pending' and new.status = 'claimed' then 'pending'`,
		"nobody knows, and it goes again": `when new.status = 'unknown' then 'pending'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCourse(t, 150, 1, 0.2)
			c.o.do(`create function broken() returns trigger language plpgsql as $$ begin new.status := case ` + broken + ` else new.status end; return new; end $$`)
			c.o.do(`create trigger broken before update on mail for each row execute function broken()`)
			c.work(false)
			if n := c.count(); n.doubled == 0 {
				t.Errorf("found %+v", n)
			}
		})
	}
}

// course is many mails of many pathways on their way.
type course struct {
	t       *testing.T
	o       *post
	service *moody
	chance  *rand.Rand
	kills   int
	people  []*pathway.Pathway
	doubted map[string]bool // by pathway and key: nobody knew of it
	again   map[string]bool // and it was sent again
	told    map[string]bool // and the mail service said that it was delivered
	now     time.Time
}

const mailsEach = 40 // of one pathway

func newCourse(t *testing.T, mails int, seed uint64, faults float64) *course {
	t.Helper()
	service := &moody{chance: rand.New(rand.NewPCG(seed, 1)), faults: faults, arrived: map[string]int{}, dealt: map[string]int{}, hang: make(chan struct{})}
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(service.hang) })
	c := &course{t: t, o: newPost(t, server.URL, enough), service: service, chance: rand.New(rand.NewPCG(seed, 2)), doubted: map[string]bool{}, again: map[string]bool{}, told: map[string]bool{}}
	c.o.do(`delete from mail`)
	c.o.do(`update pathway set started_at = now()`)
	c.o.p.Outbox = nil
	c.now = c.o.p.Woken.Add(time.Minute)
	a := c.o.p.Appointments[0]
	var rows [][]any
	for n := range mails {
		if n%mailsEach == 0 {
			c.enrol(fmt.Sprintf("B%05d", n/mailsEach))
		}
		p := c.people[len(c.people)-1]
		m := pathway.Mail{Key: fmt.Sprintf("%d", n), Kind: []pathway.MailKind{pathway.ReminderMail, pathway.BookedMail, pathway.CancelledMail}[n%3],
			Lead: "24h", Session: a.Name, Revision: a.Revision, Start: a.Start, End: a.End, Zone: c.o.p.Contact.Zone, AnyHour: true}
		p.Outbox = append(p.Outbox, m)
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, []any{p.Code, m.Key, body})
	}
	conn := c.o.connect()
	if _, err := conn.CopyFrom(t.Context(), pgx.Identifier{"mail"}, []string{"pathway", "key", "body"}, pgx.CopyFromRows(rows)); err != nil {
		t.Fatal(err)
	}
	return c
}

// enrol makes another pathway like the first.
func (c *course) enrol(code string) {
	c.t.Helper()
	c.o.do(`insert into pathway select (jsonb_populate_record(null::pathway, to_jsonb(p) || '{"code": "` + code + `", "journal_number": 0, "journal_hash": ""}')).*
		from pathway p where code = 'K7Q2M9'`)
	text, err := json.Marshal(c.o.p)
	if err != nil {
		c.t.Fatal(err)
	}
	p := new(pathway.Pathway)
	if err := json.Unmarshal(text, p); err != nil {
		c.t.Fatal(err)
	}
	p.Code = code
	c.people = append(c.people, p)
}

func (o *post) connect() *pgx.Conn {
	o.t.Helper()
	conn, err := pgx.Connect(o.t.Context(), o.url)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// work has three workers deliver, and the rules settle what is in doubt, until nothing is left to do.
func (c *course) work(kill bool) {
	c.t.Helper()
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 3 {
		pauses := rand.New(rand.NewPCG(c.chance.Uint64(), 3))
		all.Go(func() { c.worker(stop, kill, pauses) })
	}
	all.Go(func() { c.hurry(stop) })
	defer func() { close(stop); all.Wait() }()
	for range 3 { // once, once more for what is sent again, and for what is in doubt a second time
		c.quiet()
		c.settle()
	}
	c.quiet()
}

// worker is a process that delivers; where it is killed, after a while, another takes its place.
func (c *course) worker(stop chan struct{}, kill bool, chance *rand.Rand) {
	for {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "ACTIVITIES_DELIVER="+c.o.url, "ACTIVITIES_INBOX="+c.o.acts.Sender.BaseURL)
		alive, err := cmd.StdinPipe() // it ends with this process
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			c.t.Error(err)
			return
		}
		life := time.Hour
		if kill {
			life = time.Duration(800+chance.IntN(3000)) * time.Millisecond
		}
		stopped := false
		select {
		case <-time.After(life):
		case <-stop:
			stopped = true
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = alive.Close()
		if said.Len() > 0 {
			c.t.Errorf("a worker said %s", said.String())
		}
		if stopped {
			return
		}
		c.service.mu.Lock()
		c.kills++
		c.service.mu.Unlock()
	}
}

// hurry lets the minutes of a lease and of a hold pass sooner: later, all the same, than anything that is under way takes.
func (c *course) hurry(stop chan struct{}) {
	conn, err := pgx.Connect(context.Background(), c.o.url)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer conn.Close(context.Background())
	for {
		select {
		case <-stop:
			return
		case <-time.After(100 * time.Millisecond):
		}
		_, err := conn.Exec(context.Background(), `
			update mail set claimed_until = clock_timestamp() - interval '1 ms' where status = 'claimed' and claimed_until < clock_timestamp() + interval '114 s'`)
		if err == nil {
			_, err = conn.Exec(context.Background(), `
				update mail_held set until = least(until, clock_timestamp()), probed_until = case when probed_until > clock_timestamp() + interval '20 s' then probed_until end`)
		}
		if err != nil {
			c.t.Error(err)
			return
		}
	}
}

// quiet waits until no mail waits or is being sent.
func (c *course) quiet() {
	c.t.Helper()
	conn := c.o.connect()
	for since := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		var left int
		if err := conn.QueryRow(c.t.Context(), `select count(*) from mail where status in ('pending', 'claimed') and body->>'staff' is null`).Scan(&left); err != nil {
			c.t.Fatal(err)
		}
		if left == 0 {
			return
		}
		if time.Since(since) > 5*time.Minute {
			c.t.Fatalf("%d mails are left after five minutes", left)
		}
	}
}

// settle tells each pathway what became of its mails, as its workflow does, and takes the steps that follow ten minutes later.
func (c *course) settle() {
	c.t.Helper()
	found := c.statuses()
	for name, r := range found {
		if r.status == pathway.UnknownMail {
			c.doubted[name] = true
		}
	}
	c.tell(found)
	for _, p := range c.people {
		for _, m := range append([]pathway.Mail(nil), p.Outbox...) {
			switch found[p.Code+" "+m.Key].status {
			case pathway.SentMail:
				p.Delivered(m.Key)
			case pathway.UnknownMail:
				p.Doubted(m.Key, c.now)
			}
		}
	}
	c.now = c.now.Add(10 * time.Minute)
	for _, p := range c.people {
		for step, _ := p.Due(c.now); step != nil; step, _ = p.Due(c.now) {
			out, err := run[activities.CommitOutput](c.o.environment(), c.o.acts.Commit, activities.CommitInput{Pathway: p, Step: *step})
			if err != nil {
				c.t.Fatal(err)
			}
			for i, act := range step.Acts {
				if act.Do == pathway.ResendDeed && out.Answer.Acts[i].Mail == pathway.PendingMail {
					c.again[p.Code+" "+act.Key] = true
				}
			}
			p.Settle(*step, out.Answer)
		}
	}
}

// tell has the mail service say of every second mail that is in doubt, and that arrived, that it was delivered; the pathways learn that
// there is news.
func (c *course) tell(found map[string]row) {
	c.t.Helper()
	var doubts []string
	c.service.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(found)) { // in an order of its own, so that the seed decides
		if r := found[name]; r.status == pathway.UnknownMail && c.service.arrived[r.id] > 0 {
			doubts = append(doubts, name)
		}
	}
	c.service.mu.Unlock()
	var events []records.MailEvent
	for i, name := range doubts {
		if i%2 == 0 {
			c.told[name] = true
			events = append(events, records.MailEvent{ID: fmt.Sprintf("%s at %s", name, c.now), Mail: found[name].id, Event: pathway.MailDelivered, At: c.now})
		}
	}
	store := c.o.acts.Store
	taken, err := store.TakeEvents(c.t.Context(), events)
	if err != nil || len(taken.Fresh) != len(events) {
		c.t.Fatalf("of %d events %d are taken: %v", len(events), len(taken.Fresh), err)
	}
	n, _, err := store.WeighEvents(c.t.Context())
	if err != nil || n != len(events) {
		c.t.Fatalf("of %d events %d are weighed: %v", len(events), n, err)
	}
	codes, err := store.NewsToTell(c.t.Context())
	if err != nil || len(codes) == 0 && n > 0 {
		c.t.Fatalf("of %d events %v hear: %v", n, codes, err)
	}
	for _, p := range c.people {
		if slices.Contains(codes, p.Code) {
			p.AskAboutMail()
		}
	}
}

type row struct {
	id     string
	status pathway.MailStatus
}

func (c *course) statuses() map[string]row {
	c.t.Helper()
	rows, err := c.o.connect().Query(c.t.Context(), `select pathway, key, id::text, status from mail where body->>'staff' is null`)
	if err != nil {
		c.t.Fatal(err)
	}
	all := map[string]row{}
	var code, key string
	var r row
	if _, err := pgx.ForEachRow(rows, []any{&code, &key, &r.id, &r.status}, func() error { all[code+" "+key] = r; return nil }); err != nil {
		c.t.Fatal(err)
	}
	return all
}

type counted struct {
	lost, doubled, unsettled     int
	doubts, again, called, twice int
}

// count compares what arrived with what the records and the pathways hold.
func (c *course) count() (n counted) {
	c.t.Helper()
	c.service.mu.Lock()
	defer c.service.mu.Unlock()
	found := c.statuses()
	for _, p := range c.people {
		calls := map[string]bool{}
		for _, call := range p.Calls {
			calls[call.Key] = true
		}
		for name, r := range found {
			code, key, _ := strings.Cut(name, " ")
			if code != p.Code {
				continue
			}
			arrived, called, doubted, again := c.service.arrived[r.id], calls["call/"+key], c.doubted[name], c.again[name]
			if doubted {
				n.doubts++
			}
			if again {
				n.again++
			}
			if called {
				n.called++
			}
			switch {
			case arrived == 0 && !called:
				n.lost++
			case arrived == 2 && again:
				n.twice++
			case arrived > 1:
				n.doubled++
			}
			switch {
			case c.told[name] && (called || r.status != pathway.SentMail):
				n.unsettled++
			case r.status == pathway.SentMail && (!called || doubted), r.status == pathway.UnknownMail && called && doubted: // its sender may say so after the call
			default:
				n.unsettled++
			}
		}
	}
	return n
}

// moody stands for the mail service, in all its moods. It counts what arrived, by the outbox's ids.
type moody struct {
	mu      sync.Mutex
	chance  *rand.Rand
	faults  float64 // how many of the calls go wrong
	arrived map[string]int
	dealt   map[string]int
	hang    chan struct{}
}

var moods = []string{"429", "500", "500", "500", "401", "502", "504", "taken, then 502", "taken, then 504", "taken, then dropped", "dropped", "taken, then hung", "hung"}

func (s *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var sent struct {
		CustomArgs map[string]string `json:"custom_args"`
	}
	text, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(text, &sent) != nil {
		return // its sender was killed
	}
	s.mu.Lock()
	mood := ""
	if s.chance.Float64() < s.faults {
		mood = moods[s.chance.IntN(len(moods))]
		s.dealt[mood]++
	}
	if mood == "" || strings.HasPrefix(mood, "taken") {
		s.arrived[sent.CustomArgs["mail"]]++
	}
	s.mu.Unlock()
	switch mood {
	case "429":
		status(http.StatusTooManyRequests, "Retry-After", "30")(w, r)
	case "500":
		status(http.StatusInternalServerError)(w, r)
	case "401":
		status(http.StatusUnauthorized)(w, r)
	case "taken, then 502", "502":
		status(http.StatusBadGateway)(w, r)
	case "taken, then 504", "504":
		status(http.StatusGatewayTimeout)(w, r)
	case "taken, then dropped", "dropped":
		drop(w, r)
	case "taken, then hung", "hung":
		select {
		case <-s.hang:
		case <-r.Context().Done():
		}
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// deliverAll is a worker in a process of its own: it delivers what waits, without end.
func deliverAll(url, inbox string) {
	ctx := context.Background()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // whoever started it has gone
	}()
	fail := func(err error) {
		fmt.Println(records.Plain(err))
		os.Exit(1)
	}
	store, err := records.Open(ctx, url)
	if err != nil {
		fail(err)
	}
	house, err := practice.Load("")
	if err != nil {
		fail(err)
	}
	acts := &activities.Activities{Store: store, Practice: house, Sender: mail.NewSender(inbox, "SG.trial-key", 2*time.Second)}
	for range 8 {
		go func() {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				fail(err)
			}
			for {
				var in activities.DeliverInput
				err := conn.QueryRow(ctx, `select pathway, key from mail where status in ('pending', 'claimed') and body->>'staff' is null order by random() limit 1`).Scan(&in.Pathway, &in.Key)
				if err != nil {
					time.Sleep(50 * time.Millisecond)
					continue
				}
				var suite testsuite.WorkflowTestSuite
				suite.SetLogger(&lines{})
				env := suite.NewTestActivityEnvironment()
				env.RegisterActivity(acts)
				_, _ = run[pathway.MailStatus](env, acts.Deliver, in) // what became of it, the records say
			}
		}()
	}
	select {}
}
