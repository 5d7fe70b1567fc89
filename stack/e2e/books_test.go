package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/stack/inbox"
)

// books are what PostgreSQL and the inbox hold of one pathway.
type books struct {
	Journal      []string
	Appointments []string
	Mails        map[string]mailed // by key
	Strangers    []string          // mails at the inbox that no outbox row knows
	Steps        int
	StepsOnce    bool // each number from 1 on, once
	Outcome      string
}

// mailed is one row of the outbox, and how often the inbox has it.
type mailed struct {
	ID, Status string
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
	each(`select kind, name, code, text from journal where pathway = $1 order by id`, func(row pgx.CollectableRow) error {
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
	each(`select id::text, key, status, attempts from mail where pathway = $1`, func(row pgx.CollectableRow) error {
		var key string
		var m mailed
		err := row.Scan(&m.ID, &key, &m.Status, &m.Attempts)
		b.Mails[key], keys[m.ID] = m, key
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
	var email string
	each(`select email from client c join pathway p on p.client = c.id where p.code = $1`, func(row pgx.CollectableRow) error { return row.Scan(&email) })
	if err != nil {
		return b, err
	}
	arrived, err := p.h.inbox(ctx, email)
	for _, message := range arrived {
		key, known := keys[message.CustomArgs["mail"]]
		if !known {
			b.Strangers = append(b.Strangers, message.Subject)
			continue
		}
		m := b.Mails[key]
		m.Arrived++
		m.Received = message.Received
		b.Mails[key] = m
	}
	return b, err
}

// anonymous takes out of a text what differs between two clients with the same story.
func (p *person) anonymous(text string) string {
	return strings.NewReplacer(p.code, "CODE", p.therapist, "THERAPIST").Replace(text)
}

// inbox is what was sent to an address, oldest first.
func (h *house) inbox(ctx context.Context, to string) ([]inbox.Message, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.InboxURL()+"/messages.json?to="+to, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var all []inbox.Message
	err = json.NewDecoder(answer.Body).Decode(&all)
	slices.Reverse(all)
	return all, err
}

func (b books) keys() []string { return slices.Sorted(maps.Keys(b.Mails)) }

// sound holds the books to what must be true of every pathway, however often anything was killed: no mail twice, none lost
// without a word, no step twice, nothing journalled twice under one message. It returns the keys of mails of which nobody
// knows whether they went out.
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
