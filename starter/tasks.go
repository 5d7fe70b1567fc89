package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kap/pathway"
	"kap/practice"
	"kap/records"
)

const tasksHelp = `Lists what people owe, the most pressing first, each with the command that does
it: of the whole practice, of one member of staff, or of one pathway. A task is
done when the pathway's state says so, or, for a call or a conversation, when
somebody records it with starter done.`

const tasksExample = `  starter tasks --for t-lane
  starter tasks K7Q2M9
  starter tasks --role prescriber --overdue
  starter tasks --urgent --json`

type tasksFlags struct {
	staff, role             string
	urgent, overdue, asJSON bool
}

func (d *desk) tasksCommand() *cobra.Command {
	var f tasksFlags
	c := &cobra.Command{Use: "tasks [PATHWAY]", Short: "List what people owe", Long: tasksHelp, Example: tasksExample, Args: takes(0, 1, "at most one pathway's code")}
	c.Flags().StringVar(&f.staff, "for", "", "only what this member of staff owes (a staff `id`)")
	c.Flags().StringVar(&f.role, "role", "", "only what this `role` owes: "+strings.Join(roles(), ", "))
	c.Flags().BoolVar(&f.urgent, "urgent", false, "only what is urgent")
	c.Flags().BoolVar(&f.overdue, "overdue", false, "only what is urgent or past its day")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print a JSON array, without names")
	c.RunE = d.does(func(ctx context.Context, args []string) error { return d.tasks(ctx, args, f) })
	return c
}

func (d *desk) tasks(ctx context.Context, args []string, f tasksFlags) error {
	if f.role != "" && !slices.Contains(roles(), f.role) {
		return usage("--role: found %q, expected one of %s", f.role, strings.Join(roles(), ", "))
	}
	if _, err := d.staff("--for", f.staff); err != nil {
		return err
	}
	of := records.Whose{Staff: f.staff}
	if len(args) == 1 {
		code, err := parseCode(args[0])
		if err != nil {
			return err
		}
		row, err := d.row(ctx, code)
		if err != nil {
			return err
		}
		if row.AsOf == nil && !f.asJSON {
			d.say("The pathway %s was enrolled just now and has not looked yet; ask again in a moment.", code)
			return nil
		}
		of.Pathway = code
	}
	all, err := d.openTasks(ctx, of)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(t records.TaskLine) bool {
		return f.role != "" && !slices.Contains(t.Who, f.role) || f.urgent && !t.Urgent || f.overdue && !t.Urgent && !d.isOverdue(t)
	})
	if f.asJSON {
		return d.nameless(all)
	}
	if len(all) == 0 {
		d.say("Nothing is owed.")
		return nil
	}
	d.sayTasks(all)
	return nil
}

func (d *desk) openTasks(ctx context.Context, of records.Whose) ([]records.TaskLine, error) {
	store, err := d.records(ctx)
	if err != nil {
		return nil, err
	}
	all, err := bounded(ctx, func(ctx context.Context) ([]records.TaskLine, error) { return store.Tasks(ctx, of) })
	return all, fromRecords(err)
}

// staff finds a member of staff by an id that somebody typed; nobody where it is empty.
func (d *desk) staff(label, id string) (practice.Staff, error) {
	if id == "" {
		return practice.Staff{}, nil
	}
	house, _, err := d.house()
	if err != nil {
		return practice.Staff{}, err
	}
	if s, ok := house.Member(id); ok && id != pathway.OnCall {
		return s, nil
	}
	var ids []string
	for _, s := range house.Staff {
		ids = append(ids, s.ID)
	}
	return practice.Staff{}, usage("%s: found %q, expected the id of one of the practice's staff: %s", label, id, strings.Join(ids, ", "))
}

// isOverdue judges a task by our clock, or by its pathway's where that runs ahead, as a demo's does.
func (d *desk) isOverdue(t records.TaskLine) bool { return d.hasCome(t.Due, t.AsOf) }

// hasCome says whether a moment has come, by our clock or by that of a pathway that was last written as of another.
func (d *desk) hasCome(moment, asOf time.Time) bool {
	return !moment.After(d.now()) || !moment.After(asOf)
}

