package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	_ "time/tzdata"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"kap/activities"
	"kap/internal/diligent"
	"kap/internal/testpg"
	"kap/internal/testrecords"
	"kap/mail"
	"kap/pathway"
	"kap/practice"
	"kap/records"
)

func TestMain(m *testing.M) { testpg.Main(m) }

// arc runs one pathway's workflow in the SDK's environment, over a real database and a mail service that counts.
type arc struct {
	t     *testing.T
	env   *testsuite.TestWorkflowEnvironment
	store *records.Store
	code  string
	state pathway.Pathway // as it continued, or as it began

	url      string // of the database
	failed   bool   // a message was refused: nobody goes on
	fresh    bool   // continue as new whenever something has happened
	runs     int
	database *testpg.Gate // between the workflow and its records
	mailAway atomic.Bool

	mu    sync.Mutex
	mails []letter // as the mail service got them
	said  map[string]int
}

// letter is one mail that arrived.
type letter struct {
	at          time.Time // on the pathway's clock
	to, subject string
}

const client = "anna@client.example"

// clientMails are the subjects of what arrived at the client's address. All other mails are for staff.
func (a *arc) clientMails() []string {
	var all []string
	for _, m := range a.mails {
		if m.to == client {
			all = append(all, m.subject)
		}
	}
	return all
}

// inOneRunAndInFreshOnes has an arc of its own live the same twice: in one run, and continued as new again and again.
func inOneRunAndInFreshOnes(t *testing.T, live func(*testing.T, *arc)) {
	for name, fresh := range map[string]bool{"in one run": false, "in fresh runs": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newArc(t)
			a.fresh = fresh
			live(t, a)
		})
	}
}

func newArc(t *testing.T, change ...func(*pathway.Enrolment)) *arc {
	t.Helper()
	ctx := context.Background()
	url := testpg.New(t)
	database := testpg.NewGate(t, url)
	store := testrecords.Open(t, database.URL)
	protocol, err := practice.LoadProtocol("")
	if err != nil {
		t.Fatal(err)
	}
	protocol.Endings.OpenDays = 1
	e := pathway.Enrolment{
		Code: "K7Q2M9", By: "c-desk", At: time.Date(2026, 2, 2, 14, 0, 0, 0, time.UTC),
		CareTeam: pathway.CareTeam{Therapist: "t-lane", Prescriber: "p-singh", Coordinators: []string{"c-desk"}},
		Eligibility: pathway.Eligibility{Diagnosis: pathway.PTSD, Adult: true, StandardCareTried: true, CommitsToTheArc: true,
			ComfortableWithTheStates: true, PrimaryMeasure: "pcl-5"},
		Contact: pathway.Contact{MailPermission: true, Zone: "America/New_York"}, PracticeZone: "America/New_York", Protocol: protocol,
	}
	for _, c := range change {
		c(&e)
	}
	p, err := pathway.Enrol(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Enrol(ctx, records.Person{GivenName: "Anna", FamilyName: "Example", BirthDate: "1990-04-01", Email: client, Phone: "+1 555 0101"}, e); err != nil {
		t.Fatal(err)
	}
	return &arc{t: t, url: url, store: store, code: e.Code, state: *p, database: database, said: map[string]int{}}
}

// run takes the pathway to its ending, through as many runs as it needs, with staff who look once an hour and do what the
// status makes them do.
func (a *arc) run(staff func(s pathway.Status, send func(name, input string))) {
	a.t.Helper()
	inbox := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Subject          string `json:"subject"`
			Personalizations []struct {
				To []struct {
					Email string `json:"email"`
				} `json:"to"`
			} `json:"personalizations"`
		}
		if a.mailAway.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil || len(m.Personalizations) != 1 || len(m.Personalizations[0].To) != 1 {
			a.t.Errorf("a mail that the service cannot read: %+v, %v", m, err)
			return
		}
		a.mu.Lock()
		a.mails = append(a.mails, letter{a.env.Now().UTC(), m.Personalizations[0].To[0].Email, m.Subject})
		a.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}))
	defer inbox.Close()
	house, err := practice.Load("")
	if err != nil {
		a.t.Fatal(err)
	}
	acts := &activities.Activities{Store: a.store, Practice: house, Sender: mail.NewSender(inbox.URL, "test", time.Second)}
	for from := a.state.Enrolment.At; ; from = a.env.Now() {
		a.once(from, acts, staff)
		var next *workflow.ContinueAsNewError
		if !errors.As(a.env.GetWorkflowError(), &next) {
			break
		}
		if a.runs++; a.runs > 2000 {
			a.t.Fatalf("continued as new without end\n%s", a.story())
		}
		a.state = pathway.Pathway{}
		if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &a.state); err != nil {
			a.t.Fatal(err)
		}
	}
	if err := a.env.GetWorkflowError(); err != nil || !a.env.IsWorkflowCompleted() {
		a.t.Fatalf("completed: %v, error: %v", a.env.IsWorkflowCompleted(), err)
	}
}

