package practice

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// number is one value of the protocol file, under its dotted name.
type number struct{ name, value string }

// The page is what the clinicians sign: its table has every value of protocol.yaml and no other.
// shows: numbers-need-sign-off
func TestThePageForTheCliniciansHasEveryNumberOfTheProtocolFile(t *testing.T) {
	t.Parallel()
	file, table := numbersOfTheFile(t), numbersOfThePage(t)
	for _, n := range file {
		rows := named(table, n.name)
		switch {
		case len(rows) != 1:
			t.Errorf("the page has %d rows for %s, expected one that says %s", len(rows), n.name, n.value)
		case rows[0].value != n.value:
			t.Errorf("the page says that %s is %q, and protocol.yaml that it is %q", n.name, rows[0].value, n.value)
		}
	}
	for _, n := range table {
		if len(named(file, n.name)) == 0 {
			t.Errorf("the page has a row for %s, which protocol.yaml does not have", n.name)
		}
	}
}

var marked = regexp.MustCompile("\\*\\*([^*\n]+)\\*\\*\\s+\\(`([a-z0-9_.]+)`\\)")

// A number in the page's text is bold, with its name behind it: **6 sessions** (`dosing.at_most`).
func TestTheNumbersInThePagesTextAreThoseOfTheProtocolFile(t *testing.T) {
	t.Parallel()
	file := numbersOfTheFile(t)
	found := marked.FindAllStringSubmatch(page(t), -1)
	if len(found) < 40 {
		t.Errorf("the text marks %d numbers; are they written another way now?", len(found))
	}
	for _, m := range found {
		n := named(file, m[2])
		if len(n) != 1 || m[1] != n[0].value && !strings.HasPrefix(m[1], n[0].value+" ") {
			t.Errorf("the text says %q of %s, and protocol.yaml says %v", m[1], m[2], n)
		}
	}
}

func named(all []number, name string) []number {
	return slices.DeleteFunc(slices.Clone(all), func(n number) bool { return n.name != name })
}

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// numbersOfThePage reads the table: name, value, unit, what it does, and a last cell that is the clinicians'.
func numbersOfThePage(t *testing.T) []number {
	t.Helper()
	_, section, ok := strings.Cut(page(t), "\n## The numbers\n")
	if !ok {
		t.Fatal("the page has no section for the numbers")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var all []number
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) == 1 || strings.HasPrefix(line, "| name |") || strings.Contains(line, "|---|") {
			continue
		}
		if len(cells) != 7 { // five, and nothing before the first and after the last bar
			t.Errorf("a row has %d cells, expected 5: %s", len(cells)-2, line)
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[3] == "" || cells[4] == "" {
			t.Errorf("a row does not say its unit, or what it does: %s", line)
		}
		all = append(all, number{strings.Trim(cells[1], "`"), cells[2]})
	}
	return all
}

func numbersOfTheFile(t *testing.T) []number {
	t.Helper()
	var root any
	if err := yaml.UnmarshalWithOptions(defaults, &root, yaml.UseOrderedMap()); err != nil {
		t.Fatal(err)
	}
	all := leaves("", root)
	if len(all) < 50 {
		t.Fatalf("read %d values, which cannot be all: %v", len(all), all)
	}
	return all
}

// leaves lists the values below a node. The items of a list that have a name go by it, as reminders.48h does; a list of plain
// values is one value, written with commas.
func leaves(name string, node any) []number {
	var all []number
	switch node := node.(type) {
	case yaml.MapSlice:
		for _, item := range node {
			all = append(all, leaves(strings.TrimPrefix(fmt.Sprintf("%s.%v", name, item.Key), "."), item.Value)...)
		}
	case []any:
		var plain []string
		for _, item := range node {
			fields, ok := item.(yaml.MapSlice)
			if !ok {
				plain = append(plain, fmt.Sprint(item))
				continue
			}
			called := fields.ToMap()["name"]
			fields = slices.DeleteFunc(slices.Clone(fields), func(f yaml.MapItem) bool { return f.Key == "name" })
			all = append(all, leaves(fmt.Sprintf("%s.%v", name, called), fields)...)
		}
		if len(plain) > 0 {
			all = append(all, number{name, strings.Join(plain, ", ")})
		}
	default:
		all = append(all, number{name, fmt.Sprint(node)})
	}
	return all
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// A page leads nowhere that is not there.
func TestThePagesLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s leads to %s, which is not there", page, m[1])
			}
		}
	}
}
