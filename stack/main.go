// Command stack runs everything on one machine: PostgreSQL, Temporal's server and its Web UI, the inbox that stands in
// for SendGrid, and the project's worker and web process. It stops on SIGTERM or Ctrl-C, and goes on where it stopped when it is
// started again on the same data folder; stack backup and stack restore keep a copy of what it holds. For trials and
// for learning; many machines run the same worker against a Temporal cluster instead.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"

	"kap/pathway"
	"kap/stack/inbox"
	"kap/stack/machine"
	"kap/stack/settings"
	"kap/stack/stories"
	"kap/stack/temporalserver"
	"kap/workflows"
)

func main() {
	if args := os.Args[1:]; len(args) > 0 {
		switch args[0] {
		case settings.ServerCommand:
			os.Exit(temporalserver.Main())
		case settings.InboxCommand:
			os.Exit(inbox.Main(args[1:]))
		case backupCommand, restoreCommand:
			os.Exit(carryOut(args, os.Stdout, os.Stderr))
		}
	}
	options, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2) // the flag package has said why
	}
	if err := run(options); err != nil {
		fmt.Fprintln(os.Stderr, "stack:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	machine.Config
	stories string
	empty   bool
	starter string
}

const usage = `Usage: stack [flags]                          run everything on this machine
       stack backup [--data folder] FILE     write all that is kept into one file, while it runs
       stack restore [--data folder] FILE    bring it back, while it does not

`

func parse(args []string) (options, error) {
	var o options
	noWorker := false
	flags := flag.NewFlagSet("stack", flag.ContinueOnError)
	flags.StringVar(&o.Data, "data", ".kap", "the `folder` that everything is kept in")
	flags.IntVar(&o.TemporalPort, "temporal-port", 7233, "Temporal's `port`; 0 picks a free one, as for each port")
	flags.IntVar(&o.UIPort, "ui-port", 8233, "the `port` of Temporal's Web UI")
	flags.IntVar(&o.InboxPort, "inbox-port", 8025, "the `port` of the inbox")
	flags.IntVar(&o.PostgresPort, "postgres-port", 7432, "PostgreSQL's `port`")
	flags.IntVar(&o.MetricsPort, "metrics-port", 9464, "the `port` on which the worker serves health and metrics")
	flags.IntVar(&o.WebPort, "web-port", 8030, "the `port` of the web process, which the outside would reach")
	flags.IntVar(&o.WebHealthPort, "web-health-port", 9465, "the `port` on which it serves health and metrics")
	flags.StringVar(&o.WebPath, "web", sibling("web"), "the web process's `program`")
	flags.StringVar(&o.WorkerPath, "worker", sibling("worker"), "the worker's `program`")
	flags.BoolVar(&noWorker, "no-worker", false, "run no worker and no web process: they are run from elsewhere")
	flags.StringVar(&o.starter, "starter", sibling("starter"), "the starter's `program`, which enrols the clients of the stories")
	flags.StringVar(&o.stories, "stories", "", "a `file` of stories to tell instead of the ones that come with kap")
	flags.BoolVar(&o.empty, "empty", false, "tell no stories")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("%q is not understood: the stack takes flags, or begins with %s or %s, see --help", flags.Arg(0), backupCommand, restoreCommand)
		fmt.Fprintln(os.Stderr, "stack:", err)
		return o, err
	}
	if noWorker {
		o.WorkerPath, o.WebPath = "", ""
	}
	o.empty = o.empty || noWorker
	return o, nil
}

// sibling is a program beside this one: all are built into bin.
func sibling(name string) string {
	program, err := os.Executable()
	if err != nil {
		return name
	}
	return filepath.Join(filepath.Dir(program), name)
}

func run(o options) error {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer release()

	var told []stories.Story
	if !o.empty {
		var err error
		if told, err = stories.Load(o.stories); err != nil { // before anything is started
			return err
		}
	}
	fmt.Println("Starting PostgreSQL, Temporal, the inbox, the worker and the web process …")
	m, err := machine.Start(ctx, o.Config)
	if ctx.Err() != nil {
		if m != nil {
			m.Stop()
		}
		return nil // stopped while it was starting
	}
	if err != nil {
		return err
	}
	announce(m, o.Config)
	if len(told) > 0 {
		if err := tell(ctx, m, o, told); err != nil && ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "\nThe stories came to a stop; everything else goes on running. Correct the file, then make reset and make run.\n%v\n", err)
		}
	}
	<-ctx.Done()
	release() // a second Ctrl-C ends the process at once, and its children with it
	fmt.Println("Stopping …")
	m.Stop()
	fmt.Println("Stopped.")
	return nil
}

