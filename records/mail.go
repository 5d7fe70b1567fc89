package records

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
)

// Claimed is a mail that this process, and no other, may send until its lease ends. A digest brings along the digests that
// other pathways have for the same member of staff: one mail goes out for all of them.
type Claimed struct {
	ID      string // opaque, for SendGrid
	Claim   string
	Mail    pathway.Mail
	To      Person    // the client; nobody where the mail is for staff
	Zone    string    // the client's
	Waiting []Waiting // where the mail is for staff: what it speaks of, the longest waiting first
	Probe   bool      // mail is held, and this is the one with which it is tried whether that is over

	code string // of the pathway
}

// Waiting is one pathway of which a member of staff hears.
type Waiting struct {
	Code  string
	Since time.Time
}

// Claim takes a mail from the outbox for sending, for as long as lease says. Where it cannot be claimed, the status says
// why: it was sent or withdrawn, nobody knows (a claim ran out), or another claim is still running. It returns [ErrMailPaused] for
// one that could go out, and does not because the records were restored, and a [*MailHeldError] where the mail service takes none.
func (s *Store) Claim(ctx context.Context, code, key string, lease time.Duration) (Claimed, pathway.MailStatus, error) {
	var c Claimed
	err := s.inTransaction(ctx, func(tx pgx.Tx) (err error) {
		c, err = claim(ctx, tx, code, key, lease)
		return err
	})
	if err == nil {
		return c, pathway.ClaimedMail, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return Claimed{}, "", err
	}
	var status pathway.MailStatus
	var paused bool
	err = s.pool.QueryRow(ctx, `
		update mail set status = case when status = 'claimed' and claimed_until < now() then 'unknown' else status end
		where pathway = $1 and key = $2 returning status, `+mailPaused, code, key).Scan(&status, &paused)
	if err == nil && status == pathway.PendingMail {
		if paused {
			return Claimed{}, status, ErrMailPaused
		}
		held, err := heldFor(ctx, s.pool)
		if err != nil {
			return Claimed{}, "", err
		}
		if held != nil {
			return Claimed{}, status, held
		}
	}
	return Claimed{}, status, missing(err, "mail %s of pathway %s", key, code)
}

func claim(ctx context.Context, tx pgx.Tx, code, key string, lease time.Duration) (Claimed, error) {
	after, err := standing(ctx, tx, code, key)
	if err != nil {
		return Claimed{}, err
	}
	// The digests of one person one after the other: of two that are claimed at once, each would leave the other out.
	_, err = tx.Exec(ctx, `
		select pg_advisory_xact_lock(hashtextextended('digest ' || (body->>'staff'), 0)) from mail
		where pathway = $1 and key = $2 and status = 'pending' and body->>'kind' = 'staff-digest'`, code, key)
	if err != nil {
		return Claimed{}, err
	}
	c := Claimed{code: code}
	until, err := c.scan(tx.QueryRow(ctx, claiming(mailHeld), code, key, lease, after))
	if err != nil {
		return c, err
	}
	if c.Probe {
		if err := probe(ctx, tx); err != nil {
			return c, err
		}
	}
	switch {
	case c.Mail.Staff == "":
		return c, c.reader(tx.QueryRow(ctx, mailReader, code))
	case c.Mail.Kind == pathway.DigestMail:
		if c.Waiting, err = sweep(ctx, tx, c, until); err != nil {
			return c, err
		}
	}
	c.Waiting = longestFirst(append(c.Waiting, Waiting{code, c.Mail.Since}))
	return c, nil
}

// claiming claims a mail of the outbox unless something speaks against it.
func claiming(unless string) string {
	return `
		update mail m set status = 'claimed', claim = gen_random_uuid(), claimed_until = clock_timestamp() + $3, attempts = attempts + 1, claimed_after = $4,
			address = (select c.address from pathway p join client c on c.id = p.client where p.code = $1)
		where pathway = $1 and key = $2 and status = 'pending' and not ` + mailPaused + ` and not (` + unless + `)
		returning id, claim, claimed_until, body, exists (select from mail_held)`
}

func (c *Claimed) scan(row pgx.Row) (until time.Time, err error) {
	var body []byte
	if err := row.Scan(&c.ID, &c.Claim, &until, &body, &c.Probe); err != nil {
		return until, err
	}
	return until, json.Unmarshal(body, &c.Mail)
}

const mailReader = `
	select c.id, c.given_name, c.family_name, c.email, c.phone, p.enrolment->>'zone'
	from pathway p join client c on c.id = p.client where p.code = $1`

func (c *Claimed) reader(row pgx.Row) error {
	err := row.Scan(&c.To.ID, &c.To.GivenName, &c.To.FamilyName, &c.To.Email, &c.To.Phone, &c.Zone)
	c.Zone = cmp.Or(c.Mail.Zone, c.Zone) // the client may live elsewhere by now
	return err
}

// claimWritten claims what a pathway that has just been written, and is still locked, lets go to its client at a moment. While mail is
// held it leaves all to [Store.Claim], which knows who is to try. It says whether there is anything to claim.
func claimWritten(b *pgx.Batch, p *pathway.Pathway, at time.Time, lease time.Duration, claimed *[]Claimed) bool {
	if at.IsZero() || len(p.Outbox) == 0 {
		return false
	}
	if next, _ := p.Due(at); next != nil {
		return false
	}
	mails := slices.DeleteFunc(p.Sendable(at), func(m pathway.Mail) bool { return m.Staff != "" })
	if len(mails) == 0 {
		return false
	}
	client := Claimed{code: p.Code}
	b.Queue(mailReader, p.Code).QueryRow(client.reader)
	for _, m := range mails {
		b.Queue(claiming(`exists (select from mail_held) or not (`+mailStands+`)`), p.Code, m.Key, lease, p.Steps).QueryRow(func(row pgx.Row) error {
			c := client
			_, err := c.scan(row)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			c.Zone = cmp.Or(c.Mail.Zone, c.Zone)
			*claimed = append(*claimed, c)
			return err
		})
	}
	return true
}

