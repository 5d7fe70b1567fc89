package machine

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// superuser makes the roles and databases; nothing else uses it.
const superuser = "postgres"

// Roles and databases share their names. Each role owns its databases and nothing else, so that no mistake of the
// worker's reaches Temporal's tables.
const (
	ourDatabase        = "kap"
	temporalDatabase   = "temporal"
	visibilityDatabase = "temporal_visibility"
)

// finished marks Temporal's databases once a server has run on them.
const finished = "set up"

func (p *postgres) prepareDatabases(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.url(superuser, superuser))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	// Tests make databases of their own, one each.
	for _, role := range []string{ourDatabase + " CREATEDB", temporalDatabase} {
		name, _, _ := strings.Cut(role, " ")
		known, err := exists(ctx, conn, "SELECT FROM pg_roles WHERE rolname = $1", name)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		if _, err := conn.Exec(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", role, p.password)); err != nil {
			return fmt.Errorf("the role %s cannot be made: %w", name, err)
		}
	}
	for _, db := range []struct{ name, owner string }{
		{ourDatabase, ourDatabase}, {temporalDatabase, temporalDatabase}, {visibilityDatabase, temporalDatabase},
	} {
		known, err := exists(ctx, conn, "SELECT FROM pg_database WHERE datname = $1", db.name)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		if _, err := conn.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s OWNER %s", db.name, db.owner)); err != nil {
			return fmt.Errorf("the database %s cannot be made: %w", db.name, err)
		}
	}
	return nil
}

// discardUnfinished drops Temporal's databases where a first start was killed while it made their tables: Temporal
// cannot go on from there. A database that has ever held a workflow is never dropped.
func (p *postgres) discardUnfinished(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.url(superuser, superuser))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	known, err := exists(ctx, conn, "SELECT FROM pg_database WHERE datname = $1", temporalDatabase)
	if err != nil || !known {
		return err
	}
	done, err := exists(ctx, conn,
		"SELECT FROM pg_database WHERE datname = $1 AND shobj_description(oid, 'pg_database') = $2", temporalDatabase, finished)
	if err != nil || done {
		return err
	}
	inUse, err := p.holdsWorkflows(ctx)
	if err != nil || inUse {
		return err
	}
	for _, db := range []string{temporalDatabase, visibilityDatabase} {
		if _, err := conn.Exec(ctx, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", db)); err != nil {
			return err
		}
	}
	return nil
}

func (p *postgres) holdsWorkflows(ctx context.Context) (bool, error) {
	conn, err := pgx.Connect(ctx, p.url(temporalDatabase, temporalDatabase))
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx)
	made, err := exists(ctx, conn, "SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'executions'")
	if err != nil || !made {
		return false, err
	}
	return exists(ctx, conn, "SELECT FROM executions LIMIT 1")
}

func (p *postgres) markFinished(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.url(superuser, superuser))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, fmt.Sprintf("COMMENT ON DATABASE %s IS '%s'", temporalDatabase, finished))
	return err
}

// setReachable opens or cuts our own database and leaves Temporal's as they are.
func (p *postgres) setReachable(ctx context.Context, reachable bool) error {
	conn, err := pgx.Connect(ctx, p.url(superuser, superuser))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %t", ourDatabase, reachable)); err != nil {
		return err
	}
	if reachable {
		return nil
	}
	_, err = conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", ourDatabase)
	return err
}

func exists(ctx context.Context, conn *pgx.Conn, query string, args ...any) (bool, error) {
	var yes bool
	err := conn.QueryRow(ctx, "SELECT EXISTS ("+query+")", args...).Scan(&yes)
	return yes, err
}
