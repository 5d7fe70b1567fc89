package main

import (
	"context"
	"encoding/json"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"kap/pathway"
	"kap/verify"
	"kap/workflows"
)

// historyPatience is longer than other commands', because a history is read whole.
const historyPatience = time.Minute

// historyOf reads from Temporal which messages have reached a pathway's workflow, in all runs that are kept.
func (d *desk) historyOf(ctx context.Context, code string) (verify.History, error) {
	h := verify.History{Reach: verify.HistoryAway}
	c, err := d.connect()
	if err != nil {
		return h, err
	}
	ctx, cancel := context.WithTimeout(ctx, historyPatience)
	defer cancel()
	id := workflows.WorkflowID(code)
	now, err := c.DescribeWorkflowExecution(ctx, id, "")
	if isNotFound(err) {
		return verify.History{Reach: verify.HistoryGone}, nil
	}
	if err != nil {
		return h, d.fromTemporal(err)
	}
	latest := now.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	seen := map[string]bool{}
	copied := map[string]bool{}                   // the events that a reset run shares with the one before it
	for run := latest; run != "" && err == nil; { // from run to run, back to the first
		var r runRead
		if r, err = readRun(ctx, c, id, run); err != nil {
			break
		}
		seen[run] = true
		h.Messages = append(r.messages(copied, run == latest), h.Messages...)
		h.Reach, h.After = verify.WholeHistory, 0
		if run = r.before; run != "" {
			h.Reach, h.After = verify.PartOfHistory, r.steps
		}
	}
	if err != nil && !isNotFound(err) {
		return verify.History{Reach: verify.HistoryAway}, d.fromTemporal(err)
	}
	if len(seen) == 0 {
		return verify.History{Reach: verify.HistoryGone}, nil
	}
	// A run that was reset is closed, and stands in no chain. The list may lag, and is not needed for what the records have.
	others, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowId = '" + id + "'"})
	if err != nil {
		return h, nil
	}
	for _, x := range others.GetExecutions() {
		if run := x.GetExecution().GetRunId(); !seen[run] {
			if r, err := readRun(ctx, c, id, run); err == nil {
				h.Messages = append(h.Messages, r.messages(copied, false)...)
			}
		}
	}
	return h, nil
}

// runRead is one run of a workflow: what came before it, and the events of its history.
type runRead struct {
	before string // the run that it continues
	steps  int    // that were written when it began
	events []*history.HistoryEvent
}

func readRun(ctx context.Context, c client.Client, id, run string) (runRead, error) {
	var r runRead
	all := c.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for all.HasNext() {
		e, err := all.Next()
		if err != nil {
			return r, err
		}
		if started := e.GetWorkflowExecutionStartedEventAttributes(); started != nil {
			r.before = started.GetContinuedExecutionRunId()
			var state struct {
				Steps int `json:"steps"`
			}
			_ = json.Unmarshal(first(started.GetInput()), &state)
			r.steps = state.Steps
		}
		r.events = append(r.events, e)
	}
	return r, nil
}

// messages are the signals and the accepted updates among a run's events, with what an update was answered. Of the latest run, those after
// which nothing was written yet are fresh.
func (r runRead) messages(copied map[string]bool, latest bool) []verify.Message {
	var all []verify.Message
	written := int64(0)
	accepted := map[int64]int{} // by the event's number
	ids := map[string]int{}     // by the update's
	numbers := []int64{}
	for _, e := range r.events {
		add := func(name string, input *common.Payloads) {
			key := e.GetEventTime().AsTime().String() + name + string(first(input))
			if pathway.Message(name).Name == "" || copied[key] {
				return
			}
			copied[key] = true
			accepted[e.GetEventId()] = len(all)
			numbers = append(numbers, e.GetEventId())
			all = append(all, verify.Message{Name: name, Raw: first(input), At: e.GetEventTime().AsTime()})
		}
		switch e.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
			a := e.GetWorkflowExecutionSignaledEventAttributes()
			add(a.GetSignalName(), a.GetInput())
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED:
			q := e.GetWorkflowExecutionUpdateAdmittedEventAttributes().GetRequest()
			add(q.GetInput().GetName(), q.GetInput().GetArgs())
			ids[q.GetMeta().GetUpdateId()] = len(all) - 1
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
			if q := e.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest(); q.GetInput() != nil {
				add(q.GetInput().GetName(), q.GetInput().GetArgs())
				ids[q.GetMeta().GetUpdateId()] = len(all) - 1
			}
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
			a := e.GetWorkflowExecutionUpdateCompletedEventAttributes()
			var reply pathway.Reply
			_ = json.Unmarshal(first(a.GetOutcome().GetSuccess()), &reply)
			i, known := accepted[a.GetAcceptedEventId()]
			if !known {
				i, known = ids[a.GetMeta().GetUpdateId()]
			}
			if known && i >= 0 {
				all[i].AlreadySo = reply.Result == pathway.AlreadySo
			}
		case enums.EVENT_TYPE_MARKER_RECORDED, enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
			written = e.GetEventId()
		}
	}
	for i := range all {
		all[i].Fresh = latest && numbers[i] > written
	}
	return all
}

func first(p *common.Payloads) []byte {
	if len(p.GetPayloads()) == 0 {
		return nil
	}
	return p.GetPayloads()[0].GetData()
}
