package pathway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// HoldInForce keeps every dosing session from taking place until each role that its cause asks for has released it.
// Releasing one hold leaves the others (protocol, section 4).
type HoldInForce struct {
	Name     string    `json:"name"` // hold-1: it may stand in an error text, its cause may not
	Cause    Cause     `json:"cause"`
	Since    time.Time `json:"since"`
	Why      string    `json:"why"`
	Needs    []Role    `json:"needs"`
	Released []Role    `json:"released,omitempty"`
	Until    time.Time `json:"until,omitzero"` // when the last of them released it
}

func (h HoldInForce) inForce() bool { return len(h.open()) > 0 }

// held says whether a hold kept sessions from taking place at a moment.
func (h HoldInForce) held(at time.Time) bool {
	return !h.Since.After(at) && (h.inForce() || h.Until.After(at))
}

func (h HoldInForce) open() []Role {
	return slices.DeleteFunc(slices.Clone(h.Needs), func(r Role) bool { return slices.Contains(h.Released, r) })
}

func (p *Pathway) hold(at time.Time, cause Cause, needs []Role, why string) string {
	name := fmt.Sprintf("hold-%d", len(p.Holds)+1)
	p.Holds = append(p.Holds, HoldInForce{Name: name, Cause: cause, Since: at, Why: why, Needs: needs})
	return name
}

// Cause is why a clinician holds a pathway.
type Cause string

// The causes that the rules themselves know.
const (
	Crisis    Cause = "crisis"    // released by the therapist
	Deviation Cause = "deviation" // released by both clinicians
)

// Options lists what may be written.
func (Cause) Options() []string { return []string{"crisis", "concern"} }

// PlaceHold stops all dosing at once.
type PlaceHold struct {
	Envelope
	Cause  Cause  `json:"cause" must:"yes"`
	Reason string `json:"reason" must:"yes"`
}

func (m *PlaceHold) record(p *Pathway, _ time.Time) (string, *Refusal) {
	needs := []Role{p.CareTeam.Role(m.By)}
	if m.Cause == Crisis {
		needs = []Role{Therapist}
	}
	for _, h := range p.Holds {
		if h.inForce() && h.Cause == m.Cause && h.Why == m.Reason {
			return fmt.Sprintf("%s holds the pathway for this reason", h.Name), errAlreadySo
		}
	}
	return fmt.Sprintf("%s holds the pathway: nothing is dosed until it is released", p.hold(m.At, m.Cause, needs, m.Reason)), nil
}

// Release takes one role's part of a hold away.
type Release struct {
	Envelope
	Hold   string `json:"hold" must:"yes"`
	Reason string `json:"reason" must:"yes"`
}

func (m *Release) record(p *Pathway, _ time.Time) (string, *Refusal) {
	role := p.CareTeam.Role(m.By)
	var names []string
	for i := range p.Holds {
		h := &p.Holds[i]
		if h.inForce() {
			names = append(names, h.Name)
		}
		if h.Name != m.Hold {
			continue
		}
		if slices.Contains(h.Released, role) || !h.inForce() {
			return fmt.Sprintf("%s is released by the %s", h.Name, role), errAlreadySo
		}
		if !slices.Contains(h.Needs, role) {
			return "", refuse(WrongPerson, "release: by: found %s, who is this pathway's %s; %s is released by its %s", m.By, role, h.Name, p.who(h.open()))
		}
		h.Released = append(h.Released, role)
		if !h.inForce() {
			h.Until = m.At
		} else {
			return fmt.Sprintf("%s is released by the %s and waits for the %s", h.Name, role, p.who(h.open())), nil
		}
		return fmt.Sprintf("%s is released", h.Name), nil
	}
	if len(names) == 0 {
		return "", refuse(BadValue, "release: hold: found %s, but nothing holds this pathway", quoted(m.Hold))
	}
	return "", refuse(BadValue, "release: hold: found %s, expected one of %s", quoted(m.Hold), strings.Join(names, ", "))
}
