package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"kap/records"
	"kap/stack/machine"
)

// The two commands beside running the stack.
const (
	backupCommand  = "backup"
	restoreCommand = "restore"
)

// carryOut does what one of them asks for and returns the exit code.
func carryOut(args []string, stdout, stderr io.Writer) int {
	data, file, err := parseCommand(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2 // the flag package has said why
	}
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer release()
	if args[0] == backupCommand {
		err = backUp(ctx, data, file, stdout)
	} else {
		err = restore(ctx, data, file, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "stack:", err)
		return 1
	}
	return 0
}

func parseCommand(args []string, stderr io.Writer) (data, file string, err error) {
	flags := flag.NewFlagSet("stack "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&data, "data", ".kap", "the `folder` that everything is kept in")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "Usage: stack %s [--data folder] FILE\n", args[0])
		flags.PrintDefaults()
	}
	if err := flags.Parse(args[1:]); err != nil {
		return "", "", err
	}
	if flags.NArg() != 1 {
		err := fmt.Errorf("%s: found %d files, expected one, as in: stack %[1]s kap-2026-11-26.backup", args[0], flags.NArg())
		fmt.Fprintln(stderr, "stack:", err)
		return "", "", err
	}
	return data, flags.Arg(0), nil
}

func backUp(ctx context.Context, data, file string, out io.Writer) error {
	at, err := machine.Backup(ctx, data, file)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s holds everything as of %s, %d MB, and was read back. It names clients and holds the databases' password: keep it where nobody else can read it.\n",
		file, at.Format(time.RFC3339), (info.Size()+1<<20-1)>>20)
	return nil
}

func restore(ctx context.Context, data, file string, out io.Writer) error {
	to, err := machine.Restore(ctx, data, file, markRestored)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `%s is restored to %s. What happened after that is lost.

Start the stack. No mail goes out until somebody says bin/starter resume-mail, and every open pathway is held until its
therapist and its prescriber have each confirmed that nothing is missing. Clients enrolled since are not there: enrol
them anew. docs/operations.md says what else to look for.
`, data, to.Format(time.RFC3339))
	return nil
}

// markRestored writes into the restored database, before anything else looks at it, that it is one.
func markRestored(ctx context.Context, database string, to time.Time) error {
	store, err := records.Open(ctx, database)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Migrate(ctx); err != nil { // the backup may be older than this program
		return errors.New("the restored database's tables cannot be brought up to date: " + records.Plain(err))
	}
	if _, _, err := store.MarkRestored(ctx, to, "stack restore"); err != nil {
		return errors.New("the restored database cannot be marked: " + records.Plain(err))
	}
	return nil
}
