package pathway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// arrivals goes on to a moment and says what reached the client of one session meanwhile, and when on the clock where they are.
func (h *house) arrivals(session string, to time.Time) []string {
	h.t.Helper()
	var all []string
	for h.now.Before(to) {
		_, next := h.p.Due(h.now)
		before := len(h.mails)
		if next.At.IsZero() || next.At.After(to) {
			next.At = to
		}
		h.until(next.At)
		for _, m := range h.mails[before:] {
			if m.Session == session {
				what := string(m.Kind)
				if m.Lead != "" {
					what = m.Lead
				}
				all = append(all, what+" "+h.now.In(h.p.clientZone()).Format("Mon 2 Jan 15:04"))
			}
		}
	}
	return all
}

// When each reminder comes to a client whose clock is not the practice's: around both changes of both clocks, and for sessions that
// are booked so late that some moments have passed. The practice's clock goes forward on 8 March and back on 1 November 2026;
// Berlin's on 29 March and 25 October; Sydney's back on 5 April and forward on 4 October.
func TestTheRightHour(t *testing.T) {
	shows(t, "reminders", "mail-hours", "wall-clock")
	t.Parallel()
	for _, row := range []struct {
		is, zone, enrolled, start string // start: on the practice's clock
		want                      []string
	}{
		{"the practice has summer, the client not yet", "Europe/Berlin", "2026-02-23 09:00", "2026-03-16 10:00",
			[]string{"7d Mon 9 Mar 15:00", "48h Sat 14 Mar 15:00", "24h Sun 15 Mar 15:00", "2h Mon 16 Mar 13:00"}},
		{"both changes between the first reminder and the session", "Europe/Berlin", "2026-02-16 09:00", "2026-03-09 10:00",
			[]string{"7d Mon 2 Mar 16:00", "48h Sat 7 Mar 16:00", "24h Sun 8 Mar 15:00", "2h Mon 9 Mar 13:00"}},
		{"the client's clock goes forward on the day before", "Europe/Berlin", "2026-03-09 09:00", "2026-03-30 10:00",
			[]string{"7d Mon 23 Mar 15:00", "48h Sat 28 Mar 15:00", "24h Sun 29 Mar 16:00", "2h Mon 30 Mar 14:00"}},
		{"the client's clock goes back two days before", "Europe/Berlin", "2026-10-05 09:00", "2026-10-27 10:00",
			[]string{"7d Tue 20 Oct 16:00", "48h Sun 25 Oct 15:00", "24h Mon 26 Oct 15:00", "2h Tue 27 Oct 13:00"}},
		{"the practice's clock goes back on the day before", "Europe/Berlin", "2026-10-12 09:00", "2026-11-02 10:00",
			[]string{"7d Mon 26 Oct 15:00", "48h Sat 31 Oct 15:00", "24h Sun 1 Nov 16:00", "2h Mon 2 Nov 14:00"}},
		{"night for the client, whose clock goes back", "Australia/Sydney", "2026-03-16 09:00", "2026-04-07 10:00",
			[]string{"7d Wed 1 Apr " + morning, "48h Sun 5 Apr 19:49", "24h Mon 6 Apr 19:49", "2h Tue 7 Apr 22:00"}},
		{"night for the client, whose clock goes forward", "Australia/Sydney", "2026-09-14 09:00", "2026-10-06 10:00",
			[]string{"7d Wed 30 Sep " + morning, "48h Sun 4 Oct 19:49", "24h Mon 5 Oct 19:49", "2h Tue 6 Oct 23:00"}},
		{"no summer time at the client's", "America/Phoenix", "2026-02-16 09:00", "2026-03-09 10:00",
			[]string{"7d Mon 2 Mar 08:00", "48h Sat 7 Mar 08:00", "24h Sun 8 Mar " + morning, "2h Mon 9 Mar 05:00"}},
	} {
		h := newHouse(t, func(e *Enrolment) { e.At, e.Zone = at(row.enrolled), row.zone })
		h.screen()
		h.must("move-session", "by", "c-desk", "session", "preparation-2", "start", row.start)
		h.arrivals("preparation-2", h.now.Add(time.Hour)) // the mail of the move itself
		start := h.p.appointment("preparation-2").Start
		got := h.arrivals("preparation-2", start)
		got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "booked") || strings.HasPrefix(s, "moved") })
		if !slices.Equal(got, row.want) {
			t.Errorf("%s:\ngot      %v\nexpected %v", row.is, got, row.want)
		}
	}

	// A session that is booked, or moved, so near that some moments have passed: those reminders do not exist; nobody is told of one
	// that came too late, and nobody asked to call about it.
	for _, row := range []struct {
		ahead time.Duration
		want  []string
	}{
		{8 * 24 * time.Hour, []string{"7d", "48h", "24h", "2h"}},
		{7 * 24 * time.Hour, []string{"48h", "24h", "2h"}},
		{49 * time.Hour, []string{"48h", "24h", "2h"}},
		{48 * time.Hour, []string{"24h", "2h"}},
		{26 * time.Hour, []string{"24h", "2h"}},
		{23 * time.Hour, []string{"2h"}},
		{3 * time.Hour, []string{"2h"}},
		{2 * time.Hour, nil},
		{30 * time.Minute, nil},
	} {
		h := newHouse(t)
		h.screen()
		h.until(at("2026-01-06 12:00"))
		start := h.now.Add(row.ahead)
		h.must("move-session", "by", "c-desk", "session", "preparation-1", "start", rfc(start))
		if !h.mailed("moved/preparation-1/r2") {
			t.Errorf("%s ahead: the move itself is not mailed at once", row.ahead)
		}
		var leads []string
		for _, what := range h.arrivals("preparation-1", start) {
			lead, _, _ := strings.Cut(what, " ")
			leads = append(leads, lead)
		}
		if !slices.Equal(leads, row.want) || len(h.told("too-late")) > 0 || slices.ContainsFunc(h.keys(), func(key string) bool { return strings.HasPrefix(key, "call/remind") }) {
			t.Errorf("%s ahead: reminded %v, expected %v; too late %v, owed %v", row.ahead, leads, row.want, h.told("too-late"), h.keys())
		}
	}
}

