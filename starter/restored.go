package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kap/pathway"
	"kap/records"
)

const restoredHelp = `Says that the whole cluster was restored from a backup, and that what happened
after a moment is lost. Run it on the restored cluster before Temporal and any
worker are started; bin/stack restore does it by itself.

From then on no mail goes out, until starter resume-mail. A mail that had not
gone out by that moment may have gone out since: it is unknown, is not sent, and
becomes a telephone task, and so does every mail that fell due since. Every open
pathway is held, until its therapist and its prescriber have each said that
nothing of theirs is missing.`

const restoredExample = `  starter restored --to 2026-11-26T04:00:00Z
  starter restored --to "2026-11-25 23:00"`

func (d *desk) restoredCommand() *cobra.Command {
	var to string
	c := &cobra.Command{Use: "restored", Short: "Say that all was restored from a backup", Long: restoredHelp, Example: restoredExample, Args: takes(0, 0, "flags alone")}
	c.Flags().StringVar(&to, "to", "", "the `moment` to which it was restored, in RFC 3339 or on the practice's clock")
	c.RunE = d.does(func(ctx context.Context, _ []string) error { return d.restored(ctx, to) })
	return c
}

func (d *desk) restored(ctx context.Context, text string) error {
	zone, err := d.zone()
	if err != nil {
		return err
	}
	if text == "" {
		return usage("--to: found nothing, expected the moment to which it was restored, such as 2026-11-26T04:00:00Z")
	}
	to, err := pathway.ParseTime("--to", text, zone)
	switch {
	case err != nil:
		return usage("%s", err)
	case to.After(d.now()):
		return usage("--to: found %s, which is in the future, expected the moment to which it was restored", moment(to, zone))
	}
	store, err := d.records(ctx)
	if err != nil {
		return err
	}
	question := fmt.Sprintf("What happened after %s is lost: mail is paused, and every open pathway is held. Mark this? [yes/no] ", moment(to, zone))
	if err := d.agrees(question); err != nil {
		return err
	}
	if err := store.Migrate(ctx); err != nil { // a backup may be older than this program
		return fromRecords(err)
	}
	r, fresh, err := store.MarkRestored(ctx, to, "starter restored")
	if err != nil {
		return fromRecords(err)
	}
	if !fresh {
		d.say("This was marked before, at %s; nothing has changed.", moment(r.At, zone))
		return nil
	}
	d.say("%s\nNow start Temporal and the workers.", pausedSince(&r, zone))
	return nil
}

const resumeHelp = `Lets mail go out again after a restore. What became unknown stays so and is not
sent; what is too late by now is not sent either, and is reported. The pathways
stay held until each is released.`

func (d *desk) resumeCommand() *cobra.Command {
	c := &cobra.Command{Use: "resume-mail", Short: "Let mail go out again after a restore", Long: resumeHelp, Args: takes(0, 0, "nothing")}
	c.RunE = d.does(func(ctx context.Context, _ []string) error { return d.resume(ctx) })
	return c
}

func (d *desk) resume(ctx context.Context) error {
	zone, err := d.zone()
	if err != nil {
		return err
	}
	store, err := d.records(ctx)
	if err != nil {
		return err
	}
	paused, err := bounded(ctx, store.MailPaused)
	if err != nil {
		return fromRecords(err)
	}
	if paused == nil {
		d.say("Mail is not paused; nothing has changed.")
		return nil
	}
	n, err := bounded(ctx, func(ctx context.Context) (records.Numbers, error) { return store.Numbers(ctx, d.now()) })
	if err != nil {
		return fromRecords(err)
	}
	waiting := 0
	for _, m := range n.Mails {
		if m.Status == pathway.PendingMail {
			waiting = m.N
		}
	}
	if err := d.agrees(fmt.Sprintf("%s Mails that wait: %d. Let them go out? [yes/no] ", pausedSince(paused, zone), waiting)); err != nil {
		return err
	}
	if _, err := bounded(ctx, store.ResumeMail); err != nil {
		return fromRecords(err)
	}
	d.say("Mail goes out again, within seconds or when its hours begin.")
	return nil
}

// agrees asks whoever sits at the terminal; a script has said what it wants.
func (d *desk) agrees(question string) error {
	if !d.terminal {
		return nil
	}
	yes, err := d.yesNo(question)
	if err == nil && !yes {
		err = fail(done, "nothing was changed")
	}
	return err
}

func (d *desk) zone() (*time.Location, error) {
	house, _, err := d.house()
	if err != nil {
		return nil, err
	}
	return house.Calendar().Zone, nil
}

// pausedSince says why no mail goes out.
func pausedSince(r *records.Restored, zone *time.Location) string {
	return fmt.Sprintf("Mail is paused since %s, because all was restored to %s.", moment(r.At, zone), moment(r.To, zone))
}

// sayPaused heads what people look at in the morning. Where the records do not say, what follows says why.
func (d *desk) sayPaused(ctx context.Context, store *records.Store) {
	zone, err := d.zone()
	if err != nil {
		zone = time.UTC
	}
	if r, err := bounded(ctx, store.MailPaused); err == nil && r != nil {
		d.say("%s\n", d.paint(pressing, indented("", pausedSince(r, zone)+" starter resume-mail lets it go out.")))
		return
	}
	if h, err := bounded(ctx, store.MailHeld); err == nil && h != nil && d.now().Sub(h.Since) > heldQuietly {
		d.say("%s\n", d.paint(pressing, indented("", heldSince(h, zone))))
	}
}

// heldQuietly is for how long nobody need hear that the mail service takes no mail: it mostly does again by then.
const heldQuietly = 2 * time.Minute

// heldSince says why mail waits for the mail service.
func heldSince(h *records.Held, zone *time.Location) string {
	why := map[records.HoldReason]string{
		records.TooMany: "it is asked too often. Mail goes out when it allows it.",
		records.BadKey:  "it does not accept the key. Mail goes out by itself once that is mended; starter mail doctor says what to mend.",
		records.Away:    "it does not answer. Mail goes out by itself when it does.",
	}[h.Why]
	return fmt.Sprintf("Mail waits since %s for the mail service: %s", moment(h.Since, zone), why)
}
