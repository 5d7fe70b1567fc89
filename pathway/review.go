package pathway

import (
	"fmt"
	"slices"
	"time"
)

// ReviewDecision is what a review of the treatment decides.
type ReviewDecision string

// The decisions of a review (protocol, section 4).
const (
	ContinueReview ReviewDecision = "continue"
	AdjustReview   ReviewDecision = "adjust"
	OneMoreReview  ReviewDecision = "one-more"
	StopReview     ReviewDecision = "stop"
	CompleteReview ReviewDecision = "complete" // end as completed, although stopping was proposed or the last measure is missing
)

// Options lists what may be written.
func (ReviewDecision) Options() []string {
	return []string{string(ContinueReview), string(AdjustReview), string(OneMoreReview), string(StopReview), string(CompleteReview), TakeBack}
}

// Review decides how it goes on where the rules ask clinicians to look: when KAP is not working, at each checkpoint of a
// client whose grief is treated, and after the most dosing sessions. It counts until the next dosing session is given.
type Review struct {
	Envelope
	Decision ReviewDecision `json:"decision" must:"yes"`
	Reason   string         `json:"reason" must:"yes"`
}

func (m *Review) record(p *Pathway, _ time.Time) (string, *Refusal) {
	role := p.CareTeam.Role(m.By)
	mine := p.reviewBy(role, m.At)
	due, both := p.reviewDue(m.At)
	if p.dosed() >= p.Protocol.Dosing.AtMost { // there is no next dosing session to decide about
		due, both = "", false
	}
	if p.closing() != nil && p.completionContested(m.At) != "" {
		due, both = "closing", true
	}
	if m.Decision == TakeBack {
		switch {
		case mine == nil:
			return fmt.Sprintf("no review of the %s counts now", role), errAlreadySo
		case mine.Decision == StopReview && role == Therapist:
			return "", refuse(NotNow, "review: decision: the ending has begun with it; to withdraw it, correct it")
		case !both || p.agreed(m.At, mine.Decision):
			return "", refuse(NotNow, "review: decision: it counts already and waits for nobody; to withdraw it, correct it")
		}
		id := mine.ID
		p.Reviews = slices.DeleteFunc(p.Reviews, func(r Review) bool { return r.ID == id })
		return fmt.Sprintf("the %s's review is taken back", role), nil
	}
	switch {
	case mine != nil && mine.Decision == m.Decision:
		return fmt.Sprintf("the %s's review says %s already", role, m.Decision), errAlreadySo
	case due == "closing" && m.Decision != CompleteReview && m.Decision != StopReview:
		return "", refuse(BadValue, "review: decision: found %s, expected complete or stop, which is what a pathway that closes waits for", m.Decision)
	case due == "closing" && m.Decision == CompleteReview && len(p.unclosed(m.At)) > 0 && m.At.Before(p.askedUntil()):
		return "", refuse(NotNow, "review: decision: found complete, but %s at closing is missing and the client is asked for it until %s; then both clinicians can decide without it", names(p.unclosed(m.At)), p.clockTime(p.askedUntil()))
	case m.Decision == CompleteReview && due != "closing":
		return "", refuse(NotNow, "review: decision: found complete, which is for a pathway that closes although stopping is proposed or its last measure is missing")
	case m.Decision == ContinueReview && p.notWorking(m.At) != "":
		return "", refuse(BadValue, "review: decision: found continue, expected stop, adjust or one-more, which the review that is due asks for")
	case due == "" && m.Decision != StopReview:
		return "", refuse(NotNow, "review: no review is outstanding on this pathway now; to stop, send stop")
	}
	p.Reviews = insert(p.Reviews, *m)
	says := fmt.Sprintf("the %s's review: %s", role, m.Decision)
	if both && m.Decision != StopReview && !p.agreed(m.At, m.Decision) {
		says += "; the other clinician's is awaited"
	}
	return says, nil
}

// reviewBy is the latest review of a clinician that counts at a moment: since the last dosing session. It is nil where there is none.
func (p *Pathway) reviewBy(role Role, at time.Time) *Review {
	var since time.Time
	if last := p.lastDosedBefore(at); last != nil {
		since = last.Start
	}
	for i := len(p.Reviews) - 1; i >= 0; i-- {
		r := &p.Reviews[i]
		if !r.At.After(at) && r.At.After(since) && r.Role == role {
			return r
		}
	}
	return nil
}

