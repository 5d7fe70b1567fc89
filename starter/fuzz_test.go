package main

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"kap/pathway"
	"kap/practice"
)

// inOneSentence holds an error to what a terminal shows: a sentence in one line, of an exit code of ours.
func inOneSentence(t *testing.T, err error) {
	t.Helper()
	var f *failure
	if err != nil && (!errors.As(err, &f) || f.exit == done || f.sentence == "") {
		t.Fatalf("it ends without a sentence: %v", err)
	}
}

// What the front desk keeps of its clients comes from other programs.
func FuzzClientsFile(f *testing.F) {
	f.Add([]byte(`[{"given_name":"Anna","family_name":"Example","birth_date":"1990-04-01","email":"anna@client.example","phone":"+1 555 0101",
		"care_team":{"therapist":"t-lane","prescriber":"p-singh","coordinators":["c-desk"]},"by":"c-desk","diagnosis":"ptsd","primary_measure":"pcl-5",
		"standard_care_tried":true,"commits_to_the_arc":true,"comfortable":true,"mail_permission":true,"zone":"America/New_York","availability":["tuesday 09:00-13:00"],
		"findings":["wants-single-session"],"another_person":true,"returning":"K7Q2M9"}]`))
	for _, text := range []string{``, `null`, `[]`, `[null]`, `[{}]`, `[{"by":"a","by":"b"}]`, `[{"care_team":[]}]`, `[{"birth_date":"0000-00-00"}]`} {
		f.Add([]byte(text))
	}
	house, protocol := files(f)
	c := checker{house, protocol, time.Date(2026, 1, 5, 14, 0, 0, 0, time.UTC)}
	f.Fuzz(func(t *testing.T, text []byte) {
		all, problems := readClients(text)
		for _, err := range problems {
			inOneSentence(t, err)
		}
		for _, p := range all {
			ready, problems := c.check(p)
			for _, err := range problems {
				inOneSentence(t, err)
			}
			if len(problems) == 0 && (!utf8.ValidString(ready.person.GivenName+ready.person.FamilyName+ready.person.Email+ready.person.Phone) ||
				strings.ContainsFunc(ready.person.GivenName+ready.person.FamilyName+ready.person.Email+ready.person.Phone, unicode.IsControl)) {
				t.Fatalf("enrolled with what cannot be printed: %+v", ready.person)
			}
		}
	})
}

func files(f *testing.F) (practice.Practice, pathway.Protocol) {
	f.Helper()
	house, err := practice.Load("")
	if err != nil {
		f.Fatal(err)
	}
	protocol, err := practice.LoadProtocol("")
	if err != nil {
		f.Fatal(err)
	}
	return house, protocol
}

// A milestone's fields as somebody types them: what is sent is one JSON object with those very fields.
func FuzzFields(f *testing.F) {
	for _, m := range pathway.Messages() {
		f.Add(m.Name, "by=c-desk\nreason=seen today\nsystolic:=128")
	}
	f.Add("contact", "availability=[tuesday 09:00-13:00, friday 10:00-12:00]\nzone=")
	f.Add("measure", "total=007\nitem_9=1e9\ntotal:=[")
	f.Add("measure", "=\n:=\n::=1")
	f.Fuzz(func(t *testing.T, name, typed string) {
		kind := pathway.Message(name)
		if kind.Name == "" {
			return
		}
		fields, err := parseFields(kind, strings.Split(typed, "\n"))
		inOneSentence(t, err)
		if err != nil {
			return
		}
		m, err := compose(kind, fields, "c-desk")
		inOneSentence(t, err)
		if err != nil {
			return
		}
		again, err := membersOf(m.body)
		if err != nil || !json.Valid(m.body) {
			t.Fatalf("%q is sent as %s: %v", typed, m.body, err)
		}
		for _, sent := range fields {
			if valid := strings.ToValidUTF8(sent.name, "\ufffd"); !slices.ContainsFunc(again, func(g member) bool { return g.name == valid || g.name == sent.name }) && utf8.ValidString(sent.name) {
				t.Fatalf("%q: the field %q is lost in %s", typed, sent.name, m.body)
			}
		}
	})
}

// What else is typed, or lies in a file: a code, a whole message, the stack's file of settings.
func FuzzTyped(f *testing.F) {
	for _, text := range []string{"K7Q2M9", "pathway-k7q2m9", `{"by":"c-desk"}`, "DATABASE_URL=postgres://kap:secret@127.0.0.1/kap\n# KEY\nexport KAP_BY=c-desk", "=x", "\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		code, err := parseCode(text)
		inOneSentence(t, err)
		if err == nil && len(code) != codeLength {
			t.Fatalf("%q is the code %q", text, code)
		}
		_, err = membersOf([]byte(text))
		inOneSentence(t, err)
		s := settings{}
		if err := s.parse("env", text); err != nil {
			inOneSentence(t, err)
			for line := range strings.Lines(text) {
				if line = strings.TrimSpace(line); len(line) > 20 && strings.Contains(err.Error(), line) {
					t.Fatalf("the error repeats a line that may hold a password: %v", err)
				}
			}
		}
	})
}

// What a pathway's workflow answers is printed, whatever it is: of another release, say.
func FuzzStatus(f *testing.F) {
	f.Add([]byte(`{"pathway":"K7Q2M9","phase":"screening","as_of":"2026-01-05T14:00:00Z","zone":"America/New_York","tasks":[{"key":"consent","what":"Ask","message":"consent","json":"{}","due":"2026-01-07T14:00:00Z"}],
		"sessions":[{"name":"dosing-1","start":"2026-02-05T14:00:00Z","end":"2026-02-05T17:00:00Z","state":"booked"}],"next_dosing_blocked_by":[{"code":"consent","sentence":"no consent"}]}`))
	for _, text := range []string{`{}`, `{"zone":"\u0000","tasks":[{"json":"{"}],"sessions":[{}],"holds":[{}],"measures":[{}],"refused_lately":[{"why":"\u001b[2J"}]}`, `{"outcome":"lapsed","phase":""}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s pathway.Status
		if json.Unmarshal(text, &s) != nil {
			return
		}
		var out strings.Builder
		d := newDesk(strings.NewReader(""), &out, io.Discard, nil)
		d.now = func() time.Time { return time.Date(2026, 1, 5, 14, 0, 0, 0, time.UTC) }
		if err := d.print(&view{Pathway: "K7Q2M9", Source: fromPathway, Started: true, Status: &s, now: d.now()}, showFlags{}); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(out.String(), func(r rune) bool { return unicode.IsControl(r) && r != '\n' }); i >= 0 {
			t.Fatalf("it prints what a terminal obeys: %q", out.String()[max(0, i-20):])
		}
	})
}
