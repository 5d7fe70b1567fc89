package mail_test

import (
	"regexp"
	"strings"
	"testing"
	"text/template"
	"time"
	_ "time/tzdata"

	"kap/mail"
	"kap/practice"
)

const crisis = "In the United States you can call or text 988 at any hour, and 911 in an emergency."

func samplePractice(t testing.TB) practice.Practice {
	t.Helper()
	p, err := practice.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func at(t testing.TB, rfc3339 string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The sample practice is in New York, whose clocks went forward on 8 March 2026 and go back on 1 November 2026.
// shows: times-in-both-zones
func TestWhenAndWhere(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		zone, start   string
		day, time, no string // no: what must not stand in it
	}{
		"the practice's own zone, winter":             {"America/New_York", "2026-03-05T15:00:00Z", "Thursday, March 5, 2026", "10:00 AM EST\n", "at the practice"},
		"the practice's own zone, summer":             {"America/New_York", "2026-03-12T14:00:00Z", "Thursday, March 12, 2026", "10:00 AM EDT\n", "at the practice"},
		"after the clocks went back":                  {"America/New_York", "2026-11-05T15:00:00Z", "Thursday, November 5, 2026", "10:00 AM EST\n", "at the practice"},
		"another zone with the same time":             {"America/Toronto", "2026-03-12T14:00:00Z", "Thursday, March 12, 2026", "10:00 AM EDT\n", "at the practice"},
		"west":                                        {"America/Chicago", "2026-03-05T15:00:00Z", "Thursday, March 5, 2026", "9:00 AM CST (10:00 AM EST at the practice)", ""},
		"west, summer":                                {"America/Chicago", "2026-03-12T14:00:00Z", "Thursday, March 12, 2026", "9:00 AM CDT (10:00 AM EDT at the practice)", ""},
		"no summer time at the client's, winter":      {"America/Phoenix", "2026-03-05T15:00:00Z", "Thursday, March 5, 2026", "8:00 AM MST (10:00 AM EST at the practice)", ""},
		"no summer time at the client's, summer":      {"America/Phoenix", "2026-03-12T14:00:00Z", "Thursday, March 12, 2026", "7:00 AM MST (10:00 AM EDT at the practice)", ""},
		"the date differs, ahead":                     {"Asia/Tokyo", "2026-03-12T22:00:00Z", "Friday, March 13, 2026", "7:00 AM JST (Thursday, March 12, 2026, 6:00 PM EDT at the practice)", ""},
		"the date differs, behind":                    {"Pacific/Honolulu", "2026-03-05T05:00:00Z", "Wednesday, March 4, 2026", "7:00 PM HST (Thursday, March 5, 2026, 12:00 AM EST at the practice)", ""},
		"a zone without an abbreviation":              {"America/Sao_Paulo", "2026-03-05T15:00:00Z", "Thursday, March 5, 2026", "12:00 PM UTC-3:00 (10:00 AM EST at the practice)", ""},
		"an offset that is no whole hour":             {"Asia/Kathmandu", "2026-03-05T15:00:00Z", "Thursday, March 5, 2026", "8:45 PM UTC+5:45 (10:00 AM EST at the practice)", ""},
		"the weeks in which only one side has summer": {"Europe/London", "2026-03-12T14:00:00Z", "Thursday, March 12, 2026", "2:00 PM GMT (10:00 AM EDT at the practice)", ""},
		"the same, once both have":                    {"Europe/London", "2026-04-02T14:00:00Z", "Thursday, April 2, 2026", "3:00 PM BST (10:00 AM EDT at the practice)", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := samplePractice(t)
			start := at(t, tc.start)
			for _, f := range []mail.Facts{
				{Kind: mail.Booked},
				{Kind: mail.Moved, Was: start.AddDate(0, 0, -1)},
				{Kind: mail.Cancelled},
				{Kind: mail.Reminder, Lead: "7d"},
				{Kind: mail.Reminder, Lead: "48h", Sheet: true},
				{Kind: mail.Reminder, Lead: "24h"},
				{Kind: mail.Reminder, Lead: "2h"},
			} {
				f.FirstName, f.Zone, f.Start, f.End = "Ada", tc.zone, start, start.Add(time.Hour)
				l, err := mail.Write(p, f)
				if err != nil {
					t.Fatal(err)
				}
				when := tc.time
				if f.Kind == mail.Cancelled {
					when = strings.TrimSuffix(when, "\n") // it stands in a sentence
				}
				for _, want := range []string{"Hello Ada,", tc.day, when, p.Mail.Location, p.Mail.Phone} {
					if !strings.Contains(l.Text, want) {
						t.Errorf("%s %s: %q is not in the text:\n%s", f.Kind, f.Lead, want, l.Text)
					}
					if page := seen(l.HTML); !strings.Contains(page, strings.TrimSpace(want)) {
						t.Errorf("%s %s: %q is not on the page:\n%s", f.Kind, f.Lead, want, page)
					}
				}
				if tc.no != "" && strings.Contains(l.Text, tc.no) {
					t.Errorf("%s %s: %q is in the text:\n%s", f.Kind, f.Lead, tc.no, l.Text)
				}
			}
		})
	}
}

