// Command stack runs everything on one machine: PostgreSQL, Temporal's server and its Web UI, the inbox that stands in
// for SendGrid, and the project's worker. It stops on SIGTERM or Ctrl-C, and goes on where it stopped when it is
// started again on the same data folder. For trials and for learning; many machines run the same worker against a
// Temporal cluster instead.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"kap/stack/machine"
	"kap/stack/settings"
	"kap/stack/temporalserver"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == settings.ServerCommand {
		os.Exit(temporalserver.Main())
	}
	config, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2) // the flag package has said why
	}
	if err := run(config); err != nil {
		fmt.Fprintln(os.Stderr, "stack:", err)
		os.Exit(1)
	}
}

func parse(args []string) (machine.Config, error) {
	var c machine.Config
	noWorker := false
	flags := flag.NewFlagSet("stack", flag.ContinueOnError)
	flags.StringVar(&c.Data, "data", ".kap", "the `folder` that everything is kept in")
	flags.IntVar(&c.TemporalPort, "temporal-port", 7233, "Temporal's `port`; 0 picks a free one, as for each port")
	flags.IntVar(&c.UIPort, "ui-port", 8233, "the `port` of Temporal's Web UI")
	flags.IntVar(&c.InboxPort, "inbox-port", 8025, "the `port` of the inbox")
	flags.IntVar(&c.PostgresPort, "postgres-port", 7432, "PostgreSQL's `port`")
	flags.StringVar(&c.WorkerPath, "worker", siblingWorker(), "the worker's `program`")
	flags.BoolVar(&noWorker, "no-worker", false, "run no worker: it is run from elsewhere")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("%q is not understood: the stack takes flags only, see --help", flags.Arg(0))
		fmt.Fprintln(os.Stderr, "stack:", err)
		return c, err
	}
	if noWorker {
		c.WorkerPath = ""
	}
	return c, nil
}

// siblingWorker is the worker beside this program: both are built into bin.
func siblingWorker() string {
	program, err := os.Executable()
	if err != nil {
		return "worker"
	}
	return filepath.Join(filepath.Dir(program), "worker")
}

func run(config machine.Config) error {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer release()

	fmt.Println("Starting PostgreSQL, Temporal, the inbox and the worker …")
	m, err := machine.Start(ctx, config)
	if ctx.Err() != nil {
		if m != nil {
			m.Stop()
		}
		return nil // stopped while it was starting
	}
	if err != nil {
		return err
	}
	announce(m, config)
	<-ctx.Done()
	release() // a second Ctrl-C ends the process at once, and its children with it
	fmt.Println("Stopping …")
	m.Stop()
	return nil
}

func announce(m *machine.Machine, config machine.Config) {
	fmt.Printf(`Ready.

  Temporal's Web UI   %s
  Inbox               %s
  Temporal            %s  (namespace %s)
  PostgreSQL          %s
  Data and logs       %s

Every address is in %s. Stop with Ctrl-C; start again and everything is still there.
`, m.UIURL(), m.InboxURL(), m.TemporalAddress(), machine.Namespace, m.PostgresAddress(), config.Data,
		filepath.Join(config.Data, "env"))
}
