package records

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
)

// Books are all that the records hold of one pathway, as of one moment, for whoever compares it: nothing in it names the client.
type Books struct {
	AsOf         time.Time // that moment, on PostgreSQL's clock
	Code         string
	Enrolment    pathway.Enrolment
	Started      bool
	LastStep     int
	LastDigest   string
	Phase        string
	Outcome      string
	DosingDone   int
	NextSession  *time.Time
	Therapist    string
	Prescriber   string
	Number       int    // of the journal's last entry, as the pathway's row says
	Hash         string // and its hash
	Journal      []ChainedLine
	Steps        []StepLine
	Appointments []AppointmentLine
	Mails        []BookedMail
	Tasks        []string // the keys of the open ones
}

// StepLine is a step as it was written: its digest was taken of the text.
type StepLine struct {
	Number int
	Digest string
	Body   string
}

// AppointmentLine is one appointment of the calendar.
type AppointmentLine struct {
	Name, Kind string
	Therapist  string
	Start, End time.Time
	Revision   int
	State      string
}

// BookedMail is one mail to the client.
type BookedMail struct {
	Key, Status string
	Kept        bool // since it was claimed, the journal tells of its going out
}

// Books reads them in one snapshot, so that nothing differs only because it was written meanwhile. It returns [ErrNotFound] for an
// unknown code.
func (s *Store) Books(ctx context.Context, code string) (Books, error) {
	var b Books
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		b, err = books(ctx, tx, code)
		return err
	})
	return b, err
}

func books(ctx context.Context, tx pgx.Tx, code string) (b Books, err error) {
	var enrolment []byte
	err = tx.QueryRow(ctx, `select now(), code, enrolment, started_at is not null, last_step, last_digest, phase, outcome, dosing_done, next_session, therapist, prescriber, journal_number, journal_hash
		from pathway where code = $1`, code).
		Scan(&b.AsOf, &b.Code, &enrolment, &b.Started, &b.LastStep, &b.LastDigest, &b.Phase, &b.Outcome, &b.DosingDone, &b.NextSession, &b.Therapist, &b.Prescriber, &b.Number, &b.Hash)
	if err != nil {
		return b, missing(err, "pathway %s", code)
	}
	if err = json.Unmarshal(enrolment, &b.Enrolment); err != nil {
		return b, err
	}
	if b.Journal, err = collect[ChainedLine](ctx, tx, `select pathway, coalesce(number, 0), coalesce(hash, ''), step, kind, name, by, message_id, at, recorded, code, text, message::text, fact::text
		from journal where pathway = $1 order by id`, code); err != nil {
		return b, err
	}
	if b.Steps, err = collect[StepLine](ctx, tx, `select number, digest, body::text from step where pathway = $1 order by number`, code); err != nil {
		return b, err
	}
	if b.Appointments, err = collect[AppointmentLine](ctx, tx, `select name, kind, therapist, lower(during), upper(during), revision, state from appointment where pathway = $1 order by name`, code); err != nil {
		return b, err
	}
	if b.Mails, err = collect[BookedMail](ctx, tx, `select key, status, claimed_after is not null from mail where pathway = $1 and body->>'staff' is null order by key`, code); err != nil {
		return b, err
	}
	rows, err := tx.Query(ctx, `select key from task where pathway = $1 order by key`, code)
	if err != nil {
		return b, err
	}
	b.Tasks, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return b, err
}

// Codes lists every pathway, the oldest first.
func (s *Store) Codes(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, `select code from pathway order by enrolled_at, code`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
