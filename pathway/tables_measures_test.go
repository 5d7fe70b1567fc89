package pathway

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The ranges of the scales; a PHQ-9 without its ninth item is refused.
func TestTheScales(t *testing.T) {
	shows(t, "measure-ranges", "item-9-mandatory", "measure-grief-by-clinician")
	t.Parallel()
	const none = -9
	for _, row := range []struct {
		scale        string
		total, item9 int
		code         RefusalCode
	}{
		{"phq-9", -1, 0, BadValue}, {"phq-9", 0, 0, ""}, {"phq-9", 27, 3, ""}, {"phq-9", 28, 3, BadValue},
		{"gad-7", -1, none, BadValue}, {"gad-7", 0, none, ""}, {"gad-7", 21, none, ""}, {"gad-7", 22, none, BadValue},
		{"pcl-5", -1, none, BadValue}, {"pcl-5", 0, none, ""}, {"pcl-5", 80, none, ""}, {"pcl-5", 81, none, BadValue},
		{"grief", 0, none, ""}, {"grief", 64, none, ""}, {"grief", -1, none, BadValue},
		{"phq-9", 12, none, MissingField}, {"phq-9", 0, none, MissingField},
		{"phq-9", 12, -1, BadValue}, {"phq-9", 12, 4, BadValue}, {"phq-9", 2, 3, BadValue}, {"phq-9", 3, 3, ""},
		{"gad-7", 12, 0, BadValue}, {"pcl-5", 12, 0, BadValue}, {"grief", 12, 0, BadValue},
		{"bdi", 12, none, BadValue},
	} {
		h := newHouse(t)
		fields := []any{"by", "t-lane", "scale", row.scale, "total", row.total}
		if row.item9 != none {
			fields = append(fields, "item_9", row.item9)
		}
		if row.code == "" {
			h.must("measure", fields...)
			continue
		}
		want := "total"
		if row.item9 != none || row.code == MissingField {
			want = "item_9"
		}
		if row.total > 27 && row.scale == "phq-9" || row.total < 0 {
			want = "total"
		}
		if row.scale == "bdi" {
			want = "scale"
		}
		has(t, h.refused(row.code, "measure", fields...), want)
	}
	newHouse(t).refused(MissingField, "measure", "by", "t-lane", "scale", "gad-7")
}

// Everyone is asked the PHQ-9, beside the primary measure.
func TestWhatEveryoneIsAsked(t *testing.T) {
	shows(t, "measure-phq-9-for-all", "measure-decision-points")
	t.Parallel()
	for _, row := range []struct {
		primary Scale
		asked   []Scale
	}{{PHQ9, []Scale{PHQ9}}, {GAD7, []Scale{PHQ9, GAD7}}, {PCL5, []Scale{PHQ9, PCL5}}, {Grief, []Scale{PHQ9, Grief}}} {
		h := newHouse(t, func(e *Enrolment) { e.PrimaryMeasure = row.primary })
		h.silent = true
		h.screen()
		h.prepareBooked()
		a := h.p.booked(Dosing)
		h.until(a.Start.AddDate(0, 0, -3))
		for i, s := range row.asked {
			if h.task("measure/"+string(s)) == nil || !h.blocked("measure", a.Start) {
				t.Errorf("%s: %s is not asked for: %v", row.primary, s, h.keys())
			}
			h.measure(s, 15)
			if i == len(row.asked)-1 && h.blocked("measure", a.Start) {
				t.Errorf("%s: blocked although all was recorded", row.primary)
			}
		}
	}
}

