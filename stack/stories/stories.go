// Package stories carries fictional clients through their months in a minute: it sends what their story says, through the
// public messages alone, and moves each client's clock from one wake to the next in between.
package stories

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"go.temporal.io/sdk/client"

	"kap/pathway"
	"kap/stack/clock"
)

//go:embed stories.json
var sample []byte

// Story is one client: how they are enrolled, and what is said about them, in order.
type Story struct {
	Title    string          `json:"title"`
	Enrol    json.RawMessage `json:"enrol"` // as `starter enrol --file` takes it
	Messages []Line          `json:"messages"`
}

// Line is one message of a story. It is sent as soon as it is owed; until then the clock moves. What its input
// leaves out is said as the pathway proposes it, and "+30d" is the day 30 days later.
type Line struct {
	Message string         `json:"message"`
	Input   map[string]any `json:"input"`
	After   string         `json:"after,omitempty"`   // moves the clock first, such as "20h"
	Unasked bool           `json:"unasked,omitempty"` // sent although nobody asks for it
}

// Stage is where stories are told.
type Stage struct {
	Temporal client.Client
	Starter  string   // the program that enrols
	Env      []string // its environment
	Progress string   // the file that remembers how far each story is
	Out      io.Writer
}

// Load reads a stories file, or the sample where path is empty.
func Load(path string) ([]Story, error) {
	text, name := sample, "stories.json"
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return nil, err
		}
		name = path
	}
	return parse(name, text)
}

func parse(name string, text []byte) ([]Story, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var all []Story
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i, s := range all {
		if s.Title == "" || len(s.Enrol) == 0 {
			return nil, fmt.Errorf("%s: story %d: expected a title and enrol", name, i+1)
		}
		for j, l := range s.Messages {
			if pathway.Message(l.Message).Name == "" {
				return nil, fmt.Errorf("%s: story %d, message %d: found %q, which is no message of kap", name, i+1, j+1, l.Message)
			}
			if _, err := time.ParseDuration(l.After); l.After != "" && err != nil {
				return nil, fmt.Errorf("%s: story %d, message %d: after: found %q, expected hours such as 20h", name, i+1, j+1, l.After)
			}
		}
	}
	return all, nil
}

// told remembers how far a story is, so that a stack that is started again goes on with it.
type told struct {
	Title   string `json:"title"`
	Digest  string `json:"digest"` // of the story, which must not change while it is told
	Pathway string `json:"pathway"`
	Next    int    `json:"next"`
}

// Tell tells all stories at once, each on its own clock, and returns where each has got.
func (s *Stage) Tell(ctx context.Context, all []Story) ([]pathway.Status, error) {
	progress, err := s.read(all)
	if err != nil {
		return nil, err
	}
	ends := make([]pathway.Status, len(all))
	failed := make([]error, len(all))
	var mu sync.Mutex           // over the progress and the output
	for i, story := range all { // one after the other: who is enrolled first has the first number
		if progress[i].Pathway == "" {
			code, err := s.enrol(ctx, story)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", story.Title, err)
			}
			progress[i] = told{story.Title, story.digest(), code, 0}
			if err := s.write(progress); err != nil {
				return nil, err
			}
		}
	}
	var tellers sync.WaitGroup
	for i, story := range all {
		tellers.Go(func() {
			t := teller{Stage: s, code: progress[i].Pathway, id: "pathway-" + progress[i].Pathway, say: func(format string, args ...any) {
				mu.Lock()
				defer mu.Unlock()
				fmt.Fprintf(s.Out, format+"\n", args...)
			}}
			for n := progress[i].Next; n < len(story.Messages) && failed[i] == nil; n++ {
				if failed[i] = t.line(ctx, n, story.Messages[n]); failed[i] == nil {
					mu.Lock()
					progress[i].Next = n + 1
					failed[i] = s.write(progress)
					mu.Unlock()
				}
			}
			if failed[i] == nil {
				ends[i], failed[i] = t.end(ctx)
			}
			if failed[i] != nil {
				failed[i] = fmt.Errorf("%s (%s): %w", story.Title, t.code, failed[i])
			}
		})
	}
	tellers.Wait()
	return ends, errors.Join(failed...)
}

