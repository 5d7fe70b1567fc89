package activities_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"kap/activities"
	"kap/internal/testpg"
	"kap/internal/testrecords"
	"kap/links"
	"kap/mail"
	"kap/pathway"
	"kap/practice"
	"kap/records"
)

func TestMain(m *testing.M) {
	if url := os.Getenv("ACTIVITIES_DELIVER"); url != "" {
		deliverAll(url, os.Getenv("ACTIVITIES_INBOX"))
	}
	testpg.Main(m)
}

const reminder = "booked/preparation-1/r1"

// person is whom nothing but a mail's address may name.
var person = records.Person{GivenName: "Zenobia", FamilyName: "Palmyra", BirthDate: "1990-04-01", Email: "zen@client.example", Phone: "+1 555 0199"}

// post is a worker's activities over real records, with one mail to be sent.
type post struct {
	t        *testing.T
	acts     *activities.Activities
	p        *pathway.Pathway
	url      string       // the database's own
	database *testpg.Gate // between the activities and it
	said     *lines
}

func newPost(t *testing.T, base string, timeout time.Duration) *post {
	t.Helper()
	url := testpg.New(t)
	database := testpg.NewGate(t, url)
	store := testrecords.Open(t, database.URL)
	house, err := practice.Load("")
	if err != nil {
		t.Fatal(err)
	}
	protocol, err := practice.LoadProtocol("")
	if err != nil {
		t.Fatal(err)
	}
	e := pathway.Enrolment{
		Code: "K7Q2M9", By: "c-desk", At: time.Date(2026, 2, 2, 14, 0, 0, 0, time.UTC),
		CareTeam: pathway.CareTeam{Therapist: "t-lane", Prescriber: "p-singh", Coordinators: []string{"c-desk"}},
		Eligibility: pathway.Eligibility{Diagnosis: pathway.PTSD, Adult: true, StandardCareTried: true, CommitsToTheArc: true,
			ComfortableWithTheStates: true, PrimaryMeasure: "pcl-5"},
		Contact: pathway.Contact{MailPermission: true, Zone: "America/Chicago"}, PracticeZone: "America/New_York", Protocol: protocol,
	}
	p, err := pathway.Enrol(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Enrol(t.Context(), person, e); err != nil {
		t.Fatal(err)
	}
	o := &post{t: t, p: p, url: url, database: database, said: &lines{},
		acts: &activities.Activities{Store: store, Practice: house, Sender: mail.NewSender(base, "SG.trial-key", timeout)}}
	from := e.At.AddDate(0, 0, 2)
	first := pathway.Step{Pathway: p.Code, Number: 1, At: e.At, Mailing: e.Contact, Acts: []pathway.Act{{Do: pathway.BookDeed, Staff: "t-lane", Key: "book/preparation-1", Session: "preparation-1",
		Kind: pathway.Preparation, Number: 1, Window: pathway.Window{Earliest: from, Latest: from.AddDate(0, 0, 9), Minutes: 60, GridMinutes: 30}}}}
	out, err := o.commit(first)
	if err != nil {
		t.Fatal(err)
	}
	p.Settle(first, out.Answer)
	return o
}

// environment runs activities as a worker does.
func (o *post) environment() *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(o.said)
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(o.acts)
	return env
}

func (o *post) commit(step pathway.Step) (activities.CommitOutput, error) {
	o.t.Helper()
	return run[activities.CommitOutput](o.environment(), o.acts.Commit, activities.CommitInput{Pathway: o.p, Step: step})
}

func (o *post) deliver() (pathway.MailStatus, error) {
	return run[pathway.MailStatus](o.environment(), o.acts.Deliver, activities.DeliverInput{Pathway: "K7Q2M9", Key: reminder})
}

func run[T any](env *testsuite.TestActivityEnvironment, act, in any) (T, error) {
	var out T
	var value converter.EncodedValue
	value, err := env.ExecuteActivity(act, in)
	if err == nil {
		err = value.Get(&out)
	}
	return out, err
}

// is compares the mail in the records with what it should be.
func (o *post) is(want pathway.MailStatus) {
	o.t.Helper()
	if found := o.ask(`select status from mail`); found != string(want) {
		o.t.Errorf("the mail is %s, expected %s", found, want)
	}
}

func (o *post) ask(query string) string {
	o.t.Helper()
	conn, err := pgx.Connect(o.t.Context(), o.url)
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.Close(o.t.Context())
	var text string
	if err := conn.QueryRow(o.t.Context(), query).Scan(&text); err != nil {
		o.t.Fatalf("%s: %v", query, err)
	}
	return text
}

