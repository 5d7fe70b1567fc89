// The worker runs pathways and delivers their mails. It needs a Temporal server and the practice's database, and waits for
// both when they are away.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // for machines that hold no time zones of their own

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"kap/activities"
	"kap/mail"
	"kap/practice"
	"kap/records"
	"kap/workflows"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 2 && os.Args[1] == askCommand {
		if err := ask(ctx, os.Environ()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, log); err != nil && !errors.Is(err, context.Canceled) {
		log.Error("the worker cannot go on", "error", err)
		os.Exit(1)
	}
}

// stopTimeout lets activities that run at SIGTERM write down what they did.
const stopTimeout = 20 * time.Second

func run(ctx context.Context, log *slog.Logger) error {
	house, err := practice.Load(os.Getenv("KAP_PRACTICE"))
	if err != nil {
		return err
	}
	if err := mail.Discreet(house); err != nil {
		return err
	}
	protocol, err := practice.LoadProtocol(os.Getenv("KAP_PROTOCOL"))
	if err != nil {
		return err
	}
	sender, err := sender(log)
	if err != nil {
		return err
	}
	store, err := records.Open(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer store.Close()
	err = wait(ctx, log, "PostgreSQL", func() error {
		if err := store.Migrate(ctx); err != nil {
			return errors.New(records.Plain(err))
		}
		return nil
	})
	if err != nil {
		return err
	}
	temporal, err := dial(ctx, log)
	if err != nil {
		return err
	}
	defer temporal.Close()
	log.Warn("for trial data only: nobody verifies yet who sends a message, and payloads are not encrypted")

	a := &activities.Activities{Store: store, Practice: house, Form: protocol.Consent, Sender: sender}
	worker.SetStickyWorkflowCacheSize(2000)
	broken := make(chan error, 2)
	fatal := func(err error) { // the SDK stops asking for tasks: whoever supervises us starts us again
		select {
		case broken <- err:
		default:
		}
	}
	pathways := worker.New(temporal, workflows.TaskQueue, worker.Options{
		WorkerStopTimeout:                stopTimeout,
		StickyScheduleToStartTimeout:     10 * time.Second, // how long a pathway waits for a worker that was killed
		DisableRegistrationAliasing:      true,
		OnFatalError:                     fatal,
		MaxConcurrentActivityTaskPollers: 2,
	})
	pathways.RegisterWorkflowWithOptions(workflows.Pathway, workflow.RegisterOptions{Name: workflows.Name})
	pathways.RegisterActivityWithOptions(a.Commit, activity.RegisterOptions{Name: "Commit"})
	pathways.RegisterActivityWithOptions(a.Stored, activity.RegisterOptions{Name: "Stored"})
	mails := worker.New(temporal, activities.MailQueue, worker.Options{
		WorkerStopTimeout:                  stopTimeout,
		DisableWorkflowWorker:              true,
		DisableRegistrationAliasing:        true,
		OnFatalError:                       fatal,
		MaxConcurrentActivityExecutionSize: 20,
	})
	mails.RegisterActivityWithOptions(a.Deliver, activity.RegisterOptions{Name: "Deliver"})
	for _, w := range []worker.Worker{mails, pathways} {
		if err := w.Start(); err != nil {
			return err
		}
		defer w.Stop()
	}
	log.Info("the worker is ready")
	select {
	case err := <-broken:
		return err
	case <-ctx.Done():
	}
	log.Info("the worker stops")
	return nil
}

// sender says where mails go. Sending through the real SendGrid takes an explicit setting.
func sender(log *slog.Logger) (*mail.Sender, error) {
	base, key := os.Getenv("SENDGRID_BASE_URL"), os.Getenv("SENDGRID_API_KEY")
	live := os.Getenv("KAP_SEND_FOR_REAL") == "yes"
	switch {
	case key == "":
		return nil, errors.New("SENDGRID_API_KEY: found nothing, expected the key of the mail service")
	case base == "" && !live:
		return nil, errors.New("SENDGRID_BASE_URL: found nothing, expected the address of an inbox; to send to clients through SendGrid set KAP_SEND_FOR_REAL=yes")
	case base == "":
		log.Warn("mails go to clients through SendGrid")
	default:
		log.Info("mails go to", "base_url", base)
	}
	return mail.NewSender(base, key, 30*time.Second), nil
}

func dial(ctx context.Context, log *slog.Logger) (client.Client, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, fmt.Errorf("the settings of Temporal: %w", err)
	}
	if options.Namespace == "" {
		options.Namespace = "kap"
	}
	options.Logger = tlog.NewStructuredLogger(log)
	var c client.Client
	err = wait(ctx, log, "Temporal", func() error {
		var err error
		c, err = client.DialContext(ctx, options)
		return err
	})
	return c, err
}

// wait tries until it works or the worker is told to stop.
func wait(ctx context.Context, log *slog.Logger, what string, try func() error) error {
	for pause := time.Second; ; pause = min(pause*2, 15*time.Second) {
		err := try()
		if err == nil {
			return nil
		}
		log.Warn(what+" is away; trying again", "in", pause, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