// shows: words-first-name-only, words-neutral
func TestSubjects(t *testing.T) {
	t.Parallel()
	const (
		thursday = "2026-03-12T14:00:00Z" // 10:00 AM EDT
		tuesday  = "2026-03-17T18:30:00Z"
	)
	for name, tc := range map[string]struct {
		facts              mail.Facts
		subject, preheader string
	}{
		"booked": {mail.Facts{Kind: mail.Booked, Start: at(t, thursday)},
			"Your appointment on Thursday, March 12", "10:00 AM EDT, 12 Linden Street, Suite 3"},
		"moved to another day": {mail.Facts{Kind: mail.Moved, Was: at(t, thursday), Start: at(t, tuesday)},
			"Your appointment on Thursday, March 12 has moved to Tuesday, March 17", "New time: Tuesday, March 17, 2:30 PM EDT"},
		"moved within the day": {mail.Facts{Kind: mail.Moved, Was: at(t, thursday), Start: at(t, "2026-03-12T18:00:00Z")},
			"Your appointment on Thursday, March 12 has moved to 2:00 PM EDT", "New time: Thursday, March 12, 2:00 PM EDT"},
		"moved by a whole year": {mail.Facts{Kind: mail.Moved, Was: at(t, thursday), Start: at(t, "2027-03-12T15:00:00Z")},
			"Your appointment on Thursday, March 12 has moved to Friday, March 12", "New time: Friday, March 12, 10:00 AM EST"},
		"cancelled": {mail.Facts{Kind: mail.Cancelled, Start: at(t, thursday)},
			"Your appointment on Thursday, March 12 at 10:00 AM EDT will not take place", "There is nothing you need to do."},
		"two days before": {mail.Facts{Kind: mail.Reminder, Lead: "48h", Start: at(t, thursday)},
			"Reminder: your appointment on Thursday, March 12", "10:00 AM EDT, 12 Linden Street, Suite 3"},
		"the day before": {mail.Facts{Kind: mail.Reminder, Lead: "24h", Start: at(t, thursday)},
			"Reminder: your appointment on Thursday, March 12", "10:00 AM EDT, 12 Linden Street, Suite 3"},
		"the day before, at the end of a day of 25 hours": {mail.Facts{Kind: mail.Reminder, Lead: "24h", Start: at(t, "2026-11-02T04:30:00Z")},
			"Reminder: your appointment on Sunday, November 1", "11:30 PM EST, 12 Linden Street, Suite 3"},
		"the day before, at the end of a day of 23 hours": {mail.Facts{Kind: mail.Reminder, Lead: "24h", Start: at(t, "2026-03-09T03:30:00Z")},
			"Reminder: your appointment on Sunday, March 8", "11:30 PM EDT, 12 Linden Street, Suite 3"},
		"two hours before": {mail.Facts{Kind: mail.Reminder, Lead: "2h", Start: at(t, thursday)},
			"Reminder: your appointment today at 10:00 AM EDT", "Thursday, March 12, 12 Linden Street, Suite 3"},
		"two hours before, yesterday where the client is": {mail.Facts{Kind: mail.Reminder, Lead: "2h", Zone: "Asia/Tokyo", Start: at(t, "2026-03-12T16:00:00Z")},
			"Reminder: your appointment on Friday, March 13", "1:00 AM JST, 12 Linden Street, Suite 3"},
		"booked elsewhere": {mail.Facts{Kind: mail.Booked, Online: true, Start: at(t, thursday)},
			"Your appointment on Thursday, March 12", "10:00 AM EDT, not at the practice"},
		"two hours before, elsewhere": {mail.Facts{Kind: mail.Reminder, Online: true, Lead: "2h", Start: at(t, thursday)},
			"Reminder: your appointment today at 10:00 AM EDT", "Thursday, March 12, not at the practice"},
		"a signature": {mail.Facts{Kind: mail.ConsentDue},
			"A form is waiting for your signature", "Please call us at +1 555 0100, or reply"},
		"a form before an appointment": {mail.Facts{Kind: mail.QuestionnaireDue, Crisis: crisis, Start: at(t, thursday)},
			"A short form to fill in before Thursday, March 12", "Please bring it to us, or call us at +1 555 0100"},
		"a form before an appointment, by the client's calendar": {mail.Facts{Kind: mail.QuestionnaireDue, Crisis: crisis, Zone: "Asia/Tokyo", Start: at(t, "2026-03-12T16:00:00Z")},
			"A short form to fill in before Friday, March 13", "Please bring it to us, or call us at +1 555 0100"},
		"a form": {mail.Facts{Kind: mail.QuestionnaireDue, Crisis: crisis},
			"A short form to fill in", "Please bring it to us, or call us at +1 555 0100"},
		"a letter": {mail.Facts{Kind: mail.LetterReady, Crisis: crisis},
			"A letter is ready for you", "Please call us at +1 555 0100"},
		"staff are waited for": {mail.Facts{Kind: mail.StaffNudge, Waiting: waiting(t, "K7Q2M9")},
			"Waiting for you: K7Q2M9", "Since Tuesday, March 10, 2026, 10:00 AM EDT"},
		"once a day": {mail.Facts{Kind: mail.StaffDigest, Waiting: waiting(t, "K7Q2M9")},
			"Waiting for you: K7Q2M9", "Since Tuesday, March 10, 2026, 10:00 AM EDT"},
		"once a day, by several": {mail.Facts{Kind: mail.StaffDigest, Waiting: waiting(t, "K7Q2M9", "B2B2B2", "C3C3C3")},
			"Waiting for you: 3 pathways", "Since Tuesday, March 10, 2026, 10:00 AM EDT"},
		"staff are to look now": {mail.Facts{Kind: mail.StaffUrgent, Waiting: waiting(t, "K7Q2M9")},
			"Urgent: K7Q2M9", "Please look now."},
		"staff are told": {mail.Facts{Kind: mail.StaffNews, Waiting: waiting(t, "K7Q2M9")},
			"To know: K7Q2M9", "There is nothing you need to do."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := tc.facts
			f.FirstName = "Ada"
			if f.Zone == "" {
				f.Zone = "America/New_York"
			}
			l, err := mail.Write(samplePractice(t), f)
			if err != nil {
				t.Fatal(err)
			}
			if l.Subject != tc.subject {
				t.Errorf("subject %q, want %q", l.Subject, tc.subject)
			}
			if l.Preheader != tc.preheader {
				t.Errorf("preheader %q, want %q", l.Preheader, tc.preheader)
			}
			if strings.Contains(l.Subject+l.Preheader, "Ada") {
				t.Errorf("a name stands on the lock screen: %q, %q", l.Subject, l.Preheader)
			}
			if !strings.Contains(seen(l.HTML), l.Preheader) {
				t.Error("the page does not carry its preheader")
			}
		})
	}
}

