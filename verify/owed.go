package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kap/pathway"
)

// way is how often whoever owes a thing hears of it.
type way int

const (
	atOnce  way = iota // then each morning
	whenDue            // then each morning
	byDays             // after the days that the rules give a clinician; then each morning, the coordinators too
	inHaste            // at once, and each hour until it is acknowledged
	inHand             // it was: each morning
	once               // and never again
)

// need is something that staff certainly owe. Where its mark is another, its ladder may have begun anew.
type need struct {
	key   string
	way   way
	since time.Time     // where it is known
	wait  time.Duration // until it is due
	mark  string
	step  int // whose acts brought it: staff hear of it with the next
}

var clinicians = []pathway.Role{pathway.Therapist, pathway.Prescriber}

// owed lists what staff owe as the account stands, by the key under which nudges name it. It lists what is certain: where it depends on
// more than the journal says, or on which of several decisions counts, there is nothing of it here.
func (a *account) owed(now time.Time) []need {
	all := a.owedCalls(now)
	if a.outcome != "" {
		return append(all, a.owedAfterwards()...)
	}
	if a.allowed && a.refused { // what they are mailed comes back
		all = append(all, need{key: "address"})
	}
	all = append(append(all, a.owedForHolds()...), a.owedForSessions(now)...)
	if a.atRisk(now) {
		all = append(all, need{key: "risk-assessment"})
	}
	if len(a.decisions()) > 0 {
		return append(all, a.owedForEnding(now)...)
	}
	all = append(append(all, a.owedForReviews(now)...), a.owedForGates(now)...)
	all = append(append(all, a.owedDeferral()...), a.owedAgreement()...)
	return append(append(all, a.owedTalks(now)...), a.owedPlaces(now)...)
}

// urgent is a need that is told of in haste until somebody acknowledges it, and each morning from then on. To do so again puts nothing off.
func (a *account) urgent(key string) need {
	if a.saidOf(key, pathway.Acknowledged) {
		return need{key: key, way: inHand}
	}
	return need{key: key, way: inHaste}
}

func (a *account) saidOf(task string, outcome pathway.TaskOutcome) bool {
	return slices.ContainsFunc(a.facts, func(f *fact) bool {
		return f.name == "task-done" && f.said.text("task") == task && f.outcome() == string(outcome)
	})
}

// informed asks each clinician of some that they say that they know.
func (a *account) informed(about string, roles []pathway.Role) []need {
	var all []need
	for _, role := range roles {
		if key := "informed/" + about + "/" + string(role); !a.saidOf(key, pathway.Acknowledged) {
			all = append(all, need{key: key, way: inHaste})
		}
	}
	return all
}

// owedAfterwards: both clinicians hear of what comes in after the ending.
func (a *account) owedAfterwards() []need {
	var all []need
	for _, id := range a.after {
		all = append(all, a.informed(id, clinicians)...)
	}
	return all
}

// owedForHolds: each role that a hold needs releases it, and of an urgent one the other clinician says that they know.
func (a *account) owedForHolds() []need {
	var all []need
	for _, h := range a.holds {
		if h.lifted || h.Cause == pathway.Concern && !slices.ContainsFunc(a.facts, func(f *fact) bool { return f.id == h.From }) {
			continue
		}
		needs := a.releasers(h)
		urgent := h.Cause != pathway.Worsening && h.Cause != pathway.Concern && h.Cause != pathway.Restored
		for _, role := range needs {
			if a.releasedBy(h, role, farFuture) {
				continue
			}
			n := need{key: "hold/" + h.Hold + "/" + string(role)}
			if urgent {
				n = a.urgent(n.key)
			}
			all = append(all, n)
		}
		if urgent {
			all = append(all, a.informed(h.Hold, slices.DeleteFunc(slices.Clone(clinicians), func(r pathway.Role) bool { return slices.Contains(needs, r) }))...)
		}
	}
	return all
}

