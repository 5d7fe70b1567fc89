package main

import (
	"context"
	"errors"
	"net/mail"
	"strings"

	"github.com/spf13/cobra"

	"kap/records"
	"kap/workflows"
)

const addressHelp = `Gives a client another e-mail address, which mail goes to from then on. Where
mail to the one before came back, this is what ends it (also with the same
address, where that works again): until then everything that mail would say is
a telephone call. Telephone numbers and names are not
changed here.

Whether the client wants mail at all is another matter: starter record contact.`

const addressExample = `  starter address K7Q2M9 --email anna@example.org --by c-desk`

func (d *desk) addressCommand() *cobra.Command {
	var email, by string
	c := &cobra.Command{Use: "address PATHWAY", Short: "Correct a client's e-mail address", Long: addressHelp, Example: addressExample, Args: takes(1, 1, "one pathway's code")}
	c.Flags().StringVar(&email, "email", "", "the address")
	c.Flags().StringVar(&by, "by", "", "your staff id (default $KAP_BY)")
	c.RunE = d.does(func(ctx context.Context, args []string) error { return d.address(ctx, args[0], email, by) })
	return c
}

func (d *desk) address(ctx context.Context, text, email, by string) error {
	code, err := parseCode(text)
	if err != nil {
		return err
	}
	email = strings.TrimSpace(email)
	if parsed, err := mail.ParseAddress(email); err != nil || parsed.Address != email || len(email) > 254 {
		return usage("--email: found %q, expected an e-mail address such as anna@example.org", email)
	}
	s, err := d.settings()
	if err != nil {
		return err
	}
	if by == "" {
		by = s["KAP_BY"]
	}
	house, _, err := d.house()
	if err != nil {
		return err
	}
	if house.Role(by) == "" {
		return usage("--by: found %q, expected the staff id of somebody in the practice's file", by)
	}
	store, err := d.records(ctx)
	if err != nil {
		return err
	}
	codes, err := bounded(ctx, func(ctx context.Context) ([]string, error) { return store.CorrectAddress(ctx, code, email, by) })
	if errors.Is(err, records.ErrNotFound) {
		return fail(unanswered, "there is no pathway %s; find it with: starter find NAME", code)
	}
	if err != nil {
		return fromRecords(err)
	}
	d.say("The address is corrected; mail goes to it from now on.")
	for _, code := range codes {
		temporal, err := d.connect()
		if err == nil {
			_, err = bounded(ctx, func(ctx context.Context) (any, error) {
				return nil, temporal.SignalWorkflow(ctx, workflows.WorkflowID(code), "", workflows.NewsSignal, nil)
			})
		}
		if err != nil { // it is written down: a worker tells the pathway
			d.say("%s hears of it within a minute, once Temporal answers.", code)
		}
	}
	return nil
}
