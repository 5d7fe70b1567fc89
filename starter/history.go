package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kap/pathway"
	"kap/records"
)

const historyHelp = `Tells a pathway's journal as a story, day by day: what people recorded, by whom
and in which words, what was refused and why, what kap found, booked and sent,
and each mail's fate: whether it was sent, and what the mail service has said of
it since, by its own clock. An entry that was recorded later than it happened
says when.`

const historyExample = `  starter history K7Q2M9
  starter history K7Q2M9 --since 2026-12-01
  starter history K7Q2M9 --people
  starter history K7Q2M9 --json`

type historyFlags struct {
	since          string
	people, asJSON bool
}

func (d *desk) historyCommand() *cobra.Command {
	var f historyFlags
	c := &cobra.Command{Use: "history PATHWAY", Short: "Tell a pathway's story", Long: historyHelp, Example: historyExample, Args: takes(1, 1, "one pathway's code")}
	c.Flags().StringVar(&f.since, "since", "", "only from this `day` on, such as 2026-12-01")
	c.Flags().BoolVar(&f.people, "people", false, "only what people recorded, or tried to")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print a JSON array of events")
	c.RunE = d.does(func(ctx context.Context, args []string) error { return d.history(ctx, args[0], f) })
	return c
}

// event is one thing in a pathway's story.
type event struct {
	When    time.Time `json:"when"`
	What    string    `json:"what"`
	By      string    `json:"by,omitempty"`
	Kind    string    `json:"kind"`
	ID      string    `json:"id,omitempty"`
	Said    string    `json:"said,omitempty"`    // the message's own fields
	Happens time.Time `json:"happened,omitzero"` // where that was another time
}

func (d *desk) history(ctx context.Context, text string, f historyFlags) error {
	code, err := parseCode(text)
	if err != nil {
		return err
	}
	row, err := d.row(ctx, code)
	if err != nil {
		return err
	}
	zone := zoneOf(row.Zone)
	var since time.Time
	if f.since != "" {
		if since, err = time.ParseInLocation(time.DateOnly, f.since, zone); err != nil {
			return usage("--since: found %q, expected a date such as 2026-12-01", f.since)
		}
	}
	store, err := d.records(ctx)
	if err != nil {
		return err
	}
	journal, err := bounded(ctx, func(ctx context.Context) ([]records.JournalLine, error) { return store.Journal(ctx, code) })
	if err != nil {
		return fromRecords(err)
	}
	mails, err := bounded(ctx, func(ctx context.Context) ([]records.MailLine, error) { return store.Mails(ctx, code) })
	if err != nil {
		return fromRecords(err)
	}
	told, err := bounded(ctx, func(ctx context.Context) ([]records.MailEventLine, error) { return store.MailEvents(ctx, code) })
	if err != nil {
		return fromRecords(err)
	}
	events := slices.DeleteFunc(withCorrections(story(journal, mails, told, zone), told), func(e event) bool {
		return e.When.Before(since) || f.people && e.Kind != string(pathway.Taken) && (e.Kind != string(pathway.Rejected) || e.By == "")
	})
	if f.asJSON {
		out := json.NewEncoder(d.stdout)
		out.SetIndent("", "  ")
		return out.Encode(events)
	}
	d.tellStory(row, events, zone)
	return nil
}

// story tells each mail behind the entries of the step that wrote it.
func story(journal []records.JournalLine, mails []records.MailLine, told []records.MailEventLine, zone *time.Location) []event {
	events := []event{}
	fate := func(m records.MailLine) string { return fate(m, zone) + since(m, told, zone) }
	written := map[int][]records.MailLine{}
	for _, m := range mails {
		written[m.Step] = append(written[m.Step], m)
	}
	for i, l := range journal {
		e := event{When: l.Recorded, What: happened(l.Kind, l.Name, l.By, l.Text), By: l.By, Kind: l.Kind}
		if l.Kind == string(pathway.Taken) {
			e.ID, e.Said = l.ID, saidIn(l.Message)
			if l.Recorded.Sub(l.At) > 2*time.Minute {
				e.Happens = l.At
			}
		}
		events = append(events, e)
		if i+1 < len(journal) && journal[i+1].Step == l.Step {
			continue
		}
		for _, m := range written[l.Step] {
			events = append(events, event{When: l.Recorded, What: fate(m), Kind: "mail"})
		}
		delete(written, l.Step)
	}
	for _, step := range slices.Sorted(maps.Keys(written)) { // of steps that left nothing in the journal
		for _, m := range written[step] {
			events = append(events, event{When: m.CreatedAt, What: fate(m), Kind: "mail"})
		}
	}
	return events
}

