package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"kap/pathway"
	"kap/records"
)

// entry is one that somebody recorded, by the id under which a correction supersedes it.
type entry struct{ id, what string }

// beginningAtLeast keeps a slip of the finger from naming an entry.
const beginningAtLeast = 4

// wholeEntry writes out in a correction the id of which somebody typed the beginning. One that fits nothing stays as it is: the
// pathway says what is wrong with it.
func (d *desk) wholeEntry(ctx context.Context, code string, fields []member) error {
	i := slices.IndexFunc(fields, func(m member) bool { return m.name == "entry" })
	var typed string
	if i < 0 || json.Unmarshal(fields[i].raw, &typed) != nil || typed == "" || isOpen(fields[i]) {
		return nil
	}
	var fit []entry
	for _, e := range d.entries(ctx, code) {
		if e.id == typed {
			return nil
		}
		if len(e.id) >= len(typed) && strings.EqualFold(e.id[:len(typed)], typed) {
			fit = append(fit, e)
		}
	}
	if len(fit) > 1 {
		var all []string
		for _, e := range fit {
			all = append(all, e.id+" ("+e.what+")")
		}
		return fail(unanswered, "entry: found %q, with which the ids of %d entries on %s begin: %s", shorten(typed, 40), len(fit), code, strings.Join(all, "; "))
	}
	if len(fit) == 1 && len(typed) < beginningAtLeast {
		return usage("entry: found %q, expected at least %d characters of an id, or all of a shorter one; with it begins %s (%s)", typed, beginningAtLeast, fit[0].id, fit[0].what)
	}
	if len(fit) == 1 {
		fields[i] = textMember("entry", fit[0].id)
	}
	return nil
}

// entries are all that can be corrected on a pathway: by the journal, and by the pathway itself, which is ahead of it for a moment.
// What cannot be asked now is left out.
func (d *desk) entries(ctx context.Context, code string) []entry {
	all := []entry{{"enrolment", "what it says about eligibility"}}
	zone, journal := d.journalOf(ctx, code)
	said := map[string]string{}
	for _, l := range journal {
		said[l.ID] = codedIn(l.Message)
	}
	add := func(id, name, by string, at time.Time, zone *time.Location) {
		if id == "" || slices.ContainsFunc(all, func(e entry) bool { return e.id == id }) {
			return
		}
		what := fmt.Sprintf("%s by %s, %s", name, by, moment(at, zone))
		if said[id] != "" {
			what += ": " + said[id]
		}
		all = append(all, entry{id, what})
	}
	if v, err := d.view(ctx, code); err == nil && v.Status != nil {
		for _, e := range v.Status.Recorded {
			add(e.ID, e.Name, e.By, e.At, zoneOf(v.Status.Zone))
		}
	}
	superseded := supersededIn(journal)
	for _, l := range slices.Backward(journal) {
		if l.Kind == string(pathway.Taken) && !slices.Contains(uncorrected, l.Name) && !superseded[l.ID] {
			add(l.ID, l.Name, l.By, l.At, zone)
		}
	}
	return all
}

// journalOf reads a pathway's journal, and the zone of its times; nothing where it cannot be asked now.
func (d *desk) journalOf(ctx context.Context, code string) (*time.Location, []records.JournalLine) {
	if !d.hasRecords() {
		return time.UTC, nil
	}
	row, err := d.row(ctx, code)
	if err != nil {
		return time.UTC, nil
	}
	journal, err := bounded(ctx, func(ctx context.Context) ([]records.JournalLine, error) { return d.store.Journal(ctx, code) })
	if err != nil {
		return time.UTC, nil
	}
	return zoneOf(row.Zone), journal
}

// codedValue is a number, or one word such as a decision or a scale.
var codedValue = regexp.MustCompile(`^(-?[0-9]+|"[a-z0-9-]{1,24}")$`)

// codedIn lists by what people know one entry from another: its numbers, and what was decided or found.
func codedIn(message json.RawMessage) string {
	members, err := membersOf(message)
	if err != nil {
		return ""
	}
	var all []string
	for _, m := range members {
		if !slices.Contains([]string{"by", "id", "at", "entry"}, m.name) && codedValue.Match(m.raw) {
			all = append(all, m.name+"="+strings.Trim(string(m.raw), `"`))
		}
	}
	return strings.Join(all, ", ")
}

// supersededIn are the ids of entries that were corrected already, and of corrections that left nothing to correct.
func supersededIn(journal []records.JournalLine) map[string]bool {
	gone := map[string]bool{}
	for _, l := range journal {
		if l.Kind != string(pathway.Taken) || l.Name != "correct" {
			continue
		}
		fields, err := membersOf(l.Message)
		if err != nil {
			continue
		}
		for _, f := range fields {
			var entry string
			switch {
			case f.name == "entry" && json.Unmarshal(f.raw, &entry) == nil && entry == "enrolment":
				gone[l.ID] = true
			case f.name == "entry":
				gone[entry] = true
			case f.name == "void" && strings.Trim(string(f.raw), `"`) == "true":
				gone[l.ID] = true
			}
		}
	}
	return gone
}

// uncorrected are messages that are said anew instead.
var uncorrected = []string{"book-session", "move-session", "cancel-session", "care-team", "contact", "refresh"}