func (a *arc) once(from time.Time, acts *activities.Activities, staff func(s pathway.Status, send func(name, input string))) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	a.env = suite.NewTestWorkflowEnvironment()
	a.env.SetTestTimeout(time.Minute)
	a.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // a second is little for the race detector on a busy machine
	a.env.SetStartTime(from)
	a.env.RegisterWorkflowWithOptions(Pathway, workflow.RegisterOptions{Name: Name})
	a.env.RegisterActivityWithOptions(acts.Commit, activity.RegisterOptions{Name: "Commit"})
	a.env.RegisterActivityWithOptions(acts.Stored, activity.RegisterOptions{Name: "Stored"})
	a.env.RegisterActivityWithOptions(acts.DeliverSeveral, activity.RegisterOptions{Name: "DeliverSeveral"})
	a.env.RegisterActivityWithOptions(acts.DeliverAtOnce, activity.RegisterOptions{Name: "DeliverAtOnce"})
	var look func()
	look = func() {
		if a.env.IsWorkflowCompleted() || a.failed {
			return
		}
		staff(a.status(), a.send)
		if a.fresh {
			a.env.SetContinueAsNewSuggested(true)
		}
		a.env.RegisterDelayedCallback(look, time.Hour)
	}
	first := from.Truncate(time.Hour).Add(17 * time.Minute) // in every run at the same minute, at which nothing else happens
	if !first.After(from) {
		first = first.Add(time.Hour)
	}
	a.env.RegisterDelayedCallback(look, first.Sub(from))
	a.env.ExecuteWorkflow(Name, a.state)
}

