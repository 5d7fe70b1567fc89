package verify

import (
	"slices"
	"strings"
	"time"

	"kap/pathway"
	"kap/records"
)

// event is an adverse event that is moderate or worse.
type event struct {
	id    string
	at    time.Time
	heard time.Time
}

// events are what was reported, and what the records of sessions tell of.
func (a *account) events() []event {
	var all []event
	for _, f := range a.facts {
		if f.name == "adverse-event" && (f.said.text("kind") != string(pathway.OtherEvent) || f.said.text("severity") != "mild") {
			all = append(all, event{f.id, f.at, f.heard})
		}
	}
	for _, v := range a.visits {
		if v.record == nil {
			continue
		}
		said, at := v.record.said, v.end
		switch v.record.outcome() {
		case pathway.NoShow, pathway.CancelledLate:
			at = v.start
			if v.record.at.After(at) {
				at = v.record.at
			}
		}
		add := func(kind string) { all = append(all, event{v.name + "/" + kind, at, v.record.heard}) }
		if said.no("oriented_and_steady") || said.no("named_adult_driving") {
			add(string(pathway.LeftUnsafely))
		}
		if a.over(said.text("blood_pressure_leaving")) {
			add(string(pathway.PressureNotSettling))
		}
		for _, kind := range said.list("found") {
			add(kind)
		}
	}
	return all
}

// alarm is something that has to hold the pathway.
type alarm struct {
	cause pathway.Cause
	from  string
	at    time.Time
}

// alarms are what holds the pathway by what was said; deviations are looked for apart.
func (a *account) alarms() []alarm {
	var all []alarm
	crisis := func(codes []string) bool {
		return slices.Contains(codes, string(pathway.ActiveCrisis)) || slices.Contains(codes, string(pathway.SelfHarmRisk))
	}
	if slices.Contains(a.e.Findings, pathway.ActiveCrisis) || slices.Contains(a.e.Findings, pathway.SelfHarmRisk) {
		all = append(all, alarm{pathway.Crisis, "enrolment", a.e.At})
	}
	first := farFuture
	if dosings := a.dosings(); len(dosings) > 0 {
		first = dosings[0].start
	}
	for _, f := range a.facts {
		switch f.name {
		case "hold":
			all = append(all, alarm{pathway.Cause(f.said.text("cause")), f.id, f.at})
		case "risk-assessment":
			if f.outcome() == string(pathway.AtRisk) {
				all = append(all, alarm{pathway.Crisis, f.id, f.at})
			}
		case "prescriber-clearance", "psychological-evaluation":
			if crisis(f.said.list("findings")) {
				all = append(all, alarm{pathway.Crisis, f.id, f.at})
			}
		case "measure":
			if f.scale() == string(pathway.PHQ9) && (f.item9() >= 2 || f.item9() > a.before(f)) {
				all = append(all, alarm{pathway.ItemNine, f.id, f.at})
			}
			if worse := a.points(f.scale()).Worse; worse > 0 && !f.at.Before(first) {
				if base := a.baseline(f.scale()); base != nil && f.total()-base.total() >= worse {
					all = append(all, alarm{pathway.Worsening, f.id, f.at})
				}
			}
		}
	}
	for _, e := range a.events() {
		if a.outcome == "" || e.at.Before(a.ended) {
			all = append(all, alarm{pathway.AdverseCause, e.id, e.at})
		}
	}
	return all
}

// before is the ninth item of the PHQ-9 before another; 3 where there is none, so that nothing has risen.
func (a *account) before(m *fact) int {
	var found *fact
	for _, f := range a.facts {
		if f.name == "measure" && f.scale() == m.scale() && f != m && (f.at.Before(m.at) || f.at.Equal(m.at) && f.seq < m.seq) &&
			(found == nil || f.at.After(found.at) || f.at.Equal(found.at) && f.seq > found.seq) {
			found = f
		}
	}
	if found == nil {
		return 3
	}
	return found.item9()
}

// holdsStand: whatever has to hold the pathway holds it.
func (a *account) holdsStand() {
	if a.outcome != "" { // nothing is left to hold
		return
	}
	for _, x := range a.alarms() {
		if !slices.ContainsFunc(a.holds, func(h *hold) bool { return !h.lifted && h.Cause == x.cause && h.From == x.from }) {
			a.violation("not-held", x.from, x.at, "nothing held the pathway for it (%s)", x.cause)
		}
	}
}

// holding says whether a hold kept sessions from taking place at a moment.
func (a *account) holding(h *hold, at time.Time, self string) bool {
	if h.lifted || h.Since.After(at) || h.Cause == pathway.Deviation && h.From == self {
		return false
	}
	return !a.released(h, at)
}

