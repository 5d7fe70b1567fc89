package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// HoldReason is why no delivery asks the mail service.
type HoldReason string

// The reasons.
const (
	TooMany HoldReason = "too-many" // it says that it is asked too often, and for how long it is to be left alone
	BadKey  HoldReason = "key"      // it does not accept the key: a person has to mend that
	Away    HoldReason = "away"     // it is not reached, or takes mails without an answer
)

// HoldReasons lists them all.
func HoldReasons() []HoldReason { return []HoldReason{TooMany, BadKey, Away} }

// Held is why mail is held, since when, and until when nobody asks the mail service.
type Held struct {
	Why    HoldReason
	Status int // what the mail service answered; 0: nothing
	Since  time.Time
	Until  time.Time
}

// MailHeldError says that a mail could go out, and does not because the mail service takes none for now.
type MailHeldError struct {
	Why  HoldReason
	Wait time.Duration // until it is worth to look again
}

func (e *MailHeldError) Error() string {
	return fmt.Sprintf("mail is held (%s): the mail service takes none for now", e.Why)
}

const selectHeld = `select why, status, since, until from mail_held`

// probing bounds one try at a mail while the others wait: longer than a request to the mail service may take.
const probing = 30 * time.Second

// mailHeld is the condition, in SQL, under which no delivery asks the mail service.
const mailHeld = `exists (select from mail_held where greatest(until, probed_until) > clock_timestamp())`

// HoldMail keeps every delivery, of whatever process, from asking the mail service for a while. It says whether that is news: mail
// was not held, or for another reason.
//
// Where the mail service does not say how long, wait is 0: it is left alone for a few seconds, and for longer each time in a row,
// up to a minute.
func (s *Store) HoldMail(ctx context.Context, why HoldReason, status int, wait time.Duration) (fresh bool, err error) {
	err = s.inTransaction(ctx, func(tx pgx.Tx) error {
		var before HoldReason
		var times int
		var standing bool
		err := tx.QueryRow(ctx, `select why, times, until > clock_timestamp() from mail_held for update`).Scan(&before, &times, &standing)
		if errors.Is(err, pgx.ErrNoRows) {
			tag, err := tx.Exec(ctx, `insert into mail_held (why, status, until) values ($1, $2, clock_timestamp() + $3::interval) on conflict do nothing`, why, status, holdFor(wait, 1))
			fresh = err == nil && tag.RowsAffected() > 0 // or another has just done so
			return err
		}
		if err != nil {
			return err
		}
		fresh = before != why
		switch {
		case fresh:
			times = 1
		case !standing: // else it is one of those that were under way together
			times++
		}
		_, err = tx.Exec(ctx, `
			update mail_held set why = $1, status = $2, times = $4, probed_until = null, since = case when why = $1 then since else now() end,
				until = greatest(until, clock_timestamp() + $3::interval)`, why, status, holdFor(wait, times), times)
		return err
	})
	return fresh, err
}

// holdFor is how long the mail service is left alone.
func holdFor(wait time.Duration, times int) time.Duration {
	if wait > 0 {
		return wait
	}
	return min(leastHold<<min(times-1, 4), mostHold)
}

const leastHold, mostHold = 5 * time.Second, time.Minute

// LetMailGo ends a hold. It returns what was held, nil where nothing was.
func (s *Store) LetMailGo(ctx context.Context) (*Held, error) {
	return oneHeld(s.pool.Query(ctx, `delete from mail_held returning why, status, since, until`))
}

// MailHeld is why mail is held, nil while it goes out.
func (s *Store) MailHeld(ctx context.Context) (*Held, error) {
	return oneHeld(s.pool.Query(ctx, selectHeld))
}

func oneHeld(rows pgx.Rows, err error) (*Held, error) {
	if err != nil {
		return nil, err
	}
	h, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Held])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &h, err
}

// probe takes the one try that is made when a hold is over. It returns a [*MailHeldError] where another has taken it.
func probe(ctx context.Context, tx pgx.Tx) error {
	tag, err := tx.Exec(ctx, `update mail_held set probed_until = clock_timestamp() + $1::interval where greatest(until, probed_until) <= clock_timestamp()`, probing)
	if err != nil || tag.RowsAffected() > 0 {
		return err
	}
	held, err := heldFor(ctx, tx)
	switch {
	case err != nil:
		return err
	case held == nil: // let go at this very moment
		return &MailHeldError{Why: Away}
	}
	return held
}

type rowQuerier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func heldFor(ctx context.Context, q rowQuerier) (*MailHeldError, error) {
	var held MailHeldError
	err := q.QueryRow(ctx, `select why, greatest(until, probed_until) - clock_timestamp() from mail_held`).Scan(&held.Why, &held.Wait)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	held.Wait = max(held.Wait, 0)
	return &held, nil
}
