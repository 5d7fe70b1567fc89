package workflows

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"kap/pathway"
	"kap/practice"
)

// enrolled is a pathway that has just begun, and the moment.
func enrolled(t *testing.T) (*pathway.Pathway, time.Time) {
	t.Helper()
	protocol, err := practice.LoadProtocol("")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 12, 28, 14, 0, 0, 0, time.UTC)
	p, err := pathway.Enrol(pathway.Enrolment{
		Code: "K7Q2M9", By: "c-desk", At: at, CareTeam: pathway.CareTeam{Therapist: "t-lane", Prescriber: "p-singh", Coordinators: []string{"c-desk"}},
		Eligibility: pathway.Eligibility{Diagnosis: pathway.PTSD, Adult: true, StandardCareTried: true, CommitsToTheArc: true, ComfortableWithTheStates: true, PrimaryMeasure: "pcl-5"},
		Contact:     pathway.Contact{MailPermission: true, Zone: "America/New_York"}, PracticeZone: "America/New_York", Protocol: protocol,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, at
}

func page(p *pathway.Pathway, now time.Time) string { return details(p, p.Status(now), false) }

// blocks are the messages on a page, ready to copy, under their names.
func blocks(t *testing.T, page string) map[string]string {
	t.Helper()
	all := map[string]string{}
	parts := strings.Split(page, "```")
	for i := 1; i < len(parts); i += 2 {
		before := parts[i-1][strings.LastIndex(parts[i-1], "end `")+len("end `"):]
		name, _, _ := strings.Cut(before, "`")
		text, isJSON := strings.CutPrefix(parts[i], "json\n")
		if !isJSON || !json.Valid([]byte(text)) {
			t.Errorf("%s: no message can be copied from %q", name, text)
		}
		if all[name] == "" { // the first is the most pressing
			all[name] = text
		}
	}
	if len(parts)%2 == 0 {
		t.Errorf("a message is cut off:\n%s", page)
	}
	return all
}

func inOrder(t *testing.T, page string, parts ...string) {
	t.Helper()
	rest := page
	for _, part := range parts {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Fatalf("expected %q after what comes before it, of %q, in\n%s", part, parts, page)
		}
		rest = after
	}
}