// tell carries the clients of the stories through their months, and says where to look.
func tell(ctx context.Context, m *machine.Machine, o options, told []stories.Story) error {
	c, err := client.DialContext(ctx, client.Options{HostPort: m.TemporalAddress(), Namespace: machine.Namespace, Logger: tlog.NewStructuredLogger(slog.New(slog.DiscardHandler))}) // the SDK's own lines would stand between those meant for the reader
	if err != nil {
		return err
	}
	defer c.Close()
	if err := awaitWorker(ctx, c); err != nil {
		return err
	}
	stage := stories.Stage{Temporal: c, Starter: o.starter, Env: append(os.Environ(), m.Env()...), Progress: filepath.Join(o.Data, "stories.json"), Out: os.Stdout}
	if stage.Told(told) {
		fmt.Println("\nThe fictional clients were carried through their months before.")
	} else {
		fmt.Print("\nCarrying fictional clients through their months. Their clocks skip from wake to wake; all else is real.\n\n")
		for _, s := range told {
			fmt.Println("  ·", s.Title)
		}
		fmt.Println()
	}
	ends, err := stage.Tell(ctx, told)
	if err != nil {
		return err
	}
	fmt.Print("\nWhere everyone is:\n\n")
	stories.Print(os.Stdout, ends)
	fmt.Printf("\n  All pathways   %s\n  By question    bin/starter views prints links: who waits for whom, who is on hold, this week's sessions\n  Their mails    %s\n", m.UIURL()+"/namespaces/"+machine.Namespace+"/workflows", m.InboxURL())
	for _, s := range ends {
		invite(m, s)
	}
	return nil
}

// awaitWorker returns once a worker asks for pathways' tasks: by then it has made the tables, too.
func awaitWorker(ctx context.Context, c client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		queue, err := c.DescribeTaskQueue(ctx, workflows.TaskQueue, enums.TASK_QUEUE_TYPE_WORKFLOW)
		if err == nil && len(queue.GetPollers()) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("no worker is ready after a minute: its log says why")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// invite shows the reader what to do for a pathway that waits for a clinician.
func invite(m *machine.Machine, s pathway.Status) {
	for _, t := range s.Tasks {
		if t.Message != "prescriber-clearance" || s.Phase != pathway.Screening { // whose clock has not been moved by more than days
			continue
		}
		fmt.Printf(`
%s waits for its prescriber. Be the prescriber: open

  %s/namespaces/%s/workflows/pathway-%s

and its tab "User Metadata": it has the details, and the message to copy. Choose More Actions, Send an Update, the name
%s, paste the message as its data, and say there what stands in <angle brackets>: what you decide, and what you
have reviewed. Press R afterwards to see what has changed. Or say it here, where you are asked for it:

  bin/starter record %s %s --by %s

From then on that client's time is real: kap books preparation, which is recorded once it has taken place.
`, s.Pathway, strings.TrimSuffix(m.UIURL(), "/"), machine.Namespace, s.Pathway, t.Message, t.Message, s.Pathway, s.Team.Prescriber)
		return
	}
}

func announce(m *machine.Machine, config machine.Config) {
	metrics := ""
	if config.WorkerPath != "" {
		metrics = "  Worker's metrics    " + m.WorkerURL() + "/metrics\n"
	}
	if config.WebPath != "" {
		metrics += "  Web process         " + m.WebURL() + "\n"
	}
	fmt.Printf(`Ready.

  Temporal's Web UI   %s
  Inbox               %s
  Temporal            %s  (namespace %s)
  PostgreSQL          %s
%s  Data and logs       %s

Every address is in %s. Stop with Ctrl-C; start again and everything is still there.
`, m.UIURL(), m.InboxURL(), m.TemporalAddress(), machine.Namespace, m.PostgresAddress(), metrics, config.Data,
		filepath.Join(config.Data, "env"))
}
