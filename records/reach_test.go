package records_test

import (
	"errors"
	"testing"

	"kap/pathway"
	"kap/records"
)

// How a client can be reached follows what the mail service and staff say, also before the pathway has heard of a correction.
func TestReachFollowsWhatWasFound(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		event            pathway.MailEvent
		wanted, returned bool
	}{
		{pathway.MailDelivered, true, false},
		{pathway.MailBounced, true, true},
		{pathway.MailUnsubscribed, false, false},
	} {
		c := sentOut(t)
		c.told("e-1", row.event)
		r, err := c.store.Reach(t.Context(), "K7Q2M9")
		if err != nil || r.MailPermission != row.wanted || r.Returned != row.returned || r.Phone != anna().Phone || r.Email != anna().Email || r.Zone != "America/Chicago" {
			t.Errorf("%s: found %+v, %v", row.event, r, err)
		}
		if _, err := c.store.CorrectAddress(t.Context(), "K7Q2M9", "anna@other.example", "c-desk"); err != nil {
			t.Fatal(err)
		}
		if r, err = c.store.Reach(t.Context(), "K7Q2M9"); err != nil || r.Returned || r.Email != "anna@other.example" {
			t.Errorf("%s: corrected, found %+v, %v", row.event, r, err)
		}
	}
	if _, err := newHouse(t).store.Reach(t.Context(), "X9X9X9"); !errors.Is(err, records.ErrNotFound) {
		t.Errorf("an unknown pathway: %v", err)
	}
}

// A number or a name changes nothing that a pathway does: none hears of it, and each of the client's keeps who corrected it.
func TestACorrectedNumberIsNoNews(t *testing.T) {
	t.Parallel()
	c := sentOut(t)
	if err := c.store.CorrectPerson(t.Context(), "K7Q2M9", "+1 555 0199", "", "c-desk"); err != nil {
		t.Fatal(err)
	}
	lines, err := c.store.MailEvents(t.Context(), "K7Q2M9")
	if last := lines[len(lines)-1]; err != nil || last.Event != records.PhoneCorrected || last.By != "c-desk" {
		t.Errorf("found %+v, %v", lines, err)
	}
	if n := ask[int](c.house, `select count(*)::int from mail_event where unheard or not weighed`); n != 0 {
		t.Errorf("%d are to be heard", n)
	}
	if name, phone := ask[string](c.house, `select given_name from client`), ask[string](c.house, `select phone from client`); name != "Anna" || phone != "+1 555 0199" {
		t.Errorf("found %s, %s", name, phone)
	}
	if err := c.store.CorrectPerson(t.Context(), "X9X9X9", "+1 555 0199", "", "c-desk"); !errors.Is(err, records.ErrNotFound) {
		t.Errorf("an unknown pathway: %v", err)
	}
}
