package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kap/pathway"
	"kap/records"
)

const watchHelp = `Shows the board of pathways and keeps it up to date until Ctrl-C: as starter
list has them, with what has changed since the last look marked by a star. Where
the output is no terminal, it prints a line for each change instead.

While PostgreSQL does not answer, the board says so and goes on asking.`

const watchExample = `  starter watch
  starter watch --for t-lane --every 2s
  starter watch --attention | tee board.log`

type watchFlags struct {
	listFlags
	every time.Duration
}

func (d *desk) watchCommand() *cobra.Command {
	var f watchFlags
	c := &cobra.Command{Use: "watch", Short: "Watch the pathways on a live board", Long: watchHelp, Example: watchExample, Args: takes(0, 0, "flags alone")}
	f.filters(c)
	c.Flags().DurationVar(&f.every, "every", 5*time.Second, "how often to look")
	c.RunE = d.does(func(ctx context.Context, _ []string) error { return d.watch(ctx, f) })
	return c
}

// watch looks again and again until it is interrupted, which is how it is meant to end.
func (d *desk) watch(ctx context.Context, f watchFlags) error {
	if f.every < 200*time.Millisecond || f.every > time.Hour {
		return usage("--every: found %s, expected 200ms to 1h", f.every)
	}
	if err := f.check(); err != nil {
		return err
	}
	store, err := d.records(ctx)
	if err != nil {
		return err
	}
	house, _, err := d.house()
	if err != nil {
		return err
	}
	b := board{desk: d, store: store, flags: f, zone: zoneOf(house.Zone)}
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		if err := b.look(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// board is what watch has shown so far.
type board struct {
	*desk
	store *records.Store
	flags watchFlags
	zone  *time.Location
	seen  map[string]string
	away  string // why the records do not answer
}

func (b *board) look(ctx context.Context) error {
	found, err := b.listed(ctx, b.store, b.flags.listFlags)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil && !isAway(err) {
		return err
	}
	why := ""
	if err != nil {
		why = err.Error()
	}
	if b.colours {
		return b.draw(found, why)
	}
	b.log(found, why)
	return nil
}

// draw writes the board over the last one.
func (b *board) draw(found []listed, why string) error {
	if why != "" {
		b.say("%s", b.paint(pressing, "  "+b.now().In(b.zone).Format("15:04:05")+"  "+clean(why)))
		return nil
	}
	changed := b.changes(found)
	fmt.Fprint(b.stdout, "\x1b[H\x1b[2J") // home, clear the screen; what was scrolled is somebody's
	b.say("%s", b.paint(heading, fmt.Sprintf("%s  %s", b.now().In(b.zone).Format("Mon 2 Jan 15:04:05"), counted(found))))
	b.say("")
	return b.listTable(found, changed)
}

// log prints a line for each change.
func (b *board) log(found []listed, why string) {
	stamp := b.now().In(b.zone).Format("15:04:05")
	if why != b.away {
		if b.away = why; why != "" {
			b.say("%s  %s", stamp, clean(why))
			return
		}
		b.say("%s  the records answer again", stamp)
	}
	if why != "" {
		return
	}
	first := b.seen == nil
	before := b.seen
	for _, code := range b.changes(found) {
		i := slices.IndexFunc(found, func(l listed) bool { return l.Code == code })
		switch {
		case i < 0:
			b.say("%s  %s  is not on this board any more (was: %s)", stamp, code, before[code])
		default:
			b.say("%s  %s  %s", stamp, code, b.seen[code])
		}
	}
	if first {
		b.say("%s  watching: %s", stamp, counted(found))
	}
}

// changes are the codes whose line is another than at the last look; the first look has none at a terminal.
func (b *board) changes(found []listed) []string {
	now := map[string]string{}
	var changed []string
	for _, l := range found {
		now[l.Code] = gist(l)
		if b.seen[l.Code] != now[l.Code] && (b.seen != nil || !b.colours) {
			changed = append(changed, l.Code)
		}
	}
	for code := range b.seen {
		if _, still := now[code]; !still {
			changed = append(changed, code)
		}
	}
	slices.Sort(changed)
	b.seen = now
	return changed
}

// gist is what counts as a change: not that a pathway looked again.
func gist(l listed) string {
	parts := []string{l.Phase, "attention " + l.Attention, "waiting on " + orNone(l.WaitingOn), fmt.Sprintf("%d dosed", l.DosingDone)}
	if l.Outcome != "" {
		parts[0] = "ended as " + l.Outcome
	}
	if l.NextSession != nil {
		parts = append(parts, "next "+shortMoment(l.NextSession, zoneOf(l.Zone)))
	}
	if l.OnHold {
		parts = append(parts, "on hold")
	}
	if l.Pulse == pathway.Stalled {
		parts = append(parts, string(pathway.Stalled))
	}
	return strings.Join(parts, ", ")
}

func counted(found []listed) string {
	urgent, task, late := 0, 0, 0
	for _, l := range found {
		switch {
		case l.Attention == "urgent":
			urgent++
		case l.Pulse == pathway.Stalled:
			late++
		case l.Attention == "task":
			task++
		}
	}
	return fmt.Sprintf("%d shown: %d urgent, %d with something overdue, %d stalled", len(found), urgent, task, late)
}
