package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/records"
)

// execute changes the database behind kap's back.
func execute(t *testing.T, env []string, statement string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), strings.TrimPrefix(env[0], "DATABASE_URL="))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func all(t *testing.T, store *records.Store) []records.Row {
	t.Helper()
	rows, err := store.List(t.Context(), records.Whose{}, true)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestAnEnrolmentIsWrittenBeforeTemporalIsAsked(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	s := command(t, env, "", anna()...)
	s.wants(t, unreachable, "is written", "Temporal does not answer at "+nowhere, "run the same command again")
	rows := all(t, store)
	if len(rows) != 1 || rows[0].Started || !strings.Contains(s.err, rows[0].Code) {
		t.Fatalf("found %+v after %s", rows, s.err)
	}
	command(t, env, "", anna("--json")...).wants(t, unreachable, rows[0].Code, "[]")
	if rows := all(t, store); len(rows) != 1 {
		t.Errorf("the same command again has written another: found %d rows", len(rows))
	}
	command(t, env, "", "list").wants(t, done, rows[0].Code, "not started", "run enrol again")
	command(t, env, "", "show", rows[0].Code).wants(t, done, "Anna Meyer", "not started")
	command(t, env, "", "record", "refresh", rows[0].Code, "--by", "c-desk").wants(t, unreachable)
}

func TestWhoIsAlikeIsAskedAbout(t *testing.T) {
	t.Parallel()
	_, env := office(t)
	command(t, env, "", anna()...).wants(t, unreachable)
	execute(t, env, `update pathway set started_at = now(), code = 'K7Q2M9'`)

	other := []string{"--given-name", "Hanna"} // with the same e-mail address
	command(t, env, "", anna()...).wants(t, unanswered, "already enrolled", "K7Q2M9")
	command(t, env, "", anna("--another-person")...).wants(t, unanswered, "already enrolled")
	command(t, env, "", anna(other...)...).wants(t, unanswered, "K7Q2M9", "--another-person", "same e-mail address")
	command(t, env, "", anna(append(other, "--returning", "K7Q2M9")...)...).wants(t, refused, "still open")
	command(t, env, "", anna(append(other, "--returning", "B2B2B2")...)...).wants(t, unanswered, "B2B2B2")
	command(t, env, "", anna(append(other, "--another-person")...)...).wants(t, unreachable, "is written")

	execute(t, env, `update pathway set outcome = 'completed' where code = 'K7Q2M9'`)
	execute(t, env, `update client set email = 'old@example.org' where given_name = 'Anna'`)
	command(t, env, "", anna("--email", "new@example.org")...).wants(t, unanswered, "K7Q2M9 (completed)", "--returning K7Q2M9")
	command(t, env, "", anna("--email", "new@example.org", "--returning", "k7q2m9")...).wants(t, unreachable, "is written")
	command(t, env, "", "find", "anna meyer").wants(t, done, "K7Q2M9", "completed", "not started")
	execute(t, env, `do $$ begin assert (select count(distinct client) from pathway) = 2 and (select count(*) from pathway) = 3; end $$`)
}

func TestAtATerminalSomebodyIsAsked(t *testing.T) {
	t.Parallel()
	_, env := office(t)
	command(t, env, "", anna()...).wants(t, unreachable)
	execute(t, env, `update pathway set started_at = now(), code = 'K7Q2M9'`)
	for _, c := range []struct {
		typed string
		code  int
		says  string
	}{
		{"yes\n", refused, "still open"},
		{"", unanswered, "--another-person"},
		{"perhaps\nno\n", unreachable, "is written"},
	} {
		var out, err bytes.Buffer
		d := newDesk(strings.NewReader(c.typed), &out, &err, append([]string{"TEMPORAL_ADDRESS=" + nowhere}, env...))
		d.terminal = true
		code := d.run(t.Context(), anna("--given-name", "Hanna"))
		d.close()
		said{code, out.String(), err.String()}.wants(t, c.code, "Is this the same person?", c.says)
	}
}

func TestRecognise(t *testing.T) {
	t.Parallel()
	ended := records.Known{Client: "1", Code: "ENDED2", Outcome: "completed", Started: true}
	open := records.Known{Client: "1", Code: "OPEN22", Started: true}
	fresh := records.Known{Client: "1", Code: "FRESH2"}
	same := func(k records.Known) records.Known { k.Same = true; return k }
	for _, c := range []struct {
		name  string
		known []records.Known
		said  answer
		want  verdict
	}{
		{"nobody alike", nil, answer{}, verdict{do: enrolNew}},
		{"exactly alike, not started", []records.Known{same(fresh)}, answer{}, verdict{do: finishOld, code: "FRESH2"}},
		{"exactly alike, not started, said to be another", []records.Known{same(fresh)}, answer{another: true}, verdict{do: finishOld, code: "FRESH2"}},
		{"exactly alike, open", []records.Known{same(open)}, answer{}, verdict{do: alreadyThere, code: "OPEN22"}},
		{"exactly alike, open, said to be another", []records.Known{same(open)}, answer{another: true}, verdict{do: alreadyThere, code: "OPEN22"}},
		{"exactly alike, ended", []records.Known{same(ended)}, answer{}, verdict{do: ask}},
		{"alike, open", []records.Known{open}, answer{}, verdict{do: ask}},
		{"alike, not started", []records.Known{fresh}, answer{}, verdict{do: ask}},
		{"alike, another", []records.Known{open}, answer{another: true}, verdict{do: enrolNew}},
		{"alike, returning from an open one", []records.Known{open}, answer{returning: "OPEN22"}, verdict{do: alreadyThere, code: "OPEN22"}},
		{"alike, returning", []records.Known{ended}, answer{returning: "ENDED2"}, verdict{do: enrolNew, client: "1"}},
		{"returning, but another is open", []records.Known{open, ended}, answer{returning: "ENDED2"}, verdict{do: alreadyThere, code: "OPEN22"}},
		{"returning, written before", []records.Known{fresh, ended}, answer{returning: "ENDED2"}, verdict{do: finishOld, code: "FRESH2"}},
		{"returning as somebody else", []records.Known{ended}, answer{returning: "B2B2B2"}, verdict{do: notTheirs, code: "B2B2B2"}},
	} {
		if found := recognise(c.known, c.said); found != c.want {
			t.Errorf("%s: found %+v, expected %+v", c.name, found, c.want)
		}
	}
}

// client is one object of a file.
func clientObject(given, email string) map[string]any {
	return map[string]any{
		"given_name": given, "family_name": "Meyer", "birth_date": "1990-04-01", "email": email, "phone": "+1 555 0123",
		"care_team": map[string]any{"therapist": "t-lane", "prescriber": "p-singh", "coordinators": []string{"c-desk"}},
		"by":        "c-desk", "diagnosis": "ptsd", "primary_measure": "pcl-5", "standard_care_tried": true, "commits_to_the_arc": true, "comfortable": true,
		"mail_permission": true, "availability": []string{"tuesday 09:00-13:00"},
	}
}

func clientsFile(t *testing.T, objects ...map[string]any) string {
	t.Helper()
	text, err := json.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileIsReadStrictlyAndCheckedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	with := func(field string, value any) map[string]any {
		o := clientObject("Bert", "bert@example.org")
		o[field] = value
		if value == nil {
			delete(o, field)
		}
		return o
	}
	for _, c := range []struct {
		second map[string]any
		says   string
	}{
		{with("sponsor", "x"), `clients[1]: found the field "sponsor", expected only given_name`},
		{with("adult", true), `found the field "adult"`},
		{with("phone", 5), "clients[1]: phone: found 5, expected a text"},
		{with("comfortable", "yes"), "clients[1]: comfortable: found \"yes\", expected true or false"},
		{with("comfortable", nil), "clients[1].comfortable: found nothing"},
		{with("care_team", map[string]any{"therapist": "t-lane", "nurse": "n"}), `clients[1]: care_team: found the field "nurse"`},
		{with("care_team", map[string]any{"therapist": "t-lane", "prescriber": "t-khan"}), "clients[1].care_team.prescriber: found t-khan, who is a therapist, expected a prescriber: p-singh, p-moreau"},
		{with("diagnosis", "gout"), "clients[1].diagnosis: found"},
	} {
		s := command(t, env, "", "enrol", "--file", clientsFile(t, clientObject("Anna", "anna@example.org"), c.second))
		s.wants(t, misuse, c.says)
	}
	for _, text := range []string{"", "{}", "[]", "[3]", "null", `[{"by":"a","by":"b"}]`} {
		command(t, env, text, "enrol", "--file", "-").wants(t, misuse)
	}
	if rows := all(t, store); len(rows) != 0 {
		t.Errorf("found %d enrolments, expected none", len(rows))
	}
}

// All that is wrong is said at once, of every client of a file.
func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	_, env := office(t)
	s := command(t, env, "", "enrol", "--given-name", "Anna", "--email", "nowhere", "--therapist", "p-singh", "--finding", "odd", "--zone", "Mars", "--mail-permission")
	s.wants(t, misuse, "--by: found nothing, expected your staff id", "--family-name: found nothing", "--birth-date: found nothing, expected a date such as 1990-04-01", `--email: found "nowhere"`,
		"--phone: found nothing", "--therapist: found p-singh, who is a prescriber, expected a therapist: t-lane", "--prescriber: found nothing", "--coordinator: found nothing",
		"--standard-care-tried: found nothing, expected true or false", "--comfortable: found nothing", "--diagnosis: found nothing", "--primary-measure: found nothing", `--finding: found "odd"`, `--zone: found "Mars"`)
	for _, never := range []string{"--given-name:", "--mail-permission:", "not on this care team"} {
		if strings.Contains(s.err, never) {
			t.Errorf("found %q in\n%s", never, s.err)
		}
	}
	one, two := clientObject("Anna", "anna@example.org"), clientObject("Bert", "")
	one["phone"], one["sponsor"], two["findings"] = 5, "x", []string{"recreational-aim", "odd"}
	command(t, env, "", "enrol", "--file", clientsFile(t, one, two)).wants(t, misuse, "clients[0]: ", "phone: found 5, expected a text", `found the field "sponsor"`,
		"clients[1].email: found nothing", `clients[1].findings[1]: found "odd"`)
}

