package mail_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"
	"text/template/parse"
	"time"

	"kap/mail"
	"kap/practice"
)

// everyRendering has each sample, and so each letter in each state, in several zones, at the practice and elsewhere.
func everyRendering(t testing.TB, p practice.Practice) map[string]mail.Facts {
	t.Helper()
	samples, err := mail.Samples(p, at(t, "2026-03-03T15:00:00Z"), crisis)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]mail.Facts{}
	for _, s := range samples {
		for _, zone := range []string{p.Zone, "America/Sao_Paulo", "Australia/Lord_Howe"} {
			for _, online := range []bool{false, true} {
				f := s.Facts
				f.Zone, f.Online = zone, online
				all[fmt.Sprintf("%s, %s, online %v", s.Name, zone, online)] = f
			}
		}
		all[s.Name] = s.Facts
		s.Facts.Links = mail.Links{}
		all[s.Name+", without links"] = s.Facts
	}
	return all
}

// caller sends letters, and returns what SendGrid is asked for each, whole.
func caller(t testing.TB, p practice.Practice) func(mail.Letter) map[string]any {
	t.Helper()
	bodies := make(chan []byte, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
		w.WriteHeader(http.StatusAccepted)
	})
	sender := mail.NewSender(s.URL, key, enough)
	return func(l mail.Letter) map[string]any {
		t.Helper()
		if err := sender.Send(t.Context(), p, "0b6ac2a5-5cf3-4f0c-9a3e-0d1f2f0c4f11", "Ada", mail.SampleAddress, l); err != nil {
			t.Fatal(err)
		}
		var asked map[string]any
		if err := json.Unmarshal(<-bodies, &asked); err != nil {
			t.Fatal(err)
		}
		return asked
	}
}

// places calls each with every name and every text of a call, and where it stands.
func places(v any, path string, each func(path, text string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			each(path+"."+name+" (its name)", name)
			places(inner, path+"."+name, each)
		}
	case []any:
		for i, inner := range v {
			places(inner, fmt.Sprintf("%s.%d", path, i), each)
		}
	case string:
		each(path, v)
	}
}

var folds = strings.NewReplacer("\r\n ", "", "\r\n\t", "", `\,`, ",", `\;`, ";", `\n`, " ")

// forms are how a text reads: as it stands, as a mailbox, a browser or a calendar shows it, and as a link leads.
func forms(text string) []string {
	all := []string{text, html.UnescapeString(text), folds.Replace(text), seen(text)}
	if file, err := base64.StdEncoding.DecodeString(text); err == nil {
		all = append(all, string(file), folds.Replace(string(file)))
	}
	if link, err := url.PathUnescape(text); err == nil {
		all = append(all, link)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// leaks says where a call tells something, and what.
func leaks(asked map[string]any) map[string]string {
	found := map[string]string{}
	places(asked, "", func(path, text string) {
		if word := told(text); word != "" {
			found[path] = word
		}
	})
	return found
}

var known sync.Map // of told: most texts stand in many calls

func told(text string) (word string) {
	if word, ok := known.Load(text); ok {
		return word.(string)
	}
	for _, form := range forms(markup.Replace(text)) {
		word = cmp.Or(word, unsaid.FindString(form), mail.Indiscreet(form))
	}
	known.Store(text, word)
	return word
}

// ours takes out the links that a letter is given.
var ours = strings.NewReplacer(mail.SampleLinks.Coming, "", mail.SampleLinks.AnotherTime, "", mail.SampleLinks.Leave, "")

// Every rendering of every letter in every state, in all that leaves the house: subject, preheader, text, page with its attributes
// and links, addresses, headers, custom arguments, the invitation, the names of files and of the fields themselves.
// shows: words-neutral, words-no-promises
func TestNothingThatLeavesTheHouseTellsAnything(t *testing.T) {
	t.Parallel()
	p := samplePractice(t)
	kinds := map[mail.Kind]bool{}
	asked := map[string]map[string]any{}
	call := caller(t, p)
	for name, f := range everyRendering(t, p) {
		kinds[f.Kind] = true
		l, err := mail.Write(p, f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if l.Invitation.Text == "" == slices.Contains([]mail.Kind{mail.Booked, mail.Moved, mail.Cancelled}, f.Kind) {
			t.Errorf("%s: an invitation: %v", name, l.Invitation.Text != "")
		}
		c := call(l)
		asked[name] = c
		for where, word := range leaks(c) {
			t.Errorf("%s: %q stands at %s", name, word, where)
		}
		whole, _ := json.Marshal(c)
		for _, remote := range []string{"http:", "https:", "<img", "<link", "url(", "@import", "src="} {
			if strings.Contains(ours.Replace(string(whole)), remote) || strings.Contains(ours.Replace(l.HTML), remote) {
				t.Errorf("%s: %q is in it: it fetches something or leads somewhere", name, remote)
			}
		}
		settings := c["tracking_settings"].(map[string]any)
		for _, tracking := range []string{"click_tracking", "open_tracking", "subscription_tracking", "ganalytics"} {
			if one, ok := settings[tracking].(map[string]any); !ok || one["enable"] != false {
				t.Errorf("%s: %s is %v", name, tracking, settings[tracking])
			}
		}
	}
	if len(kinds) != len(mail.Kinds()) {
		t.Errorf("%d kinds of %d were written: %v", len(kinds), len(mail.Kinds()), kinds)
	}

	// The same look finds a word that is planted in any one place, in any form in which it could stand there.
	whole := 0
	for _, name := range []string{"booked", "cancelled", "questionnaire-due", "staff-digest-of-several"} {
		text, err := json.Marshal(asked[name])
		if err != nil {
			t.Fatal(err)
		}
		var fresh map[string]any
		if err := json.Unmarshal(text, &fresh); err != nil {
			t.Fatal(err)
		}
		planted := 0
		plant(fresh, "", func(path, found string) {
			if word := leaks(fresh)[path]; word == "" {
				t.Errorf("%s: what was planted at %s is not found: %.80q", name, path, found)
			}
			planted++
		})
		whole += planted
		if planted < 100 {
			t.Errorf("%s: a word was planted in %d places only", name, planted)
		}
	}
	t.Logf("%d renderings; %d plants found", len(asked), whole)
}

// plant puts a word that nobody may read into each text of a call in turn, in several forms, and takes it out again.
func plant(v any, path string, look func(path, text string)) {
	set := func(path, old string, put func(string)) {
		variants := []string{
			old + " ketamine", "KAP " + old, old + " success rates", `<a href="x/dosing-1">` + old + `</a>`, old + " ket&#97;mine", old + " keta\r\n mine", old + "%6Betamine",
			`<p title="your therapy">` + old + "</p>", old + " keta<b></b>mine",
		}
		if file, err := base64.StdEncoding.DecodeString(old); err == nil && strings.Contains(string(file), "VCALENDAR") {
			for i, v := range variants {
				variants[i] = base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(v, old, string(file))))
			}
			variants = slices.DeleteFunc(variants, func(v string) bool { // these forms do not occur in a file of this kind
				text, _ := base64.StdEncoding.DecodeString(v)
				return strings.Contains(string(text), "&#97;") || strings.Contains(string(text), "%6B") || strings.Contains(string(text), "<b>")
			})
		}
		for _, text := range variants {
			put(text)
			look(path, text)
		}
		put(old)
	}
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if text, ok := inner.(string); ok {
				set(path+"."+name, text, func(s string) { v[name] = s })
			}
			plant(inner, path+"."+name, look)
		}
	case []any:
		for i, inner := range v {
			if text, ok := inner.(string); ok {
				set(fmt.Sprintf("%s.%d", path, i), text, func(s string) { v[i] = s })
			}
			plant(inner, fmt.Sprintf("%s.%d", path, i), look)
		}
	}
}

