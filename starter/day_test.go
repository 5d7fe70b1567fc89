package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kap/internal/child"
	"kap/internal/diligent"
	"kap/pathway"
	"kap/records"
)

// at80 holds every line against the width of an old terminal, but for those that are to be copied.
func (s said) at80(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(s.out) {
		if len([]rune(strings.TrimRight(line, "\n"))) > screen && !strings.Contains(line, os.Args[0]) {
			t.Errorf("longer than %d: %s", screen, line)
		}
	}
}

// written records a message, or has it refused, and has what follows from it written.
func written(t *testing.T, store *records.Store, p *pathway.Pathway, now time.Time, name, message string) {
	t.Helper()
	if _, err := p.Record(name, []byte(message), now.UTC()); err != nil && pathway.AsRefusal(err) == nil {
		t.Fatal(err)
	}
	steps(t, store, p, now)
}

const cleared = `{"by":"p-singh","decision":"cleared","medications_reviewed":true,"cardiovascular_history_reviewed":true,"psychiatric_history_reviewed":true,"medically_stable":true}`

// prepared is a pathway whose preparation is booked.
func prepared(t *testing.T, store *records.Store, code, given string, at time.Time) *pathway.Pathway {
	t.Helper()
	p := begun(t, store, code, given, at)
	for _, m := range []struct{ name, says string }{
		{"prescriber-clearance", cleared}, {"psychological-evaluation", pathway.Message("psychological-evaluation").Example},
		{"consent", diligent.WhenAllGoesWell(p.ExampleFor("consent", pathway.Therapist))}, {"safety-plan", pathway.Message("safety-plan").Example},
	} {
		written(t, store, p, at, m.name, m.says)
	}
	return p
}

func TestTasksAreListedForWhoeverOwesThem(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	begun(t, store, "K7Q2M9", "Anna", time.Now())

	s := command(t, env, "", "tasks", "--for", "p-singh")
	s.wants(t, done, "K7Q2M9  Anna Meyer", "prescriber: Say whether treatment is medically acceptable", " record prescriber-clearance K7Q2M9", "since ", "due ")
	s.at80(t)
	if strings.Contains(s.out, "psychological") {
		t.Errorf("the prescriber is shown the therapist's:\n%s", s.out)
	}
	command(t, env, "", "tasks", "k7q2m9").wants(t, done, "psychological-evaluation", "safety-plan", "consent")
	command(t, env, "", "tasks", "--for", "t-ortiz").wants(t, done, "Nothing is owed.")
	command(t, env, "", "tasks", "--urgent").wants(t, done, "Nothing is owed.")
	command(t, env, "", "tasks", "--for", "t-nobody").wants(t, misuse, `--for: found "t-nobody", expected the id of one of the practice's staff: t-lane`)
	command(t, env, "", "tasks", "--role", "boss").wants(t, misuse, `--role: found "boss"`)
	command(t, env, "", "tasks", "B2B2B2").wants(t, unanswered, "there is no pathway B2B2B2")
	s = command(t, env, "", "tasks", "--role", "therapist", "--json")
	var rows []records.TaskLine
	if err := json.Unmarshal([]byte(s.out), &rows); err != nil || len(rows) == 0 || strings.Contains(s.out, "Anna") {
		t.Errorf("found %v in\n%s", err, s.out)
	}
}

