// The worker runs pathways and delivers their mails. It needs a Temporal server and the practice's database, waits for both
// when they are away, and says over HTTP how it is.
package main

import (
	"context"
	"io"
	"os"
	_ "time/tzdata" // for machines that hold no time zones of their own

	"kap/program"
	"kap/settings"
)

func main() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) }

const about = `The worker runs pathways and delivers their mails. It needs a Temporal server
and the practice's PostgreSQL database, and waits for both when they are away.
SIGTERM or Ctrl-C stops it: what it has begun it finishes. For trial data only.

It takes no arguments; worker health asks the one with the same settings
whether it is ready, and worker release says which release it would be.
The settings are variables of the environment:

`

func run(args, environ []string, stdout, stderr io.Writer) int {
	return program.Program{
		Name: "worker", About: about, Stopped: "the worker has stopped",
		Ask: func(ctx context.Context) error {
			s, err := settings.Load[settings.Worker](environ)
			if err != nil {
				return err
			}
			return program.AskReady(ctx, "KAP_LISTEN", string(s.Listen), "worker")
		},
		Commands: map[string]func() error{releaseCommand: func() error { return sayRelease(stdout, environ) }},
		Setup: func() (*program.Running, error) {
			w, err := setup(environ, stderr)
			if err != nil {
				return nil, err
			}
			return &program.Running{Log: w.log, Run: w.work, Close: w.close}, nil
		},
	}.Run(args, stdout, stderr)
}
