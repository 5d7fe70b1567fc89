package program

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"syscall"

	"kap/settings"
)

// The exit codes of a program, as its help lists them.
const (
	Done   = 0
	Fault  = 1
	Misuse = 2
)

// askCommand makes a program ask the one with the same settings whether it is ready. It is for the health check of a container, which
// holds no other program that could ask.
const askCommand = "health"

// Program is one that runs until it is told to stop, and reads its settings from variables.
type Program struct {
	Name     string                      // such as worker: what its errors begin with
	About    string                      // how its help begins; its settings follow
	Ask      func(context.Context) error // asks the one with the same settings whether it is ready
	Commands map[string]func() error     // what else its one argument can tell it to do
	Setup    func() (*Running, error)    // its error is of a setting
	Stopped  string                      // what it says last
}

// Running is a program that has begun.
type Running struct {
	Log   *slog.Logger
	Run   func(context.Context) error // until it is told to stop
	Close func()
}

// Run is a program's main, and returns its exit code. SIGTERM and SIGINT tell it to stop; a second one ends it at once.
func (p Program) Run(args []string, stdout, stderr io.Writer) int {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer release()
	context.AfterFunc(ctx, release)
	failed := func(code int, err error) int {
		if err == nil {
			return Done
		}
		fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return code
	}
	switch {
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		fmt.Fprint(stdout, p.About, settings.Table(p.Name), helpEnd)
		return Done
	case len(args) == 1 && args[0] == askCommand:
		return failed(Fault, p.Ask(ctx))
	case len(args) == 1 && p.Commands[args[0]] != nil:
		return failed(Misuse, p.Commands[args[0]]())
	case len(args) > 0:
		return failed(Misuse, fmt.Errorf("found the argument %q, expected none: its settings are variables; see %s --help", args[0], p.Name))
	}
	r, err := p.Setup()
	if err != nil {
		return failed(Misuse, err)
	}
	defer r.Close()
	slog.SetDefault(r.Log) // where whoever knows no other log writes
	if err := r.Run(ctx); err != nil && ctx.Err() == nil {
		r.Log.Error("the "+p.Name+" cannot go on", "error", err)
		return Fault
	}
	r.Log.Info(p.Stopped)
	return Done
}

const helpEnd = `
Where Temporal is, and how to get in, is read from Temporal's own TEMPORAL_
variables and its profile file; the namespace is kap where they name none.

Exit codes:
  0  stopped as it was told to
  1  a fault: starting it again may help
  2  a setting or an argument is wrong: starting it again does not help
`
