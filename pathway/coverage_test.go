package pathway

import (
	commandline "flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = commandline.Bool("update", false, "write docs/coverage.md and testdata/contract.txt anew")

// shows says which rules of the protocol a test shows. It stands at the test's head: docs/coverage.md is made from these calls.
func shows(t *testing.T, rules ...string) {
	t.Helper()
	for _, id := range rules {
		if !slices.ContainsFunc(protocolRules, func(r rule) bool { return r.id == id }) {
			t.Errorf("%q is no rule of the protocol; see protocolRules", id)
		}
	}
}

// rule is one thing that the protocol says, in a few words of our own.
type rule struct{ section, id, says string }

// protocolRules follow the protocol sentence by sentence.
var protocolRules = slices.Concat(
	rulesOf("The numbers",
		"numbers-in-a-file", "the practice's numbers are in one file, which has a version and is checked field by field",
		"numbers-stored-at-enrolment", "a pathway keeps the numbers it began with",
		"numbers-need-sign-off", "each number is marked as one that the clinicians have yet to sign",
		"block-at-once", "what speaks against KAP blocks at once, before anybody has decided anything",
		"ending-recorded-first", "no ending begins before the person whose decision it is has recorded it",
	),
	rulesOf("Who acts",
		"who-therapist", "what the therapist records, and nobody else",
		"who-prescriber", "what the prescriber records, and nobody else",
		"who-coordinator", "what the front desk records",
		"who-attendance", "the front desk records who came, but for dosing sessions, and not what an integration decided",
		"who-nobody-else", "everybody else is refused, by name of the role whose it is",
		"who-client-withdraws", "the client withdraws at any time and without a reason, through whoever is told",
		"answer-coming", "by a link in a mail the client says that they will be there; nothing follows from it",
		"answer-another-time", "or that they need another time: a coordinator calls, at once where it is short notice; nothing is moved or cancelled",
		"answer-once", "each is taken once for a session as it stands; a link to what was moved shows and does nothing",
		"answer-by-link-only", "nobody answers in the client's place, and by a link they say nothing that is the team's",
		"who-two-people", "one person is never both therapist and prescriber",
		"propose-open", "what kap proposes to send leaves every decision, finding and attestation to whoever makes it",
		"who-no-prescription", "a clearance is no prescription and says so; no dose is proposed anywhere",
		"team-change", "with a new therapist all is booked anew; a new prescriber takes over",
	),
	rulesOf("The arc",
		"arc-phases", "screening, preparation, dosing and integration in turn, closing, ended",
		"arc-no-single-session", "no walk-in and no single session",
		"arc-preparation-first", "nothing is dosed without preparation before it",
	),
	rulesOf("1. Screening",
		"gates-any-order", "four gates, in any order",
		"gates-current-together", "they count only while all are current at one moment",
		"gates-evaluation-visits", "the evaluations themselves wait for no gate",
		"gate-clearance", "medical evaluation: what is reviewed, and the four decisions, each with what it needs",
		"gate-evaluation", "psychological evaluation: what is reviewed, findings by code, and the three decisions, each with what it needs",
		"gate-consent", "informed consent: what is explained; given and withdrawn",
		"gate-consent-evidence", "consent says how far the evidence carries for this diagnosis",
		"gate-consent-document", "consent is to one version of one form, by its SHA-256",
		"gate-plan", "safety plan: for the time between sessions, with an emergency contact; on file or revised",
		"joint-decision", "cleared, suitable and consented together, each by its own person, with the moment at which it became true",
		"joint-still-willing", "on each dosing day the client is asked again",
		"eligibility-recorded", "what enrolment records: age, diagnosis, earlier care, commitment, comfort, mail, times, zone, primary measure",
		"finding-crisis", "a crisis or a risk of self-harm: held at once, urgent for both clinicians, deferring is proposed",
		"finding-psychosis-or-mania", "psychosis or mania, whenever: \"cleared\" is refused; deferring or declining is proposed",
		"finding-cardiovascular", "a cardiovascular bar: likewise",
		"finding-substance-use", "substance use that is not addressed: blocks, deferring is proposed",
		"finding-one-shot", "a single session or a recreational aim: blocks, declining is proposed",
		"finding-ineligible", "not eligible: blocks, declining is proposed",
		"defer-open", "deferred: the pathway stays open, and nobody is asked for anything before the review date",
		"defer-asked-on-date", "on the review date the therapist is asked, and hears of it",
		"defer-reopened", "a new evaluation reopens it",
		"nobody-without-an-answer", "everybody gets an answer: no enrolment is refused for what it says",
		"nobody-dropped-by-silence", "what staff owe is asked for without end, and drops nobody",
		"lapse-only-client", "only what the client owes can lapse",
		"lapse-60-days-after-calls", "after 60 days and two calls",
		"lapse-not-before-review", "never before a review date",
	),
	rulesOf("2. Preparation",
		"preparation-default", "two sessions of 60 minutes",
		"preparation-at-least-one", "at least one, where the therapist says that it suffices",
		"preparation-booked-by-system", "booked by the system once screening is complete",
	),
	rulesOf("3. Dosing and integration",
		"dosing-three-hours", "a dosing session lasts three hours",
		"dosing-in-person", "at the practice and in person; never online",
		"dosing-own-therapist", "with the pathway's own therapist, from start to end",
		"dosing-at-most-six", "at most six",
		"dosing-seven-days-apart", "at least seven days apart",
		"dosing-aim-14", "booked with an aim of fourteen",
		"integration-window", "integration of 60 minutes, 24 to 72 hours after it",
		"integration-booked-together", "booked, and moved, together with its dosing session",
		"integration-follows-the-record", "where the record says that the dosing session was held earlier, it is moved, or somebody is asked to",
		"another-time-offered", "what is booked in place of a session that somebody cancelled is at another time",
		"integration-next", "an integration says another or close",
		"integration-client-agrees", "nothing more is booked without the client's agreement",
		"integration-missed", "a missed one: the client is called the same day, and it is booked again",
		"blocker-for-its-start", "each rule is asked for the session's start, not for now",
		"blocker-phase", "blocked: the phase is not reached, or an ending has begun",
		"blocker-eligibility-finding", "blocked: not eligible, or a finding stands",
		"blocker-clearance", "blocked: clearance missing, refused, revoked, or waiting for information",
		"clearance-covers-60-days", "a clearance covers 60 days",
		"clearance-covers-two-sessions", "and two dosing sessions",
		"clearance-asked-a-week-before", "the prescriber is asked again a week before it would fail",
		"clearance-void", "blocked: what happened voids the clearance",
		"blocker-consent", "blocked: consent missing or withdrawn",
		"consent-outdated", "blocked: consent to a form that is outdated by then",
		"blocker-evaluation", "blocked: the evaluation is not \"suitable\"",
		"blocker-plan", "blocked: no safety plan",
		"plan-90-days", "or one that is 90 days old by then",
		"blocker-preparation", "blocked: preparation is not complete by then",
		"blocker-integration", "blocked: the integration was not held, or did not say another",
		"blocker-measure", "blocked: the measure of this decision point is missing",
		"measure-seven-days", "or is more than seven days old",
		"review-blocks", "blocked: a review is outstanding, or says stop",
		"hold-blocks", "blocked: any hold",
		"checked-when-booking", "checked when a session is booked or moved",
		"checked-on-change", "checked whenever something changes",
		"check-48-hours", "checked 48 hours before: from then on, what is blocked is cancelled",
		"checked-on-the-day", "checked up to the last minute",
		"blockers-word-for-word", "staff read word for word what blocks",
		"cancelled-mail-and-call", "cancelled within 48 hours: mailed at once, and called until reached",
		"record-outcome", "the outcomes of a dosing session, and what each leaves",
		"record-fields", "every field of its record: none may be missing, each can be bad news",
		"record-never-refused", "no fact is refused for being bad news",
		"pressure-limit", "a blood pressure over 140/90 before it: not dosed",
		"pressure-answered", "until the prescriber answers",
		"deviation-holds", "what was done against the rules is a deviation, which holds the pathway for both",
		"deviation-learned-late", "also where that is learned later",
		"left-unsteady-or-alone", "leaving unsteady or alone is an adverse event",
		"judged-by-own-time", "a session is judged by what was in force at its own time, however late it is recorded",
		"late-cancellation", "no-shows and late cancellations are recorded",
		"rebooked-by-system", "the system books again",
		"rebooked-twice-then-talk", "twice in a row; then the therapist talks with the client first",
	),
	rulesOf("4. Is it working?",
		"measure-phq-9-for-all", "everyone is asked the PHQ-9, beside the primary measure",
		"measure-ranges", "each scale has its range",
		"item-9-mandatory", "no PHQ-9 without its ninth item",
		"measure-grief-by-clinician", "for grief, a total of the clinician's",
		"grief-both-at-checkpoints", "which both clinicians judge at each checkpoint",
		"measure-baseline", "the baseline is the last before the first dosing session, then frozen",
		"measure-decision-points", "decision points: the baseline, before each further dosing session, closing",
		"measure-improvement-to-latest", "improvement is from the baseline to the latest",
		"item-9-is-1", "item 9 of 1 waits for a risk assessment",
		"item-9-holds", "item 9 of 2 or 3, or risen, holds, and is urgent for both clinicians",
		"item-9-safety-plan", "and is released once the safety plan was looked at",
		"item-9-flag-not-assessment", "it is a flag: the assessment is the therapist's",
		"worsening-holds", "so much worse than the baseline holds: PHQ-9 5, GAD-7 4, PCL-5 5",
		"checkpoint-every-two", "after every second dosing session the prescriber clears again",
		"not-working-from-4th", "not working is said from the fourth dosing session on",
		"not-working-both-bounds", "at most 25 % better, and less than the smallest important change",
		"not-working-review", "then a review decides: stop, adjust or one more, until the next dosing session",
		"review-has-reason", "with a reason",
		"verdict-says-why", "what is said of a scale has its numbers and the rule",
		"after-six-stop-proposed", "after six: less than half better, no remission, no important change: stopping is proposed",
		"after-six-both", "anything else takes both clinicians",
		"adverse-events", "which adverse events count, and from which severity",
		"measure-missing-never-fine", "a missing measure is never fine",
		"low-baseline", "below a baseline of 10 only points count",
		"baseline-zero", "a baseline of 0 has no percentage",
		"holds-separate", "holds are separate: releasing one leaves the others",
		"hold-crisis", "crisis: released by the therapist, with a risk assessment",
		"hold-item-9", "item 9: likewise",
		"hold-adverse-event", "adverse event: released by the prescriber",
		"hold-worsening", "worsening: by both",
		"hold-deviation", "deviation: by both",
		"hold-concern", "a concern: by whoever placed it",
		"hold-restored", "what a restore may have lost: by both",
		"take-back", "who waits for the other clinician can take their part back",
	),
	rulesOf("5. Endings",
		"ending-completed", "completed", "ending-stopped-and-referred", "stopped and referred", "ending-declined-and-referred", "declined and referred",
		"ending-withdrawn", "withdrawn", "ending-lapsed", "lapsed",
		"ending-cancels-the-rest", "an ending cancels what is booked",
		"last-integration-kept", "except the integration after the last dosing session, unless the client declines it",
		"ending-tells-both", "both clinicians are told",
		"ending-letter", "a closing letter, printed or handed over: the mail only says that one is ready, and whom to call",
		"ending-referral", "no stop and no decline without a referral: until then it is stopping",
		"referral-offered", "on withdrawal a referral is offered",
		"ending-discharge-contact", "after any dosing session the prescriber is asked for a discharge contact",
		"ending-conversation", "the client hears of a stop or a decline from a person: reached, or tried twice",
		"ending-no-mail-before", "no mail says it before",
		"closing-measure", "completing takes a last measure",
		"after-the-ending", "adverse events and corrections are still taken: to the journal and both clinicians, changing no outcome",
		"after-the-ending-others-refused", "and nothing else is",
		"correction-supersedes", "a correction supersedes an entry, with a reason: its fields, its time, or all of it",
		"informed-is-ones-own", "that they know of an urgent hold is each clinician's own to say, also once the other has released it",
		"hold-says-what-stands", "what a hold says follows the record",
		"correction-raises-and-lifts", "the rules are evaluated anew: holds are raised and lifted",
		"correction-both-in-journal", "both stay in the journal",
		"correction-only-recorder", "who may record it may correct it",
	),
	rulesOf("Tasks",
		"task-derived", "a task follows from the state: who, what, since, due, how urgent; and is done when the state says so",
		"task-human-act", "a human act is done when somebody records it",
		"refused-signal", "a message that was refused and whose sender could not be told is somebody's task",
		"urgent-at-once", "urgent ones reach their people at once",
		"urgent-hourly-until-acknowledged", "hourly until acknowledged",
		"urgent-on-call", "after two hours the on-call number's holder too",
		"urgent-mail-any-hour", "by night as well",
	),
	rulesOf("When people hear from us",
		"hear-session-changes", "booked, moved, cancelled: at once",
		"cancelled-only-if-heard", "a cancellation only where a mail of the session went out, or may have",
		"reminders", "reminders seven days, 48, 24 and 2 hours before",
		"reminder-sheet", "before a dosing session the one of 48 hours points to the preparation sheet",
		"reminder-late", "late by 24, 6, 3 hours or 30 minutes it is reported, not sent",
		"hear-consent", "consent: after three and seven days, then a call",
		"client-mail-late", "a day late at most",
		"hear-questionnaire", "questionnaire: six, four and three days before, a call at 60 hours",
		"questionnaire-late", "twelve hours late at most",
		"hear-clinician", "clearance or evaluation: after two days, five, then each morning, the coordinator too",
		"hear-session-record", "a session that is not recorded: two hours after its end, next morning, then daily",
		"due-within-a-day", "what is asked for at once is due within a day, and overdue only then",
		"hear-review-referral-hold", "review, referral, hold: at once, then daily",
		"mail-hours", "client mail between 08:00 and 20:00 on the client's clock",
		"mail-at-once", "the two-hour reminder and a cancellation within 48 hours at once",
		"mail-spread", "spread over the first minutes",
		"times-in-both-zones", "times on the client's clock and, where it differs, the practice's",
		"invitation", "booked, moved and cancelled bring a calendar invitation: one appointment all its life, the newest word counts",
		"invitation-zone", "an invitation means the same moment in every calendar, across summer time too",
		"wall-clock", "a session keeps its hour across a change to or from summer time",
		"mail-permission", "without permission every client mail is a telephone task",
		"mail-events", "what the mail service says became of a mail is taken once, from whoever can sign for it",
		"mail-arrived", "a mail of which nobody knew is settled by that, and its call taken back",
		"mail-returned", "one that came back is said by telephone; its address is not used until it is corrected",
		"mail-corrected", "a corrected address is used again",
		"mail-opted-out", "whoever calls it spam, or unsubscribes, gets no more of it and is called",
		"contact-change", "a new zone or new weekly times count at once",
		"mail-in-doubt", "nobody knows whether a mail went out: after ten minutes a reminder is sent again, once; about every other one somebody calls",
		"mail-doubt-settled", "what the mail service tells meanwhile settles it",
	),
	rulesOf("After a restore",
		"restored-holds", "every pathway that has not ended is held, once a restore, until it is confirmed that nothing is missing",
		"restored-before-it-acts", "it hears of the restore before it books, cancels or mails anything",
		"restored-unknown", "what had not gone out, and what fell due since the backup, is unknown: never mailed, said by telephone",
		"restored-goes-on", "what falls due afterwards goes out as usual",
		"restored-paused", "no mail goes out before somebody says so",
		"restored-ended", "an ended pathway is not held",
	),
	rulesOf("Words",
		"words-neutral", "no part of a mail says anything about the treatment",
		"words-first-name-only", "first name only, and none on the lock screen",
		"words-no-promises", "nothing promises or hints at an outcome",
		"crisis-line", "questionnaire and closing mails are not monitored, say so, and give the crisis line",
		"opting-out-becomes-calls", "opting out of mail becomes calls and never stops care",
	),
)

func rulesOf(section string, pairs ...string) []rule {
	var all []rule
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, rule{section, pairs[i], pairs[i+1]})
	}
	return all
}

