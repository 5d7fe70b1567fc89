package records_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kap/pathway"
	"kap/records"
)

// morning is when the digests of these tests may go out.
func morning() time.Time { return monday().AddDate(0, 0, 1) }

const digest = "digest/t-lane"

// owes puts a mail to staff into the outbox of a pathway, as the pathway does.
func (c *client) owes(m pathway.Mail) {
	c.t.Helper()
	c.p.Outbox = append(c.p.Outbox, m)
	c.take(c.next())
}

// waits is a pathway that has waited for t-lane for so many hours by the morning.
func (h *house) waits(code string, hours int) *client {
	h.t.Helper()
	c := h.enrol(code, somebody(len(code)*1000+hours))
	c.owes(pathway.Mail{Key: digest, Kind: pathway.DigestMail, Staff: "t-lane", Since: morning().Add(-time.Duration(hours) * time.Hour), From: morning()})
	return c
}

func (c *client) claims(key string) (records.Claimed, pathway.MailStatus) {
	c.t.Helper()
	claimed, status, err := c.store.Claim(c.t.Context(), c.p.Code, key, time.Minute)
	if err != nil {
		c.t.Fatal(err)
	}
	return claimed, status
}

func (c *client) takesBack(key string) pathway.MailStatus {
	c.t.Helper()
	return c.take(c.next(pathway.Act{Do: pathway.WithdrawDeed, Key: key, Reason: "it is done"})).Acts[0].Mail
}

// about is what a staff mail speaks of.
func about(c records.Claimed) string {
	var all []string
	for _, w := range c.Waiting {
		all = append(all, w.Code)
	}
	return strings.Join(all, " ")
}

// outboxes is the status of each mail with this key, by pathway.
func (h *house) outboxes(key string) string {
	h.t.Helper()
	return ask[string](h, `select string_agg(pathway || ' ' || status, ', ' order by pathway) from mail where key = $1`, key)
}

func TestAMailToStaffHoldsNoClient(t *testing.T) {
	t.Parallel()
	for _, kind := range []pathway.MailKind{pathway.NudgeMail, pathway.DigestMail, pathway.UrgentMail, pathway.NewsMail} {
		c := newHouse(t).enrol("K7Q2M9", anna())
		c.owes(pathway.Mail{Key: "tell", Kind: kind, Staff: "t-lane", Since: monday()})
		claimed, status := c.claims("tell")
		if status != pathway.ClaimedMail || claimed.ID == "" || claimed.Mail.Staff != "t-lane" {
			t.Errorf("%s: found %+v, %s", kind, claimed, status)
		}
		if claimed.To != (records.Person{}) || claimed.Zone != "" {
			t.Errorf("%s: it comes with %+v, %q", kind, claimed.To, claimed.Zone)
		}
		if about(claimed) != "K7Q2M9" || !claimed.Waiting[0].Since.Equal(monday()) {
			t.Errorf("%s: it speaks of %+v", kind, claimed.Waiting)
		}
	}
}

func TestTheDigestsOfOnePersonAreOneMail(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := h.waits("K7Q2M9", 5)
	longest := h.waits("B2B2B2", 50)
	h.waits("C3C3C3", 1)
	// Not among them:
	withdrawn, sent, rejected := h.waits("D4D4D4", 6), h.waits("F4F4F4", 7), h.waits("G4G4G4", 8)
	withdrawn.takesBack(digest)
	claimed := func(c *client, status pathway.MailStatus) {
		c.do(`update mail set status = $2, claim = gen_random_uuid() where pathway = $1`, c.p.Code, status)
	}
	claimed(sent, pathway.SentMail)
	claimed(rejected, pathway.RejectedMail)
	for i, m := range []pathway.Mail{
		{Key: digest, Kind: pathway.DigestMail, Staff: "t-ortiz", Since: monday(), From: morning()},
		{Key: digest, Kind: pathway.NudgeMail, Staff: "t-lane", Since: monday(), From: morning()},
		{Key: digest, Kind: pathway.DigestMail, Staff: "t-lane", Since: monday(), From: morning().Add(time.Second)}, // not yet due
	} {
		h.enrol([]string{"H5H5H5", "J5J5J5", "L5L5L5"}[i], somebody(i)).owes(m)
	}
	// Twice the same pathway, once from a day that lies behind, and once with another zone's offset in its text.
	longest.owes(pathway.Mail{Key: "digest/yesterday", Kind: pathway.DigestMail, Staff: "t-lane", Since: monday().AddDate(0, 0, -9),
		From: morning().In(time.FixedZone("", -5*60*60)).AddDate(0, 0, -1)})
	h.enrol("M6M6M6", somebody(6)).owes(pathway.Mail{Key: digest, Kind: pathway.DigestMail, Staff: "t-lane", Since: monday()}) // at any moment

	all, status := first.claims(digest)
	if status != pathway.ClaimedMail || about(all) != "B2B2B2 M6M6M6 K7Q2M9 C3C3C3" {
		t.Fatalf("found %s, about %s", status, about(all))
	}
	if since := all.Waiting[0].Since; !since.Equal(monday().AddDate(0, 0, -9)) {
		t.Errorf("the longest waits since %s", since)
	}
	if id := ask[string](h, `select id::text from mail where pathway = 'K7Q2M9'`); all.ID != id || all.Mail.Key != digest || all.To != (records.Person{}) {
		t.Errorf("it goes out as %+v, expected as %s", all, id)
	}
	if found := ask[string](h, `select format('%s %s %s', count(*), count(distinct claimed_until), sum(attempts)) from mail where claim = $1`, all.Claim); found != "5 1 5" {
		t.Errorf("mails, leases and attempts of the claim: found %s", found)
	}
	for _, c := range []*client{first, longest} {
		if again, status := c.claims(digest); again.ID != "" || status != pathway.ClaimedMail {
			t.Errorf("while it is being sent, %s is claimed as %+v, %s", c.p.Code, again, status)
		}
	}
	first.settle(all, pathway.SentMail)
	const others = ", D4D4D4 withdrawn, F4F4F4 sent, G4G4G4 rejected, H5H5H5 pending, J5J5J5 pending, "
	if found := h.outboxes(digest); found != "B2B2B2 sent, C3C3C3 sent"+others+"K7Q2M9 sent, L5L5L5 pending, M6M6M6 sent" {
		t.Errorf("found %s", found)
	}
	for key, c := range map[string]*client{digest: first, "digest/yesterday": longest} {
		if again, status := c.claims(key); again.ID != "" || status != pathway.SentMail {
			t.Errorf("afterwards %s of %s is claimed as %+v, %s", key, c.p.Code, again, status)
		}
	}
}

