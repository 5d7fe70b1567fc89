package workflows

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"kap/activities"
	"kap/internal/testpg"
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

	mu    sync.Mutex
	mails []string // subjects, as the mail service got them
	said  map[string]int
}

func newArc(t *testing.T, change ...func(*pathway.Enrolment)) *arc {
	t.Helper()
	ctx := context.Background()
	store, err := records.Open(ctx, testpg.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	if err := store.Migrate(ctx); err != nil {
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
		MailPermission: true, Zone: "America/New_York", PracticeZone: "America/New_York", Protocol: protocol,
	}
	for _, c := range change {
		c(&e)
	}
	p, err := pathway.Enrol(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Enrol(ctx, records.Person{GivenName: "Anna", FamilyName: "Example", BirthDate: "1990-04-01", Email: "anna@client.example", Phone: "+1 555 0101"}, e); err != nil {
		t.Fatal(err)
	}
	return &arc{t: t, store: store, code: e.Code, state: *p, said: map[string]int{}}
}

// run takes the pathway through one run of its workflow, from its state at a moment, with staff who do what each look at
// the status makes them do, once an hour.
func (a *arc) run(from time.Time, staff func(s pathway.Status, send func(name, input string))) {
	a.t.Helper()
	inbox := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Subject string `json:"subject"`
		}
		_ = json.NewDecoder(r.Body).Decode(&m)
		a.mu.Lock()
		a.mails = append(a.mails, m.Subject)
		a.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}))
	defer inbox.Close()
	house, err := practice.Load("")
	if err != nil {
		a.t.Fatal(err)
	}
	acts := &activities.Activities{Store: a.store, Practice: house, Sender: mail.NewSender(inbox.URL, "test", time.Second)}

	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	a.env = suite.NewTestWorkflowEnvironment()
	a.env.SetTestTimeout(time.Minute)
	a.env.SetStartTime(from)
	a.env.RegisterWorkflowWithOptions(Pathway, workflow.RegisterOptions{Name: Name})
	a.env.RegisterActivityWithOptions(acts.Commit, activity.RegisterOptions{Name: "Commit"})
	a.env.RegisterActivityWithOptions(acts.Deliver, activity.RegisterOptions{Name: "Deliver"})
	var look func()
	look = func() {
		if a.env.IsWorkflowCompleted() {
			return
		}
		staff(a.status(), a.send)
		a.env.RegisterDelayedCallback(look, time.Hour)
	}
	a.env.RegisterDelayedCallback(look, time.Minute)
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
	a.said[name]++
	a.env.UpdateWorkflow(name, fmt.Sprintf("%s-%d", name, a.said[name]), &testsuite.TestUpdateCallback{
		OnAccept: func() {},
		OnReject: func(err error) { a.t.Errorf("%s was rejected: %v", name, err) },
		OnComplete: func(_ any, err error) {
			if err != nil {
				a.t.Errorf("%s %s: %v", name, input, err)
			}
		},
	}, json.RawMessage(input))
}

// diligent staff do what the details ask of them, word for word, and decide on another dosing session until there were so many.
func diligent(dosings int) func(pathway.Status, func(name, input string)) {
	return func(s pathway.Status, send func(name, input string)) {
		if len(s.Tasks) == 0 {
			return
		}
		next := "another"
		if s.DosingDone >= dosings {
			next = "close"
		}
		t := s.Tasks[0]
		send(t.Message, strings.ReplaceAll(t.JSON, "<another or close>", next))
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

func TestAPathwayWithThreeDosingSessionsCompletes(t *testing.T) {
	t.Parallel()
	a := newArc(t)
	a.run(a.state.Enrolment.At, diligent(3))
	if err := a.env.GetWorkflowError(); err != nil {
		t.Fatalf("%v\n%s", err, a.story())
	}
	row, err := a.store.Show(context.Background(), a.code)
	if err != nil {
		t.Fatal(err)
	}
	if row.Outcome != string(pathway.Completed) || row.DosingDone != 3 {
		t.Fatalf("outcome %q after %d dosing sessions\n%s", row.Outcome, row.DosingDone, a.story())
	}
	mails, err := a.store.Mails(context.Background(), a.code)
	if err != nil {
		t.Fatal(err)
	}
	if len(mails) != len(a.mails) || slices.ContainsFunc(mails, func(m records.MailLine) bool { return m.Status != "sent" || m.Attempts != 1 }) {
		t.Fatalf("%d mails arrived; the outbox says %+v", len(a.mails), mails)
	}
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