// callsClient fits what somebody does by telephone.
var callsClient = regexp.MustCompile(`(Call|Speak with) the client`)

// sayTasks prints each task with what does it.
func (d *desk) sayTasks(all []records.TaskLine) {
	for i, t := range all {
		if i > 0 {
			d.say("")
		}
		zone := zoneOf(t.Zone)
		mark, how := "", style{}
		switch {
		case t.Urgent:
			mark, how = "URGENT ", pressing
		case d.isOverdue(t):
			mark, how = "overdue ", overdue
		}
		d.say("  %s%s  %s", d.paint(how, mark), d.paint(heading, t.Code), clean(shorten(t.GivenName+" "+t.FamilyName, 40)))
		d.say("%s", indented("    ", clean(strings.Join(t.Who, " and ")+": "+strings.TrimSuffix(t.What, "."))))
		if callsClient.MatchString(t.What) {
			d.say("%s", indented("    ", clean("telephone: "+t.Phone)))
		}
		when := "since " + moment(t.Since, zone)
		if !d.hasCome(t.Since, t.AsOf) { // a session has yet to end
			when = "from " + moment(t.Since, zone) + " on"
		}
		if t.Due.After(t.Since) {
			when += ", due " + moment(t.Due, zone)
		}
		d.say("    %s", d.paint(faint, when))
		d.say("    %s", doneBy(t.Code, t.Key, t.Message))
		if t.Urgent && t.Message != "task-done" { // it rings each hour until somebody says this
			d.say("    %s acknowledged", doneBy(t.Code, t.Key, "task-done"))
		}
	}
}

// doneBy is the command that does a task.
func doneBy(code, key, message string) string {
	if message == "task-done" {
		return fmt.Sprintf("%s done %s %s", os.Args[0], code, key)
	}
	return fmt.Sprintf("%s record %s %s", os.Args[0], message, code)
}

// nameless prints rows as JSON, without what names the client.
func (d *desk) nameless(rows any) error {
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	if text, err = withoutNames(text); err != nil {
		return err
	}
	out := json.NewEncoder(d.stdout)
	out.SetIndent("", "  ")
	return out.Encode(json.RawMessage(text))
}

const doneHelp = `Says that a call, a conversation, a letter or another human act was done, or
that you look after something urgent. Which tasks are open, and by what name, is
in starter tasks. A beginning of the name is enough where it fits only one.

What became of it is done, reached, tried, declined or acknowledged; at a
terminal you are asked. "tried" keeps a call open.`

const doneExample = `  starter done K7Q2M9 call/ask/consent tried --by c-desk
  starter done K7Q2M9 conversation reached --by t-lane
  starter done K7Q2M9 letter done --by t-lane
  starter done K7Q2M9 hold/hold-1/therapist acknowledged --by t-lane`

type doneFlags struct {
	by, at, reason string
	asJSON         bool
}

func (d *desk) doneCommand() *cobra.Command {
	var f doneFlags
	c := &cobra.Command{Use: "done PATHWAY TASK [OUTCOME]", Short: "Say that a call, a conversation or a letter was done", Long: doneHelp, Example: doneExample, Args: takes(1, 3, "a pathway, a task and what became of it")}
	c.Flags().StringVar(&f.by, "by", "", "your staff `id` (default $KAP_BY)")
	c.Flags().StringVar(&f.at, "at", "", "the `time` at which it was done, if not now, such as \"2026-12-10 10:00\"")
	c.Flags().StringVar(&f.reason, "reason", "", "a short `reason`")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print the answer as JSON")
	c.RunE = d.does(func(ctx context.Context, args []string) error { return d.done(ctx, args, f) })
	return c
}