// shown are the tests by the rules that they show, and those of the tables by the words that are written in them.
type shown struct{ tests, words map[string][]string }

// folders are those whose tests may show a rule.
var folders = []string{"pathway", "practice", "mail", "records", "activities", "workflows", "web", "starter", "stack/e2e"}

// read finds in the code which tests show which rules.
func read(t *testing.T) shown {
	t.Helper()
	s := shown{map[string][]string{}, map[string][]string{}}
	constants := map[string]string{}
	for _, c := range constantsOf(t, "") {
		constants[c.name] = c.value
	}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no tests: %v", folder, err)
		}
		for _, path := range files {
			file := goFile(t, path)
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") {
					continue
				}
				name := f.Name.Name
				if folder != "pathway" {
					name = folder + ": " + name
				}
				for _, id := range claims(t, path, f) {
					if !slices.ContainsFunc(protocolRules, func(r rule) bool { return r.id == id }) {
						t.Errorf("%s: %s shows %q, which is no rule of the protocol", path, f.Name.Name, id)
					}
					if slices.Contains(s.tests[id], name) {
						t.Errorf("%s: %s shows %q twice", path, f.Name.Name, id)
					}
					s.tests[id] = append(s.tests[id], name)
				}
				if strings.HasPrefix(filepath.Base(path), "tables_") {
					for _, word := range wordsOf(f, constants) {
						if !slices.Contains(s.words[word], name) {
							s.words[word] = append(s.words[word], name)
						}
					}
				}
			}
		}
	}
	return s
}

