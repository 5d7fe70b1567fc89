package records_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"kap/pathway"
)

// chosen is an act whose time a person chose.
func chosen(act pathway.Act) pathway.Act {
	act.Window.Latest = act.Window.Earliest
	return act
}

func newYork(t *testing.T, text string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// overlaps counts the pairs of booked appointments that share a therapist or a client and a moment.
func (h *house) overlaps() int {
	h.t.Helper()
	return ask[int](h, `select count(*) from appointment a, appointment b where (a.pathway, a.name) < (b.pathway, b.name) and a.state = 'booked' and b.state = 'booked'
		and (a.therapist = b.therapist or a.client = b.client) and a.during && b.during`)
}

// atOnce lets every client ask for its next act at the same moment, again wherever the records ask to be asked again.
func atOnce(t *testing.T, clients []*client, act func(*client) pathway.Act) []pathway.ActAnswer {
	t.Helper()
	answers := make([]pathway.ActAnswer, len(clients))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, c := range clients {
		step := c.next(act(c))
		wg.Go(func() {
			<-start
			out, err := c.store.Commit(t.Context(), c.cal, pathway.ConsentDocument{}, c.p, step)
			if err != nil {
				t.Errorf("%s: %v", c.p.Code, err)
				return
			}
			c.p.Settle(out.Step, out.Answer)
			answers[i] = out.Answer.Acts[0]
		})
	}
	close(start)
	wg.Wait()
	return answers
}

func TestOneTherapistIsNeverInTwoPlaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	clients := []*client{h.enrol("K7Q2M9", somebody(1)), h.enrol("B2B2B2", somebody(2)), h.enrol("C3C3C3", somebody(3))}
	const rounds = 30
	for round := range rounds {
		from := newYork(t, "2026-02-03 08:00").AddDate(0, 0, round/4)
		answers := atOnce(t, clients, func(*client) pathway.Act {
			if round%5 == 4 {
				return dosing(round, from, 60)
			}
			return preparation(round, from, 60)
		})
		for i, a := range answers {
			if a.Refused != "" {
				t.Errorf("round %d: %s got no time: %s", round, clients[i].p.Code, a.Refused)
			}
		}
	}
	if n := h.overlaps(); n != 0 {
		t.Errorf("found %d overlaps", n)
	}
	if n := ask[int](h, `select count(*) from appointment`); n != len(clients)*(rounds+rounds/5) {
		t.Errorf("found %d appointments", n)
	}
}

// The earliest time is given once; the other gets the next.
func TestTheEarliestTimeIsGivenOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, b := h.enrol("K7Q2M9", somebody(1)), h.enrol("B2B2B2", somebody(2))
	for round := range 10 {
		from := newYork(t, "2026-03-02 08:00").AddDate(0, 0, 7*round)
		answers := atOnce(t, []*client{a, b}, func(*client) pathway.Act { return preparation(round, from, 7) })
		first, second := answers[0].Start, answers[1].Start
		if second.Before(first) {
			first, second = second, first
		}
		if !first.Equal(from) || !second.Equal(from.Add(time.Hour)) {
			t.Errorf("found %s and %s, expected %s and an hour later", first, second, from)
		}
	}
}

func TestTwoTherapistsOfOneClientDoNotMeetThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.enrol("K7Q2M9", anna())
	same := anna()
	same.ID = ask[string](h, `select id::text from client`)
	b := h.enrol("B2B2B2", same, func(e *pathway.Enrolment) { e.CareTeam.Therapist = "t-ortiz" })
	if ask[int](h, `select count(*) from client`) != 1 {
		t.Fatal("these are two clients")
	}
	for round := range 20 {
		from := newYork(t, "2026-02-03 08:00").AddDate(0, 0, round/4)
		atOnce(t, []*client{a, b}, func(*client) pathway.Act { return preparation(round, from, 60) })
	}
	if n := h.overlaps(); n != 0 {
		t.Errorf("found %d overlaps", n)
	}
	taken := ask[time.Time](h, `select lower(during) from appointment where pathway = 'K7Q2M9' order by 1 limit 1`)
	if answer := b.take(b.next(chosen(preparation(99, taken, 0)))); !strings.Contains(answer.Acts[0].Refused, "another appointment") {
		t.Errorf("a chosen time at which the client is elsewhere: found %+v", answer.Acts[0])
	}
}

