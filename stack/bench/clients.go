package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"kap/pathway"
	"kap/records"
	"kap/stack/clock"
	"kap/workflows"
)

// enrolment is somebody for whom nothing speaks against treatment.
func enrolment(code string, at time.Time, zone string, protocol pathway.Protocol, by team) pathway.Enrolment {
	return pathway.Enrolment{
		Code: code, By: by.desk, At: at.UTC(),
		CareTeam: pathway.CareTeam{Therapist: by.therapist, Prescriber: by.prescriber, Coordinators: []string{by.desk}},
		Eligibility: pathway.Eligibility{Diagnosis: pathway.TreatmentResistantDepression, Adult: true, StandardCareTried: true, CommitsToTheArc: true,
			ComfortableWithTheStates: true, PrimaryMeasure: "phq-9"},
		Contact: pathway.Contact{MailPermission: true, Zone: zone}, PracticeZone: zone, Protocol: protocol,
	}
}

// code is one that nobody has, in the letters of the starter's codes.
func code() string {
	const letters = "23456789BCDFGHJKMNPQRTVWXZ"
	for {
		drawn := make([]byte, 6)
		_, _ = rand.Read(drawn)
		for i := range drawn {
			drawn[i] = letters[int(drawn[i])%len(letters)]
		}
		if _, again := codes.LoadOrStore(string(drawn), true); !again { // of ten thousand, two are alike once in six runs
			return string(drawn)
		}
	}
}

var codes sync.Map

// address is where a client's mail goes: it says whose it is, so that what the inbox caught can be told apart.
func address(code string) string { return code + "@clients.example" }

func (h *house) person(code string) records.Person {
	return records.Person{GivenName: "Client", FamilyName: code, BirthDate: "1984-05-17", Email: address(code), Phone: "+1 555 0111"}
}

// enrol does what `starter enrol` does: it looks for somebody alike, writes the enrolment, then starts the workflow.
func (h *house) enrol(ctx context.Context) (string, error) {
	e := enrolment(code(), time.Now(), h.zone, h.rules, teamOf(0))
	person := h.person(e.Code)
	known, err := h.store.Alike(ctx, person)
	if err != nil {
		return "", err
	}
	if _, err := h.store.Enrol(ctx, person, e, known...); err != nil {
		return "", err
	}
	p, err := pathway.Enrol(e)
	if err != nil {
		return "", err
	}
	return e.Code, h.begin(ctx, *p)
}

// begin starts a pathway's workflow as the starter does.
func (h *house) begin(ctx context.Context, p pathway.Pathway) error {
	_, err := h.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.WorkflowID(p.Code), TaskQueue: workflows.TaskQueue,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, workflows.Name, p)
	if err != nil {
		return err
	}
	return h.store.Started(ctx, p.Code)
}

// many makes n of something, so many at once, and waits until their workflows have nothing left to do for now.
func (h *house) many(ctx context.Context, n, atOnce int, one func(context.Context, int) (workflowID string, err error)) error {
	return together(n, atOnce, func(i int) error {
		id, err := one(ctx, i)
		if err == nil {
			err = clock.Settle(ctx, h.client, id)
		}
		return err
	})
}

// together does n things, so many at once. The first error stops it.
func together(n, atOnce int, one func(int) error) error {
	next := make(chan int)
	failed := make(chan error, atOnce)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := range next {
				if err := one(i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	var err error
	for i := 0; i < n && err == nil; i++ {
		select {
		case next <- i:
		case err = <-failed:
		}
	}
	close(next)
	all.Wait()
	select {
	case late := <-failed:
		if err == nil {
			err = late
		}
	default:
	}
	return err
}

// measureEnrolments counts enrolments a second, each until its pathway waits for somebody.
func measureEnrolments(ctx context.Context, h *house, r *report) error {
	for _, atOnce := range []int{1, 16, 64} {
		for range h.rounds {
			for _, whose := range []side{kap, bare} {
				n := h.enrolments
				if atOnce == 1 {
					n /= 4
				}
				begun := time.Now()
				if err := h.many(ctx, n, atOnce, h.enroller(whose)); err != nil {
					return err
				}
				r.add(whose, fmt.Sprintf("enrolments, %d at once", atOnce), "1/s", float64(n)/time.Since(begun).Seconds())
			}
		}
	}
	return nil
}

// enroller enrols a client, or starts a bare workflow that writes one thing and waits.
func (h *house) enroller(whose side) func(context.Context, int) (string, error) {
	if whose == bare {
		return func(ctx context.Context, _ int) (string, error) {
			return h.beginBare(ctx, bareInput{Due: time.Now().AddDate(0, 0, 30), Keep: true})
		}
	}
	return func(ctx context.Context, _ int) (string, error) {
		code, err := h.enrol(ctx)
		return workflows.WorkflowID(code), err
	}
}

// measureWaiting looks at what a pathway costs that waits for people: memory of the worker and of Temporal's server, and
// database.
func measureWaiting(ctx context.Context, h *house, r *report) error {
	for _, whose := range []side{kap, bare} {
		waiting := 0
		for _, target := range h.waiting {
			n := target - waiting
			for part := range h.rounds {
				these := n * (part + 1) / h.rounds
				these -= n * part / h.rounds
				before, err := h.usage()
				if err != nil {
					return err
				}
				if err := h.many(ctx, these, 16, h.enroller(whose)); err != nil {
					return err
				}
				after, err := h.usage()
				if err != nil {
					return err
				}
				worker := after.worker - before.worker
				if whose == bare {
					worker = after.bareWorker - before.bareWorker
				}
				each := func(bytes float64) float64 { return bytes / float64(these) / 1024 }
				r.add(whose, fmt.Sprintf("worker memory, to %d", target), "KB", each(worker))
				r.add(whose, fmt.Sprintf("server memory, to %d", target), "KB", each(after.server-before.server))
				r.add(whose, fmt.Sprintf("database, to %d", target), "KB", each(after.database-before.database))
			}
			waiting = target
			r.say("waiting: %d of %s", waiting, whose)
		}
	}
	return nil
}