func (s Story) digest() string {
	text, err := json.Marshal(s)
	if err != nil {
		text = []byte(s.Title)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))[:16]
}

func (s *Stage) read(all []Story) ([]told, error) {
	text, err := os.ReadFile(s.Progress)
	if errors.Is(err, os.ErrNotExist) {
		return make([]told, len(all)), nil
	}
	if err != nil {
		return nil, err
	}
	var found []told
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Progress, err)
	}
	same := len(found) == len(all)
	for i := range found {
		same = same && (found[i].Pathway == "" || found[i].Digest == all[i].digest())
	}
	if !same {
		return nil, errors.New("these stories are not the ones that were begun here; go on with those, or begin anew after make reset")
	}
	return found, nil
}

// Told says whether everything was told before, so that there is only to look.
func (s *Stage) Told(all []Story) bool {
	progress, err := s.read(all)
	if err != nil {
		return false
	}
	for i := range all {
		if progress[i].Pathway == "" || progress[i].Next < len(all[i].Messages) {
			return false
		}
	}
	return true
}

func (s *Stage) write(progress []told) error {
	text, err := json.MarshalIndent(progress, "", " ")
	if err != nil {
		return err
	}
	next := s.Progress + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, s.Progress)
}

// enrol runs the practice's own command, as a front desk does.
func (s *Stage) enrol(ctx context.Context, story Story) (string, error) {
	file, err := os.CreateTemp(filepath.Dir(s.Progress), "enrol-*.json")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name())
	_, err = fmt.Fprintf(file, "[%s]", story.Enrol)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	var out, problem bytes.Buffer
	command := exec.CommandContext(ctx, s.Starter, "enrol", "--file", file.Name(), "--json")
	command.Env, command.Stdout, command.Stderr = s.Env, &out, &problem
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	var enrolled []struct {
		Pathway string `json:"pathway"`
	}
	if err := json.Unmarshal(out.Bytes(), &enrolled); err != nil || len(enrolled) != 1 {
		return "", fmt.Errorf("starter enrol answered %q", out.String())
	}
	return enrolled[0].Pathway, nil
}

// teller tells one story.
type teller struct {
	*Stage
	code, id string
	say      func(format string, args ...any)
}

// wakesAtMost bounds the search for the moment at which a message is asked for: a year of daily wakes, and some.
const wakesAtMost = 600

func (t teller) line(ctx context.Context, n int, l Line) error {
	if wait, err := time.ParseDuration(l.After); err == nil {
		now, err := clock.Now(ctx, t.Temporal, t.id)
		if err != nil {
			return err
		}
		if err := clock.FastForward(ctx, t.Temporal, t.id, now.Add(wait)); err != nil {
			return err
		}
	}
	for range wakesAtMost {
		status, err := t.status(ctx)
		if err != nil {
			return err
		}
		task, proposed := Asked(status, l)
		switch {
		case l.Unasked, task != nil && !task.Since.After(status.AsOf):
			return t.send(ctx, n, l, proposed, status)
		case task != nil && (status.NextWake.IsZero() || status.NextWake.After(task.Since)):
			if err := clock.FastForward(ctx, t.Temporal, t.id, task.Since); err != nil {
				return err
			}
			return t.send(ctx, n, l, proposed, status)
		}
		if status.NextWake.IsZero() {
			return fmt.Errorf("message %d, %s, is never asked for: on %s the pathway is in its phase %q and asks for %s", n+1, l.Message, day(status.AsOf, status.Zone), status.Phase, asks(status))
		}
		if err := clock.FastForward(ctx, t.Temporal, t.id, status.NextWake); err != nil {
			return err
		}
	}
	return fmt.Errorf("message %d, %s, was not asked for in %d wakes", n+1, l.Message, wakesAtMost)
}