// shows: crisis-line, reminder-sheet, ending-letter
func TestWhatEachLetterSays(t *testing.T) {
	t.Parallel()
	start := at(t, "2026-03-12T14:00:00Z")
	for name, tc := range map[string]struct {
		facts     mail.Facts
		want, not []string
	}{
		"moved gives both times": {mail.Facts{Kind: mail.Moved, Was: start, Start: start.AddDate(0, 0, 5)},
			[]string{"will not take place on Thursday, March 12, 2026 at 10:00 AM EDT", "Tuesday, March 17, 2026"}, nil},
		"cancelled says that it is off, and who acts": {mail.Facts{Kind: mail.Cancelled, Start: start},
			[]string{"will not take place", "you will hear from us"}, nil},
		"a reminder with the sheet": {mail.Facts{Kind: mail.Reminder, Lead: "48h", Sheet: true, Start: start},
			[]string{"Please read the information sheet you were given"}, []string{"today"}},
		"a reminder without": {mail.Facts{Kind: mail.Reminder, Lead: "48h", Start: start},
			nil, []string{"sheet", "today"}},
		"the last reminder": {mail.Facts{Kind: mail.Reminder, Lead: "2h", Start: start},
			[]string{"Your appointment is today at 10:00 AM EDT", "will be late"}, nil},
		"a letter": {mail.Facts{Kind: mail.LetterReady, Crisis: crisis, Sheet: true},
			[]string{"A letter is ready for you at Linden Street Practice", "+1 555 0100", "not monitored", crisis}, []string{"reply to this mail", "sheet"}},
		"a signature": {mail.Facts{Kind: mail.ConsentDue, Start: start},
			[]string{"A form is waiting for your signature at Linden Street Practice", "reply to this mail or call us at +1 555 0100"}, []string{"March"}},
		"a form before an appointment": {mail.Facts{Kind: mail.QuestionnaireDue, Crisis: crisis, Start: start},
			[]string{"Before your appointment on Thursday, March 12, 2026, please fill in the short form you were given", "bring it to us soon, or call us at +1 555 0100", "This mail and the form are not monitored", crisis},
			[]string{"reply to this mail"}},
		"a form": {mail.Facts{Kind: mail.QuestionnaireDue, Crisis: crisis},
			[]string{"Please fill in the short form you were given", "Bring it to us soon, or call us at +1 555 0100", "This mail and the form are not monitored", crisis},
			[]string{"reply to this mail", "appointment", "0001"}},
		"an appointment elsewhere": {mail.Facts{Kind: mail.Booked, Online: true, Start: start},
			[]string{"Not at the practice: it takes place as agreed."}, []string{"Linden Street, Suite 3"}},
		"an appointment moved elsewhere": {mail.Facts{Kind: mail.Moved, Online: true, Was: start, Start: start.AddDate(0, 0, 5)},
			[]string{"Not at the practice: it takes place as agreed."}, []string{"Linden Street, Suite 3"}},
		"a reminder of one elsewhere": {mail.Facts{Kind: mail.Reminder, Lead: "2h", Online: true, Zone: "America/Chicago", Start: start},
			[]string{"Not at the practice: it takes place as agreed.", "9:00 AM CDT (10:00 AM EDT our time)"}, []string{"Linden Street, Suite 3", "EDT at the practice"}},
		"one elsewhere is cancelled": {mail.Facts{Kind: mail.Cancelled, Online: true, Start: start},
			[]string{"will not take place"}, []string{"Linden Street, Suite 3", "as agreed"}},
		"staff are waited for": {mail.Facts{Kind: mail.StaffNudge, FirstName: "Ada", Crisis: crisis, Zone: "Asia/Tokyo", Start: start, Waiting: waiting(t, "K7Q2M9")},
			[]string{"Hello,", "K7Q2M9, since Tuesday, March 10, 2026, 10:00 AM EDT", "starter show K7Q2M9", "open pathway-K7Q2M9 in Temporal's Web UI.", "no more on purpose"},
			[]string{"Ada", "longest", "JST", "March 12", "988"}},
		"once a day, by several": {mail.Facts{Kind: mail.StaffDigest, Waiting: waiting(t, "K7Q2M9", "B2B2B2", "C3C3C3")},
			[]string{"The longest waiting first:", "K7Q2M9, since Tuesday, March 10, 2026, 10:00 AM EDT", "B2B2B2, since Wednesday, March 11, 2026, 10:00 AM EDT", "C3C3C3, since Thursday, March 12, 2026, 10:00 AM EDT",
				"starter show K7Q2M9", "and so for each of them."}, nil},
		"staff are to look now": {mail.Facts{Kind: mail.StaffUrgent, Waiting: waiting(t, "K7Q2M9")},
			[]string{"Please look now", "K7Q2M9, since Tuesday, March 10, 2026, 10:00 AM EDT", "starter show K7Q2M9", "pathway-K7Q2M9"}, nil},
		"staff are told": {mail.Facts{Kind: mail.StaffNews, Waiting: []mail.Waiting{{Code: "K7Q2M9"}}},
			[]string{"nothing you need to do", "K7Q2M9\n", "starter show K7Q2M9", "pathway-K7Q2M9"}, []string{"since", "0001"}},
		"a client without a name": {mail.Facts{Kind: mail.Booked, FirstName: " \n", Start: start},
			[]string{"Hello,"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := tc.facts
			if f.Zone == "" {
				f.Zone = "America/New_York"
			}
			l, err := mail.Write(samplePractice(t), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, form := range []string{l.Text, seen(l.HTML)} {
				for _, want := range tc.want {
					if !strings.Contains(form, want) {
						t.Errorf("%q is missing:\n%s", want, form)
					}
				}
				for _, not := range tc.not {
					if strings.Contains(form, not) {
						t.Errorf("%q is in it:\n%s", not, form)
					}
				}
			}
		})
	}
}

// unsaid is written out apart from the package's own list, so that neither can quietly lose a word.
var unsaid = regexp.MustCompile(`(?i)\b(kap|ketamine|ketalar|psycho\w*|psychedelic\w*|psilo\w*|mdma|therap\w*|counsel\w*|hypnosis|rehab\w*|treat\w*|session\w*|dos(e|ing|age)\w*|prepar\w*|integrat\w*|` +
	`screen(ing|ed)|clear(ed|ance)|consent\w*|prescri\w*|medic\w*|drug\w*|diagnos\w*|depress\w*|anxi\w*|ptsd|ocd|panic\w*|mental\w*|bipolar\w*|suicid\w*|trauma\w*|grief|phq\w*|gad\w*|pcl\w*|` +
	`scale\w*|questionnaire\w*|closing|phase\w*|cure\w*|guarant\w*|proven|breakthrough\w*|miracle\w*|success\w*|rates?|journey\w*|trips?|heal\w*|` +
	`better|improve\w*|refer\w*|stop(ped)?|declin\w*|withdr\w*)\b`)

// The words that the page's markup needs and nobody sees.
var markup = strings.NewReplacer("color-scheme", "", "initial-scale=1", "", "prefers-", "")

// shows: words-neutral
func TestAnIndiscreetPracticeIsRefused(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*practice.Mail){
		"mail.name":     func(m *practice.Mail) { m.Name = "Linden Ketamine Clinic" },
		"mail.from":     func(m *practice.Mail) { m.From = "kap@linden.example" },
		"mail.reply_to": func(m *practice.Mail) { m.ReplyTo = "desk@psychotherapy.example" },
		"mail.location": func(m *practice.Mail) { m.Location = "The Therapy House" },
		"mail.phone":    func(m *practice.Mail) { m.Phone = "1-800-MENTAL" },
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			p := samplePractice(t)
			change(&p.Mail)
			_, err := mail.Write(p, mail.Facts{Kind: mail.LetterReady, Crisis: crisis})
			if err == nil || !strings.Contains(err.Error(), field+":") {
				t.Errorf("got %v, want an error that names %s", err, field)
			}
		})
	}
	if err := mail.Discreet(samplePractice(t)); err != nil {
		t.Error(err)
	}
}

