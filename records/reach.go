package records

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
)

// Reach is how a client can be reached, for staff who ask.
type Reach struct {
	Phone string
	Email string
	pathway.Contact
	Returned bool // their address takes no mail
}

// Reach reads how a pathway's client can be reached: what the enrolment says, and what was said and found since. It returns
// [ErrNotFound] for an unknown pathway.
func (s *Store) Reach(ctx context.Context, code string) (Reach, error) {
	var r Reach
	var text []byte
	err := s.pool.QueryRow(ctx, `
		select c.phone, c.email, c.address_returned, p.enrolment from pathway p join client c on c.id = p.client where p.code = $1`, code).
		Scan(&r.Phone, &r.Email, &r.Returned, &text)
	if err != nil {
		return r, missing(err, "pathway %s", code)
	}
	if err := json.Unmarshal(text, &r.Contact); err != nil {
		return r, err
	}
	since, err := collect[struct {
		Name    string
		Message []byte
	}](ctx, s.pool, `
		select name, message from journal where pathway = $1 and (kind = $2 and name = 'contact' or name = 'opted-out') order by id`, code, pathway.Taken)
	if err != nil {
		return r, err
	}
	for _, l := range since {
		switch l.Name {
		case "contact":
			if err := r.hear(l.Message); err != nil {
				return r, err
			}
		case "opted-out":
			r.MailPermission = false
		}
	}
	return r, nil
}

// hear takes in a message of contact as it was said: a truth value may stand in quotes.
func (r *Reach) hear(message []byte) error {
	var m struct {
		MailPermission json.RawMessage `json:"mail_permission"`
		AnyTime        json.RawMessage `json:"any_time"`
		Zone           string          `json:"zone"`
		Availability   []string        `json:"availability"`
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return err
	}
	yes := func(raw json.RawMessage) bool { return strings.Trim(string(raw), `" `) == "true" }
	if m.MailPermission != nil {
		r.MailPermission = yes(m.MailPermission)
	}
	r.Zone = cmp.Or(strings.TrimSpace(m.Zone), r.Zone)
	if len(m.Availability) > 0 || yes(m.AnyTime) {
		r.Availability = m.Availability
	}
	return nil
}

// Corrections of which no pathway hears, because they change nothing that it does. Its history tells them.
const (
	PhoneCorrected = "phone-corrected"
	NameCorrected  = "name-corrected"
)

// CorrectPerson gives a client another telephone number or given name, where one is given, and notes with each of their pathways who
// did. It returns [ErrNotFound] for an unknown pathway.
func (s *Store) CorrectPerson(ctx context.Context, code, phone, givenName, by string) error {
	var what []string
	if phone != "" {
		what = append(what, PhoneCorrected)
	}
	if givenName != "" {
		what = append(what, NameCorrected)
	}
	return s.inTransaction(ctx, func(tx pgx.Tx) error {
		var client string
		err := tx.QueryRow(ctx, `
			update client c set phone = coalesce(nullif($2, ''), c.phone), given_name = coalesce(nullif($3, ''), c.given_name)
			from pathway p where p.code = $1 and p.client = c.id returning c.id::text`, code, phone, givenName).Scan(&client)
		if err != nil {
			return missing(err, "pathway %s", code)
		}
		_, err = tx.Exec(ctx, `
			insert into mail_event (id, pathway, event, by, at, weighed)
			select 'corrected-' || gen_random_uuid(), p.code, corrected, $3, now(), true from pathway p, unnest($2::text[]) corrected
			where p.client = $1 order by p.code`, client, what, by)
		return err
	})
}
