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

// details is the page that staff read in Temporal's UI, at a desk or on a telephone: where the pathway is, what is awaited
// from whom, the message to send, ready to copy, and what blocks the next dosing session. It is Markdown made of lists: the
// UI's column is narrow at any width, sets paragraphs far apart, and not every UI lets HTML through.
func details(p *pathway.Pathway, s pathway.Status, recordsAway bool) string {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		zone = time.UTC
	}
	d := sheet{Status: s, zone: zone}
	d.top(recordsAway)
	if s.Unheard {
		d.refused()
	}
	d.awaited()
	d.blocked()
	d.measures()
	d.past()
	if !s.Unheard {
		d.refused()
	}
	d.recorded()
	d.unasked(p)
	d.about()
	return d.text.String()
}

// sheet is the page while it is written.
type sheet struct {
	pathway.Status
	zone *time.Location
	text strings.Builder
	full bool
}

// add writes a part. Once one does not fit, the page ends: what matters most was written first.
func (d *sheet) add(format string, args ...any) {
	part := fmt.Sprintf(format, args...)
	switch {
	case d.full:
	case d.text.Len()+len(part) > detailsAtMost:
		d.full = true
		d.text.WriteString("\nThere is more than fits here: the query `status` has all of it.\n")
	default:
		d.text.WriteString(part)
	}
}

func (d *sheet) heading(text string) { d.add("\n### %s\n\n", text) }

func (d *sheet) top(recordsAway bool) {
	d.add("## %s\n\n", heading(d.Status))
	if recordsAway {
		d.add("- **The records cannot be written at this moment.** Messages are taken; nothing is booked or mailed until they are.\n")
	}
	if d.Why != "" {
		d.add("- Why: %s\n", plain(d.Why))
	}
	if d.Outcome == "" {
		if len(d.Tasks) == 0 {
			d.add("- Nothing is awaited from anybody now\n")
		}
		d.coming()
		if n := len(d.Blocked); n > 0 {
			d.add("- Next dosing session: **blocked**, see below\n")
		} else {
			d.add("- Next dosing session: nothing blocks it\n")
		}
	} else {
		d.add("- Adverse events and corrections are still taken; they reach both clinicians and change no outcome\n")
	}
	d.add("- Dosing sessions given: %d of at most %d\n", d.DosingDone, d.DosingMost)
	d.add("- As of %s; all times are the practice's\n", d.AsOf.In(d.zone).Format("Mon 2 Jan 2006, 15:04 MST"))
}

// coming are the sessions that are booked.
func (d *sheet) coming() {
	lead := "Next session: "
	for _, x := range d.Sessions {
		if d.over(x) {
			continue
		}
		d.add("- %s**%s**, %s to %s%s\n", lead, x.Name, d.clock(x.Start), x.End.In(d.zone).Format("15:04"), told(x.Answer))
		lead = "Then: "
	}
	if lead == "Next session: " {
		d.add("- Next session: none is booked\n")
	}
}

// told is what the client has answered for a session.
func told(a pathway.AnswerKind) string {
	if a == "" {
		return ""
	}
	return ": the client " + a.Told()
}

func (d *sheet) over(x pathway.Session) bool {
	return x.State != pathway.Booked || !x.End.After(d.AsOf)
}

func (d *sheet) awaited() {
	if len(d.Tasks) == 0 {
		return
	}
	d.heading("Awaited")
	for i, t := range d.Tasks {
		mark, when := "", "due "+d.clock(t.Due)
		switch {
		case t.Since.After(d.AsOf):
			when = "from " + d.clock(t.Since) + " on, " + when
		case t.Urgent:
			mark, when = "URGENT, ", "since "+d.clock(t.Since)
		case !t.Due.After(d.AsOf):
			mark = "OVERDUE, "
		}
		d.add("%d.  **%s%s**, %s  \n    %s  \n    Send `%s`%s:\n\n%s\n\n", i+1, mark, roles(t.Who), when, sentence(t.What), t.Message, choices(t.JSON), fenced(t.JSON))
	}
	d.add("To send one: *More Actions*, *Send an Update*, choose its name, paste it as data, *Submit*. What stands in \\<angle brackets> is yours to say. A line that is cut off moves sideways.\n")
}

func (d *sheet) blocked() {
	if len(d.Blocked) == 0 {
		return
	}
	d.heading("What blocks the next dosing session")
	for _, b := range d.Blocked {
		d.add("- %s\n", plain(b.String()))
	}
}

func (d *sheet) measures() {
	if len(d.Verdicts) == 0 {
		return
	}
	d.heading("Measures")
	for _, v := range d.Verdicts {
		d.add("- %s (%s)\n", plain(v.Says), d.clock(v.At))
	}
}

// past are the sessions that were, whatever became of them.
func (d *sheet) past() {
	began := false
	for _, x := range d.Sessions {
		if !d.over(x) {
			continue
		}
		if !began {
			d.heading("Sessions so far")
			d.add("| session | when | state |\n|---|---|---|\n")
			began = true
		}
		state := string(x.State)
		if x.State == pathway.Booked {
			state = "to be recorded"
		}
		d.add("| %s | %s | %s |\n", x.Name, d.clock(x.Start), state)
	}
}

