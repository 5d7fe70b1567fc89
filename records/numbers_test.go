package records_test

import (
	"slices"
	"testing"
	"time"

	"kap/pathway"
	"kap/records"
)

func (h *house) numbers(now time.Time) records.Numbers {
	h.t.Helper()
	n, err := h.store.Numbers(h.t.Context(), now)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func same[T comparable](t *testing.T, what string, found []T, want ...T) {
	t.Helper()
	if !slices.Equal(found, want) {
		t.Errorf("%s: found %+v, expected %+v", what, found, want)
	}
}

// started are clients whose workflow runs, each with the first step written.
func (h *house) started(codes ...string) []*client {
	h.t.Helper()
	var all []*client
	for i, code := range codes {
		c := h.enrol(code, somebody(i))
		if err := h.store.Started(h.t.Context(), code); err != nil {
			h.t.Fatal(err)
		}
		c.work()
		all = append(all, c)
	}
	return all
}

func TestThePracticeInNumbers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	all := h.started("C3C3C3", "D4D4D4", "F6F6F6")
	h.enrol("B2B2B2", somebody(9))
	for range 2 {
		if _, err := all[0].p.Record("measure", []byte(`{"by": "t-lane", "scale": "phq-9", "totl": 14}`), all[0].now); err == nil {
			t.Fatal("a misspelt message was taken")
		}
	}
	all[0].must("hold", `{"by": "t-lane", "cause": "crisis", "reason": "seen today"}`)
	all[1].screen()
	h.do(`update pathway set outcome = 'completed', phase = 'ended' where code = 'F6F6F6'`)
	h.do(`delete from task where pathway = 'F6F6F6'`)

	n := h.numbers(monday().Add(time.Minute))
	same(t, "open", n.Open, records.PathwayCount{Phase: pathway.InPreparation, Attention: pathway.NoAttention, N: 1}, records.PathwayCount{Phase: pathway.Screening, Attention: pathway.UrgentAttention, N: 1})
	same(t, "ended", n.Ended, records.EndedCount{Outcome: pathway.Completed, N: 1})
	same(t, "refusals", n.Refusals, records.RefusalCount{Message: "measure", Code: pathway.UnknownField, N: 2})
	if n.NotStarted != 1 || n.Stalled != 0 {
		t.Errorf("%d have not started and %d have stalled, expected 1 and none", n.NotStarted, n.Stalled)
	}
	tasks := func(now time.Time, role pathway.Role, urgent bool) records.TaskCount {
		tasks := h.numbers(now).Tasks
		if i := slices.IndexFunc(tasks, func(c records.TaskCount) bool { return c.Role == role && c.Urgent == urgent }); i >= 0 {
			return tasks[i]
		}
		return records.TaskCount{}
	}
	if c := tasks(monday(), pathway.Therapist, true); c.N != 1 || c.Overdue != 1 {
		t.Errorf("a crisis waits for the therapist at once; found %+v", c)
	}
	if c := tasks(monday(), pathway.Prescriber, false); c.N != 1 || c.Overdue != 0 {
		t.Errorf("one clearance is not due yet; found %+v", c)
	}
	if c := tasks(monday().AddDate(0, 1, 0), pathway.Prescriber, false); c.N != 1 || c.Overdue != 1 {
		t.Errorf("a month later it is; found %+v", c)
	}
}

func TestAStalledPathwayIsCounted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	now := monday()
	h.started("C3C3C3", "D4D4D4", "F6F6F6", "G7G7G7")
	for code, set := range map[string]string{
		"C3C3C3": `next_wake = $2::timestamptz - interval '11 minutes'`,
		"D4D4D4": `next_wake = $2::timestamptz - interval '9 minutes'`,
		"F6F6F6": `next_wake = $2::timestamptz - interval '11 minutes', outcome = 'lapsed'`,
		"G7G7G7": `next_wake = $2::timestamptz - interval '11 minutes', as_of = $2::timestamptz + interval '30 days'`,
	} {
		h.do(`update pathway set `+set+` where code = $1`, code, now)
	}
	if n := h.numbers(now); n.Stalled != 1 {
		t.Errorf("%d have stalled, expected one: of the others one is on its way, one has ended, and one has a clock of its own", n.Stalled)
	}
}

