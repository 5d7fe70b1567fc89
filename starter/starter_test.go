package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kap/internal/testpg"
	"kap/internal/testrecords"
	"kap/records"
)

func TestMain(m *testing.M) {
	if os.Getenv(role) == "starter" {
		main()
	}
	testpg.Main(m)
}

// nowhere is an address at which nothing listens.
const nowhere = "127.0.0.1:1"

// said is what one command line answered.
type said struct {
	code     int
	out, err string
}

func command(t *testing.T, env []string, stdin string, args ...string) said {
	t.Helper()
	var out, err bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &out, &err, append([]string{"TEMPORAL_ADDRESS=" + nowhere, "HOME=" + t.TempDir()}, env...))
	return said{code, out.String(), err.String()}
}

// office is a database with kap's tables, and the environment that names it.
func office(t *testing.T) (*records.Store, []string) {
	t.Helper()
	url := testpg.New(t)
	store := testrecords.Open(t, url)
	return store, []string{"DATABASE_URL=" + url}
}

// anna is a client as flags; other flags may follow and override.
func anna(more ...string) []string {
	return append([]string{
		"enrol", "--given-name", "Anna", "--family-name", "Meyer", "--birth-date", "1990-04-01", "--email", "anna@example.org", "--phone", "+1 555 0123",
		"--therapist", "t-lane", "--prescriber", "p-singh", "--coordinator", "c-desk", "--by", "c-desk", "--diagnosis", "ptsd", "--primary-measure", "pcl-5",
		"--standard-care-tried", "--commits-to-the-arc", "--comfortable", "--mail-permission",
	}, more...)
}

func (s said) wants(t *testing.T, code int, texts ...string) {
	t.Helper()
	if s.code != code {
		t.Errorf("exit code %d, expected %d\n%s%s", s.code, code, s.out, s.err)
	}
	for _, text := range texts {
		if !strings.Contains(s.out+s.err, text) {
			t.Errorf("expected %q in\n%s%s", text, s.out, s.err)
		}
	}
}

func TestHelpFitsAnOldTerminal(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"enrol", "--help"}, {"record", "--help"}, {"show", "--help"}, {"list", "--help"}, {"find", "--help"}, {"today", "--help"}, {"tasks", "--help"},
		{"done", "--help"}, {"watch", "--help"}, {"history", "--help"}, {"practice", "--help"}, {"practice", "check", "--help"}, {"mail", "--help"}, {"mail", "preview", "--help"}, {"mail", "doctor", "--help"}, {"prepare-namespace", "--help"}, {"restored", "--help"}, {"resume-mail", "--help"}, {"address", "--help"}, {"completion", "--help"}, {"completion", "bash", "--help"}, {"completion", "fish", "--help"}, {"completion", "zsh", "--help"}, {"completion", "powershell", "--help"}, {"releases", "--help"}, {"releases", "use", "--help"}, {"views", "--help"}, {"verify", "--help"}, {"record", "measure", "--help"}} {
		s := command(t, nil, "", args...)
		s.wants(t, done)
		for line := range strings.Lines(s.out) {
			if len([]rune(strings.TrimRight(line, "\n"))) > screen {
				t.Errorf("%v: longer than %d: %s", args, screen, line)
			}
		}
	}
}