func (o *post) do(statement string) {
	o.t.Helper()
	conn, err := pgx.Connect(o.t.Context(), o.url)
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.Close(o.t.Context())
	if _, err := conn.Exec(o.t.Context(), statement); err != nil {
		o.t.Fatalf("%s: %v", statement, err)
	}
}

// silentAbout says that neither an error nor the log names anybody.
func (o *post) silentAbout(err error) {
	o.t.Helper()
	text := o.said.all()
	if err != nil {
		text += err.Error()
	}
	for _, word := range []string{"zen", "palmyra", "555 0199", "1990-04", "sg.trial"} {
		if strings.Contains(strings.ToLower(text), word) {
			o.t.Errorf("%q is said in %s", word, text)
		}
	}
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	loud []string // what a log that leaves out details has
}

func (l *lines) add(msg string, kv []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(msg)
	for _, v := range kv {
		if err, ok := v.(error); ok {
			v = err.Error()
		}
		text, _ := json.Marshal(v)
		l.text.WriteString(" ")
		l.text.Write(text)
	}
	l.text.WriteString("\n")
}

func (l *lines) addLoud(msg string, kv []any) {
	l.add(msg, kv)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loud = append(l.loud, msg)
}

// aloud is the log without its details.
func (l *lines) aloud() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.loud)
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) Debug(msg string, kv ...any) { l.add(msg, kv) }
func (l *lines) Info(msg string, kv ...any)  { l.addLoud(msg, kv) }
func (l *lines) Warn(msg string, kv ...any)  { l.addLoud(msg, kv) }
func (l *lines) Error(msg string, kv ...any) { l.addLoud(msg, kv) }

var _ log.Logger = (*lines)(nil)

// inbox stands for SendGrid. It answers what the test says, and keeps what it was sent.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	heads  []http.Header
	answer http.HandlerFunc
}

func newInbox(t *testing.T, answer http.HandlerFunc) *inbox {
	t.Helper()
	i := &inbox{answer: answer}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		i.mu.Lock()
		i.bodies, i.heads = append(i.bodies, string(body)), append(i.heads, r.Header.Clone())
		answer := i.answer
		i.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *inbox) now(answer http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

// got says how often something was asked of it.
func (i *inbox) got() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.bodies)
}

func (i *inbox) gets(t *testing.T, want int) {
	t.Helper()
	if n := i.got(); n != want {
		t.Errorf("the mail service was asked %d times, expected %d", n, want)
	}
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, `{"errors":[{"message":"zen@client.example, Zenobia Palmyra"}]}`)
	}
}