// releasers are the roles that have to release a hold (protocol, section 4).
func (a *account) releasers(h *hold) []pathway.Role {
	switch h.Cause {
	case pathway.AdverseCause:
		return []pathway.Role{pathway.Prescriber}
	case pathway.Worsening, pathway.Deviation, pathway.Restored:
		return []pathway.Role{pathway.Therapist, pathway.Prescriber}
	case pathway.Concern:
		for _, f := range a.facts {
			if f.id == h.From {
				return []pathway.Role{f.role}
			}
		}
	}
	return []pathway.Role{pathway.Therapist}
}

// released says whether everybody whom a hold needs had released it at a moment.
func (a *account) released(h *hold, at time.Time) bool {
	return !slices.ContainsFunc(a.releasers(h), func(role pathway.Role) bool { return !a.releasedBy(h, role, at) })
}

func (a *account) releasedBy(h *hold, role pathway.Role, at time.Time) bool {
	return slices.ContainsFunc(a.facts, func(f *fact) bool {
		return f.name == "release" && f.role == role && f.said.text("hold") == h.Hold && !f.at.After(at) && !f.at.Before(h.Since)
	})
}

// mayRelease: a hold is released by whom its cause asks for, a crisis and an item 9 with what the protocol asks for first.
func (a *account) mayRelease(f *fact) {
	h := a.hold(f.said.text("hold"))
	if h == nil {
		a.violation("released", f.said.text("hold"), f.at, "it was released, and nothing says that it held the pathway")
		return
	}
	if !slices.Contains(a.releasers(h), f.role) {
		a.violation("released", h.Hold, f.at, "the %s released it, who does not release %s", f.role, h.Cause)
	}
	if h.Cause != pathway.Crisis && h.Cause != pathway.ItemNine {
		return
	}
	risk, plan := a.last("risk-assessment", f.at), a.last("safety-plan", f.at)
	if risk == nil || risk.at.Before(h.Since) || risk.outcome() != string(pathway.SafeToContinue) {
		a.violation("released-unassessed", h.Hold, f.at, "it was released without a risk assessment since it began")
	}
	looked := plan != nil && !plan.at.Before(h.Since) || slices.ContainsFunc(a.facts, func(x *fact) bool {
		return x.name == "risk-assessment" && x.said.yes("safety_plan_reviewed") && !x.at.Before(h.Since) && !x.at.After(f.at)
	})
	if h.Cause == pathway.ItemNine && !looked {
		a.violation("released-unplanned", h.Hold, f.at, "it was released although nobody had looked at the safety plan")
	}
}

// byLink is the client, by a link in a mail.
const byLink = "client.link"

// who may record what (protocol, "Who acts"): therapist, prescriber, coordinator, and the client by a link.
var who = map[string]string{
	"prescriber-clearance": "p", "psychological-evaluation": "t", "consent": "t", "safety-plan": "t", "measure": "t", "risk-assessment": "t", "stop": "t", "referral": "t",
	"hold": "tp", "release": "tp", "adverse-event": "tp", "review": "tp",
	"book-session": "tpc", "move-session": "tpc", "cancel-session": "tpc", "session-held": "tpc", "withdraw": "tpcl", "task-done": "tpc", "care-team": "tpc", "contact": "tpcl", "correct": "tpc", "refresh": "tpc",
	"answer": "l",
}

// mayRecord: everybody records in the role that the message asks for; nobody is both clinicians; and an ended pathway takes little.
func (a *account) mayRecord(l records.ChainedLine, f *fact) {
	roles, known := who[l.Name]
	if l.Name == "session-held" {
		if v := a.visit(f.said.text("session")); v == nil || v.kind == pathway.Dosing || v.kind == pathway.Integration && f.outcome() == pathway.Held {
			roles = "t"
		}
	}
	letter := map[pathway.Role]string{pathway.Therapist: "t", pathway.Prescriber: "p", pathway.Coordinator: "c", pathway.Client: "l"}[f.role]
	more := l.Name == "contact" && f.role == pathway.Client && (!f.said.no("mail_permission") || f.said.text("zone")+f.said.text("availability")+f.said.text("any_time") != "")
	switch {
	case l.Name == "refresh": // that it looks again changes nothing: an operator may have all of them do so
	case !known || letter == "" || !strings.Contains(roles, letter) || more:
		a.violation("wrong-person", l.Name, l.Recorded, "it was taken from somebody who does not record it")
	}
	if f.role == pathway.Therapist || f.role == pathway.Prescriber {
		if was := a.acted[l.By]; was != "" && was != f.role && !strings.HasPrefix(roles, "tpc") {
			a.violation("two-people", l.Name, l.Recorded, "one person has acted as therapist and as prescriber")
		}
		if !strings.HasPrefix(roles, "tpc") {
			a.acted[l.By] = f.role
		}
	}
	if a.outcome != "" && !slices.Contains([]string{"task-done", "adverse-event", "correct", "care-team", "refresh"}, l.Name) {
		a.violation("after-the-ending", l.Name, l.Recorded, "it was taken although the pathway had ended")
	}
}
