package pathway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Scale is a questionnaire, or for grief the clinician's own total, by which a client's state is measured.
type Scale string

// The scales (protocol, section 4). PHQ9 is asked of everyone, beside the primary measure.
const (
	PHQ9  Scale = "phq-9"
	GAD7  Scale = "gad-7"
	PCL5  Scale = "pcl-5"
	Grief Scale = "grief"
)

// Options lists what may be written.
func (Scale) Options() []string {
	return []string{string(PHQ9), string(GAD7), string(PCL5), string(Grief)}
}

// most is the highest total of a scale; the lowest is 0. A grief scale is the clinician's choice, so its bound is wide.
func (s Scale) most() int {
	return map[Scale]int{PHQ9: 27, GAD7: 21, PCL5: 80, Grief: 200}[s]
}

func (s Scale) String() string {
	if s == Grief {
		return "the grief total"
	}
	return strings.ToUpper(string(s))
}

// scale gives the points of a scale that matter; grief is judged by the clinicians and has none.
func (p *Pathway) scale(s Scale) ScaleRules {
	m := p.Protocol.Measures
	return map[Scale]ScaleRules{PHQ9: m.PHQ9, GAD7: m.GAD7, PCL5: m.PCL5}[s]
}

// Measure is one filled-in questionnaire: its total and, for the PHQ-9, its ninth item, which asks about self-harm.
type Measure struct {
	Envelope
	Scale Scale `json:"scale" must:"yes"`
	Total int   `json:"total" must:"yes"` // PHQ-9 0–27, GAD-7 0–21, PCL-5 0–80
	Item9 *int  `json:"item_9,omitempty"` // 0–3
}

func (m *Measure) record(p *Pathway, _ time.Time) (string, *Refusal) {
	if m.Total < 0 || m.Total > m.Scale.most() {
		return "", refuse(BadValue, "measure: total: found %d, expected 0 to %d for %s", m.Total, m.Scale.most(), m.Scale)
	}
	switch {
	case m.Scale != PHQ9 && m.Item9 != nil:
		return "", refuse(BadValue, "measure: item_9: found it for %s, expected it for phq-9 alone", string(m.Scale))
	case m.Scale == PHQ9 && m.Item9 == nil:
		return "", refuse(MissingField, "measure: the field \"item_9\" is missing, expected 0 to 3; a PHQ-9 total without item 9 is not taken")
	case m.Item9 != nil && (*m.Item9 < 0 || *m.Item9 > 3 || *m.Item9 > m.Total):
		return "", refuse(BadValue, "measure: item_9: found a number that cannot be, expected 0 to 3 and no more than the total")
	}
	if last := p.measured(m.Scale, m.At); p.correcting == nil && last != nil && sameDay(last.At, m.At, p.zone()) && last.Total == m.Total && last.item9() == m.item9() {
		return fmt.Sprintf("%s was recorded with this total today already", m.Scale), errAlreadySo
	}
	p.Measures = insert(p.Measures, *m)
	if last := p.measured(m.Scale, farFuture); last.At.After(m.At) {
		return fmt.Sprintf("%s is recorded; a later one is on record, too", m.Scale), nil
	}
	return fmt.Sprintf("%s is recorded", m.Scale), nil
}

func (m Measure) item9() int {
	if m.Item9 == nil {
		return 0
	}
	return *m.Item9
}

// measured is the last measure of a scale that had been taken at a moment, or nil.
func (p *Pathway) measured(s Scale, at time.Time) *Measure {
	for i := len(p.Measures) - 1; i >= 0; i-- {
		if m := &p.Measures[i]; m.Scale == s && !m.At.After(at) {
			return m
		}
	}
	return nil
}

// firstDosed is the first dosing session that was given, or nil.
func (p *Pathway) firstDosed() *Appointment {
	var first *Appointment
	for i := range p.Appointments {
		if a := &p.Appointments[i]; a.dosed() && (first == nil || a.Start.Before(first.Start)) {
			first = a
		}
	}
	return first
}

// baseline is the last measure before the first dosing session. It is frozen when that session is recorded: a measure that is
// heard of later does not take its place, and only a correction changes it.
func (p *Pathway) baseline(s Scale) *Measure {
	first := p.firstDosed()
	if first == nil {
		return p.measured(s, farFuture)
	}
	var found *Measure
	for i := range p.Measures {
		m := &p.Measures[i]
		if m.Scale != s || m.At.After(first.Start) {
			continue
		}
		if late := first.Record != nil && m.Heard.After(first.Record.Heard); !late || found == nil {
			found = m
		}
	}
	return found
}

