package records

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
)

// Committed is what the records say to a step. Step is the one that stands at its number: another than was asked for when a
// run that was reset, or killed before it heard the answer, had written there first.
type Committed struct {
	Step   pathway.Step   `json:"step"`
	Answer pathway.Answer `json:"answer"`
	Last   int            `json:"last"` // the number of the last step that is written
}

// Commit writes a step once: journal, calendar, outbox and read model together. The same step again gets the old answer.
// Where another stands at its number, nothing is written and that one comes back. Where the records have lost the steps
// before it, they are written anew from the pathway and the answer says so. It returns [ErrNotFound] for a pathway that
// was never enrolled. Where the records were restored since the last step, the answer says so, and none of the acts is done.
//
// p is the pathway as it was when the step was made, and stays so. form is the practice's consent form, which a pathway
// that has an older one hears of with the answer.
func (s *Store) Commit(ctx context.Context, calendar pathway.Calendar, form pathway.ConsentDocument, p *pathway.Pathway, step pathway.Step) (Committed, error) {
	out, _, err := s.CommitAndClaim(ctx, calendar, form, p, step, time.Time{}, 0)
	return out, err
}

// CommitAndClaim is Commit and, where it writes the step and no other is due at that moment, which might take a mail back, a [Store.Claim]
// on each mail to the client that may go out then, all in one transaction.
func (s *Store) CommitAndClaim(ctx context.Context, calendar pathway.Calendar, form pathway.ConsentDocument, p *pathway.Pathway, step pathway.Step, at time.Time, lease time.Duration) (Committed, []Claimed, error) {
	out := Committed{Step: step, Last: step.Number}
	tx, err := s.pool.Acquire(ctx)
	if err != nil {
		return out, nil, err
	}
	defer tx.Release() // it closes a connection on which an error has left the transaction open

	// Each message to PostgreSQL and back takes as long as a statement: the first two go out as one, and all that is written as another.
	var client string
	var last int
	var lastDigest string
	var restored *string
	var to *time.Time
	end := chain{pathway: step.Pathway}
	first := &pgx.Batch{}
	first.Queue(`begin`)
	first.Queue(`
		select client, last_step, last_digest, journal_number, journal_hash, r.id, r.restored_to from pathway p left join restored r on r.id = p.unheard
		where code = $1 for update of p`, step.Pathway).QueryRow(func(row pgx.Row) error {
		return missing(row.Scan(&client, &last, &lastDigest, &end.number, &end.hash, &restored, &to), "pathway %s", step.Pathway)
	})
	if err := tx.SendBatch(ctx, first).Close(); err != nil {
		return out, nil, err
	}
	if step.Number <= last {
		stored, err := storedStep(ctx, tx, step.Pathway, step.Number)
		if err == nil {
			stored.Last = last
			_, err = tx.Exec(ctx, `rollback`)
			return stored, nil, err
		}
		if !errors.Is(err, ErrNotFound) {
			return out, nil, err
		}
	}
	out.Answer.Gap = step.Number != last+1 || step.Previous != lastDigest
	if out.Answer.Restored = unheard(restored, to); out.Answer.Restored == nil { // or the pathway looks again before it acts
		if out.Answer.Acts, err = answer(ctx, tx, calendar, p, client, step); err != nil {
			return out, nil, err
		}
	}
	if p.Outdates(form) {
		out.Answer.Form = &form
	}
	p = p.Clone() // from here on as it is once the step is written
	done, _ := p.Settle(step, out.Answer)
	var doubled []string
	if out.Answer.Gap {
		if doubled, err = givenAway(ctx, tx, p, client); err != nil {
			return out, nil, err
		}
		for _, name := range doubled {
			done = append(done, pathway.Entry{Kind: pathway.Done, Name: doubleBooked, At: step.At, Recorded: step.At, Text: name + " was booked, and its time was given away while the records had lost it; move one of the two"})
		}
	}
	b := &pgx.Batch{}
	if err := write(b, p, client, step, out.Answer, end, append(slices.Clone(step.Entries), done...), doubled); err != nil {
		return out, nil, err
	}
	var claimed []Claimed
	mails := claimWritten(b, p, at, lease, &claimed)
	if !mails {
		b.Queue(`commit`)
	}
	err = tx.SendBatch(ctx, b).Close()
	if err == nil && mails { // a claim that could not be read must not stand
		_, err = tx.Exec(ctx, `commit`)
	}
	if err != nil {
		return out, nil, err
	}
	return out, claimed, nil
}