func TestMissingFactsAreNamed(t *testing.T) {
	t.Parallel()
	start := at(t, "2026-03-12T14:00:00Z")
	for name, row := range map[string]struct {
		want  string
		facts mail.Facts
	}{
		"an unknown kind":           {"facts.kind", mail.Facts{Kind: "hello", Zone: "America/New_York", Start: start}},
		"no such zone":              {"facts.zone", mail.Facts{Kind: mail.Booked, Zone: "Mars/Olympus", Start: start}},
		"no start":                  {"facts.start", mail.Facts{Kind: mail.Booked, Zone: "America/New_York"}},
		"no start before":           {"facts.was", mail.Facts{Kind: mail.Moved, Zone: "America/New_York", Start: start}},
		"a letter, nobody to call":  {"facts.crisis", mail.Facts{Kind: mail.LetterReady}},
		"a form, nobody to call":    {"facts.crisis", mail.Facts{Kind: mail.QuestionnaireDue, Crisis: " ", Zone: "America/New_York", Start: start}},
		"a form, no such zone":      {"facts.zone", mail.Facts{Kind: mail.QuestionnaireDue, Crisis: crisis, Start: start}},
		"staff, no pathway":         {"facts.waiting", mail.Facts{Kind: mail.StaffNudge}},
		"staff, a nameless pathway": {"facts.waiting[0].code", mail.Facts{Kind: mail.StaffNews, Waiting: []mail.Waiting{{Since: start}}}},
		"staff, since nobody knows": {"facts.waiting[1].since", mail.Facts{Kind: mail.StaffDigest, Waiting: []mail.Waiting{{Code: "K7Q2M9", Since: start}, {Code: "B2B2B2"}}}},
		"urgent since nobody knows": {"facts.waiting[0].since", mail.Facts{Kind: mail.StaffUrgent, Waiting: []mail.Waiting{{Code: "K7Q2M9"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, want := row.facts, row.want
			f.FirstName = "Zenobia"
			_, err := mail.Write(samplePractice(t), f)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Zenobia") {
				t.Errorf("got %v, want an error that names %s and no person", err, want)
			}
		})
	}
	for _, zone := range []string{"", "Local"} { // the machine's zone must never pass for the client's
		if _, err := mail.Write(samplePractice(t), mail.Facts{Kind: mail.Booked, Zone: zone, Start: start}); err == nil {
			t.Errorf("zone %q was taken", zone)
		}
	}
}

// shows: words-first-name-only
func TestANameIsOnlyAName(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]struct{ text, html string }{
		`<b>`:                       {"Hello <b>,", "Hello &lt;b&gt;,"},
		`"><script>x()</script>`:    {`Hello "><script>x()</script>,`, "&lt;script&gt;"},
		"{{.Phone}}":                {"Hello {{.Phone}},", "Hello {{.Phone}},"},
		"Ada\n\nSend money":         {"Hello Ada Send money,", "Hello Ada Send money,"},
		"Zoë O'Neil":                {"Hello Zoë O'Neil,", "Hello Zoë O&#39;Neil,"},
		"+1 555 0100":               {"Hello +1 555 0100,", "Hello &#43;1 555 0100,"},
		strings.Repeat("Ada", 1000): {strings.Repeat("Ada", 1000), strings.Repeat("Ada", 1000)},
	} {
		l, err := mail.Write(samplePractice(t), mail.Facts{Kind: mail.Booked, FirstName: given, Zone: "America/New_York", Start: at(t, "2026-03-12T14:00:00Z")})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(l.Text, want.text) || !strings.Contains(l.HTML, want.html) {
			t.Errorf("%.40q became\n%.120s\n%s", given, l.Text, l.HTML)
		}
		if strings.Contains(l.HTML, "<b>") || strings.Contains(l.HTML, "<script") {
			t.Errorf("%.40q reached the page as markup", given)
		}
	}
}