// scales are those that this client is asked: the PHQ-9, and the primary measure beside it.
func (p *Pathway) scales() []Scale {
	if p.PrimaryMeasure == PHQ9 {
		return []Scale{PHQ9}
	}
	return []Scale{PHQ9, p.PrimaryMeasure}
}

// unmeasured lists the scales without a measure that is recent enough for a decision at a moment.
func (p *Pathway) unmeasured(at time.Time) []Scale {
	return slices.DeleteFunc(p.scales(), func(s Scale) bool {
		m := p.measured(s, at)
		return m != nil && !m.At.Before(p.recentSince(at))
	})
}

// recentSince is the earliest moment from which a measure counts at another.
func (p *Pathway) recentSince(at time.Time) time.Time {
	return at.In(p.zone()).AddDate(0, 0, -p.Protocol.Measures.Days)
}

func names(scales []Scale) string {
	var all []string
	for _, s := range scales {
		all = append(all, s.String())
	}
	return strings.Join(all, " and ")
}

// measureCheck: missing is never "fine" (protocol, section 4).
func (p *Pathway) measureCheck(start time.Time) Blocker {
	missing := p.unmeasured(start)
	if len(missing) == 0 {
		return Blocker{}
	}
	return Blocker{Code: "measure", Sentence: fmt.Sprintf("a measure from the %d days before it is missing", p.Protocol.Measures.Days), Reason: names(missing)}
}

// riskCheck: an item 9 of 1 waits for the therapist's risk assessment.
func (p *Pathway) riskCheck(start time.Time) Blocker {
	if m := p.unassessedMeasure(start); m != nil {
		return Blocker{Code: "risk-assessment", Sentence: "a risk assessment is outstanding", Reason: fmt.Sprintf("item 9 of the PHQ-9 of %s is %d", p.day(m.At), m.item9())}
	}
	return Blocker{}
}

// unassessedMeasure is the oldest PHQ-9 whose ninth item waits for a risk assessment. One of 2 or 3 holds the pathway, and waits only
// where that hold is over and the assessment that released it was corrected away.
func (p *Pathway) unassessedMeasure(at time.Time) *Measure {
	for i := range p.Measures {
		m := &p.Measures[i]
		held := m.item9() > 1 && slices.ContainsFunc(p.Holds, func(h HoldInForce) bool { return h.From == m.ID && h.Cause == ItemNine && h.inForce() })
		if m.item9() > 0 && !held && !m.At.After(at) && !p.assessed(m.At, at) {
			return m
		}
	}
	return nil
}

// improvement is how a scale moved from the baseline to the latest measure.
type improvement struct {
	scale            Scale
	baseline, latest int
	low              bool // the baseline is too low for a percentage to say anything
}

// moved says how a scale has moved at a moment; false where one of the two ends is missing.
func (p *Pathway) moved(s Scale, at time.Time) (improvement, bool) {
	from, to := p.baseline(s), p.measured(s, at)
	if from == nil || to == nil {
		return improvement{}, false
	}
	return improvement{s, from.Total, to.Total, from.Total < p.Protocol.Measures.LowBaseline}, true
}

func (i improvement) points() int { return i.baseline - i.latest }

// atMost says whether the improvement is no more than so many percent. A low baseline has no percentage: then only the points count.
func (i improvement) atMost(percent int) bool { return i.low || i.points()*100 <= percent*i.baseline }

func (i improvement) String() string {
	change := fmt.Sprintf("%d points better", i.points())
	switch {
	case i.points() < 0:
		change = fmt.Sprintf("%d points worse", -i.points())
	case i.points() == 0:
		change = "no change"
	}
	if i.baseline > 0 && !i.low && i.points() > 0 {
		change += fmt.Sprintf(", %d %%", i.points()*100/i.baseline)
	}
	return fmt.Sprintf("%s went from %d at the baseline to %d: %s", i.scale, i.baseline, i.latest, change)
}

// notWorking says in a sentence, with its numbers and the rule that applies, that KAP is not working for this client before a
// dosing session that starts at start; it is empty where that cannot be said (protocol, section 4).
func (p *Pathway) notWorking(start time.Time) string {
	rule := p.Protocol.Measures.NotWorking
	last := p.lastDosedBefore(start)
	if p.PrimaryMeasure == Grief || last == nil || p.dosedBetween(time.Time{}, start)+1 < rule.FromDosing {
		return ""
	}
	i, ok := p.moved(p.PrimaryMeasure, start)
	important := p.scale(p.PrimaryMeasure).Important
	if !ok || p.measured(p.PrimaryMeasure, start).At.Before(last.Start) { // the measure of this decision point is not there yet
		return ""
	}
	if !i.atMost(rule.PercentAtMost) || i.points() >= important {
		return ""
	}
	return fmt.Sprintf("%s, after %d dosing sessions; from dosing session %d on, %s counts as not working",
		i, p.dosedBetween(time.Time{}, start), rule.FromDosing, i.rule(fmt.Sprintf("at most %d %%", rule.PercentAtMost), important, 0))
}

