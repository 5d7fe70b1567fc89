package records

import (
	"context"
	"errors"
	"io/fs"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrSchema says that the database answers and does not hold kap's tables, or older ones than this program needs.
var ErrSchema = errors.New("the tables are missing or old")

// Ready says whether the database answers and holds the tables that this program needs. It returns [ErrSchema] where it
// answers and does not hold them.
func (s *Store) Ready(ctx context.Context) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var version int
	err = s.pool.QueryRow(ctx, `select version from schema_version`).Scan(&version)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" || err == nil && version < len(files) {
		return ErrSchema
	}
	return err
}
