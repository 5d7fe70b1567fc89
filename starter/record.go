package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"kap/pathway"
	"kap/records"
	"kap/workflows"
)

const recordHelp = `Records a milestone on a pathway and prints what is now recorded and what
happens next, or why it was refused (exit code 3). starter record --list lists
the milestones.

The milestone's fields follow as field=value: true and false are truth values,
[a,b] is a list, everything else is text; field:=value takes the value as JSON.
Or give the whole object with --json-input, or with --json-input - from standard
input; starter show --json has one for each task, with what is yours to decide
left open in <angle brackets>. Without the field "at" it happened now. Of the
entry that is corrected, the beginning of its id is enough.

At a terminal you are asked for what is missing, and shown what is about to be
recorded; --no-questions sends what was typed.

If no answer comes, the same message can be sent again under the id that is then
printed: it is taken once, however often it is sent.`

const recordExample = `  starter record --list
  starter record --list measure
  starter record prescriber-clearance K7Q2M9 --by p-singh decision=cleared \
    medications_reviewed=true cardiovascular_history_reviewed=true \
    psychiatric_history_reviewed=true medically_stable=true
  starter record cancel-session K7Q2M9 --by c-desk session=preparation-1 \
    wish_of=client
  starter record safety-plan K7Q2M9 --json-input '{"by":"t-lane",
    "decision":"on-file","between_sessions_plan":true,
    "emergency_contact_on_file":true}'`

type recordFlags struct {
	by, input            string
	signal, list, asJSON bool
	hasInput, silent     bool
}

func (d *desk) recordCommand() *cobra.Command {
	var f recordFlags
	c := &cobra.Command{
		Use: "record MILESTONE PATHWAY [FIELD=VALUE ...]", Short: "Record a milestone on a pathway", Long: recordHelp, Example: recordExample,
		RunE: nil,
	}
	c.Flags().StringVar(&f.by, "by", "", "your staff `id` (default $KAP_BY)")
	c.Flags().StringVar(&f.input, "json-input", "", "the message as one JSON `object`; - reads it from standard input")
	c.Flags().BoolVar(&f.signal, "signal", false, "send a signal, which cannot answer, instead of an update")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print the answer as JSON")
	c.Flags().BoolVar(&f.silent, "no-questions", false, "ask for nothing at a terminal either")
	c.Flags().BoolVar(&f.list, "list", false, "list the milestones, or those named, with their fields: who records them, what for, and an example")
	c.RunE = d.does(func(ctx context.Context, args []string) error {
		f.hasInput = c.Flags().Changed("json-input")
		if f.list {
			return d.listMessages(args)
		}
		return d.record(ctx, args, f)
	})
	return c
}

func (d *desk) record(ctx context.Context, args []string, f recordFlags) error {
	if len(args) < 2 {
		return usage("record: expected a milestone and a pathway, such as: starter record safety-plan K7Q2M9; starter record --list lists the milestones")
	}
	if _, err := parseCode(args[0]); err == nil && pathway.Message(args[1]).Name != "" { // as done has it: whose, then what
		args[0], args[1] = args[1], args[0]
	}
	kind := pathway.Message(args[0])
	if kind.Name == "" {
		return usage("found the milestone %q, expected one of %s", args[0], strings.Join(messageNames(), ", "))
	}
	code, err := parseCode(args[1])
	if err != nil {
		return err
	}
	m, err := d.message(ctx, code, kind, args[2:], f)
	if err != nil {
		return err
	}
	temporal, err := d.connect()
	if err != nil {
		return err
	}
	if f.signal {
		return d.signal(ctx, temporal, code, m)
	}
	err = d.update(ctx, temporal, code, m, f.asJSON)
	for d.terminal && !f.silent && f.input != "-" {
		again, asked, problem := d.complete(err, m)
		if !asked {
			break
		}
		if problem != nil {
			return problem
		}
		m, err = again, d.update(ctx, temporal, code, again, f.asJSON)
	}
	return err
}

// missing finds the field in a refusal of the rules that says which one is lacking.
var missing = regexp.MustCompile(`^[a-z-]+: (?:the field "([a-z_0-9]+)" is missing|([a-z_0-9]+): (?:expected true|found "",))`)

// complete asks for the field that a message was refused for the want of, where that is why it was refused.
func (d *desk) complete(err error, m outgoing) (outgoing, bool, error) {
	var f *failure
	if !errors.As(err, &f) || f.exit != refused {
		return m, false, nil
	}
	found := missing.FindStringSubmatch(f.sentence)
	if found == nil {
		return m, false, nil
	}
	name := found[1] + found[2]
	takes := m.kind.Takes()
	i := slices.IndexFunc(takes, func(t pathway.Takes) bool { return t.Name == name })
	fields, problem := membersOf(m.body)
	if i < 0 || problem != nil {
		return m, false, nil
	}
	fmt.Fprintln(d.stderr, indented("", clean(f.sentence)+"."))
	// Under the id of the one that was refused, Temporal would give the old answer again.
	fields = slices.DeleteFunc(fields, func(f member) bool { return f.name == name || f.name == "id" })
	one := form{desk: d, kind: m.kind, zone: time.UTC}
	takes[i].Must = true
	if err := one.ask(takes[i]); err != nil {
		return m, true, err
	}
	again, problem := compose(m.kind, append(fields, one.fields...), "")
	return again, true, problem
}

