// The web process serves what the outside reaches: the mail service's word on what became of each mail. It needs the practice's
// database and a Temporal server, answers calmly while either is away, and says over HTTP how it is.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // for machines that hold no time zones of their own

	"kap/program"
	"kap/settings"
)

func main() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) }

// The exit codes, as the help lists them.
const (
	done   = 0
	fault  = 1
	misuse = 2
)

// askCommand makes the program ask one with the same settings whether it is ready: web health. It is for the health check of a
// container, which holds no other program that could ask.
const askCommand = "health"

func run(args, environ []string, stdout, stderr io.Writer) int {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer release()
	context.AfterFunc(ctx, release) // a second signal ends the process at once
	switch {
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		fmt.Fprint(stdout, help())
		return done
	case len(args) == 1 && args[0] == askCommand:
		s, err := settings.Load[settings.Web](environ)
		if err == nil {
			err = program.AskReady(ctx, "KAP_WEB_HEALTH", string(s.Health), "web process")
		}
		if err != nil {
			fmt.Fprintln(stderr, "web:", err)
			return fault
		}
		return done
	case len(args) > 0:
		fmt.Fprintf(stderr, "web: found the argument %q, expected none: its settings are variables; see web --help\n", args[0])
		return misuse
	}
	w, err := setup(environ, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "web:", err)
		return misuse
	}
	defer w.close()
	slog.SetDefault(w.log) // where whoever knows no other log writes
	w.serve(ctx)
	w.log.Info("the web process has stopped")
	return done
}

const about = `The web process serves what the outside reaches: the mail service tells it what
became of each mail. It needs the practice's PostgreSQL database, whose tables
the worker makes, and a Temporal server, and answers while either is away.
SIGTERM or Ctrl-C stops it: what it has begun it finishes. For trial data only.

It speaks plain HTTP: put a proxy in front of it that speaks TLS.

It takes no arguments; web health asks the one with the same settings whether
it is ready. The settings are variables of the environment:

`

const rest = `
Where Temporal is, and how to get in, is read from Temporal's own TEMPORAL_
variables and its profile file; the namespace is kap where they name none.

Exit codes:
  0  stopped as it was told to
  1  a fault: starting it again may help
  2  a setting or an argument is wrong: starting it again does not help
`

func help() string { return about + settings.Table("web") + rest }
