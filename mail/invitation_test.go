package mail_test

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-ical"
	"github.com/teambition/rrule-go"

	kapmail "kap/mail"
	"kap/practice"
)

// read parses an invitation with another library than the one that wrote it.
func read(t testing.TB, in kapmail.Invitation) (*ical.Calendar, ical.Event) {
	t.Helper()
	c, err := ical.NewDecoder(strings.NewReader(in.Text)).Decode()
	if err != nil {
		t.Fatalf("%v:\n%s", err, in.Text)
	}
	events := c.Events()
	if len(events) != 1 {
		t.Fatalf("%d events:\n%s", len(events), in.Text)
	}
	return c, events[0]
}

func says(t testing.TB, props ical.Props, name string) string {
	t.Helper()
	if len(props.Values(name)) > 1 {
		t.Errorf("%s is said %d times", name, len(props.Values(name)))
	}
	text, err := props.Text(name)
	if err != nil {
		t.Error(err)
	}
	return text
}

// invited is a letter's facts with what an invitation needs.
func invited(f kapmail.Facts) kapmail.Facts {
	f.UID, f.To, f.Written = kapmail.UID("0b6ac2a5-5cf3-4f0c-9a3e-0d1f2f0c4f11", "K7Q2M9", "dosing-1"), "ada@client.example", f.Start.AddDate(0, 0, -9)
	f.End = f.Start.Add(3 * time.Hour)
	if f.Zone == "" {
		f.Zone = "America/Chicago"
	}
	f.Revision = max(f.Revision, 1)
	return f
}

