package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"kap/pathway"
	"kap/records"
	"kap/workflows"
)

const enrolHelp = `Enrols a client: writes the enrolment to PostgreSQL, then starts the workflow
that carries the pathway. Whether the client is an adult follows from the birth
date; the four yes-or-no answers must be given, with =false for a no. Somebody
who is not eligible is enrolled all the same: the pathway then proposes to
decline, with a referral, so that nobody is left without an answer.

Whoever is alike somebody known is never enrolled by guessing: at a terminal you
are asked, otherwise the answer is a flag. Running the same command again after
a failure finishes what was left unfinished.

With --file, a JSON array of clients, all of them are checked before any is
written. The fields are the flags' names:

  [{"given_name": "Anna", "family_name": "Meyer", "birth_date": "1990-04-01",
    "email": "anna@example.org", "phone": "+1 555 0123",
    "care_team": {"therapist": "t-lane", "prescriber": "p-singh",
                  "coordinators": ["c-desk"]},
    "by": "c-desk", "diagnosis": "ptsd", "primary_measure": "pcl-5",
    "standard_care_tried": true, "commits_to_the_arc": true,
    "comfortable": true, "mail_permission": true,
    "availability": ["tuesday 09:00-13:00"]}]

and where one is alike somebody known, "another_person": true or
"returning": "CODE".`

const enrolExample = `  starter enrol --given-name Anna --family-name Meyer --birth-date 1990-04-01 \
    --email anna@example.org --phone "+1 555 0123" --therapist t-lane \
    --prescriber p-singh --coordinator c-desk --by c-desk --diagnosis ptsd \
    --primary-measure pcl-5 --standard-care-tried --commits-to-the-arc \
    --comfortable --mail-permission --availability "tuesday 09:00-13:00"
  starter enrol --file clients.json
  starter enrol --file - --json < clients.json`

func (d *desk) enrolCommand() *cobra.Command {
	var p particulars
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use: "enrol", Short: "Enrol a client, or a file of them", Long: enrolHelp, Example: enrolExample,
		Args: takes(0, 0, "flags alone"),
	}
	answers := enrolFlags(c, &p)
	c.Flags().StringVar(&file, "file", "", "a `file` with a JSON array of clients instead of the other flags; - reads it from standard input")
	c.Flags().BoolVar(&asJSON, "json", false, "print an array of {pathway, workflow_id, result}, without names")
	c.RunE = d.does(func(ctx context.Context, _ []string) error {
		var all []particulars
		var problems []error
		if c.Flags().Changed("file") {
			all, problems = d.clientsIn(c, file)
		} else {
			p.label = flagOf
			for name, value := range answers {
				if c.Flags().Changed(name) {
					*value.into = &value.said
				}
			}
			all = []particulars{p}
		}
		return d.enrolAll(ctx, all, problems, asJSON)
	})
	return c
}

// spoken is a yes-or-no flag and where its answer goes, if there is one.
type spoken struct {
	said bool
	into **bool
}

func enrolFlags(c *cobra.Command, p *particulars) map[string]*spoken {
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&p.GivenName, "given-name", "", "given `name`")
	f.StringVar(&p.FamilyName, "family-name", "", "family `name`")
	f.StringVar(&p.BirthDate, "birth-date", "", "a `date` such as 1990-04-01")
	f.StringVar(&p.Email, "email", "", "e-mail `address`")
	f.StringVar(&p.Phone, "phone", "", "telephone `number`")
	f.StringVar(&p.Therapist, "therapist", "", "staff `id` of the therapist")
	f.StringVar(&p.Prescriber, "prescriber", "", "staff `id` of the prescriber, never the therapist")
	f.StringArrayVar(&p.Coordinators, "coordinator", nil, "staff `id` of a coordinator; may be repeated")
	f.StringVar(&p.By, "by", "", "your staff `id` (default $KAP_BY)")
	f.StringVar(&p.Diagnosis, "diagnosis", "", "`one` of treatment-resistant-depression, ptsd, complex-trauma, chronic-anxiety, persistent-grief or none-of-these")
	f.StringVar(&p.PrimaryMeasure, "primary-measure", "", "`one` of phq-9, gad-7, pcl-5 or grief")
	answers := map[string]*spoken{
		"standard-care-tried": {into: &p.StandardCareTried}, "commits-to-the-arc": {into: &p.CommitsToTheArc},
		"comfortable": {into: &p.Comfortable}, "mail-permission": {into: &p.MailPermission},
	}
	f.BoolVar(&answers["standard-care-tried"].said, "standard-care-tried", false, "psychotherapy and/or medication were tried without adequate relief")
	f.BoolVar(&answers["commits-to-the-arc"].said, "commits-to-the-arc", false, "can commit to the whole arc, from preparation to integration")
	f.BoolVar(&answers["comfortable"].said, "comfortable", false, "curious about and comfortable with non-ordinary states within a clinical frame")
	f.BoolVar(&answers["mail-permission"].said, "mail-permission", false, "may be written to by e-mail")
	f.StringArrayVar(&p.Findings, "finding", nil, "what speaks against KAP already, by its `code`, such as wants-single-session, recreational-aim or\nsubstance-use-not-addressed; the therapist is asked to decide; may be repeated")
	f.StringVar(&p.Zone, "zone", "", "the client's time `zone` (default the practice's)")
	f.StringArrayVar(&p.Availability, "availability", nil, "weekly `hours` at which the client can come, such as \"tuesday 09:00-13:00\", on the practice's clock; may be repeated (default any time)")
	f.BoolVar(&p.AnotherPerson, "another-person", false, "this is not the person who is alike and known")
	f.StringVar(&p.Returning, "returning", "", "this is the client of the ended pathway with that `code`, who comes back")
	return answers
}