// standing looks, under the lock under which steps are written, whether what a client's mail says still stands and mail still goes to them, and which step was
// written last. Between the step that moves or cancels a session and the one that takes its mails back, they stay pending: no
// reminder goes out for a time that no longer holds. It returns [pgx.ErrNoRows] for such a mail.
func standing(ctx context.Context, tx pgx.Tx, code, key string) (after int, err error) {
	var staff bool
	err = tx.QueryRow(ctx, `select body->>'staff' is not null from mail where pathway = $1 and key = $2`, code, key).Scan(&staff)
	if err != nil || staff {
		return 0, err
	}
	if _, after, err = lockChain(ctx, tx, code); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `
		select true from mail m where pathway = $1 and key = $2 and `+mailStands, code, key).Scan(&staff)
	return after, err
}

const mailStands = `(select mailing from pathway p where p.code = m.pathway) and (m.body->>'kind' = 'cancelled' or not exists (
	select from appointment a where a.pathway = m.pathway and a.name = m.body->>'session'
	and (a.revision <> coalesce((m.body->>'revision')::int, 0) or a.state in ('cancelled', 'cancelled-late'))))`

// sweep claims the other digests that wait for the same person. It passes over those that another transaction is about to
// change, so that nobody ever waits while holding one; they go out on their own. What is due is measured by the mails' own
// moments, never by a clock: pathways need not live in the same time.
func sweep(ctx context.Context, tx pgx.Tx, c Claimed, until time.Time) ([]Waiting, error) {
	rows, err := tx.Query(ctx, `
		with others as (
			select m.id from mail m join mail own on own.id = $1
			where m.status = 'pending' and m.body->>'kind' = 'staff-digest' and m.body->>'staff' = own.body->>'staff'
			  and coalesce(m.body->>'from', '-infinity')::timestamptz <= coalesce(own.body->>'from', '-infinity')::timestamptz
			for update of m skip locked)
		update mail m set status = 'claimed', claim = $2, claimed_until = $3, attempts = attempts + 1
		from others o where m.id = o.id returning m.pathway, m.body`, c.ID, c.Claim, until)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Waiting, error) {
		var w Waiting
		var body []byte
		if err := row.Scan(&w.Code, &body); err != nil {
			return w, err
		}
		var m pathway.Mail
		err := json.Unmarshal(body, &m)
		w.Since = m.Since
		return w, err
	})
}

// longestFirst names each pathway once: it may have a digest of yesterday that has not gone out.
func longestFirst(all []Waiting) []Waiting {
	slices.SortFunc(all, func(a, b Waiting) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Code, b.Code)) })
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(w Waiting) bool {
		again := seen[w.Code]
		seen[w.Code] = true
		return again
	})
}

// SettleMail says what became of a claimed mail, and of all that was claimed with it. A mail that went back to pending may
// be claimed again, unless it was withdrawn meanwhile. It does nothing where the claim is no longer this process's own; and one
// that is to go out again, because nobody knew, does not where its claim turns out to have sent it.
//
// A mail to the client that went out, at that moment on the pathway's clock, is an entry of the journal.
func (s *Store) SettleMail(ctx context.Context, c Claimed, status pathway.MailStatus, at time.Time) error {
	return s.inTransaction(ctx, func(tx pgx.Tx) error {
		if c.Mail.Staff != "" || status != pathway.SentMail {
			return settle(ctx, tx, c, status)
		}
		// All in one message to PostgreSQL, and the entry in a second: in a burst each mail of each client comes by here.
		b := &pgx.Batch{}
		end, last := chain{pathway: c.code}, 0
		b.Queue(chainEnd, c.code).QueryRow(func(row pgx.Row) error { return end.scan(row, &last) })
		var after *int
		b.Queue(`select claimed_after from mail where claim = $1 and status in ('claimed', 'unknown', 'pending') for update`, c.Claim).QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&after); !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			return nil // the claim is another's by now
		})
		b.Queue(settling, c.Claim, status)
		if err := tx.SendBatch(ctx, b).Close(); err != nil || after == nil {
			return err
		}
		return end.sent(ctx, tx, last, pathway.SentEntry(c.Mail, at, *after))
	})
}

// GiveBack returns to the outbox a claimed mail that nobody has tried to send.
func (s *Store) GiveBack(ctx context.Context, c Claimed) error {
	return s.inTransaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `update mail set attempts = attempts - 1 where claim = $1 and status = 'claimed'`, c.Claim); err != nil {
			return err
		}
		return settle(ctx, tx, c, pathway.PendingMail)
	})
}

func settle(ctx context.Context, tx pgx.Tx, c Claimed, status pathway.MailStatus) error {
	_, err := tx.Exec(ctx, settling, c.Claim, status)
	return err
}

const settling = `
	with own as (select id from mail where claim = $1 and status in ('claimed', 'unknown', 'pending') and (status <> 'pending' or $2 = 'sent') order by id for update)
	update mail m set
		status = case when $2 = 'pending' and taken_back then 'withdrawn' else $2 end,
		settled_at = case when $2 = 'pending' and not taken_back then null else now() end,
		claimed_until = null
	from own where m.id = own.id`
