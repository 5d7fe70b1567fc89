package records_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"kap/pathway"
	"kap/records"
)

const booked = "booked/preparation-1/r1"

// outbox is a client to whom one mail about a booking is to be sent.
func outbox(t *testing.T) *client {
	t.Helper()
	c := newHouse(t).enrol("K7Q2M9", anna())
	c.work()
	c.take(c.next(preparation(1, newYork(t, "2026-02-05 08:00"), 5)))
	return c
}

func (c *client) claim(lease time.Duration) (records.Claimed, pathway.MailStatus) {
	c.t.Helper()
	claimed, status, err := c.store.Claim(c.t.Context(), c.p.Code, booked, lease)
	if err != nil {
		c.t.Fatal(err)
	}
	return claimed, status
}

func (c *client) settle(claimed records.Claimed, status pathway.MailStatus) {
	c.t.Helper()
	if err := c.store.SettleMail(c.t.Context(), claimed, status, c.now); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) mailIs(want string) {
	c.t.Helper()
	if found := ask[string](c.house, `select status from mail where key = $1`, booked); found != want {
		c.t.Errorf("the mail is %s, expected %s", found, want)
	}
}

// withdraw asks for the mail back and says what the records answer.
func (c *client) withdraw() pathway.MailStatus {
	c.t.Helper()
	return c.take(c.next(pathway.Act{Do: pathway.WithdrawDeed, Key: booked, Reason: "the session was moved or cancelled"})).Acts[0].Mail
}

func TestAClaimSaysWhatIsToBeSentToWhom(t *testing.T) {
	t.Parallel()
	c := outbox(t)
	claimed, status := c.claim(time.Minute)
	if status != pathway.ClaimedMail || claimed.ID == "" || claimed.Claim == "" || claimed.Zone != "America/Chicago" {
		t.Errorf("found %+v, %s", claimed, status)
	}
	if claimed.To.Email != "anna@client.example" || claimed.To.GivenName != "Anna" {
		t.Errorf("it is for %+v", claimed.To)
	}
	if want := c.p.Outbox[0]; encoded(t, claimed.Mail) != encoded(t, want) {
		t.Errorf("it says %s, expected %s", encoded(t, claimed.Mail), encoded(t, want))
	}
}

// A mail waits, and the client goes to another zone: it is taken back and written anew. One that is being sent just then is left; where
// that fails, it is written anew as well, and where it went out, not.
// shows: mail-hours, contact-change
func TestAMailFollowsItsReader(t *testing.T) {
	t.Parallel()
	for _, sends := range []pathway.MailStatus{"", pathway.PendingMail, pathway.SentMail} {
		c := outbox(t)
		var claimed records.Claimed
		if sends != "" {
			claimed, _ = c.claim(time.Minute)
		}
		c.must("contact", `{"by":"c-desk","zone":"Asia/Tokyo"}`)
		c.work()
		if sends != "" {
			c.mailIs("claimed")
			c.settle(claimed, sends)
			if sends == pathway.SentMail {
				c.p.Delivered(booked)
			}
			c.now = c.now.Add(5 * time.Minute)
			c.work()
		}
		rows := ask[string](c.house, `select string_agg(key || ' ' || status || ' ' || coalesce(body->>'zone', 'none'), ', ' order by key) from mail where key like $1 || '%'`, booked)
		first, again, _ := strings.Cut(rows, ", ")
		if sends == pathway.SentMail {
			if !strings.HasPrefix(first, booked+" sent") || again != "" {
				t.Errorf("sent meanwhile: found %s", rows)
			}
			continue
		}
		if !strings.HasPrefix(first, booked+" withdrawn") || again != booked+"/again pending Asia/Tokyo" {
			t.Errorf("%q meanwhile: found %s", sends, rows)
		}
	}
}

func TestAMailIsReadWhereTheClientLivesByNow(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{"": "America/Chicago", "Asia/Tokyo": "Asia/Tokyo"} {
		c := newHouse(t).enrol("K7Q2M9", anna())
		c.owes(pathway.Mail{Key: booked, Kind: pathway.BookedMail, Zone: written})
		if claimed, _ := c.claim(time.Minute); claimed.Zone != want {
			t.Errorf("written for %q: found %q, expected %q", written, claimed.Zone, want)
		}
	}
}