// flagOf names the flag that holds a field.
func flagOf(field string) string {
	field, _, _ = strings.Cut(field, "[")
	switch field {
	case "care_team.therapist":
		return "--therapist"
	case "care_team.prescriber":
		return "--prescriber"
	case "care_team.coordinators":
		return "--coordinator"
	case "findings":
		return "--finding"
	}
	name := []byte("--" + field)
	for i := range name {
		if name[i] == '_' {
			name[i] = '-'
		}
	}
	return string(name)
}

func (d *desk) clientsIn(c *cobra.Command, file string) ([]particulars, []error) {
	for _, name := range []string{"given-name", "family-name", "birth-date", "email", "phone", "therapist", "prescriber", "coordinator", "diagnosis", "primary-measure",
		"standard-care-tried", "commits-to-the-arc", "comfortable", "mail-permission", "finding", "zone", "availability", "another-person", "returning", "by"} {
		if c.Flags().Changed(name) {
			return nil, []error{usage("--%s: found it beside --file, expected it in the file's objects", name)}
		}
	}
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(d.stdin)
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, []error{usage("--file: cannot read %s; expected a file with a JSON array of clients", file)}
	}
	return readClients(text)
}

// enrolled is one line of what enrol prints for programs.
type enrolled struct {
	Pathway    string `json:"pathway"`
	WorkflowID string `json:"workflow_id"`
	Result     string `json:"result"`
}

// enrolAll checks everybody, beside whom problems were found already, then enrols one after the other. A question about one of them does not keep the others waiting;
// a server that is away ends it.
func (d *desk) enrolAll(ctx context.Context, all []particulars, problems []error, asJSON bool) error {
	candidates, err := d.checkAll(all, problems)
	if err != nil {
		return err
	}
	store, err := d.records(ctx)
	if err != nil {
		return err
	}
	temporal, err := d.connect()
	if err != nil {
		return err
	}
	e := enrolment{desk: d, store: store, temporal: temporal, asJSON: asJSON, several: len(candidates) > 1, results: []enrolled{}}
	err = e.all(ctx, candidates)
	if asJSON {
		out := json.NewEncoder(d.stdout)
		out.SetIndent("", "  ")
		err = errors.Join(err, out.Encode(e.results))
	}
	return err
}

func (d *desk) checkAll(all []particulars, problems []error) ([]candidate, error) {
	house, protocol, err := d.house()
	if err != nil {
		return nil, err
	}
	s, err := d.settings()
	if err != nil {
		return nil, err
	}
	if err := together(indiscreet(s, house, protocol)...); err != nil { // a pathway keeps what its clients read
		return nil, err
	}
	check := checker{house, protocol, d.now()}
	var candidates []candidate
	for _, p := range all {
		if p.By == "" {
			p.By = s["KAP_BY"]
		}
		c, faults := check.check(p)
		candidates, problems = append(candidates, c), append(problems, faults...)
	}
	return candidates, d.allBut(problems, misuse)
}

