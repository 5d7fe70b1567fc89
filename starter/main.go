// The practice's command line: enrol a client, record what was done, see where a pathway is. It writes an enrolment to
// PostgreSQL and starts its workflow; everything else it asks of Temporal, or reads from the records. It decides nothing
// clinical and keeps nothing.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the same zones on every machine
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// run carries out one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	d := newDesk(stdin, stdout, stderr, env)
	defer d.close()
	return d.run(ctx, args)
}
