package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"

	"kap/internal/diligent"
	"kap/internal/histories"
	"kap/pathway"
	"kap/stack/machine"
	"kap/workflows"
)

var record = flag.String("histories", "", "the `folder` to write the histories of whole pathways to")

// replays holds today's code to the history of each of the pathway's runs, and keeps them where make histories asks for it.
func (p *person) replays(name string) {
	p.t.Helper()
	runs := p.runs()
	for i, run := range runs {
		h := &historypb.History{}
		events := p.h.client.GetWorkflowHistory(p.ctx, p.id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			e, err := events.Next()
			if err != nil {
				p.t.Fatal(err)
			}
			h.Events = append(h.Events, e)
		}
		if err := histories.Replay(h, workflows.Pathway); err != nil {
			p.t.Errorf("%s: run %d of %d, %d events, does not replay: %v", p.code, i+1, len(runs), len(h.Events), err)
		}
		if *record == "" {
			continue
		}
		file := filepath.Join(*record, fmt.Sprintf("%s-%d.json.gz", name, i+1))
		if err := os.MkdirAll(*record, 0o755); err != nil {
			p.t.Fatal(err)
		}
		if err := histories.Write(file, h); err != nil {
			p.t.Fatal(err)
		}
		p.t.Logf("%s: %d events", file, len(h.Events))
	}
}

// runs are those of the pathway's workflow, the first one first.
func (p *person) runs() []string {
	p.t.Helper()
	found, err := p.h.client.DescribeWorkflowExecution(p.ctx, p.id, "")
	if err != nil {
		p.t.Fatal(err)
	}
	var all []string
	for run := found.GetWorkflowExecutionInfo().GetFirstRunId(); run != ""; {
		all = append(all, run)
		last, err := p.h.client.WorkflowService().GetWorkflowExecutionHistoryReverse(p.ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
			Namespace: machine.Namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: p.id, RunId: run}, MaximumPageSize: 1,
		})
		if err != nil {
			p.t.Fatal(err)
		}
		run = last.GetHistory().GetEvents()[0].GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
	return all
}

// The longest arc: six dosing sessions, an adverse event on the way, three runs, and it is still under way.
func TestALongPathwayReplays(t *testing.T) {
	t.Parallel()
	h := sharedHouse(t)
	p := h.enrol(within(t, 6*time.Minute), t, h.team(), nil)
	staff := diligent.Staff{Dosings: 6}
	dosed := func(n int) func(pathway.Status) bool {
		return func(s pathway.Status) bool { return s.DosingDone == n }
	}
	p.work(staff, "two dosing sessions", dosed(2))
	p.say("adverse-event", fields{"by": p.therapist, "kind": "urinary-symptoms", "severity": "moderate"})
	p.settle()
	p.say("refresh", fields{"by": "operator"})
	p.settle()
	p.work(staff, "four dosing sessions", dosed(4))
	p.say("refresh", fields{"by": "operator"})
	p.settle()
	s := p.work(staff, "six dosing sessions", dosed(6))
	if s.Outcome != "" || len(p.runs()) != 3 {
		t.Errorf("after six dosing sessions and %d runs: %s", len(p.runs()), shown(s))
	}
	p.replays("long")
}

// What Temporal no longer has is said, and the journal proves the rules all the same.
func TestWhatTemporalNoLongerHasIsSaid(t *testing.T) {
	t.Parallel()
	h := sharedHouse(t)
	ctx := within(t, 2*time.Minute)
	p := h.enrol(ctx, t, h.team(), nil)
	plot := story(t, 0, p.team)
	p.tell(plot, 2)
	p.say("refresh", fields{"by": "operator"})
	p.tell(plot, 1)
	p.settle()
	runs := p.runs()
	if len(runs) != 2 {
		t.Fatalf("found %d runs, expected that it went on in a second one", len(runs))
	}
	verified := func(reach string) error {
		out, problem, exit := h.starter(ctx, t, nil, "verify", p.code)
		if exit != 0 || !strings.Contains(out, "kept") || !strings.Contains(out, "  "+reach) {
			return fmt.Errorf("starter verify ended with %d and said %s%s, expected %q", exit, out, problem, reach)
		}
		return nil
	}
	if err := verified("whole"); err != nil {
		t.Fatal(err)
	}
	for i, left := range []string{"in part", "history gone"} {
		_, err := h.client.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{
			Namespace: machine.Namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: p.id, RunId: runs[i]},
		})
		if err != nil {
			t.Fatal(err)
		}
		await(ctx, t, left, func() error { return verified(left) })
	}
}