// rule says which bounds were held against an improvement.
func (i improvement) rule(percent string, important, remission int) string {
	bounds := []string{percent, fmt.Sprintf("fewer than %d points better", important)}
	if i.low {
		bounds = []string{fmt.Sprintf("fewer than %d points better (the baseline is too low for a percentage)", important)}
	}
	if remission > 0 {
		bounds = append(bounds, fmt.Sprintf("not below %d", remission))
	}
	return strings.Join(bounds, " and ")
}

// atTheMost says, once the most dosing sessions were given, that stopping and referring is proposed, in a sentence with its
// numbers and the rule; empty where it is not.
func (p *Pathway) atTheMost(at time.Time) string {
	if p.PrimaryMeasure == Grief || p.dosedBetween(time.Time{}, at) < p.Protocol.Dosing.AtMost {
		return ""
	}
	i, ok := p.moved(p.PrimaryMeasure, at)
	if !ok || p.measured(p.PrimaryMeasure, at).At.Before(p.lastDosed().Start) {
		return ""
	}
	rule, points := p.Protocol.Measures.AtTheMost, p.scale(p.PrimaryMeasure)
	better := !i.low && i.points()*100 >= rule.PercentAtLeast*i.baseline
	if better || i.latest < points.Remission || i.points() >= points.Important {
		return ""
	}
	return fmt.Sprintf("%s, after all %d dosing sessions; %s: stopping and referring is proposed", i, p.Protocol.Dosing.AtMost,
		i.rule(fmt.Sprintf("less than %d %% better", rule.PercentAtLeast), points.Important, points.Remission))
}

// Verdict is what the measures say of one scale, for the clinicians.
type Verdict struct {
	Scale    Scale     `json:"scale"`
	Baseline *int      `json:"baseline,omitempty"`
	Latest   *int      `json:"latest,omitempty"`
	At       time.Time `json:"at,omitzero"` // of the latest
	Says     string    `json:"says"`
}

// verdicts are what the measures say at a moment.
func (p *Pathway) verdicts(at time.Time) []Verdict {
	all := []Verdict{}
	for _, s := range p.scales() {
		last := p.measured(s, at)
		if last == nil {
			continue
		}
		v := Verdict{Scale: s, Latest: &last.Total, At: last.At, Says: fmt.Sprintf("%s is %d", s, last.Total)}
		if i, ok := p.moved(s, at); ok {
			v.Baseline = &i.baseline
			if p.dosed() > 0 {
				v.Says = i.String()
			}
		}
		if s == p.PrimaryMeasure {
			for _, said := range []string{p.notWorking(at), p.atTheMost(at)} {
				if said != "" {
					v.Says = said
				}
			}
		}
		all = append(all, v)
	}
	return all
}

// measureFlags are what measures hold the pathway for: item 9 at 2 or 3, or risen; and a total that is worse than the baseline.
func (p *Pathway) measureFlags() []flag {
	var all []flag
	first := farFuture
	if a := p.firstDosed(); a != nil {
		first = a.Start
	}
	var before *Measure
	for i := range p.Measures {
		m := &p.Measures[i]
		if m.Scale == PHQ9 {
			if m.item9() >= 2 || before != nil && m.item9() > before.item9() {
				why := fmt.Sprintf("item 9 of the PHQ-9 is %d", m.item9())
				if before != nil && m.item9() > before.item9() {
					why += fmt.Sprintf(", risen from %d", before.item9())
				}
				all = append(all, flag{from: m.ID, cause: ItemNine, since: m.At, needs: []Role{Therapist}, why: why})
			}
			before = m
		}
		from, worse := p.baseline(m.Scale), p.scale(m.Scale).Worse
		if worse == 0 || from == nil || m.At.Before(first) || m.Total-from.Total < worse {
			continue
		}
		all = append(all, flag{from: m.ID, cause: Worsening, what: string(m.Scale), since: m.At, needs: clinicians,
			why: fmt.Sprintf("%s went from %d at the baseline to %d; %d points worse hold the pathway", m.Scale, from.Total, m.Total, worse)})
	}
	return all
}
