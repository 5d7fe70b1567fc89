package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
)

// A session is moved after its first reminder went out: the client hears of the move, is reminded before the new time, and
// of the old time nothing more.
// shows: reminders, invitation
func TestAMoveAfterAReminder(t *testing.T) {
	t.Parallel()
	h := sharedHouse(t)
	ctx := within(t, 2*time.Minute)
	p := h.enrol(ctx, t, h.team(), nil)
	plot := story(t, 0, p.team)
	p.tell(plot, 5) // the first preparation is held, the second is to come
	const name = "preparation-2"
	was := session(t, p.status(), name)
	p.forward(was.Start.AddDate(0, 0, -2).Add(20 * time.Minute))
	p.settle()
	old := reminders(p.books())
	if len(old) == 0 || slices.Contains(old, "remind/preparation-2/r1/24h") {
		t.Fatalf("two days before %s these reminders are out: %q", was.Start, old)
	}

	to := was.Start.AddDate(0, 0, 10)
	reply := p.say("move-session", fields{"by": p.desk, "session": name, "start": to.Format(time.RFC3339)})
	if reply.Result != pathway.Recorded || !strings.Contains(reply.What, "is moved to") {
		t.Errorf("the move was answered with %+v", reply)
	}
	p.settle()
	if b := p.books(); b.Mails["moved/preparation-2/r2"].Arrived != 1 {
		t.Errorf("no mail says that the session was moved: %s", shown(b.Mails))
	}
	p.invitedAnew(ctx, to)
	p.forwardUntil("the session to be recorded", func(s pathway.Status) bool { return asks(s, plot[5]) })
	p.settle()

	b := p.books()
	if unknown := p.sound(b); len(unknown) > 0 {
		t.Errorf("nobody knows whether these went out: %q", unknown)
	}
	want := append(slices.Clone(old), "remind/preparation-2/r2/24h", "remind/preparation-2/r2/2h", "remind/preparation-2/r2/48h", "remind/preparation-2/r2/7d")
	slices.Sort(want)
	same(t, "reminders", want, reminders(b))
	for _, key := range want {
		if b.Mails[key].Arrived != 1 {
			t.Errorf("%s arrived %d times", key, b.Mails[key].Arrived)
		}
	}
	times, err := p.remindedAt(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	for i, before := range []time.Duration{7 * 24 * time.Hour, 48 * time.Hour, 24 * time.Hour, 2 * time.Hour} {
		at := times[len(times)-4+i]
		if late := at.Sub(to.Add(-before)); late < 0 || late > 20*time.Minute {
			t.Errorf("the reminder due %s before %s was written on %s", before, to, at)
		}
	}
}

// invitedAnew: the calendar that was given the appointment is given the same one, at its new time.
func (p *person) invitedAnew(ctx context.Context, to time.Time) {
	p.t.Helper()
	conn, err := pgx.Connect(ctx, p.h.DatabaseURL())
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(ctx)
	var email string
	if err := conn.QueryRow(ctx, `select email from client c join pathway p on p.client = c.id where p.code = $1`, p.code).Scan(&email); err != nil {
		p.t.Fatal(err)
	}
	mails, err := p.h.inbox(ctx, email)
	if err != nil {
		p.t.Fatal(err)
	}
	said := map[string][]string{} // by each appointment's UID, what was said of it
	for _, m := range mails {
		line := func(name string) string {
			_, rest, _ := strings.Cut(m.Invitation, "\r\n"+name)
			text, _, _ := strings.Cut(rest, "\r\n")
			return text
		}
		if m.Invitation != "" {
			uid := line("UID:")
			said[uid] = append(said[uid], m.Method+" "+line("SEQUENCE:")+" "+line("DTSTART;"))
		}
	}
	want := fmt.Sprintf("REQUEST 1 TZID=America/New_York:%s", to.In(newYork(p.t)).Format("20060102T150405"))
	for _, all := range said {
		if len(all) == 2 && strings.HasPrefix(all[0], "REQUEST 0 TZID=") && all[1] == want {
			return
		}
	}
	p.t.Errorf("no appointment was offered and then moved with %s: %q", want, said)
}

func newYork(t testing.TB) *time.Location {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func reminders(b books) []string {
	return slices.DeleteFunc(b.keys(), func(key string) bool { return !strings.HasPrefix(key, "remind/preparation-2/") })
}

// remindedAt is when, on the pathway's clock, the reminders of a session went to the outbox.
func (p *person) remindedAt(ctx context.Context, name string) ([]time.Time, error) {
	conn, err := pgx.Connect(ctx, p.h.DatabaseURL())
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `select recorded from journal where pathway = $1 and name = 'reminder' and text like $2 order by id`, p.code, fmt.Sprintf("%% of %s", name))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[time.Time])
}
