package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"kap/stack/settings"
	"kap/workflows"
)

// Namespace is where the pathways live.
const Namespace = settings.Namespace

// retention is how long a closed workflow can still be looked at: a pathway and its follow-up fit into it.
const retention = 400 * 24 * time.Hour

// SearchAttributes are what staff can filter and sort by in Temporal's UI.
var SearchAttributes = workflows.SearchAttributes()

// prepareNamespace registers the namespace and adds the search attributes that are missing. It returns when a workflow
// can use them.
func (t *temporal) prepareNamespace(ctx context.Context, attributes map[string]enums.IndexedValueType) error {
	conn, err := t.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	workflows := workflowservice.NewWorkflowServiceClient(conn)
	operator := operatorservice.NewOperatorServiceClient(conn)

	if err := registerNamespace(ctx, workflows); err != nil {
		return fmt.Errorf("the namespace %s cannot be set up: %w", Namespace, err)
	}
	added, err := addSearchAttributes(ctx, operator, attributes)
	if err != nil {
		return fmt.Errorf("the search attributes cannot be set up: %w", err)
	}
	if err := awaitSearchAttributes(ctx, workflows, attributes); err != nil {
		return fmt.Errorf("the search attributes do not become usable: %w", err)
	}
	if added {
		// The part of the server that asked sees them now; the others read the namespace again within two seconds
		// (namespaceCacheRefreshInterval), and a workflow that used an attribute before would fail its task.
		select {
		case <-time.After(2500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func registerNamespace(ctx context.Context, workflows workflowservice.WorkflowServiceClient) error {
	_, err := workflows.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        Namespace,
		Description:                      "care pathways",
		WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	if err != nil && status.Code(err) != codes.AlreadyExists {
		return err
	}
	found, err := eventually(ctx, func() (*workflowservice.DescribeNamespaceResponse, error) {
		return workflows.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: Namespace})
	})
	if err != nil {
		return err
	}
	if found.Config.GetWorkflowExecutionRetentionTtl().AsDuration() == retention {
		return nil
	}
	_, err = workflows.UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: Namespace,
		Config:    &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(retention)},
	})
	return err
}

func addSearchAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, want map[string]enums.IndexedValueType) (added bool, err error) {
	known, err := eventually(ctx, func() (*operatorservice.ListSearchAttributesResponse, error) {
		return operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: Namespace})
	})
	if err != nil {
		return false, err
	}
	missing := map[string]enums.IndexedValueType{}
	for name, kind := range want {
		switch has := known.CustomAttributes[name]; has {
		case kind:
		case enums.INDEXED_VALUE_TYPE_UNSPECIFIED:
			missing[name] = kind
		default:
			return false, fmt.Errorf("%s is of the kind %s in this data folder, and %s is wanted", name, has, kind)
		}
	}
	if len(missing) == 0 {
		return false, nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: Namespace, SearchAttributes: missing,
	})
	return true, err
}

// awaitSearchAttributes asks a query that fails for as long as one of them is unknown.
func awaitSearchAttributes(ctx context.Context, workflows workflowservice.WorkflowServiceClient, attributes map[string]enums.IndexedValueType) error {
	query := "WorkflowId = 'none'"
	for name := range attributes {
		query += " AND " + name + " IS NULL"
	}
	_, err := eventually(ctx, func() (*workflowservice.CountWorkflowExecutionsResponse, error) {
		return workflows.CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: Namespace, Query: query})
	})
	return err
}

// eventually asks for up to half a minute: what was just made is seen a moment later.
func eventually[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		answer, err := ask()
		if err == nil || time.Now().After(deadline) {
			return answer, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return answer, errors.Join(err, ctx.Err())
		}
	}
}
