// Package testpg gives tests a real PostgreSQL: one throwaway cluster per test process, started when the first test asks for
// it, and one empty database per call. It needs nothing but PostgreSQL's programs on the machine, and leaves nothing behind.
// Only tests may import it.
package testpg

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// shared is the test process's one cluster.
var shared struct {
	once    sync.Once
	cluster *cluster
	err     error
	number  atomic.Int64
}

// New makes an empty database, without kap's schema, and returns its address. The database is dropped when the test ends.
// It fails the test where PostgreSQL's programs are missing or do not start.
func New(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() { shared.cluster, shared.err = start() })
	if shared.err != nil {
		t.Fatalf("testpg: %v", shared.err)
	}
	name := fmt.Sprintf("test_%d", shared.number.Add(1))
	if err := shared.cluster.exec("create database " + name + " template template0"); err != nil {
		t.Fatalf("testpg: %v", err)
	}
	t.Cleanup(func() {
		if err := shared.cluster.exec("drop database " + name + " with (force)"); err != nil {
			t.Errorf("testpg: %v", err)
		}
	})
	return shared.cluster.url(name)
}

// Main runs a package's tests, stops the cluster if one was started, and exits. Call it from TestMain. A package that does
// not, or a test process that is killed, leaves no server behind either, but its files stay until the next run.
func Main(m *testing.M) {
	code := m.Run()
	shared.once.Do(func() {}) // from here on nobody starts one
	if shared.cluster != nil {
		shared.cluster.stop()
	}
	os.Exit(code)
}

func (c *cluster) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}
