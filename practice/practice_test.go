package practice

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kap/pathway"
)

// shows: numbers-in-a-file, numbers-need-sign-off, gate-consent-document
func TestTheFilesThatComeWithKapLoad(t *testing.T) {
	t.Parallel()
	p, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if p.Role("t-lane") != pathway.Therapist || p.Role("nobody") != "" || len(p.Calendar().Hours) != 6 || len(p.Calendar().Closed) != 2 {
		t.Errorf("read %+v", p)
	}
	for id, want := range map[string]string{"p-moreau": "p-moreau@linden.example", pathway.OnCall: "t-khan@linden.example"} {
		if s, ok := p.Member(id); !ok || s.Email != want {
			t.Errorf("%s is %+v, %v", id, s, ok)
		}
	}
	for _, id := range []string{"nobody", ""} {
		if s, ok := p.Member(id); ok {
			t.Errorf("%q is %+v", id, s)
		}
	}
	protocol, err := LoadProtocol("")
	if err != nil {
		t.Fatal(err)
	}
	if protocol.SignedOff {
		t.Error("no clinician has signed these numbers")
	}
	form, err := os.ReadFile("consent-" + protocol.Consent.Version + ".md")
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(form); hex.EncodeToString(sum[:]) != protocol.Consent.SHA256 {
		t.Errorf("the consent form's SHA-256 is %x", sum)
	}
}

func TestAMistakeIsNamedWithItsField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ is, file, old, new, says string }{
		{"a number out of range", "protocol", "at_most: 6", "at_most: 9", "dosing.at_most: found 9, expected a whole number from 1 to 6"},
		{"a field that nobody reads", "protocol", "at_least: 1", "at_leest: 1", "at_leest"},
		{"a text for a number", "protocol", "days: 60", "days: sixty", "days"},
		{"a missing part", "protocol", "clearance:", "clearances:", "clearances"},
		{"hours of mail too short", "protocol", `until: "20:00"`, `until: "09:00"`, "mail.until"},
		{"a zone that is none", "practice", "zone: America/New_York", "zone: New York", `zone: found "New York", expected a time zone such as America/New_York`},
		{"an address that is none", "practice", "from: appointments@linden.example", "from: appointments", "mail.from"},
		{"hours that are none", "practice", `"09:00-13:00"`, `"9 to 1"`, "opening_hours.saturday"},
		{"a closure that ends before it begins", "practice", "to: 2026-12-26", "to: 2026-12-20", "closures[0].to"},
		{"a role that is none", "practice", "role: prescriber", "role: doctor", `staff[8].role: found "doctor"`},
		{"an id twice", "practice", "id: t-ortiz", "id: t-lane", "staff[1].id"},
		{"an id that means somebody else", "practice", "id: t-ortiz", "id: on-call", `staff[1].id: found "on-call"`},
		{"a member of staff without a name", "practice", "name: Elena Ortiz, ", "", "staff[1].name: found nothing, expected the name of t-ortiz"},
		{"a practice without a name", "practice", "name: Linden Street KAP", "name:", "name: found nothing"},
		{"a member of staff without an address", "practice", ", email: t-ortiz@linden.example", "", `staff[1].email: found "", expected an e-mail address`},
		{"a staff address that is none", "practice", "email: p-singh@linden.example", "email: p-singh", `staff[8].email: found "p-singh"`},
		{"a staff address with a name", "practice", "email: p-singh@linden.example", `email: "Dr. Singh <p-singh@linden.example>"`, "staff[8].email"},
		{"nobody on call", "practice", "on_call: t-khan", "", `on_call: found "", expected the id of one of staff`},
		{"a stranger on call", "practice", "on_call: t-khan", "on_call: t-kahn", `on_call: found "t-kahn", expected the id of one of staff`},
		{"on call in place of who it is", "practice", "on_call: t-khan", "on_call: on-call", `on_call: found "on-call"`},
		{"a closing that nobody can read", "practice", "from: 2027-01-01", "from: New Year", "closures[1].from"},
	} {
		t.Run(c.is, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(c.file + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), c.old) {
				t.Fatalf("%s.yaml has no %q", c.file, c.old)
			}
			path := filepath.Join(t.TempDir(), c.file+".yaml")
			if err := os.WriteFile(path, []byte(strings.Replace(string(text), c.old, c.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.file == "protocol" {
				_, err = LoadProtocol(path)
			} else {
				_, err = Load(path)
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("said %v", err)
			}
		})
	}
	several := Practice{Name: "Linden", Zone: "New York", OnCall: "nobody"}.check()
	for _, says := range []string{"mail.name", "mail.reply_to", "zone", "opening_hours", "on_call"} {
		if several == nil || !strings.Contains(several.Error(), says+": found ") {
			t.Errorf("of several mistakes %s is not named: %v", says, several)
		}
	}
	if _, err := Load("no such file"); err == nil {
		t.Error("a missing file was read")
	}
}