func goFile(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// claims are the rules that a test says it shows: in a call of shows, or in a comment line above it.
func claims(t *testing.T, path string, f *ast.FuncDecl) []string {
	t.Helper()
	var ids []string
	for line := range strings.Lines(f.Doc.Text()) {
		if list, ok := strings.CutPrefix(strings.TrimSpace(line), "shows: "); ok {
			for id := range strings.SplitSeq(list, ",") {
				ids = append(ids, strings.TrimSpace(id))
			}
		}
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if name, ok := call.Fun.(*ast.Ident); !ok || name.Name != "shows" {
			return true
		}
		for _, arg := range call.Args[1:] {
			id, ok := literal(arg)
			if !ok {
				t.Errorf("%s: %s calls shows with something else than a text", path, f.Name.Name)
			}
			ids = append(ids, id)
		}
		return true
	})
	return ids
}

// wordsOf is what is written in a test: its texts, and the values of the constants that it names.
func wordsOf(f *ast.FuncDecl, constants map[string]string) []string {
	var words []string
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.CallExpr:
			name, ok := x.Fun.(*ast.Ident)
			return !ok || name.Name != "shows"
		case *ast.BasicLit:
			if word, ok := literal(x); ok {
				words = append(words, word)
			}
		case *ast.Ident:
			if value, ok := constants[x.Name]; ok {
				words = append(words, value)
			}
		}
		return true
	})
	return words
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

