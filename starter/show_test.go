package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"kap/pathway"
	"kap/records"
)

// begun writes an enrolment and its pathway's first step, as a worker would.
func begun(t *testing.T, store *records.Store, code, given string, at time.Time) *pathway.Pathway {
	t.Helper()
	d := newDesk(strings.NewReader(""), nil, nil, nil)
	house, protocol, err := d.house()
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	c, wrong := checker{house, protocol, at}.check(particulars{
		GivenName: given, FamilyName: "Meyer", BirthDate: "1990-04-01", Email: given + "@example.org", Phone: "+1 555 0123", Therapist: "t-lane",
		Prescriber: "p-singh", Coordinators: []string{"c-desk"}, By: "c-desk", Diagnosis: "ptsd", PrimaryMeasure: "pcl-5", StandardCareTried: &yes,
		CommitsToTheArc: &yes, Comfortable: &yes, MailPermission: &yes, label: flagOf,
	})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	c.enrolment.Code = code
	if _, err := store.Enrol(t.Context(), c.person, c.enrolment); err != nil {
		t.Fatal(err)
	}
	if err := store.Started(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	p, err := pathway.Enrol(c.enrolment)
	if err != nil {
		t.Fatal(err)
	}
	if steps(t, store, p, at) == 0 {
		t.Fatal("a new pathway has nothing to write")
	}
	return p
}

// steps has a pathway's steps written, as a worker would, and says how many there were.
func steps(t *testing.T, store *records.Store, p *pathway.Pathway, now time.Time) int {
	t.Helper()
	house, _, err := newDesk(strings.NewReader(""), nil, nil, nil).house()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		step, _ := p.Due(now.UTC()) // as the workflow's clock is
		if step == nil {
			return n
		}
		out, err := store.Commit(t.Context(), house.Calendar(), pathway.ConsentDocument{}, p, *step)
		if err != nil {
			t.Fatal(err)
		}
		p.Settle(out.Step, out.Answer)
	}
	t.Fatal("steps without end")
	return 0
}

func TestWhatTheRecordsHoldIsShownWithoutTemporal(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	begun(t, store, "K7Q2M9", "Anna", time.Now())

	s := command(t, env, "", "show", "k7q2m9", "--journal", "--mails")
	s.wants(t, done, "K7Q2M9  Anna Meyer", "screening", "from the records", "does not answer", "Awaited", " record prescriber-clearance K7Q2M9\n", "Journal",
		"enrolled under protocol", "No mails yet")
	for line := range strings.Lines(s.out) {
		if len([]rune(line)) > screen+1 && !strings.Contains(line, " record ") {
			t.Errorf("longer than %d: %s", screen, line)
		}
	}
	s = command(t, env, "", "show", "pathway-K7Q2M9", "--json")
	s.wants(t, done)
	var v view
	if err := json.Unmarshal([]byte(s.out), &v); err != nil || v.Source != fromStore || v.Status == nil || v.Status.Phase != pathway.Screening || v.Pulse != pathway.Beating {
		t.Errorf("found %+v, %v", v, err)
	}
	if strings.Contains(s.out, "Anna") || strings.Contains(s.out, "Meyer") {
		t.Errorf("found a name in\n%s", s.out)
	}
	command(t, env, "", "show", "B2B2B2").wants(t, unanswered, "there is no pathway B2B2B2", "starter find")
}

// Whoever has the records sees how the client can be reached, as of what was said last; programs do not.
func TestShowSaysHowTheClientCanBeReached(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	p := begun(t, store, "K7Q2M9", "Anna", time.Now())
	command(t, env, "", "show", "K7Q2M9").wants(t, done, "telephone        +1 555 0123\n", "e-mail           Anna@example.org\n", "mails            wanted\n", "zone             America/New_York\n", "can come         at any time\n")

	written(t, store, p, time.Now(), "contact", `{"by":"c-desk","zone":"America/Chicago","availability":["tuesday 09:00-13:00","friday 10:00-12:00"]}`)
	execute(t, env, `update client set address_returned = true`)
	s := command(t, env, "", "show", "K7Q2M9")
	s.wants(t, done, "mails            wanted, but the address takes none", "mail to it comes back:", "zone             America/Chicago\n", "can come         tuesday 09:00-13:00, friday 10:00-12:00, on the")
	written(t, store, p, time.Now(), "contact", `{"by":"c-desk","mail_permission":false,"any_time":true}`)
	command(t, env, "", "show", "K7Q2M9").wants(t, done, "mails            not wanted: ", "can come         at any time\n")
	if s = command(t, env, "", "show", "K7Q2M9", "--json"); strings.Contains(s.out, "0123") || strings.Contains(s.out, "example.org") {
		t.Errorf("found how to reach the client in\n%s", s.out)
	}
}

