package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"kap/records"
)

// The exit codes, as the help lists them.
const (
	done        = 0
	fault       = 1
	misuse      = 2
	refused     = 3
	unanswered  = 4
	unreachable = 5
)

// failure is how a command ends that did not do what was asked: an exit code, and a sentence for whoever typed it. An
// empty sentence means that all was said before.
type failure struct {
	exit     int
	sentence string
	away     string // the setting that says where the server is that does not answer
}

func (f *failure) Error() string { return f.sentence }

func fail(exit int, format string, args ...any) *failure {
	return &failure{exit: exit, sentence: fmt.Sprintf(format, args...)}
}

func usage(format string, args ...any) *failure { return fail(misuse, format, args...) }

// asFailure turns what was not meant for people into a sentence that names no value of any row.
func asFailure(err error) error {
	var f *failure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return f
	}
	return &failure{exit: fault, sentence: "something went wrong that kap has no words for; run it again, and tell whoever looks after kap"}
}

// fromRecords says what went wrong with PostgreSQL. Its own texts may quote a client's data or a password.
func fromRecords(err error) error {
	var f *failure
	if err == nil || errors.As(err, &f) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return interrupted()
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch {
		case pg.Code == "42P01":
			return fail(fault, "the practice's database has no tables yet; start the worker once, which makes them")
		case pg.Code == "3D000":
			return usage("DATABASE_URL names a database that does not exist; correct it, or start the stack")
		case strings.HasPrefix(pg.Code, "28"):
			return usage("PostgreSQL does not let us in; check the user and the password in DATABASE_URL")
		case strings.HasPrefix(pg.Code, "57P"), strings.HasPrefix(pg.Code, "53"):
			return fail(unreachable, "PostgreSQL is starting, stopping or full; try again in a moment")
		}
		return fail(fault, "%s; tell whoever looks after kap", records.Plain(err))
	}
	if errors.Is(err, records.ErrNotFound) {
		return fail(unanswered, "%v; find it with: starter find NAME", err)
	}
	f = fail(unreachable, "%s; start it, or correct DATABASE_URL", records.Plain(err))
	f.away = "DATABASE_URL"
	return f
}

// interrupted is what Ctrl-C leads to.
func interrupted() *failure {
	return fail(fault, "this command was interrupted before it had an answer")
}

// isAway says whether a server did not answer.
func isAway(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.exit == unreachable
}
