package main

import (
	"context"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kap/links"
	"kap/mail"
	"kap/pathway"
	"kap/practice"
	"kap/settings"
)

// shelf is one pathway under the real rules, without Temporal.
type shelf struct {
	p    *pathway.Pathway
	now  time.Time
	err  error // it is away, or gone
	said []string
}

func (s *shelf) Ask(_ context.Context, _ string, q pathway.ClientQuestion) (pathway.ClientView, error) {
	return s.p.ForClient(q, s.now), s.err
}

func (s *shelf) Tell(_ context.Context, _, name string, message []byte) error {
	if s.err != nil {
		return s.err
	}
	if _, err := s.p.Record(name, message, s.now); err != nil {
		return errRefused
	}
	s.said = append(s.said, name)
	return nil
}

// desk is the pages over one pathway with a session in two weeks.
type desk struct {
	t     *testing.T
	shelf *shelf
	a     *answers
	site  *httptest.Server
	keys  *links.Keys
}

const linkKey = "a key of forty bytes, for tests and only!"

func newDesk(t *testing.T, change ...func(*pathway.Pathway)) *desk {
	t.Helper()
	protocol, err := practice.LoadProtocol("")
	if err != nil {
		t.Fatal(err)
	}
	house, err := practice.Load("")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)
	p, err := pathway.Enrol(pathway.Enrolment{
		Code: "K7Q2M9", By: "c-desk", At: now, CareTeam: pathway.CareTeam{Therapist: "t-lane", Prescriber: "p-singh", Coordinators: []string{"c-desk"}},
		Eligibility: pathway.Eligibility{Diagnosis: pathway.PTSD, Adult: true, StandardCareTried: true, CommitsToTheArc: true, ComfortableWithTheStates: true, PrimaryMeasure: "pcl-5"},
		Contact:     pathway.Contact{MailPermission: true, Zone: "America/Chicago"}, PracticeZone: "America/New_York", Protocol: protocol,
	})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 16, 14, 0, 0, 0, time.UTC)
	p.Appointments = []pathway.Appointment{{Name: "preparation-1", Kind: pathway.Preparation, Number: 1, Start: start, End: start.Add(time.Hour), Revision: 1, State: pathway.Booked}}
	for _, c := range change {
		c(p)
	}
	d := &desk{t: t, shelf: &shelf{p: p, now: now}}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if d.a, err = newAnswers(settings.Web{Links: settings.Links{LinkKey: linkKey}}, house, d.shelf, log, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	d.a.now = func() time.Time { return d.shelf.now }
	d.keys = d.a.keys
	mux := http.NewServeMux()
	d.a.route(mux)
	d.site = httptest.NewServer(mux)
	t.Cleanup(d.site.Close)
	return d
}

func (d *desk) link(p links.Purpose) string {
	d.t.Helper()
	l := links.Link{Purpose: p, Pathway: "K7Q2M9", Session: "preparation-1", Revision: 1, Until: d.shelf.p.Appointments[0].Start}
	if p == links.Leave {
		l.Session, l.Revision, l.Until = "", 0, d.shelf.now.AddDate(1, 0, 0)
	}
	text, err := d.keys.Seal(l)
	if err != nil {
		d.t.Fatal(err)
	}
	return links.Path + text
}

func (d *desk) do(method, path string, form url.Values) (int, string) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), method, d.site.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		d.t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := d.site.Client().Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "X-Content-Type-Options": "nosniff"} {
		if found := answer.Header.Get(name); strings.HasPrefix(path, links.Path) && answer.StatusCode != http.StatusMethodNotAllowed && found != want {
			d.t.Errorf("%s %s: %s is %q", method, path, name, found)
		}
	}
	if csp := answer.Header.Get("Content-Security-Policy"); strings.Contains(string(body), "<html") && !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") {
		d.t.Errorf("the policy is %q", csp)
	}
	return answer.StatusCode, string(body)
}

func (d *desk) get(path string) (int, string) { return d.do(http.MethodGet, path, nil) }

func (d *desk) press(path, button string) (int, string) {
	return d.do(http.MethodPost, path, url.Values{"answer": {button}})
}

