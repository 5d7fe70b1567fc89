package e2e_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
	"kap/stack/inbox"
)

// books are what PostgreSQL and the inbox hold of one pathway.
type books struct {
	Journal      []string
	Appointments []string
	Mails        map[string]mailed // by key, or for staff by kind, reader and number
	Strangers    []string          // mails at the inbox that no row of the outbox knows, or that another reader got
	Steps        int
	StepsOnce    bool // each number from 1 on, once
	Outcome      string
}

// mailed is one row of the outbox, and how often the inbox has it.
type mailed struct {
	ID, Status string
	Staff      string // whose it is, where it is not the client's
	Kind       string
	Attempts   int
	Arrived    int
	Received   time.Time // wall clock
}

func (p *person) books() books {
	p.t.Helper()
	var b books
	await(p.ctx, p.t, "PostgreSQL", func() (err error) { b, err = p.read(p.ctx); return err })
	return b
}

func (p *person) read(ctx context.Context) (books, error) {
	b := books{Mails: map[string]mailed{}}
	conn, err := pgx.Connect(ctx, p.h.DatabaseURL())
	if err != nil {
		return b, err
	}
	defer conn.Close(ctx)
	each := func(sql string, take func(pgx.CollectableRow) error) {
		if err != nil {
			return
		}
		var rows pgx.Rows
		if rows, err = conn.Query(ctx, sql, p.code); err == nil {
			_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) { return struct{}{}, take(row) })
		}
	}
	// What says that a mail went out comes when it did: mails are compared as such.
	each(`select kind, name, code, text from journal where pathway = $1 and kind <> 'sent' order by id`, func(row pgx.CollectableRow) error {
		var kind, name, code, text string
		err := row.Scan(&kind, &name, &code, &text)
		b.Journal = append(b.Journal, strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", kind, name, code, p.anonymous(text))))
		return err
	})
	each(`select name, kind, number, revision, state, lower(during), upper(during) from appointment where pathway = $1 order by lower(during), name`, func(row pgx.CollectableRow) error {
		var name, kind, state string
		var number, revision int
		var start, end time.Time
		err := row.Scan(&name, &kind, &number, &revision, &state, &start, &end)
		b.Appointments = append(b.Appointments, fmt.Sprintf("%s %s %d r%d %s %s to %s", name, kind, number, revision, state, start.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339)))
		return err
	})
	keys := map[string]string{}
	again := map[string]int{} // mails whose keys differ in a moment or in a step's number alone
	each(`select id::text, key, status, attempts, body->>'kind', coalesce(body->>'staff', '') from mail where pathway = $1
		order by case when body->>'staff' is null then 0 else substring(key from '[0-9]+$')::int end, key`, func(row pgx.CollectableRow) error {
		var key string
		var m mailed
		err := row.Scan(&m.ID, &key, &m.Status, &m.Attempts, &m.Kind, &m.Staff)
		if key = moment.ReplaceAllString(key, ""); m.Staff != "" {
			key = p.anonymous(m.Kind + " to " + m.Staff)
		}
		if again[key]++; m.Staff != "" || again[key] > 1 {
			key = fmt.Sprintf("%s, %d", key, again[key])
		}
		b.Mails[key], keys[m.ID] = m, key
		return err
	})
	elsewhere := map[string]bool{} // mails of other pathways to the same staff
	each(`select id::text from mail where pathway <> $1`, func(row pgx.CollectableRow) error {
		var id string
		err := row.Scan(&id)
		elsewhere[id] = true
		return err
	})
	numbers := []int{}
	each(`select number from step where pathway = $1 order by number`, func(row pgx.CollectableRow) error {
		var n int
		err := row.Scan(&n)
		numbers = append(numbers, n)
		return err
	})
	b.Steps, b.StepsOnce = len(numbers), true
	for i, n := range numbers {
		b.StepsOnce = b.StepsOnce && n == i+1
	}
	each(`select outcome from pathway where code = $1`, func(row pgx.CollectableRow) error { return row.Scan(&b.Outcome) })
	var client string
	each(`select email from client c join pathway p on p.client = c.id where p.code = $1`, func(row pgx.CollectableRow) error { return row.Scan(&client) })
	if err != nil {
		return b, err
	}
	for _, to := range []string{client, address(p.therapist), address(p.prescriber), address(p.desk), address(onCall)} {
		arrived, err := p.h.inbox(ctx, to)
		if err != nil {
			return b, err
		}
		for _, message := range arrived {
			id := message.CustomArgs["mail"]
			key, known := keys[id]
			if m := b.Mails[key]; known && m.reader(client) == to {
				m.Arrived++
				m.Received = message.Received
				b.Mails[key] = m
			} else if to == client || !elsewhere[id] {
				b.Strangers = append(b.Strangers, to+": "+message.Subject)
			}
		}
	}
	return b, nil
}