func TestTheTextIsPlain(t *testing.T) {
	t.Parallel()
	l, err := mail.Write(samplePractice(t), mail.Facts{Kind: mail.Reminder, Lead: "48h", Sheet: true, FirstName: "Ada", Zone: "America/Chicago",
		Start: at(t, "2026-03-05T15:00:00Z")})
	if err != nil {
		t.Fatal(err)
	}
	const want = `Hello Ada,

This is a reminder of your appointment.

    Thursday, March 5, 2026
    9:00 AM CST (10:00 AM EST at the practice)
    12 Linden Street, Suite 3

Please read the information sheet you were given for this appointment.

If you need another time or have a question, reply to this mail or call us at +1 555 0100.

-- 
Linden Street Practice
12 Linden Street, Suite 3
`
	if l.Text != want {
		t.Errorf("got\n%s\nwant\n%s", l.Text, want)
	}
}

// A letter about a session has two links to answer by, and every letter to a client one at its foot; without them it is what it was.
func TestLinks(t *testing.T) {
	t.Parallel()
	for name, f := range everyRendering(t, samplePractice(t)) {
		f.Links = mail.SampleLinks
		l, err := mail.Write(samplePractice(t), f)
		if err != nil {
			t.Fatal(err)
		}
		f.Links = mail.Links{}
		bare, err := mail.Write(samplePractice(t), f)
		if err != nil {
			t.Fatal(err)
		}
		answers := f.Kind == mail.Booked || f.Kind == mail.Moved || f.Kind == mail.Reminder
		foot := f.Waiting == nil
		for _, to := range []struct {
			url, words string
			in         bool
		}{{mail.SampleLinks.Coming, "I'll be there", answers}, {mail.SampleLinks.AnotherTime, "I need another time", answers}, {mail.SampleLinks.Leave, "No more mails, or leave", foot}} {
			text := to.words + ":\n" + to.url + "\n"
			if in := strings.Contains(l.Text, text); in != to.in || in != strings.Contains(l.HTML, `href="`+to.url+`"`) || in != strings.Contains(seen(l.HTML), to.words) {
				t.Errorf("%s: has the link %q: %v\n%s", name, to.words, in, l.Text)
			}
			if strings.Contains(bare.Text+bare.HTML, to.url) || strings.Contains(bare.Text+bare.HTML, to.words) {
				t.Errorf("%s: has the link %q where there is none", name, to.words)
			}
		}
		if foot && !strings.HasSuffix(l.Text, mail.SampleLinks.Leave+"\n") {
			t.Errorf("%s: the last link is not at the foot:\n%s", name, l.Text)
		}
		if l.Subject != bare.Subject || l.Preheader != bare.Preheader {
			t.Errorf("%s: a link shows on the lock screen", name)
		}
	}
}