func TestThePlacesOfManyMovesNeverOverlap(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var clients []*client
	for i, code := range []string{"K7Q2M9", "B2B2B2", "C3C3C3", "D4D4D4"} {
		c := h.enrol(code, somebody(i))
		c.take(c.next(dosing(1, newYork(t, "2026-02-03 08:00"), 60)))
		clients = append(clients, c)
	}
	dice := rand.New(rand.NewPCG(1, 2))
	for range 15 {
		atOnce(t, clients, func(c *client) pathway.Act {
			move := chosen(dosing(1, newYork(t, "2026-02-09 08:00").AddDate(0, 0, dice.IntN(4)).Add(time.Duration(dice.IntN(8))*time.Hour), 0))
			move.Do = pathway.MoveDeed
			for _, a := range c.p.Appointments {
				if a.Kind == pathway.Integration {
					move.Keep = a.Start
				}
			}
			return move
		})
		if n := h.overlaps(); n != 0 {
			t.Fatalf("found %d overlaps", n)
		}
	}
	for _, c := range clients {
		for _, a := range c.p.Appointments {
			if found := ask[time.Time](h, `select lower(during) from appointment where pathway = $1 and name = $2`, c.p.Code, a.Name); !found.Equal(a.Start) {
				t.Errorf("%s of %s is at %s in the calendar and at %s in the pathway", a.Name, c.p.Code, found, a.Start)
			}
		}
	}
}

// Whatever the software believes, PostgreSQL has the last word.
func TestAnOverlapCannotBeWritten(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := h.enrol("K7Q2M9", somebody(1))
	h.enrol("B2B2B2", somebody(2))
	c.take(c.next(preparation(1, newYork(t, "2026-02-03 08:00"), 5))) // 08:00 to 09:00
	insert := `insert into appointment (pathway, name, kind, number, therapist, client, during, revision, state)
		select code, $1, 'preparation', 9, $2, client, tstzrange($3, $4, $5), 1, $6 from pathway where code = $7`
	at := func(clock string) time.Time { return newYork(t, "2026-02-03 "+clock) }
	for _, row := range []struct {
		name, therapist, from, until, bounds, state, pathway, refused string
	}{
		{"the therapist's time", "t-lane", "08:30", "09:30", "[)", "booked", "B2B2B2", "therapist_is_free"},
		{"within it", "t-lane", "08:15", "08:16", "[)", "booked", "B2B2B2", "therapist_is_free"},
		{"the client's time", "t-ortiz", "07:30", "08:01", "[)", "booked", "K7Q2M9", "client_is_free"},
		{"right before", "t-lane", "07:00", "08:00", "[)", "booked", "B2B2B2", ""},
		{"right after", "t-lane", "09:00", "10:00", "[)", "booked", "B2B2B2", ""},
		{"cancelled", "t-lane", "08:00", "09:00", "[)", "cancelled", "B2B2B2", ""},
		{"another therapist", "t-ortiz", "08:00", "09:00", "[)", "booked", "B2B2B2", ""},
		{"no time at all", "t-khan", "12:00", "12:00", "[)", "booked", "B2B2B2", "appointment_during_check"},
		{"closed at its end", "t-khan", "12:00", "13:00", "[]", "booked", "B2B2B2", "appointment_during_check"},
	} {
		err := h.try(insert, row.name, row.therapist, at(row.from), at(row.until), row.bounds, row.state, row.pathway)
		var pg *pgconn.PgError
		switch {
		case row.refused == "" && err != nil:
			t.Errorf("%s: %v", row.name, err)
		case row.refused != "" && (!errors.As(err, &pg) || pg.ConstraintName != row.refused):
			t.Errorf("%s: found %v, expected a refusal by %s", row.name, err, row.refused)
		}
	}
}

