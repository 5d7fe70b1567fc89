package records

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Plain says what went wrong without any value from a row: PostgreSQL's own texts may quote a client's data, and errors end
// up in Temporal's history and in logs.
func Plain(err error) string {
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &pg):
		return "PostgreSQL refused it (" + pg.Code + " " + pg.ConstraintName + ")"
	case errors.As(err, &connect), errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return "PostgreSQL does not answer"
	case errors.Is(err, ErrNotFound):
		return err.Error()
	}
	return "the connection to PostgreSQL broke"
}
