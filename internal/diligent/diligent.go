// Package diligent is staff who do what the details ask of them, word for word: for tests of whole pathways.
package diligent

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"kap/pathway"
)

// Staff fill in what the details leave open.
type Staff struct {
	Dosings int // so many dosing sessions are wanted
	Total   func(scale string, dosed int) int
	Decide  map[string]string // what they fill in where the details leave a decision open, such as "<why>", instead of the usual
}

// Fill is the message that a task asks for, with everything that it leaves open filled in as when all goes well.
func (f Staff) Fill(t pathway.TaskView, s pathway.Status) string {
	next := "another"
	if s.DosingDone >= f.Dosings {
		next = "close"
	}
	total := 16 - 3*s.DosingDone
	if f.Total != nil {
		_, scale, _ := strings.Cut(t.Key, "/")
		total = f.Total(scale, s.DosingDone)
	}
	suitable := "suitable"
	for says, decision := range map[string]string{"Declining": "decline", "Deferring": "defer"} {
		if strings.HasPrefix(t.What, says+" is proposed") {
			suitable = decision
		}
	}
	var decided []string
	for open, decision := range f.Decide {
		decided = append(decided, open, decision)
	}
	usual := []string{"<suitable, defer or decline>", suitable, "<another or close>", next, "<why>", "looked at together", "<to whom>", "a community clinic",
		"<for what>", "psychotherapy", "<its reference>", "rx-1", "<as given>", "as prescribed", "<route>", "sublingual", "<mmHg>", "122/78",
		`"<total>"`, strconv.Itoa(max(total, 0)), `"<item 9>"`, "0", "<what must change>", "sleep", "<a day>", s.AsOf.AddDate(0, 0, 30).Format(time.DateOnly), "<a time>", s.AsOf.AddDate(0, 0, 1).Format(time.RFC3339),
		"<continue, adjust, one-more or stop>", "continue", "<adjust, one-more or stop>", "one-more", "<complete or stop>", "complete"}
	return WhenAllGoesWell(strings.NewReplacer(append(decided, usual...)...).Replace(t.JSON))
}

// Owed are the tasks that somebody can do by now: the record of a session is awaited before its end, and owed from then on.
func Owed(s pathway.Status) []pathway.TaskView {
	return slices.DeleteFunc(slices.Clone(s.Tasks), func(t pathway.TaskView) bool { return t.Since.After(s.AsOf) })
}

// Until is when to look again where nothing is owed: something happens by itself, or a task begins; or zero.
func Until(s pathway.Status) time.Time {
	until := s.NextWake
	for _, t := range s.Tasks {
		if t.Since.After(s.AsOf) && (until.IsZero() || t.Since.Before(until)) {
			until = t.Since
		}
	}
	return until
}

// WhenAllGoesWell chooses in a message to copy what lets the client go on.
func WhenAllGoesWell(message string) string {
	return strings.NewReplacer(`"<true or false>"`, "true", "<cleared, not-cleared, more-information or revoked>", "cleared", "<suitable, defer or decline>", "suitable",
		"<given or withdrawn>", "given", "<on-file or revised>", "on-file", "<safe-to-continue or at-risk>", "safe-to-continue",
		"<held, attended-not-dosed, cut-short, no-show or cancelled-late>", "held", "<held, no-show or cancelled-late>", "held",
		"<reached or tried>", "reached", "<reached, tried or acknowledged>", "reached", "<reached, tried or declined>", "reached").Replace(message)
}