// reader is where a mail belongs.
func (m mailed) reader(client string) string {
	switch m.Staff {
	case "":
		return client
	case pathway.OnCall:
		return address(onCall)
	}
	return address(m.Staff)
}

// anonymous takes out of a text what differs between two clients with the same story.
func (p *person) anonymous(text string) string {
	text = spoken.ReplaceAllString(text, "$1 then")
	return whose.ReplaceAllStringFunc(text, func(word string) string {
		switch word {
		case p.code:
			return "CODE"
		case p.therapist:
			return "THERAPIST"
		case p.prescriber:
			return "PRESCRIBER"
		case p.desk:
			return "COORDINATOR"
		}
		return word
	})
}

// moment is what ends the key of a question to the client: since when it waits for an answer.
var moment = regexp.MustCompile(`/[0-9]{8}T[0-9]{6}$`)

// spoken is when something was said: faults cost time, and it was said minutes later. Sessions have the same times.
var spoken = regexp.MustCompile(`\b(since|of) \w{3} [0-9]{1,2} \w{3} [0-9]{4}, [0-9]{2}:[0-9]{2} \w+`)

// whose are the words that may name a pathway or a member of staff.
var whose = regexp.MustCompile(`\b(?:[0-9A-Z]{6}|[tpc]-[0-9]+)\b`)

// inbox is what was sent to an address, oldest first.
func (h *house) inbox(ctx context.Context, to string) ([]inbox.Message, error) {
	all, err := inbox.Messages(ctx, h.InboxURL(), to)
	slices.Reverse(all)
	return all, err
}

// keys are the mails to the client.
func (b books) keys() []string { return b.mails(func(m mailed) bool { return m.Staff == "" }) }

// staffKeys are the mails to staff.
func (b books) staffKeys() []string { return b.mails(func(m mailed) bool { return m.Staff != "" }) }

func (b books) mails(which func(mailed) bool) []string {
	var all []string
	for key, m := range b.Mails {
		if which(m) {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return all
}

// again says whether nobody knew of a reminder whether it went out, so that it was sent again.
func (b books) again(key string) bool {
	return slices.Contains(b.Journal, "done mail-again : nobody knows whether a mail went out, and it is sent again: "+key)
}

// sound holds the books to what must be true of every pathway, however often anything was killed: no mail twice, but for a
// reminder of which nobody knew whether it went out; none lost without a word, no step twice, nothing journalled twice under one
// message. It returns the keys of mails of which nobody knows or knew.
func (p *person) sound(b books) (unknown []string) {
	p.t.Helper()
	if !b.StepsOnce {
		p.t.Errorf("%s: the steps are not numbered from 1 on, each once", p.code)
	}
	if len(b.Strangers) > 0 {
		p.t.Errorf("%s: the inbox has mails that the outbox does not know: %q", p.code, b.Strangers)
	}
	for key, m := range b.Mails {
		switch {
		case b.again(key) && m.Arrived <= 2 && m.Status != "pending" && m.Status != "withdrawn": // nobody knew, and it went out once more
			unknown = append(unknown, key)
		case m.Arrived > 1:
			p.t.Errorf("%s: the mail %s arrived %d times", p.code, key, m.Arrived)
		case m.Status == "sent" && m.Arrived != 1, m.Status == "withdrawn" && m.Arrived != 0, m.Status == "pending" && m.Arrived != 0:
			p.t.Errorf("%s: the mail %s is %s and arrived %d times", p.code, key, m.Status, m.Arrived)
		case m.Status == "unknown", m.Status == "claimed":
			unknown = append(unknown, key)
		case m.Status != "sent" && m.Status != "withdrawn" && m.Status != "pending":
			p.t.Errorf("%s: the mail %s is %s", p.code, key, m.Status)
		}
	}
	return unknown
}
