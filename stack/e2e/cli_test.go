package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"

	"kap/internal/diligent"
	"kap/pathway"
)

// Anybody with the stock command line can carry a client to an ending: everything that it takes is in the status.
// shows: ending-completed, ending-stopped-and-referred, ending-declined-and-referred, ending-withdrawn, ending-lapsed
func TestTheStockCommandLineReachesEachEnding(t *testing.T) {
	t.Parallel()
	unmoved := func(string, int) int { return 15 }
	for _, c := range []struct {
		ending  pathway.Outcome
		changes fields
		staff   diligent.Staff // they fill in what the example messages leave to a person
		unasked string         // is said as soon as the client is enrolled
		leave   string         // this task nobody does
		signals string         // these are sent as signals, the others as updates
	}{
		{ending: pathway.Completed, staff: diligent.Staff{Dosings: 1}, signals: "safety-plan, measure, task-done"},
		{ending: pathway.StoppedAndReferred, staff: diligent.Staff{Dosings: 6, Total: unmoved, Decide: map[string]string{"<adjust, one-more or stop>": "stop"}}, signals: "review"},
		{ending: pathway.DeclinedAndReferred, changes: fields{"commits_to_the_arc": false}, signals: "referral"},
		{ending: pathway.WithdrawnByClient, unasked: "withdraw", signals: "task-done"},
		{ending: pathway.Lapsed, leave: "consent", signals: "stop"},
	} {
		t.Run(string(c.ending), func(t *testing.T) {
			t.Parallel()
			h := sharedHouse(t)
			p := h.enrol(within(t, 4*time.Minute), t, h.team(), c.changes)
			said := map[string]int{}
			if c.unasked != "" {
				p.cliUpdate(c.unasked, fmt.Sprintf(`{"by": %q}`, p.desk))
			}
			for range 300 {
				s := p.cliStatus()
				i := slices.IndexFunc(s.Tasks, func(t pathway.TaskView) bool { return t.Key != c.leave })
				if s.Outcome != "" {
					break
				}
				if i < 0 {
					p.forward(s.NextWake)
					continue
				}
				task := s.Tasks[i]
				p.begins(task, s)
				task.JSON = c.staff.Fill(task, s)
				said[task.Message]++
				if !strings.Contains(c.signals, task.Message) {
					p.cliUpdate(task.Message, task.JSON)
					continue
				}
				if out, problem, exit := p.temporal("workflow", "signal", "--workflow-id", p.id, "--name", task.Message, "--input", task.JSON); exit != 0 {
					t.Fatalf("%s %s ended with %d, said %s and %s", task.Message, task.JSON, exit, out, problem)
				}
				await(p.ctx, t, "the signal "+task.Message+" to do "+task.Key, func() error {
					for _, open := range p.status().Tasks {
						if open.Key == task.Key {
							return fmt.Errorf("it is asked for still")
						}
					}
					return nil
				})
			}
			t.Logf("said %v", said)
			s := p.end()
			if s.Outcome != c.ending || s.Why == "" {
				t.Errorf("it ends as %q: %s", s.Outcome, shown(s))
			}
			if found, err := h.client.DescribeWorkflow(p.ctx, p.id, ""); err != nil || found.Status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
				t.Errorf("after the ending the workflow is no longer there to take what is learned later (%v)", err)
			}
			late := fmt.Sprintf(`{"by": %q, "cause": "concern", "reason": "too late"}`, p.therapist)
			out, problem, exit := p.temporal("workflow", "update", "execute", "--workflow-id", p.id, "--name", "hold", "--input", late)
			if exit == 0 || !strings.Contains(out+problem, "ended as "+string(c.ending)) {
				t.Errorf("an update after the ending ended with %d, said %s and %s", exit, out, problem)
			}
			p.cliUpdate("adverse-event", fmt.Sprintf(`{"by": %q, "kind": "serious-event", "severity": "severe"}`, p.therapist))
			for _, task := range p.cliStatus().Tasks {
				p.cliUpdate(task.Message, task.JSON)
			}
			if s := p.end(); s.Outcome != c.ending || len(s.Tasks) > 0 || len(s.Holds) > 0 {
				t.Errorf("after an adverse event that came later: %s", shown(s))
			}

			p.forward(p.now().AddDate(1, 0, 2)) // nothing more is taken
			await(p.ctx, t, "the workflow to complete", func() error {
				found, err := h.client.DescribeWorkflow(p.ctx, p.id, "")
				if err == nil && found.Status != enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
					err = fmt.Errorf("it is %s", found.Status)
				}
				return err
			})
			p.replays(string(c.ending))
			b := p.books()
			if unknown := p.sound(b); len(unknown) > 0 || b.Outcome != string(c.ending) {
				t.Errorf("the records say %q; nobody knows whether these went out: %q", b.Outcome, unknown)
			}
			t.Logf("%d mails to the client, %d to staff", len(b.keys()), len(b.staffKeys()))
			out, problem, exit = p.temporal("workflow", "update", "execute", "--workflow-id", p.id, "--name", "refresh", "--input", fmt.Sprintf(`{"by": %q}`, p.desk))
			if exit == 0 || !strings.Contains(out+problem, "completed") {
				t.Errorf("an update after a year ended with %d, said %s and %s", exit, out, problem)
			}
			_, problem, exit = h.starter(p.ctx, t, nil, "record", "refresh", p.code, "--by", p.desk)
			if exit != 3 || !strings.Contains(problem, "ended as "+string(c.ending)) {
				t.Errorf("starter record after a year ended with %d and said %q", exit, problem)
			}
		})
	}
}