// Asked finds the task by which the pathway asks for this message, which may be owed only later, and the message that it proposes: the
// same name, and about the same thing where the input names one. It is nil where nothing asks for it.
func Asked(s pathway.Status, l Line) (task *pathway.TaskView, proposed map[string]any) {
	for i, t := range s.Tasks {
		proposed = nil
		if t.Message != l.Message || json.Unmarshal([]byte(t.JSON), &proposed) != nil {
			continue
		}
		same := true
		for _, about := range []string{"session", "task", "scale", "hold"} {
			same = same && (l.Input[about] == nil || l.Input[about] == proposed[about])
		}
		if same {
			return &s.Tasks[i], proposed
		}
	}
	return nil, nil
}

// Says is what is sent: the input, over what the pathway proposes.
func (l Line) Says(proposed map[string]any, now time.Time) map[string]any {
	input := map[string]any{}
	maps.Copy(input, proposed)
	maps.Copy(input, l.Input)
	for field, value := range input {
		var days int
		if text, ok := value.(string); ok {
			if n, err := fmt.Sscanf(text, "+%dd", &days); n == 1 && err == nil {
				input[field] = now.AddDate(0, 0, days).Format(time.DateOnly)
			}
		}
	}
	return input
}

func asks(s pathway.Status) string {
	var keys []string
	for _, t := range s.Tasks {
		keys = append(keys, t.Key)
	}
	if len(keys) == 0 {
		return "nothing"
	}
	return strings.Join(keys, ", ")
}

// day is a day on the practice's calendar.
func day(t time.Time, zone string) string {
	if z, err := time.LoadLocation(zone); err == nil {
		t = t.In(z)
	}
	return t.Format("Mon 2 Jan 2006")
}

func (t teller) status(ctx context.Context) (pathway.Status, error) {
	var s pathway.Status
	value, err := t.Temporal.QueryWorkflow(ctx, t.id, "", "status")
	if err != nil {
		return s, err
	}
	return s, value.Get(&s)
}

func (t teller) send(ctx context.Context, n int, l Line, proposed map[string]any, status pathway.Status) error {
	now, err := clock.Now(ctx, t.Temporal, t.id)
	if err != nil {
		return err
	}
	handle, err := t.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: t.id, UpdateName: l.Message, UpdateID: fmt.Sprintf("story-%d", n), WaitForStage: client.WorkflowUpdateStageCompleted, Args: []any{l.Says(proposed, now)},
	})
	var reply pathway.Reply
	if err == nil {
		err = handle.Get(ctx, &reply)
	}
	if err != nil {
		return fmt.Errorf("message %d, %s: %w", n+1, l.Message, err)
	}
	t.say("  %s  %-15s  %s", t.code, day(now, status.Zone), reply.What)
	return nil
}

// end lets what the last message began come to rest.
func (t teller) end(ctx context.Context) (pathway.Status, error) {
	if err := clock.Settle(ctx, t.Temporal, t.id); err != nil {
		return pathway.Status{}, err
	}
	for range wakesAtMost {
		s, err := t.status(ctx)
		if err != nil || s.Outcome == "" || s.Unsent == 0 || s.NextWake.IsZero() {
			return s, err
		}
		if err := clock.FastForward(ctx, t.Temporal, t.id, s.NextWake); err != nil && !errors.Is(err, clock.ErrEnded) {
			return s, err
		}
	}
	return pathway.Status{}, errors.New("the ending does not come to rest")
}

// Print says who ended how and why, and whom a pathway waits for.
func Print(out io.Writer, ends []pathway.Status) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  pathway\tstands at\twhy")
	for _, s := range ends {
		where, why := string(s.Outcome), s.Why
		if s.Outcome == "" {
			where = string(s.Phase)
			var waits []string
			for _, t := range s.Tasks {
				waits = append(waits, t.What)
			}
			why = strings.Join(waits, "; ")
			if why == "" && s.NextSession != nil {
				why = "next is " + s.NextSession.Name
			}
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Pathway, where, why)
	}
	_ = w.Flush()
}
