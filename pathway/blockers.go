package pathway

import (
	"fmt"
	"slices"
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

// rules are what blocks a dosing session, each asked for the session's start (protocol, section 3). The order is that in which
// staff read them.
var rules = []func(p *Pathway, start time.Time) []Blocker{
	one((*Pathway).phaseCheck),
	one((*Pathway).eligibilityCheck),
	one((*Pathway).findingCheck),
	one((*Pathway).clearanceDecided),
	one((*Pathway).clearanceStands),
	one((*Pathway).clearanceDays),
	one((*Pathway).clearanceSessions),
	one((*Pathway).checkpointCheck),
	one((*Pathway).evaluationGate),
	one((*Pathway).consentGate),
	one((*Pathway).planGate),
	one((*Pathway).preparationCheck),
	one((*Pathway).integrationCheck),
	one((*Pathway).spacingCheck),
	one((*Pathway).maximumCheck),
	one((*Pathway).measureCheck),
	one((*Pathway).riskCheck),
	one((*Pathway).reviewCheck),
	(*Pathway).holdChecks,
}

func one(check func(*Pathway, time.Time) Blocker) func(*Pathway, time.Time) []Blocker {
	return func(p *Pathway, start time.Time) []Blocker {
		if b := check(p, start); b.Code != "" {
			return []Blocker{b}
		}
		return nil
	}
}

// blockers lists what blocks a dosing session that starts at start, given what is known. It is asked when booking, whenever
// something changes, 48 hours before and on the day, and again of a session that was held.
func (p *Pathway) blockers(start time.Time) []Blocker {
	var found []Blocker
	for _, check := range rules {
		found = append(found, check(p, start)...)
	}
	return found
}

// bookable lists what keeps a dosing session from being booked. Its measure is asked for only in the days before it, so it is not
// missing until the last check.
func (p *Pathway) bookable(start, now time.Time) []Blocker {
	found := p.blockers(start)
	if start.Sub(now) > hours(p.Protocol.Dosing.CheckHoursBefore) {
		found = slices.DeleteFunc(found, func(b Blocker) bool { return b.Code == "measure" })
	}
	return found
}

// phaseCheck: nothing is dosed once an ending has begun, whatever is decided later.
func (p *Pathway) phaseCheck(start time.Time) Blocker {
	if ending, _ := p.endingAt(start); ending == "" && (p.Outcome == "" || p.endingSince().After(start)) {
		return Blocker{}
	}
	return Blocker{Code: "phase", Sentence: "the pathway is ending"}
}

func (p *Pathway) holdChecks(start time.Time) []Blocker {
	var found []Blocker
	for _, h := range p.Holds {
		if h.held(start) {
			found = append(found, Blocker{Code: h.Name, Sentence: h.Name + " holds the pathway", Reason: string(h.Cause) + ", " + h.Why})
		}
	}
	return found
}

func (p *Pathway) preparationCheck(start time.Time) Blocker {
	if p.preparedBy(start) {
		return Blocker{}
	}
	return Blocker{Code: "preparation", Sentence: "preparation is not complete"}
}

func (p *Pathway) integrationCheck(start time.Time) Blocker {
	last := p.lastDosedBefore(start)
	if last == nil {
		return Blocker{}
	}
	block := func(format string, args ...any) Blocker {
		return Blocker{Code: "integration", Sentence: fmt.Sprintf(format, args...)}
	}
	i := p.integrationOf(last)
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
