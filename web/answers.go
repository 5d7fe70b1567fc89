package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kap/links"
	"kap/mail"
	"kap/pathway"
	"kap/practice"
	"kap/settings"
)

// answers is where the links in mails lead. Mailboxes and virus scanners open every link that they see: GET and HEAD show a page, and
// only the button on it says anything to a pathway. It keeps nothing: what was answered, the pathway knows.
type answers struct {
	log      *slog.Logger
	practice practice.Practice
	keys     *links.Keys
	pathways pathways
	now      func() time.Time
	said     *prometheus.CounterVec
	opened   often
	busy     chan struct{} // bounds how many ask Temporal at once
}

// pathways are those whom a link speaks of.
type pathways interface {
	// Ask asks a pathway what a page may show.
	Ask(ctx context.Context, code string, q pathway.ClientQuestion) (pathway.ClientView, error)
	// Tell has a pathway take a message. It may have arrived where there is an error: each is taken once, however often it is sent.
	Tell(ctx context.Context, code, name string, message []byte) error
}

// The ways in which a pathway does not answer; anything else is a pathway that is away.
var (
	errGone    = errors.New("the pathway is over")
	errRefused = errors.New("the pathway took something else meanwhile")
)

const (
	askAtOnce  = 32              // pages that ask Temporal at one time
	aMinute    = 120             // pages of one pathway in a minute, here: somebody who reads opens a few, a scanner all links of several mails
	formAtMost = 1 << 10         // bytes; the longest honest one has twenty
	patience   = 8 * time.Second // with a pathway
)

// newAnswers is nil where no key is set: then links lead nowhere.
func newAnswers(s settings.Web, house practice.Practice, p pathways, log *slog.Logger, metrics prometheus.Registerer) (*answers, error) {
	if s.LinkKey == "" && s.LinkKeyBefore != "" {
		return nil, errors.New("KAP_LINK_KEY: found nothing, expected a key, because KAP_LINK_KEY_BEFORE is set")
	}
	if s.LinkKey == "" {
		log.Info("links in mails lead nowhere: KAP_LINK_KEY is not set")
		return nil, nil
	}
	if err := mail.Discreet(house); err != nil { // the pages show the same
		return nil, errors.Join(errors.New("KAP_PRACTICE"), err)
	}
	var before []string
	if s.LinkKeyBefore != "" {
		before = append(before, string(s.LinkKeyBefore))
	}
	keys, err := links.NewKeys(string(s.LinkKey), before...)
	if err != nil {
		return nil, err
	}
	a := &answers{log: log, practice: house, keys: keys, pathways: p, now: time.Now, busy: make(chan struct{}, askAtOnce),
		said: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kap_web_links_total", Help: "Pages behind links in mails, by what they showed, and answers that were taken."}, []string{"said"})}
	return a, metrics.Register(a.said)
}

func (a *answers) route(mux *http.ServeMux) {
	mux.HandleFunc("GET "+links.Path+"{link}", a.open) // and HEAD
	mux.HandleFunc("POST "+links.Path+"{link}", a.press)
	mux.HandleFunc("GET /robots.txt", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("User-agent: *\nDisallow: /\n")) })
}

// open shows the page of a link. It says nothing to anybody.
func (a *answers) open(w http.ResponseWriter, r *http.Request) {
	keepQuiet(w.Header())
	l, s, ok := a.read(w, r)
	if !ok {
		return
	}
	name := page(l, s.View)
	if l.Purpose == links.Leave && r.URL.Query().Get("leave") != "" && !s.View.Leaving && !s.View.Ended {
		name = "surely"
	}
	a.show(w, http.StatusOK, name, s)
}

// press is the button: it says to the pathway what stands on it, and shows the page as it is then.
func (a *answers) press(w http.ResponseWriter, r *http.Request) {
	keepQuiet(w.Header())
	r.Body = http.MaxBytesReader(w, r.Body, formAtMost)
	if err := r.ParseForm(); err != nil {
		a.show(w, http.StatusBadRequest, "invalid", sheet{})
		return
	}
	l, s, ok := a.read(w, r)
	if !ok {
		return
	}
	if name, message := says(l, s.View, r.PostForm.Get("answer")); name != "" {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		switch err := a.pathways.Tell(ctx, l.Pathway, name, message); {
		case errors.Is(err, errRefused), errors.Is(err, errGone): // it has moved meanwhile: the page says so
		case err != nil:
			a.away(w, s)
			return
		default:
			a.said.WithLabelValues("taken").Inc()
		}
	}
	http.Redirect(w, r, s.Path, http.StatusSeeOther) // so that going back, or a reload, sends nothing again
}