// Somebody writes into the calendar by hand between the search and the commit. Nothing is written twice over, and the same
// step, tried again, finds another time.
func TestAHandThatIsFasterIsNotOverwritten(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := h.enrol("K7Q2M9", somebody(1))
	h.enrol("B2B2B2", somebody(2))
	c.work()
	conn := h.connect()
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	from := newYork(t, "2026-02-03 08:00")
	if _, err := tx.Exec(t.Context(), `insert into appointment select 'B2B2B2', 'by hand', 'preparation', 9, 't-lane', client, tstzrange($1, $2), 1, 'booked' from pathway where code = 'B2B2B2'`,
		from, from.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	step := c.next(preparation(1, from, 5))
	first := make(chan error)
	go func() {
		_, err := c.store.Commit(t.Context(), c.cal, pathway.ConsentDocument{}, c.p, step)
		first <- err
	}()
	time.Sleep(200 * time.Millisecond)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-first; err == nil {
		t.Error("the step was written over a time that somebody had taken")
	}
	if a := c.take(step); !a.Acts[0].Start.Equal(from.Add(time.Hour)) {
		t.Errorf("tried again it found %s, expected an hour later", a.Acts[0].Start)
	}
}

// shows: integration-booked-together
func TestADosingSessionAndItsIntegrationAreOneBooking(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := h.enrol("K7Q2M9", somebody(1))
	other := h.enrol("B2B2B2", somebody(2))
	// Tuesday's earliest dosing has no integration, because the therapist is elsewhere from Wednesday to Friday.
	for day, n := newYork(t, "2026-02-04 08:00"), 1; n <= 30; n++ {
		other.take(other.next(chosen(preparation(n, day.Add(time.Duration((n-1)%10)*time.Hour).AddDate(0, 0, (n-1)/10), 0))))
	}
	a := c.take(c.next(dosing(1, newYork(t, "2026-02-03 08:00"), 28))).Acts[0]
	if want := newYork(t, "2026-02-04 08:00"); !a.Start.After(want) || a.FollowStart.Before(a.Start.Add(27*time.Hour)) || a.FollowStart.After(a.Start.Add(75*time.Hour)) {
		t.Errorf("dosing is at %s and its integration at %s", a.Start, a.FollowStart)
	}
	both := func() string {
		return ask[string](h, `select string_agg(name || ' ' || to_char(lower(during) at time zone 'America/New_York', 'DD HH24:MI') || ' r' || revision, ', ' order by name) from appointment where pathway = 'K7Q2M9'`)
	}
	if found := both(); found != "dosing-1 07 09:00 r1, integration-1 09 08:00 r1" { // Saturday, until 12; then Monday, within 72 hours
		t.Errorf("the calendar has %s", found)
	}
	move := func(to string, keep bool) string {
		m := chosen(dosing(1, newYork(t, to), 0))
		m.Do = pathway.MoveDeed
		if keep {
			m.Keep = c.p.Appointments[1].Start
		}
		return c.take(c.next(m)).Acts[0].Refused
	}
	if why := move("2026-02-07 10:00", true); why != "" || both() != "dosing-1 07 10:00 r2, integration-1 09 08:00 r1" {
		t.Errorf("an hour later, the integration can stay: %s %s", both(), why)
	}
	if why := move("2026-02-10 10:00", true); why != "" || both() != "dosing-1 10 10:00 r3, integration-1 11 13:00 r2" {
		t.Errorf("three days later, the integration comes along: %s %s", both(), why)
	}
	if why := move("2026-02-11 12:00", true); why != "" || both() != "dosing-1 11 12:00 r4, integration-1 12 15:00 r3" {
		t.Errorf("onto its own integration, which makes room: %s %s", both(), why)
	}
	before := both()
	if why := move("2026-02-04 08:00", true); why == "" || both() != before {
		t.Errorf("onto a time that is taken: %s %s", both(), why)
	}
	if why := move("2026-02-03 08:00", true); !strings.Contains(why, "integration") || both() != before {
		t.Errorf("where no integration can follow: %s %s", both(), why)
	}
	if why := move("2026-02-15 08:00", true); !strings.Contains(why, "closed") || both() != before {
		t.Errorf("onto a Sunday: %s %s", both(), why)
	}
	if n := h.overlaps(); n != 0 {
		t.Errorf("found %d overlaps", n)
	}
}

func TestNoTimeWithinTheWindowIsAnAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := h.enrol("K7Q2M9", anna())
	c.work()
	for name, act := range map[string]pathway.Act{
		"a Sunday":                     preparation(1, newYork(t, "2026-02-08 00:00"), 0),
		"after closing time":           chosen(preparation(1, newYork(t, "2026-02-03 17:30"), 0)),
		"Christmas":                    preparation(1, newYork(t, "2026-12-24 00:00"), 2),
		"longer than a Saturday":       func() pathway.Act { a := chosen(dosing(1, newYork(t, "2026-02-07 10:30"), 0)); return a }(),
		"an hour that does not exist":  chosen(preparation(1, newYork(t, "2026-03-08 02:30"), 0)),
		"a window that has shut again": preparation(1, newYork(t, "2026-02-03 08:00"), -3),
	} {
		out, err := h.store.Commit(t.Context(), h.cal, pathway.ConsentDocument{}, c.p, c.next(act))
		if err != nil || len(out.Answer.Acts) != 1 || out.Answer.Acts[0].Refused == "" || !out.Answer.Acts[0].Start.IsZero() {
			t.Errorf("%s: found %s, %v, expected an answer without a time", name, encoded(t, out.Answer), err)
			continue
		}
		c.p.Settle(out.Step, out.Answer)
	}
	if n := ask[int](h, `select count(*) from appointment`); n != 0 {
		t.Errorf("%d appointments are written", n)
	}
	if n := ask[int](h, `select count(*) from journal where name = 'not-booked'`); n != 6 {
		t.Errorf("the journal tells of %d searches, expected 6", n)
	}
	c.readModelIsTheStatus()
}

