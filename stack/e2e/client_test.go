package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"kap/pathway"
	"kap/stack/clock"
	"kap/stack/stories"
	"kap/workflows"
)

// person is one client on their way, and how far their story is.
type person struct {
	t   testing.TB
	h   *house
	ctx context.Context
	team
	code, id string
	next     int         // the line of the story that comes next
	said     []time.Time // when each line was sent, on the client's clock
	retries  int         // what had to be asked again because something was away
}

type fields map[string]any

// application is what the front desk knows of somebody whom nobody is like.
func application(by team, name string) fields {
	return fields{
		"given_name": name, "family_name": "Fictional", "birth_date": "1984-05-17", "email": strings.ToLower(name) + "@clients.example", "phone": "+1 555 0111",
		"care_team": fields{"therapist": by.therapist, "prescriber": by.prescriber, "coordinators": []string{by.desk}}, "by": by.desk,
		"diagnosis": "treatment-resistant-depression", "primary_measure": "phq-9", "standard_care_tried": true, "commits_to_the_arc": true,
		"comfortable": true, "mail_permission": true, "zone": "America/New_York",
	}
}

// enrol runs the practice's own command.
func (h *house) enrol(ctx context.Context, t testing.TB, by team, changes fields) *person {
	t.Helper()
	a := application(by, "Client-"+by.therapist)
	for name, value := range changes {
		a[name] = value
	}
	out, problem, exit := h.starter(ctx, t, fields{"": []fields{a}}, "enrol", "--file", "-", "--json")
	var enrolled []struct {
		Pathway string `json:"pathway"`
	}
	if err := json.Unmarshal([]byte(out), &enrolled); err != nil || exit != 0 || len(enrolled) != 1 {
		t.Fatalf("starter enrol ended with %d, said %q and %q", exit, out, problem)
	}
	return &person{t: t, h: h, ctx: ctx, team: by, code: enrolled[0].Pathway, id: workflows.WorkflowID(enrolled[0].Pathway)}
}

// starter runs bin/starter; input, if any, is the value under the empty name.
func (h *house) starter(ctx context.Context, t testing.TB, input fields, args ...string) (out, problem string, exit int) {
	t.Helper()
	var stdin []byte
	if input != nil {
		stdin, _ = json.Marshal(input[""])
	}
	return h.run(ctx, t, program(t, "starter"), stdin, args...)
}

func (h *house) run(ctx context.Context, t testing.TB, path string, stdin []byte, args ...string) (out, problem string, exit int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, path, args...)
	command.Dir, command.Env, command.Stdin, command.Stdout, command.Stderr = h.dir, h.env, bytes.NewReader(stdin), &stdout, &stderr
	err := command.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), command.ProcessState.ExitCode()
}