type constant struct{ name, value string }

// constantsOf are the texts of the rules that have a name and a type; with no type, all.
func constantsOf(t *testing.T, of string) []constant {
	t.Helper()
	var all []constant
	for _, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != len(v.Names) {
				return true
			}
			kind, _ := v.Type.(*ast.Ident)
			for i, name := range v.Names {
				if text, ok := literal(v.Values[i]); ok && (of == "" || kind != nil && kind.Name == of) {
					all = append(all, constant{name.Name, text})
				}
			}
			return true
		})
	}
	return all
}

// blockerCodes are the codes of the blockers that the rules can find; a hold's is its own name.
func blockerCodes(t *testing.T) []string {
	t.Helper()
	constants := map[string]string{}
	for _, c := range constantsOf(t, "") {
		constants[c.name] = c.value
	}
	var codes []string
	for _, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || len(lit.Elts) == 0 {
				return true
			}
			if name, ok := lit.Type.(*ast.Ident); !ok || name.Name != "Blocker" {
				return true
			}
			for i, e := range lit.Elts {
				kv, keyed := e.(*ast.KeyValueExpr)
				switch {
				case keyed && kv.Key.(*ast.Ident).Name == "Code":
					e = kv.Value
				case keyed || i > 0:
					continue
				}
				found, ok := literal(e)
				if name, named := e.(*ast.Ident); !ok && named {
					found = constants[name.Name]
				}
				if found != "" && !slices.Contains(codes, found) {
					codes = append(codes, found)
				}
			}
			return true
		})
	}
	return codes
}