// Whoever has enrolled somebody reads who is waited for, and where to look.
func TestWhatFollowsAnEnrolmentIsSaid(t *testing.T) {
	t.Parallel()
	house, protocol, err := newDesk(strings.NewReader(""), nil, nil, nil).house()
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	for _, row := range []struct {
		commits bool
		several bool
		says    []string
		never   string
	}{
		{true, false, []string{"  - awaited from prescriber p-singh: Say whether treatment is medically\n", "  - awaited from therapist t-lane: Record the psychological evaluation",
			"  - awaited from client and therapist t-lane: Witness", "kap books preparation by itself", " show K7Q2M9\n", "or:  http://ui.example/namespaces/kap/workflows/pathway-K7Q2M9\n"}, "!"},
		{false, false, []string{"  - awaited from therapist t-lane: Declining is proposed", " show K7Q2M9\n"}, "by itself"},
		{false, true, []string{"  ! the enrolment records what speaks against KAP", "the therapist is asked to decide"}, "awaited"},
	} {
		var out bytes.Buffer
		d := newDesk(strings.NewReader(""), &out, nil, []string{"KAP_UI_URL=http://ui.example/", "HOME=" + t.TempDir()})
		c, wrong := checker{house, protocol, time.Now()}.check(particulars{
			GivenName: "Anna", FamilyName: "Meyer", BirthDate: "1990-04-01", Email: "anna@example.org", Phone: "+1 555 0123", Therapist: "t-lane", Prescriber: "p-singh", Coordinators: []string{"c-desk"},
			By: "c-desk", Diagnosis: "ptsd", PrimaryMeasure: "pcl-5", StandardCareTried: &yes, CommitsToTheArc: &row.commits, Comfortable: &yes, MailPermission: &yes, label: flagOf,
		})
		c.enrolment.Code = "K7Q2M9"
		if err := (&enrolment{desk: d, several: row.several}).sayNext(c.enrolment); err != nil || len(wrong) > 0 {
			t.Fatal(err, wrong)
		}
		said := said{out: out.String()}
		if said.wants(t, done, row.says...); strings.Contains(said.out, row.never) || strings.Contains(said.out, "Anna") {
			t.Errorf("found %q, or a name, in\n%s", row.never, said.out)
		}
	}
}

