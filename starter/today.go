package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"kap/pathway"
	"kap/practice"
	"kap/records"
)

const todayHelp = `Shows a working day: its sessions with what blocks them, what is owed, the most
pressing first, what has changed since the last day on which the practice was
open, and the sessions of the next seven days. Times are the practice's.

Without --for it is your own day where KAP_BY names you, and else the whole
practice's. Whoever is on call sees what has been urgent for hours, too.`

const todayExample = `  starter today --for t-lane
  starter today --for p-singh --on 2026-12-15
  starter today --json`

type todayFlags struct {
	staff, on string
	asJSON    bool
}

func (d *desk) todayCommand() *cobra.Command {
	var f todayFlags
	c := &cobra.Command{Use: "today", Short: "Show a working day: sessions, tasks, what has changed", Long: todayHelp, Example: todayExample, Args: takes(0, 0, "flags alone")}
	c.Flags().StringVar(&f.staff, "for", "", "whose day (a staff `id`; default $KAP_BY)")
	c.Flags().StringVar(&f.on, "on", "", "another `day`, such as 2026-12-15")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print JSON, without names")
	c.RunE = d.does(func(ctx context.Context, _ []string) error { return d.today(ctx, f) })
	return c
}

// agenda is one working day.
type agenda struct {
	Day      string                `json:"day"`
	Staff    string                `json:"staff,omitempty"`
	Sessions []session             `json:"sessions"`
	Tasks    []records.TaskLine    `json:"tasks"`
	Since    time.Time             `json:"since"` // of the changes
	Changes  []records.ChangeLine  `json:"changes"`
	Ahead    []records.SessionLine `json:"ahead"` // the next seven days

	member   practice.Staff
	midnight time.Time
	ahead    []string // codes of pathways whose own clock runs ahead
}

// session is a session with what blocks it.
type session struct {
	records.SessionLine
	Blocked []string `json:"blocked_by"`
	AsOf    string   `json:"as_of,omitempty"` // where the pathway itself did not answer
}

func (d *desk) today(ctx context.Context, f todayFlags) error {
	a, err := d.agenda(ctx, f)
	if err != nil {
		return err
	}
	if f.asJSON {
		return d.agendaJSON(a)
	}
	d.sayPaused(ctx, d.store)
	d.sayAgenda(a)
	return nil
}

func (d *desk) agenda(ctx context.Context, f todayFlags) (agenda, error) {
	house, protocol, err := d.house()
	if err != nil {
		return agenda{}, err
	}
	label := "--for"
	if f.staff == "" {
		label = "KAP_BY"
		s, err := d.settings()
		if err != nil {
			return agenda{}, err
		}
		f.staff = s["KAP_BY"]
	}
	member, err := d.staff(label, f.staff)
	if err != nil {
		return agenda{}, err
	}
	open := house.Calendar()
	today := d.now().In(open.Zone)
	if f.on != "" {
		if today, err = time.ParseInLocation(time.DateOnly, f.on, open.Zone); err != nil {
			return agenda{}, usage("--on: found %q, expected a date such as 2026-12-15", f.on)
		}
	}
	midnight := onTheDay(today, 0)
	a := agenda{Day: midnight.Format(time.DateOnly), Staff: f.staff, member: member, midnight: midnight, Since: lastOpen(open, midnight), Sessions: []session{}}
	store, err := d.records(ctx)
	if err != nil {
		return a, err
	}
	of := records.Whose{Staff: f.staff}
	booked, err := bounded(ctx, func(ctx context.Context) ([]records.SessionLine, error) {
		return store.Sessions(ctx, of, midnight, onTheDay(midnight, 8))
	})
	if err != nil {
		return a, fromRecords(err)
	}
	for _, b := range booked {
		if b.Start.Before(onTheDay(midnight, 1)) {
			a.Sessions = append(a.Sessions, session{SessionLine: b, Blocked: []string{}})
		} else {
			a.Ahead = append(a.Ahead, b)
		}
	}
	d.askForBlockers(ctx, a.Sessions)
	if a.Tasks, err = d.openTasks(ctx, of); err != nil {
		return a, err
	}
	if house.OnCall == f.staff {
		if err := d.addOnCall(ctx, &a, protocol); err != nil {
			return a, err
		}
	}
	a.Changes, err = bounded(ctx, func(ctx context.Context) ([]records.ChangeLine, error) {
		return store.Changes(ctx, of, a.Since, onTheDay(midnight, 1))
	})
	return a, fromRecords(err)
}

