package mail

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"kap/pathway"
	"kap/practice"
)

// Sample is one letter as somebody could get it, for whoever wants to read them all before anybody does.
type Sample struct {
	Name  string // short, of lower-case letters and hyphens
	About string
	Facts Facts
}

// SampleAddress is where the samples to clients go.
const SampleAddress = "you@client.example"

// SampleLinks are as long as those of a real letter; they lead nowhere.
var SampleLinks = Links{
	Coming:      "https://desk.linden.example/l/" + strings.Repeat("a", 59),
	AnotherTime: "https://desk.linden.example/l/" + strings.Repeat("b", 59),
	Leave:       "https://desk.linden.example/l/" + strings.Repeat("c", 59),
}

// Samples has every kind of letter in every state in which it says something else. They speak of an appointment nine days
// after a day, at ten on the practice's clock. crisis is the crisis line's text.
func Samples(p practice.Practice, day time.Time, crisis string) ([]Sample, error) {
	ours, err := pathway.Location("zone", p.Zone)
	if err != nil {
		return nil, err
	}
	here := day.In(ours)
	start := time.Date(here.Year(), here.Month(), here.Day()+9, 10, 0, 0, 0, ours)
	away := "Pacific/Auckland" // where it is the next day by then
	if _, offset := start.Zone(); offset > 3*60*60 {
		away = "America/Los_Angeles"
	}
	client := Facts{
		FirstName: "Ada", Zone: p.Zone, Start: start, End: start.Add(time.Hour), Crisis: crisis,
		UID: UID("a sample", "a sample", "a sample"), Revision: 1, To: SampleAddress, Written: here, Links: SampleLinks,
	}
	with := func(change func(*Facts)) Facts {
		f := client
		change(&f)
		return f
	}
	moved := func(f *Facts, was time.Time) { f.Kind, f.Was, f.Revision = Moved, was, 2 }
	remind := func(f *Facts, lead string) { f.Kind, f.Lead = Reminder, lead }
	all := []Sample{
		{"booked", "an appointment is booked", with(func(f *Facts) { f.Kind = Booked })},
		{"booked-far-away", "booked, for a client in another zone", with(func(f *Facts) { f.Kind, f.Zone = Booked, away })},
		{"booked-elsewhere", "booked, not at the practice", with(func(f *Facts) { f.Kind, f.Online = Booked, true })},
		{"booked-elsewhere-far-away", "booked, not at the practice, for a client in another zone", with(func(f *Facts) { f.Kind, f.Online, f.Zone = Booked, true, away })},
		{"booked-no-name", "booked, where no first name is known", with(func(f *Facts) { f.Kind, f.FirstName = Booked, "" })},
		{"moved", "an appointment has moved to another day", with(func(f *Facts) { moved(f, start.AddDate(0, 0, -2)) })},
		{"moved-same-day", "moved within the day", with(func(f *Facts) { moved(f, start.Add(3*time.Hour)) })},
		{"moved-far-away", "moved, for a client in another zone", with(func(f *Facts) { moved(f, start.AddDate(0, 0, -2)); f.Zone = away })},
		{"moved-elsewhere", "moved, not at the practice", with(func(f *Facts) { moved(f, start.AddDate(0, 0, -2)); f.Online = true })},
		{"cancelled", "an appointment will not take place", with(func(f *Facts) { f.Kind = Cancelled })},
		{"cancelled-far-away", "cancelled, for a client in another zone", with(func(f *Facts) { f.Kind, f.Zone = Cancelled, away })},
		{"cancelled-elsewhere", "cancelled, where it was not to be at the practice", with(func(f *Facts) { f.Kind, f.Online = Cancelled, true })},
		{"reminder-7d", "a reminder seven days before", with(func(f *Facts) { remind(f, "7d") })},
		{"reminder-48h", "a reminder 48 hours before", with(func(f *Facts) { remind(f, "48h") })},
		{"reminder-48h-sheet", "a reminder 48 hours before, with the sheet that was handed out", with(func(f *Facts) { remind(f, "48h"); f.Sheet = true })},
		{"reminder-24h", "a reminder 24 hours before", with(func(f *Facts) { remind(f, "24h") })},
		{"reminder-2h", "a reminder two hours before", with(func(f *Facts) { remind(f, "2h") })},
		{"reminder-2h-elsewhere", "a reminder two hours before, not at the practice", with(func(f *Facts) { remind(f, "2h"); f.Online = true })},
		{"reminder-24h-elsewhere", "a reminder 24 hours before, not at the practice", with(func(f *Facts) { remind(f, "24h"); f.Online = true })},
		{"consent-due", "a form waits for a signature", with(func(f *Facts) { f.Kind = ConsentDue })},
		{"questionnaire-due", "a form is to be filled in before an appointment", with(func(f *Facts) { f.Kind = QuestionnaireDue })},
		{"questionnaire-due-last", "a form is to be filled in, no appointment follows", with(func(f *Facts) { f.Kind, f.Start, f.End = QuestionnaireDue, time.Time{}, time.Time{} })},
		{"letter-ready", "a letter is ready", with(func(f *Facts) { f.Kind = LetterReady })},
	}
	one := []Waiting{{Code: "K7Q2M9", Since: start.AddDate(0, 0, -12)}}
	three := append(one, Waiting{Code: "B4D6F8", Since: start.AddDate(0, 0, -11)}, Waiting{Code: "C3G5H7", Since: start.AddDate(0, 0, -10)})
	for _, s := range []struct {
		name, about string
		kind        Kind
		waiting     []Waiting
	}{
		{"staff-nudge", "to staff: something waits", StaffNudge, one},
		{"staff-digest", "to staff: once a day", StaffDigest, one},
		{"staff-digest-of-several", "to staff: once a day, of several pathways", StaffDigest, three},
		{"staff-urgent", "to staff: look now", StaffUrgent, one},
		{"staff-news", "to staff: there is something to know", StaffNews, []Waiting{{Code: "K7Q2M9"}}},
	} {
		all = append(all, Sample{s.name, s.about, Facts{Kind: s.kind, Waiting: s.waiting}})
	}
	return all, nil
}

// Header is one line of what a mail says beside its letter.
type Header struct{ Name, Value string }

// Headers are what a mail says beside its letter when [Sender.Send] has sent it, and the types and names of its parts.
func Headers(p practice.Practice, id, toName, toAddress string, l Letter) []Header {
	m := message(p, id, toName, toAddress, l)
	all := []Header{
		{"From", mailbox(m.From.Name, m.From.Address)},
		{"Reply-To", mailbox(m.ReplyTo.Name, m.ReplyTo.Address)},
	}
	for _, one := range m.Personalizations {
		for _, to := range one.To {
			all = append(all, Header{"To", mailbox(to.Name, to.Address)})
		}
	}
	all = append(all, Header{"Subject", m.Subject})
	var own []Header
	for name, value := range m.Headers {
		own = append(own, Header{name, value})
	}
	for _, one := range m.Personalizations {
		for name, value := range one.Headers {
			own = append(own, Header{name, value})
		}
	}
	slices.SortFunc(own, func(a, b Header) int { return cmp.Compare(a.Name, b.Name) })
	all = append(all, own...)
	for _, c := range m.Content {
		all = append(all, Header{"Content", c.Type})
	}
	for _, a := range m.Attachments {
		all = append(all, Header{"File", a.Filename + ", " + a.Type})
	}
	return all
}

func mailbox(name, address string) string {
	return strings.TrimSpace(name + " <" + address + ">")
}
