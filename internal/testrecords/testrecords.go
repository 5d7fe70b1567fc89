// Package testrecords opens kap's records for tests.
package testrecords

import (
	"context"
	"testing"

	"kap/records"
)

// Open opens kap's records at a database's address, with all their tables, until the test ends.
func Open(t testing.TB, url string) *records.Store {
	t.Helper()
	store, err := records.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	if err := store.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return store
}