// withCorrections tells among the other events what was corrected in the records alone.
func withCorrections(events []event, told []records.MailEventLine) []event {
	for _, e := range told {
		what := map[string]string{records.PhoneCorrected: "telephone number", records.NameCorrected: "given name"}[e.Event]
		if what == "" {
			continue
		}
		i := slices.IndexFunc(events, func(other event) bool { return other.When.After(e.At) })
		if i < 0 {
			i = len(events)
		}
		events = slices.Insert(events, i, event{When: e.At, What: fmt.Sprintf("the client's %s is corrected (%s)", what, e.By), By: e.By, Kind: string(pathway.Taken)})
	}
	return events
}

// saidIn lists a message's own fields as they are typed, so that a mistake in one can be found and corrected.
func saidIn(message json.RawMessage) string {
	members, err := membersOf(message)
	if err != nil {
		return ""
	}
	var all []string
	for _, m := range members {
		if m.name != "by" && m.name != "id" && m.name != "at" {
			all = append(all, m.name+"="+shorten(string(m.raw), 50))
		}
	}
	return strings.Join(all, ", ")
}

// fate says what became of a mail.
func fate(m records.MailLine, zone *time.Location) string {
	what := map[string]string{
		string(pathway.PendingMail): "waits to be sent", string(pathway.ClaimedMail): "is being sent", string(pathway.SentMail): "was sent",
		string(pathway.UnknownMail): "may or may not have gone out", string(pathway.RejectedMail): "was not accepted by the mail service",
		string(pathway.WithdrawnMail): "was taken back before it was sent",
	}[m.Status]
	text := fmt.Sprintf("mail to %s (%s) %s", cmp.Or(m.Staff, "the client"), purpose(m), what)
	if m.Status == string(pathway.SentMail) && m.SettledAt != nil {
		text += " on " + moment(*m.SettledAt, zone)
	}
	if m.Attempts > 1 {
		text += fmt.Sprintf(", after %d tries", m.Attempts)
	}
	return text
}

// since says what the mail service has told of a mail, the first time of each.
func since(m records.MailLine, told []records.MailEventLine, zone *time.Location) string {
	var all []string
	seen := map[string]bool{}
	for _, e := range told {
		if e.Mail != m.ID || seen[e.Event] {
			continue
		}
		seen[e.Event] = true
		what := map[string]string{
			string(pathway.MailProcessed): "taken by the mail service", string(pathway.MailDeferred): "put off by the reader's server", string(pathway.MailDelivered): "delivered",
			string(pathway.MailOpened): "opened", string(pathway.MailBounced): "bounced", string(pathway.MailBlocked): "not taken by the reader's server",
			string(pathway.MailDropped): "dropped by the mail service", string(pathway.MailReported): "reported as spam", string(pathway.MailUnsubscribed): "answered with an unsubscription",
		}[e.Event]
		if e.Reason != "" {
			what += " (" + e.Reason + ")"
		}
		all = append(all, what+" on "+moment(e.At, zone))
	}
	if len(all) == 0 {
		return ""
	}
	return "; " + strings.Join(all, ", ")
}

// purpose says what a mail is for.
func purpose(m records.MailLine) string {
	switch pathway.MailKind(m.Kind) {
	case pathway.BookedMail, pathway.MovedMail, pathway.CancelledMail:
		return m.Session + " " + m.Kind
	case pathway.ReminderMail:
		return m.Session + " in " + m.Lead
	case pathway.ConsentMail:
		return "a form to sign"
	case pathway.QuestionnaireMail:
		return "a questionnaire"
	case pathway.LetterMail:
		return "a letter is ready"
	case pathway.NudgeMail:
		return "something is awaited"
	case pathway.DigestMail:
		return "the daily list"
	case pathway.UrgentMail:
		return "urgent"
	case pathway.NewsMail:
		return "news"
	}
	return m.Key
}

func (d *desk) tellStory(row records.Row, events []event, zone *time.Location) {
	d.say("%s", d.paint(heading, clean(strings.TrimSpace(row.Code+"  "+row.GivenName+" "+row.FamilyName))))
	if len(events) == 0 {
		d.say("\nNothing yet.")
	}
	day := ""
	for _, e := range events {
		if today := e.When.In(zone).Format("Monday 2 January 2006"); today != day {
			day = today
			d.say("\n%s", d.paint(heading, day))
		}
		line := e.What
		if !e.Happens.IsZero() {
			line += fmt.Sprintf("; it happened on %s", moment(e.Happens, zone))
		}
		if e.ID != "" {
			line += fmt.Sprintf(" [%s]", e.ID)
		}
		mark := "  " + e.When.In(zone).Format("15:04") + "  "
		text := indented(mark, line+".")
		switch e.Kind {
		case string(pathway.Rejected):
			text = d.paint(overdue, text)
		case string(pathway.Taken):
		default:
			text = d.paint(faint, text)
		}
		d.say("%s", text)
		if e.Said != "" {
			d.say("%s", d.paint(faint, indented("         ", clean(e.Said))))
		}
	}
	d.say("\n%s", indented("", "Times are the practice's ("+zone.String()+"). An id in brackets, or its beginning, is what record correct takes as entry."))
}
