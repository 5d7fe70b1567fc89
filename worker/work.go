package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"kap/activities"
	"kap/records"
	"kap/workflows"
)

// stopWithin lets activities that run at SIGTERM write down what they did.
const stopWithin = 20 * time.Second

// hung is how long a pathway's code may run on without waiting for anything before Temporal's SDK gives it up. After the SDK's own second
// a process that was merely stopped for a moment counts as hung, and what then goes on beside its successor in the same memory is a data
// race (temporalio/sdk-go#1240).
const hung = time.Minute

// work runs pathways and delivers mails until it is told to stop.
func (w *service) work(ctx context.Context) error {
	err := w.await(ctx, "PostgreSQL", func() error {
		if err := w.store.Migrate(ctx); err != nil {
			return errors.New(records.Plain(err))
		}
		return nil
	})
	if err != nil {
		return err
	}
	var temporal client.Client
	err = w.await(ctx, "Temporal", func() (err error) {
		temporal, err = client.DialContext(ctx, w.temporal)
		return err
	})
	if err != nil {
		return err
	}
	defer temporal.Close()
	// Before this worker asks for work: a pathway that is due is to know when it looks.
	if err := w.await(ctx, "PostgreSQL or Temporal", func() error { return w.rouse(ctx, temporal) }); err != nil {
		return err
	}
	w.log.Warn("for trial data only: nobody verifies yet who sends a message, and payloads are not encrypted")

	broken := make(chan error, 2)
	var running []worker.Worker
	defer func() {
		within, done := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer done()
		stop(running)
		activities.Wait(within, w.acts)
	}()
	for _, one := range w.workers(temporal, broken) {
		if err := one.Start(); err != nil {
			return err
		}
		running = append(running, one)
	}
	w.health.working(temporal)
	w.log.Info("the worker is ready", "identity", w.temporal.Identity, "release", w.version.BuildID)
	go w.introduce(ctx, temporal)
	go w.keepRousing(ctx, temporal)
	select {
	case err := <-broken:
		return err
	case <-ctx.Done():
	}
	w.health.stopping()
	w.log.Info("the worker stops; what it has begun it finishes")
	return nil
}

// workers are the one for pathways and the one for mails.
func (w *service) workers(temporal client.Client, broken chan<- error) []worker.Worker {
	worker.SetStickyWorkflowCacheSize(workflows.Cached)
	fatal := func(err error) { // the SDK stops asking for tasks: whoever supervises us starts us again
		select {
		case broken <- err:
		default:
		}
	}
	pathways := worker.New(temporal, workflows.TaskQueue, workflows.Polling(worker.Options{
		DeploymentOptions:           w.deployment(),
		WorkerStopTimeout:           stopWithin,
		DisableRegistrationAliasing: true,
		OnFatalError:                fatal,
		DeadlockDetectionTimeout:    hung,
	}))
	pathways.RegisterWorkflowWithOptions(workflows.Pathway, workflow.RegisterOptions{Name: workflows.Name})
	pathways.RegisterActivityWithOptions(w.acts.Commit, activity.RegisterOptions{Name: "Commit"})
	pathways.RegisterActivityWithOptions(w.acts.Stored, activity.RegisterOptions{Name: "Stored"})
	pathways.RegisterActivityWithOptions(w.acts.DeliverAtOnce, activity.RegisterOptions{Name: "DeliverAtOnce"})
	mails := worker.New(temporal, activities.MailQueue, worker.Options{
		DeploymentOptions:                  w.deployment(),
		WorkerStopTimeout:                  stopWithin,
		DisableWorkflowWorker:              true,
		DisableRegistrationAliasing:        true,
		OnFatalError:                       fatal,
		MaxConcurrentActivityExecutionSize: activities.MailsAtOnce,
	})
	mails.RegisterActivityWithOptions(w.acts.Deliver, activity.RegisterOptions{Name: "Deliver"})
	mails.RegisterActivityWithOptions(w.acts.DeliverSeveral, activity.RegisterOptions{Name: "DeliverSeveral"})
	return []worker.Worker{mails, pathways}
}

// stop ends all at once: one after the other they would take longer than those who stop us wait.
func stop(running []worker.Worker) {
	var all sync.WaitGroup
	for _, one := range running {
		all.Go(one.Stop)
	}
	all.Wait()
}

// await tries until it works or the worker is told to stop.
func (w *service) await(ctx context.Context, what string, try func() error) error {
	for pause := time.Second; ; pause = min(pause*2, 15*time.Second) {
		err := try()
		if err == nil || ctx.Err() != nil {
			return err
		}
		w.log.Warn(what+" is away; trying again", "in", pause, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