func onTheDay(t time.Time, later int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+later, 0, 0, 0, 0, t.Location())
}

// lastOpen is the beginning of the last day before a day on which the practice was open: before a Monday that may be Saturday.
func lastOpen(c pathway.Calendar, midnight time.Time) time.Time {
	for n := 1; n <= 14; n++ {
		if day := onTheDay(midnight, -n); c.OpenOn(day) {
			return day
		}
	}
	return onTheDay(midnight, -1)
}

// addOnCall adds what others owe and have not answered for as long as the protocol lets urgent things wait.
func (d *desk) addOnCall(ctx context.Context, a *agenda, protocol pathway.Protocol) error {
	all, err := d.openTasks(ctx, records.Whose{})
	if err != nil {
		return err
	}
	for _, t := range all {
		waited := max(d.now().Sub(t.Since), t.AsOf.Sub(t.Since))
		mine := slices.ContainsFunc(a.Tasks, func(own records.TaskLine) bool { return own.Code == t.Code && own.Key == t.Key })
		if t.Urgent && !mine && waited >= time.Duration(protocol.Nudges.OnCallHours)*time.Hour {
			t.What = "on call: " + t.What
			a.Tasks = slices.Insert(a.Tasks, 0, t)
		}
	}
	return nil
}

// askForBlockers asks the pathways themselves, because what blocks a session today may have changed a minute ago; where one does
// not answer, the records' last word is told with its time.
func (d *desk) askForBlockers(ctx context.Context, sessions []session) {
	var all sync.WaitGroup
	for i := range sessions {
		s := &sessions[i]
		if s.State != pathway.Booked || !strings.HasPrefix(s.Name, string(pathway.Dosing)) {
			continue
		}
		all.Go(func() {
			v, err := d.view(ctx, s.Code)
			switch {
			case err != nil || v.Status == nil:
				s.AsOf = "unknown"
				return
			case v.Source == fromStore:
				s.AsOf = moment(v.Status.AsOf, zoneOf(s.Zone))
			}
			for _, b := range v.Status.Blocked {
				s.Blocked = append(s.Blocked, b.String())
			}
		})
	}
	all.Wait()
}

func (d *desk) agendaJSON(a agenda) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	for _, name := range []string{"sessions", "tasks", "changes", "ahead"} {
		if parts[name], err = withoutNames(parts[name]); err != nil {
			return err
		}
	}
	out := json.NewEncoder(d.stdout)
	out.SetIndent("", "  ")
	return out.Encode(parts)
}

func (d *desk) sayAgenda(a agenda) {
	who := "the whole practice"
	if a.Staff != "" {
		who = fmt.Sprintf("%s, %s", a.member.Name, a.member.Role)
	}
	d.say("%s", d.paint(heading, fmt.Sprintf("%s: %s", a.midnight.Format("Monday 2 January 2006"), who)))
	d.say("\n%s", d.paint(heading, "Sessions"))
	if len(a.Sessions) == 0 {
		d.say("  none today")
	}
	for _, s := range a.Sessions {
		d.saySession(s, a.Staff)
	}
	d.say("\n%s", d.paint(heading, "Owed"))
	if len(a.Tasks) == 0 {
		d.say("  nothing")
	}
	d.sayTasks(a.Tasks)
	d.say("\n%s", d.paint(heading, "Changed since "+a.Since.Format("Monday 2 January")))
	if len(a.Changes) == 0 {
		d.say("  nothing")
	}
	d.sayChanges(a.Changes)
	d.say("\n%s", d.paint(heading, "The next seven days"))
	if len(a.Ahead) == 0 {
		d.say("  no session is booked")
	}
	for _, s := range a.Ahead {
		start := s.Start.In(zoneOf(s.Zone))
		d.say("  %-16s  %s  %-15s  %s", start.Format("Mon 2 Jan 15:04"), s.Code, s.Name, clean(shorten(s.GivenName+" "+s.FamilyName, 34)))
		d.sayAnswer(s)
	}
	if len(a.ahead) > 0 {
		d.say("\n%s", indented("", "Their clock runs ahead of this machine's, as a demo's does; see their days with --on: "+strings.Join(a.ahead, ", ")+"."))
	}
}

