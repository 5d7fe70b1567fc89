package records

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
)

// MailEvent is what the mail service says became of a mail, in coded values.
type MailEvent struct {
	ID     string // the mail service's
	Mail   string // the outbox's id
	Event  pathway.MailEvent
	Reason pathway.MailReason
	At     time.Time
}

// TakenEvents counts what came of a delivery of events.
type TakenEvents struct {
	Fresh    []MailEvent
	Repeated int // known already
	Foreign  int // of a mail that is none of this database's
}

// outboxID is what an id of the outbox looks like.
var outboxID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// TakeEvents keeps events, each once, in one statement. What follows from them is [Store.WeighEvents]'s to find out, at once or
// later: from here on none is lost.
func (s *Store) TakeEvents(ctx context.Context, events []MailEvent) (TakenEvents, error) {
	var ids, mails, names, reasons []string
	var ats []time.Time
	byID := map[string]MailEvent{}
	for _, e := range events {
		if !outboxID.MatchString(e.Mail) {
			continue
		}
		ids, mails, names, reasons, ats = append(ids, e.ID), append(mails, e.Mail), append(names, string(e.Event)), append(reasons, string(e.Reason)), append(ats, e.At)
		byID[e.ID] = e
	}
	var taken TakenEvents
	known := 0
	rows, err := s.pool.Query(ctx, `
		with told as (
			select t.id, t.event, t.reason, t.at, t.n, m.id as mail, m.pathway
			from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) with ordinality as t(id, mail, event, reason, at, n)
			join mail m on m.id = t.mail::uuid),
		fresh as (
			insert into mail_event (id, pathway, mail, event, reason, at) select id, pathway, mail, event, reason, at from told order by n
			on conflict (id) do nothing returning id)
		select coalesce(f.id, ''), (select count(*) from told) from (values (1)) v left join fresh f on true`, ids, mails, names, reasons, ats)
	if err != nil {
		return taken, err
	}
	var id string
	_, err = pgx.ForEachRow(rows, []any{&id, &known}, func() error {
		if e, ok := byID[id]; ok {
			taken.Fresh = append(taken.Fresh, e)
		}
		return nil
	})
	taken.Foreign, taken.Repeated = len(events)-known, known-len(taken.Fresh)
	return taken, err
}

