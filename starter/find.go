package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"kap/records"
	"kap/workflows"
)

// findAtMost is how many the records give; more is no answer.
const findAtMost = 50

func (d *desk) findCommand() *cobra.Command {
	return &cobra.Command{
		Use: "find TEXT", Short: "Find a pathway by name, e-mail or telephone number",
		Long: `Finds pathways, open and ended, by a part of the client's name, e-mail address
or telephone number (at least four digits), or by their code. Accents need not
be typed: jose finds José, and muller and mueller find Müller.`,
		Example: "  starter find anna\n  starter find \"anna meyer\"\n  starter find 555-0123\n  starter find k7q2m9",
		Args:    takes(1, -1, "a part of a name, e-mail address or telephone number, or a code"),
		RunE:    d.does(func(ctx context.Context, args []string) error { return d.find(ctx, oneLine(strings.Join(args, " "))) }),
	}
}

func (d *desk) find(ctx context.Context, text string) error {
	if text == "" {
		return usage("find: found nothing, expected a part of a name, e-mail address or telephone number, or a code")
	}
	store, err := d.records(ctx)
	if err != nil {
		return err
	}
	text = strings.TrimPrefix(text, workflows.WorkflowID(""))
	rows, err := bounded(ctx, func(ctx context.Context) ([]records.Row, error) { return store.Find(ctx, text) })
	if err != nil {
		return fromRecords(err)
	}
	if len(rows) == 0 {
		return fail(unanswered, "found nobody by %q; try a shorter part of the name, the e-mail address or the telephone number", text)
	}
	var lines [][]string
	for _, r := range rows {
		phase, outcome := r.Phase, r.Outcome
		if !r.Started {
			phase = "not started"
		}
		if outcome == "" {
			outcome = "-"
		}
		lines = append(lines, []string{wrap(r.GivenName+" "+r.FamilyName, 36, true), r.Code, phase, outcome})
	}
	if err := d.table([]string{"NAME", "CODE", "PHASE", "OUTCOME"}, lines, unmarked); err != nil {
		return err
	}
	if len(rows) == findAtMost {
		d.say("\nThese are the first %d; type more of the name to see the others.", findAtMost)
	}
	return nil
}
