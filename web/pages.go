package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	htmltemplate "html/template"
	"net/http"

	"kap/mail"
	"kap/pathway"
	"kap/practice"
)

//go:embed pages/pages.html
var words string

//go:embed pages/style.css
var style string

// policy lets a page load nothing, not even from here, run nothing, stand in no other page and send its form only back; its own style is
// known by its digest.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

var layouts = htmltemplate.Must(htmltemplate.New("pages").Option("missingkey=error").Funcs(htmltemplate.FuncMap{
	"style":  func() htmltemplate.CSS { return htmltemplate.CSS(style) },
	"tel":    mail.Tel,
	"say":    mail.Phrase,
	"button": func(s sheet, says, words string) button { return button{s.Path, says, words} },
}).Parse(words))

// sheet is what a page may refer to. It holds no name, no code and nothing about what an appointment is for.
type sheet struct {
	Practice    practice.Mail
	Path        string // of the page itself, to which its form goes back
	AnotherTime bool   // the link is for that; else for I'll be there
	View        pathway.ClientView
	When, Kept  moment
	Body        htmltemplate.HTML
}

// moment is an instant on the client's clock.
type moment struct{ Date, Clock string }

type button struct{ Path, Says, Words string }

// show writes one of the pages of pages.html. A page is written whole or not at all.
func show(w http.ResponseWriter, status int, name string, s sheet) error {
	var body, page bytes.Buffer
	if err := layouts.ExecuteTemplate(&body, name, s); err != nil {
		return err
	}
	s.Body = htmltemplate.HTML(body.String()) // which html/template has just escaped
	if err := layouts.ExecuteTemplate(&page, "page", s); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY") // for browsers that know no frame-ancestors
	w.WriteHeader(status)
	_, err := w.Write(page.Bytes())
	return err
}

// keepQuiet has no page kept, indexed, or told of to whatever is opened next.
func keepQuiet(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("X-Content-Type-Options", "nosniff")
}

// at writes an instant as letters do; nothing where there is none.
func at(v pathway.ClientView, practiceZone string) (start, kept moment, err error) {
	theirs, err := pathway.Location("zone", v.Zone)
	if err != nil {
		return start, kept, err
	}
	ours, err := pathway.Location("practice_zone", practiceZone)
	if err != nil {
		return start, kept, err
	}
	if !v.Start.IsZero() {
		start.Date, start.Clock, err = mail.When(v.Start, theirs, ours, v.Online)
	}
	if err == nil && !v.Kept.IsZero() {
		kept.Date, kept.Clock, err = mail.When(v.Kept, theirs, ours, v.KeptOnline)
	}
	return start, kept, err
}