func TestTheDayShowsSessionsTasksAndChanges(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	now := time.Now()
	p := prepared(t, store, "K7Q2M9", "Anna", now)
	begun(t, store, "B2B2B2", "Bartholomew", now)
	first := p.Appointments[0]
	zone, _ := time.LoadLocation("America/New_York")
	day := first.Start.In(zone).Format(time.DateOnly)

	s := command(t, env, "", "today", "--for", "t-lane", "--on", day)
	s.wants(t, done, first.Start.In(zone).Format("Monday 2 January 2006")+": Maya Lane, therapist", first.Start.In(zone).Format("15:04")+"-", "K7Q2M9  preparation-1    Anna Meyer",
		"Owed", "B2B2B2  Bartholomew Meyer", "Changed since")
	s.at80(t)
	command(t, append(env, "KAP_BY=t-lane"), "", "today").wants(t, done, "Maya Lane, therapist", "none today", "prescriber's clearance: cleared", "(p-singh)", "The next seven days", "preparation-1")
	s = command(t, env, "", "today", "--for", "t-ortiz", "--on", day)
	s.wants(t, done, "Elena Ortiz, therapist", "none today", "nothing", "no session is booked")
	command(t, env, "", "today").wants(t, done, "the whole practice")
	command(t, append(env, "KAP_BY=nobody"), "", "today").wants(t, misuse, `KAP_BY: found "nobody", expected the id of one of the practice's staff: t-lane`)
	command(t, append(env, "KAP_BY=nobody"), "", "today", "--for", "t-nobody").wants(t, misuse, `--for: found "t-nobody"`)
	command(t, env, "", "today", "--on", "tomorrow").wants(t, misuse, `--on: found "tomorrow", expected a date such as 2026-12-15`)
	s = command(t, env, "", "today", "--for", "t-lane", "--on", day, "--json")
	var a agenda
	if err := json.Unmarshal([]byte(s.out), &a); err != nil || len(a.Sessions) != 1 || len(a.Tasks) == 0 || strings.Contains(s.out, "Meyer") {
		t.Errorf("found %+v, %v in\n%s", a, err, s.out)
	}
}

// What a client answered to the mail about a session stands beside it; nobody says it in their place.
func TestTheDayShowsWhatTheClientAnswered(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	now := time.Now()
	p := prepared(t, store, "K7Q2M9", "Anna", now)
	zone, _ := time.LoadLocation("America/New_York")
	day := p.Appointments[0].Start.In(zone).Format(time.DateOnly)
	for _, a := range []struct{ answer, says string }{{"coming", "the client will be there"}, {"another-time", "the client needs another time"}} {
		written(t, store, p, now, "answer", `{"by":"client.link","session":"preparation-1","revision":1,"answer":"`+a.answer+`"}`)
		s := command(t, env, "", "today", "--for", "t-lane", "--on", day)
		s.wants(t, done, "preparation-1    Anna Meyer\n    "+a.says)
		s.at80(t)
		s = command(t, env, "", "today", "--for", "t-lane")
		s.wants(t, done, "The next seven days", "    "+a.says, "I'll be there (client.link)")
		command(t, env, "", "show", "K7Q2M9").wants(t, done, "booked, "+strings.TrimPrefix(a.says, "the client "))
	}
	for _, c := range []string{"tasks", "today"} {
		s := command(t, env, "", c, "--for", "c-desk")
		s.wants(t, done, "they need another time for preparation-1", "    telephone: +1 555 0123\n", "done K7Q2M9 call/answer/preparation-1/r1")
		s.at80(t)
		if s = command(t, env, "", c, "--for", "c-desk", "--json"); strings.Contains(s.out, "0123") || strings.Contains(s.out, "phone") {
			t.Errorf("found a telephone number in\n%s", s.out)
		}
	}
	if s := command(t, env, "", "tasks", "--for", "p-singh"); strings.Contains(s.out, "telephone:") {
		t.Errorf("a number beside what is no call:\n%s", s.out)
	}
	for _, by := range [][]string{{"--by", "client.link"}, {"by=client.link"}} {
		command(t, env, "", append([]string{"record", "withdraw", "K7Q2M9", "--no-questions"}, by...)...).
			wants(t, misuse, "by: found client.link, expected your staff id")
	}
}

// What has been urgent for two hours reaches whoever is on call, who is on no care team here.
func TestWhoeverIsOnCallSeesWhatIsUrgent(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	now := time.Now().Add(-3 * time.Hour)
	p := begun(t, store, "K7Q2M9", "Anna", now)
	written(t, store, p, now, "hold", `{"by":"t-lane","cause":"crisis","reason":"seen"}`)
	command(t, env, "", "today", "--for", "t-khan").wants(t, done, "URGENT K7Q2M9", "on call: ")
	s := command(t, env, "", "today", "--for", "t-ortiz")
	if strings.Contains(s.out, "K7Q2M9") {
		t.Errorf("somebody else sees it, too:\n%s", s.out)
	}
	command(t, env, "", "list", "--on-hold").wants(t, done, "on hold", "urgent")
	command(t, env, "", "tasks", "--urgent", "--for", "t-lane").wants(t, done, "URGENT K7Q2M9", "hold-1")
}