// read finds out what a link is about and how that stands; where there is nothing to show, it says why.
func (a *answers) read(w http.ResponseWriter, r *http.Request) (l links.Link, s sheet, ok bool) {
	s.Practice, s.Path = a.practice.Mail, r.URL.Path
	l, err := a.keys.Open(r.PathValue("link"))
	switch {
	case err != nil:
		s.Path = ""
		a.show(w, http.StatusNotFound, "invalid", s)
		return l, s, false
	case a.now().After(l.Until):
		a.show(w, http.StatusGone, "expired", s)
		return l, s, false
	case !a.opened.mayOpen(l.Pathway, a.now()):
		w.Header().Set("Retry-After", "60")
		a.show(w, http.StatusTooManyRequests, "often", s)
		return l, s, false
	}
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	default:
		a.away(w, s)
		return l, s, false
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	s.View, err = a.pathways.Ask(ctx, l.Pathway, pathway.ClientQuestion{Session: l.Session, Revision: l.Revision, At: a.now()})
	if errors.Is(err, errGone) {
		s.View, err = pathway.ClientView{Standing: pathway.StandsOver, Ended: true, Zone: "UTC"}, nil
	}
	if err == nil {
		s.When, s.Kept, err = at(s.View, a.practice.Zone)
	}
	if err != nil {
		a.away(w, s)
		return l, s, false
	}
	s.AnotherTime = l.Purpose == links.AnotherTime
	return l, s, true
}

// page is which one shows how a link stands.
func page(l links.Link, v pathway.ClientView) string {
	asked := pathway.ComingAnswer
	if l.Purpose == links.AnotherTime {
		asked = pathway.AnotherTimeAnswer
	}
	switch {
	case l.Purpose == links.Leave:
		return "leave"
	case v.Standing != pathway.StandsOpen:
		return string(v.Standing)
	case v.Answered == asked, v.Answered == pathway.AnotherTimeAnswer:
		return string(v.Answered)
	}
	return "open"
}

// says is the message that a button sends; none where the link does not have that button as things stand.
func says(l links.Link, v pathway.ClientView, button string) (name string, message []byte) {
	fields := map[string]any{"by": pathway.ByLink}
	open := l.Purpose != links.Leave && page(l, v) == "open"
	switch {
	case open && l.Purpose == links.Coming && button == string(pathway.ComingAnswer), open && l.Purpose == links.AnotherTime && button == string(pathway.AnotherTimeAnswer):
		name, fields["session"], fields["revision"], fields["answer"] = "answer", l.Session, l.Revision, button
	case l.Purpose != links.Leave || v.Ended:
		return "", nil
	case button == "no-mail" && v.Mail:
		name, fields["mail_permission"] = "contact", false
	case button == "leave" && !v.Leaving:
		name = "withdraw"
	default:
		return "", nil
	}
	message, _ = json.Marshal(fields) // texts, numbers and yes or no
	return name, message
}

func (a *answers) away(w http.ResponseWriter, s sheet) {
	w.Header().Set("Retry-After", "60")
	a.show(w, http.StatusServiceUnavailable, "away", s)
}

func (a *answers) show(w http.ResponseWriter, status int, name string, s sheet) {
	s.Practice = a.practice.Mail
	a.said.WithLabelValues(name).Inc()
	if err := show(w, status, name, s); err != nil { // which says nothing of what is on it
		a.log.Warn("a page was not shown", "page", name)
	}
}

// often counts how often the links of each pathway were opened in this minute.
type often struct {
	mu     sync.Mutex
	minute time.Time
	opened map[string]int
}

func (o *often) mayOpen(code string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if minute := now.Truncate(time.Minute); !minute.Equal(o.minute) {
		o.minute, o.opened = minute, map[string]int{}
	}
	o.opened[code]++
	return o.opened[code] <= aMinute
}