// shows: contact-change
func TestClosuresHoursAndAvailability(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, from, want string
		availability     []string
	}{
		{"from the middle of an hour to the grid", "2026-02-03 08:05", "2026-02-03 08:30", nil},
		{"not past closing time", "2026-02-03 17:01", "2026-02-04 08:00", nil},
		{"a Saturday's hours", "2026-02-06 17:30", "2026-02-07 09:00", nil},
		{"over a Sunday", "2026-02-07 12:30", "2026-02-09 08:00", nil},
		{"over Christmas and a Sunday", "2026-12-23 17:30", "2026-12-28 08:00", nil},
		{"over New Year", "2026-12-31 17:30", "2027-01-02 09:00", nil},
		{"the client's hours", "2026-02-03 08:00", "2026-02-05 14:00", []string{"thursday 14:00-15:00"}},
		{"the second of the client's hours", "2026-02-05 14:01", "2026-02-06 11:30", []string{"thursday 14:00-15:00", "friday 11:30-13:00"}},
		{"the client's hours and ours", "2026-02-03 08:00", "2026-02-07 09:00", []string{"saturday 07:00-23:00"}},
		{"the client's hours and a closure", "2026-12-20 08:00", "2026-12-31 09:00", []string{"thursday 09:00-10:00"}},
		// On the wall clock, the week before and the week after a change.
		{"before summer time", "2026-03-06 00:00", "2026-03-06 10:00", []string{"friday 10:00-11:00"}},
		{"over the beginning of summer time", "2026-03-06 12:00", "2026-03-13 10:00", []string{"friday 10:00-11:00"}},
		{"over the end of summer time", "2026-10-30 12:00", "2026-11-06 10:00", []string{"friday 10:00-11:00"}},
		{"the Monday after the beginning", "2026-03-07 12:30", "2026-03-09 08:00", nil},
		{"the Monday after the end", "2026-10-31 12:30", "2026-11-02 08:00", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			c := h.enrol("K7Q2M9", anna(), func(e *pathway.Enrolment) { e.Availability = row.availability })
			c.work()
			a := c.take(c.next(preparation(1, newYork(t, row.from), 28))).Acts[0]
			if want := newYork(t, row.want); !a.Start.Equal(want) {
				t.Errorf("found %s %s, expected %s", a.Start, a.Refused, want)
			}
			if wall := ask[string](h, `select to_char(lower(during) at time zone 'America/New_York', 'YYYY-MM-DD HH24:MI') from appointment`); wall != row.want {
				t.Errorf("the calendar says %s, expected %s", wall, row.want)
			}
			if length := ask[string](h, `select (upper(during) - lower(during))::text from appointment`); length != "01:00:00" && length != fmt.Sprintf("%02d:00:00", c.p.Protocol.Preparation.Minutes/60) {
				t.Errorf("it lasts %s", length)
			}
		})
	}
}

// On the night itself an hour is missing or comes twice.
// shows: wall-clock
func TestTheNightOfTheChangeItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for d := time.Sunday; d <= time.Saturday; d++ {
		h.cal.Hours = append(h.cal.Hours, pathway.Weekly{Day: d, From: 0, Until: 23*time.Hour + 30*time.Minute})
	}
	for i, from := range []string{"2026-03-08 00:00", "2026-11-01 00:00"} {
		c := h.enrol([]string{"K7Q2M9", "B2B2B2"}[i], somebody(i))
		c.work()
		for n := 1; n <= 6; n++ {
			if a := c.take(c.next(preparation(n, newYork(t, from), 1))).Acts[0]; a.Refused != "" {
				t.Fatal(a.Refused)
			}
		}
	}
	if n := h.overlaps(); n != 0 {
		t.Errorf("found %d overlaps", n)
	}
	wall := ask[string](h, `select string_agg(to_char(lower(during) at time zone 'America/New_York', 'HH24:MI'), ' ' order by during) from appointment where pathway = 'K7Q2M9'`)
	if wall != "00:00 01:00 03:00 04:00 05:00 06:00" {
		t.Errorf("in the night that lacks an hour: %s", wall)
	}
}