// Stored reads the steps of a pathway that follow a number, at most n of them.
func (s *Store) Stored(ctx context.Context, code string, after, n int) ([]Committed, error) {
	rows, err := s.pool.Query(ctx, `select body, answer, number from step where pathway = $1 and number > $2 order by number limit $3`, code, after, n)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Committed, error) {
		var body, answer []byte
		var c Committed
		if err := row.Scan(&body, &answer, &c.Last); err != nil {
			return c, err
		}
		return c, errors.Join(json.Unmarshal(body, &c.Step), json.Unmarshal(answer, &c.Answer))
	})
}

func storedStep(ctx context.Context, tx statements, code string, number int) (Committed, error) {
	var body, answer []byte
	var out Committed
	err := tx.QueryRow(ctx, `select body, answer from step where pathway = $1 and number = $2`, code, number).Scan(&body, &answer)
	if err != nil {
		return out, missing(err, "step %d of pathway %s", number, code)
	}
	return out, errors.Join(json.Unmarshal(body, &out.Step), json.Unmarshal(answer, &out.Answer))
}

// answer asks the world: the calendar for a place, the outbox for a mail that is taken back, and for what became of mail.
func answer(ctx context.Context, tx statements, calendar pathway.Calendar, p *pathway.Pathway, client string, step pathway.Step) ([]pathway.ActAnswer, error) {
	answers := make([]pathway.ActAnswer, len(step.Acts))
	if err := lockMails(ctx, tx, p.Code, step); err != nil {
		return nil, err
	}
	for i, act := range step.Acts {
		switch act.Do {
		case pathway.BookDeed, pathway.MoveDeed:
			if act.Refuse != "" { // the calendar need not be asked
				answers[i] = p.Place(act, calendar, nil)
				continue
			}
			busy, err := busy(ctx, tx, p, client, act)
			if err != nil {
				return nil, err
			}
			answers[i] = p.Place(act, calendar, busy)
		case pathway.ResendDeed:
			status, err := resend(ctx, tx, p.Code, act.Key)
			if err != nil {
				return nil, err
			}
			answers[i].Mail = status
		case pathway.WithdrawDeed:
			status, err := withdraw(ctx, tx, p.Code, act.Key)
			if err != nil {
				return nil, err
			}
			answers[i].Mail = status
		case pathway.HearDeed:
			news, err := tellNews(ctx, tx, p.Code)
			if err != nil {
				return nil, err
			}
			answers[i].News = news
		}
	}
	return answers, nil
}

// busy lists when the therapist or the client is taken, and keeps both calendars locked until the transaction ends.
func busy(ctx context.Context, tx statements, p *pathway.Pathway, client string, act pathway.Act) ([]pathway.Span, error) {
	if err := lockCalendars(ctx, tx, p, client); err != nil {
		return nil, err
	}
	until := act.Window.Latest.Add(14 * 24 * time.Hour)
	rows, err := tx.Query(ctx, `
		select lower(during), upper(during) from appointment
		where state in ('booked', 'begun', 'double-booked') and (therapist = $1 or client = $2) and during && tstzrange($3, $4)
		  and not (pathway = $5 and name = any($6)) order by 1`,
		p.CareTeam.Therapist, client, act.Window.Earliest.Add(-24*time.Hour), until, p.Code, []string{act.Session, act.Paired})
	if err != nil {
		return nil, err
	}
	spans, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pathway.Span])
	for _, x := range p.Appointments { // the pathway's own, which the records may have lost
		if x.State == pathway.Booked && x.Name != act.Session && x.Name != act.Paired {
			spans = append(spans, pathway.Span{Start: x.Start, End: x.End})
		}
	}
	return spans, err
}

func lockCalendars(ctx context.Context, tx statements, p *pathway.Pathway, client string) error {
	locks := []string{"client " + client, "therapist " + p.CareTeam.Therapist}
	for _, lock := range locks { // always in this order, so that no two transactions wait for each other
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, lock); err != nil {
			return err
		}
	}
	return nil
}