func TestTheTextWithLinksIsPlain(t *testing.T) {
	t.Parallel()
	f := mail.Facts{Kind: mail.Reminder, Lead: "24h", FirstName: "Ada", Zone: "America/New_York", Start: at(t, "2026-03-12T14:00:00Z"), Links: mail.SampleLinks}
	l, err := mail.Write(samplePractice(t), f)
	if err != nil {
		t.Fatal(err)
	}
	want := `Hello Ada,

This is a reminder of your appointment.

    Thursday, March 12, 2026
    10:00 AM EDT
    12 Linden Street, Suite 3

I'll be there:
` + mail.SampleLinks.Coming + `

I need another time:
` + mail.SampleLinks.AnotherTime + `

If you need another time or have a question, reply to this mail or call us at +1 555 0100.

-- 
Linden Street Practice
12 Linden Street, Suite 3
No more mails, or leave:
` + mail.SampleLinks.Leave + `
`
	if l.Text != want {
		t.Errorf("got\n%s\nwant\n%s", l.Text, want)
	}
}

// An address in which links begin stands in every letter: it is as discreet as the rest.
func TestAnIndiscreetAddressIsFound(t *testing.T) {
	t.Parallel()
	for address, word := range map[string]string{
		"https://desk.linden.example": "", "http://127.0.0.1:8030": "", "https://kap.linden.example": "kap", "https://my.thekapclinic.example/": "https://my.thekapclinic.example/", "https://ketaminecare.example": "ketaminecare",
	} {
		if found := mail.IndiscreetAddress(address); found != word {
			t.Errorf("%s: found %q, expected %q", address, found, word)
		}
	}
}

