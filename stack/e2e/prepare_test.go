package e2e_test

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"kap/namespace"
	"kap/workflows"
)

// A Temporal that somebody else runs is made ready by one command, as often as it is given.
func TestANamespaceIsPreparedOnAServerThatKnowsNothingOfKap(t *testing.T) {
	t.Parallel()
	h := sharedHouse(t)
	for _, c := range []struct {
		name string
		kept time.Duration // by the namespace that is there already; 0: there is none
		has  map[string]enums.IndexedValueType

		says     string
		exit     int
		keptThen time.Duration
	}{
		{name: "second-practice", says: "Registered the namespace second-practice.\nAdded the search attributes KapAttention,", keptThen: namespace.Retention},
		{
			name: "short", kept: 72 * time.Hour, has: map[string]enums.IndexedValueType{"KapPhase": enums.INDEXED_VALUE_TYPE_KEYWORD},
			says: "Closed workflows were kept for a shorter time; now for 400 days.\nAdded the search attributes KapAttention,", keptThen: namespace.Retention,
		},
		{name: "long", kept: 1000 * 24 * time.Hour, says: "Added the search attributes KapAttention,", keptThen: 1000 * 24 * time.Hour},
		{
			name: "strange", kept: namespace.Retention, has: map[string]enums.IndexedValueType{"KapPhase": enums.INDEXED_VALUE_TYPE_INT},
			says: "the search attribute KapPhase: found the kind Int, expected Keyword in the namespace strange", exit: 2, keptThen: namespace.Retention,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 3*time.Minute) // from when its turn has come
			if c.kept > 0 {
				h.register(ctx, t, c.name, c.kept, c.has)
			}
			said, exit := h.prepare(ctx, t, c.name)
			if exit != c.exit || !strings.Contains(said, c.says) {
				t.Fatalf("ended with %d, said %s, expected %d and %s", exit, said, c.exit, c.says)
			}
			found, err := h.client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: c.name})
			if err != nil {
				t.Fatal(err)
			}
			if kept := found.Config.WorkflowExecutionRetentionTtl.AsDuration(); kept != c.keptThen {
				t.Errorf("closed workflows are kept for %s, expected %s", kept, c.keptThen)
			}
			if exit != 0 {
				return
			}
			for name := range workflows.SearchAttributes() {
				if _, err := h.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: c.name, Query: name + " IS NULL"}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if said, exit := h.prepare(ctx, t, c.name); exit != 0 || said != "The namespace "+c.name+" is ready.\n" {
				t.Errorf("the second time it ended with %d, said %s", exit, said)
			}
		})
	}
}

func (h *house) prepare(ctx context.Context, t *testing.T, name string) (said string, exit int) {
	t.Helper()
	command := exec.CommandContext(ctx, program(t, "starter"), "prepare-namespace")
	command.Dir, command.Env = h.dir, append(slices.Clone(h.env), "TEMPORAL_NAMESPACE="+name)
	out, err := command.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

// register makes a namespace as somebody else would have.
func (h *house) register(ctx context.Context, t *testing.T, name string, kept time.Duration, has map[string]enums.IndexedValueType) {
	t.Helper()
	_, err := h.client.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(kept),
	})
	if err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the namespace "+name, func() error {
		_, err := h.client.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: name})
		return err
	})
	if len(has) > 0 {
		if _, err := h.client.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: name, SearchAttributes: has}); err != nil {
			t.Fatal(err)
		}
	}
}
