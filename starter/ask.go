package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kap/pathway"
)

// errNoAnswer is the end of the input where an answer was awaited.
var errNoAnswer = usage("the answers ended before everything was asked; nothing was recorded")

// line asks a question and reads one line. Ctrl-C ends the waiting, and the command.
func (d *desk) line(question string) (string, error) {
	fmt.Fprint(d.stderr, question)
	type read struct {
		text string
		err  error
	}
	answer := make(chan read, 1)
	go func() {
		text, err := d.stdin.ReadString('\n')
		answer <- read{strings.TrimSpace(text), err}
	}()
	select {
	case <-d.ctx.Done():
		fmt.Fprintln(d.stderr)
		return "", fail(fault, "interrupted; nothing was recorded")
	case a := <-answer:
		if a.err != nil && a.text == "" {
			fmt.Fprintln(d.stderr)
			return "", errNoAnswer
		}
		return a.text, nil
	}
}

// choose lets somebody pick one of several lines by its number, or by its own words.
func (d *desk) choose(question string, lines []string) (int, error) {
	fmt.Fprintln(d.stderr, indented("", question))
	for i, l := range lines {
		fmt.Fprintln(d.stderr, indented(fmt.Sprintf("  %2d  ", i+1), clean(l)))
	}
	for {
		text, err := d.line("Number: ")
		if err != nil {
			return 0, err
		}
		if i := slices.IndexFunc(lines, func(l string) bool { return text != "" && (l == text || strings.HasPrefix(l, text+",")) }); i >= 0 {
			return i, nil
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(lines) {
			return n - 1, nil
		}
		fmt.Fprintf(d.stderr, "Expected a number from 1 to %d.\n", len(lines))
	}
}

// form asks for a message field by field. What the pathway's own task proposes is taken where it only says what is meant: which
// session, which hold, which form. What was decided and what happened is never filled in: somebody has to say it.
type form struct {
	*desk
	kind     pathway.MessageType
	proposed []member
	zone     *time.Location
	fields   []member
	choices  map[string][]string // by field: what the pathway has to choose from, each before its first comma
}

// fill asks for what the message needs and does not have, and for what the task proposes beside; then for anything else.
func (f *form) fill() error {
	takes := f.kind.Takes()
	asked := 0
	for _, t := range takes {
		t.Must = t.Must || demanded(f.kind, f.fields, t.Name)
		if t.Name == "by" || has(f.fields, t.Name) || !t.Must && !has(f.proposed, t.Name) {
			continue
		}
		if text := f.meant(t); text != "" {
			f.fields = append(f.fields, member{t.Name, answered(t, text)})
			continue
		}
		if asked++; asked == 1 {
			fmt.Fprintf(f.stderr, "%s\n\n", indented("", f.kind.About))
		}
		if err := f.ask(t); err != nil {
			return err
		}
	}
	var rest []string
	for _, t := range takes {
		if t.Name != "by" && t.Name != "id" && !has(f.fields, t.Name) {
			rest = append(rest, t.Name)
		}
	}
	for len(rest) > 0 {
		fmt.Fprintln(f.stderr, indented("", "It may also say: "+strings.Join(rest, ", ")+"."))
		name, err := f.line("One of these, or Enter to go on: ")
		if err != nil {
			return err
		}
		if name == "" {
			break
		}
		i := slices.IndexFunc(takes, func(t pathway.Takes) bool { return t.Name == name })
		if i < 0 || !slices.Contains(rest, name) {
			fmt.Fprintf(f.stderr, "Found %q, expected one of them.\n", name)
			continue
		}
		if err := f.ask(takes[i]); err != nil {
			return err
		}
		rest = slices.DeleteFunc(rest, func(r string) bool { return r == name })
	}
	return nil
}

// demand is a field that the rules ask for because of what another one says.
type demand struct{ message, field, says, needs string }

// demands are known here as well, so that the question comes before the refusal.
var demands = []demand{
	{"measure", "scale", string(pathway.PHQ9), "item_9"},
	{"prescriber-clearance", "decision", pathway.Cleared, "medications_reviewed"},
	{"prescriber-clearance", "decision", pathway.Cleared, "cardiovascular_history_reviewed"},
	{"prescriber-clearance", "decision", pathway.Cleared, "psychiatric_history_reviewed"},
	{"prescriber-clearance", "decision", pathway.Cleared, "medically_stable"},
	{"prescriber-clearance", "decision", pathway.NotCleared, "reason"},
	{"prescriber-clearance", "decision", pathway.Revoked, "reason"},
	{"prescriber-clearance", "decision", pathway.MoreInformation, "needed"},
	{"psychological-evaluation", "decision", pathway.Defer, "what_must_change"},
	{"psychological-evaluation", "decision", pathway.Defer, "review_on"},
	{"psychological-evaluation", "decision", pathway.Decline, "reason"},
	{"consent", "decision", pathway.Given, "risks"},
	{"consent", "decision", pathway.Given, "alternatives"},
	{"consent", "decision", pathway.Given, "what_we_do_and_do_not"},
	{"consent", "decision", pathway.Given, "off_label"},
	{"session-held", "outcome", pathway.AttendedNotDosed, "reason"},
	{"session-held", "outcome", pathway.CutShort, "reason"},
	{"adverse-event", "kind", string(pathway.OtherEvent), "reason"},
}

// demanded says whether what was said so far makes a field necessary.
func demanded(kind pathway.MessageType, said []member, name string) bool {
	return slices.ContainsFunc(demands, func(d demand) bool {
		return d.message == kind.Name && d.needs == name && slices.ContainsFunc(said, func(m member) bool {
			return m.name == d.field && string(m.raw) == string(textMember("", d.says).raw)
		})
	})
}

// lengthAlone is how the rules speak of what may be somebody's own words.
var lengthAlone = regexp.MustCompile(`found something of \d+ characters?`)

// asksAuthor asks who records a message, until it is somebody who can. The pathway has the last word; here it comes before the questions.
func (d *desk) asksAuthor(v *view, kind pathway.MessageType) (string, error) {
	for {
		by, err := d.line("by (your staff id): ")
		if err != nil {
			return "", err
		}
		wrong := cannotRecord(by, v.Status, kind)
		if wrong == "" {
			return by, nil
		}
		fmt.Fprintln(d.stderr, indented("", "Found "+found(by)[len("found "):]+", "+wrong+"."))
	}
}

// cannotRecord says who is expected to record a message on a pathway, where it is not this one; nothing where it may be.
func cannotRecord(by string, s *pathway.Status, kind pathway.MessageType) string {
	if s == nil {
		return ""
	}
	role := s.Team.Role(by)
	switch {
	case role == "" && kind.Anybody:
		if pathway.CheckStaffID(by) != nil {
			return "expected a staff id such as operator"
		}
	case role == "":
		return "expected somebody on this pathway's care team: " + team(s.Team)
	case !slices.Contains(kind.Roles, role):
		return fmt.Sprintf("who is this pathway's %s; expected its %s", role, strings.Join(words(kind.Roles), " or "))
	}
	return ""
}

// ask asks for one field until it gets a value that can stand.
func (f *form) ask(t pathway.Takes) error {
	expected := strings.TrimPrefix(t.Expected, "one of ")
	if !t.Must {
		expected += "; Enter leaves it out"
	}
	if choices := f.choices[t.Name]; t.Must && len(choices) > 0 {
		i, err := f.choose("Which "+t.Name+"?", choices)
		if err != nil {
			return err
		}
		chosen, _, _ := strings.Cut(choices[i], ",")
		f.fields = append(f.fields, member{t.Name, answered(t, chosen)})
		return nil
	}
	for {
		text, err := f.line(indented("", fmt.Sprintf("%s (%s)", t.Name, expected)) + ": ")
		if err != nil {
			return err
		}
		if text == "" && !t.Must {
			return nil
		}
		if text == "" {
			fmt.Fprintf(f.stderr, "Expected %s.\n", t.Expected)
			continue
		}
		raw := answered(t, text)
		if err := f.kind.CheckField(t.Name, raw, f.zone); err != nil {
			_, what, _ := strings.Cut(err.Error(), ": ")
			what = lengthAlone.ReplaceAllLiteralString(what, fmt.Sprintf("found %q", shorten(text, 40))) // whoever typed it may see it
			fmt.Fprintln(f.stderr, indented("", strings.ToUpper(what[:1])+what[1:]+"."))
			continue
		}
		f.fields = append(f.fields, member{t.Name, raw})
		return nil
	}
}

// meant is what the task says by itself of a field; empty where somebody has to.
func (f *form) meant(t pathway.Takes) string {
	i := slices.IndexFunc(f.proposed, func(m member) bool { return m.name == t.Name })
	if i < 0 || slices.Contains([]string{"decision", "outcome", "next"}, t.Name) {
		return ""
	}
	var text string
	if json.Unmarshal(f.proposed[i].raw, &text) != nil || isOpen(f.proposed[i]) {
		return "" // a truth value or a number, or left open
	}
	return text
}

// answered writes as JSON what somebody typed: yes and no are truth values where one is expected.
func answered(t pathway.Takes, text string) json.RawMessage {
	switch {
	case t.List:
		return listValue(text)
	case t.Expected == "true or false":
		switch strings.ToLower(text) {
		case "yes", "y", "true":
			return json.RawMessage("true")
		case "no", "n", "false":
			return json.RawMessage("false")
		}
	case t.Expected == "a whole number" && json.Valid([]byte(text)):
		return json.RawMessage(text)
	}
	return textMember(t.Name, text).raw
}

// confirm shows what is about to be recorded, and about whom: a slip of the finger is not a decision, and a code is nobody's name.
func (d *desk) confirm(v *view, kind pathway.MessageType, fields []member) error {
	fmt.Fprintf(d.stderr, "\n%s\n", clean(strings.TrimSpace(fmt.Sprintf("%s on %s  %s", kind.Name, v.Pathway, v.name))))
	for _, m := range fields {
		fmt.Fprintln(d.stderr, indented("  ", clean(m.name+": "+strings.Trim(string(m.raw), `"`))))
	}
	yes, err := d.yesNo("Record this? [yes/no] ")
	if err != nil {
		return err
	}
	if !yes {
		return fail(done, "nothing was recorded")
	}
	return nil
}

// askFields asks whoever sits at the terminal for the message's fields. What they have typed and left open is the form, or else the
// pathway's own task where there is one.
func (d *desk) askFields(v *view, kind pathway.MessageType, fields, open []member) ([]member, error) {
	f := form{desk: d, kind: kind, proposed: open, fields: fields, zone: time.UTC}
	if s := v.Status; s != nil {
		f.zone = zoneOf(s.Zone)
		f.choices = map[string][]string{}
		for _, x := range s.Sessions {
			if x.State == pathway.Booked {
				f.choices["session"] = append(f.choices["session"], x.Name+", "+moment(x.Start, f.zone))
			}
		}
		if kind.Name == "correct" && !has(fields, "entry") {
			all := d.entries(d.ctx, v.Pathway)
			for _, e := range s.Recorded {
				if i := slices.IndexFunc(all, func(known entry) bool { return known.id == e.ID }); i >= 0 {
					f.choices["entry"] = append(f.choices["entry"], e.ID+", "+all[i].what)
				}
			}
		}
		for _, h := range s.Holds {
			f.choices["hold"] = append(f.choices["hold"], h.Name+", "+string(h.Cause))
		}
		if len(open) == 0 {
			var err error
			if f.proposed, err = d.whichForm(s.Tasks, kind, fields); err != nil {
				return nil, err
			}
		}
	}
	err := f.fill()
	return f.fields, err
}

// whichForm finds the task that asks for such a message and does not contradict what was typed; somebody chooses where there are several.
func (d *desk) whichForm(tasks []pathway.TaskView, kind pathway.MessageType, fields []member) ([]member, error) {
	var forms [][]member
	var lines []string
	for _, t := range tasks {
		proposed, err := membersOf([]byte(t.JSON))
		if t.Message != kind.Name || err != nil {
			continue
		}
		contradicts := slices.ContainsFunc(fields, func(f member) bool {
			return slices.Contains([]string{"session", "scale", "hold", "task", "as"}, f.name) &&
				slices.ContainsFunc(proposed, func(p member) bool { return p.name == f.name && string(p.raw) != string(f.raw) })
		})
		if !contradicts {
			forms, lines = append(forms, proposed), append(lines, t.What)
		}
	}
	if len(forms) == 0 {
		return nil, nil
	}
	if len(forms) == 1 {
		return forms[0], nil
	}
	i, err := d.choose("Several things ask for this. Which one is it?", lines)
	var f *failure
	if errors.As(err, &f) {
		return nil, err
	}
	return forms[i], err
}