// persist repeats what failed because something was away; what the pathway itself answers is an answer.
func (p *person) persist(what string, ask func(ctx context.Context) error) error {
	for {
		ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
		err := ask(ctx)
		cancel()
		var refused *temporal.ApplicationError
		var gone *serviceerror.NotFound
		if err == nil || errors.As(err, &refused) || errors.As(err, &gone) && !strings.HasPrefix(gone.Message, "Namespace ") || errors.Is(err, clock.ErrEnded) {
			return err
		}
		p.retries++
		p.t.Logf("%s: %s: asked again after: %v", p.code, what, err)
		select {
		case <-p.ctx.Done():
			return fmt.Errorf("%s of %s: %w", what, p.code, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (p *person) status() pathway.Status {
	p.t.Helper()
	var s pathway.Status
	err := p.persist("status", func(ctx context.Context) error {
		value, err := p.h.client.QueryWorkflow(ctx, p.id, "", "status")
		if err != nil {
			return err
		}
		return value.Get(&s)
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

func (p *person) now() time.Time {
	p.t.Helper()
	var now time.Time
	err := p.persist("now", func(ctx context.Context) (err error) {
		now, err = clock.Now(ctx, p.h.client, p.id)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return now
}

func (p *person) forward(to time.Time) {
	p.t.Helper()
	err := p.persist("clock", func(context.Context) error {
		ctx, cancel := context.WithTimeout(p.ctx, 3*time.Minute)
		defer cancel()
		return clock.FastForward(ctx, p.h.client, p.id, to)
	})
	if err != nil && !errors.Is(err, clock.ErrEnded) {
		p.t.Fatal(err)
	}
}

func (p *person) settle() {
	p.t.Helper()
	if err := p.persist("rest", func(context.Context) error { return clock.Settle(p.ctx, p.h.client, p.id) }); err != nil {
		p.t.Fatal(err)
	}
}

// forwardUntil moves the clock from wake to wake until a status is as wanted.
func (p *person) forwardUntil(what string, wanted func(pathway.Status) bool) pathway.Status {
	p.t.Helper()
	for range 600 {
		s := p.status()
		if wanted(s) {
			return s
		}
		if s.NextWake.IsZero() {
			p.t.Fatalf("%s waited for %s, but nothing more happens by itself: %s", p.code, what, shown(s))
		}
		p.forward(s.NextWake)
	}
	p.t.Fatalf("%s waited for %s for 600 wakes: %s", p.code, what, shown(p.status()))
	return pathway.Status{}
}

// send sends one message as an update and waits for the answer. The id makes it one message, however often it is sent.
func (p *person) send(id, name string, input any) (pathway.Reply, error) {
	var reply pathway.Reply
	err := p.persist(name, func(ctx context.Context) error {
		handle, err := p.h.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: p.id, UpdateName: name, UpdateID: id, WaitForStage: client.WorkflowUpdateStageCompleted, Args: []any{input},
		})
		if err != nil {
			return err
		}
		return handle.Get(ctx, &reply)
	})
	return reply, err
}

func (p *person) say(name string, input any) pathway.Reply {
	p.t.Helper()
	reply, err := p.send("", name, input)
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.code, name, err)
	}
	return reply
}

// tell goes on with the story for so many lines.
func (p *person) tell(story []stories.Line, lines int) {
	p.t.Helper()
	for range lines {
		p.line(story[p.next])
		p.next++
	}
}

func (p *person) line(l stories.Line) {
	p.t.Helper()
	if wait, err := time.ParseDuration(l.After); err == nil {
		p.forward(p.now().Add(wait))
	}
	s := p.forwardUntil(l.Message+" to be asked for", func(s pathway.Status) bool {
		if l.Unasked || asks(s, l) {
			return true
		}
		p.answerCalls(s)
		return false
	})
	if task, _ := stories.Asked(s, l); task != nil {
		p.begins(*task, s)
	}
	p.said = append(p.said, p.now())
	if _, err := p.send(fmt.Sprintf("line-%d", p.next), l.Message, said(s, l)); err != nil {
		p.t.Fatalf("%s: line %d, %s: %v", p.code, p.next+1, l.Message, err)
	}
}

// begins waits until a task is owed: the record of a session is awaited before its end. What the pathway does by itself until then, or
// at that very moment, comes first: amid faults its timer may be later than a message.
func (p *person) begins(t pathway.TaskView, s pathway.Status) {
	p.t.Helper()
	for range 600 {
		switch {
		case !t.Since.After(s.AsOf):
			return
		case s.NextWake.IsZero() || s.NextWake.After(t.Since):
			p.forward(t.Since)
			return
		}
		p.forward(s.NextWake)
		s = p.status()
	}
	p.t.Fatalf("%s waited for %s for 600 wakes: %s", p.code, t.Key, shown(s))
}

// answerCalls makes the telephone calls that the pathway asks for: no story tells of them, because they come of a mail that did not
// reach somebody.
func (p *person) answerCalls(s pathway.Status) {
	p.t.Helper()
	for _, t := range s.Tasks {
		if !strings.HasPrefix(t.Key, "call/") {
			continue
		}
		var call fields
		if err := json.Unmarshal([]byte(t.JSON), &call); err != nil {
			p.t.Fatal(err)
		}
		call["outcome"] = pathway.Reached
		call["id"] = strings.ReplaceAll(t.Key, "/", ".") // one message, also where it is sent again because nobody heard the answer
		if _, err := p.send(call["id"].(string), t.Message, call); err != nil {
			p.t.Fatalf("%s: %s: %v", p.code, t.Key, err)
		}
	}
}

func asks(s pathway.Status, l stories.Line) bool {
	task, _ := stories.Asked(s, l)
	return task != nil
}

// said is what a line says, over what the pathway proposes.
func said(s pathway.Status, l stories.Line) fields {
	_, proposed := stories.Asked(s, l)
	return l.Says(proposed, s.AsOf)
}

// end lets an ended pathway send its last mails. Its workflow stays open, to take what is learned later.
func (p *person) end() pathway.Status {
	p.t.Helper()
	p.settle()
	s := p.status()
	for range 20 {
		if s.Outcome == "" || s.Unsent == 0 || s.NextWake.IsZero() {
			break
		}
		p.forward(s.NextWake)
		s = p.status()
	}
	p.settle()
	return s
}

func shown(v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// story is a sample story, told by another team.
func story(t testing.TB, number int, by team) []stories.Line {
	t.Helper()
	all, err := stories.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return retold(t, all[number], by)
}

// retold is a story, told by another team, every message with an id of its own.
func retold(t testing.TB, s stories.Story, by team) []stories.Line {
	t.Helper()
	var enrol struct {
		Team pathway.CareTeam `json:"care_team"`
	}
	if err := json.Unmarshal(s.Enrol, &enrol); err != nil {
		t.Fatal(err)
	}
	instead := map[any]string{enrol.Team.Therapist: by.therapist, enrol.Team.Prescriber: by.prescriber, enrol.Team.Coordinators[0]: by.desk}
	var lines []stories.Line
	for i, l := range s.Messages {
		l.Input = maps.Clone(l.Input)
		l.Input["by"] = instead[l.Input["by"]]
		l.Input["id"] = fmt.Sprintf("line-%d", i)
		lines = append(lines, l)
	}
	return lines
}
