package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"kap/pathway"
	"kap/stack/machine"
)

var leftOut = []enums.ResetReapplyExcludeType{enums.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE, enums.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL}

// Somebody resets a pathway's workflow to its beginning, in Temporal's UI say. The records know better than the new run: it
// takes over every step that is written, does nothing a second time, and goes on.
func TestAResetWorkflowAdoptsWhatIsWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		lines   int // of the story that are told before; 0: all
		task    int // which of the workflow's tasks it goes back to
		exclude []enums.ResetReapplyExcludeType
		refresh bool // somebody asks the pathway to look again
	}{
		{"to the first task, messages sent again", 9, 1, nil, false},
		{"to a later task, messages sent again", 9, 12, nil, false},
		{"to the first task, messages left out, then refresh", 9, 1, leftOut, true},
		{"to the first task, messages left out", 9, 1, leftOut, false},
		{"after the ending, to the first task, messages left out", 0, 1, leftOut, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := sharedHouse(t)
			ctx := within(t, 2*time.Minute)
			p := h.enrol(ctx, t, h.team(), nil)
			plot := story(t, 0, p.team)
			if c.lines > 0 {
				p.tell(plot, c.lines) // nine: up to the first dosing session and its integration
			} else {
				p.tell(plot, len(plot))
				p.end()
			}
			p.settle()
			before, was := p.books(), p.status()

			p.reset(c.task, c.exclude)
			if c.refresh {
				p.say("refresh", fields{"by": p.desk})
			}
			await(within(t, 30*time.Second), t, "the new run to adopt what is written", func() error {
				now, err := p.statusOf(ctx, "")
				if err == nil && (now.DosingDone != was.DosingDone || now.Outcome != was.Outcome || now.Unwritten != 0) {
					err = fmt.Errorf("%d dosing sessions, %d entries unwritten", now.DosingDone, now.Unwritten)
				}
				return err
			})
			p.settle()
			now := p.status()
			after := p.books()
			if c.refresh {
				after.Journal = slices.DeleteFunc(after.Journal, func(line string) bool { return strings.HasPrefix(line, "taken refresh") })
			}
			same(t, "journal", before.Journal, after.Journal)
			if !now.JointSince.Equal(was.JointSince) {
				t.Errorf("the joint decision stood since %s, and after the reset since %s", was.JointSince, now.JointSince)
			}
			same(t, "appointments", before.Appointments, after.Appointments)
			same(t, "mails to the client", before.keys(), after.keys())
			same(t, "mails to staff", before.staffKeys(), after.staffKeys())
			p.sound(after)
			same(t, "sessions", sessions(was), sessions(now))

			p.tell(plot, len(plot)-p.next)
			if s := p.end(); s.Outcome != pathway.Completed {
				t.Errorf("after a reset the story ends as %q: %s", s.Outcome, shown(s))
			}
			end := p.books()
			if unknown := p.sound(end); len(unknown) > 0 {
				t.Errorf("nobody knows whether these went out: %q", unknown)
			}
			if n := len(end.Appointments); n != 8 {
				t.Errorf("%d appointments, expected two preparations, three dosing sessions and three integrations: %q", n, end.Appointments)
			}
			t.Logf("%d steps, %d mails", end.Steps, len(end.Mails))
		})
	}
}

func sessions(s pathway.Status) []string {
	var all []string
	for _, x := range s.Sessions {
		all = append(all, fmt.Sprint(x.Name, " ", x.State, " ", x.Start))
	}
	return all
}

func (p *person) statusOf(ctx context.Context, run string) (pathway.Status, error) {
	var s pathway.Status
	value, err := p.h.client.QueryWorkflow(ctx, p.id, run, "status")
	if err != nil {
		return s, err
	}
	return s, value.Get(&s)
}

// reset takes the workflow back to the end of one of its tasks.
func (p *person) reset(task int, exclude []enums.ResetReapplyExcludeType) {
	p.t.Helper()
	found, err := p.h.client.DescribeWorkflowExecution(p.ctx, p.id, "")
	if err != nil {
		p.t.Fatal(err)
	}
	run := found.WorkflowExecutionInfo.Execution.RunId
	finish, err := p.taskEnd(run, task)
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = p.h.client.ResetWorkflowExecution(p.ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: machine.Namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: p.id, RunId: run}, Reason: "a test",
		WorkflowTaskFinishEventId: finish, RequestId: fmt.Sprintf("%s-%d", run, task), ResetReapplyExcludeTypes: exclude,
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) taskEnd(run string, task int) (int64, error) {
	events := p.h.client.GetWorkflowHistory(p.ctx, p.id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return 0, err
		}
		if e.EventType == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			if task--; task == 0 {
				return e.EventId, nil
			}
		}
	}
	return 0, errors.New("the history has fewer tasks")
}