// A word that somebody writes into any of the texts comes out somewhere, and is found there: no text is outside the test above.
// shows: words-neutral
func TestAWordInAnyTextIsFound(t *testing.T) {
	t.Parallel()
	p := samplePractice(t)
	samples, err := mail.Samples(p, at(t, "2026-03-03T15:00:00Z"), crisis)
	if err != nil {
		t.Fatal(err)
	}
	texts := 0
	for _, define := range mail.Words.Templates() {
		if define.Tree == nil || parse.IsEmptyTree(define.Root) {
			continue
		}
		for i := range textsOf(define.Root) {
			spoilt := template.Must(mail.Words.Clone())
			tree := define.Tree.Copy()
			node := textsOf(tree.Root)[i]
			node.Text = append(slices.Clone(node.Text), " ketamine "...)
			template.Must(spoilt.AddParseTree(define.Name(), tree))
			texts++
			kind, _, ofOneKind := strings.Cut(define.Name(), "/")
			ofOneKind = ofOneKind && kind != "link" // they are called the same in every letter
			found := slices.ContainsFunc(samples, func(s mail.Sample) bool {
				if ofOneKind && string(s.Facts.Kind) != kind {
					return false
				}
				l, err := mail.WriteIn(spoilt, p, s.Facts)
				if err != nil {
					t.Fatal(err)
				}
				return mail.Indiscreet(folds.Replace(l.Subject+l.Preheader+l.Text+l.HTML+l.Invitation.Text)) != ""
			})
			if !found {
				t.Errorf("%s: no sample says %q", define.Name(), strings.TrimSpace(string(textsOf(define.Root)[i].Text)))
			}
		}
	}
	if texts < 80 {
		t.Errorf("only %d texts were looked at", texts)
	}
}

// textsOf are the words of a template, in all its branches.
func textsOf(n parse.Node) []*parse.TextNode {
	var all []*parse.TextNode
	lists := func(b *parse.BranchNode) {
		all = append(all, textsOf(b.List)...)
		if b.ElseList != nil {
			all = append(all, textsOf(b.ElseList)...)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, inner := range n.Nodes {
			all = append(all, textsOf(inner)...)
		}
	case *parse.IfNode:
		lists(&n.BranchNode)
	case *parse.WithNode:
		lists(&n.BranchNode)
	case *parse.RangeNode:
		lists(&n.BranchNode)
	case *parse.TextNode:
		if strings.TrimSpace(string(n.Text)) != "" {
			all = append(all, n)
		}
	}
	return all
}

// Each sample is a letter of its own, of any practice anywhere.
func TestSamples(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"America/New_York", "Asia/Tokyo", "Europe/Berlin"} {
		p := samplePractice(t)
		p.Zone = zone
		samples, err := mail.Samples(p, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), crisis)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]string{}
		for _, s := range samples {
			l, err := mail.Write(p, s.Facts)
			if err != nil {
				t.Fatalf("%s: %v", s.Name, err)
			}
			if twin := seen[l.Subject+l.HTML]; twin != "" && !strings.HasPrefix(s.Name, "reminder") {
				t.Errorf("%s: %s says the same as %s", zone, s.Name, twin)
			}
			seen[l.Subject+l.HTML] = s.Name
			if !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(s.Name) || s.About == "" {
				t.Errorf("%q: %q", s.Name, s.About)
			}
		}
	}
}
