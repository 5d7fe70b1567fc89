package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"kap/pathway"
	"kap/records"
	"kap/workflows"
)

const showHelp = `Shows where a pathway is: what is awaited from whom, with the command that
records it, what blocks the next dosing session, and the sessions, in the
practice's time.

It asks the pathway itself; where Temporal does not answer, or keeps it no
longer, it shows what the records hold, and as of when. How the client can be
reached is in the records. With --json nothing names the client.`

const showExample = `  starter show K7Q2M9
  starter show k7q2m9 --journal
  starter show pathway-K7Q2M9 --mails
  starter show K7Q2M9 --json`

type showFlags struct{ journal, mails, asJSON bool }

func (d *desk) showCommand() *cobra.Command {
	var f showFlags
	c := &cobra.Command{Use: "show PATHWAY", Short: "Show one pathway", Long: showHelp, Example: showExample, Args: takes(1, 1, "one pathway's code")}
	c.Flags().BoolVar(&f.journal, "journal", false, "the journal too: everything that was recorded, found and done")
	c.Flags().BoolVar(&f.mails, "mails", false, "the mails too, and where each of them is")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print JSON, without names")
	c.RunE = d.does(func(ctx context.Context, args []string) error { return d.show(ctx, args[0], f) })
	return c
}

// view is what show prints.
type view struct {
	Pathway string                `json:"pathway"`
	Source  source                `json:"source"`
	Pulse   pathway.Pulse         `json:"pulse,omitempty"`
	Started bool                  `json:"started"`
	Status  *pathway.Status       `json:"status"` // null for an enrolment that no step has followed yet
	Journal []records.JournalLine `json:"journal,omitempty"`
	Mails   []records.MailLine    `json:"mails,omitempty"`

	name  string
	reach *records.Reach // nil without the records
	why   string         // the pathway itself was not asked, or did not answer
	now   time.Time
}

// source is where a status comes from.
type source string

const (
	fromPathway source = "pathway"
	fromStore   source = "records"
)

func (d *desk) show(ctx context.Context, text string, f showFlags) error {
	code, err := parseCode(text)
	if err != nil {
		return err
	}
	v, err := d.view(ctx, code)
	if err != nil {
		return err
	}
	if err := d.addLines(ctx, v, f); err != nil {
		return err
	}
	if f.asJSON {
		out := json.NewEncoder(d.stdout)
		out.SetIndent("", "  ")
		return out.Encode(v)
	}
	return d.print(v, f)
}

// view asks the pathway itself, and the records for the name, or for everything where the pathway does not answer.
func (d *desk) view(ctx context.Context, code string) (*view, error) {
	v := &view{Pathway: code, Source: fromPathway, Started: true, now: d.now()}
	var row records.Row
	rowErr := error(fail(unanswered, "there is no pathway %s that Temporal knows; set DATABASE_URL to look it up in the records", code))
	if d.hasRecords() {
		row, rowErr = d.row(ctx, code)
	}
	if rowErr == nil {
		v.name = row.GivenName + " " + row.FamilyName
		if reach, err := bounded(ctx, func(ctx context.Context) (records.Reach, error) { return d.store.Reach(ctx, code) }); err == nil {
			v.reach = &reach
		}
	}
	live, err := d.query(ctx, code)
	var f *failure
	switch {
	case err == nil:
		v.Status = live
	case rowErr == nil:
		v.why = d.whyNotLive(err)
		if err := v.takeFrom(row); err != nil {
			return nil, err
		}
	case !d.hasRecords() && errors.As(err, &f): // Temporal's reason is the only one there is
		return nil, f
	default:
		return nil, rowErr
	}
	if v.Status != nil && v.Status.Outcome == "" {
		v.Pulse = pathway.Feel(v.now, &v.Status.AsOf, &v.Status.NextWake)
	}
	return v, nil
}

// takeFrom takes what the records hold.
func (v *view) takeFrom(row records.Row) error {
	v.Source, v.Started = fromStore, row.Started
	if len(row.Status) == 0 || string(row.Status) == "null" {
		return nil
	}
	v.Status = &pathway.Status{}
	if json.Unmarshal(row.Status, v.Status) != nil {
		return fail(fault, "the records hold a status of %s that this version of kap cannot read; use a newer one", v.Pathway)
	}
	return nil
}

