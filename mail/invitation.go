package mail

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"kap/practice"
)

// Invitation is an appointment as calendars read it: one iCalendar object (RFC 5545) that asks for the appointment or takes it
// back (RFC 5546). The zero Invitation is none.
type Invitation struct {
	Method string // REQUEST or CANCEL
	Text   string
}

// invitationFile is what a client sees of an invitation where the mailbox does not read it.
const invitationFile = "appointment.ics"

// UID names an appointment in calendars, through every move until it is cancelled. Calendars hand it on, so that it tells neither
// pathway nor session. It is keyed with the client's id in the records, which leaves the house nowhere: codes and sessions are
// few enough for a digest of them alone to be tried out.
func UID(client, pathway, session string) string {
	h := hmac.New(sha256.New, []byte(client))
	fmt.Fprintf(h, "%s/%s", pathway, session)
	b := h.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // RFC 9562: a UUID of its maker's own kind
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// invite writes the invitation of a letter that books, moves or cancels.
//
// A calendar takes what has the higher SEQUENCE for the newer, so that a moved appointment stays where it is for whoever reads
// the earlier mail last. A cancellation ends a revision, and comes after it.
//
// It has no alarm, since reminders go by mail, and asks for no answer: one would be a mail to the desk for every appointment.
// What a client answers all the same goes where replies go.
func invite(p practice.Practice, f Facts, ours *time.Location, summary, description string) (Invitation, error) {
	switch {
	case !f.End.After(f.Start):
		return Invitation{}, fmt.Errorf("mail: facts.end: found an end that is not after the start, expected the appointment's end")
	case f.Revision < 1:
		return Invitation{}, fmt.Errorf("mail: facts.revision: found %d, expected 1 or more", f.Revision)
	case f.To == "":
		return Invitation{}, fmt.Errorf("mail: facts.to: found nothing, expected the address that is invited")
	case f.Written.IsZero():
		return Invitation{}, fmt.Errorf("mail: facts.written: found nothing, expected when the letter is written")
	}
	event := ics.NewEvent(f.UID)
	event.SetDtStampTime(f.Written)
	event.SetSummary(summary)
	event.SetClass(ics.ClassificationPrivate)
	event.SetTimeTransparency(ics.TransparencyOpaque)
	event.SetOrganizer(p.Mail.ReplyTo, ics.WithCN(displayName.Replace(oneLine(p.Mail.Name))))
	event.AddAttendee(f.To, ics.ParticipationRoleReqParticipant, ics.ParticipationStatusNeedsAction,
		&ics.KeyValues{Key: string(ics.ParameterRsvp), Value: []string{"FALSE"}}) // no name: the address is enough

	method := ics.MethodRequest
	if f.Kind == Cancelled {
		method = ics.MethodCancel
		event.SetSequence(f.Revision)
		event.SetStatus(ics.ObjectStatusCancelled)
	} else {
		event.SetSequence(f.Revision - 1)
		event.SetStatus(ics.ObjectStatusConfirmed)
		event.SetDescription(description)
		if !f.Online {
			event.SetLocation(oneLine(p.Mail.Location))
		}
	}

	c := ics.NewCalendar()
	c.SetProductId("-//Appointments//EN") // the library's, and ours, would say more
	c.SetMethod(method)
	start, end := f.Start.In(ours), f.End.In(ours)
	if repeated(start) || repeated(end) {
		event.SetStartAt(start)
		event.SetEndAt(end)
	} else {
		// On the practice's clock, whoever reads it: that is the one the appointment keeps to.
		c.AddVTimezone(timezone(ours, start))
		event.SetProperty(ics.ComponentPropertyDtStart, start.Format(wallClock), ics.WithTZID(ours.String()))
		event.SetProperty(ics.ComponentPropertyDtEnd, end.Format(wallClock), ics.WithTZID(ours.String()))
	}
	c.AddVEvent(event)
	var b strings.Builder
	if err := c.SerializeTo(&b, ics.WithNewLineWindows); err != nil { // RFC 5545 wants it so everywhere
		return Invitation{}, fmt.Errorf("mail: the invitation for %q: %w", f.Kind, err)
	}
	return Invitation{Method: string(method), Text: b.String()}, nil
}

// displayName leaves out what RFC 5545 has a name quoted for: the library escapes it instead, and calendars would show that.
var displayName = strings.NewReplacer(`"`, "", ",", "", ";", "", ":", "", `\`, "", "'", "’")
