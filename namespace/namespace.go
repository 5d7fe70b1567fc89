// Package namespace prepares a place for pathways in a Temporal server: the namespace, how long it keeps what has ended, and
// the search attributes by which staff find pathways. The stack and the starter both prepare with it. It works through
// Temporal's own calls alone, and knows neither addresses nor keys.
package namespace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"kap/workflows"
)

// Retention is how long a closed workflow can still be looked at: a pathway and its follow-up fit into it.
const Retention = 400 * 24 * time.Hour

// WrongKind is the error about a search attribute that is there already, of another kind. A namespace cannot change it.
type WrongKind struct {
	Attribute       string
	Found, Expected enums.IndexedValueType
}

func (e *WrongKind) Error() string {
	return fmt.Sprintf("the search attribute %s: found the kind %s, expected %s", e.Attribute, e.Found, e.Expected)
}

// Done says what was missing and has been made.
type Done struct {
	Registered bool          // the namespace
	Lengthened time.Duration // how long closed workflows are kept from now on, where that was shorter
	Added      []string      // search attributes
}

// Prepare makes what is missing and returns when a workflow can use it. What is there stays: nothing is removed, and nothing
// is kept for a shorter time than before. It returns a [*WrongKind] where an attribute cannot be had, and Temporal's errors.
func Prepare(ctx context.Context, frontend workflowservice.WorkflowServiceClient, operator operatorservice.OperatorServiceClient, name string) (Done, error) {
	p := &preparation{frontend: frontend, operator: operator, name: name}
	for _, step := range []func(context.Context) error{p.register, p.lengthen, p.addAttributes, p.awaitAttributes, p.settle} {
		if err := step(ctx); err != nil {
			return p.done, err
		}
	}
	return p.done, nil
}

type preparation struct {
	frontend workflowservice.WorkflowServiceClient
	operator operatorservice.OperatorServiceClient
	name     string
	kept     time.Duration
	done     Done
}

// register asks first: who may not make a namespace may still be allowed to use the one that somebody made for them.
func (p *preparation) register(ctx context.Context) error {
	found, err := p.describe(ctx)
	if code(err) == codes.NotFound {
		_, err = p.frontend.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
			Namespace:                        p.name,
			Description:                      "care pathways",
			WorkflowExecutionRetentionPeriod: durationpb.New(Retention),
		})
		if err != nil && code(err) != codes.AlreadyExists { // somebody else was faster
			return fmt.Errorf("the namespace %s cannot be registered: %w", p.name, err)
		}
		p.done.Registered = err == nil
		found, err = eventually(ctx, func() (*workflowservice.DescribeNamespaceResponse, error) { return p.describe(ctx) })
	}
	if err != nil {
		return fmt.Errorf("the namespace %s cannot be looked at: %w", p.name, err)
	}
	p.kept = found.Config.GetWorkflowExecutionRetentionTtl().AsDuration()
	return nil
}

func (p *preparation) describe(ctx context.Context) (*workflowservice.DescribeNamespaceResponse, error) {
	return p.frontend.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: p.name})
}

func (p *preparation) lengthen(ctx context.Context) error {
	if p.kept >= Retention {
		return nil
	}
	_, err := p.frontend.UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: p.name,
		Config:    &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(Retention)},
	})
	if err != nil {
		return fmt.Errorf("the namespace %s cannot be told to keep closed workflows longer: %w", p.name, err)
	}
	p.done.Lengthened = Retention
	return nil
}

func (p *preparation) addAttributes(ctx context.Context) error {
	known, err := eventually(ctx, func() (*operatorservice.ListSearchAttributesResponse, error) {
		return p.operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: p.name})
	})
	if err != nil {
		return fmt.Errorf("the search attributes cannot be looked at: %w", err)
	}
	missing := map[string]enums.IndexedValueType{}
	for name, kind := range workflows.SearchAttributes() {
		switch has := known.CustomAttributes[name]; has {
		case kind:
		case enums.INDEXED_VALUE_TYPE_UNSPECIFIED:
			missing[name] = kind
		default:
			return &WrongKind{name, has, kind}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = p.operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: p.name, SearchAttributes: missing})
	if err != nil {
		return fmt.Errorf("the search attributes cannot be added: %w", err)
	}
	p.done.Added = slices.Sorted(maps.Keys(missing))
	return nil
}

// awaitAttributes asks a query that fails for as long as one of them is unknown.
func (p *preparation) awaitAttributes(ctx context.Context) error {
	query := "WorkflowId = 'none'"
	for name := range workflows.SearchAttributes() {
		query += " AND " + name + " IS NULL"
	}
	_, err := eventually(ctx, func() (*workflowservice.CountWorkflowExecutionsResponse, error) {
		return p.frontend.CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: p.name, Query: query})
	})
	if err != nil {
		return fmt.Errorf("the search attributes do not become usable: %w", err)
	}
	return nil
}

// settle waits where something was added. The part of the server that was asked sees it now; the others read the namespace
// again within two seconds (namespaceCacheRefreshInterval), and a workflow that used an attribute before would fail its task.
func (p *preparation) settle(ctx context.Context) error {
	if len(p.done.Added) == 0 {
		return nil
	}
	select {
	case <-time.After(2500 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// eventually asks for up to half a minute: what was just made is seen a moment later. What is forbidden stays so.
func eventually[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		answer, err := ask()
		if err == nil || Forbidden(err) || time.Now().After(deadline) {
			return answer, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return answer, errors.Join(err, ctx.Err())
		}
	}
}

// Forbidden says whether this is Temporal's answer to somebody who may not prepare a namespace, or where nobody may.
func Forbidden(err error) bool {
	return slices.Contains([]codes.Code{codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented}, code(err))
}

// code finds Temporal's answer also in an error that says more.
func code(err error) codes.Code { return serviceerror.ToStatus(err).Code() }