// shows compares what a page says.
func (d *desk) shows(status, found int, page string, says ...string) {
	d.t.Helper()
	if found != status {
		d.t.Errorf("found status %d, expected %d: %s", found, status, plain(page))
	}
	for _, s := range says {
		if !strings.Contains(plain(page), s) {
			d.t.Errorf("it does not say %q: %s", s, plain(page))
		}
	}
}

func (d *desk) heard(names ...string) {
	d.t.Helper()
	if !slices.Equal(d.shelf.said, names) {
		d.t.Errorf("the pathway heard %q, expected %q", d.shelf.said, names)
	}
}

var tags = regexp.MustCompile(`(?s)<style>.*?</style>|<title>.*?</title>|<[^>]*>`)

// plain is what remains of a page without its markup.
func plain(page string) string {
	text := strings.NewReplacer("&#39;", "'", "&#43;", "+", "&amp;", "&").Replace(tags.ReplaceAllString(page, " "))
	return strings.Join(strings.Fields(text), " ")
}

const time1 = "Monday, March 16, 2026 9:00 AM CDT (10:00 AM EDT at the practice)"

func TestIllBeThereTakesTwoTaps(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	link := d.link(links.Coming)
	status, page := d.get(link)
	d.shows(http.StatusOK, status, page, time1, "I'll be there")
	if n := strings.Count(page, "<button"); n != 1 {
		t.Errorf("the page has %d buttons", n)
	}
	d.heard()
	status, page = d.press(link, "coming")
	d.shows(http.StatusOK, status, page, time1, "You have told us that you will be there.")
	d.heard("answer")
	for range 2 { // once is enough
		status, page = d.press(link, "coming")
		d.shows(http.StatusOK, status, page, "You have told us that you will be there.")
	}
	status, page = d.get(link)
	d.shows(http.StatusOK, status, page, "You have told us that you will be there.")
	if strings.Contains(page, "<button") {
		t.Error("it has a button still")
	}
	d.heard("answer")
}

func TestAnotherTimeBecomesACall(t *testing.T) {
	t.Parallel()
	for _, short := range []bool{false, true} {
		d := newDesk(t)
		if short {
			d.shelf.now = d.shelf.p.Appointments[0].Start.Add(-23 * time.Hour)
		}
		status, page := d.press(d.link(links.Coming), "coming")
		d.shows(http.StatusOK, status, page, "you will be there")
		link := d.link(links.AnotherTime)
		status, page = d.get(link)
		d.shows(http.StatusOK, status, page, time1, "I need another time")
		if soon := strings.Contains(plain(page), "The appointment is soon. Please call us at +1 555 0100"); soon != short {
			t.Errorf("short notice %v: %s", short, plain(page))
		}
		status, page = d.press(link, "another-time")
		d.shows(http.StatusOK, status, page, "You have told us that you need another time.")
		if soon := strings.Contains(plain(page), "please call us now at +1 555 0100"); soon != short {
			t.Errorf("short notice %v: %s", short, plain(page))
		}
		d.heard("answer", "answer")
		tasks := d.shelf.p.Tasks(d.shelf.now)
		if i := slices.IndexFunc(tasks, func(x pathway.Task) bool { return strings.HasPrefix(x.Key, "call/answer/preparation-1/") }); i < 0 || tasks[i].Urgent != short {
			t.Errorf("the tasks are %+v", tasks)
		}
		status, page = d.press(d.link(links.Coming), "coming")
		d.shows(http.StatusOK, status, page, "You have told us that you need another time.")
		if d.heard("answer", "answer"); d.shelf.p.Appointments[0].State != pathway.Booked {
			t.Error("a link has cancelled something")
		}
	}
}