func TestListShowsWhatIsPressing(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	begun(t, store, "K7Q2M9", "Anna", time.Now())
	begun(t, store, "B2B2B2", "Bartholomew", time.Now())
	begun(t, store, "C3C3C3", "Carla", time.Now())
	begun(t, store, "D4D4D4", "Demo", time.Now())
	begun(t, store, "F6F6F6", "Fred", time.Now())
	execute(t, env, `update pathway set outcome = 'completed', phase = 'ended' where code = 'F6F6F6'`)
	execute(t, env, `update pathway set outcome = 'stopped-and-referred', phase = 'ended' where code = 'C3C3C3'`)
	execute(t, env, `update pathway set attention = 'urgent' where code = 'F6F6F6'`) // an adverse event after the ending
	execute(t, env, `update pathway set attention = 'task' where code = 'C3C3C3'`)
	execute(t, env, `update pathway set next_wake = now() - interval '3 hours' where code = 'B2B2B2'`)
	execute(t, env, `update pathway set as_of = now() + interval '90 days', next_wake = now() + interval '91 days' where code = 'D4D4D4'`)
	execute(t, env, `update pathway set attention = 'urgent', next_session = now() + interval '4 days' where code = 'K7Q2M9'`)

	s := command(t, env, "", "list")
	s.wants(t, done, "K7Q2M9 Anna Meyer", "urgent", "B2B2B2 Bartholomew", "stalled", "B2B2B2 (3 hours ago)", "America/New_York", "not judged: D4D4D4")
	if strings.Contains(s.out, "C3C3C3") {
		t.Error("an ended pathway is listed without --all")
	}
	for line := range strings.Lines(s.out) {
		if len([]rune(line)) > screen+1 {
			t.Errorf("longer than %d: %s", screen, line)
		}
	}
	command(t, env, "", "list", "--all").wants(t, done, "C3C3C3", "ended:", "stopped", "completed")
	for _, c := range []struct {
		args  string
		codes string
	}{
		{"", "K7Q2M9 F6F6F6 B2B2B2 D4D4D4"},
		{"--attention", "K7Q2M9 F6F6F6 B2B2B2"},
		{"--phase screening", "K7Q2M9 B2B2B2 D4D4D4"},
		{"--phase ended", "F6F6F6 C3C3C3"},
		{"--phase dosing", ""},
		{"--outcome stopped", "C3C3C3"},
		{"--outcome stopped-and-referred", "C3C3C3"},
		{"--waiting-on coordinator", ""},
		{"--all", "K7Q2M9 F6F6F6 B2B2B2 D4D4D4 C3C3C3"},
	} {
		s := command(t, env, "", append([]string{"list", "--json"}, strings.Fields(c.args)...)...)
		s.wants(t, done)
		var rows []struct {
			Pathway string  `json:"pathway"`
			Name    *string `json:"given_name"`
		}
		if err := json.Unmarshal([]byte(s.out), &rows); err != nil {
			t.Fatal(err)
		}
		var codes []string
		for _, r := range rows {
			codes = append(codes, r.Pathway)
			if r.Name != nil {
				t.Errorf("%s: found the name %s", c.args, *r.Name)
			}
		}
		if strings.Join(codes, " ") != c.codes {
			t.Errorf("%s: found %v, expected %s", c.args, codes, c.codes)
		}
	}
	command(t, env, "", "list", "--json", "--names").wants(t, done, `"given_name": "Anna"`)
}

