// Package mail is what is written to people, and how it leaves: [Write] turns the facts of an appointment into a letter,
// [Sender] hands one letter to SendGrid.
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

// The occasions.
const (
	Booked      Kind = "booked"
	Moved       Kind = "moved"
	Cancelled   Kind = "cancelled"
	Reminder    Kind = "reminder"
	LetterReady Kind = "letter-ready"
)

// Facts are what a letter needs; nothing about the treatment is among them.
type Facts struct {
	Kind       Kind
	FirstName  string    // may be empty: then the letter greets without a name
	Zone       string    // the client's, an IANA name such as America/Chicago
	Start, End time.Time // the appointment; not looked at for letter-ready
	Was        time.Time // moved only: the start that no longer holds
	Lead       string    // reminder only: its rule's name, such as 48h or 2h
	Sheet      bool      // reminder only: ask the client to read the sheet that the practice handed out
	Crisis     string    // letter-ready only: the crisis line's text
}

// Letter is one mail as the client receives it. Text and HTML say the same.
type Letter struct {
	Subject   string
	Preheader string // what a mailbox shows beside the subject; it is part of HTML already
	Text      string
	HTML      string
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

// Write writes the letter for f in the practice's name. Its errors name the fact that is missing or wrong, or the
// practice's setting that [Discreet] refuses; they never contain a person's name.
func Write(p practice.Practice, f Facts) (Letter, error) {
	if err := Discreet(p); err != nil {
		return Letter{}, err
	}
	v, err := newView(p, f)
	if err != nil {
		return Letter{}, err
	}
	say := func(part string) string {
		if err != nil {
			return ""
		}
		var b strings.Builder
		err = words.ExecuteTemplate(&b, string(f.Kind)+"/"+part, v)
		return b.String()
	}
	l := layout{
		Subject:   oneLine(say("subject")),
		Preheader: oneLine(say("preheader")),
		Greeting:  oneLine(say("greeting")),
		Opening:   paragraphs(say("opening"), p.Mail.Phone),
		Card:      lines(say("card")),
		Closing:   paragraphs(say("closing"), p.Mail.Phone),
		Name:      p.Mail.Name,
		Location:  p.Mail.Location,
	}
	if err != nil {
		return Letter{}, fmt.Errorf("mail: the words for %q: %w", f.Kind, err)
	}
	var html, text bytes.Buffer
	if err := pageLayout.Execute(&html, l); err != nil {
		return Letter{}, fmt.Errorf("mail: the page for %q: %w", f.Kind, err)
	}
	if err := textLayout.Execute(&text, l); err != nil {
		return Letter{}, fmt.Errorf("mail: the text for %q: %w", f.Kind, err)
	}
	return Letter{Subject: l.Subject, Preheader: l.Preheader, Text: text.String(), HTML: html.String()}, nil
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
	Crisis    string
}

func newView(p practice.Practice, f Facts) (view, error) {
	v := view{
		FirstName: oneLine(f.FirstName),
		Practice:  p.Mail.Name,
		Phone:     p.Mail.Phone,
		Location:  p.Mail.Location,
		Crisis:    oneLine(f.Crisis),
	}
	switch f.Kind {
	case LetterReady:
		if v.Crisis == "" {
			return view{}, fmt.Errorf("mail: facts.crisis: found nothing, expected the crisis line's text")
		}
		return v, nil
	case Booked, Moved, Cancelled, Reminder:
	default:
		return view{}, fmt.Errorf("mail: facts.kind: found %q, expected booked, moved, cancelled, reminder or letter-ready", f.Kind)
	}
	theirs, err := pathway.Location("facts.zone", f.Zone)
	if err != nil {
		return view{}, fmt.Errorf("mail: %w", err)
	}
	ours, err := pathway.Location("zone", p.Zone)
	if err != nil {
		return view{}, fmt.Errorf("mail: practice: %w", err)
	}
	if f.Start.IsZero() {
		return view{}, fmt.Errorf("mail: facts.start: found nothing, expected the appointment's start")
	}
	v.When = moment{at: f.Start, theirs: theirs, ours: ours}
	switch f.Kind {
	case Moved:
		if f.Was.IsZero() {
			return view{}, fmt.Errorf("mail: facts.was: found nothing, expected the start that no longer holds")
		}
		v.Was = moment{at: f.Was, theirs: theirs, ours: ours}
		v.SameDay = v.When.Date() == v.Was.Date()
	case Reminder:
		v.Sheet = f.Sheet
		v.Today = v.When.sameDayAs(f.Lead)
	}
	return v, nil
}

// layout is what the page and the plain text arrange.
type layout struct {
	Subject, Preheader, Greeting string
	Opening, Closing             []paragraph
	Card                         []string
	Name, Location               string
}

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
				p = append(p, piece{Text: phone, Tel: tel(phone)})
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

// tel keeps the digits alone, which is also why html/template may be told to trust it.
func tel(phone string) htmltemplate.URL {
	var b strings.Builder
	for i, c := range phone {
		if c >= '0' && c <= '9' || c == '+' && i == 0 {
			b.WriteRune(c)
		}
	}
	return htmltemplate.URL("tel:" + b.String())
}