func drop(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

const enough = 10 * time.Second

func TestAMailIsSentOnce(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	for range 3 {
		if found, err := o.deliver(); found != pathway.SentMail || err != nil {
			t.Fatalf("found %s, %v", found, err)
		}
	}
	service.gets(t, 1)
	o.is(pathway.SentMail)
	o.silentAbout(nil)
	var sent struct {
		Personalizations []struct {
			To []struct{ Email, Name string } `json:"to"`
		} `json:"personalizations"`
		CustomArgs map[string]string `json:"custom_args"`
		Content    []struct{ Type, Value string }
	}
	if err := json.Unmarshal([]byte(service.bodies[0]), &sent); err != nil {
		t.Fatal(err)
	}
	if len(sent.Content) != 3 || sent.Content[2].Type != "text/calendar; method=REQUEST" {
		t.Fatalf("it carries %+v, expected text, page and invitation", sent.Content)
	}
	id := o.ask(`select client::text from pathway`)
	for _, line := range []string{"UID:" + mail.UID(id, "K7Q2M9", "preparation-1"), "SEQUENCE:0", "DTSTART;TZID=America/New_York:20260204T090000", "DTEND;TZID=America/New_York:20260204T100000", "LOCATION:12 Linden Street\\, Suite 3"} {
		if !strings.Contains(sent.Content[2].Value, line+"\r\n") {
			t.Errorf("%s is not in the invitation:\n%s", line, sent.Content[2].Value)
		}
	}
	if attendee := "RSVP=FALSE:mailto:" + person.Email + "\r\n"; !strings.Contains(strings.ReplaceAll(sent.Content[2].Value, "\r\n ", ""), attendee) {
		t.Errorf("%s is not in the invitation:\n%s", attendee, sent.Content[2].Value)
	}
	to := sent.Personalizations[0].To
	if len(sent.Personalizations) != 1 || len(to) != 1 || to[0].Email != person.Email || to[0].Name != person.GivenName {
		t.Errorf("it went to %+v", sent.Personalizations)
	}
	if service.heads[0].Get("Authorization") != "Bearer SG.trial-key" {
		t.Errorf("the key is %q", service.heads[0].Get("Authorization"))
	}
	// 14:00 in London is 8 in Chicago and 9 in New York: the client reads the client's own clock.
	if !strings.Contains(service.bodies[0], "8:00") {
		t.Errorf("the client's clock is not in %s", service.bodies[0])
	}
	for _, word := range []string{"Palmyra", "1990-04", "555 0199", "K7Q2M9", "preparation", "t-lane", "ketamine", "ptsd"} {
		if strings.Contains(strings.ToLower(service.bodies[0]), strings.ToLower(word)) {
			t.Errorf("%q is in %s", word, service.bodies[0])
		}
	}
}

func TestWhatDidNotGoOutIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		wait   time.Duration
		holds  records.HoldReason
	}{
		"too many":                 {status(http.StatusTooManyRequests, "Retry-After", "37"), 37 * time.Second, records.TooMany},
		"too many, nothing said":   {status(http.StatusTooManyRequests), 0, records.TooMany},
		"too many, for an hour":    {status(http.StatusTooManyRequests, "Retry-After", "3600"), time.Minute, records.TooMany},
		"broken":                   {status(http.StatusInternalServerError), 0, ""},
		"unavailable":              {status(http.StatusServiceUnavailable, "Retry-After", "5"), 5 * time.Second, records.Away},
		"our key is not accepted":  {status(http.StatusUnauthorized), 0, records.BadKey},
		"our key is not permitted": {status(http.StatusForbidden), 0, records.BadKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := newInbox(t, row.answer)
			o := newPost(t, service.URL, enough)
			_, err := o.deliver()
			var failed *temporal.ApplicationError
			if !errors.As(err, &failed) || failed.NonRetryable() || failed.NextRetryDelay() != row.wait {
				t.Fatalf("found %#v, expected an error to try again after %s", err, row.wait)
			}
			o.silentAbout(err)
			o.is(pathway.PendingMail)
			service.gets(t, 1)
			service.now(status(http.StatusAccepted))
			if row.holds != "" {
				o.held(row.holds)
				service.gets(t, 1)
				o.waited()
			}
			if found, err := o.deliver(); found != pathway.SentMail || err != nil {
				t.Errorf("the next try: found %s, %v", found, err)
			}
			o.goesOut()
			service.gets(t, 2)
			o.is(pathway.SentMail)
		})
	}
}

func TestARefusedMailIsReported(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusBadRequest))
	o := newPost(t, service.URL, enough)
	for range 2 {
		if found, err := o.deliver(); found != pathway.RejectedMail || err != nil {
			t.Errorf("found %s, %v", found, err)
		}
	}
	service.gets(t, 1)
	o.is(pathway.RejectedMail)
	if !strings.Contains(o.said.all(), "status 400") {
		t.Errorf("the log says %s", o.said.all())
	}
	o.silentAbout(nil)
}

func TestAMailOfWhichNobodyKnowsIsNotSentAgain(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, row := range map[string]struct {
		answer  http.HandlerFunc
		timeout time.Duration
	}{
		"taken, and the connection dropped": {drop, enough},
		"no answer in time": {func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := newInbox(t, row.answer)
			o := newPost(t, service.URL, row.timeout)
			for range 2 {
				if found, err := o.deliver(); found != pathway.UnknownMail || err != nil {
					t.Errorf("found %s, %v", found, err)
				}
				service.now(status(http.StatusAccepted))
			}
			service.gets(t, 1)
			o.is(pathway.UnknownMail)
			o.silentAbout(nil)
		})
	}
}

func TestWhereNobodyListensTheMailStays(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	o := newPost(t, "http://"+l.Addr().String(), enough)
	for range 2 {
		_, err := o.deliver()
		var failed *temporal.ApplicationError
		if !errors.As(err, &failed) || failed.NonRetryable() {
			t.Errorf("found %v, expected an error to try again after", err)
		}
		o.silentAbout(err)
		o.is(pathway.PendingMail)
	}
}

