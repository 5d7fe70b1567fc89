package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"kap/activities"
	"kap/internal/diligent"
	"kap/pathway"
	"kap/workflows"
)

// measureEnvironment carries whole pathways through the SDK's test environment: the workflow's own code, with activities that
// answer at once. What it asks of Temporal is counted as the commands that would be in its history, and the updates.
func measureEnvironment(o options, r *report) error {
	e, calendar, err := sample()
	if err != nil {
		return err
	}
	e.Protocol.Endings.OpenDays = 1 // a year of looking in once an hour would be most of what is measured
	for range o.arcs {
		p, err := pathway.Enrol(e)
		if err != nil {
			return err
		}
		begun := time.Now()
		commands, err := inEnvironment(*p, calendar)
		if err != nil {
			return err
		}
		r.add(kap, "SDK's environment, one pathway", "ms", float64(time.Since(begun).Microseconds())/1000)
		r.add(kap, "asked of Temporal there", "", float64(commands))
	}
	return nil
}

// inEnvironment runs one pathway until its workflow completes, with staff who look once an hour.
func inEnvironment(state pathway.Pathway, calendar pathway.Calendar) (commands int, err error) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet())
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	env.SetStartTime(state.Enrolment.At)
	env.RegisterWorkflowWithOptions(workflows.Pathway, workflow.RegisterOptions{Name: workflows.Name})
	world := ready{freely(calendar)}
	env.RegisterActivityWithOptions(world.Commit, activity.RegisterOptions{Name: "Commit"})
	env.RegisterActivityWithOptions(world.DeliverSeveral, activity.RegisterOptions{Name: "DeliverSeveral"})
	env.RegisterActivityWithOptions(world.DeliverAtOnce, activity.RegisterOptions{Name: "DeliverAtOnce"})
	env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) { commands++ })
	env.SetOnLocalActivityStartedListener(func(*activity.Info, context.Context, []any) { commands++ })
	env.SetOnTimerScheduledListener(func(string, time.Duration) { commands++ })

	var failed error
	said := 0
	var look func()
	look = func() {
		value, err := env.QueryWorkflow("status")
		var s pathway.Status
		if err == nil {
			err = value.Get(&s)
		}
		if failed == nil {
			failed = err
		}
		if env.IsWorkflowCompleted() {
			return
		}
		if failed != nil {
			panic(failed) // nothing else stops the environment, which would go on for years
		}
		if owed := diligent.Owed(s); len(owed) > 0 {
			said++
			commands++
			env.UpdateWorkflow(owed[0].Message, fmt.Sprint(said), &testsuite.TestUpdateCallback{
				OnAccept:   func() {},
				OnReject:   func(err error) { failed = errors.Join(failed, err) },
				OnComplete: func(_ any, err error) { failed = errors.Join(failed, err) },
			}, json.RawMessage(threeDosings.Fill(owed[0], s)))
		}
		env.RegisterDelayedCallback(look, time.Hour)
	}
	env.RegisterDelayedCallback(look, time.Hour)
	env.ExecuteWorkflow(workflows.Name, state)
	if failed != nil {
		return 0, failed
	}
	return commands, env.GetWorkflowError()
}

// ready answers as the world does when nothing is in the way, and writes nothing.
type ready struct {
	answer func(*pathway.Pathway, pathway.Step) (pathway.Answer, error)
}

func (r ready) Commit(_ context.Context, in activities.CommitInput) (activities.CommitOutput, error) {
	a, err := r.answer(in.Pathway, in.Step)
	return activities.CommitOutput{Answer: a}, err
}

func (r ready) DeliverAtOnce(ctx context.Context, in activities.SeveralInput) ([]activities.Delivered, error) {
	return r.DeliverSeveral(ctx, in)
}

func (ready) DeliverSeveral(_ context.Context, in activities.SeveralInput) ([]activities.Delivered, error) {
	var all []activities.Delivered
	for _, key := range in.Keys {
		all = append(all, activities.Delivered{Key: key, Status: pathway.SentMail})
	}
	return all, nil
}