func TestSixteenClaimOneMailAtOnce(t *testing.T) {
	t.Parallel()
	c := outbox(t)
	stores := []*records.Store{c.store, c.another(), c.another(), c.another()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := 0
	for i := range 16 {
		wg.Go(func() {
			claimed, status, err := stores[i%4].Claim(t.Context(), c.p.Code, booked, time.Minute)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || status != pathway.ClaimedMail {
				t.Errorf("found %s, %v", status, err)
			}
			if claimed.ID != "" {
				got++
			}
		})
	}
	wg.Wait()
	if got != 1 {
		t.Errorf("%d have it, expected one", got)
	}
}

func TestALeaseThatRanOutIsUnknownForGood(t *testing.T) {
	t.Parallel()
	c := outbox(t)
	claimed, _ := c.claim(time.Millisecond)
	time.Sleep(20 * time.Millisecond)
	for range 3 {
		if again, status := c.claim(time.Minute); again.ID != "" || status != pathway.UnknownMail {
			t.Errorf("found %+v, %s, expected unknown", again, status)
		}
	}
	c.mailIs("unknown")
	c.settle(claimed, pathway.SentMail) // late, but whoever claimed it knows
	c.mailIs("sent")
}

func TestAMailThatDidNotGoOutIsClaimedAgain(t *testing.T) {
	t.Parallel()
	c := outbox(t)
	first, _ := c.claim(time.Minute)
	c.settle(first, pathway.PendingMail)
	second, status := c.claim(time.Minute)
	if status != pathway.ClaimedMail || second.ID != first.ID || second.Claim == first.Claim {
		t.Errorf("found %+v, %s after %+v", second, status, first)
	}
	for _, status := range []pathway.MailStatus{pathway.PendingMail, pathway.SentMail, pathway.UnknownMail, pathway.RejectedMail} {
		c.settle(first, status) // another's claim by now
		c.mailIs("claimed")
	}
	c.settle(second, pathway.SentMail)
	c.settle(second, pathway.PendingMail)
	c.mailIs("sent")
	mails, err := c.store.Mails(t.Context(), c.p.Code)
	if err != nil || len(mails) != 1 || mails[0].Attempts != 2 || mails[0].SettledAt == nil {
		t.Errorf("found %+v, %v", mails, err)
	}
}

func TestWhatIsWithdrawnSaysWhereItWas(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		before func(*client)
		want   pathway.MailStatus
	}{
		"pending":   {func(*client) {}, pathway.WithdrawnMail},
		"claimed":   {func(c *client) { c.claim(time.Minute) }, pathway.ClaimedMail},
		"sent":      {func(c *client) { x, _ := c.claim(time.Minute); c.settle(x, pathway.SentMail) }, pathway.SentMail},
		"rejected":  {func(c *client) { x, _ := c.claim(time.Minute); c.settle(x, pathway.RejectedMail) }, pathway.RejectedMail},
		"unknown":   {func(c *client) { x, _ := c.claim(time.Minute); c.settle(x, pathway.UnknownMail) }, pathway.UnknownMail},
		"ran out":   {func(c *client) { c.claim(time.Millisecond); time.Sleep(20 * time.Millisecond) }, pathway.UnknownMail},
		"lost":      {func(c *client) { c.do(`delete from mail`) }, pathway.WithdrawnMail},
		"withdrawn": {func(c *client) { c.do(`update mail set status = 'withdrawn'`) }, pathway.WithdrawnMail},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := outbox(t)
			row.before(c)
			if found := c.withdraw(); found != row.want {
				t.Errorf("found %s, expected %s", found, row.want)
			}
			if len(c.p.Outbox) != 0 {
				t.Errorf("the pathway still has %+v", c.p.Outbox)
			}
			if name == "lost" {
				return
			}
			c.mailIs(string(row.want))
			if again, status := c.claim(time.Minute); again.ID != "" || status != row.want {
				t.Errorf("afterwards it is claimed as %s", status)
			}
		})
	}
}

// A mail was on its way when it was withdrawn, and did not get through. It speaks of a time that no longer holds: it is not
// tried again.
func TestAMailWithdrawnOnItsWayIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	c := outbox(t)
	claimed, _ := c.claim(time.Minute)
	if found := c.withdraw(); found != pathway.ClaimedMail {
		t.Errorf("found %s", found)
	}
	c.settle(claimed, pathway.PendingMail)
	if again, status := c.claim(time.Minute); again.ID != "" || status != pathway.WithdrawnMail {
		t.Errorf("found %+v, %s, expected that it is withdrawn", again, status)
	}
}

func TestAMailIsWrittenOnceHoweverOftenItIsCommitted(t *testing.T) {
	t.Parallel()
	c := outbox(t)
	claimed, _ := c.claim(time.Minute)
	c.settle(claimed, pathway.SentMail)
	c.take(c.next()) // the pathway has not heard yet, and still has it in its outbox
	c.mailIs("sent")
	if n := ask[int](c.house, `select count(*) from mail`); n != 1 {
		t.Errorf("found %d mails", n)
	}
}
