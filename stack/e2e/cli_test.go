package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"kap/pathway"
)

// Anybody with the stock command line can carry a client to an ending: everything that it takes is in the status.
func TestTheStockCommandLineReachesEachEnding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ending  pathway.Outcome
		changes fields
		// placeholders are what the example messages leave to a person.
		placeholders map[string]string
		signals      string // these are sent as signals, the others as updates
	}{
		{pathway.Completed, nil, map[string]string{"<another or close>": "close"}, "safety-plan, task-done"},
		{pathway.DeclinedAndReferred, fields{"commits_to_the_arc": false}, map[string]string{"<to whom>": "a clinic near by", "<for what>": "psychotherapy"}, "referral"},
	} {
		t.Run(string(c.ending), func(t *testing.T) {
			t.Parallel()
			h := sharedHouse(t)
			p := h.enrol(within(t, 2*time.Minute), t, h.therapist(), c.changes)
			said := map[string]int{}
			for range 100 {
				s := p.cliStatus()
				if s.Outcome != "" {
					break
				}
				if len(s.Tasks) == 0 {
					p.forward(s.NextWake)
					continue
				}
				task := s.Tasks[0]
				for placeholder, words := range c.placeholders {
					task.JSON = strings.ReplaceAll(task.JSON, placeholder, words)
				}
				said[task.Message]++
				if !strings.Contains(c.signals, task.Message) {
					out, problem, exit := p.temporal("workflow", "update", "execute", "--workflow-id", p.id, "--name", task.Message, "--input", task.JSON)
					if exit != 0 || !strings.Contains(out, `"recorded"`) {
						t.Fatalf("%s %s ended with %d, said %s and %s", task.Message, task.JSON, exit, out, problem)
					}
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
			if s := p.end(); s.Outcome != c.ending || s.Why == "" {
				t.Errorf("it ends as %q: %s", s.Outcome, shown(s))
			}
			if unknown := p.sound(p.books()); len(unknown) > 0 {
				t.Errorf("nobody knows whether these went out: %q", unknown)
			}
			out, problem, exit := p.temporal("workflow", "update", "execute", "--workflow-id", p.id, "--name", "refresh", "--input", `{"by":"c-desk"}`)
			if exit == 0 || !strings.Contains(out+problem, "completed") && !strings.Contains(out+problem, "ended") {
				t.Errorf("an update after the ending ended with %d, said %s and %s", exit, out, problem)
			}
			_, problem, exit = h.starter(p.ctx, t, nil, "record", "refresh", p.code, "--by", "c-desk")
			if exit != 3 || !strings.Contains(problem, "ended as "+string(c.ending)) {
				t.Errorf("starter record after the ending ended with %d and said %q", exit, problem)
			}
		})
	}
}

// Temporal's own tools show what staff need, and say why a message is refused.
func TestTheStockCommandLineExplainsItself(t *testing.T) {
	t.Parallel()
	h := sharedHouse(t)
	p := h.enrol(within(t, time.Minute), t, h.therapist(), nil)
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
	out, problem, exit := p.temporal("workflow", "update", "execute", "--workflow-id", p.id, "--name", "consent", "--input", `{"by":"p-singh","decision":"given"}`)
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
