package main

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kap/pathway"
	"kap/practice"
	"kap/records"
)

// particulars are what the front desk says about one client, as flags or as an object of a file.
type particulars struct {
	GivenName, FamilyName, BirthDate, Email, Phone string
	Therapist, Prescriber                          string
	Coordinators                                   []string
	By, Diagnosis, PrimaryMeasure                  string
	StandardCareTried, CommitsToTheArc             *bool // nil: nobody has said
	Comfortable, MailPermission                    *bool
	Zone                                           string
	Availability                                   []string
	Findings                                       []string
	AnotherPerson                                  bool
	Returning                                      string

	label func(field string) string // how an error names a field
	place string                    // where in a file it stands: "clients[2]: "
}

// answer is what was said about somebody who may be known already.
func (p particulars) answer() answer { return answer{another: p.AnotherPerson, returning: p.Returning} }

// checker holds what particulars are checked against.
type checker struct {
	house    practice.Practice
	protocol pathway.Protocol
	now      time.Time
}

// candidate is somebody who can be enrolled as they are.
type candidate struct {
	particulars
	person    records.Person
	enrolment pathway.Enrolment
}

// check makes a candidate of the particulars, or says of every field that is wrong what is.
func (c checker) check(p particulars) (candidate, []error) {
	f := &faults{p: p}
	if p.By == "" {
		f.wrong("by", "found nothing, expected your staff id")
	}
	person := c.person(f)
	c.team(f)
	for _, answer := range []struct {
		name  string
		value **bool
	}{{"standard_care_tried", &p.StandardCareTried}, {"commits_to_the_arc", &p.CommitsToTheArc}, {"comfortable", &p.Comfortable}, {"mail_permission", &p.MailPermission}} {
		if *answer.value == nil { // silence is not a no: a no proposes to decline
			f.wrong(answer.name, "found nothing, expected true or false")
			*answer.value = new(bool)
		}
	}
	if p.Returning != "" {
		code, err := parseCode(p.Returning)
		switch {
		case err != nil:
			f.wrong("returning", "%v", err)
		case p.AnotherPerson:
			f.wrong("returning", "found it beside %s, expected only one of them", p.label("another_person"))
		}
		p.Returning = code
	}
	e := c.enrolment(p)
	for _, fault := range e.Faults() {
		f.ofRules(fault)
	}
	return candidate{p, person, e}, f.all
}

// faults are what is wrong with one client's particulars, so that all of it is said at once.
type faults struct {
	p     particulars
	named []string // fields
	all   []error
}

func (f *faults) wrong(field, format string, args ...any) {
	f.named = append(f.named, field)
	f.all = append(f.all, f.p.wrong(field, format, args...))
}

// ofRules takes what the rules say of an enrolment, unless it is about a field of which something was said.
func (f *faults) ofRules(err error) {
	label, what, _ := strings.Cut(err.Error(), ": ")
	field, _, _ := strings.Cut(label, "[")                         // one of a list
	team := strings.HasPrefix(field, "care_team") || field == "by" // who must be on it
	if !slices.ContainsFunc(f.named, func(n string) bool { return n == field || team && strings.HasPrefix(n, "care_team") }) {
		f.all = append(f.all, f.p.wrong(label, "%s", strings.Replace(what, `found ""`, found(""), 1)))
	}
}

func (p particulars) wrong(field, format string, args ...any) error {
	return usage("%s: %s", p.label(field), fmt.Sprintf(format, args...))
}

// found repeats what was typed, or says that there was nothing.
func found(text string) string {
	if text == "" {
		return "found nothing"
	}
	return fmt.Sprintf("found %q", text)
}

