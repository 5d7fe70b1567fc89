package practice

import (
	"strings"
	"testing"
	"time"

	"kap/pathway"
)

// Whatever stands in a practice's file: it is refused by the field's name, or all that is read of it holds together.
func FuzzPractice(f *testing.F) {
	f.Add(sample)
	for _, text := range []string{"", "---", "name: [", "staff: *all", "a: &a [*a]", "opening_hours: {monday: [\"09:00-09:00\"]}", "zone: ../../../etc/passwd", "closures: [{from: 2026-12-24, to: 9999-12-31}]"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var p Practice
		if decode(text, &p) != nil || p.check() != nil {
			return
		}
		c := p.Calendar()
		c.OpenOn(time.Date(2026, 1, 5, 0, 0, 0, 0, c.Zone))
		if m, ok := p.Member(pathway.OnCall); !ok || p.Role(m.ID) == "" {
			t.Errorf("nobody is on call: %+v", p)
		}
	})
}

// Whatever stands in the protocol's file: it is refused, or a pathway can be carried by its numbers.
func FuzzProtocol(f *testing.F) {
	f.Add(defaults)
	for _, words := range []string{"sessions: 2", "days_before: [6, 4, 3]", "from: \"08:00\"", "sha256: "} {
		f.Add([]byte(strings.Replace(string(defaults), words, "x: 99999999999999999999", 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var protocol pathway.Protocol
		if decode(text, &protocol) != nil || protocol.Check() != nil {
			return
		}
		at := time.Date(2026, 1, 5, 14, 0, 0, 0, time.UTC)
		p, err := pathway.Enrol(pathway.Enrolment{
			Code: "K7Q2M9", By: "c-desk", At: at, CareTeam: pathway.CareTeam{Therapist: "t-lane", Prescriber: "p-singh", Coordinators: []string{"c-desk"}},
			Eligibility: pathway.Eligibility{Diagnosis: pathway.PTSD, Adult: true, StandardCareTried: true, CommitsToTheArc: true, ComfortableWithTheStates: true, PrimaryMeasure: "pcl-5"},
			Contact:     pathway.Contact{MailPermission: true, Zone: "America/New_York"}, PracticeZone: "America/New_York", Protocol: protocol,
		})
		if err != nil {
			t.Fatalf("numbers that pass the check enrol nobody: %v", err)
		}
		p.Due(at)
		p.Status(at)
	})
}