// Scanners open, and now and then post: nothing but the button of the link itself says anything.
func TestNothingButTheButtonSaysAnything(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, p := range []links.Purpose{links.Coming, links.AnotherTime, links.Leave} {
		link := d.link(p)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, more := range []string{"", "?answer=coming", "?answer=another-time", "?answer=leave", "?answer=no-mail", "?leave=yes", "?leave=yes&answer=leave"} {
				if status, page := d.do(method, link+more, nil); status != http.StatusOK || method == http.MethodHead && page != "" {
					t.Errorf("%s %s: %d", method, more, status)
				}
			}
		}
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
			if status, _ := d.do(method, link, url.Values{"answer": {"coming"}}); status != http.StatusMethodNotAllowed {
				t.Errorf("%s: %d", method, status)
			}
		}
		for _, wrong := range []string{"", "yes", "coming ", map[links.Purpose]string{links.Coming: "another-time", links.AnotherTime: "coming", links.Leave: "coming"}[p]} {
			if status, _ := d.do(http.MethodPost, link+"?answer=coming&answer=leave", url.Values{"answer": {wrong}}); status != http.StatusOK {
				t.Errorf("the button %q: %d", wrong, status)
			}
		}
		d.a.opened = often{}
	}
	d.heard()
	if status, _ := d.do(http.MethodPost, d.link(links.Coming), url.Values{"answer": {"coming"}, "more": {strings.Repeat("x", formAtMost)}}); status != http.StatusBadRequest {
		t.Errorf("a large form: %d", status)
	}
	d.heard()
}

func TestLinksThatAreOfNoUse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	link := d.link(links.Coming)
	for _, wrong := range []string{link[:len(link)-1], link + "A", links.Path + strings.Repeat("A", links.Length), links.Path + strings.Repeat("A", 4000)} {
		status, page := d.get(wrong)
		d.shows(http.StatusNotFound, status, page, "This link is not a whole one.", "+1 555 0100")
		status, _ = d.press(wrong, "coming")
		d.shows(http.StatusNotFound, status, "")
	}
	a := &d.shelf.p.Appointments[0]
	shown := func(is string, status int, says ...string) {
		t.Helper()
		for _, press := range []bool{false, true} {
			found, page := d.get(link)
			if press {
				found, page = d.press(link, "coming")
			}
			d.shows(status, found, page, says...)
			if strings.Contains(page, "March") || strings.Contains(page, "AM") || strings.Contains(page, "<button") {
				t.Errorf("%s: it shows more: %s", is, plain(page))
			}
		}
		d.heard()
	}
	a.Revision = 2
	shown("moved", http.StatusOK, "The time of this appointment has changed.")
	a.Revision, a.State = 1, pathway.Cancelled
	shown("cancelled", http.StatusOK, "This appointment has been cancelled.")
	a.State = pathway.Booked
	d.a.now = func() time.Time { return a.Start.Add(-time.Hour) } // the pathway's clock is ahead, as a demo's is
	d.shelf.now = a.Start
	shown("begun", http.StatusOK, "There is nothing to answer any more.")
	d.shelf.err = errGone
	shown("gone", http.StatusOK, "There is nothing to answer any more.")
	d.a.now = func() time.Time { return a.Start.Add(time.Minute) }
	shown("expired", http.StatusGone, "This link was for a while only")
}

// While nobody can be asked, nothing is half done: the page asks for a call.
func TestWhileThePathwayIsAway(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	link := d.link(links.Coming)
	d.shelf.err = errors.New("nobody answers")
	for range 2 {
		status, page := d.get(link)
		d.shows(http.StatusServiceUnavailable, status, page, "We cannot take your answer right now.", "Please call us at +1 555 0100")
		status, page = d.press(link, "coming")
		d.shows(http.StatusServiceUnavailable, status, page, "We cannot take your answer right now.")
	}
	d.heard()
	d.shelf.err = nil
	status, page := d.press(link, "coming")
	d.shows(http.StatusOK, status, page, "you will be there")
}