func TestTwoDeliveriesOfOneMailSendOnce(t *testing.T) {
	t.Parallel()
	first := make(chan struct{})
	service := newInbox(t, func(w http.ResponseWriter, _ *http.Request) {
		<-first
		w.WriteHeader(http.StatusAccepted)
	})
	o := newPost(t, service.URL, enough)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var found []string
	for range 8 {
		wg.Go(func() {
			said, err := o.deliver()
			mu.Lock()
			defer mu.Unlock()
			var failed *temporal.ApplicationError
			switch {
			case err == nil:
				found = append(found, string(said))
			case errors.As(err, &failed) && failed.Type() == "claimed" && failed.NextRetryDelay() > time.Minute:
				found = append(found, "claimed")
			default:
				t.Error(err)
			}
			if len(found) == 7 {
				close(first)
			}
		})
	}
	wg.Wait()
	service.gets(t, 1)
	slices.Sort(found)
	if strings.Join(found, " ") != "claimed claimed claimed claimed claimed claimed claimed sent" {
		t.Errorf("found %v", found)
	}
	if again, err := o.deliver(); again != pathway.SentMail || err != nil {
		t.Errorf("afterwards: found %s, %v", again, err)
	}
	service.gets(t, 1)
}

// The mail is out, and at that moment PostgreSQL goes away. It is written down when it is back.
func TestWhatWasSentIsWrittenDownWhenTheDatabaseIsBack(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ away, back func(*post) }{
		"connections broken": {func(o *post) {
			o.do(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
		}, func(*post) {}},
		"away for three seconds":   {func(o *post) { o.database.Shut() }, func(o *post) { o.database.Open() }},
		"silent for three seconds": {func(o *post) { o.database.Hush() }, func(o *post) { o.database.Speak() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o *post
			service := newInbox(t, func(w http.ResponseWriter, _ *http.Request) {
				row.away(o)
				w.WriteHeader(http.StatusAccepted)
			})
			o = newPost(t, service.URL, enough)
			back := time.AfterFunc(3*time.Second, func() { row.back(o) })
			defer back.Stop()
			if found, err := o.deliver(); found != pathway.SentMail || err != nil {
				t.Errorf("found %s, %v", found, err)
			}
			o.is(pathway.SentMail)
			service.gets(t, 1)
		})
	}
}

// One connection stands and says nothing for good, as after a failover. Another finds the database.
func TestASilentConnectionDoesNotUseUpTheTime(t *testing.T) {
	t.Parallel()
	var o *post
	service := newInbox(t, func(w http.ResponseWriter, _ *http.Request) {
		o.database.Mute()
		w.WriteHeader(http.StatusAccepted)
	})
	o = newPost(t, service.URL, enough)
	began := time.Now()
	if found, err := o.deliver(); found != pathway.SentMail || err != nil || time.Since(began) > 15*time.Second {
		t.Errorf("found %s, %v after %s", found, err, time.Since(began))
	}
	o.is(pathway.SentMail)
	service.gets(t, 1)
}

func TestNothingIsSentThatCannotBeClaimed(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	o.database.Shut()
	_, err := o.deliver()
	if err == nil || !strings.Contains(err.Error(), "PostgreSQL") {
		t.Errorf("found %v", err)
	}
	o.silentAbout(err)
	service.gets(t, 0)
	o.database.Open()
	for _, was := range []pathway.MailStatus{pathway.WithdrawnMail, pathway.UnknownMail, pathway.RejectedMail, pathway.SentMail} {
		o.do(`update mail set status = '` + string(was) + `'`)
		found, err := o.deliver()
		for range 5 { // the pool may still hold broken connections
			if err != nil {
				found, err = o.deliver()
			}
		}
		if found != was || err != nil {
			t.Errorf("found %s, %v, expected %s", found, err, was)
		}
	}
	service.gets(t, 0)
}

