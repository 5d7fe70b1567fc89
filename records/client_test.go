package records_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"kap/pathway"
	"kap/records"
)

func codes(rows []records.Row) string {
	var all []string
	for _, r := range rows {
		all = append(all, r.Code)
	}
	return strings.Join(all, " ")
}

func TestFind(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.enrol("K7Q2M9", anna())
	h.enrol("B2B2B2", records.Person{GivenName: "Jürgen", FamilyName: "O'Hara_100%", BirthDate: "1980-01-01", Email: "jo.h%x@client.example", Phone: "(212) 555-9999"})
	h.enrol("C3C3C3", records.Person{GivenName: "Hanna", FamilyName: "Abel", BirthDate: "1985-01-01", Email: "hanna\\abel@client.example", Phone: "+49 30 1234567"})
	h.enrol("D4D4D4", records.Person{GivenName: "José", FamilyName: "Müller-Groß", BirthDate: "1981-01-01", Email: "d4@one.example", Phone: "(212) 555-9998"})
	h.enrol("F5F5F5", records.Person{GivenName: "SØREN", FamilyName: "Łukasz D’Arc", BirthDate: "1982-01-01", Email: "f5@one.example", Phone: "(212) 555-9997"})
	h.enrol("G6G6G6", records.Person{GivenName: "Jose", FamilyName: "Mueller", BirthDate: "1983-01-01", Email: "g6@one.example", Phone: "(212) 555-9996"})
	h.enrol("H7H7H7", records.Person{GivenName: "A\u030asa", FamilyName: "E\u0301mile", BirthDate: "1984-01-01", Email: "h7@one.example", Phone: "(212) 555-9995"}) // the accents as signs of their own
	for text, want := range map[string]string{
		"jose":                "G6G6G6 D4D4D4",
		"JOSÉ":                "G6G6G6 D4D4D4",
		"mueller":             "G6G6G6 D4D4D4",
		"müller":              "G6G6G6 D4D4D4",
		"MÜLLER":              "G6G6G6 D4D4D4",
		"mu\u0308ller":        "G6G6G6 D4D4D4",
		"muller":              "D4D4D4",
		"gross":               "D4D4D4",
		"soren":               "F5F5F5",
		"søren":               "F5F5F5",
		"soeren":              "F5F5F5",
		"lukasz d'arc":        "F5F5F5",
		"åsa émile":           "H7H7H7",
		"asa emile":           "H7H7H7",
		"aasa":                "H7H7H7",
		"juergen":             "B2B2B2",
		"jurgen":              "B2B2B2",
		"anna":                "C3C3C3 K7Q2M9", // Abel before Meyer
		"ANNA":                "C3C3C3 K7Q2M9",
		"eye":                 "K7Q2M9",
		"anna meyer":          "K7Q2M9",
		"na mey":              "K7Q2M9",
		"meyer anna":          "",
		"k7q2m9":              "K7Q2M9",
		"K7Q2M9":              "K7Q2M9",
		"K7Q":                 "",
		"ANNA@CLIENT":         "K7Q2M9",
		"@client.example":     "C3C3C3 K7Q2M9 B2B2B2",
		"555 0123":            "K7Q2M9",
		"5550123456":          "K7Q2M9",
		"(555) 012":           "K7Q2M9",
		"212-555-9999":        "B2B2B2",
		"55":                  "", // too few digits for a telephone number
		"%":                   "B2B2B2",
		"100%":                "B2B2B2",
		"_":                   "B2B2B2",
		"o'hara":              "B2B2B2",
		"'":                   "B2B2B2 F5F5F5",
		"' or 1=1 --":         "",
		"\\":                  "C3C3C3",
		"hanna\\abel":         "C3C3C3",
		".*":                  "",
		"jürgen":              "B2B2B2",
		"; drop table client": "",
	} {
		rows, err := h.store.Find(t.Context(), text)
		if found := codes(rows); err != nil || found != want {
			t.Errorf("%q: found %q, %v, expected %q", text, found, err, want)
		}
	}
}

