package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kap/records"
	"kap/verify"
)

const verifyHelp = `Reads the journals again and proves from them alone that the rules of the
protocol were kept: each dosing session with every gate in force at its time, at
most so many, so far apart, with integration between; holds released by whom
they need; stops and declines with a referral; no mail after an ending but the
letter and cancellations; no reminder for a time that was moved or cancelled.
It shares no code with the rules. Without a code it verifies every pathway.

  violation   a rule that was not kept, or a journal that was changed
  deviation   what was done against the rules, and was recorded as such and
              held the pathway: the protocol provides for it
  difference  the journal says otherwise than the read model, the steps, or the
              messages that Temporal's history has
  unproved    the journal does not say enough

HISTORY says how much of it Temporal has: whole, in part (the older runs are
gone), or history gone. Nothing that is printed names a client.

It ends with 0 where there is no finding but deviations, with 3 for a violation
or a difference, with 4 where something is unproved, and with 5 where Temporal
did not answer.`

const verifyExample = `  starter verify
  starter verify K7Q2M9 B4D6F8
  starter verify --records-only
  starter verify K7Q2M9 --json`

type verifyFlags struct{ recordsOnly, asJSON bool }

func (d *desk) verifyCommand() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{Use: "verify [PATHWAY...]", Short: "Prove from the journals that the rules were kept", Long: verifyHelp, Example: verifyExample}
	c.Flags().BoolVar(&f.recordsOnly, "records-only", false, "do not ask Temporal for its histories")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print a JSON array of reports")
	c.RunE = d.does(func(ctx context.Context, args []string) error { return d.verify(ctx, args, f) })
	return c
}

func (d *desk) verify(ctx context.Context, args []string, f verifyFlags) error {
	store, err := d.records(ctx)
	if err != nil {
		return err
	}
	codes, err := d.toVerify(ctx, store, args)
	if err != nil {
		return err
	}
	reports := []verify.Report{}
	away := f.recordsOnly
	var silent error
	for _, code := range codes {
		h := verify.History{Reach: verify.HistoryAway}
		if !away { // before the records: what was said meanwhile is in both or in the records alone
			if h, err = d.historyOf(ctx, code); err != nil && !isAway(err) {
				return err
			}
			away, silent = err != nil, err
		}
		books, err := bounded(ctx, func(ctx context.Context) (records.Books, error) { return store.Books(ctx, code) })
		if err != nil {
			return fromRecords(err)
		}
		reports = append(reports, verify.Pathway(books, h))
		if !f.asJSON {
			d.verdict(reports)
		}
	}
	if f.asJSON {
		out := json.NewEncoder(d.stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(reports); err != nil {
			return err
		}
	} else {
		d.found(reports)
	}
	return sumUp(reports, silent)
}

// toVerify reads the codes, or takes all that there are.
func (d *desk) toVerify(ctx context.Context, store *records.Store, args []string) ([]string, error) {
	if len(args) == 0 {
		codes, err := bounded(ctx, store.Codes)
		return codes, fromRecords(err)
	}
	var codes []string
	for _, text := range args {
		code, err := parseCode(text)
		if err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// verdict prints the line of the pathway that was verified last, so that a long run shows how far it is.
func (d *desk) verdict(reports []verify.Report) {
	const layout = "%-6s  %-10s  %7s  %5s  %-21s  %s"
	if len(reports) == 1 {
		d.say("%s", d.paint(heading, fmt.Sprintf(layout, "CODE", "RESULT", "ENTRIES", "DOSED", "ENDED", "HISTORY")))
	}
	r := reports[len(reports)-1]
	ended, reach := string(r.Outcome), string(r.History.Reach)
	if ended == "" {
		ended = "-"
	}
	if r.History.Reach == verify.HistoryGone {
		reach = "history gone"
	}
	result, how := resultOf(r)
	d.say("%s", d.paint(how, fmt.Sprintf(layout, r.Code, result, fmt.Sprint(r.Entries), fmt.Sprint(r.Dosings), ended, reach)))
}

// resultOf is the worst that was found.
func resultOf(r verify.Report) (string, style) {
	switch {
	case r.Has(verify.Violation):
		return "violated", pressing
	case r.Has(verify.Difference):
		return "differs", pressing
	case r.Has(verify.Unproved):
		return "unproved", overdue
	case r.Has(verify.OnRecord):
		return "deviation", overdue
	}
	return "kept", nil
}

// found prints each finding under its pathway.
func (d *desk) found(reports []verify.Report) {
	if len(reports) == 0 {
		d.say("No pathway to verify.")
	}
	for _, r := range reports {
		if len(r.Findings) == 0 {
			continue
		}
		d.say("\n%s", d.paint(heading, r.Code))
		for _, f := range r.Findings {
			var where []string
			if f.About != "" {
				where = append(where, clean(f.About))
			}
			if !f.At.IsZero() {
				where = append(where, f.At.UTC().Format("2006-01-02 15:04Z"))
			}
			text := strings.Join(where, ", ") + ": " + f.Text + " [" + f.Code + "]"
			d.say("%s", indented(fmt.Sprintf("  %-10s  ", f.Sort), strings.TrimPrefix(text, ": ")))
		}
	}
}

// sumUp is how the command ends: with the worst that was found.
func sumUp(reports []verify.Report, silent error) error {
	counts := map[verify.Sort]int{}
	for _, r := range reports {
		for _, f := range r.Findings {
			counts[f.Sort]++
		}
	}
	switch {
	case counts[verify.Violation]+counts[verify.Difference] > 0:
		return fail(refused, "violations: %d, differences: %d, in %d pathways verified", counts[verify.Violation], counts[verify.Difference], len(reports))
	case counts[verify.Unproved] > 0:
		return fail(unanswered, "unproved: %d, in %d pathways verified; what the journal does not say, a person has to look up", counts[verify.Unproved], len(reports))
	}
	return silent
}
