package records

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
)

// Numbers are what the records come to at a moment: coded values, and how often each occurs. They name no client, no pathway
// and no member of staff.
type Numbers struct {
	Open       []PathwayCount // pathways under way
	Stalled    int            // of them
	NotStarted int            // enrolled, but without a workflow
	Ended      []EndedCount
	Tasks      []TaskCount
	Mails      []MailCount // without those that were sent or taken back
	MailSince  *time.Time  // since when the mail that waits longest could have gone out
	Refusals   []RefusalCount
	Paused     bool  // mail, since a restore
	Held       *Held // mail, because the mail service takes none
	Returned   []ReturnedCount
}

// PathwayCount is how many pathways are in one phase and need one kind of attention.
type PathwayCount struct {
	Phase     pathway.Phase
	Attention pathway.Attention
	N         int
}

// EndedCount is how many pathways have ever ended in one way.
type EndedCount struct {
	Outcome pathway.Outcome
	N       int
}

// TaskCount is how many tasks wait for one role, and how many of them are overdue. One that waits for two counts for each.
type TaskCount struct {
	Role       pathway.Role
	Urgent     bool
	N, Overdue int
}

// MailCount is how many mails have one status.
type MailCount struct {
	Status pathway.MailStatus
	N      int
}

// RefusalCount is how many messages of one name were ever refused for one reason.
type RefusalCount struct {
	Message string
	Code    pathway.RefusalCode
	N       int
}

// ReturnedCount is how many mails did not reach clients, or staff, by what the mail service said in the last day.
type ReturnedCount struct {
	Staff bool
	N     int
}

// Numbers counts, all as of one moment. What grows over the years is counted from an index.
func (s *Store) Numbers(ctx context.Context, now time.Time) (Numbers, error) {
	var n Numbers
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) error {
		err := n.countOpen(ctx, tx, now)
		if err != nil {
			return err
		}
		// An index can look up what is greater than nothing, and not what differs from it.
		if n.Ended, err = collect[EndedCount](ctx, tx, `select outcome, count(*) from pathway where outcome > '' group by 1 order by 1`); err != nil {
			return err
		}
		// A pathway on a clock of its own is overdue on that one.
		if n.Tasks, err = collect[TaskCount](ctx, tx, `
			select role, urgent, count(*), count(*) filter (where due <= greatest($1, (select as_of from pathway where code = t.pathway)))
			from task t, unnest(who) role group by 1, 2 order by 1, 2`, now); err != nil {
			return err
		}
		if n.Mails, err = collect[MailCount](ctx, tx, `select status, count(*) from mail where status not in ('sent', 'withdrawn') group by 1 order by 1`); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			select min(since) from (select greatest(created_at, (body->>'from')::timestamptz) since from mail where status = 'pending') waiting
			where since <= $1`, now).Scan(&n.MailSince)
		if err != nil {
			return err
		}
		if err = tx.QueryRow(ctx, `select `+mailPaused).Scan(&n.Paused); err != nil {
			return err
		}
		if n.Returned, err = collect[ReturnedCount](ctx, tx, `
			select m.body->>'staff' is not null, count(distinct e.mail) from mail_event e join mail m on m.id = e.mail
			where e.event in ('bounced', 'blocked', 'dropped') and e.received_at > $1::timestamptz - interval '1 day' group by 1 order by 1`, now); err != nil {
			return err
		}
		if n.Held, err = oneHeld(tx.Query(ctx, selectHeld)); err != nil {
			return err
		}
		n.Refusals, err = collect[RefusalCount](ctx, tx, `select name, code, count(*) from journal where kind = 'rejected' group by 1, 2 order by 1, 2`)
		return err
	})
	return n, err
}

// countOpen looks at each pathway under way, so that whether it has stalled is judged as everywhere else.
func (n *Numbers) countOpen(ctx context.Context, tx pgx.Tx, now time.Time) error {
	type line struct {
		Phase          pathway.Phase
		Attention      pathway.Attention
		Started        bool
		AsOf, NextWake *time.Time
	}
	open, err := collect[line](ctx, tx, `select phase, attention, started_at is not null, as_of, next_wake from pathway where outcome = '' order by 1, 2`)
	for _, l := range open {
		if !l.Started {
			n.NotStarted++
			continue
		}
		if pathway.Feel(now, l.AsOf, l.NextWake) == pathway.Stalled {
			n.Stalled++
		}
		last := len(n.Open) - 1
		if last < 0 || n.Open[last].Phase != l.Phase || n.Open[last].Attention != l.Attention {
			n.Open = append(n.Open, PathwayCount{Phase: l.Phase, Attention: l.Attention})
			last++
		}
		n.Open[last].N++
	}
	return err
}