func sources(t *testing.T) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, path := range paths {
		if !strings.HasSuffix(path, "_test.go") {
			files = append(files, goFile(t, path))
		}
	}
	return files
}

// coverage is the page: each rule with its tests, then each name of the code with the tests that say it.
func coverage(t *testing.T) string {
	t.Helper()
	s := read(t)
	var b strings.Builder
	b.WriteString("# What the tests show\n\nMade by `go test ./pathway -run Coverage -update` from the code of the tests; do not edit. Each rule of the practice's [protocol](protocol.md), in a\n" +
		"few words, with the tests that show it. A test that names no folder is in `pathway`.\n")
	section := ""
	for _, r := range protocolRules {
		if r.section != section {
			section = r.section
			fmt.Fprintf(&b, "\n## %s\n\n| rule | | shown by |\n|---|---|---|\n", section)
		}
		tests := s.tests[r.id]
		if len(tests) == 0 {
			t.Errorf("no test shows %q: %s", r.id, r.says)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.id, r.says, list(tests, len(tests)))
	}
	b.WriteString("\n## The names of the code\n\nEvery name that staff or programs meet occurs in a table of `pathway/tables_*_test.go`.\n\n| name | | in |\n|---|---|---|\n")
	for _, group := range []struct {
		is    string
		names []string
	}{
		{"message", messageNames()},
		{"blocker", blockerCodes(t)},
		{"hold's cause", values(constantsOf(t, "Cause"))},
		{"ending", values(constantsOf(t, "Outcome"))},
		{"finding", values(constantsOf(t, "Finding"))},
		{"adverse event", values(constantsOf(t, "EventKind"))},
		{"review", values(constantsOf(t, "ReviewDecision"))},
	} {
		if len(group.names) < 4 {
			t.Errorf("found %d names for %s: is it written another way now?", len(group.names), group.is)
		}
		for _, name := range group.names {
			tests := s.words[name]
			if len(tests) == 0 {
				t.Errorf("no test says the %s %q", group.is, name)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, group.is, list(tests, 3))
		}
	}
	return b.String()
}

