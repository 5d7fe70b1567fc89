package pathway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// CareTeamChange gives a pathway another therapist, prescriber or coordinators; what is left out stays.
type CareTeamChange struct {
	Envelope
	Therapist    string   `json:"therapist,omitempty"`
	Prescriber   string   `json:"prescriber,omitempty"`
	Coordinators []string `json:"coordinators,omitempty"`
	Reason       string   `json:"reason" must:"yes"`
}

func (m *CareTeamChange) record(p *Pathway, _ time.Time) (string, *Refusal) {
	team := p.CareTeam
	if m.Therapist != "" {
		team.Therapist = m.Therapist
	}
	if m.Prescriber != "" {
		team.Prescriber = m.Prescriber
	}
	if len(m.Coordinators) > 0 {
		team.Coordinators = slices.Clone(m.Coordinators)
	}
	if err := team.check(); err != nil {
		return "", refuse(BadValue, "care-team: %v", err)
	}
	if m.By != p.CareTeam.Therapist && m.By == team.Therapist || m.By != p.CareTeam.Prescriber && m.By == team.Prescriber {
		return "", refuse(WrongPerson, "care-team: by: found %s, who takes a clinician's place with it; somebody else on the care team records that", m.By)
	}
	if id := p.both(team); id != "" {
		return "", refuse(BadValue, "care-team: found %s, who has acted on this pathway as the other clinician; expected two people throughout", id)
	}
	if team.Therapist == p.CareTeam.Therapist && team.Prescriber == p.CareTeam.Prescriber && slices.Equal(team.Coordinators, p.CareTeam.Coordinators) {
		return "this is the care team", errAlreadySo
	}
	moved := ""
	if team.Therapist != p.CareTeam.Therapist {
		moved = "; what is booked is cancelled, and booked with the new therapist once nothing else is waited for"
	}
	p.CareTeam = team
	return fmt.Sprintf("care team: therapist %s, prescriber %s, coordinators %s%s", team.Therapist, team.Prescriber, strings.Join(team.Coordinators, ", "), moved), nil
}

// both names a clinician who has acted on this pathway in the other clinician's role, or nobody.
func (p *Pathway) both(team CareTeam) string {
	var found string
	p.facts(func(_ string, m message) {
		e := m.envelope()
		if e.By == team.Therapist && e.Role == Prescriber || e.By == team.Prescriber && e.Role == Therapist {
			found = e.By
		}
	})
	return found
}

// check says what is wrong with a care team: an id that is none, or one person in two roles that must be two people.
func (t CareTeam) check() error {
	for _, f := range append([]struct{ field, id string }{{"therapist", t.Therapist}, {"prescriber", t.Prescriber}}, coordinatorFields(t)...) {
		if err := CheckStaffID(f.id); err != nil {
			return fmt.Errorf("%s: %w", f.field, err)
		}
	}
	if len(t.Coordinators) == 0 {
		return fmt.Errorf("coordinators: found none, expected at least one staff id")
	}
	if t.Therapist == t.Prescriber {
		return fmt.Errorf("therapist and prescriber: found %s for both; they are never the same person", t.Therapist)
	}
	return nil
}

func coordinatorFields(t CareTeam) []struct{ field, id string } {
	var all []struct{ field, id string }
	for i, id := range t.Coordinators {
		all = append(all, struct{ field, id string }{fmt.Sprintf("coordinators[%d]", i), id})
	}
	return all
}

// ContactChange says how and when the client can be reached. Addresses and numbers are not among it: they are in the records only.
type ContactChange struct {
	Envelope
	MailPermission *bool    `json:"mail_permission,omitempty"`
	Zone           string   `json:"zone,omitempty"`         // an IANA name such as America/Chicago
	Availability   []string `json:"availability,omitempty"` // as "tuesday 09:00-13:00", in the practice's zone
	AnyTime        bool     `json:"any_time,omitempty"`     // the client can come at any time
}

func (m *ContactChange) record(p *Pathway, _ time.Time) (string, *Refusal) {
	if more := m.Zone != "" || m.AnyTime || len(m.Availability) > 0; m.Role == Client && (more || m.MailPermission == nil || *m.MailPermission) {
		return "", refuse(WrongPerson, "contact: by: found %s; a client says by a link that they want no mail, and the rest to the care team", m.By)
	}
	contact := p.Contact
	if m.MailPermission != nil {
		contact.MailPermission = *m.MailPermission
	}
	if m.Zone != "" {
		if _, err := Location("zone", m.Zone); err != nil {
			return "", refuse(BadValue, "contact: %v", err)
		}
		contact.Zone = m.Zone
	}
	if m.AnyTime && len(m.Availability) > 0 {
		return "", refuse(BadValue, "contact: any_time: found true together with availability, expected one or the other")
	}
	if m.Availability != nil && len(m.Availability) == 0 {
		return "", refuse(BadValue, "contact: availability: found an empty list, expected times such as \"tuesday 09:00-13:00\", or any_time true where every time suits")
	}
	for i, text := range m.Availability {
		if _, err := ParseWeekly(text); err != nil {
			return "", refuse(BadValue, "contact: availability[%d]: %v", i, err)
		}
	}
	if len(m.Availability) > 0 || m.AnyTime {
		contact.Availability = slices.Clone(m.Availability)
	}
	if contact.MailPermission == p.Contact.MailPermission && contact.Zone == p.Contact.Zone && slices.Equal(contact.Availability, p.Contact.Availability) {
		return "this is how the client can be reached", errAlreadySo
	}
	p.Contact = contact
	if !contact.MailPermission {
		return "contact: the client gets no mail; what it would say is said by telephone", nil
	}
	return fmt.Sprintf("contact: mail is allowed; the client's zone is %s", contact.Zone), nil
}