func (c checker) person(f *faults) records.Person {
	p := f.p
	person := records.Person{
		GivenName: oneLine(p.GivenName), FamilyName: oneLine(p.FamilyName), BirthDate: strings.TrimSpace(p.BirthDate),
		Email: strings.TrimSpace(p.Email), Phone: oneLine(p.Phone),
	}
	for _, n := range []struct{ field, name string }{{"given_name", person.GivenName}, {"family_name", person.FamilyName}} {
		if !isName(n.name) {
			f.wrong(n.field, "%s, expected a name of at most 80 characters", found(n.name))
		}
	}
	if _, err := c.birthDate(person.BirthDate); err != nil {
		f.wrong("birth_date", "%v", err)
	}
	if address, err := mail.ParseAddress(person.Email); err != nil || address.Address != person.Email || len(person.Email) > 254 {
		f.wrong("email", "%s, expected an e-mail address such as anna@example.org", found(person.Email))
	}
	if !isPhone(person.Phone) {
		f.wrong("phone", "%s, expected a telephone number such as \"+1 555 0123\"", found(person.Phone))
	}
	return person
}

func isName(text string) bool {
	return text != "" && utf8.RuneCountInString(text) <= 80 && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func isPhone(text string) bool {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
	return len(digits) >= 5 && len(text) <= 40 && strings.Trim(text, "0123456789+()-./ extEXT#") == ""
}

func (c checker) birthDate(text string) (time.Time, error) {
	born, err := time.Parse(time.DateOnly, text)
	switch {
	case err != nil:
		return born, fmt.Errorf("%s, expected a date such as 1990-04-01", found(text))
	case born.Year() < 1900:
		return born, fmt.Errorf("found %s, expected a date after 1899", text)
	case born.After(c.today()):
		return born, fmt.Errorf("found %s, which is in the future; expected a date such as 1990-04-01", text)
	}
	return born, nil
}

// today is the practice's calendar day, at midnight UTC so that it compares with other days.
func (c checker) today() time.Time {
	zone, _ := time.LoadLocation(c.house.Zone) // checked when the file was read
	y, m, d := c.now.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// adult is never asked: it follows from the birth date, on the practice's calendar.
func (c checker) adult(p particulars) bool {
	born, err := c.birthDate(strings.TrimSpace(p.BirthDate))
	return err == nil && !c.today().Before(born.AddDate(18, 0, 0))
}

// team checks that everybody on it works here, in that role.
func (c checker) team(f *faults) {
	c.member(f, "care_team.therapist", f.p.Therapist, pathway.Therapist)
	c.member(f, "care_team.prescriber", f.p.Prescriber, pathway.Prescriber)
	if len(f.p.Coordinators) == 0 {
		c.member(f, "care_team.coordinators", "", pathway.Coordinator)
	}
	for _, id := range f.p.Coordinators {
		c.member(f, "care_team.coordinators", id, pathway.Coordinator)
	}
}

func (c checker) member(f *faults, field, id string, role pathway.Role) {
	has := c.house.Role(id)
	if has == role {
		return
	}
	var ids []string
	for _, s := range c.house.Staff {
		if s.Role == role {
			ids = append(ids, s.ID)
		}
	}
	found := fmt.Sprintf("%q, who is not in the practice's file", id)
	switch {
	case id == "":
		found = "nothing"
	case has != "":
		found = fmt.Sprintf("%s, who is a %s", id, has)
	}
	f.wrong(field, "found %s, expected a %s: %s", found, role, strings.Join(ids, ", "))
}

func (c checker) enrolment(p particulars) pathway.Enrolment {
	zone := p.Zone
	if zone == "" {
		zone = c.house.Zone
	}
	var findings []pathway.Finding
	for _, f := range p.Findings {
		findings = append(findings, pathway.Finding(f))
	}
	return pathway.Enrolment{
		Code: newCode(), By: p.By, At: c.now.UTC().Truncate(time.Millisecond),
		CareTeam: pathway.CareTeam{Therapist: p.Therapist, Prescriber: p.Prescriber, Coordinators: p.Coordinators},
		Eligibility: pathway.Eligibility{
			Diagnosis: pathway.Diagnosis(p.Diagnosis), Adult: c.adult(p), StandardCareTried: *p.StandardCareTried, CommitsToTheArc: *p.CommitsToTheArc,
			ComfortableWithTheStates: *p.Comfortable, PrimaryMeasure: pathway.Scale(p.PrimaryMeasure),
			Findings: findings,
		},
		Contact:      pathway.Contact{MailPermission: *p.MailPermission, Zone: zone, Availability: p.Availability},
		PracticeZone: c.house.Zone, Protocol: c.protocol,
	}
}