func TestMailsInNumbers(t *testing.T) {
	t.Parallel()
	c := outbox(t)
	now := ask[time.Time](c.house, `select now()`)
	written := func(ago time.Duration, status, from string) {
		c.do(`insert into mail (pathway, key, body, status, created_at) values ('K7Q2M9', gen_random_uuid()::text, $1, $2, $3)`, from, status, now.Add(-ago))
	}
	c.do(`delete from mail`)
	c.do(`with m as (insert into mail (pathway, key, body, status) values ('K7Q2M9', 'a', '{}', 'sent'), ('K7Q2M9', 'b', '{"staff": "t-lane"}', 'sent'), ('K7Q2M9', 'c', '{"staff": "t-lane"}', 'sent') returning id, key)
		insert into mail_event (id, pathway, mail, event, at, received_at) select key || n, 'K7Q2M9', m.id, case n when 3 then 'delivered' else 'bounced' end, now(), now() - case key when 'c' then interval '2 days' else interval '0' end
		from m, generate_series(1, 3) n`)
	if n := c.numbers(now.Add(time.Minute)); len(n.Returned) != 2 || n.Returned[0] != (records.ReturnedCount{N: 1}) || n.Returned[1] != (records.ReturnedCount{Staff: true, N: 1}) {
		t.Errorf("returned are %+v", n.Returned)
	}
	c.do(`delete from mail_event`)
	c.do(`delete from mail`)
	if n := c.numbers(now); len(n.Mails) != 0 || n.MailSince != nil {
		t.Errorf("without a mail: found %+v since %v", n.Mails, n.MailSince)
	}
	for _, status := range []string{"sent", "withdrawn", "unknown", "unknown", "rejected"} {
		written(time.Hour, status, `{}`)
	}
	written(8*time.Hour, "pending", `{"from": "`+now.Add(time.Hour).UTC().Format(time.RFC3339)+`"}`) // it waits for the morning
	if n := c.numbers(now); n.MailSince != nil {
		t.Errorf("a mail for the morning waits since %s", n.MailSince)
	}
	written(9*time.Hour, "pending", `{"from": "`+now.Add(-3*time.Minute).UTC().Format(time.RFC3339)+`"}`)
	written(time.Minute, "pending", `{}`)
	n := c.numbers(now)
	same(t, "mails", n.Mails, records.MailCount{Status: pathway.PendingMail, N: 3}, records.MailCount{Status: pathway.RejectedMail, N: 1}, records.MailCount{Status: pathway.UnknownMail, N: 2})
	if n.MailSince == nil || now.Sub(*n.MailSince).Round(time.Minute) != 3*time.Minute {
		t.Errorf("the one that waits longest could have gone out at %v, expected 3 minutes before %s", n.MailSince, now)
	}
}

// Years of a large practice: what is counted is a small part of what was ever written.
func TestNoTableThatGrowsIsReadInFull(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.enrol("K7Q2M9", anna())
	h.do(`insert into pathway (code, client, enrolment, enrolled_at, therapist, prescriber, outcome, started_at)
		select 'X' || n, client, enrolment, enrolled_at, therapist, prescriber, 'completed', now() from pathway, generate_series(1, 5000) n`)
	h.do(`insert into mail (pathway, key, body, status) select 'K7Q2M9', n::text, '{}', 'sent' from generate_series(1, 20000) n`)
	h.do(`insert into journal (pathway, step, kind, name, at, recorded, text) select 'K7Q2M9', 1, 'taken', 'refresh', now(), now(), '' from generate_series(1, 20000) n`)
	for range 100 { // what another session may still see is left out
		h.do(`vacuum analyze`)
		if ask[bool](h, `select bool_and(relallvisible > relpages / 2) from pg_class where relname in ('pathway', 'mail', 'journal')`) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	read := func() string {
		return ask[string](h, `select string_agg(relname || ' ' || seq_scan, ', ' order by relname) from pg_stat_user_tables where relname in ('pathway', 'mail', 'journal', 'step', 'appointment', 'client')`)
	}
	h.store.Close() // a session says what it has read at its end
	time.Sleep(time.Second)
	before := read()
	store := h.another()
	if n, err := store.Numbers(t.Context(), monday()); err != nil || n.NotStarted != 1 || n.Ended[0].N != 5000 {
		t.Fatalf("found %+v, %v", n, err)
	}
	store.Close()
	time.Sleep(time.Second)
	if after := read(); after != before {
		t.Errorf("tables were read in full: found %s, expected %s", after, before)
	}
}
