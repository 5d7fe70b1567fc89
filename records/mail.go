package records

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
)

// Claimed is a mail that this process, and no other, may send until its lease ends.
type Claimed struct {
	ID    string // opaque, for SendGrid
	Claim string
	Mail  pathway.Mail
	To    Person
	Zone  string // the client's
}

// Claim takes a mail from the outbox for sending, for as long as lease says. Where it cannot be claimed, the status says
// why: it was sent or withdrawn, nobody knows (a claim ran out), or another claim is still running.
func (s *Store) Claim(ctx context.Context, code, key string, lease time.Duration) (Claimed, pathway.MailStatus, error) {
	var c Claimed
	var body []byte
	err := s.pool.QueryRow(ctx, `
		with claimed as (
			update mail set status = 'claimed', claim = gen_random_uuid(), claimed_until = now() + $3, attempts = attempts + 1
			where pathway = $1 and key = $2 and status = 'pending' returning id, claim, body)
		select m.id, m.claim, m.body, c.id, c.given_name, c.family_name, c.email, c.phone, p.enrolment->>'zone'
		from claimed m, pathway p join client c on c.id = p.client where p.code = $1`, code, key, lease).
		Scan(&c.ID, &c.Claim, &body, &c.To.ID, &c.To.GivenName, &c.To.FamilyName, &c.To.Email, &c.To.Phone, &c.Zone)
	if err == nil {
		return c, pathway.ClaimedMail, json.Unmarshal(body, &c.Mail)
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return c, "", err
	}
	var status pathway.MailStatus
	err = s.pool.QueryRow(ctx, `
		update mail set status = case when status = 'claimed' and claimed_until < now() then 'unknown' else status end
		where pathway = $1 and key = $2 returning status`, code, key).Scan(&status)
	return c, status, missing(err, "mail %s of pathway %s", key, code)
}

// SettleMail says what became of a claimed mail. A mail that went back to pending may be claimed again, unless it was
// withdrawn meanwhile. It does nothing where the claim is no longer this process's own.
func (s *Store) SettleMail(ctx context.Context, c Claimed, status pathway.MailStatus) error {
	_, err := s.pool.Exec(ctx, `
		update mail set
			status = case when $3 = 'pending' and taken_back then 'withdrawn' else $3 end,
			settled_at = case when $3 = 'pending' and not taken_back then null else now() end,
			claimed_until = null
		where id = $1 and claim = $2 and status in ('claimed', 'unknown')`, c.ID, c.Claim, status)
	return err
}