func TestTheStoryOfAPathway(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	now := time.Now()
	p := prepared(t, store, "K7Q2M9", "Anna", now.Add(-time.Hour))
	written(t, store, p, now, "measure", `{"by":"p-singh","scale":"phq-9","total":14,"item_9":0}`)

	s := command(t, env, "", "history", "k7q2m9")
	s.wants(t, done, "K7Q2M9  Anna Meyer", "enrolled under protocol", "prescriber's clearance: cleared", "(p-singh) [", "         decision=\"cleared\", medications_reviewed=true,", "preparation-1 is booked for", "mail to the client (preparation-1 booked) waits to be sent",
		"p-singh's measure was not taken: by: found p-singh")
	s.at80(t)
	if strings.Index(s.out, "preparation-1 is booked") > strings.Index(s.out, "mail to the client (preparation-1 booked)") || strings.Index(s.out, "mail to the client (preparation-1 booked)") > strings.Index(s.out, "was not taken") {
		t.Errorf("told in another order:\n%s", s.out)
	}
	s = command(t, env, "", "history", "K7Q2M9", "--people")
	if strings.Contains(s.out, "booked") || !strings.Contains(s.out, "cleared") || !strings.Contains(s.out, "was not taken") {
		t.Errorf("people alone:\n%s", s.out)
	}
	command(t, env, "", "history", "K7Q2M9", "--since", "2100-01-01").wants(t, done, "Nothing yet.")
	command(t, env, "", "history", "K7Q2M9", "--since", "lately").wants(t, misuse, `--since: found "lately"`)
	s = command(t, env, "", "history", "K7Q2M9", "--json")
	var events []event
	if err := json.Unmarshal([]byte(s.out), &events); err != nil || len(events) < 8 || strings.Contains(s.out, "Meyer") {
		t.Errorf("found %v in\n%s", err, s.out)
	}
}

func TestTheListIsNarrowed(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	prepared(t, store, "K7Q2M9", "Anna", time.Now())
	begun(t, store, "B2B2B2", "Bartholomew", time.Now())
	for _, row := range []struct {
		args  []string
		shown []string
	}{
		{[]string{"--for", "t-lane"}, []string{"K7Q2M9", "B2B2B2"}},
		{[]string{"--for", "t-ortiz"}, nil},
		{[]string{"--session-within", "9"}, []string{"K7Q2M9"}},
		{[]string{"--waiting-on", "prescriber"}, []string{"B2B2B2"}},
		{[]string{"--stalled"}, nil},
		{[]string{"--outcome", "lapsed"}, nil},
	} {
		s := command(t, env, "", append([]string{"list"}, row.args...)...)
		for _, code := range []string{"K7Q2M9", "B2B2B2"} {
			if strings.Contains(s.out, code) != slices.Contains(row.shown, code) {
				t.Errorf("%v shows\n%s", row.args, s.out)
			}
		}
	}
	command(t, env, "", "list", "--outcome", "cured").wants(t, misuse, `--outcome: found "cured", expected one of completed`)
	command(t, env, "", "list", "--session-within", "-1").wants(t, misuse, "--session-within: found -1")
}

// paper is an output that can be read while it is written.
type paper struct{ child.Output }

func (p *paper) awaits(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not say %q:\n%s", text, p)
		}
	}
}