// allBut says every problem but leaves the last one to whoever ends the command.
func (d *desk) allBut(problems []error, exit int) error {
	if len(problems) == 0 {
		return nil
	}
	last := len(problems) - 1
	for _, p := range problems[:last] {
		d.complain(p)
	}
	return fail(exit, "%v", problems[last])
}

func (d *desk) complain(err error) {
	text := "starter: " + clean(err.Error())
	if d.terminal {
		text = indented("", text)
	}
	_, _ = io.WriteString(d.stderr, text+"\n")
}

// enrolment is one run of the command enrol.
type enrolment struct {
	*desk
	store    *records.Store
	temporal client.Client
	asJSON   bool
	several  bool
	results  []enrolled
}

func (e *enrolment) all(ctx context.Context, candidates []candidate) error {
	var questions []error
	exit := unanswered
	for i, c := range candidates {
		err := e.one(ctx, c)
		var f *failure
		switch {
		case err == nil:
		case errors.As(err, &f) && (f.exit == unanswered || f.exit == refused):
			questions = append(questions, err)
			exit = f.exit
		case errors.As(err, &f) && i < len(candidates)-1:
			for _, q := range questions {
				e.complain(q)
			}
			return fail(f.exit, "%s; %d clients after this one are not enrolled yet", f.sentence, len(candidates)-1-i)
		default:
			return err
		}
	}
	if len(candidates) > 1 {
		exit = unanswered
	}
	return e.allBut(questions, exit)
}

// one looks again where somebody alike was enrolled between the look and the writing, by somebody else at the same moment.
func (e *enrolment) one(ctx context.Context, c candidate) error {
	for range alikeAttempts - 1 {
		if err := e.tryOne(ctx, c); !errors.Is(err, records.ErrAlike) {
			return err
		}
	}
	err := e.tryOne(ctx, c)
	if errors.Is(err, records.ErrAlike) {
		return fail(unanswered, "%ssomebody alike is being enrolled again and again at this moment; nothing was written, run it again", c.place)
	}
	return err
}

// alikeAttempts is more than it takes: what another has written is seen the second time.
const alikeAttempts = 5

func (e *enrolment) tryOne(ctx context.Context, c candidate) error {
	known, err := bounded(ctx, func(ctx context.Context) ([]records.Known, error) { return e.store.Alike(ctx, c.person) })
	if err != nil {
		return fromRecords(err)
	}
	v := recognise(known, c.answer())
	if v.do == ask && !e.terminal {
		return question(c, known)
	}
	if v.do == ask {
		a, err := e.askPerson(c, known)
		if err != nil {
			return err
		}
		c.Returning = a.returning
		v = recognise(known, a)
	}
	switch v.do {
	case finishOld:
		return e.finish(ctx, v.code)
	case alreadyThere:
		return e.already(c, v.code)
	case notTheirs:
		return fail(unanswered, "%sthe pathway %s is not of anybody with this e-mail address, or this name and birth date; find the right one with: starter find NAME", c.place, v.code)
	}
	return e.begin(ctx, c, v.client, known)
}

// already reports somebody with an open pathway: in a file, which may be run again, that is nothing to worry about.
func (e *enrolment) already(c candidate, code string) error {
	switch {
	case c.Returning != "":
		return fail(refused, "%sthis client's pathway %s is still open, and nobody has two; nothing was written", c.place, code)
	case c.place == "":
		return fail(unanswered, "this client is already enrolled: the pathway %s is open, and nobody has two; nothing was written", code)
	}
	return e.report(code, "already enrolled", "%sAlready enrolled: %s.", c.place, code)
}

// finish starts the workflow of an enrolment that was written before.
func (e *enrolment) finish(ctx context.Context, code string) error {
	old, err := bounded(ctx, func(ctx context.Context) (pathway.Enrolment, error) { return e.store.Enrolment(ctx, code) })
	if err != nil {
		return fromRecords(err)
	}
	if err := e.start(ctx, old); err != nil {
		return err
	}
	if err := e.report(code, "finished", "Finished %s (workflow %s): it was written before, and stands as it was written then.", code, workflows.WorkflowID(code)); err != nil {
		return err
	}
	return e.sayNext(old)
}