func (d *desk) done(ctx context.Context, args []string, f doneFlags) error {
	code, err := parseCode(args[0])
	if err != nil {
		return err
	}
	v, err := d.view(ctx, code)
	if err != nil {
		return err
	}
	if v.Status == nil {
		return fail(unanswered, "the pathway %s has no tasks yet; look again in a moment", code)
	}
	by, err := d.author(f.by, nil)
	if err != nil {
		return err
	}
	t, err := d.whichTask(code, v.Status, args[1:], by)
	if err != nil {
		return err
	}
	outcome, err := d.whichOutcome(t, args)
	if err != nil {
		return err
	}
	fields := []member{textMember("task", t.Key), textMember("outcome", outcome)}
	for _, more := range []struct{ name, value string }{{"at", f.at}, {"reason", f.reason}} {
		if more.value != "" {
			fields = append(fields, textMember(more.name, more.value))
		}
	}
	kind := pathway.Message("task-done")
	if d.terminal {
		if by == "" {
			if by, err = d.asksAuthor(v, kind); err != nil {
				return err
			}
		}
		if err := d.confirm(v, kind, fields); err != nil {
			return err
		}
	}
	m, err := compose(kind, fields, by)
	if err != nil {
		return err
	}
	temporal, err := d.connect()
	if err != nil {
		return err
	}
	return d.update(ctx, temporal, code, m, f.asJSON)
}

// whichTask finds the task that somebody means among those that task-done can speak of. Where a beginning fits several, it is the one
// that they owe themselves.
func (d *desk) whichTask(code string, s *pathway.Status, args []string, by string) (pathway.TaskView, error) {
	tasks := s.Tasks
	var fit []pathway.TaskView
	var keys []string
	for _, t := range tasks {
		if len(t.Outcomes) > 0 {
			fit, keys = append(fit, t), append(keys, t.Key)
		}
	}
	if len(args) == 0 {
		if !d.terminal || len(fit) == 0 {
			return pathway.TaskView{}, usage("done: found no task, expected one of those open on %s: %s", code, orNone(keys))
		}
		var lines []string
		for _, t := range fit {
			lines = append(lines, t.Key+": "+t.What)
		}
		i, err := d.choose("Which task?", lines)
		if err != nil {
			return pathway.TaskView{}, err
		}
		return fit[i], nil
	}
	var found []pathway.TaskView
	for _, t := range fit {
		if t.Key == args[0] {
			return t, nil
		}
		if strings.HasPrefix(t.Key, args[0]) {
			found = append(found, t)
		}
	}
	if own := slices.DeleteFunc(slices.Clone(found), func(t pathway.TaskView) bool { return !slices.Contains(t.Who, s.Team.Role(by)) }); len(own) == 1 {
		return own[0], nil
	}
	if len(found) == 1 {
		return found[0], nil
	}
	if len(found) > 1 {
		var names []string
		for _, t := range found {
			names = append(names, t.Key)
		}
		return pathway.TaskView{}, fail(unanswered, "found %q, with which %d of the tasks open on %s begin: %s", args[0], len(found), code, strings.Join(names, ", "))
	}
	var others []string
	for _, t := range tasks {
		if len(t.Outcomes) > 0 || !strings.HasPrefix(t.Key, args[0]) {
			continue
		}
		says := fmt.Sprintf("%s is done by another message: %s", t.Key, doneBy(code, t.Key, t.Message))
		if others = append(others, says); t.Key == args[0] {
			others = []string{says}
			break
		}
	}
	if len(others) > 0 {
		return pathway.TaskView{}, usage("%s", strings.Join(others, "; "))
	}
	return pathway.TaskView{}, fail(unanswered, "found the task %q, expected one of those open on %s: %s", args[0], code, orNone(keys))
}

func orNone(keys []string) string {
	if len(keys) == 0 {
		return "none"
	}
	return strings.Join(keys, ", ")
}

// whichOutcome takes what was typed; what happened is never guessed, so only where one answer is possible it is taken as given.
func (d *desk) whichOutcome(t pathway.TaskView, args []string) (string, error) {
	var fit []string
	for _, o := range t.Outcomes {
		fit = append(fit, string(o))
	}
	switch {
	case len(args) == 3 && slices.Contains(fit, args[2]):
		return args[2], nil
	case len(args) == 3:
		return "", usage("found the outcome %q, expected %s for %s", args[2], strings.Join(fit, " or "), t.Key)
	case len(fit) == 1:
		return fit[0], nil
	case !d.terminal:
		return "", usage("done: found no outcome, expected %s for %s", strings.Join(fit, " or "), t.Key)
	}
	i, err := d.choose(t.What+": what became of it?", fit)
	if err != nil {
		return "", err
	}
	return fit[i], nil
}