// query asks the pathway's workflow. Its error is a failure, or says that Temporal does not know it.
func (d *desk) query(ctx context.Context, code string) (*pathway.Status, error) {
	c, err := d.connect()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := c.QueryWorkflowWithOptions(ctx, &client.QueryWorkflowWithOptionsRequest{WorkflowID: workflows.WorkflowID(code), QueryType: "status"})
	if isNotFound(err) {
		return nil, err
	}
	if err != nil {
		return nil, d.fromTemporal(err)
	}
	var s pathway.Status
	if answer.QueryResult == nil || answer.QueryResult.Get(&s) != nil {
		return nil, fail(fault, "the pathway answered in a way that this version of kap cannot read; use a newer one")
	}
	return &s, nil
}

func (d *desk) whyNotLive(err error) string {
	var f *failure
	switch {
	case isNotFound(err):
		return "Temporal does not have it"
	case isAway(err):
		return "Temporal, or a worker, does not answer"
	case errors.As(err, &f):
		return f.sentence
	}
	return "Temporal could not be asked"
}

func (d *desk) addLines(ctx context.Context, v *view, f showFlags) error {
	if !f.journal && !f.mails {
		return nil
	}
	store, err := d.records(ctx)
	if err != nil {
		return err
	}
	if f.journal {
		v.Journal, err = bounded(ctx, func(ctx context.Context) ([]records.JournalLine, error) { return store.Journal(ctx, v.Pathway) })
		if err != nil {
			return fromRecords(err)
		}
	}
	if f.mails {
		v.Mails, err = bounded(ctx, func(ctx context.Context) ([]records.MailLine, error) { return store.Mails(ctx, v.Pathway) })
	}
	return fromRecords(err)
}

func (d *desk) print(v *view, f showFlags) error {
	d.say("%s", clean(strings.TrimSpace(v.Pathway+"  "+v.name)))
	switch {
	case !v.Started:
		d.say("%s", indented("", "Enrolled and not started: run the same enrol command again, which finishes it."))
	case v.Status == nil:
		d.say("%s", indented("", "Started; the records hold no step of it yet, and "+v.why+"."))
	}
	if v.Status == nil {
		d.printReach(v)
	}
	zone := time.UTC
	if v.Status != nil {
		zone = zoneOf(v.Status.Zone)
		if err := d.printStatus(v, zone); err != nil {
			return err
		}
	}
	if f.journal {
		d.printJournal(v.Journal, zone)
	}
	if f.mails {
		return d.printMails(v.Mails, zone)
	}
	return nil
}

func (d *desk) printStatus(v *view, zone *time.Location) error {
	s := v.Status
	asOf := moment(s.AsOf, zone) + ", asked of the pathway just now"
	if v.Source == fromStore {
		asOf = moment(s.AsOf, zone) + ", from the records: " + v.why
	}
	var waiting []string
	for _, r := range s.WaitingOn {
		waiting = append(waiting, string(r))
	}
	facts := [][2]string{
		{"phase", string(s.Phase)}, {"outcome", string(s.Outcome)}, {"as of", asOf}, {"attention", attention(s)},
		{"deferred until", string(s.DeferredUntil)}, {"waiting on", strings.Join(waiting, ", ")}, {"dosing sessions", fmt.Sprintf("%d given, at most %d", s.DosingDone, s.DosingMost)},
		{"next session", nextSession(s, zone)}, {"looks again", nextLook(v, zone)}, {"care team", team(s.Team)},
		{"on its way", onTheirWay(s, zone)},
	}
	for _, f := range facts {
		if f[1] != "" {
			d.say("%s", indented(fmt.Sprintf("  %-16s ", f[0]), f[1]))
		}
	}
	d.printReach(v)
	d.printTasks(v, zone)
	d.printSentences("What blocks the next dosing session", blockers(s))
	d.printSentences("Holds", holds(s, zone))
	d.printSentences("Measures", verdicts(s, zone))
	if err := d.printSessions(s, zone); err != nil {
		return err
	}
	d.printSentences("Not taken lately", refusals(s, zone))
	d.printSentences("Recorded lately, by the id under which `record correct` supersedes it", recorded(s, zone))
	return nil
}

