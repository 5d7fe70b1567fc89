package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"kap/activities"
	"kap/mail"
	"kap/practice"
	"kap/stack/machine"
	"kap/workflows"
)

// The bare workflow is what anybody would write first: a timer, then an activity that makes the same call of the mail
// service as kap's. It keeps no records and shows nothing. Its worker is a process of its own with the options of kap's.
const (
	bareCommand = "bare"
	bareName    = "Bare"
	bareQueue   = "bare"
	bareMails   = "bare-mail"
)

type bareInput struct {
	Due     time.Time
	Address string // where the mail goes when it is due; none: nothing is sent
	Keep    bool   // it begins with a local activity
}

// Bare waits until it is due and sends one mail. Its updates answer with their number, after one local activity: that of "keep" does
// nothing, that of "write" writes one row into kap's database.
func Bare(ctx workflow.Context, in bareInput) error {
	count := 0
	locally := func(ctx workflow.Context, activity any) error {
		count++
		local := workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: 10 * time.Second})
		return workflow.ExecuteLocalActivity(local, activity).Get(ctx, nil)
	}
	keep, write := (*bareActivities).Keep, (*bareActivities).Write
	err := errors.Join(
		workflow.SetUpdateHandler(ctx, "keep", func(ctx workflow.Context) (int, error) { err := locally(ctx, keep); return count, err }),
		workflow.SetUpdateHandler(ctx, "write", func(ctx workflow.Context) (int, error) { err := locally(ctx, write); return count, err }),
	)
	if err == nil && in.Keep {
		err = locally(ctx, keep)
	}
	if err == nil {
		err = workflow.Sleep(ctx, in.Due.Sub(workflow.Now(ctx)))
	}
	if err != nil || in.Address == "" {
		return err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: bareMails, StartToCloseTimeout: activities.MailAttempt,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 2 * time.Second}})
	return workflow.ExecuteActivity(ctx, (*bareActivities).Send, in).Get(ctx, nil)
}

type bareActivities struct {
	practice practice.Practice
	sender   *mail.Sender
	pool     *pgxpool.Pool
}

// Keep does nothing: what it costs is the local activity itself.
func (*bareActivities) Keep(context.Context) error { return nil }

// Write writes a row, which is there when it returns.
func (a *bareActivities) Write(ctx context.Context) error {
	_, err := a.pool.Exec(ctx, `insert into bench.said (at) values (now())`)
	return err
}

// Send makes the call that kap makes for a reminder.
func (a *bareActivities) Send(ctx context.Context, in bareInput) error {
	start := in.Due.Add(48 * time.Hour)
	letter, err := mail.Write(a.practice, mail.Facts{Kind: mail.Reminder, FirstName: "Client", Zone: a.practice.Zone, Start: start, End: start.Add(time.Hour), Lead: "48h"})
	if err != nil {
		return err
	}
	return a.sender.Send(ctx, a.practice, opaque(), "Client", in.Address, letter)
}

// bareMain is the bare workflow's worker, told where everything is as kap's is.
func bareMain() int {
	if err := runBare(); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		return 1
	}
	return 0
}

func runBare() error {
	house, err := practice.Load(os.Getenv("KAP_PRACTICE"))
	if err != nil {
		return err
	}
	c, err := client.Dial(client.Options{HostPort: os.Getenv("TEMPORAL_ADDRESS"), Namespace: machine.Namespace, Logger: quiet(),
		ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}}}) // as kap's worker on this machine
	if err != nil {
		return err
	}
	defer c.Close()
	pool, err := pgxpool.New(context.Background(), os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(context.Background(), `create schema if not exists bench; create table if not exists bench.said (number bigserial primary key, at timestamptz not null)`); err != nil {
		return err
	}
	acts := &bareActivities{house, mail.NewSender(os.Getenv("SENDGRID_BASE_URL"), os.Getenv("SENDGRID_API_KEY"), 15*time.Second), pool}

	worker.SetStickyWorkflowCacheSize(workflows.Cached)
	waits := worker.New(c, bareQueue, workflows.Polling(worker.Options{}))
	waits.RegisterWorkflowWithOptions(Bare, workflow.RegisterOptions{Name: bareName})
	waits.RegisterActivityWithOptions(acts.Keep, activity.RegisterOptions{Name: "Keep"})
	waits.RegisterActivityWithOptions(acts.Write, activity.RegisterOptions{Name: "Write"})
	mails := worker.New(c, bareMails, worker.Options{DisableWorkflowWorker: true, MaxConcurrentActivityExecutionSize: activities.MailsAtOnce})
	mails.RegisterActivityWithOptions(acts.Send, activity.RegisterOptions{Name: "Send"})
	for _, w := range []worker.Worker{mails, waits} {
		if err := w.Start(); err != nil {
			return err
		}
		defer w.Stop()
	}
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer release()
	<-ctx.Done()
	return nil
}

func (h *house) startBare(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(h.dir, "bare.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	h.bare = exec.Command(program, bareCommand)
	h.bare.Env, h.bare.Stdout, h.bare.Stderr = h.env, log, log
	if err := h.bare.Start(); err != nil {
		h.bare = nil
		return err
	}
	return h.awaitPollers(ctx, bareQueue)
}

func (h *house) stopBare() {
	if h.bare == nil {
		return
	}
	_ = h.bare.Process.Signal(syscall.SIGTERM)
	_ = h.bare.Wait()
}

func (h *house) beginBare(ctx context.Context, in bareInput) (string, error) {
	id := "bare-" + opaque()
	_, err := h.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: bareQueue}, bareName, in)
	return id, err
}
