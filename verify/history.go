package verify

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"kap/pathway"
	"kap/records"
)

// Reach is how much of a pathway's history Temporal still has.
type Reach string

// Temporal keeps a closed run for as long as the namespace's retention says: then it is gone, with what people said to it.
const (
	WholeHistory  Reach = "whole"
	PartOfHistory Reach = "in part" // the older runs are gone
	HistoryGone   Reach = "gone"
	HistoryAway   Reach = "not asked"
)

// History is what Temporal has of a pathway: the messages that reached its workflow, in all runs that are kept.
type History struct {
	Reach    Reach     `json:"reach"`
	After    int       `json:"after_step,omitempty"` // the step up to which it is gone
	Messages []Message `json:"-"`
}

// Message is a signal, or an update that was accepted.
type Message struct {
	Name      string
	Raw       []byte
	At        time.Time
	AlreadySo bool // it was answered so: nothing was written
	Fresh     bool // no step was written since
}

// against compares the history with what the journal says was taken and rejected. A message that says what another said before it may
// have changed nothing; then nothing was written.
func (h History) against(journal []records.ChainedLine) []Finding {
	if h.Reach == HistoryGone || h.Reach == HistoryAway {
		return nil
	}
	type line struct {
		records.ChainedLine
		met bool
	}
	var lines []*line
	for _, l := range journal {
		if k := pathway.EntryKind(l.Kind); l.Message != nil && (k == pathway.Taken || k == pathway.Rejected) {
			lines = append(lines, &line{ChainedLine: l})
		}
	}
	var found []Finding
	for _, m := range h.Messages {
		says := canonical(m.Raw)
		meets := func(l *line) bool {
			return l.Name == m.Name && (canonical([]byte(*l.Message)) == says || cut(*l.Message))
		}
		if i := slices.IndexFunc(lines, func(l *line) bool { return !l.met && l.Step > h.After && meets(l) }); i >= 0 {
			lines[i].met = true
			continue
		}
		if m.AlreadySo || m.Fresh || slices.ContainsFunc(lines, func(l *line) bool { return l.Name == m.Name && gist([]byte(*l.Message)) == gist(m.Raw) }) {
			continue
		}
		found = append(found, Finding{Difference, "not-in-the-journal", m.Name, m.At, "it reached the workflow, and the journal neither took nor refused it"})
	}
	for _, l := range lines {
		if !l.met && l.Step > h.After {
			found = append(found, Finding{Difference, "not-in-the-history", l.Name, l.Recorded, "the journal has it, and it never reached the workflow"})
		}
	}
	return found
}

// canonical is a message with its fields in one order and nothing between them.
func canonical(raw []byte) string {
	raw = bytes.ToValidUTF8(raw, []byte("\ufffd"))
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return string(raw)
	}
	sorted, err := json.Marshal(fields)
	if err != nil {
		return string(raw)
	}
	return string(sorted)
}

// gist is what a message says, whoever says it and when.
func gist(raw []byte) string {
	fields := read(string(raw))
	for _, name := range []string{"id", "at", "by", "reason"} {
		delete(fields, name)
	}
	text, _ := json.Marshal(fields)
	return string(text)
}

// cut says whether the journal kept only the beginning of a message: of what is no JSON, or too long.
func cut(message string) bool { return len(message) > 0 && message[0] == '"' }