func write(t testing.TB, p practice.Practice, f kapmail.Facts) kapmail.Letter {
	t.Helper()
	l, err := kapmail.Write(p, f)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// An appointment is booked, moved twice and cancelled, and is one appointment in the client's calendar all the while.
// shows: invitation
func TestOneAppointmentInACalendar(t *testing.T) {
	t.Parallel()
	p := samplePractice(t)
	thursday := at(t, "2026-03-12T14:00:00Z")
	uid, sequence := "", -1
	for _, step := range []struct {
		facts          kapmail.Facts
		method, status string
	}{
		{kapmail.Facts{Kind: kapmail.Booked, Start: thursday}, "REQUEST", "CONFIRMED"},
		{kapmail.Facts{Kind: kapmail.Moved, Start: thursday.AddDate(0, 0, 5), Was: thursday, Revision: 2}, "REQUEST", "CONFIRMED"},
		{kapmail.Facts{Kind: kapmail.Moved, Start: thursday.AddDate(0, 0, 4), Was: thursday, Revision: 3}, "REQUEST", "CONFIRMED"}, // the second was not read yet
		{kapmail.Facts{Kind: kapmail.Cancelled, Start: thursday.AddDate(0, 0, 4), Revision: 3}, "CANCEL", "CANCELLED"},
	} {
		f := invited(step.facts)
		in := write(t, p, f).Invitation
		c, e := read(t, in)
		if says(t, c.Props, "METHOD") != step.method || in.Method != step.method || says(t, e.Props, "STATUS") != step.status || says(t, c.Props, "VERSION") != "2.0" {
			t.Errorf("%s: method %s, status %s:\n%s", f.Kind, in.Method, says(t, e.Props, "STATUS"), in.Text)
		}
		if uid == "" {
			uid = says(t, e.Props, "UID")
		}
		if got := says(t, e.Props, "UID"); got != uid || len(got) != 36 {
			t.Errorf("%s: UID %q, expected %q", f.Kind, got, uid)
		}
		n, err := e.Props.Get("SEQUENCE").Int()
		if err != nil || n <= sequence {
			t.Errorf("%s: SEQUENCE %d after %d", f.Kind, n, sequence)
		}
		sequence = n
		if got := meaning(t, c, e.Props.Get("DTSTART")); !got.Equal(f.Start) {
			t.Errorf("%s: it starts at %s, expected %s", f.Kind, got, f.Start)
		}
		if got := meaning(t, c, e.Props.Get("DTEND")); !got.Equal(f.End) {
			t.Errorf("%s: it ends at %s, expected %s", f.Kind, got, f.End)
		}
		if got, err := e.Props.DateTime("DTSTAMP", nil); err != nil || !got.Equal(f.Written) || !strings.HasSuffix(e.Props.Get("DTSTAMP").Value, "Z") {
			t.Errorf("%s: DTSTAMP %s, %v; expected %s", f.Kind, got, err, f.Written)
		}
		organizer, attendee := e.Props.Get("ORGANIZER"), e.Props.Values("ATTENDEE")
		if organizer.Value != "mailto:"+p.Mail.ReplyTo || organizer.Params.Get("CN") != p.Mail.Name {
			t.Errorf("%s: organizer %+v", f.Kind, organizer)
		}
		if len(attendee) != 1 || attendee[0].Value != "mailto:"+f.To || attendee[0].Params.Get("CN") != "" || attendee[0].Params.Get("RSVP") != "FALSE" {
			t.Errorf("%s: attendees %+v", f.Kind, attendee)
		}
		if says(t, e.Props, "CLASS") != "PRIVATE" || says(t, e.Props, "SUMMARY") != "Appointment" || len(e.Children) != 0 {
			t.Errorf("%s: not private, not neutral, or with an alarm:\n%s", f.Kind, in.Text)
		}
		// The same facts, the same bytes: a mail that is tried again differs in nothing.
		if again := write(t, p, f).Invitation; again != in {
			t.Errorf("%s: written twice, it differs", f.Kind)
		}
	}
}

// shows: invitation, words-neutral
func TestAnAppointmentsNameTellsNothing(t *testing.T) {
	t.Parallel()
	const client = "0b6ac2a5-5cf3-4f0c-9a3e-0d1f2f0c4f11"
	first := kapmail.UID(client, "K7Q2M9", "dosing-1")
	for _, other := range []string{kapmail.UID(client, "K7Q2M9", "dosing-1.1"), kapmail.UID(client, "K7Q2M8", "dosing-1"), kapmail.UID("0b6ac2a5-5cf3-4f0c-9a3e-0d1f2f0c4f12", "K7Q2M9", "dosing-1")} {
		if other == first {
			t.Errorf("two appointments are named %s", first)
		}
	}
	for _, part := range []string{"K7Q2M9", "k7q2m9", "dosing", client, client[:8]} {
		if strings.Contains(first, part) {
			t.Errorf("%s says %s", first, part)
		}
	}
	if first != kapmail.UID(client, "K7Q2M9", "dosing-1") {
		t.Error("it does not stay")
	}
}

// shows: invitation
func TestWhoGetsAnInvitation(t *testing.T) {
	t.Parallel()
	p := samplePractice(t)
	start := at(t, "2026-03-12T14:00:00Z")
	for kind, want := range map[kapmail.Kind]string{
		kapmail.Booked: "REQUEST", kapmail.Moved: "REQUEST", kapmail.Cancelled: "CANCEL",
		kapmail.Reminder: "", kapmail.ConsentDue: "", kapmail.QuestionnaireDue: "", kapmail.LetterReady: "", kapmail.StaffNudge: "",
	} {
		f := invited(kapmail.Facts{Kind: kind, Start: start, Was: start.AddDate(0, 0, -1), Crisis: crisis, Waiting: waiting(t, "K7Q2M9")})
		if got := write(t, p, f).Invitation; got.Method != want || (got.Text == "") != (want == "") {
			t.Errorf("%s: an invitation with %q, expected %q", kind, got.Method, want)
		}
	}
	online := write(t, p, invited(kapmail.Facts{Kind: kapmail.Booked, Start: start, Online: true})).Invitation
	if _, e := read(t, online); e.Props.Get("LOCATION") != nil || !strings.Contains(says(t, e.Props, "DESCRIPTION"), "Not at the practice") {
		t.Errorf("of one elsewhere it says:\n%s", online.Text)
	}
	here := write(t, p, invited(kapmail.Facts{Kind: kapmail.Booked, Start: start})).Invitation
	if _, e := read(t, here); says(t, e.Props, "LOCATION") != p.Mail.Location || !strings.Contains(says(t, e.Props, "DESCRIPTION"), p.Mail.Phone) {
		t.Errorf("of one at the practice it says:\n%s", here.Text)
	}
}

// What a practice is called cannot break the invitation, nor one line of it run longer than calendars read.
func TestAnInvitationIsWellFormed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Linden Street Practice", `O'Neil, Höß & Søn: "the practice"; No\1`, strings.Repeat("Linden Straße ", 20), strings.Repeat("ß", 200), "Linden\r\nATTACH:x"} {
		p := samplePractice(t)
		p.Mail.Name, p.Mail.Location = name, name
		in := write(t, p, invited(kapmail.Facts{Kind: kapmail.Booked, Start: at(t, "2026-03-12T14:00:00Z")})).Invitation
		if !utf8.ValidString(in.Text) || strings.Count(in.Text, "\n") != strings.Count(in.Text, "\r\n") || !strings.HasSuffix(in.Text, "\r\nEND:VCALENDAR\r\n") {
			t.Errorf("%.20q: not UTF-8 in lines:\n%q", name, in.Text)
		}
		for line := range strings.SplitSeq(in.Text, "\r\n") {
			if len(line) > 75 {
				t.Errorf("%.20q: a line of %d bytes: %s", name, len(line), line)
			}
		}
		_, e := read(t, in)
		if got := says(t, e.Props, "LOCATION"); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(name), " ") {
			t.Errorf("location %q became %q", name, got)
		}
		if e.Props.Get("ATTACH") != nil {
			t.Errorf("a name became a property:\n%s", in.Text)
		}
		if got := e.Props.Get("ORGANIZER"); got == nil || got.Value != "mailto:"+p.Mail.ReplyTo || strings.ContainsAny(got.Params.Get("CN"), `\"`) {
			t.Errorf("organizer %+v", got)
		}
		if _, err := mail.ParseAddress(strings.TrimPrefix(e.Props.Get("ORGANIZER").Value, "mailto:")); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatAnInvitationLacksIsNamed(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*kapmail.Facts){
		"facts.end":      func(f *kapmail.Facts) { f.End = f.Start },
		"facts.revision": func(f *kapmail.Facts) { f.Revision = 0 },
		"facts.to":       func(f *kapmail.Facts) { f.To = "" },
		"facts.written":  func(f *kapmail.Facts) { f.Written = time.Time{} },
	} {
		f := invited(kapmail.Facts{Kind: kapmail.Booked, FirstName: "Zenobia", Start: at(t, "2026-03-12T14:00:00Z")})
		change(&f)
		if _, err := kapmail.Write(samplePractice(t), f); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Zenobia") {
			t.Errorf("got %v, want an error that names %s and no person", err, want)
		}
	}
}