func TestTheListBeginsWithWhatPresses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i, row := range []struct{ code, set string }{
		{"F2F2F2", `attention = 'none', next_session = now()`},
		{"C2C2C2", `attention = 'task', next_session = now() + interval '1 day'`},
		{"D2D2D2", `attention = 'task'`},
		{"B2B2B2", `attention = 'urgent'`},
		{"G2G2G2", `attention = 'none'`},
		{"H2H2H2", `attention = 'none'`},
		{"C3C3C3", `attention = 'task', next_session = now()`},
		{"J2J2J2", `attention = 'urgent', outcome = 'completed', next_session = now()`},
		{"K2K2K2", `attention = 'task', outcome = 'completed'`},
	} {
		h.enrol(row.code, somebody(i))
		h.do(`update pathway set `+row.set+` where code = $1`, row.code)
	}
	for code, due := range map[string]string{"D2D2D2": "2026-03-02", "C2C2C2": "2026-03-03", "H2H2H2": "2026-03-01"} {
		for later := range 2 { // the first that is due counts
			h.do(`insert into task (pathway, key, who, what, since, due, urgent, message) values ($1, $2, '{therapist}', '', now(), $3::date + $2::text::int, false, '')`, code, strconv.Itoa(later), due)
		}
	}
	open, err := h.store.List(t.Context(), records.Whose{}, false)
	if found := codes(open); err != nil || found != "B2B2B2 J2J2J2 D2D2D2 C2C2C2 C3C3C3 H2H2H2 F2F2F2 G2G2G2" {
		t.Errorf("open: found %s, %v", found, err)
	}
	all, err := h.store.List(t.Context(), records.Whose{}, true)
	if found := codes(all); err != nil || found != codes(open)+" K2K2K2" {
		t.Errorf("all: found %s, %v", found, err)
	}
}

func TestShowSaysWhetherAWorkflowWasStarted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := h.enrol("K7Q2M9", anna())
	row, err := h.store.Show(t.Context(), "K7Q2M9")
	if err != nil || row.Started || row.AsOf != nil || row.Status != nil || row.GivenName != "Anna" || row.Zone != "America/New_York" || !row.Enrolled.Equal(monday()) {
		t.Errorf("before anything is written: found %+v, %v", row, err)
	}
	for range 2 {
		if err := h.store.Started(t.Context(), "K7Q2M9"); err != nil {
			t.Fatal(err)
		}
	}
	c.work()
	row, err = h.store.Show(t.Context(), "K7Q2M9")
	if err != nil || !row.Started || row.AsOf == nil || !row.AsOf.Equal(c.now) || row.Phase != "screening" || !slices.Contains(row.WaitingOn, "prescriber") {
		t.Errorf("after the first step: found %+v, %v", row, err)
	}
	e, err := h.store.Enrolment(t.Context(), "K7Q2M9")
	if err != nil || encoded(t, e) != encoded(t, enrolment(t, "K7Q2M9")) {
		t.Errorf("the enrolment came back as %s, %v", encoded(t, e), err)
	}
}

func TestWhoIsAlike(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.enrol("K7Q2M9", anna())
	h.do(`update pathway set started_at = now(), outcome = 'completed'`)
	with := func(change func(*records.Person)) records.Person { p := anna(); change(&p); return p }
	for name, row := range map[string]struct {
		person      records.Person
		alike, same bool
	}{
		"the same":                    {anna(), true, true},
		"in capitals":                 {with(func(p *records.Person) { p.GivenName, p.FamilyName, p.Email = "ANNA", "MEYER", "ANNA@Client.Example" }), true, true},
		"another telephone":           {with(func(p *records.Person) { p.Phone = "1" }), true, true},
		"another address":             {with(func(p *records.Person) { p.Email = "other@client.example" }), true, false},
		"another name":                {with(func(p *records.Person) { p.GivenName = "Hanna" }), true, false},
		"another birth date":          {with(func(p *records.Person) { p.BirthDate = "1990-04-02" }), true, false},
		"another address and date":    {with(func(p *records.Person) { p.Email, p.BirthDate = "other@client.example", "1990-04-02" }), false, false},
		"another address and name":    {with(func(p *records.Person) { p.Email, p.GivenName = "other@client.example", "Hanna" }), false, false},
		"a pattern is not an address": {with(func(p *records.Person) { p.Email, p.GivenName = "%", "%" }), false, false},
	} {
		known, err := h.store.Alike(t.Context(), row.person)
		if err != nil || (len(known) == 1) != row.alike {
			t.Errorf("%s: found %+v, %v", name, known, err)
			continue
		}
		if row.alike && (known[0].Same != row.same || known[0].Code != "K7Q2M9" || known[0].Outcome != "completed" || !known[0].Started) {
			t.Errorf("%s: found %+v", name, known[0])
		}
	}
}

// Two people at two desks enrol the same client at the same moment.
func TestOnePersonIsNotEnrolledTwiceAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := anna()
	other.Email = "ANNA.new@client.example" // the same name and birth date
	third := anna()
	third.Email, third.GivenName = "Anna.New@client.example", "Hanna" // the second's address
	stores := []*records.Store{h.store, h.another(), h.another()}
	for round := range 10 {
		var wg sync.WaitGroup
		errs := make([]error, 12)
		start := make(chan struct{})
		for i := range errs {
			person := []records.Person{anna(), other, third}[i%3]
			e := enrolment(t, string([]byte{'B', 'C', 'D', byte('B' + round), byte('A' + i), 'X'}))
			wg.Go(func() {
				<-start
				_, errs[i] = stores[i%3].Enrol(context.Background(), person, e)
			})
		}
		close(start)
		wg.Wait()
		written := 0
		for _, err := range errs {
			if err == nil {
				written++
			} else if !errors.Is(err, records.ErrAlike) {
				t.Error(err)
			}
		}
		// Anna and Hanna share nothing: where they came before the one who is alike both, both are new.
		if n := ask[int](h, `select count(*) from pathway`); n != written || n < 1 || n > 2 {
			t.Errorf("round %d: %d say that they have written, and %d are enrolled", round, written, n)
		}
		if n := ask[int](h, `select count(*) from (select lower(email) from client group by 1 having count(*) > 1 union all select lower(given_name) from client group by 1 having count(*) > 1) x`); n != 0 {
			t.Errorf("round %d: somebody is enrolled twice", round)
		}
		h.do(`delete from pathway`)
		h.do(`delete from client`)
	}
}

