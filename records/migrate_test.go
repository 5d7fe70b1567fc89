package records_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"kap/internal/testpg"
	"kap/records"
)

// migrateAndExit is one of several processes that start at once.
func migrateAndExit(url string) {
	ctx := context.Background()
	store, err := records.Open(ctx, url)
	if err == nil {
		err = store.Migrate(ctx)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func TestEightProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	h := &house{t: t, url: testpg.New(t)}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "RECORDS_MIGRATE="+h.url)
			if said, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, said)
			}
		})
	}
	wg.Wait()
	files, err := os.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	if version := ask[int](h, `select max(version) from schema_version`); version != len(files) {
		t.Errorf("the schema is at %d of %d", version, len(files))
	}
	h.store = h.another()
	for range 2 {
		if err := h.store.Migrate(t.Context()); err != nil {
			t.Errorf("once more: %v", err)
		}
	}
	if rows, err := h.store.List(t.Context(), records.Whose{}, true); err != nil || len(rows) != 0 {
		t.Errorf("found %v, %v", rows, err)
	}
}

// What came back before it was kept of the client is found in what the mail service said.
// shows: mail-returned
func TestAnAddressThatTookNoMailBefore(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		event, reason, mail string
		returned            bool
	}{
		{"bounced", "", "", true},
		{"dropped", "address", "", true},
		{"dropped", "other", "", true},
		{"dropped", "content", "", false},
		{"dropped", "reported", "", false},
		{"blocked", "", "", false},
		{"bounced", "", `update client set address = 1`, false},
		{"bounced", "", `update mail set body = body || '{"staff": "t-lane"}'`, false},
	} {
		c := sentOut(t)
		c.do(`alter table client drop column address_returned`)
		c.do(`update schema_version set version = 8`)
		c.do(`insert into mail_event (id, pathway, mail, event, reason, at, weighed) select 'e-1', pathway, id, $1, $2, now(), true from mail`, row.event, row.reason)
		if row.mail != "" {
			c.do(row.mail)
		}
		if err := c.store.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ask[bool](c.house, `select address_returned from client`); got != row.returned {
			t.Errorf("%+v: found %v", row, got)
		}
	}
}

func TestReadyOnceTheTablesAreThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if err := h.store.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	h.do(`update schema_version set version = version + 1`) // a newer program was here, and an older one has come back
	if err := errors.Join(h.store.Migrate(t.Context()), h.store.Ready(t.Context())); err != nil {
		t.Errorf("newer tables: found %v", err)
	}
	h.do(`update schema_version set version = 1`)
	if err := h.store.Ready(t.Context()); err != records.ErrSchema {
		t.Errorf("older tables: found %v", err)
	}
	h.do(`drop table schema_version`)
	if err := h.store.Ready(t.Context()); err != records.ErrSchema {
		t.Errorf("no tables: found %v", err)
	}
}