// waiting has one pathway more each day, from Tuesday 10 March 2026 at 10:00 in New York.
func waiting(t testing.TB, codes ...string) []mail.Waiting {
	var all []mail.Waiting
	for i, code := range codes {
		all = append(all, mail.Waiting{Code: code, Since: at(t, "2026-03-10T14:00:00Z").AddDate(0, 0, i)})
	}
	return all
}

var (
	tags     = regexp.MustCompile(`(?s)<style>.*?</style>|<[^>]*>`)
	entities = strings.NewReplacer("&#43;", "+", "&#39;", "'", "&amp;", "&")
)

// seen is what remains of a page without its markup.
func seen(html string) string { return entities.Replace(tags.ReplaceAllString(html, "")) }

// A word may hide in another, as they do in hosts and in names of houses.
// shows: words-neutral
func TestAPracticesAddressTellsNothing(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"hello@bayketamine.example", "hello@mindtherapy.example", "x@thekapclinic.example", "front@neuropsychiatry.example", "kap@linden.example"} {
		p := samplePractice(t)
		p.Mail.From = from
		if err := mail.Discreet(p); err == nil || !strings.Contains(err.Error(), "mail.from: found ") {
			t.Errorf("%s: said %v", from, err)
		}
	}
	p := samplePractice(t)
	p.Mail.Name, p.Mail.Phone = "Ketamine House", "555 THERAPY"
	if err := mail.Discreet(p); err == nil || !strings.Contains(err.Error(), `mail.name: found "Ketamine"`) || !strings.Contains(err.Error(), "; mail.phone: found ") {
		t.Errorf("of two faults it names %v", err)
	}
	p = samplePractice(t)
	if p.Mail.Location = "Hypnotherapy House, 3rd floor"; mail.Discreet(p) == nil {
		t.Errorf("%s passes", p.Mail.Location)
	}
	if p.Mail.Location = "Kapital Square 3, Suite 12"; mail.Discreet(p) != nil {
		t.Errorf("%s is refused: %v", p.Mail.Location, mail.Discreet(p))
	}
}