// list names tests, the first so many of them.
func list(tests []string, most int) string {
	tests = slices.Sorted(slices.Values(tests))
	if len(tests) > most {
		return strings.Join(tests[:most], ", ") + " and more"
	}
	return strings.Join(tests, ", ")
}

func messageNames() []string {
	var all []string
	for _, m := range Messages() {
		all = append(all, m.Name)
	}
	return all
}

func values(all []constant) []string {
	var texts []string
	for _, c := range all {
		texts = append(texts, c.value)
	}
	return texts
}

// The page says what the tests show: a rule without a test, a test of a rule that is none, and a page that is not the one that
// would be made now all fail.
func TestCoverage(t *testing.T) {
	t.Parallel()
	for i, r := range protocolRules {
		if slices.ContainsFunc(protocolRules[:i], func(o rule) bool { return o.id == r.id }) {
			t.Errorf("%q stands in the list twice", r.id)
		}
	}
	const path = "../docs/coverage.md"
	page := coverage(t)
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != page {
		t.Errorf("docs/coverage.md is not what the tests show now; go test ./pathway -run Coverage -update writes it; the first line that differs should be:\n%s", differs(string(written), page))
	}
}

// differs is the first line of a page that is another than in the one that is written.
func differs(written, page string) string {
	old := strings.Split(written, "\n")
	for i, line := range strings.Split(page, "\n") {
		if i >= len(old) || old[i] != line {
			return line
		}
	}
	return "the page ends earlier"
}