func (d *desk) saySession(s session, staff string) {
	zone := zoneOf(s.Zone)
	line := fmt.Sprintf("  %s-%s  %s  %-15s  %s", s.Start.In(zone).Format("15:04"), s.End.In(zone).Format("15:04"), s.Code, s.Name, shorten(s.GivenName+" "+s.FamilyName, 30))
	if s.Therapist != staff {
		line += ", " + s.Therapist
	}
	d.say("%s", clean(line))
	d.sayAnswer(s.SessionLine)
	switch {
	case s.State != pathway.Booked:
		d.say("    %s", s.State)
	case len(s.Blocked) > 0:
		d.say("    %s", d.paint(pressing, "blocked:"))
		for _, b := range s.Blocked {
			d.say("%s", indented("    - ", clean(b)))
		}
	case s.AsOf == "unknown":
		d.say("    %s", d.paint(overdue, "what blocks it is not known: neither the pathway nor the records say"))
	case strings.HasPrefix(s.Name, string(pathway.Dosing)):
		d.say("    nothing blocks it")
	}
	if s.AsOf != "" && s.AsOf != "unknown" {
		d.say("    %s", d.paint(overdue, "as of "+s.AsOf+": the pathway itself does not answer"))
	}
}

// sayAnswer tells what the client has answered to the mail about a session.
func (d *desk) sayAnswer(s records.SessionLine) {
	if s.Answer != "" {
		d.say("    the client %s", s.Answer.Told())
	}
}

// sayChanges tells what has changed, pathway by pathway.
func (d *desk) sayChanges(all []records.ChangeLine) {
	var order []string
	by := map[string][]records.ChangeLine{}
	for _, c := range all {
		if by[c.Code] == nil {
			order = append(order, c.Code)
		}
		by[c.Code] = append(by[c.Code], c)
	}
	for _, code := range order {
		lines := by[code]
		d.say("  %s  %s", d.paint(heading, code), clean(shorten(lines[0].GivenName+" "+lines[0].FamilyName, 40)))
		refused := 0
		for _, c := range lines {
			if c.Kind == string(pathway.Rejected) {
				if refused++; refused > refusedAtMost {
					continue
				}
			}
			d.say("%s", indented("    ", c.Recorded.In(zoneOf(c.Zone)).Format("Mon 15:04")+"  "+happened(c.Kind, c.Name, c.By, c.Text)))
		}
		if n := refused - refusedAtMost; n > 0 {
			d.say("%s", indented("    ", fmt.Sprintf("and %d more that were not taken: %s history %s", n, os.Args[0], code)))
		}
	}
}

// refusedAtMost keeps typing mistakes from burying what has changed.
const refusedAtMost = 2

// happened tells one entry of a journal in a sentence.
func happened(kind, name, by, text string) string {
	text = strings.TrimSuffix(clean(text), ".")
	switch {
	case kind == string(pathway.Rejected) && by != "":
		return fmt.Sprintf("%s's %s was not taken: %s", by, name, strings.TrimPrefix(text, name+": "))
	case kind == string(pathway.Rejected):
		return fmt.Sprintf("not taken: %s", named(name, text))
	case by != "":
		return fmt.Sprintf("%s (%s)", text, by)
	}
	return text
}