func (a *arc) status() pathway.Status {
	a.t.Helper()
	var s pathway.Status
	value, err := a.env.QueryWorkflow("status")
	if err == nil {
		err = value.Get(&s)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

// send sends an update and expects it to be taken.
func (a *arc) send(name, input string) {
	a.t.Helper()
	a.ask(name, input, func(err error) {
		if err != nil {
			a.t.Errorf("%s %s: %v", name, input, err)
			a.failed = true
		}
	})
}

// refuse sends an update and expects it to be refused, with words that the answer says.
func (a *arc) refuse(name, input, says string) {
	a.t.Helper()
	a.ask(name, input, func(err error) {
		if err == nil || !strings.Contains(err.Error(), says) {
			a.t.Errorf("%s %s: the answer is %v, expected a refusal that says %q", name, input, err, says)
			a.failed = true
		}
	})
}

func (a *arc) ask(name, input string, answered func(error)) {
	a.said[name]++
	a.env.UpdateWorkflow(name, fmt.Sprintf("%s-%d", name, a.said[name]), &testsuite.TestUpdateCallback{
		OnAccept:   func() {},
		OnReject:   func(err error) { a.t.Errorf("%s was rejected: %v", name, err) },
		OnComplete: func(_ any, err error) { answered(err) },
	}, json.RawMessage(input))
}

// obliging staff do the first thing that the details ask of them, word for word, and decide on another dosing session until there
// were so many.
func obliging(dosings int) func(pathway.Status, func(name, input string)) {
	staff := diligent.Staff{Dosings: dosings}
	return func(s pathway.Status, send func(name, input string)) {
		if owed := diligent.Owed(s); len(owed) > 0 {
			send(owed[0].Message, staff.Fill(owed[0], s))
		}
	}
}

func (a *arc) journal() []records.JournalLine {
	a.t.Helper()
	lines, err := a.store.Journal(context.Background(), a.code)
	if err != nil {
		a.t.Fatal(err)
	}
	return lines
}

func (a *arc) story() string {
	var b strings.Builder
	for _, l := range a.journal() {
		fmt.Fprintf(&b, "%s %-8s %-24s %s\n", l.Recorded.UTC().Format("2006-01-02 15:04"), l.Kind, l.Name, l.Text)
	}
	return b.String()
}

// ended reads how the pathway ended and that each of its mails arrived once.
func (a *arc) ended(outcome pathway.Outcome, dosings int) {
	a.t.Helper()
	row, err := a.store.Show(context.Background(), a.code)
	if err != nil {
		a.t.Fatal(err)
	}
	if row.Outcome != string(outcome) || row.DosingDone != dosings {
		a.t.Fatalf("outcome %q after %d dosing sessions, expected %q after %d\n%s", row.Outcome, row.DosingDone, outcome, dosings, a.story())
	}
	mails, err := a.store.Mails(context.Background(), a.code)
	if err != nil {
		a.t.Fatal(err)
	}
	sent := 0
	for _, m := range mails {
		if m.Status == string(pathway.SentMail) {
			sent++
		}
	}
	if sent != len(a.mails) {
		a.t.Fatalf("%d mails arrived, and the outbox says that %d were sent: %+v", len(a.mails), sent, mails)
	}
}

// shows: ending-completed
func TestAPathwayWithThreeDosingSessionsCompletes(t *testing.T) {
	t.Parallel()
	a := newArc(t)
	a.run(obliging(3))
	a.ended(pathway.Completed, 3)
}

// shows: ending-declined-and-referred
func TestADeclinedPathwayEndsWithAReferral(t *testing.T) {
	t.Parallel()
	a := newArc(t, func(e *pathway.Enrolment) { e.CommitsToTheArc = false })
	a.run(obliging(0))
	a.ended(pathway.DeclinedAndReferred, 0)
	if mails := a.clientMails(); len(mails) != 1 {
		t.Fatalf("mails %q, expected the letter's alone", mails)
	}
}

func TestContinuingAsNewAtEveryTurnLosesNothing(t *testing.T) {
	t.Parallel()
	_, fresh := sameAsPlain(t, func(fresh bool) *arc { return play(t, plot{staff: diligent.Staff{Dosings: 3}}, fresh) })
	fresh.ended(pathway.Completed, 3)
}

// PostgreSQL is away for an hour around the 24-hour reminder of a session, and messages arrive meanwhile.
func TestWhileTheRecordsAreAwayMessagesAreTakenAndNothingIsLost(t *testing.T) {
	t.Parallel()
	a := newArc(t)
	staff := obliging(1)
	unwritten := 0
	a.run(func(s pathway.Status, send func(name, input string)) {
		next := s.NextSession
		before := time.Duration(0)
		if next != nil && next.Name == "dosing-1" {
			before = next.Start.Sub(s.AsOf).Truncate(time.Hour)
		}
		switch before {
		case 24 * time.Hour:
			a.database.Shut()
			send("safety-plan", `{"by":"t-lane","decision":"revised","between_sessions_plan":true,"emergency_contact_on_file":true}`)
		case 23 * time.Hour:
			unwritten = s.Unwritten
			send("referral", `{"by":"t-lane","to":"a group","purpose":"company between sessions"}`)
			a.database.Open()
		default:
			staff(s, send)
		}
	})
	a.ended(pathway.Completed, 1)
	if unwritten == 0 {
		t.Fatal("nothing was unwritten while the records were away")
	}
	story := a.story()
	for _, want := range []string{"safety plan: revised", "a referral is recorded", "24h reminder of dosing-1"} {
		if strings.Count(story, want) != 1 {
			t.Fatalf("the journal says %q %d times\n%s", want, strings.Count(story, want), story)
		}
	}
}

// The mail service is away for three hours before a session: the 2-hour reminder is too late by then, and is reported.
// shows: reminder-late
func TestWhatIsTooLateIsReportedNotSent(t *testing.T) {
	t.Parallel()
	a := newArc(t)
	staff := obliging(1)
	a.run(func(s pathway.Status, send func(name, input string)) {
		next := s.NextSession
		switch {
		case next != nil && next.Name == "dosing-1" && next.Start.Sub(s.AsOf).Truncate(time.Hour) == 2*time.Hour:
			a.mailAway.Store(true)
		case slices.ContainsFunc(s.Sessions, func(x pathway.Session) bool { return x.Name == "dosing-1" && x.Start.Before(s.AsOf) }) && a.mailAway.Load():
			a.mailAway.Store(false)
		default:
			staff(s, send)
		}
	})
	a.ended(pathway.Completed, 1)
	story := a.story()
	if !strings.Contains(story, "a mail came too late and was not sent: remind/dosing-1/r1/2h") {
		t.Fatalf("the late reminder was not reported\n%s", story)
	}
}

func TestARefusedSignalFailsNothingAndIsJournalled(t *testing.T) {
	t.Parallel()
	a := newArc(t)
	staff := obliging(1)
	spoken := false
	var shown []pathway.Refused
	a.run(func(s pathway.Status, send func(name, input string)) {
		switch {
		case !spoken:
			spoken = true
			a.env.SignalWorkflow("prescriber-clearance", json.RawMessage(`{"by":"t-lane","decision":"cleared"}`))
			a.env.SignalWorkflow("consent", json.RawMessage(`["given"]`))
			a.env.SignalWorkflow("consent", nil)
			a.env.SignalWorkflow("consnt", json.RawMessage(`{"by":"t-lane","decision":"given"}`)) // which Temporal takes without a word
			a.env.SignalWorkflow("Rosa's consent", json.RawMessage(`{}`))
		case shown == nil:
			shown = s.Refused
		default:
			staff(s, send)
		}
	})
	a.ended(pathway.Completed, 1)
	if len(shown) != 5 || !strings.Contains(shown[0].Why, "who is this pathway's therapist; only its prescriber") {
		t.Fatalf("refusals shown: %+v", shown)
	}
	if n := strings.Count(a.story(), "rejected"); n != 5 {
		t.Fatalf("%d refusals in the journal, expected 5\n%s", n, a.story())
	}
	if s := a.story(); !strings.Contains(s, `"consnt" is the name of no message of kap`) || strings.Contains(s, "Rosa") {
		t.Errorf("of names that are no message, the journal has\n%s", s)
	}
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