// WeighEvents finds out what follows from each event that was taken: a mail of which nobody knew whether it had gone out is settled,
// and it is decided whether the pathway has to hear. Several processes may do that at once. It returns how many it weighed, and
// those of them that say that a mail to staff did not arrive.
func (s *Store) WeighEvents(ctx context.Context) (n int, staff []MailEvent, err error) {
	for {
		var e MailEvent
		var lost bool
		err := s.inTransaction(ctx, func(tx pgx.Tx) (err error) {
			e, lost, err = weigh(ctx, tx)
			return err
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return n, staff, nil
		}
		if err != nil {
			return n, staff, err
		}
		n++
		if lost {
			staff = append(staff, e)
		}
	}
}

// weigh takes one event, the oldest that nobody else is weighing, and says whether it is of a mail to staff that did not arrive.
func weigh(ctx context.Context, tx pgx.Tx) (e MailEvent, lost bool, err error) {
	var code string
	var number int64
	err = tx.QueryRow(ctx, `
		select id, number, pathway, mail::text, event, reason, at from mail_event where not weighed
		order by number limit 1 for update skip locked`).Scan(&e.ID, &number, &code, &e.Mail, &e.Event, &e.Reason, &e.At)
	if err != nil {
		return e, false, err
	}
	news := pathway.News{Event: e.Event, Reason: e.Reason}
	if news.Refuses() { // the client first, as whoever corrects an address locks them
		if _, err := tx.Exec(ctx, `select from client where id = (select client from pathway where code = $1) for no key update`, code); err != nil {
			return e, false, err
		}
	}
	// The pathway then and the mail last, as whoever settles a mail locks them.
	end, last, err := lockChain(ctx, tx, code)
	if err != nil {
		return e, false, err
	}
	var status pathway.MailStatus
	var body []byte
	var attempts int
	if _, err := tx.Exec(ctx, `select from mail where id = $1 or claim = (select claim from mail where id = $1) order by id for update`, e.Mail); err != nil {
		return e, false, err
	}
	err = tx.QueryRow(ctx, `select status, body, attempts from mail where id = $1`, e.Mail).Scan(&status, &body, &attempts)
	if err == nil {
		err = json.Unmarshal(body, &news.Mail)
	}
	if err != nil {
		return e, false, err
	}
	unknown := status == pathway.UnknownMail || status == pathway.PendingMail && attempts > 0
	if unknown || status == pathway.ClaimedMail {
		if err := settleByEvent(ctx, tx, e, news, end, last); err != nil {
			return e, false, err
		}
	}
	if news.Refuses() { // now that the mail is known
		if err := addressReturned(ctx, tx, e); err != nil {
			return e, false, err
		}
	}
	_, err = tx.Exec(ctx, `update mail_event set weighed = true, unheard = $2 where id = $1`, e.ID, news.Heeded(unknown))
	return e, news.Mail.Staff != "" && news.Lost(), err
}

// addressReturned notes that a client's address takes no mail, where the mail went to the one that they have now: their next pathway
// begins with that, and any other that is under way hears of it.
func addressReturned(ctx context.Context, tx pgx.Tx, e MailEvent) error {
	_, err := tx.Exec(ctx, `
		with returned as (
			update client c set address_returned = true from mail m join pathway p on p.code = m.pathway
			where m.id = $1 and c.id = p.client and m.address = c.address and not c.address_returned
			returning c.id, p.code)
		insert into mail_event (id, pathway, event, at, weighed, unheard)
		select 'returned-' || gen_random_uuid(), other.code, $2, $3, true, true
		from returned r join pathway other on other.client = r.id and other.code <> r.code and other.outcome = '' order by other.code`,
		e.Mail, pathway.AddressReturned, e.At)
	return err
}

// settleByEvent settles a mail by what the mail service says of it, with all that was claimed with it. One that it had is sent, and an
// entry of the journal, as when this process had heard the answer; one that never left it, or came back, was not accepted.
func settleByEvent(ctx context.Context, tx pgx.Tx, e MailEvent, news pathway.News, end chain, last int) error {
	status := pathway.SentMail
	if news.Lost() {
		status = pathway.RejectedMail
	}
	var after *int
	var at time.Time
	// Of its moment the event says something, the claim that it was not later, and the pathway's own clock, which may be ahead, that it
	// was not earlier than the step that wrote it and the hours of mail allowed.
	err := tx.QueryRow(ctx, `
		update mail m set status = $2, settled_at = coalesce(m.settled_at, now()), claimed_until = null
		from mail was, pathway p where was.id = m.id and p.code = m.pathway
		  and (m.id = $1 or m.claim = (select claim from mail where id = $1) and m.status in ('claimed', 'unknown'))
		returning m.claimed_after, greatest(least($3, coalesce(was.claimed_until, was.settled_at)),
			(select s.written from (select (body->>'at')::timestamptz as written from step where pathway = m.pathway and number = m.step) s),
			(m.body->>'from')::timestamptz)`, e.Mail, status, e.At).Scan(&after, &at)
	if err != nil || news.Mail.Staff != "" || status != pathway.SentMail || after == nil {
		return err
	}
	return end.sent(ctx, tx, last, pathway.SentEntry(news.Mail, at, *after))
}

// NewsToTell lists the pathways that have yet to hear something of their mail, for whoever tells them at once that there is something: it
// does not list them again within the hour. One that is pinned to a release which does not know of it stays as it is, and is not to be
// told without end. Those that wait for a workflow are left out.
func (s *Store) NewsToTell(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, `
		with telling as (
			update mail_event e set told_at = now() from pathway p
			where p.code = e.pathway and p.started_at is not null and e.unheard and (e.told_at is null or e.told_at < now() - interval '1 hour')
			returning e.pathway)
		select distinct pathway from telling order by 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// NotTold notes that a pathway could not be told that there is news.
func (s *Store) NotTold(ctx context.Context, code string) error {
	_, err := s.pool.Exec(ctx, `update mail_event set told_at = null where pathway = $1 and unheard`, code)
	return err
}

// HearsNoNews notes that an ended pathway is not told of its mail: its workflow has completed.
func (s *Store) HearsNoNews(ctx context.Context, code string) error {
	_, err := s.pool.Exec(ctx, `update mail_event e set unheard = false from pathway p where p.code = e.pathway and e.pathway = $1 and e.unheard and p.outcome > ''`, code)
	return err
}

// tellNews is what a pathway has yet to hear of its mail, in the order in which it was learned of. With the step that is being written
// it has heard.
func tellNews(ctx context.Context, tx statements, code string) ([]pathway.News, error) {
	rows, err := tx.Query(ctx, `
		with next as (select id from mail_event where pathway = $1 and unheard order by number limit $2 for update),
		told as (update mail_event e set unheard = false from next where e.id = next.id returning e.*)
		select t.event, t.reason, t.by, m.body, coalesce(m.address < c.address, false)
		from told t left join mail m on m.id = t.mail join pathway p on p.code = t.pathway join client c on c.id = p.client order by t.number`, code, pathway.NewsAtOnce)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (pathway.News, error) {
		var n pathway.News
		var body []byte
		if err := row.Scan(&n.Event, &n.Reason, &n.By, &body, &n.Former); err != nil || body == nil {
			return n, err
		}
		return n, json.Unmarshal(body, &n.Mail)
	})
}

// CorrectAddress gives a client another e-mail address. Each of their pathways that is under way hears of it, as said by a member of
// staff; it returns their codes. It returns [ErrNotFound] for an unknown pathway.
func (s *Store) CorrectAddress(ctx context.Context, code, email, by string) (codes []string, err error) {
	err = s.inTransaction(ctx, func(tx pgx.Tx) error {
		var client string
		err := tx.QueryRow(ctx, `
			update client c set email = $2, address = address + 1, address_returned = false from pathway p where p.code = $1 and p.client = c.id returning c.id::text`, code, email).Scan(&client)
		if err != nil {
			return missing(err, "pathway %s", code)
		}
		rows, err := tx.Query(ctx, `
			insert into mail_event (id, pathway, event, by, at, weighed, unheard)
			select 'corrected-' || gen_random_uuid(), p.code, $2, $3, now(), true, true from pathway p where p.client = $1 and p.outcome = '' order by p.code
			returning pathway`, client, pathway.AddressCorrected, by)
		if err != nil {
			return err
		}
		codes, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return codes, err
}

// MailEventLine is one event of one of a pathway's mails.
type MailEventLine struct {
	Mail   string    `json:"mail"` // the outbox's id; none: the address was corrected
	Event  string    `json:"event"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`
	At     time.Time `json:"at"`
}

// MailEvents lists what became of a pathway's mails, in the order in which it happened.
func (s *Store) MailEvents(ctx context.Context, code string) ([]MailEventLine, error) {
	return collect[MailEventLine](ctx, s.pool, `select coalesce(mail::text, ''), event, reason, by, at from mail_event where pathway = $1 order by at, number`, code)
}
