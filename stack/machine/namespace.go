package machine

import (
	"context"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"

	"kap/namespace"
	"kap/stack/settings"
)

// Namespace is where the pathways live.
const Namespace = settings.Namespace

// prepareNamespace returns when a workflow can use the namespace and its search attributes.
func (t *temporal) prepareNamespace(ctx context.Context) error {
	conn, err := t.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = namespace.Prepare(ctx, workflowservice.NewWorkflowServiceClient(conn), operatorservice.NewOperatorServiceClient(conn), Namespace)
	return err
}
