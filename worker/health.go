package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/client"

	"kap/activities"
	"kap/program"
	"kap/records"
	"kap/workflows"
)

// health is how the worker is, from before it has reached anybody until it has stopped.
type health struct {
	store    *records.Store
	identity string // under which Temporal knows this process

	mu       sync.Mutex
	temporal client.Client // nil before it is reached
	stops    bool
}

func (h *health) working(temporal client.Client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.temporal = temporal
}

func (h *health) stopping() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stops = true
}

// report says of each part of the worker that it is well, or in a few words what it lacks.
type report = program.Report

const (
	well    = program.Well
	unknown = "not known"
	// paused is well, too: nothing is wrong with the worker, and starting it again would not help.
	paused = "ok, but mail is paused since the records were restored, until starter resume-mail"
)

// held says why mail is held, in a few words. That is no fault of the worker's either.
var held = map[records.HoldReason]string{
	records.TooMany: "ok, but mail waits: the mail service is asked too often",
	records.BadKey:  "ok, but mail waits: the mail service does not accept the key; starter mail doctor says what to mend",
	records.Away:    "ok, but mail waits: the mail service does not answer",
}

// report asks PostgreSQL and Temporal at once: neither may hide behind the other.
func (h *health) report(ctx context.Context) report {
	ctx, cancel := context.WithTimeout(ctx, program.Patience)
	defer cancel()
	temporal := make(chan report, 1)
	go func() { temporal <- h.ofTemporal(ctx) }()
	r := h.ofRecords(ctx)
	maps.Copy(r, <-temporal)
	if r["mails"] == well {
		r["mails"] = h.ofMail(ctx)
	}
	return r
}

// ofMail says whether the records let mail go out.
func (h *health) ofMail(ctx context.Context) string {
	if restored, err := h.store.MailPaused(ctx); err == nil && restored != nil {
		return paused
	}
	if now, err := h.store.MailHeld(ctx); err == nil && now != nil {
		return held[now.Why]
	}
	return well
}

func (h *health) ofRecords(ctx context.Context) report {
	switch err := h.store.Ready(ctx); {
	case err == nil:
		return report{"postgresql": well, "schema": well}
	case errors.Is(err, records.ErrSchema):
		return report{"postgresql": well, "schema": err.Error()}
	default:
		return report{"postgresql": records.Plain(err), "schema": unknown}
	}
}

// ofTemporal asks the server whether this process asks it for work: what the process thinks of that itself says little.
func (h *health) ofTemporal(ctx context.Context) report {
	h.mu.Lock()
	temporal, stops := h.temporal, h.stops
	h.mu.Unlock()
	if temporal == nil {
		return report{"temporal": "not reached yet", "pathways": unknown, "mails": unknown}
	}
	r := report{"temporal": well}
	for _, q := range []struct {
		part, name string
		kind       enums.TaskQueueType
	}{
		{"pathways", workflows.TaskQueue, enums.TASK_QUEUE_TYPE_WORKFLOW},
		{"mails", activities.MailQueue, enums.TASK_QUEUE_TYPE_ACTIVITY},
	} {
		queue, err := temporal.DescribeTaskQueue(ctx, q.name, q.kind)
		switch {
		case err != nil:
			r["temporal"], r[q.part] = "no answer ("+serviceerror.ToStatus(err).Code().String()+")", unknown
		case stops:
			r[q.part] = "the worker is stopping"
		case !slices.ContainsFunc(queue.GetPollers(), func(p *taskqueue.PollerInfo) bool { return p.GetIdentity() == h.identity }):
			r[q.part] = "the worker does not ask for work"
		default:
			r[q.part] = well
		}
	}
	return r
}
