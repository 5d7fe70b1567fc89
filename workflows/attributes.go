package workflows

import (
	"slices"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"kap/pathway"
)

// The search attributes by which staff find pathways in Temporal. Temporal never encrypts them: they carry these coded
// values and nothing else.
var (
	phaseKey      = temporal.NewSearchAttributeKeyKeyword("KapPhase")
	waitingKey    = temporal.NewSearchAttributeKeyKeywordList("KapWaitingOn")
	attentionKey  = temporal.NewSearchAttributeKeyKeyword("KapAttention")
	sessionKey    = temporal.NewSearchAttributeKeyTime("KapNextSession")
	wakeKey       = temporal.NewSearchAttributeKeyTime("KapNextWake")
	dosingDoneKey = temporal.NewSearchAttributeKeyInt64("KapDosingDone")
	outcomeKey    = temporal.NewSearchAttributeKeyKeyword("KapOutcome")
	onHoldKey     = temporal.NewSearchAttributeKeyBool("KapOnHold")
)

// SearchAttributes lists them for whoever sets up a namespace.
func SearchAttributes() map[string]enums.IndexedValueType {
	all := map[string]enums.IndexedValueType{}
	for _, key := range []temporal.SearchAttributeKey{phaseKey, waitingKey, attentionKey, sessionKey, wakeKey, dosingDoneKey, outcomeKey, onHoldKey} {
		all[key.GetName()] = key.GetValueType()
	}
	return all
}

// wakeShown is by how much KapNextWake may be later than the pathway looks again. It is there to find those that have stalled, and need
// not be written at each wake; the records know the moment itself.
const wakeShown = 3 * 24 * time.Hour

// shown is what was last published, so that nothing is written into the history that has not changed.
type shown struct {
	any                       bool
	phase, attention, outcome string
	waiting                   []string
	session, wake             time.Time
	dosed                     int
	onHold                    bool
}

// publish shows where the pathway is: the current details, and the search attributes that have changed.
func (r *run) publish(ctx workflow.Context) error {
	status := r.p.Status(now(ctx))
	if r.recordsAway && status.Attention == pathway.NoAttention {
		status.Attention = pathway.TaskAttention
	}
	workflow.SetCurrentDetails(ctx, details(r.p, status, r.recordsAway))
	next := shown{any: true, phase: string(status.Phase), attention: string(status.Attention), outcome: string(status.Outcome), dosed: status.DosingDone, onHold: len(status.Holds) > 0 && status.Outcome == ""}
	for _, who := range status.WaitingOn {
		next.waiting = append(next.waiting, string(who))
	}
	if status.NextSession != nil {
		next.session = status.NextSession.Start
	}
	var updates []temporal.SearchAttributeUpdate
	set := func(changed bool, update temporal.SearchAttributeUpdate) {
		if changed || !r.shown.any {
			updates = append(updates, update)
		}
	}
	set(next.phase != r.shown.phase, phaseKey.ValueSet(next.phase))
	set(next.attention != r.shown.attention, attentionKey.ValueSet(next.attention))
	set(next.dosed != r.shown.dosed, dosingDoneKey.ValueSet(int64(next.dosed)))
	set(!slices.Equal(next.waiting, r.shown.waiting), waitingKey.ValueSet(next.waiting))
	set(!next.session.Equal(r.shown.session), timeOrUnset(sessionKey, next.session))
	set(next.onHold != r.shown.onHold, onHoldKey.ValueSet(next.onHold))
	if next.outcome != r.shown.outcome {
		set(true, outcomeKey.ValueSet(next.outcome))
	}
	if by := r.shown.wake; !r.wake.At.IsZero() {
		if next.wake = r.wake.At.Add(wakeShown); len(updates) == 0 && !by.Before(r.wake.At) && by.Before(next.wake) {
			next.wake = by
		}
	}
	set(!next.wake.Equal(r.shown.wake), timeOrUnset(wakeKey, next.wake))
	r.shown = next
	if len(updates) == 0 {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(ctx, updates...)
}

func timeOrUnset(key temporal.SearchAttributeKeyTime, t time.Time) temporal.SearchAttributeUpdate {
	if t.IsZero() {
		return key.ValueUnset()
	}
	return key.ValueSet(t)
}