func TestEnrolTakesWhoeverWasSeenToBeAlike(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.enrol("K7Q2M9", anna())
	known, err := h.store.Alike(t.Context(), anna())
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.store.Enrol(t.Context(), anna(), enrolment(t, "B2B2B2"))
	if !errors.Is(err, records.ErrAlike) || strings.Contains(strings.ToLower(err.Error()), "anna") {
		t.Errorf("unseen: found %v", err)
	}
	returning := anna()
	returning.ID = known[0].Client
	if _, err := h.store.Enrol(t.Context(), returning, enrolment(t, "B2B2B2")); !errors.Is(err, records.ErrAlike) {
		t.Errorf("returning, but unseen: found %v", err)
	}
	if n := ask[int](h, `select count(*) from client`); n != 1 {
		t.Errorf("a refused enrolment has left a client behind: found %d", n)
	}
	if _, err := h.store.Enrol(t.Context(), returning, enrolment(t, "B2B2B2"), known...); err != nil {
		t.Error(err)
	}
	// Two at once may have seen the same, and still only one of them is first.
	if _, err := h.store.Enrol(t.Context(), returning, enrolment(t, "C3C3C3"), known...); !errors.Is(err, records.ErrAlike) {
		t.Errorf("returning a second time: found %v", err)
	}
}

// Errors end up in Temporal's history and in logs, which know nobody's name.
func TestWhatGoesWrongNamesNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := h.enrol("K7Q2M9", anna())
	c.work()
	h.do(`alter table client add constraint nobody check (email <> 'zenobia@client.example') not valid`)
	zenobia := records.Person{GivenName: "Zenobia", FamilyName: "Palmyra", BirthDate: "1990-04-01", Email: "zenobia@client.example", Phone: "5550199"}
	_, err := h.store.Enrol(t.Context(), zenobia, enrolment(t, "B2B2B2"))
	nobody(t, records.Plain(err))
	if !strings.Contains(records.Plain(err), "23514 nobody") {
		t.Errorf("found %q, expected the constraint's name", records.Plain(err))
	}
	zenobia.BirthDate = "Zenobia"
	_, err = h.store.Enrol(t.Context(), zenobia, enrolment(t, "B2B2B2"))
	nobody(t, records.Plain(err))

	h.do(`alter table journal add constraint calm check (text not like '%Zenobia%')`)
	step := c.next()
	step.Entries = []pathway.Entry{{Kind: pathway.Found, Name: "note", At: c.now, Recorded: c.now, Text: "Zenobia Palmyra, zenobia@client.example"}}
	_, err = h.store.Commit(t.Context(), h.cal, pathway.ConsentDocument{}, c.p, step)
	if err == nil || !strings.Contains(records.Plain(err), "23514 calm") {
		t.Errorf("found %v", err)
	}
	nobody(t, records.Plain(err))
	if n := ask[int](h, `select count(*) from step`); n != 1 {
		t.Errorf("found %d steps: half of a transaction was written", n)
	}

	for _, url := range []string{"postgres://zenobia:palmyra@127.0.0.1:1/zenobia", "postgres://zenobia:palmyra@nowhere.invalid/zenobia"} {
		away, err := records.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer away.Close()
		_, err = away.Commit(t.Context(), h.cal, pathway.ConsentDocument{}, c.p, step)
		nobody(t, records.Plain(err))
		if records.Plain(err) != "PostgreSQL does not answer" {
			t.Errorf("found %q", records.Plain(err))
		}
	}
	for _, url := range []string{"", "postgres://zenobia:palmyra@[", "zenobia palmyra"} {
		_, err := records.Open(t.Context(), url)
		if err == nil {
			t.Errorf("%q was opened", url)
			continue
		}
		nobody(t, err.Error())
	}
}

func nobody(t *testing.T, text string) {
	t.Helper()
	for _, word := range []string{"zenobia", "palmyra", "5550199"} {
		if strings.Contains(strings.ToLower(text), word) {
			t.Errorf("%q names somebody", text)
		}
	}
}
