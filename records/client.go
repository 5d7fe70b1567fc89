package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
)

// Person is what names a client. It never leaves PostgreSQL but for a mail's address and first name, and for staff who ask.
type Person struct {
	ID         string `json:"-"`
	GivenName  string `json:"given_name"`
	FamilyName string `json:"family_name"`
	BirthDate  string `json:"birth_date"` // 1990-04-01
	Email      string `json:"email"`
	Phone      string `json:"phone"`
}

// Known is an enrolment of somebody who may be the same person as one to be enrolled.
type Known struct {
	Client  string
	Code    string
	Outcome string
	Started bool
	Same    bool // in every particular that was compared, not only in one
}

// ErrAlike says that somebody alike is enrolled, of whom the caller did not know.
var ErrAlike = errors.New("somebody alike is enrolled")

// Alike lists the enrolments of everybody who shares the e-mail address, or both name and birth date.
func (s *Store) Alike(ctx context.Context, p Person) ([]Known, error) { return alike(ctx, s.pool, p) }

func alike(ctx context.Context, q querier, p Person) ([]Known, error) {
	return collect[Known](ctx, q, `
		select c.id::text, w.code, w.outcome, w.started_at is not null,
			lower(c.email) = lower($4) and lower(c.family_name) = lower($1) and lower(c.given_name) = lower($2) and c.birth_date = $3::date
		from client c join pathway w on w.client = c.id
		where lower(c.email) = lower($4) or lower(c.family_name) = lower($1) and lower(c.given_name) = lower($2) and c.birth_date = $3::date
		order by w.enrolled_at desc`, p.FamilyName, p.GivenName, p.BirthDate, p.Email)
}

// Enrol writes a client (or takes the one whose id is given) and the enrolment, in one transaction, before any workflow is
// started. It returns the enrolment as written, with what is known of the client's address.
//
// seen is what [Store.Alike] has shown the caller: it returns [ErrAlike], and writes nothing, where somebody alike
// is enrolled who is not among them, because two people may enrol one client at the same moment.
func (s *Store) Enrol(ctx context.Context, person Person, e pathway.Enrolment, seen ...Known) (pathway.Enrolment, error) {
	err := s.inTransaction(ctx, func(tx pgx.Tx) error {
		// One lock for each way of being alike, always in this order, so that no two transactions wait for each other.
		for _, lock := range []string{`'e-mail ' || lower($4)`, `'name ' || lower($1) || '/' || lower($2) || '/' || $3::date`} {
			_, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended(`+lock+`, 0)) from (values ($1::text, $2::text, $3::text, $4::text)) v`,
				person.FamilyName, person.GivenName, person.BirthDate, person.Email)
			if err != nil {
				return err
			}
		}
		known, err := alike(ctx, tx, person)
		if err != nil {
			return err
		}
		for _, k := range known {
			if !slices.ContainsFunc(seen, func(s Known) bool { return s.Code == k.Code }) {
				return fmt.Errorf("pathway %s: %w", k.Code, ErrAlike)
			}
		}
		if person.ID == "" {
			err := tx.QueryRow(ctx, `insert into client (given_name, family_name, birth_date, email, phone) values ($1, $2, $3, $4, $5) returning id::text`,
				person.GivenName, person.FamilyName, person.BirthDate, person.Email, person.Phone).Scan(&person.ID)
			if err != nil {
				return err
			}
		}
		// Locked, so that whoever learns that the address takes no mail is before this and seen, or after this and tells the new pathway.
		if err := tx.QueryRow(ctx, `select address_returned from client where id = $1 for share`, person.ID).Scan(&e.AddressReturned); err != nil {
			return err
		}
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into pathway (code, client, enrolment, enrolled_at, therapist, prescriber) values ($1, $2, $3, $4, $5, $6)`,
			e.Code, person.ID, text, e.At, e.CareTeam.Therapist, e.CareTeam.Prescriber)
		return err
	})
	return e, err
}

// Enrolment reads back what was enrolled, to start its workflow. It returns [ErrNotFound] for an unknown code.
func (s *Store) Enrolment(ctx context.Context, code string) (pathway.Enrolment, error) {
	var text []byte
	var e pathway.Enrolment
	err := s.pool.QueryRow(ctx, `select enrolment from pathway where code = $1`, code).Scan(&text)
	if err != nil {
		return e, missing(err, "pathway %s", code)
	}
	return e, json.Unmarshal(text, &e)
}

// Started notes that an enrolment has its workflow.
func (s *Store) Started(ctx context.Context, code string) error {
	_, err := s.pool.Exec(ctx, `update pathway set started_at = coalesce(started_at, now()) where code = $1`, code)
	return err
}

// Row is one line of a list of pathways.
type Row struct {
	Code        string          `json:"pathway"`
	GivenName   string          `json:"given_name"`
	FamilyName  string          `json:"family_name"`
	Phase       string          `json:"phase"`
	Outcome     string          `json:"outcome,omitempty"`
	Attention   string          `json:"attention"`
	WaitingOn   []string        `json:"waiting_on"`
	DosingDone  int             `json:"dosing_done"`
	NextSession *time.Time      `json:"next_session"`
	NextWake    *time.Time      `json:"next_wake"`
	AsOf        *time.Time      `json:"as_of"`
	Enrolled    time.Time       `json:"enrolled"`
	Started     bool            `json:"started"` // false: enrolled, but without a workflow
	Zone        string          `json:"zone"`
	OnHold      bool            `json:"on_hold"`
	Status      json.RawMessage `json:"-"` // of one pathway that is shown, not of those that are listed
}