func TestFind(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	begun(t, store, "K7Q2M9", "Anna", time.Now())
	begun(t, store, "B2B2B2", "Bert", time.Now())
	for text, code := range map[string]string{"anna": "K7Q2M9", "ert mey": "B2B2B2", "anna@ex": "K7Q2M9", "k7q2m9": "K7Q2M9", "pathway-B2B2B2": "B2B2B2", "555-0123": "K7Q2M9"} {
		command(t, env, "", "find", text).wants(t, done, code, "screening")
	}
	for _, text := range []string{"zoe", "%", "_"} {
		command(t, env, "", "find", text).wants(t, unanswered, "found nobody")
	}
}

func TestAMessageForAPathwayThatTemporalNoLongerHas(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	begun(t, store, "K7Q2M9", "Anna", time.Now())
	d := newDesk(strings.NewReader(""), nil, nil, env)
	defer d.close()
	for _, c := range []struct {
		change string
		exit   int
		says   string
	}{
		{`select`, fault, "TEMPORAL_NAMESPACE"},
		{`update pathway set outcome = 'completed', as_of = '2026-03-02T03:00:00Z'`, refused, "ended as completed on 1 Mar 2026"},
		{`update pathway set outcome = '', started_at = null`, unanswered, "not started"},
	} {
		execute(t, env, c.change)
		err := d.notRunning(t.Context(), "K7Q2M9")
		if f, ok := err.(*failure); !ok || f.exit != c.exit || !strings.Contains(f.sentence, c.says) {
			t.Errorf("found %v, expected %q", err, c.says)
		}
	}
	if f, ok := d.notRunning(t.Context(), "B2B2B2").(*failure); !ok || f.exit != unanswered {
		t.Errorf("found %v, expected that there is no such pathway", f)
	}
}

func TestFieldsBecomeJSON(t *testing.T) {
	t.Parallel()
	kind := pathway.Message("prescriber-clearance")
	fields, err := parseFields(kind, []string{"decision=true", "medically_stable=true", "bars=[a, b]", "reason=blood pressure=high", "systolic:=128", "unknown=x"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := compose(kind, fields, "p-singh")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"by":"p-singh","decision":"true","medically_stable":true,"bars":["a","b"],"reason":"blood pressure=high","systolic":128,"unknown":"x","id":"` + m.id + `"}`
	if string(m.body) != want || len(m.id) < 20 {
		t.Errorf("found    %s\nexpected %s", m.body, want)
	}
	again, err := compose(kind, append(fields, textMember("id", "mine")), "p-singh")
	if err != nil || again.id != "mine" {
		t.Errorf("found the id %q, %v", again.id, err)
	}
}

func TestTheContractIsListed(t *testing.T) {
	t.Parallel()
	s := command(t, nil, "", "record", "--list")
	s.wants(t, done)
	for _, m := range pathway.Messages() {
		if !strings.Contains(s.out, m.Name+" (") || !strings.Contains(s.out, m.Example) {
			t.Errorf("%s is not listed with its example", m.Name)
		}
	}
	s = command(t, nil, "", "record", "--list", "answer")
	s.wants(t, done, "answer (client by a link)", "starter record refuses it")
	if s = command(t, nil, "", "record", "--list", "contact"); strings.Contains(s.out, "refuses") {
		t.Errorf("what staff say, too, is refused to them:\n%s", s.out)
	}
}

func TestWhatIsOnItsWayIsCounted(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 3, 8, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		s    pathway.Status
		says string
	}{
		{pathway.Status{}, ""},
		{pathway.Status{Unwritten: 1, Unsent: 1}, "1 journal entry to the records; 1 mail"},
		{pathway.Status{Unwritten: 2}, "2 journal entries to the records"},
		{pathway.Status{Unsent: 1, UnsentFrom: from}, "1 mail, which waits until Tue 3 Mar 2026, 08:00 UTC"},
		{pathway.Status{Unsent: 3, UnsentFrom: from}, "3 mails, of those that wait the first until Tue 3 Mar 2026, 08:00 UTC"},
	} {
		if found := onTheirWay(&row.s, time.UTC); found != row.says {
			t.Errorf("found %q, expected %q", found, row.says)
		}
	}
}