// zones go by rules of every kind: none, either hemisphere, half an hour, winter as the exception, Ramadan, the Friday before the
// last Sunday, changes at midnight, and a law that has ended.
var zones = []string{
	"America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu", "America/Phoenix", "America/St_Johns",
	"America/Halifax", "America/Havana", "America/Sao_Paulo", "America/Mexico_City", "America/Santiago", "America/Asuncion", "America/Scoresbysund", "America/Nuuk", "Atlantic/Azores",
	"Europe/London", "Europe/Dublin", "Europe/Berlin", "Europe/Athens", "Europe/Chisinau", "Europe/Istanbul", "Europe/Moscow", "Africa/Casablanca", "Africa/El_Aaiun", "Africa/Cairo", "Africa/Lagos",
	"Asia/Jerusalem", "Asia/Gaza", "Asia/Beirut", "Asia/Tehran", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo", "Asia/Almaty", "Antarctica/Troll",
	"Australia/Sydney", "Australia/Brisbane", "Australia/Adelaide", "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia", "Pacific/Norfolk", "UTC",
}

// Whatever the zone, an invitation means the same moment to a calendar that knows no zone but what the invitation says of it: on
// every eleventh day of two years, and around each change of the clocks.
// shows: invitation-zone
func TestAnInvitationMeansTheSameMomentEverywhere(t *testing.T) {
	t.Parallel()
	for _, name := range zones {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := samplePractice(t)
			p.Zone = name
			place, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			var moments []time.Time
			begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for hour := 0; hour < 2*365*24; hour += 11*24 + 5 {
				moments = append(moments, begin.Add(time.Duration(hour)*time.Hour))
			}
			for change := begin.In(place); ; {
				_, change = change.ZoneBounds()
				if change.IsZero() || change.Year() > 2027 {
					break
				}
				for minutes := -180; minutes <= 120; minutes += 30 {
					moments = append(moments, change.Add(time.Duration(minutes)*time.Minute))
				}
			}
			for _, start := range moments {
				f := invited(kapmail.Facts{Kind: kapmail.Booked, Start: start})
				in, err := kapmail.Invite(p, f, place, "Appointment", "")
				if err != nil {
					t.Fatal(err)
				}
				c, e := read(t, in)
				if got := meaning(t, c, e.Props.Get("DTSTART")); !got.Equal(f.Start) {
					t.Fatalf("it starts at %s, expected %s", got, f.Start.UTC())
				}
				if got := meaning(t, c, e.Props.Get("DTEND")); !got.Equal(f.End) {
					t.Fatalf("it ends at %s, expected %s", got, f.End.UTC())
				}
			}
		})
	}
}