func (d *desk) message(ctx context.Context, code string, kind pathway.MessageType, args []string, f recordFlags) (outgoing, error) {
	var fields []member
	var err error
	switch {
	case f.hasInput && len(args) > 0:
		return outgoing{}, usage("found %q beside --json-input, expected the fields in only one of them", args[0])
	case f.hasInput:
		fields, err = d.jsonInput(f.input)
	default:
		fields, err = parseFields(kind, args)
	}
	if err != nil {
		return outgoing{}, err
	}
	by, err := d.author(f.by, fields)
	if err != nil {
		return outgoing{}, err
	}
	switch kind.Name {
	case "care-team":
		err = d.checkTeam(fields)
	case "correct":
		err = d.wholeEntry(ctx, code, fields)
	}
	if err != nil {
		return outgoing{}, err
	}
	if d.terminal && !f.silent && f.input != "-" {
		if by, fields, err = d.attended(ctx, code, kind, by, fields, f.hasInput); err != nil {
			return outgoing{}, err
		}
	}
	return compose(kind, fields, by)
}

// attended asks whoever sits at the terminal for what is missing, and shows what is about to be recorded.
func (d *desk) attended(ctx context.Context, code string, kind pathway.MessageType, by string, fields []member, complete bool) (string, []member, error) {
	v, err := d.view(ctx, code)
	if err != nil {
		return by, fields, err
	}
	fields, open := apart(fields)
	if by == "" && !has(fields, "by") {
		if by, err = d.asksAuthor(v, kind); err != nil {
			return by, fields, err
		}
	}
	if len(open) > 0 || !complete && lacks(kind, fields) {
		if fields, err = d.askFields(v, kind, fields, open); err != nil {
			return by, fields, err
		}
	}
	return by, fields, d.confirm(v, kind, fields)
}

// apart tells what a message says from what it leaves open, as the proposed ones do.
func apart(fields []member) (said, open []member) {
	for _, f := range fields {
		if isOpen(f) {
			open = append(open, f)
		} else {
			said = append(said, f)
		}
	}
	return said, open
}

// isOpen says whether a field stands as it was proposed: in angle brackets.
func isOpen(f member) bool {
	var text string
	return json.Unmarshal(f.raw, &text) == nil && strings.HasPrefix(text, "<") && strings.HasSuffix(text, ">")
}

// checkTeam holds whom a care-team message names against the practice's staff: the pathway itself knows no list of them.
func (d *desk) checkTeam(fields []member) error {
	house, _, err := d.house()
	if err != nil {
		return err
	}
	for _, f := range fields {
		var ids []string
		role := map[string]pathway.Role{"therapist": pathway.Therapist, "prescriber": pathway.Prescriber, "coordinators": pathway.Coordinator}[f.name]
		if role == "" || json.Unmarshal(f.raw, &ids) != nil {
			var id string
			if role == "" || json.Unmarshal(f.raw, &id) != nil {
				continue // the pathway says what is wrong with it
			}
			ids = []string{id}
		}
		for _, id := range ids {
			if house.Role(id) == role {
				continue
			}
			var known []string
			for _, s := range house.With(role) {
				known = append(known, s.ID)
			}
			return usage("%s: found %q, expected a %s of the practice: %s", f.name, id, role, strings.Join(known, ", "))
		}
	}
	return nil
}

// lacks says whether a message was typed without fields that it needs. One that needs none is complete as it is.
func lacks(kind pathway.MessageType, fields []member) bool {
	for _, t := range kind.Takes() {
		if (t.Must || demanded(kind, fields, t.Name)) && t.Name != "by" && !has(fields, t.Name) {
			return true
		}
	}
	return false
}

// author is who sends a message: by the flag, by the field, or as KAP_BY says.
func (d *desk) author(flag string, fields []member) (string, error) {
	if flag != "" && has(fields, "by") {
		return "", usage("by: found it as a flag and as a field, expected it once")
	}
	if flag != "" {
		return flag, nil
	}
	s, err := d.settings()
	return s["KAP_BY"], err
}

func (d *desk) jsonInput(text string) ([]member, error) {
	if text == "-" {
		read, err := io.ReadAll(io.LimitReader(d.stdin, 1<<20))
		if err != nil {
			return nil, usage("--json-input: cannot read standard input")
		}
		text = string(read)
	}
	fields, err := membersOf([]byte(text))
	if err != nil {
		return nil, usage("--json-input: %v", err)
	}
	return fields, nil
}