func TestTheBoardFollowsWhatHappens(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	p := begun(t, store, "K7Q2M9", "Anna", time.Now())
	for _, atATerminal := range []bool{false, true} {
		ctx, stop := context.WithCancel(t.Context())
		var out paper
		d := newDesk(strings.NewReader(""), &out, &out, append([]string{"HOME=" + t.TempDir()}, env...))
		d.colours = atATerminal
		ended := make(chan int)
		go func() { ended <- d.run(ctx, []string{"watch", "--every", "200ms"}) }()
		if atATerminal {
			out.awaits(t, "1 shown: 1 urgent")
			later := time.Now().Add(time.Minute)
			written(t, store, p, later, "risk-assessment", pathway.Message("risk-assessment").Example)
			written(t, store, p, later, "release", `{"by":"t-lane","hold":"hold-1","reason":"seen"}`)
			out.awaits(t, "K7Q2M9*")
			out.awaits(t, "\x1b[H\x1b[2J")
			if strings.Contains(out.String(), "\x1b[3J") {
				t.Errorf("it erases what the terminal has scrolled: %q", out.String())
			}
		} else {
			out.awaits(t, "watching: 1 shown: 0 urgent")
			written(t, store, p, time.Now(), "hold", `{"by":"t-lane","cause":"crisis","reason":"seen"}`)
			out.awaits(t, "K7Q2M9  screening, attention urgent")
		}
		stop()
		if code := <-ended; code != done {
			t.Errorf("interrupted, it ends with %d:\n%s", code, &out)
		}
		d.close()
		if !atATerminal && strings.Contains(out.String(), "\x1b") {
			t.Errorf("found colours where there is no terminal: %q", out.String())
		}
	}
	command(t, env, "", "watch", "--every", "1ms").wants(t, misuse, "--every: found 1ms")
}

