package workflows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"kap/pathway"
)

// detailsAtMost keeps the details under Temporal's 20 KB.
const detailsAtMost = 19_000

// details is the page that staff read in Temporal's UI: where the pathway is, what is awaited and from whom, and the
// message to send, ready to copy.
func details(s pathway.Status, recordsAway bool) string {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		zone = time.UTC
	}
	clock := func(t time.Time) string { return t.In(zone).Format("Mon 2 Jan 2006, 15:04 MST") }
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }

	line("## %s", heading(s))
	if s.Why != "" {
		line("\nWhy: %s.", s.Why)
	}
	if recordsAway {
		line("\n**The records cannot be written at this moment.** Messages are taken; nothing is booked or mailed until they are.")
	}
	if s.Outcome == "" {
		line("\nDosing sessions given: %d of at most %d. As of %s.", s.DosingDone, s.DosingMost, clock(s.AsOf))
	}
	if len(s.Tasks) > 0 {
		line("\n### Awaited")
		for i, t := range s.Tasks {
			mark := ""
			switch {
			case t.Urgent:
				mark = "**URGENT** "
			case !t.Due.After(s.AsOf):
				mark = "**overdue** "
			}
			line("\n%d. %s**%s**: %s (since %s, due %s)", i+1, mark, roles(t.Who), t.What, clock(t.Since), clock(t.Due))
			line("\n   Send `%s` as an update or a signal, with this input:\n\n```json\n%s\n```", t.Message, indented(t.JSON))
		}
	}
	if len(s.Holds) > 0 {
		line("\n### Holds\n")
		for _, h := range s.Holds {
			line("- **%s**, %s since %s: %s. To be released by the %s", h.Name, h.Cause, clock(h.Since), oneLine(h.Why), roles(h.Open()))
		}
	}
	if s.Outcome == "" {
		if len(s.Blocked) == 0 {
			line("\n### Next dosing session\n\nNothing blocks it.")
		} else {
			line("\n### What blocks the next dosing session\n")
			for _, blocked := range s.Blocked {
				line("- %s", oneLine(blocked.String()))
			}
		}
	}
	if len(s.Verdicts) > 0 {
		line("\n### Measures\n")
		for _, v := range s.Verdicts {
			line("- %s (%s)", oneLine(v.Says), clock(v.At))
		}
	}
	if len(s.Sessions) > 0 {
		line("\n### Sessions\n\n| session | when | state |\n|---|---|---|")
		for _, x := range s.Sessions {
			line("| %s | %s | %s |", x.Name, clock(x.Start), x.State)
		}
	}
	if len(s.Refused) > 0 {
		line("\n### Not taken lately\n")
		for _, r := range slices.Backward(s.Refused) {
			line("- %s, `%s`: %s", clock(r.At), r.Name, oneLine(r.Why))
		}
	}
	if len(s.Recorded) > 0 {
		line("\n### Recorded lately\n\n| when | what | by | id |\n|---|---|---|---|")
		for _, e := range s.Recorded {
			line("| %s | %s | %s | `%s` |", e.At.In(zone).Format("2 Jan 15:04"), e.Name, e.By, e.ID)
		}
		line("\nTo correct one, send `correct` with its id as `entry`, `why`, and the fields that were wrong as they should have been.")
	}
	line("\nA clearance says that treatment is medically acceptable. It is not a prescription.")
	return cut(b.String(), detailsAtMost)
}

// indented writes a message over several lines: the UI's box does not wrap.
func indented(message string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(message), "", "  ") != nil {
		return message
	}
	return b.String()
}

func heading(s pathway.Status) string {
	if s.Outcome != "" {
		text := fmt.Sprintf("Ended: %s", s.Outcome)
		if s.Unsent > 0 {
			text += ", the last mail waits for the hours of mail"
		}
		return text
	}
	text := strings.ToUpper(string(s.Phase[:1])) + string(s.Phase[1:])
	if len(s.WaitingOn) > 0 {
		text += ", waiting for the " + roles(s.WaitingOn)
	}
	if s.DeferredUntil != "" {
		text += ", deferred until " + string(s.DeferredUntil)
	}
	if len(s.Holds) > 0 {
		text += ", ON HOLD"
	}
	return text
}

func roles(all []pathway.Role) string {
	var names []string
	for _, r := range all {
		names = append(names, string(r))
	}
	return strings.Join(names, " and ")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// cut shortens a text to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-4], "") + "…"
}

// summary says in Temporal's UI what a step is about.
func summary(s pathway.Step) string {
	var parts []string
	for _, e := range s.Entries {
		parts = append(parts, e.Name)
	}
	for _, a := range s.Acts {
		parts = append(parts, a.Key)
	}
	return cut(fmt.Sprintf("step %d: %s", s.Number, strings.Join(parts, ", ")), 200)
}

func mailSummary(m pathway.Mail) string {
	if m.Staff != "" {
		return fmt.Sprintf("%s, %s", m.Kind, m.Staff)
	}
	if m.Kind == pathway.ReminderMail {
		return fmt.Sprintf("%s reminder, %s", m.Lead, m.Session)
	}
	return strings.TrimSuffix(fmt.Sprintf("%s, %s", m.Kind, m.Session), ", ")
}