// doubleBooked marks an appointment whose time was given away after the records had lost it: it keeps its time, but outside
// the calendar's constraints, which would stop its pathway for good.
const doubleBooked = "double-booked"

// begun marks an appointment whose time has come and that waits for its record: the calendar's constraints look at what is to come.
const begun = "begun"

// givenAway lists the pathway's appointments whose time somebody else has by now.
func givenAway(ctx context.Context, tx statements, p *pathway.Pathway, client string) ([]string, error) {
	if err := lockCalendars(ctx, tx, p, client); err != nil {
		return nil, err
	}
	var names []string
	for _, x := range p.Appointments {
		if x.State != pathway.Booked {
			continue
		}
		var taken bool
		err := tx.QueryRow(ctx, `select exists (select from appointment where state = 'booked' and (therapist = $1 or client = $2) and during && tstzrange($3, $4) and pathway <> $5)`,
			p.CareTeam.Therapist, client, x.Start, x.End, p.Code).Scan(&taken)
		if err != nil {
			return nil, err
		}
		if taken {
			names = append(names, x.Name)
		}
	}
	return names, nil
}

// lockMails locks the mails that a step takes back or sends again in the order in which [Store.SettleMail] locks those of one claim: a digest
// of yesterday and today's may be among both.
func lockMails(ctx context.Context, tx statements, code string, step pathway.Step) error {
	var keys []string
	for _, act := range step.Acts {
		if act.Do == pathway.WithdrawDeed || act.Do == pathway.ResendDeed {
			keys = append(keys, act.Key)
		}
	}
	if len(keys) < 2 {
		return nil
	}
	_, err := tx.Exec(ctx, `select from mail where pathway = $1 and key = any($2) order by id for update`, code, keys)
	return err
}

// withdraw takes a mail back that has not gone out, and says where it is.
func withdraw(ctx context.Context, tx statements, code, key string) (pathway.MailStatus, error) {
	var status pathway.MailStatus
	err := tx.QueryRow(ctx, `
		update mail set
			status = case when status = 'pending' then 'withdrawn' when status = 'claimed' and claimed_until < now() then 'unknown' else status end,
			settled_at = case when status = 'claimed' and claimed_until >= now() then null else coalesce(settled_at, now()) end,
			taken_back = true
		where pathway = $1 and key = $2 returning status`, code, key).Scan(&status)
	if errors.Is(err, pgx.ErrNoRows) { // never written: the outbox lost it with the steps before it
		return pathway.WithdrawnMail, nil
	}
	return status, err
}

// resend lets a mail go out again of which nobody knows whether it went out, and says where it is.
func resend(ctx context.Context, tx statements, code, key string) (pathway.MailStatus, error) {
	var status pathway.MailStatus
	err := tx.QueryRow(ctx, `
		update mail set
			status = case when status = 'unknown' or status = 'claimed' and claimed_until < now() then 'pending' else status end,
			settled_at = case when status in ('unknown', 'claimed') then null else settled_at end
		where pathway = $1 and key = $2 returning status`, code, key).Scan(&status)
	if errors.Is(err, pgx.ErrNoRows) { // the outbox lost it with the steps before it, and gets it back with this one
		return pathway.PendingMail, nil
	}
	return status, err
}