// The decision points: before the first dosing session, which is the baseline; before each further one; at closing. Missing is never
// "fine", and a measure counts for seven days.
func TestTheDecisionPoints(t *testing.T) {
	shows(t, "measure-decision-points", "measure-seven-days", "blocker-measure", "measure-missing-never-fine")
	t.Parallel()
	for _, given := range []int{0, 1, 2} {
		h := course(t, PHQ9, slices.Repeat([]int{15}, given)...)
		a := *h.p.booked(Dosing)
		before := h.p.measured(PHQ9, h.now)
		if before != nil && !before.At.Before(h.p.lastDosed().Start) {
			t.Fatal("there is a measure already")
		}
		unmeasured := h.fork(t)
		unmeasured.until(a.Start.Add(-48 * time.Hour))
		if x := unmeasured.p.appointment(a.Name); x.State != Cancelled || !x.Unmeasured {
			t.Errorf("before dosing session %d, without a measure, it is %s", given+1, x.State)
		}
		for _, old := range []struct {
			at    time.Time
			block bool
		}{{a.Start.In(newYork()).AddDate(0, 0, -7), no}, {a.Start.In(newYork()).AddDate(0, 0, -7).Add(-time.Minute), yes}} {
			f := h.fork(t)
			f.now = later(f.now, old.at)
			f.must("measure", "by", "t-lane", "scale", "phq-9", "total", 12, "item_9", 0, "at", rfc(old.at))
			if given > 0 && old.at.Before(f.p.lastDosed().Start) {
				continue
			}
			if got := f.blocked("measure", a.Start); got != old.block {
				t.Errorf("dosing session %d with a measure of %s, %s before it: blocked %v", given+1, f.p.clockTime(old.at), a.Start.Sub(old.at), got)
			}
		}
	}
	// At closing.
	h := course(t, PHQ9, 15)
	g := newHouse(t)
	g.silent = true
	g.screen()
	g.prepareBooked()
	g.fill(15)
	g.hold(Dosing)
	g.hold(Integration, "next", "close", "client_agrees", true)
	if h.p.ending() != "" || g.p.ending() != Completed || g.task("measure/phq-9") == nil {
		t.Fatalf("ending %q, owed %v", g.p.ending(), g.keys())
	}
	g.must("task-done", "by", "p-singh", "task", "discharge-contact", "outcome", "reached")
	g.must("task-done", "by", "t-lane", "task", "letter", "outcome", "done")
	if g.p.Outcome != "" {
		t.Error("it ended without its last measure")
	}
	g.measure(PHQ9, 8)
	if g.p.Outcome != Completed {
		t.Errorf("outcome %q, owed %v", g.p.Outcome, g.keys())
	}
}

// The baseline is the last measure before the first dosing session, and does not move any more.
func TestTheBaselineIsFrozen(t *testing.T) {
	shows(t, "measure-baseline", "measure-improvement-to-latest")
	t.Parallel()
	h := newHouse(t)
	h.silent = true
	h.measure(PHQ9, 24) // at enrolment
	h.screen()
	h.prepareBooked()
	h.fill(20)
	h.hold(Dosing)
	h.hold(Integration, "next", "another", "client_agrees", true)
	for _, total := range []int{9, 22, 12} {
		h.until(h.now.AddDate(0, 0, 1))
		h.measure(PHQ9, total)
		if b := h.p.baseline(PHQ9); b == nil || b.Total != 20 {
			t.Errorf("after a measure of %d the baseline is %+v", total, b)
		}
		if i, _ := h.p.moved(PHQ9, h.now); i.latest != total {
			t.Errorf("improvement is judged by %d, expected the latest, %d", i.latest, total)
		}
	}
	has(t, h.says(), "PHQ-9 went from 20 at the baseline to 12: 8 points better, 40 %")
}