func TestNoMoreMailsOrToLeave(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	link := d.link(links.Leave)
	status, page := d.get(link)
	d.shows(http.StatusOK, status, page, "No more mails", "I want to leave", "This page is not monitored. In the United States you can call or text 988")
	status, page = d.press(link, "no-mail")
	d.shows(http.StatusOK, status, page, "You get no more mails from us.", "I want to leave")
	d.heard("contact")
	status, page = d.press(link, "no-mail")
	d.shows(http.StatusOK, status, page, "You get no more mails from us.")
	d.heard("contact")
	status, page = d.get(link + "?leave=yes")
	d.shows(http.StatusOK, status, page, "Do you want to leave?", "Then we cancel your appointments, and call you once more.", "Yes, I leave", "No, go back", "988")
	d.heard("contact")
	status, page = d.press(link, "leave")
	d.shows(http.StatusOK, status, page, "You have told us that you leave.", "If this was not what you meant, call us at +1 555 0100", "988")
	for _, again := range []string{link, link + "?leave=yes"} {
		status, page = d.get(again)
		d.shows(http.StatusOK, status, page, "You have told us that you leave.")
		if strings.Contains(page, "<button") {
			t.Errorf("there is a button still: %s", plain(page))
		}
	}
	status, _ = d.press(link, "leave")
	d.shows(http.StatusOK, status, "")
	d.heard("contact", "withdraw")
	if d.shelf.p.MailPermission || len(d.shelf.p.Withdrawals) != 1 {
		t.Errorf("found %+v, %+v", d.shelf.p.Contact, d.shelf.p.Withdrawals)
	}
	// Who was there the last time is asked to come once more, and told so before they decide.
	d = newDesk(t, owedIntegration)
	link = d.link(links.Leave)
	status, page = d.get(link + "?leave=yes")
	d.shows(http.StatusOK, status, page, "Then we cancel your appointments, except one,", "We would still like to see you at this one.", "Tuesday, March 3, 2026 10:00 AM CST")
	status, page = d.press(link, "leave")
	d.shows(http.StatusOK, status, page, "You have told us that you leave.", "Tuesday, March 3, 2026")
	// An ended one takes nothing more.
	d.shelf.p.Outcome = pathway.WithdrawnByClient
	for _, path := range []string{link, link + "?leave=yes"} {
		status, page = d.get(path)
		d.shows(http.StatusOK, status, page, "What this link was for is over.")
	}
	status, _ = d.press(link, "no-mail")
	d.shows(http.StatusOK, status, "")
	d.heard("withdraw")
}

// owedIntegration has a dosing session given, and its integration booked.
func owedIntegration(p *pathway.Pathway) {
	given := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	follow := time.Date(2026, 3, 3, 16, 0, 0, 0, time.UTC)
	p.Appointments = append(p.Appointments,
		pathway.Appointment{Name: "dosing-1", Kind: pathway.Dosing, Number: 1, Start: given, End: given.Add(3 * time.Hour), Revision: 1, State: pathway.Held},
		pathway.Appointment{Name: "integration-1", Kind: pathway.Integration, Number: 1, Start: follow, End: follow.Add(time.Hour), Revision: 1, State: pathway.Booked})
}

func TestOneLinkIsNotOpenedWithoutEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	link := d.link(links.Coming)
	for range aMinute {
		if status, _ := d.get(link); status != http.StatusOK {
			t.Fatalf("found %d", status)
		}
	}
	status, page := d.get(link)
	d.shows(http.StatusTooManyRequests, status, page, "opened very often")
	d.shelf.now = d.shelf.now.Add(time.Minute)
	if status, _ = d.get(link); status != http.StatusOK {
		t.Errorf("a minute later: %d", status)
	}
	for range askAtOnce {
		d.a.busy <- struct{}{}
	}
	status, page = d.get(link)
	d.shows(http.StatusServiceUnavailable, status, page, "We cannot take your answer right now.")
}