func TestWhatIsTypedWrongIsSaidInOneSentence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"enroll"}, misuse, `found the command "enroll", expected one of address, completion, done, enrol, `},
		{[]string{"enroll"}, misuse, "did you mean enrol?"},
		{[]string{"shw"}, misuse, "did you mean show?"},
		{[]string{"help", "shw"}, misuse, "did you mean show?"},
		{[]string{"recrod", "--help"}, misuse, "did you mean record?"},
		{[]string{"--help", "recrod"}, misuse, "did you mean record?"},
		{[]string{"--env-file", ".kap/env", "recrod", "-h"}, misuse, "did you mean record?"},
		{[]string{"practice", "chek", "--help"}, misuse, "did you mean check?"},
		{[]string{"mail", "previw"}, misuse, `found the command "previw", expected one of doctor, preview; did you mean preview?`},
		{[]string{"practice", "chek"}, misuse, `found the command "chek", expected one of check; did you mean check?`},
		{[]string{"completion", "csh"}, misuse, `found the command "csh", expected one of bash, `},
		{[]string{"practice", "check", "none.yaml"}, misuse, "found no file none.yaml"},
		{[]string{"list", "--session-within", "x y"}, misuse, `--session-within: found "x y", expected a whole number; see starter list --help`},
		{[]string{"list", "--json=x"}, misuse, `--json: found "x", expected true or false`},
		{[]string{"show", "--nope"}, misuse, "found the flag --nope, which starter show does not have"},
		{[]string{"list", "--for"}, misuse, "--for: found nothing, expected a value after it"},
		{[]string{"watch", "--every", "soon"}, misuse, `--every: found "soon", expected a duration such as 30s or 5m`},
		{[]string{"record", "--list", "blessing"}, misuse, `--list: found the milestone "blessing", expected one of prescriber-clearance`},
		{[]string{"record", "K7Q2M9", "refresh", "--by", "c-desk"}, unreachable, "Temporal does not answer"},
		{[]string{"list", "--nope"}, misuse, "--nope"},
		{[]string{"list", "--phase", "nap"}, misuse, "--phase: found \"nap\", expected one of screening"},
		{[]string{"list", "--waiting-on", "nurse"}, misuse, "--waiting-on"},
		{[]string{"list"}, misuse, "DATABASE_URL: found nothing"},
		{[]string{"show"}, misuse, "expected one pathway's code"},
		{[]string{"show", "K7"}, misuse, "K7Q2M9"},
		{[]string{"find"}, misuse, "a part of a name"},
		{[]string{"record"}, misuse, "record --list"},
		{[]string{"record", "blessing", "K7Q2M9"}, misuse, "prescriber-clearance"},
		{[]string{"record", "safety-plan", "K7Q2M9", "decision=on-file"}, misuse, "by: found nothing"},
		{[]string{"record", "safety-plan", "K7Q2M9", "--by", "t-lane", "decision"}, misuse, "field=value"},
		{[]string{"record", "safety-plan", "K7Q2M9", "--by", "t-lane", "by=t-lane"}, misuse, "expected it once"},
		{[]string{"record", "safety-plan", "K7Q2M9", "--json-input", "[1]"}, misuse, "expected one JSON object"},
		{[]string{"record", "safety-plan", "K7Q2M9", "--json-input", "{}", "a=b"}, misuse, "beside --json-input"},
		{[]string{"enrol", "--file", "/nowhere.json"}, misuse, "/nowhere.json"},
		{[]string{"enrol", "--file", "x", "--email", "y"}, misuse, "--email: found it beside --file"},
		{[]string{"--env-file", "/nowhere", "list"}, misuse, "/nowhere"},
		{[]string{"record", "refresh", "K7Q2M9", "--by", "c-desk"}, unreachable, "Temporal does not answer at " + nowhere},
		{[]string{"prepare-namespace", "kap"}, misuse, "found \"kap\", expected flags alone"},
		{[]string{"prepare-namespace", "--wait", "soon"}, misuse, "--wait"},
		{[]string{"releases", "now"}, misuse, "found \"now\", expected flags alone"},
		{[]string{"releases", "use"}, misuse, "expected the name of a release"},
		{[]string{"releases", "use", "the newest"}, misuse, "expected the name of a release"},
		{[]string{"releases", "use", "v1.2.3"}, unreachable, "Temporal does not answer at " + nowhere},
		{[]string{"releases"}, unreachable, "Temporal does not answer at " + nowhere},
		{[]string{"mail", "preview", "--to", ""}, misuse, "--to: found nothing, expected a folder"},
		{[]string{"mail", "preview", "--to", "."}, misuse, "--to: . holds something other than a preview"},
		{[]string{"mail", "preview", "--to", "main.go"}, misuse, "--to: main.go: not a directory"},
		{[]string{"mail", "preview", "/nowhere.yaml"}, misuse, "/nowhere.yaml"},
		{[]string{"mail", "preview", "a", "b"}, misuse, "expected at most the practice's file"},
		{[]string{"prepare-namespace", "--wait", "1s"}, unreachable, "Temporal does not answer at " + nowhere},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			s := command(t, nil, "", c.args...)
			s.wants(t, c.code, c.says)
			if strings.Count(s.err, "\n") != 1 || s.out != "" {
				t.Errorf("expected one line on standard error, found\n%s%s", s.out, s.err)
			}
		})
	}
}

func TestWhatIsWrongAboutAClientIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flags []string
		says  string
	}{
		{[]string{"--given-name", " "}, "--given-name: found nothing"},
		{[]string{"--birth-date", "1.4.1990"}, "--birth-date: found \"1.4.1990\", expected a date such as 1990-04-01"},
		{[]string{"--birth-date", "1899-12-31"}, "expected a date after 1899"},
		{[]string{"--birth-date", "2999-01-01"}, "in the future"},
		{[]string{"--email", "Anna <anna@example.org>"}, "--email"},
		{[]string{"--email", "anna"}, "--email: found \"anna\""},
		{[]string{"--phone", "later"}, "--phone"},
		{[]string{"--therapist", "p-singh"}, "--therapist: found p-singh, who is a prescriber, expected a therapist: t-lane, t-ortiz, t-khan"},
		{[]string{"--prescriber", "nobody"}, "--prescriber: found \"nobody\", who is not in the practice's file"},
		{[]string{"--coordinator", "t-lane"}, "--coordinator: found t-lane"},
		{[]string{"--by", "t-khan"}, "by: found \"t-khan\", who is not on this care team"},
		{[]string{"--diagnosis", "gout"}, "--diagnosis: found \"gout\""},
		{[]string{"--primary-measure", "bmi"}, "--primary-measure: found \"bmi\""},
		{[]string{"--zone", "Mars"}, "--zone: found \"Mars\""},
		{[]string{"--availability", "sometimes"}, "--availability: found \"sometimes\""},
		{[]string{"--finding", "odd"}, "--finding: found \"odd\""},
		{[]string{"--returning", "K7"}, "--returning"},
		{[]string{"--returning", "K7Q2M9", "--another-person"}, "expected only one of them"},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			command(t, nil, "", anna(c.flags...)...).wants(t, misuse, c.says)
		})
	}
	silent := anna()
	silent = silent[:len(silent)-1]
	command(t, nil, "", silent...).wants(t, misuse, "--mail-permission: found nothing, expected true or false")
}

