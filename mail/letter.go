// Package mail is what is written to people, and how it leaves: [Write] turns the facts of an appointment, or of what waits
// for a member of staff, into a letter; [Sender] hands one letter to SendGrid.
//
// Mail is read on lock screens and by other people. Nothing here knows or says what an appointment is for, and nothing
// here looks at a clock, keeps state, or tries a second time: when and whether to send is the caller's decision.
package mail

import (
	"bytes"
	_ "embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	"text/template"
	"time"

	"kap/pathway"
	"kap/practice"
)

// Kind is the occasion of a letter.
type Kind string

// The occasions of a letter to a client.
const (
	Booked           Kind = "booked"
	Moved            Kind = "moved"
	Cancelled        Kind = "cancelled"
	Reminder         Kind = "reminder"
	ConsentDue       Kind = "consent-due"
	QuestionnaireDue Kind = "questionnaire-due"
	LetterReady      Kind = "letter-ready"
)

// The occasions of a letter to a member of staff.
const (
	StaffNudge  Kind = "staff-nudge"
	StaffDigest Kind = "staff-digest"
	StaffUrgent Kind = "staff-urgent"
	StaffNews   Kind = "staff-news"
)

// Kinds lists them all.
func Kinds() []Kind {
	return []Kind{Booked, Moved, Cancelled, Reminder, ConsentDue, QuestionnaireDue, LetterReady, StaffNudge, StaffDigest, StaffUrgent, StaffNews}
}

// Facts are what a letter needs; nothing about the treatment is among them.
type Facts struct {
	Kind       Kind
	FirstName  string    // may be empty: then the letter greets without a name; not looked at for staff
	Zone       string    // the client's, an IANA name such as America/Chicago; staff read the practice's clock
	Start, End time.Time // the appointment; questionnaire-due: may be zero; not looked at for consent-due, letter-ready and staff
	Was        time.Time // moved only: the start that no longer holds
	Lead       string    // reminder only: its rule's name, such as 48h or 2h
	Sheet      bool      // reminder only: ask the client to read the sheet that the practice handed out
	Online     bool      // the appointment is not at the practice
	Crisis     string    // questionnaire-due and letter-ready only: the crisis line's text
	Waiting    []Waiting // staff only: what the letter speaks of
	Links      Links     // to a client only; where there are none, the letter has none

	// Of the invitation in a letter that books, moves or cancels. Without UID or End it goes without: better than not at all.
	UID      string    // [UID]
	Revision int       // the appointment's: 1 as first booked, one more with each move
	To       string    // the address that the letter goes to
	Written  time.Time // when
}

// Links are the addresses of the pages on which a client answers.
type Links struct {
	Coming, AnotherTime string // booked, moved and reminder only
	Leave               string // no more mails, or to leave
}

// Waiting is one pathway of which a member of staff hears.
type Waiting struct {
	Code  string
	Since time.Time // staff-news: may be zero, because nobody is waited for
}

// Letter is one mail as the client receives it. Text and HTML say the same.
type Letter struct {
	Subject    string
	Preheader  string // what a mailbox shows beside the subject; it is part of HTML already
	Text       string
	HTML       string
	Invitation Invitation
}

//go:embed words/english.tmpl
var english string

//go:embed words/letter.html.tmpl
var page string

//go:embed words/letter.txt.tmpl
var plain string

// The words are written once, as plain text; the page and the plain layout only arrange them. So one translation serves
// both, and html/template escapes all that came from outside.
var (
	words      = template.Must(template.New("english").Option("missingkey=error").Parse(english))
	pageLayout = htmltemplate.Must(htmltemplate.New("page").Parse(page))
	textLayout = template.Must(template.New("plain").Parse(plain))
)

// Phrase is what pages have in common with letters: the words of a link, such as "link/coming", or "language".
func Phrase(name string) (string, error) {
	var b strings.Builder
	err := words.ExecuteTemplate(&b, name, nil)
	return oneLine(b.String()), err
}

// Write writes the letter for f in the practice's name. Its errors name the fact that is missing or wrong, or the
// practice's setting that [Discreet] refuses; they never contain a person's name.
func Write(p practice.Practice, f Facts) (Letter, error) { return write(words, p, f) }

