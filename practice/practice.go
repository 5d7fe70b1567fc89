// Package practice reads the two files that a practice keeps: its own facts (practice.yaml) and its clinical numbers
// (protocol.yaml). Whatever is wrong with either is said with the field's name; nothing is guessed.
package practice

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/mail"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"kap/pathway"
)

//go:embed practice.yaml
var sample []byte

//go:embed protocol.yaml
var defaults []byte

// Practice is what a practice says about itself.
type Practice struct {
	Name         string              `json:"name"` // what staff read on their screens; clients read mail.name
	Mail         Mail                `json:"mail"`
	Zone         string              `json:"zone"`
	OpeningHours map[string][]string `json:"opening_hours"` // by weekday, "09:00-18:00", in the practice's zone
	Closures     []Closure           `json:"closures"`
	Staff        []Staff             `json:"staff"`
	OnCall       string              `json:"on_call"` // the staff id of whoever holds the on-call number
}

// Mail is how the practice appears to clients: neutral, because mail is read on lock screens and by other people.
type Mail struct {
	Name     string `json:"name"`
	From     string `json:"from"`
	ReplyTo  string `json:"reply_to"`
	Phone    string `json:"phone"`
	Location string `json:"location"`
}

// Closure is a run of days, both ends included, on which nothing is booked.
type Closure struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Staff is one person who may record milestones.
type Staff struct {
	ID    string       `json:"id"`
	Name  string       `json:"name"` // for staff's own screens; Temporal sees the id alone
	Role  pathway.Role `json:"role"`
	Email string       `json:"email"`
}

// Load reads the practice's file, or the sample practice where path is empty. Its errors name the file and the field. One that can be
// read and has something wrong is returned beside the error, so that a caller can look for what else is.
func Load(path string) (Practice, error) {
	var p Practice
	name, err := read(path, "practice.yaml", sample, &p)
	if err != nil {
		return Practice{}, err
	}
	if err := p.check(); err != nil {
		return p, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// LoadProtocol reads the clinical numbers, or the default ones where path is empty. Its errors name the file and the field.
func LoadProtocol(path string) (pathway.Protocol, error) {
	var p pathway.Protocol
	name, err := read(path, "protocol.yaml", defaults, &p)
	if err != nil {
		return pathway.Protocol{}, err
	}
	if err := p.Check(); err != nil {
		return pathway.Protocol{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func read(path, name string, text []byte, into any) (string, error) {
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); errors.Is(err, fs.ErrNotExist) {
			return path, fmt.Errorf("found no file %s", path)
		} else if err != nil {
			return path, err
		}
		name = path
	}
	if err := decode(text, into); err != nil {
		return name, fmt.Errorf("%s: %s", name, strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	return name, nil
}

// decode reads strictly: a field that nobody reads is a mistake in the file, not a wish that is quietly dropped.
func decode(text []byte, into any) error {
	return yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(into)
}

// check names all that is wrong, in the order of the file.
func (p Practice) check() error {
	var wrong []string
	refuse := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, f := range []struct{ field, found string }{
		{"name", p.Name}, {"mail.name", p.Mail.Name}, {"mail.phone", p.Mail.Phone}, {"mail.location", p.Mail.Location},
	} {
		if f.found == "" {
			refuse("%s: found nothing, expected a text", f.field)
		}
	}
	for _, f := range []struct{ field, found string }{{"mail.from", p.Mail.From}, {"mail.reply_to", p.Mail.ReplyTo}} {
		if _, err := mail.ParseAddress(f.found); err != nil {
			refuse("%s: found %q, expected an e-mail address", f.field, f.found)
		}
	}
	if _, err := pathway.Location("zone", p.Zone); err != nil {
		refuse("%v", err)
	}
	if len(p.OpeningHours) == 0 {
		refuse("opening_hours: found nothing, expected hours for at least one weekday")
	}
	for _, day := range slices.Sorted(maps.Keys(p.OpeningHours)) {
		for _, h := range p.OpeningHours[day] {
			if _, err := pathway.ParseWeekly(day + " " + h); err != nil {
				refuse("opening_hours.%s: %v", day, err)
			}
		}
	}
	for i, c := range p.Closures {
		from, err := time.Parse(time.DateOnly, c.From)
		if err != nil {
			refuse("closures[%d].from: found %q, expected a date such as 2026-12-24", i, c.From)
			continue
		}
		to, err := time.Parse(time.DateOnly, c.To)
		if err != nil || to.Before(from) {
			refuse("closures[%d].to: found %q, expected a date not before %s", i, c.To, c.From)
		}
	}
	seen := map[string]bool{}
	for i, s := range p.Staff {
		if err := pathway.CheckStaffID(s.ID); err != nil {
			refuse("staff[%d].id: %v", i, err)
		}
		if seen[s.ID] {
			refuse("staff[%d].id: found %q a second time, expected each id once", i, s.ID)
		}
		if s.ID == pathway.OnCall {
			refuse("staff[%d].id: found %q, expected another id, because this one stands for whoever on_call names", i, s.ID)
		}
		seen[s.ID] = true
		if s.Name == "" {
			refuse("staff[%d].name: found nothing, expected the name of %s", i, s.ID)
		}
		switch s.Role {
		case pathway.Therapist, pathway.Prescriber, pathway.Coordinator:
		default:
			refuse("staff[%d].role: found %q, expected therapist, prescriber or coordinator", i, s.Role)
		}
		if a, err := mail.ParseAddress(s.Email); err != nil || a.Address != s.Email { // no name beside it: it would go out with each mail
			refuse("staff[%d].email: found %q, expected an e-mail address alone", i, s.Email)
		}
	}
	if !seen[p.OnCall] {
		refuse("on_call: found %q, expected the id of one of staff", p.OnCall)
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// Member finds a member of staff by id, or whoever is on call by [pathway.OnCall].
func (p Practice) Member(id string) (Staff, bool) {
	if id == pathway.OnCall {
		id = p.OnCall
	}
	for _, s := range p.Staff {
		if s.ID == id {
			return s, true
		}
	}
	return Staff{}, false
}

// Role says what a member of staff does, or "" for an unknown id.
func (p Practice) Role(id string) pathway.Role {
	for _, s := range p.Staff {
		if s.ID == id {
			return s.Role
		}
	}
	return ""
}

// With lists the members of staff of one role, in the order of the file.
func (p Practice) With(role pathway.Role) []Staff {
	return slices.DeleteFunc(slices.Clone(p.Staff), func(s Staff) bool { return s.Role != role })
}

// Calendar is when the practice is open.
func (p Practice) Calendar() pathway.Calendar {
	zone, _ := time.LoadLocation(p.Zone) // checked when loaded
	c := pathway.Calendar{Zone: zone}
	for day, hours := range p.OpeningHours {
		for _, h := range hours {
			if w, err := pathway.ParseWeekly(day + " " + h); err == nil {
				c.Hours = append(c.Hours, w)
			}
		}
	}
	for _, closed := range p.Closures {
		c.Closed = append(c.Closed, pathway.Closure{From: pathway.Day(closed.From), To: pathway.Day(closed.To)})
	}
	return c
}