// Item 9 of the PHQ-9.
func TestItemNine(t *testing.T) {
	shows(t, "item-9-is-1", "item-9-holds", "item-9-flag-not-assessment", "hold-item-9")
	t.Parallel()
	const none = -1
	for _, row := range []struct {
		before, is   int
		blocks, hold bool
	}{
		{none, 0, no, no},
		{none, 1, yes, no},
		{none, 2, no, yes},
		{none, 3, no, yes},
		{0, 0, no, no},
		{0, 1, yes, yes}, // it has risen
		{0, 2, no, yes},
		{1, 1, yes, no},
		{1, 0, no, no},
		{1, 2, no, yes},
		{2, 1, yes, no},
		{2, 2, no, yes},
		{2, 0, no, no},
		{3, 2, no, yes},
		{3, 3, no, yes},
	} {
		h := newHouse(t)
		if row.before != none {
			h.measure(PHQ9, 15, row.before)
			h.now = h.now.Add(time.Hour)
			h.must("risk-assessment", "by", "t-lane", "outcome", "safe-to-continue", "safety_plan_reviewed", true)
			for _, x := range h.p.Holds {
				h.must("release", "by", "t-lane", "hold", x.Name, "reason", "seen")
			}
			h.now = h.now.Add(time.Hour)
		}
		n := len(h.p.Holds)
		h.measure(PHQ9, 16, row.is)
		start := h.now.AddDate(0, 0, 3)
		if got := h.blocked("risk-assessment", start); got != row.blocks {
			t.Errorf("%d → %d: waits for a risk assessment: %v", row.before, row.is, got)
		}
		if (h.task("risk-assessment") != nil) != row.blocks {
			t.Errorf("%d → %d: owed %v", row.before, row.is, h.keys())
		}
		if got := len(h.p.Holds) > n; got != row.hold || got != (h.inForce(ItemNine) != nil) {
			t.Errorf("%d → %d: holds %+v", row.before, row.is, h.p.Holds)
		}
		if row.hold {
			x := h.inForce(ItemNine)
			task, told := h.task("hold/"+x.Name+"/therapist"), h.task("informed/"+x.Name+"/prescriber")
			if task == nil || !task.Urgent || told == nil || !told.Urgent || !h.blocked(x.Name, start) {
				t.Errorf("%d → %d: owed %v", row.before, row.is, h.keys())
			}
		}
		// At risk blocks on; safe to continue ends the wait for the assessment, and no hold by itself.
		h.now = h.now.Add(time.Hour)
		h.must("risk-assessment", "by", "t-lane", "outcome", "at-risk", "safety_plan_reviewed", true)
		if h.inForce(Crisis) == nil || row.blocks && !h.blocked("risk-assessment", start) {
			t.Errorf("%d → %d, at risk: blocked by %v", row.before, row.is, h.codes(start))
		}
		h.now = h.now.Add(time.Hour)
		h.must("risk-assessment", "by", "t-lane", "outcome", "safe-to-continue", "safety_plan_reviewed", true)
		if h.blocked("risk-assessment", start) || row.hold != (h.inForce(ItemNine) != nil) {
			t.Errorf("%d → %d, safe: blocked by %v", row.before, row.is, h.codes(start))
		}
	}
}

// So much worse than the baseline holds the pathway for both clinicians: at the number, and not below it.
func TestWorseThanTheBaseline(t *testing.T) {
	shows(t, "worsening-holds", "hold-worsening")
	t.Parallel()
	for _, row := range []struct {
		scale    Scale
		baseline int
		latest   int
		holds    bool
	}{
		{PHQ9, 15, 19, no}, {PHQ9, 15, 20, yes}, {PHQ9, 15, 21, yes}, {PHQ9, 15, 14, no}, {PHQ9, 0, 4, no}, {PHQ9, 0, 5, yes},
		{GAD7, 12, 15, no}, {GAD7, 12, 16, yes}, {GAD7, 12, 17, yes}, {GAD7, 0, 3, no}, {GAD7, 0, 4, yes},
		{PCL5, 40, 44, no}, {PCL5, 40, 45, yes}, {PCL5, 40, 46, yes},
		{Grief, 40, 80, no}, // judged by the clinicians
	} {
		h := course(t, row.scale, row.baseline)
		h.until(h.now.AddDate(0, 0, 2))
		if row.scale == PHQ9 {
			h.measure(PHQ9, row.latest)
		} else {
			h.measure(row.scale, row.latest)
		}
		x := h.inForce(Worsening)
		if (x != nil) != row.holds {
			t.Errorf("%s from %d to %d: holds %+v", row.scale, row.baseline, row.latest, h.p.Holds)
			continue
		}
		if x == nil {
			continue
		}
		has(t, x.Why, fmt.Sprintf("%d at the baseline to %d", row.baseline, row.latest))
		h.must("release", "by", "p-singh", "hold", x.Name, "reason", "seen")
		if h.inForce(Worsening) == nil {
			t.Errorf("%s: released by the prescriber alone", row.scale)
		}
		h.must("release", "by", "t-lane", "hold", x.Name, "reason", "seen")
		if h.inForce(Worsening) != nil {
			t.Errorf("%s: still held", row.scale)
		}
	}
	// The PHQ-9 counts whatever the primary measure, and before the first dosing session nothing is worse.
	h := course(t, GAD7, 12)
	h.until(h.now.AddDate(0, 0, 2))
	h.measure(PHQ9, 17)
	if h.inForce(Worsening) == nil {
		t.Error("a PHQ-9 that is 5 worse does not hold a client whose anxiety is treated")
	}
	h = newHouse(t)
	h.measure(PHQ9, 10)
	h.now = h.now.Add(time.Hour)
	h.measure(PHQ9, 20)
	if h.inForce(Worsening) != nil {
		t.Error("worse before the first dosing session")
	}
}