// Whoever has no moment of their own takes along nobody who has one.
func TestADigestBringsNoneThatIsLater(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.waits("K7Q2M9", 1)
	c := h.enrol("B2B2B2", anna())
	c.owes(pathway.Mail{Key: digest, Kind: pathway.DigestMail, Staff: "t-lane", Since: monday()})
	if all, _ := c.claims(digest); about(all) != "B2B2B2" {
		t.Errorf("it speaks of %s", about(all))
	}
}

func TestADigestThatDidNotGoOutIsClaimedAgainAsAWhole(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first, second, third := h.waits("K7Q2M9", 5), h.waits("B2B2B2", 6), h.waits("C3C3C3", 7)
	all, _ := first.claims(digest)
	if found := third.takesBack(digest); found != pathway.ClaimedMail {
		t.Errorf("taken back on its way: found %s", found)
	}
	first.settle(all, pathway.PendingMail)
	if found := h.outboxes(digest); found != "B2B2B2 pending, C3C3C3 withdrawn, K7Q2M9 pending" {
		t.Errorf("found %s", found)
	}
	again, status := second.claims(digest) // whichever pathway is first
	if status != pathway.ClaimedMail || about(again) != "B2B2B2 K7Q2M9" || again.Claim == all.Claim || again.ID == all.ID {
		t.Errorf("found %+v, %s", again, status)
	}
	first.settle(all, pathway.SentMail) // another's claim by now
	if found := h.outboxes(digest); found != "B2B2B2 claimed, C3C3C3 withdrawn, K7Q2M9 claimed" {
		t.Errorf("found %s", found)
	}
	first.settle(again, pathway.UnknownMail)
	if found := h.outboxes(digest); found != "B2B2B2 unknown, C3C3C3 withdrawn, K7Q2M9 unknown" {
		t.Errorf("found %s", found)
	}
	first.settle(again, pathway.SentMail) // whoever claimed it knows after all
	if found := h.outboxes(digest); found != "B2B2B2 sent, C3C3C3 withdrawn, K7Q2M9 sent" {
		t.Errorf("found %s", found)
	}
}

func TestALeaseOfADigestRunsOutForAll(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := h.waits("K7Q2M9", 5)
	second := h.waits("B2B2B2", 6)
	if _, _, err := h.store.Claim(t.Context(), first.p.Code, digest, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	for _, c := range []*client{second, first} {
		if again, status := c.claims(digest); again.ID != "" || status != pathway.UnknownMail {
			t.Errorf("%s: found %+v, %s", c.p.Code, again, status)
		}
	}
}

// A step that takes a digest back is not written yet. The others do not wait for it, and go out without.
func TestADigestThatIsJustTakenBackIsLeftOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := h.waits("K7Q2M9", 5)
	h.waits("B2B2B2", 6)
	h.waits("C3C3C3", 7)
	conn := h.connect()
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `update mail set status = 'withdrawn', taken_back = true where pathway = 'B2B2B2'`); err != nil {
		t.Fatal(err)
	}
	all, _ := first.claims(digest)
	if about(all) != "C3C3C3 K7Q2M9" {
		t.Errorf("it speaks of %s", about(all))
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.settle(all, pathway.SentMail)
	if found := h.outboxes(digest); found != "B2B2B2 withdrawn, C3C3C3 sent, K7Q2M9 sent" {
		t.Errorf("found %s", found)
	}
}