func write(words *template.Template, p practice.Practice, f Facts) (Letter, error) {
	if err := Discreet(p); err != nil {
		return Letter{}, err
	}
	v, err := newView(words, p, f)
	if err != nil {
		return Letter{}, err
	}
	always := func(name string) string { // the same in every letter
		if err != nil {
			return ""
		}
		var b strings.Builder
		err = words.ExecuteTemplate(&b, name, v)
		return b.String()
	}
	say := func(part string) string { return always(string(f.Kind) + "/" + part) }
	l := layout{
		Language:  oneLine(always("language")),
		Subject:   oneLine(say("subject")),
		Preheader: oneLine(say("preheader")),
		Greeting:  oneLine(say("greeting")),
		Opening:   paragraphs(say("opening"), p.Mail.Phone),
		Card:      lines(say("card")),
		Closing:   paragraphs(say("closing"), p.Mail.Phone),
		Name:      p.Mail.Name,
		Location:  p.Mail.Location,
	}
	if v.Links.Coming != "" {
		l.Answers = []link{{oneLine(always("link/coming")), v.Links.Coming}, {oneLine(always("link/another-time")), v.Links.AnotherTime}}
	}
	if v.Links.Leave != "" {
		l.Leave = link{oneLine(always("link/leave")), v.Links.Leave}
	}
	if v.Online { // an address, even below the signature, would send the client there
		l.Location = ""
	}
	var summary, description string
	if f.invites() {
		summary, description = oneLine(say("summary")), oneLine(say("description"))
	}
	if err != nil {
		return Letter{}, fmt.Errorf("mail: the words for %q: %w", f.Kind, err)
	}
	var invitation Invitation
	if f.invites() {
		if invitation, err = invite(p, f, v.When.ours, summary, description); err != nil {
			return Letter{}, err
		}
	}
	var html, text bytes.Buffer
	if err := pageLayout.Execute(&html, l); err != nil {
		return Letter{}, fmt.Errorf("mail: the page for %q: %w", f.Kind, err)
	}
	if err := textLayout.Execute(&text, l); err != nil {
		return Letter{}, fmt.Errorf("mail: the text for %q: %w", f.Kind, err)
	}
	return Letter{Subject: l.Subject, Preheader: l.Preheader, Text: text.String(), HTML: html.String(), Invitation: invitation}, nil
}

// invites says whether the letter carries an invitation. A reminder does not: it would bring back what the client has taken out
// of their calendar.
func (f Facts) invites() bool {
	return f.UID != "" && !f.End.IsZero() && (f.Kind == Booked || f.Kind == Moved || f.Kind == Cancelled)
}

// view is what the words may refer to.
type view struct {
	FirstName string
	Practice  string
	Phone     string
	Location  string
	When, Was moment
	SameDay   bool // moved: only the hour has changed, on the client's calendar
	Today     bool // reminder: it goes out on the client's day of the appointment
	Sheet     bool
	Online    bool
	Crisis    string
	Waiting   []waiting
	Links     Links
}

// waiting is a pathway as staff read of it. Since is a date and a time, or nothing.
type waiting struct{ Code, Since string }