// From the fourth dosing session on: improvement of at most 25 % and below the smallest important change is not working.
func TestNotWorking(t *testing.T) {
	shows(t, "not-working-from-4th", "not-working-both-bounds", "low-baseline", "baseline-zero", "verdict-says-why")
	t.Parallel()
	for _, row := range []struct {
		scale            Scale
		baseline, latest int
		given            int
		not              bool
		says             []string
	}{
		{PHQ9, 20, 20, 3, yes, []string{"PHQ-9 went from 20 at the baseline to 20: no change", "after 3 dosing sessions", "from dosing session 4 on", "at most 25 %", "fewer than 5 points better"}},
		{PHQ9, 20, 20, 2, no, nil}, // only from the fourth on
		{PHQ9, 20, 16, 3, yes, []string{"4 points better, 20 %"}},
		{PHQ9, 20, 15, 3, no, nil}, // 25 %, and the important change
		{PHQ9, 16, 12, 3, yes, []string{"4 points better, 25 %"}},
		{PHQ9, 15, 11, 3, no, nil},                                 // 26.7 %
		{PHQ9, 15, 12, 3, yes, []string{"3 points better, 20 %"}},  // and 20 %
		{PHQ9, 27, 22, 3, no, nil},                                 // 18 %, but the important change
		{PHQ9, 20, 23, 3, yes, []string{"3 points worse"}},         // worse, and below what holds
		{PHQ9, 10, 8, 3, yes, []string{"2 points better, 20 %"}},   // 10 is not below 10
		{PHQ9, 10, 7, 3, no, nil},                                  // 30 %
		{PHQ9, 9, 5, 3, yes, []string{"too low for a percentage"}}, // 44 %, but a low baseline has no percentage
		{PHQ9, 9, 4, 3, no, nil},                                   // 5 points
		{PHQ9, 0, 0, 3, yes, []string{"no change", "too low"}},     // 0 has no percentage
		{GAD7, 12, 9, 3, yes, []string{"3 points better, 25 %", "fewer than 4 points"}},
		{GAD7, 12, 8, 3, no, nil},
		{GAD7, 11, 8, 3, no, nil}, // 27 %
		{GAD7, 20, 17, 3, yes, []string{"15 %"}},
		{GAD7, 9, 6, 3, yes, []string{"too low for a percentage"}},
		{GAD7, 9, 5, 3, no, nil},
		{PCL5, 36, 27, 3, yes, []string{"PCL-5 went from 36 at the baseline to 27: 9 points better, 25 %", "fewer than 10 points"}},
		{PCL5, 35, 26, 3, no, nil},  // 25.7 %
		{PCL5, 60, 50, 3, no, nil},  // 16 %, but the important change
		{PCL5, 60, 51, 3, yes, nil}, // 15 %
		{PHQ9, 20, 16, 4, yes, []string{"after 4 dosing sessions"}},
		{PHQ9, 20, 15, 4, no, nil},
		{PHQ9, 20, 16, 5, yes, []string{"after 5 dosing sessions"}},
	} {
		totals := append([]int{row.baseline}, slices.Repeat([]int{row.baseline}, row.given-1)...)
		h := course(t, row.scale, totals...)
		h.fill(row.latest)
		a := h.p.booked(Dosing)
		got := h.p.notWorking(a.Start) != ""
		if got != row.not || got != h.blocked("review", a.Start) {
			t.Errorf("%s from %d to %d after %d: not working: %v, blocked by %v", row.scale, row.baseline, row.latest, row.given, got, h.codes(a.Start))
			continue
		}
		if task := h.task("review"); (task != nil) != row.not {
			t.Errorf("%s from %d to %d after %d: owed %v", row.scale, row.baseline, row.latest, row.given, h.keys())
		}
		has(t, h.p.notWorking(a.Start), row.says...)
		if row.baseline < 10 && strings.Contains(strings.SplitAfter(h.says(), ";")[0], "%") {
			t.Errorf("a low baseline has a percentage: %s", h.says())
		}
	}
	// Each needs its own numbers: a measure from before the last dosing session says nothing of it.
	h := course(t, PHQ9, 20, 20, 20)
	if h.p.notWorking(h.p.booked(Dosing).Start) != "" {
		t.Error("not working by a measure of an earlier decision point")
	}
}

