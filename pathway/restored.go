package pathway

import (
	"fmt"
	"slices"
	"time"
)

// Restore is one time that the records, and Temporal's with them, were restored from a backup: what happened after To is lost.
type Restore struct {
	ID string    `json:"id"` // of this restore, of which a pathway hears once
	To time.Time `json:"to"`
}

// Rouse has a pathway that sleeps ask the records about a restore: it hears of it with the answer to its next step. It does nothing
// where the pathway has heard, or is about to.
func (p *Pathway) Rouse(id string, now time.Time) {
	if id == "" || p.Restored.ID == id || slices.ContainsFunc(p.Pending, Entry.rouses) {
		return
	}
	p.note(p.onward(now), restoredEntry, "the records were restored: they are asked to which time")
}

// Roused says whether a step asks about a restore.
func (s Step) Roused() bool { return slices.ContainsFunc(s.Entries, Entry.rouses) }

const restoredEntry = "restored"

func (e Entry) rouses() bool { return e.Kind == Found && e.Name == restoredEntry }

// restored takes in that what happened after a moment is lost. It holds the pathway until both clinicians have said that nothing is
// missing: each of them knows of what they themselves recorded. Mails that had not gone out by then may have gone out since.
//
// From here until it has caught up, the pathway works off what fell due while nobody was there to say what came of it. Nothing of
// that is measured by a clock: a pathway may live in a time of its own.
func (p *Pathway) restored(s Step, r Restore, say func(string, string, ...any)) {
	p.Restored, p.CatchingUp = r, s.At.Truncate(time.Second)
	for i := range p.Outbox {
		p.Outbox[i].GivenUp, p.Outbox[i].Again = true, time.Time{}
	}
	what := fmt.Sprintf("restored to %s: confirm that nothing is missing", p.clockTime(r.To))
	if p.Outcome == "" {
		name := p.hold(flag{from: r.ID, cause: Restored, since: p.CatchingUp, needs: clinicians, why: what}, p.CatchingUp)
		what += "; " + name + " holds the pathway"
	}
	say(restoredEntry, "%s", what)
}

// caughtUp is the last act of working off what fell due before a restore was heard of.
func (p *Pathway) caughtUp() []Act {
	if p.CatchingUp.IsZero() {
		return nil
	}
	return []Act{{Do: CatchUpDeed, Key: "caught-up/" + p.Restored.ID}}
}

// missed says whether a mail to staff fell due before a restore was heard of, so that it may have gone out then: not where it tells
// of anything that has come up since.
func (p *Pathway) missed(about []Nudge) bool {
	return !p.CatchingUp.IsZero() && !slices.ContainsFunc(about, func(n Nudge) bool { return !n.Since.Before(p.CatchingUp) })
}