func newView(words *template.Template, p practice.Practice, f Facts) (view, error) {
	ours, err := pathway.Location("zone", p.Zone)
	if err != nil {
		return view{}, fmt.Errorf("mail: practice: %w", err)
	}
	v := view{
		FirstName: oneLine(f.FirstName),
		Practice:  p.Mail.Name,
		Phone:     p.Mail.Phone,
		Location:  p.Mail.Location,
		Crisis:    oneLine(f.Crisis),
		Links:     Links{Leave: f.Links.Leave},
	}
	switch f.Kind {
	case Booked, Moved, Reminder:
		v.Online, v.Links = f.Online, f.Links
	case Cancelled:
		v.Online = f.Online
	case ConsentDue:
		return v, nil
	case QuestionnaireDue, LetterReady:
		if v.Crisis == "" {
			return view{}, fmt.Errorf("mail: facts.crisis: found nothing, expected the crisis line's text")
		}
		if f.Kind == LetterReady || f.Start.IsZero() {
			return v, nil
		}
	case StaffNudge, StaffDigest, StaffUrgent, StaffNews:
		v.FirstName, v.Links = "", Links{} // a client's, if anybody's
		v.Waiting, err = waitingSince(words, f, ours)
		return v, err
	default:
		return view{}, fmt.Errorf("mail: facts.kind: found %q, expected booked, moved, cancelled, reminder, consent-due, questionnaire-due, letter-ready, staff-nudge, staff-digest, staff-urgent or staff-news", f.Kind)
	}
	theirs, err := pathway.Location("facts.zone", f.Zone)
	if err != nil {
		return view{}, fmt.Errorf("mail: %w", err)
	}
	if f.Start.IsZero() {
		return view{}, fmt.Errorf("mail: facts.start: found nothing, expected the appointment's start")
	}
	v.When = moment{words: words, at: f.Start, theirs: theirs, ours: ours, online: v.Online}
	switch f.Kind {
	case Moved:
		if f.Was.IsZero() {
			return view{}, fmt.Errorf("mail: facts.was: found nothing, expected the start that no longer holds")
		}
		v.Was = moment{words: words, at: f.Was, theirs: theirs, ours: ours, online: v.Online}
		v.SameDay = sameDay(f.Start.In(theirs), f.Was.In(theirs))
	case Reminder:
		v.Sheet = f.Sheet
		v.Today = v.When.sameDayAs(f.Lead)
	}
	return v, nil
}

func waitingSince(words *template.Template, f Facts, zone *time.Location) ([]waiting, error) {
	if len(f.Waiting) == 0 {
		return nil, fmt.Errorf("mail: facts.waiting: found nothing, expected at least one pathway")
	}
	var all []waiting
	for i, w := range f.Waiting {
		shown := waiting{Code: oneLine(w.Code)}
		if shown.Code == "" {
			return nil, fmt.Errorf("mail: facts.waiting[%d].code: found nothing, expected the pathway's code", i)
		}
		if !w.Since.IsZero() {
			m := moment{words: words, at: w.Since, theirs: zone, ours: zone}
			since, err := m.say("date-and-clock", m.here())
			if err != nil {
				return nil, fmt.Errorf("mail: the words for %q: %w", f.Kind, err)
			}
			shown.Since = since
		} else if f.Kind != StaffNews {
			return nil, fmt.Errorf("mail: facts.waiting[%d].since: found nothing, expected since when it waits", i)
		}
		all = append(all, shown)
	}
	return all, nil
}

// layout is what the page and the plain text arrange.
type layout struct {
	Language                     string // its tag (BCP 47)
	Subject, Preheader, Greeting string
	Opening, Closing             []paragraph
	Card                         []string
	Answers                      []link
	Name, Location               string
	Leave                        link
}

// link is an address with the words that stand for it.
type link struct{ Text, URL string }

// paragraph is cut where the practice's telephone number stands, so that the page can make it a link.
type paragraph []piece

type piece struct {
	Text string
	Tel  htmltemplate.URL // set where Text is the telephone number
}

func paragraphs(text, phone string) []paragraph {
	var all []paragraph
	for block := range strings.SplitSeq(text, "\n\n") {
		line := oneLine(block)
		if line == "" {
			continue
		}
		if phone == "" { // Split would cut between all letters
			all = append(all, paragraph{{Text: line}})
			continue
		}
		var p paragraph
		for i, part := range strings.Split(line, phone) {
			if i > 0 {
				p = append(p, piece{Text: phone, Tel: Tel(phone)})
			}
			if part != "" {
				p = append(p, piece{Text: part})
			}
		}
		all = append(all, p)
	}
	return all
}

func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = oneLine(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// oneLine also keeps a name with a line break in it from starting a paragraph, or a header, of its own.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Tel is the address of a telephone number. It keeps the digits alone, which is also why html/template may be told to trust it.
func Tel(phone string) htmltemplate.URL {
	var b strings.Builder
	for i, c := range phone {
		if c >= '0' && c <= '9' || c == '+' && i == 0 {
			b.WriteRune(c)
		}
	}
	return htmltemplate.URL("tel:" + b.String())
}
