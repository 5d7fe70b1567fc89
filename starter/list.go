package main

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kap/pathway"
	"kap/records"
)

const listHelp = `Lists the open pathways, and ended ones where something is urgent, as the
records have them: each line says as of when. What is urgent comes first, then
what is overdue, stalled or not started, then the rest, each by what is due
first. Times are the practice's. A pathway is marked stalled where it should
have looked again more than ten minutes ago and the records have heard nothing;
starter show asks it.`

const listExample = `  starter list
  starter list --attention
  starter list --for t-lane --session-within 7
  starter list --phase screening --waiting-on prescriber
  starter list --outcome lapsed --json`

type listFlags struct {
	all, attention, onHold, stalled, asJSON, names bool
	staff, phase, waitingOn, outcome               string
	within                                         int // days
}

func (d *desk) listCommand() *cobra.Command {
	var f listFlags
	c := &cobra.Command{Use: "list", Short: "List pathways", Long: listHelp, Example: listExample, Args: takes(0, 0, "flags alone")}
	f.filters(c)
	c.Flags().BoolVar(&f.asJSON, "json", false, "print a JSON array, without names")
	c.Flags().BoolVar(&f.names, "names", false, "with --json: names too")
	c.RunE = d.does(func(ctx context.Context, _ []string) error { return d.list(ctx, f) })
	return c
}

// filters are the flags by which list and watch choose.
func (f *listFlags) filters(c *cobra.Command) {
	c.Flags().BoolVar(&f.all, "all", false, "all ended pathways too")
	c.Flags().StringVar(&f.staff, "for", "", "only those on whose care team this member of staff is (a staff `id`)")
	c.Flags().StringVar(&f.phase, "phase", "", "only this `phase`: "+strings.Join(phases(), ", "))
	c.Flags().StringVar(&f.waitingOn, "waiting-on", "", "only what waits for this `role`: "+strings.Join(roles(), ", "))
	c.Flags().StringVar(&f.outcome, "outcome", "", "only what ended with this `outcome`: "+strings.Join(outcomes(), ", "))
	c.Flags().IntVar(&f.within, "session-within", 0, "only those with a session in so many `days`, today included")
	c.Flags().BoolVar(&f.attention, "attention", false, "only what somebody must look at: urgent, overdue, stalled or not started")
	c.Flags().BoolVar(&f.onHold, "on-hold", false, "only what is held")
	c.Flags().BoolVar(&f.stalled, "stalled", false, "only what may have stalled")
}

func outcomes() []string {
	return []string{string(pathway.Completed), string(pathway.StoppedAndReferred), string(pathway.DeclinedAndReferred), string(pathway.WithdrawnByClient), string(pathway.Lapsed)}
}

// outcomeOf takes an outcome as the list shows it, too: by its first word.
func outcomeOf(text string) string {
	for _, o := range outcomes() {
		if first, _, _ := strings.Cut(o, "-"); text == first {
			return o
		}
	}
	return text
}

func phases() []string { return words(pathway.Phases()) }

func roles() []string { return words(pathway.Roles()) }

func words[T ~string](all []T) []string {
	var said []string
	for _, one := range all {
		said = append(said, string(one))
	}
	return said
}

func (f *listFlags) check() error {
	f.outcome = outcomeOf(f.outcome)
	switch {
	case f.phase != "" && !slices.Contains(phases(), f.phase):
		return usage("--phase: found %q, expected one of %s", f.phase, strings.Join(phases(), ", "))
	case f.waitingOn != "" && !slices.Contains(roles(), f.waitingOn):
		return usage("--waiting-on: found %q, expected one of %s", f.waitingOn, strings.Join(roles(), ", "))
	case f.outcome != "" && !slices.Contains(outcomes(), f.outcome):
		return usage("--outcome: found %q, expected one of %s", f.outcome, strings.Join(outcomes(), ", "))
	case f.within < 0:
		return usage("--session-within: found %d, expected a number of days", f.within)
	case f.names && !f.asJSON:
		return usage("--names: found it without --json, expected both; the table has names anyway")
	}
	return nil
}

// listed is a line of the list, with what follows from the time at which it is read.
type listed struct {
	records.Row
	Pulse pathway.Pulse `json:"pulse,omitempty"`
}

func (d *desk) list(ctx context.Context, f listFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	store, err := d.records(ctx)
	if err != nil {
		return err
	}
	found, err := d.listed(ctx, store, f)
	if err != nil {
		return err
	}
	if f.asJSON {
		return d.listJSON(found, f.names)
	}
	d.sayPaused(ctx, store)
	return d.listTable(found, nil)
}

// listed reads what the flags choose.
func (d *desk) listed(ctx context.Context, store *records.Store, f listFlags) ([]listed, error) {
	if _, err := d.staff("--for", f.staff); err != nil {
		return nil, err
	}
	everything := f.all || f.phase == string(pathway.Over) || f.outcome != ""
	rows, err := bounded(ctx, func(ctx context.Context) ([]records.Row, error) {
		return store.List(ctx, records.Whose{Staff: f.staff}, everything)
	})
	if err != nil {
		return nil, fromRecords(err)
	}
	found := []listed{}
	for _, r := range rows {
		l := listed{Row: r}
		if r.Outcome == "" {
			l.Pulse = pathway.Feel(d.now(), r.AsOf, r.NextWake)
		}
		if f.shows(l, d.now()) {
			found = append(found, l)
		}
	}
	slices.SortStableFunc(found, func(a, b listed) int { return a.rank() - b.rank() }) // the records cannot know what has stalled
	return found, nil
}