// update sends the message and waits for the answer.
func (d *desk) update(ctx context.Context, c client.Client, code string, m outgoing, asJSON bool) error {
	bound, cancel := context.WithTimeout(ctx, updatePatience)
	defer cancel()
	// Temporal answers an id that it knows with the answer to whatever was sent under it: other words are another update, so that
	// the pathway hears them and can refuse them.
	words := sha256.Sum256(m.body)
	handle, err := c.UpdateWorkflow(bound, client.UpdateWorkflowOptions{
		WorkflowID: workflows.WorkflowID(code), UpdateID: m.id + "-" + hex.EncodeToString(words[:8]), UpdateName: m.kind.Name, Args: []any{m.body}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var reply pathway.Reply
	if err == nil {
		err = handle.Get(bound, &reply)
	}
	if err != nil {
		return d.unsent(ctx, code, m, err)
	}
	if asJSON {
		return json.NewEncoder(d.stdout).Encode(reply)
	}
	d.say("%s", indented("", sentence(reply)))
	if reply.Next != "" {
		d.say("%s", indented("", "Next: "+reply.Next))
	}
	return nil
}

func sentence(r pathway.Reply) string {
	lead := map[pathway.Result]string{pathway.Recorded: "Recorded", pathway.AlreadySo: "Already so", pathway.Asked: "Pending"}[r.Result]
	return fmt.Sprintf("%s: %s.", lead, strings.TrimSuffix(r.What, "."))
}

// signal sends the message without waiting for anybody to take it.
func (d *desk) signal(ctx context.Context, c client.Client, code string, m outgoing) error {
	_, err := bounded(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.SignalWorkflow(ctx, workflows.WorkflowID(code), "", m.kind.Name, m.body)
	})
	if err != nil {
		return d.unsent(ctx, code, m, err)
	}
	d.say("%s", indented("", fmt.Sprintf("Sent: %s as a signal. A signal cannot answer: if it is refused, starter show %s says so and why, under \"Not taken lately\".", m.kind.Name, code)))
	return nil
}

// unsent says why a message was not taken.
func (d *desk) unsent(ctx context.Context, code string, m outgoing, err error) error {
	var application *temporal.ApplicationError
	switch {
	case isNotFound(err), errors.As(err, &application) && application.Type() == "AcceptedUpdateCompletedWorkflow":
		return d.notRunning(context.WithoutCancel(ctx), code)
	case errors.As(err, &application) && isRefusal(application.Type()):
		return fail(refused, "%s", application.Message())
	case errors.As(err, &application):
		return fail(fault, "the worker could not take the message; look at its log, and send it again with id=%s", m.id)
	case ctx.Err() == context.Canceled:
		return fail(fault, "interrupted, and the message may have arrived; send it again with id=%s, so that it is taken once", m.id)
	case temporalIsAway(err) && mayHaveArrived(err):
		return fail(unreachable, "no answer came in time, and the message may have arrived; see that Temporal and a worker run, and send it again with id=%s, so that it is taken once", m.id)
	}
	return d.fromTemporal(err)
}

// mayHaveArrived says of a server that is away whether it may have heard the message before.
func mayHaveArrived(err error) bool {
	var unavailable *serviceerror.Unavailable
	return !errors.As(err, &unavailable)
}

func isRefusal(code string) bool {
	switch pathway.RefusalCode(code) {
	case pathway.BadJSON, pathway.UnknownField, pathway.MissingField, pathway.BadValue, pathway.WrongPerson, pathway.NotNow, pathway.Blocked, pathway.NoSlot, pathway.HasEnded:
		return true
	}
	return false
}

// notRunning explains why Temporal knows no running workflow for a code. The records remember longer than Temporal does.
func (d *desk) notRunning(ctx context.Context, code string) error {
	if !d.hasRecords() {
		return fail(unanswered, "Temporal knows no open pathway %s; set DATABASE_URL to see whether there ever was one", code)
	}
	row, err := d.row(ctx, code)
	switch {
	case err != nil:
		return err
	case row.Outcome != "":
		return fail(refused, "the pathway %s ended as %s%s and takes no more messages; for a client who comes back, enrol anew", code, row.Outcome, endedOn(row))
	case !row.Started:
		return fail(unanswered, "the pathway %s is enrolled and not started; run the same enrol command again, which finishes it", code)
	}
	return fail(fault, "the records hold %s as open, but Temporal has no such workflow; check TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE", code)
}

// endedOn is the day of the last step, which is the one that ended the pathway.
func endedOn(row records.Row) string {
	if row.AsOf == nil {
		return ""
	}
	return " on " + row.AsOf.In(zoneOf(row.Zone)).Format("2 Jan 2006")
}

// row reads one pathway, or says that there is none.
func (d *desk) row(ctx context.Context, code string) (records.Row, error) {
	store, err := d.records(ctx)
	if err != nil {
		return records.Row{}, err
	}
	row, err := bounded(ctx, func(ctx context.Context) (records.Row, error) { return store.Show(ctx, code) })
	if errors.Is(err, records.ErrNotFound) {
		return row, fail(unanswered, "there is no pathway %s; find it with: starter find NAME", code)
	}
	return row, fromRecords(err)
}