// unasked are messages that nobody waits for and that may have to be sent at any time.
func (d *sheet) unasked(p *pathway.Pathway) {
	d.heading("At any time")
	message := func(when, name, choices string, by pathway.Role, with ...pathway.Field) {
		d.add("- %s: send `%s`%s\n\n%s\n\n", when, name, choices, fenced(p.ExampleFor(name, by, with...)))
	}
	message("Something went wrong", "adverse-event", "; kind is "+options(pathway.EventKind("")), // which are too many for a line
		pathway.Therapist, pathway.Field{Name: "kind", Value: "<kind>"})
	if d.Outcome != "" {
		return
	}
	message("Nothing may be dosed for now", "hold", "", pathway.Therapist, pathway.Field{Name: "reason", Value: "<why>"})
	if next := d.NextSession; next != nil {
		session := pathway.Field{Name: "session", Value: next.Name}
		message("The next session has to move", "move-session", "", pathway.Coordinator, session,
			pathway.Field{Name: "start", Value: "<such as " + next.Start.In(d.zone).Format("2006-01-02 15:04") + ">"})
		message("Or cannot take place", "cancel-session", "", pathway.Coordinator, session)
	}
	message("The client withdraws", "withdraw", "", pathway.Coordinator, pathway.Field{Name: "by", Value: "<who heard it>"}) // it says nothing else, and ends the pathway
}

func options(of interface{ Options() []string }) string { return listed(of.Options(), "or") }

func (d *sheet) refused() {
	if len(d.Refused) == 0 {
		return
	}
	d.heading("Not taken lately")
	for _, r := range slices.Backward(d.Refused) {
		d.add("- %s, `%s`: %s\n", d.clock(r.At), strings.ReplaceAll(r.Name, "`", "'"), copyable(r.Why))
	}
}

func (d *sheet) recorded() {
	if len(d.Recorded) == 0 {
		return
	}
	d.heading("Recorded lately")
	for _, e := range d.Recorded {
		d.add("- %s, %s, %s: `%s`\n", d.clock(e.At), e.Name, e.By, e.ID)
	}
	d.add("- To correct one, send `correct` with its id as `entry`, `why`, and the fields that were wrong as they should have been\n")
}

func (d *sheet) about() {
	d.heading("Care team")
	d.add("- Therapist %s, prescriber %s, coordinators %s\n", d.Team.Therapist, d.Team.Prescriber, strings.Join(d.Team.Coordinators, ", "))
	d.add("- A clearance says that treatment is medically acceptable. It is not a prescription.\n")
}

// clock writes a moment on the practice's clock, with its year where that is not this one.
func (d *sheet) clock(t time.Time) string {
	t = t.In(d.zone)
	if t.Year() == d.AsOf.In(d.zone).Year() {
		return t.Format("Mon 2 Jan, 15:04")
	}
	return t.Format("Mon 2 Jan 2006, 15:04")
}

// fenced is a message over several lines, as the UI's box would set it, within a list: set otherwise, the box sets it anew when it is
// submitted, and the first click is lost. A space that does not break keeps what follows off it.
func fenced(message string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(message), "    ", "  ") != nil {
		b.Reset()
		b.WriteString(message)
	}
	return "    ```json\n    " + b.String() + "\n    ```\n\n    \u00a0"
}

// telephone is how many characters of a message are side by side on a telephone. The UI breaks no line of it.
const telephone = 43

// choices says what there is to choose from where a telephone shows too little of it in the message.
func choices(message string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(message), "", "  ") != nil {
		return ""
	}
	var all string
	for line := range strings.Lines(b.String()) {
		name, open, ok := strings.Cut(strings.TrimSpace(line), `": "<`)
		of, _, _ := strings.Cut(open, ">")
		if ok && len(strings.TrimSuffix(line, "\n")) > telephone && of != "true or false" {
			all += "; " + strings.TrimPrefix(name, `"`) + " is " + of
		}
	}
	return all
}

var literal = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "[", `\[`, "<", `\<`, "|", `\|`, "$", `\$`, "://", `\://`)

// plain keeps what people wrote from being read as Markdown or as HTML.
func plain(s string) string { return literal.Replace(strings.Join(strings.Fields(s), " ")) }

// copyable is plain, but for the JSON in it, which is kept as code: the UI would curl its quotes.
func copyable(s string) string {
	from, to := strings.Index(s, "{"), strings.LastIndex(s, "}")
	if from < 0 || to < from {
		return plain(s)
	}
	return plain(s[:from]) + " `" + strings.ReplaceAll(s[from:to+1], "`", "'") + "`" + plain(s[to+1:])
}

func sentence(s string) string { return strings.TrimSuffix(plain(s), ".") + "." }

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
		text = "ON HOLD: " + text
	}
	return text
}

func roles(all []pathway.Role) string {
	var names []string
	for _, r := range all {
		names = append(names, string(r))
	}
	return listed(names, "and")
}

// listed writes a list as people do.
func listed(all []string, and string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " " + and + " " + all[last]
}

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