// cliUpdate sends an update that is taken.
func (p *person) cliUpdate(name, input string) {
	p.t.Helper()
	out, problem, exit := p.temporal("workflow", "update", "execute", "--workflow-id", p.id, "--name", name, "--input", input)
	if exit != 0 || !strings.Contains(out, `"recorded"`) {
		p.t.Fatalf("%s %s ended with %d, said %s and %s", name, input, exit, out, problem)
	}
}

// Temporal's own tools show what staff need, and say why a message is refused.
func TestTheStockCommandLineExplainsItself(t *testing.T) {
	t.Parallel()
	h := sharedHouse(t)
	p := h.enrol(within(t, time.Minute), t, h.team(), nil)
	var answer struct {
		QueryResult []struct {
			CurrentDetails string
			Definition     struct {
				SignalDefinitions, UpdateDefinitions, QueryDefinitions []struct{ Name, Description string }
			}
		}
	}
	text := p.metadata()
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.QueryResult) != 1 {
		t.Fatalf("temporal workflow metadata says %s (%v)", text, err)
	}
	shown := answer.QueryResult[0]
	for _, want := range []string{"prescriber-clearance", "Awaited", "What blocks the next dosing session", "medications_reviewed"} {
		if !strings.Contains(shown.CurrentDetails, want) {
			t.Errorf("the details do not say %q:\n%s", want, shown.CurrentDetails)
		}
	}
	described := map[string]string{}
	for _, d := range shown.Definition.UpdateDefinitions {
		described["update "+d.Name] = d.Description
	}
	for _, d := range shown.Definition.SignalDefinitions {
		described["signal "+d.Name] = d.Description
	}
	for _, m := range pathway.Messages() {
		for _, way := range []string{"update ", "signal "} {
			if d := described[way+m.Name]; d != m.Description() {
				t.Errorf("the %s%s is described as\n%q, expected\n%q", way, m.Name, d, m.Description())
			}
		}
	}
	out, problem, exit := p.temporal("workflow", "update", "execute", "--workflow-id", p.id, "--name", "consent", "--input", fmt.Sprintf(`{"by":%q,"decision":"given"}`, p.prescriber))
	if exit == 0 || !strings.Contains(out+problem, "only its therapist") {
		t.Errorf("a refused update ended with %d, said %s and %s", exit, out, problem)
	}
	if _, _, exit := p.temporal("workflow", "signal", "--workflow-id", p.id, "--name", "consent", "--input", `{"by":"nobody","decision":"given"}`); exit != 0 {
		t.Errorf("a signal ended with %d", exit)
	}
	await(p.ctx, t, "both refusals in the details", func() error {
		text := p.metadata()
		for _, want := range []string{"only its therapist", "not on this pathway's care team"} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("they do not say %q: %s", want, text)
			}
		}
		return nil
	})
}

// cliStatus asks as the command line does.
func (p *person) cliStatus() pathway.Status {
	p.t.Helper()
	out, problem, exit := p.temporal("workflow", "query", "--workflow-id", p.id, "--name", "status")
	var answer struct{ QueryResult []pathway.Status }
	if err := json.Unmarshal([]byte(out), &answer); exit != 0 || err != nil || len(answer.QueryResult) != 1 {
		p.t.Fatalf("temporal workflow query ended with %d, said %s and %s (%v)", exit, out, problem, err)
	}
	return answer.QueryResult[0]
}