// begin writes an enrolment, then starts its workflow. It returns [records.ErrAlike] where somebody alike, who is not among
// the known, was enrolled meanwhile.
func (e *enrolment) begin(ctx context.Context, c candidate, client string, known []records.Known) error {
	c.person.ID = client
	written, err := e.write(ctx, c.person, c.enrolment, known)
	if errors.Is(err, records.ErrAlike) {
		return err
	}
	if err != nil {
		return fromRecords(err)
	}
	if err := e.start(ctx, written); err != nil {
		return err
	}
	if err := e.report(written.Code, "enrolled", "Enrolled %s (workflow %s).", written.Code, workflows.WorkflowID(written.Code)); err != nil {
		return err
	}
	return e.sayNext(written)
}

// codeAttempts is far more than it takes: there are 300 million codes.
const codeAttempts = 5

// write draws another code where the one drawn is taken.
func (e *enrolment) write(ctx context.Context, person records.Person, enrolment pathway.Enrolment, known []records.Known) (pathway.Enrolment, error) {
	var written pathway.Enrolment
	var err error
	for range codeAttempts {
		written, err = bounded(ctx, func(ctx context.Context) (pathway.Enrolment, error) {
			return e.store.Enrol(ctx, person, enrolment, known...)
		})
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "23505" { // unique_violation
			break
		}
		enrolment.Code = newCode()
	}
	return written, err
}

// start starts the workflow of an enrolment that is written. One that runs already is as good.
func (e *enrolment) start(ctx context.Context, enrolment pathway.Enrolment) error {
	state, err := pathway.Enrol(enrolment)
	if err != nil {
		return fail(fault, "the enrolment %s was written by another version of kap, and this one cannot start it: %v", enrolment.Code, err)
	}
	options := client.StartWorkflowOptions{
		ID: workflows.WorkflowID(enrolment.Code), TaskQueue: workflows.TaskQueue,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}
	_, err = bounded(ctx, func(ctx context.Context) (client.WorkflowRun, error) {
		return e.temporal.ExecuteWorkflow(ctx, options, workflows.Name, state)
	})
	if err != nil && !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return e.unfinished(enrolment.Code, e.fromTemporal(err))
	}
	_, err = bounded(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, e.store.Started(ctx, enrolment.Code) })
	if err != nil {
		return e.unfinished(enrolment.Code, fromRecords(err))
	}
	return nil
}

func (e *enrolment) unfinished(code string, err error) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	return fail(f.exit, "the enrolment %s is written, but %s; then run the same command again, which finishes it", code, f.sentence)
}

func (e *enrolment) report(code, result, format string, args ...any) error {
	e.results = append(e.results, enrolled{code, workflows.WorkflowID(code), result})
	if !e.asJSON {
		e.say(format, args...)
	}
	return nil
}

// sayNext says who is waited for, what kap does by itself, and where to look; or, of one among several, only what speaks against
// treatment.
func (e *enrolment) sayNext(enrolment pathway.Enrolment) error {
	state, err := pathway.Enrol(enrolment)
	if err != nil || e.asJSON {
		return err
	}
	if against := state.Pending[1:]; e.several { // the first is the enrolment itself
		for _, entry := range against {
			e.say("%s", indented("  ! ", entry.Text))
		}
		if len(against) > 0 {
			e.say("  Enrolled all the same: the therapist is asked to decide.")
		}
		return nil
	}
	for _, t := range state.Status(enrolment.At).Tasks {
		var who []string
		for _, r := range t.Who {
			who = append(who, strings.TrimSpace(string(r)+" "+staffID(enrolment.CareTeam, r)))
		}
		e.say("%s", indented("  - ", "awaited from "+strings.Join(who, " and ")+": "+t.What))
	}
	if len(state.Pending) == 1 {
		e.say("%s", indented("  ", "kap books preparation by itself once all of it is done, and reminds whoever is awaited."))
	}
	e.say("  See: %s show %s", os.Args[0], enrolment.Code)
	if s, err := e.settings(); err == nil && s["KAP_UI_URL"] != "" {
		if temporal, err := e.temporalOptions(); err == nil {
			e.say("  or:  %s", workflowLink(s["KAP_UI_URL"], temporal.Namespace, enrolment.Code))
		}
	}
	return nil
}

// staffID is who has a role; empty for the client.
func staffID(team pathway.CareTeam, role pathway.Role) string {
	switch role {
	case pathway.Therapist:
		return team.Therapist
	case pathway.Prescriber:
		return team.Prescriber
	case pathway.Coordinator:
		return strings.Join(team.Coordinators, ", ")
	}
	return ""
}

// bounded gives one question to a server a limited time.
func bounded[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return do(ctx)
}
