package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"kap/mail"
	known "kap/settings"
)

const doctorHelp = `Says where mails go, and looks at what has to be right at SendGrid before they
go to people: that the key may send, that the sender is known there, that the
region is the key's, that delivery events are told of, signed, and with which
key; and that a mail of kap's with an invitation would be taken, by SendGrid's
sandbox, which sends nothing. For each it says what it found, and what to mend.
It changes nothing, and shows no key.

Give it the settings that the worker has. To look before the worker sends
anything, give them to this command alone.

It ends with 0 where all is well, with 3 where something is to be mended, with 4
where something was not found out, and with 5 where SendGrid did not answer.`

const doctorExample = `  starter mail doctor
  KAP_SEND_FOR_REAL=yes SENDGRID_BASE_URL= starter mail doctor`

func (d *desk) doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "doctor", Short: "Say what the mail service lacks", Long: doctorHelp, Example: doctorExample, Args: takes(0, 0, "flags alone")}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of findings")
	c.RunE = d.does(func(ctx context.Context, _ []string) error { return d.doctor(ctx, asJSON) })
	return c
}

func (d *desk) doctor(ctx context.Context, asJSON bool) error {
	s, err := d.settings()
	if err != nil {
		return err
	}
	given, err := known.Load[known.Starter](s.Environ())
	if err != nil {
		return usage("%v", err)
	}
	base, live, err := given.Where()
	if err != nil {
		return usage("%v", err)
	}
	house, _, err := d.house()
	if err != nil {
		return err
	}
	checkup := mail.Checkup{BaseURL: base, APIKey: given.MailKey, WebhookKey: given.WebhookKey, Practice: house}
	where := mail.Finding{Part: "where", Verdict: mail.Well, Found: "mails go to an inbox at " + base + ", and to nobody else"}
	if live {
		where.Found = "mails go to people, through SendGrid at " + base
		checkup.OtherURL = known.OtherRegion(base)
	}
	all, err := checkup.Run(ctx)
	var away *mail.NotSent
	switch {
	case errors.Is(err, mail.ErrStandIn):
		where.Found += "; it has no key, sender or webhook to look at"
	case ctx.Err() != nil:
		return interrupted()
	case errors.As(err, &away):
		return fail(unreachable, "the mail service at %s does not answer: %s; see that this machine reaches it", base, away.Reason)
	case err != nil:
		return err
	}
	all = append([]mail.Finding{where}, all...)
	if asJSON {
		out := json.NewEncoder(d.stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(all); err != nil {
			return err
		}
	} else {
		d.diagnose(all)
	}
	return prognosis(all)
}

func (d *desk) diagnose(all []mail.Finding) {
	for _, f := range all {
		look := map[mail.Verdict]style{mail.ToMend: pressing, mail.NotKnown: overdue}[f.Verdict]
		d.say("%s", d.paint(look, indented(fmt.Sprintf("%-9s  %-12s  ", f.Verdict, f.Part), f.Found+".")))
		if f.Mend != "" {
			d.say("%s", d.paint(faint, indented(fmt.Sprintf("%-9s  %-12s  ", "", ""), "To do: "+f.Mend+".")))
		}
	}
}

// prognosis is how the command ends: all was said before.
func prognosis(all []mail.Finding) error {
	has := func(v mail.Verdict) bool {
		return slices.ContainsFunc(all, func(f mail.Finding) bool { return f.Verdict == v })
	}
	switch {
	case has(mail.ToMend):
		return fail(refused, "")
	case has(mail.NotKnown):
		return fail(unanswered, "")
	}
	return nil
}