// Blocked until a review decides to stop, to adjust or one more, with a reason; until the next dosing session.
func TestAReviewDecidesWhatFollows(t *testing.T) {
	shows(t, "not-working-review", "review-blocks", "review-has-reason")
	t.Parallel()
	base := course(t, PHQ9, 20, 20, 20)
	base.fill(18)
	start := base.p.booked(Dosing).Start
	for _, row := range []struct {
		by, decision string
		code         RefusalCode
		blocked      bool
		ending       Outcome
	}{
		{"t-lane", "adjust", "", no, ""},
		{"t-lane", "one-more", "", no, ""},
		{"p-singh", "adjust", "", no, ""},
		{"p-singh", "one-more", "", no, ""},
		{"t-lane", "continue", BadValue, yes, ""},
		{"p-singh", "continue", BadValue, yes, ""},
		{"t-lane", "complete", NotNow, yes, ""},
		{"t-lane", "stop", "", yes, StoppedAndReferred},
		{"p-singh", "stop", "", yes, ""}, // the therapist records the stop
	} {
		h := base.fork(t)
		h.refused(MissingField, "review", "by", row.by, "decision", row.decision)
		fields := []any{"by", row.by, "decision", row.decision, "reason", "looked at together"}
		if row.code != "" {
			h.refused(row.code, "review", fields...)
		} else {
			h.must("review", fields...)
		}
		if got := h.blocked("review", start) || h.blocked("phase", start); got != row.blocked || h.p.ending() != row.ending {
			t.Errorf("%s by %s: blocked by %v, ending %q", row.decision, row.by, h.codes(start), h.p.ending())
		}
		if row.by == "p-singh" && row.decision == "stop" && h.task("stop") == nil {
			t.Errorf("the prescriber says stop, and the therapist is not asked: %v", h.keys())
		}
		if row.blocked || row.code != "" {
			continue
		}
		h.hold(Dosing) // and after it the question comes again
		h.hold(Integration, "next", "another", "client_agrees", true)
		h.clear()
		h.plan("revised")
		h.fill(18)
		if !h.blocked("review", h.p.booked(Dosing).Start) {
			t.Errorf("%s by %s decides for more than one dosing session", row.decision, row.by)
		}
	}
	h := walk(t, 1)
	h.refused(NotNow, "review", "by", "t-lane", "decision", "adjust", "reason", "just so")
}

