package records

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
)

// ErrMailPaused says that no mail goes out since the records were restored, until somebody resumes it.
var ErrMailPaused = errors.New("mail is paused since the records were restored, until starter resume-mail")

// Restored is one time that the records were restored from a backup.
type Restored struct {
	ID      string     `json:"id"`
	To      time.Time  `json:"to"`      // what happened after it is lost
	At      time.Time  `json:"at"`      // when that was marked: mail is paused since
	Command string     `json:"command"` // by which
	Resumed *time.Time `json:"resumed,omitempty"`
}

const restoredColumns = `id, restored_to, restored_at, command, resumed_at`

// mailPaused is the condition, in SQL, under which no mail goes out.
const mailPaused = `exists (select from restored where resumed_at is null)`

// MarkRestored says that the records are those of a moment, and that what happened after it is lost. In the same instant mail is
// paused, and what had not gone out becomes unknown: it may have gone out since. Each pathway hears of it with its next step. Where
// mail is paused for a restore to the same moment already, nothing changes and that one comes back; one to another moment takes the
// place of the last, whose pathways may not have heard.
//
// It has to be called before any worker is started on the restored cluster.
func (s *Store) MarkRestored(ctx context.Context, to time.Time, command string) (r Restored, fresh bool, err error) {
	err = s.inTransaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `lock table restored in share row exclusive mode`); err != nil { // two at once would mark it twice
			return err
		}
		r, err = oneRestored(tx.Query(ctx, `select `+restoredColumns+` from restored where resumed_at is null and restored_to = $1`, to))
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		fresh = true
		if _, err := tx.Exec(ctx, `update restored set resumed_at = now() where resumed_at is null`); err != nil {
			return err
		}
		if r, err = oneRestored(tx.Query(ctx, `insert into restored (restored_to, command) values ($1, $2) returning `+restoredColumns, to, command)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update mail set status = 'unknown', settled_at = now(), claimed_until = null where status in ('pending', 'claimed')`); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update pathway set unheard = $1`, r.ID)
		return err
	})
	return r, fresh, err
}

// MailPaused is the restore for which mail is paused, nil while it goes out.
func (s *Store) MailPaused(ctx context.Context) (*Restored, error) {
	r, err := oneRestored(s.pool.Query(ctx, `select `+restoredColumns+` from restored where resumed_at is null`))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &r, err
}

// ResumeMail lets mail go out again. It returns the restore for which it was paused, nil where it was not.
func (s *Store) ResumeMail(ctx context.Context) (*Restored, error) {
	r, err := oneRestored(s.pool.Query(ctx, `update restored set resumed_at = now() where resumed_at is null returning `+restoredColumns))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &r, err
}

func oneRestored(rows pgx.Rows, err error) (Restored, error) {
	if err != nil {
		return Restored{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Restored])
}

// Unheard is a pathway that has yet to hear of a restore.
type Unheard struct{ Code, Restore string }

// Unheard lists the pathways that have yet to hear of a restore, those that wait for a workflow left out: they hear as they begin.
func (s *Store) Unheard(ctx context.Context) ([]Unheard, error) {
	return collect[Unheard](ctx, s.pool, `select code, unheard from pathway where unheard is not null and started_at is not null order by code`)
}

// NeverHears notes that an ended pathway is not told of a restore: its workflow has completed.
func (s *Store) NeverHears(ctx context.Context, code string) error {
	_, err := s.pool.Exec(ctx, `update pathway set unheard = null where code = $1 and outcome > ''`, code)
	return err
}

// unheard is the restore of which a pathway hears with this step, or nil.
func unheard(id *string, to *time.Time) *pathway.Restore {
	if id == nil || to == nil {
		return nil
	}
	return &pathway.Restore{ID: *id, To: to.UTC()}
}