// owedDeferral: while a crisis holds a pathway on which nothing was dosed, deferring is proposed.
func (a *account) owedDeferral() []need {
	evaluation := a.last("psychological-evaluation", farFuture)
	if len(a.dosings()) > 0 {
		return nil
	}
	var all []need
	for _, h := range a.holds {
		deferred := evaluation != nil && evaluation.decision() == pathway.Defer && !evaluation.at.Before(h.Since)
		if h.Cause == pathway.Crisis && !h.lifted && !a.released(h, farFuture) && !deferred {
			all = append(all, need{key: "defer/" + h.Hold, way: whenDue, since: h.told, wait: a.waitsFor("defer")})
		}
	}
	return all
}

// owedAgreement: what follows an integration is agreed with the client. Where several were held, which counts is another question.
func (a *account) owedAgreement() []need {
	dosings := a.dosings()
	if len(dosings) == 0 {
		return nil
	}
	var held []*visit
	for _, v := range a.visits {
		if v.was(pathway.Integration) && !v.start.Before(dosings[len(dosings)-1].end) {
			held = append(held, v)
		}
	}
	if len(held) != 1 || held[0].record.said.yes("client_agrees") {
		return nil
	}
	v := held[0]
	since := later(v.recorded(), v.record.heard)
	return []need{{key: "agree/" + v.name, way: whenDue, since: since, wait: a.waitsFor("agree"), mark: since.String()}}
}

// owedForSessions: a session that is over is recorded, and after a missed integration somebody calls.
func (a *account) owedForSessions(now time.Time) []need {
	var all []need
	dosings := a.dosings()
	for _, v := range a.visits {
		if v.standing() && !v.end.After(now) {
			all = append(all, need{key: "record/" + v.name, way: whenDue, since: v.end, wait: hours(a.rules.Dosing.RecordWithinHours), mark: v.end.String()})
		}
		key := "welfare/" + v.name
		if v.kind == pathway.Integration && v.record != nil && v.record.outcome() == pathway.NoShow && len(dosings) > 0 && !v.booked.Before(dosings[len(dosings)-1].end) &&
			!a.integrated(dosings[len(dosings)-1]) && !a.saidOf(key, pathway.Reached) {
			all = append(all, a.urgent(key))
		}
	}
	return all
}

// atRisk says whether item 9 of a PHQ-9 waits for a risk assessment that nothing else asks for.
func (a *account) atRisk(now time.Time) bool {
	return slices.ContainsFunc(a.facts, func(f *fact) bool {
		return f.name == "measure" && f.item9() == 1 && !f.at.After(now) &&
			!slices.ContainsFunc(a.facts, func(r *fact) bool { return r.name == "risk-assessment" && !r.at.Before(f.at) }) &&
			!slices.ContainsFunc(a.holds, func(h *hold) bool { return h.From == f.id })
	})
}

// owedForReviews: while KAP is not working the therapist reviews it, where nothing else can say whether it is, both clinicians do; and a
// prescriber's review that says stop is put to the therapist, who alone stops.
func (a *account) owedForReviews(now time.Time) []need {
	if slices.ContainsFunc(a.visits, func(v *visit) bool { return v.kind == pathway.Dosing && v.standing() && !v.start.After(now) }) {
		return nil // what it was is yet to be recorded
	}
	dosings := a.dosings()
	n := len(dosings)
	if n == 0 {
		return nil
	}
	last := dosings[n-1]
	latest := a.reviews(last, farFuture)
	switch {
	case latest[pathway.Prescriber].says(pathway.StopReview):
		return []need{{key: "stop"}}
	case n >= a.rules.Dosing.AtMost:
		return nil
	case a.notWorking(now, last, n):
		if len(latest) == 0 {
			return []need{{key: "review"}}
		}
		return nil
	case !a.unreviewed(now, last, n):
		return nil
	}
	var all []need
	for _, role := range clinicians {
		if latest[role] == nil {
			all = append(all, need{key: "review/" + string(role)})
		}
	}
	return all
}