// After six: less than half better, no remission, no important change proposes to stop and refer; anything else needs both.
func TestAfterTheMost(t *testing.T) {
	shows(t, "after-six-stop-proposed", "low-baseline", "baseline-zero", "verdict-says-why", "closing-measure")
	t.Parallel()
	for _, row := range []struct {
		scale             Scale
		baseline, closing int
		stop              bool
		says              []string
	}{
		{PHQ9, 20, 15, no, nil}, // the important change
		{PHQ9, 20, 16, yes, []string{"PHQ-9 went from 20 at the baseline to 16: 4 points better, 20 %, after all 6 dosing sessions", "less than 50 % better", "fewer than 5 points better", "not below 5", "stopping and referring is proposed"}},
		{PHQ9, 9, 5, yes, []string{"too low for a percentage"}},
		{PHQ9, 9, 4, no, nil},  // remission, and the important change
		{PHQ9, 8, 5, yes, nil}, // 3 points
		{PHQ9, 8, 4, no, nil},  // remission
		{PHQ9, 10, 6, yes, []string{"40 %"}},
		{PHQ9, 10, 5, no, nil},
		{PHQ9, 0, 4, no, nil}, // remission: below 5
		{GAD7, 10, 7, yes, []string{"30 %", "fewer than 4 points"}},
		{GAD7, 10, 6, no, nil}, // the important change
		{GAD7, 7, 5, yes, nil},
		{GAD7, 7, 4, no, nil},    // remission
		{PCL5, 18, 9, no, nil},   // half
		{PCL5, 18, 10, yes, nil}, // less, and no remission on this scale
		{PCL5, 9, 1, yes, []string{"too low"}},
		{PCL5, 40, 31, yes, nil},
		{PCL5, 40, 30, no, nil},
	} {
		good := max(row.baseline-10, 0)
		h := course(t, row.scale, row.baseline, good, good, good, good, good)
		h.until(h.now.AddDate(0, 0, 1))
		h.answers9(row.closing, 0)
		said := h.p.atTheMost(h.now)
		if got := said != ""; got != row.stop || got != (h.task("review/therapist") != nil) || got != (h.task("review/prescriber") != nil) {
			t.Errorf("%s from %d to %d: %q, owed %v", row.scale, row.baseline, row.closing, said, h.keys())
			continue
		}
		has(t, said, row.says...)
		if row.stop && h.says() != said {
			t.Errorf("the details say %q", h.says())
		}
	}
}

func TestAfterTheMostAnythingElseNeedsBoth(t *testing.T) {
	shows(t, "after-six-both", "take-back")
	t.Parallel()
	base := course(t, PHQ9, 20, 10, 10, 10, 10, 10)
	base.until(base.now.AddDate(0, 0, 1))
	base.measure(PHQ9, 18)
	base.must("task-done", "by", "p-singh", "task", "discharge-contact", "outcome", "reached")
	base.must("task-done", "by", "t-lane", "task", "letter", "outcome", "done")
	if base.p.Outcome != "" {
		t.Fatal("it ended although stopping is proposed")
	}
	say := func(h *house, by, decision string) {
		h.now = h.now.Add(time.Minute)
		h.must("review", "by", by, "decision", decision, "reason", "looked at together")
	}
	for _, row := range []struct {
		is      string
		reviews [][2]string
		outcome Outcome
		ending  Outcome
	}{
		{"the therapist alone", [][2]string{{"t-lane", "complete"}}, "", Completed},
		{"the prescriber alone", [][2]string{{"p-singh", "complete"}}, "", Completed},
		{"both", [][2]string{{"t-lane", "complete"}, {"p-singh", "complete"}}, Completed, Completed},
		{"both, the other first", [][2]string{{"p-singh", "complete"}, {"t-lane", "complete"}}, Completed, Completed},
		{"taken back", [][2]string{{"p-singh", "complete"}, {"p-singh", "take-back"}, {"t-lane", "complete"}}, "", Completed},
		{"the therapist stops", [][2]string{{"t-lane", "stop"}}, "", StoppedAndReferred},
		{"the therapist stops in the end", [][2]string{{"p-singh", "complete"}, {"t-lane", "stop"}}, "", StoppedAndReferred},
	} {
		h := base.fork(t)
		for _, r := range row.reviews {
			say(h, r[0], r[1])
		}
		if h.p.Outcome != row.outcome || h.p.ending() != row.ending {
			t.Errorf("%s: outcome %q, ending %q, owed %v", row.is, h.p.Outcome, h.p.ending(), h.keys())
		}
	}
}