// A step that takes a digest back is being written while its mail fails.
func TestADigestTakenBackWhileItIsSettledIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := h.waits("K7Q2M9", 5)
	h.waits("B2B2B2", 6)
	all, _ := first.claims(digest)
	conn := h.connect()
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `update mail set taken_back = true where pathway = 'B2B2B2'`); err != nil {
		t.Fatal(err)
	}
	settled := make(chan error)
	go func() { settled <- h.store.SettleMail(t.Context(), all, pathway.PendingMail, time.Time{}) }()
	for ask[int](h, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-settled; err != nil {
		t.Fatal(err)
	}
	if found := h.outboxes(digest); found != "B2B2B2 withdrawn, K7Q2M9 pending" {
		t.Errorf("found %s", found)
	}
}

func TestManyDigestsClaimedAtOnceAreOneMail(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var all []*client
	for i := range 12 {
		all = append(all, h.waits(fmt.Sprintf("K7Q2%c2", 'A'+i), 12-i))
	}
	stores := []*records.Store{h.store, h.another(), h.another(), h.another()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var mails []string
	for i := range 24 {
		wg.Go(func() {
			claimed, status, err := stores[i%4].Claim(t.Context(), all[i%12].p.Code, digest, time.Minute)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || status != pathway.ClaimedMail {
				t.Errorf("found %s, %v", status, err)
			}
			if claimed.ID != "" {
				mails = append(mails, about(claimed))
			}
		})
	}
	wg.Wait()
	if len(mails) != 1 || len(strings.Fields(mails[0])) != 12 {
		t.Errorf("found %q, expected one mail about all", mails)
	}
}

// Four workers send, fail and try again what three people are waited for, while pathways take some of it back, two of one
// pathway at once. Nobody stands in another's way, and each digest was in exactly the mail with which the outbox says it went.
func TestDigestsAmongOneAnother(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const pathways, staff = 8, 3
	var keys []string
	var all []*client
	for i := range pathways {
		all = append(all, h.enrol(fmt.Sprintf("K7Q2%c2", 'A'+i), somebody(i)))
	}
	for s := range staff {
		for _, day := range []string{"monday", "tuesday"} {
			keys = append(keys, fmt.Sprintf("digest/t-%d/%s", s, day))
			for i, c := range all {
				c.owes(pathway.Mail{Key: keys[len(keys)-1], Kind: pathway.DigestMail, Staff: fmt.Sprintf("t-%d", s), Since: monday().Add(time.Duration(i) * time.Hour), From: morning()})
			}
		}
	}
	var mu sync.Mutex
	sent := map[string]string{} // what went out, by claim
	var wg sync.WaitGroup
	for range 4 {
		store := h.another()
		wg.Go(func() {
			for range 10 {
				for i := range pathways {
					for _, key := range keys {
						c, status, err := store.Claim(t.Context(), all[i].p.Code, key, time.Minute)
						if err != nil {
							t.Errorf("%s of %s: %v", key, all[i].p.Code, err)
						}
						if status != pathway.ClaimedMail || c.ID == "" {
							continue
						}
						time.Sleep(rand.N(3 * time.Millisecond))
						what := pathway.PendingMail
						if rand.N(20) == 0 {
							what = pathway.SentMail
							mu.Lock()
							codes := strings.Fields(about(c))
							slices.Sort(codes)
							sent[c.Claim] = strings.Join(codes, " ")
							mu.Unlock()
						}
						if err := store.SettleMail(t.Context(), c, what, time.Time{}); err != nil {
							t.Errorf("%s of %s: %v", key, all[i].p.Code, err)
						}
					}
				}
			}
		})
	}
	for i, c := range all {
		wg.Go(func() {
			if i%2 == 0 {
				return
			}
			time.Sleep(rand.N(50 * time.Millisecond))
			shuffled := slices.Clone(keys)
			rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			var acts []pathway.Act
			for _, key := range shuffled {
				acts = append(acts, pathway.Act{Do: pathway.WithdrawDeed, Key: key, Reason: "it is done"})
			}
			c.commit(c.next(acts...))
		})
	}
	wg.Wait()
	for claim, codes := range sent {
		if found := ask[string](h, `select string_agg(distinct pathway, ' ' order by pathway) from mail where status = 'sent' and claim = $1`, claim); found != codes {
			t.Errorf("a mail about %s went out, the outbox says %s", codes, found)
		}
	}
	if found := ask[int](h, `select count(distinct claim) from mail where status = 'sent'`); found != len(sent) || found == 0 {
		t.Errorf("%d mails went out, the outbox says %d", len(sent), found)
	}
	if left := ask[int](h, `select count(*) from mail where status in ('claimed', 'unknown')`); left != 0 {
		t.Errorf("%d are on their way or unknown", left)
	}
}