// What calendars with rules of their own look for: a yearly rule for either half of the year, summer as DAYLIGHT.
// shows: invitation-zone
func TestAZoneIsDescribedAsCalendarsKnowIt(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{
		"America/New_York": "STANDARD -0400 -0500 EST FREQ=YEARLY;BYMONTH=11;BYDAY=1SU, DAYLIGHT -0500 -0400 EDT FREQ=YEARLY;BYMONTH=3;BYDAY=2SU",
		"Europe/Dublin":    "STANDARD +0100 +0000 GMT FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU, DAYLIGHT +0000 +0100 IST FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
		"Australia/Sydney": "STANDARD +1100 +1000 AEST FREQ=YEARLY;BYMONTH=4;BYDAY=1SU, DAYLIGHT +1000 +1100 AEDT FREQ=YEARLY;BYMONTH=10;BYDAY=1SU",
		"America/Phoenix":  "STANDARD -0700 -0700 MST",
		"Asia/Kolkata":     "STANDARD +0530 +0530 IST",
	} {
		p := samplePractice(t)
		p.Zone = zone
		for _, start := range []string{"2026-01-15T15:00:00Z", "2026-07-15T15:00:00Z"} {
			c, e := read(t, write(t, p, invited(kapmail.Facts{Kind: kapmail.Booked, Start: at(t, start)})).Invitation)
			if got := e.Props.Get("DTSTART").Params.Get("TZID"); got != zone || says(t, c.Children[0].Props, "TZID") != zone {
				t.Errorf("%s: it is in the zone %q", zone, got)
			}
			var parts []string
			for _, half := range c.Children[0].Children {
				line := fmt.Sprintf("%s %s %s %s", half.Name, half.Props.Get("TZOFFSETFROM").Value, half.Props.Get("TZOFFSETTO").Value, says(t, half.Props, "TZNAME"))
				if rule := half.Props.Get("RRULE"); rule != nil {
					line += " " + rule.Value
				}
				parts = append(parts, line)
			}
			slices.SortFunc(parts, func(a, b string) int { return strings.Compare(b, a) })
			if got := strings.Join(parts, ", "); got != want {
				t.Errorf("%s: %s\nexpected %s", zone, got, want)
			}
		}
	}
	// Morocco's summer time ends for Ramadan: no yearly rule says when.
	p := samplePractice(t)
	p.Zone = "Africa/Casablanca"
	c, _ := read(t, write(t, p, invited(kapmail.Facts{Kind: kapmail.Booked, Start: at(t, "2026-01-15T15:00:00Z")})).Invitation)
	for _, half := range c.Children[0].Children {
		if half.Props.Get("RRULE") != nil || (half.Name == "DAYLIGHT") != (half.Props.Get("TZOFFSETTO").Value == "+0100") {
			t.Errorf("Casablanca: %+v", half)
		}
	}
}

// meaning is the moment that a calendar understands, from what stands in the invitation alone (RFC 5545, 3.3.5 and 3.6.5).
func meaning(t testing.TB, c *ical.Calendar, when *ical.Prop) time.Time {
	t.Helper()
	if strings.HasSuffix(when.Value, "Z") {
		moment, err := when.DateTime(nil)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	local := floating(t, when.Value)
	i := slices.IndexFunc(c.Children, func(z *ical.Component) bool {
		return z.Name == "VTIMEZONE" && z.Props.Get("TZID").Value == when.Params.Get("TZID")
	})
	if i < 0 {
		t.Fatalf("nothing describes the zone of %s", when.Value)
	}
	type onset struct {
		at time.Time
		to time.Duration
	}
	var onsets []onset
	for _, half := range c.Children[i].Children {
		from, to := seconds(t, half.Props.Get("TZOFFSETFROM").Value), seconds(t, half.Props.Get("TZOFFSETTO").Value)
		first := floating(t, half.Props.Get("DTSTART").Value)
		all := []time.Time{first}
		rule, err := half.Props.RecurrenceRule()
		if err != nil {
			t.Fatal(err)
		}
		if rule != nil {
			rule.Dtstart = first
			r, err := rrule.NewRRule(*rule)
			if err != nil {
				t.Fatal(err)
			}
			if all = r.Between(first, local.AddDate(0, 0, 2), true); len(all) == 0 || !all[0].Equal(first) {
				t.Fatalf("the rule %s does not begin with %s", half.Props.Get("RRULE").Value, first)
			}
		}
		for _, a := range all {
			onsets = append(onsets, onset{a.Add(-from), to})
		}
	}
	slices.SortFunc(onsets, func(a, b onset) int { return a.at.Compare(b.at) })
	// On the day of a change back a time comes twice; it means the first.
	for i, o := range onsets {
		moment := local.Add(-o.to)
		if !moment.Before(o.at) && (i+1 == len(onsets) || moment.Before(onsets[i+1].at)) {
			return moment
		}
	}
	t.Fatalf("no part of the zone covers %s", when.Value)
	return time.Time{}
}

func floating(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse("20060102T150405", text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func seconds(t testing.TB, offset string) time.Duration {
	t.Helper()
	v, err := time.Parse("-0700", offset)
	if err != nil {
		t.Fatal(err)
	}
	_, n := v.Zone()
	return time.Duration(n) * time.Second
}
