package verify

import (
	"slices"
	"time"

	"kap/pathway"
)

var kinds = []pathway.Kind{pathway.Preparation, pathway.Dosing, pathway.Integration}

// fell counts the sessions of a kind that certainly fell through for what the client can do something about, since one was held or somebody
// talked with them; and says when the last should have begun at the latest.
func (a *account) fell(kind pathway.Kind) (n int, last time.Time) {
	for _, v := range a.visits {
		switch state := v.stateNow(); {
		case v.kind != kind || v.standing():
		case state == pathway.NoShow, state == pathway.CancelledLate:
			last = later(last, v.start)
			if from := v.start.Truncate(time.Second); !a.talked(earlier(from, v.over)) {
				n++
			}
		case v.record != nil:
			n = 0
		case v.checked: // perhaps for the client's measure alone, which the journal does not say
			last = later(last, v.start)
		}
	}
	return n, last
}

// talked says whether somebody has talked with the client since a moment about sessions that fell through.
func (a *account) talked(since time.Time) bool {
	return slices.ContainsFunc(a.facts, func(f *fact) bool {
		return f.name == "task-done" && isTalk(f) && f.outcome() == string(pathway.Reached) && f.at.After(since)
	})
}

// tooOften are the kinds of session that the therapist certainly talks with the client about before another is booked, and since when at
// the latest.
func (a *account) tooOften() map[pathway.Kind]time.Time {
	all := map[pathway.Kind]time.Time{}
	for _, kind := range kinds {
		n, last := a.fell(kind)
		if v := a.unwilling(); v != nil && kind == pathway.Dosing {
			n, last = a.rules.Booking.RebookingsInARow+1, later(last, v.start)
		}
		if n > a.rules.Booking.RebookingsInARow && !slices.ContainsFunc(a.visits, func(v *visit) bool { return v.kind == kind && v.standing() }) {
			all[kind] = last
		}
	}
	return all
}

// owedTalks: the therapist talks with the client; and lets the pathway lapse, or decides otherwise, where the client has not answered for
// long.
func (a *account) owedTalks(now time.Time) []need {
	var all []need
	often := a.tooOften()
	for _, kind := range kinds {
		if since, is := often[kind]; is && (kind != pathway.Preparation || !a.prepared(farFuture)) {
			all = append(all, need{key: "talk/" + string(kind), way: whenDue, since: since, wait: a.waitsFor("talk"), mark: since.String()})
		}
	}
	if since := a.silent(now); !since.IsZero() {
		all = append(all, need{key: "lapse", way: whenDue, since: since, wait: a.waitsFor("lapse"), mark: since.String()})
	}
	return all
}

// silent is from when a pathway may certainly lapse, at the latest; zero where it may not, or where more than one thing is waited for.
func (a *account) silent(now time.Time) time.Time {
	evaluation, clearance := a.last("psychological-evaluation", now), a.last("prescriber-clearance", now)
	if a.deferred(evaluation, now) {
		return time.Time{}
	}
	lapsed := func(since time.Time, tasks ...string) bool {
		calls := 0
		for _, f := range a.facts {
			if f.name == "task-done" && slices.Contains(tasks, f.said.text("task")) && f.outcome() != string(pathway.Acknowledged) && !f.at.Before(since) {
				calls++
			}
		}
		return calls >= a.rules.Endings.LapseCalls && !now.Before(since.In(a.zone).AddDate(0, 0, a.rules.Endings.LapseDays))
	}
	var since time.Time
	switch refused := clearance != nil && (clearance.decision() == pathway.NotCleared || clearance.decision() == pathway.Revoked); {
	case len(a.visits) == 0: // they have never signed
		if a.times["consent"] > 0 || len(a.forms) > 1 || a.everDeferred || refused || a.ineligible() || a.finding(evaluation, clearance, now) || !lapsed(a.began.At, "consent", "call/ask/consent") {
			return time.Time{}
		}
		since = a.began.At
	case a.consented(farFuture) && !slices.ContainsFunc(a.visits, func(v *visit) bool { return v.kind == pathway.Dosing && v.standing() }): // nor is a measure asked for
		certain := false
		for kind, last := range a.tooOften() {
			since = later(since, last)
			certain = certain || lapsed(last, "talk/"+string(kind))
		}
		if !certain {
			return time.Time{}
		}
		for _, kind := range kinds { // whichever it is counted from
			_, last := a.fell(kind)
			since = later(since, last)
		}
	default:
		return time.Time{}
	}
	return since.In(a.zone).AddDate(0, 0, a.rules.Endings.LapseDays)
}

// earlier is the first of two moments, of which the second may be none.
func earlier(x, y time.Time) time.Time {
	if !y.IsZero() && y.Before(x) {
		return y
	}
	return x
}