// agreed says whether both clinicians' reviews say go on, or both the same where that matters.
func (p *Pathway) agreed(at time.Time, decision ReviewDecision) bool {
	t, q := p.reviewBy(Therapist, at), p.reviewBy(Prescriber, at)
	if t == nil || q == nil || t.Decision == StopReview || q.Decision == StopReview {
		return false
	}
	return (decision == CompleteReview) == (t.Decision == CompleteReview) && (decision == CompleteReview) == (q.Decision == CompleteReview)
}

// reviewDue says which review a dosing session at a moment waits for, and whether it takes both clinicians; empty where none.
func (p *Pathway) reviewDue(start time.Time) (why string, both bool) {
	if said := p.notWorking(start); said != "" {
		return said, false
	}
	if missing := p.baseless(); len(missing) > 0 && p.lastDosedBefore(start) != nil {
		return names(missing) + " has no baseline, so nothing says whether KAP is working", true
	}
	if n := p.dosedBetween(time.Time{}, start); p.PrimaryMeasure == Grief && n > 0 && n%p.Protocol.Clearance.EveryDosingSessions == 0 {
		return fmt.Sprintf("%d dosing sessions were given; both clinicians judge whether the client's grief is better", n), true
	}
	return "", false
}

// reviewCheck: a review that is outstanding blocks, and so does one that says stop.
func (p *Pathway) reviewCheck(start time.Time) Blocker {
	t, q := p.reviewBy(Therapist, start), p.reviewBy(Prescriber, start)
	for _, r := range []*Review{t, q} {
		if r != nil && r.Decision == StopReview {
			return Blocker{"review", "a review says stop", r.Reason}
		}
	}
	why, both := p.reviewDue(start)
	switch {
	case why == "", both && p.agreed(start, ContinueReview), !both && (t.goesOn() || q.goesOn()):
		return Blocker{}
	}
	return Blocker{"review", "a review is outstanding", why}
}

// goesOn says whether a review answers that KAP is not working.
func (m *Review) goesOn() bool {
	return m != nil && (m.Decision == AdjustReview || m.Decision == OneMoreReview)
}

// baseless lists the scales that were not measured before the first dosing session.
func (p *Pathway) baseless() []Scale {
	return slices.DeleteFunc(p.scales(), func(s Scale) bool { return s == Grief || p.baseline(s) != nil })
}

// askedUntil is how long the client is asked for the last measures before both clinicians can decide without them.
func (p *Pathway) askedUntil() time.Time {
	return p.endingSince().In(p.zone()).AddDate(0, 0, p.Protocol.Nudges.CallDays)
}

// closing is the record by which the client and the therapist have agreed to close, or nil.
func (p *Pathway) closing() *SessionHeld {
	if i := p.lastIntegration(); i != nil && i.Next == CloseNext && isTrue(i.ClientAgrees) {
		return i
	}
	return nil
}

// completionContested says why a pathway that closes does not simply complete; empty where nothing speaks against it.
func (p *Pathway) completionContested(at time.Time) string {
	if said := p.atTheMost(at); said != "" {
		return said
	}
	if p.PrimaryMeasure == Grief && p.dosed() >= p.Protocol.Dosing.AtMost {
		return fmt.Sprintf("all %d dosing sessions were given; both clinicians judge whether the client's grief is better", p.dosed())
	}
	if missing := p.unclosed(at); len(missing) > 0 {
		return names(missing) + " at closing is missing"
	}
	return ""
}

// unclosed lists the scales without a measure at closing: after the last dosing session and not older than a measure may be when
// closing was agreed, or taken since.
func (p *Pathway) unclosed(at time.Time) []Scale {
	last, i := p.lastDosed(), p.lastIntegration()
	if last == nil || i == nil {
		return nil
	}
	since := p.recentSince(i.At)
	if last.Start.After(since) {
		since = last.Start
	}
	return slices.DeleteFunc(p.scales(), func(s Scale) bool {
		m := p.measured(s, at)
		return m != nil && !m.At.Before(since)
	})
}
