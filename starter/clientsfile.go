package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// readClients reads a file of clients: a JSON array of objects. It is read strictly: a field that nobody knows is a mistake
// in the file, and is named with the index of its object.
func readClients(text []byte) (all []particulars, problems []error) {
	var objects []json.RawMessage
	if err := json.Unmarshal(text, &objects); err != nil || objects == nil {
		return nil, []error{usage("--file: found text that is not a JSON array of clients; see starter enrol --help for one")}
	}
	if len(objects) == 0 {
		return nil, []error{usage("--file: found an empty array, expected at least one client")}
	}
	for i, raw := range objects {
		p := particulars{place: fmt.Sprintf("clients[%d]: ", i)}
		p.label = func(field string) string { return fmt.Sprintf("clients[%d].%s", i, field) }
		if err := p.decode(raw); err != nil {
			problems = append(problems, usage("%s%v", p.place, err))
			continue
		}
		all = append(all, p)
	}
	return all, problems
}

// target is where a field's value goes, and what it takes.
type target struct {
	name     string
	into     any
	expected string
}

func (p *particulars) targets() []target {
	const text, truth = "a text", "true or false"
	return []target{
		{"given_name", &p.GivenName, text}, {"family_name", &p.FamilyName, text}, {"birth_date", &p.BirthDate, "a date such as \"1990-04-01\""},
		{"email", &p.Email, text}, {"phone", &p.Phone, text},
		{"care_team", (*teamObject)(p), "an object with therapist, prescriber and coordinators"},
		{"by", &p.By, text}, {"diagnosis", &p.Diagnosis, text}, {"primary_measure", &p.PrimaryMeasure, text},
		{"standard_care_tried", &p.StandardCareTried, truth}, {"commits_to_the_arc", &p.CommitsToTheArc, truth},
		{"comfortable", &p.Comfortable, truth}, {"mail_permission", &p.MailPermission, truth},
		{"zone", &p.Zone, text}, {"availability", &p.Availability, "a list such as [\"tuesday 09:00-13:00\"]"},
		{"findings", &p.Findings, "a list such as [\"wants-single-session\"]"},
		{"another_person", &p.AnotherPerson, truth}, {"returning", &p.Returning, "a pathway's code"},
	}
}

func (p *particulars) decode(raw json.RawMessage) error { return decodeStrictly(raw, p.targets()) }

// teamObject reads the care team, strictly too.
type teamObject particulars

// UnmarshalJSON reads the three roles.
func (t *teamObject) UnmarshalJSON(raw []byte) error {
	return decodeStrictly(raw, []target{
		{"therapist", &t.Therapist, "a staff id"}, {"prescriber", &t.Prescriber, "a staff id"}, {"coordinators", &t.Coordinators, "a list of staff ids"},
	})
}

func decodeStrictly(raw json.RawMessage, targets []target) error {
	members, err := membersOf(raw)
	if err != nil {
		return err
	}
	var seen, wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, m := range members {
		i := slices.IndexFunc(targets, func(t target) bool { return t.name == m.name })
		switch {
		case i < 0:
			say("found the field %q, expected only %s", m.name, names(targets))
			continue
		case slices.Contains(seen, m.name):
			say("found the field %q twice, expected it once", m.name)
		}
		seen = append(seen, m.name)
		if err := json.Unmarshal(m.raw, targets[i].into); err != nil {
			var f *failure
			if errors.As(err, &f) {
				say("%s: %v", m.name, f)
			} else {
				say("%s: found %s, expected %s", m.name, shorten(oneLine(string(m.raw)), 60), targets[i].expected)
			}
		}
	}
	if len(wrong) > 0 {
		return usage("%s", strings.Join(wrong, "; "))
	}
	return nil
}

func names(targets []target) string {
	var all []string
	for _, t := range targets {
		all = append(all, t.name)
	}
	return strings.Join(all, ", ")
}

type member struct {
	name string
	raw  json.RawMessage
}

// membersOf reads the members of one JSON object in the order in which they stand, repeated ones included.
func membersOf(raw []byte) ([]member, error) {
	wrong := usage("found %s, expected one JSON object", shorten(oneLine(string(raw)), 40))
	d := json.NewDecoder(bytes.NewReader(raw))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, wrong
	}
	var members []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, wrong
		}
		m := member{name: fmt.Sprint(name)}
		if d.Decode(&m.raw) != nil {
			return nil, wrong
		}
		members = append(members, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, wrong
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, wrong
	}
	return members, nil
}