// Once both have decided to complete without the last measure, nobody is sent its questionnaire any more, also not one that waited.
func TestAQuestionnaireThatWaitsIsTakenBackOnceBothComplete(t *testing.T) {
	t.Parallel()
	h := walk(t, 1)
	h.silent = true
	h.hold(Dosing)
	h.hold(Integration, "next", "close", "client_agrees", true)
	h.until(h.p.askedUntil().Add(time.Hour))
	h.must("task-done", "by", "p-singh", "task", "discharge-contact", "outcome", "reached")
	h.must("task-done", "by", "t-lane", "task", "letter", "outcome", "done")
	waits := Mail{Key: "ask/closing/3/late", Kind: QuestionnaireMail, Zone: "America/New_York", From: h.now.Add(12 * time.Hour)}
	h.p.Outbox = append(h.p.Outbox, waits)
	h.must("review", "by", "t-lane", "decision", "complete", "reason", "they do not answer")
	if h.work(); !slices.ContainsFunc(h.p.Outbox, func(m Mail) bool { return m.Key == waits.Key }) {
		t.Fatal("it was taken back before both had decided")
	}
	h.must("review", "by", "p-singh", "decision", "complete", "reason", "they do not answer")
	h.work()
	if slices.ContainsFunc(h.p.Outbox, func(m Mail) bool { return m.Key == waits.Key }) {
		t.Errorf("both have decided, and it waits still: %+v", h.p.Outbox)
	}
}

// Grief is judged by both clinicians at each checkpoint: after every second dosing session, and after the most.
func TestGriefIsJudgedByBoth(t *testing.T) {
	shows(t, "grief-both-at-checkpoints", "take-back")
	t.Parallel()
	for _, given := range []int{1, 2, 3, 4, 5, 6} {
		h := course(t, Grief, slices.Repeat([]int{60}, given)...)
		checkpoint := given%2 == 0
		if given == 6 {
			if h.p.booked(Dosing) != nil || h.p.completionContested(h.now) == "" {
				t.Errorf("after six: %v", h.keys())
			}
			h.answers9(60, 0)
		}
		for _, role := range clinicians {
			if got := h.task("review/"+string(role)) != nil; got != checkpoint {
				t.Errorf("after %d: the %s is asked: %v", given, role, got)
			}
		}
		if !checkpoint || given == 6 {
			continue
		}
		if h.p.booked(Dosing) != nil || !h.blocked("review", h.now.AddDate(0, 0, 20)) {
			t.Errorf("after %d the next is booked before both have judged", given)
		}
		h.must("review", "by", "t-lane", "decision", "continue", "reason", "better")
		if h.p.booked(Dosing) != nil || h.task("review/therapist") != nil || h.task("review/prescriber") == nil {
			t.Errorf("after %d, judged by one: owed %v", given, h.keys())
		}
		h.now = h.now.Add(time.Minute)
		h.must("review", "by", "t-lane", "decision", "take-back", "reason", "to look again")
		h.must("review", "by", "p-singh", "decision", "continue", "reason", "better")
		if h.p.booked(Dosing) != nil {
			t.Errorf("after %d: booked although the therapist took the review back", given)
		}
		h.now = h.now.Add(time.Minute)
		h.must("review", "by", "t-lane", "decision", "adjust", "reason", "slower")
		if h.p.booked(Dosing) == nil {
			t.Errorf("after %d, judged by both: blocked by %v", given, h.codes(h.p.dosingFrom(h.now)))
		}
	}
}

