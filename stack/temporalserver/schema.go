package temporalserver

import (
	"fmt"

	"go.temporal.io/server/common/log"
	// The connection finds the plugin by its name.
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/tools/common/schema"
	"go.temporal.io/server/tools/sql"
)

const plugin = "postgres12_pgx"

// applySchemas brings Temporal's two databases to the version that this server's code wants. Where that has been done
// already it has no effect.
func (s server) applySchemas(logger log.Logger) error {
	for _, want := range []struct{ database, schema string }{
		{s.Database, "postgresql/v12/temporal"},
		{s.Visibility, "postgresql/v12/visibility"},
	} {
		if err := s.applySchema(want.database, want.schema, logger); err != nil {
			return fmt.Errorf("cannot bring its database %s to this version's schema: %w", want.database, err)
		}
	}
	return nil
}

func (s server) applySchema(database, name string, logger log.Logger) error {
	db, err := sql.NewConnection(s.store(database, 1), logger)
	if err != nil {
		return err
	}
	defer db.Close()
	versionTables := schema.NewSetupSchemaTask(db, &schema.SetupConfig{InitialVersion: "0.0"}, logger)
	if err := versionTables.Run(); err != nil {
		return err
	}
	return schema.NewUpdateSchemaTask(db, &schema.UpdateConfig{SchemaName: name}, logger).Run()
}