func TestThePracticesFilesAreChecked(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	begun(t, store, "K7Q2M9", "Anna", time.Now())
	sample, err := os.ReadFile("../practice/practice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	with := func(pairs ...string) string {
		t.Helper()
		text := string(sample)
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(text, pairs[i]) {
				t.Fatalf("the sample has no %q", pairs[i])
			}
			text = strings.Replace(text, pairs[i], pairs[i+1], 1)
		}
		path := filepath.Join(t.TempDir(), "practice.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := command(t, env, "", "practice", "check")
	s.wants(t, done, "the sample practice: Linden Street KAP", "Mon-Fri 08:00-18:00, Sat 09:00-13:00", "Maya Lane (t-lane)", "Iris Khan (t-khan)", "have not signed off", "Both files can be used.")
	s.at80(t)
	for _, row := range []struct {
		is, path string
		exit     int
		says     string
	}{
		{"a member of a care team who left", with("id: t-lane", "id: t-long"), done, "t-lane is the therapist of 1 open pathways (such as K7Q2M9)"},
		{"nobody prescribes", with("role: prescriber", "role: coordinator"), done, "p-singh is the prescriber of 1 open pathways"},
		{"a mail name that tells", with("name: Linden Street Practice", "name: Linden Ketamine Practice"), misuse, `mail.name: found "Ketamine" in it`},
		{"hours too short for a dosing session", with(string(sample[strings.Index(string(sample), "opening_hours:"):strings.Index(string(sample), "closures:")]),
			"opening_hours:\n  monday: [\"09:00-11:00\"]\n\n"), misuse, "opening_hours: no dosing session of 180 minutes fits"},
		{"no day for the integration", with(string(sample[strings.Index(string(sample), "opening_hours:"):strings.Index(string(sample), "closures:")]),
			"opening_hours:\n  monday: [\"09:00-18:00\"]\n\n"), misuse, "no dosing session has room for its integration 24 to 72 hours after it"},
		{"a field wrong", with("zone: America/New_York", "zone: Nowhere"), misuse, `zone: found "Nowhere"`},
		{"several things", with("name: Linden Street Practice", "name: Linden Ketamine Practice", "on_call: t-khan", "on_call: nobody", "zone: America/New_York", "zone: Nowhere"), misuse, `on_call: found "nobody", expected the id of one of staff; `},
		{"a place that tells and hours too short", with("name: Linden Street Practice", "name: Linden Ketamine Practice", "location: ", "location: Therapy House, ", string(sample[strings.Index(string(sample), "opening_hours:"):strings.Index(string(sample), "closures:")]),
			"opening_hours:\n  monday: [\"09:00-11:00\"]\n\n"), misuse, "opening_hours: no dosing session of 180 minutes fits"},
		{"no such file", filepath.Join(t.TempDir(), "none.yaml"), misuse, "none.yaml"},
	} {
		t.Run(row.is, func(t *testing.T) {
			s := command(t, env, "", "practice", "check", row.path)
			s.wants(t, row.exit, row.says)
			switch row.is { // and all else that is wrong
			case "several things":
				s.wants(t, misuse, `zone: found "Nowhere"`, `mail.name: found "Ketamine" in it`)
			case "a place that tells and hours too short":
				s.wants(t, misuse, `mail.name: found "Ketamine" in it`, `mail.location: found "Therapy" in it`)
			}
		})
	}
	numbers, err := os.ReadFile("../practice/protocol.yaml")
	if err != nil {
		t.Fatal(err)
	}
	telling := filepath.Join(t.TempDir(), "protocol.yaml")
	if err := os.WriteFile(telling, []byte(strings.Replace(string(numbers), "call or text 988 at", "call the Suicide & Crisis Lifeline at", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range [][]string{{"practice", "check"}, {"mail", "preview", "--to", t.TempDir()}, anna()} {
		command(t, append(env, "KAP_PROTOCOL="+telling), "", line...).wants(t, misuse, telling+`: crisis.text: found "Suicide" in it, expected whom to call without a name that tells`)
	}
	command(t, []string{"DATABASE_URL=postgres://kap@" + nowhere + "/kap"}, "", "practice", "check").wants(t, done, "database does not answer: the care teams of open pathways")
}

// sitting is a command line at which somebody types.
func sitting(t *testing.T, env []string, typed string, args ...string) said {
	t.Helper()
	var out, err bytes.Buffer
	d := newDesk(strings.NewReader(typed), &out, &err, append([]string{"TEMPORAL_ADDRESS=" + nowhere, "HOME=" + t.TempDir()}, env...))
	defer d.close()
	d.terminal = true
	code := d.run(t.Context(), args)
	return said{code, out.String(), err.String()}
}

// Whoever sits at a terminal is asked for what is missing: what was decided and what happened is never offered, a slip is asked
// again, and nothing goes out before it was shown. Temporal is away here, which is where each of them ends that gets so far.
func TestWhatIsMissingIsAskedFor(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	p := prepared(t, store, "K7Q2M9", "Anna", time.Now())
	begun(t, store, "B2B2B2", "Bartholomew", time.Now())
	sent := "Temporal does not answer"

	s := sitting(t, env, "nobody\nt-lane\np-singh\nmaybe\ncleared\nyes\ny\ntrue\nyes\n\nyes\n", "record", "prescriber-clearance", "B2B2B2")
	s.wants(t, unreachable, "by (your staff id):", "decision (cleared, not-cleared, more-information, revoked):", "Found \"maybe\", expected one of cleared",
		`Found "nobody", expected somebody on this pathway's care team: therapist`, `Found "t-lane", who is this pathway's therapist; expected its prescriber.`,
		"medications_reviewed (true or false):", "prescriber-clearance on B2B2B2  Bartholomew Meyer", "decision: cleared", "medically_stable: true", "Record this? [yes/no]")
	if strings.Contains(s.err, "[cleared]") || strings.Contains(s.err, "[true]") {
		t.Errorf("a decision is offered:\n%s", s.err)
	}
	// What the pathway knows is not asked for: the form that is in force.
	s = sitting(t, append(env, "KAP_BY=t-lane"), "given\nyes\nyes\nyes\nyes\n\nno\n", "record", "consent", "B2B2B2")
	s.wants(t, done, "document_version: 2026-1", "evidence: promising", "nothing was recorded")
	if strings.Contains(s.err, "document_version (") {
		t.Errorf("asked for what is known:\n%s", s.err)
	}
	// So is what a proposed message leaves open, also where it is given whole.
	proposed := p.ExampleFor("safety-plan", pathway.Therapist, pathway.Field{Name: "decision", Value: pathway.OnFile})
	s = sitting(t, env, "yes\nyes\n\nyes\n", "record", "safety-plan", "B2B2B2", "--json-input", proposed)
	s.wants(t, unreachable, "between_sessions_plan (true or false): ", "emergency_contact_on_file (true or false): ", "decision: on-file", "emergency_contact_on_file: true", sent)
	// A PHQ-9 has its item 9, which is asked for before anything is sent, also where all else was typed.
	for _, typed := range [][]string{{"scale=phq-9", "total=12"}, {"scale=phq-9"}} {
		answers := map[int]string{2: "1\n\nyes\n", 1: "12\n1\n\nyes\n"}[len(typed)]
		s = sitting(t, append(env, "KAP_BY=t-lane"), answers, append([]string{"record", "measure", "K7Q2M9"}, typed...)...)
		s.wants(t, unreachable, "item_9 (a whole number): ", "item_9: 1", sent)
	}
	s = sitting(t, append(env, "KAP_BY=t-lane"), "yes\n", "record", "measure", "K7Q2M9", "scale=pcl-5", "total=30")
	if s.wants(t, unreachable, sent); strings.Contains(s.err, "item_9") {
		t.Errorf("a PCL-5 is asked for its item 9:\n%s", s.err)
	}
	// Optional fields are offered by name.
	s = sitting(t, append(env, "KAP_BY=c-desk"), "preparation-1\nclient\nwhen\nreason\nill\n\nyes\n", "record", "cancel-session", "K7Q2M9")
	s.wants(t, unreachable, "It may also say: ", `Found "when", expected one of them.`, "reason: ill", sent)
	// The input ends: nothing is sent.
	sitting(t, env, "t-lane\nsuitable\n", "record", "psychological-evaluation", "B2B2B2").wants(t, misuse, "nothing was recorded")
	// Whoever gives all that is needed is shown it, with whose it is; a script is asked nothing.
	s = sitting(t, append(env, "KAP_BY=c-desk"), "yes\n", "record", "withdraw", "K7Q2M9")
	s.wants(t, unreachable, "withdraw on K7Q2M9  Anna Meyer", sent)
	sitting(t, append(env, "KAP_BY=c-desk"), "maybe\nno\n", "record", "withdraw", "K7Q2M9").wants(t, done, "Expected yes or no.", "nothing was recorded")
	s = sitting(t, append(env, "KAP_BY=p-singh"), "", "record", "prescriber-clearance", "K7Q2M9", "--no-questions")
	s.wants(t, unreachable, sent)
	if strings.Contains(s.err, "Record this?") {
		t.Errorf("asked all the same:\n%s", s.err)
	}
	command(t, append(env, "KAP_BY=p-singh"), "", "record", "prescriber-clearance", "K7Q2M9").wants(t, unreachable, sent)

	// done
	at := p.Appointments[0].End.Add(time.Minute)
	written(t, store, p, at, "session-held", `{"by":"t-lane","session":"preparation-1","outcome":"no-show"}`)
	written(t, store, p, at, "hold", `{"by":"t-lane","cause":"crisis","reason":"seen"}`)
	sitting(t, append(env, "KAP_BY=t-lane"), "3\n1\nyes\n", "done", "K7Q2M9").wants(t, unreachable, "Which task?", "what became of it?", "task-done on K7Q2M9  Anna Meyer", sent)
	command(t, append(env, "KAP_BY=t-lane"), "", "done", "K7Q2M9", "hold/hold-1/therapist").wants(t, unreachable, sent)
	command(t, append(env, "KAP_BY=t-lane"), "", "done", "K7Q2M9", "hold/hold-1").wants(t, unreachable, sent) // of the two, the one that they owe
	command(t, append(env, "KAP_BY=t-lane"), "", "done", "K7Q2M9", "hold/hold-1/therapist", "reached").wants(t, misuse, `found the outcome "reached", expected acknowledged for hold/hold-1/therapist`)
	command(t, append(env, "KAP_BY=t-lane"), "", "done", "K7Q2M9", "safety-plan").wants(t, unanswered, `found the task "safety-plan", expected one of those open on K7Q2M9: `)
	command(t, append(env, "KAP_BY=t-lane"), "", "done", "B2B2B2", "safety-plan").wants(t, misuse, "safety-plan is done by another message: ", " record safety-plan B2B2B2")
	command(t, append(env, "KAP_BY=t-lane"), "", "done", "B2B2B2", "safety").wants(t, misuse, "safety-plan is done by another message: ", " record safety-plan B2B2B2")
	command(t, append(env, "KAP_BY=t-lane"), "", "done", "B2B2B2", "p").wants(t, misuse, " record prescriber-clearance B2B2B2; ", " record psychological-evaluation B2B2B2")
	command(t, env, "", "record", "care-team", "K7Q2M9", "--by", "c-desk", "therapist=p-singh", "reason=leave").wants(t, misuse, `therapist: found "p-singh", expected a therapist of the practice: t-lane, `)
	command(t, env, "", "record", "care-team", "K7Q2M9", "--by", "c-desk", "coordinators=[c-desk,nobody]", "reason=leave").wants(t, misuse, `coordinators: found "nobody"`)
	command(t, env, "", "done", "B2B2B2").wants(t, misuse, "found no task, expected one of those open on B2B2B2: none")
}

// What is asked for because of another field is what the rules refuse to go without.
func TestWhatIsDemandedIsWhatTheRulesDemand(t *testing.T) {
	t.Parallel()
	store, _ := office(t)
	now := time.Now().UTC()
	p := begun(t, store, "K7Q2M9", "Anna", now.AddDate(0, 0, -1))
	p.Appointments = append(p.Appointments, pathway.Appointment{Name: "dosing-1", Kind: pathway.Dosing, Number: 1, State: pathway.Booked, Start: now.Add(-4 * time.Hour), End: now.Add(-time.Hour)})
	reviewed := `"trauma_history_reviewed":true,"substance_use_history_reviewed":true,"attachment_history_reviewed":true`
	whole := map[string]string{
		"phq-9": `{"by":"t-lane","scale":"phq-9","total":14,"item_9":0}`, "cleared": cleared,
		"not-cleared": `{"by":"p-singh","decision":"not-cleared","reason":"x"}`, "revoked": `{"by":"p-singh","decision":"revoked","reason":"x"}`,
		"more-information": `{"by":"p-singh","decision":"more-information","needed":"x"}`,
		"defer":            `{"by":"t-lane","decision":"defer","what_must_change":"x","review_on":"` + now.AddDate(0, 0, 30).Format(time.DateOnly) + `",` + reviewed + `}`,
		"decline":          `{"by":"t-lane","decision":"decline","reason":"x",` + reviewed + `}`,
		"given":            `{"by":"t-lane","decision":"given","risks":true,"alternatives":true,"what_we_do_and_do_not":true,"off_label":true}`,
		"other":            `{"by":"t-lane","kind":"other","severity":"mild","reason":"x"}`,
		"cut-short":        `{"by":"t-lane","session":"dosing-1","outcome":"cut-short","reason":"x"}`, "attended-not-dosed": `{"by":"t-lane","session":"dosing-1","outcome":"attended-not-dosed","reason":"x"}`,
	}
	for _, row := range demands {
		fields, err := membersOf([]byte(whole[row.says]))
		if err != nil || !has(fields, row.needs) {
			t.Fatalf("%+v: %q, %v", row, whole[row.says], err)
		}
		kind := pathway.Message(row.message)
		if !demanded(kind, fields, row.needs) {
			t.Errorf("%+v is not seen in %s", row, whole[row.says])
		}
		fields = slices.DeleteFunc(fields, func(m member) bool { return m.name == row.needs })
		if _, err := p.Record(kind.Name, object(fields), now); err == nil || !strings.Contains(err.Error(), row.needs) {
			t.Errorf("%+v: %v", row, err)
		}
	}
}

// The beginning of an entry's id is enough where it fits one; where it fits several, they are named.
func TestAnEntryIsNamedByTheBeginningOfItsID(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	now := time.Now()
	p := begun(t, store, "K7Q2M9", "Anna", now)
	for i, id := range []string{"3f9c2a7be01d4456", "3F9Cx", "77aa"} { // in this order, in which they are named
		written(t, store, p, now, "measure", fmt.Sprintf(`{"by":"t-lane","id":%q,"scale":"phq-9","item_9":0,"total":%d}`, id, 19-i))
	}
	correct := func(entry string) said {
		return sitting(t, env, "no\n", "record", "correct", "K7Q2M9", "--by", "t-lane", "entry="+entry, "why=mistyped", "total=12")
	}
	correct("3f9c2").wants(t, done, "entry: 3f9c2a7be01d4456")
	correct("7").wants(t, misuse, `entry: found "7", expected at least 4 characters of an id, or all of a`, "with it begins 77aa (measure by t-lane, ")
	correct("77a").wants(t, misuse, `entry: found "77a"`)
	correct("77AA").wants(t, done, "entry: 77aa")
	correct("3f9cX").wants(t, done, "entry: 3F9Cx")
	correct("enrolment").wants(t, done, "entry: enrolment")
	s := sitting(t, env, "1\nmistyped\n\nno\n", "record", "correct", "K7Q2M9", "--by", "t-lane")
	s.wants(t, done, "Which entry?", "scale=phq-9, item_9=0, total=19", "item_9=0, total=17", "entry: ")
	correct("zz").wants(t, done, "entry: zz") // which the pathway refuses
	correct("3f9c").wants(t, unanswered, `entry: found "3f9c", with which the ids of 2 entries on K7Q2M9 begin:`, "3f9c2a7be01d4456 (measure by t-lane, ", "3F9Cx (measure")
	s = command(t, env, "", "__complete", "record", "correct", "K7Q2M9", "entry=")
	s.wants(t, done, "entry=3f9c2a7be01d4456\tmeasure by t-lane, ", "entry=77aa\t")
	// What was corrected already is not offered, nor what was declared void.
	written(t, store, p, now, "correct", `{"by":"t-lane","id":"c0rr","entry":"77aa","why":"mistyped","total":12}`)
	written(t, store, p, now, "correct", `{"by":"t-lane","id":"v0id","entry":"3F9Cx","why":"another client","void":true}`)
	s = command(t, env, "", "__complete", "record", "correct", "K7Q2M9", "entry=")
	s.wants(t, done, "entry=3f9c2a7be01d4456\t", "entry=c0rr\t", "entry=enrolment\t")
	for _, id := range []string{"77aa", "3F9Cx", "v0id"} {
		if strings.Contains(s.out, "entry="+id) {
			t.Errorf("%s is offered:\n%s", id, s.out)
		}
	}
}

func TestAShellIsOfferedWhatFits(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	begun(t, store, "K7Q2M9", "Anna", time.Now())
	for _, row := range []struct {
		args  []string
		wants []string
	}{
		{[]string{"record", "prescr"}, []string{"prescriber-clearance\tSays whether treatment"}},
		{[]string{"record", "prescriber-clearance", ""}, []string{"K7Q2M9\tAnna Meyer, screening"}},
		{[]string{"record", "prescriber-clearance", "K7Q2M9", "medically"}, []string{"medically_stable=\t"}},
		{[]string{"record", "prescriber-clearance", "K7Q2M9", "decision="}, []string{"decision=cleared", "decision=revoked"}},
		{[]string{"record", "K7Q2M9", ""}, []string{"prescriber-clearance\tSays whether treatment"}},
		{[]string{"record", "K7Q2M9", "measure", "scale="}, []string{"scale=phq-9", "scale=grief"}},
		{[]string{"record", "K7Q2M9", "correct", "entry="}, []string{"entry=enrolment\t"}},
		{[]string{"help", ""}, []string{"record\tRecord a milestone", "practice\t"}},
		{[]string{"help", "practice", ""}, []string{"check\tSay what"}},
		{[]string{"show", ""}, []string{"K7Q2M9\tAnna Meyer, screening"}},
		{[]string{"tasks", "--for", ""}, []string{"t-lane\tMaya Lane, therapist"}},
		{[]string{"list", "--phase", ""}, []string{"screening", "integration"}},
		{[]string{"done", "K7Q2M9", ""}, []string{"prescriber-clearance\t"}},
	} {
		s := command(t, env, "", append([]string{"__complete"}, row.args...)...)
		s.wants(t, done, append(row.wants, ":4")...)
	}
	// Where nothing answers, nothing is offered and nothing is said.
	s := command(t, []string{"DATABASE_URL=postgres://kap@" + nowhere + "/kap"}, "", "__complete", "show", "")
	if s.wants(t, done, ":4"); strings.Contains(s.out, "K7Q2M9") {
		t.Errorf("found %s", s.out)
	}
	command(t, nil, "", "completion", "bash").wants(t, done, "__start_starter")
}

func TestColoursAreForTerminals(t *testing.T) {
	t.Parallel()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if wantsColours(&bytes.Buffer{}, nil) || wantsColours(null, nil) {
		t.Error("colours for something that is no terminal")
	}
	d := newDesk(strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}, nil)
	if found := d.paint(pressing, "URGENT"); found != "URGENT" {
		t.Errorf("found %q", found)
	}
	d.colours = true
	if found := d.paint(pressing, "URGENT"); !strings.HasPrefix(found, "\x1b[1;31mURGENT\x1b[") {
		t.Errorf("found %q", found)
	}
}