// Two dosing sessions given, then every two: the prescriber must clear again. After the sixth there is nothing to clear for.
func TestTheCheckpoints(t *testing.T) {
	shows(t, "checkpoint-every-two")
	t.Parallel()
	h := newHouse(t)
	h.prepare()
	for given := 1; given <= 6; given++ {
		h.clear() // before each, so that only the checkpoint can ask
		if given == 4 {
			h.plan("revised")
		}
		h.hold(Dosing)
		next := "another"
		if given == 6 {
			next = "close"
		}
		asked := h.task("prescriber-clearance") != nil
		h.hold(Integration, "next", next, "client_agrees", true)
		if checkpoint := given == 2 || given == 4; h.blocked("checkpoint", h.now.AddDate(0, 0, 14)) != checkpoint || (h.p.booked(Dosing) == nil) != (checkpoint || given == 6) {
			t.Errorf("after %d: blocked by %v, asked %v", given, h.codes(h.now.AddDate(0, 0, 14)), asked)
		}
	}
}

// The adverse events: each named kind whatever its severity, another from moderate on.
func TestAdverseEvents(t *testing.T) {
	shows(t, "adverse-events", "hold-adverse-event", "clearance-void")
	t.Parallel()
	for _, row := range []struct {
		kind, severity string
		grave          bool
	}{
		{"blood-pressure-not-settling", "mild", yes},
		{"psychosis-or-mania", "moderate", yes},
		{"urinary-symptoms", "mild", yes},
		{"misuse", "moderate", yes},
		{"pregnancy", "mild", yes},
		{"serious-event", "severe", yes},
		{"medication-change", "mild", yes},
		{"left-unsteady-or-alone", "mild", yes},
		{"other", "mild", no},
		{"other", "moderate", yes},
		{"other", "severe", yes},
	} {
		h := walk(t, 1)
		start := h.p.booked(Dosing).Start
		h.must("adverse-event", "by", "t-lane", "kind", row.kind, "severity", row.severity, "reason", "seen")
		x := h.inForce(AdverseCause)
		if (x != nil) != row.grave || h.blocked("clearance-void", start) != row.grave {
			t.Errorf("%s, %s: holds %+v, blocked by %v", row.kind, row.severity, h.p.Holds, h.codes(start))
		}
		if !row.grave {
			continue
		}
		if h.task("prescriber-clearance") == nil || h.task("hold/"+x.Name+"/prescriber") == nil {
			t.Errorf("%s: owed %v", row.kind, h.keys())
		}
		h.refused(WrongPerson, "release", "by", "t-lane", "hold", x.Name, "reason", "fine")
		h.must("release", "by", "p-singh", "hold", x.Name, "reason", "looked at")
		if !h.blocked("clearance-void", start) || h.blocked(x.Name, start) {
			t.Errorf("%s released: blocked by %v, expected the clearance alone", row.kind, h.codes(start))
		}
		if row.kind == "psychosis-or-mania" {
			continue
		}
		h.now = h.now.Add(time.Minute)
		h.clear()
		if h.blocked("clearance-void", start) {
			t.Errorf("%s: still void after the prescriber cleared", row.kind)
		}
	}
	newHouse(t).refused(MissingField, "adverse-event", "by", "t-lane", "kind", "other", "severity", "mild")
}

// A clearance counts for the checkpoint from the session's end on: an answer during it, such as to a blood pressure, does not.
func TestAnAnswerDuringTheSessionIsNoCheckpoint(t *testing.T) {
	shows(t, "checkpoint-every-two", "pressure-answered")
	t.Parallel()
	for _, row := range []struct {
		from   time.Duration // the end of the second session
		counts bool
	}{{-time.Minute, no}, {0, yes}, {time.Minute, yes}} {
		h := walk(t, 1)
		h.measure(PHQ9, 17)
		a := *h.p.booked(Dosing)
		h.until(a.End.Add(row.from))
		h.clear()
		h.until(a.End.Add(2 * time.Minute))
		h.must("session-held", dosingDay(a.Name)...)
		if got := !h.blocked("checkpoint", a.Start.AddDate(0, 0, 14)); got != row.counts {
			t.Errorf("cleared %s from its end: counts %v", row.from, got)
		}
	}
}
