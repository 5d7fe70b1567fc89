// The web process serves what the outside reaches: the mail service's word on what became of each mail, and the pages behind the links
// in mails. It needs the practice's database and a Temporal server, answers calmly while either is away, and says over HTTP how it is.
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

const about = `The web process serves what the outside reaches: the mail service tells it what
became of each mail, and clients open the pages behind the links in theirs. It
needs the practice's PostgreSQL database, whose tables
the worker makes, and a Temporal server, and answers while either is away.
SIGTERM or Ctrl-C stops it: what it has begun it finishes. For trial data only.

It speaks plain HTTP: put a proxy in front of it that speaks TLS.

It takes no arguments; web health asks the one with the same settings whether
it is ready. The settings are variables of the environment:

`

func run(args, environ []string, stdout, stderr io.Writer) int {
	return program.Program{
		Name: "web", About: about, Stopped: "the web process has stopped",
		Ask: func(ctx context.Context) error {
			s, err := settings.Load[settings.Web](environ)
			if err != nil {
				return err
			}
			return program.AskReady(ctx, "KAP_WEB_HEALTH", string(s.Health), "web process")
		},
		Setup: func() (*program.Running, error) {
			w, err := setup(environ, stderr)
			if err != nil {
				return nil, err
			}
			return &program.Running{Log: w.log, Run: w.serve, Close: w.close}, nil
		},
	}.Run(args, stdout, stderr)
}
