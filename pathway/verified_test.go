package pathway_test

import (
	"encoding/json"
	"flag"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kap/pathway"
	"kap/records"
	"kap/verify"
)

var verified = flag.Int("verified", pathway.Usually, "how many random histories are verified from their journals")

// Package verify is a second account of the rules, which reads the journal alone: of a pathway on which the rules were kept it finds
// no violation, whatever people did.
func TestWhatKeptTheRulesIsVerified(t *testing.T) {
	t.Parallel()
	var next, failed atomic.Uint64
	var deviations, entries, silent atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for n := next.Add(1); n <= uint64(*verified) && failed.Load() < 5; n = next.Add(1) {
				lines, quiet, why := journalOf(n)
				asOf := quiet.Add(time.Hour) // until when what is urgent may be late
				if !quiet.IsZero() {
					silent.Add(1)
				}
				if why != "" {
					failed.Add(1)
					t.Errorf("history %d: %s", n, why)
				}
				entries.Add(int64(len(lines)))
				found := verify.Journal(lines, asOf)
				if n%8 == 0 {
					found = append(found, verify.Journal(wordless(lines), asOf)...)
				}
				if n%8 == 4 {
					found = append(found, verify.Journal(callless(lines), asOf)...)
				}
				for _, f := range found {
					if f.Sort == verify.OnRecord {
						deviations.Add(1)
						continue
					}
					failed.Add(1)
					t.Errorf("history %d: %s %s %s: %s (%s)", n, f.Sort, f.Code, f.About, f.Text, f.At)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d histories, %d entries, %d deviations on record, %d read once they are silent", *verified, entries.Load(), deviations.Load(), silent.Load())
	if deviations.Load() == 0 {
		t.Error("no history has a deviation on record: they say nothing about how one is told from a violation")
	}
}

// wordless is a journal whose first half was written when nudges did not say what they are about.
func wordless(lines []records.ChainedLine) []records.ChainedLine {
	lines = slices.Clone(lines)
	for i := range lines[:len(lines)/2] {
		if lines[i].Name == "nudge" {
			lines[i].Fact = nil
		}
	}
	return lines
}

// callless is a journal whose first half was written when entries did not say which calls they bring, nor that nobody heard of a refusal.
func callless(lines []records.ChainedLine) []records.ChainedLine {
	lines = slices.Clone(lines)
	for i := range lines[:len(lines)/2] {
		l := &lines[i]
		switch l.Name {
		case "too-late", "withdrawn", "mail-unknown", "mail-rejected", "mail-withdrawn", "mail-overtaken", "asked", "call":
			l.Fact = nil
		}
		if l.Kind == string(pathway.Rejected) {
			l.Fact = nil
		}
		var f pathway.Fact
		if l.Fact == nil || json.Unmarshal([]byte(*l.Fact), &f) != nil {
			continue
		}
		if f.Call = nil; f.Paired != nil {
			f.Paired.Call = nil
		}
		raw, _ := json.Marshal(f)
		text := string(raw)
		l.Fact = &text
	}
	return lines
}

// journalOf is the journal of a random history, as the records would keep it.
func journalOf(number uint64) (lines []records.ChainedLine, quiet time.Time, why string) {
	quiet, why = pathway.RandomHistory(number, func(step int, e pathway.Entry) {
		l := records.ChainedLine{Step: step, Number: len(lines) + 1, Kind: string(e.Kind), Name: e.Name, By: e.By, ID: e.ID, At: e.At, Recorded: e.Recorded, Code: string(e.Code), Text: e.Text}
		if len(e.Message) > 0 {
			text := string(slices.Clone(e.Message))
			l.Message = &text
		}
		if e.Fact != nil {
			raw, _ := json.Marshal(e.Fact)
			text := string(raw)
			l.Fact = &text
		}
		lines = append(lines, l)
	})
	return lines, quiet, why
}
