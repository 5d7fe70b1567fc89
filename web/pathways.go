package main

import (
	"context"
	"encoding/json"
	"errors"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"kap/pathway"
	"kap/workflows"
)

// onTemporal are the pathways' workflows.
type onTemporal struct{ temporal client.Client }

// Ask queries the workflow: the rules say what a page may show.
func (o onTemporal) Ask(ctx context.Context, code string, q pathway.ClientQuestion) (pathway.ClientView, error) {
	var v pathway.ClientView
	answer, err := o.temporal.QueryWorkflow(ctx, workflows.WorkflowID(code), "", workflows.ForClientQuery, q)
	if err == nil {
		err = answer.Get(&v)
	}
	return v, gone(err)
}

// Tell sends an update and waits until it is taken.
func (o onTemporal) Tell(ctx context.Context, code, name string, message []byte) error {
	handle, err := o.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflows.WorkflowID(code), UpdateName: name, Args: []any{json.RawMessage(message)}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var reply pathway.Reply
	if err == nil {
		err = handle.Get(ctx, &reply)
	}
	var application *temporal.ApplicationError
	switch {
	case errors.As(err, &application) && application.Type() == "AcceptedUpdateCompletedWorkflow":
		return errGone
	case errors.As(err, &application) && (application.Type() == string(pathway.NotNow) || application.Type() == string(pathway.HasEnded)):
		return errRefused
	}
	return gone(err)
}

// gone says of Temporal's errors which one means that there is no such pathway any more.
func gone(err error) error {
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return errGone
	}
	return err
}
