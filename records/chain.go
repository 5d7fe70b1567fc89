package records

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
)

// ChainedLine is a journal entry as it stands in the records, chained to the one before it.
type ChainedLine struct {
	Pathway  string
	Number   int // from 1 on, within the pathway
	Hash     string
	Step     int
	Kind     string
	Name     string
	By       string
	ID       string
	At       time.Time
	Recorded time.Time
	Code     string
	Text     string
	Message  *string // as it was said
	Fact     *string // for programs
}

// HashAfter is the hash that an entry must have when it follows an entry with the hash previous, which is empty for the first. The
// migration that chained what was written before does the same in SQL.
func (l ChainedLine) HashAfter(previous string) string {
	var b strings.Builder
	part := func(text string) { fmt.Fprintf(&b, "%d:%s", len(text), text) }
	for _, text := range []string{previous, l.Pathway, strconv.Itoa(l.Number), strconv.Itoa(l.Step), l.Kind, l.Name, l.By, l.ID, moment(l.At), moment(l.Recorded), l.Code, l.Text, deref(l.Message), deref(l.Fact)} {
		part(text)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}

// moment is a time as PostgreSQL keeps it, to the microsecond.
func moment(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// chain is the end of a pathway's journal. Whoever holds one has locked the pathway's row.
type chain struct {
	pathway string
	number  int
	hash    string
}

// lockChain reads the end of a pathway's journal, and keeps everybody else from adding to it until the transaction ends.
func lockChain(ctx context.Context, tx pgx.Tx, code string) (c chain, lastStep int, err error) {
	c.pathway = code
	err = c.scan(tx.QueryRow(ctx, chainEnd, code), &lastStep)
	return c, lastStep, err
}

const chainEnd = `select journal_number, journal_hash, last_step from pathway where code = $1 for update`

func (c *chain) scan(row pgx.Row, lastStep *int) error {
	return missing(row.Scan(&c.number, &c.hash, lastStep), "pathway %s", c.pathway)
}

// add writes one entry at the end of the journal.
func (c *chain) add(b *pgx.Batch, step int, e pathway.Entry) error {
	l := ChainedLine{Pathway: c.pathway, Number: c.number + 1, Step: step, Kind: string(e.Kind), Name: e.Name, By: storable(e.By), ID: storable(e.ID),
		At: e.At, Recorded: e.Recorded, Code: string(e.Code), Text: storable(e.Text)}
	if len(e.Message) > 0 {
		text := string(e.Message)
		l.Message = &text
	}
	if e.Fact != nil {
		raw, err := json.Marshal(e.Fact)
		if err != nil {
			return err
		}
		text := string(raw)
		l.Fact = &text
	}
	c.number, c.hash = l.Number, l.HashAfter(c.hash)
	b.Queue(`insert into journal (pathway, step, kind, name, by, message_id, at, recorded, code, text, message, fact, number, hash) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		l.Pathway, l.Step, l.Kind, l.Name, l.By, l.ID, l.At, l.Recorded, l.Code, l.Text, l.Message, l.Fact, l.Number, c.hash)
	return nil
}

// keep writes down where the journal ends now.
func (c *chain) keep(b *pgx.Batch) {
	b.Queue(`update pathway set journal_number = $2, journal_hash = $3 where code = $1`, c.pathway, c.number, c.hash)
}

// sent writes that a mail went out, which no step does: after the last one that is written.
func (c *chain) sent(ctx context.Context, tx pgx.Tx, lastStep int, e pathway.Entry) error {
	b := &pgx.Batch{}
	if err := c.add(b, lastStep, e); err != nil {
		return err
	}
	c.keep(b)
	return tx.SendBatch(ctx, b).Close()
}
