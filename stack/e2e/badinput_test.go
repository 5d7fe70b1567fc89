package e2e_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"kap/pathway"
	"kap/stack/stories"
)

// What is wrong with a message is said in a sentence, the pathway stays as it was, and the journal keeps the attempt.
func TestBadMessagesAreRefusedInASentence(t *testing.T) {
	t.Parallel()
	h := sharedHouse(t)
	ctx := within(t, 2*time.Minute)
	fresh := h.enrol(ctx, t, h.team(), nil)
	shared := h.team()
	booked := h.enrol(ctx, t, shared, nil)
	other := h.enrol(ctx, t, shared, fields{"given_name": "Other-" + shared.therapist, "email": "other-" + shared.therapist + "@clients.example"})
	for _, p := range []*person{booked, other} {
		p.tellNow(story(t, 0, shared)[:4])
		await(ctx, t, "two preparation sessions", func() error {
			if s := p.status(); len(s.Sessions) != 2 || s.Unwritten > 0 {
				return fmt.Errorf("there are %d", len(s.Sessions))
			}
			return nil
		})
	}
	taken := session(t, other.status(), "preparation-1")
	clearance := func(changes fields) fields {
		input := fields{"by": fresh.prescriber, "decision": "cleared", "medications_reviewed": true, "cardiovascular_history_reviewed": true, "psychiatric_history_reviewed": true, "medically_stable": true}
		for name, value := range changes {
			input[name] = value
		}
		return input
	}
	for _, c := range []struct {
		what    string
		p       *person
		name    string
		input   any
		code    pathway.RefusalCode
		says    []string
		another bool // refused by the calendar: the wish was taken
	}{
		{"a misspelt field", fresh, "prescriber-clearance", clearance(fields{"medicaly_stable": true}), pathway.UnknownField, []string{`"medicaly_stable"`, "medically_stable"}, false},
		{"a missing field", fresh, "prescriber-clearance", fields{"by": fresh.prescriber}, pathway.MissingField, []string{`"decision"`, "cleared"}, false},
		{"a word that is no decision", fresh, "prescriber-clearance", clearance(fields{"decision": "ok"}), pathway.BadValue, []string{"decision", "2 characters", "cleared"}, false},
		{"a field of the wrong kind", fresh, "prescriber-clearance", clearance(fields{"medically_stable": "yes"}), pathway.BadValue, []string{"medically_stable", `"yes"`, "true or false"}, false},
		{"a time without a zone", fresh, "prescriber-clearance", clearance(fields{"at": "2026-11-20T10:00:00"}), pathway.BadValue, []string{"at", "2026-11-20T10:00:00", "which has no time zone"}, false},
		{"a time to come", fresh, "prescriber-clearance", clearance(fields{"at": "2099-11-20 10:00"}), pathway.BadValue, []string{"at", "in the future"}, false},
		{"no object", fresh, "prescriber-clearance", "cleared", pathway.BadJSON, []string{"expected one JSON object"}, false},
		{"a clearance by the therapist", fresh, "prescriber-clearance", clearance(fields{"by": fresh.therapist}), pathway.WrongPerson, []string{fresh.therapist, "therapist", "only its prescriber"}, false},
		{"a stranger", fresh, "consent", fields{"by": "t-1x", "decision": "given"}, pathway.WrongPerson, []string{"care team"}, false},
		{"dosing before consent", fresh, "book-session", fields{"by": fresh.desk, "kind": "dosing", "start": "2026-12-30 10:00"}, pathway.Blocked, []string{"no dosing session can be booked", "consent"}, false},
		{"preparation before screening", fresh, "book-session", fields{"by": fresh.desk, "kind": "preparation"}, pathway.Blocked, []string{"before screening is complete"}, false},
		{"a session in the past", booked, "move-session", fields{"by": booked.desk, "session": "preparation-1", "start": "2026-01-05 10:00"}, pathway.BadValue, []string{"which is past"}, false},
		{"a session that does not exist", booked, "move-session", fields{"by": booked.desk, "session": "preparation-9", "start": "2099-01-05 10:00"}, pathway.BadValue, []string{"preparation-9", "preparation-1"}, false},
		{"a session that has not begun", booked, "session-held", fields{"by": booked.therapist, "session": "preparation-1", "outcome": "held"}, pathway.NotNow, []string{"has not begun"}, false},
		{"a time at which the therapist sees somebody else", booked, "move-session", fields{"by": booked.desk, "session": "preparation-1", "start": taken.Start.Format(time.RFC3339)}, pathway.NoSlot, []string{"preparation-1 was not moved", "choose another time"}, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			before, journal := c.p.status(), c.p.books().Journal
			_, err := c.p.send("", c.name, c.input)
			var refused *temporal.ApplicationError
			if !errors.As(err, &refused) || refused.Type() != string(c.code) {
				t.Fatalf("the answer is %v, expected %s", err, c.code)
			}
			for _, want := range c.says {
				if !strings.Contains(refused.Message(), want) {
					t.Errorf("the answer does not say %q: %s", want, refused.Message())
				}
			}
			t.Log(refused.Message())
			after := c.p.status()
			if n := len(after.Refused); n == 0 || after.Refused[n-1].Why == "" {
				t.Errorf("the status does not show the refusal: %s", shown(after.Refused))
			}
			if a, b := calm(before), calm(after); a != b {
				t.Errorf("the pathway was\n%s\nand is\n%s", a, b)
			}
			await(ctx, t, "the journal to hold the attempt", func() error {
				added := c.p.books().Journal[len(journal):]
				want := []string{"rejected " + c.name + " " + string(c.code) + ": " + c.p.anonymous(refused.Message())}
				if c.another {
					want = []string{"taken move-session", "done not-moved"}
				}
				if !slices.EqualFunc(added, want, strings.HasPrefix) {
					return fmt.Errorf("it holds %q, expected %q", added, want)
				}
				return nil
			})
		})
	}

	_, problem, exit := h.starter(ctx, t, nil, "record", "refresh", "BBBBBB", "--by", fresh.desk)
	if exit != 4 || !strings.Contains(problem, "there is no pathway BBBBBB") {
		t.Errorf("an unknown pathway: ended with %d and said %q", exit, problem)
	}
	for _, c := range []struct{ family, says string }{
		{"Fictional", "already enrolled"}, // the same person
		{"Other", "another_person"},       // somebody with the same address
	} {
		flags := []string{"enrol", "--given-name", "Client-" + fresh.therapist, "--family-name", c.family, "--birth-date", "1984-05-17", "--email", "client-" + fresh.therapist + "@clients.example",
			"--phone", "+1 555 0111", "--therapist", fresh.therapist, "--prescriber", fresh.prescriber, "--coordinator", fresh.desk, "--by", fresh.desk, "--diagnosis", "ptsd", "--primary-measure", "pcl-5",
			"--standard-care-tried", "--commits-to-the-arc", "--comfortable", "--mail-permission"}
		out, problem, exit := h.starter(ctx, t, nil, flags...)
		if exit != 4 || !strings.Contains(problem, fresh.code) || !strings.Contains(strings.ReplaceAll(problem, "-", "_"), strings.ReplaceAll(c.says, "-", "_")) {
			t.Errorf("a second enrolment ended with %d, said %q and %q", exit, out, problem)
		}
		t.Log(strings.TrimSpace(problem))
	}
}

// tellNow sends lines at once, without moving the clock.
func (p *person) tellNow(lines []stories.Line) {
	p.t.Helper()
	s := p.status()
	for n, l := range lines {
		if _, err := p.send(fmt.Sprintf("line-%d", n), l.Message, said(s, l)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// calm is a status without what every message changes.
func calm(s pathway.Status) string {
	s.AsOf, s.Refused, s.Unwritten, s.Unsent = time.Time{}, nil, 0, 0
	s.Blocked = slices.DeleteFunc(s.Blocked, func(b pathway.Blocker) bool { return b.Code == "unwritten" })
	return shown(s)
}
