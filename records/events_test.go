package records_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"kap/pathway"
	"kap/records"
)

// told hands the records an event of the client's one mail, weighs it, and lets the pathway hear what it has to.
func (c *client) told(id string, event pathway.MailEvent, reason ...pathway.MailReason) records.TakenEvents {
	c.t.Helper()
	e := records.MailEvent{ID: id, Mail: ask[string](c.house, `select id::text from mail where key = $1`, booked), Event: event, At: time.Now()}
	if len(reason) > 0 {
		e.Reason = reason[0]
	}
	taken, err := c.store.TakeEvents(c.t.Context(), []records.MailEvent{e})
	if err != nil {
		c.t.Fatal(err)
	}
	c.weighs()
	c.hears()
	return taken
}

func (c *client) weighs() (int, []records.MailEvent) {
	c.t.Helper()
	n, staff, err := c.store.WeighEvents(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return n, staff
}

// hears lets the pathway ask, as it does when it is told that there is news.
func (c *client) hears() {
	c.t.Helper()
	codes, err := c.store.NewsToTell(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	if slices.Contains(codes, c.p.Code) {
		c.p.AskAboutMail()
	}
	c.work()
	if n := c.unheardNews(); n != 0 {
		c.t.Errorf("it has heard, and has %d things to hear", n)
	}
}

func (c *client) unheardNews() int {
	c.t.Helper()
	return ask[int](c.house, `select count(*)::int from mail_event where unheard`)
}

func (c *client) owed() []string {
	var keys []string
	for _, task := range c.p.Tasks(c.now) {
		keys = append(keys, task.Key)
	}
	return keys
}

// sentOut is a client whose one mail went out.
func sentOut(t *testing.T) *client {
	t.Helper()
	c := outbox(t)
	c.do(`update pathway set started_at = now()`)
	claimed, _ := c.claim(time.Minute)
	c.settle(claimed, pathway.SentMail)
	c.p.Delivered(booked)
	return c
}

// shows: mail-events
func TestAnEventIsTakenOnce(t *testing.T) {
	t.Parallel()
	c := sentOut(t)
	mail := ask[string](c.house, `select id::text from mail where key = $1`, booked)
	one := records.MailEvent{ID: "e-1", Mail: mail, Event: pathway.MailDelivered, At: monday()}
	other := records.MailEvent{ID: "e-2", Mail: mail, Event: pathway.MailOpened, At: monday()}
	foreign := records.MailEvent{ID: "e-3", Mail: "00000000-0000-4000-8000-000000000000", Event: pathway.MailDelivered, At: monday()}
	strange := records.MailEvent{ID: "e-4", Mail: "K7Q2M9", Event: pathway.MailDelivered, At: monday()}
	for i, row := range []struct {
		events                   []records.MailEvent
		fresh, repeated, foreign int
	}{
		{nil, 0, 0, 0},
		{[]records.MailEvent{one, one}, 1, 1, 0},
		{[]records.MailEvent{one, other, foreign, strange}, 1, 1, 2},
		{[]records.MailEvent{strange}, 0, 0, 1},
	} {
		taken, err := c.store.TakeEvents(t.Context(), row.events)
		if err != nil || len(taken.Fresh) != row.fresh || taken.Repeated != row.repeated || taken.Foreign != row.foreign {
			t.Errorf("%d: found %+v, %v, expected %+v", i, taken, err, row)
		}
	}
	if n, staff := c.weighs(); n != 2 || len(staff) != 0 {
		t.Errorf("weighed %d, staff %v", n, staff)
	}
	if n := c.unheardNews(); n != 0 {
		t.Errorf("of a mail that went as it should %d things are news", n)
	}
	if lines, err := c.store.MailEvents(t.Context(), c.p.Code); err != nil || len(lines) != 2 || lines[0].Mail != mail || lines[0].Event != "delivered" {
		t.Errorf("found %+v, %v", lines, err)
	}
}

// shows: mail-events
func TestEventsAreWeighedOnceByMany(t *testing.T) {
	t.Parallel()
	c := sentOut(t)
	mail := ask[string](c.house, `select id::text from mail where key = $1`, booked)
	var events []records.MailEvent
	for i := range 60 {
		events = append(events, records.MailEvent{ID: string(rune('A' + i)), Mail: mail, Event: pathway.MailBlocked, At: monday()})
	}
	if _, err := c.store.TakeEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for _, store := range []*records.Store{c.store, c.another(), c.another(), c.another()} {
		all.Go(func() {
			one, _, err := store.WeighEvents(t.Context())
			mu.Lock()
			defer mu.Unlock()
			if n += one; err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n != 60 {
		t.Errorf("weighed %d of 60", n)
	}
	c.p.AskAboutMail()
	c.work() // more than one step tells
	if n := c.unheardNews(); n != 0 {
		t.Errorf("still to be told: %d", n)
	}
}

// A mail of which nobody knows is settled by what the mail service says of it, whatever it says first; the journal tells of one that
// went out, once.
// shows: mail-arrived
func TestAnEventSettlesWhatNobodyKnew(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		is    string
		event pathway.MailEvent
		want  string
		sent  int // entries of the journal
		owed  bool
	}{
		{"unknown", pathway.MailProcessed, "sent", 1, false},
		{"unknown", pathway.MailDeferred, "sent", 1, false},
		{"unknown", pathway.MailDelivered, "sent", 1, false},
		{"unknown", pathway.MailOpened, "sent", 1, false},
		{"unknown", pathway.MailBounced, "rejected", 0, true},
		{"unknown", pathway.MailDropped, "rejected", 0, true},
		{"claimed", pathway.MailProcessed, "sent", 1, false},
		{"claimed", pathway.MailBounced, "rejected", 0, true},
		{"rejected", pathway.MailProcessed, "rejected", 0, true}, // the mail service has said so itself
	} {
		c := outbox(t)
		c.do(`update pathway set started_at = now()`)
		claimed, _ := c.claim(time.Minute)
		if row.is != "claimed" {
			c.settle(claimed, pathway.MailStatus(row.is))
			c.p.Undelivered(booked)
			c.work()
			if !slices.Contains(c.owed(), "call/"+booked) {
				t.Fatalf("%s: owed %v", row.is, c.owed())
			}
		}
		for _, id := range []string{"e-1", "e-1", "e-2"} {
			c.told(id, row.event)
		}
		c.mailIs(row.want)
		if owed := slices.Contains(c.owed(), "call/"+booked); owed != row.owed {
			t.Errorf("%s, then %s: owed %v", row.is, row.event, c.owed())
		}
		c.settle(claimed, pathway.SentMail) // whoever claimed it was slow, and knows nothing new
		if n := ask[int](c.house, `select count(*)::int from journal where kind = 'sent'`); n != row.sent {
			t.Errorf("%s, then %s: the journal says %d times that it was sent", row.is, row.event, n)
		}
	}
}

// Of its moment the claim that it was not later, and the pathway's clock that it was not earlier.
// shows: mail-arrived
func TestWhenAMailWentOutOfWhichNobodyKnew(t *testing.T) {
	t.Parallel()
	c := outbox(t)
	claimed, _ := c.claim(time.Minute)
	c.settle(claimed, pathway.UnknownMail)
	settled := ask[time.Time](c.house, `select settled_at from mail`)
	if _, err := c.store.TakeEvents(t.Context(), []records.MailEvent{{ID: "e", Mail: claimed.ID, Event: pathway.MailDelivered, At: settled.Add(3 * time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	c.weighs()
	if at := ask[time.Time](c.house, `select at from journal where kind = 'sent'`); !at.Equal(settled) {
		t.Errorf("sent at %s, expected %s", at, settled)
	}
	c = outbox(t)
	claimed, _ = c.claim(time.Minute)
	c.settle(claimed, pathway.UnknownMail)
	c.do(`update mail set body = body || '{"from": "2126-02-02T13:00:00Z"}'`) // a clock that was moved
	if _, err := c.store.TakeEvents(t.Context(), []records.MailEvent{{ID: "e", Mail: claimed.ID, Event: pathway.MailProcessed, At: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	c.weighs()
	if at := ask[time.Time](c.house, `select at from journal where kind = 'sent'`); at.Year() != 2126 {
		t.Errorf("sent at %s, before it could", at)
	}
}

// shows: mail-returned, mail-opted-out
func TestAPathwayHearsOfAMailThatCameBack(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		event    pathway.MailEvent
		reason   pathway.MailReason
		owed     []string
		mailable bool
	}{
		{pathway.MailBounced, "", []string{"address", "call/" + booked}, false},
		{pathway.MailBlocked, "", []string{"call/" + booked}, true},
		{pathway.MailDropped, pathway.BadAddress, []string{"address", "call/" + booked}, false},
		{pathway.MailDropped, pathway.OtherReason, []string{"address", "call/" + booked}, false},
		{pathway.MailDropped, pathway.BadContent, []string{"call/" + booked}, true},
		{pathway.MailDropped, pathway.NotWanted, []string{"call/" + booked, "call/opted-out/" + booked}, false},
		{pathway.MailReported, "", []string{"call/opted-out/" + booked}, false},
		{pathway.MailUnsubscribed, "", []string{"call/opted-out/" + booked}, false},
	} {
		c := sentOut(t)
		c.told("e-1", row.event, row.reason)
		c.mailIs("sent")
		found := slices.DeleteFunc(c.owed(), func(key string) bool {
			return key != "address" && !slices.Contains(row.owed, key) && key[:5] != "call/"
		})
		slices.Sort(found)
		if !slices.Equal(found, row.owed) || c.p.Mailable() != row.mailable {
			t.Errorf("%s %s: owed %v, mailable %v, expected %v, %v", row.event, row.reason, found, c.p.Mailable(), row.owed, row.mailable)
		}
	}
}

// What was let go before the pathway heard does not go out after: the records know as soon as the step is written.
// shows: mail-returned
func TestNothingIsSentToAnAddressThatTakesNoMail(t *testing.T) {
	t.Parallel()
	c := sentOut(t)
	c.told("e-1", pathway.MailBounced)
	c.do(`update mail set status = 'pending', settled_at = null`) // as another that waits
	if claimed, status := c.claim(time.Minute); claimed.ID != "" || status != pathway.PendingMail {
		t.Errorf("claimed %q, %s", claimed.ID, status)
	}
	codes, err := c.store.CorrectAddress(t.Context(), "K7Q2M9", "anna@other.example", "c-desk")
	if err != nil || !slices.Equal(codes, []string{"K7Q2M9"}) {
		t.Fatalf("found %v, %v", codes, err)
	}
	if c.hears(); !c.p.Mailable() || slices.Contains(c.owed(), "address") {
		t.Errorf("after it was corrected: owed %v", c.owed())
	}
	if claimed, status := c.claim(time.Minute); status != pathway.ClaimedMail || claimed.To.Email != "anna@other.example" {
		t.Errorf("it goes to %s, %s", claimed.To.Email, status)
	}
	if _, err := c.store.CorrectAddress(t.Context(), "X9X9X9", "anna@other.example", "c-desk"); !errors.Is(err, records.ErrNotFound) {
		t.Errorf("an unknown pathway: %v", err)
	}
}

// shows: mail-corrected
func TestWhatComesBackFromTheFormerAddressSaysNothingOfThePresentOne(t *testing.T) {
	t.Parallel()
	c := sentOut(t)
	if _, err := c.store.CorrectAddress(t.Context(), "K7Q2M9", "anna@other.example", "c-desk"); err != nil {
		t.Fatal(err)
	}
	c.told("e-1", pathway.MailBounced)
	if !c.p.Mailable() || !slices.Contains(c.owed(), "call/"+booked) || slices.Contains(c.owed(), "address") {
		t.Errorf("mailable %v, owed %v", c.p.Mailable(), c.owed())
	}
}

// again enrols the client anew, as one who comes back.
func (c *client) again(code string) *client {
	c.t.Helper()
	person := anna()
	person.ID = ask[string](c.house, `select client::text from pathway where code = $1`, c.p.Code)
	return c.enrol(code, person)
}

// Whoever comes back after their address took no mail is asked for another one first; one that was corrected is written to.
// shows: mail-returned, mail-corrected
func TestTheNextPathwayKnowsThatTheAddressTakesNoMail(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		event    pathway.MailEvent
		reason   pathway.MailReason
		before   bool // the address was corrected before it was told
		after    bool // or after
		mailable bool
	}{
		{event: pathway.MailBounced},
		{event: pathway.MailDropped, reason: pathway.BadAddress},
		{event: pathway.MailBounced, before: true, mailable: true},
		{event: pathway.MailBounced, after: true, mailable: true},
		{event: pathway.MailBlocked, mailable: true},
		{event: pathway.MailDropped, reason: pathway.BadContent, mailable: true},
		{event: pathway.MailUnsubscribed, mailable: true}, // permission is asked for at each enrolment
	} {
		c := sentOut(t)
		correct := func() {
			if _, err := c.store.CorrectAddress(t.Context(), c.p.Code, "anna@other.example", "c-desk"); err != nil {
				t.Fatal(err)
			}
		}
		if row.before {
			correct()
		}
		c.told("e-1", row.event, row.reason)
		c.do(`update pathway set outcome = 'completed'`)
		if row.after {
			correct()
		}
		next := c.again("B2B2B2")
		next.screen()
		asked := slices.Contains(next.owed(), "address")
		called := slices.Contains(next.owed(), "call/"+booked)
		mails := ask[int](c.house, `select count(*)::int from mail where pathway = 'B2B2B2' and body->>'staff' is null`)
		if next.p.Mailable() != row.mailable || asked == row.mailable || called == row.mailable || (mails > 0) != row.mailable {
			t.Errorf("%+v: mailable %v, mails %d, owed %v", row, next.p.Mailable(), mails, next.owed())
		}
		if e, err := c.store.Enrolment(t.Context(), "B2B2B2"); err != nil || e.AddressReturned == row.mailable {
			t.Errorf("%+v: it is written as %v, %v", row, e.AddressReturned, err)
		}
		if row.mailable {
			continue
		}
		correct()
		next.do(`update pathway set started_at = now()`)
		if next.hears(); !next.p.Mailable() || slices.Contains(next.owed(), "address") {
			t.Errorf("%+v: after it was corrected: owed %v", row, next.owed())
		}
	}
}

// Mail to staff that comes back says nothing of the client's address.
// shows: mail-returned
func TestMailToStaffSaysNothingOfTheClientsAddress(t *testing.T) {
	t.Parallel()
	c := sentOut(t)
	c.do(`update mail set body = body || '{"staff": "t-lane", "kind": "urgent"}'`)
	c.told("e-1", pathway.MailBounced)
	if next := c.again("B2B2B2"); !next.p.Mailable() {
		t.Errorf("owed %v", next.owed())
	}
}

// Should a client have two open pathways, what one of them mails in vain the other does not mail either.
// shows: mail-returned, mail-corrected
func TestTheOtherPathwayHearsThatTheAddressTakesNoMail(t *testing.T) {
	t.Parallel()
	c := sentOut(t)
	ended, other := c.again("B2B2B2"), c.again("C3C3C3")
	ended.work()
	c.do(`update pathway set started_at = now()`)
	c.do(`update pathway set outcome = 'completed' where code = 'B2B2B2'`)
	mail := ask[string](c.house, `select id::text from mail where key = $1`, booked)
	var events []records.MailEvent
	for _, id := range []string{"e-1", "e-2"} {
		events = append(events, records.MailEvent{ID: id, Mail: mail, Event: pathway.MailBounced, At: monday()})
	}
	if _, err := c.store.TakeEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	c.weighs()
	codes, err := c.store.NewsToTell(t.Context())
	if err != nil || !slices.Equal(codes, []string{"C3C3C3", "K7Q2M9"}) {
		t.Errorf("told are %v, %v", codes, err)
	}
	if n := ask[int](c.house, `select count(*)::int from mail_event where event = 'returned'`); n != 1 {
		t.Errorf("the other pathway is told %d times", n)
	}
	c.p.AskAboutMail()
	c.work()
	other.p.AskAboutMail()
	other.work()
	if other.p.Mailable() || !slices.Contains(other.owed(), "address") || len(other.p.Calls) != 0 {
		t.Errorf("owed %v", other.owed())
	}
	if codes, err := c.store.CorrectAddress(t.Context(), "C3C3C3", "anna@other.example", "c-desk"); err != nil || !slices.Equal(codes, []string{"C3C3C3", "K7Q2M9"}) {
		t.Errorf("told are %v, %v", codes, err)
	}
	for _, p := range []*client{c, other} {
		p.p.AskAboutMail()
		if p.work(); !p.p.Mailable() {
			t.Errorf("%s: owed %v", p.p.Code, p.owed())
		}
	}
}

// While one process weighs what comes back, others enrol the client anew and correct the address: none waits for another in a circle,
// and no pathway is left to mail in vain.
// shows: mail-returned
func TestAnAddressIsLearnedOfWhileItsClientIsEnrolled(t *testing.T) {
	t.Parallel()
	c := sentOut(t)
	mail := ask[string](c.house, `select id::text from mail where key = $1`, booked)
	client := ask[string](c.house, `select id::text from client`)
	for round := range 15 {
		if _, err := c.store.TakeEvents(t.Context(), []records.MailEvent{{ID: string(rune('A' + round)), Mail: mail, Event: pathway.MailBounced, At: monday()}}); err != nil {
			t.Fatal(err)
		}
		known, err := c.store.Alike(t.Context(), anna())
		if err != nil {
			t.Fatal(err)
		}
		person := anna()
		person.ID = client
		code := string([]byte{'B', '2', 'B', '2', 'B', byte('A' + round)})
		var all sync.WaitGroup
		all.Go(func() {
			if _, _, err := c.store.WeighEvents(t.Context()); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := c.store.Enrol(t.Context(), person, enrolment(t, code), known...); err != nil {
				t.Error(err)
			}
		})
		if round%3 == 2 {
			all.Go(func() {
				if _, err := c.store.CorrectAddress(t.Context(), "K7Q2M9", "anna@client.example", "c-desk"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		knows := ask[bool](c.house, `select (select address_returned from client) = (
			coalesce((select event from mail_event where pathway = $1 and event in ('returned', 'corrected') order by number desc limit 1),
				case when (enrolment->>'address_returned')::boolean then 'returned' end, '') = 'returned') from pathway where code = $1`, code)
		if !knows {
			t.Errorf("round %d: the records and the new pathway differ about the address", round)
		}
		c.do(`update client set address_returned = false`)
		c.do(`update mail set address = (select address from client)`)
	}
}

// Each step tells once: the same step again brings the same news, and the next one none.
// shows: mail-events
func TestNewsIsToldWithOneStep(t *testing.T) {
	t.Parallel()
	c := sentOut(t)
	mail := ask[string](c.house, `select id::text from mail where key = $1`, booked)
	if _, err := c.store.TakeEvents(t.Context(), []records.MailEvent{{ID: "e-1", Mail: mail, Event: pathway.MailBounced, At: monday()}}); err != nil {
		t.Fatal(err)
	}
	c.weighs()
	step := c.next(pathway.Act{Do: pathway.HearDeed, Key: "hear/x"})
	for i := range 2 {
		if news := c.commit(step).Answer.Acts[0].News; len(news) != 1 || news[0].Event != pathway.MailBounced || news[0].Mail.Key != booked {
			t.Errorf("%d: told %+v", i, news)
		}
	}
	c.take(step)
	if news := c.take(c.next(pathway.Act{Do: pathway.HearDeed, Key: "hear/y"})).Acts[0].News; len(news) != 0 {
		t.Errorf("told again: %+v", news)
	}
	c.do(`update mail_event set unheard = true`)
	if err := c.store.HearsNoNews(t.Context(), "K7Q2M9"); err != nil {
		t.Fatal(err)
	}
	if n := c.unheardNews(); n != 1 {
		t.Error("an open pathway is given up")
	}
	c.do(`update pathway set outcome = 'completed'`)
	if err := c.store.HearsNoNews(t.Context(), "K7Q2M9"); err != nil {
		t.Fatal(err)
	}
	if n := c.unheardNews(); n != 0 {
		t.Error("an ended one is to be told")
	}
}

// Whoever could not be told is told again, and whoever was is not, before an hour has passed.
// shows: mail-events
func TestAPathwayIsNotToldWithoutEnd(t *testing.T) {
	t.Parallel()
	c := sentOut(t)
	mail := ask[string](c.house, `select id::text from mail where key = $1`, booked)
	if _, err := c.store.TakeEvents(t.Context(), []records.MailEvent{{ID: "e-1", Mail: mail, Event: pathway.MailBounced, At: monday()}}); err != nil {
		t.Fatal(err)
	}
	c.weighs()
	for i, row := range []struct {
		before func()
		told   int
	}{
		{func() { c.do(`update pathway set started_at = null`) }, 0}, // it hears as it begins
		{func() { c.do(`update pathway set started_at = now()`) }, 1},
		{func() {}, 0},
		{func() {
			if err := c.store.NotTold(t.Context(), "K7Q2M9"); err != nil {
				t.Fatal(err)
			}
		}, 1},
		{func() { c.do(`update mail_event set told_at = now() - interval '61 minutes'`) }, 1},
	} {
		row.before()
		if codes, err := c.store.NewsToTell(t.Context()); err != nil || len(codes) != row.told {
			t.Errorf("%d: told %v, %v, expected %d", i, codes, err, row.told)
		}
	}
}

// A mail to staff that does not arrive is told to whoever runs kap; of one that cannot wait the pathway hears, too.
// shows: mail-returned
func TestAMailToStaffThatCameBack(t *testing.T) {
	t.Parallel()
	for kind, heard := range map[pathway.MailKind]bool{pathway.NudgeMail: false, pathway.DigestMail: false, pathway.UrgentMail: true, pathway.NewsMail: true} {
		c := sentOut(t)
		c.do(`update mail set body = body || jsonb_build_object('kind', $1::text, 'staff', 't-lane')`, kind)
		mail := ask[string](c.house, `select id::text from mail where key = $1`, booked)
		if _, err := c.store.TakeEvents(t.Context(), []records.MailEvent{{ID: "e-1", Mail: mail, Event: pathway.MailBounced, At: monday()}}); err != nil {
			t.Fatal(err)
		}
		if _, staff := c.weighs(); len(staff) != 1 || staff[0].Mail != mail {
			t.Errorf("%s: of staff: %v", kind, staff)
		}
		c.hears()
		if owed := slices.Contains(c.owed(), "call/staff/t-lane"); owed != heard || !c.p.Mailable() {
			t.Errorf("%s: owed %v, mailable %v", kind, c.owed(), c.p.Mailable())
		}
	}
}