func TestSettingsComeFromTheEnvironmentAndThenTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "env")
	text := "# the stack's\nDATABASE_URL=postgres://file\nTEMPORAL_ADDRESS=file:1\nTEMPORAL_NAMESPACE=file\n\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		env      []string
		database string
		address  string
	}{
		{"nothing in the environment", nil, "postgres://file", "file:1"},
		{"one variable", []string{"TEMPORAL_ADDRESS=env:2"}, "postgres://file", "env:2"},
		{"a profile of one's own", []string{"TEMPORAL_PROFILE=cloud"}, "postgres://file", ""},
	} {
		d := newDesk(strings.NewReader(""), nil, nil, c.env)
		d.envFile = file
		s, err := d.settings()
		if err != nil {
			t.Fatal(err)
		}
		if s["DATABASE_URL"] != c.database || s["TEMPORAL_ADDRESS"] != c.address {
			t.Errorf("%s: found %s and %s", c.name, s["DATABASE_URL"], s["TEMPORAL_ADDRESS"])
		}
	}
	if err := os.WriteFile(file, []byte("A=1\nhunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := command(t, nil, "", "--env-file", file, "list")
	s.wants(t, misuse, "line 2 is not of the form KEY=value")
	if strings.Contains(s.err, "hunter2") {
		t.Error("the error quotes a line that may hold a password")
	}
}

func TestADatabaseThatIsAwayTakesNoPasswordIntoTheError(t *testing.T) {
	t.Parallel()
	s := command(t, []string{"DATABASE_URL=postgres://kap:hunter2@" + nowhere + "/kap"}, "", "list")
	s.wants(t, unreachable, "PostgreSQL does not answer")
	if strings.Contains(s.err, "hunter2") {
		t.Errorf("found the password in %s", s.err)
	}
	command(t, []string{"DATABASE_URL=" + testpg.New(t)}, "", "list").wants(t, fault, "start the worker once")
}

func TestAdultFollowsFromTheBirthDateInThePracticesZone(t *testing.T) {
	t.Parallel()
	d := newDesk(strings.NewReader(""), nil, nil, nil)
	house, protocol, err := d.house()
	if err != nil {
		t.Fatal(err)
	}
	// In New York it is still 30 November; in Europe it is 1 December.
	c := checker{house, protocol, time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)}
	for born, adult := range map[string]bool{"2008-11-30": true, "2008-12-01": false, "1990-01-01": true, "2008-02-29": true, "2009-02-28": false} {
		if found := c.adult(particulars{BirthDate: born}); found != adult {
			t.Errorf("born %s: adult is %v, expected %v", born, found, adult)
		}
	}
}

func TestCodesAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"K7Q2M9", "k7q2m9", "pathway-K7Q2M9", " pathway-k7q2m9 "} {
		if code, err := parseCode(text); err != nil || code != "K7Q2M9" {
			t.Errorf("%q: found %q, %v", text, code, err)
		}
	}
	seen := map[rune]bool{}
	for range 2000 {
		for _, c := range newCode() {
			seen[c] = true
		}
	}
	if len(seen) != len(codeLetters) {
		t.Errorf("found %d letters in codes, expected %d", len(seen), len(codeLetters))
	}
}

// A slip of the pen in a setting is said, not passed over.
func TestASettingThatNobodyReadsIsRefused(t *testing.T) {
	t.Parallel()
	command(t, []string{"KAP_PRACTISE=mine.yaml"}, "", "list").wants(t, misuse, "KAP_PRACTISE: found a variable that nothing reads, expected one of KAP_PRACTICE, ")
}

// Whoever has stopped the stack is told how to start it; whoever names servers of their own is not.
func TestTheStoppedStackIsNamed(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll(".kap", 0o700); err != nil {
		t.Fatal(err)
	}
	url := "DATABASE_URL=postgres://kap@" + nowhere + "/kap"
	if err := os.WriteFile(defaultEnvFile, []byte(url+"\nTEMPORAL_ADDRESS="+nowhere+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hint := "; make run starts the stack, whose address is in .kap/env"
	for _, row := range []struct {
		env  []string
		args []string
		says string
	}{
		{nil, []string{"list"}, "PostgreSQL does not answer; start it, or correct DATABASE_URL" + hint + "\n"},
		{nil, []string{"releases"}, "start it, or correct TEMPORAL_ADDRESS" + hint + "\n"},
		{[]string{url}, []string{"list"}, "start it, or correct DATABASE_URL\n"},
		{nil, []string{"list", "--env-file", defaultEnvFile}, "start it, or correct DATABASE_URL\n"},
	} {
		var out, err bytes.Buffer
		code := run(t.Context(), row.args, strings.NewReader(""), &out, &err, append([]string{"HOME=" + t.TempDir()}, row.env...))
		if code != unreachable || !strings.HasSuffix(err.String(), row.says) {
			t.Errorf("%v: ends with %d and says %q", row.args, code, err.String())
		}
	}
}
