// Package records keeps what the practice knows in PostgreSQL: clients, the steps of their pathways, the journal, the
// calendar, tasks and the outbox. A step is written in one transaction or not at all.
package records

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/tern/v2/migrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNotFound says that there is no such pathway or client.
var ErrNotFound = errors.New("not found")

// Store is a pool of connections to the practice's database.
type Store struct{ pool *pgxpool.Pool }

// Open connects lazily to the database that url names; nothing is asked of it before the first use.
func Open(ctx context.Context, url string) (*Store, error) {
	if url == "" {
		return nil, errors.New("DATABASE_URL: found nothing, expected the address of kap's database, such as postgres://kap@127.0.0.1:5432/kap")
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("DATABASE_URL: found something that is not the address of a PostgreSQL database") // without the text: it holds a password
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Store{pool}, nil
}

// Close gives the connections back.
func (s *Store) Close() { s.pool.Close() }

// Migrate brings the schema up to date, under a lock, so that several workers may start at once. There is no way back: where a
// newer program has brought it further, it stays so, because going back to an older program has to be possible.
func (s *Store) Migrate(ctx context.Context) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	migrator, err := migrate.NewMigrator(ctx, conn.Conn(), "schema_version")
	if err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if err := migrator.LoadMigrations(files); err != nil {
		return err
	}
	if version, err := migrator.GetCurrentVersion(ctx); err != nil || int(version) > len(migrator.Migrations) {
		return err
	}
	return migrator.Migrate(ctx)
}

func (s *Store) inTransaction(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, do)
}

// missing maps pgx's "no rows" to [ErrNotFound], once for all queries.
func missing(err error, what string, args ...any) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%s: %w", fmt.Sprintf(what, args...), ErrNotFound)
	}
	return err
}

// statements is what a transaction is made of: pgx's own, or a connection on which one was begun.
type statements interface {
	querier
	rowQuerier
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// collect reads all rows of a query, each into a T, column by column.
func collect[T any](ctx context.Context, q querier, sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}