// owedForEnding: what an ending waits for that nobody but staff can bring.
func (a *account) owedForEnding(now time.Time) []need {
	decisions := a.decisions()
	first, decided := earliest(decisions), map[pathway.Outcome]bool{}
	for _, d := range decisions {
		decided[d.outcome] = true
	}
	byItself := decided[pathway.Completed] || decided[pathway.Lapsed] // no referral, and nothing to be heard from a person
	if byItself && len(decided) > 1 {
		return nil // whose word counts is another question
	}
	evaluation := a.last("psychological-evaluation", farFuture)
	firm := slices.ContainsFunc(a.facts, func(f *fact) bool { return f.name == "withdraw" || f.name == "stop" })
	if !firm && !(evaluation != nil && evaluation.decision() == pathway.Decline) && !(byItself && a.closed()) {
		return nil
	}
	mark := fmt.Sprint(a.times["withdraw"], a.times["stop"], a.times["review"], a.times["psychological-evaluation"], a.times["session-held"], a.times["correct"])
	all := []need{{key: "ending", way: once, mark: mark}}
	if !byItself && !a.referredSince(first) && !a.saidOf("referral", pathway.Declined) {
		all = append(all, need{key: "referral"})
	}
	if !byItself && !decided[pathway.WithdrawnByClient] && !a.done("conversation", first) {
		all = append(all, need{key: "conversation"})
	}
	if len(a.dosings()) > 0 && !a.done("discharge-contact", first) {
		all = append(all, need{key: "discharge-contact", way: whenDue, wait: a.waitsFor("discharge-contact"), mark: mark})
	}
	if !a.done("letter", first) {
		all = append(all, need{key: "letter", way: whenDue, wait: a.waitsFor("letter"), mark: mark})
	}
	if decided[pathway.Completed] {
		all = append(all, a.owedForClosing(first, now)...)
	}
	return all
}

// owedForClosing: where the last measures do not let a pathway complete, or are still missing once the client was asked for them for some
// days, the therapist stops it or both clinicians complete it.
func (a *account) owedForClosing(since, now time.Time) []need {
	dosings := a.dosings()
	if a.mayComplete(dosings, since) || a.unclosed(dosings[len(dosings)-1], since, now) && now.Before(a.askedUntil(since)) {
		return nil
	}
	reviews := a.reviews(dosings[len(dosings)-1], now)
	if reviews[pathway.Prescriber].says(pathway.StopReview) {
		return []need{{key: "stop"}}
	}
	var all []need
	for _, role := range clinicians {
		if !reviews[role].says(pathway.CompleteReview) {
			all = append(all, need{key: "review/" + string(role)})
		}
	}
	return all
}

// closed says whether each integration that was held after the last dosing session agreed on closing.
func (a *account) closed() bool {
	dosings := a.dosings()
	return len(dosings) > 0 && !slices.ContainsFunc(a.visits, func(v *visit) bool {
		return v.was(pathway.Integration) && !v.start.Before(dosings[len(dosings)-1].end) && (v.record.said.text("next") != string(pathway.CloseNext) || !v.record.said.yes("client_agrees"))
	})
}

func (a *account) referredSince(at time.Time) bool {
	return slices.ContainsFunc(a.facts, func(f *fact) bool { return f.name == "referral" && !f.at.Before(at) })
}

