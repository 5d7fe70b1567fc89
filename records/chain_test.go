package records_test

import (
	"os"
	"strings"
	"testing"
	"time"
)

// What was written before the journal was chained is chained by the migration, in the same way as what is written since.
func TestTheMigrationChainsAsTheProgramDoes(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.screen()
	c.must("hold", `{"by":"t-lane","cause":"crisis","reason":"é, 会話"}`)
	for _, refused := range []string{`{"by":"t-\u0000lane"}`, "by: nobody", ""} {
		_, _ = c.p.Record("hold", []byte(refused), c.now)
	}
	c.work()
	before := ask[string](c.house, `select string_agg(number || hash, ' ' order by id) || (select journal_hash from pathway) from journal`)
	text, err := os.ReadFile("migrations/005_chain.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, sql, _ := strings.Cut(string(text), "alter table mail add column claimed_after int;")
	c.do(`drop index journal_chain`)
	c.do(`alter table journal disable trigger journal_is_append_only`)
	c.do(`update journal set number = null, hash = null`)
	c.do(`update pathway set journal_number = 0, journal_hash = ''`)
	c.do(sql)
	if after := ask[string](c.house, `select string_agg(number || hash, ' ' order by id) || (select journal_hash from pathway) from journal`); after != before || len(before) < 1000 {
		t.Errorf("the migration chains\n%s\nand the program\n%s", after, before)
	}
	if c.try(`update journal set text = ''`) == nil {
		t.Error("the journal can be changed after the migration")
	}
}

// A mail to the client that went out is an entry of the journal; and none is claimed whose session was moved or cancelled, although it has
// not been taken back yet.
func TestNoMailIsClaimedForATimeThatDoesNotStand(t *testing.T) {
	t.Parallel()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.screen()
	key := "booked/preparation-1/r1"
	c.do(`update appointment set revision = 2 where name = 'preparation-1'`)
	if claimed, status, err := c.store.Claim(t.Context(), c.p.Code, key, time.Minute); err != nil || claimed.ID != "" || status != "pending" {
		t.Errorf("a mail for a time that was moved: claimed %q, %s, %v", claimed.ID, status, err)
	}
	c.do(`update appointment set revision = 1 where name = 'preparation-1'`)
	claimed, status, err := c.store.Claim(t.Context(), c.p.Code, key, time.Minute)
	if err != nil || status != "claimed" {
		t.Fatalf("%s, %v", status, err)
	}
	if err := c.store.SettleMail(t.Context(), claimed, "sent", c.now); err != nil {
		t.Fatal(err)
	}
	if n := ask[int](c.house, `select count(*) from journal where kind = 'sent' and fact->>'key' = $1`, key); n != 1 {
		t.Errorf("the journal says %d times that it went out", n)
	}
}