func attention(s *pathway.Status) string {
	if s.Unheard {
		return string(s.Attention) + ": a message was not taken, and its sender could not be told; see below"
	}
	return string(s.Attention)
}

func nextSession(s *pathway.Status, zone *time.Location) string {
	if s.NextSession == nil {
		return ""
	}
	return s.NextSession.Name + ", " + moment(s.NextSession.Start, zone)
}

func nextLook(v *view, zone *time.Location) string {
	if v.Status.NextWake.IsZero() {
		return ""
	}
	text := moment(v.Status.NextWake, zone)
	switch v.Pulse {
	case pathway.Stalled:
		text += fmt.Sprintf(": that was %s, so it may have stalled; see that Temporal and a worker run", ago(v.now, v.Status.NextWake))
	case pathway.OwnClock:
		text += " on its own clock, which runs ahead of this machine's, as a demo's does"
	}
	return text
}

func team(t pathway.CareTeam) string {
	return fmt.Sprintf("therapist %s, prescriber %s, coordinators %s", t.Therapist, t.Prescriber, strings.Join(t.Coordinators, ", "))
}

func onTheirWay(s *pathway.Status, zone *time.Location) string {
	var parts []string
	if s.Unwritten > 0 {
		parts = append(parts, several(s.Unwritten, "journal entry", "journal entries")+" to the records")
	}
	if s.Unsent > 0 {
		mails := several(s.Unsent, "mail", "mails")
		switch { // to the client for the hours of mail, to staff for their own time
		case s.UnsentFrom.IsZero():
		case s.Unsent == 1:
			mails += ", which waits until " + moment(s.UnsentFrom, zone)
		default:
			mails += ", of those that wait the first until " + moment(s.UnsentFrom, zone)
		}
		parts = append(parts, mails)
	}
	return strings.Join(parts, "; ")
}

