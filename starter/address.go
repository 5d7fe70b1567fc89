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

const addressHelp = `Corrects how a client is reached: gives them another e-mail address, telephone
number or given name. Who did so stands in the pathway's history.

Mail goes to the new address from then on. Where mail to the one before came
back, this is what ends it (also with the same address, where that works again):
until then everything that mail would say is a telephone call.

Whether the client wants mail at all, in which zone they are and when they can
come is another matter: starter record contact.`

const addressExample = `  starter address K7Q2M9 --email anna@example.org --by c-desk
  starter address K7Q2M9 --phone "+1 555 0123" --by c-desk`

type addressFlags struct{ email, phone, givenName, by string }

func (d *desk) addressCommand() *cobra.Command {
	var f addressFlags
	c := &cobra.Command{Use: "address PATHWAY", Short: "Correct a client's address, number or given name", Long: addressHelp, Example: addressExample, Args: takes(1, 1, "one pathway's code")}
	c.Flags().StringVar(&f.email, "email", "", "the e-mail `address`")
	c.Flags().StringVar(&f.phone, "phone", "", "the telephone `number`")
	c.Flags().StringVar(&f.givenName, "given-name", "", "the given `name`, by which mails greet")
	c.Flags().StringVar(&f.by, "by", "", "your staff `id` (default $KAP_BY)")
	c.RunE = d.does(func(ctx context.Context, args []string) error {
		given := c.Flags().Changed
		return d.address(ctx, args[0], f, given("email"), given("phone"), given("given-name"))
	})
	return c
}

// check says what is wrong with what was typed. What is not given is not looked at.
func (f *addressFlags) check(email, phone, givenName bool) error {
	f.email, f.phone, f.givenName = strings.TrimSpace(f.email), oneLine(f.phone), oneLine(f.givenName)
	if !email && !phone && !givenName {
		return usage("address: found nothing to correct, expected --email, --phone or --given-name")
	}
	if parsed, err := mail.ParseAddress(f.email); email && (err != nil || parsed.Address != f.email || len(f.email) > 254) {
		return usage("--email: %s, expected an e-mail address such as anna@example.org", found(f.email))
	}
	if phone && !isPhone(f.phone) {
		return usage("--phone: %s, expected a telephone number such as \"+1 555 0123\"", found(f.phone))
	}
	if givenName && !isName(f.givenName) {
		return usage("--given-name: %s, expected a name of at most 80 characters", found(f.givenName))
	}
	return nil
}

func (d *desk) address(ctx context.Context, text string, f addressFlags, email, phone, givenName bool) error {
	code, err := parseCode(text)
	if err != nil {
		return err
	}
	if err := f.check(email, phone, givenName); err != nil {
		return err
	}
	by, err := d.author(f.by, nil)
	if err != nil {
		return err
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
	if phone || givenName {
		_, err := bounded(ctx, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, store.CorrectPerson(ctx, code, f.phone, f.givenName, by)
		})
		if err != nil {
			return fromCorrection(code, err)
		}
		if phone {
			d.say("The telephone number is corrected.")
		}
		if givenName {
			d.say("The given name is corrected.")
		}
	}
	if email {
		return d.correctAddress(ctx, store, code, f.email, by)
	}
	return nil
}

func fromCorrection(code string, err error) error {
	if errors.Is(err, records.ErrNotFound) {
		return fail(unanswered, "there is no pathway %s; find it with: starter find NAME", code)
	}
	return fromRecords(err)
}

// correctAddress enters another e-mail address and has the client's pathways hear of it.
func (d *desk) correctAddress(ctx context.Context, store *records.Store, code, email, by string) error {
	codes, err := bounded(ctx, func(ctx context.Context) ([]string, error) { return store.CorrectAddress(ctx, code, email, by) })
	if err != nil {
		return fromCorrection(code, err)
	}
	d.say("%s", indented("", "The address is corrected"+whatFollows(ctx, store, codes)+"."))
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

// whatFollows says whether mail goes to an address that was corrected; nothing where that cannot be found out.
func whatFollows(ctx context.Context, store *records.Store, codes []string) string {
	if len(codes) == 0 {
		return "; no pathway of theirs is under way"
	}
	for _, code := range codes {
		r, err := bounded(ctx, func(ctx context.Context) (records.Reach, error) { return store.Reach(ctx, code) })
		switch {
		case err != nil:
			return ""
		case r.MailPermission:
			return "; mail goes to it from now on"
		}
	}
	return "; no mail goes to it, because the client wants none. Where that has changed, starter record contact says so"
}