func TestTheDetailsSayWhatMattersMostFirst(t *testing.T) {
	t.Parallel()
	p, now := enrolled(t)
	inOrder(t, page(p, now), "## Screening, waiting for the prescriber, therapist and client\n", "- Next session: none is booked\n", "- Next dosing session: **blocked**, see below\n",
		"- As of Mon 28 Dec 2026, 09:00 EST", "### Awaited\n", "1.  **prescriber**, due Wed 30 Dec, 09:00  \n", "Send `prescriber-clearance`; decision is cleared, not-cleared, more-information or revoked:", "4.  **client and therapist**", "To send one: *More Actions*",
		"### What blocks the next dosing session\n", "- informed consent is not recorded\n", "### At any time\n", "### Care team\n", "not a prescription")

	if _, err := p.Record("hold", []byte(`{"by": "t-lane", "cause": "crisis", "reason": "seen today"}`), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	week := now.AddDate(0, 0, 7)
	inOrder(t, page(p, week), "## ON HOLD: Screening", "1.  **URGENT, therapist**, since Mon 28 Dec 2026, 10:00  \n", "**OVERDUE, prescriber**, due Wed 30 Dec 2026, 09:00  \n", "### Recorded lately\n", "hold, t-lane: `")
}

// Every message that the page offers is taken once what it leaves open is said, and none before.
func TestWhatIsCopiedFromTheDetailsIsTaken(t *testing.T) {
	t.Parallel()
	fresh, now := enrolled(t)
	offered := blocks(t, page(fresh, now))
	said := strings.NewReplacer("<kind>", "misuse", "<mild, moderate or severe>", "mild", "<crisis or concern>", "concern", "<why>", "as agreed", "<who heard it>", "c-desk",
		"<cleared, not-cleared, more-information or revoked>", "cleared", "<suitable, defer or decline>", "suitable", "<given or withdrawn>", "given", "<true or false>", "true")
	for _, name := range []string{"prescriber-clearance", "psychological-evaluation", "safety-plan", "consent", "adverse-event", "hold", "withdraw"} {
		p, _ := enrolled(t)
		if _, err := p.Record(name, []byte(said.Replace(offered[name])), now.Add(time.Hour)); err != nil || offered[name] == "" {
			t.Errorf("%s: %q: %v", name, offered[name], err)
		}
		if _, err := p.Record(name, []byte(offered[name]), now.Add(time.Hour)); pathway.AsRefusal(err) == nil {
			t.Errorf("%s is taken as it was proposed: %s", name, offered[name])
		}
	}
}

// A session that is booked can be moved or cancelled from the page.
func TestTheDetailsHaveTheComingSessions(t *testing.T) {
	t.Parallel()
	p, now := enrolled(t)
	s := p.Status(now)
	at := func(days, hour int) time.Time { return time.Date(2026, 12, 28+days, hour, 0, 0, 0, time.UTC) }
	s.Sessions = []pathway.Session{
		{Name: "dosing-1", Start: at(-7, 14), End: at(-7, 17), State: pathway.Held},
		{Name: "integration-1", Start: at(-6, 14), End: at(-6, 15), State: pathway.Booked},
		{Name: "dosing-2", Start: at(7, 14), End: at(7, 17), State: pathway.Booked},
		{Name: "integration-2", Start: at(8, 14), End: at(8, 15), State: pathway.Booked},
	}
	s.NextSession = &s.Sessions[2]
	text := details(p, s, false)
	inOrder(t, text, "- Next session: **dosing-2**, Mon 4 Jan 2027, 09:00 to 12:00\n", "- Then: **integration-2**, Tue 5 Jan 2027, 09:00 to 10:00\n",
		"### Sessions so far\n", "| dosing-1 | Mon 21 Dec, 09:00 | held |\n", "| integration-1 | Tue 22 Dec, 09:00 | to be recorded |\n", "### At any time\n")
	offered := blocks(t, text)
	for name, want := range map[string]string{"move-session": "<such as 2027-01-04 09:00>", "cancel-session": "<client or practice>"} {
		if !strings.Contains(offered[name], want) || !strings.Contains(offered[name], `"dosing-2"`) {
			t.Errorf("%s: %s", name, offered[name])
		}
	}
}

func TestARefusalIsShownFirstWhereItsSenderCouldNotBeTold(t *testing.T) {
	t.Parallel()
	p, now := enrolled(t)
	refuse := func() {
		if _, err := p.Record("prescriber-clearance", []byte(`{"by": "t-lane", "decision": "cleared"}`), now); err == nil {
			t.Fatal("a clearance by the therapist was taken")
		}
	}
	why := "`prescriber-clearance`: prescriber-clearance: by: found t-lane, who is this pathway's therapist; only its prescriber (p-singh) may record this"
	refuse()
	inOrder(t, page(p, now), "### Awaited", "### Not taken lately", why)
	refuse()
	p.NobodyHeard()
	inOrder(t, page(p, now), "### Not taken lately", why, why, "### Awaited")
	if _, err := p.Record("task-done", []byte(`{"by": "t-lane", "task": "refused/prescriber-clearance/t-lane", "outcome": "done"}`), now); err != nil {
		t.Fatal(err)
	}
	inOrder(t, page(p, now), "### Awaited", "### Not taken lately", why)
}

func TestAnEndedPathwaySaysHowAndWhatItStillTakes(t *testing.T) {
	t.Parallel()
	p, now := enrolled(t)
	s := p.Status(now)
	s.Phase, s.Outcome, s.Why, s.Tasks, s.Blocked = pathway.Over, pathway.Lapsed, "the client has not answered", nil, nil
	text := details(p, s, false)
	inOrder(t, text, "## Ended: lapsed\n", "- Why: the client has not answered\n", "corrections are still taken", "### At any time\n", "`adverse-event`")
	for _, never := range []string{"Awaited", "Next session", "dosing session:", "`hold`", "`withdraw`"} {
		if strings.Contains(text, never) {
			t.Errorf("the details of an ended pathway say %q:\n%s", never, text)
		}
	}
}

func TestWhatPeopleWroteIsNoMarkdown(t *testing.T) {
	t.Parallel()
	p, now := enrolled(t)
	s := p.Status(now)
	s.Why = "<b>bold</b> *this* `code`\n# heading [a](http://b.example) x|y \\ $5$"
	want := "- Why: \\<b>bold\\</b> \\*this\\* \\`code\\` # heading \\[a](http\\://b.example) x\\|y \\\\ \\$5\\$\n"
	if text := details(p, s, false); !strings.Contains(text, want) {
		t.Errorf("expected %s in\n%s", want, text)
	}
}

// However much is owed, Temporal takes the details, and what is most pressing is whole.
func TestTheDetailsFit(t *testing.T) {
	t.Parallel()
	p, now := enrolled(t)
	s := p.Status(now)
	for n := range 200 {
		s.Tasks = append(s.Tasks, pathway.TaskView{Key: fmt.Sprint(n), Who: []pathway.Role{pathway.Coordinator}, What: "Call the client", Message: "task-done",
			JSON: fmt.Sprintf(`{"by": "c-desk", "task": "call/%d", "outcome": "<reached, tried or acknowledged>"}`, n)})
	}
	text := details(p, s, false)
	if len(text) > 20_000 || !strings.HasSuffix(text, "There is more than fits here: the query `status` has all of it.\n") {
		t.Errorf("%d bytes, which end with %q", len(text), text[len(text)-100:])
	}
	if found := blocks(t, text); found["prescriber-clearance"] == "" || !strings.Contains(found["task-done"], "call/0") {
		t.Errorf("the first messages are not on the page: %v", found)
	}
	inOrder(t, text, "Send `task-done`; outcome is reached, tried or acknowledged:")
}

// While a session goes on the form of its record is there, with the time from which it is owed.
func TestTheDetailsSayFromWhenARecordIsOwed(t *testing.T) {
	t.Parallel()
	p, at := enrolled(t)
	p.Appointments = []pathway.Appointment{{Name: "preparation-1", Kind: pathway.Preparation, Number: 1, Start: at.Add(time.Hour), End: at.Add(2 * time.Hour), State: pathway.Booked}}
	inOrder(t, page(p, at), "1.  **therapist**, from Mon 28 Dec, 11:00 on, due Mon 28 Dec, 13:00  \n", "Record how preparation-1 of Mon 28 Dec 2026, 10:00 EST went")
	inOrder(t, page(p, at.Add(3*time.Hour)), "1.  **therapist**, due Mon 28 Dec, 13:00  \n")
}

// What a client answered to the mail about a session stands behind it.
func TestTheDetailsSayWhatTheClientAnswered(t *testing.T) {
	t.Parallel()
	p, at := enrolled(t)
	p.Appointments = []pathway.Appointment{{Name: "preparation-1", Kind: pathway.Preparation, Number: 1, Start: at.Add(100 * time.Hour), End: at.Add(101 * time.Hour), Revision: 2, State: pathway.Booked}}
	for _, a := range []struct{ answer, says string }{{"coming", "the client will be there"}, {"another-time", "the client needs another time"}} {
		if _, err := p.Record("answer", []byte(`{"by":"client.link","session":"preparation-1","revision":2,"answer":"`+a.answer+`"}`), at); err != nil {
			t.Fatal(err)
		}
		inOrder(t, page(p, at), "Next session: **preparation-1**", ": "+a.says+"\n")
	}
	if v := p.ForClient(pathway.ClientQuestion{Session: "preparation-1", Revision: 2}, at); v.Standing != pathway.StandsOpen || v.Answered != pathway.AnotherTimeAnswer {
		t.Errorf("the page has %+v", v)
	}
}