// What falls due for staff at night is told in the morning: nothing happens for it in the night itself.
func TestWhatFallsDueAtNightIsToldInTheMorning(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		enrolled string
		want     []string
	}{
		{"2026-01-05 10:00", []string{"Wed 7 Jan 10:00", "Sat 10 Jan 10:00", "Sun 11 Jan " + morning, "Mon 12 Jan " + morning}},
		{"2026-01-05 19:59", []string{"Wed 7 Jan 19:59", "Sat 10 Jan 19:59", "Sun 11 Jan " + morning, "Mon 12 Jan " + morning}},
		{"2026-01-05 20:00", []string{"Thu 8 Jan " + morning, "Sun 11 Jan " + morning, "Mon 12 Jan " + morning}},
		{"2026-01-06 03:00", []string{"Thu 8 Jan " + morning, "Sun 11 Jan " + morning, "Mon 12 Jan " + morning}},
	} {
		h := newHouse(t, func(e *Enrolment) { e.At = at(row.enrolled) })
		h.until(h.now.AddDate(0, 0, 2).Add(time.Second)) // the clearance is due, which asks for attention when it is told
		asks := h.p.Status(h.now).Attention == TaskAttention
		h.until(at("2026-01-12 12:00"))
		var got []string
		for _, e := range h.journal {
			if e.Name == "nudge" && strings.HasPrefix(e.Text, "p-singh") {
				got = append(got, e.At.In(h.p.zone()).Format("Mon 2 Jan 15:04"))
			}
		}
		if due := at(row.enrolled).AddDate(0, 0, 2).Format("Mon 2 Jan 15:04"); asks != (due == row.want[0]) {
			t.Errorf("enrolled at %s, attention on %s: %v", row.enrolled, due, asks)
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("enrolled at %s, the prescriber heard at %v, expected %v", row.enrolled, got, row.want)
		}
	}
}

// A client who travels reads on the clock where they are: what waits for the morning waits for theirs, and says their time.
func TestAClientWhoTravels(t *testing.T) {
	shows(t, "mail-hours", "contact-change")
	t.Parallel()
	for _, row := range []struct {
		is, to, at string // when the front desk hears of it, in New York
		want       string // when the mail of a session booked at 22:00 comes, there
	}{
		{"stays", "", "", "Tue 6 Jan " + morning},
		{"west, in the evening", "America/Los_Angeles", "2026-01-05 22:30", "Mon 5 Jan 19:30"},
		{"west, in the night", "America/Los_Angeles", "2026-01-06 02:00", "Tue 6 Jan " + morning},
		{"east, in the night", "Europe/Berlin", "2026-01-06 00:30", "Tue 6 Jan " + morning},
		{"east, where it is day", "Europe/Berlin", "2026-01-06 05:00", "Tue 6 Jan 11:00"},
		{"far east, where evening comes first", "Asia/Tokyo", "2026-01-06 07:30", "Wed 7 Jan " + morning},
	} {
		h := newHouse(t, func(e *Enrolment) { e.At = at("2026-01-05 22:00") })
		h.screen()
		if row.to != "" {
			h.until(at(row.at))
			before := len(h.mails)
			h.must("contact", "by", "c-desk", "zone", row.to)
			if slices.ContainsFunc(h.mails[before:], func(m Mail) bool { return m.Session == "preparation-2" }) { // it is day there
				if got := h.now.In(h.p.clientZone()).Format("Mon 2 Jan 15:04"); got != row.want {
					t.Errorf("%s: it came at %s, expected %s", row.is, got, row.want)
				}
				continue
			}
		}
		if got, want := h.arrivals("preparation-2", at("2026-01-07 12:00")), []string{"booked " + row.want}; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, expected %v", row.is, got, want)
		}
		for _, m := range h.sent(BookedMail) {
			if m.Zone != h.p.Contact.Zone {
				t.Errorf("%s: %s says the time in %s", row.is, m.Key, m.Zone)
			}
		}
	}
}
