package pathway

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const contractFile = "testdata/contract.txt"

// contractLines say what programs and people rely on, one thing a line: what may be sent by whom, and what is answered.
func contractLines() []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, m := range Messages() {
		add("send %s", m.Name)
		for _, r := range m.Roles {
			add("send %s: from the %s", m.Name, r)
		}
		if m.Anybody {
			add("send %s: from anybody", m.Name)
		}
		for _, f := range m.Takes() {
			must, kind := "may be left out", f.Expected
			if f.Must {
				must = "required"
			}
			if len(f.Options) > 0 {
				kind = "one of these"
			}
			if f.List {
				kind = "a list: " + strings.TrimPrefix(kind, "a list of ")
			}
			add("send %s.%s: %s, %s", m.Name, f.Name, kind, must)
			for _, o := range f.Options {
				add("send %s.%s = %s", m.Name, f.Name, o)
			}
		}
	}
	for _, r := range []Result{Recorded, AlreadySo, Asked} {
		add("answer result = %s", r)
	}
	for _, c := range []RefusalCode{BadJSON, UnknownField, MissingField, BadValue, WrongPerson, NotNow, Blocked, NoSlot, HasEnded} {
		add("refuse %s", c)
	}
	answered(reflect.TypeFor[Reply](), "answer ", add)
	answered(reflect.TypeFor[Status](), "query status: ", add)
	answered(reflect.TypeFor[ClientView](), "query for-client: ", add)
	return all
}

// answered names the fields of what kap answers, as they stand in JSON.
func answered(t reflect.Type, at string, add func(string, ...any)) {
	switch {
	case t.Kind() == reflect.Pointer:
		answered(t.Elem(), at, add)
	case t.Kind() == reflect.Slice:
		answered(t.Elem(), at+"[]", add)
	case t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]():
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && name == "":
				answered(f.Type, at, add)
			case f.IsExported() && name != "-":
				answered(f.Type, strings.TrimSuffix(at, ".")+dot(at)+name, add)
			}
		}
	case t == reflect.TypeFor[time.Time]():
		add("%s is a time", at)
	default:
		add("%s is a %s", at, t.Kind())
	}
}

func dot(at string) string {
	if strings.HasSuffix(at, " ") {
		return ""
	}
	return "."
}

// What staff, their scripts and other programs send keeps its meaning from one release to the next; so does what they read.
func TestTheContractIsKept(t *testing.T) {
	t.Parallel()
	is := contractLines()
	if *update {
		text := "# What may be sent to a pathway and what it answers; written by go test ./pathway -run Contract -update, see docs/releases.md.\n" + strings.Join(is, "\n") + "\n"
		if err := os.WriteFile(contractFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(contractFile)
	if err != nil {
		t.Fatal(err)
	}
	var was []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			was = append(was, line)
		}
	}
	for _, complaint := range compared(was, is) {
		t.Error(complaint)
	}
}

// compared says what changed for those who send and read.
func compared(was, is []string) []string {
	var all []string
	for _, line := range was {
		if !slices.Contains(is, line) {
			all = append(all, fmt.Sprintf("%q no longer holds: what is sent or read in this way today stops working. Keep it and add another beside it; "+
				"or, where you have made sure that nobody uses it, say so in the commit and run go test ./pathway -run Contract -update", line))
		}
	}
	for _, line := range is {
		if slices.Contains(was, line) {
			continue
		}
		message, _, _ := strings.Cut(strings.TrimPrefix(line, "send "), ".")
		if strings.HasPrefix(line, "send ") && strings.HasSuffix(line, ", required") && slices.Contains(was, "send "+message) {
			all = append(all, fmt.Sprintf("%q is new: whoever sends this message as before is refused. Let the field be left out", line))
			continue
		}
		all = append(all, fmt.Sprintf("%q is new, which harms nobody: go test ./pathway -run Contract -update takes it into the contract", line))
	}
	return all
}

func TestABrokenContractIsNamed(t *testing.T) {
	t.Parallel()
	was := []string{"send consent", "send consent.by: a text, required", "send consent.evidence: one of these, may be left out", "send consent.evidence = supported"}
	for _, c := range []struct {
		change func([]string) []string
		says   string
	}{
		{func(l []string) []string { return l }, ""},
		{func(l []string) []string { return nil }, `"send consent" no longer holds`},
		{func(l []string) []string { return l[:3] }, `"send consent.evidence = supported" no longer holds`},
		{func(l []string) []string { l[2] = "send consent.evidence: one of these, required"; return l }, `"send consent.evidence: one of these, may be left out" no longer holds`},
		{func(l []string) []string { return append(l, "send consent.place: a text, required") }, "as before is refused"},
		{func(l []string) []string { return append(l, "send consent.place: a text, may be left out") }, "harms nobody"},
		{func(l []string) []string { return append(l, "send farewell", "send farewell.by: a text, required") }, "harms nobody"},
	} {
		said := strings.Join(compared(was, c.change(slices.Clone(was))), "\n")
		if c.says == "" && said != "" || !strings.Contains(said, c.says) {
			t.Errorf("it says %q, expected %q", said, c.says)
		}
		if c.says == "harms nobody" && strings.Contains(said, "refused") {
			t.Errorf("it says %q of what harms nobody", said)
		}
	}
}