// A mail was withdrawn while it was being sent, and did not get through: it speaks of a time that no longer holds.
func TestAMailWithdrawnOnItsWayIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	var o *post
	service := newInbox(t, func(w http.ResponseWriter, _ *http.Request) {
		out, err := o.commit(pathway.Step{Pathway: o.p.Code, Number: o.p.Steps + 1, Previous: o.p.Last, At: o.p.Woken, Mailing: o.p.Contact,
			Acts: []pathway.Act{{Do: pathway.WithdrawDeed, Key: reminder, Reason: "the session was moved or cancelled"}}})
		if err != nil || out.Answer.Acts[0].Mail != pathway.ClaimedMail {
			t.Errorf("found %+v, %v", out.Answer, err)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	o = newPost(t, service.URL, enough)
	if _, err := o.deliver(); err == nil {
		t.Error("it was refused for now, and no error says so")
	}
	if found, err := o.deliver(); found != pathway.WithdrawnMail || err != nil {
		t.Errorf("found %s, %v", found, err)
	}
	service.gets(t, 1)
}

func TestAMailThatCannotBeWrittenIsRejected(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	o.do(`update mail set body = body || '{"kind": "no such kind"}'`)
	if found, err := o.deliver(); found != pathway.RejectedMail || err != nil {
		t.Errorf("found %s, %v", found, err)
	}
	service.gets(t, 0)
	o.silentAbout(nil)
}

// PostgreSQL quotes the row that it refuses. What leaves an activity does not.
func TestErrorsNameNobody(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	o.do(`alter table journal add constraint calm check (text not like '%Zenobia%')`)
	at := o.p.Woken
	step := pathway.Step{Pathway: o.p.Code, Number: o.p.Steps + 1, Previous: o.p.Last, At: at, Mailing: o.p.Contact,
		Entries: []pathway.Entry{{Kind: pathway.Found, Name: "note", At: at, Recorded: at, Text: "Zenobia Palmyra, zen@client.example"}}}
	_, err := o.commit(step)
	if err == nil || !strings.Contains(err.Error(), "23514 calm") || !strings.Contains(err.Error(), "step 2 of pathway K7Q2M9") {
		t.Errorf("found %v", err)
	}
	o.silentAbout(err)

	o.do(`alter table mail add constraint never check (status <> 'claimed')`)
	_, err = o.deliver()
	if err == nil || !strings.Contains(err.Error(), "23514 never") {
		t.Errorf("found %v", err)
	}
	o.silentAbout(err)

	for _, in := range []activities.DeliverInput{{Pathway: "B2B2B2", Key: reminder}, {Pathway: "K7Q2M9", Key: "none"}} {
		_, err = run[pathway.MailStatus](o.environment(), o.acts.Deliver, in)
		if err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("found %v", err)
		}
	}
	o.database.Shut()
	_, err = o.commit(step)
	if err == nil {
		t.Error("a step was written without a database")
	}
	o.silentAbout(err)
	service.gets(t, 0)
}

// While mail is paused a delivery waits, says so where people look, and goes on by itself.
// shows: restored-paused
func TestADeliveryWaitsWhileMailIsPaused(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	if _, _, err := o.acts.Store.MarkRestored(t.Context(), time.Now(), "a test"); err != nil {
		t.Fatal(err)
	}
	o.do(`update mail set status = 'pending'`) // as one that is written since
	_, err := o.deliver()
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.NonRetryable() || failed.Type() != "paused" || failed.NextRetryDelay() != 10*time.Second || !strings.Contains(failed.Message(), "starter resume-mail") {
		t.Fatalf("found %#v", err)
	}
	o.is(pathway.PendingMail)
	service.gets(t, 0)
	if _, err := o.acts.Store.ResumeMail(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found, err := o.deliver(); found != pathway.SentMail || err != nil {
		t.Errorf("found %s, %v", found, err)
	}
	service.gets(t, 1)
}

// Where whoever runs kap says where clients reach the web process, a mail carries links; what they stand for is sealed into them.
func TestAMailCarriesLinksThatRevealNothing(t *testing.T) {
	t.Parallel()
	var body string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		body = string(text)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer service.Close()
	o := newPost(t, service.URL, time.Second)
	keys, err := links.NewKeys("a key of forty bytes, for tests and only!")
	if err != nil {
		t.Fatal(err)
	}
	o.acts.Site = &links.Site{Base: "https://desk.linden.example", Keys: keys}
	if status, err := o.deliver(); err != nil || status != pathway.SentMail {
		t.Fatal(status, err)
	}
	booked := o.p.Appointments[0]
	found := map[links.Purpose]links.Link{}
	for _, m := range regexp.MustCompile(`https://desk\.linden\.example/l/([A-Za-z0-9_-]+)`).FindAllStringSubmatch(body, -1) {
		l, err := keys.Open(m[1])
		if err != nil {
			t.Errorf("%s: %v", m[0], err)
		}
		found[l.Purpose] = l
	}
	for _, p := range []links.Purpose{links.Coming, links.AnotherTime} {
		if want := (links.Link{Purpose: p, Pathway: "K7Q2M9", Session: "preparation-1", Revision: 1, Until: booked.Start.UTC()}); found[p] != want {
			t.Errorf("found %+v, expected %+v", found[p], want)
		}
	}
	if l := found[links.Leave]; len(found) != 3 || l.Pathway != "K7Q2M9" || l.Session != "" || l.Until.Before(time.Now().AddDate(1, 0, 0)) {
		t.Errorf("found %+v", found)
	}
	for _, word := range []string{"K7Q2M9", "preparation"} {
		if strings.Contains(body, word) {
			t.Errorf("the mail says %s", word)
		}
	}
}
