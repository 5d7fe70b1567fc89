package workflows

import (
	"strings"
	"testing"

	"kap/pathway"
)

// "Request Cancellation" is one click away in Temporal's UI: nobody is dropped by it.
func TestARequestToCancelIsWrittenDownAndNotFollowed(t *testing.T) {
	t.Parallel()
	a := newArc(t)
	staff := obliging(1)
	asked := false
	a.run(func(s pathway.Status, send func(name, input string)) {
		if !asked && s.Phase == pathway.InPreparation {
			asked = true
			a.env.CancelWorkflow()
			return
		}
		staff(s, send)
	})
	a.ended(pathway.Completed, 1)
	if n := strings.Count(a.story(), "Temporal was asked to cancel this workflow"); n != 1 {
		t.Fatalf("the journal says so %d times\n%s", n, a.story())
	}
}
