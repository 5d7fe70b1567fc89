package verify

import (
	"fmt"
	"time"
)

// Sort is what kind of thing was found.
type Sort string

// A violation is a rule that was not kept: by kap, or by whoever changed the books. A deviation is what people did against the rules and
// what was recorded, named and held the pathway, as the protocol has it; it is no fault of the books. A difference is between the
// journal and what else is written of the pathway. Unproved is what the journal does not say enough about.
const (
	Violation  Sort = "violation"
	OnRecord   Sort = "deviation"
	Difference Sort = "difference"
	Unproved   Sort = "unproved"
)

// Finding is one of them. It names nobody and quotes nothing that anybody wrote.
type Finding struct {
	Sort  Sort      `json:"sort"`
	Code  string    `json:"code"`
	About string    `json:"about,omitempty"` // a session, a hold, a mail
	At    time.Time `json:"at,omitzero"`
	Text  string    `json:"text"`
}

// add notes a finding once, however often the rules are held against the account.
func (a *account) add(f Finding) {
	key := fmt.Sprint(f.Sort, f.Code, f.About)
	if a.known[key] {
		return
	}
	a.known[key] = true
	a.findings = append(a.findings, f)
}

func (a *account) violation(code, about string, at time.Time, format string, args ...any) {
	a.add(Finding{Violation, code, about, at, fmt.Sprintf(format, args...)})
}