func several(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// printReach prints how the client can be reached.
func (d *desk) printReach(v *view) {
	r := v.reach
	if r == nil {
		return
	}
	mails, times := "wanted", "at any time"
	switch {
	case !r.MailPermission:
		mails = "not wanted: what they would say is said by telephone"
	case r.Returned:
		mails = "wanted, but the address takes none: what they would say is said by telephone"
	}
	email := r.Email
	if r.Returned {
		email += fmt.Sprintf("; mail to it comes back: %s address %s corrects it", os.Args[0], v.Pathway)
	}
	if len(r.Availability) > 0 {
		times = strings.Join(r.Availability, ", ") + ", on the practice's clock"
	}
	d.say("\nThe client")
	for _, f := range [][2]string{{"telephone", r.Phone}, {"e-mail", email}, {"mails", mails}, {"zone", r.Zone}, {"can come", times}} {
		d.say("%s", indented(fmt.Sprintf("  %-16s ", f[0]), clean(f[1])))
	}
}

// printTasks prints each task with the command that records it. What was decided is not in it: it is asked for.
func (d *desk) printTasks(v *view, zone *time.Location) {
	if len(v.Status.Tasks) == 0 {
		return
	}
	d.say("\nAwaited")
	for _, t := range v.Status.Tasks {
		var who []string
		for _, r := range t.Who {
			who = append(who, string(r))
		}
		lead := strings.Join(who, ", ") + ": "
		if t.Urgent {
			lead = "URGENT, " + lead
		}
		due := "; due " + moment(t.Due, zone) + "."
		if !d.hasCome(t.Since, v.Status.AsOf) { // a session has yet to end
			due = "; from " + moment(t.Since, zone) + " on" + due
		}
		d.say("%s", indented("  - ", lead+strings.TrimSuffix(t.What, ".")+due))
		d.say("      %s", doneBy(v.Pathway, t.Key, t.Message))
	}
}

func (d *desk) printSentences(heading string, sentences []string) {
	if len(sentences) == 0 {
		return
	}
	d.say("\n%s", heading)
	for _, s := range sentences {
		d.say("%s", indented("  - ", clean(s)))
	}
}

func blockers(s *pathway.Status) []string {
	var all []string
	for _, b := range s.Blocked {
		all = append(all, b.String())
	}
	return all
}

func verdicts(s *pathway.Status, zone *time.Location) []string {
	var all []string
	for _, v := range s.Verdicts {
		all = append(all, v.Says+" ("+moment(v.At, zone)+")")
	}
	return all
}

func recorded(s *pathway.Status, zone *time.Location) []string {
	var all []string
	for _, e := range s.Recorded {
		all = append(all, fmt.Sprintf("%s  %s, %s, %s", e.ID, e.Name, e.By, moment(e.At, zone)))
	}
	return all
}

func holds(s *pathway.Status, zone *time.Location) []string {
	var all []string
	for _, h := range s.Holds {
		all = append(all, holdSentence(h, zone))
	}
	return all
}

func refusals(s *pathway.Status, zone *time.Location) []string {
	var all []string
	for _, r := range s.Refused {
		all = append(all, moment(r.At, zone)+", "+named(r.Name, r.Why))
	}
	return all
}

// named puts a message's name before a text that does not begin with it.
func named(name, text string) string {
	if strings.HasPrefix(text, name) {
		return text
	}
	return name + ": " + text
}

func (d *desk) printSessions(s *pathway.Status, zone *time.Location) error {
	if len(s.Sessions) == 0 {
		return nil
	}
	var rows [][]string
	for _, x := range s.Sessions {
		state := string(x.State)
		if x.Answer != "" {
			state += ", " + x.Answer.Told()
		}
		rows = append(rows, []string{"  " + x.Name, x.Start.In(zone).Format("Mon 2 Jan 2006"), x.Start.In(zone).Format("15:04") + "-" + x.End.In(zone).Format("15:04"), state})
	}
	d.say("")
	return d.table([]string{"  SESSION", "DAY", "TIME (" + zone.String() + ")", "STATE"}, rows, unmarked)
}

func (d *desk) printJournal(lines []records.JournalLine, zone *time.Location) {
	d.say("\nJournal")
	for _, l := range lines {
		how := l.Kind
		if l.By != "" {
			how += ", " + l.By
		}
		if l.Kind == string(pathway.Taken) && l.ID != "" {
			how += ", " + l.ID
		}
		d.say("%s", indented("  - ", clean(fmt.Sprintf("%s (%s) %s", moment(l.At, zone), how, named(l.Name, l.Text)))))
	}
	if len(lines) == 0 {
		d.say("  nothing yet")
	}
}

func (d *desk) printMails(lines []records.MailLine, zone *time.Location) error {
	d.say("")
	if len(lines) == 0 {
		d.say("No mails yet.")
		return nil
	}
	var rows [][]string
	for _, l := range lines {
		rows = append(rows, []string{"  " + l.Key, l.Status, fmt.Sprint(l.Attempts), shortMoment(&l.CreatedAt, zone), shortMoment(l.SettledAt, zone)})
	}
	if err := d.table([]string{"  MAIL", "STATUS", "TRIES", "WRITTEN", "SETTLED"}, rows, unmarked); err != nil {
		return err
	}
	if s, err := d.settings(); err == nil && s["KAP_INBOX_URL"] != "" {
		d.say("\nThe inbox shows what they say: %s", s["KAP_INBOX_URL"])
	}
	return nil
}

// holdSentence says what holds the pathway, since when, and who has yet to release it.
func holdSentence(h pathway.HoldInForce, zone *time.Location) string {
	var open []string
	for _, r := range h.Open() {
		open = append(open, string(r))
	}
	return fmt.Sprintf("%s since %s: %s, %s; to be released by the %s", h.Name, moment(h.Since, zone), h.Cause, strings.TrimSuffix(h.Why, "."), strings.Join(open, " and the "))
}