func TestAFileRunAgainGoesOn(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	one, two, three := clientObject("Anna", "anna@example.org"), clientObject("Bert", "bert@example.org"), clientObject("Carla", "carla@example.org")
	command(t, env, "", "enrol", "--file", clientsFile(t, one, two, three)).wants(t, unreachable, "is written", "2 clients after this one are not enrolled yet")
	execute(t, env, `update pathway set started_at = now(), code = 'K7Q2M9'`)
	twin := clientObject("Anna", "anna2@example.org")

	s := command(t, env, "", "enrol", "--json", "--file", clientsFile(t, twin, one))
	s.wants(t, unanswered, "clients[0]: the same e-mail address, or the same name and birth date, has the open pathway K7Q2M9", `"another_person": true`)
	var results []enrolled
	if err := json.Unmarshal([]byte(s.out), &results); err != nil || len(results) != 1 || results[0] != (enrolled{"K7Q2M9", "pathway-K7Q2M9", "already enrolled"}) {
		t.Errorf("found %s, %v", s.out, err)
	}
	command(t, env, "", "enrol", "--file", clientsFile(t, one)).wants(t, done, "Already enrolled: K7Q2M9")

	twin["another_person"] = true
	command(t, env, "", "enrol", "--file", clientsFile(t, one, twin)).wants(t, unreachable, "Already enrolled: K7Q2M9", "is written")
	if rows := all(t, store); len(rows) != 2 {
		t.Errorf("found %d enrolments, expected 2", len(rows))
	}
}

// Two desks enrol the same client at the same moment: one is first, and the others finish what it began.
func TestTwoDesksEnrolOnePersonOnce(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	var wg sync.WaitGroup
	answers := make([]said, 6)
	for i := range answers {
		args := anna()
		if i%2 == 1 {
			args = anna("--another-person") // said of nobody: it does not make two of one
		}
		wg.Go(func() { answers[i] = command(t, env, "", args...) })
	}
	wg.Wait()
	rows := all(t, store)
	if len(rows) != 1 {
		t.Fatalf("found %d enrolments of one person", len(rows))
	}
	for _, s := range answers {
		s.wants(t, unreachable, "the enrolment "+rows[0].Code+" is written")
	}
}
