package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kap/mail"
)

var links = strings.NewReplacer(mail.SampleLinks.Coming, "", mail.SampleLinks.AnotherTime, "", mail.SampleLinks.Leave, "")

func TestEveryMailCanBeReadBeforeItIsSent(t *testing.T) {
	t.Parallel()
	to := filepath.Join(t.TempDir(), "made", "on demand")
	own := filepath.Join(t.TempDir(), "practice.yaml")
	sample, err := os.ReadFile("../practice/practice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(own, strings.ReplaceAll(string(sample), "Linden Street Practice", "Elm House"))
	for range 2 { // the second over the first
		command(t, nil, "", "mail", "preview", own, "--to", to).wants(t, done, "mails as Elm House sends them", filepath.Join(to, "index.html"))
	}
	read := func(path ...string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(append([]string{to}, path...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	index := read("index.html")
	folders, kinds := 0, map[string]bool{}
	entries, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		folders++
		for _, kind := range mail.Kinds() {
			kinds[string(kind)] = kinds[string(kind)] || strings.HasPrefix(e.Name(), string(kind))
		}
		page := read(e.Name(), "index.html")
		for _, want := range []string{`src="letter.html"`, "From", "Elm House &lt;appointments@linden.example&gt;", "X-Entity-Ref-ID"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: %q is not on its page", e.Name(), want)
			}
		}
		if !strings.Contains(index, `href="`+e.Name()+`/index.html"`) || !strings.Contains(read(e.Name(), "letter.html"), "Elm House") || !strings.Contains(read(e.Name(), "letter.txt"), "Elm House") ||
			!strings.Contains(read(e.Name(), "headers.txt"), "Reply-To: Elm House <desk@linden.example>\n") {
			t.Errorf("%s: the list, the page, the text or the headers lack something", e.Name())
		}
		invited := strings.HasPrefix(e.Name(), "booked") || strings.HasPrefix(e.Name(), "moved") || strings.HasPrefix(e.Name(), "cancelled")
		if _, err := os.Stat(filepath.Join(to, e.Name(), "appointment.ics")); (err == nil) != invited {
			t.Errorf("%s: an invitation: %v, expected %v", e.Name(), err == nil, invited)
		}
		if strings.Contains(page+index, "<script") || strings.Contains(links.Replace(page+index), "http") {
			t.Errorf("%s: has a script, or leads elsewhere", e.Name())
		}
	}
	for _, kind := range mail.Kinds() {
		if !kinds[string(kind)] {
			t.Errorf("no %s among the %d", kind, folders)
		}
	}

	write(own, strings.ReplaceAll(string(sample), "Linden Street Practice", "Linden Ketamine Clinic"))
	command(t, nil, "", "mail", "preview", own, "--to", to).wants(t, misuse, own+": mail.name: found \"Ketamine\" in it")
}
