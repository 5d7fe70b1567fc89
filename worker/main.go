// The worker runs pathways and delivers their mails. It needs a Temporal server and the practice's database, waits for both
// when they are away, and says over HTTP how it is.
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
)

func main() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) }

// The exit codes, as the help lists them.
const (
	done   = 0
	fault  = 1
	misuse = 2
)

func run(args, environ []string, stdout, stderr io.Writer) int {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer release()
	context.AfterFunc(ctx, release) // a second signal ends the process at once
	switch {
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		fmt.Fprint(stdout, help())
		return done
	case len(args) == 1 && args[0] == askCommand:
		if err := ask(ctx, environ); err != nil {
			fmt.Fprintln(stderr, "worker:", err)
			return fault
		}
		return done
	case len(args) == 1 && args[0] == releaseCommand:
		if err := sayRelease(stdout, environ); err != nil {
			fmt.Fprintln(stderr, "worker:", err)
			return misuse
		}
		return done
	case len(args) > 0:
		fmt.Fprintf(stderr, "worker: found the argument %q, expected none: its settings are variables; see worker --help\n", args[0])
		return misuse
	}
	w, err := setup(environ, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "worker:", err)
		return misuse
	}
	defer w.close()
	slog.SetDefault(w.log) // where whoever knows no other log writes
	if err := w.work(ctx); err != nil && ctx.Err() == nil {
		w.log.Error("the worker cannot go on", "error", err)
		return fault
	}
	w.log.Info("the worker has stopped")
	return done
}
