package mail_test

import (
	"os"
	"strings"
	"testing"

	"kap/mail"
)

// The page says each subject as it is, and to clients what stands beside it.
func TestThePageShowsEveryMail(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/mail.md")
	if err != nil {
		t.Fatal(err)
	}
	p := samplePractice(t)
	samples, err := mail.Samples(p, at(t, "2026-03-03T15:00:00Z"), crisis)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[mail.Kind]bool{}
	for _, s := range samples {
		if s.Facts.Zone != "" && s.Facts.Zone != p.Zone || s.Facts.Online || s.Name == "moved-same-day" {
			continue // the same in another zone, at another place or hour
		}
		l, err := mail.Write(p, s.Facts)
		if err != nil {
			t.Fatal(err)
		}
		line := "*" + l.Subject + "*"
		if len(s.Facts.Waiting) == 0 {
			line += " · " + l.Preheader
		}
		if !strings.Contains(string(page), line+" |") {
			t.Errorf("%s: docs/mail.md does not say %s", s.Name, line)
		}
		shown[s.Facts.Kind] = true
	}
	if len(shown) != len(mail.Kinds()) {
		t.Errorf("only %v were looked for", shown)
	}
}