// every shows each page as it can be.
func every(t *testing.T) map[string]string {
	all := map[string]string{}
	add := func(name string, d *desk, path string) { _, all[name] = d.get(path) }
	d := newDesk(t)
	d.shelf.now = d.shelf.p.Appointments[0].Start.Add(-23 * time.Hour)
	add("coming", d, d.link(links.Coming))
	add("another-time-soon", d, d.link(links.AnotherTime))
	d.press(d.link(links.AnotherTime), "another-time")
	add("said-another-time-soon", d, d.link(links.AnotherTime))
	d = newDesk(t)
	add("another-time", d, d.link(links.AnotherTime))
	d.press(d.link(links.Coming), "coming")
	add("said-coming", d, d.link(links.Coming))
	d.press(d.link(links.AnotherTime), "another-time")
	add("said-another-time", d, d.link(links.AnotherTime))
	add("leave", d, d.link(links.Leave))
	d.press(d.link(links.Leave), "no-mail")
	d.press(d.link(links.Leave), "leave")
	add("left", d, d.link(links.Leave))
	d = newDesk(t, owedIntegration)
	add("surely", d, d.link(links.Leave)+"?leave=yes")
	d.shelf.p.Appointments[0].Revision = 2
	add("moved", d, d.link(links.Coming))
	d.shelf.p.Outcome = pathway.Lapsed
	add("ended", d, d.link(links.Leave))
	add("over", d, d.link(links.AnotherTime))
	add("invalid", d, links.Path+"x")
	d.shelf.err = errors.New("away")
	add("away", d, d.link(links.Coming))
	d.shelf.now = d.shelf.p.Appointments[0].Start.Add(time.Hour)
	add("expired", d, d.link(links.Coming)) // its link ends with the session
	return all
}

// What a page says is read by other people: nothing about the treatment, no code and no name; and it loads nothing.
// shows: words-neutral
func TestThePagesAreDiscreet(t *testing.T) {
	t.Parallel()
	outside := regexp.MustCompile(`https?:|//|<script|<img|<link|url\(|@import|onclick|K7Q2M9|preparation|c-desk`)
	for name, page := range every(t) {
		text := strings.NewReplacer("color-scheme", "", "initial-scale=1", "", "prefers-", "").Replace(page)
		if word := mail.Indiscreet(text); word != "" {
			t.Errorf("%s: %q stands in it", name, word)
		}
		if found := outside.FindString(page); found != "" {
			t.Errorf("%s: %q stands in it", name, found)
		}
		if !strings.Contains(page, `<style>`+style+`</style>`) {
			t.Errorf("%s: its style is not the one of which the policy has the digest", name)
		}
		if folder := os.Getenv("WEB_TEST_PAGES"); folder != "" { // to look at
			if err := os.WriteFile(filepath.Join(folder, name+".html"), []byte(page), 0o600); err != nil {
				t.Error(err)
			}
		}
	}
}

// What the mail calls a link, its page calls the button, in the letter's language: both read one file.
func TestAPageSaysWhatTheMailSays(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	language, err := mail.Phrase("language")
	if err != nil {
		t.Fatal(err)
	}
	for purpose, name := range map[links.Purpose]string{links.Coming: "link/coming", links.AnotherTime: "link/another-time"} {
		says, err := mail.Phrase(name)
		if err != nil || says == "" {
			t.Fatalf("%s: %q, %v", name, says, err)
		}
		_, page := d.get(d.link(purpose))
		if !strings.Contains(page, `">`+html.EscapeString(says)+`</button>`) || !strings.Contains(page, `<html lang="`+language+`">`) {
			t.Errorf("%s: the page says %s", name, page)
		}
		if strings.Contains(words, says) || strings.Contains(words, `lang="`+language) {
			t.Errorf("%s: the pages have %q, or their language, a second time", name, says)
		}
	}
}

// Whatever is asked of it: it answers, and nothing but a link's own button says anything.
func FuzzAnswers(f *testing.F) {
	f.Add("GET", "x", "answer=coming")
	f.Add("POST", strings.Repeat("A", links.Length), "answer=leave")
	f.Add("POST", "../robots.txt", "%zz")
	f.Fuzz(func(t *testing.T, method, link, form string) {
		d := newDesk(t)
		request, err := http.NewRequest(method, "/l/"+url.PathEscape(link), strings.NewReader(form))
		if err != nil {
			return
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		mux := http.NewServeMux()
		d.a.route(mux)
		mux.ServeHTTP(w, request)
		if w.Code >= 500 || len(d.shelf.said) > 0 {
			t.Errorf("%s %q with %q: %d, heard %q", method, link, form, w.Code, d.shelf.said)
		}
	})
}