const (
	rowColumns = `w.code, c.given_name, c.family_name, w.phase, w.outcome, w.attention, w.waiting_on, w.dosing_done, w.next_session, w.next_wake, w.as_of,
	w.enrolled_at, w.started_at is not null, w.enrolment->>'practice_zone', coalesce(json_array_length(w.status->'holds'), 0) > 0, `
	withStatus    = rowColumns + `w.status`
	withoutStatus = rowColumns + `null::json`
)

// List lists every pathway, or those that are open or urgent, the most pressing first: by attention, then by what is due first; ended
// ones last, but for what is urgent. Of the whole practice, or of one member of staff.
func (s *Store) List(ctx context.Context, of Whose, all bool) ([]Row, error) {
	return s.rows(ctx, withoutStatus, `where `+onTheTeam+` and ($3 or w.outcome = '' or w.attention = 'urgent')
		order by w.outcome <> '' and w.attention <> 'urgent', array_position(array['urgent', 'task', 'none'], w.attention), w.outcome <> '',
			(select min(t.due) from task t where t.pathway = w.code) nulls last, w.next_session nulls last, w.code`,
		of.Staff, of.Pathway, all)
}

// Find finds pathways by a part of the client's name, e-mail address or telephone number, or by their code. A name is found whether or
// not its accents are typed, and where ü is written ue.
func (s *Store) Find(ctx context.Context, text string) ([]Row, error) {
	const name = `c.given_name || ' ' || c.family_name`
	return s.rows(ctx, withoutStatus, `where w.code = upper($1) or strpos(lower(c.email), lower($1)) > 0
		or strpos(`+bare(name)+`, `+bare(`$1::text`)+`) > 0 or strpos(`+bare(spelt(name))+`, `+bare(spelt(`$1::text`))+`) > 0
		or length(regexp_replace($1, '\D', '', 'g')) >= 4 and strpos(regexp_replace(c.phone, '\D', '', 'g'), regexp_replace($1, '\D', '', 'g')) > 0
		order by c.family_name, c.given_name, w.enrolled_at desc limit 50`, text)
}

// bare is an expression of SQL for a text without case, accents and typographic quotes. In NFD accents are signs of their own; the
// letters that it does not take apart are named.
func bare(text string) string {
	return `regexp_replace(lower(translate(` + instead(`normalize(`+text+`, NFD)`, "ß", "ss", "ẞ", "ss", "æ", "ae", "Æ", "ae", "œ", "oe", "Œ", "oe", "þ", "th", "Þ", "th") +
		`, 'øØłŁđĐðÐı’', 'oollddddi''')), '[\u0300-\u036f]', '', 'g')`
}

// spelt is an expression of SQL for a text whose umlauts and their like are written out, as where a keyboard has none.
func spelt(text string) string {
	return instead(`normalize(`+text+`, NFC)`, "ä", "ae", "Ä", "ae", "ö", "oe", "Ö", "oe", "ü", "ue", "Ü", "ue", "ø", "oe", "Ø", "oe", "å", "aa", "Å", "aa")
}

// instead is an expression of SQL for a text with each first of the pairs replaced by the second.
func instead(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		text = `replace(` + text + `, '` + pairs[i] + `', '` + pairs[i+1] + `')`
	}
	return text
}

// Show reads one pathway. It returns [ErrNotFound] for an unknown code.
func (s *Store) Show(ctx context.Context, code string) (Row, error) {
	rows, err := s.rows(ctx, withStatus, `where w.code = $1`, code)
	if err == nil && len(rows) == 0 {
		return Row{}, fmt.Errorf("pathway %s: %w", code, ErrNotFound)
	}
	if err != nil {
		return Row{}, err
	}
	return rows[0], nil
}

func (s *Store) rows(ctx context.Context, columns, where string, args ...any) ([]Row, error) {
	return collect[Row](ctx, s.pool, `select `+columns+` from pathway w join client c on c.id = w.client `+where, args...)
}

// JournalLine is one line of a pathway's journal.
type JournalLine struct {
	Step     int             `json:"step"`
	Kind     string          `json:"kind"`
	Name     string          `json:"name"`
	By       string          `json:"by,omitempty"`
	ID       string          `json:"id,omitempty"` // of the message: by it an entry is corrected
	At       time.Time       `json:"at"`
	Recorded time.Time       `json:"recorded"`
	Text     string          `json:"text"`
	Message  json.RawMessage `json:"message,omitempty"`
}

// Journal reads a pathway's journal in the order in which it was written, but for the mails that went out: [Store.Mails] has them.
func (s *Store) Journal(ctx context.Context, code string) ([]JournalLine, error) {
	return collect[JournalLine](ctx, s.pool, `select step, kind, name, by, message_id, at, recorded, text, message from journal where pathway = $1 and kind <> 'sent' order by id`, code)
}

// MailLine is one mail of a pathway and where it is.
type MailLine struct {
	ID        string     `json:"id"`   // in the outbox
	Step      int        `json:"step"` // that wrote it
	Key       string     `json:"key"`
	Kind      string     `json:"kind"`
	Staff     string     `json:"staff"`   // its reader; "" is the client
	Session   string     `json:"session"` // that it is about, if any
	Lead      string     `json:"lead"`    // of a reminder: how long before
	Status    string     `json:"status"`
	Attempts  int        `json:"attempts"`
	CreatedAt time.Time  `json:"created_at"`
	SettledAt *time.Time `json:"settled_at"`
}

// Mails lists a pathway's mails, the oldest first.
func (s *Store) Mails(ctx context.Context, code string) ([]MailLine, error) {
	return collect[MailLine](ctx, s.pool, `
		select id::text, step, key, body->>'kind' as kind, coalesce(body->>'staff', '') as staff, coalesce(body->>'session', '') as session,
			coalesce(body->>'lead', '') as lead, status, attempts, created_at, settled_at
		from mail where pathway = $1 order by created_at, key`, code)
}
