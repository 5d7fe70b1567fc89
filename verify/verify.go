// Package verify proves from the journal alone that the rules of the protocol were kept, and says where they were not. It is a second
// account of the rules: of package pathway it knows the vocabulary and the numbers that stand with each pathway, and calls nothing of it, so
// that a fault in the one does not hide in the other. It also holds the journal against what else is written of a pathway.
package verify

import (
	"encoding/json"
	"slices"
	"time"

	"kap/pathway"
	"kap/records"
)

// Report is what was found about one pathway.
type Report struct {
	Code     string          `json:"pathway"`
	Entries  int             `json:"entries"`
	Dosings  int             `json:"dosing_sessions"`
	Outcome  pathway.Outcome `json:"outcome,omitempty"`
	History  History         `json:"history"`
	Findings []Finding       `json:"findings"`
}

// Has says whether anything of a sort was found.
func (r Report) Has(s Sort) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Sort == s })
}

// Pathway verifies the books of one pathway, and its history where there is one.
func Pathway(b records.Books, h History) Report {
	r := Report{Code: b.Code, Entries: len(b.Journal), History: h, Findings: append([]Finding{}, chained(b)...)}
	r.Findings = append(r.Findings, stepped(b)...)
	if len(b.Journal) == 0 && b.AsOf.After(b.Enrolment.At.Add(days(1))) {
		r.Findings = append(r.Findings, Finding{Sort: Violation, Code: "never-began", At: b.Enrolment.At, Text: "nothing was written since the enrolment, and nobody was told of anything"})
	}
	a, found := journal(b.Journal, b.AsOf)
	r.Findings = append(r.Findings, found...)
	if a != nil {
		r.Dosings, r.Outcome = len(a.dosings()), a.outcome
		r.Findings = append(r.Findings, a.readModel(b)...)
	}
	r.Findings = append(r.Findings, h.against(b.Journal)...)
	return r
}

// Journal holds the protocol's rules, and nothing else, against a journal as it is at a moment.
func Journal(lines []records.ChainedLine, asOf time.Time) []Finding {
	_, found := journal(lines, asOf)
	return found
}

// journal also returns the account, which is nil where the journal does not say enough for one.
func journal(lines []records.ChainedLine, asOf time.Time) (*account, []Finding) {
	e, found := enrolled(lines)
	if e == nil {
		return nil, found
	}
	a, err := open(*e)
	if err != nil {
		return nil, []Finding{{Sort: Unproved, Code: "zone", At: e.At, Text: "the practice's zone is unknown on this machine, so that its days cannot be counted"}}
	}
	a.wordless = wordless(lines)
	lines = slices.Clone(lines)
	for i := range lines { // days are counted in the practice's zone, or in UTC, and not in that of whoever reads
		lines[i].At, lines[i].Recorded = lines[i].At.UTC(), lines[i].Recorded.UTC()
	}
	for len(lines) > 0 {
		n := 1
		for n < len(lines) && lines[n].Step == lines[0].Step {
			n++
		}
		a.readStep(lines[:n])
		lines = lines[n:]
	}
	a.silence(asOf.UTC())
	a.onRecord()
	return a, a.findings
}

// enrolled finds what the pathway began with, or says why nothing can be proved.
func enrolled(lines []records.ChainedLine) (*pathway.Enrolment, []Finding) {
	if len(lines) == 0 {
		return nil, nil // nothing has happened yet
	}
	i := slices.IndexFunc(lines, func(l records.ChainedLine) bool { return l.Kind == string(pathway.Done) && l.Name == "gap" })
	if i >= 0 {
		return nil, []Finding{{Sort: Unproved, Code: "gap", At: lines[i].At, Text: "the records had lost steps, and with them entries, so that the rules cannot be proved from the journal"}}
	}
	var f pathway.Fact
	if lines[0].Name == "enrolled" && lines[0].Fact != nil && json.Unmarshal([]byte(*lines[0].Fact), &f) == nil && f.Enrolment != nil {
		return f.Enrolment, nil
	}
	return nil, []Finding{{Sort: Unproved, Code: "no-enrolment", At: lines[0].At, Text: "the journal does not begin with the enrolment and its numbers: it began before these were kept, or its beginning is missing"}}
}
