package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"kap/pathway"
	"kap/practice"
	"kap/stack/stories"
	"kap/workflows"
)

// cost is what one whole pathway leaves in Temporal.
type cost struct{ events, bytes, actions int }

// measureHistory carries clients through the stack's first story, three dosing sessions and then closing, and looks at the
// histories they leave behind. It is told at the sample practice, on a machine of its own: where a practice never closes, sessions
// are at hours at which no mail goes out, and each waits for the morning.
func measureHistory(ctx context.Context, h *house, r *report) error {
	told, err := retold(h.options.stories)
	if err != nil {
		return err
	}
	programs, err := filepath.Abs(h.programs)
	if err != nil {
		return err
	}
	own, _, err := coldStart(ctx, h.options, "")
	defer own.close()
	if err != nil {
		return err
	}
	stage := stories.Stage{Temporal: own.client, Starter: filepath.Join(programs, "starter"), Env: own.env, Progress: filepath.Join(own.dir, "stories.json"), Out: io.Discard}
	ends, err := stage.Tell(ctx, told)
	if err != nil {
		return err
	}
	for _, s := range ends {
		if s.Outcome != pathway.Completed || s.DosingDone != 3 {
			return fmt.Errorf("%s ended as %q after %d dosing sessions", s.Pathway, s.Outcome, s.DosingDone)
		}
		c, err := own.cost(ctx, workflows.WorkflowID(s.Pathway))
		if err != nil {
			return err
		}
		r.add(kap, "whole pathway, history", "events", float64(c.events))
		r.add(kap, "whole pathway, history size", "KB", float64(c.bytes)/1024)
		r.add(kap, "whole pathway, billable", "actions", float64(c.actions))
	}
	return nil
}

// retold is the first story so many times, each with a client and a therapist of its own, and each at other hours of the day.
func retold(n int) ([]stories.Story, error) {
	all, err := stories.Load("")
	if err != nil {
		return nil, err
	}
	house, err := practice.Load("")
	if err != nil {
		return nil, err
	}
	therapists := house.With(pathway.Therapist)
	if n > len(therapists) {
		return nil, fmt.Errorf("%d stories: found %d therapists at the sample practice, expected one for each", n, len(therapists))
	}
	text, err := json.Marshal(all[0])
	if err != nil {
		return nil, err
	}
	var told []stories.Story
	for i, therapist := range therapists[:n] {
		var s stories.Story
		if err := json.Unmarshal([]byte(strings.NewReplacer(strconv.Quote(therapists[0].ID), strconv.Quote(therapist.ID), "Fictional", fmt.Sprintf("Fictional-%d", i),
			"anna@", fmt.Sprintf("anna-%d@", i)).Replace(string(text))), &s); err != nil {
			return nil, err
		}
		s.Messages[0].After = fmt.Sprintf("%dh", 30+8*i)
		told = append(told, s)
	}
	return told, nil
}

// cost reads a workflow's history. What moving the clock has added is left out.
func (h *house) cost(ctx context.Context, id string) (cost, error) {
	var c cost
	events := h.client.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	worked := map[int64]bool{} // workflow tasks that ran local activities
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return c, err
		}
		if e.GetWorkflowExecutionOptionsUpdatedEventAttributes() != nil || e.GetWorkflowExecutionTimeSkippingTransitionedEventAttributes() != nil {
			continue
		}
		c.events++
		c.bytes += proto.Size(e)
		c.actions += actions(e, worked)
	}
	return c, nil
}

// actions is what Temporal Cloud bills for an event (docs.temporal.io/cloud/actions): starts, timers, updates, signals, attempts of
// activities, upserts of search attributes but for the version's, and the local activities of one workflow task together.
func actions(e *historypb.HistoryEvent, worked map[int64]bool) int {
	switch e.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enums.EVENT_TYPE_TIMER_STARTED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		return 1
	case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		return int(e.GetActivityTaskStartedEventAttributes().GetAttempt())
	case enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
		if _, version := e.GetUpsertWorkflowSearchAttributesEventAttributes().GetSearchAttributes().GetIndexedFields()["TemporalChangeVersion"]; version {
			return 0
		}
		return 1
	case enums.EVENT_TYPE_MARKER_RECORDED:
		m := e.GetMarkerRecordedEventAttributes()
		if m.GetMarkerName() != "LocalActivity" || worked[m.GetWorkflowTaskCompletedEventId()] {
			return 0
		}
		worked[m.GetWorkflowTaskCompletedEventId()] = true
		return 1
	}
	return 0
}