// rank is how pressing a pathway is, the most first.
func (l listed) rank() int {
	switch {
	case l.Attention == string(pathway.UrgentAttention):
		return 0
	case l.Outcome != "":
		return 3
	case l.needsLook():
		return 1
	}
	return 2
}

// needsLook says whether somebody must look at it. Of what has ended, only what is urgent presses.
func (l listed) needsLook() bool {
	if l.Outcome != "" {
		return l.Attention == string(pathway.UrgentAttention)
	}
	return l.Attention != string(pathway.NoAttention) || l.Pulse == pathway.Stalled || !l.Started
}

func (f listFlags) shows(l listed, now time.Time) bool {
	if l.AsOf != nil && l.AsOf.After(now) {
		now = *l.AsOf // a clock of its own
	}
	soon := l.NextSession != nil && l.NextSession.Before(onTheDay(now.In(zoneOf(l.Zone)), f.within))
	return (f.phase == "" || l.Started && l.Phase == f.phase) &&
		(f.outcome == "" || l.Outcome == f.outcome) &&
		(!f.onHold || l.OnHold) &&
		(!f.stalled || l.Pulse == pathway.Stalled) &&
		(f.within == 0 || soon) &&
		(f.waitingOn == "" || slices.Contains(l.WaitingOn, f.waitingOn)) &&
		(!f.attention || l.needsLook())
}

func (d *desk) listJSON(found []listed, names bool) error {
	if !names {
		return d.nameless(found)
	}
	out := json.NewEncoder(d.stdout)
	out.SetIndent("", "  ")
	return out.Encode(found)
}

// withoutNames takes away what names the client, rather than show that it is empty.
func withoutNames(text []byte) ([]byte, error) {
	var rows []map[string]json.RawMessage
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, err
	}
	for _, r := range rows {
		delete(r, "given_name")
		delete(r, "family_name")
		delete(r, "phone")
	}
	return json.Marshal(rows)
}

// listTable prints the pathways; those that have changed are marked.
func (d *desk) listTable(found []listed, changed []string) error {
	if len(found) == 0 {
		d.say("No pathway to list.")
		return nil
	}
	var rows [][]string
	zones := []string{}
	for _, l := range found {
		row := d.listRow(l)
		if slices.Contains(changed, l.Code) {
			row[0] += "*"
		}
		rows = append(rows, row)
		if !slices.Contains(zones, l.Zone) {
			zones = append(zones, l.Zone)
		}
	}
	if err := d.table([]string{"CODE", "NAME", "PHASE", "WAITING ON", "ATTENTION", "DOSED", "NEXT SESSION", "AS OF"}, rows, func(row []string) style { return pressure(row[4]) }); err != nil {
		return err
	}
	d.say("\n%s", indented("", "Times are the practice's ("+strings.Join(zones, ", ")+")."))
	d.footnotes(found)
	return nil
}

func (d *desk) listRow(l listed) []string {
	zone := zoneOf(l.Zone)
	phase, attention, waiting := l.Phase, l.Attention, strings.Join(l.WaitingOn, "\n")
	if !l.Started {
		phase, attention = "not started", "enrol"
	}
	if l.OnHold {
		phase += "\non hold"
	}
	if l.Outcome != "" {
		how, _, _ := strings.Cut(l.Outcome, "-")
		phase = "ended:\n" + how
	}
	if l.Pulse == pathway.Stalled && attention != string(pathway.UrgentAttention) {
		attention = string(pathway.Stalled)
	}
	if attention == string(pathway.NoAttention) {
		attention = "-"
	}
	if waiting == "" {
		waiting = "-"
	}
	return []string{
		l.Code, wrap(l.GivenName+" "+l.FamilyName, 12, true), phase, waiting, attention,
		strconv.Itoa(l.DosingDone), shortMoment(l.NextSession, zone), asOfCell(d.now(), l.AsOf, zone),
	}
}

// pressure is how a line with this attention is marked.
func pressure(attention string) style {
	switch attention {
	case string(pathway.UrgentAttention):
		return pressing
	case string(pathway.NoAttention), "-", "":
		return nil
	}
	return overdue
}

func (d *desk) footnotes(found []listed) {
	var fresh, late, ahead []string
	for _, l := range found {
		switch {
		case !l.Started:
			fresh = append(fresh, l.Code)
		case l.Pulse == pathway.Stalled:
			late = append(late, l.Code+" ("+ago(d.now(), *l.NextWake)+")")
		case l.Pulse == pathway.OwnClock:
			ahead = append(ahead, l.Code)
		}
	}
	for _, note := range []struct {
		codes []string
		text  string
	}{
		{fresh, "Not started: run enrol again, as it was typed, to finish: "},
		{late, "May have stalled; should have looked again: "},
		{ahead, "On a clock of their own, ahead of this machine's, as a demo's is: days count from theirs, and stalling is not judged: "},
	} {
		if len(note.codes) > 0 {
			d.say("%s", indented("", note.text+strings.Join(note.codes, ", ")+"."))
		}
	}
}
