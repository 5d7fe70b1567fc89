package pathway

import (
	"fmt"
	"strings"
	"time"
)

// Blocker is one reason why a dosing session may not take place, in words that staff can read aloud. The sentence is coded
// and may stand in an error text; what a person wrote, or what is found about the client, is kept apart from it.
type Blocker struct {
	Code     string `json:"code"`
	Sentence string `json:"sentence"`
	Reason   string `json:"reason,omitempty"`
}

// String is the whole of it, for staff.
func (b Blocker) String() string {
	if b.Reason == "" {
		return b.Sentence
	}
	return b.Sentence + ": " + b.Reason
}

func sentences(all []Blocker) string {
	var s []string
	for _, b := range all {
		s = append(s, b.Sentence)
	}
	return strings.Join(s, "; ")
}

func reasons(all []Blocker) string {
	var s []string
	for _, b := range all {
		s = append(s, b.Reason)
	}
	return strings.Join(s, "; ")
}

// blockers lists what blocks a dosing session that starts at start, given what is known (protocol, section 3). It is
// asked when booking, whenever something changes, 48 hours before and on the day, and again of a session that was held.
func (p *Pathway) blockers(start time.Time) []Blocker {
	var found []Blocker
	for _, check := range p.checks() {
		if b := check(start); b.Code != "" {
			found = append(found, b)
		}
	}
	for _, h := range p.Holds {
		if h.held(start) {
			found = append(found, Blocker{Code: "hold", Sentence: fmt.Sprintf("%s holds the pathway", h.Name), Reason: string(h.Cause) + ", " + h.Why})
		}
	}
	return append(found, p.ineligible()...)
}

// checks are the rules that block a dosing session, each asked for the session's start.
func (p *Pathway) checks() []func(start time.Time) Blocker {
	return []func(time.Time) Blocker{
		p.clearanceGate, p.evaluationGate, p.consentGate, p.planGate,
		p.preparationCheck, p.integrationCheck, p.spacingCheck, p.maximumCheck,
	}
}

func (p *Pathway) preparationCheck(start time.Time) Blocker {
	if p.preparedBy(start) {
		return Blocker{}
	}
	return Blocker{Code: "preparation", Sentence: "preparation is not complete"}
}

// preparedBy judges preparation by the sessions that had ended at a moment.
func (p *Pathway) preparedBy(at time.Time) bool {
	q := *p
	q.Appointments = nil
	for _, a := range p.Appointments {
		if !a.End.After(at) {
			q.Appointments = append(q.Appointments, a)
		}
	}
	return q.prepared()
}

func (p *Pathway) integrationCheck(start time.Time) Blocker {
	last := p.lastDosedBefore(start)
	if last == nil {
		return Blocker{}
	}
	block := func(format string, args ...any) Blocker {
		return Blocker{Code: "integration", Sentence: fmt.Sprintf(format, args...)}
	}
	i := p.integrationOf(*last)
	switch {
	case i == nil || i.End.After(start):
		return block("the integration after %s has not been held", last.Name)
	case i.Record.Next != AnotherNext:
		return block("%s decided to close, not on another dosing session", i.Name)
	case !isTrue(i.Record.ClientAgrees):
		return block("the client has not agreed to another dosing session at %s", i.Name)
	}
	return Blocker{}
}

func (p *Pathway) spacingCheck(start time.Time) Blocker {
	last := p.lastDosedBefore(start)
	if last == nil {
		return Blocker{}
	}
	from := last.Start.In(p.zone()).AddDate(0, 0, p.Protocol.Dosing.DaysApartAtLeast)
	if !start.Before(from) {
		return Blocker{}
	}
	return Blocker{Code: "spacing", Sentence: fmt.Sprintf("it is less than %d days after %s; %s is the earliest", p.Protocol.Dosing.DaysApartAtLeast, last.Name, p.clockTime(from))}
}

func (p *Pathway) maximumCheck(start time.Time) Blocker {
	if n := p.dosedBetween(time.Time{}, start); n >= p.Protocol.Dosing.AtMost {
		return Blocker{Code: "maximum", Sentence: fmt.Sprintf("%d dosing sessions were given, which is the most", n)}
	}
	return Blocker{}
}