// Each word of the list is found as people write it; words that only look like one are not.
// shows: words-neutral
func TestTheListOfWords(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"Linden Mental Health", "lindenmentalhealth", "Couples Counseling", "a counsellor", "Ketalar", "Psilocybin", "psilo", "MDMA-assisted", "bipolar", "988 Suicide & Crisis Lifeline",
		"suicidal", "Panic", "OCD clinic", "Rehabilitation Center", "Hypnosis", "hypnotic",
	} {
		if mail.Indiscreet(text) == "" {
			t.Errorf("%s passes", text)
		}
	}
	for _, text := range []string{"Environmental Building", "Epsilon House", "Hispanic Square", "Council Street", "Docdale", "Monumental Way"} {
		if word := mail.Indiscreet(text); word != "" {
			t.Errorf("%s is refused: %q", text, word)
		}
	}
}

// The line's number is enough to reach it; its name says on a lock screen what it is for.
// shows: crisis-line, words-neutral
func TestAnIndiscreetCrisisTextIsRefused(t *testing.T) {
	t.Parallel()
	protocol, err := practice.LoadProtocol("")
	if err != nil {
		t.Fatal(err)
	}
	if err := mail.DiscreetProtocol(protocol); err != nil || protocol.Crisis.Text != crisis {
		t.Errorf("the built-in text %q: %v", protocol.Crisis.Text, err)
	}
	protocol.Crisis.Text = "Call the 988 Suicide & Crisis Lifeline."
	if err := mail.DiscreetProtocol(protocol); err == nil || !strings.Contains(err.Error(), `crisis.text: found "Suicide" in it, expected whom to call`) {
		t.Errorf("got %v", err)
	}
}

// A translation is a file of words: no day, hour or place comes from anywhere else.
func TestAnotherLanguageHasItsOwnDays(t *testing.T) {
	t.Parallel()
	german := template.Must(template.Must(mail.Words.Clone()).Parse(`
		{{define "language"}}de{{end}}
		{{define "day"}}{{if eq .Weekday 4}}Donnerstag{{else if eq .Weekday 5}}Freitag{{end}}, {{.Day}}. {{if eq .Month 3}}März{{end}}{{end}}
		{{define "date"}}{{template "day" .}} {{.Year}}{{end}}
		{{define "clock"}}{{.Format "15:04"}} Uhr {{.ZoneName}}{{end}}
		{{define "both-clocks"}}{{template "clock" .Theirs}} ({{if not .SameDay}}{{template "date" .Ours}}, {{end}}{{template "clock" .Ours}} {{if .Online}}bei uns{{else}}in der Praxis{{end}}){{end}}`))
	start := at(t, "2026-03-12T22:00:00Z")
	for _, row := range []struct {
		facts mail.Facts
		says  []string
	}{
		{mail.Facts{Kind: mail.Booked, Zone: "Asia/Tokyo", Start: start}, []string{"Freitag, 13. März 2026", "07:00 Uhr JST (Donnerstag, 12. März 2026, 18:00 Uhr EDT in der Praxis)"}},
		{mail.Facts{Kind: mail.Cancelled, Zone: "America/Chicago", Start: start, Online: true}, []string{"Donnerstag, 12. März 2026 at 17:00 Uhr CDT (18:00 Uhr EDT bei uns)"}},
		{mail.Facts{Kind: mail.StaffNudge, Waiting: []mail.Waiting{{Code: "K7Q2M9", Since: start}}}, []string{"Donnerstag, 12. März 2026, 18:00 Uhr EDT"}},
	} {
		l, err := mail.WriteIn(german, samplePractice(t), row.facts)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range append(row.says, `<html lang="de">`) {
			if !strings.Contains(l.HTML, want) {
				t.Errorf("%s: %q is missing:\n%s", row.facts.Kind, want, seen(l.HTML))
			}
		}
		for _, not := range []string{"March", "Thursday", "Friday", " PM", " AM", "our time", "at the practice"} {
			if strings.Contains(l.Subject+l.Text+seen(l.HTML), not) {
				t.Errorf("%s: %q is in it:\n%s", row.facts.Kind, not, l.Text)
			}
		}
	}
}