// owedForGates: what screening takes, from the enrolment on or from the day to which KAP was deferred, and what has lost its force. While
// declining or deferring is proposed, only the therapist is asked.
func (a *account) owedForGates(now time.Time) []need {
	evaluation, clearance, consent := a.last("psychological-evaluation", now), a.last("prescriber-clearance", now), a.last("consent", now)
	if a.deferred(evaluation, now) {
		return nil
	}
	mark := fmt.Sprint(a.times["psychological-evaluation"], a.times["prescriber-clearance"], a.times["safety-plan"], a.times["session-held"], a.times["adverse-event"], a.times["correct"])
	gate := func(key string) need { return need{key: key, way: byDays, mark: mark} }
	refused := clearance != nil && (clearance.decision() == pathway.NotCleared || clearance.decision() == pathway.Revoked)
	again := evaluation != nil && evaluation.decision() == pathway.Defer
	switch {
	case a.ineligible(), !again && a.finding(evaluation, clearance, now), !again && refused && !a.everDeferred && !clearance.at.Before(a.e.At):
		return []need{gate("psychological-evaluation")}
	case refused: // before the enrolment, before KAP was deferred, or after: then who is asked is another question
		return nil
	}
	forbidding := a.against(now, "") // a session now
	var all []need
	if key := "information/"; clearance != nil && clearance.decision() == pathway.MoreInformation && !a.done(key+clearance.id, clearance.at) {
		all = append(all, need{key: key + clearance.id, way: whenDue, since: clearance.at, wait: a.waitsFor(key)})
	}
	switch {
	case evaluation == nil:
		all = append(all, gate("psychological-evaluation"))
	case again:
		all = append(all, need{key: "psychological-evaluation"})
	}
	if clearance == nil || clearance.decision() == pathway.MoreInformation || len(a.dosings()) < a.rules.Dosing.AtMost && slices.ContainsFunc(forbidding, func(code string) bool {
		return strings.HasPrefix(code, "clearance-") || code == "checkpoint"
	}) {
		all = append(all, gate("prescriber-clearance"))
	}
	if slices.Contains(forbidding, "safety-plan") {
		all = append(all, gate("safety-plan"))
	}
	if consent != nil && consent.decision() == pathway.Withdrawn {
		all = append(all, need{key: "consent"})
	}
	return all
}

// deferred says whether the day has yet to come to which the therapist has deferred KAP.
func (a *account) deferred(evaluation *fact, now time.Time) bool {
	if evaluation == nil || evaluation.decision() != pathway.Defer {
		return false
	}
	day, err := time.ParseInLocation(time.DateOnly, evaluation.said.text("review_on"), a.zone)
	return err != nil || day.After(now)
}

// ineligible says whether the enrolment, as corrected, records what speaks against KAP.
func (a *account) ineligible() bool {
	return !a.e.Adult || a.e.Diagnosis == pathway.NoDiagnosis || !a.e.StandardCareTried || !a.e.CommitsToTheArc || !a.e.ComfortableWithTheStates
}

// hasDays says whether staff hear of a thing after the days that the rules give a clinician for a gate. On the day to which KAP was
// deferred the therapist is asked at once.
func (a *account) hasDays(key string, now time.Time) bool {
	switch key {
	case "prescriber-clearance", "safety-plan":
		return true
	case "psychological-evaluation":
		e := a.last(key, now)
		return e == nil || e.decision() != pathway.Defer || a.ineligible()
	}
	return false
}

// waitsFor is how long after a thing is owed staff hear of it for the first time, where it is due only then.
func (a *account) waitsFor(key string) time.Duration {
	switch part(key, 0) {
	case "record":
		return hours(a.rules.Dosing.RecordWithinHours)
	case "letter", "discharge-contact", "information":
		return days(2)
	case "talk", "defer":
		return days(1)
	case "agree", "lapse":
		return days(7)
	}
	return 0
}

// whoOwes are the roles that owe a thing, by its key; none where that is not known.
func (a *account) whoOwes(key string) []pathway.Role {
	switch kind := part(key, 0); kind {
	case "prescriber-clearance", "discharge-contact":
		return []pathway.Role{pathway.Prescriber}
	case "psychological-evaluation", "safety-plan", "consent", "record", "risk-assessment", "referral", "conversation", "letter", "stop", "talk", "agree", "defer", "lapse":
		return []pathway.Role{pathway.Therapist}
	case "call", "book", "information", "address", "gap":
		return []pathway.Role{pathway.Coordinator}
	case "welfare":
		return []pathway.Role{pathway.Coordinator, pathway.Therapist}
	case "ending":
		return slices.Clone(clinicians)
	case "hold", "informed", "review":
		for _, role := range clinicians {
			if strings.HasSuffix(key, "/"+string(role)) {
				return []pathway.Role{role}
			}
		}
		if key == kind {
			return []pathway.Role{pathway.Therapist}
		}
	}
	return nil
}

// part is one part of a key, such as hold, hold-1 and therapist.
func part(key string, n int) string {
	if all := strings.Split(key, "/"); n < len(all) {
		return all[n]
	}
	return ""
}
