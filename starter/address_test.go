package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
	"kap/records"
)

// shows: mail-corrected
func TestAnAddressIsCorrected(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	command(t, env, "", anna()...) // Temporal is away: enrolled all the same
	rows, err := store.List(t.Context(), records.Whose{}, true)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	code := rows[0].Code
	command(t, env, "", "address", code, "--email", "Anna <anna@other.example>", "--by", "c-desk").wants(t, misuse, `--email: found "Anna <anna@other.example>", expected an e-mail address`)
	command(t, env, "", "address", code, "--email", "anna@other.example").wants(t, misuse, `--by: found "", expected the staff id`)
	command(t, env, "", "address", code, "--email", "anna@other.example", "--by", "x-nobody").wants(t, misuse, `--by: found "x-nobody"`)
	command(t, env, "", "address", code, "--by", "c-desk").wants(t, misuse, "address: found nothing to correct, expected --email, --phone or --given-name")
	command(t, env, "", "address", code, "--email", "", "--by", "c-desk").wants(t, misuse, "--email: found nothing, expected an e-mail address")
	command(t, env, "", "address", "X9X9X9", "--email", "anna@other.example", "--by", "c-desk").wants(t, unanswered, "there is no pathway X9X9X9")
	command(t, append(env, "KAP_BY=c-desk"), "", "address", code, "--email", "anna@other.example").wants(t, done, "The address is corrected; mail goes to it from now on.", code+" hears of it within a minute")
	found, err := store.Find(t.Context(), "anna@other.example")
	if err != nil || len(found) != 1 {
		t.Errorf("found %+v, %v", found, err)
	}
	if lines, err := store.MailEvents(t.Context(), code); err != nil || !slices.ContainsFunc(lines, func(l records.MailEventLine) bool {
		return l.Event == string(pathway.AddressCorrected) && l.By == "c-desk"
	}) {
		t.Errorf("found %+v, %v", lines, err)
	}
}

// Who corrected a number or a name, and that is all, stands in the pathway's history.
func TestATelephoneNumberIsCorrected(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	begun(t, store, "K7Q2M9", "Anna", time.Now())
	env = append(env, "KAP_BY=c-desk")
	command(t, env, "", "address", "K7Q2M9", "--phone", "call me").wants(t, misuse, `--phone: found "call me", expected a telephone number such as "+1 555 0123"`)
	command(t, env, "", "address", "K7Q2M9", "--given-name", " ").wants(t, misuse, "--given-name: found nothing, expected a name")
	command(t, env, "", "address", "X9X9X9", "--phone", "+1 555 0199").wants(t, unanswered, "there is no pathway X9X9X9")
	command(t, env, "", "address", "K7Q2M9", "--phone", " +1 555  0199", "--given-name", "Anne").wants(t, done, "The telephone number is corrected.\nThe given name is corrected.\n")
	command(t, env, "", "show", "K7Q2M9").wants(t, done, "K7Q2M9  Anne Meyer", "telephone        +1 555 0199\n")
	for _, args := range [][]string{{}, {"--people"}, {"--json"}} {
		s := command(t, env, "", append([]string{"history", "K7Q2M9"}, args...)...)
		s.wants(t, done, "the client's telephone number is corrected (c-desk)", "the client's given name is corrected (c-desk)")
		if strings.Contains(s.out, "0199") {
			t.Errorf("found the number in\n%s", s.out)
		}
	}
}

func TestNoMailIsPromisedToWhoWantsNone(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	p := begun(t, store, "K7Q2M9", "Anna", time.Now())
	correct := func() said {
		return command(t, env, "", "address", "K7Q2M9", "--email", "anna@other.example", "--by", "c-desk")
	}
	correct().wants(t, done, "mail goes to it from now on")
	written(t, store, p, time.Now(), "contact", `{"by":"c-desk","mail_permission":"false","at":"2026-03-02 10:00"}`)
	correct().wants(t, done, "no mail goes to it, because the client wants none")
	execute(t, env, `update pathway set outcome = 'withdrawn'`)
	correct().wants(t, done, "no pathway of theirs is under way")
}

// Whoever comes back begins with what is known of their address, so that the front desk asks for another at once.
// shows: mail-returned
func TestWhoComesBackWithAnAddressThatTakesNoMail(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	command(t, env, "", anna()...)
	old := all(t, store)[0].Code
	execute(t, env, `update pathway set outcome = 'completed'`)
	execute(t, env, `update client set address_returned = true`)
	command(t, env, "", anna("--returning", old)...).wants(t, unreachable, "is written")
	for _, row := range all(t, store) {
		if e, err := store.Enrolment(t.Context(), row.Code); err != nil || e.AddressReturned != (row.Code != old) {
			t.Errorf("%s: it is written as %v, %v", row.Code, e.AddressReturned, err)
		}
	}

	// Its workflow begins with what was written.
	execute(t, env, `update pathway set outcome = 'completed'`)
	given, err := store.Enrolment(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	known, err := store.Alike(t.Context(), records.Person{Email: "anna@example.org", BirthDate: "1990-04-01"})
	if err != nil || len(known) == 0 {
		t.Fatal(known, err)
	}
	given.Code = "K7Q2M9"
	d := newDesk(strings.NewReader(""), io.Discard, io.Discard, env)
	e := enrolment{desk: d, store: store}
	written, err := e.write(t.Context(), records.Person{ID: known[0].Client, Email: "anna@example.org", BirthDate: "1990-04-01"}, given, known)
	if err != nil || !written.AddressReturned {
		t.Errorf("it begins with %v, %v", written.AddressReturned, err)
	}
}

// The story of a mail: written, sent, and what the mail service has said of it since.
func TestHistoryTellsTheStoryOfEachMail(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	command(t, env, "", anna()...)
	rows, err := store.List(t.Context(), records.Whose{}, true)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	conn, err := pgx.Connect(t.Context(), env[0][len("DATABASE_URL="):])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var id string
	if err := conn.QueryRow(t.Context(), `insert into mail (pathway, key, body, status, settled_at) values ($1, 'booked/preparation-1/r1', '{"kind": "booked", "session": "preparation-1"}', 'sent', '2026-03-02T15:00:00Z') returning id::text`, rows[0].Code).Scan(&id); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 2, 15, 1, 0, 0, time.UTC)
	if _, err := store.TakeEvents(t.Context(), []records.MailEvent{
		{ID: "a", Mail: id, Event: pathway.MailProcessed, At: at},
		{ID: "b", Mail: id, Event: pathway.MailDeferred, At: at.Add(time.Minute)},
		{ID: "c", Mail: id, Event: pathway.MailDeferred, At: at.Add(2 * time.Minute)},
		{ID: "d", Mail: id, Event: pathway.MailBounced, Reason: pathway.BadAddress, At: at.Add(3 * time.Minute)},
	}); err != nil {
		t.Fatal(err)
	}
	command(t, env, "", "history", rows[0].Code).wants(t, done, "mail to the client (preparation-1 booked) was sent on Mon 2 Mar 2026,")
	command(t, env, "", "history", rows[0].Code, "--json").wants(t, done, "was sent on Mon 2 Mar 2026, 10:00 EST; taken by the mail service on Mon 2 Mar 2026, 10:01 EST, put off by the reader's server on Mon 2 Mar 2026, 10:02 EST, bounced (address) on Mon 2 Mar 2026, 10:04 EST")
}
