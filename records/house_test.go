package records_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/jackc/pgx/v5"

	"kap/internal/diligent"
	"kap/internal/testpg"
	"kap/internal/testrecords"
	"kap/pathway"
	"kap/practice"
	"kap/records"
)

func TestMain(m *testing.M) {
	if url := os.Getenv("RECORDS_MIGRATE"); url != "" {
		migrateAndExit(url)
	}
	testpg.Main(m)
}

// house is a practice with real records and without Temporal: the loop that the workflow runs, and a clock that only the
// test moves.
type house struct {
	t     *testing.T
	url   string
	store *records.Store
	cal   pathway.Calendar
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, url: testpg.New(t)}
	h.store = testrecords.Open(t, h.url)
	sample, err := practice.Load("")
	if err != nil {
		t.Fatal(err)
	}
	h.cal = sample.Calendar()
	return h
}

// another is one more worker on the same records.
func (h *house) another() *records.Store {
	h.t.Helper()
	store, err := records.Open(h.t.Context(), h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(store.Close)
	return store
}

func anna() records.Person {
	return records.Person{GivenName: "Anna", FamilyName: "Meyer", BirthDate: "1990-04-01", Email: "anna@client.example", Phone: "+1 (555) 012-3456"}
}

// somebody is a person whom no other person is alike.
func somebody(n int) records.Person {
	return records.Person{GivenName: fmt.Sprintf("Given%d", n), FamilyName: fmt.Sprintf("Family%d", n), BirthDate: "1980-01-01", Email: fmt.Sprintf("somebody%d@client.example", n), Phone: fmt.Sprintf("+1 555 77%04d", n)}
}

// monday is when every pathway of these tests begins: Monday 2 February 2026, 09:00 in New York.
func monday() time.Time { return time.Date(2026, 2, 2, 14, 0, 0, 0, time.UTC) }

func enrolment(t *testing.T, code string) pathway.Enrolment {
	t.Helper()
	protocol, err := practice.LoadProtocol("")
	if err != nil {
		t.Fatal(err)
	}
	return pathway.Enrolment{
		Code: code, By: "c-desk", At: monday(),
		CareTeam: pathway.CareTeam{Therapist: "t-lane", Prescriber: "p-singh", Coordinators: []string{"c-desk"}},
		Eligibility: pathway.Eligibility{Diagnosis: pathway.PTSD, Adult: true, StandardCareTried: true, CommitsToTheArc: true,
			ComfortableWithTheStates: true, PrimaryMeasure: "pcl-5"},
		Contact: pathway.Contact{MailPermission: true, Zone: "America/Chicago"}, PracticeZone: "America/New_York", Protocol: protocol,
	}
}

// client is one client's pathway, as the workflow holds it.
type client struct {
	*house
	p   *pathway.Pathway
	now time.Time
}

func (h *house) enrol(code string, person records.Person, change ...func(*pathway.Enrolment)) *client {
	h.t.Helper()
	e := enrolment(h.t, code)
	for _, c := range change {
		c(&e)
	}
	seen, err := h.store.Alike(h.t.Context(), person)
	if err != nil {
		h.t.Fatal(err)
	}
	if e, err = h.store.Enrol(h.t.Context(), person, e, seen...); err != nil {
		h.t.Fatal(err)
	}
	p, err := pathway.Enrol(e)
	if err != nil {
		h.t.Fatal(err)
	}
	return &client{house: h, p: p, now: e.At}
}

// commit writes a step, without the pathway's hearing of it.
func (c *client) commit(step pathway.Step) records.Committed {
	c.t.Helper()
	out, err := c.store.Commit(c.t.Context(), c.cal, pathway.ConsentDocument{}, c.p, step)
	if err != nil {
		c.t.Fatalf("step %d: %v", step.Number, err)
	}
	return out
}

// take commits a step and settles it.
func (c *client) take(step pathway.Step) pathway.Answer {
	c.t.Helper()
	out := c.commit(step)
	c.p.Settle(out.Step, out.Answer)
	return out.Answer
}

// work takes the steps that are due.
func (c *client) work() {
	c.t.Helper()
	for range 100 {
		step, _ := c.p.Due(c.now)
		if step == nil {
			return
		}
		c.take(*step)
	}
	c.t.Fatal("steps without end")
}

func (c *client) must(name, message string) {
	c.t.Helper()
	if _, err := c.p.Record(name, []byte(message), c.now); err != nil {
		c.t.Fatalf("%s: %v", name, err)
	}
	c.work()
}

// screen takes the client through screening, so that the first preparation session is booked.
func (c *client) screen() {
	c.t.Helper()
	c.work()
	for _, name := range []string{"prescriber-clearance", "psychological-evaluation", "consent", "safety-plan"} {
		m := pathway.Message(name)
		c.must(name, diligent.WhenAllGoesWell(c.p.ExampleFor(name, m.Roles[0])))
	}
	if len(c.p.Appointments) == 0 {
		c.t.Fatalf("nothing is booked: %+v", c.p.Status(c.now).Tasks)
	}
}

// next is a step of this pathway with acts of the test's own.
func (c *client) next(acts ...pathway.Act) pathway.Step {
	for i := range acts {
		acts[i].Staff = c.p.CareTeam.Therapist
	}
	return pathway.Step{Pathway: c.p.Code, Number: c.p.Steps + 1, Previous: c.p.Last, At: c.now, Acts: acts, Mailing: c.p.Contact}
}

// preparation asks for the earliest hour from a moment on, within some days.
func preparation(n int, from time.Time, days int) pathway.Act {
	return pathway.Act{Do: pathway.BookDeed, Key: fmt.Sprintf("book/preparation-%d", n), Session: fmt.Sprintf("preparation-%d", n), Kind: pathway.Preparation, Number: n,
		Window: pathway.Window{Earliest: from, Latest: from.AddDate(0, 0, days), Minutes: 60, GridMinutes: 30}}
}

// dosing asks for a dosing session together with its integration.
func dosing(n int, from time.Time, days int) pathway.Act {
	return pathway.Act{Do: pathway.BookDeed, Key: fmt.Sprintf("book/dosing-%d", n), Session: fmt.Sprintf("dosing-%d", n), Kind: pathway.Dosing, Number: n,
		Paired: fmt.Sprintf("integration-%d", n), Follow: &pathway.FollowWindow{HoursAtLeast: 24, HoursAtMost: 72, Minutes: 60, GridMinutes: 30},
		Window: pathway.Window{Earliest: from, Latest: from.AddDate(0, 0, days), Minutes: 180, GridMinutes: 30}}
}

// ask reads one value from the database.
func ask[T any](h *house, query string, args ...any) T {
	h.t.Helper()
	conn := h.connect()
	defer conn.Close(context.Background())
	var v T
	if err := conn.QueryRow(h.t.Context(), query, args...).Scan(&v); err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	return v
}

// try changes the database behind kap's back.
func (h *house) try(statement string, args ...any) error {
	h.t.Helper()
	conn := h.connect()
	defer conn.Close(context.Background())
	_, err := conn.Exec(h.t.Context(), statement, args...)
	return err
}

func (h *house) do(statement string, args ...any) {
	h.t.Helper()
	if err := h.try(statement, args...); err != nil {
		h.t.Fatalf("%s: %v", statement, err)
	}
}

func (h *house) connect() *pgx.Conn {
	h.t.Helper()
	conn, err := pgx.Connect(h.t.Context(), h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	return conn
}

// counts is how much was ever written.
func (h *house) counts() string {
	h.t.Helper()
	return ask[string](h, `select format('%s steps, %s journal lines, %s appointments, %s mails, %s tasks', (select count(*) from step), (select count(*) from journal),
		(select count(*) from appointment), (select count(*) from mail), (select count(*) from task))`)
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