func write(b *pgx.Batch, p *pathway.Pathway, client string, step pathway.Step, a pathway.Answer, end chain, entries []pathway.Entry, doubled []string) error {
	body, err := json.Marshal(step)
	if err != nil {
		return err
	}
	answered, err := json.Marshal(a)
	if err != nil {
		return err
	}
	b.Queue(`insert into step (pathway, number, digest, body, answer) values ($1, $2, $3, $4, $5)`, p.Code, step.Number, step.Digest(), body, answered)
	for _, e := range entries {
		if err := end.add(b, step.Number, e); err != nil {
			return err
		}
	}
	for _, x := range p.Appointments {
		if !a.Gap && !slices.ContainsFunc(step.Acts, func(act pathway.Act) bool {
			return act.Do != pathway.WithdrawDeed && (act.Session == x.Name || act.Paired == x.Name)
		}) {
			continue
		}
		state := string(x.State)
		switch {
		case slices.Contains(doubled, x.Name):
			state = doubleBooked
		case x.State == pathway.Booked && !x.Start.After(step.At): // its record was corrected away, and somebody else may have its time by now
			state = begun
		}
		b.Queue(`
			insert into appointment (pathway, name, kind, number, therapist, client, during, revision, state)
			values ($1, $2, $3, $4, $5, $6, tstzrange($7, $8), $9, $10)
			on conflict (pathway, name) do update set during = excluded.during, revision = excluded.revision,
				state = case when appointment.state = 'double-booked' and excluded.state = 'booked' and appointment.during = excluded.during then appointment.state else excluded.state end`,
			p.Code, x.Name, x.Kind, x.Number, x.Therapist, client, x.Start, x.End, x.Revision, state)
	}
	for _, m := range p.Outbox {
		mail, err := json.Marshal(m)
		if err != nil {
			return err
		}
		status := pathway.PendingMail
		if m.GivenUp { // it may have gone out before a restore
			status = pathway.UnknownMail
		}
		b.Queue(`insert into mail (pathway, key, body, step, status) values ($1, $2, $3, $4, $5) on conflict (pathway, key) do nothing`, p.Code, m.Key, mail, step.Number, status)
	}
	if a.Restored != nil {
		b.Queue(`update pathway set unheard = null where code = $1`, p.Code)
	}
	return project(b, p, step, end)
}

// project writes the read model: where the pathway is and what is owed, as of the step; and where its journal ends.
func project(b *pgx.Batch, p *pathway.Pathway, step pathway.Step, end chain) error {
	status := p.Status(step.At)
	status.NextWake = p.LooksAgain() // by then there is another step; mails go out without one
	text, err := json.Marshal(status)
	if err != nil {
		return err
	}
	var next *time.Time
	if status.NextSession != nil {
		next = &status.NextSession.Start
	}
	waiting := make([]string, len(status.WaitingOn))
	for i, r := range status.WaitingOn {
		waiting[i] = string(r)
	}
	b.Queue(`
		update pathway set last_step = greatest(last_step, $2), last_digest = $3, phase = $4, outcome = $5, attention = $6, waiting_on = $7,
			dosing_done = $8, next_session = $9, next_wake = $10, as_of = $11, status = $12, therapist = $13, prescriber = $14, mailing = $15,
			journal_number = $16, journal_hash = $17
		where code = $1`,
		p.Code, step.Number, step.Digest(), status.Phase, status.Outcome, status.Attention, waiting, status.DosingDone, next, orNull(status.NextWake), step.At, text, p.CareTeam.Therapist, p.CareTeam.Prescriber, p.Mailable(), end.number, end.hash)
	tasks := make([]task, len(status.Tasks))
	for i, t := range status.Tasks {
		tasks[i] = task{t.Key, t.Who, storable(t.What), t.Since, t.Due, t.Urgent, t.Message}
	}
	// Most steps change few of them.
	b.Queue(`delete from task t where pathway = $1 and not exists (select from `+owed+` where n = row(t.key, t.who, t.what, t.since, t.due, t.urgent, t.message))`, p.Code, tasks)
	b.Queue(`insert into task (pathway, key, who, what, since, due, urgent, message) select $1, n.* from `+owed+` where not exists (select from task t where t.pathway = $1 and t.key = n.key)`, p.Code, tasks)
	return nil
}

// task is a row of the table of that name, as owed reads it.
type task struct {
	Key     string         `json:"key"`
	Who     []pathway.Role `json:"who"`
	What    string         `json:"what"`
	Since   time.Time      `json:"since"`
	Due     time.Time      `json:"due"`
	Urgent  bool           `json:"urgent"`
	Message string         `json:"message"`
}

const owed = `json_to_recordset($2::json) as n(key text, who text[], what text, since timestamptz, due timestamptz, urgent boolean, message text)`

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// storable is a text as PostgreSQL takes it: everything but NUL, which JSON allows.
func storable(text string) string { return strings.ReplaceAll(text, "\x00", "\ufffd") }
