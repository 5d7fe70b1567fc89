package workflows

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
	"kap/records"
)

// outbox finds mails of the outbox: their ids, by key.
func (a *arc) outbox() map[string]string {
	a.t.Helper()
	conn, err := pgx.Connect(a.t.Context(), a.url)
	if err != nil {
		a.t.Fatal(err)
	}
	defer conn.Close(a.t.Context())
	rows, err := conn.Query(a.t.Context(), `select key, id::text from mail where body->>'staff' is null and status = 'sent'`)
	if err != nil {
		a.t.Fatal(err)
	}
	all := map[string]string{}
	var key, id string
	if _, err := pgx.ForEachRow(rows, []any{&key, &id}, func() error { all[key] = id; return nil }); err != nil {
		a.t.Fatal(err)
	}
	return all
}

// A mail comes back: the pathway hears it once, over fresh runs too, mails nobody from then on, and mails again once the address is
// corrected. A signal without any news in the records does nothing.
// shows: mail-returned, mail-corrected
func TestAPathwayHearsThatAMailCameBack(t *testing.T) {
	t.Parallel()
	inOneRunAndInFreshOnes(t, func(t *testing.T, a *arc) {
		staff := obliging(1)
		visit, mailed, quiet := 0, 0, time.Time{}
		owes := func(s pathway.Status, key string) bool {
			return slices.ContainsFunc(s.Tasks, func(t pathway.TaskView) bool { return t.Key == key })
		}
		a.run(func(s pathway.Status, send func(name, input string)) {
			if s.Phase != pathway.InPreparation && visit == 0 {
				staff(s, send)
				return
			}
			switch visit++; {
			case visit == 1:
				a.env.SignalWorkflow(NewsSignal, nil)
			case visit == 2:
				if owes(s, "address") || s.Phase == pathway.Over {
					t.Errorf("owed %+v by a signal alone", s.Tasks)
				}
				id := a.outbox()["booked/preparation-1/r1"]
				if id == "" {
					t.Fatalf("the mail is not out: %v", a.outbox())
				}
				for n := range 3 {
					if _, err := a.store.TakeEvents(t.Context(), []records.MailEvent{{ID: fmt.Sprint("e-", n/2), Mail: id, Event: pathway.MailBounced, At: a.env.Now()}}); err != nil {
						t.Fatal(err)
					}
				}
				if _, _, err := a.store.WeighEvents(t.Context()); err != nil {
					t.Fatal(err)
				}
				mailed = len(a.clientMails())
				a.env.SignalWorkflow(NewsSignal, nil)
				a.env.SignalWorkflow(NewsSignal, nil)
				quiet = a.env.Now().Add(36 * time.Hour) // a reminder falls due meanwhile
			case a.env.Now().Before(quiet):
				if !owes(s, "address") {
					t.Errorf("nobody is asked for another address: %+v", s.Tasks)
				}
			case !quiet.IsZero():
				if got := a.clientMails(); len(got) != mailed {
					t.Errorf("mailed to an address that takes no mail: %v", got[mailed:])
				}
				if _, err := a.store.CorrectAddress(t.Context(), a.code, client, "c-desk"); err != nil {
					t.Fatal(err)
				}
				quiet = time.Time{}
				a.env.SignalWorkflow(NewsSignal, nil)
			default:
				staff(s, send)
			}
		})
		a.ended(pathway.Completed, 1)
		if got := a.clientMails(); len(got) <= mailed {
			t.Errorf("nothing is mailed to the corrected address: %v", got)
		}
		told := map[string]int{}
		for _, l := range a.journal() {
			told[l.Name]++
		}
		if told["mail-returned"] != 2 || told["address"] != 2 {
			t.Errorf("the journal tells %d times that a mail came back, and %d times of the address\n%s", told["mail-returned"], told["address"], a.story())
		}
	})
}
